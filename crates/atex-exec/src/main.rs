//! The binary is a shim; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    atex_cli::main(atex_exec::TOOL, atex_exec::main)
}
