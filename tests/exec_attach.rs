//! Tests that outlive their connection: links that are cut, masters and servers that are killed, hosts that freeze,
//! reboot, or do not come back in time.

use std::time::{Duration, Instant};

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::{Command, Dir, Running};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::stream::{exec, lab_host, long, note, of_type, printed, test, test_with, verdicts};

/// A host whose death is noticed within two seconds.
fn host(lab: &Lab, index: usize) -> Value {
    let mut record = lab_host(lab, index);
    record["connect"]["options"]["ServerAliveInterval"] = "1".into();
    record["connect"]["options"]["ServerAliveCountMax"] = "2".into();
    record["connect"]["options"]["ConnectTimeout"] = "2".into();
    record
}

fn exec_in(lab: &Lab, dir: &Dir, arguments: &[&str], records: &[Value]) -> Command {
    let mut command = exec(dir, arguments, records);
    command.through(&lab.prefix()).timeout(Duration::from_secs(120));
    command
}

/// How much is uploaded. It is more than what one checkpoint covers; 200 MB in the long form.
fn upload_bytes() -> usize {
    if long() { 200_000_000 } else { 60_000_000 }
}

/// In the long form the host is out of reach for so long, and not only until that has been noticed.
fn keep_away(seconds: u64) {
    if long() {
        std::thread::sleep(Duration::from_secs(seconds));
    }
}

/// A test that uploads a file of lines that are all different, in the middle of which it waits for `/go`.
fn uploading() -> Value {
    let (all, half) = (upload_bytes(), upload_bytes() / 2);
    test(
        "/upload",
        &format!(
            "seq -f %019.0f 1 {lines} >big\nh='{{\"status\":\"pass\",\"name\":\"up\",\"files\":[{{\"name\":\"big\",\"length\":{all}}}]}}'\n\
             printf 'result %d\\n%s' ${{#h}} \"$h\" >&$ATEX_TEST_CONTROL\nhead -c {half} big >&$ATEX_TEST_CONTROL\n\
             echo half\nuntil [ -e /go ]; do sleep 0.05; done\n\
             tail -c {half} big >&$ATEX_TEST_CONTROL\necho all; sha256sum <big",
            lines = all / 20,
        ),
    )
}

/// Waits until what a host runs has got so far.
fn wait_for_file(lab: &Lab, index: usize, path: &str) {
    wait_until(lab, index, &format!("ls {path}"));
}

