//! `--policy`: somebody else decides which test runs next, and what comes after one.

use std::path::Path;

use atex_testkit::sandbox::{Dir, Output};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::stream::{Word, exec, of_type, test, test_with, tool, verdicts};

/// A policy that answers a question by this expression of jq, whose value is the number of a candidate.
fn answering(candidate: &str) -> String {
    format!(
        "jq --unbuffered -c 'select(.type == \"question\") | {{type: \"answer\", id, candidate: ({candidate})}}'"
    )
}

/// The order in which attempts began.
fn order(output: &Output) -> Vec<String> {
    let starts = of_type(output, "test-start");
    starts.into_iter().map(|start| start["test"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn tests_of_one_guest_run_back_to_back() {
    let dir = Dir::new();
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/examples/guests");
    let guests = ["x", "y", "z", "x", "y", "z", "x", "y", "z"];
    let input: Vec<Value> = guests
        .iter()
        .zip(1..)
        .map(|(guest, n)| {
            test_with(&format!("/{guest}{n}"), "true", json!({"tag": format!("guest-{guest}")}))
        })
        .collect();
    // All of them are there before the first one is chosen.
    let output = exec(
        &dir,
        &["--local", "1", "--policy-timeout", "30s", "--hook", "host-ready=sleep 0.5", "--policy"],
        &input,
    )
    .arg(&policy)
    .run();
    output.success().stderr_is("");
    assert_eq!(order(&output), ["/x1", "/x4", "/x7", "/y2", "/y5", "/y8", "/z3", "/z6", "/z9"]);
}

#[test]
fn it_is_told_everything_before_it_is_asked() {
    let dir = Dir::new();
    let policy = format!("tee {} | {}", dir.join("told").display(), answering("0"));
    let input = [test("/a", "exit 1"), test("/b", "true"), json!({"type": "mine"})];
    exec(&dir, &["--local", "1", "--policy", &policy], &input).run().code(1).stderr_is("");
    let told = dir.read("told");
    let records: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = |is: &dyn Fn(&Value) -> bool| records.iter().position(is).unwrap_or_else(|| panic!("{told}"));
    let rerun = at(&|record| record["ask"] == "rerun" && record["test"] == "/a");
    assert_eq!(
        records[rerun]["candidates"],
        json!([false, true]),
        "what we would do comes first: {}",
        records[rerun]
    );
    assert_eq!((&records[rerun]["outcome"], &records[rerun]["exit"]), (&json!("fail"), &json!(1)));
    let started = at(&|record| record["type"] == "test-start" && record["test"] == "/a");
    assert!(at(&|record| record["type"] == "test" && record["name"] == "/a") < started && started < rerun);
    assert!(rerun < at(&|record| record["type"] == "result" && record["test"] == "/a"));
    assert!(at(&|record| record["ask"] == "destructive") > rerun);
    assert_eq!(records.last().unwrap()["type"], "job-end");
    at(&|record| record["type"] == "mine");
}

#[test]
fn it_decides_whether_a_test_is_tried_again() {
    let dir = Dir::new();
    let policy = answering(
        "if .ask == \"rerun\" then (.attempt < 3) as $again | .candidates | index($again) else 0 end",
    );
    let output = exec(&dir, &["--local", "1", "--policy", &policy], &[test("/a", "exit 1")]).run();
    output.code(1);
    let attempts: Vec<Value> =
        of_type(&output, "test-end").into_iter().map(|end| json!([end["attempt"], end["final"]])).collect();
    assert_eq!(attempts, [json!([1, false]), json!([2, false]), json!([3, true])]);
}

#[test]
fn without_answers_the_built_in_rules_decide_and_that_is_said_once() {
    for (policy, problem) in [
        ("cat >/dev/null", "no answer within 1s; the built-in rule decides, said once"),
        ("cat", "its output: expected a record `answer`, found `"),
        (&*answering("99"), "there is no candidate 99 of "),
        ("exit 7", "exit status 7; from now on the built-in rules decide"),
        ("no-such-program", "exit status 127; from now on"),
    ] {
        let dir = Dir::new();
        let input: Vec<Value> = (0..20).map(|n| test(&format!("/{n:02}"), "true")).collect();
        // A program may take its time to start.
        let timeout = if problem.starts_with("no answer") { "1s" } else { "30s" };
        let arguments = ["--local", "2", "--policy-timeout", timeout, "--policy", policy];
        let output = exec(&dir, &arguments, &input).run();
        output.success().stderr_has(problem);
        assert_eq!(verdicts(&output).len(), 20);
        let said = output.stderr.lines().filter(|line| line.starts_with("atex-exec: policy ")).count();
        assert!(said == 1 || (said == 2 && policy == "cat"), "{}", output.report());
    }
}

#[test]
fn it_ends_with_the_run() {
    let dir = Dir::new();
    let word = dir.join("word");
    let mut there = Word::new(&word);
    let policy = format!("trap '' TERM INT; echo $$ >{}; sleep 600", word.display());
    let running = exec(&dir, &["--local", "1", "--policy", &policy], &[test("/a", "sleep 600")]).start();
    let pid = there.wait();
    running.wait_for_stdout("test-start");
    running.signal(Signal::SIGTERM);
    running.signal(Signal::SIGTERM);
    running.finish().code(143);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_resumed_run_has_its_policy_again() {
    let dir = Dir::new();
    let word = dir.join("word");
    let mut there = Word::new(&word);
    let policy = format!(
        "echo $$ >{}; exec {}",
        word.display(),
        answering("if .ask == \"next-test\" then (.candidates | length - 1) else 0 end")
    );
    let mut in_hook = Word::new(&dir.join("hook"));
    let hook = format!(
        "pre-test=[ $ATEX_TEST != /b ] || [ -e {0} ] || {{ : >{0}; echo there >{1}; sleep 600; }}",
        dir.join("once").display(),
        dir.join("hook").display()
    );
    let arguments = ["--local", "1", "--policy", &policy, "--hook", &hook, "--hook", "host-ready=sleep 0.3"];
    let running =
        exec(&dir, &arguments, &[test("/a", "true"), test("/b", "true"), test("/c", "true")]).start();
    there.wait();
    in_hook.wait();
    running.signal(Signal::SIGKILL);
    running.finish();
    let output = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    there.wait();
    output.success();
    // The last lines of the life before may come again.
    let verdicts = verdicts(&output);
    assert!(verdicts.ends_with(&["/c pass test".into()]) || verdicts.len() == 2, "{}", output.report());
    assert!(verdicts.starts_with(&["/a pass test".into(), "/b pass test".into()]), "{}", output.report());
}
