//! The aggregated form of the Python ATEX: an array for each result, a line each, for what reads it, such as its HTML
//! browser.

use std::path::PathBuf;

use atex_cli::Failure;
use atex_model::report::ResultKind;

use super::files::Copies;
use super::{Common, Export};
use crate::event::{Event, What};
use crate::json;
use crate::out::{Out, Packing};
use crate::recall::Past;
use crate::row::Row;
use crate::stop::Stop;

/// The options of `jsonl`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also the results of attempts that were tried again
    #[arg(long)]
    old: bool,

    /// Copy what tests uploaded to this directory, which must not be there
    ///
    /// It is where the Python ATEX's tools look for it: `PLATFORM/TEST/FILE`.
    #[arg(long = "files", value_name = "DIR")]
    copies: Option<PathBuf>,

    /// Pack the copies; the names of files in the results get the suffix
    #[arg(long, value_name = "HOW", requires = "copies")]
    pack_files: Option<Pack>,
}

/// How copies are packed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Pack {
    Gz,
    Xz,
    Zst,
}

pub(super) fn export(args: &Args, _: &Common) -> Result<Box<dyn Export>, Failure> {
    let packing = match args.pack_files {
        None => Packing::Plain,
        Some(Pack::Gz) => Packing::Gzip,
        Some(Pack::Xz) => Packing::Xz,
        Some(Pack::Zst) => Packing::Zstd,
    };
    let copies = args.copies.as_deref().map(|dir| Copies::new(dir, packing)).transpose()?;
    Ok(Box::new(Jsonl { old: args.old, suffix: packing.suffix(), copies }))
}

struct Jsonl {
    old: bool,
    /// What names of files get behind them.
    suffix: &'static str,
    copies: Option<Copies>,
}

impl Export for Jsonl {
    fn event(&mut self, event: &Event<'_>, _: Past, out: &mut Out<'_>) -> Result<(), Stop> {
        if let Some(row) = event.row()
            && (row.kind == ResultKind::Result || (self.old && row.kind == ResultKind::OldResult))
        {
            line(row, self.suffix, &mut out.buffer);
        }
        if let What::TestEnd(end) = event.what
            && let Some(copies) = self.copies.as_mut().filter(|_| end.is_final)
        {
            copies.attempt(&end);
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Out<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn failed(&self) -> u64 {
        self.copies.as_ref().map_or(0, |copies| copies.failed)
    }
}

fn line(row: &Row<'_>, suffix: &str, to: &mut Vec<u8>) {
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
        match suffix {
            "" => json::string(to, name),
            suffix => json::string(to, &format!("{name}{suffix}")),
        }
    }
    to.extend_from_slice(b"],");
    json::optional(to, row.note);
    to.extend_from_slice(b"]\n");
}