/// Waits until a command succeeds on a host.
fn wait_until(lab: &Lab, index: usize, command: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    // Files of another machine bring no events.
    while !lab.output(index, command).status.success() {
        assert!(Instant::now() < end, "in vain: {command}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the uploading test, does something to it in the middle, and looks whether all has come, once.
fn disturbed(disturb: impl FnOnce(&Lab, &Running)) {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    // What a login prints is not the test's.
    lab.run(0, "echo 'echo noise; echo noise >&2; : >/logged-in' >/root/.ssh/rc");
    let mut command = exec_in(&lab, &dir, &[], &[host(&lab, 0), uploading()]);
    let running = command.env("ATEX_LOG", "info,atex_connect=debug").start();
    wait_for_file(&lab, 0, "/var/atex-*/*/tree/big");
    disturb(&lab, &running);
    lab.run(0, "touch /go");
    let output = running.finish();
    output.success();
    assert_eq!(verdicts(&output), ["/upload pass test"]);
    let text = printed(&dir, &output, "/upload");
    let (said, sum) = text.split_once("all\n").unwrap();
    assert_eq!(said, "half\n", "nothing is said twice");
    let uploaded = dir.join("run/results/default/upload/attempt-1/files/up/big");
    let ours = dir.command("sha256sum").stdin(std::fs::read(uploaded).unwrap()).run();
    assert_eq!(ours.stdout, sum, "nothing is lost or doubled");
    let names: Vec<Value> = of_type(&output, "result").iter().map(|r| r["subtest"].clone()).collect();
    assert_eq!(names, [json!("up"), Value::Null]);
    assert!(!dir.join("run/results/default/upload/attempt-1/checkpoint.json").exists());
    assert_eq!(lab.run(0, "ls -d /var/atex-* 2>/dev/null || true"), "", "no trace is left");
    assert_eq!(lab.run(0, "ls /logged-in").trim(), "/logged-in", "a login runs .ssh/rc here");
}

#[test]
fn a_cut_link_loses_nothing() {
    disturbed(|lab, running| {
        lab.cut(0);
        running.wait_for_stderr("is sought for");
        keep_away(60);
        lab.heal(0);
    });
}

#[test]
fn a_killed_master_loses_nothing() {
    disturbed(|_, running| {
        running.wait_for_stderr("ssh master is process ");
        let said = running.stderr();
        let pid = said.split("ssh master is process ").nth(1).unwrap().split_whitespace().next().unwrap();
        kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
        running.wait_for_stderr("is sought for");
    });
}

#[test]
fn a_killed_sshd_loses_nothing() {
    disturbed(|lab, running| {
        // All of sshd: what listens, and what serves the connection.
        lab.run(
            0,
            "for p in /proc/[0-9]*; do [ \"$(cat $p/comm)\" = sshd ] && kill -9 ${p#/proc/}; done; true",
        );
        running.wait_for_stderr("is sought for");
        lab.run(0, "/usr/sbin/sshd -D >/dev/null 2>&1 & true");
    });
}

#[test]
fn a_frozen_host_loses_nothing() {
    disturbed(|lab, running| {
        let all = lab.host(0).processes();
        // Some may end meanwhile.
        let signal = |signal| {
            for pid in &all {
                let _ = kill(Pid::from_raw(*pid), signal);
            }
        };
        signal(Signal::SIGSTOP);
        running.wait_for_stderr("is sought for");
        keep_away(30);
        signal(Signal::SIGCONT);
    });
}

#[test]
fn a_test_that_ends_while_its_host_is_away_is_settled_by_what_it_has_left() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let command = "touch /here; until [ -e /go ]; do sleep 0.05; done; seq 20000; exit 3";
    let running = exec_in(&lab, &dir, &[], &[host(&lab, 0), test("/t", command)]).start();
    wait_for_file(&lab, 0, "/here");
    lab.cut(0);
    running.wait_for_stderr("is sought for");
    lab.run(0, "touch /go");
    wait_until(&lab, 0, "grep -q ' 3 0 ' /var/atex-*/test/end");
    lab.heal(0);
    let output = running.finish();
    output.code(1);
    assert_eq!(verdicts(&output), ["/t fail test"]);
    let ends = of_type(&output, "test-end");
    assert_eq!((ends.len(), &ends[0]["exit"]), (1, &json!(3)));
    assert_eq!(printed(&dir, &output, "/t").lines().count(), 20_000);
}

#[test]
fn a_host_that_stays_away_is_given_up_in_time_and_fenced_when_it_is_back() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    let dir = Dir::new();
    let records = [
        host(&lab, 0),
        host(&lab, 1),
        test("/gone", "[ $ATEX_ATTEMPT = 2 ] && exit; touch /here; sleep 5000"),
        test("/stays", "until [ -e /go ]; do sleep 0.05; done"),
        // What the one before it has left would be seen by it.
        test(
            "/more",
            "{ cat /proc/[0-9]*/cmdline 2>/dev/null || true; } | tr '\\0' ' ' | grep 'sleep 500[0]' && exit 1; touch /more",
        ),
    ];
    let arguments = ["--host-timeout", "6s", "-v"];
    let running = exec_in(&lab, &dir, &arguments, &records).start();
    running.wait_for_stdout(r#""test":"/stays","attempt":1"#);
    let started: Vec<Value> =
        running.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let gone = started.iter().find(|r| r["type"] == "test-start" && r["test"] == "/gone").unwrap();
    let (first, second) = if gone["host"] == "h0" { (0, 1) } else { (1, 0) };
    wait_for_file(&lab, first, "/here");
    let cut = Instant::now();
    lab.cut(first);
    running.wait_for_stdout(r#""type":"test-end""#);
    // The time counts from when it was last heard of.
    let waited = cut.elapsed().as_secs();
    assert!((5..11).contains(&waited), "{waited} s");
    lab.heal(first);
    running.wait_for_stderr("it is back");
    // The other host is busy until then.
    wait_for_file(&lab, first, "/more");
    lab.run(second, "touch /go");
    let output = running.finish();
    output.code(3).stderr_has("host lost: not reached within 6s");
    let end = &of_type(&output, "test-end")[0];
    assert_eq!(
        (&end["test"], &end["outcome"], &end["cause"]),
        (&json!("/gone"), &json!("infra"), &json!("host"))
    );
    assert_eq!(verdicts(&output), ["/gone pass test", "/more pass test", "/stays pass test"]);
    let processes = lab.run(first, "cat /proc/[0-9]*/comm");
    assert!(!processes.contains("sleep"), "{processes}");
}

/// A test that announces a reboot when it runs for the first time.
const REBOOTING: &str = "echo start $TMT_REBOOT_COUNT $TMT_TEST_RESTART_COUNT\n\
    if [ $TMT_REBOOT_COUNT = 0 ]; then\n\
    printf 'result 30\\n{\"name\":\"one\",\"status\":\"pass\"}' >&$ATEX_TEST_CONTROL\n\
    echo duration save >&$ATEX_TEST_CONTROL\n\
    echo disconnect >&$ATEX_TEST_CONTROL\ntouch /down\nsleep 1000\nfi\n\
    echo duration restore >&$ATEX_TEST_CONTROL";

/// The same, but it waits until its word has been heard, as the commands that reboot do.
fn rebooting_when_heard() -> String {
    let wait =
        "trap '' PIPE\nwhile echo noop 2>/dev/null >&$ATEX_TEST_CONTROL; do sleep 0.05; done\ntouch /down";
    REBOOTING.replace("touch /down", wait)
}

#[test]
fn an_announced_reboot_starts_the_test_again() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    // What nobody had copied from a pipe when the host went down would be lost.
    let input = [host(&lab, 0), test("/r", &rebooting_when_heard())];
    let running = exec_in(&lab, &dir, &["-v"], &input).start();
    wait_for_file(&lab, 0, "/down");
    lab.reboot(0);
    let output = running.finish();
    output.success();
    assert_eq!(printed(&dir, &output, "/r"), "start 0 0\nstart 1 1\n");
    let results = of_type(&output, "result");
    let names: Vec<&Value> = results.iter().map(|r| &r["subtest"]).collect();
    assert_eq!(names, [&json!("one"), &Value::Null], "results of both starts are results of one attempt");
    assert_eq!(verdicts(&output), ["/r pass test"]);
    assert_eq!(of_type(&output, "test-end").len(), 1);
}

#[test]
fn a_host_may_take_its_time_for_an_announced_reboot() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let running = exec_in(
        &lab,
        &dir,
        &["-v", "--host-timeout", "3s"],
        &[host(&lab, 0), test("/r", &rebooting_when_heard())],
    )
    .start();
    wait_for_file(&lab, 0, "/down");
    lab.cut(0);
    lab.kill(0);
    running.wait_for_stderr("is sought for");
    // Longer than the host's time-out.
    std::thread::sleep(Duration::from_secs(5));
    lab.heal(0);
    lab.boot(0);
    let output = running.finish();
    output.success();
    assert_eq!(printed(&dir, &output, "/r"), "start 0 0\nstart 1 1\n");
}

#[test]
fn a_disconnect_without_a_reboot_starts_the_test_again_after_a_while() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let command = REBOOTING.replace("sleep 1000", "exit 1");
    let output = exec_in(&lab, &dir, &["--reboot-grace", "1s"], &[host(&lab, 0), test("/r", &command)]).run();
    output.success();
    assert_eq!(printed(&dir, &output, "/r"), "start 0 0\nstart 1 1\n");
}

