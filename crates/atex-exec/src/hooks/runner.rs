//! The processes of hooks: one thread that looks after all of them.
//!
//! It sleeps in poll(2) on their pipes, on its own wake-up (which SIGCHLD writes to as well), and on the nearest
//! time limit: a run whose hooks do nothing costs nothing.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atex_cli::{input::reason, now};
use crossbeam_channel::{Receiver, Sender, unbounded};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use signal_hook::{SigId, low_level};

use crate::program::{KILL_AFTER, Program, Variables, fault, open_log};

/// So many run at one time; more wait for their turn. Each is a process and three descriptors.
const AT_ONCE: usize = 256;

/// More than this is not what a hook has to print: records, each held in memory until all are there.
const MOST_PRINTED: usize = 16 << 20;

/// So much of what one says is kept.
const MOST_SAID: usize = 1 << 20;

/// A hook that is to be run.
#[derive(Debug)]
pub(super) struct Request {
    /// Chosen by whoever asks; one at a time.
    pub id: u32,
    pub command: String,
    pub variables: Variables,
    pub input: Vec<u8>,
    /// Where it is kept what the hook says, and what stands above that.
    pub log: PathBuf,
    pub about: String,
}

/// How a hook ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With status 0, having printed this.
    Printed(Vec<u8>),
    /// In another way, in words.
    Failed(String),
    /// It was cancelled before it was done.
    Cancelled,
}

enum Word {
    Run(Box<Request>),
    /// Ask it to end, or end it.
    Cancel {
        id: u32,
        by_force: bool,
    },
}

/// The thread.
pub(super) struct Runner {
    words: Option<Sender<Word>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
    child_ended: SigId,
}

impl Runner {
    /// Starts it. Each hook may take `timeout`; its end is sent to `ended`.
    pub fn start(timeout: Duration, ended: Sender<(u32, End)>) -> io::Result<Runner> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let child_ended = low_level::pipe::register(Signal::SIGCHLD as i32, wake.try_clone()?)?;
        let (words, asked) = unbounded();
        let processes = Processes {
            asked: Some(asked),
            woken,
            timeout,
            ended,
            waiting: VecDeque::new(),
            running: HashMap::new(),
        };
        let thread = std::thread::Builder::new().name("hooks-run".into()).spawn(move || processes.serve())?;
        Ok(Runner { words: Some(words), wake, thread: Some(thread), child_ended })
    }

    pub fn run(&self, request: Request) {
        self.say(Word::Run(Box::new(request)));
    }

    /// Asks a hook to end, with SIGTERM and then SIGKILL; by force, with the latter at once. One that does its work
    /// to the end meanwhile has done it.
    pub fn cancel(&self, id: u32, by_force: bool) {
        self.say(Word::Cancel { id, by_force });
    }

    fn say(&self, word: Word) {
        if let Some(words) = &self.words {
            let _ = words.send(word);
            self.wake();
        }
    }

    fn wake(&self) {
        // If there is no room it will wake up for what is there.
        let _ = (&self.wake).write(&[0]);
    }
}

impl Drop for Runner {
    /// Ends all that runs.
    fn drop(&mut self) {
        self.words = None;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        low_level::unregister(self.child_ended);
    }
}

/// What the thread has.
struct Processes {
    /// Nothing, if nobody can ask any more.
    asked: Option<Receiver<Word>>,
    woken: UnixStream,
    timeout: Duration,
    ended: Sender<(u32, End)>,
    waiting: VecDeque<Request>,
    running: HashMap<u32, Process>,
}

impl Processes {
    fn serve(mut self) {
        loop {
            self.listen();
            while self.running.len() < AT_ONCE
                && let Some(request) = self.waiting.pop_front()
            {
                self.start(request);
            }
            if self.asked.is_none() && self.running.is_empty() {
                return;
            }
            self.sleep();
            // First the wake-up, then what it is about: what comes in between wakes up once more.
            while matches!((&self.woken).read(&mut [0; 64]), Ok(1..)) {}
            self.look();
        }
    }

