//! Hosts that are kept as a failed test has left them, and how its test is repeated there.

use std::time::Instant;

use atex_testkit::sandbox::{Dir, Running};
use atex_testkit::sshd::Farm;
use serde_json::{Value, json};

use crate::stream::{exec, farm_host, of_type, printed, test, test_with, tool, verdicts};

/// Fails, and shows where it runs and what it was given.
const FAILING: &str = "echo \"$SECRET $OWN $(basename \"$PWD\")\"; cat f; echo here >>left; exit 3";

fn failing(dir: &Dir, name: &str) -> Value {
    dir.write("tree/sub/f", "from the tree\n");
    let mut test = test_with(name, FAILING, json!({"environment": {"OWN": "its own"}}));
    test["tree"] = dir.join("tree").to_str().unwrap().into();
    test["dir"] = "sub".into();
    test
}

/// The answer to what is typed behind `ctl run`.
fn ctl(dir: &Dir, words: &[&str]) -> Value {
    let output = tool(dir, "atex-exec").args(["ctl", "run"]).args(words).run();
    serde_json::from_str(&output.success().stdout).unwrap()
}

/// The states of hosts.
fn states(dir: &Dir) -> Vec<String> {
    let answer = ctl(dir, &["hosts"]);
    answer["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["state"].as_str().unwrap().to_owned())
        .collect()
}

/// What is said behind these words on standard error.
fn said(life: &Running, words: &str) -> String {
    life.wait_for_stderr(words);
    let text = life.stderr();
    let from = text.find(words).unwrap() + words.len();
    text[from..].lines().next().unwrap().trim().to_owned()
}

/// A run that holds this host after a test has failed there.
fn held(dir: &Dir, arguments: &[&str], host: Option<Value>, more: &[Value]) -> Running {
    let mut input: Vec<Value> = host.into_iter().collect();
    input.push(failing(dir, "/failing"));
    input.extend(more.iter().cloned());
    let mut command = exec(dir, arguments, &input);
    command.env("SECRET", "hunter2").args(["--env", "SECRET", "--hold-on", "fail"]);
    let life = command.start();
    life.wait_for_stderr("use it again by: ");
    life
}

/// Expects that the test is repeated as it was, that one gets there, and that the host is used again when it is freed.
fn check_held(dir: &Dir, life: Running, host: &str) {
    assert_eq!(states(dir), ["held"]);
    let script = said(&life, "repeat the test by: ");
    assert_eq!(script, dir.join("run/results/default/failing/attempt-1/repro.sh").to_str().unwrap());
    for _ in 0..2 {
        let again = dir.command(&script).run();
        again.code(3).stdout_is("hunter2 its own sub\nfrom the tree\n").stderr_is("");
    }
    assert!(!std::fs::read_to_string(&script).unwrap().contains("hunter2"));
    let enter = said(&life, "enter it by: ");
    let work = dir.command("sh").args(["-c", &format!("{{ {enter} && pwd; }} </dev/null")]).run();
    work.success();
    ctl(dir, &["free", host]);
    let output = life.finish();
    output.code(1);
    assert_eq!(verdicts(&output), ["/failing fail test", "/next pass test"]);
    assert_eq!(printed(dir, &output, "/failing"), "hunter2 its own sub\nfrom the tree\n");
    let gone = dir.command(&script).run();
    gone.code(125).stderr_has("repro.sh: the directory of the run is not on this host any more");
}

#[test]
fn a_local_host_is_held_and_its_test_repeated() {
    let dir = Dir::new();
    let next = test("/next", "true");
    let life = held(&dir, &["--local", "1"], None, &[next]);
    check_held(&dir, life, "local/1");
}

#[test]
fn a_host_by_ssh_is_held_and_its_test_repeated() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let dir = Dir::new();
    let next = test("/next", "[ ! -e left ]");
    let life = held(&dir, &[], Some(farm_host(&farm, 0)), &[next]);
    // What the test has left is there.
    let run = ctl(&dir, &["status"])["run"].as_str().unwrap().to_owned();
    let enter = said(&life, "enter it by: ");
    let look = format!("{enter} 'cat /var/atex-{run}-0/*/tree/sub/left'");
    dir.command("sh").args(["-c", &look]).run().success().stdout_is("here\n");
    check_held(&dir, life, "h0");
}

