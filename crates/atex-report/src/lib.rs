//! atex-report: turns results into what people and machines read.
//!
//! One pass over a stream of records, in three parts that later subcommands share: [`reader`] turns files
//! into [`record::Record`]s, [`reduce`] keeps of them what a report needs (its page says what that costs),
//! and a writer such as [`text`] puts it before somebody. [`verdict`] is the one rule that turns a stream
//! into an exit status. Start reading at [`run()`].
//!
//! This crate deliberately knows no hosts, no tests and no scheduler: only what the records say of them. It
//! believes no text that it reads: all of it comes from strangers and is made harmless before it is shown.

mod args;
mod config;
pub mod html;
pub mod reader;
pub mod record;
pub mod reduce;
mod run;
pub mod summary;
pub mod text;
pub mod verdict;

pub use config::{Config, Input, Output, RequiredEnd};
pub use run::run;

use atex_cli::{Exit, Failure, Tool};
use atex_model::Schema;
use clap::CommandFactory as _;

/// The tool as its users know it.
pub const TOOL: Tool = Tool { name: "atex-report" };

/// What it reads and writes, for schemas.
pub const SCHEMAS: [Schema; 2] = [Schema::Report, Schema::End];

/// The command line, for manuals and completions.
pub fn command() -> clap::Command {
    args::Args::command()
}

/// The whole tool: arguments in, report out.
///
/// # Errors
/// The invocation is wrong, or stdout cannot be written. What is wrong with the input is said on stderr and
/// shows in the status.
pub fn main() -> Result<Exit, Failure> {
    let args: args::Args = atex_cli::parse_args(TOOL, |args: &args::Args| &args.common);
    if args.common.schema {
        atex_cli::print_schema(TOOL, &SCHEMAS)?;
        return Ok(Exit::Done);
    }
    run(&Config::new(args)?, std::io::stdout(), &mut |message| log::warn!("{message}"))
}
