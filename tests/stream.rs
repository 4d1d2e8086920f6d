//! Streams of records, made and read by tests.

use std::time::{Duration, Instant};

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::{self, Command, Dir, Output, Running};
use atex_testkit::sshd::Farm;
use serde_json::{Value, json};

/// A tool, to be run in this directory.
pub fn tool(dir: &Dir, name: &str) -> Command {
    sandbox::at_the_end(crate::journal::check_all);
    dir.command(match name {
        "atex-discover" => env!("CARGO_BIN_EXE_atex-discover"),
        "atex-provision" => env!("CARGO_BIN_EXE_atex-provision"),
        "atex-exec" => env!("CARGO_BIN_EXE_atex-exec"),
        "atex-report" => env!("CARGO_BIN_EXE_atex-report"),
        other => panic!("{other} is none of our tools"),
    })
}

/// atex-exec with a run directory `run`, reading these records.
pub fn exec(dir: &Dir, arguments: &[&str], records: &[Value]) -> Command {
    let mut command = tool(dir, "atex-exec");
    command.args(["--run-dir", "run"]).args(arguments).stdin(lines(records));
    command
}

/// Whether tests take the long form that they describe, for which CI has not the time: `ATEX_TEST_LONG=1`.
pub fn long() -> bool {
    std::env::var_os("ATEX_TEST_LONG").is_some_and(|value| value == "1")
}

/// Records as lines.
pub fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// A test that runs this command.
pub fn test(name: &str, command: &str) -> Value {
    json!({"type": "test", "name": name, "data": {"test": command}})
}

/// The same with more keys in its metadata.
pub fn test_with(name: &str, command: &str, data: Value) -> Value {
    let mut test = test(name, command);
    for (key, value) in data.as_object().unwrap() {
        test["data"][key] = value.clone();
    }
    test
}

/// A host of a farm.
pub fn farm_host(farm: &Farm, index: usize) -> Value {
    let host = &farm.hosts()[index];
    let options: serde_json::Map<String, Value> =
        host.options().into_iter().map(|(keyword, value)| (keyword, value.into())).collect();
    json!({"type": "host", "id": format!("h{index}"), "connect": {
        "how": "ssh", "host": host.address, "user": host.user, "port": host.port,
        "identity": host.identity, "options": options,
    }})
}

/// A host of a lab.
pub fn lab_host(lab: &Lab, index: usize) -> Value {
    let options: serde_json::Map<String, Value> =
        lab.options().into_iter().map(|(keyword, value)| (keyword, value.into())).collect();
    json!({"type": "host", "id": format!("h{index}"), "connect": {
        "how": "ssh", "host": lab.host(index).address, "user": "root",
        "identity": lab.identity(), "options": options,
    }})
}

/// The records that a tool wrote.
#[track_caller]
pub fn records(output: &Output) -> Vec<Value> {
    let parse =
        |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}\n{}", output.report()));
    output.stdout.lines().map(parse).collect()
}

/// Those of one type.
#[track_caller]
pub fn of_type(output: &Output, kind: &str) -> Vec<Value> {
    records(output).into_iter().filter(|record| record["type"] == kind).collect()
}

/// The last attempts, as `NAME OUTCOME CAUSE`, in order of names.
#[track_caller]
pub fn verdicts(output: &Output) -> Vec<String> {
    let ends = of_type(output, "test-end").into_iter().filter(|end| end["final"] == true);
    let text = |end: Value| {
        let word = |key: &str| end[key].as_str().unwrap().to_owned();
        format!("{} {} {}", word("test"), word("outcome"), word("cause"))
    };
    let mut verdicts: Vec<String> = ends.map(text).collect();
    verdicts.sort_unstable();
    verdicts
}

/// The note of a test's last attempt.
#[track_caller]
pub fn note(output: &Output, test: &str) -> String {
    let ends = of_type(output, "test-end");
    let end =
        ends.iter().rev().find(|end| end["test"] == test).unwrap_or_else(|| panic!("{}", output.report()));
    end["note"].as_str().unwrap_or_default().to_owned()
}

/// The captured output of a test that has one result.
#[track_caller]
pub fn printed(dir: &Dir, output: &Output, test: &str) -> String {
    let ends = of_type(output, "test-end");
    let end = ends.iter().find(|end| end["test"] == test).unwrap_or_else(|| panic!("{}", output.report()));
    dir.read(format!("{}/files/output.txt", end["artifacts"].as_str().unwrap()))
}

/// bash that sends a result with files, given as name and content.
pub fn report(json: &str, files: &[(&str, &str)]) -> String {
    let mut json: Value = serde_json::from_str(json).unwrap();
    if !files.is_empty() {
        json["files"] =
            files.iter().map(|(name, text)| json!({"name": name, "length": text.len()})).collect();
    }
    let json = json.to_string();
    let data: String = files.iter().map(|(_, text)| *text).collect();
    format!("printf '%s' 'result {}\n{json}{data}' >&$ATEX_TEST_CONTROL\n", json.len())
}

/// A fifo by which a program under test says that it has come so far.
pub struct Word(std::fs::File);

impl Word {
    /// Makes it.
    #[track_caller]
    pub fn new(path: &std::path::Path) -> Word {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo can be made");
        // Open for both, so that neither end waits for the other.
        let file = std::fs::File::options().read(true).write(true).open(path);
        Word(file.expect("the fifo is ours"))
    }

    /// Waits for a word and returns it.
    #[track_caller]
    pub fn wait(&mut self) -> String {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::io::Read as _;
        use std::os::fd::AsFd as _;
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(60_000_u16)), Ok(1), "no word has come");
        let mut buffer = [0; 4096];
        let count = self.0.read(&mut buffer).expect("something is there");
        String::from_utf8_lossy(&buffer[..count]).trim().to_owned()
    }
}

/// Waits until the first attempt at a test that prints `begun` runs on its host. One that is only about to is begun again
/// by a later life.
#[track_caller]
pub fn wait_until_begun(dir: &Dir, life: &Running, test: &str) {
    life.wait_for_stdout(&format!(r#""test":"{test}","attempt":1,"host""#));
    let output = dir.join(format!("run/results/default{test}/attempt-1/output"));
    let since = Instant::now();
    while !std::fs::read_to_string(&output).is_ok_and(|text| text.starts_with("begun")) {
        assert!(since.elapsed() < Duration::from_secs(60), "{test} does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
}
