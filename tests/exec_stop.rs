//! Runs that stop before all is done: by a deadline, after failures, or to be gone on with elsewhere.

use std::path::Path;
use std::time::{Duration, Instant};

use atex_testkit::sandbox::{Dir, Output, Running};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::stream::{Word, exec, lines, of_type, test, test_with, tool, verdicts, wait_until_begun};

/// The last words of a run.
#[track_caller]
fn job_end(output: &Output) -> Value {
    of_type(output, "job-end").pop().unwrap_or_else(|| panic!("{}", output.report()))
}

/// Why a run has ended before all was done, as it says itself.
#[track_caller]
fn note(output: &Output) -> String {
    job_end(output)["note"].as_str().unwrap_or_else(|| panic!("{}", output.report())).to_owned()
}

/// The run directory, as a run says it.
fn run(dir: &Dir) -> String {
    dir.join("run").to_string_lossy().into_owned()
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
    let note_of_first = note(&output);
    let rest = format!("Z reached; 2 tests are not settled; continue with atex-exec --resume {}", run(&dir));
    assert!(note_of_first.starts_with("stopped: deadline 20"), "{note_of_first}");
    assert!(note_of_first.ends_with(&rest), "{note_of_first}");
    let summary = tool(&dir, "atex-report").stdin(output.stdout.clone()).run();
    summary.code(4);
    assert!(summary.stdout.contains(&note_of_first), "{}", summary.report());
    let again = tool(&dir, "atex-exec").args(["--resume", "run", "--grace", "1s"]).run();
    again.code(2).stderr_has("--grace: not with --resume");
    let again = tool(&dir, "atex-exec").args(["--resume", "run", "--deadline", "1s"]).run();
    again.code(4).stderr_has("the deadline has come: ending what runs");
    // A deadline is that of one life. One that has passed would leave the next no time at all.
    dir.write("go", "");
    let rest = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    rest.success();
    assert_eq!(job_end(&rest).get("note"), None);
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
    let why =
        "stopped: 2 tests were not begun: they take longer than was left until the deadline; 3 tests are";
    assert!(note(&output).starts_with(why), "{}", note(&output));
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
    let run = run(&dir);
    let why = "stopped: 2 tests have failed (--max-fail); 4 tests are not settled";
    assert_eq!(note(&output), format!("{why}; continue with atex-exec --resume {run}"));
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
    assert!(
        note(&output).starts_with("stopped: 1 tests have failed (--max-fail); the input had not ended; ")
    );
}

