//! A thousand hosts at once, in one process, with limits that are common.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use atex_testkit::sandbox::{Dir, Running};
use nix::sys::resource::{Resource, getrlimit};
use serde_json::{Value, json};

use crate::stream::{lines, of_type, test};

/// A host in one process: it speaks as the agent does, and its tests last until `go` is there no more.
const FAKE: &str = r#"#!/bin/sh
cd "$1"
case $4 in
*'tar -xpf'*)
    # The agent comes first, and then orders.
    size=${4##*dd bs=}
    head -c "${size%% *}" >/dev/null
    printf 'dir=/fake\nboot=b/1\nmissing=\ntty=no\n'
    ;;
*' serve '*) ;;
*) exit 125 ;;
esac
echo 'atex: ready'
echo 'atex: ready' >&2
control=0 output=0
while read -r order word size lines id; do
    case $order in
    run)
        while [ "$lines" -gt 0 ]; do
            IFS= read -r line
            lines=$((lines - 1))
        done
        said="files $(ulimit -n)"
        echo "$said" >&2
        output=$((output + ${#said} + 1))
        [ ! -p go ] || read -r _ 2>/dev/null <go
        line="$word 0 $control $output"
        echo "$line"
        control=$((control + ${#line} + 1))
        ;;
    bye) exit 0 ;;
    esac
done
"#;

/// So many fake hosts, and a test for each.
fn input(dir: &Dir, count: usize) -> String {
    let fake = dir.script("fake", FAKE);
    nix::unistd::mkfifo(&dir.join("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let argv = json!([fake, dir.join("")]);
    let host =
        |n| json!({"type": "host", "id": format!("h{n}"), "connect": {"how": "command", "argv": argv}});
    let hosts: Vec<Value> = (0..count).map(host).collect();
    let tests: Vec<Value> = (0..count).map(|n| test(&format!("/t{n}"), "sleep 1000")).collect();
    lines(&hosts) + &lines(&tests)
}

/// Lets all tests end, also those that come later.
fn let_go(dir: &Dir) {
    fs::rename(dir.join("go"), dir.join("gone")).unwrap();
    // Whoever opens the fifo waits for this, and then finds its end.
    drop(fs::OpenOptions::new().write(true).open(dir.join("gone")).unwrap());
}

/// atex-exec with these limits of open files, and hosts whose tests all run.
fn all_asleep(dir: &Dir, count: usize) -> Running {
    let exec = env!("CARGO_BIN_EXE_atex-exec");
    let script = format!("ulimit -S -n 1024; exec {exec} --run-dir run");
    let mut command = dir.command("sh");
    command.args(["-c", &script]).stdin(input(dir, count)).timeout(Duration::from_secs(400));
    let running = command.start();
    let asleep = || running.stdout().matches(r#""type":"test-start""#).count();
    let since = Instant::now();
    while asleep() < count {
        assert!(since.elapsed() < Duration::from_secs(300), "{} of {count}: {}", asleep(), running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    // What they printed is saved soon after; then there is nothing to be done.
    let mut before = naps(&running).0;
    loop {
        std::thread::sleep(Duration::from_secs(2));
        let now = naps(&running).0;
        if now - before < 10 {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(330), "it does not come to rest");
        before = now;
    }
    running
}

/// A sum over the lines of a file of `/proc` that begin so.
fn count(path: &Path, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let values = text.lines().filter_map(|line| line.strip_prefix(key)?.split_whitespace().next());
    values.map(|value| value.parse::<u64>().unwrap()).sum()
}

/// Memory that is this process's own, in KiB.
fn private(running: &Running) -> u64 {
    count(Path::new(&format!("/proc/{}/smaps_rollup", running.pid())), "Private_Dirty:")
}

/// How often threads of this process have gone to sleep, and how many there are.
fn naps(running: &Running) -> (u64, usize) {
    let tasks: Vec<_> = fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap().flatten().collect();
    let of = |task: &fs::DirEntry| count(&task.path().join("status"), "voluntary_ctxt_switches:");
    (tasks.iter().map(of).sum(), tasks.len())
}

#[test]
fn a_thousand_tests_at_once_in_one_process() {
    const COUNT: usize = 1000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let enough = if hard >= 16_384 { Ok(()) } else { Err(format!("at most {hard} files may be open")) };
    let Some(()) = atex_testkit::need(enough, || ()) else { return };

    let small = Dir::new();
    let one = all_asleep(&small, 1);
    let (base, _) = (private(&one), naps(&one));
    let_go(&small);
    one.finish().success();

    let dir = Dir::new();
    let running = all_asleep(&dir, COUNT);
    let each = (private(&running) - base) as f64 / COUNT as f64;
    const WATCHED: u64 = 6;
    let (before, threads) = naps(&running);
    // Nothing shall happen, for so long.
    std::thread::sleep(Duration::from_secs(WATCHED));
    let (after, _) = naps(&running);
    let woken = (after - before) as f64 / WATCHED as f64;
    let figures = format!("{each:.1} KiB a test, {threads} threads, {woken:.1} wake-ups a second");
    eprintln!("{COUNT} tests asleep: {figures}");
    assert!(each < 64.0, "{figures}");
    assert!(threads <= 16, "{figures}");
    assert!(woken < 5.0, "{figures}");

    let_go(&dir);
    let output = running.finish();
    output.success();
    let ends = of_type(&output, "test-end");
    assert_eq!(ends.len(), COUNT);
    assert!(ends.iter().all(|end| end["outcome"] == "pass"));
    let printed = dir.read("run/results/default/t7/attempt-1/files/output.txt");
    assert_eq!(printed, "files 1024\n", "what was raised for us is not raised for others");
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_said() {
    let dir = Dir::new();
    let exec = env!("CARGO_BIN_EXE_atex-exec");
    let script = format!("ulimit -n 120; exec {exec} --run-dir run --infra-retries 0");
    let input = input(&dir, 60);
    fs::remove_file(dir.join("go")).unwrap();
    let output = dir.command("sh").args(["-c", &script]).stdin(input).run();
    output
        .code(3)
        .stderr_has("Too many open files")
        .stderr_has("; raise `ulimit -n`, or use fewer hosts at a time");
}
