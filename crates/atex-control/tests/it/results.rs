//! One result: its keys, its files, its stored form (spec: test control, 2).

use crate::common::{PASSED, Record, run, run_bad, run_good};
use atex_control::{Status, extra};
use serde_json::{Map, Value, json};

fn result(json: &str) -> String {
    crate::common::result(json)
}

/// The first stored result of this JSON, followed by these file bytes.
fn stored(json: &str, bytes: &str) -> (String, Record) {
    let record = run_good((result(json) + bytes).as_bytes());
    (record.results[0].clone(), record)
}

#[test]
fn the_stored_form_keeps_what_it_does_not_define() {
    let cases = [
        ("{}", "{}"),
        (" {\n } ", "{}"),
        (r#"{"status":"pass"}"#, r#"{"status":"pass"}"#),
        (r#"{"name":"sub"}"#, r#"{"name":"sub"}"#),
        (r#"{"name":""}"#, r#"{"name":""}"#),
        (r#"{"status":"flaky","name":"a/b","note":"n"}"#, r#"{"status":"flaky","name":"a/b","note":"n"}"#),
        // Order and spelling are the test's.
        (
            "{\n \"z\": 1.50,\n \"name\": \"s\",\t\"a\": [ 1, {\"k\" :null} ],\"status\":\"warn\"}",
            r#"{"z":1.50,"name":"s","a":[1,{"k":null}],"status":"warn"}"#,
        ),
        (
            r#"{"big":123456789012345678901234567890,"e":1E2}"#,
            r#"{"big":123456789012345678901234567890,"e":1E2}"#,
        ),
        (r#"{"own":null,"t":"a \"b\" \\ c  d"}"#, r#"{"own":null,"t":"a \"b\" \\ c  d"}"#),
        (r#"{"k\"e\ny":"\u0000\u001b[31m"}"#, r#"{"k\"e\ny":"\u0000\u001b[31m"}"#),
        (r#"{"note":"žluť\ud83d\ude00\n"}"#, r#"{"note":"žluť\ud83d\ude00\n"}"#),
        // Known keys that are null are absent.
        (r#"{"status":null,"name":null,"note":null,"files":null,"testout":null,"partial":null}"#, "{}"),
        (r#"{"status":"pass","partial":false}"#, r#"{"status":"pass"}"#),
        // The last of equal keys, at the place of the first.
        (
            r#"{"a":1,"status":"fail","a":{"b":1,"b":2},"status":"pass"}"#,
            r#"{"a":{"b":1,"b":2},"status":"pass"}"#,
        ),
        (r#"{"testout":"a","testout":null}"#, "{}"),
        (r#"{"type":"result","test":"x"}"#, r#"{"type":"result","test":"x"}"#),
    ];
    for (json, line) in cases {
        assert_eq!(stored(json, "").0, line, "{json}");
        let reread: Result<Value, _> = serde_json::from_str(line);
        reread.expect(line);
    }
}

#[test]
fn what_is_not_one_good_object_is_refused() {
    let cases = [
        ("[]", "bad JSON: invalid type: sequence, expected one JSON object"),
        (r#"[{"status":"pass"}]"#, "bad JSON: invalid type: sequence, expected one JSON object"),
        ("\"pass\"", "bad JSON: invalid type: string"),
        ("null", "bad JSON: invalid type: null, expected one JSON object"),
        ("{}{}", "bad JSON: trailing characters"),
        ("{} x", "bad JSON: trailing characters"),
        (r#"{"key_without_value": "#, "bad JSON: EOF while parsing a value"),
        ("{'status':'pass'}", "bad JSON: key must be a string"),
        (r#"{"a":NaN}"#, "bad JSON: expected value"),
        (r#"{"a":01}"#, "bad JSON: invalid number"),
        (r#"{"status":1}"#, "key `status`: expected a string, found `1`"),
        (r#"{"status":["pass"]}"#, "key `status`: expected a string, found `[\\\"pass\\\"]`"),
        (r#"{"name":{}}"#, "key `name`: expected a string, found `{}`"),
        (r#"{"note":true}"#, "key `note`: expected a string, found `true`"),
        (r#"{"partial":"true"}"#, "key `partial`: expected true or false, found `\\\"true\\\"`"),
        (r#"{"partial":1}"#, "key `partial`: expected true or false, found `1`"),
        (r#"{"testout":""}"#, "key `testout`: `` names no file"),
        (r#"{"testout":"..//./"}"#, "key `testout`: `..//./` names no file"),
        (r#"{"testout":true}"#, "key `testout`: expected a string, found `true`"),
        (r#"{"files":{}}"#, "key `files`: invalid type: map, expected a list of files"),
        (r#"{"files":"log"}"#, "key `files`: invalid type: string"),
        (r#"{"files":["log"]}"#, "key `files`: bad JSON: invalid type: string"),
        (r#"{"files":[{"length":1}]}"#, "key `files`: no `name` in"),
        (r#"{"files":[{"name":"a"}]}"#, "key `files`: no `length` in"),
        (r#"{"files":[{"name":"","length":1}]}"#, "key `files`: `` names no file"),
        (r#"{"files":[{"name":"..","length":1}]}"#, "key `files`: `..` names no file"),
        (r#"{"files":[{"name":1,"length":1}]}"#, "key `files`: expected a string, found `1`"),
    ];
    for (json, reason) in cases {
        let (record, error) = run_bad(result(json).as_bytes());
        assert!(error.reason.starts_with(reason), "{json}: {}", error.reason);
        assert_eq!((error.word.as_str(), error.offset), ("result", 0), "{json}");
        let [fallback] = &record.results[..] else { panic!("{:?}", record.results) };
        let fallback: Value = serde_json::from_str(fallback).unwrap();
        assert_eq!(fallback["note"], error.to_string(), "{json}");
    }
}

#[test]
fn a_length_is_a_whole_number_of_bytes() {
    for length in
        ["-1", "1.0", "1e9", "\"1e9\"", "\"\"", "\" 1\"", "null", "[1]", "18446744073709551616", "-0"]
    {
        let json = format!(r#"{{"files":[{{"name":"f","length":{length}}}]}}"#);
        let (record, error) = run_bad(result(&json).as_bytes());
        assert!(error.reason.contains("is not a whole number of bytes"), "{length}: {}", error.reason);
        assert!(record.files.is_empty());
    }
    for length in ["3", "\"3\"", "\"003\""] {
        let json = format!(r#"{{"files":[{{"name":"f","length":{length}}}]}}"#);
        assert_eq!(stored(&json, "abc").1.file("f"), b"abc", "{length}");
    }
}

#[test]
fn files_are_written_below_the_subtest_and_listed_sorted() {
    /// Path and contents.
    type Files<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, &str, &str, Files<'_>); 10] = [
        (r#"{"files":[]}"#, "", r#"{"files":[]}"#, &[]),
        (r#"{"files":[{"name":"f","length":0}]}"#, "", r#"{"files":["f"]}"#, &[("f", "")]),
        (
            r#"{"files":[{"name":"B","length":2},{"name":"C","length":1},{"name":"A","length":3}]}"#,
            "bbcaaa",
            r#"{"files":["A","B","C"]}"#,
            &[("A", "aaa"), ("B", "bb"), ("C", "c")],
        ),
        // The same name again appends, and an empty file between two changes nothing.
        (
            r#"{"files":[{"name":"one","length":2},{"name":"e","length":0},{"name":"one","length":3}]}"#,
            "12345",
            r#"{"files":["e","one"]}"#,
            &[("e", ""), ("one", "12345")],
        ),
        (
            r#"{"name":"sub/res","files":[{"name":"some/file","length":1}]}"#,
            "x",
            r#"{"name":"sub/res","files":["some/file"]}"#,
            &[("sub/res/some/file", "x")],
        ),
        (
            r#"{"name":"/../s\u0000","files":[{"name":"../../etc/passwd","length":1}]}"#,
            "x",
            r#"{"name":"/../s\u0000","files":["etc/passwd"]}"#,
            &[("s_/etc/passwd", "x")],
        ),
        // Two spellings of one path are one file.
        (
            r#"{"files":[{"name":"a/b","length":1},{"name":"./a//b","length":1}]}"#,
            "xy",
            r#"{"files":["a/b"]}"#,
            &[("a/b", "xy")],
        ),
        (
            r#"{"testout":"z","files":[{"name":"a","length":1}],"status":"pass"}"#,
            "x",
            r#"{"files":["z","a"],"status":"pass"}"#,
            &[("a", "x")],
        ),
        (r#"{"testout":"out/z","status":"pass"}"#, "", r#"{"status":"pass","files":["out/z"]}"#, &[]),
        (r#"{"files":[{"name":"é\"\\","length":1}]}"#, "x", r#"{"files":["é\"\\"]}"#, &[("é\"\\", "x")]),
    ];
    for (json, bytes, line, files) in cases {
        let (stored, record) = stored(json, bytes);
        assert_eq!(stored, line, "{json}");
        let written: Vec<_> = record
            .files
            .iter()
            .map(|(path, bytes)| (path.as_str(), std::str::from_utf8(bytes).unwrap()))
            .collect();
        assert_eq!(written, files, "{json}");
    }
}

#[test]
fn binary_contents_may_look_like_anything() {
    let bytes = "result 2\n{}\0\nnoop\n";
    let json = format!(r#"{{"files":[{{"name":"f","length":{}}}]}}"#, bytes.len());
    let stream = result(&json) + bytes + &result(r#"{"files":[{"name":"f","length":1}]}"#) + "!note x\n";
    let record = run_good(stream.as_bytes());
    assert_eq!(record.file("f"), [bytes.as_bytes(), b"!"].concat());
    assert_eq!(record.results.len(), 2);
    assert_eq!(record.words, ["Note(\"x\")"]);
}

#[test]
fn the_output_is_linked_for_each_result_that_asks() {
    let stream = [
        r#"{"testout":"here.txt","status":"fail"}"#,
        r#"{"testout":"there.txt"}"#,
        r#"{"name":"../sub","testout":"/here.txt"}"#,
    ];
    let record = run_good(&crate::common::results(&stream));
    assert_eq!(record.links, ["here.txt", "there.txt", "sub/here.txt"]);
    assert_eq!(record.results[2], r#"{"name":"../sub","files":["here.txt"]}"#);
}

#[test]
fn a_name_is_a_file_or_a_directory_or_the_output() {
    let file = |name: &str, path: &str| {
        let name = if name.is_empty() { String::new() } else { format!(r#""name":"{name}","#) };
        result(&format!(r#"{{{name}"files":[{{"name":"{path}","length":1}}]}}"#)) + "x"
    };
    let out = |name: &str| result(&format!(r#"{{"testout":"{name}"}}"#));
    let cases = [
        // The output under the name of a file, of a directory, of itself, and below a file.
        (file("", "log") + &out("log"), "a file of this name exists already"),
        (file("", "a/b") + &out("a"), "has the name of a directory"),
        (out("log") + &out("log"), "a file of this name exists already"),
        (out("log") + &out("./log"), "a file of this name exists already"),
        (file("", "log") + &out("log/x"), "needs a directory where `log` is a file"),
        (
            result(r#"{"testout":"log","files":[{"name":"log","length":1}]}"#) + "x",
            "a file of this name exists already",
        ),
        // A file under the name of the output would overwrite it.
        (out("log") + &file("", "log"), "is the test's output already"),
        (out("log") + &file("", "log/x"), "needs a directory where `log` is a file"),
        // Files and directories, within a subtest and across.
        (file("", "a") + &file("", "a/b"), "needs a directory where `a` is a file"),
        (file("", "a/b") + &file("", "a"), "has the name of a directory"),
        (file("", "a") + &file("a", "b"), "needs a directory where `a` is a file"),
        (file("a", "b/c") + &file("", "a/b"), "has the name of a directory"),
    ];
    for (stream, reason) in cases {
        let (_, error) = run_bad(stream.as_bytes());
        assert!(error.reason.contains(reason), "{stream}: {}", error.reason);
        assert_eq!(error.word, "result");
    }
    let fine = [
        file("a", "b") + &file("", "a/b"),
        file("", "a-") + &file("", "a/b") + &file("", "a0"),
        file("", "a0") + &file("", "a"),
        out("log") + &result(r#"{"name":"s","testout":"log"}"#),
        file("s", "output.txt") + &out("output.txt"),
    ];
    for stream in fine {
        run_good(stream.as_bytes());
    }
}

#[test]
fn of_a_refused_or_cut_result_files_are_kept_and_nothing_is_reported() {
    let conflict = result(
        r#"{"name":"s","files":[{"name":"a","length":2},{"name":"a/b","length":2},{"name":"c","length":1}]}"#,
    ) + "123456";
    let (record, error) = run_bad(conflict.as_bytes());
    assert_eq!(error.reason, "file `s/a/b` needs a directory where `s/a` is a file");
    assert_eq!(record.files.len(), 1);
    assert_eq!(record.file("s/a"), b"12");
    assert_eq!(record.results.len(), 1, "only the fallback: {:?}", record.results);

    let cases = [
        ("result 5\n", "the stream ends inside the JSON, missing bytes: 5", None),
        ("result 5\n{}", "the stream ends inside the JSON, missing bytes: 3", None),
        (
            "result 35\n{\"files\":[{\"name\":\"f\",\"length\":3}]}",
            "the stream ends inside file `f`, missing bytes: 3",
            Some(""),
        ),
        (
            "result 35\n{\"files\":[{\"name\":\"f\",\"length\":3}]}ab",
            "the stream ends inside file `f`, missing bytes: 1",
            Some("ab"),
        ),
    ];
    for (stream, reason, file) in cases {
        let (record, error) = run_bad(format!("noop\n{stream}").as_bytes());
        assert_eq!((error.offset, error.reason.as_str()), (5, reason));
        assert_eq!(record.files.get("f").map(Vec::as_slice), file.map(str::as_bytes));
        assert_eq!(record.results.len(), 1, "only the fallback: {:?}", record.results);
    }
}

#[test]
fn infra_is_not_for_tests_to_say() {
    let cases = [
        (r#"{"status":"infra","a":1}"#, r#"{"status":"error","a":1,"extra":{"status":"infra"}}"#),
        (r#"{"status":"\u0069nfra"}"#, r#"{"status":"error","extra":{"status":"\u0069nfra"}}"#),
        (r#"{"extra":{"k":1},"status":"infra"}"#, r#"{"extra":{"k":1,"status":"infra"},"status":"error"}"#),
        (r#"{"extra":{"status":"x"},"status":"infra"}"#, r#"{"extra":{"status":"infra"},"status":"error"}"#),
        (r#"{"extra":[1],"status":"infra"}"#, r#"{"extra":{"extra":[1],"status":"infra"},"status":"error"}"#),
        (r#"{"extra":null,"status":"infra"}"#, r#"{"extra":{"status":"infra"},"status":"error"}"#),
        (r#"{"status":"Infra"}"#, r#"{"status":"Infra"}"#),
    ];
    for (json, line) in cases {
        assert_eq!(stored(json, "").0, line, "{json}");
    }
    let (_, ending) = run(result(r#"{"status":"infra"}"#).as_bytes(), PASSED);
    assert_eq!(ending.outcome, Status::Error);
    assert_eq!(ending.tally.counts().collect::<Vec<_>>(), [("error", 1)]);
}

#[test]
fn extra_is_what_is_the_tests_own() {
    let cases = [
        (json!({"status": "pass", "name": "s", "note": "n", "files": []}), None),
        (json!({"status": "pass", "b": 1, "a": null}), Some(json!({"b": 1, "a": null}))),
        (json!({"status": "error", "extra": {"status": "infra"}}), Some(json!({"status": "infra"}))),
        (json!({"a": 1, "extra": {"status": "infra", "a": 2}}), Some(json!({"a": 1, "status": "infra"}))),
        (json!({"extra": {"a": 2}, "a": 1}), Some(json!({"a": 1}))),
        (json!({"extra": 5}), Some(json!({"extra": 5}))),
    ];
    for (stored, expected) in cases {
        let stored: Map<String, Value> = serde_json::from_value(stored).unwrap();
        assert_eq!(extra(&stored).map(Value::from), expected, "{stored:?}");
    }
}
