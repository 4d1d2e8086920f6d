//! The command line as it is typed.

use std::path::PathBuf;

use atex_cli::{Common, EXIT_STATUS, Failure};
use clap::{Parser, Subcommand, ValueEnum};

use crate::TOOL;
use crate::config::RequiredEnd;
use crate::database;
use crate::export::Format;
use crate::import;
use crate::{archive, check, diff, list, logs, show, sort, waive};

const EXAMPLES: &str = "\
Examples:
  atex-discover . | atex-exec --local 4 | atex-report
      run tests and read how it went
  atex-report html -o report.html nightly
      a page of the run in a directory
  atex-report diff yesterday nightly
      what fails that did not fail before";

const ABOUT: &str = "\
Reads the records that atex-exec writes, from files or from stdin, and says what became of the tests. \
Without a subcommand it is `summary`.

A stream may be cut, filtered, shuffled or put together from several; lines that come twice count once.

The exit status is that which atex-exec itself gave the run; besides, it is 3 if the stream is not all there \
is, and 4 if the run has not ended in what was read. A reader of the summary that goes away early ends it \
with 0.";

/// Turn results into what people and machines read
#[derive(Debug, Parser)]
#[command(
    name = "atex-report",
    version,
    subcommand_precedence_over_arg = true,
    override_usage = "atex-report [summary] [OPTIONS] [FILE]...\n       atex-report COMMAND [OPTIONS] [FILE]...",
    long_about = format!("Turn results into what people and machines read\n\n{EXAMPLES}\n\n{ABOUT}"),
    after_long_help = EXIT_STATUS
)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub summary: SummaryArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what became of the tests, for people (the default)
    ///
    /// Failures come first, the worst before the others; then counts, the slowest tests, the hosts, where
    /// time was lost; the last line is the verdict.
    #[command(after_long_help = EXIT_STATUS)]
    Summary(SummaryArgs),
    /// Print nothing on stdout; the exit status is the answer, and stderr says why
    #[command(after_long_help = EXIT_STATUS)]
    Check(check::Args),
    /// Results, a line each
    List(list::Args),
    /// All that is known of a test: its attempts, their results, and their output
    Show(show::Args),
    /// The paths of all files of a test, or what is in them
    Logs(logs::Args),
    /// Turn reports of others into records
    ///
    /// Reads aggregated results of the Python ATEX, results.yaml of tmt, JUnit XML, and TAP 13 or 14. What one of them
    /// is, its content tells; records are handed on.
    Import(import::Args),
    /// Compare runs: new failures first
    ///
    /// The exit status is 1 only if something fails that did not fail before, and is not waived.
    Diff(diff::Args),
    /// Put a stream in order: by platform, test and subtest
    ///
    /// Repeats are left out. It takes little memory, whatever the length.
    Sort(sort::Args),
    /// Put a run directory and its reports into one file
    ///
    /// The reports are made first: a summary, JUnit XML, and the stream of records, with which the file begins, so that
    /// every command reads the archive as it reads the stream. The run must have ended. The values of `atex-exec --env
    /// NAME` are left out.
    Archive(archive::Args),
    /// Take a run directory out of an archive
    Unarchive(archive::Unpacking),
    /// Label known failures
    ///
    /// Hands the stream on. A result that a waiver matches gets the key `waived`; its status stays. Failures that are
    /// waived do not count for `check` and `summary`. Waivers that were not used, have expired, or expected a
    /// failure and met a success, are named on stderr.
    Waive(waive::Args),
    #[command(flatten)]
    Export(Format),
    /// Add results to a database of many runs, which is made if there is none
    ///
    /// What is in it already changes nothing, so that a run can be added while it goes on, and again when it has ended. Several may write at
    /// a time. Its tables and views are described in the schema (`sqlite3 DB .schema`); what is asked most often is
    /// answered by `history`, `flaky`, `slow`, `trend` and `hosts`. `atex-exec --history DB` takes from it how long tests take.
    ///
    /// The exit status is 0 also if tests failed.
    #[command(after_long_help = EXIT_STATUS)]
    Sqlite(database::ImportArgs),
    #[command(flatten)]
    Ask(database::Ask),
}

