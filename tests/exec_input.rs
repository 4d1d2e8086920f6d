//! atex-exec with input, hosts and disks that are not as they should be.

use atex_testkit::sandbox::Dir;
use serde_json::{Value, json};

use crate::stream::{exec, lines, note, of_type, test, test_with, tool, verdicts};

/// Expects exit status 2 with this message, and no work done after it.
#[track_caller]
fn refused(input: &str, message: &str) {
    let dir = Dir::new();
    let output = tool(&dir, "atex-exec").args(["--run-dir", "run", "--local", "1"]).stdin(input).run();
    output.code(2).stderr_has(message);
    assert_eq!(of_type(&output, "end")[0]["complete"], false);
}

#[test]
fn lines_that_are_no_records() {
    refused("nonsense\n", "atex-exec: stdin:1:2: not JSON: expected ident");
    refused("\n\n[1]\n", "atex-exec: stdin:3:1: expected a record");
    refused("{\"type\":\"test\",\"name\":\"/a\"", "stdin:1:26: not JSON: EOF while parsing an object");
    refused(
        "{\"type\":\"test\",\"name\":\"/a\",\"data\":3}\n",
        "stdin:1:35: invalid type: integer `3`, expected a map",
    );
    refused(
        "{\"type\":\"host\",\"id\":\"h\",\"connect\":{\"how\":\"ssh\"}}\n",
        "`connect` with how `ssh` needs a `host`",
    );
    refused("{\"type\":\"x\"}\n\u{fffd}\n", "stdin:2:1: not JSON: expected value");
}

#[test]
fn what_was_done_before_a_bad_line_is_not_lost() {
    let dir = Dir::new();
    let exec = env!("CARGO_BIN_EXE_atex-exec");
    // The bad line comes once the first test has ended.
    let script = format!(
        "mkfifo in; {exec} --run-dir run --local 1 <in >out & exec 3>in; echo '{}' >&3; \
         until grep -q '\"test-end\"' out; do :; done; echo bad >&3; exec 3>&-; wait $!",
        test("/a", "true")
    );
    let output = dir.command("bash").args(["-c", &script]).run();
    output.code(2).stderr_has("stdin:2:1: not JSON: expected value");
    let out = dir.read("out");
    assert!(out.contains("\"outcome\":\"pass\"") && out.contains("\"job-end\""), "{out}");
    assert!(dir.read("run/journal.jsonl").contains("\"outcome\":\"pass\""));
}

#[test]
fn a_second_test_of_one_name() {
    let twice = lines(&[test("/a", "true"), test("/a", "true")]);
    refused(&twice, "stdin:2: test /a: there is one of this name already");
    let dir = Dir::new();
    let output = tool(&dir, "atex-exec").args(["--local", "1", "--duplicates", "number"]).stdin(twice).run();
    output.success();
    assert_eq!(verdicts(&output), ["/a (2) pass test", "/a pass test"]);
}

#[test]
fn a_second_host_of_one_id() {
    let host = json!({"type": "host", "id": "h", "connect": {"how": "local"}});
    refused(&lines(&[host.clone(), host]), "stdin:2: host h: there is one of this id already");
}

#[test]
fn no_test_and_no_host() {
    let dir = Dir::new();
    tool(&dir, "atex-exec").args(["--local", "1"]).run().code(2).stderr_has("no test found in the input");
    tool(&dir, "atex-exec").args(["--local", "1", "--allow-empty"]).run().success();
    let output = tool(&dir, "atex-exec").stdin(lines(&[test("/a", "true")])).run();
    output.code(2).stderr_has("there is no host to run tests on").stderr_has("--local N");
    assert_eq!(verdicts(&output), ["/a infra host"]);
}

#[test]
fn an_invocation_that_is_wrong_touches_nothing() {
    let dir = Dir::new();
    for (arguments, message) in [
        (vec!["--hosts", "nowhere.jsonl"], "nowhere.jsonl: No such file or directory"),
        (vec!["--host-timeout", "5x"], "--host-timeout: "),
        (vec!["--keep-host-on", "maybe"], "--keep-host-on: expected exit statuses or `any`"),
        (vec!["--work-dir", "relative"], "--work-dir: expected an absolute path"),
        (vec!["--nonsense"], "--nonsense"),
    ] {
        exec(&dir, &arguments, &[]).run().code(2).stderr_has(message);
    }
    assert!(!dir.join("run").exists());
}