    fn listen(&mut self) {
        let Some(asked) = &self.asked else { return };
        loop {
            match asked.try_recv() {
                Ok(Word::Run(request)) => self.waiting.push_back(*request),
                Ok(Word::Cancel { id, by_force }) => {
                    if let Some(process) = self.running.get_mut(&id) {
                        process.stop(Stop::Cancelled, by_force);
                    }
                    if let Some(at) = self.waiting.iter().position(|request| request.id == id) {
                        self.waiting.remove(at);
                        let _ = self.ended.send((id, End::Cancelled));
                    }
                }
                Err(e) if e.is_disconnected() => break,
                Err(_) => return,
            }
        }
        self.asked = None;
        self.waiting.clear();
        for process in self.running.values_mut() {
            process.stop(Stop::Cancelled, true);
        }
    }

    fn start(&mut self, request: Request) {
        let id = request.id;
        match Process::start(request, Instant::now() + self.timeout) {
            Ok(process) => drop(self.running.insert(id, process)),
            Err(e) => {
                let _ = self.ended.send((id, End::Failed(format!("cannot be started: {}", reason(&e)))));
            }
        }
    }

    fn sleep(&self) {
        let mut fds = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.running.values().flat_map(Process::awaited));
        let first = self.running.values().map(|process| process.deadline).min();
        let timeout = first.map_or(PollTimeout::NONE, |first| {
            // A millisecond more, so as not to wake up just before.
            let left = first.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        // An interruption is as good as a wake-up.
        let _ = poll(&mut fds, timeout);
    }

    fn look(&mut self) {
        let (now, timeout) = (Instant::now(), self.timeout);
        let mut over = Vec::new();
        for (id, process) in &mut self.running {
            if let Some(status) = process.look(now) {
                over.push((*id, status));
            }
        }
        for (id, status) in over {
            if let Some(process) = self.running.remove(&id) {
                let _ = self.ended.send((id, process.end(status, timeout)));
            }
        }
    }
}

/// Why a hook was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Cancelled,
    TimedOut,
    PrintedTooMuch,
}

/// A hook that runs.
struct Process {
    program: Program,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    input: Vec<u8>,
    written: usize,
    printed: Vec<u8>,
    said: Vec<u8>,
    log: PathBuf,
    about: String,
    /// When it is asked to end, or, if it has been, when it is killed.
    deadline: Instant,
    stopped: Option<Stop>,
}

