//! What tests written for tmt, restraint and beakerlib find on a host: commands, variables, a terminal.

use std::os::unix::fs::{PermissionsExt, symlink};

use atex_testkit::need;
use atex_testkit::sandbox::{Dir, Output};
use serde_json::{Value, json};

use crate::stream::{exec, note, of_type, printed, test, test_with, verdicts};

/// Results as `SUBTEST STATUS FILES`, in their order.
fn results(output: &Output) -> Vec<String> {
    let brief = |result: &Value| {
        let subtest = result["subtest"].as_str().unwrap_or("-");
        let files: Vec<&str> =
            result["files"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("{subtest} {} {}", result["status"].as_str().unwrap_or("-"), files.join(","))
    };
    of_type(output, "result").iter().map(brief).collect()
}

/// A shell library that calls the two hooks of beakerlib at the same places and in the same way as beakerlib does:
/// as unquoted words, the result with name, result, log and score at each end of a phase, the journal at the end.
const BEAKERLIB: &str = r#"
rlJournalStart() { mkdir -p "$BEAKERLIB_DIR"; : >>"$BEAKERLIB_DIR/journal.txt"; }
rlPhaseStart() { type=$1 phase=$2 failed=0 from=$(wc -l <"$BEAKERLIB_DIR/journal.txt"); rlLog "$2"; }
rlPhaseStartTest() { rlPhaseStart FAIL "${1:-Test}"; }
rlPhaseStartSetup() { rlPhaseStart WARN Setup; }
rlLog() { echo ":: [   LOG    ] :: $*" | tee -a "$BEAKERLIB_DIR/journal.txt"; }
rlRun() { if eval "$1"; then rlLog "PASS $1"; else rlLog "FAIL $1"; failed=$((failed + 1)); fi; }
rlReport() {
    local log=${4:-$OUTPUTFILE}
    [ -n "$TESTID" ] || return
    $BEAKERLIB_COMMAND_REPORT_RESULT "$1" "$2" "$log" "$3" || rlLog "rlReport failed"
}
rlFileSubmit() {
    local dir; dir=$(mktemp -d)
    ln -s "$(readlink -f "$1")" "$dir/${2:-$1}"
    $BEAKERLIB_COMMAND_SUBMIT_LOG -l "$dir/${2:-$1}"
    rm -rf "$dir"
}
rlPhaseEnd() {
    local result=PASS log; log=$(mktemp)
    [ "$failed" = 0 ] || result=$type
    tail -n +$((from + 1)) "$BEAKERLIB_DIR/journal.txt" >"$log"
    rlReport "${phase//[^[:alnum:]]/-}" "$result" "$failed" "$log"
    rm -f "$log"
}
rlJournalEnd() { $BEAKERLIB_COMMAND_SUBMIT_LOG -l "$BEAKERLIB_DIR/journal.xml" || rlLog "submit failed"; }
"#;

fn beakerlib(dir: &Dir, name: &str, text: &str) -> Value {
    dir.write("tree/beakerlib.sh", BEAKERLIB);
    let mut test = test_with(name, &format!(". ./beakerlib.sh\n{text}"), json!({"framework": "beakerlib"}));
    test["tree"] = dir.join("tree").to_str().unwrap().into();
    test
}

#[test]
fn beakerlib_tests_report_phases_and_files() {
    // The directory of the run on the host holds a blank here, and the hooks are called as unquoted words.
    for run in ["run", "a run"] {
        let dir = Dir::new();
        let tests = [
            beakerlib(
                &dir,
                "/pass",
                "rlJournalStart; rlPhaseStartSetup; rlRun true; rlPhaseEnd
                 rlPhaseStartTest; rlRun true; echo log >log.txt
                 rlReport 'with log' PASS 0 log.txt; rlFileSubmit log.txt 'custom name.txt'; rlPhaseEnd; rlJournalEnd",
            ),
            beakerlib(
                &dir,
                "/fail",
                "rlJournalStart; rlPhaseStartTest 'some phase'; rlRun false; rlPhaseEnd; rlJournalEnd",
            ),
            beakerlib(&dir, "/warn", "rlJournalStart; rlPhaseStartSetup; rlRun false; rlPhaseEnd; rlJournalEnd"),
            beakerlib(&dir, "/exit", "rlJournalStart; rlPhaseStartTest; exit 123"),
        ];
        let mut command = crate::stream::tool(&dir, "atex-exec");
        let output =
            command.args(["--run-dir", run, "--local", "1"]).stdin(crate::stream::lines(&tests)).run();
        output.code(1);
        assert_eq!(
            verdicts(&output),
            ["/exit fail test", "/fail fail test", "/pass pass test", "/warn fail test"]
        );
        assert_eq!(
            results(&output),
            [
                "Setup pass ",
                "with log pass log.txt",
                "Test pass ",
                "- pass output.txt,custom name.txt",
                "some-phase fail ",
                "- fail output.txt",
                "Setup warn ",
                "- fail output.txt",
                "- fail output.txt",
            ],
            "{}",
            output.report()
        );
        let extra: Vec<Value> = of_type(&output, "result").iter().map(|r| r["extra"].clone()).collect();
        assert_eq!(extra[4], json!({"score": 1}));
        let said = printed(&dir, &output, "/pass");
        assert!(!said.contains("failed"), "{said}");
    }
}

#[test]
fn results_and_files_by_the_commands_of_tmt() {
    let dir = Dir::new();
    let tests = [
        test("/worst", "tmt-report-result /one PASS; tmt-report-result /two WARN; exit 1"),
        test("/itself", "rstrnt-report-result $RSTRNT_TASKNAME PASS 5; echo x >f; tmt-file-submit -l f"),
        test("/data", "echo kept >$TMT_TEST_DATA/f; ls -d \"$TMT_PLAN_DATA\" >/dev/null"),
        test("/abort", "echo before; tmt-report-result /one PASS; tmt-abort; echo after"),
        test("/deaf", "trap 'echo cleaned' TERM; tmt-report-result /one PASS; tmt-abort; sleep 0.1; exit 0"),
    ];
    let output = exec(&dir, &["--local", "1"], &tests).run();
    output.code(1);
    assert_eq!(
        verdicts(&output),
        ["/abort error test", "/data pass test", "/deaf error test", "/itself pass test", "/worst warn test"]
    );
    let all = results(&output);
    for expected in ["/one pass ", "/two warn ", "- warn output.txt", "/itself pass ", "- pass output.txt,f"]
    {
        assert!(all.contains(&expected.to_owned()), "{expected}: {all:?}");
    }
    assert_eq!(dir.read("run/results/default/data/attempt-1/files/data/f"), "kept\n");
    let said = dir.read("run/results/default/abort/attempt-1/files/output.txt");
    assert_eq!(said, "before\n", "nothing after it is run");
    let aborted =
        of_type(&output, "result").into_iter().find(|r| r["test"] == "/abort" && r["status"] == "error");
    assert_eq!(aborted.unwrap()["note"], "aborted by the test");
}

#[test]
fn eight_processes_of_a_test_report_with_files() {
    let dir = Dir::new();
    let script = "for p in 1 2 3 4 5 6 7 8; do
        ( head -c 20000 /dev/zero | tr '\\0' $p >$p.log
          for ((i = 0; i < 25; i++)); do tmt-report-result -o $p.log r$p-$i PASS || exit; done ) &
        done; wait";
    let output = exec(&dir, &["--local", "1"], &[test("/many", script)]).run();
    output.success();
    assert_eq!(of_type(&output, "result").len(), 201);
    for p in 1..=8 {
        for i in 0..25 {
            let log = dir.read(format!("run/results/default/many/attempt-1/files/r{p}-{i}/{p}.log"));
            assert!(log.len() == 20_000 && log.bytes().all(|byte| byte == b'0' + p), "r{p}-{i}");
        }
    }
}

#[test]
fn the_users_own_machine_is_not_rebooted() {
    let dir = Dir::new();
    let output = exec(&dir, &["--local", "1"], &[test("/reboot", "tmt-reboot -c 'echo rebooted'")]).run();
    output.code(1);
    let said = printed(&dir, &output, "/reboot");
    assert_eq!(
        said,
        "tmt-reboot: this is the machine that runs atex-exec (a local host): tests must not reboot it\n"
    );
}

#[test]
fn destructive_tests_are_not_for_the_users_own_machine() {
    let dir = Dir::new();
    let tests = [
        test_with("/bad", "touch \"$OLDPWD/done\"", json!({"tag": ["slow", "destructive"]})),
        test_with("/good", "true", json!({"tag": "slow"})),
    ];
    let output = exec(&dir, &["--local", "2"], &tests).run();
    output.code(3);
    assert_eq!(verdicts(&output), ["/bad infra host", "/good pass test"]);
    let why = "no host matches: a test tagged `destructive` is not run on a local host";
    assert_eq!(note(&output, "/bad"), why);
}

#[test]
fn variables_of_the_caller_reach_tests_and_no_one_else() {
    let dir = Dir::new();
    dir.write("secrets", "# none of your business\nexport TOKEN='hunter 2'\nFROM_FILE=file-value OWN=file\n");
    let script = "printf '%s|' \"$TOKEN\" \"$NAMED\" \"$TYPED\" \"$OWN\" \"$TMT_TREE\" | tr ' ' _
        echo; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -cE 'hunter [2]|named[-]value|file[-]value'";
    let mut test = test_with("/env", script, json!({"environment": {"OWN": "test", "TOKEN": "test"}}));
    test["data"]["test"] = format!("{script} || true").into();
    let mut command = exec(
        &dir,
        &[
            "--local",
            "1",
            "--env",
            "NAMED",
            "--env",
            "TYPED=a=b",
            "--env-file",
            "secrets",
            "--env",
            "TMT_TREE=x",
        ],
        &[test],
    );
    let output = command.env("NAMED", "named-value").run();
    output.success();
    let said = printed(&dir, &output, "/env");
    assert!(said.starts_with("hunter_2|named-value|a=b|file|/") && said.ends_with("|\n0\n"), "{said}");
    let kept: Value = serde_json::from_str(&dir.read("run/env.json")).unwrap();
    assert_eq!(
        kept,
        json!({"TOKEN": "hunter 2", "FROM_FILE": "file-value", "OWN": "file", "NAMED": "named-value"})
    );
    assert_eq!(dir.join("run/env.json").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let called: Value = serde_json::from_str(&dir.read("run/run.json")).unwrap();
    assert_eq!(
        called["env"],
        json!({"TOKEN": "***", "FROM_FILE": "***", "OWN": "***", "NAMED": "***", "TYPED": "a=b", "TMT_TREE": "x"})
    );
    for file in ["run/run.json", "run/journal.jsonl", "run/tests.jsonl"] {
        let text = dir.read(file);
        for secret in ["hunter 2", "named-value", "file-value"] {
            assert!(!text.contains(secret), "{file}: {text}");
        }
    }
    assert!(!output.stdout.contains("hunter 2") && !output.stderr.contains("hunter"));
}

#[test]
fn variables_that_cannot_be_had_are_refused() {
    let dir = Dir::new();
    dir.write("bad", "A=1\nhunter2\n");
    for (arguments, expected) in [
        (["--env", "NOT_SET"], "--env: NOT_SET: not set in the environment of atex-exec"),
        (["--env", "1=x"], "--env: `1`: expected the name of a variable"),
        (["--env-file", "bad"], "--env-file: bad:2: expected NAME=VALUE"),
        (["--env-file", "missing"], "--env-file: missing: No such file or directory"),
    ] {
        let output = exec(&dir, &arguments, &[]).run();
        output.code(2).stderr_has(expected);
        assert!(!output.stderr.contains("hunter"));
        assert!(!dir.join("run").exists(), "found before anything is done");
    }
}

#[test]
fn the_path_of_a_test_is_from_the_root_of_its_tree() {
    let dir = Dir::new();
    dir.write("tree/deep/here/f", "found");
    dir.write("tree/meta/f", "beside the metadata");
    let mut tests = [
        test_with("/path", "cat f", json!({"path": "/deep/here"})),
        test("/dir", "cat f"),
        test_with("/no", "cat f", json!({"path": "/nowhere"})),
    ];
    for test in &mut tests {
        test["tree"] = dir.join("tree").to_str().unwrap().into();
        test["dir"] = "meta".into();
    }
    let output = exec(&dir, &["--local", "1"], &tests).run();
    output.code(1);
    assert_eq!(verdicts(&output), ["/dir pass test", "/no fail test", "/path pass test"]);
    assert_eq!(
        (printed(&dir, &output, "/path").as_str(), printed(&dir, &output, "/dir").as_str()),
        ("found", "beside the metadata")
    );
    assert!(printed(&dir, &output, "/no").contains("/nowhere: No such file or directory"));
}

/// What a test sees of its terminal.
const TERMINAL: &str = r#"tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size; echo "$TERM"
    read -r line || echo "end of input"; printf 'note still here\n' >&"$ATEX_TEST_CONTROL"
    ! grep -qE 'SigIgn:.*[^0]....$' /proc/self/status || grep SigIgn /proc/self/status
    tmt-report-result sub PASS; for i in {1..20000}; do echo "line $i"; done; exit 5"#;

#[test]
fn a_terminal_where_one_is_asked_for() {
    // The programs that can make one, the best first; those before each are out of sight.
    for (number, program) in ["script", "python3", "perl", "none"].into_iter().enumerate() {
        let dir = Dir::new();
        let bin = hidden(&dir, &["script", "python3", "perl"][..number.min(3)]);
        let test = test_with("/tty", TERMINAL, json!({"tty": true, "environment": {"TERM": "dumb"}}));
        let plain = test_with("/plain", "tty || true; echo \"$TERM\"", json!({"tty": false}));
        let mut command = exec(&dir, &["--local", "1", "--infra-retries", "0"], &[test, plain]);
        command.env("PATH", bin.to_str().unwrap()).env("SHELL", "/bin/sh");
        if program == "perl" {
            let Some(library) = need(io_pty(), || std::env::var("PERL5LIB").unwrap_or_default()) else {
                continue;
            };
            command.env("PERL5LIB", library);
        }
        let output = command.run();
        assert!(printed(&dir, &output, "/plain").starts_with("not a tty\n"), "{}", output.report());
        if program == "none" {
            output.code(3);
            assert_eq!(verdicts(&output), ["/plain pass test", "/tty infra host"]);
            assert_eq!(note(&output, "/tty"), "local/1: tty: true needs script(1)");
            continue;
        }
        output.success();
        let end = of_type(&output, "test-end").into_iter().find(|end| end["test"] == "/tty").unwrap();
        assert_eq!(
            (&end["exit"], &end["outcome"]),
            (&json!(5), &json!("pass")),
            "{program}: {}",
            output.report()
        );
        assert_eq!(of_type(&output, "test-note")[0]["note"], "still here");
        let said = printed(&dir, &output, "/tty").replace("\r\n", "\n");
        let mut lines = said.lines();
        assert!(lines.next().unwrap().starts_with("/dev/pts/"), "{program}: {said}");
        assert_eq!(
            lines.by_ref().take(3).collect::<Vec<_>>(),
            ["24 80", "dumb", "end of input"],
            "{program}"
        );
        assert_eq!(said.lines().last(), Some("line 20000"), "{program}: nothing is lost");
        assert_eq!(said.lines().count(), 20_004, "{program}");
    }
}

#[test]
fn a_test_in_a_terminal_is_killed_whole() {
    let dir = Dir::new();
    let script = "trap '' HUP; sleep 1000 & echo $! >\"$OLDPWD/pid\"; echo \"$TERM\"; sleep 1000";
    let test = test_with("/slow", script, json!({"tty": true, "duration": "1s"}));
    let output = exec(&dir, &["--local", "1"], &[test]).run();
    output.code(1);
    assert_eq!(note(&output, "/slow"), "duration limit of 1s reached");
    assert_eq!(printed(&dir, &output, "/slow"), "vt100\r\n");
}

/// A directory with links to the programs of this system but these.
fn hidden(dir: &Dir, programs: &[&str]) -> std::path::PathBuf {
    let bin = dir.join("bin");
    std::fs::create_dir(&bin).unwrap();
    for from in ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"] {
        for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !programs.iter().any(|program| *program == name) {
                // The first of a name is the one that counts.
                let _ = symlink(entry.path(), bin.join(name));
            }
        }
    }
    bin
}

/// Whether perl can make terminals.
fn io_pty() -> Result<(), String> {
    let found = std::process::Command::new("perl").args(["-MIO::Pty", "-e", "1"]).output();
    let has = found.is_ok_and(|output| output.status.success());
    if has { Ok(()) } else { Err("perl's module IO::Pty is not installed".into()) }
}
