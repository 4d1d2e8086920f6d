//! The fallback result, and what else happens at the end (spec: test control, 4).

use crate::common::{FAILED, PASSED, result, results, run, stopped};
use atex_control::{End, Status, VerdictStatus};

const LIMIT: &str = "duration limit of 5m reached";

fn limit_reached() -> End {
    stopped(VerdictStatus::Error, LIMIT)
}

fn host_lost() -> End {
    stopped(VerdictStatus::Infra, "host lost")
}

#[test]
fn the_test_gets_a_result_for_itself() {
    let cases: [(&[&str], End, &[&str], Status); 23] = [
        // No open partial one.
        (&[], PASSED, &[r#"{"status":"pass","files":["output.txt"]}"#], Status::Pass),
        (&[], FAILED, &[r#"{"status":"fail","files":["output.txt"]}"#], Status::Fail),
        (
            &[r#"{"name":"s","status":"fail"}"#],
            PASSED,
            &[r#"{"name":"s","status":"fail"}"#, r#"{"status":"pass","files":["output.txt"]}"#],
            Status::Pass,
        ),
        // Only a result without a name counts, and any does.
        (&["{}"], FAILED, &["{}"], Status::Info),
        (&[r#"{"name":null}"#], FAILED, &["{}"], Status::Info),
        (&[r#"{"status":"pass"}"#], FAILED, &[r#"{"status":"pass"}"#], Status::Pass),
        (
            &[r#"{"name":""}"#],
            PASSED,
            &[r#"{"name":""}"#, r#"{"status":"pass","files":["output.txt"]}"#],
            Status::Pass,
        ),
        // An open partial one without a name: its status wins over the exit code.
        (
            &[r#"{"partial":true,"a":1}"#],
            FAILED,
            &[r#"{"a":1,"status":"fail","files":["output.txt"]}"#],
            Status::Fail,
        ),
        (
            &[r#"{"partial":true,"status":"pass"}"#],
            FAILED,
            &[r#"{"status":"pass","files":["output.txt"]}"#],
            Status::Pass,
        ),
        (
            &[r#"{"partial":true,"status":"odd"}"#],
            PASSED,
            &[r#"{"status":"odd","files":["output.txt"]}"#],
            Status::Info,
        ),
        (
            &[r#"{"partial":true,"status":"infra"}"#],
            PASSED,
            &[r#"{"status":"error","files":["output.txt"],"extra":{"status":"infra"}}"#],
            Status::Error,
        ),
        // Its testout is its own.
        (
            &[r#"{"partial":true,"testout":"here"}"#],
            FAILED,
            &[r#"{"status":"fail","files":["here"]}"#],
            Status::Fail,
        ),
        (
            &[r#"{"partial":true,"testout":"here"}"#, r#"{"partial":true,"testout":null}"#],
            FAILED,
            &[r#"{"status":"fail","files":["output.txt"]}"#],
            Status::Fail,
        ),
        // It stays where it first appeared; a new one comes last.
        (
            &[r#"{"partial":true}"#, r#"{"name":"s","partial":true}"#],
            PASSED,
            &[r#"{"status":"pass","files":["output.txt"]}"#, r#"{"name":"s"}"#],
            Status::Pass,
        ),
        (
            &[r#"{"name":"s","partial":true}"#],
            PASSED,
            &[r#"{"name":"s"}"#, r#"{"status":"pass","files":["output.txt"]}"#],
            Status::Pass,
        ),
        // One was closed, another is open: no fallback, so nothing is added to it.
        (
            &[r#"{"status":"pass"}"#, r#"{"partial":true,"a":1}"#],
            FAILED,
            &[r#"{"status":"pass"}"#, r#"{"a":1}"#],
            Status::Pass,
        ),
        // The executor ended the test: its word overrides both, in place.
        (
            &[],
            limit_reached(),
            &[r#"{"status":"error","note":"duration limit of 5m reached","files":["output.txt"]}"#],
            Status::Error,
        ),
        (
            &[],
            host_lost(),
            &[r#"{"status":"infra","note":"host lost","files":["output.txt"]}"#],
            Status::Infra,
        ),
        (
            &[r#"{"note":"mine","partial":true,"status":"pass","a":1}"#],
            limit_reached(),
            &[r#"{"note":"duration limit of 5m reached","status":"error","a":1,"files":["output.txt"]}"#],
            Status::Error,
        ),
        (
            &[r#"{"partial":true,"status":"infra","testout":"here"}"#],
            host_lost(),
            &[r#"{"status":"infra","note":"host lost","files":["here"]}"#],
            Status::Infra,
        ),
        // Open subtests are stored as they are.
        (
            &[r#"{"name":"s","partial":true,"status":"infra"}"#],
            host_lost(),
            &[
                r#"{"name":"s","status":"error","extra":{"status":"infra"}}"#,
                r#"{"status":"infra","note":"host lost","files":["output.txt"]}"#,
            ],
            Status::Infra,
        ),
        // What the test said of itself stands, and the verdict is the outcome.
        (&[r#"{"status":"pass"}"#], limit_reached(), &[r#"{"status":"pass"}"#], Status::Error),
        (
            &[r#"{"status":"pass"}"#, r#"{"partial":true,"status":"infra"}"#],
            host_lost(),
            &[r#"{"status":"pass"}"#, r#"{"status":"error","extra":{"status":"infra"}}"#],
            Status::Infra,
        ),
    ];
    for (sent, end, stored, outcome) in cases {
        let (record, ending) = run(&results(sent), end.clone());
        assert_eq!(record.results, stored, "{sent:?} {end:?}");
        assert_eq!(ending.outcome, outcome, "{sent:?} {end:?}");
        assert_eq!(ending.tally.total(), stored.len() as u64);
        assert_eq!(ending.error, None);
    }
}

#[test]
fn the_output_goes_under_its_usual_name_where_that_is_free() {
    let file = |head: &str, name: &str| {
        result(&format!(r#"{{{head}"files":[{{"name":"{name}","length":1}}]}}"#)) + "x"
    };
    let cases = [
        // The test's own file of that name stays, also where it is not on the list any more.
        (file(r#""partial":true,"#, "output.txt"), r#"{"files":["output.txt"],"status":"pass"}"#, false),
        (
            file(r#""partial":true,"#, "output.txt") + &result(r#"{"partial":true,"files":null}"#),
            r#"{"status":"pass"}"#,
            false,
        ),
        (
            file(r#""partial":true,"#, "custom.txt"),
            r#"{"files":["output.txt","custom.txt"],"status":"pass"}"#,
            true,
        ),
        (
            file(r#""partial":true,"#, "sub/output.txt"),
            r#"{"files":["output.txt","sub/output.txt"],"status":"pass"}"#,
            true,
        ),
        // A subtest may hold the path, as a file or a directory: that is no error of the test.
        (file(r#""name":"","#, "output.txt"), r#"{"status":"pass"}"#, false),
        (file(r#""name":"output.txt","#, "log"), r#"{"status":"pass"}"#, false),
        (result(r#"{"name":".","testout":"output.txt"}"#), r#"{"status":"pass"}"#, false),
        (
            result(r#"{"name":"s","testout":"output.txt"}"#),
            r#"{"status":"pass","files":["output.txt"]}"#,
            true,
        ),
        // An open one wants it: it is asked first.
        (result(r#"{"name":"..","partial":true,"testout":"output.txt"}"#), r#"{"status":"pass"}"#, false),
    ];
    for (stream, fallback, is_linked) in cases {
        let (record, ending) = run(stream.as_bytes(), PASSED);
        assert_eq!(ending.error, None, "{stream}");
        assert_eq!(record.results.last().map(String::as_str), Some(fallback), "{stream}");
        let last_link =
            record.links.last().is_some_and(|path| path == "output.txt") && fallback.contains("output.txt");
        assert_eq!(last_link, is_linked, "{stream}");
    }
}

#[test]
fn a_protocol_error_is_the_tests_own_doing() {
    let stream = [results(&[r#"{"name":"s","status":"pass"}"#]), b"frob\n".to_vec()].concat();
    let note = "protocol error: `frob` at byte 38 of the control stream: unknown control word";
    let (record, ending) = run(&stream, PASSED);
    assert_eq!(record.results[1], format!(r#"{{"status":"error","note":"{note}","files":["output.txt"]}}"#));
    assert_eq!(ending.outcome, Status::Error);
    assert_eq!(ending.verdict.unwrap().note, note);

    // The executor's own verdict stands over it, and it is still told.
    let (record, ending) = run(&stream, host_lost());
    assert_eq!(record.results[1], r#"{"status":"infra","note":"host lost","files":["output.txt"]}"#);
    assert_eq!(ending.outcome, Status::Infra);
    assert_eq!(ending.error.unwrap().word, "frob");
}

#[test]
fn data_that_the_executor_cut_off_is_no_error_of_the_test() {
    let stream = result(r#"{"files":[{"name":"f","length":9}]}"#) + "cut";
    let (record, ending) = run(stream.as_bytes(), limit_reached());
    assert_eq!((ending.error, ending.outcome), (None, Status::Error));
    assert_eq!(record.file("f"), b"cut");
    assert_eq!(
        record.results,
        [r#"{"status":"error","note":"duration limit of 5m reached","files":["output.txt"]}"#]
    );
    let (_, ending) = run(stream.as_bytes(), FAILED);
    assert_eq!(ending.error.unwrap().reason, "the stream ends inside file `f`, missing bytes: 6");
}

#[test]
fn a_note_of_ours_is_escaped_as_json() {
    let (record, _) = run(b"", stopped(VerdictStatus::Infra, "a \"b\"\n\u{1b}[0m"));
    assert_eq!(record.results, [r#"{"status":"infra","note":"a \"b\"\n\u001b[0m","files":["output.txt"]}"#]);
}
