//! The journal: every event of a run, in order, before it is visible anywhere else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use atex_model::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Writes records to `journal.jsonl`, each by one write, whole or not at all.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    length: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Starts a journal; there must be none.
    pub fn create(path: &Path) -> io::Result<Journal> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Journal { file, length: 0, buffer: Vec::new() })
    }

    /// Appends a record. What was there before stays whole if it cannot be written.
    pub fn append<T: Serialize>(&mut self, record: &T) -> io::Result<()> {
        self.buffer.clear();
        atex_model::to_line(&mut self.buffer, record);
        if let Err(e) = self.file.write_all(&self.buffer) {
            // On a full disk a part of the line may stand there. If it cannot be cut off either, the
            // reader drops a torn last line.
            let _ = self.file.set_len(self.length);
            return Err(e);
        }
        self.length += self.buffer.len() as u64;
        Ok(())
    }

    /// How many bytes have been written; always whole lines.
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// A line of the input that goes to the output as it is: a record that is not ours, or a borrowed host that
/// is handed on.
#[derive(Debug, Serialize)]
pub(crate) struct PassedOn<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub line: &'a RawValue,
}

/// The `type` of [`PassedOn`], and how it begins in the journal.
pub(crate) const PASSED_ON: &str = "passed-on";
pub(crate) const PASSED_ON_START: &str = r#"{"type":"passed-on","line":"#;

/// Whether records of this type are for the journal only.
pub(crate) fn is_internal(kind: &str) -> bool {
    matches!(kind, INPUT_ENDED | LIVE_RESULTS)
}

/// The `type` of [`InputEnded`].
pub(crate) const INPUT_ENDED: &str = "input-ended";

/// The input has ended: nothing will come that is not in `tests.jsonl`.
#[derive(Debug, Serialize)]
pub(crate) struct InputEnded {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub time: Time,
}

/// The `type` of [`LiveResults`].
pub(crate) const LIVE_RESULTS: &str = "live-results";

/// The results of an attempt that goes on are told of up to this length of their file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LiveResults {
    #[serde(rename = "type")]
    pub kind: String,
    pub time: Time,
    pub run: String,
    pub platform: String,
    pub test: String,
    pub attempt: u32,
    pub host: String,
    pub length: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_lines_and_a_line_that_is_passed_on_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::create(&path).unwrap();
        let line = r#"{"type":"x",  "big":1e400,"u":"\u00fc"}"#;
        let raw: &RawValue = serde_json::from_str(line).unwrap();
        journal.append(&PassedOn { kind: PASSED_ON, line: raw }).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{PASSED_ON_START}{line}}}\n"));
        assert_eq!(journal.length(), text.len() as u64);
        assert!(Journal::create(&path).is_err(), "a journal is never begun twice");
    }

    #[test]
    fn what_cannot_be_written_leaves_no_trace() {
        let mut journal = Journal {
            file: OpenOptions::new().append(true).open("/dev/full").unwrap(),
            length: 0,
            buffer: Vec::new(),
        };
        assert!(journal.append(&1).is_err());
        assert_eq!(journal.length(), 0);
    }
}
