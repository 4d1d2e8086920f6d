//! What a test may send that means harm, or sends by mistake.

use crate::common::{PASSED, Record, feed, result, run, run_bad, run_bad_within, run_good};
use atex_control::{Limits, Parser};
use serde_json::Value;

#[test]
fn no_name_leads_out_of_the_directory() {
    let names = [
        "../../etc/passwd",
        "/etc/passwd",
        "....//....//x",
        "a/../../b",
        ".",
        "..",
        "a\\u0000b",
        "a\\nb\\rc",
        "\\u001b]0;title\\u0007",
        "\\u007f\\u0085\\u009b31m",
        "/",
        "//",
        "./.",
        "\\u202egnp.exe",
        "-rf",
        "~root/.ssh",
        "$(id)",
    ];
    for subtest in names {
        for file in names {
            let json = format!(
                r#"{{"name":"{subtest}","files":[{{"name":"{file}","length":1}}],"testout":"out/{file}"}}"#
            );
            let (record, _) = run((result(&json) + "x").as_bytes(), PASSED);
            for path in record.files.keys().chain(&record.links) {
                assert!(!path.is_empty() && !path.chars().any(char::is_control), "{path:?}");
                assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path:?}");
            }
            for line in &record.results {
                assert!(!line.chars().any(char::is_control), "{line:?}");
                let stored: Value = serde_json::from_str(line).unwrap();
                for name in stored["files"].as_array().into_iter().flatten() {
                    assert!(
                        record
                            .files
                            .keys()
                            .chain(&record.links)
                            .any(|path| path.ends_with(name.as_str().unwrap()))
                    );
                }
            }
        }
    }
}

