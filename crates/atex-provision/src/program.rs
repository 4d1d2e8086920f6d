//! Running the programs of providers: so many at a time, without a terminal, not for longer than allowed, and not beyond our
//! own end.

use std::ffi::OsStr;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use atex_cli::input::reason;
use atex_cli::text::visible::visible;
use crossbeam_channel::{after, bounded, select};
use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getpid, getppid};

use crate::crowd::STACK;
use crate::fault;
use crate::stop::Stop;
use crate::trouble::Trouble;
use crate::turns;
use crate::variables::Variables;

/// The largest answer that is read: a provider's list of a thousand machines is a tenth of this.
const LARGEST: u64 = 64 << 20;

/// How much of a complaint is shown.
const SHOWN: usize = 300;

/// So long a program may clean up behind itself once its time is over.
const GRACE: Duration = Duration::from_secs(2);

/// How often is looked whether a program has ended, where nobody can be had to wait for that.
const LOOK: Duration = Duration::from_millis(20);

/// A call of a program.
pub(crate) struct Call {
    command: Command,
    name: String,
    input: Vec<u8>,
    limit: Duration,
}

/// What a program that has ended left.
#[derive(Debug)]
pub(crate) struct Ended {
    name: String,
    status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Whether there is a program of this name.
pub(crate) fn look_for(name: &str) -> Result<(), Trouble> {
    // Without PATH it is for the system to say where programs are.
    let Some(path) = std::env::var_os("PATH") else { return Ok(()) };
    let is_there = std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    if is_there { Ok(()) } else { Err(not_there(name)) }
}

fn not_there(name: &str) -> Trouble {
    Trouble::lasting(format!("{name}: it is not installed, or not in PATH"))
}

impl Call {
    /// A program of this name or path. It may run for a minute.
    pub fn new(program: impl AsRef<OsStr>) -> Call {
        let name = program.as_ref().to_string_lossy().into_owned();
        Call { command: Command::new(program), name, input: Vec::new(), limit: Duration::from_secs(60) }
    }

    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Call {
        self.command.arg(word);
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Call {
        self.command.args(words);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Call {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, variable: &str) -> Call {
        self.command.env_remove(variable);
        self
    }

    /// The variables as a provider was asked with them; those that were not set then are not set now.
    pub fn variables(mut self, variables: &Variables) -> Call {
        for (name, value) in variables.all() {
            match value {
                Some(value) => self.command.env(name, value),
                None => self.command.env_remove(name),
            };
        }
        self
    }

    pub fn directory(mut self, directory: &std::path::Path) -> Call {
        self.command.current_dir(directory);
        self
    }

    /// What it reads. Without, there is nothing to read.
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Call {
        self.input = text.into();
        self
    }

    pub fn limit(mut self, limit: Duration) -> Call {
        self.limit = limit;
        self
    }

    /// Runs it, and gives what it printed if it was successful.
    pub fn text(self, stop: &Stop) -> Result<String, Trouble> {
        self.run(stop)?.text()
    }

    /// Runs it to its end, whatever that is.
    pub fn run(mut self, stop: &Stop) -> Result<Ended, Trouble> {
        let _turn = turns::take(stop)?;
        let name = self.name.clone();
        fault::point(&format!("before {name}"));
        let outcome = self.execute(stop).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => not_there(&name),
            _ => Trouble::passing(format!("{name}: {}", reason(&e))),
        })?;
        fault::point(&format!("after {name}"));
        outcome
    }

