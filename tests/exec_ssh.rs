//! atex-exec with hosts by ssh: real sshd on loopback, which share this machine's files.

use std::fs;

use atex_testkit::sandbox::Dir;
use atex_testkit::sshd::Farm;
use nix::unistd::{Pid, getpgid};
use serde_json::{Value, json};

use crate::stream::{exec, farm_host, lines, note, of_type, printed, records, test, tool, verdicts};

#[test]
fn many_tests_on_many_hosts() {
    let Some(farm) = Farm::start_or_skip(8) else { return };
    let dir = Dir::new();
    let mut input: Vec<Value> = (0..8).map(|n| farm_host(&farm, n)).collect();
    let hosts = lines(&input);
    dir.write("tree/f", "file\n");
    input.clear();
    for n in 0..60 {
        let mut test = test(&format!("/{n}"), &format!("cat f; echo {n} on $ATEX_HOST"));
        test["tree"] = dir.join("tree").to_str().unwrap().into();
        input.push(test);
    }
    dir.write("hosts.jsonl", &hosts);
    let output = exec(&dir, &["--hosts", "hosts.jsonl"], &input).run();
    output.success();
    assert_eq!(of_type(&output, "test-end").len(), 60);
    for end in of_type(&output, "test-end") {
        let (test, host) = (end["test"].as_str().unwrap(), end["host"].as_str().unwrap());
        assert_eq!(printed(&dir, &output, test), format!("file\n{} on {host}\n", &test[1..]));
    }
    let handed_on: Vec<Value> = of_type(&output, "host");
    assert_eq!(handed_on.len(), 8);
    let run = records(&output)[0]["run"].as_str().unwrap().to_owned();
    assert!(!fs::exists(format!("/var/atex-{run}-0")).unwrap(), "nothing is left on the hosts");
}

