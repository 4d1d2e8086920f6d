//! One attempt at a test, from what its host sends: control stream and output in, results and files out.
//!
//! Knows no connection and no clock: the worker tells it what came and how much time has passed.

use std::path::PathBuf;
use std::time::Duration;

use atex_connect::Session;
use atex_control::{
    DurationForm, End, Event, FeedError, Limits, Parser, TimeLimit, Verdict, VerdictStatus, format_duration,
    parse_duration_value,
};
use atex_model::{
    Test,
    report::{Cause, Counts, Outcome},
};

use crate::artifacts::{Artifacts, Trouble};
use crate::trailer::{Scanner, Trailer};

/// An attempt that is to be made.
#[derive(Debug)]
pub(crate) struct Job {
    pub test: Test,
    /// Its number, from 1.
    pub attempt: u32,
    pub run: String,
    /// Where results and files go.
    pub artifacts: PathBuf,
}

/// What became of an attempt.
#[derive(Debug, PartialEq)]
pub(crate) struct Done {
    pub outcome: Outcome,
    pub cause: Cause,
    pub exit: Option<i64>,
    pub note: Option<String>,
    pub counts: Counts,
    pub seconds: f64,
    /// Results could not be stored: the trouble is ours, and goes beyond this attempt.
    pub storage_failed: bool,
}

impl Done {
    /// An attempt that could not even begin, by a fault of ours.
    pub fn impossible(problem: String) -> Done {
        Done {
            outcome: Outcome::Infra,
            cause: Cause::Own,
            exit: None,
            note: Some(problem),
            counts: Counts::new(),
            seconds: 0.0,
            storage_failed: true,
        }
    }
}

/// Why we ended an attempt ourselves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stopped {
    pub cause: Cause,
    pub note: String,
}

/// An attempt that is going on.
pub(crate) struct Attempt {
    pub session: Session,
    parser: Parser,
    scanner: Scanner,
    artifacts: Artifacts,
    limit: TimeLimit,
    trailer: Option<Trailer>,
    /// How many bytes of the control stream have come, the last line included.
    control: u64,
    /// How many bytes of output have come.
    output: u64,
    /// We have decided to end it, for the first of these reasons.
    pub stopped: Option<Stopped>,
    /// Words of the test that the run should know of, oldest first.
    pub notes: Vec<String>,
    storage_failed: bool,
}

/// A restart after a reboot, which this version cannot do.
const DISCONNECT: &str = "`disconnect`: this version of atex-exec cannot start a test again after a reboot";

/// What a test may run if its metadata do not say.
fn limit_of(test: &Test) -> Duration {
    let set = test.data.get("duration").map(|value| parse_duration_value(value, DurationForm::Extended));
    // One that cannot be read has been refused when the test came in.
    set.and_then(Result::ok).unwrap_or(TimeLimit::DEFAULT)
}

impl Attempt {
    /// An attempt whose session has just been started.
    pub fn new(job: &Job, word: &str, session: Session, artifacts: Artifacts) -> Attempt {
        Attempt {
            session,
            parser: Parser::new(Limits::default()),
            scanner: Scanner::new(word),
            artifacts,
            limit: TimeLimit::new(limit_of(&job.test)),
            trailer: None,
            control: 0,
            output: 0,
            stopped: None,
            notes: Vec::new(),
            storage_failed: false,
        }
    }

