//! Runs that stop before all is done: by a deadline, after failures, or to be gone on with elsewhere.

use atex_testkit::sandbox::{Dir, Output};
use serde_json::{Value, json};

use crate::stream::{exec, lines, of_type, test, test_with, tool, verdicts};

/// The last words of a run.
#[track_caller]
fn job_end(output: &Output) -> Value {
    of_type(output, "job-end").pop().unwrap_or_else(|| panic!("{}", output.report()))
}

/// A test that runs until there is a file of this name.
fn waiting(dir: &Dir, name: &str, file: &str) -> Value {
    test(name, &format!("until [ -e '{}' ]; do sleep 0.02; done", dir.join(file).display()))
}

#[test]
fn at_its_deadline_a_run_ends_what_runs_and_can_be_gone_on_with() {
    let dir = Dir::new();
    let input = [
        test("/quick", "true"),
        test_with("/late", "true", json!({"duration": "1h"})),
        waiting(&dir, "/running", "go"),
    ];
    let output = exec(&dir, &["--local", "1", "--grace", "1s", "--deadline", "2s"], &input).run();
    output.code(4).stderr_has("the deadline has come: ending what runs");
    output.stderr_has("1 tests were not begun: they take longer than was left until the deadline");
    assert_eq!(verdicts(&output), ["/quick pass test"]);
    let cut: Vec<Value> =
        of_type(&output, "test-end").into_iter().filter(|end| end["final"] == false).collect();
    assert_eq!(cut.len(), 1, "{}", output.report());
    assert_eq!((&cut[0]["test"], &cut[0]["cause"]), (&json!("/running"), &json!("cancelled")));
    assert_eq!(
        (&job_end(&output)["unsettled"], &job_end(&output)["counts"]),
        (&json!(2), &json!({"pass": 1}))
    );
    let again = tool(&dir, "atex-exec").args(["--resume", "run", "--grace", "1s"]).run();
    again.code(2).stderr_has("--grace: not with --resume");
    let again = tool(&dir, "atex-exec").args(["--resume", "run", "--deadline", "1s"]).run();
    again.code(4).stderr_has("the deadline has come: ending what runs");
    // A deadline is that of one life. One that has passed would leave the next no time at all.
    dir.write("go", "");
    let rest = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    rest.success();
    assert_eq!(verdicts(&rest), ["/late pass test", "/running pass test"]);
}

#[test]
fn a_run_of_which_nothing_can_end_in_time_does_not_wait_for_its_deadline() {
    let dir = Dir::new();
    let data = json!({"duration": "2h"});
    let input = [
        test_with("/a", "true", data.clone()),
        test_with("/b", "true", json!({"extra-after": "/a"})),
        test_with("/c", "true", data),
    ];
    let output = exec(&dir, &["--local", "2", "--deadline", "1h"], &input).run();
    output.code(4).stderr_has("2 tests were not begun").stderr_has("--resume ");
    assert_eq!(job_end(&output)["unsettled"], 3);
    assert!(of_type(&output, "test-start").is_empty());
}

#[test]
fn a_run_ends_when_enough_tests_have_failed() {
    let dir = Dir::new();
    let failing = |n: u32| test(&format!("/t{n}"), if n == 1 { "true" } else { "exit 1" });
    let input: Vec<Value> = (0..7).map(failing).collect();
    let output = exec(&dir, &["--local", "1", "--max-fail", "2"], &input).run();
    output.code(4).stderr_has("2 tests have failed (--max-fail): ending what runs");
    assert_eq!(verdicts(&output), ["/t0 fail test", "/t1 pass test", "/t2 fail test"]);
    assert_eq!(job_end(&output)["unsettled"], 4);
    // Counted anew.
    let more = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    more.code(4);
    assert_eq!(verdicts(&more), ["/t3 fail test", "/t4 fail test"]);
    let rest = tool(&dir, "atex-exec").args(["--resume", "run", "--max-fail", "9"]).run();
    rest.code(1);
    assert_eq!(verdicts(&rest), ["/t5 fail test", "/t6 fail test"]);
}

#[test]
fn nothing_is_begun_after_the_last_failure() {
    let dir = Dir::new();
    let input: Vec<Value> = (0..3).map(|n| test(&format!("/t{n}"), "false")).collect();
    let arguments = ["--local", "1", "--keep-host-on", "any", "--max-fail", "1"];
    let output = exec(&dir, &arguments, &input).run();
    output.code(4);
    assert_eq!(of_type(&output, "test-start").len(), 1, "{}", output.report());
}

#[test]
fn what_runs_beside_the_last_failure_is_ended_and_a_rerun_is_no_failure() {
    let dir = Dir::new();
    let started = dir.join("started");
    let beside = format!("touch '{}'; sleep 1000", started.display());
    let fails = format!("until [ -e '{}' ]; do sleep 0.02; done; exit 1", started.display());
    let input = [test("/beside", &beside), test("/fails", &fails)];
    let arguments = ["--local", "3", "--grace", "1s", "--max-fail", "1", "--reruns", "1"];
    let output = exec(&dir, &arguments, &input).run();
    output.code(4);
    let ends: Vec<String> = of_type(&output, "test-end")
        .iter()
        .map(|end| format!("{} {} {}", end["test"], end["attempt"], end["cause"]).replace('"', ""))
        .collect();
    assert_eq!(ends, ["/fails 1 test", "/fails 2 test", "/beside 1 cancelled"], "{}", output.report());
}

#[test]
fn the_input_is_cut_off_too() {
    let dir = Dir::new();
    dir.write("all", lines(&[test("/a", "exit 1")]));
    // The rest of the input has not come yet.
    let script = format!(
        "mkfifo in && exec 3<>in && cat all >&3 && exec {} --run-dir run --local 1 --max-fail 1 <in",
        env!("CARGO_BIN_EXE_atex-exec")
    );
    let output = dir.command("bash").args(["-c", &script]).run();
    output.code(4);
    assert_eq!(job_end(&output)["unsettled"], 0);
}

#[test]
fn what_cannot_be_a_deadline_or_a_number_of_failures_is_refused() {
    let dir = Dir::new();
    for (arguments, message) in [
        (["--deadline", "soon"], "--deadline: expected a duration such as 90m, a time such as 06:30"),
        (["--deadline", "2020-01-01T00:00:00Z"], "--deadline: 2020-01-01T00:00:00Z is over"),
        (["--max-fail", "0"], "0 is not in 1.."),
        (["--max-hosts", "0"], "0 is not in 1.."),
    ] {
        exec(&dir, &arguments, &[]).run().code(2).stderr_has(message);
        assert!(!dir.join("run").exists(), "found before anything is done");
    }
}
