//! The command line, and readers that go away.

use atex_cli::output::Output;
use atex_cli::{Exit, Kind};
use atex_discover::{Args, command, run};
use clap::Parser as _;

use crate::tree;

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn wrong_usage_is_refused() {
    for words in ["x a b", "x --plan", "x --plan=", "x --platform=", "x --context", "x --no-such-option"] {
        let error = Args::try_parse_from(words.split(' ')).expect_err(words);
        assert_eq!(error.exit_code(), 2, "{words}");
    }
}

#[test]
fn a_context_without_a_value_is_refused() {
    for word in ["distro", "=rhel", ""] {
        let args = Args::try_parse_from(["x", "--context", word]).unwrap();
        let failure = run(args, &mut Output::new(Vec::new())).unwrap_err();
        let message = format!("--context: expected KEY=VALUE such as distro=rhel-9.6, found `{word}`");
        assert_eq!((failure.kind, failure.message), (Kind::Usage, message));
    }
}

#[test]
fn a_reader_that_went_away_ends_the_work_quietly() {
    let many: String = (0..1000).map(|n| format!("/t{n}:\n  test: {}\n", "x".repeat(200))).collect();
    for tests in ["test: a\n", many.as_str()] {
        let tree = tree(&[("main.fmf", tests)]);
        let args = Args::try_parse_from(["x".as_ref(), tree.path().as_os_str()]).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let exit = run(args, &mut Output::new(writer));
        assert_eq!(exit.unwrap(), Exit::Done);
    }
}

#[test]
fn output_that_cannot_be_written_is_trouble() {
    let tree = tree(&[("main.fmf", "test: a\n")]);
    let args = Args::try_parse_from(["x".as_ref(), tree.path().as_os_str()]).unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let failure = run(args, &mut Output::new(full)).unwrap_err();
    assert_eq!((failure.kind, &*failure.message), (Kind::Trouble, "stdout: No space left on device"));
}
