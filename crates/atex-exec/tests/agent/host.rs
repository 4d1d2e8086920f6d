//! Hosts that are directories, and sessions of the agent there.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

#[path = "../../src/kit.rs"]
mod kit;

/// What the agent may use of busybox.
pub const APPLETS: [&str; 16] = [
    "sh", "cat", "dd", "env", "grep", "ls", "mkdir", "mkfifo", "mv", "rm", "setsid", "sleep", "tail", "tar",
    "wc", "ps",
];

/// After which an event that has not come will not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// More than any test here prints.
pub const PLENTY: &str = "1000000000";

// ---- Hosts ----

/// A host: a directory with the agent, and the programs that it finds, among them a shell as `sh`.
pub struct Host {
    pub dir: tempfile::TempDir,
    pub shell: &'static str,
    pub path: String,
}

impl Host {
    pub fn all() -> Vec<Host> {
        let mut hosts = vec![Host::with_shell("dash"), Host::with_shell("bash")];
        let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
        match busybox {
            Some(busybox) => hosts.push(Host::with_busybox(Path::new(busybox))),
            None => skip("agent under busybox: it is not installed"),
        }
        for host in &hosts {
            host.greet();
        }
        hosts
    }

    pub fn with_shell(shell: &'static str) -> Host {
        let mut host = Host::new(shell);
        symlink(Path::new("/bin").join(shell), host.bin().join("sh")).unwrap();
        host.path = format!("{}:{}", host.path, std::env::var("PATH").unwrap());
        host
    }

    pub fn with_busybox(busybox: &Path) -> Host {
        let host = Host::new("busybox");
        for applet in APPLETS {
            symlink(busybox, host.bin().join(applet)).unwrap();
        }
        // For the tests.
        for program in ["bash", "seq"] {
            let system = ["/bin", "/usr/bin"].map(|dir| Path::new(dir).join(program));
            symlink(system.iter().find(|path| path.exists()).unwrap(), host.bin().join(program)).unwrap();
        }
        host
    }

    pub fn new(shell: &'static str) -> Host {
        let mut host = Host { dir: tempfile::tempdir().unwrap(), shell, path: String::new() };
        host.path = host.bin().to_str().unwrap().to_owned();
        fs::create_dir(host.bin()).unwrap();
        fs::create_dir(host.work_dir()).unwrap();
        host
    }

    /// As a directory is greeted that was there before.
    pub fn greet(&self) {
        self.unpack(&kit::ALWAYS.split(' ').collect::<Vec<_>>());
        let said = self.call(&["hello", "s0"], b"");
        assert!(said.contains("\nmissing=\n"), "{}: {said}", self.shell);
    }

    pub fn unpack(&self, members: &[&str]) {
        let mut tar = Command::new(self.bin().join("sh"));
        tar.args(["-c", "cd \"$0\" && exec tar -xpf - \"$@\""]).arg(self.work_dir()).args(members);
        let mut tar = tar.env("PATH", &self.path).stdin(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&kit::kit(Some("s0")).unwrap()).unwrap();
        assert!(tar.wait().unwrap().success(), "{}", self.shell);
    }

    pub fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    pub fn work_dir(&self) -> PathBuf {
        // A name that has to be quoted wherever it is used.
        self.dir.path().join("it's $a dir")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.bin().join("sh"));
        command.arg(self.work_dir().join("agent")).args(arguments).env("PATH", &self.path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the agent to its end.
    pub fn call(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut child = self.command(arguments).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {arguments:?}: {:?} {err}", self.shell, output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn serve(&self) -> Session {
        Session::start(self, &["serve", "1", PLENTY, "0"])
    }

    /// What `look` says of this.
    pub fn look(&self, key: &str) -> String {
        let said = self.call(&["look"], b"");
        let found = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("{}: no {key} in {said}", self.shell)).to_owned()
    }

    pub fn sizes(&self) -> Vec<u64> {
        let said = self.call(&["sizes"], b"");
        said.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
    }

    /// A file that tests wait for by `until [ -e ../NAME ]`.
    pub fn touch(&self, name: &str) {
        fs::write(self.work_dir().join(name), "").unwrap();
    }

    /// Waits until a test has made such a file.
    pub fn await_file(&self, name: &str) {
        self.await_that(name, || self.work_dir().join(name).exists());
    }

    pub fn await_that(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let since = Instant::now();
        while !is_so() {
            assert!(since.elapsed() < PATIENCE, "{}: in vain: {what}", self.shell);
            std::thread::yield_now();
        }
    }

    /// The command lines of all processes that work in the host's directory.
    pub fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let cwd = fs::read_link(process.path().join("cwd")).unwrap_or_default();
            if cwd.starts_with(self.dir.path()) {
                let text = fs::read(process.path().join("cmdline")).unwrap_or_default();
                found.push(String::from_utf8_lossy(&text).replace('\0', " "));
            }
        }
        found
    }
}

impl Drop for Host {
    /// Ends what still runs after a test that failed.
    fn drop(&mut self) {
        let _ = self.command(&["bye"]).stdin(Stdio::null()).output();
        if std::thread::panicking() {
            let _ = Command::new("umount").arg("-l").arg(self.work_dir()).stderr(Stdio::null()).status();
        }
    }
}

/// Says that a test did not see what it is for, or fails where everything has to be there.
pub fn skip(what: &str) {
    let required = std::env::var_os("ATEX_TEST_REQUIRE").is_some_and(|value| value == "1");
    assert!(!required, "ATEX_TEST_REQUIRE=1, but: {what}");
    let _ = std::io::stderr().write_all(format!("SKIPPED: {what}\n").as_bytes());
}

