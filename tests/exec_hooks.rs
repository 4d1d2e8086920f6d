//! Hooks: commands that shape a run from outside.

use atex_testkit::sandbox::{Dir, Output};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::stream::{Word, exec, of_type, records, test, test_with, tool, verdicts};

/// What a run wrote of a test's end, briefly.
fn ends(output: &Output) -> Vec<Value> {
    let brief = |end: Value| json!([end["test"], end["outcome"], end["cause"], end["note"], end["final"]]);
    of_type(output, "test-end").into_iter().map(brief).collect()
}

#[test]
fn hooks_run_in_their_phases_in_the_order_given_and_are_told_of_what() {
    let dir = Dir::new();
    let say = |what: &str| format!("echo {what} >>{}", dir.join("seen").display());
    let of_host = say("$ATEX_HOOK $ATEX_HOST $ATEX_HOST_PLATFORM $ATEX_HOST_CONNECT");
    let of_test =
        |n: &str| say(&format!("$ATEX_HOOK {n} $ATEX_HOST $ATEX_TEST $ATEX_PLATFORM $ATEX_ATTEMPT"));
    let after = format!("{}; cat >>{}; ls \"$ATEX_ARTIFACTS\" >&2", of_test(""), dir.join("seen").display());
    let hooks = [
        format!("host-ready={of_host}"),
        format!("pre-test={}", of_test("one")),
        format!("post-test={after}"),
        format!("pre-test={}", of_test("two")),
        format!("post-tests=jq -r .type | uniq | tr '\\n' ' ' >{}", dir.join("all").display()),
    ];
    let arguments: Vec<&str> =
        ["--local", "1"].into_iter().chain(hooks.iter().flat_map(|hook| ["--hook", hook])).collect();
    let output = exec(&dir, &arguments, &[test("/a", "true")]).run();
    output.success();
    let seen = dir.read("seen");
    let mut lines: Vec<&str> = seen.lines().collect();
    let end: Value = serde_json::from_str(lines.pop().unwrap()).unwrap();
    let record: Value = serde_json::from_str(lines.pop().unwrap()).unwrap();
    assert_eq!(
        lines,
        [
            "host-ready local/1 default {\"how\":\"local\"}",
            "pre-test one local/1 /a default 1",
            "pre-test two local/1 /a default 1",
            "post-test local/1 /a default 1",
        ],
        "{}",
        output.report()
    );
    assert_eq!(record, test("/a", "true"));
    assert_eq!(
        (&end["type"], &end["outcome"], &end["final"]),
        (&json!("test-end"), &json!("pass"), &Value::Null)
    );
    assert!(end["artifacts"].as_str().unwrap().ends_with("/run/results/default/a/attempt-1"));
    assert!(
        dir.read("run/hooks/post-test-1.log")
            .contains("test /a, attempt 1, host local/1: exit status 0\nfiles\nresults.jsonl\n")
    );
    assert_eq!(dir.read("all"), "job-start host-start test-start result test-end host-end job-end end ");
}

#[test]
fn phases_can_be_left_out() {
    let dir = Dir::new();
    let fails = ["pre-tests", "host-ready", "pre-test", "post-test", "post-tests"];
    let hooks: Vec<String> = fails.iter().map(|phase| format!("{phase}=exit 1")).collect();
    let mut command = exec(&dir, &["--local", "1"], &[test("/a", "true")]);
    command.args(hooks.iter().flat_map(|hook| ["--hook", hook]));
    command.args(fails.iter().flat_map(|phase| ["--no-hooks", phase]));
    command.run().success().stderr_is("");
}

#[test]
fn tests_pass_through_hooks_before_they_are_taken_in() {
    let dir = Dir::new();
    let drop = "pre-tests=jq --unbuffered -c 'select(.data.tag != \"slow\")'";
    let add = "pre-tests=cat; echo '{\"type\":\"test\",\"name\":\"/added\",\"data\":{\"test\":\"true\"}}'";
    let mine = json!({"type": "mine"});
    let input = [test("/a", "true"), test_with("/b", "true", json!({"tag": "slow"})), mine.clone()];
    let output = exec(&dir, &["--local", "1", "--hook", drop, "--hook", add], &input).run();
    output.success();
    assert_eq!(verdicts(&output), ["/a pass test", "/added pass test"]);
    assert!(records(&output).contains(&mine), "what is no test goes past");
}

#[test]
fn tests_are_run_while_more_pass_through() {
    let dir = Dir::new();
    let (gate, gone) = (dir.join("gate"), dir.join("gone"));
    let filter = format!("pre-tests=head -n 1; cat {0}; cat", gate.display());
    let wait = format!("[ -p {0} ] && echo >{0}; : >{1}", gate.display(), gone.display());
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The second test is let through by the first one, which so runs before the input has ended.
    let output = exec(&dir, &["--local", "1", "--hook", &filter], &[test("/a", &wait)]).run();
    output.success();
    assert!(gone.exists());
}

