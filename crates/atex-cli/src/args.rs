//! Arguments that all tools have.

use std::io::{self, Write};

use clap::{Command, FromArgMatches};

use crate::{Failure, Tool, input::reason, log};

/// Longer lines of help are hard to read, however wide the terminal is.
const MAX_TERM_WIDTH: usize = 100;

/// In lists of options, those that all commands have come last, just before `--help`.
const LAST: usize = 900;

/// Options that all tools have.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Common {
    /// Say more on stderr; twice: even more
    ///
    /// The environment variable ATEX_LOG sets the level by part, as in
    /// `ATEX_LOG=info,atex_connect=debug`.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = LAST)]
    pub verbose: u8,

    /// Print the JSON Schema of the records that are read and written, and exit
    #[arg(long, display_order = LAST)]
    pub schema: bool,
}

/// Parses the command line, as `command` defines it, and sets messages up. Wrong usage ends the process with status 2,
/// `--help` and `--version` with 0.
pub fn parse_args<A: FromArgMatches>(tool: Tool, command: Command, common: fn(&A) -> &Common) -> A {
    let matches = command.name(tool.name).max_term_width(MAX_TERM_WIDTH).get_matches();
    let args = A::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    log::set_up(tool, common(&args).verbose);
    args
}

/// Prints the tool's schema to stdout.
///
/// A reader that goes away has what it wanted: that is no error.
///
/// # Errors
/// stdout cannot be written.
pub fn print_schema(tool: Tool) -> Result<(), Failure> {
    write_schema(io::stdout(), tool)
}

fn write_schema(mut to: impl Write, tool: Tool) -> Result<(), Failure> {
    match to.write_all(tool.schema.as_bytes()).and_then(|()| to.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::trouble(format!("stdout: {}", reason(&e))))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool { name: "some-tool", schema: "{}\n" };

    #[test]
    fn a_reader_of_a_schema_that_went_away_is_told_from_other_trouble() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        write_schema(writer, TOOL).unwrap();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let failure = write_schema(full, TOOL).unwrap_err();
        assert_eq!(failure.message, "stdout: No space left on device");
    }
}
