//! What was left out because a test sent more than it may.

use crate::limits::Limits;
use crate::tally::Status;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Excess {
    pub results: u64,
    pub files: u64,
    /// Of a file that was stored in part.
    pub file_bytes: u64,
    pub notes: u64,
}

impl Excess {
    /// What the test is told in its results.
    pub fn remarks(&self, limits: &Limits) -> Vec<(Status, String)> {
        let mut remarks = Vec::new();
        if self.results > 0 {
            let (results, bytes) = (limits.results, size(limits.result_bytes));
            let note = format!(
                "{} left out: at most {results}, of {bytes} together, are kept",
                many(self.results, "result")
            );
            remarks.push((Status::Error, note));
        }
        let missing = match (self.files, self.file_bytes) {
            (0, 0) => None,
            (files, 0) => Some(format!("{} left out", many(files, "file"))),
            (0, bytes) => Some(format!("{} of a file left out", many(bytes, "byte"))),
            (files, bytes) => {
                Some(format!("{} left out, and {} of another", many(files, "file"), many(bytes, "byte")))
            }
        };
        if let Some(missing) = missing {
            let (files, bytes) = (limits.files, size(limits.file_bytes));
            remarks
                .push((Status::Warn, format!("{missing}: at most {files}, of {bytes} together, are kept")));
        }
        if self.notes > 0 {
            let s = if self.notes == 1 { "" } else { "s" };
            let note = format!(
                "{} progress line{s} or mark{s} left out: at most {} are kept",
                self.notes, limits.notes
            );
            remarks.push((Status::Warn, note));
        }
        remarks
    }
}

fn many(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// A number of bytes as an option would have it.
fn size(bytes: u64) -> String {
    let units: [(u64, &str); 4] = [(1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    let unit = units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| many(bytes, "byte"), |(unit, word)| format!("{}{word}", bytes / unit))
}