#[test]
fn a_filter_that_fails_ends_the_run_in_good_order() {
    for (hook, problem) in [
        ("pre-tests=cat; exit 3", "exit status 3"),
        ("pre-tests=echo Updating", "its output:1:1: not JSON: expected value"),
        ("pre-tests=cat >/dev/null; sleep 60", "not done within 1s"),
        ("pre-tests=sleep 60", "not done within 1s"),
    ] {
        let dir = Dir::new();
        let output =
            exec(&dir, &["--local", "1", "--hook-timeout", "1s", "--hook", hook], &[test("/a", "true")])
                .run();
        output.code(3).stderr_has(&format!("atex-exec: hook {}`: {problem}", hook.replacen('=', " `", 1)));
        output.stderr_has("run/hooks/pre-tests-1.log");
    }
}

#[test]
fn a_test_is_run_as_a_hook_has_changed_it() {
    let dir = Dir::new();
    let change = r#"pre-test=jq -c '.data.environment.X = "1" | .data.test += "; echo $X$Y"'"#;
    let more = r#"pre-test=jq -c '.data.environment.Y = .data.environment.X + "2"'"#;
    let output =
        exec(&dir, &["--local", "1", "--hook", change, "--hook", more], &[test("/a", "echo hi")]).run();
    output.success();
    assert_eq!(crate::stream::printed(&dir, &output, "/a"), "hi\n112\n");
    assert!(!dir.contents().contains("changed.json"));
}

#[test]
fn a_hook_adds_results() {
    let dir = Dir::new();
    let hook = "post-test=echo '{\"type\":\"result\",\"status\":\"fail\",\"note\":\"AVC\"}'; \
                echo '{\"type\":\"result\",\"subtest\":\"dmesg\",\"status\":\"warn\",\"lines\":3}'";
    let output = exec(&dir, &["--local", "1", "--hook", hook], &[test("/a", "true")]).run();
    output.code(1);
    assert_eq!(verdicts(&output), ["/a fail test"]);
    let brief = |result: Value| {
        json!([result["n"], result["subtest"], result["status"], result["note"], result["extra"]])
    };
    let results: Vec<Value> = of_type(&output, "result").into_iter().map(brief).collect();
    assert_eq!(
        results,
        [
            json!([1, null, "pass", null, null]),
            json!([2, null, "fail", "AVC", null]),
            json!([3, "dmesg", "warn", null, {"lines": 3}]),
        ]
    );
    assert_eq!(of_type(&output, "test-end")[0]["counts"], json!({"pass": 1, "fail": 1, "warn": 1}));
}

#[test]
fn a_hook_that_fails_is_our_own_trouble() {
    for (hook, problem) in [
        ("pre-test=echo no space >&2; exit 3", "exit status 3: no space"),
        ("post-test=echo no space >&2; exit 3", "exit status 3: no space"),
        ("pre-test=echo hello", "its output:1:1: not JSON: expected value"),
        ("post-test=sleep 60", "not done within 1s"),
        ("pre-test=kill -9 $$", "ended by SIGKILL"),
    ] {
        let dir = Dir::new();
        let output =
            exec(&dir, &["--local", "1", "--hook-timeout", "1s", "--hook", hook], &[test("/a", "true")])
                .run();
        output.code(3);
        let (phase, command) = hook.split_once('=').unwrap();
        let note = format!("hook {phase} `{command}`: {problem}");
        let ends = ends(&output);
        assert_eq!(ends.len(), 3, "tried again as anything of our own: {ends:?}");
        assert_eq!(ends[2], json!(["/a", "infra", "own", note, true]));
        output.stderr_has(&format!("/a: {note}; see "));
        if problem.contains("no space") {
            let log = dir.read(format!("run/hooks/{phase}-1.log"));
            assert!(log.contains("attempt 2, host local/1: exit status 3\nno space\n"), "{log}");
        }
    }
}

#[test]
fn a_host_that_a_hook_refuses_is_not_used_and_others_are() {
    let dir = Dir::new();
    let hook = "host-ready=[ $ATEX_HOST != local/1 ] || { echo broken disk >&2; exit 1; }";
    let tests: Vec<Value> = (0..4).map(|n| test(&format!("/{n}"), "true")).collect();
    let output = exec(&dir, &["--local", "2", "--hook", hook], &tests).run();
    output.code(3).stderr_has("local/1: hook host-ready `[ $ATEX_HOST != local/1 ] ");
    assert_eq!(of_type(&output, "result").len(), 4);
    assert!(of_type(&output, "result").iter().all(|result| result["host"] == "local/2"));
    let gone = of_type(&output, "host-end").into_iter().find(|end| end["host"] == "local/1").unwrap();
    assert_eq!(gone["reason"], "unhealthy");
    assert!(gone["note"].as_str().unwrap().ends_with("exit status 1: broken disk"), "{gone}");
}

#[test]
fn a_hook_says_what_a_host_is_like() {
    let dir = Dir::new();
    let hook = "host-ready=jq -c '.facts.color = \"green\"'";
    let step = json!([{"how": "shell", "script": "touch /tmp/never-made", "when": "color == red"}]);
    let mut a = test("/a", "true");
    a["plan"] = json!({"name": "/p", "prepare": step});
    let output = exec(&dir, &["--local", "1", "--hook", hook], &[a]).run();
    output.success();
    assert_eq!(of_type(&output, "host-start")[0]["facts"], json!({"color": "green"}));
    assert!(!std::path::Path::new("/tmp/never-made").exists());
}

