//! atex-exec with hosts on this machine: what a test can do, and what becomes of it.

use std::time::Duration;

use atex_testkit::sandbox::Dir;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::stream::{exec, note, of_type, printed, records, report, test, test_with, tool, verdicts};

/// Keeps what is the same in every run.
fn redact(mut record: Value) -> Value {
    for key in ["time", "run", "seconds", "dir", "busy", "version"] {
        if let Some(value) = record.get_mut(key) {
            *value = "…".into();
        }
    }
    if let Some(path) = record.get("artifacts").and_then(Value::as_str) {
        record["artifacts"] = path.split_once("/run/").unwrap().1.into();
    }
    record
}

#[test]
fn the_whole_stream_of_a_small_run() {
    let dir = Dir::new();
    let foreign = json!({"type": "mine", "keep": [1, {"a": 1.50}]});
    let output =
        exec(&dir, &["--local", "1"], &[test("/a", "echo hi"), foreign.clone(), test("/b", "exit 3")]).run();
    output.code(1);
    let common = |kind: &str| json!({"type": kind, "time": "…", "run": "…"});
    let with = |kind: &str, more: Value| {
        let mut record = common(kind);
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let mut seen: Vec<Value> = records(&output).into_iter().map(redact).collect();
    // It comes when it is read, which may be before or after the host is ready.
    let at = seen.iter().position(|record| *record == foreign).unwrap();
    seen.remove(at);
    let expected = [
        with("job-start", json!({"dir": "…", "version": "…"})),
        with("host-start", json!({"host": "local/1", "platform": "default"})),
        with("test-start", json!({"platform": "default", "test": "/a", "attempt": 1, "host": "local/1"})),
        with(
            "result",
            json!({"platform": "default", "test": "/a", "status": "pass", "files": ["output.txt"], "attempt": 1,
                   "n": 1, "host": "local/1"}),
        ),
        with(
            "test-end",
            json!({"platform": "default", "test": "/a", "attempt": 1, "host": "local/1", "outcome": "pass",
                   "cause": "test", "exit": 0, "seconds": "…", "counts": {"pass": 1}, "final": true,
                   "artifacts": "results/default/a/attempt-1"}),
        ),
        with("test-start", json!({"platform": "default", "test": "/b", "attempt": 1, "host": "local/1"})),
        with(
            "result",
            json!({"platform": "default", "test": "/b", "status": "fail", "files": ["output.txt"], "attempt": 1,
                   "n": 1, "host": "local/1"}),
        ),
        with(
            "test-end",
            json!({"platform": "default", "test": "/b", "attempt": 1, "host": "local/1", "outcome": "fail",
                   "cause": "test", "exit": 3, "seconds": "…", "counts": {"fail": 1}, "final": true,
                   "artifacts": "results/default/b/attempt-1"}),
        ),
        with("host-end", json!({"host": "local/1", "platform": "default", "reason": "done"})),
        with(
            "job-end",
            json!({"dir": "…", "outcome": "fail", "counts": {"fail": 1, "pass": 1}, "unsettled": 0,
                   "seconds": "…", "busy": "…"}),
        ),
        json!({"type": "end", "tool": "atex-exec", "complete": true, "exit": 1,
               "counts": {"tests": 2, "fail": 1, "pass": 1}}),
    ];
    assert_eq!(seen, expected, "{}", output.report());
    assert!(output.stdout.contains("{\"type\":\"mine\",\"keep\":[1,{\"a\":1.5}]}\n"), "handed on as it came");
    assert_eq!(printed(&dir, &output, "/a"), "hi\n");
}

#[test]
fn what_is_not_used_is_handed_on_byte_for_byte() {
    let dir = Dir::new();
    let odd =
        "{\"type\" : \"odd\",  \"n\":1.500e3,\"u\":\"\\u00fc\\/\" , \"big\":123456789012345678901234567890}";
    let host = "{\"type\":\"host\", \"id\":\"mine\",\"connect\":{\"how\":\"local\"},  \"later\":\"\\u00fc\"}";
    let input = format!("{odd}\n{host}\n{}\n", test("/a", "true"));
    let output = tool(&dir, "atex-exec").args(["--run-dir", "run"]).stdin(input).run();
    output.success();
    for line in [odd, host] {
        assert_eq!(output.stdout.lines().filter(|l| *l == line).count(), 1, "{}", output.report());
    }
    let at = |text: &str| output.stdout.find(text).unwrap();
    assert!(at(host) > at("\"host-end\""), "a borrowed host is handed on when we are done with it");
}

#[test]
fn results_and_files_over_test_control() {
    let dir = Dir::new();
    let script = [
        report(
            r#"{"name": "disk", "status": "fail", "note": "too slow", "mine": {"a": 1}}"#,
            &[("log/x.txt", "abc\n")],
        ),
        report(r#"{"name": "../../net", "status": "pass"}"#, &[("../up", "1"), ("../up", "2")]),
        report(r#"{"name": "part", "status": "info", "partial": true}"#, &[]),
        report(r#"{"name": "part", "status": "warn"}"#, &[]),
        report(r#"{"status": "warn", "testout": "out.log", "note": "itself"}"#, &[]),
        "printf 'note half way\\nmark +snap\\nnoop\\nduration 10m\\nexitcode 0\\n' >&$ATEX_TEST_CONTROL"
            .into(),
        "echo printed; exit 7".into(),
    ]
    .join("\n");
    let output = exec(&dir, &["--local", "1"], &[test("/t", &script)]).run();
    output.success();
    assert_eq!(verdicts(&output), ["/t warn test"], "exit codes never override what a test says of itself");
    let results: Vec<Value> = of_type(&output, "result");
    let brief = |result: &Value| {
        json!([result["subtest"], result["status"], result["note"], result["files"], result["n"]])
    };
    let expected = json!([
        ["disk", "fail", "too slow", ["log/x.txt"], 1],
        ["../../net", "pass", null, ["up"], 2],
        ["part", "warn", null, [], 3],
        [null, "warn", "itself", ["out.log"], 4],
    ]);
    assert_eq!(results.iter().map(brief).collect::<Value>(), expected, "{}", output.report());
    assert_eq!(results[0]["extra"], json!({"mine": {"a": 1}}));
    assert_eq!(of_type(&output, "test-note")[0]["note"], "half way");
    let files = "run/results/default/t/attempt-1/files";
    assert_eq!(dir.read(format!("{files}/disk/log/x.txt")), "abc\n");
    assert_eq!(dir.read(format!("{files}/net/up")), "12", "the same name twice appends");
    assert_eq!(dir.read(format!("{files}/out.log")), "printed\n");
    let end = &of_type(&output, "test-end")[0];
    assert_eq!((&end["exit"], &end["counts"]), (&json!(7), &json!({"fail": 1, "warn": 2, "pass": 1})));
}

#[test]
fn ends_that_a_test_does_not_choose() {
    let dir = Dir::new();
    let tests = [
        test_with("/slow", "echo begun; sleep 1000 & wait", json!({"duration": "1s"})),
        test_with(
            "/longer",
            "echo 'duration +100' >&$ATEX_TEST_CONTROL; sleep 1.5",
            json!({"duration": "1s"}),
        ),
        test("/word", "echo 'nonsense 1' >&$ATEX_TEST_CONTROL; sleep 1000"),
        test("/cut", "printf 'result 100\\n{' >&$ATEX_TEST_CONTROL"),
        test("/killed", "kill -KILL $$"),
        test("/leader", "kill -KILL -$$"),
        test("/closed", "exec 1>&- 2>&-; eval \"exec $ATEX_TEST_CONTROL>&-\"; sleep 0.1; exit 4"),
    ];
    let output = exec(&dir, &["--local", "4"], &tests).run();
    output.code(1);
    assert_eq!(
        verdicts(&output),
        [
            "/closed fail test",
            "/cut error test",
            "/killed fail test",
            "/leader fail test",
            "/longer pass test",
            "/slow error test",
            "/word error test",
        ]
    );
    assert_eq!(note(&output, "/slow"), "duration limit of 1s reached");
    assert_eq!(printed(&dir, &output, "/slow"), "begun\n");
    assert!(note(&output, "/word").contains("`nonsense` at byte 0"), "{}", output.report());
    assert!(note(&output, "/cut").contains("result"), "{}", output.report());
    let exits: Vec<Value> =
        of_type(&output, "test-end").into_iter().filter(|e| e["test"] == "/killed").collect();
    assert_eq!(exits[0]["exit"], 137);
}

#[test]
fn a_process_that_holds_the_descriptors_does_not_hold_the_test() {
    let dir = Dir::new();
    // The first one stays in the test's group and is ended with it, the second one leaves it.
    let script = "sleep 1000 & (setsid sleep 2 &) ; echo $! >pid; echo out";
    let output = exec(&dir, &["--local", "1"], &[test("/daemon", script)]).run();
    output.success();
    let end = &of_type(&output, "test-end")[0];
    assert!(end["seconds"].as_f64().unwrap() < 2.0, "{}", output.report());
    assert_eq!(printed(&dir, &output, "/daemon"), "out\n");
}

#[test]
fn a_test_finds_the_environment_that_is_specified() {
    let dir = Dir::new();
    let script = r#"printf '%s|' "$A" "$B" "$PLAN" "$TMT_TEST_NAME" "$TMT_REBOOT_COUNT" "$TMT_TEST_RESTART_COUNT" \
        "$ATEX_ATTEMPT" "$ATEX_HOST" "$ATEX_PLATFORM"; grep -c 'tier: 1' "$TMT_TEST_METADATA"
        [ -f "$TMT_PLAN_ENVIRONMENT_FILE" ]; [ "$PWD" = "$TMT_TREE" ]; [ "$(cat)" = '' ]; shopt -qo errexit
        ! sh -c ': <&9' 2>/dev/null; grep -cE 'Sig(Blk|Ign):.*[08]0000000$' /proc/self/status; shopt -o pipefail"#;
    let mut test = test_with(
        "/it's a \"test\"\nü",
        script,
        json!({"environment": [{"A": "one\ntwo 'x' $y", "B": 1}, {"B": true}], "tier": 1}),
    );
    test["plan"] = json!({"environment": {"A": "plan", "PLAN": "p"}});
    let output = exec(&dir, &["--local", "1"], &[test]).run();
    output.success();
    assert_eq!(
        printed(&dir, &output, "/it's a \"test\"\nü"),
        "one\ntwo 'x' $y|True|p|/it's a \"test\"\nü|0|0|1|local/1|default|2\n2\npipefail       \ton\n"
    );
}

#[test]
fn values_of_variables_stand_in_no_command_line() {
    let dir = Dir::new();
    let script = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'secret[-]value' || true";
    let test = test_with("/env", script, json!({"environment": {"A": "secret-value"}}));
    let output = exec(&dir, &["--local", "1"], &[test]).run();
    output.success();
    assert_eq!(printed(&dir, &output, "/env"), "0\n");
}

#[test]
fn trees_are_uploaded_whole_and_fresh_for_a_host_that_was_spoilt() {
    let dir = Dir::new();
    let odd = "d 1/it's \"ü\"\n$x";
    dir.script(
        format!("tree/{odd}/run.sh"),
        "#!/bin/sh\ncat ../../data; cat 'f\n1'; echo changed >../../data; exit $1\n",
    );
    dir.write(format!("tree/{odd}/f\n1"), "file ");
    dir.write("tree/data", "data ");
    for n in 0..20_000 {
        dir.write(format!("tree/many/{}/{n}", n % 100), n.to_string());
    }
    let with_tree = |name: &str, command: &str| {
        let mut test = test(name, command);
        test["tree"] = dir.join("tree").to_str().unwrap().into();
        test["dir"] = odd.into();
        test
    };
    let count = "find \"$TMT_TREE/many\" -type f | wc -l";
    let tests = [
        with_tree("/1", "./run.sh 0"),
        with_tree("/2", "./run.sh 1"),
        with_tree("/3", "./run.sh 0"),
        with_tree("/4", count),
    ];
    let output = exec(&dir, &["--local", "1"], &tests).run();
    output.code(1);
    let said = ["/1", "/2", "/3"].map(|name| printed(&dir, &output, name));
    assert_eq!(said, ["data file ", "changed\nfile ", "data file "], "{}", output.report());
    assert_eq!(printed(&dir, &output, "/4"), "20000\n");
    assert_eq!(dir.read("tree/data"), "data ", "the original is never touched");
}

#[test]
fn a_tree_of_several_parts_is_put_together() {
    let dir = Dir::new();
    dir.write("own/t/here", "own ");
    dir.write("library/lib/there", "library\n");
    let part = |from: &str, to: &str| json!({"from": dir.join(from).to_str().unwrap(), "to": to});
    let mut test = test("/t", "cat here ../libs/n/lib/there; [ \"$PWD\" = \"$TMT_TREE/t\" ]");
    test["tree"] = json!([part("own", "."), part("library", "libs/n")]);
    test["dir"] = "t".into();
    let output = exec(&dir, &["--local", "1"], &[test]).run();
    output.success();
    assert_eq!(printed(&dir, &output, "/t"), "own library\n");
}

#[test]
fn nothing_is_left_in_the_run_directory_but_what_is_told_of() {
    let dir = Dir::new();
    exec(&dir, &["--local", "2"], &[test("/a", "touch x; mkdir y"), test("/b", "true")]).run().success();
    let mut names: Vec<String> = std::fs::read_dir(dir.join("run"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    let all = ["announced", "hosts.jsonl", "journal.jsonl", "lock", "results", "run.json", "tests.jsonl"];
    assert_eq!(names, all);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(dir.join("run").metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn hosts_are_given_the_next_test_when_they_are_free() {
    let dir = Dir::new();
    let mut tests = vec![test("/0", "sleep 2")];
    tests.extend((1..20).map(|n| test(&format!("/{n}"), "true")));
    let output = exec(&dir, &["--local", "2"], &tests).run();
    output.success();
    let hosts = of_type(&output, "test-end");
    let of = |name: &str| hosts.iter().filter(|end| end["host"] == name).count();
    let long = if hosts.iter().any(|end| end["test"] == "/0" && end["host"] == "local/1") {
        "local/1"
    } else {
        "local/2"
    };
    assert!(of(long) < 10, "one slow test does not hold up others: {}", output.report());
}

#[test]
fn labels_keep_tests_and_hosts_together() {
    let dir = Dir::new();
    let host = |id: &str, platform: &str| json!({"type": "host", "id": id, "platform": platform, "connect": {"how": "local"}});
    let labelled = |name: &str, platform: &str| {
        let mut test = test(name, "true");
        test["platform"] = platform.into();
        test
    };
    let input =
        [host("x", "a"), host("y", "b"), labelled("/1", "b"), labelled("/1", "a"), labelled("/2", "c")];
    let output = exec(&dir, &[], &input).run();
    output.code(3);
    let where_ = |platform: &str| {
        of_type(&output, "test-end").into_iter().find(|end| end["platform"] == platform).unwrap()
    };
    assert_eq!((&where_("a")["host"], &where_("b")["host"]), (&json!("x"), &json!("y")));
    let alone = where_("c");
    assert_eq!((&alone["outcome"], &alone["attempt"]), (&json!("infra"), &json!(0)));
    assert_eq!(alone["note"], "no host matches platform `c`");
}

#[test]
fn the_first_signal_ends_what_runs_in_good_order() {
    let dir = Dir::new();
    let script = "trap 'echo asked; exit 0' TERM; echo ready; touch started; sleep 1000 & wait";
    let tests = [test("/run", script), test("/wait", "true")];
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let running = tool(&dir, "atex-exec")
            .args(["--local", "1", "--run-dir", &format!("run-{code}")])
            .stdin(crate::stream::lines(&tests))
            .start();
        running.wait_for_stdout("\"test-start\"");
        let started = dir.join(format!("run-{code}/results/default/run/attempt-1/output"));
        while !std::fs::read_to_string(&started).is_ok_and(|text| text.contains("ready")) {
            std::thread::yield_now();
        }
        running.signal(signal);
        let output = running.finish();
        output.code(code);
        let end = &of_type(&output, "test-end")[0];
        assert_eq!(
            (&end["outcome"], &end["cause"], &end["final"]),
            (&json!("infra"), &json!("cancelled"), &json!(false))
        );
        let job = &of_type(&output, "job-end")[0];
        assert_eq!((&job["unsettled"], &job["counts"]), (&json!(2), &json!({})));
        assert_eq!(of_type(&output, "host-end")[0]["reason"], "cancelled");
        assert_eq!(of_type(&output, "end")[0]["complete"], false);
        let said = printed(&dir, &output, "/run");
        assert!(said.starts_with("ready\n") && said.ends_with("asked\n"), "{said}");
    }
}

#[test]
fn the_second_signal_kills() {
    let dir = Dir::new();
    let running = exec(
        &dir,
        &["--local", "1"],
        &[test("/deaf", "trap '' TERM; echo ready; while :; do sleep 0.1; done")],
    )
    .start();
    running.wait_for_stdout("\"test-start\"");
    let said = dir.join("run/results/default/deaf/attempt-1/output");
    while !std::fs::read_to_string(&said).is_ok_and(|text| text.contains("ready")) {
        std::thread::yield_now();
    }
    running.signal(Signal::SIGINT);
    running.wait_for_stderr("once more");
    running.signal(Signal::SIGINT);
    running.finish().code(130);
}

#[test]
fn a_reader_that_goes_away_stops_the_run_and_loses_nothing() {
    let dir = Dir::new();
    let tests: Vec<Value> = (0..50).map(|n| test(&format!("/{n}"), "sleep 0.1")).collect();
    let exec = env!("CARGO_BIN_EXE_atex-exec");
    let pipeline = format!("set -o pipefail; {exec} --run-dir run --local 1 | head -n 1 >first");
    let mut command = dir.command("bash");
    let output = command
        .args(["-c", &pipeline])
        .stdin(crate::stream::lines(&tests))
        .timeout(Duration::from_secs(60))
        .run();
    output.code(3).stderr_has("stdout: the reader has gone away").stderr_has("the results are in");
    let journal = dir.read("run/journal.jsonl");
    let last: Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "job-end", "the run directory is complete");
    assert!(last["unsettled"].as_u64().unwrap() > 0);
}

#[test]
fn ten_thousand_results_arrive_in_order() {
    let dir = Dir::new();
    let script = "for ((i = 1; i <= 10000; i++)); do j=\"{\\\"name\\\":\\\"s$i\\\",\\\"status\\\":\\\"pass\\\"}\"; printf 'result %d\\n%s' ${#j} \"$j\"; done >&$ATEX_TEST_CONTROL";
    let output = exec(&dir, &["--local", "1"], &[test("/many", script)]).run();
    output.success();
    let results = of_type(&output, "result");
    assert_eq!(results.len(), 10_001);
    assert!(results.iter().zip(1..).all(|(result, n)| result["n"] == n));
    assert_eq!((&results[9_999]["subtest"], &results[10_000]["subtest"]), (&json!("s10000"), &Value::Null));
}
