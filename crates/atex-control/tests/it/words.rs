//! The table of control words (spec: test control, 1).

use crate::common::{Record, feed, run_bad, run_bad_within, run_good};
use atex_control::{Event, FeedError, Limits, Parser};
use std::time::Duration;

#[test]
fn each_word_is_an_event() {
    let set = |seconds| format!("Duration(Set({:?}))", Duration::from_secs(seconds));
    let cases: [(&str, &[String]); 21] = [
        ("exitcode 0", &["ExitCode(0)".into()]),
        ("exitcode 143", &["ExitCode(143)".into()]),
        ("exitcode -1", &["ExitCode(-1)".into()]),
        ("exitcode  7 ", &["ExitCode(7)".into()]),
        ("duration 15m", &[set(900)]),
        ("duration 600", &[set(600)]),
        ("duration 0", &[set(0)]),
        ("duration 1h 30m", &[set(5400)]),
        ("duration +60", &["Duration(Extend(60s))".into()]),
        ("duration +1m", &["Duration(Extend(60s))".into()]),
        ("duration -60", &["Duration(Shorten(60s))".into()]),
        ("duration save", &["Duration(Save)".into()]),
        ("duration restore", &["Duration(Restore)".into()]),
        ("disconnect", &["Disconnect".into()]),
        ("noop", &["Noop".into()]),
        ("noop whatever", &["Noop".into()]),
        ("mark +db-ready", &[r#"Mark { name: "db-ready", set: true }"#.into()]),
        ("mark -db-ready", &[r#"Mark { name: "db-ready", set: false }"#.into()]),
        ("note 3 of 7  done", &[r#"Note("3 of 7  done")"#.into()]),
        ("note", &[r#"Note("")"#.into()]),
        ("note čtvrtý", &[r#"Note("čtvrtý")"#.into()]),
    ];
    for (line, words) in cases {
        assert_eq!(run_good(format!("{line}\n").as_bytes()).words, words, "{line}");
    }
}

#[test]
fn a_wrong_line_is_named_with_its_offset() {
    let cases: [(&[u8], &str, &str); 31] = [
        (b"\n", "", "an empty line, where a control word was expected"),
        (b" noop\n", "", "unknown control word"),
        (b"nope 1\n", "nope", "unknown control word"),
        (b"Noop\n", "Noop", "unknown control word"),
        (b"noop\r\n", r"noop\r", "unknown control word"),
        (b"noop\tx\n", r"noop\tx", "unknown control word"),
        (b"\x1b[31mred\xff\0\n", r"\u{1b}[31mred�\0", "unknown control word"),
        (b"result\n", "result", "bad argument ``: expected a decimal number"),
        (b"result x\n", "result", "bad argument `x`: expected a decimal number"),
        (b"result 0\n", "result", "bad argument: a result of 0 bytes holds no JSON object"),
        (b"result -5\n", "result", "bad argument `-5`: expected a decimal number"),
        (b"result 1e9\n", "result", "bad argument `1e9`: expected a decimal number"),
        (b"result 0x10\n", "result", "bad argument `0x10`: expected a decimal number"),
        (b"result 2.0\n", "result", "bad argument `2.0`: expected a decimal number"),
        (b"result 16777217\n", "result", "bad argument: a result of more than 16777216 bytes"),
        (b"result 9223372036854775808\n", "result", "bad argument: a result of more than 16777216 bytes"),
        (
            b"result 18446744073709551616\n",
            "result",
            "bad argument `18446744073709551616`: expected a decimal number",
        ),
        (b"exitcode\n", "exitcode", "bad argument ``: expected a decimal number"),
        (b"exitcode one\n", "exitcode", "bad argument `one`: expected a decimal number"),
        (b"exitcode \xff\n", "exitcode", "bad argument: not UTF-8"),
        (b"duration\n", "duration", "duration ``: expected digits and one of s, m, h, d, as in `15m`"),
        (b"duration 5 m\n", "duration", "duration `5 m`: expected digits and one of s, m, h, d, as in `15m`"),
        (b"duration +-5\n", "duration", "duration `-5`: expected digits and one of s, m, h, d, as in `15m`"),
        (
            b"duration Save\n",
            "duration",
            "duration `Save`: expected digits and one of s, m, h, d, as in `15m`",
        ),
        (
            b"duration 99999999999999999999\n",
            "duration",
            "duration `99999999999999999999` is too long to be counted",
        ),
        (b"mark\n", "mark", "bad argument ``: expected `+name` or `-name`"),
        (b"mark name\n", "mark", "bad argument `name`: expected `+name` or `-name`"),
        (b"mark +\n", "mark", "bad argument `+`: expected `+name` or `-name`"),
        (b"mark +\x1b[2J\n", "mark", r"bad argument `+\u{1b}[2J`: expected `+name` or `-name`"),
        (b"mark +\xff\n", "mark", "bad argument: not UTF-8"),
        (b"note \xc3\n", "note", "bad argument: not UTF-8"),
    ];
    for (line, word, reason) in cases {
        let shown = String::from_utf8_lossy(line);
        let stream = [b"noop\nresult 2\n{}", line, b"noop\n"].concat();
        let (record, error) = run_bad(&stream);
        assert_eq!((error.word.as_str(), error.reason.as_str()), (word, reason), "{shown}");
        assert_eq!(error.offset, 16, "{shown}");
        assert_eq!(record.words, ["Noop"], "nothing is read behind the error: {shown}");
        assert_eq!(record.results, ["{}"], "complete results are kept: {shown}");
    }
}

#[test]
fn the_message_says_word_offset_and_reason() {
    let (_, error) = run_bad(b"noop\nfrob x\n");
    assert_eq!(
        error.to_string(),
        "protocol error: `frob` at byte 5 of the control stream: unknown control word"
    );
}

#[test]
fn a_line_has_at_most_4096_bytes_with_its_newline() {
    let longest = format!("note {}\n", "x".repeat(4090));
    assert_eq!(longest.len(), 4096);
    assert_eq!(run_good(longest.as_bytes()).words.len(), 1);

    for line in [format!("note {}\n", "x".repeat(4091)), "y".repeat(1 << 20)] {
        let (record, error) = run_bad(line.as_bytes());
        assert_eq!(error.reason, "a control line of more than 4096 bytes");
        assert_eq!(record.words, [""; 0]);
        assert!(error.word.len() < 80, "{}", error.word);
    }
    let limits = Limits { line: 5, ..Limits::default() };
    let (record, _) = run_bad_within(limits, b"noop\nnoop \n");
    assert_eq!(record.words, ["Noop"]);
}

#[test]
fn a_channel_is_closed_by_disconnect_until_the_test_is_started_again() {
    let mut record = Record::default();
    let mut parser = Parser::new(Limits::default());
    let first = b"result 38\n{\"name\":\"boot\",\"partial\":true,\"n\":[1]}disconnect\nnoop\nnonsense\n\n";
    feed(&mut parser, first, &mut record).unwrap();
    feed(&mut parser, b"more nonsense\n", &mut record).unwrap();
    assert_eq!(record.words, ["Disconnect"]);

    parser.reopen();
    assert_eq!(parser.state().offset(), 0);
    feed(&mut parser, b"noop\nresult 23\n{\"name\":\"boot\",\"n\":[2]}", &mut record).unwrap();
    assert_eq!(record.results, [r#"{"name":"boot","n":[1,2]}"#]);

    let error = feed(&mut parser, b"frob\n", &mut record).unwrap_err();
    assert_eq!(error.offset, 38, "offsets count from the new stream's start");
    parser.reopen();
    feed(&mut parser, b"noop\n", &mut record).unwrap();
    assert_eq!(record.words, ["Disconnect", "Noop"], "an error closes the channel for good");
}

#[test]
fn a_new_stream_begins_with_a_word_whatever_the_old_one_ended_with() {
    let cut =
        ["noo", "result 20\n", "result 20\n{", "result 35\n{\"files\":[{\"name\":\"f\",\"length\":3}]}ab"];
    for cut in cut {
        let mut record = Record::default();
        let mut parser = Parser::new(Limits::default());
        feed(&mut parser, cut.as_bytes(), &mut record).unwrap();
        parser.reopen();
        feed(&mut parser, b"noop\n", &mut record).unwrap();
        let ending = crate::common::finish(parser, crate::common::PASSED, &mut record);
        assert_eq!((record.words, ending.error), (vec!["Noop".to_owned()], None), "{cut}");
        assert_eq!(record.results, [r#"{"status":"pass","files":["output.txt"]}"#], "{cut}");
    }
}

#[test]
fn a_sink_that_fails_stops_the_parser() {
    let mut parser = Parser::new(Limits::default());
    let mut calls = 0;
    let mut full = |_: Event<'_>| {
        calls += 1;
        Err("no space left")
    };
    match parser.feed(b"noop\nnoop\n", &mut full) {
        Err(FeedError::Sink("no space left")) => {}
        other => panic!("{other:?}"),
    }
    parser.feed(b"noop\n", &mut full).expect("ignored");
    assert_eq!(calls, 1);
}

#[test]
fn an_unfinished_last_line_is_told_but_no_error() {
    let (record, ending) = crate::common::run(b"noop\nexitco\x1b", crate::common::PASSED);
    assert_eq!(ending.error, None);
    assert_eq!(ending.unfinished.as_deref(), Some(r"exitco\u{1b}"));
    assert_eq!(record.results, [r#"{"status":"pass","files":["output.txt"]}"#]);
}
