//! `--provision`: hosts that are asked for, with real provisioners, good ones and bad ones.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use atex_testkit::sandbox::{Command, Dir, Output, Running};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid};
use serde_json::{Value, json};

use crate::exec_resume::Run;
use crate::journal;
use crate::stream::{Word, exec, lines, of_type, test, test_with, tool, verdicts, wait_until_begun};

/// The example of scripts/examples, which keeps what it has lent in the directory `ledger`. What it is told, it also
/// writes to `told`.
pub fn example(dir: &Dir, ledger: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/examples/provisioner");
    format!(
        "echo $$ >{pid}; tee -a {told} | {script} {ledger}",
        pid = dir.join(format!("{ledger}.pid")).display(),
        told = dir.join(format!("{ledger}.told")).display(),
        script = script.display(),
        ledger = dir.join(ledger).display()
    )
}

/// A provisioner that keeps its hosts when it or its user dies, and can take charge of them again. While there is a file
/// `slow` it takes its time to say so, and while there is a file `mute` it does not answer that.
pub fn adopting(dir: &Dir) -> String {
    let script = dir.script(
        "adopting",
        r#"#!/bin/sh
mkdir -p "$1" && cd "$1" || exit 2
echo $$ >../adopting.pid
[ ! -e ../slow ] || sleep 2
echo '{"type":"hello","provisioner":"keep","adopt":true,"extend":true}'
jq --unbuffered -r '"\(.type) \(.hosts // .id // .host.id)"' | tee -a ../told | {
    want=0
    host() { printf '{"type":"host","id":"%s","connect":{"how":"local"}}\n' "$1"; }
    while read -r word what; do
        case $word in
            want) want=$what ;;
            adopt) if [ -e ../mute ]; then :; elif [ -e "$what" ]; then host "$what"; else printf '{"type":"host-gone","id":"%s"}\n' "$what"; fi ;;
            release) rm -f "$what"; printf '{"type":"released","id":"%s"}\n' "$what" ;;
            shutdown) rm -f k-* ;;
        esac
        while [ "$(find . -name 'k-*' | wc -l)" -lt "$want" ]; do
            n=$(($(cat ../count 2>/dev/null || echo 0) + 1))
            echo $n >../count
            : >k-$n
            host k-$n
        done
    done
}
"#,
    );
    format!("exec {} {}", script.display(), dir.join("kept").display())
}