#[test]
fn a_run_says_who_has_stopped_it() {
    let dir = Dir::new();
    let begin = |run: &str| {
        let input = [waiting(&dir, "/a", "go"), test("/b", "true")];
        let mut life = tool(&dir, "atex-exec");
        let life = life.args(["--run-dir", run, "--local", "1"]).stdin(lines(&input)).start();
        life.wait_for_stdout(r#""type":"test-start""#);
        life
    };
    let stopped = begin("stopped");
    stopped.signal(Signal::SIGTERM);
    let stopped = stopped.finish();
    stopped.code(143);
    assert!(note(&stopped).starts_with("stopped: SIGTERM; 2 tests are not settled; "), "{}", note(&stopped));
    let drained = begin("drained");
    tool(&dir, "atex-exec").args(["ctl", "drained", "drain"]).run().success();
    dir.write("go", "");
    let drained = drained.finish();
    drained.code(4);
    assert!(note(&drained).starts_with("stopped: drained; 1 test is not settled; "), "{}", note(&drained));
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

#[test]
fn whoever_insists_is_told_how_to_go_on() {
    let dir = Dir::new();
    let life = exec(&dir, &["--local", "1"], &[waiting(&dir, "/a", "go"), test("/b", "true")]).start();
    life.wait_for_stdout(r#""type":"test-start""#);
    // Several of one kind that come at once are one.
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        life.signal(signal);
    }
    let left = life.finish();
    assert!(matches!(left.status.code(), Some(129 | 130 | 143)), "{}", left.report());
    let goes_on = format!("leaving at once; tests may go on running on their hosts; --resume {}", run(&dir));
    left.stderr_has(&goes_on);
    assert!(of_type(&left, "job-end").is_empty(), "{}", left.report());
    dir.write("go", "");
    let rest = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    rest.success();
    assert_eq!(job_end(&rest)["counts"], json!({"pass": 2}));
}

/// Halts what brings to us what tests on a host send: from now on their run hears nothing of them.
#[track_caller]
fn deafen(host: &Path) {
    signal_tails(host, Signal::SIGSTOP);
}

/// Signals what brings to us what tests on a host send.
#[track_caller]
fn signal_tails(host: &Path, signal: Signal) {
    let spools = std::fs::read_dir(host).unwrap().flatten().map(|entry| entry.path());
    let follower = spools.filter_map(|path| std::fs::read_to_string(path.join("follower")).ok()).next();
    let follower = follower.unwrap_or_else(|| panic!("{}: nothing follows there", host.display()));
    let group = follower.split(' ').next().unwrap().to_owned();
    let mut found = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // NUMBER (NAME) STATE PARENT GROUP
        if stat.contains("(tail) ") && stat.split(' ').nth(4) == Some(&group) {
            let pid = process.file_name().to_str().unwrap().parse().unwrap();
            kill(Pid::from_raw(pid), signal).unwrap();
            found += 1;
        }
    }
    assert_eq!(found, 2, "of control and of output");
}

/// Waits until a file of the agent holds such a line.
#[track_caller]
fn wait_for_line(path: &Path, is_it: impl Fn(&str) -> bool) {
    let since = Instant::now();
    // Nobody tells of what the agent writes.
    while !std::fs::read_to_string(path).is_ok_and(|text| text.lines().next().is_some_and(&is_it)) {
        assert!(since.elapsed() < Duration::from_secs(60), "{}: it does not come", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A test whose first attempt does this and then runs for long.
fn lasting(first: &str, data: Value) -> Value {
    let script =
        format!("[ $ATEX_ATTEMPT = 1 ] || exit 0\n{first}\necho begun; while :; do sleep 1000 || :; done");
    test_with("/a", &script, data)
}

/// How attempts ended: `ATTEMPT OUTCOME CAUSE FINAL NOTE`.
fn ends(output: &Output) -> Vec<String> {
    let text = |end: Value| {
        let word = |key: &str| end[key].to_string().replace('"', "");
        ["attempt", "outcome", "cause", "final", "note"].map(word).join(" ")
    };
    of_type(output, "test-end").into_iter().map(text).collect()
}

#[test]
fn what_was_ended_counts_the_same_for_whoever_goes_on() {
    let again = &["1 infra cancelled false cancelled", "2 pass test true null"][..];
    let limit = &["1 error test true duration limit of 5s reached"][..];
    let interrupt = |_: &Dir, life: &Running| life.signal(Signal::SIGINT);
    let cancel = |dir: &Dir, _: &Running| {
        tool(dir, "atex-exec").args(["ctl", "run", "cancel", "/a"]).run().success();
    };
    let nothing = |_: &Dir, _: &Running| {};
    type Does = fn(&Dir, &Running);
    let cases: [(&str, Does, &str, &[&str]); 5] = [
        ("trap - TERM", interrupt, "1h", again),
        ("trap 'exit 0' TERM", interrupt, "1h", again),
        ("trap '' TERM", interrupt, "1h", again),
        ("trap 'exit 0' TERM", cancel, "1h", &["1 infra cancelled true cancelled"]),
        ("trap '' TERM", nothing, "5s", limit),
    ];
    for (first, does, duration, expected) in cases {
        let dir = Dir::new();
        let input = [lasting(first, json!({"duration": duration}))];
        let life = exec(&dir, &["--local", "1", "--grace", "1s"], &input).start();
        wait_until_begun(&dir, &life, "/a");
        deafen(&dir.join("run/hosts/0"));
        does(&dir, &life);
        // It is on record, if only there, how the test has ended.
        wait_for_line(&dir.join("run/hosts/0/test/end"), |line| line != "-");
        life.signal(Signal::SIGKILL);
        let left = life.finish();
        assert_eq!(ends(&left), [""; 0], "{first}");
        let rest = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
        assert_eq!(ends(&rest), expected, "{first}: {}", rest.report());
    }
}

#[test]
fn what_was_asked_to_end_is_ended_by_whoever_goes_on() {
    let dir = Dir::new();
    let mut asked = Word::new(&dir.join("asked"));
    let first = format!("trap 'echo asked >{}' TERM", dir.join("asked").display());
    let life = exec(&dir, &["--local", "1", "--grace", "1h"], &[lasting(&first, json!({}))]).start();
    wait_until_begun(&dir, &life, "/a");
    life.signal(Signal::SIGTERM);
    assert_eq!(asked.wait(), "asked");
    life.signal(Signal::SIGKILL);
    assert_eq!(ends(&life.finish()), [""; 0]);
    let rest = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    rest.success();
    assert_eq!(ends(&rest), ["1 infra cancelled false cancelled", "2 pass test true null"]);
}

#[test]
fn what_is_asked_to_end_has_its_time_for_that_whatever_it_says() {
    let dir = Dir::new();
    let (mut asked, go, done) = (Word::new(&dir.join("asked")), dir.join("go"), dir.join("done"));
    let [asks, goes, does] = [&dir.join("asked"), &go, &done].map(|path| path.display().to_string());
    let first = format!(
        "trap 'echo ending; tmt-report-result ending pass; echo asked >{asks}\n\
         until [ -e {goes} ]; do sleep 0.02; done; touch {does}; exit 0' TERM"
    );
    let life = exec(&dir, &["--local", "1", "--grace", "1h"], &[lasting(&first, json!({}))]).start();
    wait_until_begun(&dir, &life, "/a");
    life.signal(Signal::SIGINT);
    assert_eq!(asked.wait(), "asked");
    // What its host was told before that is done by then: it is told that what the test has sent need not be kept.
    wait_for_line(&dir.join("run/hosts/0/spool.1/freed"), |line| !line.starts_with("0 "));
    dir.write("go", "");
    let output = life.finish();
    output.code(130);
    assert!(done.exists(), "{}", output.report());
    assert_eq!(ends(&output), ["1 infra cancelled false cancelled"]);
}

#[test]
fn an_end_that_comes_while_it_is_looked_for_at_the_limit_is_seen() {
    let dir = Dir::new();
    let mut asked = Word::new(&dir.join("asked"));
    let at = dir.path().display().to_string();
    // What is asked of the host when the time is over gets its answer late.
    let via = format!(
        "#!/bin/sh\ncase $* in *agent*' sizes'*) echo sizes >{at}/asked; until [ -e {at}/answer ]; do sleep 0.02; done ;; esac\nexec \"$@\"\n"
    );
    let via = dir.script("via", via);
    let script =
        format!("echo begun; until [ -e {at}/go ]; do sleep 0.02; done; echo note bye >&$ATEX_TEST_CONTROL");
    let host = json!({"type": "host", "id": "h", "connect": {"how": "command", "argv": [via]}});
    let input = [host, test_with("/a", &script, json!({"duration": "1s"}))];
    std::fs::create_dir(dir.join("there")).unwrap();
    let life = exec(&dir, &["--work-dir", &format!("{at}/there")], &input).start();
    wait_until_begun(&dir, &life, "/a");
    let host = std::fs::read_dir(dir.join("there")).unwrap().flatten().next().unwrap().path();
    deafen(&host);
    assert_eq!(asked.wait(), "sizes");
    dir.write("go", "");
    wait_for_line(&host.join("test/end"), |line| line != "-");
    // All of it comes at once.
    signal_tails(&host, Signal::SIGCONT);
    life.wait_for_stdout(r#""note":"bye""#);
    dir.write("answer", "");
    let output = life.finish();
    output.success();
    assert_eq!(verdicts(&output), ["/a pass test"]);
}
