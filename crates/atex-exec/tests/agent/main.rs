//! The agent by itself, under every shell that a host may have, and with nothing but busybox.

mod host;
mod killed;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use host::{End, Host, PLENTY, Session, end, run_order, skip};

// ---- Tests one after another ----

#[test]
fn many_tests_in_one_session_end_where_the_next_one_begins() {
    for host in Host::all() {
        assert_eq!(host.look("state"), "none");
        let mut session = host.serve();
        for turn in 0..8 {
            let test =
                format!("echo sent {turn} >&$C; printf %{turn}s; echo printed; echo err >&2; exit {turn}");
            let printed = format!("{}printed\nerr\n", " ".repeat(turn));
            let word = format!("WORD{turn}");
            let end = session.test(&word, &test);
            assert_eq!(end, self::end(&format!("sent {turn}\n"), &printed, turn as u64), "{}", host.shell);
            assert_eq!(host.look("word"), word);
            assert_eq!(host.look("generation"), "1");
            assert_eq!(host.look("id"), "run/test/1");
            assert_eq!(host.look("state"), "ended");
        }
        let sizes = host.sizes();
        assert_eq!((sizes[0] as usize, sizes[1] as usize), session.next);
        session.close();
        host.await_that("nothing runs", || host.processes().is_empty());
    }
}

#[test]
fn the_script_arrives_byte_for_byte_either_way() {
    for host in Host::all() {
        let mut session = host.serve();
        // One of the two has an odd length.
        for more in ["", " "] {
            let test = format!("printf '%s' '  a\\b\tü \r'{more}\n\nexit 5");
            assert_eq!(session.test("WORD", &test), end("", "  a\\b\tü \r", 5), "{} {test:?}", host.shell);
        }
        let large = format!("# {}\nexit 6", "x".repeat(200_000));
        assert_eq!(session.test("LARGE", &large).status, 6, "{}", host.shell);
    }
}

#[test]
fn half_a_script_is_not_run() {
    for host in Host::all() {
        for lines in [0, 2] {
            let mut session = host.serve();
            session.order(&format!("run WORD 100 {lines} id\n: >../never\n"));
            session.close();
            host.await_that("nothing runs", || host.processes().is_empty());
            assert_eq!(host.look("state"), "none", "{} {lines}", host.shell);
            assert!(!host.work_dir().join("never").exists());
        }
    }
}

#[test]
fn files_of_a_test_last_until_another_test_starts() {
    for host in Host::all() {
        let mut session = host.serve();
        for (id, test, status) in [
            ("one", "mkdir d; : >d/f; : >.hidden", 0),
            ("one", "[ -e d/f ] && [ -e .hidden ]", 0),
            ("two", "[ ! -e d ] && [ ! -e .hidden ]", 0),
        ] {
            session.order(&run_order("WORD", id, test));
            assert_eq!(session.end("WORD").status, status, "{} {test}", host.shell);
        }
    }
}

#[test]
fn signals_are_as_a_login_has_them() {
    for host in Host::all() {
        let mut session = host.serve();
        let printed = session.test("WORD", "grep -E 'SigIgn|SigBlk' /proc/self/status").printed;
        for line in printed.lines() {
            let mask = u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap();
            // Real-time signals are as whoever runs the tests has them.
            assert_eq!(mask & 0x7fff_ffff, 0, "{}: {printed}", host.shell);
        }
        assert_eq!(printed.lines().count(), 2);
    }
}