// ---- Sessions ----

/// What has come over one stream.
#[derive(Default)]
pub struct Stream {
    pub state: Mutex<(Vec<u8>, bool)>,
    pub changed: Condvar,
}

impl Stream {
    pub fn read(mut from: impl Read + Send + 'static) -> Arc<Stream> {
        let stream = Arc::new(Stream::default());
        let ours = Arc::clone(&stream);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            loop {
                let count = from.read(&mut buffer).unwrap_or(0);
                let mut state = ours.state.lock().unwrap();
                state.0.extend_from_slice(&buffer[..count]);
                state.1 = count == 0;
                ours.changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        stream
    }

    /// Waits for something to be there.
    pub fn until<T>(&self, found: impl Fn(&[u8], bool) -> Option<T>) -> T {
        let since = Instant::now();
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(found) = found(&state.0, state.1) {
                return found;
            }
            let text = String::from_utf8_lossy(&state.0[state.0.len().saturating_sub(2000)..]).into_owned();
            assert!(!state.1, "the stream has ended: {text}");
            assert!(since.elapsed() < PATIENCE, "in vain: {text}");
            state = self.changed.wait_timeout(state, Duration::from_secs(1)).unwrap().0;
        }
    }

    pub fn until_length(&self, length: usize) -> Vec<u8> {
        self.until(|bytes, _| (bytes.len() >= length).then(|| bytes.to_vec()))
    }

    pub fn until_contains(&self, text: &str) {
        self.until(|bytes, _| String::from_utf8_lossy(bytes).contains(text).then_some(()));
    }

    pub fn until_end(&self) -> Vec<u8> {
        self.until(|bytes, ended| ended.then(|| bytes.to_vec()))
    }
}

/// A test's end, as its last line tells it.
#[derive(Debug, PartialEq)]
pub struct End {
    pub sent: String,
    pub printed: String,
    pub status: u64,
    pub why: String,
}

/// `serve` or `attach`.
pub struct Session {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub control: Arc<Stream>,
    pub output: Arc<Stream>,
    /// The offsets of the first bytes that came.
    pub begin: (usize, usize),
    /// Offsets of the first bytes of the next test.
    pub next: (usize, usize),
}

/// Skips what comes before what tests send.
fn ready<R: Read>(mut stream: R) -> R {
    let mut before = Vec::new();
    while !before.ends_with(b"atex: ready\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        before.extend(byte);
    }
    stream
}

impl Session {
    pub fn start(host: &Host, arguments: &[&str]) -> Session {
        let mut child = host.command(arguments).spawn().unwrap();
        let control = Stream::read(ready(child.stdout.take().unwrap()));
        let output = Stream::read(ready(child.stderr.take().unwrap()));
        let stdin = child.stdin.take();
        Session { child, stdin, control, output, begin: (0, 0), next: (0, 0) }
    }

    pub fn attach(host: &Host, begin: (usize, usize)) -> Session {
        let (control, output) = (begin.0.to_string(), begin.1.to_string());
        let session = Session::start(host, &["attach", "1", &control, &output]);
        Session { begin, next: begin, ..session }
    }

    pub fn order(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub fn run(&mut self, word: &str, test: &str) {
        let order = run_order(word, "run/test/1", test);
        self.order(&order);
    }

    /// Follows the test of this word to its end.
    pub fn end(&mut self, word: &str) -> End {
        let (begin, next) = (self.begin, self.next);
        let start = format!("{word} ");
        let (control, line) = self.control.until(|bytes, _| {
            let bytes = &bytes[next.0 - begin.0..];
            let at = bytes.windows(start.len()).position(|window| window == start.as_bytes())?;
            let length = bytes[at..].iter().position(|&byte| byte == b'\n')?;
            Some((bytes[..at].to_vec(), String::from_utf8(bytes[at..at + length].to_vec()).unwrap()))
        });
        let mut fields = line.split(' ').skip(1);
        let mut number = || fields.next().unwrap().parse::<usize>().unwrap();
        let (status, sizes) = (number() as u64, (number(), number()));
        assert_eq!(sizes.0, next.0 + control.len(), "offset of control: {line}");
        let output = self.output.until_length(sizes.1 - begin.1);
        let printed = output[next.1 - begin.1..sizes.1 - begin.1].to_vec();
        self.next = (sizes.0 + line.len() + 1, sizes.1);
        let why = fields.collect::<Vec<_>>().join(" ");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        End { sent: text(control), printed: text(printed), status, why }
    }

    /// Runs a test to its end.
    pub fn test(&mut self, word: &str, test: &str) -> End {
        self.run(word, test);
        self.end(word)
    }

    /// Ends the input, and waits for the end of everything else.
    pub fn close(mut self) -> (Vec<u8>, Vec<u8>) {
        self.stdin = None;
        self.child.wait().unwrap();
        (self.control.until_end(), self.output.until_end())
    }
}

pub fn run_order(word: &str, id: &str, test: &str) -> String {
    let script = format!("exec {{C}}>&9 9>&-;export C;set -e\n{test}\n");
    // Both ways of reading the script: by dd, and by the shell itself.
    let lines = if test.len().is_multiple_of(2) { 0 } else { script.matches('\n').count() };
    format!("run {word} {} {lines} {id}\n{script}", script.len())
}

pub fn end(sent: &str, printed: &str, status: u64) -> End {
    End { sent: sent.into(), printed: printed.into(), status, why: String::new() }
}