/// What is still lent.
pub fn lent(dir: &Dir, ledger: &str) -> Vec<String> {
    let entries = fs::read_dir(dir.join(ledger)).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Expects a whole journal, decisions that can be made again, and nothing lent.
#[track_caller]
pub fn check(dir: &Dir, ledger: &str) {
    journal::check(&dir.path().join("run"));
    let journal = dir.read("run/journal.jsonl");
    let count = |kind: &str| {
        let kind = format!(r#"{{"type":"{kind}","#);
        let ids: std::collections::BTreeSet<String> = journal
            .lines()
            .filter(|line| line.starts_with(&kind))
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|record| record["host"]["id"].as_str().or(record["host"].as_str()).unwrap().to_owned())
            .collect();
        ids
    };
    assert_eq!(count("lease"), count("lease-end"), "every host is given back\n{journal}");
    tool(dir, "atex-exec").args(["--replay", "run/journal.jsonl"]).run().success();
    assert_eq!(lent(dir, ledger), [""; 0], "nothing is lent any more");
}

/// Waits for what nobody tells of.
#[track_caller]
pub fn wait_until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process works in a directory, or below it.
fn runs_in(dir: &Path) -> bool {
    let places = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cwd"));
    places.filter_map(|cwd| fs::read_link(cwd).ok()).any(|cwd| cwd.starts_with(dir))
}

/// How many hosts there were.
pub fn hosts(output: &Output) -> usize {
    of_type(output, "host-start").len()
}

pub fn passing(count: usize) -> Vec<Value> {
    (0..count).map(|n| test(&format!("/t{n:03}"), "true")).collect()
}

/// A provisioner whose hosts are reached in this way.
fn giving(connect: &str) -> String {
    let program = r#"
        foreach inputs as $word ({held: 0, next: 0, want: 0};
            if $word.type == "want" then .want = $word.hosts elif $word.type == "release" then .held -= 1 else . end
            | .from = .next | .next += ([.want - .held, 0] | max) | .held += .next - .from;
            ($word | select(.type == "release") | {type: "released", id}),
            (range(.from; .next) | {type: "host", id: "m-\(.)", connect: CONNECT}))"#;
    format!("jq --unbuffered -cn '{}'", program.replace("CONNECT", connect))
}

/// One that cannot be reached.
const DEAD: &str = r#"{how: "ssh", host: "127.0.0.1", port: 9}"#;

/// A provisioner that never has one.
const NO_QUOTA: &str = r#"jq --unbuffered -c 'select(.type == "want" and .hosts > 0) |
    {type: "provision-failed", count: .hosts, note: "no quota", retry: true}'"#;

#[test]
fn hosts_are_asked_for_used_and_given_back() {
    let dir = Dir::new();
    let provisioner = example(&dir, "ledger");
    let output = exec(&dir, &["--provision", &provisioner, "--provision-max", "3"], &passing(12)).run();
    output.success().stderr_is("");
    assert_eq!((verdicts(&output).len(), hosts(&output)), (12, 3));
    check(&dir, "ledger");
    let told = dir.read("ledger.told");
    assert!(told.starts_with("{\"type\":\"want\",\"hosts\":3}\n"), "{told}");
    assert!(told.ends_with("{\"type\":\"shutdown\"}\n"), "{told}");
    assert_eq!(told.matches(r#"{"type":"release","#).count(), 3, "{told}");
    assert!(dir.read("run/provisioner-1.log").is_empty());
}

#[test]
fn of_several_the_first_is_asked_first_and_each_has_its_limit() {
    let dir = Dir::new();
    let (first, second) = (example(&dir, "first"), example(&dir, "second"));
    let input: Vec<Value> = (0..8).map(|n| test(&format!("/t{n}"), "sleep 1")).collect();
    let arguments = ["--provision", &first, "--provision", &second, "--provision-max", "1,2"];
    let output = exec(&dir, &arguments, &input).run();
    output.success();
    assert_eq!(hosts(&output), 3);
    assert!(dir.read("first.told").contains(r#"{"type":"want","hosts":1}"#));
    let told = dir.read("second.told");
    assert!(told.contains(r#""hosts":2}"#) && !told.contains(r#""hosts":3}"#), "{told}");
    check(&dir, "first");
    check(&dir, "second");
}

#[test]
fn a_back_end_that_is_a_command_serves_too() {
    let dir = Dir::new();
    let lab = r#"#!/bin/sh
echo "$*" >>told
read -r request
token=${request#*'"lease":"'} token=${token%%'"'*}
mkdir -p lent
case $request in
*'"create"'*) : >"lent/$token"; echo '{"success":true,"host":{"connect":{"how":"local"}}}' ;;
*'"list"'*) for f in lent/"$token"*; do
    if [ -e "$f" ]; then echo "{\"lease\":\"${f#lent/}\"}"; fi; done | jq -sc '{success: true, leases: .}' ;;
*) rm -f "lent/$token"; echo '{"success":true}' ;;
esac
"#;
    dir.script("my lab", lab);
    let program = env!("CARGO_BIN_EXE_atex-provision");
    // With and without the mark behind which options are the command's own.
    for (run, command) in [("one", "exec --max 2 -- './my lab' --fast"), ("two", "exec './my lab' --fast")] {
        let provisioner = format!("{program} {command}");
        let mut exec = tool(&dir, "atex-exec");
        exec.args(["--run-dir", run, "--provision", &provisioner]).stdin(lines(&passing(3)));
        let output = exec.run();
        output.success();
        assert_eq!(verdicts(&output).len(), 3);
        assert!(dir.read("told").lines().all(|words| words == "--fast"), "{}", dir.read("told"));
        assert_eq!(lent(&dir, "lent"), [""; 0]);
        tool(&dir, "atex-provision").args(["leases"]).run().success().stdout_is("");
    }
}

#[test]
fn spares_and_a_limit_for_all() {
    let dir = Dir::new();
    let provisioner = example(&dir, "ledger");
    let arguments = ["--provision", &provisioner, "--spares", "2"];
    exec(&dir, &arguments, &[test("/a", "sleep 1")]).run().success();
    assert!(dir.read("ledger.told").contains(r#"{"type":"want","hosts":3}"#));
    check(&dir, "ledger");

    let dir = Dir::new();
    let provisioner = example(&dir, "ledger");
    let output = exec(&dir, &["--provision", &provisioner, "--max-hosts", "2"], &passing(6)).run();
    output.success();
    assert_eq!(hosts(&output), 2);
    check(&dir, "ledger");
}

#[test]
fn how_many_hosts_a_provisioner_gives_is_changed_while_a_run_goes_on() {
    let dir = Dir::new();
    let (provisioner, go) = (example(&dir, "ledger"), dir.join("go").display().to_string());
    let waits = format!("echo begun; until [ -e '{go}' ]; do sleep 0.1; done");
    let input: Vec<Value> = (0..3).map(|n| test(&format!("/t{n}"), &waits)).collect();
    let life = exec(&dir, &["--provision", &provisioner, "--provision-max", "1"], &input).start();
    wait_until_begun(&dir, &life, "/t0");
    let change = |words: &[&str]| tool(&dir, "atex-exec").args(["ctl", "run", "max-hosts"]).args(words).run();
    change(&["2", "--of", "1"]).success();
    wait_until(|| dir.read("ledger.told").ends_with("{\"type\":\"want\",\"hosts\":2}\n"));
    for nobody in ["2", "0", "nobody"] {
        let words = format!("provisioner {nobody}: there is none of this name");
        change(&["9", "--of", nobody]).code(2).stderr_has(&words);
    }
    // As many as at the beginning; what there is stays.
    change(&["--of", "echo"]).success();
    dir.write("go", "");
    let output = life.finish();
    output.success();
    assert_eq!(hosts(&output), 2);
    assert!(!dir.read("ledger.told").contains("\"hosts\":3"));
    check(&dir, "ledger");
}

#[test]
fn nothing_is_taken_on_while_hosts_are_given_back() {
    let dir = Dir::new();
    let slow = dir.script(
        "slow",
        r#"#!/bin/sh
while read -r line; do
    case $line in
        *'"want","hosts":1'*) echo '{"type":"host","id":"m","connect":{"how":"local"}}' ;;
        *'"release"'*)
            until [ -e let-go ]; do sleep 0.1; done
            echo '{"type":"released","id":"m"}' ;;
        *'"shutdown"'*) exit ;;
    esac
done
"#,
    );
    let life = exec(&dir, &["--provision", slow.to_str().unwrap()], &[test("/a", "true")]).start();
    life.wait_for_stdout("\"host-end\"");
    for words in
        [&["rerun", "/a"][..], &["add-host", r#"{"type":"host","id":"n","connect":{"how":"local"}}"#]]
    {
        let answer = tool(&dir, "atex-exec").args(["ctl", "run"]).args(words).run();
        answer.code(2).stderr_has("the run has come to its end: its hosts are being given back");
    }
    dir.write("let-go", "");
    let output = life.finish();
    output.success();
    assert_eq!(verdicts(&output), ["/a pass test"]);
}

#[test]
fn a_host_that_a_test_has_spoilt_is_replaced() {
    let dir = Dir::new();
    let provisioner = example(&dir, "ledger");
    let input = [test("/a", "exit 1"), test("/b", "exit 1"), test("/c", "true")];
    let output = exec(&dir, &["--provision", &provisioner, "--provision-max", "1"], &input).run();
    output.code(1);
    assert_eq!((verdicts(&output).len(), hosts(&output)), (3, 3));
    let told = dir.read("ledger.told");
    assert_eq!(told.matches(r#""reason":"destroyed""#).count(), 2, "{told}");
    check(&dir, "ledger");
}

#[test]
fn what_is_said_of_hosts_beforehand_decides_who_is_asked() {
    let dir = Dir::new();
    let hello = |platform: &str, arch: &str, ledger: &str| {
        let hello = json!({"type": "hello", "platform": platform, "facts": {"arch": arch}, "max": 2});
        format!("echo '{hello}'; {}", example(&dir, ledger))
    };
    let (x, y) = (hello("x", "s390x", "x"), hello("y", "aarch64", "y"));
    let of = |name: &str, platform: Option<&str>, arch: Option<&str>| {
        let mut test = test(name, "true");
        platform.iter().for_each(|label| test["platform"] = (*label).into());
        arch.iter().for_each(|arch| test["data"]["extra-host"] = format!("arch == {arch}").into());
        test
    };
    let input = [
        of("/any", None, Some("aarch64")),
        of("/x", Some("x"), None),
        of("/y", Some("y"), Some("aarch64")),
        of("/no-label", Some("z"), None),
        of("/no-arch", Some("x"), Some("riscv64")),
    ];
    let output = exec(&dir, &["--provision", &x, "--provision", &y], &input).run();
    output.code(3);
    assert_eq!(
        verdicts(&output),
        ["/any pass test", "/no-arch infra host", "/no-label infra host", "/x pass test", "/y pass test"]
    );
    let platforms: Vec<Value> =
        of_type(&output, "host-start").into_iter().map(|host| host["platform"].clone()).collect();
    assert!(platforms.contains(&json!("x")) && platforms.contains(&json!("y")), "{}", output.report());
    let told = dir.read("x.told");
    assert!(!told.contains(r#""hosts":2"#), "one test only is for it: {told}");
    check(&dir, "x");
    check(&dir, "y");
}

#[test]
fn bad_provisioners_are_named_and_the_next_one_is_asked() {
    for (bad, more, said) in [
        ("exit 2", &[][..], "provisioner exit: exit status 2; it is used no more"),
        ("no-such-program", &[], "provisioner no-such-program: exit status 127; it is used no more"),
        ("read word; exit 1", &[], "provisioner read: exit status 1"),
        (
            "cat >/dev/null",
            &["--provision-timeout", "1s"],
            "provisioner cat: nothing has been heard of it for 1s",
        ),
        (NO_QUOTA, &[], "provisioner jq: no quota"),
        (&giving(DEAD), &["--max-failed-setups", "1"], "it has failed too often and is used no more"),
        (
            "yes 'this is no record' | head -n 100000; cat >/dev/null",
            &["--provision-timeout", "1s"],
            "error: provisioner yes:1:2: not JSON",
        ),
        (
            "head -c 1000000 /dev/zero; cat >/dev/null",
            &["--provision-timeout", "1s"],
            "provisioner head:1:1: ",
        ),
    ] {
        let dir = Dir::new();
        let good = example(&dir, "ledger");
        let mut arguments = vec!["--provision", bad, "--provision", &good];
        arguments.extend(more);
        let output = exec(&dir, &arguments, &passing(4)).run();
        output.stderr_has(said);
        assert_eq!(verdicts(&output), ["/t000", "/t001", "/t002", "/t003"].map(|t| format!("{t} pass test")));
        assert!(output.stderr.lines().count() < 40, "{}", output.report());
        check(&dir, "ledger");
    }
}

#[test]
fn a_provisioner_that_always_fails_is_given_up_and_its_tests_say_why() {
    let dir = Dir::new();
    let arguments = ["--provision", NO_QUOTA, "--max-failed-provisions", "1"];
    let output = exec(&dir, &arguments, &passing(2)).run();
    output.code(3).stderr_has("provisioner jq: it has failed too often and is used no more");
    let note = crate::stream::note(&output, "/t000");
    assert_eq!(note, "no host is left that could run it: provisioner jq: no quota");
    check(&dir, "ledger");
}

#[test]
fn lines_that_make_no_sense_are_left_out() {
    let dir = Dir::new();
    let noise =
        r#"echo '{"type":"weather","sun":true}'; echo oops; echo '{"type":"pending","hosts":"x"}'; echo; "#;
    let provisioner = format!("{noise} echo 'about to begin' >&2; {}", example(&dir, "ledger"));
    let output = exec(&dir, &["--provision", &provisioner], &passing(2)).run();
    output.success();
    output.stderr_has("error: provisioner echo:2:1: not JSON");
    output.stderr_has("error: provisioner echo:3:");
    output.stderr_has("atex-exec: provisioner echo: about to begin");
    assert_eq!(dir.read("run/provisioner-1.log"), "about to begin\n");
    check(&dir, "ledger");
}

#[test]
fn one_that_does_not_end_is_ended_and_what_it_may_hold_is_named() {
    let dir = Dir::new();
    let provisioner = r#"trap '' TERM; echo '{"type":"host","id":"mine","connect":{"how":"local"}}'; while :; do sleep 600; done"#;
    let output = exec(&dir, &["--provision", provisioner, "--release-timeout", "1s"], &passing(1)).run();
    output.code(3).stderr_has("it has not said that these were given back: mine");
    assert_eq!(verdicts(&output), ["/t000 pass test"]);
    journal::check(&dir.path().join("run"));
    // The lease is still there, and is given back as soon as somebody does it.
    let resumed = tool(&dir, "atex-exec").args(["--resume", "run"]).run();
    resumed.code(3).stderr_has("it has not said that these were given back: mine");
}

/// A run whose first test waits until there is a file `go`.
pub fn waiting(dir: &Dir) -> Vec<Value> {
    let script = format!("echo begun; until [ -e {} ]; do sleep 0.05; done", dir.join("go").display());
    vec![test_with("/a", &script, json!({"extra-priority": 1})), test("/b", "true"), test("/c", "true")]
}

/// Expects that the first test of such a run had one attempt, whoever died meanwhile. The others may have been cut short as
/// they began.
#[track_caller]
pub fn went_on(run: &Run) {
    let ends = run.of_type("test-end");
    let finals: Vec<&Value> = ends.iter().filter(|end| end["final"] == true).collect();
    assert!(finals.len() == 3 && finals.iter().all(|end| end["outcome"] == "pass"), "{ends:?}");
    let first = finals.iter().find(|end| end["test"] == "/a").unwrap();
    assert_eq!(first["attempt"], 1, "{ends:?}\n{}", run.complained);
}

pub fn begin(command: &mut Command) -> Running {
    let life = command.start();
    life.wait_for_stdout(r#""test":"/a","attempt":1,"host""#);
    life
}

fn ctl(dir: &Dir, words: &[&str]) -> Value {
    let output = tool(dir, "atex-exec").args(["ctl", "run"]).args(words).run();
    serde_json::from_str(&output.success().stdout).unwrap()
}

#[test]
fn a_signal_ends_the_run_and_everything_is_given_back() {
    for signals in 1..=3 {
        let dir = Dir::new();
        let provisioner = example(&dir, "ledger");
        let life = begin(&mut exec(&dir, &["--provision", &provisioner], &waiting(&dir)));
        let pid: i32 = dir.read("ledger.pid").trim().parse().unwrap();
        let group = |pid: i32| getpgid(Some(Pid::from_raw(pid))).unwrap();
        assert_ne!(group(pid), group(life.pid()), "a terminal's ^C does not reach it");
        for _ in 0..signals {
            life.signal(Signal::SIGINT);
        }
        let output = life.finish();
        output.code(130);
        if signals == 3 {
            // We have left at once: it sees the end of its input, and what runs there goes on.
            wait_until(|| lent(&dir, "ledger").is_empty());
            dir.write("go", "");
            wait_until(|| !runs_in(&dir.path()));
        } else {
            check(&dir, "ledger");
        }
    }
}

#[test]
fn a_host_that_is_said_to_be_gone_costs_its_test_no_more_than_an_attempt() {
    host_goes(r#"{"type":"host-gone","id":"%s","note":"power cut"}"#, "power cut");
}

#[test]
fn a_host_that_is_given_back_while_it_is_used_is_gone() {
    host_goes(r#"{"type":"released","id":"%s"}"#, "it has been given back");
}

/// Expects that a test is tried again after a word of the provisioner about its host.
fn host_goes(word: &str, said: &str) {
    let dir = Dir::new();
    let script = dir.script(
        "gone",
        format!(
            "#!/bin/sh\nexec 3<&0\n{{ {} ; }} <&3 &\nread -r id <{}\n\
             printf '{word}\\n' \"$id\"\nwait\n",
            example(&dir, "ledger"),
            dir.join("gone.fifo").display()
        ),
    );
    let gone = Word::new(&dir.join("gone.fifo"));
    let once = dir.join("once");
    let test = test("/a", &format!("[ -e {0} ] || {{ : >{0}; sleep 600; }}", once.display()));
    let life =
        exec(&dir, &["--provision", script.to_str().unwrap(), "--provision-max", "1"], &[test]).start();
    life.wait_for_stdout(r#""test":"/a","attempt":1,"host""#);
    wait_until(|| once.exists());
    let id = lent(&dir, "ledger").remove(0);
    fs::remove_file(dir.join("ledger").join(&id)).unwrap();
    fs::write(dir.join("gone.fifo"), format!("{id}\n")).unwrap();
    let output = life.finish();
    drop(gone);
    output.stderr_has("it is gone, says provisioner").stderr_has(said);
    let ends = of_type(&output, "test-end");
    assert_eq!(
        (&ends[0]["cause"], &ends[0]["final"]),
        (&json!("host"), &json!(false)),
        "{}",
        output.report()
    );
    let reasons: Vec<Value> =
        of_type(&output, "host-end").into_iter().map(|end| end["reason"].clone()).collect();
    assert_eq!(reasons[0], "lost");
    check(&dir, "ledger");
}

#[test]
fn people_see_provisioners_and_drop_hosts() {
    let dir = Dir::new();
    let provisioner = example(&dir, "ledger");
    let life = begin(&mut exec(&dir, &["--provision", &provisioner, "--provision-max", "1"], &waiting(&dir)));
    let status = ctl(&dir, &["status"]);
    let about = &status["provisioners"][0];
    assert_eq!(
        (&about["provisioner"], &about["state"], &about["held"], &about["max"]),
        (&json!("echo"), &json!("used"), &json!(1), &json!(1)),
        "{status}"
    );
    let hosts = ctl(&dir, &["hosts"]);
    assert_eq!(hosts["hosts"][0]["provisioner"], "echo");
    let host = hosts["hosts"][0]["host"].as_str().unwrap().to_owned();
    ctl(&dir, &["drop-host", &host, "--now"]);
    life.wait_for_stdout(r#""test":"/a","attempt":2,"host""#);
    dir.write("go", "");
    let output = life.finish();
    output.success();
    assert!(
        dir.read("ledger.told")
            .contains(&format!(r#"{{"type":"release","id":"{host}","reason":"dropped"}}"#))
    );
    check(&dir, "ledger");
}

#[test]
fn many_hosts() {
    let dir = Dir::new();
    let count = if crate::stream::long() { 1000 } else { 60 };
    let provisioner = giving(r#"{how: "local"}"#);
    let input: Vec<Value> = (0..count).map(|n| test(&format!("/t{n}"), "sleep 5")).collect();
    let most = count.to_string();
    let output = exec(&dir, &["--provision", &provisioner, "--provision-max", &most], &input)
        .timeout(Duration::from_secs(600))
        .run();
    output.success();
    assert_eq!((verdicts(&output).len(), hosts(&output)), (count, count));
    check(&dir, "ledger");
}

#[test]
fn a_run_has_hosts_of_its_own_beside_those_that_are_asked_for() {
    let dir = Dir::new();
    let provisioner = example(&dir, "ledger");
    let input: Vec<Value> = (0..4).map(|n| test(&format!("/t{n}"), "sleep 2")).collect();
    let output = exec(&dir, &["--local", "1", "--provision", &provisioner], &input).run();
    output.success();
    let names: Vec<String> = of_type(&output, "host-start")
        .into_iter()
        .map(|host| host["host"].as_str().unwrap().chars().take(3).collect())
        .collect();
    assert!(names.contains(&"loc".into()) && names.contains(&"box".into()), "{names:?}");
    assert!(lines(&of_type(&output, "host-end")).contains("local/1"));
    check(&dir, "ledger");
}

#[test]
fn a_simulation_waits_for_hosts_as_a_run_would() {
    let dir = Dir::new();
    let input: Vec<Value> =
        (0..10).map(|n| test_with(&format!("/t{n}"), "true", json!({"duration": "1m"}))).collect();
    let simulate = |more: &[&str]| {
        let arguments = ["--provision", "no-such-program", "--provision-max", "5", "--simulate"];
        let output = exec(&dir, &arguments, &input).args(more).run();
        output.success();
        let story = of_type(&output, "simulation").remove(0);
        (story["hosts"].as_u64().unwrap(), story["makespan"].as_f64().unwrap(), hosts(&output))
    };
    // Two minutes for a host, five seconds for its set-up, two rounds of tests.
    assert_eq!(simulate(&[]), (5, 245.0, 5));
    let (_, makespan, _) = simulate(&["--provision-time", "30s,60s", "--setup-time", "0s"]);
    assert!((150.0..=180.0).contains(&makespan), "{makespan}");
    let (_, makespan, _) = simulate(&["--provision-failures", "0.5"]);
    assert!(makespan > 250.0, "{makespan}");
    exec(&dir, &["--provision", "x", "--simulate", "--provision-time", "2m,1m"], &input)
        .run()
        .code(2)
        .stderr_has("--provision-time: expected the shorter time first");
}
