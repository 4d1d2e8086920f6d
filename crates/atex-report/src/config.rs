//! What the command line means: everything that can be wrong with an invocation is found here.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use atex_cli::Failure;

use crate::args::{InputArgs, SummaryArgs, When};
use crate::input::JOURNAL;
use crate::input::{MESSAGES, Source};
use crate::summary::Limits;
use crate::text::{Page, terminal};

/// A summary that is asked for.
#[derive(Debug)]
pub struct Config {
    /// What is read, and what is asked of it.
    pub input: Input,
    /// How much is shown.
    pub limits: Limits,
    /// What it is written on.
    pub page: Page,
}

/// What is read, and what is asked of it.
#[derive(Debug)]
pub struct Input {
    /// Read one after another.
    pub sources: Vec<Source>,
    /// The `end` records that must be there.
    pub required: Vec<RequiredEnd>,
    /// That a stream without any test is fine.
    pub allow_empty: bool,
    /// How many bad lines are reported one by one.
    pub messages: u64,
}

/// That a stream must have `count` records `end` of `tool`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredEnd {
    /// The tool's name.
    pub tool: String,
    /// How many of them, at least 1.
    pub count: u64,
}

impl Config {
    /// # Errors
    /// A file is not there, or stdin would be read and is a terminal.
    pub(crate) fn summary(args: &SummaryArgs, verbose: bool) -> Result<Config, Failure> {
        let (limits, page) = (limits(args), page(args.color));
        Ok(Config { input: Input::new(&args.input, verbose)?, limits, page })
    }
}

impl Input {
    /// # Errors
    /// A file is not there, or stdin would be read and is a terminal.
    pub(crate) fn new(args: &InputArgs, verbose: bool) -> Result<Input, Failure> {
        if args.files.is_empty() && io::stdin().is_terminal() {
            return Err(Failure::usage("stdin: is a terminal, expected a stream of records")
                .hint("name files, or `-` to type records"));
        }
        let stdin = [PathBuf::from("-")];
        let files = if args.files.is_empty() { &stdin[..] } else { &args.files };
        let sources = files.iter().map(|path| source(path)).collect::<Result<Vec<_>, _>>()?;
        let sources = if args.follow { sources.into_iter().map(Source::growing).collect() } else { sources };
        Ok(Input {
            sources,
            required: args.require_end.clone(),
            allow_empty: args.allow_empty,
            messages: if verbose { u64::MAX } else { MESSAGES },
        })
    }
}

/// Looks at a file without opening it: it may be a named pipe, whose writer would notice.
pub(crate) fn source(path: &Path) -> Result<Source, Failure> {
    if path == Path::new("-") {
        return Ok(Source::Stdin);
    }
    let about = std::fs::metadata(path)
        .map_err(|e| Failure::usage(format!("{}: {}", path.display(), atex_cli::input::reason(&e))))?;
    match about.is_dir() {
        true if path.join(JOURNAL).exists() => Ok(Source::Run(path.to_owned())),
        true => {
            let found = "a directory without journal.jsonl, expected a run directory or a file of records";
            Err(Failure::usage(format!("{}: is {found}", path.display())))
        }
        false => Ok(Source::File(path.to_owned())),
    }
}

fn limits(args: &SummaryArgs) -> Limits {
    Limits { failures: args.failures, subtests: args.subtests, slowest: args.slowest, hosts: args.hosts }
}

pub(crate) fn page(color: When) -> Page {
    let terminal = io::stdout().is_terminal();
    Page {
        color: match color {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && wants_color(env::var_os("NO_COLOR"), env::var_os("TERM")),
        },
        width: if terminal { Some(terminal::width(env::var("COLUMNS").ok().as_deref())) } else { None },
        // Without a current directory all paths stay absolute.
        cwd: env::current_dir().ok(),
    }
}

/// <https://no-color.org>: present and not empty.
fn wants_color(no_color: Option<impl AsRef<OsStr>>, term: Option<impl AsRef<OsStr>>) -> bool {
    no_color.is_none_or(|value| value.as_ref().is_empty()) && term.is_none_or(|term| term.as_ref() != "dumb")
}

impl FromStr for RequiredEnd {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<RequiredEnd, &'static str> {
        let (tool, count) = text.split_once('=').unwrap_or((text, "1"));
        if tool.is_empty() {
            return Err("expected the name of a tool, such as atex-exec");
        }
        match count.parse() {
            Ok(count) if count > 0 => Ok(RequiredEnd { tool: tool.to_owned(), count }),
            _ => Err("expected a number from 1 after `=`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_directory_is_known_by_its_journal() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(JOURNAL), "").unwrap();
        assert_eq!(source(dir.path()).unwrap(), Source::Run(dir.path().to_owned()));
    }

    #[test]
    fn required_ends() {
        let required = |tool: &str, count| Ok(RequiredEnd { tool: tool.into(), count });
        assert_eq!("atex-exec".parse(), required("atex-exec", 1));
        assert_eq!("atex-exec=3".parse(), required("atex-exec", 3));
        assert!("=3".parse::<RequiredEnd>().is_err());
        assert!("x=".parse::<RequiredEnd>().is_err());
        assert!("x=-1".parse::<RequiredEnd>().is_err());
    }

    #[test]
    fn colours_can_be_refused_by_the_environment() {
        for (no_color, term, expected) in [
            (None, None, true),
            (None, Some("xterm"), true),
            (Some(""), Some("xterm"), true),
            (Some("1"), Some("xterm"), false),
            (None, Some("dumb"), false),
        ] {
            assert_eq!(wants_color(no_color, term), expected, "{no_color:?} {term:?}");
        }
    }

    #[test]
    fn files_are_looked_for_before_anything_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let missing = source(&dir.path().join("x")).unwrap_err();
        assert!(missing.message.ends_with("/x: No such file or directory"), "{}", missing.message);
        let directory = source(dir.path()).unwrap_err();
        assert!(
            directory.message.contains(": is a directory without journal.jsonl"),
            "{}",
            directory.message
        );
        assert_eq!(directory.kind, atex_cli::Kind::Usage);
    }
}
