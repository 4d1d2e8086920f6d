//! Comparing, sorting, waiving, gates, archives, and following what grows.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use atex_report::with_args;
use serde_json::{Value, json};

/// stdout, what was said, and the exit status.
fn output(args: &[&str]) -> (String, Vec<String>, u8) {
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let exit = match with_args(args, &mut out, &mut |message| said.push(message.to_owned())) {
        Ok(exit) => exit.code(),
        Err(failure) => {
            said.push(failure.message.clone());
            failure.kind.exit().code()
        }
    };
    (String::from_utf8(out).unwrap(), said, exit)
}

const TIME: &str = "2026-11-21T20:00:00.000Z";

/// One test: its name, its own status, how long it took, and its subtests with their statuses and notes.
type Made<'a> = (&'a str, &'a str, f64, &'a [(&'a str, &'a str, &'a str)]);

/// The stream of a complete run on a platform.
fn stream(run: &str, platform: &str, tests: &[Made<'_>]) -> String {
    let mut lines = vec![json!({"type":"job-start","time":TIME,"run":run,"dir":"/r","version":"0"})];
    for (test, status, seconds, subtests) in tests {
        let of = |value: Value| {
            let mut line = json!({"type":"","time":TIME,"run":run,"platform":platform,"test":test,"attempt":1,"host":"h"});
            line.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            line
        };
        lines.push(of(json!({"type":"test-start"})));
        for (n, (subtest, status, note)) in subtests.iter().enumerate() {
            lines.push(of(
                json!({"type":"result","subtest":subtest,"status":status,"note":note,"files":[],"n":n + 1}),
            ));
        }
        lines.push(of(json!({"type":"result","status":status,"files":[],"n":subtests.len() + 1})));
        lines.push(of(json!({"type":"test-end","outcome":status,"cause":"test","seconds":seconds,"counts":{},"final":true})));
    }
    lines.push(
        json!({"type":"job-end","time":TIME,"run":run,"dir":"/r","counts":{},"unsettled":0,"seconds":1.0}),
    );
    let failed = tests.iter().any(|made| matches!(made.1, "fail" | "error"));
    lines.push(json!({"type":"end","tool":"atex-exec","complete":true,"exit":u8::from(failed)}));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.path().join(name), text).unwrap();
        self.path(name)
    }
}

fn some_runs(dir: &Dir) -> (String, String) {
    let old = stream(
        "old",
        "p",
        &[
            ("/fixed", "fail", 1.0, &[]),
            ("/gone", "pass", 1.0, &[]),
            ("/net", "fail", 2.0, &[("a", "fail", "refused"), ("b", "pass", ""), ("c", "fail", "same")]),
            ("/slow", "pass", 10.0, &[]),
            ("/turns", "pass", 1.0, &[]),
        ],
    );
    let new = stream(
        "new",
        "p",
        &[
            ("/turns", "fail", 1.0, &[]),
            ("/slow", "pass", 30.0, &[]),
            ("/net", "fail", 2.0, &[("a", "fail", "timed out"), ("b", "fail", "new"), ("c", "fail", "same")]),
            ("/fixed", "pass", 1.0, &[]),
            ("/added", "pass", 1.0, &[]),
        ],
    );
    (dir.write("old", &old), dir.write("new", &new))
}

#[test]
fn each_difference_has_its_kind() {
    let dir = Dir::new();
    let (old, new) = some_runs(&dir);
    let (text, said, exit) = output(&["diff", "--json", &old, &new]);
    assert_eq!((said, exit), (vec![], 1));
    let found: Vec<String> = text
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let subtest = line["subtest"].as_str().unwrap_or("-");
            format!("{} {} {subtest}", line["change"].as_str().unwrap(), line["test"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        found,
        [
            "added /added -",
            "fixed /fixed -",
            "removed /gone -",
            "note-changed /net a",
            "new-failure /net b",
            "still-failing /net c",
            "still-failing /net -",
            "slower /slow -",
            "new-failure /turns -",
        ]
    );
    let (text, _, exit) = output(&["diff", &old, &new]);
    assert!(text.starts_with("New failures (2)\n  /net b [p]: pass, now fail: new\n"), "{text}");
    assert!(text.ends_with("2 new failures, 1 still failing, with another note, 2 still failing, 1 fixed, 1 slower, 1 added, 1 removed\n"), "{text}");
    assert_eq!(exit, 1);
    let (text, _, exit) = output(&["diff", &old, &old]);
    assert_eq!(exit, 0, "{text}");
    let (_, _, exit) = output(&["diff", &old, "/nonexistent"]);
    assert_eq!(exit, 2);
}

#[test]
fn what_failed_in_a_baseline_and_passed_in_another_is_flaky() {
    let dir = Dir::new();
    let (old, new) = some_runs(&dir);
    let other = dir.write(
        "other",
        &stream(
            "other",
            "p",
            &[
                ("/turns", "fail", 1.0, &[]),
                ("/net", "fail", 1.0, &[("a", "fail", "x"), ("b", "error", "x"), ("c", "fail", "same")]),
            ],
        ),
    );
    let (text, _, exit) = output(&["diff", "--baseline", &other, &old, &new]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("Flaky (2)\n"), "{text}");
}

#[test]
fn the_order_of_lines_and_repeats_change_no_difference() {
    let dir = Dir::new();
    let (old, new) = some_runs(&dir);
    let expected = output(&["diff", "--json", &old, &new]);
    let text = fs::read_to_string(&new).unwrap();
    let mut lines: Vec<&str> = text.lines().chain(text.lines()).collect();
    lines.reverse();
    let mixed = dir.write("mixed", &(lines.join("\n") + "\n"));
    assert_eq!(output(&["diff", "--json", &old, &mixed]), expected);
    let sorted = dir.path("sorted.zst");
    assert_eq!(output(&["sort", "-o", &sorted, &mixed]).2, 0);
    assert_eq!(output(&["diff", "--json", &old, &sorted]), expected);
    // Sorted again, nothing changes; and what was said of it is the same.
    let (once, _, _) = output(&["sort", &sorted]);
    let again = dir.write("again", &once);
    assert_eq!(output(&["sort", &again]).0, once);
    assert_eq!(output(&["check", &again]).2, output(&["check", &new]).2);
    assert_eq!(
        once.lines().count(),
        text.lines().count() + 3,
        "other records may come twice: job-start, job-end, end"
    );
}

const WAIVERS: &str = "\
- test: /net
  subtest: a|b
  note: .*(refused|new).*
  issue: https://example.org/1
  owner: net
  until: '2027-01-31'
- test: /net
  subtest: c
  when: platform == 'p' and note.startswith('same')
- test: /turns
  until: 2020-01-01
- test: /slow
  strict: true
- test: /never
";

#[test]
fn waivers_label_and_change_nothing() {
    let dir = Dir::new();
    let (old, _) = some_runs(&dir);
    let waivers = dir.write("w.yaml", WAIVERS);
    let before = fs::read_to_string(&old).unwrap();
    let (after, said, exit) = output(&["waive", "-f", &waivers, &old]);
    assert_eq!(exit, 0);
    assert_eq!(
        said,
        [
            format!("{waivers}:10: is not used"),
            format!("{waivers}:12: expected a failure, and met a success 1 times"),
            format!("{waivers}:14: is not used"),
        ]
    );
    let mut labelled = Vec::new();
    for (line, was) in after.lines().zip(before.lines()) {
        let (mut line, was): (Value, Value) =
            (serde_json::from_str(line).unwrap(), serde_json::from_str(was).unwrap());
        if let Some(label) = line.as_object_mut().unwrap().shift_remove("waived") {
            labelled.push((
                line["subtest"].as_str().unwrap_or("-").to_owned(),
                label["by"].as_str().unwrap().to_owned(),
            ));
        }
        assert_eq!(line, was);
    }
    assert_eq!(labelled, [("a".into(), format!("{waivers}:1")), ("c".into(), format!("{waivers}:7"))]);
    assert_eq!(output(&["waive", "--strict", "-f", &waivers, &old]).2, 1);
}

#[test]
fn failures_that_are_waived_do_not_count() {
    let dir = Dir::new();
    let run = dir.write(
        "run",
        &stream("r", "rhel-9.4", &[("/a", "fail", 1.0, &[("s", "fail", "known")]), ("/b", "pass", 1.0, &[])]),
    );
    assert_eq!(output(&["check", &run]).2, 1);
    let waivers = dir.write(
        "waivers",
        "# known\n/a(/s)?\n    rhel == 9 and status == 'fail'\n/b\n    Match(rhel > 8, sometimes=True)\n",
    );
    let (labelled, said, _) = output(&["waive", "--file", &waivers, &run]);
    assert_eq!(said, [format!("{waivers}:4: is not used")]);
    let labelled = dir.write("labelled", &labelled);
    assert_eq!(output(&["check", &labelled]), (String::new(), vec![], 0));
    assert_eq!(output(&["check", "--fail-on=fail", &labelled]).2, 0);
    let (text, _, exit) = output(&["summary", &labelled]);
    assert!(exit == 0 && text.contains("waived"), "{text}");
    // Only one of two is known: the test fails.
    let waivers = dir.write("some", "/a/s\n    True\n");
    let some = dir.write("labelled", &output(&["waive", "--file", &waivers, &run]).0);
    assert_eq!(output(&["check", &some]).2, 1);
}

#[test]
fn waivers_that_cannot_be_read_are_named_by_their_place() {
    let dir = Dir::new();
    let (old, _) = some_runs(&dir);
    for (text, message) in [
        ("- test: /a\n  unknown: 1\n", ":1: unknown field `unknown`"),
        ("- subtest: /a\n", ":1: missing field `test`"),
        ("- test: /a\n- test: '('\n", ":2: test: "),
        ("- test: /a\n  when: status ==\n", ":1: when: "),
        ("- test: /a\n  until: soon\n", ":1: until: expected a day such as 2027-01-31, found soon"),
        ("- test: /a\n  status: pass\n", ":1: status: expected fail or error, found pass"),
        ("- test: [\n", ": expected a list of waivers"),
        ("/a\n", ":1: expected an expression below"),
    ] {
        let waivers = dir.write("w", text);
        let (out, said, exit) = output(&["waive", "-f", &waivers, &old]);
        assert_eq!((out.as_str(), exit), ("", 2), "{text}");
        assert!(said[0].contains(message), "{text}: {said:?}");
    }
}

#[test]
fn gates() {
    let dir = Dir::new();
    let (old, new) = some_runs(&dir);
    let good = dir.write("good", &stream("good", "p", &[("/a", "pass", 1.0, &[]), ("/b", "skip", 1.0, &[])]));
    let bad = dir.write("bad", &stream("bad", "p", &[("/a", "warn", 1.0, &[]), ("/b", "error", 1.0, &[])]));
    let flaky = dir.write("turns", &stream("t", "p", &[("/turns", "fail", 1.0, &[])]));
    for (args, exit) in [
        (&["--fail-on=error", &good][..], 0),
        (&["--fail-on=error,fail", &bad], 1),
        (&["--fail-on=fail", &bad], 0),
        (&["--fail-on=warn", &bad], 1),
        (&["--min-pass=1", &good], 0),
        (&["--min-pass=2", &good], 1),
        (&["--min-pass=100%", &good], 0),
        (&["--min-pass=60%", "--fail-on=infra", &bad], 1),
        (&["--min-pass=50%", "--fail-on=infra", &bad], 0),
        (&["--new-only", &old, &old], 0),
        (&["--new-only", &old, &new], 1),
        (&["--new-only", &flaky, &flaky], 0),
        // Whatever their order: it has passed before, too.
        (&["--new-only", &old, "--new-only", &flaky, &flaky], 1),
        (&["--new-only", &flaky, "--new-only", &old, &flaky], 1),
        (&["--allow-flaky", "--new-only", &old, "--new-only", &flaky, &flaky], 0),
        (&["--allow-flaky", "--new-only", &flaky, "--new-only", &old, &flaky], 0),
        (&["--allow-flaky", "--new-only", &old, &flaky], 1),
        (&["--new-only", &new, &old], 1),
        (&["--min-pass=x", &good], 2),
        (&["--allow-flaky", &good], 2),
    ] {
        let (out, said, found) = output(&[&["check"], args].concat());
        assert_eq!((out.as_str(), found), ("", exit), "{args:?}: {said:?}");
        assert_eq!(said.len(), usize::from(exit > 0), "{args:?}: one line of why: {said:?}");
    }
    // What is cut off is refused whatever the gate.
    let cut = fs::read_to_string(&good).unwrap().lines().take(3).collect::<Vec<_>>().join("\n");
    let cut = dir.write("cut", &cut);
    assert_eq!(output(&["check", "--fail-on=fail", &cut]).2, 4);
}

#[test]
fn a_side_without_tests_or_without_its_end_is_no_comparison() {
    let dir = Dir::new();
    let (old, new) = some_runs(&dir);
    let half =
        fs::read_to_string(&new).unwrap().lines().take(3).map(|line| format!("{line}\n")).collect::<String>();
    let half = dir.write("half", &half);
    for (args, exit, message) in [
        (&[&*old, "/dev/null"][..], 2, "the runs after: no test found (--allow-empty makes it a success)"),
        (&["/dev/null", &*new], 2, "the runs before: no test found (--allow-empty makes it a success)"),
        (&[&*old, &half], 3, "the runs after: incomplete: the end of run new is missing"),
        (&[&*half, &old], 3, "the runs before: incomplete: the end of run new is missing"),
    ] {
        let (_, said, found) = output(&[&["diff"], args].concat());
        assert_eq!((found, said[0].as_str()), (exit, message), "{args:?}");
    }
    assert_eq!(output(&["diff", "--allow-empty", "/dev/null", &old]).2, 1, "all that fails is new");
}

/// A stream of one test with results of its own, some of them known to fail, and its end.
fn waived_in_part(run: &str, results: &[(&str, bool)], outcome: &str) -> String {
    let common = json!({"time":TIME,"run":run,"platform":"p","test":"/t","attempt":1,"host":"h"});
    let line = |value: Value| {
        let mut line = json!({"type":""});
        for keys in [&common, &value] {
            line.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        }
        format!("{line}\n")
    };
    let mut text = String::new();
    for (n, (status, waived)) in results.iter().enumerate() {
        let mut result = json!({"type":"result","status":status,"files":[],"n":n + 1});
        if *waived {
            result["waived"] = json!({"by":"w:1"});
        }
        text += &line(result);
    }
    text + &line(
        json!({"type":"test-end","outcome":outcome,"cause":"test","seconds":1.0,"counts":{},"final":true,
                        "waived": results.iter().all(|(_, waived)| *waived).then(|| json!({"by":"w:1"}))}),
    )
}

#[test]
fn one_failure_that_is_not_known_is_enough_for_a_new_one() {
    let dir = Dir::new();
    let old = dir.write("old", &waived_in_part("old", &[("pass", true)], "pass"));
    for (number, (results, outcome, exit)) in [
        (&[("fail", true)][..], "fail", 0),
        (&[("fail", true), ("fail", false)], "fail", 1),
        (&[("error", true), ("fail", false)], "error", 1),
        (&[("fail", false), ("fail", true)], "fail", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let new = dir.write(&format!("new{number}"), &waived_in_part("new", results, outcome));
        assert_eq!(output(&["diff", &old, &new]).2, exit, "{results:?}");
        assert_eq!(output(&["check", &new]).2, exit, "{results:?}");
    }
    // Of several runs, too.
    let known = dir.write("known", &waived_in_part("known", &[("fail", true)], "fail"));
    let other = dir.write("other", &waived_in_part("other", &[("fail", false)], "fail"));
    assert_eq!(output(&["diff", &old, &known, &other]).2, 1);
}

#[test]
fn a_known_failure_does_not_excuse_a_worse_end() {
    let dir = Dir::new();
    let line = |value: Value| {
        let mut line =
            json!({"type":"","time":TIME,"run":"r","platform":"p","test":"/t","attempt":1,"host":"h"});
        line.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        format!("{line}\n")
    };
    let result = |n: u32, subtest: Option<&str>, status: &str| {
        line(json!({"type":"result","subtest":subtest,"status":status,"files":[],"n":n}))
    };
    let end = |outcome: &str, note: &str| {
        line(
            json!({"type":"test-end","outcome":outcome,"cause":"test","seconds":1.0,"counts":{},"final":true,"note":note}),
        )
    };
    let waivers = "- {test: /t, subtest: known, status: fail}\n- {test: /t, status: error, note: no time}\n";
    let waivers = dir.write("w.yaml", waivers);
    for (text, exit) in [
        (result(1, Some("known"), "fail") + &end("fail", ""), 0),
        (result(1, Some("known"), "fail") + &end("error", "exceeded its duration of 10m"), 1),
        // The end itself is known.
        (result(1, Some("known"), "fail") + &end("error", "no time"), 0),
        (result(1, Some("known"), "fail") + &result(2, None, "fail") + &end("fail", ""), 1),
    ] {
        let stream = dir.write("stream", &text);
        let labelled = dir.write("labelled", &output(&["waive", "-f", &waivers, &stream]).0);
        assert_eq!(output(&["check", &labelled]).2, exit, "{text}");
    }
}

#[test]
fn failures_that_are_known_are_not_among_those_that_must_pass() {
    let dir = Dir::new();
    let known = waived_in_part("r", &[("fail", true)], "fail");
    let passed = waived_in_part("r", &[("pass", true)], "pass").replace("\"/t\"", "\"/u\"");
    let failed = waived_in_part("r", &[("fail", false)], "fail").replace("\"/t\"", "\"/v\"");
    let good = dir.write("good", &(known.clone() + &passed));
    assert_eq!(output(&["check", "--min-pass=100%", &good]), (String::new(), vec![], 0));
    let bad = dir.write("bad", &(known + &passed + &failed));
    assert_eq!(output(&["check", "--min-pass=100%", &bad]).2, 1);
}

#[test]
fn whoever_reads_a_stream_says_when_it_is_not_all() {
    let dir = Dir::new();
    let (old, _) = some_runs(&dir);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&fs::read(&old).unwrap()).unwrap();
    let mut packed = packed.finish().unwrap();
    packed.truncate(packed.len() - 10);
    let cut = dir.path("cut.gz");
    fs::write(&cut, packed).unwrap();
    for command in [&["list"][..], &["show", "/net"], &["logs", "/net"], &["sort"], &["csv"]] {
        let exit = |more: &[&str]| output(&[command, more].concat()).2;
        assert_eq!(exit(&[&old]), 0, "{command:?}");
        assert_eq!(exit(&["--require-end=nosuch", &old]), 3, "{command:?}");
        assert_eq!(exit(&[&cut]), 3, "{command:?}");
        assert_eq!(
            exit(&["tests/golden/resumed.jsonl"]),
            if command.len() > 1 { 2 } else { 0 },
            "{command:?}"
        );
    }
    assert_eq!(output(&["sort", "/dev/null"]).2, 2);
    assert_eq!(output(&["sort", "--allow-empty", "/dev/null"]).2, 0);
}

#[test]
fn people_can_look() {
    let dir = Dir::new();
    let (old, _) = some_runs(&dir);
    let (text, _, exit) = output(&["list", "--status=fail", &old]);
    assert_eq!(
        (text.as_str(), exit),
        ("fail   /fixed [p]\nfail   /net a [p]: refused\nfail   /net c [p]: same\nfail   /net [p]\n", 0)
    );
    let (text, ..) = output(&["list", "--tests", &old]);
    assert_eq!(text.lines().count(), 5);
    let (text, _, exit) = output(&["show", "/net", &old]);
    assert!(
        exit == 0 && text.contains("/net [p], run old, attempt 1\n") && text.contains("fail   a: refused\n"),
        "{text}"
    );
    assert_eq!(output(&["show", "/nothing", &old]).1, ["/nothing: no such test in the stream"]);
    assert_eq!(output(&["logs", "/net", &old]), (String::new(), vec![], 0), "it has no files");
}

/// A run directory as atex-exec leaves it.
fn run_dir(dir: &Dir) -> PathBuf {
    let run = dir.0.path().join("nightly");
    let attempt = run.join("results/default/t/attempt-1");
    fs::create_dir_all(attempt.join("files/s")).unwrap();
    let stored = [
        "{\"name\":\"s\",\"status\":\"fail\",\"note\":\"no\",\"files\":[\"log\"],\"own\":1}",
        "{\"status\":\"pass\",\"files\":[\"output.txt\"]}",
    ];
    fs::write(attempt.join("results.jsonl"), stored.join("\n") + "\n").unwrap();
    fs::write(attempt.join("files/s/log"), "said \x1b[31m\n").unwrap();
    fs::write(attempt.join("files/output.txt"), "printed\n").unwrap();
    let journal = [
        json!({"type":"job-start","time":TIME,"run":"r","dir":"/elsewhere","version":"0"}),
        json!({"type":"scheduler","options":{}}),
        json!({"type":"test-start","time":TIME,"run":"r","platform":"default","test":"/t","attempt":1,"host":"h"}),
        json!({"type":"passed-on","line":{"type":"host","id":"h"}}),
        json!({"type":"test-end","time":TIME,"run":"r","platform":"default","test":"/t","attempt":1,"host":"h",
               "outcome":"pass","cause":"test","seconds":1.0,"counts":{},"final":true,"artifacts":"results/default/t/attempt-1"}),
        json!({"type":"exit","code":0}),
        json!({"type":"job-end","time":TIME,"run":"r","dir":"/elsewhere","counts":{},"unsettled":0,"seconds":1.0}),
    ];
    let journal: String = journal.iter().map(|line| format!("{line}\n")).collect();
    fs::write(run.join("journal.jsonl"), journal).unwrap();
    run
}

#[test]
fn a_run_directory_is_the_stream_of_its_run() {
    let dir = Dir::new();
    let run = run_dir(&dir);
    let path = run.to_str().unwrap();
    let (text, said, exit) = output(&["jsonl", path]);
    assert_eq!((said, exit), (vec![], 0));
    assert_eq!(
        text,
        "[\"default\",\"fail\",\"/t\",\"s\",[\"log\"],\"no\"]\n[\"default\",\"pass\",\"/t\",null,[\"output.txt\"],null]\n"
    );
    let (records, ..) = output(&["sort", path]);
    assert!(
        records.contains("\"extra\":{\"own\":1}") && records.contains("{\"type\":\"host\",\"id\":\"h\"}"),
        "{records}"
    );
    assert!(records.contains("\"tool\":\"atex-exec\",\"complete\":true,\"exit\":0"), "{records}");
    assert_eq!(output(&["check", path]), (String::new(), vec![], 0));
    let (text, ..) = output(&["logs", "/t", path]);
    let files = fs::canonicalize(&run).unwrap().join("results/default/t/attempt-1");
    let expected = ["files/output.txt", "files/s/log", "results.jsonl"];
    assert_eq!(text, expected.map(|name| format!("{}\n", files.join(name).display())).concat());
    let (text, ..) = output(&["logs", "--cat", "/t", path]);
    assert!(text.contains("said \\x1b[31m\n") && text.contains("printed\n"), "{text}");
    let (text, ..) = output(&["show", "/t", path]);
    assert!(text.ends_with("output.txt\nprinted\n"), "{text}");
}

#[test]
fn what_is_torn_in_a_run_directory_is_said_and_takes_nothing_with_it() {
    let dir = Dir::new();
    let run = run_dir(&dir);
    let (path, results) = (run.to_str().unwrap(), run.join("results/default/t/attempt-1/results.jsonl"));
    let whole = fs::canonicalize(&results).unwrap().display().to_string();
    let good = "{\"status\":\"pass\"}\n";
    for (text, rows, message, exit) in [
        ("{\"status\":\"pass\",\"no", 0, ":1: cut off in the middle of a line", 3),
        ("{\"status\":\"pass\"}", 1, "", 0),
        ("nonsense\n{\"status\":\"pass\"}\n", 1, ":1:2: expected a result: ", 2),
    ] {
        fs::write(&results, text).unwrap();
        let (out, said, found) = output(&["sort", path]);
        assert_eq!((out.matches("\"result\"").count(), found), (rows, exit), "{text}: {said:?}");
        assert_eq!(out.matches("\"test-end\"").count(), 1, "{text}");
        let is_said = said.iter().any(|said| said.starts_with(&format!("{whole}{message}")));
        assert!(said.is_empty() == message.is_empty() && (message.is_empty() || is_said), "{text}: {said:?}");
    }
    // A line that is too long is one line.
    fs::write(&results, [&[b'x'; 65 << 20][..], b"\n", good.as_bytes()].concat()).unwrap();
    let (out, said, exit) = output(&["sort", path]);
    assert_eq!((out.matches("\"result\"").count(), exit, said.len()), (1, 2, 1), "{said:?}");
    assert!(said[0].ends_with(": expected a record, found a line over 64 MiB"), "{said:?}");
    // What cannot be opened: a loop, which also root cannot follow.
    fs::remove_file(&results).unwrap();
    std::os::unix::fs::symlink("results.jsonl", &results).unwrap();
    let (out, said, exit) = output(&["sort", path]);
    assert_eq!((out.matches("\"test-end\"").count(), exit), (1, 3), "{said:?}");
    assert!(out.contains("\"job-end\"") && said[0].contains("results.jsonl: Too many levels"), "{said:?}");
}

#[test]
fn uploaded_files_go_where_the_python_tools_look_for_them() {
    let dir = Dir::new();
    let run = run_dir(&dir);
    let (path, files) = (run.to_str().unwrap(), dir.path("files"));
    std::os::unix::fs::symlink("/etc/passwd", run.join("results/default/t/attempt-1/files/link")).unwrap();
    let (text, said, exit) = output(&["jsonl", "--files", &files, "--pack-files=gz", path]);
    assert_eq!((said, exit), (vec![], 0));
    assert!(text.contains("[\"log.gz\"]") && text.contains("[\"output.txt.gz\"]"), "{text}");
    let names = Command::new("sh")
        .args(["-c", "cd \"$1\" && find . ! -type d | sort", "sh", &files])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(names.stdout).unwrap(), "./default/t/output.txt.gz\n./default/t/s/log.gz\n");
    let plain =
        Command::new("gzip").args(["-dc", &format!("{files}/default/t/output.txt.gz")]).output().unwrap();
    assert_eq!(plain.stdout, b"printed\n");
    assert_eq!(output(&["jsonl", "--files", &files, path]).2, 2, "it is there already");
}

#[test]
fn an_archive_is_read_as_the_run_and_gives_it_back() {
    let dir = Dir::new();
    let run = run_dir(&dir);
    let (path, archive, back) = (run.to_str().unwrap(), dir.path("a.tar.zst"), dir.path("back"));
    fs::write(run.join("env.json"), r#"{"TOKEN":"hunter2"}"#).unwrap();
    assert_eq!(output(&["archive", path, "-o", &archive]), (String::new(), vec![], 0));
    assert_eq!(output(&["jsonl", &archive]), output(&["jsonl", path]));
    assert_eq!(output(&["check", &archive]).2, 0);
    assert_eq!(output(&["unarchive", &archive, &back]), (String::new(), vec![], 0));
    assert!(!Path::new(&back).join("env.json").exists(), "it is nobody else's business");
    fs::remove_file(run.join("env.json")).unwrap();
    let same = Command::new("diff").args(["-r", path, &back]).output().unwrap();
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
    let (_, said, exit) = output(&["unarchive", &archive, &back]);
    assert_eq!((said, exit), (vec![format!("{back}: is there already")], 2));
    let whole = fs::read(&archive).unwrap();
    let list = zstd::decode_all(&whole[..]).unwrap();
    let names: Vec<String> = tar::Archive::new(&list[..])
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(names[..3], ["records.jsonl", "reports/summary.txt", "reports/junit.xml"]);
    // Cut off within the records.
    let cut = dir.path("cut");
    fs::write(&cut, &list[..950]).unwrap();
    let (_, said, exit) = output(&["jsonl", &cut]);
    assert!(exit == 3 && said[0].ends_with("the archive is cut off"), "{said:?}");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(output(&["unarchive", &cut, &dir.path("none")]).2, 3);
    assert!(!Path::new(&dir.path("none")).exists());
}

#[test]
fn an_archive_within_its_run_directory_is_no_part_of_it() {
    let dir = Dir::new();
    let run = run_dir(&dir);
    // So much that the archive grows while it is made.
    let noise: Vec<u8> = (0..800_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(run.join("noise"), noise).unwrap();
    let (path, archive) = (run.to_str().unwrap(), run.join("a.tar.zst").display().to_string());
    for attempt in 0..2 {
        assert_eq!(output(&["archive", path, "-o", &archive]), (String::new(), vec![], 0));
        let back = dir.path(&format!("back{attempt}"));
        assert_eq!(output(&["unarchive", &archive, &back]), (String::new(), vec![], 0));
        let mut names: Vec<_> =
            fs::read_dir(&back).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["journal.jsonl", "noise", "results"]);
    }
}

#[test]
fn a_run_that_goes_on_is_not_archived() {
    let dir = Dir::new();
    let run = run_dir(&dir);
    let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    fs::write(run.join("journal.jsonl"), journal.lines().take(3).collect::<Vec<_>>().join("\n") + "\n")
        .unwrap();
    let (path, archive) = (run.to_str().unwrap(), dir.path("a.tar.zst"));
    let (_, said, exit) = output(&["archive", path, "-o", &archive]);
    assert!(exit == 2 && said[0].contains("the end of run r is missing"), "{said:?}");
    assert!(!Path::new(&archive).exists());
    assert_eq!(output(&["archive", "--unfinished", path, "-o", &archive]).2, 0);
}

#[test]
fn what_grows_is_followed_to_its_end() {
    let dir = Dir::new();
    let whole = run_dir(&dir);
    let journal = fs::read_to_string(whole.join("journal.jsonl")).unwrap();
    let growing = dir.path("growing.jsonl");
    let text = stream("s", "p", &[("/a", "pass", 1.0, &[])]);
    let (start, rest) = text.split_at(text.len() / 2);
    fs::write(&growing, start).unwrap();
    // In the middle of a line.
    fs::write(whole.join("journal.jsonl"), &journal[..journal.len() / 2]).unwrap();
    let (run, file) = (whole.to_str().unwrap().to_owned(), growing.clone());
    // Each result is announced through this pipe, the moment it is there.
    let (reader, writer) = std::io::pipe().unwrap();
    let follower = std::thread::spawn(move || {
        let mut said = Vec::new();
        let exit = with_args(&["jsonl", "--follow", &run, &file], writer, &mut |message| {
            said.push(message.to_owned())
        });
        (exit.unwrap().code(), said)
    });
    let append = |path: &Path, text: &str| {
        OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(reader)).map(Result::unwrap);
    append(&whole.join("journal.jsonl"), &journal[journal.len() / 2..]);
    assert_eq!(lines.by_ref().take(2).count(), 2, "the run's results, while the file is not complete");
    append(Path::new(&growing), rest);
    assert_eq!(lines.count(), 1);
    assert_eq!(follower.join().unwrap(), (0, vec![]));
}
