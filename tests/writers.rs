//! The libraries for those who write tests, scripts/lib/: under atex-exec, and where there is no test control.

use std::path::Path;

use atex_testkit::need;
use atex_testkit::sandbox::{Command, Dir, Output};
use serde_json::{Value, json};

use crate::stream::{exec, note, of_type, printed, test_with};

/// A language, how a test in it is run, and what it needs.
const LANGUAGES: [(&str, &str); 4] = [
    ("bash", "bash t.sh"),
    ("dash", "dash t.sh"),
    ("busybox", "busybox sh t.sh"),
    ("python3", "python3 t.py"),
];

/// The same test in both libraries.
const SHELL: &str = r#"
. ./atex-test.sh
printf 'some\ntext' >log.txt
: >empty
atex_report pass ipv4
atex_report fail 'ipv6 "a" \b' 'two
lines, é' log.txt empty /proc/self/comm
(atex_report warn 'of a subshell')
atex_file log.txt
atex_note 'half way, é'
atex_duration +60
atex_end
"#;
const PYTHON: &str = r#"
import os, atex_test
with open("log.txt", "w") as file:
    file.write("some\ntext")
open("empty", "w").close()
with atex_test.subtest("ipv4"):
    assert True
atex_test.report("fail", 'ipv6 "a" \\b', "two lines, é", ["log.txt", ("empty", b""), "/proc/self/comm"])
if os.fork() == 0:
    atex_test.report("warn", "of a subshell")
    os._exit(0)
os.wait()
atex_test.file("log.txt")
atex_test.note("half way, é")
atex_test.duration("+60")
atex_test.end()
"#;

fn libraries(dir: &Dir) {
    for name in ["atex-test.sh", "atex_test.py"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lib").join(name);
        std::fs::copy(&from, dir.write(format!("tree/{name}"), "")).unwrap();
    }
}

/// A tree with the libraries and a test in each language, of those that are there.
fn tree(dir: &Dir, shell: &str, python: &str) -> Vec<(&'static str, &'static str)> {
    libraries(dir);
    dir.write("tree/t.sh", shell);
    dir.write("tree/t.py", python);
    LANGUAGES.into_iter().filter(|(program, _)| is_there(program)).collect()
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).exists());
    need(found.then_some(()).ok_or(format!("{program} is not installed")), || ()).is_some()
}

/// A test of that tree.
fn of_tree(dir: &Dir, name: &str, command: &str) -> Value {
    let mut test = test_with(name, command, json!({"duration": 60}));
    test["tree"] = dir.join("tree").to_str().unwrap().into();
    test
}

