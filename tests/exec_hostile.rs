//! Tests that do what no test should: the run goes on, and the attempt says what happened.

use std::time::Duration;

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::{Command, Dir};
use serde_json::{Value, json};

use crate::stream::{exec, lab_host, lines, note, of_type, printed, test, test_with, verdicts};

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
    assert_eq!(
        (verdicts[0].as_str(), verdicts[2].as_str()),
        ("/before pass test", "/then pass test"),
        "{}",
        output.report()
    );
    assert_eq!(printed(&dir, &output, "/then"), "two\n");
    assert_eq!(lab.run(0, "ls -d /var/atex-* 2>/dev/null || true"), "", "no trace is left");
    // What the test has left outside of its session lives on, as under any shell.
    lab.run(0, "[ ! -e /left ] || { kill -9 $(cat /left); while kill -0 $(cat /left); do :; done; } 2>/dev/null; rm -f /left; sleep 0.2");
    // What was told to end has not ended yet where others are faster.
    let left = "n=0; while grep -qxE 'sleep|tail' /proc/[0-9]*/comm; do [ $((n += 1)) -lt 50 ] || exit 1; sleep 0.1; done";
    let left = lab.output(0, left);
    assert!(left.status.success(), "{}", lab.run(0, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"));
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
            "protocol error",
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
fn a_test_that_fills_the_disk_of_its_host_harms_no_other() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    lab.limit_disk(0, "/srv", 64 << 20);
    // With another status the host is set up anew, for which there must be room; what is printed finds what has been freed.
    for (command, expected, lines) in [
        ("echo begun; cat /dev/zero >fill || true; exit 3", "fail test", 1),
        ("cat /dev/zero >fill || true; seq 100000 2>/dev/null", "pass test", 100_000),
    ] {
        let (dir, verdict, said) = fate(&lab, &["--work-dir", "/srv", "--infra-retries", "0"], command);
        assert_eq!((verdict.as_str(), said.as_str()), (expected, ""), "{command}");
        let printed = dir.read("run/results/default/hostile/attempt-1/files/output.txt");
        assert_eq!(printed.lines().filter(|line| !line.starts_with("cat: ")).count(), lines, "{command}");
        assert_eq!(lab.run(0, "ls /srv"), "", "what was filled is free again");
    }
}

#[test]
fn a_fork_bomb_takes_the_processes_of_its_host_and_no_more() {
    let root = if nix::unistd::geteuid().is_root() { Ok(()) } else { Err("not root".to_owned()) };
    let Some(()) = atex_testkit::need(root, || ()) else { return };
    let dir = Dir::new();
    // A user that nobody else is, who may have so many processes: all of this host are among them.
    const USER: u32 = 54_321;
    let user = USER.to_string();
    let argv =
        ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "prlimit", "--nproc=150:150"];
    let host = json!({"type": "host", "id": "small", "connect": {"how": "command", "argv": argv}});
    let bomb = "echo lit; b() { b | b & }; b; while :; do sleep 1000; done";
    let records = [
        host,
        test("/before", "echo one"),
        test_with("/hostile", bomb, json!({"duration": "4s"})),
        test("/then", "echo two"),
    ];
    // Where whoever is dead is buried at once: until then it counts.
    let exec = env!("CARGO_BIN_EXE_atex-exec");
    let script = format!(
        "{exec} --run-dir run --host-timeout 30s; code=$?; n=0; while grep -sl '^Uid:.{USER}' /proc/[0-9]*/status >left && [ $((n += 1)) -lt 100 ]; do sleep 0.1; done; exit $code"
    );
    let mut command = dir.command("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script]);
    let output = command.stdin(lines(&records)).timeout(Duration::from_secs(120)).run();
    output.code(1);
    assert_eq!(verdicts(&output), ["/before pass test", "/hostile error test", "/then pass test"]);
    assert_eq!(note(&output, "/hostile"), "duration limit of 4s reached");
    assert!(printed(&dir, &output, "/hostile").starts_with("lit\n"));
    assert_eq!(dir.read("left"), "", "processes are left");
}