#[test]
fn an_announcement_counts_for_one_reboot_however_late_that_comes() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let command = "case $ATEX_ATTEMPT.$TMT_REBOOT_COUNT in\n\
        1.0) echo disconnect >&$ATEX_TEST_CONTROL ;;\n\
        1.1) touch /again; sleep 1000 ;;\n\
        1.2) touch /rebooted; sleep 1000 ;;\n\
        esac";
    let records = [host(&lab, 0), test("/r", command)];
    let running = exec_in(&lab, &dir, &["--reboot-grace", "1s"], &records).start();
    // Without a reboot it has been started again; this one is the one that was announced.
    wait_for_file(&lab, 0, "/again");
    lab.reboot(0);
    wait_for_file(&lab, 0, "/rebooted");
    lab.reboot(0);
    let output = running.finish();
    output.success();
    let ends = of_type(&output, "test-end");
    assert_eq!((&ends[0]["outcome"], &ends[0]["note"]), (&json!("infra"), &json!("rebooted unexpectedly")));
    assert_eq!((ends.len(), verdicts(&output)), (2, vec!["/r pass test".to_owned()]));
}

#[test]
fn time_that_was_saved_before_a_reboot_is_there_after_it() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    // Before the reboot more time goes by than the test has, and after it the test takes all that was left.
    let command = "exec {c}>&$ATEX_TEST_CONTROL\n\
        if [ $TMT_REBOOT_COUNT = 0 ]; then\n\
        printf 'duration save\\nduration 5m\\n' >&$c\nsleep 9\n\
        trap '' PIPE\necho disconnect >&$c\n\
        while echo noop 2>/dev/null >&$c; do sleep 0.05; done\ntouch /down\nsleep 1000\nfi\n\
        echo duration restore >&$c\nsleep 2\necho still\nsleep 1000";
    let limited = test_with("/r", command, json!({"duration": "8s"}));
    let running = exec_in(&lab, &dir, &[], &[host(&lab, 0), limited]).start();
    wait_for_file(&lab, 0, "/down");
    lab.reboot(0);
    let output = running.finish();
    output.code(1);
    assert_eq!(verdicts(&output), ["/r error test"]);
    assert_eq!(note(&output, "/r"), "duration limit of 8s reached");
    assert_eq!(printed(&dir, &output, "/r"), "still\n");
}

