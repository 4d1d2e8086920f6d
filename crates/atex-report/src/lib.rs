//! atex-report: turns results into what people and machines read.
//!
//! Most of it is one pass over a stream of records. [`input`] turns files, pipes and run directories into
//! [`event::Event`]s, nearly all of which are [`row::Row`]s. They are taken by a reducer that keeps what an answer
//! needs ([`reduce`]; its page says what that costs) and is put before people by [`text`], or by one of the formats in
//! [`export`], which write as they read. [`verdict`] is the one rule that turns a stream into an exit status. Start
//! reading at [`run()`] and [`export::run`].
//!
//! This crate deliberately knows no hosts, no tests and no scheduler: only what the records say of them. It
//! believes no text that it reads: all of it comes from strangers and is made harmless before it is shown.

pub mod archive;
mod args;
pub mod check;
mod config;
pub mod database;
pub mod diff;
pub mod event;
mod examples;
pub mod export;
pub mod html;
mod identity;
pub mod import;
pub mod input;
mod json;
pub mod list;
pub mod logs;
pub mod out;
mod place;
mod recall;
pub mod record;
pub mod reduce;
pub mod row;
mod run;
mod scan;
pub mod show;
pub mod sort;
mod sorter;
mod spill;
pub mod stop;
pub mod summary;
pub mod text;
pub mod verdict;
pub mod waive;
mod whole;
mod yaml;

pub use config::{Config, Input, RequiredEnd};
pub use input::block::with_line;
pub use run::run;

use std::io::{self, Write};

use args::Command;
use atex_cli::{Exit, Failure, Tool};
use atex_model::Schema;
use clap::CommandFactory as _;
use text::visible::visible;

/// The tool as its users know it.
pub const TOOL: Tool =
    Tool { name: "atex-report", schema: include_str!("../../../man/schema/atex-report.json") };

/// What it reads and writes, for schemas.
pub const SCHEMAS: [Schema; 2] = [Schema::Report, Schema::End];

/// The command line, for manuals and completions.
pub fn command() -> clap::Command {
    atex_cli::with_examples(args::Args::command(), &examples::ALL)
}

/// The whole tool: arguments in, report out.
///
/// # Errors
/// The invocation is wrong, or stdout cannot be written. What is wrong with the input is said on stderr and
/// shows in the status.
pub fn main() -> Result<Exit, Failure> {
    let args: args::Args = atex_cli::parse_args(TOOL, command(), |args: &args::Args| &args.common);
    if args.common.schema {
        atex_cli::print_schema(TOOL)?;
        return Ok(Exit::Done);
    }
    dispatch(args, io::stdout(), &mut |message: &str| log::warn!("{message}"))
}

/// The whole tool with the arguments of a command line; what is for stdout goes to `out`, and messages for people to
/// `say`.
///
/// # Errors
/// As [`main`].
pub fn with_args(args: &[&str], out: impl Write, say: &mut dyn FnMut(&str)) -> Result<Exit, Failure> {
    let args = [TOOL.name].iter().chain(args);
    let args = <args::Args as clap::Parser>::try_parse_from(args).map_err(Failure::usage)?;
    dispatch(args, out, say)
}

fn dispatch(args: args::Args, out: impl Write, say: &mut dyn FnMut(&str)) -> Result<Exit, Failure> {
    // Messages name what strangers wrote: runs, tests, lines.
    let say = &mut |message: &str| say(&visible(message));
    let done = command_of(args, out, say);
    done.map_err(|failure| Failure { message: visible(&failure.message).into_owned(), ..failure })
}

fn command_of(args: args::Args, out: impl Write, say: &mut dyn FnMut(&str)) -> Result<Exit, Failure> {
    let verbose = args.common.verbose > 0;
    match args.chosen()? {
        Command::Summary(args) => run(&Config::summary(&args, verbose)?, out, say),
        Command::Check(args) => check::run(&args, verbose, say),
        Command::List(args) => list::run(&args, verbose, out, say),
        Command::Show(args) => show::run(&args, verbose, out, say),
        Command::Logs(args) => logs::run(&args, verbose, out, say),
        Command::Archive(args) => archive::run(&args, say),
        Command::Unarchive(args) => archive::unpack_run(&args),
        Command::Import(args) => import::run(&args, verbose, out, say),
        Command::Diff(args) => diff::run(&args, verbose, out, say),
        Command::Sort(args) => sort::run(&args, verbose, out, say),
        Command::Waive(args) => waive::run(&args, verbose, out, say),
        Command::Export(format) => export::run(&format, verbose, out, say),
        Command::Sqlite(args) => database::import(&args, verbose, say),
        Command::Ask(ask) => database::ask(&ask, out),
    }
}
