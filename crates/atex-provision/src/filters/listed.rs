//! `inventory`: the hosts of a stream, for programs that read no records.

use std::io::Write;

use atex_cli::{Exit, Failure, output::Output};

use super::read;
use crate::TOOL;
use crate::crowd::Item;
use crate::filter_args::Inventory;
use crate::inventory::print;

/// Writes the hosts in the form that was asked for. A host that cannot be written in it is named, and is left out.
pub(crate) fn inventory<W: Write>(asked: &Inventory, out: &mut Output<W>) -> Result<Exit, Failure> {
    let mut hosts = Vec::new();
    for item in read() {
        match item {
            Item::Work(passing) => hosts.push(passing.host),
            Item::Other(_) => {}
            Item::Wrong(failure) => return Err(failure),
        }
    }
    let (text, problems) = print::text(&hosts, asked.format);
    problems.iter().for_each(|problem| Failure::usage(problem).report(TOOL));
    for line in text.lines() {
        out.line(line)?;
    }
    out.flush()?;
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Usage })
}
