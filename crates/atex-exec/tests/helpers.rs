//! The commands that tests find on their PATH, by themselves: what they send over test control, with the programs of
//! the system and with nothing but busybox and bash.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use atex_control::{End, Event, Limits, Parser};
use atex_testkit::need;

#[path = "../src/kit.rs"]
mod kit;

/// What they may use of busybox.
const APPLETS: [&str; 15] = [
    "sh", "cat", "chmod", "grep", "head", "ln", "mkdir", "mv", "readlink", "rm", "sleep", "sync", "tail",
    "tr", "wc",
];

/// A host: a directory with the commands, and the programs that they find.
struct Host {
    dir: tempfile::TempDir,
    path: String,
}

/// What a test has sent.
#[derive(Debug, Default, PartialEq)]
struct Sent {
    /// Stored results, one a line.
    results: Vec<String>,
    /// Files and their contents, in the order of their beginning.
    files: Vec<(String, Vec<u8>)>,
    words: Vec<String>,
    /// A protocol error.
    error: Option<String>,
}

impl Sent {
    fn file(&self, name: &str) -> &[u8] {
        let found = self.files.iter().find(|(path, _)| path == name);
        &found.unwrap_or_else(|| panic!("{name} was not sent: {self:?}")).1
    }
}

impl Host {
    /// One with the programs of this system, and one with those of busybox.
    fn all() -> Vec<Host> {
        let mut hosts = vec![Host::new(None)];
        let found =
            ["/usr/bin/busybox", "/bin/busybox"].map(Path::new).into_iter().find(|path| path.exists());
        let busybox = found.ok_or_else(|| "busybox is not installed".to_owned());
        hosts.extend(need(busybox.clone().map(|_| ()), || Host::new(busybox.ok())));
        hosts
    }

    fn new(busybox: Option<&Path>) -> Host {
        let dir = tempfile::tempdir().unwrap();
        // A name that has to be quoted wherever it is used.
        let top = dir.path().join("it's $a dir");
        fs::create_dir_all(top.join("test")).unwrap();
        fs::create_dir_all(top.join("s0")).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["-xpf", "-"]).args(kit::ALWAYS.split(' ')).current_dir(&top).stdin(Stdio::piped());
        let mut tar = tar.spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&kit::kit(None).unwrap()).unwrap();
        assert!(tar.wait().unwrap().success());
        let mut path = std::env::var("PATH").unwrap();
        if let Some(busybox) = busybox {
            let bin = dir.path().join("bin");
            fs::create_dir(&bin).unwrap();
            for applet in APPLETS {
                symlink(busybox, bin.join(applet)).unwrap();
            }
            symlink("/bin/bash", bin.join("bash")).unwrap();
            path = bin.to_str().unwrap().to_owned();
        }
        Host { dir, path }
    }

    fn top(&self) -> PathBuf {
        self.dir.path().join("it's $a dir")
    }

    /// bash in the directory of the test, with this host's programs only.
    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("/bin/bash");
        command.args(["-c", script]).current_dir(self.top().join("test")).env_clear().env("PATH", &self.path);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a test, which is bash, on a fresh host; says what it sent and how it ended.
    fn test(&self, text: &str) -> (Sent, Output) {
        let (mut read, write) = std::io::pipe().unwrap();
        let start = "exec {ATEX_TEST_CONTROL}>&0 0</dev/null; export ATEX_TEST_CONTROL; . ../prelude fresh s0
                     export PATH=\"${PWD%/*}/bin:$PATH\" TMT_TEST_NAME=/the/test";
        let mut command = self.bash(&format!("{start}\n{text}"));
        command.stdin(write);
        let child = command.spawn().unwrap();
        // Else our own end of the pipe stays open.
        drop(command);
        let mut bytes = Vec::new();
        read.read_to_end(&mut bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        (parse(&bytes, output.status.success()), output)
    }

    /// The same, where nothing may be said on standard error and the test must pass.
    #[track_caller]
    fn sends(&self, text: &str) -> Sent {
        let (sent, output) = self.test(text);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", self.path);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(sent.error, None);
        sent
    }
}

