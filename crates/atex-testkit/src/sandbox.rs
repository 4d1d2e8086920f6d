//! A temporary folder, and programs that run in it.
//!
//! A program sees an emptied environment, `TZ=UTC`, and a home of its own, so that a test
//! gives the same result on every machine. When an expectation fails, the message holds all
//! there is to know: the command, its status, both streams, and the folder's contents.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::keeper;

/// How long a program may run unless the test says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long the streams of a program that has ended may stay open in other hands.
const STREAM_TIME: Duration = Duration::from_secs(5);

/// Most bytes of a file that a failure message shows.
const SHOWN_BYTES: u64 = 2000;

/// A temporary folder; it goes away with this value.
///
/// `path()` is where programs start. The home folder and its like lie beside it, so that the
/// tests see nothing there that they have not made.
pub struct Dir {
    root: TempDir,
    is_spoilt: AtomicBool,
}

/// Looks at what is in a folder when its test is done with it.
static LAST_LOOK: OnceLock<fn(&Path)> = OnceLock::new();

/// From now on, has every folder looked at when its test has passed and is done with it.
pub fn at_the_end(look: fn(&Path)) {
    LAST_LOOK.get_or_init(|| look);
}

impl Drop for Dir {
    fn drop(&mut self) {
        if let Some(look) = LAST_LOOK.get()
            && !thread::panicking()
            && !self.is_spoilt.load(Ordering::Relaxed)
        {
            look(&self.path());
        }
    }
}

impl Default for Dir {
    fn default() -> Self {
        Dir::new()
    }
}

impl Dir {
    /// A new folder.
    pub fn new() -> Dir {
        let root = tempfile::Builder::new()
            .prefix("atex-t-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .expect("a temporary folder can be made");
        for name in ["work", "home", "run", "tmp"] {
            fs::create_dir(root.path().join(name)).expect("a new folder is writable");
        }
        fs::set_permissions(root.path().join("run"), fs::Permissions::from_mode(0o700))
            .expect("the folder is ours");
        Dir { root, is_spoilt: AtomicBool::new(false) }
    }

    /// What is there is not what programs have left: it is not looked at in the end.
    pub fn spoil(&self) {
        self.is_spoilt.store(true, Ordering::Relaxed);
    }

    /// Where programs start.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The home folder that programs see.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// A path in the folder.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path().join(path)
    }

    /// Writes a file, and makes the folders above it. Returns its path.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(path);
        let parent = path.parent().expect("a file is in a folder");
        fs::create_dir_all(parent).unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Writes a file that can be executed. Returns its path.
    #[track_caller]
    pub fn script(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.write(path, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        path
    }

    /// The text of a file.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.join(path);
        let bytes = fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), self.contents()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A program that is to run here.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            prefix: Vec::new(),
            environment: Vec::new(),
            folder: self.path(),
            root: self.root.path().to_owned(),
            stdin: Vec::new(),
            timeout: TIMEOUT,
        };
        command.set_environment(self.root.path());
        command
    }

    /// The names of everything in the folder, with the text of small files.
    pub fn contents(&self) -> String {
        contents(&self.path())
    }
}

fn contents(folder: &Path) -> String {
    let mut text = String::new();
    list(folder, folder, &mut text);
    text
}

fn list(top: &Path, folder: &Path, text: &mut String) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(top).unwrap_or(&path).display();
        let kind = fs::symlink_metadata(&path).map(|data| data.file_type());
        match kind {
            Ok(kind) if kind.is_dir() => {
                let _ = writeln!(text, "  {name}/");
                list(top, &path, text);
            }
            Ok(kind) if kind.is_file() => {
                let size = fs::metadata(&path).map_or(0, |data| data.len());
                let _ = writeln!(text, "  {name} ({size} bytes)");
                for line in beginning(&path).lines() {
                    let _ = writeln!(text, "    | {line}");
                }
            }
            _ => {
                let _ = writeln!(text, "  {name} (special)");
            }
        }
    }
}

