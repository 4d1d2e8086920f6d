//! Relays and the guard that are killed: nobody waits for what they would have done.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host::{Host, Session, end, run_order};

/// The relays of control and output, and the guard.
fn helpers(host: &Host) -> [i32; 3] {
    let spool = host.work_dir().join("spool.1");
    let text = |name: &str| fs::read_to_string(spool.join(name)).unwrap_or_default();
    let mut relays = String::new();
    host.await_that("the relays", || {
        relays = text("relays");
        relays.ends_with('\n')
    });
    let mut pids = relays.split_whitespace().map(|pid| pid.parse().unwrap());
    let guard = text("helpers").split(' ').next().unwrap().parse().unwrap();
    [pids.next().unwrap(), pids.next().unwrap(), guard]
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

#[test]
fn relays_that_are_killed_before_a_test_keep_nobody_waiting() {
    for host in Host::all() {
        for killed in [vec![0], vec![1], vec![0, 1, 2]] {
            let mut session = host.serve();
            assert_eq!(session.test("FIRST", "echo hi"), end("", "hi\n", 0), "{}", host.shell);
            let pids = helpers(&host);
            // It is there when it is told of the test, and never opens its pipe.
            for &one in &killed {
                signal(pids[one], Signal::SIGSTOP);
            }
            session.run("WORD", "echo never");
            host.await_that("the test is about to start", || host.look("word") == "WORD");
            for &one in &killed {
                signal(pids[one], Signal::SIGKILL);
            }
            session.child.wait().unwrap();
            session.control.until_end();
            assert_eq!(session.output.until_end(), b"hi\n", "{} {killed:?}", host.shell);
            assert_eq!(host.look("state"), "gone", "{} {killed:?}", host.shell);
            host.await_that("nothing runs", || host.processes().is_empty());
        }
    }
}

#[test]
fn a_relay_that_is_killed_under_a_test_costs_what_it_would_have_brought() {
    for host in Host::all() {
        let mut session = host.serve();
        session.run(
            "WORD",
            "trap '' PIPE; echo on >&$C; until [ -e ../go ]; do sleep 0.01; done; rm ../go; seq 50000; echo off >&$C; exit 3",
        );
        session.control.until_contains("on\n");
        let [control, ..] = helpers(&host);
        signal(control, Signal::SIGKILL);
        // What it had started for copying lives on, and brings what it still can.
        host.touch("go");
        // No other test is run there.
        session.child.wait().unwrap();
        assert_eq!(host.look("state"), "ended", "{}", host.shell);
        let mut late = Session::attach(&host, (0, 0));
        let ended = late.end("WORD");
        assert_eq!((ended.status, ended.printed.lines().count()), (3, 50000), "{}", host.shell);
        assert!(["on\n", "on\noff\n"].contains(&ended.sent.as_str()), "{}: {}", host.shell, ended.sent);
        late.close();
        host.await_that("nothing runs", || host.processes().is_empty());
    }
}

#[test]
fn helpers_that_are_killed_at_any_moment_keep_nobody_waiting() {
    for host in Host::all() {
        for turn in 0..12 {
            let mut session = host.serve();
            let pid = helpers(&host)[turn % 3];
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    // Somewhere in the first tests.
                    std::thread::sleep(Duration::from_millis(turn as u64 * 7 % 40));
                    signal(pid, Signal::SIGKILL);
                });
                for n in 0..8 {
                    let order = run_order(&format!("WORD{n}"), "id", "echo hi; echo sent >&$C");
                    // It ends when there is no more to be done.
                    if session.stdin.as_mut().unwrap().write_all(order.as_bytes()).is_err() {
                        break;
                    }
                }
            });
            let (control, output) = session.close();
            assert!(output.len() <= 8 * 3 && control.len() < 8 * 64, "{}", host.shell);
            assert_ne!(host.look("state"), "running", "{} {turn}", host.shell);
            host.call(&["hello", "s0"], b"");
            host.await_that("nothing runs", || host.processes().is_empty());
        }
    }
}

#[test]
fn helpers_that_begin_after_all_is_over_do_not_stay() {
    for shell in ["dash", "bash"] {
        let host = Host::with_shell(shell);
        host.greet();
        let late = "#!/bin/sh\ncase $* in *' help '*) : >late; until [ -e go ]; do sleep 0.01; done ;; esac\n\
            PATH=${PATH#*:} exec setsid \"$@\"\n";
        let setsid = host.bin().join("setsid");
        fs::write(&setsid, late).unwrap();
        fs::set_permissions(&setsid, fs::Permissions::from_mode(0o755)).unwrap();
        let mut session = host.serve();
        let spool = host.work_dir().join("spool.1");
        host.await_that("the helpers are about to begin", || spool.join("late").exists());
        session.child.kill().unwrap();
        session.child.wait().unwrap();
        drop(session.stdin.take());
        fs::write(spool.join("go"), "").unwrap();
        host.await_that("nothing runs", || host.processes().is_empty());
    }
}