#[test]
fn the_test_has_a_session_of_its_own_and_no_descriptor_too_many() {
    for host in Host::all() {
        let inherited = descriptors("self");
        let mut session = host.serve();
        let script = "read -r me _ _ _ group session _ </proc/$$/stat; echo $((me - group)) $((me - session)); \
                      echo $$ >&$C; until [ -e ../go ]; do sleep 0.01; done";
        session.run("WORD", script);
        session.control.until_contains("\n");
        let pid = fs::read_to_string(host.work_dir().join("test/session")).unwrap();
        let pid = pid.split(' ').next().unwrap();
        let expected = ["control.pipe", "null", "output.pipe", "output.pipe", "run"];
        // For what it has just said it has opened one more for a moment.
        host.await_that(&format!("it has open {expected:?}"), || {
            let mut open = descriptors(pid);
            // Whoever runs these tests may have left us some.
            open.retain(|(number, link)| *number < 3 || !inherited.contains(&(*number, link.clone())));
            let mut open: Vec<_> = open.iter().map(|(_, link)| link.rsplit('/').next().unwrap()).collect();
            open.sort_unstable();
            open == expected
        });
        host.touch("go");
        assert_eq!(session.end("WORD"), end(&format!("{pid}\n"), "0 0\n", 0), "{}", host.shell);
    }
}

/// What a process has open.
fn descriptors(pid: &str) -> Vec<(u32, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let link = |entry: fs::DirEntry| Some((entry.file_name(), fs::read_link(entry.path()).ok()?));
    let text = |(number, link): (std::ffi::OsString, PathBuf)| {
        (number.to_str().unwrap().parse().unwrap(), link.to_string_lossy().into_owned())
    };
    entries.filter_map(link).map(text).collect()
}

// ---- Ends by force ----

#[test]
fn a_test_that_is_killed_is_dead_with_all_that_it_has_started() {
    let tests = [
        "echo $$ >&$C; (sleep 1000; echo never) & set -m; sleep 1000 & wait",
        // One that forks as fast as it can, each child in a group of its own.
        "echo on >&$C; set -m; while :; do sleep 1000 & done",
        // One that does not look like a process of this session.
        "(printf 'x) S 1 1 1\\n1 (y' >/proc/self/comm; exec 3<&0; sleep 1000) & echo on >&$C; wait",
    ];
    for host in Host::all() {
        let mut session = host.serve();
        for test in tests {
            session.run("WORD", test);
            let base = session.next.0 - session.begin.0;
            session.control.until_length(base + 3);
            host.call(&["stop", "KILL", "WORD", "test"], b"");
            let ended = session.end("WORD");
            assert_eq!((ended.status, ended.why.as_str()), (137, "stopped test"), "{}: {test}", host.shell);
            let left = host.processes();
            let left: Vec<_> =
                left.iter().filter(|line| line.contains("sleep 1000") || line.contains("run ")).collect();
            assert!(left.is_empty(), "{}: {left:?}", host.shell);
        }
    }
}

#[test]
fn a_test_can_be_killed_over_the_session_that_has_started_it() {
    for host in Host::all() {
        let mut session = host.serve();
        session.run(
            "WORD",
            "echo on >&$C; until [ -e ../go ]; do sleep 0.01; done; echo still >&$C; sleep 1000",
        );
        session.control.until_contains("on\n");
        session.order("kill OTHER cancelled\nbeat\n");
        host.touch("go");
        session.control.until_contains("still\n");
        session.order("kill WORD cancelled\n");
        assert_eq!(session.end("WORD"), stopped("on\nstill\n", 137, "cancelled"), "{}", host.shell);
        assert_eq!(session.test("NEXT", "echo hi"), end("", "hi\n", 0), "{}", host.shell);
    }
}

#[test]
fn a_test_can_be_asked_to_end() {
    for host in Host::all() {
        let mut session = host.serve();
        // Bash does not hear of an interrupt at the moment when a command ends by itself.
        session.run("WORD", "trap 'echo asked; exit 9' INT; echo on >&$C; sleep 1000");
        session.control.until_contains("on\n");
        host.call(&["stop", "INT", "WORD", "cancelled"], b"");
        let expected = End { printed: "asked\n".into(), ..stopped("on\n", 9, "cancelled") };
        assert_eq!(session.end("WORD"), expected, "{}", host.shell);
    }
}

