//! Runs that are looked at from elsewhere: attach, status, ctl, prune.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use atex_testkit::sandbox::{Dir, Running};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::stream::{lines, records, test, tool};

/// A run on one local host whose second test waits for `go`.
fn begin(dir: &Dir) -> Running {
    begin_in(dir, "run")
}

fn begin_in(dir: &Dir, run: &str) -> Running {
    let script = format!("until [ -e '{}' ]; do sleep 0.02; done", dir.join("go").display());
    let input = [test("/a", "echo a"), test("/b", &script), test("/c", "exit 1")];
    let mut command = tool(dir, "atex-exec");
    let life = command.args(["--local", "1", "--run-dir", run]).stdin(lines(&input)).start();
    life.wait_for_stdout(r#""test":"/b","attempt":1,"host""#);
    life
}

fn go(dir: &Dir) {
    dir.write("go", "");
}

/// The answer to what is typed behind `ctl run`.
fn ctl(dir: &Dir, words: &[&str]) -> Value {
    let output = tool(dir, "atex-exec").args(["ctl", "run"]).args(words).run();
    serde_json::from_str(&output.success().stdout).unwrap()
}

fn status(dir: &Dir) -> Value {
    let output = tool(dir, "atex-exec").args(["status", "run"]).run();
    serde_json::from_str(&output.success().stdout).unwrap()
}

#[test]
fn it_says_how_far_it_is() {
    let dir = Dir::new();
    let life = begin(&dir);
    let said = status(&dir);
    assert_eq!((&said["state"], &said["pid"]), (&json!("running"), &json!(life.pid())), "{said}");
    assert_eq!(said["tests"], json!({"waiting": 1, "running": 1, "settled": 1, "input_ended": true}));
    assert_eq!((&said["outcomes"], &said["hosts"]), (&json!({"pass": 1}), &json!({"busy": 1})));
    assert_eq!(ctl(&dir, &["status"])["run"], said["run"]);
    let hosts = ctl(&dir, &["hosts"]);
    let host = &hosts["hosts"][0];
    assert_eq!(
        (&host["host"], &host["test"], &host["attempt"]),
        (&json!("local/1"), &json!("/b"), &json!(1))
    );
    assert!(host["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{host}");
    assert!(ctl(&dir, &["eta"]).get("eta_seconds").is_some());
    life.signal(Signal::SIGUSR1);
    life.wait_for_stderr("atex-exec: 1/3 done, 1 running, 1 waiting");
    life.wait_for_stderr("atex-exec:   /b on local/1, ");
    go(&dir);
    life.finish().code(1);
    assert_eq!(status(&dir)["state"], "over");
    let refused = tool(&dir, "atex-exec").args(["ctl", "run", "eta"]).run();
    refused.code(3).stderr_has("/run: no run goes on here").stdout_is("");
    tool(&dir, "atex-exec")
        .args(["status", "nowhere"])
        .run()
        .code(2)
        .stderr_has("nowhere/run.json: No such file");
}

#[test]
fn the_socket_answers_each_line_and_only_its_own_user() {
    let dir = Dir::new();
    let life = begin(&dir);
    let path = dir.join("run/control.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for (line, ok, error) in [
        (r#"{"cmd":"status"}"#, true, ""),
        (r#"{"cmd":"dance"}"#, false, "unknown variant `dance`"),
        ("nonsense", false, "not a request: expected ident at line 1 column 2"),
        ("", false, "not a request: "),
        (r#"{"cmd":"eta"}"#, true, ""),
    ] {
        writeln!(stream, "{line}").unwrap();
        let said: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(said["ok"], ok, "{line}: {said}");
        assert!(said["error"].as_str().unwrap_or_default().contains(error), "{line}: {said}");
    }
    let mut long = UnixStream::connect(&path).unwrap();
    long.write_all(&vec![b'x'; 1 << 20]).unwrap();
    let said = BufReader::new(long).lines().next().unwrap().unwrap();
    assert!(said.contains("longer than 1048576 bytes"), "{said}");
    if nix::unistd::geteuid().is_root() {
        // Whoever else gets at the socket is not answered.
        let (work, socket) = (dir.path(), dir.join("run/control.sock"));
        for path in [work.parent().unwrap(), &work, &dir.join("run"), &socket] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let ask =
            "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; print <$s>";
        let words = ["--reuid", "65534", "--clear-groups", "/usr/bin/perl", "-e", ask];
        let other = dir.command("setpriv").args(words).arg(socket).run();
        assert!(other.stdout.contains("user 65534 is not the one whose run this is"), "{}", other.report());
    }
    go(&dir);
    life.finish().code(1);
    assert!(lines.next().is_none(), "the end of the run is the end of the connection");
    assert!(!path.exists());
}

/// Waits until a process waits for something to be said on its connection and its watch.
fn wait_until_it_sleeps(pid: i32) {
    while !std::fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|place| place.contains("poll")) {
        std::thread::yield_now();
    }
}

#[test]
fn attached_one_sees_the_whole_stream_and_its_end() {
    let dir = Dir::new();
    let life = begin(&dir);
    let late = tool(&dir, "atex-exec").args(["attach", "run"]).start();
    late.wait_for_stdout(r#""test":"/b","attempt":1,"host""#);
    let new = tool(&dir, "atex-exec").args(["attach", "--new", "run"]).start();
    // It has seen where the journal ends once it waits for more.
    wait_until_it_sleeps(new.pid());
    go(&dir);
    let (run, late, new) = (life.finish(), late.finish(), new.finish());
    run.code(1);
    assert_eq!(records(late.code(1)), records(&run));
    let only_new = records(new.code(1));
    assert!(only_new.len() < records(&run).len() && records(&run).ends_with(&only_new), "{only_new:?}");
    let after = tool(&dir, "atex-exec").args(["attach", "run"]).run();
    assert_eq!(records(after.code(1)), records(&run), "also when it is over");
}

#[test]
fn attached_one_sees_a_run_die() {
    let dir = Dir::new();
    let life = begin(&dir);
    let watch = tool(&dir, "atex-exec").args(["attach", "run"]).start();
    watch.wait_for_stdout(r#""test":"/b","attempt":1,"host""#);
    life.signal(Signal::SIGKILL);
    life.finish().killed_by(Signal::SIGKILL);
    let watch = watch.finish();
    watch.code(3).stderr_has("/run: no run goes on here").stderr_has("hint: --resume ");
    let last = records(&watch).pop().unwrap();
    assert_eq!((&last["type"], &last["complete"]), (&json!("end"), &json!(false)));
    assert_eq!(status(&dir)["state"], "cut-short");
    go(&dir);
    tool(&dir, "atex-exec").args(["--resume", "run"]).run().code(1);
    assert_eq!(status(&dir)["state"], "over");
}

/// Runs in `runs`, one after another, of which the second was cut short.
fn three_runs(dir: &Dir) {
    for name in ["one", "two", "three"] {
        let run = format!("runs/{name}");
        // Nobody ends what was cut short but itself.
        let waits = format!("while [ -e '{}' ]; do sleep 0.1; done", dir.join(&run).display());
        let input = test("/a", if name == "two" { &waits } else { "true" });
        let mut command = tool(dir, "atex-exec");
        let life = command.args(["--local", "1", "--run-dir", &run]).stdin(lines(&[input])).start();
        if name == "two" {
            life.wait_for_stdout("test-start");
            life.signal(Signal::SIGKILL);
            life.finish();
        } else {
            life.finish().success();
        }
    }
}

fn pruned(dir: &Dir, words: &[&str]) -> Vec<String> {
    let output = tool(dir, "atex-exec").args(["prune", "runs"]).args(words).run();
    let dirs = output.success().stdout.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["dir"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    });
    dirs.collect()
}

fn left(dir: &Dir) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir.join("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn what_can_be_gone_on_with_is_not_over() {
    let dir = Dir::new();
    let input = lines(&[test("/a", "exit 1")]);
    dir.write("all", &input);
    // The rest of the input has not come yet.
    let cut = format!(
        "mkfifo in && exec 3<>in && cat all >&3 && exec {} --run-dir runs/cut --local 1 --max-fail 1 <in",
        env!("CARGO_BIN_EXE_atex-exec")
    );
    dir.command("bash").args(["-c", &cut]).run().code(4).stderr_has("not all was run: --resume ");
    // Nobody says that the host was given back.
    let keeps = r#"echo '{"type":"host","id":"mine","connect":{"how":"local"}}'; cat >/dev/null; exit 1"#;
    let arguments = ["--run-dir", "runs/lent", "--provision", keeps, "--release-timeout", "1s"];
    tool(&dir, "atex-exec").args(arguments).stdin(input.clone()).run().code(3);
    let state = |run: &str| {
        let output = tool(&dir, "atex-exec").args(["status", run]).run();
        serde_json::from_str::<Value>(&output.success().stdout).unwrap()["state"].clone()
    };
    assert_eq!([state("runs/cut"), state("runs/lent")], ["cut-short", "cut-short"]);
    assert!(pruned(&dir, &["--keep-runs", "0", "--dry-run"]).is_empty());
    tool(&dir, "atex-exec").args(["--resume", "runs/cut"]).stdin(input).run().code(1);
    assert_eq!(state("runs/cut"), "over");
    assert_eq!(pruned(&dir, &["--keep-runs", "0", "--dry-run"]), ["cut"]);
}

#[test]
fn what_is_not_needed_is_pruned_and_nothing_else() {
    let dir = Dir::new();
    three_runs(&dir);
    dir.write("runs/notes/mine", "not a run");
    let outside = dir.write("outside/run.json", "{}");
    std::os::unix::fs::symlink(dir.join("outside"), dir.join("runs/link")).unwrap();
    let usage = tool(&dir, "atex-exec").args(["prune", "runs"]).run();
    usage.code(2).stderr_has("nothing says which runs to keep");
    assert_eq!(pruned(&dir, &["--keep-runs", "0", "--dry-run"]), ["three", "one"]);
    assert_eq!(left(&dir), ["link", "notes", "one", "three", "two"]);
    assert!(pruned(&dir, &["--keep-days", "1"]).is_empty());
    assert!(pruned(&dir, &["--max-bytes", "1G"]).is_empty());
    assert_eq!(pruned(&dir, &["--keep-runs", "2"]), ["one"], "what was cut short counts, and is kept");
    let life = begin_in(&dir, "runs/now");
    assert_eq!(pruned(&dir, &["--max-bytes", "0", "--resumable"]), ["three", "two"]);
    assert_eq!(left(&dir), ["link", "notes", "now"], "one that goes on is not touched");
    assert!(outside.exists());
    go(&dir);
    life.finish().code(1);
}

/// A run of tests that each wait for a file of their name, on so many local hosts.
fn begin_waiting(dir: &Dir, tests: u32, hosts: &str) -> Running {
    let wait = |n| format!("until [ -e '{}/go{n}' ]; do sleep 0.02; done", dir.path().display());
    let input: Vec<Value> = (0..tests).map(|n| test(&format!("/t{n}"), &wait(n))).collect();
    let mut command = tool(dir, "atex-exec");
    command.args(["--run-dir", "run", "--grace", "1s", "--local", hosts]).stdin(lines(&input)).start()
}

fn names(answer: &Value) -> Vec<&str> {
    answer["tests"].as_array().unwrap().iter().map(|test| test["test"].as_str().unwrap()).collect()
}

#[test]
fn tests_are_listed_cancelled_and_skipped_while_it_goes_on() {
    let dir = Dir::new();
    let life = begin_waiting(&dir, 6, "1");
    life.wait_for_stdout(r#""test":"/t0","attempt":1,"host""#);
    assert_eq!(names(&ctl(&dir, &["tests"])), ["/t0"]);
    let waiting = ctl(&dir, &["tests", "--state", "waiting", "--limit", "2", "t[1-5]"]);
    assert_eq!((names(&waiting), &waiting["count"]), (vec!["/t1", "/t2"], &json!(5)));
    assert_eq!(ctl(&dir, &["skip", "t[23]$"])["count"], 2);
    assert_eq!(ctl(&dir, &["skip", "t[023]$"])["count"], 0, "what runs or is settled is not skipped");
    assert_eq!(ctl(&dir, &["cancel", "/t4"])["count"], 1);
    assert_eq!(ctl(&dir, &["cancel", "/t0"])["count"], 1);
    let refused = tool(&dir, "atex-exec").args(["ctl", "run", "cancel", "/none"]).run();
    refused.code(2).stderr_has("/none: there is no such test").stdout_is("");
    let refused = tool(&dir, "atex-exec").args(["ctl", "run", "skip", "("]).run();
    refused.code(2).stderr_has("`(` is not a regular expression");
    dir.write("go1", "");
    dir.write("go5", "");
    let output = life.finish();
    let ends: Vec<String> = records(&output)
        .into_iter()
        .filter(|record| record["type"] == "test-end")
        .map(|end| {
            format!("{} {} {}", end["test"].as_str().unwrap(), end["outcome"], end["cause"]).replace('"', "")
        })
        .collect();
    for expected in [
        "/t0 infra cancelled",
        "/t1 pass test",
        "/t2 skip skipped",
        "/t3 skip skipped",
        "/t4 infra cancelled",
        "/t5 pass test",
    ] {
        assert!(ends.contains(&expected.to_owned()), "{expected}: {}", output.report());
    }
    assert_eq!(ends.len(), 6);
}

#[test]
fn it_pauses_and_its_hosts_come_and_go() {
    let dir = Dir::new();
    let life = begin_waiting(&dir, 5, "1");
    life.wait_for_stdout(r#""test":"/t0","attempt":1,"host""#);
    ctl(&dir, &["pause"]);
    assert_eq!(status(&dir)["state"], "paused");
    dir.write("go0", "");
    life.wait_for_stdout(r#""test":"/t0","attempt":1,"host":"local/1","outcome":"pass""#);
    assert_eq!(status(&dir)["tests"]["running"], 0, "nothing is started");
    ctl(&dir, &["resume"]);
    life.wait_for_stdout(r#""test":"/t1","attempt":1,"host":"local/1""#);
    ctl(&dir, &["add-host", r#"{"type":"host","id":"more","connect":{"how":"local"}}"#]);
    life.wait_for_stdout(r#""test":"/t2","attempt":1,"host":"more""#);
    for (words, message) in [
        (
            vec!["add-host", r#"{"type":"host","id":"more","connect":{"how":"local"}}"#],
            "one of this id already",
        ),
        (vec!["add-host", r#"{"id":"bad"}"#], "not a host record"),
        (vec!["hold", "nobody"], "host nobody: there is none of this id"),
    ] {
        tool(&dir, "atex-exec").args(["ctl", "run"]).args(words).run().code(2).stderr_has(message);
    }
    assert_eq!(ctl(&dir, &["hold", "more"])["connect"]["how"], "local");
    dir.write("go2", "");
    life.wait_for_stdout(r#""test":"/t2","attempt":1,"host":"more","outcome":"pass""#);
    ctl(&dir, &["drop-host", "local/1", "--now"]);
    life.wait_for_stdout(r#""host":"local/1","platform":"default","reason""#);
    assert_eq!(status(&dir)["tests"]["running"], 0, "one host is gone and one is held");
    ctl(&dir, &["free", "more"]);
    for n in [1, 3, 4] {
        dir.write(format!("go{n}"), "");
    }
    let output = life.finish();
    output.success();
    let places: Vec<String> = records(&output)
        .into_iter()
        .filter(|record| record["type"] == "test-end" && record["final"] == true)
        .map(|end| format!("{} {}", end["test"], end["host"]).replace('"', ""))
        .collect();
    assert_eq!(places.len(), 5, "{places:?}");
    assert!(places.contains(&"/t1 more".to_owned()), "what was cut off by us runs elsewhere: {places:?}");
}

#[test]
fn a_host_that_was_dropped_can_come_again() {
    let dir = Dir::new();
    let more = r#"{"type":"host","id":"more","connect":{"how":"local"}}"#;
    let life = begin_waiting(&dir, 3, "1");
    life.wait_for_stdout(r#""test":"/t0","attempt":1,"host""#);
    ctl(&dir, &["add-host", more]);
    life.wait_for_stdout(r#""test":"/t1","attempt":1,"host":"more""#);
    ctl(&dir, &["drop-host", "more"]);
    dir.write("go1", "");
    life.wait_for_stdout(r#""host":"more","platform":"default","reason":"dropped""#);
    ctl(&dir, &["add-host", more]);
    life.wait_for_stdout(r#""test":"/t2","attempt":1,"host":"more""#);
    // Whoever comes back after a crash finds it there.
    life.signal(Signal::SIGKILL);
    life.finish();
    dir.write("go0", "");
    dir.write("go2", "");
    let output = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    output.success();
    let hosts: Vec<Value> = records(&output)
        .into_iter()
        .filter(|record| record["type"] == "test-end" && record["final"] == true)
        .map(|end| end["host"].clone())
        .collect();
    assert!(hosts.contains(&json!("more")) && hosts.contains(&json!("local/1")), "{}", output.report());
    // It is handed on as often as it was given.
    let journal = dir.read("run/journal.jsonl");
    assert_eq!(journal.matches(r#"{"type":"passed-on","line":{"type":"host","id":"more""#).count(), 2);
}

#[test]
fn a_test_whose_hosts_have_left_says_so() {
    let dir = Dir::new();
    let life = begin_waiting(&dir, 2, "1");
    life.wait_for_stdout(r#""test":"/t0","attempt":1,"host""#);
    ctl(&dir, &["drop-host", "local/1"]);
    dir.write("go0", "");
    let output = life.finish();
    output.code(3);
    assert!(
        output.stdout.contains("no host is left that could run it: local/1, the last one, has left the pool"),
        "{}",
        output.report()
    );
}

#[test]
fn drained_it_ends_when_what_runs_has_ended() {
    let dir = Dir::new();
    let life = begin_waiting(&dir, 3, "1");
    life.wait_for_stdout(r#""test":"/t0","attempt":1,"host""#);
    ctl(&dir, &["max-hosts", "1"]);
    ctl(&dir, &["drain"]);
    assert_eq!(status(&dir)["state"], "draining");
    dir.write("go0", "");
    let output = life.finish();
    output.code(4).stderr_has("not all was run: --resume ");
    assert_eq!(status(&dir)["state"], "cut-short");
    for n in [1, 2] {
        dir.write(format!("go{n}"), "");
    }
    tool(&dir, "atex-exec").args(["--resume", "run"]).run().success();
}

/// The last attempts as `NAME OUTCOME rerun-of`.
fn finals(said: &[Value]) -> Vec<String> {
    let ends = said.iter().filter(|record| record["type"] == "test-end" && record["final"] == true);
    ends.map(|end| {
        let of = end["rerun-of"].as_str().unwrap_or("-");
        format!("{} {} {of}", end["test"].as_str().unwrap(), end["outcome"].as_str().unwrap())
    })
    .collect()
}

#[test]
fn a_settled_test_runs_again_under_another_name() {
    let dir = Dir::new();
    let flag = dir.join("flag").display().to_string();
    let first = format!("[ -e '{flag}' ] || {{ touch '{flag}'; exit 1; }}; echo again");
    let wait = format!("until [ -e '{}' ]; do sleep 0.02; done", dir.join("go").display());
    let input = [test("/first", &first), test("/wait", &wait)];
    let mut command = tool(&dir, "atex-exec");
    let life = command.args(["--run-dir", "run", "--local", "1"]).stdin(lines(&input)).start();
    life.wait_for_stdout(r#""test":"/wait","attempt":1,"host""#);
    for (words, message) in [
        (["rerun", "/wait"], "/wait: it has not ended yet"),
        (["rerun", "/none"], "/none: there is no such test"),
    ] {
        tool(&dir, "atex-exec").args(["ctl", "run"]).args(words).run().code(2).stderr_has(message);
    }
    assert_eq!(ctl(&dir, &["rerun", "/first"])["tests"], json!(["/first (2)"]));
    let twice = tool(&dir, "atex-exec").args(["ctl", "run", "rerun", "/first (2)"]).run();
    twice.code(2).stderr_has("/first (2): it has not ended yet");
    assert_eq!(ctl(&dir, &["rerun", "/first"])["tests"], json!(["/first (3)"]));
    assert_eq!(names(&ctl(&dir, &["tests", "--state", "waiting"])), ["/first (2)", "/first (3)"]);
    // Tests are counted right behind the end of the input.
    assert_eq!(ctl(&dir, &["cancel", "/first (3)"])["count"], 1);
    go(&dir);
    let output = life.finish();
    output.code(3);
    let said = records(&output);
    assert_eq!(
        finals(&said),
        ["/first fail -", "/first (3) infra /first", "/wait pass -", "/first (2) pass /first"]
    );
    let result = said.iter().find(|record| record["type"] == "result" && record["test"] == "/first (2)");
    assert_eq!((&result.unwrap()["attempt"], &result.unwrap()["status"]), (&json!(1), &json!("pass")));
    let end = said.iter().find(|record| record["type"] == "job-end").unwrap();
    assert_eq!(end["counts"], json!({"infra": 1, "fail": 1, "pass": 2}), "nothing is taken back");
    assert_eq!(dir.read("run/results/default/first%20(2)/attempt-1/files/output.txt"), "again\n");
}

#[test]
fn a_test_that_runs_again_does_so_after_a_crash_too() {
    let dir = Dir::new();
    let wait = format!("until [ -e '{}' ]; do sleep 0.02; done", dir.join("go").display());
    let input = lines(&[test("/first", "true"), test("/wait", &wait)]);
    let mut command = tool(&dir, "atex-exec");
    command.args(["--run-dir", "run", "--local", "1", "--duplicates", "number"]);
    let life = command.stdin(input.clone()).start();
    life.wait_for_stdout(r#""test":"/wait","attempt":1,"host""#);
    ctl(&dir, &["rerun", "/first"]);
    life.signal(Signal::SIGKILL);
    life.finish();
    let resumed = tool(&dir, "atex-exec").args(["--resume", "run"]).stdin(input).start();
    resumed.wait_for_stdout("job-resume");
    // A test of an earlier life, and one that has a number by now.
    assert_eq!(ctl(&dir, &["rerun", "/first"])["tests"], json!(["/first (3)"]));
    go(&dir);
    let output = resumed.finish();
    output.success();
    assert_eq!(
        finals(&records(&output)),
        ["/wait pass -", "/first (2) pass /first", "/first (3) pass /first"]
    );
    tool(&dir, "atex-exec").args(["--resume", "run"]).run().success().stdout_is("");
}
