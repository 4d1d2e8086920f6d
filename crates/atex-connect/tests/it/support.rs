//! What all tests here share: waiting for closures, and collecting what a session reports.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use atex_connect::{ConnectError, Connection, Connector, Event, Exit, Options, Session, Ssh, Stdin, Target};
use atex_testkit::sshd::Host;

/// Far more than anything here takes: a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connector that does not read this machine's ssh configuration.
pub fn connector() -> Connector {
    connector_with(|_| {})
}

pub fn connector_with(change: impl FnOnce(&mut Options)) -> Connector {
    let mut options = Options { ssh_config: Some("none".into()), ..Options::default() };
    change(&mut options);
    Connector::new(options).unwrap()
}

pub fn target(host: &Host) -> Ssh {
    Ssh {
        host: host.address.clone(),
        user: Some(host.user.clone()),
        port: Some(host.port),
        identity: Some(host.identity.clone()),
        options: host.options(),
    }
}

/// Starts to open; the answer comes through the channel.
pub fn start_open(connector: &Connector, target: Target) -> Receiver<Result<Connection, ConnectError>> {
    let (sender, receiver) = channel();
    connector.open(target, move |opened| {
        // A test that has failed does not listen any more.
        let _ = sender.send(opened);
    });
    receiver
}

pub fn try_open(connector: &Connector, target: Target) -> Result<Connection, ConnectError> {
    start_open(connector, target).recv_timeout(PATIENCE).expect("open answers")
}

pub fn open(connector: &Connector, target: Target) -> Connection {
    try_open(connector, target).unwrap_or_else(|error| panic!("{error}"))
}

pub fn open_host(connector: &Connector, host: &Host) -> Connection {
    open(connector, Target::Ssh(target(host)))
}

pub fn close(connection: Connection) {
    let (sender, receiver) = channel();
    connection.close(move || sender.send(()).unwrap());
    receiver.recv_timeout(PATIENCE).expect("close answers");
}

/// A session under way, its events in a channel.
pub struct Running {
    pub session: Session,
    pub events: Receiver<Event>,
}

pub fn start(connection: &Connection, command: &str, stdin: Stdin) -> Running {
    let (sender, events) = channel();
    let session = connection.run(command, stdin, move |event| {
        // A test that is done does not listen any more.
        let _ = sender.send(event);
    });
    Running { session, events }
}

#[derive(Debug)]
pub struct Outcome {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub ended: Result<Exit, ConnectError>,
}

impl Outcome {
    #[track_caller]
    pub fn expect_stdout(&self, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&self.stdout), expected, "{self:?}");
        assert_eq!(self.ended, Ok(Exit::Code(0)), "{self:?}");
    }
}

impl Running {
    pub fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("another event comes")
    }

    /// Waits for output that is a line, with nothing after it.
    pub fn next_line(&self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            assert!(!line.contains(&b'\n'), "more than a line");
            match self.next() {
                Event::Stdout(chunk) => line.extend_from_slice(&chunk),
                other => panic!("expected output, got {other:?}"),
            }
        }
        String::from_utf8(line).unwrap()
    }

    /// Collects everything up to the end, and checks that nothing comes after it.
    pub fn finish(&self) -> Outcome {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match self.next() {
                Event::Stdout(chunk) => stdout.extend_from_slice(&chunk),
                Event::Stderr(chunk) => stderr.extend_from_slice(&chunk),
                Event::Ended(ended) => {
                    assert!(
                        self.events.recv_timeout(PATIENCE).is_err(),
                        "the closure is dropped after the end"
                    );
                    return Outcome { stdout, stderr, ended };
                }
            }
        }
    }
}

pub fn run(connection: &Connection, command: &str, stdin: Stdin) -> Outcome {
    start(connection, command, stdin).finish()
}

/// Bytes that are not periodic in any block size, and their POSIX checksum line.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next(&mut state)).take(length).collect()
}

/// What POSIX `cksum` prints for these bytes.
pub fn cksum(bytes: &[u8]) -> String {
    let step = |crc: u32, byte: u8| {
        (0..8).rev().fold(crc, |crc, bit| {
            let high = (crc >> 31) as u8 ^ (byte >> bit) & 1;
            (crc << 1) ^ if high & 1 == 1 { 0x04c1_1db7 } else { 0 }
        })
    };
    let mut length = bytes.len();
    let mut crc = bytes.iter().fold(0, |crc, byte| step(crc, *byte));
    while length > 0 {
        crc = step(crc, length as u8);
        length >>= 8;
    }
    format!("{} {}\n", !crc, bytes.len())
}

/// The letter of a process's state in /proc, `None` when there is no such process.
pub fn process_state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Waits for something that has no event to wait for.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
