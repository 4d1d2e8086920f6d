//! One control line: a word and its argument.

use crate::duration::{DurationForm, parse_duration};
use crate::error::shown;
use crate::time_limit::LimitChange;

/// What a control line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    Result(u64),
    ExitCode(i64),
    Duration(LimitChange),
    Disconnect,
    Noop,
    Mark { name: &'a str, set: bool },
    Note(&'a str),
}

/// Reads a control line without its newline. The error is the reason.
pub(crate) fn parse(line: &[u8]) -> Result<Word<'_>, String> {
    if line.is_empty() {
        return Err("an empty line, where a control word was expected".into());
    }
    let (word, argument) = split(line);
    match word {
        b"result" => number(argument).map(Word::Result),
        b"exitcode" => number(argument).map(Word::ExitCode),
        b"duration" => limit_change(text(argument)?).map(Word::Duration),
        b"disconnect" => Ok(Word::Disconnect),
        b"noop" => Ok(Word::Noop),
        b"mark" => mark(text(argument)?),
        b"note" => text(argument).map(Word::Note),
        _ => Err("unknown control word".into()),
    }
}

/// The word of a line, good or bad, as a message may show it.
pub(crate) fn shown_word(line: &[u8]) -> String {
    shown(&String::from_utf8_lossy(split(line).0))
}

fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&byte| byte == b' ') {
        Some(blank) => (&line[..blank], &line[blank + 1..]),
        None => (line, b""),
    }
}

fn text(argument: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(argument).map_err(|_| "bad argument: not UTF-8".into())
}

/// Blanks around the digits are for output of `wc -c` and the like.
fn number<N: std::str::FromStr>(argument: &[u8]) -> Result<N, String> {
    let text = text(argument.trim_ascii())?;
    text.parse().map_err(|_| format!("bad argument `{}`: expected a decimal number", shown(text)))
}

fn limit_change(argument: &str) -> Result<LimitChange, String> {
    let parse = |text| parse_duration(text, DurationForm::Extended).map_err(|error| error.to_string());
    match argument.as_bytes().first() {
        Some(b'+') => parse(&argument[1..]).map(LimitChange::Extend),
        Some(b'-') => parse(&argument[1..]).map(LimitChange::Shorten),
        _ if argument == "save" => Ok(LimitChange::Save),
        _ if argument == "restore" => Ok(LimitChange::Restore),
        _ => parse(argument).map(LimitChange::Set),
    }
}

/// Marks are names in records and in expressions, so they hold no control characters.
fn mark(argument: &str) -> Result<Word<'_>, String> {
    let (name, set) = match argument.as_bytes().first() {
        Some(b'+') => (&argument[1..], true),
        Some(b'-') => (&argument[1..], false),
        _ => ("", false),
    };
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(format!("bad argument `{}`: expected `+name` or `-name`", shown(argument)));
    }
    Ok(Word::Mark { name, set })
}
