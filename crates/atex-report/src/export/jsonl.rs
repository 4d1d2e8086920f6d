//! The aggregated form of the Python ATEX: an array for each result, a line each, for what reads it, such as its HTML
//! browser.

use atex_cli::Failure;
use atex_model::report::ResultKind;

use super::{Common, Export};
use crate::event::Event;
use crate::json;
use crate::out::Out;
use crate::row::Row;
use crate::stop::Stop;

/// The options of `jsonl`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also the results of attempts that were tried again
    #[arg(long)]
    old: bool,
}

pub(super) fn export(args: &Args, _: &Common) -> Result<Box<dyn Export>, Failure> {
    Ok(Box::new(Jsonl { old: args.old }))
}

struct Jsonl {
    old: bool,
}

impl Export for Jsonl {
    fn event(&mut self, event: &Event<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        if let Some(row) = event.row()
            && (row.kind == ResultKind::Result || (self.old && row.kind == ResultKind::OldResult))
        {
            line(row, &mut out.buffer);
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Out<'_>) -> Result<(), Stop> {
        Ok(())
    }
}

fn line(row: &Row<'_>, to: &mut Vec<u8>) {
    to.push(b'[');
    json::string(to, row.platform);
    to.push(b',');
    json::optional(to, row.status);
    to.push(b',');
    json::string(to, row.test);
    to.push(b',');
    json::optional(to, row.subtest);
    to.extend_from_slice(b",[");
    for (i, name) in row.files.iter().enumerate() {
        if i > 0 {
            to.push(b',');
        }
        json::string(to, name);
    }
    to.extend_from_slice(b"],");
    json::optional(to, row.note);
    to.extend_from_slice(b"]\n");
}
