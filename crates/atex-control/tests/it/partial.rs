//! Partial results and the rules of merging them (spec: test control, 3).

use crate::common::{PASSED, result, results, run, run_bad, run_bad_within, run_good};
use atex_control::Limits;

/// Opens a result with `first`, merges `second`, closes it.
fn merged(first: &str, second: &str) -> String {
    let stream = [first, second].map(|members| result(&format!(r#"{{"partial":true,{members}}}"#))).concat();
    run_good((stream + &result("{}")).as_bytes()).results[0].clone()
}

#[test]
fn new_into_old() {
    let cases = [
        // null deletes, and adds nothing; the first result is no merge
        (r#""a":1,"b":2"#, r#""a":null"#, r#"{"b":2}"#),
        (r#""a":1"#, r#""b":null"#, r#"{"a":1}"#),
        (r#""a":null"#, r#""b":1"#, r#"{"a":null,"b":1}"#),
        (r#""a":null"#, r#""a":null"#, "{}"),
        (r#""status":"pass","note":"n""#, r#""status":null,"note":null"#, "{}"),
        (r#""status":null,"note":null,"files":null"#, r#""a":1"#, r#"{"a":1}"#),
        // a new key is added, in order, with all that is in it
        (r#""z":1"#, r#""a":{"k":null}"#, r#"{"z":1,"a":{"k":null}}"#),
        // an object into an object, recursively, by the same rules
        (
            r#""o":{"x":1,"y":{"p":[1],"q":1},"gone":1}"#,
            r#""o":{"y":{"p":[2],"q":null,"r":3},"gone":null,"new":{"n":null}}"#,
            r#"{"o":{"x":1,"y":{"p":[1,2],"r":3},"new":{"n":null}}}"#,
        ),
        (r#""o":{}"#, r#""o":{}"#, r#"{"o":{}}"#),
        (r#""o":{"a":1}"#, r#""o":{"a":null}"#, r#"{"o":{}}"#),
        // an array onto an array
        (r#""l":[1,2,3]"#, r#""l":[4,[5],null]"#, r#"{"l":[1,2,3,4,[5],null]}"#),
        (r#""l":[]"#, r#""l":[1]"#, r#"{"l":[1]}"#),
        (r#""l":[1]"#, r#""l":[ ]"#, r#"{"l":[1]}"#),
        (r#""l":[]"#, r#""l":[]"#, r#"{"l":[]}"#),
        // any other pair is replaced, in place
        (r#""a":"x","b":1"#, r#""a":"y""#, r#"{"a":"y","b":1}"#),
        (r#""a":1"#, r#""a":2.50"#, r#"{"a":2.50}"#),
        (r#""a":true"#, r#""a":"true""#, r#"{"a":"true"}"#),
        (r#""a":[1]"#, r#""a":{"k":1}"#, r#"{"a":{"k":1}}"#),
        (r#""a":{"k":1}"#, r#""a":[1]"#, r#"{"a":[1]}"#),
        (r#""a":{"k":1}"#, r#""a":7"#, r#"{"a":7}"#),
        (r#""a":7"#, r#""a":{"k":1}"#, r#"{"a":{"k":1}}"#),
        (r#""a":null"#, r#""a":{"k":1}"#, r#"{"a":{"k":1}}"#),
        // numbers and duplicate keys
        (
            r#""a":123456789012345678901234567890"#,
            r#""b":1"#,
            r#"{"a":123456789012345678901234567890,"b":1}"#,
        ),
        (r#""o":{"k":1,"k":2}"#, r#""o":{"l":1,"l":{"m":3}}"#, r#"{"o":{"k":2,"l":{"m":3}}}"#),
        // a key that returns comes last
        (r#""a":1,"b":2"#, r#""a":null,"c":3"#, r#"{"b":2,"c":3}"#),
    ];
    for (first, second, line) in cases {
        assert_eq!(merged(first, second), line, "{first} + {second}");
    }
}

#[test]
fn a_result_is_closed_by_one_of_its_name_without_partial() {
    let cases: [(&[&str], &[&str]); 6] = [
        (&[r#"{"status":"fail","partial":true}"#, r#"{"status":"pass"}"#], &[r#"{"status":"pass"}"#]),
        (
            &[r#"{"status":"fail","partial":true}"#, r#"{"a":1,"partial":false}"#],
            &[r#"{"status":"fail","a":1}"#],
        ),
        (&[r#"{"status":"fail","partial":true}"#, r#"{"partial":null}"#], &[r#"{"status":"fail"}"#]),
        // Names are apart, no name and the empty one too; what was closed may be opened again.
        (
            &[
                r#"{"name":"s","partial":true,"n":1}"#,
                r#"{"name":"","partial":true,"n":2}"#,
                r#"{"partial":true,"n":3}"#,
                r#"{"name":"","m":4}"#,
                r#"{"name":null,"m":5}"#,
                r#"{"name":"s","m":6}"#,
                r#"{"name":"s","m":7}"#,
            ],
            &[
                r#"{"name":"","n":2,"m":4}"#,
                r#"{"n":3,"m":5}"#,
                r#"{"name":"s","n":1,"m":6}"#,
                r#"{"name":"s","m":7}"#,
            ],
        ),
        // Names are compared as they are, not as they are written or made safe.
        (
            &[
                r#"{"name":"\u0073","partial":true}"#,
                r#"{"name":"s","status":"pass"}"#,
                r#"{"name":"./s"}"#,
                "{}",
            ],
            &[r#"{"name":"s","status":"pass"}"#, r#"{"name":"./s"}"#, "{}"],
        ),
        // Unfinished ones at the end, in the order of their first appearance.
        (
            &[
                r#"{"name":"c","partial":true}"#,
                r#"{"name":"a","partial":true}"#,
                r#"{"name":"b","partial":true}"#,
                r#"{"name":"c","partial":true,"late":true}"#,
                r#"{"name":"a"}"#,
                r#"{"name":"a","partial":true,"again":true}"#,
                "{}",
            ],
            &[
                r#"{"name":"a"}"#,
                "{}",
                r#"{"name":"c","late":true}"#,
                r#"{"name":"b"}"#,
                r#"{"name":"a","again":true}"#,
            ],
        ),
    ];
    for (sent, stored) in cases {
        assert_eq!(run_good(&results(sent)).results, stored, "{sent:?}");
    }
}

#[test]
fn files_of_a_partial_result_are_written_at_once_and_listed_at_the_end() {
    let first =
        result(r#"{"partial":true,"files":[{"name":"b","length":2},{"name":"c","length":0}]}"#) + "12";
    let second = result(r#"{"partial":true,"status":"pass","files":[{"name":"a","length":1}]}"#) + "3";
    let third = result(r#"{"files":[{"name":"b","length":2}]}"#) + "45";
    let record = run_good([first.as_str(), &second, &third].concat().as_bytes());
    assert_eq!(record.results, [r#"{"files":["a","b","c"],"status":"pass"}"#]);
    assert_eq!(record.file("b"), b"1245");

    let dropped = [first.as_str(), &result(r#"{"files":null}"#)].concat();
    let record = run_good(dropped.as_bytes());
    assert_eq!(record.results, ["{}"], "null takes them off the list");
    assert_eq!(record.file("b"), b"12", "not off the disk");
}

#[test]
fn the_output_is_linked_when_the_result_is_closed() {
    let open = r#"{"testout":"here","partial":true}"#;
    let cases: [(&[&str], &[&str], &str); 5] = [
        (&[open, "{}"], &["here"], r#"{"files":["here"]}"#),
        (
            &[open, r#"{"testout":"there","status":"pass"}"#],
            &["there"],
            r#"{"status":"pass","files":["there"]}"#,
        ),
        (&[open, r#"{"testout":null}"#], &[], "{}"),
        (&[open, r#"{"testout":null,"partial":true}"#, "{}"], &[], "{}"),
        (&[open, r#"{"testout":"a/b","partial":true}"#, "{}"], &["a/b"], r#"{"files":["a/b"]}"#),
    ];
    for (sent, links, line) in cases {
        let record = run_good(&results(sent));
        assert_eq!(record.links, links, "{sent:?}");
        assert_eq!(record.results, [line], "{sent:?}");
    }
}

#[test]
fn a_clash_of_the_output_shows_when_the_result_is_closed() {
    let file = result(r#"{"name":"","files":[{"name":"log","length":1}]}"#) + "x";
    let open = result(r#"{"testout":"log","partial":true,"status":"pass","kept":1}"#);
    // Replaced in time: no error.
    let record = run_good((file.clone() + &open + &result(r#"{"testout":"other"}"#)).as_bytes());
    assert_eq!(record.results[1], r#"{"status":"pass","kept":1,"files":["other"]}"#);

    // Closed: refused, and the open one is as it was before, less the link that it cannot have.
    let (record, error) = run_bad((file.clone() + &open + &result(r#"{"a":1}"#)).as_bytes());
    assert_eq!(error.reason, "testout `log`: a file of this name exists already");
    assert_eq!(error.offset, (file.len() + open.len()) as u64);
    let note =
        format!("protocol error: `result` at byte {} of the control stream: {}", error.offset, error.reason);
    assert_eq!(
        record.results[1],
        format!(r#"{{"status":"error","kept":1,"note":"{note}","files":["output.txt"]}}"#)
    );

    // Never closed: an error too, at the word that opened it.
    let (record, error) = run_bad((file.clone() + &open).as_bytes());
    assert_eq!((error.word.as_str(), error.offset), ("result", file.len() as u64));
    assert_eq!(record.links, ["output.txt"]);

    // Of several the first is told; all results are stored.
    let other = result(r#"{"name":".","testout":"log","partial":true}"#);
    let (record, error) = run_bad((file.clone() + &open + &other).as_bytes());
    assert_eq!(error.offset, file.len() as u64);
    assert_eq!(record.results[2], r#"{"name":"."}"#);
}

#[test]
fn a_partial_result_that_is_cut_changes_nothing() {
    let stream = result(r#"{"name":"s","partial":true,"status":"pass"}"#)
        + &result(r#"{"name":"s","partial":true,"status":"fail","files":[{"name":"f","length":9}]}"#)
        + "cut";
    let (record, _) = run(stream.as_bytes(), PASSED);
    assert_eq!(record.results[0], r#"{"name":"s","status":"pass"}"#);
    assert_eq!(record.file("s/f"), b"cut");
}

#[test]
fn what_is_kept_open_is_bounded() {
    let limits = Limits { open: 8192, keys: 50, ..Limits::default() };
    let names = |count| {
        (0..count).map(|n| result(&format!(r#"{{"name":"n{n}","partial":true}}"#))).collect::<String>()
    };
    let (_, error) = run_bad_within(limits, names(1000).as_bytes());
    assert_eq!(error.reason, "open partial results need more than 8192 bytes");

    let grow = result(r#"{"partial":true,"l":["aaaaaaaaaaaaaaaaaaaaaaaaa"]}"#).repeat(400);
    let (record, error) = run_bad_within(limits, grow.as_bytes());
    assert_eq!(error.reason, "open partial results need more than 8192 bytes");
    assert!(record.results[0].len() < 10_000);

    // What is replaced, deleted or closed is not counted, nor are files again and again.
    let text = "x".repeat(1500);
    let turn = result(&format!(r#"{{"name":"s","partial":true,"t":"{text}","o":{{"a":"{text}"}}}}"#))
        + &result(r#"{"name":"s","partial":true,"t":null,"o":{"a":null,"b":1}}"#)
        + &result(r#"{"name":"s","partial":true,"files":[{"name":"f","length":1}]}"#)
        + "x"
        + &result(r#"{"name":"s"}"#);
    let (record, ending) = crate::common::run_within(limits, turn.repeat(50).as_bytes(), PASSED);
    assert_eq!(ending.error, None);
    assert_eq!(record.results.len(), 51);

    let many = |first: usize| {
        let members: Vec<_> = (first..first + 30).map(|n| format!(r#""{n}":1"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let wide = result(&format!(r#"{{"partial":true,"o":{}}}"#, many(0)))
        + &result(&format!(r#"{{"o":{}}}"#, many(20)));
    let limits = Limits { keys: 25, ..Limits::default() };
    let (record, error) = run_bad_within(limits, wide.as_bytes());
    assert!(
        error.reason.starts_with("key `o`: bad JSON: more than 25 keys in one object"),
        "{}",
        error.reason
    );
    assert!(record.results[0].starts_with(&format!(r#"{{"o":{}"#, many(0))), "{}", record.results[0]);
}
