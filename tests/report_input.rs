//! What atex-report reads: files that grow, streams that come twice, and what strangers put into messages.

use std::fs::OpenOptions;
use std::io::Write as _;

use atex_testkit::sandbox::Dir;
use serde_json::json;

use crate::stream::{exec, lines, test, tool};

/// The stream of a run behind atex-discover, whose `end` atex-exec hands on at the start.
fn run(dir: &Dir) -> String {
    let end = json!({"type": "end", "tool": "atex-discover", "complete": true, "exit": 0, "counts": {}});
    let records = [end, test("/a", "true"), test("/b", "true")];
    let output = exec(dir, &["--local", "1"], &records).run();
    output.success();
    let stream = output.stdout.clone();
    assert!(stream.find("atex-discover") < stream.find("test-end"), "{stream}");
    stream
}

#[test]
fn a_file_is_followed_beyond_the_end_of_a_tool_before() {
    let dir = Dir::new();
    let stream = run(&dir);
    let (start, rest) = stream.split_at(stream.find("{\"type\":\"test-end\"").unwrap());
    let path = dir.write("stream", start);
    let following = tool(&dir, "atex-report").args(["list", "--tests", "--follow", "stream"]).start();
    let append = |text: &str| {
        OpenOptions::new().append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    let one = rest.find('\n').unwrap() + 1;
    append(&rest[..one]);
    following.wait_for_stdout("\n");
    append(&rest[one..]);
    let output = following.finish();
    output.success();
    assert_eq!(output.stdout.lines().count(), 2, "{}", output.report());
}

#[test]
fn the_end_of_the_run_is_enough_and_what_is_packed_does_not_grow() {
    let dir = Dir::new();
    let stream = run(&dir);
    let without_end: String =
        stream.lines().filter(|line| !line.contains("\"end\"")).map(|line| format!("{line}\n")).collect();
    dir.write("without-end", &without_end);
    dir.write("stream", &stream);
    dir.command("gzip").arg("stream").run().success();
    for file in ["without-end", "stream.gz"] {
        tool(&dir, "atex-report").args(["check", "--follow", file]).run().success();
    }
}

#[test]
fn a_stream_that_comes_twice_is_one() {
    let dir = Dir::new();
    let stream = run(&dir);
    let mut mixed: Vec<&str> = stream.lines().collect();
    mixed.reverse();
    let reversed = mixed.iter().map(|line| format!("{line}\n")).collect::<String>();
    for format in ["junit", "tap", "markdown", "csv", "tmt", "yaml"] {
        let of = |text: &str| tool(&dir, "atex-report").arg(format).stdin(text).run();
        let once = of(&stream);
        once.success();
        of(&stream.repeat(2)).success().stdout_is(&once.stdout);
        let reversed = of(&reversed);
        reversed.success();
        assert!(!reversed.stdout.contains("its end is not in the stream"), "{}", reversed.report());
    }
}

#[test]
fn no_message_commands_the_terminal() {
    let dir = Dir::new();
    dir.write("w", "- {test: /t}\n");
    let start = json!({"type": "job-start", "time": "2026-11-21T20:00:00.000Z", "run": "\u{1b}[31mr", "dir": "/r", "version": "0"});
    let end = json!({"type": "test-end", "time": "2026-11-21T20:00:00.000Z", "run": "\u{1b}[31mr", "platform": "p", "test": "/t",
        "attempt": 1, "outcome": "pass", "cause": "test", "seconds": 1, "counts": {}, "final": true});
    let stream = lines(&[start, end]);
    dir.write("stream", &stream);
    for args in [
        &["check"][..],
        &["list"],
        &["show", "/t"],
        &["logs", "/t"],
        &["sort"],
        &["csv"],
        &["junit"],
        &["sqlite", "db"],
        &["waive", "-f", "w"],
        &["diff", "stream"],
    ] {
        let output = tool(&dir, "atex-report").args(args).arg("stream").run();
        assert!(output.stderr.contains("\\x1b[31mr"), "{args:?}: {}", output.report());
        assert!(!output.stderr.contains('\u{1b}'), "{args:?}: {}", output.report());
    }
}
