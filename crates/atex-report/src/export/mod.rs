//! Reports for programs: each format takes a stream of events and writes what its readers expect.
//!
//! **A new format** is one file here and one line in the table below. Its file has the options that are
//! particular to it, and a function that makes an `Export` of them. What all have in common, reading, leaving out repeats
//! (`recall`), files, packing and the exit status, is here.

mod files;
mod groups;
mod html;
mod jsonl;
mod junit;
mod markdown;
mod paths;
mod table;
mod tap;
mod tmt;
mod yaml;

use std::path::PathBuf;

use atex_cli::{Exit, Failure};

use crate::args::InputArgs;
use crate::config::Input;
use crate::event::Event;
use crate::input::{self, Faults, Take};
use crate::out::Out;
use crate::place;
use crate::recall::Past;
use crate::stop::Stop;
use crate::whole::Whole;

/// The formats: the name of the subcommand, the file, and what the manual says of it.
macro_rules! formats {
    ($($(#[doc = $doc:literal])+ $name:ident => $module:ident::$export:ident, $args:ident;)*) => {
        /// A format and its options.
        #[derive(Debug, clap::Subcommand)]
        pub enum Format {
            $($(#[doc = $doc])+ $name(Of<$module::$args>),)*
        }

        impl Format {
            /// What all formats have.
            fn common(&self) -> &Common {
                match self { $(Format::$name(of) => &of.common,)* }
            }

            /// The writer.
            fn export(&self) -> Result<Box<dyn Export>, Failure> {
                match self { $(Format::$name(of) => $module::$export(&of.args, &of.common),)* }
            }
        }
    };
}

formats! {
    /// Results as the Python ATEX aggregates them
    ///
    /// A line for each result: `[platform, status, test, subtest, files, note]`.
    Jsonl => jsonl::export, Args;
    /// Results as a table, separated by commas, with a heading
    Csv => table::csv, CsvArgs;
    /// Results as a table, separated by tabs, with a heading
    Tsv => table::tsv, TsvArgs;
    /// JUnit XML, as Jenkins, GitLab and others read it
    ///
    /// A suite for each test, a case for each of its results. What failed first and passed when it was tried again is
    /// a `flakyFailure`, what failed again a `rerunFailure`; a waived failure counts as skipped, and says so.
    /// Names of cases are unique: one that is taken gets its result's number, as do all beyond the first 500,000 that
    /// are open at a time.
    Junit => junit::export, Args;
    /// One page of HTML with everything in it, for any number of results
    ///
    /// It is one file, asks for nothing, and opens from disk. What failed comes first, and can be read without JavaScript; with it,
    /// all results can be searched, filtered, and grouped by test or by note, and there is a timeline of the hosts. Press `?` there
    /// for its keys. Of a note the first 16 KiB are in it.
    Html => html::export, Args;
    /// TAP version 14, with subtests
    ///
    /// A waived failure is a TODO.
    Tap => tap::export, Args;
    /// A summary in Markdown, as for a merge request or a job's page
    Markdown => markdown::export, Args;
    /// results.yaml as tmt has it
    ///
    /// `infra` becomes `error`, and a word that tmt does not know `info`; the note then names it.
    Tmt => tmt::export, Args;
    /// YAML, a document for each test
    Yaml => yaml::export, Args;
}

/// The options of a format and those that all have.
#[derive(Debug, clap::Args)]
pub struct Of<A: clap::Args> {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    args: A,
}

/// What all formats have.
#[derive(Debug, clap::Args)]
pub struct Common {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Write to this file instead of stdout; it appears when it is whole
    ///
    /// A link is followed, and a pipe or a device written to directly. A name that ends with `.gz`, `.xz` or `.zst` has it packed.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Writes one format.
pub(crate) trait Export {
    /// Takes the next event, and what was read before it. Repeats do not come here.
    ///
    /// # Errors
    /// Something cannot be written.
    fn event(&mut self, event: &Event<'_>, past: Past, out: &mut Out<'_>) -> Result<(), Stop>;

    /// Nothing more comes.
    ///
    /// # Errors
    /// Something cannot be written.
    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop>;

    /// Whether the report may need several files.
    fn needs_parts(&self) -> bool {
        false
    }

    /// How many things that belong to the report could not be written beside it.
    fn failed(&self) -> u64 {
        0
    }
}

/// Reads the stream and writes it in a format; what is for stdout goes to `stdout`.
///
/// The exit status is 0 also if tests failed: the report was written. It is 2 if a line is no record, or there is no
/// test, and 3 if the stream is not all there is.
///
/// # Errors
/// The invocation is wrong, or the report cannot be written. A reader that has gone away is no error.
pub fn run(
    format: &Format,
    verbose: bool,
    stdout: impl std::io::Write,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let common = format.common();
    let input = Input::new(&common.input, verbose)?;
    let export = format.export()?;
    let out = match &common.output {
        Some(path) if export.needs_parts() && !place::can_be_made(path) => {
            let what = "expected a file, beside which others can be made for --max-bytes";
            return Err(Failure::usage(format!("{}: {what}", path.display())));
        }
        Some(path) => Out::file(path)?,
        None => Out::stream(stdout),
    };
    write(export, out, &input, say)
}

fn write(
    export: Box<dyn Export>,
    out: Out<'_>,
    input: &Input,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let mut faults = Faults::new(input.messages, say);
    let mut writing = Writing { export, out, whole: Whole::default() };
    let done = input::read(&input.sources, &mut faults, &mut writing)
        .and_then(|()| writing.export.finish(&mut writing.out))
        .and_then(|()| writing.out.finish());
    match done {
        Ok(()) => {
            let exit = writing.whole.exit(&mut faults, input);
            Ok(if writing.export.failed() > 0 { exit.max(Exit::Trouble) } else { exit })
        }
        Err(Stop::Closed) => Ok(Exit::Done),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// A report that is being written.
struct Writing<'w> {
    export: Box<dyn Export>,
    out: Out<'w>,
    whole: Whole,
}

impl Take for Writing<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        let past = self.whole.event(event);
        if past.is_repeat {
            return Ok(());
        }
        self.export.event(event, past, &mut self.out)?;
        self.out.settle()
    }

    fn idle(&mut self) -> Result<(), Stop> {
        self.out.flush()
    }
}
