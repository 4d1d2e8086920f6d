//! What a run writes, as values.

use std::io::{self, Write};

use atex_model::report::{
    End, EndTag, HostEnd, HostEndTag, HostStart, HostStartTag, JobEnd, JobEndTag, JobStart, JobStartTag,
    TestEnd, TestEndTag, TestNote, TestNoteTag, TestResult, TestStart, TestStartTag,
};
use atex_model::{LineError, report::ResultKind};
use crossbeam_channel::Sender;
use serde_json::Value;

/// A record that a run writes. atex-exec(1) says what each of them means.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// The run began.
    JobStart(JobStart),
    /// A host joined the pool.
    HostStart(HostStart),
    /// An attempt began.
    TestStart(TestStart),
    /// A test sent a progress line.
    Note(TestNote),
    /// One result: of a final attempt, of one that is tried again, or told at once with `--live`; see its `kind`.
    Result(TestResult),
    /// An attempt ended. Its results have come before.
    TestEnd(TestEnd),
    /// A host left the pool.
    HostEnd(HostEnd),
    /// The run ended.
    JobEnd(JobEnd),
    /// The last record.
    End(End),
    /// Anything else, such as a host that was given to the run and is handed back.
    Other(Value),
}

impl Record {
    /// Reads a line.
    ///
    /// # Errors
    /// It is no record.
    pub fn parse(line: &str) -> Result<Record, LineError> {
        Ok(match atex_model::kind(line)?.as_ref() {
            JobStartTag::TEXT => Record::JobStart(atex_model::parse(line)?),
            HostStartTag::TEXT => Record::HostStart(atex_model::parse(line)?),
            TestStartTag::TEXT => Record::TestStart(atex_model::parse(line)?),
            TestNoteTag::TEXT => Record::Note(atex_model::parse(line)?),
            "result" | "old-result" | "live-result" => Record::Result(atex_model::parse(line)?),
            TestEndTag::TEXT => Record::TestEnd(atex_model::parse(line)?),
            HostEndTag::TEXT => Record::HostEnd(atex_model::parse(line)?),
            JobEndTag::TEXT => Record::JobEnd(atex_model::parse(line)?),
            EndTag::TEXT => Record::End(atex_model::parse(line)?),
            _ => Record::Other(atex_model::parse(line)?),
        })
    }

    /// The test that it is about: its label and its name.
    pub fn test(&self) -> Option<(&str, &str)> {
        match self {
            Record::TestStart(TestStart { platform, test, .. })
            | Record::Note(TestNote { platform, test, .. })
            | Record::Result(TestResult { platform, test, .. })
            | Record::TestEnd(TestEnd { platform, test, .. }) => Some((platform, test)),
            _ => None,
        }
    }

    /// Whether it is a result of an attempt that counts.
    pub fn is_final_result(&self) -> bool {
        matches!(self, Record::Result(TestResult { kind: ResultKind::Result, .. }))
    }
}

/// Standard output of a run whose reader is in the same process.
pub(super) struct Sink(pub Sender<Record>);

impl Write for Sink {
    /// What comes is whole lines. Waits while the reader does not read: that holds up nothing but what it would read.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let text = std::str::from_utf8(line).map_err(io::Error::other)?;
            let record = Record::parse(text).map_err(io::Error::other)?;
            self.0.send(record).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_told_apart() {
        let other = json!({"type": "mine", "a": [1]});
        assert_eq!(Record::parse(&other.to_string()), Ok(Record::Other(other)));
        let note = json!({"type": "test-note", "time": "2026-11-21T20:00:00.000Z", "run": "r", "platform": "p",
                          "test": "/t", "note": "n"});
        let note = Record::parse(&note.to_string()).unwrap();
        assert!(matches!(note, Record::Note(_)) && note.test() == Some(("p", "/t")));
        assert!(Record::parse("{\"type\":\"test-end\"}").is_err() && Record::parse("[]").is_err());
    }
}