/// Results of one test as `SUBTEST STATUS NOTE FILES`.
fn results(output: &Output, test: &str) -> Vec<String> {
    let brief = |result: &Value| {
        let word = |key: &str| result[key].as_str().unwrap_or("-").to_owned();
        let files: Vec<&str> = result["files"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        format!("{} {} {} {}", word("subtest"), word("status"), word("note"), files.join(","))
    };
    of_type(output, "result").iter().filter(|result| result["test"] == test).map(brief).collect()
}

#[test]
fn results_files_and_notes_under_atex_exec() {
    let dir = Dir::new();
    let languages = tree(&dir, SHELL, PYTHON);
    let tests: Vec<Value> =
        languages.iter().map(|(name, command)| of_tree(&dir, &format!("/{name}"), command)).collect();
    let output = exec(&dir, &["--local", "4"], &tests).run();
    output.code(1);
    for (name, _) in &languages {
        let test = format!("/{name}");
        assert_eq!(
            results(&output, &test),
            [
                "ipv4 pass - ",
                "ipv6 \"a\" \\b fail two lines, é comm,empty,log.txt",
                "of a subshell warn - ",
                "- fail - output.txt,log.txt"
            ],
            "{}",
            output.report()
        );
        let end = of_type(&output, "test-end").into_iter().find(|end| end["test"] == test.as_str()).unwrap();
        assert_eq!((&end["exit"], &end["cause"]), (&json!(1), &json!("test")));
        let files = format!("run/results/default/{name}/attempt-1/files");
        assert_eq!(dir.read(format!("{files}/log.txt")), "some\ntext");
        assert_eq!(dir.read(format!("{files}/ipv6 \"a\" \\b/log.txt")), "some\ntext");
        assert_eq!(dir.read(format!("{files}/ipv6 \"a\" \\b/empty")), "");
        assert!(!dir.read(format!("{files}/ipv6 \"a\" \\b/comm")).is_empty(), "it says that it is empty");
    }
    let notes: Vec<Value> =
        of_type(&output, "test-note").into_iter().map(|note| note["note"].clone()).collect();
    assert_eq!(notes, vec![json!("half way, é"); languages.len()]);
}

#[test]
fn the_time_limit_is_what_the_test_says() {
    let dir = Dir::new();
    let languages = tree(
        &dir,
        ". ./atex-test.sh; atex_duration 1s; sleep 1000",
        "import time, atex_test\natex_test.duration('1s')\ntime.sleep(1000)",
    );
    let tests: Vec<Value> =
        languages.iter().map(|(name, command)| of_tree(&dir, &format!("/{name}"), command)).collect();
    let output = exec(&dir, &["--local", "4"], &tests).run();
    output.code(1);
    for (name, _) in languages {
        assert_eq!(note(&output, &format!("/{name}")), "duration limit of 1s reached", "{}", output.report());
    }
}

#[test]
fn a_result_for_the_test_itself_goes_before_those_of_subtests() {
    let dir = Dir::new();
    let languages = tree(
        &dir,
        ". ./atex-test.sh; atex_report fail one; atex_report pass '' 'known'; atex_end",
        "import atex_test\natex_test.report('fail', 'one')\natex_test.report('pass', note='known', score=3)\natex_test.end()",
    );
    let tests: Vec<Value> =
        languages.iter().map(|(name, command)| of_tree(&dir, &format!("/{name}"), command)).collect();
    let output = exec(&dir, &["--local", "2"], &tests).run();
    output.success();
    for (name, command) in languages {
        assert_eq!(results(&output, &format!("/{name}")), ["one fail - ", "- pass known "]);
        by_hand(&dir, command).run().success();
    }
    let scores: Vec<Value> = of_type(&output, "result").iter().map(|r| r["extra"]["score"].clone()).collect();
    assert!(scores.contains(&json!(3)), "{}", output.report());
}

#[test]
fn processes_of_one_test_do_not_mix_their_messages() {
    let dir = Dir::new();
    let shell = ". ./atex-test.sh; head -c 300000 /dev/urandom >data
        for i in 1 2 3 4 5 6 7 8; do { atex_report pass $i '' data; tmt-report-result -o data r$i PASS; } & done; wait; atex_end";
    let python = "import os, atex_test\ndata = bytes(300000)\n\
        for i in range(16):\n  if os.fork() == 0:\n    atex_test.report('pass', str(i), files=[('data', data)])\n    os._exit(0)\n\
        for i in range(16):\n  os.wait()\natex_test.end()";
    let languages = tree(&dir, shell, python);
    let tests: Vec<Value> =
        languages.iter().map(|(name, command)| of_tree(&dir, &format!("/{name}"), command)).collect();
    let output = exec(&dir, &["--local", "2"], &tests).run();
    output.success();
    for (name, _) in languages {
        let all = results(&output, &format!("/{name}"));
        assert_eq!(all.iter().filter(|result| result.ends_with(" data")).count(), 16, "{all:?}");
    }
}

#[test]
fn reboots_go_through_test_control() {
    let dir = Dir::new();
    // As if the host went down: the test is killed with all that belongs to it.
    let down = "kill -KILL -- -$(cat $BEAKERLIB_DIR/.leader)";
    let shell = format!(
        ". ./atex-test.sh\natex_report fail before-$(atex_reboots)\n\
         [ $(atex_reboots) = 1 ] || {{ export ATEX_REBOOT=yes; atex_reboot '{down}'; }}\natex_end"
    );
    let python = format!(
        "import os, atex_test\natex_test.report('fail', 'before-%d' % atex_test.reboots())\n\
         if atex_test.reboots() == 0:\n  os.environ['ATEX_REBOOT'] = 'yes'\n  atex_test.reboot('{down}')\natex_test.end()"
    );
    let languages = tree(&dir, &shell, &python);
    let tests: Vec<Value> =
        languages.iter().map(|(name, command)| of_tree(&dir, &format!("/{name}"), command)).collect();
    let output = exec(&dir, &["--local", "2", "--reboot-grace", "0"], &tests).run();
    output.code(1);
    for (name, _) in languages {
        assert_eq!(
            results(&output, &format!("/{name}")),
            ["before-0 fail - ", "before-1 fail - ", "- fail - output.txt"],
            "{}",
            output.report()
        );
    }
}

#[test]
fn the_users_own_machine_is_not_rebooted() {
    let dir = Dir::new();
    let languages = tree(
        &dir,
        ". ./atex-test.sh; atex_reboot 'echo rebooted' || echo refused",
        "import atex_test\ntry:\n  atex_test.reboot('echo rebooted')\nexcept OSError:\n  print('refused')",
    );
    let tests: Vec<Value> =
        languages.iter().map(|(name, command)| of_tree(&dir, &format!("/{name}"), command)).collect();
    let output = exec(&dir, &["--local", "2"], &tests).run();
    output.success();
    for (name, command) in languages {
        let said = printed(&dir, &output, &format!("/{name}"));
        assert!(said.ends_with("refused\n") && !said.contains("rebooted\n"), "{said}");
        by_hand(&dir, command).run().success().stdout_is("refused\n");
    }
}

/// A test that somebody starts, without test control.
fn by_hand(dir: &Dir, command: &str) -> Command {
    let mut shell = dir.command("bash");
    shell.args(["-c", command]).current_dir(dir.join("tree"));
    shell
}

#[test]
fn without_test_control_results_are_printed_and_the_exit_status_counts() {
    let dir = Dir::new();
    let languages = tree(&dir, SHELL, PYTHON);
    for (_, command) in &languages {
        let output = by_hand(&dir, command).run();
        output.code(1).stdout_is(&format!(
            "pass ipv4\nfail ipv6 \"a\" \\b: two{}lines, é\nfile: {}\nwarn of a subshell\nfile: log.txt\nhalf way, é\n",
            if command.contains("py") { " " } else { "\n" },
            if command.contains("py") { "log.txt\nfile: empty\nfile: comm" } else { "log.txt\nfile: empty\nfile: /proc/self/comm" },
        ));
        // As under tmt, which collects files.
        let data = dir.join("data");
        std::fs::create_dir_all(&data).unwrap();
        by_hand(&dir, command).env("TMT_TEST_DATA", &data).run().code(1);
        let mut kept: Vec<_> =
            std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["comm", "empty", "log.txt"]);
        std::fs::remove_dir_all(&data).unwrap();
    }
    let left = std::fs::read_dir(dir.path().parent().unwrap().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "nothing stays in TMPDIR");
}

