//! `leases`: what is held.

use std::io::Write;

use atex_cli::text::units::{moment, width};
use atex_cli::text::visible::visible;
use atex_cli::{Exit, Failure, output::Output};
use serde_json::{Value, json};

use crate::backends::Surroundings;
use crate::ledger::{Entry, Known};
use crate::{Leases, TOOL};

/// Shows what is held, the oldest first.
pub(crate) fn leases<W: Write>(
    asked: &Leases,
    around: &Surroundings,
    out: &mut Output<W>,
) -> Result<Exit, Failure> {
    let (entries, wrong) = around.ledger()?.all()?;
    wrong.iter().for_each(|failure| failure.report(TOOL));
    let written = if asked.json { records(&entries, out) } else { table(&entries, out) };
    match written.and_then(|()| out.flush()) {
        // Whoever looks has seen enough; nothing is held here.
        Err(atex_cli::output::OutputError::Closed) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(if wrong.is_empty() { Exit::Done } else { Exit::Trouble })
}

fn records<W: Write>(entries: &[Known], out: &mut Output<W>) -> Result<(), atex_cli::output::OutputError> {
    entries.iter().try_for_each(|known| {
        let mut record = json!({"type": "lease"});
        let entry = serde_json::to_value(&known.entry).unwrap_or(Value::Null);
        if let (Value::Object(record), Value::Object(entry)) = (&mut record, entry) {
            record.extend(entry);
        }
        out.record(&record)
    })
}

const HEAD: [&str; 6] = ["HOST", "STATE", "OWNER", "HELD BY", "SINCE", "UNTIL"];

fn table<W: Write>(entries: &[Known], out: &mut Output<W>) -> Result<(), atex_cli::output::OutputError> {
    let head = HEAD.map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(entries.iter().map(|k| row(&k.entry))).collect();
    if rows.len() == 1 {
        return Ok(());
    }
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or_default());
    rows.iter().try_for_each(|row| {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width_of)| format!("{cell}{}", " ".repeat(width_of - width(cell) + 2)))
            .collect();
        out.line(line.trim_end())
    })
}

fn row(entry: &Entry) -> [String; 6] {
    let name = entry.id.as_deref().unwrap_or(&entry.token);
    let holder = entry.holder.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    [
        visible(name).into_owned(),
        entry.state.word().to_owned(),
        visible(&entry.owner.to_string()).into_owned(),
        holder,
        moment(entry.since),
        entry.until.map_or_else(|| "-".to_owned(), moment),
    ]
}
