//! From a command line and a list to records, through the library.

mod ansible;
mod command_line;
mod lists;
mod records;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure};
use atex_provision::{Args, Config, run};
use clap::Parser as _;

/// What the command line `words` gives, and the lines on stdout. `LAB` in `words` is a file that holds `list`;
/// its directory is `/DIR` in what comes out.
fn provision(words: &str, list: &str) -> (Result<Exit, Failure>, String) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let file = dir.path().join("lab");
    std::fs::write(&file, list).expect("a file can be written");
    let words = words.split(' ').map(|word| if word == "LAB" { file.as_os_str() } else { word.as_ref() });
    let args = Args::try_parse_from(words).expect("the command line is right");
    let mut written = Vec::new();
    let mut out = Output::new(&mut written);
    let result = Config::new(args).and_then(|config| run(&config, &mut out));
    let redact = |text: &str| text.replace(dir.path().to_str().expect("the path is text"), "/DIR");
    let result = result.map_err(|failure| Failure {
        kind: failure.kind,
        message: redact(&failure.message),
        hint: failure.hint.as_deref().map(redact),
    });
    (result, redact(std::str::from_utf8(&written).expect("records are text")))
}

/// The lines before the `end` record, which must say that all was done.
fn hosts(words: &str, list: &str) -> String {
    let (result, text) = provision(words, list);
    assert_eq!(result.unwrap(), Exit::Done);
    let lines: Vec<&str> = text.lines().collect();
    let (end, lines) = lines.split_last().expect("there is an end record");
    let hosts = lines.iter().filter(|line| atex_model::kind(line).as_deref() == Ok("host")).count();
    let expected = format!(
        r#"{{"type":"end","tool":"atex-provision","complete":true,"exit":0,"counts":{{"hosts":{hosts}}}}}"#
    );
    assert_eq!(*end, expected);
    lines.join("\n")
}

/// The message and hint of a refusal, of which nothing but an `end` record may have come out.
fn refusal(words: &str, list: &str) -> String {
    let (result, text) = provision(words, list);
    let failure = result.expect_err("the list is refused");
    assert_eq!(failure.kind.exit(), Exit::Usage);
    let end = r#"{"type":"end","tool":"atex-provision","complete":false,"exit":2,"counts":{"hosts":0}}"#;
    assert_eq!(text.trim_end(), end);
    failure.message + &failure.hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}