#[test]
fn a_run_directory_is_used_once() {
    let dir = Dir::new();
    exec(&dir, &["--local", "1"], &[test("/a", "true")]).run().success();
    let before = dir.read("run/journal.jsonl");
    let again = exec(&dir, &["--local", "1"], &[test("/a", "true")]).run();
    again.code(2).stderr_has("run: this directory holds a run already").stderr_has("--run-dir");
    assert_eq!(dir.read("run/journal.jsonl"), before);
    dir.write("file", "");
    let output = tool(&dir, "atex-exec").args(["--run-dir", "file/x", "--local", "1"]).run();
    output.code(3).stderr_has("file/x: Not a directory");
}

#[test]
fn files_that_are_not_there_end_the_tests_that_need_them() {
    let dir = Dir::new();
    let mut lost = test("/lost", "true");
    lost["tree"] = "/nonexistent".into();
    let output = exec(&dir, &["--local", "1"], &[lost, test("/fine", "true")]).run();
    output.code(3).stderr_has("atex-exec: /nonexistent: No such file or directory");
    assert_eq!(verdicts(&output), ["/fine pass test", "/lost infra own"]);
    assert_eq!(note(&output, "/lost"), "/nonexistent: No such file or directory");
}

#[test]
fn an_input_that_says_it_is_incomplete_makes_the_run_so() {
    let dir = Dir::new();
    let end = json!({"type": "end", "tool": "atex-discover", "complete": false, "exit": 2, "counts": {}});
    let output = exec(&dir, &["--local", "1"], &[test("/a", "true"), end.clone()]).run();
    output.code(3).stderr_has("atex-discover says that its output is incomplete");
    let ends = of_type(&output, "end");
    assert!(ends.contains(&end) && ends.last().unwrap()["complete"] == false, "{}", output.report());
}

#[test]
fn a_format_of_results_that_is_not_known_is_said_once() {
    let dir = Dir::new();
    let more = json!({"require": [], "recommend": [], "extra-result": "subunit"});
    let tests = [test_with("/a", "true", more.clone()), test_with("/b", "true", more)];
    let output = exec(&dir, &["--local", "1"], &tests).run();
    output.success().stderr_is(
        "atex-exec: test /a: data.extra-result: expected `tap`, so its output is not read as results; said once\n",
    );
}

#[test]
fn what_is_ignored_on_purpose_is_said_once_to_those_who_ask() {
    let dir = Dir::new();
    let more =
        json!({"result": "xfail", "check": ["avc"], "restart-on-exit-code": 1, "restart-max-count": 2});
    let tests = [test_with("/a", "true", more.clone()), test_with("/b", "true", more)];
    exec(&dir, &["--local", "1"], &tests).run().success().stderr_is("");
    let mut again = tool(&dir, "atex-exec");
    let output =
        again.args(["-v", "--run-dir", "again", "--local", "1"]).stdin(crate::stream::lines(&tests)).run();
    for what in ["data.result: ", "data.check: ", "data.restart-*: "] {
        assert_eq!(output.stderr.matches(what).count(), 1, "{}", output.report());
    }
}

#[test]
fn help_and_version_come_before_everything() {
    let dir = Dir::new();
    for name in ["atex-discover", "atex-provision", "atex-exec", "atex-report"] {
        let help = tool(&dir, name).arg("--help").run();
        help.success();
        let at = |text: &str| help.stdout.find(text).unwrap_or_else(|| panic!("{text}\n{}", help.report()));
        let order = ["\nExamples:", "\nUsage:", "\nExit status:"].map(at);
        assert!(order.is_sorted(), "{}", help.report());
        tool(&dir, name).arg("--version").run().success();
        let schema = tool(&dir, name).arg("--schema").run();
        let schema: Value = serde_json::from_str(&schema.success().stdout).unwrap();
        assert_eq!(schema["title"], name);
        tool(&dir, name).arg("--nonsense").run().code(2);
    }
}