    fn execute(&mut self, stop: &Stop) -> io::Result<Result<Ended, Trouble>> {
        // Files instead of pipes: what a program leaves running with them open, such as a virtual machine, holds
        // nobody up.
        let (mut input, mut stdout, mut stderr) =
            (tempfile::tempfile()?, tempfile::tempfile()?, tempfile::tempfile()?);
        input.write_all(&self.input)?;
        input.rewind()?;
        let (out, err) = (Stdio::from(stdout.try_clone()?), Stdio::from(stderr.try_clone()?));
        let command = self.command.stdin(input).stdout(out).stderr(err).process_group(0);
        // The signal comes when the thread ends that started it; that thread waits for it, see `wait`.
        let parent = getpid();
        // SAFETY: between fork and exec only system calls are made, which take no lock and no memory.
        unsafe { command.pre_exec(move || begin_as_child_of(parent)) };
        let mut child = command.spawn()?;
        let ended = wait(&mut child, self.limit, stop)?;
        let name = self.name.clone();
        let status = match ended {
            Waited::Ended(status) => status,
            Waited::TimedOut => {
                let seconds = self.limit.as_secs();
                return Ok(Err(Trouble::passing(format!("{name}: did not end within {seconds} s"))));
            }
            Waited::Stopped => return Ok(Err(Trouble::stopped())),
        };
        let read = |file: &mut std::fs::File| -> io::Result<String> {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.take(LARGEST).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Ok(Ended { name, status, stdout: read(&mut stdout)?, stderr: read(&mut stderr)? }))
    }
}

/// Has the kernel kill this process with its parent.
fn begin_as_child_of(parent: Pid) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // One that has died before will not be told of.
    if getppid() == parent { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
}

enum Waited {
    Ended(ExitStatus),
    TimedOut,
    Stopped,
}

fn wait(child: &mut Child, limit: Duration, stop: &Stop) -> io::Result<Waited> {
    let pid = pid_of(child);
    std::thread::scope(|scope| {
        let (said, end) = bounded(1);
        // It stays a zombie until it has been waited for: till then its number is no one else's.
        let listen = move || {
            while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
                == Err(nix::errno::Errno::EINTR)
            {}
            let _ = said.send(());
        };
        if std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, listen).is_err() {
            return look_until_the_end(child, limit, stop);
        }
        let broken_off = select! {
            recv(end) -> _ => None,
            recv(after(limit)) -> _ => Some(Waited::TimedOut),
            recv(stop.event()) -> _ => Some(Waited::Stopped),
        };
        if broken_off.is_some() {
            let _ = killpg(pid, Signal::SIGTERM);
            let _ = end.recv_timeout(GRACE);
            let _ = killpg(pid, Signal::SIGKILL);
        }
        let status = child.wait()?;
        Ok(broken_off.unwrap_or(Waited::Ended(status)))
    })
}

/// The same where no thread is to be had that could wait for its end: it is looked for again and again.
fn look_until_the_end(child: &mut Child, limit: Duration, stop: &Stop) -> io::Result<Waited> {
    let pid = pid_of(child);
    let begun = Instant::now();
    let broken_off = loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Waited::Ended(status));
        }
        if begun.elapsed() >= limit {
            break Waited::TimedOut;
        }
        if stop.sleep(LOOK) {
            break Waited::Stopped;
        }
    };
    let _ = killpg(pid, Signal::SIGTERM);
    let told = Instant::now();
    while child.try_wait()?.is_none() && told.elapsed() < GRACE {
        std::thread::sleep(LOOK);
    }
    // Others of its group may be there still.
    let _ = killpg(pid, Signal::SIGKILL);
    child.wait()?;
    Ok(broken_off)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("the kernel's process ids are positive i32"))
}

impl Ended {
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    /// What it printed, if it was successful; else what it complained of.
    pub fn text(self) -> Result<String, Trouble> {
        if self.is_success() { Ok(self.stdout) } else { Err(self.trouble()) }
    }

    /// What it printed, as JSON.
    pub fn json(self) -> Result<serde_json::Value, Trouble> {
        let name = self.name.clone();
        let text = self.text()?;
        parse_json(&name, &text)
    }

    /// That it failed, in its own words.
    pub fn trouble(&self) -> Trouble {
        let end = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, signal) => format!("ended by signal {}", signal.unwrap_or_default()),
        };
        Trouble::passing(match self.complaint() {
            Some(words) => format!("{}: {words} ({end})", self.name),
            None => format!("{}: {end}", self.name),
        })
    }

    /// Whether it says this anywhere in its complaints.
    pub fn says(&self, words: &str) -> bool {
        self.stderr.contains(words) || self.stdout.contains(words)
    }

    /// The last line that it wrote to standard error: what stands before it is often a trace.
    fn complaint(&self) -> Option<String> {
        let line = self.stderr.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(visible(line).chars().take(SHOWN).collect())
    }
}

