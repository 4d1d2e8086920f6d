//! atex-provision: gives hosts as records, from anywhere, and gives them back for certain.
//!
//! Start reading at [`run`], which turns a [`Config`] into what is to be done; [`Args`] is what was typed.
//! `backends` is where hosts come from: a module for each kind of provider, behind one trait. `ledger` is what may exist
//! somewhere because of us, and `lease` how it comes into being and ends so that nothing is lost whenever we are killed.
//! `reserve` gets hosts and leaves them leased, `serve` gets them as atex-exec asks for them, `commands` are what can be
//! done with leases that there are, `filters` what can be done with the hosts of a stream, and `inventory` reads lists of fixed
//! hosts. `crowd` does many things at once.
//!
//! This crate knows no tests. No back end derives a platform from what it knows of a host; a platform is a label that a
//! person gave. No back end knows the ledger or the protocol, and none is known outside of its module.

mod args;
mod backends;
mod commands;
mod config;
mod crowd;
mod describe;
mod examples;
mod fault;
mod filter_args;
mod filters;
mod inventory;
mod lease;
mod ledger;
mod program;
mod reach;
mod reserve;
mod run;
mod serve;
mod stop;
mod trouble;
mod turns;
mod variables;

use clap::CommandFactory as _;

use atex_cli::{Exit, Failure, output::Output};
use atex_model::Schema;

pub use args::{Args, Command, Get, Leases, Other, Reap, Release, Terms};
pub use config::Config;
pub use filter_args::{Check, Facts, Inventory, OnHosts, Prepare, Shell};
pub use filters::Steps;
pub use run::run;

/// This tool.
pub const TOOL: atex_cli::Tool = atex_cli::Tool {
    name: "atex-provision",
    schema: include_str!("../../../man/schema/atex-provision.json"),
};

/// What it reads and writes, for schemas.
pub const SCHEMAS: [Schema; 3] = [Schema::Host, Schema::Protocol, Schema::End];

/// The command line, for parsing and for the manual.
pub fn command() -> clap::Command {
    atex_cli::with_examples(Args::command(), &examples::ALL)
}

/// The whole program, from the command line to the exit status.
///
/// # Errors
/// The command line or the input is wrong, a provider failed, or the records cannot be written.
pub fn main() -> Result<Exit, Failure> {
    let args = atex_cli::parse_args(TOOL, command(), |args: &Args| &args.common);
    if args.common.schema {
        atex_cli::print_schema(TOOL)?;
        return Ok(Exit::Done);
    }
    run(&Config::new(args)?, &mut Output::stdout())
}