    /// Takes bytes of the control stream.
    pub fn control(&mut self, bytes: &[u8], elapsed: Duration) {
        self.control += bytes.len() as u64;
        let Attempt { parser, scanner, artifacts, limit, notes, .. } = self;
        let mut fault = None;
        let found = scanner.feed(bytes, |own| {
            let mut sink = |event: Event<'_>| match event {
                Event::FileStart { path } => artifacts.start_file(path),
                Event::FileData { path, bytes } => artifacts.append_file(path, bytes),
                Event::Link { path } => artifacts.link_output(path),
                Event::Result(result) => artifacts.result(result.line),
                Event::Duration(change) => {
                    limit.apply(change, elapsed);
                    Ok(())
                }
                Event::Note(text) => {
                    notes.push(text.to_owned());
                    Ok(())
                }
                Event::Disconnect => {
                    fault = Some(DISCONNECT.to_owned());
                    Ok(())
                }
                // The wrapper's record of the exit status wins; marks are for a scheduler that prefers.
                Event::ExitCode(_) | Event::Noop | Event::Mark { .. } => Ok(()),
            };
            parser.feed(own, &mut sink).and_then(|()| artifacts.flush().map_err(FeedError::Sink))
        });
        match found {
            Ok(trailer) => self.trailer = self.trailer.or(trailer),
            Err(FeedError::Protocol(error)) => self.stop(Cause::Test, error.to_string()),
            Err(FeedError::Sink(trouble)) => self.fail(&trouble),
        }
        if let Some(fault) = fault {
            self.stop(Cause::Own, fault);
        }
    }

    /// Takes bytes that the test printed.
    pub fn output(&mut self, bytes: &[u8]) {
        let most = self.trailer.map_or(u64::MAX, |trailer| trailer.output.saturating_sub(self.output));
        let own = &bytes[..usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len())];
        self.output += own.len() as u64;
        if !self.storage_failed
            && let Err(trouble) = self.artifacts.output(own)
        {
            self.fail(&trouble);
        }
    }

    /// Decides to end the attempt, unless that has been decided before.
    pub fn stop(&mut self, cause: Cause, note: String) {
        self.stopped.get_or_insert(Stopped { cause, note });
    }

    fn fail(&mut self, trouble: &Trouble) {
        self.storage_failed = true;
        self.stop(Cause::Own, trouble.to_string());
    }

    /// Whether the test has ended and all that it sent has come.
    pub fn is_complete(&self) -> bool {
        self.trailer.is_some_and(|trailer| self.output >= trailer.output)
    }

    /// Whether so much of the control stream and of the output has come.
    pub fn has_read(&self, (control, output): (u64, u64)) -> bool {
        self.control >= control && self.output >= output
    }

    /// Whether the test may not run any longer.
    pub fn is_over(&self, elapsed: Duration) -> bool {
        self.limit.is_reached(elapsed)
    }

    /// How long it may still run.
    pub fn left(&self, elapsed: Duration) -> Duration {
        self.limit.left(elapsed)
    }

    /// Ends it because of the limit.
    pub fn stop_at_limit(&mut self) {
        let note = format!("duration limit of {} reached", format_duration(self.limit.limit()));
        self.stop(Cause::Test, note);
    }

    /// Settles what is open and stores the last results.
    pub fn finish(mut self, elapsed: Duration) -> Done {
        self.session.close_stdin();
        let exit = self.trailer.map(|trailer| trailer.status);
        if exit.is_none() {
            self.stop(Cause::Host, "the test's end is not known".into());
        }
        let end = match &self.stopped {
            None => End::Exited { passed: exit == Some(0) },
            Some(stopped) => End::Stopped(Verdict {
                status: if stopped.cause == Cause::Test {
                    VerdictStatus::Error
                } else {
                    VerdictStatus::Infra
                },
                note: stopped.note.clone(),
            }),
        };
        let Attempt { parser, mut artifacts, stopped, .. } = self;
        let tally = parser.tally().clone();
        let mut sink = |event: Event<'_>| match event {
            Event::Link { path } => artifacts.link_output(path),
            Event::Result(result) => artifacts.result(result.line),
            _ => Ok(()),
        };
        let finished = parser.finish(end, &mut sink).and_then(|ending| artifacts.finish().map(|()| ending));
        let counted =
            |tally: &atex_control::Tally| tally.counts().map(|(word, n)| (word.to_owned(), n)).collect();
        let seconds = elapsed.as_secs_f64();
        match finished {
            Ok(ending) => {
                let verdict = ending.verdict.map(|verdict| verdict.note);
                let cause = stopped.as_ref().map_or(Cause::Test, |stopped| stopped.cause);
                Done {
                    outcome: Outcome::of_status(Some(ending.outcome.word())),
                    cause,
                    exit: exit.filter(|_| stopped.is_none()),
                    note: verdict,
                    counts: counted(&ending.tally),
                    seconds,
                    storage_failed: self.storage_failed,
                }
            }
            Err(trouble) => Done {
                outcome: Outcome::Infra,
                cause: Cause::Own,
                exit: None,
                note: Some(trouble.to_string()),
                counts: counted(&tally),
                seconds,
                storage_failed: true,
            },
        }
    }
}
