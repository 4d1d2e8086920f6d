//! Trouble of our own: a disk that is full or fails at any moment, no more files that may be opened, a reader that goes
//! away, a run directory that is removed. What was done stays done, and `--resume` goes on when the cause is gone.
//!
//! `ATEX_TEST_LONG=1` has writes fail at each position of a run, in each way; else some of them are tried.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use atex_testkit::faults::{Fault, Faults};
use atex_testkit::sandbox::{Command, Dir, Output};
use serde_json::{Value, json};

use crate::stream::{exec, lines, long, of_type, records, report, test, test_with, tool, verdicts};

/// How long the short form may take.
const SHORT: Duration = Duration::from_secs(25);

/// Tests that leave something of each kind.
fn input() -> Vec<Value> {
    let upload = report(r#"{"status":"pass","name":"up"}"#, &[("log", "line 1\nline 2\n"), ("more", "x")]);
    vec![
        test(
            "/upload",
            &format!("echo begin; {upload}printf 'note half way\\n' >&$ATEX_TEST_CONTROL; echo end"),
        ),
        test_with("/fails", "echo no; exit 3", json!({"duration": "1m"})),
        test("/plain", "true"),
    ]
}

/// What must be there of each test in the end: its outcome and the text of its files.
fn fruits(run: &Path) -> BTreeMap<String, (String, String)> {
    let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let mut all = BTreeMap::new();
    for end in journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if end["type"] != "test-end" || end["final"] != true {
            continue;
        }
        let mut text = String::new();
        collect(&run.join(end["artifacts"].as_str().unwrap_or("none")), &mut text);
        let before = all.insert(end["test"].to_string(), (end["outcome"].to_string(), text));
        assert!(before.is_none(), "settled twice: {end}");
    }
    all
}

