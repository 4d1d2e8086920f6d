//! A command line of the user's on this machine: a hook, a policy. It runs in a process group of its own, so that a
//! ^C at our terminal is ours to handle, and so that all of it can be ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, select};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// Between asking a program to end and ending it.
pub(crate) const KILL_AFTER: Duration = Duration::from_secs(2);

/// Variables that a program is given beside those that we have.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// How many files we might have open when we were started, before we asked for more.
static OPEN_FILES: OnceLock<Option<u64>> = OnceLock::new();

/// To be called before the limit of open files is raised: programs that we start get the one that we were given.
pub(crate) fn remember_open_files() {
    OPEN_FILES.get_or_init(|| getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft));
}

/// A program that runs, or has ended. It is not ended with this value: see [`Program::signal`].
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Starts a shell command line. Its input and its output are pipes.
    pub fn start(command: &str, variables: &Variables, stderr: impl Into<Stdio>) -> io::Result<Program> {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        if let Some(soft) = OPEN_FILES.get().copied().flatten() {
            // SAFETY: between fork and exec only system calls are made; nothing allocates or locks.
            unsafe { shell.pre_exec(move || Ok(limit_open_files(soft)?)) };
        }
        Ok(Program { child: shell.spawn()?, ended: None })
    }

    /// Its input. There once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its output. There once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it says, if that is a pipe. There once.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            // An error means that somebody else has reaped it, which nobody does.
            self.ended = self.child.try_wait().unwrap_or_else(|_| Some(ExitStatus::from_raw(0xff00)));
        }
        self.ended
    }

    /// Sends a signal to it and to all that it has started, unless it has ended: its number may be another's then.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            // An error means that nothing of it is left.
            let _ = killpg(group(&self.child), signal);
        }
    }
}

fn group(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("the system's process ids are of this size"))
}

fn limit_open_files(soft: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)
}

/// A program that several threads look after: one that writes to it, one that reads, one that watches the clock.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Program>>);

/// Why a program was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It took too long.
    TimedOut,
    /// The run is being stopped.
    Stopped,
}

impl Shared {
    pub fn new(program: Program) -> Shared {
        Shared(Arc::new(Mutex::new(program)))
    }

    pub fn signal(&self, signal: Signal) {
        self.lock().signal(signal);
    }

    /// Waits until it ends, and ends what it leaves behind, which might hold its pipes open.
    pub fn wait(&self) -> ExitStatus {
        let pid = group(&self.lock().child);
        loop {
            // Without the lock, and leaving it to be reaped, so that it can be signalled meanwhile.
            if waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR) {
                continue;
            }
            let mut program = self.lock();
            program.signal(Signal::SIGKILL);
            if let Some(status) = program.try_wait() {
                return status;
            }
        }
    }

    /// Waits until it ends. What it leaves behind is left alone.
    pub fn wait_only(&self) -> ExitStatus {
        let pid = group(&self.lock().child);
        loop {
            // As in `wait`.
            if waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) != Err(nix::Error::EINTR)
                && let Some(status) = self.lock().try_wait()
            {
                return status;
            }
        }
    }

    /// Ends it when it is not over so long after that was sent on `left`, and when `stop` is closed. Returns when
    /// it is `over`, which is to be closed then.
    pub fn watch(&self, left: &Receiver<Duration>, stop: &Receiver<()>, over: &Receiver<()>) -> Option<Stop> {
        let left = select! {
            recv(over) -> _ => return None,
            recv(stop) -> _ => return Some(self.end(Stop::Stopped, over)),
            // Closed: whoever was at work for it has failed.
            recv(left) -> left => left.unwrap_or_default(),
        };
        select! {
            recv(over) -> _ => None,
            recv(stop) -> _ => Some(self.end(Stop::Stopped, over)),
            default(left) => Some(self.end(Stop::TimedOut, over)),
        }
    }

    fn end(&self, why: Stop, over: &Receiver<()>) -> Stop {
        self.signal(Signal::SIGTERM);
        if over.recv_timeout(KILL_AFTER) == Err(RecvTimeoutError::Timeout) {
            self.signal(Signal::SIGKILL);
            let _ = over.recv();
        }
        why
    }

    fn lock(&self) -> MutexGuard<'_, Program> {
        // Nothing is left half-done when one that holds it panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The input of a program, of which each write has to be taken within a time.
#[derive(Debug)]
pub(crate) struct Patient {
    pipe: ChildStdin,
    timeout: Duration,
}

impl Patient {
    pub fn new(pipe: ChildStdin, timeout: Duration) -> io::Result<Patient> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Patient { pipe, timeout })
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.pipe.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            let timeout = PollTimeout::try_from(self.timeout).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.pipe.as_fd(), PollFlags::POLLOUT)], timeout) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a program ended that should have ended with 0, in words.
pub(crate) fn fault(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (None, signal) => {
            let name = signal.and_then(|number| Signal::try_from(number).ok());
            Some(name.map_or("ended by a signal".into(), |name| format!("ended by {name}")))
        }
    }
}

/// Opens a log that is appended to; nobody but the user can read it.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_program_has_the_limits_that_we_were_given() {
        remember_open_files();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        let variables = vec![("ATEX_X", "a b".to_owned())];
        let mut program = Program::start("ulimit -Sn; echo \"$ATEX_X\"", &variables, Stdio::null()).unwrap();
        let mut said = String::new();
        program.stdout().unwrap().read_to_string(&mut said).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        assert_eq!(said, format!("{soft}\na b\n"));
    }

    #[test]
    fn the_way_a_program_ended_is_told_in_words() {
        for (raw, words) in [(0, None), (3 << 8, Some("exit status 3")), (15, Some("ended by SIGTERM"))] {
            assert_eq!(fault(ExitStatus::from_raw(raw)).as_deref(), words);
        }
    }
}