#[test]
fn a_test_is_asked_to_end_that_is_about_to_begin_and_no_other() {
    for host in Host::all() {
        let mut session = host.serve();
        let stop = ["stop", "TERM", "WORD", "cancelled"];
        let mut early = host.command(&stop).stdin(Stdio::null()).spawn().unwrap();
        session.run("WORD", "sleep 1000");
        assert_eq!(session.end("WORD"), stopped("", 143, "cancelled"), "{}", host.shell);
        assert!(early.wait().unwrap().success());
        session.run("NEXT", "echo on >&$C; until [ -e ../go ]; do sleep 0.01; done");
        session.control.until_contains("on\n");
        host.call(&stop, b"");
        host.touch("go");
        assert_eq!(session.end("NEXT"), end("on\n", "", 0), "{}", host.shell);
    }
}

#[test]
fn the_first_reason_to_end_is_the_one_and_is_told_before_the_end() {
    let why = |host: &Host| {
        let said = host.call(&["look"], b"");
        said.lines().find_map(|line| line.strip_prefix("why=")).map(str::to_owned)
    };
    for host in Host::all() {
        let mut session = host.serve();
        session.run(
            "WORD",
            "exec 2>/dev/null; trap 'echo asked >&$C' TERM; echo on >&$C; while :; do sleep 1000 || :; done",
        );
        session.control.until_contains("on\n");
        assert_eq!(why(&host), None, "{}", host.shell);
        host.call(&["stop", "TERM", "WORD", "cancelled"], b"");
        session.control.until_contains("asked\n");
        session.order("kill OTHER own\n");
        assert_eq!(why(&host).as_deref(), Some("stopped cancelled"), "{}", host.shell);
        session.order("kill WORD own\n");
        assert_eq!(session.end("WORD"), stopped("on\nasked\n", 137, "cancelled"), "{}", host.shell);
        assert_eq!((why(&host), host.look("state")), (None, "ended".into()), "{}", host.shell);
        assert_eq!(session.test("NEXT", "echo hi"), end("", "hi\n", 0), "{}", host.shell);
        assert_eq!(why(&host), None, "{}", host.shell);
        // It is too late for a reason.
        host.call(&["stop", "TERM", "NEXT", "cancelled"], b"");
        assert_eq!((why(&host), host.look("end").ends_with("cancelled")), (None, false), "{}", host.shell);
    }
}

/// The end of a test that atex-exec wanted.
fn stopped(sent: &str, status: u64, cause: &str) -> End {
    End { why: format!("stopped {cause}"), ..end(sent, "", status) }
}

#[test]
fn a_new_directory_has_all_that_tests_need() {
    for host in Host::all() {
        host.call(&["bye"], b"");
        fs::create_dir(host.work_dir()).unwrap();
        host.unpack(&[]);
        let mut session = Session::start(&host, &["new", "s0", "1", PLENTY, "0"]);
        let mode = |name: &str| fs::metadata(host.work_dir().join(name)).unwrap().mode() & 0o7777;
        let modes = ["bin", "bin/tmt-report-result", "work", "work/data", "s0/tree", "s0/plan-data", "agent"]
            .map(mode);
        assert_eq!(modes, [0o755, 0o755, 0o1777, 0o1777, 0o755, 0o1777, 0o644], "{}", host.shell);
        let inode = fs::metadata(host.work_dir().join("work")).unwrap().ino();
        let test = ". ../prelude fresh s0; cd ../s0/tree && ../../bin/tmt-report-result 2>&1 || echo $?";
        let ended = session.test("WORD", test);
        assert_eq!(ended.status, 0, "{}: {ended:?}", host.shell);
        assert!(ended.printed.ends_with("\n2\n"), "{}: {ended:?}", host.shell);
        assert_eq!(fs::metadata(host.work_dir().join("work")).unwrap().ino(), inode, "it was made again");
        session.close();
    }
}

