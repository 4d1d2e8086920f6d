//! Running `git`: without questions, without what an outer git left in the environment, and not for longer than allowed.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, setsid};

use super::url::PROTOCOLS;
use crate::error::{Error, ErrorClass};

/// What git reads about the repository to work on, for its own children and hooks. We may be one of those.
const OF_AN_OUTER_GIT: [&str; 16] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
];

/// Against git going on in the background, and leaving files out.
const SETTINGS: [&str; 3] = ["gc.auto=0", "maintenance.auto=false", "core.sparseCheckout=false"];

/// So much of each stream is kept.
const KEPT_BYTES: u64 = 64 * 1024;

/// So long git may clean up behind itself once its time is over.
const GRACE: Duration = Duration::from_secs(2);

/// A call of git.
pub struct Call {
    command: Command,
    /// The command as messages show it.
    shown: String,
}

/// How a call went wrong.
#[derive(Debug)]
pub enum Failed {
    /// It could not be run, or had no success.
    Status(Error),
    /// The time was over.
    TimedOut(Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Status(error) | Failed::TimedOut(error) => error,
        }
    }
}

/// When all that belongs to one request must have ended.
#[derive(Clone, Copy)]
pub struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    pub fn of(limit: Duration) -> Self {
        Self { start: Instant::now(), limit }
    }

    fn left(self) -> Duration {
        self.limit.saturating_sub(self.start.elapsed())
    }
}

impl Call {
    /// `git` with arguments that messages show.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut call = Self { command: Command::new("git"), shown: "git".to_owned() };
        for setting in SETTINGS {
            call.command.args(["-c", setting]);
        }
        prepare(&mut call.command);
        call.words(words)
    }

    /// More arguments that messages show.
    pub fn words<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        for word in words {
            self = self.shown_as(word, word);
        }
        self
    }

    /// Arguments that messages do not show.
    pub fn hidden<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.command.args(words);
        self
    }

    /// An argument that messages show as something else.
    pub fn shown_as(mut self, word: &str, shown: &str) -> Self {
        self.command.arg(word);
        self.shown.push(' ');
        self.shown.push_str(shown);
        self
    }

    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    pub fn current_dir(mut self, dir: &std::path::Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs it; gives what it wrote to its standard output.
    pub fn run(mut self, deadline: Deadline) -> Result<String, Failed> {
        let failed = |message: String| Failed::Status(Error::new(ErrorClass::Fetch, message));
        let outcome = run(&mut self.command, deadline.left())
            .map_err(|error| failed(format!("Command '{}' could not be run: {error}", self.shown)))?;
        if outcome.timed_out {
            let seconds = deadline.limit.as_secs_f32();
            let message = format!("Command '{}' timed out after {seconds} seconds.", self.shown);
            return Err(Failed::TimedOut(Error::new(ErrorClass::Fetch, message)));
        }
        if outcome.status.success() {
            return Ok(outcome.stdout);
        }
        let message = match outcome.status.signal() {
            Some(signal) => format!("Command '{}' died with signal {signal}.", self.shown),
            None => {
                let status = outcome.status.code().unwrap_or_default();
                format!("Command '{}' returned non-zero exit status {status}.", self.shown)
            }
        };
        let error = Error::new(ErrorClass::Fetch, message);
        Err(Failed::Status(match complaint(&outcome.stderr) {
            Some(line) => error.with_details(line),
            None => error,
        }))
    }
}

/// The line that says what is wrong. What may stand behind it is advice.
fn complaint(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().map(str::trim_end).filter(|line| !line.is_empty()).rev();
    let says = |line: &&str| ["fatal: ", "error: "].iter().any(|start| line.starts_with(start));
    let line = lines.clone().find(says).or_else(|| lines.next())?;
    // A server may have written it.
    Some(line.chars().map(|c| if c.is_control() { '?' } else { c }).collect())
}

fn prepare(command: &mut Command) {
    for key in OF_AN_OUTER_GIT {
        command.env_remove(key);
    }
    command
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        // Empty means that nobody is asked, not even by a window.
        .env("GIT_ASKPASS", "")
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS.join(":"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // In a session of its own it has no terminal to ask on, whichever ssh the user's settings name, and is a group that
    // can be killed.
    // The signal comes when the thread ends that started it; that thread waits for it, see `run`.
    let alone_and_mortal = || {
        setsid()?;
        Ok(prctl::set_pdeathsig(Signal::SIGTERM)?)
    };
    // SAFETY: between fork and exec only system calls are made, which take no lock and no memory.
    unsafe { command.pre_exec(alone_and_mortal) };
}

struct Outcome {
    status: ExitStatus,
    timed_out: bool,
    stdout: String,
    stderr: String,
}

fn run(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    let mut child = command.spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("the kernel's process ids are positive i32"));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let stdout = scope.spawn(move || read(stdout));
        let stderr = scope.spawn(move || read(stderr));
        let (ended, end) = mpsc::channel();
        // It stays a zombie until the group has been killed: till then its number is no one else's.
        scope.spawn(move || {
            let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
            let _ = ended.send(());
        });
        let timed_out = end.recv_timeout(limit).is_err();
        if timed_out {
            let _ = killpg(pid, Signal::SIGTERM);
            let _ = end.recv_timeout(GRACE);
        }
        // Helpers that outlived it would keep the streams open.
        let _ = killpg(pid, Signal::SIGKILL);
        let status = child.wait()?;
        let text = |reader: thread::ScopedJoinHandle<'_, String>| reader.join().unwrap_or_default();
        Ok(Outcome { status, timed_out, stdout: text(stdout), stderr: text(stderr) })
    })
}

/// The beginning of a stream; the rest is read, so that the writer does not wait, and dropped.
fn read(stream: Option<impl Read>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut kept = Vec::new();
    let _ = (&mut stream).take(KEPT_BYTES).read_to_end(&mut kept);
    let _ = io::copy(&mut stream, &mut io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_command_its_status_and_its_complaint() {
        let deadline = Deadline::of(Duration::from_secs(60));
        assert!(Call::new(["--version"]).run(deadline).unwrap().starts_with("git version "));
        let failed = Call::new(["no-such-command"]).hidden(["x"]).run(deadline).unwrap_err();
        let error = Error::from(failed);
        assert_eq!(error.class(), ErrorClass::Fetch);
        assert_eq!(error.message(), "Command 'git no-such-command' returned non-zero exit status 1.");
        assert!(error.details().unwrap().contains("'no-such-command' is not a git command"), "{error}");
    }

    #[test]
    fn the_complaint_is_not_the_advice_behind_it() {
        for (stderr, expected) in [
            ("", None),
            ("one\n\ntwo\n\n", Some("two")),
            ("warning: a\nfatal: b\n\nPlease make sure\nthat it exists.\n", Some("fatal: b")),
            ("error: a\nhint: b\n", Some("error: a")),
            ("fatal: remote error: \x1b[2J\n", Some("fatal: remote error: ?[2J")),
        ] {
            assert_eq!(complaint(stderr).as_deref(), expected, "{stderr:?}");
        }
    }

    #[test]
    fn a_call_ends_when_its_time_is_over() {
        // An alias that begins with `!` is a command of the shell, here one with a child that keeps the streams.
        let call = Call::new(["-c", "alias.hang=!sleep 1000 & sleep 1000", "hang"]);
        let start = Instant::now();
        let failed = call.run(Deadline::of(Duration::from_millis(300))).unwrap_err();
        assert!(
            matches!(&failed, Failed::TimedOut(error) if error.message().ends_with("timed out after 0.3 seconds."))
        );
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
