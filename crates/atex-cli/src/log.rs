//! Messages for people, on stderr.

use std::io::Write as _;

use ::log::LevelFilter;

use crate::{Tool, status::Messages};

/// Sends log messages to stderr as `tool: message`. The level comes from `-v` or from `ATEX_LOG`.
pub(crate) fn set_up(tool: Tool, verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let mut builder = env_logger::Builder::new();
    // Crates of others report their inner life at levels that are meant for their developers.
    builder.filter_level(LevelFilter::Warn.min(level)).filter_module("atex", level);
    if let Ok(filters) = std::env::var("ATEX_LOG") {
        builder.parse_filters(&filters);
    }
    builder.format(move |out, record| {
        writeln!(out, "{}: {}{}", tool.name, prefix(record.level()), record.args())
    });
    builder.target(env_logger::Target::Pipe(Box::new(Messages)));
    // A second call, as in tests that run several tools in one process, changes nothing.
    let _ = builder.try_init();
}

fn prefix(level: ::log::Level) -> &'static str {
    match level {
        ::log::Level::Error => "error: ",
        ::log::Level::Warn | ::log::Level::Info => "",
        ::log::Level::Debug => "debug: ",
        ::log::Level::Trace => "trace: ",
    }
}