#[test]
fn the_session_that_runs_tests_cleans_up_if_asked_to() {
    for host in Host::all() {
        let mut session = host.serve();
        // Its process outlives it, in a group of its own.
        let test = "(set -m; sleep 1000 >/dev/null 2>&1 9>&- & )";
        assert_eq!(session.test("WORD", test), end("", "", 0), "{}", host.shell);
        assert!(!host.processes().is_empty());
        session.order("bye\n");
        assert!(session.child.wait().unwrap().success(), "{}", host.shell);
        session.output.until_end();
        assert!(!host.work_dir().exists(), "{}", host.shell);
        host.await_that("nothing runs", || host.processes().is_empty());
    }
}

#[test]
fn what_runs_is_fenced() {
    for host in Host::all() {
        for command in ["hello", "serve", "bye"] {
            let mut session = Session::start(&host, &["serve", "1", PLENTY, "3600"]);
            session.run("WORD", "(set -m; sleep 1000 & echo on >&$C; wait)");
            session.control.until_contains("on\n");
            if command == "serve" {
                let mut next = Session::start(&host, &["serve", "2", PLENTY, "3600"]);
                assert_eq!(next.test("NEXT", "echo hi"), end("", "hi\n", 0), "{}", host.shell);
                assert!(!host.work_dir().join("spool.1").exists());
                next.close();
            } else {
                host.call(&[command], b"");
            }
            // It says nothing of an end that was not the test's own.
            session.child.wait().unwrap();
            assert_eq!(session.control.until_end(), b"on\n", "{}: {command}", host.shell);
            session.output.until_end();
            host.await_that("nothing runs", || host.processes().is_empty());
        }
        assert!(!host.work_dir().exists(), "{}", host.shell);
    }
}

#[test]
fn a_test_that_kills_its_wrapper_ends_the_session() {
    for host in Host::all() {
        let mut session = Session::start(&host, &["serve", "1", PLENTY, "3600"]);
        session.run("WORD", "kill -s KILL $PPID; sleep 1000");
        session.child.wait().unwrap();
        session.control.until_end();
        session.output.until_end();
        assert_eq!(host.look("state"), "gone", "{}", host.shell);
        host.await_that("nothing runs", || host.processes().is_empty());
    }
}

#[test]
fn a_follower_of_a_wrapper_that_was_killed_ends() {
    for host in Host::all() {
        let mut session = host.serve();
        session.run("WORD", "echo on >&$C; until [ -e ../go ]; do sleep 0.01; done; kill -s KILL $PPID");
        session.control.until_contains("on\n");
        let mut attached = Session::attach(&host, (0, 0));
        attached.control.until_contains("on\n");
        host.touch("go");
        attached.child.wait().unwrap();
        assert_eq!(attached.control.until_end(), b"on\n", "{}", host.shell);
        assert_eq!(host.look("state"), "gone", "{}", host.shell);
    }
}

#[test]
fn a_test_that_nobody_follows_is_ended() {
    for host in Host::all() {
        // As long as a busy machine may need for a beat.
        let mut session = Session::start(&host, &["serve", "1", PLENTY, "4"]);
        session.run("LIVES", "until [ -e ../go ]; do sleep 0.01; done");
        let since = Instant::now();
        // Longer than the watchdog waits.
        while since.elapsed() < Duration::from_secs(6) {
            session.order("beat\n");
            std::thread::sleep(Duration::from_millis(100));
        }
        host.touch("go");
        assert_eq!(session.end("LIVES").status, 0, "{}", host.shell);
        session.run("WORD", "echo on >&$C; sleep 1000");
        session.child.wait().unwrap();
        assert_eq!(host.look("state"), "ended", "{}", host.shell);
        assert!(host.look("end").starts_with("137 ") && host.look("end").ends_with(" orphan 4"));
        host.await_that("nothing runs", || host.processes().is_empty());
    }
}

// ---- Followers ----

