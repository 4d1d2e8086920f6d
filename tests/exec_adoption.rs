//! Provisioners behind a crash of ours: what they say while it is waited for what they have taken charge of again.

use std::time::{Duration, Instant};

use atex_testkit::sandbox::Dir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::exec_provision::{adopting, check, lent, wait_until, waiting, went_on};
use crate::exec_resume::Run;
use crate::stream::{of_type, test, tool, wait_until_begun};

/// A provisioner of two hosts. At first it does not answer what it is told to give back. After that it takes charge of
/// what it is asked to, but only behind having taken back one host and given it again at once, as it does later.
fn giving_again(dir: &Dir) -> String {
    let script = dir.script(
        "again",
        r#"#!/bin/sh
mkdir -p "$1" && cd "$1" || exit 2
echo '{"type":"hello","provisioner":"again","max":2,"adopt":true}'
host() { printf '{"type":"host","id":"%s","connect":{"how":"local"}}\n' "$1"; }
life=later
mkdir ../begun 2>/dev/null && life=first
jq --unbuffered -r '"\(.type) \(.hosts // .id // .host.id)"' | {
    held=0 want=0 spare='' adopted='' again=''
    while read -r word what; do
        case $life-$word-$what in
            first-want-2) [ -e one ] || { : >one; : >two; host one; host two; } ;;
            later-want-*) want=$what ;;
            later-adopt-*) adopted=$what ;;
            later-release-*)
                rm -f "$what"
                held=$((held - 1)) spare=$what
                released=$(printf '{"type":"released","id":"%s"}' "$what")
                if [ -z "$again" ]; then
                    again=yes held=1 spare=''
                    : >"$what"
                    printf '%s\n%s\n' "$released" "$(host "$what")"
                else
                    printf '%s\n' "$released"
                fi ;;
        esac
        if [ -n "$adopted" ] && [ -n "$again" ]; then
            host "$adopted"
            adopted='' held=$((held + 1))
        fi
        if [ -n "$spare" ] && [ "$held" -lt "$want" ]; then
            : >"$spare"
            host "$spare"
            spare='' held=$((held + 1))
        fi
    done
}
"#,
    );
    format!("exec {} {}", script.display(), dir.join("pool").display())
}

/// How many records of a type the journal holds.
fn journaled(dir: &Dir, kind: &str) -> usize {
    let kind = format!(r#"{{"type":"{kind}","#);
    dir.read("run/journal.jsonl").lines().filter(|line| line.starts_with(&kind)).count()
}

#[test]
fn a_host_that_is_given_again_as_it_is_taken_back_is_a_new_debt() {
    let dir = Dir::new();
    let mut input = vec![waiting(&dir).remove(0)];
    input.extend(["/b", "/c", "/d"].map(|name| test(name, "exit 1")));
    let mut run = Run::new(&dir, vec![], &input);
    let life = run.begin(&["--provision", &giving_again(&dir)]);
    wait_until_begun(&dir, &life, "/a");
    life.wait_for_stdout(r#"{"type":"host-end","#);
    run.kill(life);
    let life = run.resume();
    // Each of them destroys the host, of which there is one only.
    life.wait_for_stdout(r#""test":"/d","attempt":1,"#);
    dir.write("go", "");
    let output = life.finish();
    output.code(1);
    run.hear(&output);
    let finals = run.of_type("test-end").into_iter().filter(|end| end["final"] == true);
    assert_eq!(finals.count(), 4, "{}", run.complained);
    assert_eq!(journaled(&dir, "lease"), journaled(&dir, "lease-end"), "{}", dir.read("run/journal.jsonl"));
    check(&dir, "pool");
}

#[test]
fn a_run_that_waits_for_its_hosts_can_be_left() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &waiting(&dir));
    let arguments = ["--provision", &adopting(&dir), "--provision-max", "1", "--on-term", "detach"];
    let life = run.begin(&arguments);
    wait_until_begun(&dir, &life, "/a");
    run.kill(life);
    let before = dir.read("told");
    dir.write("mute", "");
    let life = run.resume();
    wait_until(|| dir.read("told")[before.len()..].contains("adopt"));
    life.signal(Signal::SIGTERM);
    let left = life.finish();
    left.code(143).stderr_has("1 tests go on on their hosts");
    run.hear(&left);
    let ends = [of_type(&left, "test-end"), of_type(&left, "host-end")].concat();
    assert!(ends.is_empty() && !lent(&dir, "kept").is_empty(), "all is left as it is: {}", left.report());
    std::fs::remove_file(dir.join("mute")).unwrap();
    dir.write("go", "");
    let output = run.resume().finish();
    output.success();
    run.hear(&output);
    went_on(&run);
    check(&dir, "kept");
}

#[test]
fn a_run_that_waits_for_its_hosts_can_be_stopped() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &waiting(&dir));
    let life = run.begin(&["--provision", &adopting(&dir)]);
    wait_until_begun(&dir, &life, "/a");
    run.kill(life);
    dir.write("mute", "");
    let begun = Instant::now();
    let life = run.resume();
    wait_until(|| dir.read("told").contains("adopt"));
    life.signal(Signal::SIGINT);
    let output = life.finish();
    output.code(130);
    assert!(begun.elapsed() < Duration::from_secs(45), "the rest of the minute is not waited for");
    run.hear(&output);
    let ends = of_type(&output, "test-end");
    let of_a = ends.iter().find(|end| end["test"] == "/a").unwrap();
    assert_eq!((&of_a["cause"], &of_a["final"]), (&json!("cancelled"), &json!(false)), "{ends:?}");
    check(&dir, "kept");
}