fn parse(bytes: &[u8], passed: bool) -> Sent {
    let mut sent = Sent::default();
    let mut sink = |event: Event<'_>| -> Result<(), std::convert::Infallible> {
        match event {
            // A name that was sent before is appended to.
            Event::FileStart { path } if sent.files.iter().any(|(known, _)| known == path) => {}
            Event::FileStart { path } => sent.files.push((path.to_owned(), Vec::new())),
            Event::FileData { path, bytes } => {
                let file = sent.files.iter_mut().find(|(known, _)| known == path).unwrap();
                file.1.extend_from_slice(bytes);
            }
            Event::Result(result) => sent.results.push(result.line.to_owned()),
            Event::Disconnect => sent.words.push("disconnect".into()),
            Event::Duration(change) => sent.words.push(format!("{change:?}")),
            _ => {}
        }
        Ok(())
    };
    let mut parser = Parser::new(Limits::default());
    let _ = parser.feed(bytes, &mut sink);
    let ending = parser.finish(End::Exited { passed }, &mut sink).unwrap();
    sent.error = ending.error.map(|error| error.to_string());
    sent
}

#[test]
fn results_of_all_forms() {
    let forms = [
        ("tmt-report-result /a PASS", r#"{"name":"/a","status":"pass"}"#),
        ("tmt-report-result a pass 10", r#"{"name":"a","status":"pass","score":10}"#),
        (
            "rstrnt-report-result -t 'why not' a WARN -- 5",
            r#"{"name":"a","status":"warn","note":"why not","score":5}"#,
        ),
        ("rstrnt-report-result -s http://x --port 1 -p 10_avc a SKIP", r#"{"name":"a","status":"skip"}"#),
        (
            "rstrnt-report-result a FAIL 1.5 --server=x --message=m --no-plugins",
            r#"{"name":"a","status":"fail","note":"m","score":1.5}"#,
        ),
        ("rstrnt-report-result a Info abc", r#"{"name":"a","status":"info","score":"abc"}"#),
        ("rstrnt-report-result a NONE -1", r#"{"name":"a","status":"info","score":-1}"#),
        ("rstrnt-report-result a PANIC", r#"{"name":"a","status":"error"}"#),
        ("rstrnt-report-result a GOOD", r#"{"name":"a","status":"error","note":"unknown result: GOOD"}"#),
        ("tmt-report-result / PASS", r#"{"name":"/the/test","status":"pass"}"#),
        ("rhts-report-result a PASS '' 0", r#"{"name":"a","status":"pass","score":0}"#),
        ("rhts-report-result -a FAIL /nonexistent", r#"{"name":"-a","status":"fail"}"#),
        ("rstrnt-report-result --rhts a WARN /nonexistent 7", r#"{"name":"a","status":"warn","score":7}"#),
    ];
    for host in Host::all() {
        let text: Vec<&str> = forms.iter().map(|(command, _)| *command).collect();
        let sent = host.sends(&text.join(" || exit\n"));
        let expected: Vec<&str> = forms.iter().map(|(_, result)| *result).collect();
        assert_eq!(sent.results[..forms.len()], expected, "{}", host.path);
    }
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for host in Host::all() {
        for command in [
            "tmt-report-result",
            "tmt-report-result a",
            "tmt-report-result --bad a PASS",
            "rstrnt-report-result a PASS -t",
            "rhts-report-result a",
            "tmt-file-submit",
            "tmt-file-submit -l",
            "tmt-reboot -x",
            "rstrnt-adjust-watchdog soon",
        ] {
            let (sent, output) = host.test(&format!("{command}; echo $?"));
            assert_eq!(output.stdout, b"2\n", "{command}: {output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("usage: "), "{command}: {output:?}");
            assert_eq!(sent.results, [r#"{"status":"pass","files":["output.txt"]}"#]);
        }
        let (_, output) = host.test("ATEX_TEST_CONTROL= tmt-report-result a PASS");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("tmt-report-result: only a running test can do this"), "{said}");
        let (sent, output) =
            host.test("tmt-file-submit -l /nonexistent -l /; echo $?; tmt-file-submit /etc/hostname");
        assert_eq!(output.stdout, b"1\n");
        assert_eq!(sent.files[0].0, "hostname");
    }
}

#[test]
fn names_of_any_bytes_are_quoted() {
    for host in Host::all() {
        for (name, expected) in [
            (r#"'a"b\c/d'"#, r#""a\"b\\c/d""#),
            (r"$'\t\n\1\177'", r#""\t\n\u0001\u007f""#),
            ("'ü€𝄞 ܀'", r#""ü€𝄞 ܀""#),
            // Cut, overlong, a surrogate, too large, alone.
            (r"$'\303x\340\200\200\355\240\200\364\220\200\200\377'", "\"�x���������\u{fffd}\u{fffd}\""),
            ("''", r#""""#),
        ] {
            let sent = host.sends(&format!("tmt-report-result -t {name} x pass"));
            let note = format!(r#"{{"name":"x","status":"pass","note":{expected}}}"#);
            let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let note = if name == "''" { r#"{"name":"x","status":"pass"}"#.to_owned() } else { note };
            assert_eq!(same(&sent.results[0]), same(&note), "{name} {}", host.path);
        }
    }
}

#[test]
fn the_test_itself_is_as_bad_as_its_worst_result() {
    for host in Host::all() {
        for (text, expected) in [
            ("tmt-report-result a PASS; tmt-report-result b FAIL; tmt-report-result c WARN", "fail"),
            ("tmt-report-result a SKIP", "skip"),
            ("tmt-report-result a SKIP; tmt-report-result b INFO", "info"),
            ("tmt-report-result a SKIP; tmt-report-result b PASS; exit 1", "pass"),
            ("tmt-report-result a PASS; tmt-report-result b WARN; tmt-report-result c PASS", "warn"),
            ("rhts-report-result a PASS ''; rhts-report-result b SKIP ''", "pass"),
            ("rhts-report-result a PASS ''; exit 3", "fail"),
            ("rhts-report-result a PASS ''; rhts-report-result b WARN ''", "fail"),
            ("rhts-report-result a FAIL ''; rhts-report-result b PASS ''", "fail"),
        ] {
            let (sent, _) = host.test(text);
            let own: Vec<&String> = sent.results.iter().filter(|result| !result.contains("name")).collect();
            assert_eq!(own, [&format!(r#"{{"status":"{expected}","files":["output.txt"]}}"#)], "{text}");
        }
    }
}

#[test]
fn files_come_with_results_and_alone() {
    for host in Host::all() {
        let sent = host.sends(
            "printf 'log\\0\\n' >'a \"log\"'; : >empty; printf 1 >one
             tmt-report-result -o 'a \"log\"' r PASS
             OUTPUTFILE=one rstrnt-report-result r PASS
             TMT_RESTRAINT_COMPATIBLE=0 OUTPUTFILE=one rstrnt-report-result r PASS
             rstrnt-report-result --outputfile=empty e PASS
             rstrnt-report-log -l one; rhts-submit-log -S x -T y -l empty; rhts_submit_log --filename one
             tmt-file-submit -l one one; rstrnt-report-log --server x --filename=empty
             tmt-file-submit <(echo piped) -l /proc/self/limits",
        );
        assert_eq!(sent.file("r/a \"log\""), b"log\0\n", "{}", host.path);
        assert_eq!(sent.file("r/resultoutputfile.log"), b"1", "once");
        assert_eq!((sent.file("e/empty"), sent.file("one")), (&b""[..], &b"1111"[..]));
        let piped = sent.files.iter().find(|(_, content)| content == b"piped\n");
        assert!(piped.is_some(), "{:?}", sent.files);
        assert!(sent.file("limits").starts_with(b"Limit"));
    }
}

#[test]
fn logs_that_repeat_what_beakerlib_printed_are_not_sent() {
    for host in Host::all() {
        let sent = host.sends(
            "printf '::\\n\\n:: [ PASS ] ::\\n' >tmp.journal; printf ':: x\\nmore\\n' >tmp.more; echo x >other
             rhts-report-result Setup PASS \"$PWD/other\" 0
             rhts-report-result phase PASS \"$PWD/tmp.journal\" 0
             rhts-report-result more PASS \"$PWD/tmp.more\" 0
             rhts-report-result own PASS \"$PWD/other\" 0
             rhts-submit-log -l \"$BEAKERLIB_DIR/journal.xml\"",
        );
        let names: Vec<&str> = sent.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["more/resultoutputfile.log", "own/other"], "{}", host.path);
    }
}

#[test]
fn a_file_that_changes_while_it_is_sent_does_not_break_the_stream() {
    for host in Host::all() {
        // head is ours here, and changes the file before the real one reads it.
        let text = |change: &str| {
            format!(
                "export REAL=$(command -v head) FILE=$PWD/file CHANGED=$PWD/changed
                 mkdir mine; printf 12345678 >file
                 cat >mine/head <<'X'
#!/bin/bash
[[ -e $CHANGED ]] || {change}
: >\"$CHANGED\"
exec \"$REAL\" \"$@\"
X
                 chmod 755 mine/head
                 PATH=$PWD/mine:$PATH tmt-file-submit file; tmt-report-result next PASS; rm -rf mine changed"
            )
        };
        let (sent, output) = host.test(&text("echo more >>\"$FILE\""));
        assert_eq!((sent.error.as_deref(), sent.file("file")), (None, &b"12345678"[..]), "{output:?}");
        assert_eq!(sent.results[0], r#"{"name":"next","status":"pass"}"#);
        let (sent, output) = host.test(&text("printf 123 >\"$FILE\""));
        assert_eq!((sent.error.as_deref(), sent.file("file")), (None, &b"123\0\0\0\0\0"[..]), "{output:?}");
        assert_eq!(sent.results[0], r#"{"name":"next","status":"pass"}"#);
        assert!(String::from_utf8_lossy(&output.stderr).contains("became shorter"), "{output:?}");
    }
}

#[test]
fn eight_processes_send_at_one_time() {
    for host in Host::all() {
        let sent = host.sends(
            "for p in 1 2 3 4 5 6 7 8; do
                 (
                     head -c ${p}0000 /dev/zero | tr '\\0' $p >file.$p
                     for ((i = 0; i < 100; i++)); do
                         tmt-report-result -o file.$p r$p-$i PASS || exit
                     done
                 ) &
             done
             wait",
        );
        assert_eq!(sent.results.len(), 801, "{}", host.path);
        for (p, byte) in (1..=8).zip(b"12345678") {
            for i in 0..100 {
                let content = sent.file(&format!("r{p}-{i}/file.{p}"));
                assert!(content.len() == p * 10_000 && content.iter().all(|b| b == byte), "r{p}-{i}");
            }
        }
    }
}

#[test]
fn a_lock_whose_holder_was_killed_is_taken_over() {
    for host in Host::all() {
        // As flock(1) would be missing there and here: a number that no process has, and one that another process has,
        // as after a reboot of the host.
        for holder in ["999999999.1.boot", "1.1.boot", "1"] {
            let script =
                format!("ln -s {holder} ../work/.held; tmt-report-result a PASS; rm -f ../work/.held");
            assert_eq!(host.sends(&script).results.len(), 2, "{holder}");
        }
    }
}

#[test]
fn data_of_the_test_is_sent_when_it_ends() {
    for host in Host::all() {
        let (sent, output) = host.test(
            "mkdir -p \"$TMT_TEST_DATA/sub dir\"; echo 1 >\"$TMT_TEST_DATA/a\"; echo 2 >\"$TMT_TEST_DATA/sub dir/.b\"
             ln -s / \"$TMT_TEST_DATA/root\"; set -eufx; PATH=",
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "+ PATH=\n", "nothing of ours is traced");
        let mut names: Vec<&str> = sent.files.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["data/a", "data/sub dir/.b"], "{}", host.path);
        assert_eq!(sent.results, [r#"{"files":["output.txt","data/a","data/sub dir/.b"],"status":"pass"}"#]);
        let (_, output) = host.test("exit 7");
        assert_eq!(output.status.code(), Some(7), "the status is the test's own");
        let left = host.sends(
            "for file in \"$TMT_TEST_DATA\"/* \"$TMT_TEST_DATA\"/.[!.]*; do [[ ! -e $file ]] || exit; done",
        );
        assert_eq!(left.files, [], "the next test finds nothing of it");
    }
}

#[test]
fn a_reboot_is_announced_before_it_happens() {
    for host in Host::all() {
        let (mut read, write) = std::io::pipe().unwrap();
        let start = "exec {ATEX_TEST_CONTROL}>&0 0</dev/null; export ATEX_TEST_CONTROL; . ../prelude fresh s0
                     exec ../bin/tmt-reboot -t 600 -e -c 'echo now; exit 3'";
        let mut command = host.bash(start);
        command.stdin(write);
        let child = command.spawn().unwrap();
        drop(command);
        let mut seen = Vec::new();
        while !seen.ends_with(b"disconnect\nnoop\nnoop\n") {
            let mut byte = [0];
            assert_eq!(read.read(&mut byte).unwrap(), 1, "{seen:?}");
            seen.push(byte[0]);
        }
        assert_eq!(seen, b"disconnect\nnoop\nnoop\n");
        // Only now the host goes down.
        drop(read);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.stdout, output.status.code()), (b"now\n".to_vec(), Some(1)));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("failed: the host is not rebooted"), "{said}");
        assert!(host.top().join("work/.rebooting").exists());
    }
}

#[test]
fn the_machine_of_the_user_is_not_rebooted() {
    for host in Host::all() {
        for name in ["tmt-reboot", "rstrnt-reboot", "rhts-reboot"] {
            let (sent, output) = host.test(&format!("export ATEX_REBOOT=no; {name}; echo $?"));
            assert_eq!((output.stdout, sent.words), (b"1\n".to_vec(), vec![]));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.starts_with(&format!("{name}: this is the machine that runs atex-exec")), "{said}");
        }
    }
}

#[test]
fn the_watchdog_is_the_tests_duration() {
    for host in Host::all() {
        let sent = host.sends("rstrnt-adjust-watchdog 1h; rstrnt-adjust-watchdog --port 1 90");
        assert_eq!(sent.words, ["Set(3600s)", "Set(90s)"]);
    }
}