#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct SummaryArgs {
    #[command(flatten)]
    pub input: InputArgs,

    /// When to use colours
    ///
    /// `auto`: when stdout is a terminal, unless NO_COLOR is set or TERM is `dumb`.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: When,

    /// How many tests to show of those that failed, of those that did not finish, and of the flaky ones
    ///
    /// The rest is counted.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub failures: usize,

    /// How many failed subtests to show of each test
    ///
    /// The rest is counted.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub subtests: usize,

    /// How many of the slowest tests to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub slowest: usize,

    /// How many hosts to show: those with trouble first, then the busiest
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub hosts: usize,
}

#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct InputArgs {
    /// Files of records, run directories, archives, read one after another; `-` and none are stdin
    ///
    /// Files may be packed with gzip, xz or zstd: it is their content that tells.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Wait for more at the end of files and run directories, until the run has ended
    ///
    /// Several are read at the same time. A file that is packed does not grow.
    #[arg(long)]
    pub follow: bool,

    /// End with 3 unless the stream has N `end` records of TOOL, one if no N is given
    ///
    /// A tool that died leaves a stream that looks complete. May be given for several tools.
    #[arg(long, value_name = "TOOL[=N]")]
    pub require_end: Vec<RequiredEnd>,

    /// End with 0 if there is no test in the stream
    #[arg(long)]
    pub allow_empty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

impl Args {
    /// What is asked for, with the default subcommand put in.
    ///
    /// # Errors
    /// Files or options of the default subcommand stand before another one, which would not see them.
    pub fn chosen(self) -> Result<Command, Failure> {
        match self.command {
            None => Ok(Command::Summary(self.summary)),
            Some(command) if self.summary == Args::parse_from([TOOL.name]).summary => Ok(command),
            Some(_) => Err(Failure::usage("files and options must stand behind the subcommand")
                .hint("a file that has the name of one is written with its directory: ./check")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(args: &[&str]) -> Result<(bool, Vec<PathBuf>), String> {
        let args = ["atex-report"].iter().chain(args);
        let parsed = Args::try_parse_from(args).map_err(|e| e.to_string())?;
        match parsed.chosen().map_err(|e| e.to_string())? {
            Command::Summary(args) => Ok((false, args.input.files)),
            Command::Check(args) => Ok((true, args.input.files)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn summary_is_the_default() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        for (args, expected) in [
            (&[][..], (false, paths(&[]))),
            (&["a", "-"], (false, paths(&["a", "-"]))),
            (&["-v", "a"], (false, paths(&["a"]))),
            (&["summary", "a"], (false, paths(&["a"]))),
            (&["summary", "--color=never", "--allow-empty", "a"], (false, paths(&["a"]))),
            (&["--require-end", "atex-exec=2", "a"], (false, paths(&["a"]))),
            (&["check", "--require-end=atex-exec", "a", "b"], (true, paths(&["a", "b"]))),
            (&["check", "-v"], (true, paths(&[]))),
            (&["-v", "check"], (true, paths(&[]))),
            (&["./check"], (false, paths(&["./check"]))),
        ] {
            assert_eq!(files(args), Ok(expected), "{args:?}");
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        for args in [
            &["--require-end", ""][..],
            &["--require-end", "atex-exec=0"],
            &["--require-end", "atex-exec=x"],
            &["--color", "sometimes"],
            &["check", "--color=never"],
            &["--failures=-1"],
            &["a", "check"],
            &["--allow-empty", "check", "a"],
            &["check", "a", "check", "--slowest=3"],
        ] {
            assert!(files(args).is_err(), "{args:?}");
        }
    }
}
