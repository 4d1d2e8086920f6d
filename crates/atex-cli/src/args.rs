//! Arguments that all tools have.

use std::io::Write as _;

use atex_model::Schema;
use clap::Parser;

use crate::{Failure, Tool, log};

/// Options that all tools have.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Common {
    /// Say more on stderr; twice: even more
    ///
    /// The environment variable ATEX_LOG sets the level by part, as in
    /// `ATEX_LOG=info,atex_connect=debug`.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Print the JSON Schema of the records that are read and written, and exit
    #[arg(long)]
    pub schema: bool,
}

/// Parses the command line and sets messages up. Wrong usage ends the process with status 2, `--help` and
/// `--version` with 0.
pub fn parse_args<A: Parser>(tool: Tool, common: fn(&A) -> &Common) -> A {
    let matches = A::command().name(tool.name).get_matches();
    let args = A::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    log::set_up(tool, common(&args).verbose);
    args
}

/// Prints the schema of records of these kinds to stdout.
///
/// # Errors
/// stdout cannot be written.
pub fn print_schema(tool: Tool, kinds: &[Schema]) -> Result<(), Failure> {
    let schema = atex_model::schemas(tool.name, kinds);
    writeln!(std::io::stdout(), "{schema:#}").map_err(|e| Failure::trouble(format!("stdout: {e}")))
}
