//! The command line, this machine, and what stands in the way of reading and writing.

use atex_cli::output::Output;
use atex_cli::{Exit, Kind};
use atex_provision::{Args, Config, command, run};
use clap::Parser as _;

use crate::{hosts, refusal};

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn this_machine_is_given_several_times() {
    let text = hosts("x local -n 3 --platform here", "");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect();
    let facts = lines[0]["facts"].clone();
    assert!(facts["arch"].is_string(), "{facts}");
    let expected = |n: u32| {
        serde_json::json!({"type": "host", "id": format!("local/{n}"), "platform": "here",
            "connect": {"how": "local"}, "facts": facts})
    };
    assert_eq!(lines, [expected(1), expected(2), expected(3)]);
    assert_eq!(hosts("x local", "").lines().count(), 1);
    assert!(!hosts("x local", "").contains("platform"));
}

#[test]
fn wrong_usage_is_refused() {
    for words in [
        "x",
        "x other",
        "x local -n 0",
        "x local -n x",
        "x local --platform=",
        "x static",
        "x static a b",
        "x static a --format ini",
        "x static a -n 0",
    ] {
        let error = Args::try_parse_from(words.split(' ')).expect_err(words);
        assert_eq!(error.exit_code(), 2, "{words}");
    }
    let no_command = Config::new(Args::try_parse_from(["x", "-v"]).unwrap()).unwrap_err();
    assert_eq!(
        no_command.message,
        "no command was given: expected a back end, or what is to be done with hosts or leases"
    );
}

#[test]
fn a_list_that_cannot_be_read_is_named() {
    assert_eq!(refusal("x static /nonexistent/lab", ""), "/nonexistent/lab: No such file or directory");
    assert_eq!(refusal("x static /", ""), "/: Is a directory");
}

#[test]
fn a_list_that_is_not_text_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lab");
    std::fs::write(&file, b"a\nb\xff\n").unwrap();
    let words = ["x".as_ref(), "static".as_ref(), file.as_os_str()];
    let config = Config::new(Args::try_parse_from(words).unwrap()).unwrap();
    let failure = run(&config, &mut Output::new(Vec::new())).unwrap_err();
    assert_eq!(failure.message, format!("{}:2: expected UTF-8, found other bytes", file.display()));
}

#[test]
fn a_reader_that_went_away_is_trouble() {
    let config = Config::new(Args::try_parse_from(["x", "local"]).unwrap()).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let failure = run(&config, &mut Output::new(writer)).unwrap_err();
    assert_eq!(failure.kind, Kind::Trouble);
    assert_eq!(failure.kind.exit(), Exit::Trouble);
}