fn beginning(path: &Path) -> String {
    let mut bytes = Vec::new();
    // A file that cannot be read shows as an empty one.
    let _ = File::open(path).and_then(|file| file.take(SHOWN_BYTES).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A program, its arguments and its surroundings.
#[derive(Clone)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    prefix: Vec<String>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
    root: PathBuf,
    stdin: Vec<u8>,
    timeout: Duration,
}

impl Command {
    fn set_environment(&mut self, root: &Path) {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        let home = root.join("home");
        self.env("PATH", path)
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .env("TMPDIR", root.join("tmp"))
            .env("XDG_RUNTIME_DIR", root.join("run"))
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("HOME", home);
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = A>) -> &mut Self {
        for argument in arguments {
            self.arg(argument);
        }
        self
    }

    /// Sets a variable of the environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.env_remove(name.as_ref());
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Removes a variable from the environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.environment.retain(|(set, _)| set != name.as_ref());
        self
    }

    /// Starts it in another folder.
    pub fn current_dir(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.folder = folder.into();
        self
    }

    /// Gives it this input, then the end of it.
    pub fn stdin(&mut self, input: impl Into<Vec<u8>>) -> &mut Self {
        self.stdin = input.into();
        self
    }

    /// Kills it, and fails, when it runs longer.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.timeout = timeout;
        self
    }

    /// Runs it through another program, such as [`Lab::prefix`](crate::lab::Lab::prefix).
    pub fn through(&mut self, prefix: &[String]) -> &mut Self {
        self.prefix = prefix.to_vec();
        self
    }

    /// Runs it to its end, whatever that is.
    #[track_caller]
    pub fn run(&self) -> Output {
        self.start().finish()
    }

    /// Starts it in the background. Its input stays open only as long as the text lasts.
    #[track_caller]
    pub fn start(&self) -> Running {
        let words: Vec<OsString> = self
            .prefix
            .iter()
            .map(OsString::from)
            .chain([self.program.clone()])
            .chain(self.arguments.iter().cloned())
            .collect();
        let mut command = std::process::Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child =
            keeper::spawn(command).unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        feed(&mut child, self.stdin.clone());
        Running {
            stdout: Stream::collect(child.stdout.take()),
            stderr: Stream::collect(child.stderr.take()),
            ended: wait_in_background(&child),
            child,
            words,
            timeout: self.timeout,
            root: self.root.clone(),
        }
    }
}

fn feed(child: &mut Child, input: Vec<u8>) {
    let mut pipe = child.stdin.take().expect("the input is a pipe");
    // An error means that the program does not read all: its own affair.
    thread::spawn(move || pipe.write_all(&input));
}

/// Says when the child has ended, but leaves it to be reaped: until then its id is its own.
fn wait_in_background(child: &Child) -> Receiver<()> {
    let pid = Pid::from_raw(child.id() as i32);
    let (ended, receiver) = channel();
    thread::spawn(move || {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(pid), flags) == Err(nix::Error::EINTR) {}
        ended.send(())
    });
    receiver
}

/// What a program has written so far.
#[derive(Clone)]
struct Stream {
    state: Arc<(Mutex<Written>, Condvar)>,
}

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    at_end: bool,
}

impl Stream {
    fn collect(pipe: Option<impl Read + Send + 'static>) -> Stream {
        let mut pipe = pipe.expect("the outputs are pipes");
        let stream = Stream { state: Arc::default() };
        let writer = stream.clone();
        thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                writer.change(|written| written.bytes.extend_from_slice(&buffer[..count]));
            }
            writer.change(|written| written.at_end = true);
        });
        stream
    }

    fn change(&self, change: impl FnOnce(&mut Written)) {
        change(&mut self.state.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.state.1.notify_all();
    }

    /// Waits until something is so, and says whether it came to be in time.
    fn wait(&self, timeout: Duration, is_so: impl Fn(&Written) -> bool) -> bool {
        let written = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.state.1.wait_timeout_while(written, timeout, |written| !is_so(written));
        let (written, _) = waited.unwrap_or_else(PoisonError::into_inner);
        is_so(&written)
    }

    fn text(&self) -> String {
        let written = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written.bytes).into_owned()
    }
}

