//! The end of a test: what is still open is stored, and the fallback result is added.

use crate::error::{ProtocolError, shown};
use crate::parser::{Channel, Event, Parser, keep_as, refuse_result};
use crate::partial::Open;
use crate::path::file_path;
use crate::store::Complete;
use crate::tally::{Status, Tally};
use std::mem;

/// How the test ended, as the caller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited {
        /// Whether its exit status is 0; false for one that was ended by a signal.
        passed: bool,
    },
    /// By itself, and what it came to is known by other means than its exit status. As for an exit status,
    /// what the test has reported for itself stands.
    Judged {
        /// What it came to.
        status: Status,
        /// More of it, for people.
        note: Option<String>,
    },
    /// The executor ended it: at a limit, for a lost host, on request. This verdict stands,
    /// also over a protocol error.
    Stopped(Verdict),
}

/// What the executor says of a test that it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whose doing it was.
    pub status: VerdictStatus,
    /// Why, for people.
    pub note: String,
}

/// Whose doing the end of a test was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictStatus {
    /// The test's own.
    Error,
    /// Anybody else's.
    Infra,
}

impl VerdictStatus {
    fn status(self) -> Status {
        match self {
            VerdictStatus::Error => Status::Error,
            VerdictStatus::Infra => Status::Infra,
        }
    }
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The executor's verdict if it has one, else the worst status among the results for the test
    /// itself.
    pub outcome: Status,
    /// The verdict: the caller's, or that of a protocol error.
    pub verdict: Option<Verdict>,
    /// The protocol error, if there was one. Data that was cut off is none when the executor
    /// ended the test: then the cut is the executor's doing.
    pub error: Option<ProtocolError>,
    /// The beginning of a control line without its end, escaped for a message. The Python ATEX
    /// drops it, so it is no error.
    pub unfinished: Option<String>,
    /// All results of the attempt, those from before the end included.
    pub tally: Tally,
}

/// Under this name the output of a test is linked that asks for nothing.
const FALLBACK_OUTPUT: &str = "output.txt";

impl Parser {
    /// Ends the attempt: stores the open partial results in the order in which they first
    /// appeared, the fallback result with them. Fails only if the sink does.
    ///
    /// The fallback asks for `output.txt` only where that path is free, whoever took it: it is
    /// our wish, not the test's, so it is no reason to fail.
    pub fn finish<E, S>(mut self, end: End, sink: &mut S) -> Result<Ending, E>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let unfinished = self.unfinished();
        let mut open = mem::take(&mut self.state.open).into_vec();
        let clash = self.take_outputs(&mut open);
        let mut error = self.state.error.take();
        let verdict = match &end {
            End::Stopped(verdict) => Some(verdict.clone()),
            End::Exited { .. } | End::Judged { .. } => {
                error = error.or_else(|| self.cut_off()).or(clash);
                error.as_ref().map(|error| Verdict { status: VerdictStatus::Error, note: error.to_string() })
            }
        };
        self.state.channel = Channel::Broken;
        let mut fallback = None;
        if !self.state.reported {
            fallback = Some(self.add_fallback(&mut open, verdict.as_ref(), &end));
        }
        // In a verdict the status is the executor's word, so `infra` stays what it is.
        let has_verdict = verdict.is_some();
        for (position, open) in open.into_iter().enumerate() {
            let complete = Complete::from(open);
            if fallback == Some(position) {
                let keep_as = if has_verdict { None } else { keep_as(&complete) };
                self.store_ours(&complete, keep_as, sink)?;
            } else {
                self.store(&complete, sink)?;
            }
        }
        let excess = self.state.excess.remarks(&self.limits);
        for (status, note) in mem::take(&mut self.remarks).into_iter().chain(excess) {
            let mut remark = Open::default();
            remark.set("status", status.word());
            remark.set("note", &note);
            self.store_ours(&Complete::from(remark), None, sink)?;
        }
        let verdict_status = verdict.as_ref().map(|verdict| verdict.status.status());
        // There is a result for the test itself now: a fallback was added if there was none.
        let outcome = verdict_status.or(self.state.tally.outcome()).unwrap_or(Status::Info);
        Ok(Ending { outcome, verdict, error, unfinished, tally: self.state.tally })
    }

    fn unfinished(&self) -> Option<String> {
        let is_line = self.json.is_none() && !self.held.is_empty() && self.state.channel == Channel::Open;
        is_line.then(|| shown(&String::from_utf8_lossy(&self.held)))
    }

    /// The error of a stream that ends where data was announced.
    fn cut_off(&self) -> Option<ProtocolError> {
        let (word, place, missing) = match (&self.state.upload, self.json) {
            (Some(upload), _) => (upload.word, format!("file `{}`", shown(&upload.path)), upload.left),
            (None, Some(json)) => {
                (self.state.offset, "the JSON".into(), (json.length - self.held.len()) as u64)
            }
            (None, None) => return None,
        };
        Some(refuse_result(word, format!("the stream ends inside {place}, missing bytes: {missing}")))
    }

    /// Takes the paths under which open results want the output. One that is not free is dropped,
    /// since a result without its link is better than none.
    fn take_outputs(&mut self, open: &mut [Open]) -> Option<ProtocolError> {
        let mut clash = None;
        for open in open {
            let Some(testout) = &open.testout else { continue };
            let path = file_path(open.name.as_deref(), testout);
            if !self.state.paths.has_room(&path, &self.limits) {
                open.testout = None;
                self.state.excess.files += 1;
            } else if let Err(reason) = self.state.paths.take_output(&path, &self.limits) {
                open.testout = None;
                clash = clash.or(Some(refuse_result(open.offset, reason)));
            }
        }
        clash
    }

    /// The test has said nothing final about itself: says it in its place, in the open result
    /// without a name or a new one. Returns its position.
    fn add_fallback(&mut self, open: &mut Vec<Open>, verdict: Option<&Verdict>, end: &End) -> usize {
        let position = open.iter().position(|open| open.name.is_none()).unwrap_or(open.len());
        if position == open.len() {
            open.push(Open::default());
        }
        let fallback = &mut open[position];
        if let Some(verdict) = verdict {
            fallback.set("status", verdict.status.status().word());
            fallback.set("note", &verdict.note);
        } else if !fallback.has("status") {
            let (status, note) = match end {
                End::Judged { status, note } => (*status, note.as_deref()),
                _ if *end == End::Exited { passed: true } => (Status::Pass, None),
                _ => (Status::Fail, None),
            };
            fallback.set("status", status.word());
            if let Some(note) = note.filter(|_| !fallback.has("note")) {
                fallback.set("note", note);
            }
        }
        if fallback.testout.is_none() && self.state.paths.take_output(FALLBACK_OUTPUT, &self.limits).is_ok() {
            fallback.testout = Some(FALLBACK_OUTPUT.into());
        }
        position
    }
}
