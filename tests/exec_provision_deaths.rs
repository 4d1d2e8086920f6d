//! `--provision` when somebody dies: a provisioner, or atex-exec itself, is killed, and the hosts are taken charge of
//! again, or given back.

use std::fs;

use atex_testkit::sandbox::Dir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::exec_provision::{
    adopting, begin, check, example, hosts, lent, passing, wait_until, waiting, went_on,
};
use crate::exec_resume::Run;
use crate::stream::{exec, of_type, test, tool, verdicts, wait_until_begun};

#[test]
fn a_provisioner_that_is_killed_is_started_again_and_its_hosts_are_kept_if_it_can_adopt() {
    let dir = Dir::new();
    let life =
        begin(&mut exec(&dir, &["--provision", &adopting(&dir), "--provision-max", "1"], &waiting(&dir)));
    let before = dir.read("adopting.pid");
    dir.write("slow", "");
    kill(Pid::from_raw(before.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    life.wait_for_stderr("provisioner keep: ended by SIGKILL");
    wait_until(|| dir.read("adopting.pid") != before && dir.read("told").contains("adopt"));
    dir.write("go", "");
    let output = life.finish();
    output.success();
    assert_eq!(hosts(&output), 1, "{}", output.report());
    let attempts: Vec<Value> =
        of_type(&output, "test-end").iter().map(|end| end["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 1, 1]);
    check(&dir, "kept");
}

#[test]
fn an_answer_that_crosses_a_release_is_of_the_lease_before() {
    let dir = Dir::new();
    // Told to take charge of its one host, it says that it has when it has been told to give it back already. Then it gives
    // it again.
    let script = dir.script(
        "standing",
        r#"#!/bin/sh
cd "${0%/*}" || exit 2
echo $$ >standing.pid
echo '{"type":"hello","provisioner":"standing","adopt":true}'
jq --unbuffered -r .type | tee -a told | while read -r word; do
    case $word in
        want) [ -e lent ] || cat host; : >lent ;;
        adopt)
            until [ "$word" = release ]; do read -r word || exit; done
            cat host
            echo '{"type":"released","id":"one"}'
            cat host ;;
        release) echo '{"type":"released","id":"one"}' ;;
    esac
done
"#,
    );
    dir.write("host", "{\"type\":\"host\",\"id\":\"one\",\"connect\":{\"how\":\"local\"}}\n");
    let waits = format!("until [ -e {} ]; do sleep 0.05; done; exit 1", dir.join("go").display());
    let tests = [test("/spoils", &waits), test("/next", "true")];
    let provisioner = format!("exec {}", script.display());
    let life = exec(&dir, &["--provision", &provisioner, "--provision-max", "1"], &tests).start();
    life.wait_for_stdout(r#""test":"/spoils","attempt":1,"host""#);
    let before = dir.read("standing.pid");
    kill(Pid::from_raw(before.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    wait_until(|| dir.read("told").contains("adopt"));
    dir.write("go", "");
    let output = life.finish();
    output.code(1);
    let reasons: Vec<Value> =
        of_type(&output, "host-end").into_iter().map(|end| end["reason"].clone()).collect();
    assert_eq!(reasons, ["destroyed", "done"], "{}", output.report());
}

#[test]
fn hosts_that_nobody_can_take_charge_of_are_not_used_any_more() {
    let dir = Dir::new();
    let life = begin(&mut exec(
        &dir,
        &["--provision", &example(&dir, "ledger"), "--provision-max", "1"],
        &waiting(&dir),
    ));
    let before = dir.read("ledger.pid");
    kill(Pid::from_raw(before.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    life.wait_for_stdout(r#""test":"/a","attempt":2,"host""#);
    dir.write("go", "");
    let output = life.finish();
    output.stderr_has("cannot take charge of it");
    assert_eq!(verdicts(&output), ["/a pass test", "/b pass test", "/c pass test"]);
    check(&dir, "ledger");
}

#[test]
fn killed_itself_it_goes_on_with_the_hosts_that_it_had() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &waiting(&dir));
    let provisioner = adopting(&dir);
    let life = run.begin(&["--provision", &provisioner, "--provision-max", "2"]);
    wait_until_begun(&dir, &life, "/a");
    run.kill(life);
    assert!(!lent(&dir, "kept").is_empty());
    dir.write("slow", "");
    let life = run.resume();
    wait_until(|| dir.read("told").contains("adopt"));
    dir.write("go", "");
    let output = life.finish();
    output.success();
    run.hear(&output);
    went_on(&run);
    check(&dir, "kept");
    // A test that was cut short as it began costs its host, which is replaced.
    let cut = run.of_type("test-end").iter().filter(|end| end["final"] == false).count();
    let made: usize = dir.read("count").trim().parse().unwrap();
    assert!(made <= 2 + cut, "no other hosts were made: {made}\n{}\n{}", dir.read("told"), dir.contents());
}

#[test]
fn killed_itself_it_goes_on_with_others_when_its_hosts_were_given_back() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &waiting(&dir));
    let provisioner = example(&dir, "ledger");
    let life = run.begin(&["--provision", &provisioner, "--provision-max", "2"]);
    wait_until_begun(&dir, &life, "/a");
    run.kill(life);
    // The example gives back what it lent when the one who wanted it is dead.
    wait_until(|| lent(&dir, "ledger").is_empty());
    dir.write("go", "");
    let output = run.resume().finish();
    output.success();
    run.hear(&output);
    let ends = run.of_type("test-end");
    let cut: Vec<&Value> = ends.iter().filter(|end| end["test"] == "/a" && end["final"] == false).collect();
    assert_eq!((cut.len(), &cut[0]["cause"]), (1, &json!("own")), "{ends:?}");
    let (starts, host_ends) = (run.of_type("host-start").len(), run.of_type("host-end"));
    assert_eq!(host_ends.len(), starts, "each host has an end");
    let of_a = host_ends.iter().find(|end| end["host"] == cut[0]["host"]);
    assert_eq!(of_a.unwrap()["reason"], "cancelled");
    assert_eq!(ends.iter().filter(|end| end["final"] == true && end["outcome"] == "pass").count(), 3);
    check(&dir, "ledger");
}

#[test]
fn our_own_provisioner_gives_takes_back_and_adopts() {
    let dir = Dir::new();
    let program = env!("CARGO_BIN_EXE_atex-provision");
    let hosts_in = dir.join("machine");
    fs::create_dir(&hosts_in).unwrap();
    let provisioner = format!("{program} local -n 2 --dir {}", hosts_in.display());
    let leases = || tool(&dir, "atex-provision").arg("leases").run().success().stdout.clone();
    let of_host = |text: &str| text.lines().filter(|line| !line.contains(r#""type":"end""#)).count();
    let mut run = Run::new(&dir, vec![], &waiting(&dir));
    let life = run.begin(&["--provision", &provisioner]);
    wait_until_begun(&dir, &life, "/a");
    run.kill(life);
    assert!(of_host(&leases()) >= 1, "it keeps what it lent: {}", leases());
    let life = run.resume();
    dir.write("go", "");
    let output = life.finish();
    output.success();
    run.hear(&output);
    went_on(&run);
    assert_eq!(of_host(&leases()), 0, "{}", leases());
    check(&dir, "machine");
}

#[test]
fn a_run_that_is_left_to_its_hosts_finds_them_again() {
    let dir = Dir::new();
    let mut run = Run::new(&dir, vec![], &waiting(&dir));
    let life = run.begin(&["--provision", &adopting(&dir), "--on-term", "detach"]);
    wait_until_begun(&dir, &life, "/a");
    life.signal(Signal::SIGTERM);
    let output = life.finish();
    output.code(143);
    run.hear(&output);
    assert!(!lent(&dir, "kept").is_empty());
    dir.write("go", "");
    let output = run.resume().finish();
    output.success();
    run.hear(&output);
    went_on(&run);
    check(&dir, "kept");
}

#[test]
fn killed_at_any_moment_nothing_stays_lent() {
    let dir = Dir::new();
    let provisioner = adopting(&dir);
    for (round, moment) in
        ["job-start", "host-start", "\"test-start\"", "\"test-end\"", "\"host-end\"", "/t007"]
            .iter()
            .enumerate()
    {
        let _ = fs::remove_dir_all(dir.join("run"));
        let mut run = Run::new(&dir, vec![], &passing(8));
        let life = run.begin(&["--provision", &provisioner, "--provision-max", "3"]);
        life.wait_for_stdout(moment);
        run.kill(life);
        let output = run.resume().finish();
        output.success();
        run.hear(&output);
        let finals = run.of_type("test-end").into_iter().filter(|end| end["final"] == true);
        assert_eq!(finals.count(), 8, "round {round}: {}", run.complained);
        check(&dir, "kept");
    }
}
