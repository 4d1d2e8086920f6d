//! atex-provision: gives hosts as records.
//!
//! Start reading at [`run`], which turns a [`Config`] into records; [`Args`] is what was typed. `local` gives
//! this machine several times, `inventory` reads lists of fixed hosts.
//!
//! This crate knows no tests, and opens no connection: a host here is the description of a way to it, and
//! whether the way leads anywhere is seen by who takes it. No back end derives a platform from what it knows of
//! a host; a platform is a label that a person gave.

mod args;
mod config;
mod inventory;
mod local;
mod run;

use clap::CommandFactory as _;

use atex_cli::{Exit, Failure, output::Output};
use atex_model::Schema;

pub use args::{Args, Command, Format, Local, Static};
pub use config::{Config, From};
pub use run::run;

/// This tool.
pub const TOOL: atex_cli::Tool = atex_cli::Tool {
    name: "atex-provision",
    schema: include_str!("../../../man/schema/atex-provision.json"),
};

/// What it reads and writes, for schemas.
pub const SCHEMAS: [Schema; 2] = [Schema::Host, Schema::End];

/// The command line, for parsing and for the manual.
pub fn command() -> clap::Command {
    Args::command()
}

/// The whole program, from the command line to the exit status.
///
/// # Errors
/// The command line or a list of hosts is wrong, or the records cannot be written.
pub fn main() -> Result<Exit, Failure> {
    let args = atex_cli::parse_args(TOOL, |args: &Args| &args.common);
    if args.common.schema {
        atex_cli::print_schema(TOOL)?;
        return Ok(Exit::Done);
    }
    run(&Config::new(args)?, &mut Output::stdout())
}