#[test]
fn hosts_that_cannot_be_had_are_told_apart_and_the_others_do_the_work() {
    let Some(farm) = Farm::start_or_skip(5) else { return };
    let dir = Dir::new();
    let [fine, mut key, mut missing, changed, refusing] = [0, 1, 2, 3, 4].map(|n| farm_host(&farm, n));
    dir.write("wrong", "not a key\n");
    fs::set_permissions(dir.join("wrong"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    key["connect"]["identity"] = dir.join("wrong").to_str().unwrap().into();
    missing["connect"]["identity"] = dir.join("none").to_str().unwrap().into();
    farm.hosts()[3].change_key();
    farm.hosts()[3].restart();
    farm.hosts()[4].kill();
    let hosts = [fine, key, missing, changed, refusing];
    let mut input = hosts.to_vec();
    input.push(test("/a", "true"));
    let output = exec(&dir, &[], &input).run();
    // A lost host does not end the run, and is remembered for the exit status.
    output.code(3);
    assert_eq!(verdicts(&output), ["/a pass test"]);
    let ends = of_type(&output, "host-end");
    let end =
        |id: &str| ends.iter().find(|end| end["host"] == id).unwrap_or_else(|| panic!("{}", output.report()));
    assert_eq!((&end("h0")["reason"], &end("h0")["note"]), (&json!("done"), &Value::Null));
    for (id, part) in [
        ("h1", "login refused"),
        ("h2", "/none: "),
        ("h3", "its host key has changed"),
        ("h4", "connection refused"),
    ] {
        assert_eq!(end(id)["reason"], "unhealthy");
        let note = end(id)["note"].as_str().unwrap();
        assert!(note.contains(part), "{id}: {note}");
        output.stderr_has(&format!("atex-exec: {note}"));
    }
    let mut handed_on = of_type(&output, "host");
    handed_on.sort_by_key(|host| host["id"].to_string());
    assert_eq!(handed_on, hosts, "borrowed hosts are handed on whatever they were good for");
}

#[test]
fn without_a_host_that_can_be_reached_tests_end_and_the_run_does_too() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let dir = Dir::new();
    farm.hosts()[0].kill();
    let output = exec(&dir, &[], &[farm_host(&farm, 0), test("/a", "true"), test("/b", "true")]).run();
    output.code(3);
    assert_eq!(verdicts(&output), ["/a infra host", "/b infra host"]);
    assert!(
        note(&output, "/a").starts_with("no host is left that could run it: 127.0.1.1: connection refused")
    );
}

#[test]
fn a_host_that_dies_under_a_test_costs_the_test_nothing() {
    let Some(farm) = Farm::start_or_skip(2) else { return };
    let dir = Dir::new();
    let flag = dir.join("flag");
    let script = format!("[ -e '{0}' ] && exit 0; echo begun; touch '{0}'; sleep 1000", flag.display());
    dir.write("hosts", lines(&[farm_host(&farm, 0)]));
    let running = exec(
        &dir,
        &["--hosts", "hosts", "--work-dir", dir.path().to_str().unwrap(), "--host-timeout", "3s"],
        &[farm_host(&farm, 1), test("/a", &script)],
    )
    .start();
    let printed = dir.path().join("run/results/default/a/attempt-1/output");
    while std::fs::read(&printed).unwrap_or_default() != b"begun\n" || !flag.exists() {
        std::thread::yield_now();
    }
    running.wait_for_stdout("\"test-start\"");
    let start: Value =
        serde_json::from_str(running.stdout().lines().find(|line| line.contains("\"test-start\"")).unwrap())
            .unwrap();
    let index = usize::from(start["host"] == "h1");
    farm.hosts()[index].kill();
    let output = running.finish();
    output.code(3);
    let ends = of_type(&output, "test-end");
    assert_eq!(ends.len(), 2, "{}", output.report());
    assert_eq!(
        (&ends[0]["outcome"], &ends[0]["cause"], &ends[0]["final"]),
        (&json!("infra"), &json!("host"), &json!(false))
    );
    assert_eq!(
        (&ends[1]["outcome"], &ends[1]["final"], &ends[1]["attempt"]),
        (&json!("pass"), &json!(true), &json!(2))
    );
    assert_eq!(of_type(&output, "old-result").len(), 1);
    let lost: Vec<Value> =
        of_type(&output, "host-end").into_iter().filter(|end| end["reason"] == "lost").collect();
    assert_eq!(lost.len(), 1, "{}", output.report());
    assert_eq!(
        dir.read("run/results/default/a/attempt-1/files/output.txt"),
        "begun\n",
        "what it had sent is kept"
    );
}

#[test]
fn by_a_command_prefix_the_same_works() {
    let dir = Dir::new();
    let host =
        json!({"type": "host", "id": "c", "connect": {"how": "command", "argv": ["env", "WAY=command"]}});
    let output =
        exec(&dir, &["--work-dir", dir.path().to_str().unwrap()], &[host, test("/a", "echo $WAY; exit 2")])
            .run();
    output.code(1);
    assert_eq!(printed(&dir, &output, "/a"), "command\n");
}

#[test]
fn several_runs_at_a_time_do_not_disturb_each_other() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let dir = Dir::new();
    let script = "echo $ATEX_RUN_ID >own; sleep 0.3; [ \"$(cat own)\" = $ATEX_RUN_ID ]";
    let start = |n: u32| {
        let input = [farm_host(&farm, 0), test("/a", script), test("/b", script)];
        tool(&dir, "atex-exec").args(["--run-dir", &format!("run-{n}")]).stdin(lines(&input)).start()
    };
    let running = [1, 2, 3].map(start);
    for running in running {
        running.finish().success();
    }
}

#[test]
fn a_terminal_does_not_reach_what_holds_connections() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let dir = Dir::new();
    let go = dir.join("go");
    let waits = test("/a", &format!("until [ -e '{}' ]; do sleep 0.02; done", go.display()));
    let life = exec(&dir, &[], &[farm_host(&farm, 0), waits]).env("ATEX_LOG", "atex_connect=debug").start();
    life.wait_for_stdout(r#""type":"test-start""#);
    let said = life.stderr();
    let masters: Vec<i32> = said
        .lines()
        .filter_map(|line| line.split_once("ssh master is process ")?.1.trim().parse().ok())
        .collect();
    assert_eq!(masters.len(), 1, "{said}");
    let group = |pid: i32| getpgid(Some(Pid::from_raw(pid))).unwrap();
    assert_ne!(group(masters[0]), group(life.pid()), "its ^C is for us alone to obey");
    dir.write("go", "");
    life.finish().success();
}