#[test]
fn a_reboot_that_was_not_announced_is_the_hosts_fault() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let command = "[ -e /again ] || { touch /again; sleep 1000; }";
    let running = exec_in(&lab, &dir, &[], &[host(&lab, 0), test("/r", command)]).start();
    wait_for_file(&lab, 0, "/again");
    lab.reboot(0);
    let output = running.finish();
    output.success();
    let ends = of_type(&output, "test-end");
    assert_eq!((&ends[0]["outcome"], &ends[0]["note"]), (&json!("infra"), &json!("rebooted unexpectedly")));
    assert_eq!((&ends[0]["cause"], &ends[0]["final"]), (&json!("host"), &json!(false)));
    assert_eq!(verdicts(&output), ["/r pass test"]);
}

#[test]
fn the_limit_of_a_test_holds_also_while_its_host_is_away() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let limited = test_with("/t", "touch /here; sleep 1000", json!({"duration": "5s"}));
    let running = exec_in(&lab, &dir, &["-v", "--host-timeout", "30s"], &[host(&lab, 0), limited]).start();
    wait_for_file(&lab, 0, "/here");
    lab.cut(0);
    running.wait_for_stdout(r#""type":"test-end""#);
    lab.heal(0);
    let output = running.finish();
    output.code(1);
    assert_eq!(verdicts(&output), ["/t error test"]);
    assert_eq!(note(&output, "/t"), "duration limit of 5s reached");
    assert!(!lab.run(0, "cat /proc/[0-9]*/comm").contains("sleep"));
}

