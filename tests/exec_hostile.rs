//! Tests that do what no test should: the run goes on, and the attempt says what happened.

use std::time::Duration;

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::{Command, Dir};
use serde_json::Value;

use crate::stream::{exec, lab_host, note, of_type, printed, test, verdicts};

fn exec_in(lab: &Lab, dir: &Dir, arguments: &[&str], records: &[Value]) -> Command {
    let mut command = exec(dir, arguments, records);
    command.through(&lab.prefix()).timeout(Duration::from_secs(180));
    command
}

/// The test between two that are harmless, on one host.
fn between(command: &str) -> [Value; 3] {
    [test("/before", "echo one"), test("/hostile", command), test("/then", "echo two")]
}

/// What becomes of a test like this: its outcome and cause. The others pass.
fn fate(lab: &Lab, arguments: &[&str], command: &str) -> (Dir, String, String) {
    let dir = Dir::new();
    let mut records = vec![lab_host(lab, 0)];
    records.extend(between(command));
    let output = exec_in(lab, &dir, arguments, &records).run();
    let verdicts = verdicts(&output);
    assert_eq!(verdicts.len(), 3, "{}", output.report());
    assert_eq!((verdicts[0].as_str(), verdicts[2].as_str()), ("/before pass test", "/then pass test"));
    assert_eq!(printed(&dir, &output, "/then"), "two\n");
    assert_eq!(lab.run(0, "ls -d /var/atex-* 2>/dev/null || true"), "", "no trace is left");
    let processes = lab.run(0, "cat /proc/[0-9]*/comm");
    assert!(!processes.contains("sleep") && !processes.contains("tail"), "{processes}");
    let verdict = verdicts[1].trim_start_matches("/hostile ").to_owned();
    let note = note(&output, "/hostile");
    (dir, verdict, note)
}

#[test]
fn what_a_test_does_to_its_surroundings_is_its_own_affair() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let cases = [
        (
            "closes all that it has open",
            "for fd in {0..255}; do eval \"exec $fd>&-\"; done; exit 3",
            "fail test",
            "",
        ),
        (
            "writes no protocol",
            "head -c 100000 /dev/urandom >&$ATEX_TEST_CONTROL; sleep 1000",
            "error test",
            "test control",
        ),
        (
            "never ends a line",
            "while :; do printf aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done >&$ATEX_TEST_CONTROL",
            "error test",
            "4096",
        ),
        (
            "leaves processes that hold on to its descriptors",
            "setsid sh -c 'echo $$ >/left; while :; do echo x; echo note x >&9; sleep 0.1; done' 9>&$ATEX_TEST_CONTROL & \
             until [ -s /left ]; do sleep 0.05; done",
            "pass test",
            "",
        ),
        ("ends its own process group", "kill -9 0", "fail test", ""),
        (
            "has no end, and hears nothing",
            "trap '' INT TERM HUP; echo duration 1s >&$ATEX_TEST_CONTROL; while :; do sleep 1000; done",
            "error test",
            "duration limit of 1s reached",
        ),
    ];
    for (what, command, verdict, note) in cases {
        let (_, found, said) = fate(&lab, &["--infra-retries", "0"], command);
        assert_eq!(found, verdict, "{what}: {said}");
        assert!(said.contains(note), "{what}: {said}");
        // What the test has left outside of its session lives on, as under any shell.
        lab.run(0, "[ ! -e /left ] || kill -9 $(cat /left); rm -f /left");
    }
}

#[test]
fn a_test_that_removes_the_directory_of_the_run_spoils_its_host_only() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let (_, verdict, note) = fate(&lab, &["--infra-retries", "0"], "rm -rf /var/atex-*; exit 7");
    assert!(["fail test", "infra host"].contains(&verdict.as_str()), "{verdict}: {note}");
}

#[test]
fn a_test_may_print_more_than_its_host_s_disk_holds() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    lab.limit_disk(0, "/srv", 64 << 20);
    let size = 300_000_000;
    let print = format!("{{ yes 0123456789 || true; }} | head -c {size}; echo done >&2");
    let records = [lab_host(&lab, 0), test("/a", &print), test("/b", "echo two")];
    let arguments = ["--work-dir", "/srv", "--spool-max", "16M", "--max-output", "1M"];
    let output = exec_in(&lab, &dir, &arguments, &records).run();
    output.success();
    let text = printed(&dir, &output, "/a");
    assert!(text.starts_with("0123456789\n") && text.ends_with("done\n"), "both ends are kept");
    assert!(text.len() < 2 << 20 && text.contains("bytes of output left out"), "{}", text.len());
    let statuses: Vec<String> = of_type(&output, "result").iter().map(|r| r["status"].to_string()).collect();
    assert!(statuses.contains(&"\"warn\"".to_owned()), "it is told off: {statuses:?}");
}

#[test]
fn a_test_that_fills_its_host_s_disk_is_told_from_one_that_fails() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    lab.limit_disk(0, "/srv", 48 << 20);
    // Also what is given back of its spools is taken at once.
    let fill = "( n=0; while :; do n=$((n + 1)); dd if=/dev/zero of=/srv/fill$n bs=4k 2>/dev/null; done ) &\n\
                head -c 500000000 /dev/zero; sleep 1000";
    let records = [lab_host(&lab, 0), test("/a", fill)];
    let arguments = ["--work-dir", "/srv", "--infra-retries", "0", "--host-timeout", "3s"];
    let output = exec_in(&lab, &dir, &arguments, &records).run();
    output.code(3);
    let verdicts = verdicts(&output);
    assert_eq!(verdicts[0], "/a infra host", "{}", output.report());
    assert!(note(&output, "/a").contains("no space left"), "{}", note(&output, "/a"));
}
