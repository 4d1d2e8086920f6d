//! Reports are read by what reads them elsewhere: libxml2 with a schema, TAP::Harness, Python, tmt.
//!
//! A program that is not installed leaves its test out, and it says so; `scripts/test` installs them, and sets
//! ATEX_TEST_REQUIRE. tmt comes from PyPI, so it is for the long form (ATEX_TEST_LONG), with its place in
//! ATEX_TEST_CONSUMERS.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use atex_report::with_args;
use serde_json::Value;

const STREAMS: [&str; 5] = ["mixed", "hostile", "only-results", "cut", "waived"];

/// Whether a program is there. Where all must be, it is wrong if it is not.
fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    let required = std::env::var_os("ATEX_TEST_REQUIRE").is_some();
    assert!(found.status.success() || !required, "{program} is not installed");
    if !found.status.success() {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found.status.success()
}

/// A stream in a format, as a file.
fn report(dir: &Path, stream: &str, format: &str) -> PathBuf {
    let path = dir.join(format!("{stream}.{format}"));
    let (to, from) = (path.display().to_string(), format!("tests/golden/{stream}.jsonl"));
    let args = match format {
        "sqlite" => vec!["sqlite", &to, &from],
        // What Debian 12 has knows no later version.
        "tap" => vec!["tap", "--tap-version=13", "-o", &to, &from],
        _ => vec![format, "-o", &to, &from],
    };
    with_args(&args, std::io::sink(), &mut |_| ()).unwrap();
    path
}

#[track_caller]
fn text(output: Output, of: &Path) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", of.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn junit_is_valid_for_jenkins() {
    if !has("xmllint") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for stream in STREAMS {
        let path = report(dir.path(), stream, "junit");
        let schema = ["--noout", "--nonet", "--huge", "--schema", "tests/consumers/jenkins.xsd"];
        text(Command::new("xmllint").args(schema).arg(&path).output().unwrap(), &path);
        // GitLab drops the second of two cases with one name.
        let names = ["--xpath", "//testcase/@*[name()='classname' or name()='name']"];
        let names = text(Command::new("xmllint").args(names).arg(&path).output().unwrap(), &path);
        let names: Vec<&str> = names.lines().filter(|line| !line.is_empty()).collect();
        let cases: BTreeSet<&[&str]> = names.chunks(2).collect();
        assert_eq!(cases.len() * 2, names.len(), "{stream}: each case once");
    }
}

#[test]
fn tap_is_taken_by_its_harness() {
    if !has("prove") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for stream in STREAMS {
        let path = report(dir.path(), stream, "tap");
        let tap = std::fs::read_to_string(&path).unwrap();
        let points = |start: &str| tap.lines().filter(|line| line.starts_with(start)).count();
        let failed =
            tap.lines().filter(|line| line.starts_with("not ok ") && !line.contains(" # TODO ")).count();
        let output = Command::new("prove").args(["--parse", "--exec", "cat"]).arg(&path).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains("Parse errors"), "{stream}: {said}");
        let all = points("ok ") + points("not ok ");
        assert!(said.contains(&format!("Tests={all},")), "{stream}: {all} points: {said}");
        assert_eq!(output.status.success(), failed == 0, "{stream}: {said}");
        assert_eq!(said.contains(&format!("Failed: {failed})")), failed > 0, "{stream}: {said}");
    }
}

/// The results of a stream, as a format that has nothing but the names says them.
fn named(stream: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(format!("tests/golden/{stream}.jsonl")).unwrap();
    let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let results = records.filter(|record| record["type"] == "result");
    let names = |record: Value| {
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        serde_json::to_string(&[text("platform"), text("test"), text("subtest")]).unwrap()
    };
    results.map(names).collect()
}

/// What Python prints of a report, in the form of [`named`].
fn read_by_python(format: &str, path: &Path) -> BTreeSet<String> {
    let mut python = Command::new("python3");
    if let Some(place) = std::env::var_os("ATEX_TEST_CONSUMERS") {
        python.env("PYTHONPATH", place);
    }
    let output = python.args(["-B", "tests/consumers/read.py", format]).arg(path).output().unwrap();
    let names = text(output, path);
    let again = |line: &str| serde_json::from_str::<Value>(line).unwrap().to_string();
    names.lines().map(again).collect()
}

#[test]
fn tables_and_lines_are_read_by_python() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for format in ["jsonl", "csv", "sqlite"] {
        for stream in STREAMS {
            let path = report(dir.path(), stream, format);
            assert_eq!(read_by_python(format, &path), named(stream), "{stream} as {format}");
        }
    }
}

#[test]
fn tmt_results_are_valid_for_tmt() {
    let long = std::env::var_os("ATEX_TEST_LONG").is_some_and(|value| value == "1");
    if std::env::var_os("ATEX_TEST_CONSUMERS").is_none() {
        assert!(!long, "ATEX_TEST_LONG=1, but ATEX_TEST_CONSUMERS does not say where tmt is");
        eprintln!("SKIPPED: tmt is not here (ATEX_TEST_CONSUMERS)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for stream in STREAMS {
        let path = report(dir.path(), stream, "tmt");
        let names = read_by_python("tmt", &path);
        assert!(!names.is_empty(), "{stream}");
    }
}
