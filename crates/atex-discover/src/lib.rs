//! atex-discover: finds tests in fmf trees, prints a record for each.
//!
//! Start reading at [`run`], which turns what was typed ([`Args`]) into records, or into an answer for a person. Tests come
//! from a tree (`find`, `plan`) or are made of executables and lists (`made`); `names`, `variants` and `platforms` say
//! which ones there are and how often; `ls`, `show`, `why` and `lint` are the answers, `selection` what they ask of tests and
//! `ignored` what plans say that nobody heeds. What a tree means is the business of atex-fmf.
//!
//! # What records say of places
//!
//! `tree` is the root of the files, put together from directories: with `--plan-layer atex` each section of a plan in one
//! of its name, with `--plan-layer tmt` the tree of the plan at the top and those of other sections in
//! `.discover/SECTION`. `dir` is the directory of a test's metadata below that root. The key `path` of a test names
//! another directory to run in, below the root of the metadata tree that the test is from: that is the part of `tree`
//! that `dir` is in. With `--plan-layer tmt` that has been done: `dir` is where the test runs, and `path` is gone.
//! Files that a test requires (`type: file`) are among those of its tree.
//!
//! `plan.prepare` and `plan.finish` are as they are written; with `--plan-layer tmt` only the steps whose `when` holds are
//! there, in their order, and `plan.environment` is one mapping of texts.
//!
//! # Results in output
//!
//! With `--result tap` the metadata of a test has `extra-result: tap`: its output is in the Test Anything Protocol, and each
//! test point becomes a result of a subtest. The key can be written into metadata as well; tmt leaves alone what begins with
//! `extra-`.
//!
//! This crate knows no hosts and runs no tests: it reads metadata and nothing else of a tree.

mod adjusts;
mod args;
mod config;
mod examples;
mod find;
mod ignored;
mod lint;
mod ls;
mod made;
mod names;
mod parallel;
mod place;
mod plan;
mod platforms;
mod record;
mod run;
mod selection;
mod show;
mod variants;
mod why;

use std::io::Write;

use clap::CommandFactory as _;

use atex_cli::{Exit, Failure, output::Output};
use atex_model::Schema;

pub use args::Args;

/// This tool.
pub const TOOL: atex_cli::Tool =
    atex_cli::Tool { name: "atex-discover", schema: include_str!("../../../man/schema/atex-discover.json") };

/// What it reads and writes, for schemas.
pub const SCHEMAS: [Schema; 3] = [Schema::Test, Schema::Host, Schema::End];

/// The command line, for parsing and for the manual.
pub fn command() -> clap::Command {
    atex_cli::with_examples(Args::command(), &examples::ALL)
}

/// The whole program, from the command line to the exit status.
///
/// # Errors
/// The command line or the metadata is wrong, no test was found, or the records cannot be written.
pub fn main() -> Result<Exit, Failure> {
    let args = atex_cli::parse_args(TOOL, command(), |args: &Args| &args.common);
    if args.common.schema {
        atex_cli::print_schema(TOOL)?;
        return Ok(Exit::Done);
    }
    run(args, &mut Output::stdout())
}

/// Writes to `out` what `args` ask for. Of records the last is an `end` record, also where this fails.
///
/// A reader that goes away has what it wanted: that is no failure.
///
/// # Errors
/// The command line, the tree or another source is wrong, or no test was found (no test is written then), or the output
/// cannot be written.
pub fn run<W: Write>(args: Args, out: &mut Output<W>) -> Result<Exit, Failure> {
    let gives_records = args.gives_records();
    let task = config::Task::new(args).inspect_err(|failure| {
        // Whoever reads the records must not take a failure for a tree without tests.
        if gives_records {
            run::failed(failure, out);
        }
    })?;
    run::run(&task, out)
}