/// What the run says to a request.
#[track_caller]
fn ctl(dir: &Dir, words: &[&str]) -> Value {
    let answer = tool(dir, "atex-exec").args(["ctl", "run"]).args(words).run();
    serde_json::from_str(answer.success().stdout.trim()).unwrap()
}

/// The names in a list of tests, or the ids and states in one of hosts.
fn listed(answer: &Value, list: &str, keys: &[&str]) -> Vec<String> {
    let words =
        |of: &Value| keys.iter().map(|key| of[key].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>();
    answer[list].as_array().unwrap().iter().map(|of| words(of).join(" ")).collect()
}

#[test]
fn a_run_that_waits_for_its_hosts_answers() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &waiting(&dir));
    let life = run.begin(&["--provision", &adopting(&dir), "--provision-max", "1"]);
    wait_until_begun(&dir, &life, "/a");
    run.kill(life);
    dir.write("mute", "");
    let life = run.resume();
    wait_until(|| dir.read("told").contains("adopt"));
    let status = ctl(&dir, &["status"]);
    assert_eq!((&status["state"], &status["eta_seconds"]), (&json!("adopting"), &Value::Null), "{status}");
    assert_eq!(
        (&status["tests"]["running"], &status["tests"]["waiting"]),
        (&json!(1), &json!(2)),
        "{status}"
    );
    assert_eq!((&status["hosts"], &status["provisioners"][0]["held"]), (&json!({"busy": 1}), &json!(1)));
    let hosts = ctl(&dir, &["hosts"]);
    assert_eq!(listed(&hosts, "hosts", &["host", "state", "test", "provisioner"]), ["k-1 busy /a keep"]);
    assert_eq!(listed(&ctl(&dir, &["tests"]), "tests", &["test"]), ["/a"]);
    assert_eq!(listed(&ctl(&dir, &["tests", "--state", "waiting"]), "tests", &["test"]), ["/b", "/c"]);
    life.signal(Signal::SIGUSR1);
    life.wait_for_stderr("/a on k-1");
    assert_eq!(ctl(&dir, &["cancel", "/a"])["count"], 1);
    assert_eq!(ctl(&dir, &["skip", "^/[abx]$"])["count"], 1, "what runs is not skipped");
    assert_eq!(ctl(&dir, &["max-hosts", "1", "--of", "keep"])["ok"], true);
    ctl(&dir, &["pause"]);
    assert_eq!(ctl(&dir, &["status"])["state"], "paused");
    // What is about hosts is answered when it is known what has become of them, and holds nobody up.
    let host = json!({"type": "host", "id": "extra", "connect": {"how": "local"}}).to_string();
    std::thread::scope(|scope| {
        let added = scope.spawn(|| ctl(&dir, &["add-host", &host]));
        std::fs::remove_file(dir.join("mute")).unwrap();
        let provisioner = dir.read("adopting.pid").trim().parse().unwrap();
        kill(Pid::from_raw(provisioner), Signal::SIGKILL).unwrap();
        assert_eq!(added.join().unwrap()["ok"], true);
    });
    life.wait_for_stdout(r#""host":"extra""#);
    ctl(&dir, &["resume"]);
    dir.write("go", "");
    let output = life.finish();
    run.hear(&output);
    let finals: Vec<String> = run
        .of_type("test-end")
        .iter()
        .filter(|end| end["final"] == true)
        .map(|end| format!("{} {} {}", end["test"], end["outcome"], end["cause"]).replace('"', ""))
        .collect();
    assert_eq!(finals, ["/b skip skipped", "/a infra cancelled", "/c pass test"], "{}", output.report());
    check(&dir, "kept");
}