/// The names and the content of files, in order.
fn collect(dir: &Path, text: &mut String) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, text);
        } else {
            let name = path.file_name().unwrap().to_string_lossy();
            text.push_str(&format!("{name}: {}\n", fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The first life of a run in `run`, which may meet a fault.
fn life(dir: &Dir, faults: &Faults, fault: Option<(Fault, u64)>) -> Output {
    let mut command = exec(dir, &["--local", "1"], &input());
    faults.load(&mut command, "atex-exec", &dir.join("run"), &dir.join("count"), fault);
    command.run()
}

/// A run that meets a fault, and is gone on with. Says whether the fault was met.
fn survive(faults: &Faults, fault: Fault, at: u64, expected: &BTreeMap<String, (String, String)>) {
    let dir = Dir::new();
    let first = life(&dir, faults, Some((fault, at)));
    let place = format!("{fault:?} at {at}\n{}", first.report());
    assert!(!first.stderr.contains("panicked"), "{place}");
    let code = first.status.code();
    assert!(matches!(code, Some(1 | 3)), "{place}");
    assert!(fault != Fault::Short || code == Some(1), "a short write is no error: {place}");
    let announced: Vec<Value> =
        of_type(&first, "test-end").into_iter().filter(|end| end["final"] == true).collect();
    let mut command = match dir.join("run/run.json").exists() {
        true => tool(&dir, "atex-exec"),
        // It was no run yet.
        false => exec(&dir, &["--local", "1"], &[]),
    };
    if dir.join("run/run.json").exists() {
        command.args(["--resume", "run"]);
    }
    let rest = command.stdin(lines(&input())).run();
    // If nothing was left to do, the status is still that of the run, which has had trouble.
    let was_over = code == Some(3) && rest.stderr.contains("this run has ended");
    let expected_code = if was_over { 3 } else { 1 };
    assert_eq!(rest.status.code(), Some(expected_code), "{place}\n{}", rest.report());
    let found = fruits(&dir.join("run"));
    assert_eq!(found, *expected, "{place}\n{}", rest.report());
    let journal = dir.read("run/journal.jsonl");
    for end in announced {
        let kept = journal.lines().any(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            record["type"] == "test-end" && record["test"] == end["test"] && record["time"] == end["time"]
        });
        assert!(kept, "announced, and lost: {end}\n{place}");
    }
}

#[test]
fn a_disk_that_fails_at_any_moment_loses_nothing_and_doubles_nothing() {
    let tools = Dir::new();
    let Some(faults) = Faults::build_or_skip(&tools.path()) else { return };
    let dir = Dir::new();
    life(&dir, &faults, None).code(1);
    let expected = fruits(&dir.join("run"));
    assert_eq!(expected.len(), 3);
    let positions: u64 = dir.read("count").trim().parse().unwrap();
    assert!(positions > 30, "the shim sees what is written: {positions}");
    let all: Vec<(Fault, u64)> =
        Fault::ALL.into_iter().flat_map(|fault| (1..=positions + 5).map(move |at| (fault, at))).collect();
    let end = Instant::now() + SHORT;
    // Steps that have no factor in common with the number of them come by all, and early by very different ones.
    let seed = std::env::var("ATEX_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7_usize);
    let step = (all.len() * 5 / 13..).find(|step| gcd(*step, all.len()) == 1).unwrap();
    let next = AtomicUsize::new(0);
    let try_some = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= all.len() || n >= 6 && !long() && Instant::now() > end {
                return;
            }
            let (fault, at) = all[(seed + n * step) % all.len()];
            survive(&faults, fault, at, &expected);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..if long() { 4 } else { 2 } {
            scope.spawn(try_some);
        }
    });
    eprintln!("{} of {} were tried", next.into_inner().min(all.len()), all.len());
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[test]
fn a_full_disk_is_said_and_what_to_do() {
    let tools = Dir::new();
    let Some(faults) = Faults::build_or_skip(&tools.path()) else { return };
    for (fault, message) in
        [(Fault::Full, "No space left on device"), (Fault::BrokenForGood, "Input/output error")]
    {
        let dir = Dir::new();
        life(&dir, &faults, None).code(1);
        let middle = dir.read("count").trim().parse::<u64>().unwrap() / 2;
        let dir = Dir::new();
        let output = life(&dir, &faults, Some((fault, middle)));
        output.code(3).stderr_has(message).stderr_has(&format!("{}/", dir.join("run").display()));
        if fault == Fault::Full {
            output.stderr_has("hint: make room there");
        }
        let last = records(&output).pop().unwrap();
        assert_eq!(
            (&last["type"], &last["complete"], &last["exit"]),
            (&json!("end"), &json!(false), &json!(3))
        );
        tool(&dir, "atex-exec").args(["--resume", "run"]).stdin(lines(&input())).run().code(1);
    }
}

/// A host that is this machine, but with its directory elsewhere than in the run directory.
fn box_host() -> Value {
    json!({"type": "host", "id": "box", "connect": {"how": "command", "argv": ["env"]}})
}

/// A run on such a host whose second test waits for `go`, once that runs.
fn waiting_run(dir: &Dir) -> atex_testkit::sandbox::Running {
    fs::create_dir_all(dir.join("work")).unwrap();
    let wait = format!("until [ -e '{}' ]; do sleep 0.02; done", dir.join("go").display());
    let input = [box_host(), test("/a", "true"), test("/b", &wait), test("/c", "true")];
    let work = dir.join("work");
    let life = exec(dir, &["--work-dir", work.to_str().unwrap(), "--grace", "1s"], &input).start();
    life.wait_for_stdout(r#""test":"/b","attempt":1,"host""#);
    life
}

#[test]
fn a_run_directory_that_is_removed_ends_the_run() {
    let dir = Dir::new();
    let life = waiting_run(&dir);
    fs::remove_dir_all(dir.join("run")).unwrap();
    dir.write("go", "");
    let output = life.finish();
    output.code(3).stderr_has("the run directory has been removed while the run went on");
    assert_eq!(fs::read_dir(dir.join("work")).unwrap().count(), 0, "hosts are cleaned\n{}", output.report());
    tool(&dir, "atex-exec").args(["--resume", "run"]).run().code(2).stderr_has("/run/run.json: No such file");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_and_costs_nothing() {
    let dir = Dir::new();
    let script = format!(
        "{} --run-dir run --local 1 | head -n 1; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_atex-exec")
    );
    let input: Vec<Value> = (0..30).map(|n| test(&format!("/t{n}"), "sleep 0.05")).collect();
    let output = dir.command("bash").args(["-c", &script]).stdin(lines(&input)).run();
    output.code(3).stderr_has("the results are in ").stderr_has("--resume ");
    let rest = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    rest.success();
    // What nobody has read is said now.
    assert_eq!(verdicts(&rest).len(), 30, "{}", rest.report());
}

/// atex-exec that may open so few files.
fn with_few_files(dir: &Dir, files: u32, arguments: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_atex-exec");
    let mut command = dir.command("bash");
    command.args(["-c", &format!("ulimit -n {files} && exec {program} {arguments}")]);
    command
}

#[test]
fn without_files_to_open_a_run_ends_in_good_order() {
    let mut ended_badly = 0;
    for files in [12, 16, 20, 24, 28, 32, 40, 64] {
        let dir = Dir::new();
        let mut command = with_few_files(&dir, files, "--run-dir run --local 4");
        let output = command.stdin(lines(&input())).run();
        assert!(!output.stderr.contains("panicked"), "{files} files\n{}", output.report());
        assert!(matches!(output.status.code(), Some(1 | 3)), "{files} files\n{}", output.report());
        if output.status.code() == Some(3) {
            ended_badly += 1;
            output.stderr_has("Too many open files");
        }
        if dir.join("run/run.json").exists() {
            let rest = tool(&dir, "atex-exec").args(["--resume", "run"]).stdin(lines(&input())).run();
            assert!(matches!(rest.status.code(), Some(1 | 3)), "{files} files\n{}", rest.report());
            let mut settled = verdicts(&rest);
            settled.extend(verdicts(&output));
            settled.sort_unstable();
            settled.dedup();
            assert_eq!(
                settled.len(),
                3,
                "{files} files: {settled:?}\n{}\n{}",
                output.report(),
                rest.report()
            );
        }
    }
    assert!(ended_badly > 0, "so few files must be too few");
}