#[test]
fn messages_are_one_short_line_of_plain_text() {
    let long = "\\u001b[2J\\n".repeat(1000);
    let cases = [
        result(&format!(r#"{{"files":[{{"name":"{long}","length":1}}]}}"#)),
        result(&format!(r#"{{"{long}":[}}"#)),
        result(&format!(r#"{{"status":["{long}"]}}"#)),
        result(&format!(r#"{{"testout":"a/{long}"}}"#)),
        format!("frob{}\n", "\u{1b}\u{9b}\0".repeat(500)),
        format!("duration {}\n", "\u{1b}".repeat(500)),
    ];
    for stream in cases {
        let (_, error) = run_bad(stream.as_bytes());
        let message = error.to_string();
        assert!(message.len() < 1000 && !message.chars().any(char::is_control), "{message:?}");
    }
}

#[test]
fn a_huge_announcement_takes_no_memory() {
    let length = "9223372036854775808";
    let json = format!(r#"{{"files":[{{"name":"f","length":{length}}}]}}"#);
    let (record, error) = run_bad((result(&json) + "abc").as_bytes());
    assert_eq!(record.file("f"), b"abc");
    assert_eq!(error.reason, "the stream ends inside file `f`, missing bytes: 9223372036854775805");

    let mut parser = Parser::new(Limits::default());
    feed(&mut parser, b"result 16777216\n{", &mut Record::default()).unwrap();
    let state = serde_json::to_string(parser.state()).unwrap();
    assert!(state.len() < 1000, "{state}");
}

#[test]
fn bad_utf_8_is_refused_wherever_it_stands() {
    let cases: [&[u8]; 4] =
        [b"{\"status\":\"\xff\"}", b"{\"\xc3\":\"\xa9\"}", b"{\"a\":\xf0\x9f1}", b"{\"a\":\"\xed\xa0\x80\"}"];
    for json in cases {
        let stream = [format!("result {}\n", json.len()).as_bytes(), json].concat();
        let (_, error) = run_bad(&stream);
        assert!(error.reason.starts_with("bad JSON: not UTF-8 at byte "), "{}", error.reason);
    }
    for half in [r#""\ud800""#, r#""\udc00x""#, r#"["\ud83d\u0041"]"#, r#"{"\ud800":1}"#] {
        let (_, error) = run_bad(result(&format!(r#"{{"own":{half}}}"#)).as_bytes());
        assert!(error.reason.contains("bad JSON"), "{half}: {}", error.reason);
    }
    let (_, error) = run_bad(result(r#"{"\ud800":1}"#).as_bytes());
    assert!(error.reason.starts_with("bad JSON"), "{}", error.reason);
}

#[test]
fn nesting_is_bounded_so_that_readers_can_read_what_is_stored() {
    let nested = |depth: usize| format!(r#"{{"own":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let record = run_good(result(&nested(100)).as_bytes());
    let reread: Result<Value, _> =
        serde_json::from_str(&format!(r#"{{"type":"result","extra":{}}}"#, record.results[0]));
    reread.expect("a record that carries it can be read");
    for depth in [101, 200, 100_000, 5_000_000] {
        let (_, error) = run_bad(result(&nested(depth)).as_bytes());
        assert_eq!(error.reason, "key `own`: nested deeper than 100 levels");
        let open = format!(r#"{{"files":{}"#, "[".repeat(depth));
        run_bad(result(&open).as_bytes());
    }
    // Merging goes no deeper than the deepest.
    let deep =
        |leaf: &str| format!(r#"{{"partial":true,"o":{}{leaf}{}}}"#, r#"{"k":"#.repeat(98), "}".repeat(98));
    let record = run_good((result(&deep("[1]")) + &result(&deep("[2]"))).as_bytes());
    assert!(record.results[0].contains("[1,2]"));
}

#[test]
fn numbers_that_no_reader_takes_are_refused() {
    for number in ["1e400", "-1e999999999999999999999", &"9".repeat(1000)] {
        let (_, error) = run_bad(result(&format!(r#"{{"own":[{number}]}}"#)).as_bytes());
        assert!(error.reason.contains("is too large"), "{}", error.reason);
    }
    run_good(result(r#"{"own":[1e-400,0e999,1.7e308]}"#).as_bytes());
}

#[test]
fn many_keys_files_and_long_names_are_bounded() {
    let limits = Limits { keys: 100, entries: 10, path: 50, component: 20, ..Limits::default() };
    let keys: Vec<_> = (0..101).map(|n| format!(r#""{n}":1"#)).collect();
    let announced: Vec<_> = (0..11).map(|_| r#"{"name":"f","length":0}"#).collect();
    let file = |name: &str| result(&format!(r#"{{"files":[{{"name":"{name}","length":0}}]}}"#));
    let cases = [
        (result(&format!("{{{}}}", keys.join(","))), "more than 100 keys in one object"),
        (result(&format!(r#"{{"files":[{}]}}"#, announced.join(","))), "more than 10 files"),
        (file(&"x".repeat(21)), "in a file path is longer than 20 bytes"),
        (file(&"x/".repeat(40)), "is longer than 50 bytes"),
        (
            result(r#"{"name":"a/b/c/d/e/f/g/h/i/j/k","testout":"aaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbb"}"#),
            "is longer than 50 bytes",
        ),
    ];
    for (stream, reason) in cases {
        let (_, error) = run_bad_within(limits, stream.as_bytes());
        assert!(error.reason.contains(reason), "{}", error.reason);
    }
    // The same key, file, or name again costs nothing.
    let (_, ending) = crate::common::run_within(
        limits,
        (file("f").repeat(500) + &result(&format!("{{{}}}", vec![r#""k":1"#; 500].join(",")))).as_bytes(),
        PASSED,
    );
    assert_eq!(ending.error, None);
}

#[test]
fn results_without_files_leave_nothing_behind() {
    let mut parser = Parser::new(Limits::default());
    let mut sink = |_: atex_control::Event<'_>| Ok::<(), std::convert::Infallible>(());
    let mut size = 0;
    for turn in 0..20_000 {
        let json = format!(r#"{{"name":"subtest {turn}","status":"s{turn}","own":[{turn}]}}"#);
        parser.feed(result(&json).as_bytes(), &mut sink).unwrap();
        if turn == 10 {
            size = serde_json::to_string(parser.state()).unwrap().len();
        }
    }
    let grown = serde_json::to_string(parser.state()).unwrap().len() - size;
    assert!(grown < 20, "only counters got longer: {grown}");
    assert_eq!(parser.tally().total(), 20_000);
}
