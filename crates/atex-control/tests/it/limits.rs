//! A test that sends more than it may is told so in its results, and nothing else suffers.

use crate::common::{FAILED, PASSED, feed, finish, result, results, run_within};
use atex_control::{End, Limits, Parser, State, Status};
use std::convert::Infallible;

fn file(name: &str, bytes: &str) -> String {
    result(&format!(r#"{{"name":"s","files":[{{"name":"{name}","length":{}}}]}}"#, bytes.len())) + bytes
}

#[test]
fn results_beyond_the_limit_are_left_out_and_counted() {
    let limits = Limits { results: 2, ..Limits::default() };
    let stream = results(&[
        r#"{"name":"a","status":"pass"}"#,
        r#"{"name":"p","partial":true}"#,
        r#"{"name":"b","status":"pass"}"#,
        r#"{"name":"c","status":"fail"}"#,
        r#"{"status":"pass"}"#,
    ]);
    let (record, ending) = run_within(limits, &[&stream[..], b"note on\n"].concat(), PASSED);
    let expected = [
        r#"{"name":"a","status":"pass"}"#,
        r#"{"name":"b","status":"pass"}"#,
        r#"{"status":"pass","files":["output.txt"]}"#,
        r#"{"status":"error","note":"3 results left out: at most 2, of 16G together, are kept"}"#,
    ];
    assert_eq!(record.results, expected);
    assert_eq!(record.words, [r#"Note("on")"#], "the test goes on");
    assert_eq!((ending.outcome, ending.verdict), (Status::Error, None));
    assert_eq!(ending.tally.total(), 4);
}

#[test]
fn a_result_that_does_not_fit_is_left_out_and_a_smaller_one_is_kept() {
    let limits = Limits { result_bytes: 30, ..Limits::default() };
    let stream = results(&[r#"{"name":"a"}"#, r#"{"name":"0123456789"}"#, r#"{"name":"b"}"#]);
    let (record, _) = run_within(limits, &stream, FAILED);
    assert_eq!(record.results[..2], [r#"{"name":"a"}"#, r#"{"name":"b"}"#]);
    assert!(
        record.results[3].contains("1 result left out: at most 100000000, of 30 bytes together, are"),
        "{record:?}"
    );
}

#[test]
fn files_beyond_the_limit_are_neither_made_nor_listed() {
    let limits = Limits { files: 2, ..Limits::default() };
    let stream = [
        file("a", "1"),
        result(r#"{"name":"s","partial":true,"files":[{"name":"b","length":1},{"name":"c","length":2},{"name":"b","length":1}]}"#),
        "2xx3".into(),
        result(r#"{"name":"s","testout":"out"}"#),
        file("a", "4"),
        result(r#"{"name":"t","partial":true,"testout":"out"}"#),
    ]
    .concat();
    let (record, ending) = run_within(limits, stream.as_bytes(), PASSED);
    assert_eq!((record.file("s/a"), record.file("s/b"), record.files.len()), (&b"14"[..], &b"23"[..], 2));
    assert_eq!(record.links, ["output.txt"], "the fallback is our wish");
    let expected = [
        r#"{"name":"s","files":["a"]}"#,
        r#"{"name":"s","files":["b"]}"#,
        r#"{"name":"s","files":["a"]}"#,
        r#"{"name":"t"}"#,
        r#"{"status":"pass","files":["output.txt"]}"#,
        r#"{"status":"warn","note":"3 files left out: at most 2, of 100G together, are kept"}"#,
    ];
    assert_eq!(record.results, expected);
    assert_eq!((ending.outcome, ending.error), (Status::Warn, None));
}

#[test]
fn bytes_beyond_the_limit_are_left_out() {
    let limits = Limits { file_bytes: 5, ..Limits::default() };
    let stream =
        [file("a", "123"), file("b", "45678"), file("c", "9"), file("d", ""), file("a", "0")].concat();
    let (record, _) = run_within(limits, stream.as_bytes(), PASSED);
    assert_eq!(
        (record.file("s/a"), record.file("s/b"), record.file("s/d")),
        (&b"123"[..], &b"45"[..], &b""[..])
    );
    assert_eq!(record.files.len(), 3);
    assert_eq!(
        record.results,
        [
            r#"{"name":"s","files":["a"]}"#,
            r#"{"name":"s","files":["b"]}"#,
            r#"{"name":"s","files":[]}"#,
            r#"{"name":"s","files":["d"]}"#,
            r#"{"name":"s","files":[]}"#,
            r#"{"status":"pass","files":["output.txt"]}"#,
            r#"{"status":"warn","note":"2 files left out, and 3 bytes of another: at most 100000, of 5 bytes together, are kept"}"#,
        ]
    );
}

#[test]
fn progress_lines_beyond_the_limit_are_left_out() {
    let limits = Limits { notes: 1, ..Limits::default() };
    let (record, _) = run_within(limits, b"note a\nnote b\nmark +c\n", PASSED);
    assert_eq!(record.words, [r#"Note("a")"#, "Noop", "Noop"]);
    let told = r#"{"status":"warn","note":"2 progress lines or marks left out: at most 1 are kept"}"#;
    assert_eq!(record.results[1], told);
}

#[test]
fn what_was_left_out_is_remembered_in_a_checkpoint_at_any_byte() {
    let limits = Limits { results: 3, files: 2, file_bytes: 8, notes: 1, ..Limits::default() };
    let stream = [
        file("a", "123"),
        "note a\nnote b\n".into(),
        file("b", "45678901"),
        file("c", "12345"),
        file("b", "7"),
        file("a", ""),
    ]
    .concat();
    let whole = run_within(limits, stream.as_bytes(), PASSED);
    assert!(whole.0.results.len() == 7, "{whole:?}");
    let (mut record, mut parser) = (Default::default(), Parser::new(limits));
    for end in 1..=stream.len() {
        let saved = serde_json::to_string(parser.state()).unwrap();
        let state: State = serde_json::from_str(&saved).unwrap();
        let start = usize::try_from(state.offset()).unwrap();
        parser = Parser::restore(limits, state);
        feed(&mut parser, &stream.as_bytes()[start..end], &mut record).unwrap();
    }
    let ending = finish(parser, PASSED, &mut record);
    assert_eq!((record, ending), whole);
}

#[test]
fn remarks_and_judgements_of_the_caller() {
    let ours = |said: &str, end: End| {
        let (mut record, mut parser) = (Default::default(), Parser::new(Limits::default()));
        feed(&mut parser, said.as_bytes(), &mut record).unwrap();
        let reported: Result<(), Infallible> =
            parser.report("a \"b\"", Status::Skip, Some("why"), &mut |event| record.take(event));
        reported.unwrap();
        parser.remark(Status::Warn, "careful".into());
        let ending = finish(parser, end, &mut record);
        (record.results, ending.outcome)
    };
    let (results, outcome) = ours("", End::Judged { status: Status::Skip, note: Some("not here".into()) });
    let first = r#"{"name":"a \"b\"","status":"skip","note":"why"}"#;
    let last = r#"{"status":"warn","note":"careful"}"#;
    let judged = r#"{"status":"skip","note":"not here","files":["output.txt"]}"#;
    assert_eq!(results, [first, judged, last]);
    assert_eq!(outcome, Status::Warn);
    let said = result(r#"{"status":"fail"}"#);
    let (results, outcome) = ours(&said, End::Judged { status: Status::Pass, note: None });
    assert_eq!(results, [r#"{"status":"fail"}"#, first, last]);
    assert_eq!(outcome, Status::Fail);
    let said = result(r#"{"status":"infra","note":"mine","partial":true}"#);
    let (results, _) = ours(&said, End::Judged { status: Status::Pass, note: Some("ours".into()) });
    assert_eq!(
        results[1],
        r#"{"status":"error","note":"mine","files":["output.txt"],"extra":{"status":"infra"}}"#
    );
}