#[test]
fn what_a_test_has_sent_before_its_limit_counts_however_late_it_comes() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let command = "until [ -e /frozen ]; do sleep 0.05; done\n\
        echo 'duration +60' >&$ATEX_TEST_CONTROL; touch /sent; until [ -e /go ]; do sleep 0.05; done";
    // It takes longer than this until a silent host is given up.
    let limited = test_with("/t", command, json!({"duration": "5s"}));
    let running = exec_in(&lab, &dir, &[], &[lab_host(&lab, 0), limited]).start();
    running.wait_for_stdout(r#""type":"test-start""#);
    let started = Instant::now();
    let servers = |signal: &str| {
        let all = "for p in /proc/[0-9]*; do case $(cat $p/comm) in sshd*) kill -s";
        lab.run(0, &format!("{all} {signal} ${{p#/proc/}} ;; esac; done 2>/dev/null; true"))
    };
    servers("STOP");
    lab.run(0, "touch /frozen");
    wait_for_file(&lab, 0, "/sent");
    assert!(started.elapsed() < Duration::from_secs(5), "too late to show anything");
    // No event comes of what does not happen.
    std::thread::sleep(Duration::from_secs(7).saturating_sub(started.elapsed()));
    assert!(!running.stdout().contains(r#""type":"test-end""#), "{}", running.stdout());
    servers("CONT");
    lab.run(0, "touch /go");
    let output = running.finish();
    output.success();
    assert_eq!(verdicts(&output), ["/t pass test"]);
}

#[test]
fn a_test_lives_as_long_as_somebody_follows_it() {
    let dir = Dir::new();
    let records =
        [test("/long", "sleep 6"), test("/left", "[ $ATEX_ATTEMPT = 2 ] && exit; echo here; sleep 1000")];
    let running = exec(&dir, &["--local", "1", "--orphan-timeout", "4s"], &records).start();
    let printed = dir.join("run/results/default/left/attempt-1/output");
    while !std::fs::read_to_string(&printed).is_ok_and(|text| text == "here\n") {
        std::thread::yield_now();
    }
    // Its host does not hear of us, and does not see us die either.
    running.signal(Signal::SIGSTOP);
    let session = dir.join("run/hosts/0/test/end");
    let end = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&session).is_ok_and(|text| text.contains(" orphan")) {
        assert!(Instant::now() < end, "it lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::SIGCONT);
    let output = running.finish();
    assert_eq!(verdicts(&output), ["/left pass test", "/long pass test"]);
    let ends = of_type(&output, "test-end");
    let first = ends.iter().find(|end| end["test"] == "/left").unwrap();
    assert_eq!((&first["outcome"], &first["cause"]), (&json!("infra"), &json!("own")));
    assert_eq!(first["note"], "ended on its host: no heartbeat for 4s");
}

#[test]
fn a_test_that_kills_what_waits_for_it_says_what_happened() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let records = [
        host(&lab, 0),
        test("/a", "kill -9 $(cut -d' ' -f1 /var/atex-*/spool.*/wrapper); sleep 1000"),
        test("/b", "true"),
    ];
    let output = exec_in(&lab, &dir, &["--infra-retries", "0"], &records).run();
    output.code(3);
    assert_eq!(verdicts(&output), ["/a infra host", "/b pass test"]);
    assert_eq!(note(&output, "/a"), "what waited for the test on its host was killed");
    assert!(!lab.run(0, "cat /proc/[0-9]*/comm").contains("sleep"));
}
