//! An attempt from the outside: what comes of the bytes that its host sends.

use super::*;
use crate::checkpoint::tests::{START, Spools, WORD, contents, fast_dir, job, result};

fn job_with(dir: &std::path::Path, data: serde_json::Value) -> Job {
    let mut job = job(dir);
    job.test.data = serde_json::from_value(data).unwrap();
    job
}

fn attempt_at(job: &Job) -> Attempt {
    Attempt::new(job, WORD, START, Artifacts::create(&job.artifacts).unwrap(), Quotas::default())
}

fn stored(job: &Job) -> Vec<String> {
    let text = std::fs::read_to_string(job.artifacts.join("results.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_last_line_says_whose_doing_the_end_was() {
    let (sent, printed) = (START.control + 5, START.output);
    let cases = [
        (format!("{sent} {printed}"), Cause::Test, None),
        (format!("{sent} {printed} orphan 3600"), Cause::Own, Some("ended on its host: no heartbeat for 1h")),
        (
            format!("{sent} {printed} orphan"),
            Cause::Own,
            Some("ended on its host: no heartbeat for too long"),
        ),
        (
            format!("{sent} {printed} full"),
            Cause::Host,
            Some("ended on its host: there is no space left for what the test sends"),
        ),
        (format!("{sent} {printed} stopped cancelled"), Cause::Cancelled, Some("cancelled")),
        (
            format!("{sent} {printed} stopped own"),
            Cause::Own,
            Some("ended by atex-exec, for a reason that is not on record"),
        ),
        (format!("{sent} {printed} new"), Cause::Host, Some("ended on its host: new")),
        (
            format!("{} {printed}", sent + 1),
            Cause::Host,
            Some("test control came up to byte 1005 where its host counts 1006"),
        ),
    ];
    for (line, cause, note) in cases {
        let dir = fast_dir();
        let job = job(dir.path());
        let mut attempt = attempt_at(&job);
        attempt.control(
            format!("noop\n{WORD} 0 {line}\nwhat follows is another test's").as_bytes(),
            Duration::ZERO,
        );
        attempt.output(b"and so is this");
        assert!(attempt.is_complete(), "{line}");
        let length = WORD.len() + " 0 \n".len() + line.len();
        assert_eq!(attempt.positions(), (sent + length as u64, printed));
        let done = attempt.finish(Duration::ZERO);
        assert_eq!((done.cause, done.note.as_deref()), (cause, note), "{line}");
        let outcome = if cause == Cause::Test { Outcome::Pass } else { Outcome::Infra };
        assert_eq!(done.outcome, outcome, "{line}");
    }
}

#[test]
fn what_was_ended_by_its_own_fault_is_at_that_fault_for_whoever_goes_on() {
    for (sent, note) in [
        ("duration 2m\n", "duration limit of 2m reached"),
        ("garbage\n", "protocol error: `garbage` at byte 0 "),
    ] {
        let dir = fast_dir();
        let job = job(dir.path());
        let mut attempt = attempt_at(&job);
        let (control, output) = (START.control + sent.len() as u64, START.output);
        let spool = format!("{sent}{WORD} 137 {control} {output} stopped test\n");
        attempt.control(spool.as_bytes(), Duration::ZERO);
        let done = attempt.finish(Duration::ZERO);
        assert_eq!((done.outcome, done.cause, done.exit), (Outcome::Error, Cause::Test, None));
        assert!(done.note.as_ref().is_some_and(|found| found.starts_with(note)), "{:?}", done.note);
    }
}

#[test]
fn what_was_to_end_when_it_is_found_again_is_to_end() {
    for (why, cause) in [
        (Why::Stopped(Cause::Cancelled), Some(Cause::Cancelled)),
        (Why::Stopped(Cause::Own), Some(Cause::Own)),
        (Why::Stopped(Cause::Test), None),
        (Why::Orphan(Some(1)), None),
    ] {
        let dir = fast_dir();
        let mut attempt = attempt_at(&job(dir.path()));
        attempt.found_stopping(&why);
        assert_eq!(attempt.stopped.map(|stopped| stopped.cause), cause, "{why:?}");
    }
}

#[test]
fn notes_and_marks_are_there_to_be_taken() {
    let dir = fast_dir();
    let mut attempt = attempt_at(&job(dir.path()));
    attempt.control(b"note a\nmark +x\nmark -y\n", Duration::ZERO);
    let mark = |name: &str, set| Mark { name: name.into(), set };
    assert_eq!((attempt.notes, attempt.marks), (vec!["a".into()], vec![mark("x", true), mark("y", false)]));
}

#[test]
fn garbage_and_the_end_in_one_piece_are_both_seen() {
    let dir = fast_dir();
    let job = job(dir.path());
    let mut attempt = attempt_at(&job);
    Spools::new(b"garbage\n".to_vec(), Vec::new()).feed_rest(&mut attempt);
    let done = attempt.finish(Duration::ZERO);
    assert_eq!((done.outcome, done.cause), (Outcome::Error, Cause::Test));
    assert!(done.note.unwrap().starts_with("protocol error: `garbage` at byte 0 "));
}

#[test]
fn tap_becomes_results() {
    let data = serde_json::json!({"test": "true", "extra-result": "tap"});
    let output = b"1..3\nok 1 - a\nnot ok 2 - b\n  ---\n  message: bad\n  ...\nok 3 # skip no\n".to_vec();
    let spools = Spools::new(Vec::new(), output);
    let expected = [
        r#"{"name":"a","status":"pass"}"#,
        r#"{"name":"b","status":"fail","note":"bad"}"#,
        r#"{"name":"3","status":"skip","note":"no"}"#,
        r#"{"status":"fail","note":"not ok: 1 of 3; exit status 1","files":["output.txt"]}"#,
    ];
    for at in 0..spools.output.len() {
        let dir = fast_dir();
        let job = job_with(dir.path(), data.clone());
        let mut attempt = attempt_at(&job);
        spools.feed(&mut attempt, (0, at));
        attempt.save(Duration::ZERO).unwrap();
        spools.feed(&mut attempt, (0, 10));
        drop(attempt);
        let (mut attempt, _) = Attempt::restore(&job, Quotas::default()).unwrap().unwrap();
        spools.feed_rest(&mut attempt);
        let done = attempt.finish(Duration::ZERO);
        assert_eq!((done.outcome, done.exit), (Outcome::Fail, Some(1)));
        assert_eq!(stored(&job), expected, "{at}");
    }
}

#[test]
fn what_the_test_says_of_itself_goes_before_its_tap() {
    let dir = fast_dir();
    let job = job_with(dir.path(), serde_json::json!({"test": "true", "extra-result": "tap"}));
    let mut attempt = attempt_at(&job);
    let said = result(r#"{"status":"warn"}"#).into_bytes();
    Spools::new(said, b"1..1\nnot ok\n".to_vec()).feed_rest(&mut attempt);
    assert_eq!(attempt.finish(Duration::ZERO).outcome, Outcome::Warn);
}

#[test]
fn too_much_output_is_cut_and_said() {
    let dir = fast_dir();
    let job = job(dir.path());
    let artifacts = Artifacts::create(&job.artifacts).unwrap();
    let quotas = Quotas { output: 8, ..Quotas::default() };
    let mut attempt = Attempt::new(&job, WORD, START, artifacts, quotas);
    Spools::new(Vec::new(), b"0123456789abcdef".to_vec()).feed_rest(&mut attempt);
    assert_eq!(attempt.finish(Duration::ZERO).outcome, Outcome::Fail);
    let told = r#"{"status":"warn","note":"8 bytes of output left out, between its beginning and its end"}"#;
    assert_eq!(stored(&job)[1..], [told]);
    let output = std::fs::read_to_string(job.artifacts.join("files/output.txt")).unwrap();
    assert_eq!(output, "0123\n[8 bytes of output left out]\ncdef");
}

#[test]
fn no_name_leads_out_of_the_artifacts() {
    let dir = fast_dir();
    let job = job(dir.path());
    let mut attempt = attempt_at(&job);
    let names = ["../../etc/passwd", "/etc/passwd", "a\\u0000b", "a\\nb", "\\u001b[31m", "..", "c/../../d"];
    let mut stream = String::new();
    for (n, name) in names.iter().enumerate() {
        let file = if *name == ".." { "x" } else { name };
        stream += &result(&format!(
            r#"{{"name":"{name}","testout":"../o{n}","files":[{{"name":"{file}","length":1}}]}}"#
        ));
        stream.push('!');
    }
    Spools::new(stream.into_bytes(), b"out".to_vec()).feed_rest(&mut attempt);
    let done = attempt.finish(Duration::ZERO);
    assert_eq!((done.cause, done.note), (Cause::Test, None));
    let found = contents(dir.path());
    let below = std::path::Path::new("results/default/t/attempt-1");
    // Some names come to the same file.
    assert_eq!(found.len(), 2 * (names.len() - 1) + 2, "{:?}", found.keys());
    for path in found.keys() {
        assert!(path.starts_with(below), "{}", path.display());
        assert!(!path.to_str().unwrap().contains(char::is_control), "{path:?}");
    }
    assert_eq!(found[&below.join("files/etc/passwd/etc/passwd")], b"!!");
}

#[test]
fn a_link_in_the_way_ends_the_attempt_and_not_the_run() {
    for planted in ["f", "d"] {
        let dir = fast_dir();
        let job = job(dir.path());
        let mut attempt = attempt_at(&job);
        std::os::unix::fs::symlink(dir.path(), job.artifacts.join("files").join(planted)).unwrap();
        let files = r#"{"status":"pass","files":[{"name":"d/g","length":2},{"name":"f","length":1}]}"#;
        Spools::new((result(files) + "123").into_bytes(), b"out".to_vec()).feed_rest(&mut attempt);
        let done = attempt.finish(Duration::ZERO);
        assert_eq!((done.outcome, done.cause, done.storage_failed), (Outcome::Infra, Cause::Own, false));
        assert!(done.note.unwrap().contains("/attempt-1/files/"));
        assert_eq!(stored(&job).len(), 1);
        assert!(!dir.path().join("g").exists());
    }
}

#[test]
fn results_are_told_of_once_each_time() {
    let dir = fast_dir();
    let job = job(dir.path());
    let artifacts = Artifacts::create(&job.artifacts).unwrap();
    let quotas = Quotas { live: true, ..Quotas::default() };
    let mut attempt = Attempt::new(&job, WORD, START, artifacts, quotas);
    assert!(attempt.news_of_results().is_none());
    attempt.control(result("{}").as_bytes(), Duration::ZERO);
    let news = attempt.news_of_results().unwrap();
    attempt.control(result("{}").as_bytes(), Duration::ZERO);
    assert!(attempt.news_of_results().is_none());
    assert_eq!(news.take(), 6);
    assert!(attempt_at(&job_with(fast_dir().path(), serde_json::json!({}))).news_of_results().is_none());
}
