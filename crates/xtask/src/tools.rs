//! The tools that have a manual.

use atex_model::Schema;
use clap::Command;

/// A tool, as far as its manual goes.
pub(crate) struct Tool {
    pub name: &'static str,
    /// The command line.
    pub command: Command,
    /// What the tool reads and writes.
    pub schemas: Vec<Schema>,
    /// The part of the page that is written by hand.
    pub text: &'static str,
}

/// All of them.
pub(crate) fn all() -> [Tool; 4] {
    [
        Tool {
            name: atex_discover::TOOL.name,
            command: atex_discover::command(),
            schemas: atex_discover::SCHEMAS.to_vec(),
            text: include_str!("../text/atex-discover.1"),
        },
        Tool {
            name: atex_provision::TOOL.name,
            command: atex_provision::command(),
            schemas: atex_provision::SCHEMAS.to_vec(),
            text: include_str!("../text/atex-provision.1"),
        },
        Tool {
            name: atex_exec::TOOL.name,
            command: atex_exec::command(),
            schemas: atex_exec::SCHEMAS.to_vec(),
            text: include_str!("../text/atex-exec.1"),
        },
        Tool {
            name: atex_report::TOOL.name,
            command: atex_report::command(),
            schemas: atex_report::SCHEMAS.to_vec(),
            text: include_str!("../text/atex-report.1"),
        },
    ]
}
