//! What every tool does alike: arguments that all have, lines in and records out, exit status, signals,
//! and messages on stderr.
//!
//! [`main`] is the entry of every binary; [`Exit`] is the one table of exit statuses; [`Failure`] is how a
//! tool says that it cannot go on. [`input`] and [`output`] read and write streams of records; [`status`] is what
//! stands at the bottom of a terminal meanwhile, [`text`] how things are put to people.
//!
//! This crate knows no tests, hosts or results: what a record means is the tools' business.

mod args;
mod clock;
mod examples;
mod exit;
pub mod input;
mod log;
pub mod output;
pub mod signals;
pub mod status;
pub mod terminal;
pub mod text;

use std::process::ExitCode;

pub use args::{Common, parse_args, print_schema};
pub use clock::now;
pub use examples::{Examples, with_example, with_examples};
pub use exit::{EXIT_STATUS, Exit, Failure, Kind};

/// A tool as its users know it.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The name of the program.
    pub name: &'static str,
    /// The JSON Schema of its records, as `--schema` prints it. It is generated from the types beforehand
    /// (`xtask generate`), so that no program carries what generates it.
    pub schema: &'static str,
}

/// Runs a tool and turns what becomes of it into an exit status. A [`Failure`] is said on stderr.
pub fn main(tool: Tool, run: fn() -> Result<Exit, Failure>) -> ExitCode {
    let exit = run().unwrap_or_else(|failure| {
        failure.report(tool);
        failure.kind.exit()
    });
    ExitCode::from(exit.code())
}