#[test]
fn a_host_by_a_command_is_held_and_its_test_repeated() {
    let dir = Dir::new();
    let host = json!({"type": "host", "id": "box", "connect": {"how": "command", "argv": ["env", "BOX=1"]}});
    let work = dir.join("w");
    std::fs::create_dir(&work).unwrap();
    let arguments = ["--work-dir", work.to_str().unwrap()];
    let life = held(&dir, &arguments, Some(host), &[test("/next", "true")]);
    check_held(&dir, life, "box");
}

#[test]
fn a_host_is_held_for_a_time_and_so_many_are() {
    let dir = Dir::new();
    let input: Vec<Value> = (0..4).map(|n| test(&format!("/t{n}"), "exit 1")).collect();
    let begun = Instant::now();
    let arguments = ["--local", "2", "--hold-on", "fail=1", "--hold-for", "2s"];
    let output = exec(&dir, &arguments, &input).run();
    output.code(1).stderr_has(": it is held no more");
    let mut held = 0;
    for line in output.stderr.lines() {
        held += i32::from(line.contains("held for 2s, as ")) - i32::from(line.contains("it is held no more"));
        assert!(held <= 1, "two at a time\n{}", output.report());
    }
    assert_eq!(held, 0, "{}", output.report());
    assert_eq!(of_type(&output, "test-end").len(), 4);
    assert!(begun.elapsed().as_secs_f64() >= 2.0);
}

#[test]
fn a_hold_outlives_who_holds() {
    let dir = Dir::new();
    let input = [failing(&dir, "/failing"), test("/next", "[ ! -e left ]")];
    let life = exec(&dir, &["--local", "1", "--hold-on", "fail", "--hold-for", "1h"], &input).start();
    life.wait_for_stderr("use it again by: ");
    life.signal(nix::sys::signal::Signal::SIGKILL);
    life.finish();
    let second = tool(&dir, "atex-exec").args(["--resume", "run"]).start();
    second.wait_for_stderr("local/1: it is still held");
    second.wait_for_stdout("\"host-start\"");
    // It is as the test has left it, and nothing is started there.
    let script = dir.join("run/results/default/failing/attempt-1/repro.sh");
    dir.command(script.to_str().unwrap()).run().code(3);
    assert_eq!(states(&dir), ["held"]);
    // A hold that was ended is not there again, one that was asked for is.
    ctl(&dir, &["pause"]);
    ctl(&dir, &["free", "local/1"]);
    ctl(&dir, &["hold", "local/1"]);
    second.signal(nix::sys::signal::Signal::SIGKILL);
    second.finish();
    let third = tool(&dir, "atex-exec").args(["--resume", "run"]).start();
    third.wait_for_stderr("local/1: it is still held");
    third.wait_for_stdout("\"host-start\"");
    ctl(&dir, &["free", "local/1"]);
    let output = third.finish();
    output.code(1);
    assert!(verdicts(&output).contains(&"/next pass test".to_owned()), "{}", output.report());
}

#[test]
fn what_is_tried_again_holds_nothing_and_a_signal_ends_it() {
    let dir = Dir::new();
    let flag = dir.join("flag").display().to_string();
    let flaky = format!("[ -e '{flag}' ] || {{ touch '{flag}'; exit 1; }}");
    let input = [test("/flaky", &flaky), test("/bad", "exit 1")];
    let life = exec(&dir, &["--local", "1", "--reruns", "1", "--hold-on", "fail"], &input).start();
    life.wait_for_stderr("held for 1h, as /bad has failed there");
    life.wait_for_stderr("use it again by: ");
    assert!(dir.join("run/results/default/bad/attempt-2/repro.sh").exists());
    life.signal(nix::sys::signal::Signal::SIGTERM);
    let output = life.finish();
    output.code(143);
    assert_eq!(verdicts(&output), ["/bad fail test", "/flaky pass test"]);
    assert_eq!(output.stderr.matches("held for").count(), 1, "{}", output.report());
    for bad in ["pass", "fail=0", "fail=x", ""] {
        exec(&dir, &["--hold-on", bad], &[]).run().code(2).stderr_has("expected `fail` or `fail=N`");
    }
}