/// The JSON that `name` has printed.
pub(crate) fn parse_json(name: &str, text: &str) -> Result<serde_json::Value, Trouble> {
    serde_json::from_str(text.trim()).map_err(|e| {
        let start: String = text.trim().chars().take(60).collect();
        Trouble::lasting(format!("{name}: expected JSON ({e}), found `{}`", visible(&start)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Call {
        Call::new("sh").args(["-c", script])
    }

    #[test]
    fn what_a_program_says_is_heard() {
        let stop = Stop::never();
        assert_eq!(shell("tr a b").input("banana").text(&stop).unwrap(), "bbnbnb");
        assert_eq!(shell("echo $X").env("X", "y").text(&stop).unwrap(), "y\n");
        for (script, message) in [
            ("echo trace >&2; echo 'no such \u{1b}[1m' >&2; exit 3", "sh: no such \\x1b[1m (exit status 3)"),
            ("exit 4", "sh: exit status 4"),
            ("kill -9 $$", "sh: ended by signal 9"),
        ] {
            assert_eq!(shell(script).text(&stop).unwrap_err().message, message);
        }
        let message = "no-such-program: it is not installed, or not in PATH";
        let trouble = Call::new("no-such-program").text(&stop).unwrap_err();
        assert_eq!((trouble.message.as_str(), trouble.again), (message, false));
        assert_eq!(look_for("no-such-program"), Err(trouble));
        assert_eq!(look_for("sh"), Ok(()));
        let message = "sh: expected JSON (expected ident at line 1 column 2), found `no`";
        assert_eq!(shell("echo no").run(&stop).unwrap().json().unwrap_err().message, message);
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let call = shell("sleep 60").limit(Duration::from_millis(50));
        assert_eq!(call.text(&Stop::never()).unwrap_err().message, "sh: did not end within 0 s");
        let (stopper, stop) = Stop::new();
        let waiting = std::thread::spawn(move || shell("sleep 60").text(&stop));
        drop(stopper);
        assert_eq!(waiting.join().unwrap().unwrap_err(), Trouble::stopped());
    }

    #[test]
    fn an_end_is_found_without_a_thread_that_waits_for_it() {
        use std::os::unix::process::CommandExt as _;
        let spawn = |script| Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap();
        let (never, long) = (Stop::never(), Duration::from_secs(60));
        let mut child = spawn("exit 7");
        let Waited::Ended(status) = look_until_the_end(&mut child, long, &never).unwrap() else { panic!() };
        assert_eq!(status.code(), Some(7));
        let mut child = spawn("sleep 60");
        let short = Duration::from_millis(30);
        assert!(matches!(look_until_the_end(&mut child, short, &never).unwrap(), Waited::TimedOut));
        let (stopper, stop) = Stop::new();
        drop(stopper);
        let mut child = spawn("trap '' TERM; sleep 60");
        assert!(matches!(look_until_the_end(&mut child, long, &stop).unwrap(), Waited::Stopped));
    }

    #[test]
    fn nothing_is_begun_for_a_parent_that_is_dead() {
        use std::os::unix::process::CommandExt as _;
        for (parent, begins) in [(getpid(), true), (Pid::from_raw(i32::MAX), false)] {
            let mut command = Command::new("true");
            // SAFETY: as in `execute`.
            unsafe { command.pre_exec(move || begin_as_child_of(parent)) };
            assert_eq!(command.status().is_ok(), begins);
        }
    }

    #[test]
    fn what_it_leaves_running_holds_nobody_up() {
        let text = shell("sleep 5 & echo $!").text(&Stop::never()).unwrap();
        let pid = Pid::from_raw(text.trim().parse().unwrap());
        nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it still runs");
    }
}