/// A program in the background. Dropping it kills and reaps it.
pub struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
    ended: Receiver<()>,
    words: Vec<OsString>,
    timeout: Duration,
    root: PathBuf,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        // An error means that it has ended; it is not reaped yet, so nobody else is hit.
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// What it has written to its standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to its standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until its standard output contains this text.
    #[track_caller]
    pub fn wait_for_stdout(&self, text: &str) {
        self.wait_for(&self.stdout, "stdout", text);
    }

    /// Waits until its standard error contains this text.
    #[track_caller]
    pub fn wait_for_stderr(&self, text: &str) {
        self.wait_for(&self.stderr, "stderr", text);
    }

    #[track_caller]
    fn wait_for(&self, stream: &Stream, name: &str, text: &str) {
        let contains = |written: &Written| String::from_utf8_lossy(&written.bytes).contains(text);
        stream.wait(self.timeout, |written| written.at_end || contains(written));
        if !stream.wait(Duration::ZERO, contains) {
            panic!("{text:?} did not come on {name}\n{}", self.report("it is not over"));
        }
    }

    /// Waits for its end, within its timeout.
    #[track_caller]
    pub fn finish(mut self) -> Output {
        if self.ended.recv_timeout(self.timeout) == Err(RecvTimeoutError::Timeout) {
            self.signal(Signal::SIGKILL);
            panic!("not over after {:?}: killed\n{}", self.timeout, self.report("killed by us"));
        }
        let status = self.child.wait().expect("a child that has ended can be reaped");
        let deadline = Instant::now() + STREAM_TIME;
        for stream in [&self.stdout, &self.stderr] {
            stream.wait(deadline.saturating_duration_since(Instant::now()), |written| written.at_end);
        }
        Output {
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
            words: std::mem::take(&mut self.words),
            folder: self.root.join("work"),
        }
    }

    fn report(&self, status: &str) -> String {
        report(&self.words, status, &self.stdout(), &self.stderr(), &self.root.join("work"))
    }
}

fn report(words: &[OsString], status: &str, stdout: &str, stderr: &str, folder: &Path) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!(
        "command: {}\nstatus: {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- folder\n{}",
        words.join(" "),
        contents(folder),
    )
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errors mean that it was reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended, and what it wrote.
pub struct Output {
    /// Its exit status or signal.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
    words: Vec<OsString>,
    folder: PathBuf,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.report())
    }
}

impl Output {
    /// Everything there is to know, for messages of checks made by the test itself.
    pub fn report(&self) -> String {
        report(&self.words, &self.status.to_string(), &self.stdout, &self.stderr, &self.folder)
    }

    /// Expects exit status 0.
    #[track_caller]
    pub fn success(&self) -> &Self {
        self.code(0)
    }

    /// Expects this exit status.
    #[track_caller]
    pub fn code(&self, expected: i32) -> &Self {
        assert_eq!(self.status.code(), Some(expected), "exit status\n{}", self.report());
        self
    }

    /// Expects an end by this signal.
    #[track_caller]
    pub fn killed_by(&self, expected: Signal) -> &Self {
        assert_eq!(self.status.signal(), Some(expected as i32), "signal\n{}", self.report());
        self
    }

    /// Expects exactly this standard output.
    #[track_caller]
    pub fn stdout_is(&self, expected: &str) -> &Self {
        assert_eq!(self.stdout, expected, "stdout\n{}", self.report());
        self
    }

    /// Expects exactly this standard error.
    #[track_caller]
    pub fn stderr_is(&self, expected: &str) -> &Self {
        assert_eq!(self.stderr, expected, "stderr\n{}", self.report());
        self
    }

    /// Expects this text somewhere on standard error.
    #[track_caller]
    pub fn stderr_has(&self, expected: &str) -> &Self {
        assert!(self.stderr.contains(expected), "stderr lacks {expected:?}\n{}", self.report());
        self
    }
}
