//! The sandbox keeps what it promises.

use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use atex_testkit::sandbox::Dir;
use nix::sys::signal::Signal;

#[test]
fn the_environment_is_emptied() {
    let dir = Dir::new();
    let output = dir.command("env").run();
    let mut names: Vec<&str> =
        output.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    let expected = [
        "HOME",
        "LC_ALL",
        "PATH",
        "TMPDIR",
        "TZ",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    ];
    assert_eq!(names, expected);
    dir.command("env").env("A", "1").env("A", "2").run().success();
    let home = dir.home().display().to_string();
    dir.command("sh").args(["-c", "echo $HOME $TZ"]).run().stdout_is(&format!("{home} UTC\n"));
}

#[test]
fn input_streams_and_status() {
    let dir = Dir::new();
    dir.write("a/b.txt", "text");
    let output = dir.command("sh").args(["-c", "cat - a/b.txt; echo no >&2; exit 3"]).stdin("in ").run();
    output.code(3).stdout_is("in text").stderr_is("no\n");
    dir.command("sh").args(["-c", "kill -TERM $$"]).run().killed_by(Signal::SIGTERM);
    let script = dir.script("run.sh", "#!/bin/sh\necho \"$@\"\n");
    dir.command(script).arg("x y").run().success().stdout_is("x y\n");
}

#[test]
fn a_failed_expectation_tells_all() {
    let panicked = catch_unwind(|| {
        let dir = Dir::new();
        dir.write("notes", "remember");
        dir.command("sh").args(["-c", "echo out; echo err >&2; exit 9"]).run().success();
    });
    let message = *panicked.unwrap_err().downcast::<String>().unwrap();
    for part in ["\"sh\" \"-c\"", "exit status: 9", "out\n", "err\n", "notes (8 bytes)", "| remember"] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
}

#[test]
fn what_runs_too_long_is_killed() {
    let begin = Instant::now();
    let panicked = catch_unwind(|| {
        let dir = Dir::new();
        dir.command("sh")
            .args(["-c", "echo begun; exec sleep 1000"])
            .timeout(Duration::from_millis(300))
            .run();
    });
    let message = *panicked.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("not over after 300ms") && message.contains("begun"), "{message}");
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn background_programs_end_with_their_value() {
    let dir = Dir::new();
    let running = dir.command("sh").args(["-c", "echo ready; exec sleep 1000"]).start();
    running.wait_for_stdout("ready");
    let process = format!("/proc/{}", running.pid());
    assert!(Path::new(&process).exists());
    drop(running);
    assert!(!Path::new(&process).exists(), "killed and reaped");

    let running = dir
        .command("sh")
        .args(["-c", "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done"])
        .start();
    running.wait_for_stdout("ready");
    running.signal(Signal::SIGTERM);
    running.finish().code(5).stdout_is("ready\nbye\n");
}

#[test]
fn the_folder_goes_away() {
    let dir = Dir::new();
    let path = dir.write("file", "x");
    drop(dir);
    assert!(!path.exists());
}
