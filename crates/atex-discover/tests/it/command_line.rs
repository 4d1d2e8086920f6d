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
fn every_command_is_described_alike() {
    let mut command = command();
    command.build();
    let help = command.render_long_help().to_string();
    let about = "Finds tests in fmf trees, prints a record for each\n\nExamples:\n";
    assert!(help.starts_with(about) && help.contains(atex_cli::EXIT_STATUS.trim_end()), "{help}");
    for each in command.get_subcommands().filter(|each| each.get_name() != "help") {
        let help = each.clone().render_long_help().to_string();
        assert!(help.contains(atex_cli::EXIT_STATUS.trim_end()), "{help}");
    }
}

#[test]
fn options_before_a_command_are_refused() {
    for words in
        [&["x", "--plan", "/p", "ls"][..], &["x", "dir", "ls"], &["x", "--allow-empty", "exec", "dir"]]
    {
        let mut written = Vec::new();
        let failure = run(Args::try_parse_from(words).unwrap(), &mut Output::new(&mut written)).unwrap_err();
        let message = "options and directories must stand behind the command";
        assert_eq!((failure.kind, &*failure.message), (Kind::Usage, message));
        // Who waits for records is told that there are none.
        let end = r#"{"type":"end","tool":"atex-discover","complete":false,"exit":2,"counts":{"tests":0}}"#;
        let expected = if words.contains(&"exec") { end } else { "" };
        assert_eq!(String::from_utf8(written).unwrap().trim_end(), expected);
    }
}

#[test]
fn the_names_of_commands_can_be_values_and_directories() {
    let tree = tree(&[("main.fmf", "test: a\n")]);
    assert_eq!(crate::names(&tree, &["--name", "ls", "--allow-empty"]), "");
    let words = ["x", "./ls"];
    let failure = run(Args::try_parse_from(words).unwrap(), &mut Output::new(Vec::new())).unwrap_err();
    assert!(failure.message.contains("Invalid directory path"), "{}", failure.message);
}

#[test]
fn of_two_options_that_contradict_each_other_the_last_counts() {
    let tree = tree(&[("main.fmf", "test: a\nrequire: {url: 'ext::id'}\n")]);
    assert_eq!(crate::names(&tree, &["--libraries", "--no-libraries"]), "/");
    let refused = crate::refusal(tree.path(), &["--no-libraries", "--libraries"]);
    let message =
        "/DIR/main.fmf:2:11: ReferenceError: URL 'ext::id' refused: 'ext::' would run a helper program";
    assert_eq!(refused, message);
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
fn a_reader_of_an_answer_that_went_away_is_no_trouble() {
    let tree = tree(&[("main.fmf", "test: a\nfoo: 1\n")]);
    let dir = tree.path().to_str().unwrap();
    for words in [&["ls"][..], &["show", "/"], &["why", "/"], &["lint"]] {
        let args = Args::try_parse_from([&["x"], words, &["--tree", dir]].concat()).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(run(args, &mut Output::new(writer)).unwrap(), Exit::Done, "{words:?}");
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