/// Under an executor that speaks test control and has no commands for tests: the Python ATEX.
#[test]
fn where_there_are_no_commands_for_tests() {
    let dir = Dir::new();
    let languages = tree(
        &dir,
        ". ./atex-test.sh; atex_note text; atex_report pass \"$(printf 'a\\377b')\"; atex_reboot 'echo rebooted; kill -KILL $$'",
        "import atex_test\natex_test.note('text')\natex_test.report('pass', 'a\\udcffb')\n\
         atex_test.reboot('echo rebooted; kill -KILL $PPID')",
    );
    for (name, command) in languages {
        // The reader goes away after `disconnect`, as an executor does.
        let reader = r"sed '/}disconnect$/q'";
        let script = format!("{{ ATEX_TEST_CONTROL=12 {command} 12>&1 >out 2>/dev/null || :; }} | {reader}");
        let output = by_hand(&dir, &script).run();
        let said = if name == "python3" { "a?b" } else { "ab" };
        let keys = if name == "python3" {
            format!(r#"{{"status": "pass", "name": "{said}"}}"#)
        } else {
            format!(r#"{{"status":"pass","name":"{said}"}}"#)
        };
        output.success().stdout_is(&format!("result {}\n{keys}disconnect\n", keys.len()));
        assert_eq!(dir.read("tree/out"), "text\nrebooted\n", "{name}");
    }
}

#[test]
fn a_status_that_there_is_not_is_refused() {
    let dir = Dir::new();
    let shell = ". ./atex-test.sh; atex_report failed one";
    for (_, command) in tree(&dir, shell, "import atex_test\natex_test.report('failed', 'one')") {
        let output = by_hand(&dir, command).run();
        assert_ne!(output.status.code(), Some(0));
        output.stdout_is("").stderr_has("'failed': expected");
    }
}

/// The oldest Python that is said to do.
#[test]
fn the_module_is_python_3_6() {
    if !is_there("python3") {
        return;
    }
    let dir = Dir::new();
    libraries(&dir);
    let check = "import ast; ast.parse(open('tree/atex_test.py').read(), feature_version=(3, 6))";
    dir.command("python3").args(["-c", check]).run().success();
}