#[test]
fn a_slow_hook_of_one_host_does_not_hold_up_others() {
    let dir = Dir::new();
    let gate = dir.join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The hook of one test ends when the other three have run.
    let hook = format!("pre-test=[ $ATEX_TEST != /slow ] || cat {}", gate.display());
    let mut tests = vec![test("/slow", "true")];
    tests.extend((1..=3).map(|n| test(&format!("/{n}"), if n == 3 { "sleep 0.2" } else { "true" })));
    let after = format!("post-test=[ $ATEX_TEST != /3 ] || : >{}", gate.display());
    let output = exec(&dir, &["--local", "2", "--hook", &hook, "--hook", &after], &tests).run();
    output.success();
    let order: Vec<Value> = of_type(&output, "test-end").into_iter().map(|end| end["test"].clone()).collect();
    assert_eq!(order.last().unwrap(), "/slow", "{order:?}");
}

#[test]
fn hooks_are_ended_when_the_run_is_stopped() {
    for phase in ["host-ready", "pre-test", "post-test", "pre-tests", "post-tests"] {
        let dir = Dir::new();
        let word = dir.join("word");
        let mut there = Word::new(&word);
        let hook = format!("{phase}=cat >/dev/null; trap '' INT; echo $$ >{}; sleep 300", word.display());
        let running = exec(&dir, &["--local", "1", "--hook", &hook], &[test("/a", "true")]).start();
        let pid = there.wait();
        running.signal(Signal::SIGTERM);
        let output = running.finish();
        output.code(143);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{phase}\n{}", output.report());
        if matches!(phase, "pre-test" | "post-test") {
            assert_eq!(ends(&output), [json!(["/a", "infra", "cancelled", "cancelled", false])], "{phase}");
        }
    }
}

#[test]
fn a_stopped_run_is_resumed_with_its_hooks() {
    let dir = Dir::new();
    let once = dir.join("once");
    let mut there = Word::new(&dir.join("word"));
    let hook = format!(
        "pre-test=[ -e {0} ] || {{ : >{0}; echo there >{1}; sleep 300; }}",
        once.display(),
        dir.join("word").display()
    );
    let running = exec(&dir, &["--local", "1", "--hook", &hook], &[test("/a", "true")]).start();
    there.wait();
    running.signal(Signal::SIGKILL);
    running.finish();
    let output = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    output.success();
    assert_eq!(verdicts(&output), ["/a pass test"]);
}

#[test]
fn what_hooks_print_at_the_end_is_handed_on_and_what_fails_is_named() {
    let dir = Dir::new();
    let good = "post-tests=cat >/dev/null; echo '{\"type\":\"archive\",\"url\":\"x\"}'";
    let output = exec(
        &dir,
        &["--local", "1", "--hook", good, "--hook", "post-tests=head -n 1 >/dev/null; exit 4"],
        &[test("/a", "true")],
    )
    .run();
    output.code(3).stderr_has("atex-exec: hook post-tests `head -n 1 >/dev/null; exit 4`: exit status 4");
    let kinds: Vec<Value> = records(&output).into_iter().map(|record| record["type"].clone()).collect();
    assert_eq!(kinds[kinds.len() - 3..], [json!("archive"), json!("job-end"), json!("end")]);
    let end = records(&output).pop().unwrap();
    assert_eq!((&end["exit"], &end["complete"]), (&json!(3), &json!(false)));
}

#[test]
fn a_run_answers_while_its_last_hooks_run() {
    let dir = Dir::new();
    let hook = "post-tests=echo begun >&2; cat >/dev/null; until [ -e \"$ATEX_RUN_DIR/../go\" ]; do sleep 0.02; done";
    let life = exec(&dir, &["--local", "1", "--hook", hook], &[test("/a", "true")]).start();
    life.wait_for_stdout(r#""type":"host-end""#);
    let log = dir.join("run/hooks/post-tests-1.log");
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("begun")) {
        std::thread::yield_now();
    }
    let status = tool(&dir, "atex-exec").args(["status", "run"]).run();
    let status: Value = serde_json::from_str(&status.success().stdout).unwrap();
    assert_eq!((&status["tests"]["settled"], &status["outcomes"]), (&json!(1), &json!({"pass": 1})));
    life.signal(Signal::SIGUSR1);
    life.wait_for_stderr("1/1 done");
    dir.write("go", "");
    life.finish().success();
}

#[test]
fn a_wrong_hook_is_refused_before_anything_is_done() {
    let dir = Dir::new();
    for (arguments, message) in [
        (["--hook", "pre_test=x"], "--hook: `pre_test` is no phase; phases are pre-tests,"),
        (["--hook", "true"], "--hook: expected PHASE=CMD, found `true`"),
        (["--hook-timeout", "soon"], "--hook-timeout: "),
    ] {
        exec(&dir, &arguments, &[]).run().code(2).stderr_has(message);
        assert!(!dir.join("run").exists());
    }
}
