//! What a gate answers: the exit statuses of `check`, `diff` and their like, by real runs.

use atex_testkit::sandbox::{Dir, Output};

use crate::stream::{lines, test, tool};

/// Runs tests, each a name and a command, and keeps the stream.
fn run(dir: &Dir, name: &str, tests: &[(&str, &str)]) {
    let tests: Vec<_> = tests.iter().map(|(name, command)| test(name, command)).collect();
    let mut command = tool(dir, "atex-exec");
    let output = command.args(["--local", "1", "--run-dir", name]).stdin(lines(&tests)).run();
    dir.write(format!("{name}.jsonl"), &output.stdout);
}

fn report(dir: &Dir, args: &[&str]) -> Output {
    tool(dir, "atex-report").args(args).run()
}

#[test]
fn check_says_what_the_run_said() {
    let dir = Dir::new();
    run(&dir, "good", &[("/a", "true"), ("/b", "true")]);
    run(&dir, "bad", &[("/a", "true"), ("/b", "false")]);
    let bad = dir.read("bad.jsonl");
    let half: String = bad.lines().take(bad.lines().count() / 2).map(|line| format!("{line}\n")).collect();
    dir.write("half.jsonl", half);
    for (args, exit) in [
        (&["check", "good.jsonl"][..], 0),
        (&["check", "good"], 0),
        (&["check", "bad.jsonl"], 1),
        (&["check", "half.jsonl"], 4),
        (&["check", "/dev/null"], 2),
        (&["check", "--require-end=nosuch", "good.jsonl"], 3),
        (&["show", "--require-end=nosuch", "/a", "good.jsonl"], 3),
        (&["logs", "--require-end=nosuch", "/a", "good.jsonl"], 3),
        (&["sort", "--require-end=nosuch", "good.jsonl"], 3),
        (&["show", "--require-end=atex-exec", "/a", "good.jsonl"], 0),
        (&["logs", "--require-end=atex-exec", "/a", "good.jsonl"], 0),
        (&["sort", "--require-end=atex-exec", "good.jsonl"], 0),
        (&["diff", "good.jsonl", "good.jsonl"], 0),
        (&["diff", "good.jsonl", "bad.jsonl"], 1),
        (&["diff", "bad.jsonl", "bad.jsonl"], 0),
        (&["diff", "good.jsonl", "/dev/null"], 2),
        (&["diff", "good.jsonl", "half.jsonl"], 3),
    ] {
        report(&dir, args).code(exit);
    }
}

#[test]
fn a_flaky_baseline_excuses_only_where_that_is_asked_for() {
    let dir = Dir::new();
    run(&dir, "good", &[("/a", "true")]);
    run(&dir, "bad", &[("/a", "false")]);
    for (args, exit) in [
        (&["--new-only=bad.jsonl"][..], 0),
        (&["--new-only=good.jsonl"], 1),
        (&["--new-only=good.jsonl", "--new-only=bad.jsonl"], 1),
        (&["--new-only=bad.jsonl", "--new-only=good.jsonl"], 1),
        (&["--new-only=good.jsonl", "--new-only=bad.jsonl", "--allow-flaky"], 0),
        (&["--new-only=good.jsonl", "--allow-flaky"], 1),
    ] {
        report(&dir, &[&["check", "bad.jsonl"], args].concat()).code(exit);
    }
}

#[test]
fn a_waiver_of_a_subtest_does_not_hide_a_time_limit() {
    let dir = Dir::new();
    dir.write("waivers", "- {test: /t, subtest: known}\n");
    let mut slow = test("/t", "tmt-report-result known FAIL; sleep 1000");
    slow["data"]["duration"] = "1s".into();
    let mut command = tool(&dir, "atex-exec");
    let output = command.args(["--local", "1", "--run-dir", "run"]).stdin(lines(&[slow])).run();
    output.code(1);
    let waived =
        tool(&dir, "atex-report").args(["waive", "-f", "waivers"]).stdin(output.stdout.clone()).run();
    assert!(waived.stdout.contains("\"waived\""), "{}", waived.report());
    tool(&dir, "atex-report").arg("check").stdin(waived.stdout.clone()).run().code(1);
}

#[test]
fn what_others_report_of_one_test_twice_is_judged_twice() {
    let dir = Dir::new();
    dir.write(
        "results.yaml",
        "- name: /t\n  result: fail\n  guest: {name: g1}\n- name: /t\n  result: pass\n  guest: {name: g2}\n",
    );
    dir.write("a/results.jsonl", "[\"p\",\"pass\",\"/t\",\"s1\",[],null]\n");
    dir.write("b/results.jsonl", "[\"p\",\"fail\",\"/t\",\"s2\",[],null]\n");
    dir.command("touch").args(["-d", "2026-11-21", "a/results.jsonl", "b/results.jsonl"]).run().success();
    for files in [
        &["results.yaml"][..],
        &["a/results.jsonl", "b/results.jsonl"],
        &["--run=x", "a/results.jsonl", "b/results.jsonl"],
    ] {
        let records = report(&dir, &[&["import"], files].concat());
        records.success();
        tool(&dir, "atex-report").arg("check").stdin(records.stdout.clone()).run().code(1);
    }
}