#[test]
fn a_follower_takes_over_at_any_byte() {
    for host in Host::all() {
        // Nobody reads what the first one has to say.
        let mut stuck = host.command(&["serve", "1", PLENTY, "0"]).spawn().unwrap();
        let mut stdin = stuck.stdin.take().unwrap();
        let test = "seq 30000 >&$C; seq 40000; : >../there; until [ -e ../go ]; do sleep 0.01; done; \
                    seq 10; echo more >&$C; exit 7";
        stdin.write_all(run_order("WORD", "an id", test).as_bytes()).unwrap();
        host.await_file("there");
        assert_eq!(host.look("state"), "running");
        let lines = |last: u32| (1..=last).map(|n| format!("{n}\n")).collect::<String>();
        let (sent, printed) = (lines(30000) + "more\n", lines(40000) + &lines(10));
        let first = Session::attach(&host, (0, 100_000));
        first.control.until_length(1000);
        // The one before it is dead by now, and so is this one with the next.
        let mut session = Session::attach(&host, (1234, 4321));
        session.output.until_length(lines(40000).len() - 4321);
        first.close();
        host.touch("go");
        let end = session.end("WORD");
        assert_eq!((end.status, end.why.as_str()), (7, ""), "{}", host.shell);
        assert!(end.sent == sent[1234..] && end.printed == printed[4321..], "{}", host.shell);
        assert_eq!(host.look("end"), format!("7 {} {}", sent.len(), printed.len()));
        // With its follower the wrapper has lost whoever may give it more to do.
        stuck.wait().unwrap();
        session.close();
        host.await_that("nothing runs", || host.processes().is_empty());
    }
}

#[test]
fn a_test_goes_on_when_the_connection_is_gone() {
    for host in Host::all() {
        let mut session = host.serve();
        session.run("WORD", "echo on >&$C; until [ -e ../go ]; do sleep 0.01; done; echo off >&$C; seq 5000");
        session.control.until_contains("on\n");
        session.stdin = None;
        // Nobody follows any more.
        session.control.until_end();
        session.output.until_end();
        assert_eq!(host.look("state"), "running", "{}", host.shell);
        host.touch("go");
        session.child.wait().unwrap();
        assert_eq!(host.look("state"), "ended", "{}", host.shell);
        let mut late = Session::attach(&host, (0, 0));
        let end = late.end("WORD");
        assert_eq!((end.status, end.sent.as_str(), end.printed.len()), (0, "on\noff\n", 23893));
        late.close();
        let refused = host.command(&["attach", "7", "0", "0"]).stdin(Stdio::null()).output().unwrap();
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no such generation"), "{refused:?}");
    }
}

#[test]
fn control_that_is_closed_is_closed_for_its_test_only() {
    for host in Host::all() {
        let mut session = host.serve();
        let test = "echo disconnect >&$C; until [ -e ../closed ]; do sleep 0.01; done; rm ../closed; echo still; \
                    echo again >&$C; echo never";
        for attached in [false, true] {
            session.run("WORD", test);
            session.control.until_length(session.next.0 + "disconnect\n".len());
            if attached {
                let (next, begin) = (session.next, session.begin);
                assert_eq!(begin, (0, 0));
                session.stdin = None;
                session = Session::attach(&host, next);
            }
            session.order("close\n");
            let relays = fs::read_to_string(host.work_dir().join("spool.1/relays")).unwrap();
            let pipe = format!("/proc/{}/fd/3", relays.split(' ').next().unwrap());
            host.await_that("the pipe is closed", || !Path::new(&pipe).exists());
            host.touch("closed");
            assert_eq!(session.end("WORD"), end("disconnect\n", "still\n", 141), "{}", host.shell);
            if !attached {
                assert_eq!(session.test("NEXT", "echo open >&$C"), end("open\n", "", 0), "{}", host.shell);
            }
        }
    }
}

