//! From a command line and a tree to records, through the library.

mod answers;
mod command_line;
mod corpus;
mod hosts;
mod plans;
mod refused;
mod repositories;
mod sources;
mod tmt;
mod tmt_remote;
mod trees;
mod variants;

use std::fs;
use std::path::Path;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure};
use atex_discover::{Args, run};
use clap::Parser as _;

/// A temporary tree with these files. A name that ends with `/` is a directory.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = directory(files);
    write(dir.path(), ".fmf/version", "1\n");
    dir
}

/// A temporary directory with these files, which is no tree by itself.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    for (name, text) in files {
        write(dir.path(), name, text);
    }
    dir
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    let parent = if name.ends_with('/') { Some(path.as_path()) } else { path.parent() };
    fs::create_dir_all(parent.expect("a name is below the directory")).expect("a directory can be made");
    if !name.ends_with('/') {
        fs::write(path, text).expect("a file can be written");
    }
}

/// What a command line gives, and the text on stdout.
fn discover(words: &[&str]) -> (Result<Exit, Failure>, String) {
    let args = Args::try_parse_from([&"x"].into_iter().chain(words)).expect("the command line is right");
    let mut written = Vec::new();
    let result = run(args, &mut Output::new(&mut written));
    (result, String::from_utf8(written).expect("what is written is text"))
}

/// The same with `/DIR` in place of a directory, in words as in texts.
fn discover_at(dir: &Path, words: &[&str]) -> (Result<Exit, Failure>, String) {
    let dir = dir.to_str().expect("the path is text");
    let words: Vec<String> = words.iter().map(|word| word.replace("/DIR", dir)).collect();
    let (result, text) = discover(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let redact = |text: &str| text.replace(dir, "/DIR");
    let result = result.map_err(|failure| Failure {
        kind: failure.kind,
        message: redact(&failure.message),
        hint: failure.hint.as_deref().map(redact),
    });
    (result, redact(&text))
}

/// What the command line `words` gives for a directory, and the lines on stdout. The directory is `/DIR` in what
/// comes out.
fn discover_in(dir: &Path, words: &[&str]) -> (Result<Exit, Failure>, String) {
    discover_at(dir, &[&["/DIR"], words].concat())
}

/// The records of the tests of a tree. There must be an `end` record that says that all was done.
fn tests(dir: &tempfile::TempDir, words: &[&str]) -> String {
    tests_of(dir, &[&["/DIR"], words].concat())
}

/// The same for any source.
fn tests_of(dir: &tempfile::TempDir, words: &[&str]) -> String {
    let (result, text) = discover_at(dir.path(), words);
    assert_eq!(result.expect("the tree is good"), Exit::Done);
    let lines: Vec<&str> = text.lines().collect();
    let (end, lines) = lines.split_last().expect("there is an end record");
    let expected = format!(
        r#"{{"type":"end","tool":"atex-discover","complete":true,"exit":0,"counts":{{"tests":{}}}}}"#,
        lines.len()
    );
    assert_eq!(*end, expected);
    for line in lines {
        atex_model::parse::<atex_model::Test>(line).expect("it is a test record");
    }
    lines.join("\n")
}

/// The names of the tests of a tree, with blanks between them.
fn names(dir: &tempfile::TempDir, words: &[&str]) -> String {
    names_of(dir, &[&["/DIR"], words].concat())
}

/// The same for any source.
fn names_of(dir: &tempfile::TempDir, words: &[&str]) -> String {
    let name = |line: &str| atex_model::parse::<atex_model::Test>(line).expect("it is a test record").name;
    tests_of(dir, words).lines().map(name).collect::<Vec<_>>().join(" ")
}

/// The message and hint of a refusal, of which nothing but an `end` record may have come out.
fn refusal(dir: &Path, words: &[&str]) -> String {
    refusal_of(dir, &[&["/DIR"], words].concat())
}

/// The same for any source.
fn refusal_of(dir: &Path, words: &[&str]) -> String {
    let (result, text) = discover_at(dir, words);
    let failure = result.expect_err("it is refused");
    assert_eq!(failure.kind.exit(), Exit::Usage);
    let end = r#"{"type":"end","tool":"atex-discover","complete":false,"exit":2,"counts":{"tests":0}}"#;
    assert_eq!(text.trim_end(), end);
    failure.message + &failure.hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}