impl Process {
    fn start(request: Request, deadline: Instant) -> io::Result<Process> {
        let mut program = Program::start(&request.command, &request.variables, Stdio::piped())?;
        let process = Process {
            stdin: program.stdin(),
            stdout: program.stdout(),
            stderr: program.stderr(),
            program,
            input: request.input,
            written: 0,
            printed: Vec::new(),
            said: Vec::new(),
            log: request.log,
            about: request.about,
            deadline,
            stopped: None,
        };
        let fds = [
            process.stdin.as_ref().map(AsFd::as_fd),
            process.stdout.as_ref().map(AsFd::as_fd),
            process.stderr.as_ref().map(AsFd::as_fd),
        ];
        for fd in fds.into_iter().flatten() {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(process)
    }

    /// What it is waited for on its pipes.
    fn awaited(&self) -> impl Iterator<Item = PollFd<'_>> {
        let stdin = self.stdin.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT));
        let stdout = self.stdout.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        let stderr = self.stderr.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        [stdin, stdout, stderr].into_iter().flatten()
    }

    /// Does what can be done now; how it ended, if it has.
    fn look(&mut self, now: Instant) -> Option<ExitStatus> {
        if self.deadline <= now {
            match self.stopped {
                None => self.stop(Stop::TimedOut, false),
                Some(why) => self.stop(why, true),
            }
        }
        self.write();
        // In this order: what it printed before it ended is there when its end is known.
        let status = self.program.try_wait();
        self.read();
        status
    }

    fn write(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        while self.written < self.input.len() {
            match stdin.write(&self.input[self.written..]) {
                Ok(count) => self.written += count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // It does not want to read it, which is its own affair.
                Err(_) => break,
            }
        }
        self.stdin = None;
    }

    fn read(&mut self) {
        if !read_into(&mut self.stdout, &mut self.printed, MOST_PRINTED) && self.stopped.is_none() {
            self.stop(Stop::PrintedTooMuch, false);
        }
        read_into(&mut self.stderr, &mut self.said, MOST_SAID);
    }

    fn stop(&mut self, why: Stop, by_force: bool) {
        self.stopped.get_or_insert(why);
        self.program.signal(if by_force { Signal::SIGKILL } else { Signal::SIGTERM });
        self.deadline = Instant::now() + KILL_AFTER;
    }

    fn end(self, status: ExitStatus, timeout: Duration) -> End {
        let fault = fault(status);
        self.write_log(fault.as_deref());
        match (self.stopped, fault) {
            (Some(Stop::TimedOut), _) => {
                End::Failed(self.with_reason(&format!("not done within {}", shown(timeout))))
            }
            (Some(Stop::PrintedTooMuch), _) => {
                End::Failed(format!("it printed more than {} MiB", MOST_PRINTED >> 20))
            }
            (Some(Stop::Cancelled), Some(_)) => End::Cancelled,
            (_, Some(fault)) => End::Failed(self.with_reason(&fault)),
            (_, None) => End::Printed(self.printed),
        }
    }

    /// A problem, with the last of its own words.
    fn with_reason(&self, problem: &str) -> String {
        let said = String::from_utf8_lossy(&self.said);
        match said.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{problem}: {}", shortened(line.trim()).escape_debug()),
            None => problem.to_owned(),
        }
    }

    /// Keeps what it said, all of it in one piece: others may be saying something, too.
    fn write_log(&self, fault: Option<&str>) {
        if self.said.is_empty() && fault.is_none() {
            return;
        }
        let fault = fault.unwrap_or("exit status 0");
        let mut text = format!("--- {} {}: {fault}\n", now(), self.about).into_bytes();
        text.extend_from_slice(&self.said);
        if self.said.len() >= MOST_SAID {
            text.extend_from_slice(b"\n--- and more, which is not kept");
        }
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
        let written = open_log(&self.log).and_then(|mut log| log.write_all(&text));
        if let Err(e) = written {
            log::warn!("{}: {}", self.log.display(), reason(&e));
        }
    }
}