#[test]
fn what_a_test_leaves_behind_writes_into_no_other_test() {
    for host in Host::all() {
        let mut session = host.serve();
        let daemon = ": >../daemon; trap \"\" PIPE; while echo junk && echo junk >&$C; do :; done 2>/dev/null; : >../refused";
        let test =
            format!("setsid bash -c '{daemon}' & until [ -e ../daemon ]; do sleep 0.01; done; echo first");
        let end = session.test("WORD", &test);
        assert_eq!(end.status, 0);
        assert_eq!(end.printed.replace("junk\n", ""), "first\n", "{}", host.shell);
        let test = "until [ -e ../refused ]; do sleep 0.01; done; echo sent >&$C; echo second";
        assert_eq!(session.test("NEXT", test), self::end("sent\n", "second\n", 0), "{}", host.shell);
        // One that holds the pipes and says nothing.
        fs::remove_file(host.work_dir().join("daemon")).unwrap();
        let end = session.test("QUIET", "setsid bash -c 'echo $$ >../daemon; exec sleep 1000' & until [ -s ../daemon ]; do sleep 0.01; done; echo first");
        assert_eq!((end.status, end.printed.as_str()), (0, "first\n"), "{}", host.shell);
        assert_eq!(session.test("LAST", "echo last"), self::end("", "last\n", 0), "{}", host.shell);
        let pid = fs::read_to_string(host.work_dir().join("daemon")).unwrap();
        assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    }
}

// ---- Room ----

#[test]
fn a_spool_is_bounded_and_gives_back_what_is_freed() {
    const MAX: usize = 4 << 20;
    const LINES: usize = 2_000_000;
    for host in Host::all() {
        let mut session = Session::start(&host, &["serve", "1", &MAX.to_string(), "0"]);
        session.run("WORD", &format!("seq -w {LINES}"));
        let (all, mut freed) = (LINES * 8, 0);
        while freed + MAX < all {
            // It stops as soon as not even one more read has room.
            let has = session.output.until_length(freed + MAX - 65535).len();
            assert!(has <= freed + MAX, "{}: {has} bytes, {freed} freed", host.shell);
            assert_eq!(host.look("state"), "running");
            freed = has;
            session.order(&format!("free 0 {freed}\n"));
        }
        let end = session.end("WORD");
        let expected: String = (1..=LINES).map(|n| format!("{n:07}\n")).collect();
        assert!(end.status == 0 && end.printed == expected, "{}", host.shell);
        let spool = fs::metadata(host.work_dir().join("spool.1/output")).unwrap();
        assert_eq!(spool.len(), all as u64);
        if host.shell == "busybox" {
            continue;
        }
        if punches(&host) {
            assert!(spool.blocks() * 512 < 3 * MAX as u64, "{}: {} blocks", host.shell, spool.blocks());
        } else {
            skip("spools give nothing back: no fallocate, or the file system cannot");
        }
    }
}

fn punches(host: &Host) -> bool {
    let file = host.dir.path().join("hole");
    File::create(&file).unwrap();
    let punch = Command::new("fallocate").args(["-p", "-l", "4096"]).arg(&file).status();
    punch.is_ok_and(|status| status.success())
}

/// Puts a small disk in the place of the host's directory; false if that is not permitted here.
fn with_disk(host: &Host, size: &str) -> bool {
    let dir = host.work_dir();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", size, "tmpfs"])
        .arg(&dir)
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        skip("agent on a full disk: mount is not permitted");
        return false;
    }
    host.greet();
    true
}

fn without_disk(host: &Host) {
    host.command(&["hello"]).stdin(Stdio::null()).output().unwrap();
    Command::new("umount").arg("-l").arg(host.work_dir()).status().unwrap();
}

