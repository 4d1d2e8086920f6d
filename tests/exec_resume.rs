//! Runs whose atex-exec is killed, and that go on: nothing that was settled is lost or done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::{Duration, Instant};

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::{Command, Dir, Output, Running};
use atex_testkit::sshd::Farm;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::stream::{exec, farm_host, lab_host, lines, note, printed, test, tool, verdicts};

/// The lives of a run in the directory `run`.
pub struct Run<'a> {
    dir: &'a Dir,
    /// How each life is begun.
    through: Vec<String>,
    /// What each of them wrote.
    said: String,
    /// And on standard error.
    pub complained: String,
    input: String,
}

impl<'a> Run<'a> {
    pub fn new(dir: &'a Dir, through: Vec<String>, input: &[Value]) -> Run<'a> {
        Run { dir, through, said: String::new(), complained: String::new(), input: lines(input) }
    }

    /// The first life.
    pub fn begin(&self, arguments: &[&str]) -> Running {
        let mut command = exec(self.dir, arguments, &[]);
        command.stdin(self.input.clone()).through(&self.through).start()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tool(self.dir, "atex-exec");
        command.args(["--resume", "run"]).args(arguments).through(&self.through);
        command.env("ATEX_LOG", "info,atex_exec=debug");
        command
    }

    /// A later life, with the same input.
    pub fn resume(&self) -> Running {
        self.command(&[]).stdin(self.input.clone()).start()
    }

    /// Kills a life in the middle of whatever it does.
    pub fn kill(&mut self, life: Running) {
        // Started through another program, it is not what the other end of the pipe belongs to.
        if let Some(pid) = self.kept("lock").and_then(|text| text.trim().parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        life.signal(Signal::SIGKILL);
        wait_until_dead(self.dir);
        self.hear(&life.finish());
    }

    /// Whether its last words are written.
    pub fn is_over(&self) -> bool {
        self.kept("journal.jsonl").is_some_and(|text| text.contains(r#"{"type":"job-end""#))
    }

    /// A file of the run directory, once there is one.
    fn kept(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.join("run").join(file)).ok()
    }

    /// Takes what a life has written; a last line that it could not end is no record.
    pub fn hear(&mut self, output: &Output) {
        let whole = output.stdout.rfind('\n').map_or(0, |at| at + 1);
        self.said.push_str(&output.stdout[..whole]);
        self.complained.push_str(&output.stderr);
    }

    /// The records of all lives, each once.
    fn records(&self) -> Vec<Value> {
        let mut known = BTreeSet::new();
        let once = self.said.lines().filter(|line| known.insert(*line));
        once.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
    }

    pub fn of_type(&self, kind: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["type"] == kind).collect()
    }

    /// Expects that it was all done: each of so many tests is settled once, with this outcome, and has its one
    /// result, and nothing is left.
    #[track_caller]
    fn check(&self, tests: usize, outcome: &str) {
        let journal = self.dir.read("run/journal.jsonl");
        let finals = |ends: Vec<Value>| -> BTreeMap<String, Value> {
            let finals: Vec<Value> = ends.into_iter().filter(|end| end["final"] == true).collect();
            let by_name: BTreeMap<String, Value> =
                finals.iter().map(|end| (end["test"].to_string(), end.clone())).collect();
            assert_eq!((by_name.len(), finals.len()), (tests, tests), "settled once each\n{journal}");
            by_name
        };
        let said = finals(self.of_type("test-end"));
        let journaled = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let kept = finals(journaled.filter(|record| record["type"] == "test-end").collect());
        for (name, end) in &kept {
            assert_eq!(end["outcome"], outcome, "{end}");
            assert_eq!(said[name]["attempt"], end["attempt"]);
        }
        let results = self.of_type("result");
        let identities: BTreeSet<String> = results.iter().map(identity).collect();
        assert_eq!((results.len(), identities.len()), (tests, tests), "one result each\n{journal}");
        let end: Value = journal.lines().last().map(|line| serde_json::from_str(line).unwrap()).unwrap();
        assert_eq!((&end["counts"], &end["unsettled"]), (&json!({outcome: tests}), &json!(0)), "{end}");
        assert!(!self.dir.join("run/hosts").exists() && !self.dir.join("run/uploads").exists());
    }
}

/// The lock is the last thing that a process lets go.
fn wait_until_dead(dir: &Dir) {
    if let Ok(lock) = File::open(dir.join("run/lock")) {
        lock.lock().unwrap();
    }
}

/// Waits for what nobody tells of.
fn wait_until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills what waits for a test on the first local host.
fn kill_wrapper(dir: &Dir) {
    for spool in std::fs::read_dir(dir.join("run/hosts/0")).unwrap().flatten() {
        let Ok(text) = std::fs::read_to_string(spool.path().join("wrapper")) else { continue };
        let pid = text.split(' ').next().and_then(|pid| pid.parse().ok()).unwrap();
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// What a result is known by.
fn identity(result: &Value) -> String {
    ["run", "platform", "test", "attempt", "n", "type"].map(|key| result[key].to_string()).join(" ")
}

/// Tests that take some time, all of one tree.
fn tests(dir: &Dir, count: usize, script: &str) -> Vec<Value> {
    dir.write("tree/file", "from the tree\n");
    (0..count)
        .map(|n| {
            let mut test = test(&format!("/t{n}"), script);
            test["tree"] = dir.join("tree").to_str().unwrap().into();
            test
        })
        .collect()
}

#[test]
fn killed_at_chosen_moments_it_goes_on() {
    // Before the first test, as one starts, as one ends, and when all is nearly over.
    for moment in [
        "job-start",
        "host-start",
        r#""/t0","attempt":1,"host":"#,
        r#""/t0","status"#,
        r#""/t2","attempt"#,
        r#""/t5","status"#,
    ] {
        let dir = Dir::new();
        let mut run = Run::new(&dir, vec![], &tests(&dir, 6, "grep tree file; sleep 0.05"));
        let life = run.begin(&["--local", "2"]);
        life.wait_for_stdout(moment);
        run.kill(life);
        let output = run.resume().finish();
        output.success();
        run.hear(&output);
        run.check(6, "pass");
        let resumed = run.of_type("job-resume").len();
        // After the last one it may be over before it is killed.
        assert!(resumed == 1 || resumed == 0 && moment.contains("t5"), "{moment}: {resumed}");
    }
}

#[test]
fn killed_before_it_could_say_anything_it_begins() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &tests(&dir, 2, "true"));
    run.begin(&["--local", "1"]).finish().success();
    for file in ["journal.jsonl", "tests.jsonl", "hosts.jsonl", "announced"] {
        dir.write(format!("run/{file}"), "");
    }
    let output = run.resume().finish();
    output.success();
    run.hear(&output);
    run.check(2, "pass");
    assert_eq!(run.of_type("job-start").len(), 1);
}

#[test]
fn killed_again_and_again_at_any_moment_it_ends_as_if_nothing_had_been() {
    for round in 0..4u64 {
        let dir = Dir::new();
        let mut run = Run::new(&dir, vec![], &tests(&dir, 12, "cat file; sleep 0.02; exit 3"));
        let mut life = run.begin(&["--local", "2"]);
        life.wait_for_stdout("job-start");
        // Twice: what is cut short for the third time is settled by that.
        for n in 0..2u64 {
            // Wherever it is by then.
            std::thread::sleep(Duration::from_millis(7 + (round * 53 + n * 31) % 140));
            run.kill(life);
            life = run.resume();
            life.wait_for_stdout("job-resume");
        }
        let output = life.finish();
        output.code(1);
        run.hear(&output);
        run.check(12, "fail");
        let again = run.command(&[]).run();
        again.code(1).stdout_is("").stderr_has("this run has ended: all of its tests are settled");
    }
}

#[test]
fn tests_that_are_known_and_such_as_come_later() {
    let dir = Dir::new();
    let foreign = json!({"type": "mine", "n": 1});
    let host = json!({"type": "host", "id": "mine", "connect": {"how": "local"}});
    let input = [host.clone(), foreign.clone(), test("/a", "true"), test("/a", "true"), test("/b", "true")];
    dir.write("all", lines(&input));
    // Its input is open still when it is killed, after two of three tests.
    let script = format!(
        "mkfifo in && exec 3<>in && head -n 4 all >&3 && exec {} --run-dir run --duplicates number <in",
        env!("CARGO_BIN_EXE_atex-exec")
    );
    let life = dir.command("bash").args(["-c", &script]).start();
    life.wait_for_stdout(r#""/a (2)","status"#);
    let mut run = Run::new(&dir, vec![], &input);
    let pid = dir.read("run/lock").trim().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_until_dead(&dir);
    run.said = life.stdout();
    drop(life);
    // Without the input nothing is made up, and nothing is lost.
    let cut = run.command(&[]).run();
    cut.code(4).stderr_has("the input was cut: of its tests, 2 are known, and no others are run");
    run.hear(&cut);
    assert_eq!(run.of_type("job-end")[0]["unsettled"], 0);
    // Borrowed, it was handed on, and has to be given again: which it is, by the same input.
    assert_eq!(run.of_type("host"), [host]);
    let output = run.resume().finish();
    output.success();
    run.hear(&output);
    run.check(3, "pass");
    assert_eq!(output.stdout.matches(r#""type":"mine""#).count(), 0, "it was handed on before");
    assert_eq!(run.of_type("mine"), [foreign]);
    run.command(&[]).run().success().stdout_is("");
}

#[test]
fn what_was_not_said_is_said_and_all_of_it_if_asked_for() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &tests(&dir, 3, "true"));
    let output = run.begin(&["--local", "1"]).finish();
    output.success();
    run.hear(&output);
    let whole = output.stdout.clone();
    let again = run.command(&["--from-start"]).run();
    again.success().stdout_is(&whole);
    // As if it had been killed before it could say the second half.
    let journal = dir.read("run/journal.jsonl");
    let half: usize = journal.lines().take(6).map(|line| line.len() + 1).sum();
    for (said, rest) in [(half.to_string(), true), ("\0\0".into(), true), (journal.len().to_string(), false)]
    {
        dir.write("run/announced", said);
        let again = run.command(&[]).run();
        again.success();
        assert!(whole.ends_with(&again.stdout), "{}", again.report());
        assert_eq!(!again.stdout.is_empty(), rest);
    }
    run.check(3, "pass");
}

#[test]
fn stopped_by_a_signal_it_goes_on_too() {
    let dir = Dir::new();
    let host = json!({"type": "host", "id": "mine", "connect": {"how": "command", "argv": ["env"]}});
    let flag = dir.join("flag");
    let slow = format!("[ -e '{0}' ] || {{ touch '{0}'; sleep 1000; }}", flag.display());
    let mut run = Run::new(&dir, vec![], &[host, test("/t0", &slow), test("/t1", "true")]);
    let work = dir.path();
    let life = run.begin(&["--work-dir", work.to_str().unwrap(), "--grace", "0s"]);
    life.wait_for_stdout("test-start");
    while !flag.exists() {
        std::thread::yield_now();
    }
    life.signal(Signal::SIGTERM);
    let output = life.finish();
    output.code(143).stderr_has("--resume").stderr_has("/run goes on");
    run.hear(&output);
    // Its host was handed on.
    let lonely = run.command(&[]).run();
    lonely.code(2).stderr_has("there is no host to go on with").stderr_has("--hosts FILE");
    run.hear(&lonely);
    dir.write("hosts", run.input.lines().next().unwrap());
    let output = run.command(&["--hosts", "hosts"]).run();
    output.success();
    run.hear(&output);
    run.check(2, "pass");
    assert_eq!(run.of_type("job-end").len(), 3);
}

/// A test that reports, and uploads a file of lines that are all different, in the middle of which it waits for `go`.
fn uploading(size: usize, go: &str) -> Value {
    let (lines, half) = (size / 20, size / 2);
    let result = r#"{"status":"pass","name":"early"}"#;
    let upload = format!(r#"{{"status":"pass","name":"up","files":[{{"name":"big","length":{size}}}]}}"#);
    let script = format!(
        "send() {{ printf 'result %d\\n%s' ${{#1}} \"$1\" >&$ATEX_TEST_CONTROL; }}\n\
         seq -f %019.0f 1 {lines} >big\nsend '{result}'\nsend '{upload}'\n\
         head -c {half} big >&$ATEX_TEST_CONTROL\necho half\ntouch {go}.half\n\
         until [ -e {go} ]; do sleep 0.05; done\n\
         tail -c {half} big >&$ATEX_TEST_CONTROL\necho all\nsha256sum <big"
    );
    test("/upload", &script)
}

/// Expects that the uploading test and another one were run once, and that nothing of them is lost or doubled.
#[track_caller]
fn check_attached(run: &Run<'_>, last: &Output) {
    let ends = run.of_type("test-end");
    let attempts: Vec<String> =
        ends.iter().map(|end| format!("{} {} {}", end["test"], end["attempt"], end["outcome"])).collect();
    assert_eq!(attempts, [r#""/upload" 1 "pass""#, r#""/after" 1 "pass""#]);
    let text = printed(run.dir, last, "/upload");
    let (said, sum) = text.split_once("all\n").unwrap();
    assert_eq!(said, "half\n", "nothing is said twice");
    let uploaded = run.dir.join("run/results/default/upload/attempt-1/files/up/big");
    let ours = run.dir.command("sha256sum").stdin(std::fs::read(uploaded).unwrap()).run();
    assert_eq!(ours.stdout, sum, "nothing is lost or doubled");
    for kind in ["result", "live-result"] {
        let results = run.of_type(kind).into_iter().filter(|result| result["test"] == "/upload");
        let mut names: Vec<(Value, Value)> =
            results.map(|result| (result["subtest"].clone(), result["n"].clone())).collect();
        if kind == "live-result" {
            // One that was said when we were killed may be said again, of a later moment.
            names.dedup();
        }
        let all = [(json!("early"), json!(1)), (json!("up"), json!(2)), (Value::Null, json!(3))];
        assert_eq!(names, if kind == "result" { &all[..] } else { &all[..2] }, "{kind}");
    }
    assert!(!run.dir.join("run/results/default/upload/attempt-1/checkpoint.json").exists());
}

const CHECKPOINT: &str = "run/results/default/upload/attempt-1/checkpoint.json";

#[test]
fn a_test_that_runs_on_is_followed_from_where_it_was() {
    // From its beginning, unless a checkpoint has been made.
    for (size, is_saved) in [(100_000, false), (40_000_000, true)] {
        let dir = Dir::new();
        let go = dir.join("go");
        // Its value is not in the environment of the second life.
        let after = test("/after", "[ \"$TOKEN\" = 'hunter 2' ]");
        let mut run = Run::new(&dir, vec![], &[uploading(size, go.to_str().unwrap()), after]);
        let arguments = ["--local", "1", "--live", "--env", "TOKEN"];
        let mut command = exec(&dir, &arguments, &[]);
        let life = command.stdin(run.input.clone()).env("TOKEN", "hunter 2").start();
        life.wait_for_stdout("live-result");
        wait_until(|| dir.join("go.half").exists() && (!is_saved || dir.join(CHECKPOINT).exists()));
        run.kill(life);
        let life = run.resume();
        life.wait_for_stdout("host-start");
        dir.write("go", "");
        let output = life.finish();
        output.success();
        run.hear(&output);
        check_attached(&run, &output);
    }
}

#[test]
fn an_upload_from_another_machine_goes_on_where_it_was_saved() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let input = [lab_host(&lab, 0), uploading(60_000_000, "/go"), test("/after", "true")];
    let mut run = Run::new(&dir, lab.prefix(), &input);
    let life = run.begin(&["--live"]);
    wait_until(|| dir.join(CHECKPOINT).exists());
    run.kill(life);
    let life = run.resume();
    life.wait_for_stdout("host-start");
    lab.run(0, "touch /go");
    let output = life.finish();
    output.success();
    run.hear(&output);
    check_attached(&run, &output);
    assert_eq!(lab.run(0, "ls -d /var/atex-* 2>/dev/null || true"), "", "no trace is left");
}

#[test]
fn a_test_that_runs_on_can_be_cancelled_in_a_later_life() {
    let dir = Dir::new();
    let here = dir.join("here");
    let mut run = Run::new(&dir, vec![], &[test("/t0", &format!("touch '{}'; sleep 1000", here.display()))]);
    let life = run.begin(&["--local", "1", "--grace", "0s"]);
    wait_until(|| here.exists());
    run.kill(life);
    let life = run.resume();
    life.wait_for_stdout("host-start");
    life.signal(Signal::SIGTERM);
    let output = life.finish();
    output.code(143);
    run.hear(&output);
    let ends = run.of_type("test-end");
    assert_eq!((ends.len(), &ends[0]["cause"], &ends[0]["final"]), (1, &json!("cancelled"), &json!(false)));
}

#[test]
fn cut_short_three_times_it_is_settled() {
    let dir = Dir::new();
    let started = dir.join("started");
    let slow = format!("echo $ATEX_ATTEMPT >'{}'; sleep 1000", started.display());
    let mut run = Run::new(&dir, vec![], &[test("/t0", &slow), test("/t1", "true")]);
    let mut life = run.begin(&["--local", "1"]);
    for attempt in 1..=3 {
        wait_until(|| std::fs::read_to_string(&started).is_ok_and(|text| text == format!("{attempt}\n")));
        run.kill(life);
        // Whatever kills us and all that we have started.
        kill_wrapper(&dir);
        life = run.resume();
    }
    let output = life.finish();
    output.code(3);
    run.hear(&output);
    let ends: Vec<Value> = run.of_type("test-end").into_iter().filter(|end| end["test"] == "/t0").collect();
    assert_eq!(ends.iter().map(|end| &end["final"]).collect::<Vec<_>>(), [false, false, true]);
    assert!(ends.iter().all(|end| end["cause"] == "own" && end["outcome"] == "infra"), "{ends:?}");
    assert_eq!(note(&output, "/t0"), "cut short when atex-exec ended");
    assert_eq!(run.of_type("job-end")[0]["counts"], json!({"infra": 1, "pass": 1}));
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let left = processes.filter(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        let run = format!("ATEX_RUN_ID={}", ends[0]["run"].as_str().unwrap());
        environment.split(|byte| *byte == 0).any(|variable| variable == run.as_bytes())
    });
    assert_eq!(left.count(), 0, "what was cut short is ended");
}

#[test]
fn retries_that_were_used_up_stay_so() {
    let Some(farm) = Farm::start_or_skip(4) else { return };
    let dir = Dir::new();
    let mut input: Vec<Value> = (0..4).map(|n| farm_host(&farm, n)).collect();
    input.push(test("/t0", "sleep 1000"));
    let mut run = Run::new(&dir, vec![], &input);
    let mut life = run.begin(&["--work-dir", dir.path().to_str().unwrap(), "--host-timeout", "2s"]);
    // Its hosts die under it. In the middle, so do we.
    for attempt in 1..=2 {
        let start = format!(r#""/t0","attempt":{attempt},"host":"h"#);
        life.wait_for_stdout(&start);
        let said = life.stdout();
        if attempt == 2 {
            run.kill(life);
            life = run.resume();
            life.wait_for_stdout("host-start");
        }
        let at = said.find(&start).unwrap() + start.len();
        farm.hosts()[said[at..=at].parse::<usize>().unwrap()].kill();
    }
    let output = life.finish();
    output.code(3);
    run.hear(&output);
    let ends = run.of_type("test-end");
    let causes: Vec<&str> = ends.iter().filter_map(|end| end["cause"].as_str()).collect();
    assert_eq!(causes, ["host", "host"], "two hosts were enough, whoever died in between");
    assert_eq!(ends[1]["final"], true);
    assert!(ends[1]["note"].as_str().is_some_and(|note| note.starts_with("kills hosts: ")), "{:?}", ends[1]);
}

#[test]
fn lines_that_were_torn_are_dropped() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &tests(&dir, 4, "sleep 0.1"));
    let life = run.begin(&["--local", "2"]);
    life.wait_for_stdout("\"test-end\"");
    run.kill(life);
    for file in ["journal.jsonl", "tests.jsonl", "hosts.jsonl"] {
        let text = dir.read(format!("run/{file}"));
        dir.write(format!("run/{file}"), format!("{text}{{\"type\":\"test-e"));
    }
    let output = run.resume().finish();
    output.success();
    for file in ["journal.jsonl", "tests.jsonl", "hosts.jsonl"] {
        output.stderr_has(&format!("/run/{file}: dropped a line that was not written whole"));
    }
    run.hear(&output);
    run.check(4, "pass");
}

#[test]
fn a_journal_that_ends_earlier_than_what_it_tells_of() {
    let dir = Dir::new();
    let input = tests(&dir, 3, "cat file");
    Run::new(&dir, vec![], &input).begin(&["--local", "2"]).finish().success();
    let journal = dir.read("run/journal.jsonl");
    let mut seen = 0;
    // As after a loss of power: files that were written later are there, and attempts that nobody knows of.
    for line in journal.lines().skip(1) {
        seen += line.len() + 1;
        if !line.contains("\"test-") {
            continue;
        }
        dir.write("run/journal.jsonl", &journal[..seen]);
        let mut run = Run::new(&dir, vec![], &input);
        let output = run.resume().finish();
        output.success();
        run.hear(&output);
        run.check(3, "pass");
    }
}

#[test]
fn one_run_one_process() {
    let dir = Dir::new();
    let run = Run::new(&dir, vec![], &[test("/t0", "sleep 1000")]);
    let life = run.begin(&["--local", "1"]);
    life.wait_for_stdout("test-start");
    let message = format!("/run: process {} is at work on this run", life.pid());
    run.command(&[]).run().code(3).stdout_is("").stderr_has(&message);
    exec(&dir, &["--local", "1"], &[]).run().code(3).stdout_is("").stderr_has(&message);
    let journal = dir.read("run/journal.jsonl");
    life.signal(Signal::SIGTERM);
    life.finish().code(143);
    assert!(dir.read("run/journal.jsonl").starts_with(&journal));
    exec(&dir, &["--local", "1"], &[]).run().code(2).stderr_has("holds a run already").stderr_has("--resume");
}

#[test]
fn what_cannot_be_resumed_is_said() {
    let dir = Dir::new();
    let resume = |arguments: &[&str]| tool(&dir, "atex-exec").args(["--resume"]).args(arguments).run();
    resume(&["none"]).code(2).stderr_has("/none/run.json: No such file or directory").stderr_has("hint: ");
    dir.write("empty/x", "");
    resume(&["empty"]).code(2).stderr_has("/empty/run.json: No such file");
    assert!(!dir.join("empty/lock").exists(), "what is no run is not touched");
    resume(&["none", "--local", "2", "--grace", "1s"])
        .code(2)
        .stderr_has("--local, --grace: not with --resume: a run keeps its options");
    let run = Run::new(&dir, vec![], &[test("/t0", "true")]);
    let life = run.begin(&["--local", "1"]);
    life.finish().success();
    for (file, text, message) in [
        ("run.json", "{", "run.json: EOF while parsing"),
        ("journal.jsonl", "{\"type\":\"test-end\"}\n", "run/journal.jsonl:1:"),
        ("journal.jsonl", "{}\nx\n", "run/journal.jsonl:1:2: missing field `type`"),
        ("tests.jsonl", "nope\n", "run/tests.jsonl:1:"),
        ("hosts.jsonl", "{\"from\":\"mars\"}\n", "run/hosts.jsonl:1:"),
    ] {
        let good = dir.read(format!("run/{file}"));
        dir.write(format!("run/{file}"), text);
        resume(&["run"]).code(2).stdout_is("").stderr_has(message).stderr_has("hint: ");
        dir.write(format!("run/{file}"), good);
    }
    std::fs::remove_file(dir.join("run/journal.jsonl")).unwrap();
    resume(&["run"]).code(3).stderr_has("/run/journal.jsonl: No such file or directory");
}

#[test]
fn hosts_of_their_own_are_found_again_and_left_clean() {
    let Some(lab) = Lab::start_or_skip(3) else { return };
    let dir = Dir::new();
    // Large enough that it is killed while files are sent, too.
    dir.write("tree/large", vec![b'x'; 8 << 20]);
    let mut input: Vec<Value> = (0..3).map(|n| lab_host(&lab, n)).collect();
    input.extend(tests(&dir, 8, "wc -c <large; sleep 0.1"));
    // However late we are to see what happens, the run is not over.
    input.extend(tests(&dir, 9, "wc -c <large; until [ -e /go ]; do sleep 0.05; done").pop());
    let mut run = Run::new(&dir, lab.prefix(), &input);
    let mut life = run.begin(&[]);
    for moment in ["host-start", "test-start", "test-end"] {
        life.wait_for_stdout(moment);
        run.kill(life);
        life = run.resume();
        life.wait_for_stdout("job-resume");
    }
    (0..3).for_each(|n| drop(lab.run(n, "touch /go")));
    let output = life.finish();
    output.success();
    run.hear(&output);
    run.check(9, "pass");
    let id = run.records()[0]["run"].as_str().unwrap().to_owned();
    for n in 0..3 {
        let left = lab.run(n, &format!("ls -d /var/atex-{id}* /tmp/atex-{id}* 2>/dev/null || true"));
        assert_eq!(left, "", "no trace in host {n}");
        let processes = lab.run(n, "cat /proc/[0-9]*/comm");
        assert!(!processes.contains("dd") && !processes.contains("tail"), "{processes}");
    }
    let mut handed_on = run.of_type("host");
    handed_on.sort_by_key(|host| host["id"].to_string());
    assert_eq!(handed_on, input[..3], "each is handed on, and once");
    assert_eq!(run.said.matches("{\"type\":\"host\",").count(), 3);
}

#[test]
fn a_host_that_is_not_back_yet_is_waited_for() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let host = &farm.hosts()[0];
    // It is idle when its run is killed, and goes down then.
    let held = |dir: &Dir, wait: &str| {
        let input = [farm_host(&farm, 0), test("/bad", "exit 1"), test("/next", "true")];
        let work = dir.join("work").display().to_string();
        std::fs::create_dir(&work).unwrap();
        let arguments = ["--hold-on", "fail", "--work-dir", &work, "--host-timeout", wait];
        let life = exec(dir, &arguments, &input).start();
        life.wait_for_stderr("use it again by: ");
        life.signal(Signal::SIGKILL);
        life.finish();
        host.kill();
    };
    let dir = Dir::new();
    held(&dir, "60s");
    let again = tool(&dir, "atex-exec").args(["--resume", "run"]).start();
    again.wait_for_stderr("connection refused");
    again.wait_for_stderr("it is sought for ");
    host.restart();
    again.wait_for_stdout("\"host-start\"");
    tool(&dir, "atex-exec").args(["ctl", "run", "free", "h0"]).run().success();
    let output = again.finish();
    output.code(1);
    assert!(verdicts(&output).contains(&"/next pass test".to_owned()), "{}", output.report());

    // Not for ever.
    let dir = Dir::new();
    held(&dir, "2s");
    let output = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    output.code(3).stderr_has("h0: host lost: not reached within 2s: ");
    assert!(verdicts(&output).contains(&"/next infra host".to_owned()), "{}", output.report());
}
