//! Runs that go to the background, and runs that are left to their hosts.

use std::fs;

use atex_testkit::sandbox::{Dir, Output};
use atex_testkit::sshd::Farm;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::stream::{
    exec, farm_host, lines, of_type, printed, records, test, tool, verdicts, wait_until_begun,
};

/// A test that says how it goes on, and runs until there is a file `go`.
fn patient(dir: &Dir) -> Value {
    let go = dir.join("go");
    test("/patient", &format!("echo begun; until [ -e '{}' ]; do sleep 0.02; done; echo done", go.display()))
}

fn status(dir: &Dir) -> Value {
    let output = tool(dir, "atex-exec").args(["status", "run"]).run();
    serde_json::from_str(&output.success().stdout).unwrap()
}

// ---- --detach ----

/// The session and the parent of a process.
fn kin(pid: &Value) -> (String, String) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[3].to_owned(), fields[1].to_owned())
}

#[test]
fn detached_it_goes_on_alone_and_says_where() {
    let dir = Dir::new();
    let input = [patient(&dir), test("/bad", "exit 1")];
    let begun = exec(&dir, &["--local", "1", "--detach"], &input).run();
    begun.success().stdout_is(&format!("{}\n", dir.join("run").display())).stderr_is("");
    let said = status(&dir);
    assert_eq!(said["state"], "running", "it can be talked to at once");
    let pid = said["pid"].clone();
    let (session, parent) = kin(&pid);
    assert_eq!(session, pid.to_string(), "no terminal's end is its end");
    assert_ne!(parent, std::process::id().to_string());
    let streams = [0, 1, 2].map(|n| fs::read_link(format!("/proc/{pid}/fd/{n}")).unwrap());
    assert_eq!(streams[1..], [dir.join("run/stdout.jsonl"), dir.join("run/stderr.log")]);
    let watch = tool(&dir, "atex-exec").args(["attach", "run"]).start();
    watch.wait_for_stdout(r#""test":"/patient","attempt":1,"host""#);
    dir.write("go", "");
    let seen = watch.finish();
    seen.code(1);
    assert_eq!(verdicts(&seen), ["/bad fail test", "/patient pass test"]);
    // The last word at its own output may come a moment after that at ours.
    fs::File::open(dir.join("run/lock")).unwrap().lock().unwrap();
    assert_eq!(dir.read("run/stdout.jsonl"), seen.stdout);
    assert_eq!(status(&dir)["state"], "over");
}

#[test]
fn what_cannot_begin_is_reported_to_whoever_has_started_it() {
    let dir = Dir::new();
    let input = [test("/a", "true")];
    exec(&dir, &["--local", "1"], &input).run().success();
    for (arguments, code, message) in [
        (vec!["--run-dir", "run"], 2, "/run: this directory holds a run already"),
        (vec!["--hosts", "none"], 2, "none: No such file or directory"),
        (vec!["--deadline", "never"], 2, "--deadline: expected a duration"),
        (vec!["--run-dir", "/proc/none"], 3, "/proc/none: No such file or directory"),
        (vec!["--resume", "nowhere"], 2, "/nowhere/run.json: No such file or directory"),
        (vec!["--policy", "true", "--hook", "x"], 2, "--hook: "),
    ] {
        let mut command = tool(&dir, "atex-exec");
        let output = command.args(arguments).arg("--detach").stdin(lines(&input)).run();
        output.code(code).stdout_is("").stderr_has(message);
    }
    // Of one that is over there is nothing to wait for.
    let over = tool(&dir, "atex-exec").args(["--resume", "run", "--detach"]).run();
    over.success().stdout_is("").stderr_has("this run has ended");
}

#[test]
fn a_run_is_resumed_in_the_background() {
    let dir = Dir::new();
    let input = lines(&[patient(&dir)]);
    let life = tool(&dir, "atex-exec").args(["--run-dir", "run", "--local", "1"]).stdin(input).start();
    wait_until_begun(&dir, &life, "/patient");
    life.signal(Signal::SIGKILL);
    life.finish();
    let begun = tool(&dir, "atex-exec").args(["--resume", "run", "--detach"]).run();
    begun.success().stdout_is(&format!("{}\n", dir.join("run").display()));
    let watch = tool(&dir, "atex-exec").args(["attach", "run"]).start();
    dir.write("go", "");
    let seen = watch.finish();
    assert_eq!(verdicts(seen.success()), ["/patient pass test"]);
}

// ---- --on-term detach ----

/// Expects that a run that is left goes on where it was, and that nothing was done twice.
#[track_caller]
fn check_left(dir: &Dir, left: &Output) {
    left.stderr_has("1 tests go on on their hosts, and are ended there after 1h (--orphan-timeout)");
    left.stderr_has("/run goes on with the run, from where they are then");
    let last = records(left).pop().unwrap();
    assert_eq!((&last["type"], &last["complete"]), (&json!("end"), &json!(false)));
    assert!(
        of_type(left, "test-end").is_empty() && of_type(left, "host-end").is_empty(),
        "{}",
        left.report()
    );
    assert_eq!(status(dir)["state"], "cut-short");
    dir.write("go", "");
    let rest = tool(dir, "atex-exec").args(["--resume", "run"]).run();
    rest.success();
    assert_eq!(verdicts(&rest), ["/next pass test", "/patient pass test"]);
    assert_eq!(printed(dir, &rest, "/patient"), "begun\ndone\n", "it was never started again");
    let ends = of_type(&rest, "test-end");
    assert!(ends.iter().all(|end| end["attempt"] == 1), "{ends:?}");
}

#[test]
fn a_run_that_is_left_goes_on_later() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let dir = Dir::new();
        let input = [patient(&dir), test("/next", "true")];
        let life = exec(&dir, &["--local", "1", "--on-term", "detach"], &input).start();
        wait_until_begun(&dir, &life, "/patient");
        life.signal(signal);
        let left = life.finish();
        left.code(code);
        check_left(&dir, &left);
    }
}

#[test]
fn hosts_by_ssh_keep_what_runs_there() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let dir = Dir::new();
    let input = [farm_host(&farm, 0), patient(&dir), test("/next", "true")];
    let life = exec(&dir, &["--on-term", "detach"], &input).start();
    wait_until_begun(&dir, &life, "/patient");
    life.signal(Signal::SIGTERM);
    let left = life.finish();
    left.code(143);
    assert!(of_type(&left, "host").is_empty(), "it is not handed on: it is in use");
    check_left(&dir, &left);
}

#[test]
fn what_is_being_stopped_is_not_left() {
    let dir = Dir::new();
    let deaf = test("/deaf", "trap '' TERM; echo on; while :; do sleep 0.1; done");
    let arguments = ["--local", "2", "--on-term", "detach", "--max-fail", "1", "--grace", "1h"];
    let failing = test(
        "/failing",
        &format!("until [ -e '{}' ]; do sleep 0.02; done; exit 1", dir.join("go").display()),
    );
    let life = exec(&dir, &arguments, &[deaf, failing]).start();
    life.wait_for_stdout(r#""test":"/deaf","attempt":1,"host""#);
    dir.write("go", "");
    life.wait_for_stderr("1 tests have failed (--max-fail)");
    life.signal(Signal::SIGTERM);
    life.wait_for_stderr("once more: kill it");
    life.signal(Signal::SIGTERM);
    let output = life.finish();
    output.code(143);
    assert_eq!(verdicts(&output), ["/failing fail test"]);
}