#[test]
fn a_test_waits_for_room_on_the_disk() {
    for host in Host::all() {
        if host.shell == "busybox" || !with_disk(&host, "size=12m") {
            continue;
        }
        let mut session = Session::start(&host, &["serve", "1", PLENTY, "0", "60"]);
        session.run("WORD", "seq -w 3000000");
        let mut freed = 0;
        while freed < 20 << 20 {
            let has = session.output.until_length(freed + 1).len();
            freed = has;
            session.order(&format!("free 0 {freed}\n"));
        }
        let end = session.end("WORD");
        let expected: String = (1..=3_000_000).map(|n| format!("{n:07}\n")).collect();
        let whole = (end.status, end.why.as_str()) == (0, "") && end.printed == expected;
        session.close();
        without_disk(&host);
        assert!(whole, "{}", host.shell);
    }
}

#[test]
fn a_spool_takes_a_share_of_what_is_free() {
    for host in Host::all() {
        if !with_disk(&host, "size=240m") {
            continue;
        }
        let mut session = Session::start(&host, &["serve", "1", "1073741824/10", "0"]);
        session.run("WORD", "seq -w 8000000");
        session.output.until_length(16 << 20);
        // When it grows no more, the test waits.
        let spool = || fs::metadata(host.work_dir().join("spool.1/output")).unwrap().len();
        let (mut size, mut still) = (spool(), 0);
        while still < 10 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            still = if spool() == size { still + 1 } else { 0 };
            size = spool();
        }
        session.order("free 0 20000000\n");
        let mut freed = 0;
        while freed < 60_000_000 {
            freed = session.output.until_length((freed + 1).max(16 << 20)).len();
            session.order(&format!("free 0 {freed}\n"));
        }
        let end = session.end("WORD");
        session.close();
        without_disk(&host);
        assert!((22 << 20..25 << 20).contains(&size), "{}: {size}", host.shell);
        assert_eq!((end.status, end.printed.len()), (0, 64_000_000), "{}", host.shell);
    }
}

#[test]
fn a_test_that_finds_no_room_on_the_disk_is_ended() {
    for host in Host::all() {
        if !with_disk(&host, "size=12m") {
            continue;
        }
        let mut session = Session::start(&host, &["serve", "1", PLENTY, "0", "1"]);
        let end = session.test("WORD", "seq -w 3000000");
        // Everything is full now.
        let filled = host.work_dir().join("filled");
        let _ = std::io::copy(&mut std::io::repeat(0), &mut File::create(&filled).unwrap());
        session.run("NEXT", ":");
        host.await_that("the order has been taken", || host.look("word") == "NEXT");
        fs::remove_file(filled).unwrap();
        let next = session.end("NEXT");
        session.close();
        without_disk(&host);
        let expected: String = (1..=3_000_000).map(|n| format!("{n:07}\n")).collect();
        assert_eq!((end.status, end.why.as_str()), (137, "full"), "{}", host.shell);
        assert!(end.printed.len() > 1 << 20 && expected.starts_with(&end.printed), "{}", host.shell);
        assert!(next.why == "full" || next.status == 0, "{}: {next:?}", host.shell);
    }
}

// ---- Files ----

#[test]
fn files_arrive_and_are_unpacked_afresh() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("f"), "text").unwrap();
    let tar = Command::new("tar")
        .args(["-cf", "-", "-C", from.path().to_str().unwrap(), "f"])
        .output()
        .unwrap()
        .stdout;
    for host in Host::all() {
        let size = tar.len().to_string();
        host.call(&["take", "s1", &size], &tar);
        let file = host.work_dir().join("s1/tree/f");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text", "{}", host.shell);
        fs::write(&file, "changed").unwrap();
        fs::write(host.work_dir().join("s1/tree/more"), "").unwrap();
        host.call(&["has", "s1"], b"");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        assert!(!host.work_dir().join("s1/tree/more").exists());
        let short = host.command(&["take", "s2", &size]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(short.status.code(), Some(125));
        assert!(String::from_utf8_lossy(&short.stderr).contains("0 bytes arrived of"), "{short:?}");
        let unknown = host.command(&["has", "s2"]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(unknown.status.code(), Some(1));
    }
}
