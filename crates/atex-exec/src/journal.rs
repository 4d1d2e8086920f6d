//! The journal: every event of a run, in order, before it is visible anywhere else.

use std::io;
use std::path::Path;

use atex_model::{Host, Time};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::lines_file::LinesFile;

/// Writes records to `journal.jsonl`, each by one write, whole or not at all.
#[derive(Debug)]
pub(crate) struct Journal {
    lines: LinesFile,
    buffer: Vec<u8>,
}

impl Journal {
    /// Starts a journal; there must be none.
    pub fn create(path: &Path) -> io::Result<Journal> {
        LinesFile::create(path).map(|lines| Journal { lines, buffer: Vec::new() })
    }

    /// Goes on with a journal.
    pub fn open(path: &Path) -> io::Result<Journal> {
        LinesFile::open(path).map(|lines| Journal { lines, buffer: Vec::new() })
    }

    /// Appends a record. What was there before stays whole if it cannot be written.
    pub fn append<T: Serialize>(&mut self, record: &T) -> io::Result<()> {
        self.buffer.clear();
        atex_model::to_line(&mut self.buffer, record);
        self.lines.append(&self.buffer)
    }

    /// Waits until all that was written is on disk.
    pub fn synchronize(&self) -> io::Result<()> {
        self.lines.file().sync_data()
    }

    /// How many bytes have been written; always whole lines.
    pub fn length(&self) -> u64 {
        self.lines.length()
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
const PASSED_ON_START: &str = r#"{"type":"passed-on","line":"#;

/// Whether records of this type are for the journal only.
pub(crate) fn is_internal(kind: &str) -> bool {
    matches!(
        kind,
        INPUT_ENDED | EXIT | LIVE_RESULTS | OPTIONS | DECISION | LEASE | LEASE_END | HOST_HELD | HOST_FREED
    )
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

/// The `type` of [`WithOptions`].
pub(crate) const OPTIONS: &str = "scheduler";

/// A scheduler begins, in each life of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WithOptions {
    #[serde(rename = "type")]
    pub kind: String,
    pub options: atex_schedule::Options,
}

/// The `type` of [`Decision`].
pub(crate) const DECISION: &str = "decision";

/// What the scheduler was told, and what it decided.
#[derive(Debug, Serialize)]
pub(crate) struct Decision<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// As the scheduler counts time.
    pub at: atex_schedule::Time,
    pub event: &'a atex_schedule::Event,
    pub actions: &'a [atex_schedule::Action],
}

/// A [`Decision`] that is read back.
#[derive(Debug, Deserialize)]
pub(crate) struct Decided {
    pub at: atex_schedule::Time,
    pub event: atex_schedule::Event,
    pub actions: Vec<atex_schedule::Action>,
}

/// Whether this line of a [`Decision`] is about a test that somebody has cancelled. There are as many others as a run
/// has events, and none of them is wanted again by a later life.
pub(crate) fn cancels(line: &str) -> bool {
    line.contains(r#""event":{"test-cancelled":"#)
}

/// The `type` of [`Leased`].
pub(crate) const LEASE: &str = "lease";

/// A provisioner has given a host. On disk before the host is used.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Leased {
    #[serde(rename = "type")]
    pub kind: String,
    pub time: Time,
    /// Which one: its place on the command line, from 0.
    pub provisioner: u32,
    /// It can take charge of the host again when it is started anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopts: bool,
    pub host: Host,
}

/// The `type` of [`LeaseEnd`].
pub(crate) const LEASE_END: &str = "lease-end";

/// A host is not held any more: its provisioner has said so.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LeaseEnd {
    #[serde(rename = "type")]
    pub kind: String,
    pub time: Time,
    pub host: String,
}

/// The `type` of [`HostHeld`] and [`HostFreed`].
pub(crate) const HOST_HELD: &str = "host-held";
pub(crate) const HOST_FREED: &str = "host-freed";

/// A host is kept as it is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HostHeld {
    #[serde(rename = "type")]
    pub kind: String,
    pub time: Time,
    pub host: String,
    /// Until when; without it, until somebody frees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<atex_schedule::Time>,
}

/// A host is used again that was held.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HostFreed {
    #[serde(rename = "type")]
    pub kind: String,
    pub time: Time,
    pub host: String,
}

/// The `type` of [`JobExit`].
pub(crate) const EXIT: &str = "exit";

/// The exit status that follows from all that stands before. Written in front of `job-end`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobExit {
    #[serde(rename = "type")]
    pub kind: String,
    pub code: u8,
    /// The run can be gone on with: not all was taken in, or somebody still holds a host for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
}

/// What was passed on, if the line of the journal, of the type [`PASSED_ON`], says so.
pub(crate) fn passed_on(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(PASSED_ON_START)?;
    Some(rest.strip_suffix('}').unwrap_or(rest))
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
        assert_eq!(passed_on(text.trim_end()), Some(line));
    }
}