/// Reads what is there, and keeps at most `most` bytes of it; whether there were no more. The pipe is dropped at its
/// end.
fn read_into(pipe: &mut Option<impl Read>, kept: &mut Vec<u8>, most: usize) -> bool {
    let mut buffer = [0; 16 << 10];
    let mut fits = true;
    while let Some(reader) = pipe {
        match reader.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(count) => {
                let room = most - kept.len();
                kept.extend_from_slice(&buffer[..count.min(room)]);
                fits &= count <= room;
                if !fits {
                    // Once a turn, so that one who never stops holds nobody up.
                    break;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => *pipe = None,
        }
    }
    fits
}

/// So much of one line of a hook's is put into a message.
const MOST_SHOWN: usize = 200;

fn shortened(line: &str) -> String {
    match line.char_indices().nth(MOST_SHOWN) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

fn shown(duration: Duration) -> String {
    atex_control::format_duration(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
        runner: Runner,
        ended: Receiver<(u32, End)>,
    }

    impl Fixture {
        fn new(timeout: Duration) -> Fixture {
            let (to, ended) = unbounded();
            Fixture { dir: tempfile::tempdir().unwrap(), runner: Runner::start(timeout, to).unwrap(), ended }
        }

        fn run(&self, id: u32, command: &str, input: &str) {
            self.runner.run(Request {
                id,
                command: command.into(),
                variables: vec![("ATEX_HOOK", "pre-test".into())],
                input: input.into(),
                log: self.log(),
                about: "test /t".into(),
            });
        }

        fn log(&self) -> PathBuf {
            self.dir.path().join("hooks/x.log")
        }

        fn end(&self) -> End {
            self.ended.recv_timeout(Duration::from_secs(20)).expect("it ends").1
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn printed(text: &str) -> End {
        End::Printed(text.into())
    }

    #[test]
    fn ends_are_told_apart() {
        let hooks = Fixture::new(LONG);
        let large = "x".repeat(300_000);
        for (command, input, end) in [
            ("cat", "a\n", printed("a\n")),
            ("cat", &*large, printed(&large)),
            ("echo $ATEX_HOOK; exec <&-", &large, printed("pre-test\n")),
            ("exit 3", "", End::Failed("exit status 3".into())),
            (
                "echo one >&2; echo 'two\t' >&2; echo >&2; exit 1",
                "",
                End::Failed("exit status 1: two".into()),
            ),
            ("kill -KILL $$", "", End::Failed("ended by SIGKILL".into())),
            ("no-such-program-here 2>/dev/null", "", End::Failed("exit status 127".into())),
            // What it leaves behind holds nobody up.
            ("sleep 30 & echo a", "", printed("a\n")),
        ] {
            hooks.run(1, command, input);
            assert_eq!(hooks.end(), end, "{command}");
        }
        let log = std::fs::read_to_string(hooks.log()).unwrap();
        assert!(log.contains(" test /t: exit status 1\none\ntwo\t\n\n--- "), "{log}");
    }

    #[test]
    fn one_that_takes_too_long_is_ended_and_others_are_not_held_up() {
        let hooks = Fixture::new(Duration::from_millis(300));
        hooks.run(1, "trap '' TERM; echo stuck >&2; while :; do sleep 1; done", "");
        hooks.run(2, "echo quick", "");
        let (first, end) = hooks.ended.recv().unwrap();
        assert_eq!((first, end), (2, printed("quick\n")));
        let End::Failed(problem) = hooks.end() else { panic!() };
        assert!(problem.starts_with("not done within ") && problem.ends_with(": stuck"), "{problem}");
    }

    #[test]
    fn one_that_prints_without_end_is_ended() {
        let hooks = Fixture::new(LONG);
        hooks.run(1, "yes", "");
        assert_eq!(hooks.end(), End::Failed("it printed more than 16 MiB".into()));
    }

    #[test]
    fn one_that_is_cancelled_may_still_be_done() {
        let hooks = Fixture::new(LONG);
        let ready = hooks.dir.path().join("ready");
        std::process::Command::new("mkfifo").arg(&ready).status().unwrap();
        let wait = |trap: &str| format!("trap '{trap}' TERM; echo >{}; sleep 60 & wait", ready.display());
        for (trap, end) in [("exit 5", End::Cancelled), ("echo done; exit 0", printed("done\n"))] {
            hooks.run(1, &wait(trap), "");
            // It has set its trap.
            std::fs::read(&ready).unwrap();
            hooks.runner.cancel(1, false);
            assert_eq!(hooks.end(), end);
        }
        hooks.run(1, &wait(""), "");
        std::fs::read(&ready).unwrap();
        hooks.runner.cancel(1, true);
        assert_eq!(hooks.end(), End::Cancelled);
    }

    #[test]
    fn all_end_with_the_runner() {
        let hooks = Fixture::new(LONG);
        let pid = hooks.dir.path().join("pid");
        std::process::Command::new("mkfifo").arg(&pid).status().unwrap();
        hooks.run(1, &format!("echo $$ >{}; sleep 60", pid.display()), "");
        let text = std::fs::read_to_string(&pid).unwrap();
        drop(hooks.runner);
        assert!(!std::path::Path::new(&format!("/proc/{}", text.trim())).exists());
    }
}
