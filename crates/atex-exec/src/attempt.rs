//! One attempt at a test, from what its host sends: control stream and output in, results and files out.
//!
//! Knows no connection and no clock: the worker tells it what came and how much time has passed.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use atex_cli::now;
use atex_control::{
    DurationForm, End, Event, FeedError, Limits, Parser, Status, TimeLimit, Verdict, VerdictStatus,
    format_duration, parse_duration_value,
};
use atex_model::{
    Test, Time,
    report::{Cause, Counts, Outcome},
};
use serde::{Deserialize, Serialize};

use crate::artifacts::{Artifacts, Trouble};
use crate::checkpoint::{Checkpoint, Saved};
use crate::live::Live;
use crate::tap::{Point, Tap};
use crate::trailer::{LastLine, Scanner, Trailer, Why};

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
    /// An attempt of which nothing is known but that it did not end by itself.
    pub fn cut(cause: Cause, note: String) -> Done {
        Done { cause, storage_failed: false, ..Done::impossible(note) }
    }

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

/// Why an attempt did not end by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stopped {
    pub cause: Cause,
    pub note: String,
}

/// Where a test's bytes begin in the spools of its host, which hold those of several tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpoolStart {
    /// Which spools: a number that rises with each session of the agent.
    pub generation: u64,
    pub control: u64,
    pub output: u64,
}

/// What one attempt may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quotas {
    /// Of what it says over test control.
    pub control: Limits,
    /// Bytes of what it prints: of more, the beginning and the end are kept.
    pub output: u64,
    /// Whether its results are told of while it runs.
    pub live: bool,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas { control: Limits::default(), output: 1 << 30, live: false }
    }
}

/// A mark that a test has set on its host, or cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub name: String,
    pub set: bool,
}

/// An attempt that is going on.
///
/// It is fed what lies in the spools of its host, from the positions in [`SpoolStart`] on. Positions are those
/// in the spools throughout. It can be saved at any moment; what is fed after that and lost with this process
/// is fed again to the restored one.
pub(crate) struct Attempt {
    parser: Parser,
    scanner: Scanner,
    word: String,
    artifacts: Artifacts,
    limit: TimeLimit,
    trailer: Option<Trailer>,
    start: SpoolStart,
    /// The next byte of the control stream.
    control: u64,
    /// Of the bytes before that one, the last ones that are not the test's: the last line.
    last_line: u64,
    /// The next byte of the output.
    output: u64,
    /// The positions from which a restored one is fed.
    saved: (u64, u64),
    /// How many bytes have come since it was saved.
    unsaved: u64,
    started: Time,
    reboots: u32,
    boot: Option<String>,
    /// It has been decided to end it, for the first of these reasons.
    pub stopped: Option<Stopped>,
    /// Words of the test that the run should know of, oldest first.
    pub notes: Vec<String>,
    /// Marks that it has set on its host or cleared, oldest first. Their number is bounded, as that of notes.
    pub marks: Vec<Mark>,
    live: Option<Live>,
    /// Reads what the test prints, if that is TAP.
    tap: Option<Tap>,
    storage_failed: bool,
}

/// How long a test may run.
pub(crate) fn limit_of(test: &Test) -> Duration {
    let set = test.data.get("duration").map(|value| parse_duration_value(value, DurationForm::Extended));
    // One that cannot be read has been refused when the test came in.
    set.and_then(Result::ok).unwrap_or(TimeLimit::DEFAULT)
}

/// Whether results are in what the test prints.
fn prints_tap(test: &Test) -> bool {
    test.data.get("extra-result").is_some_and(|format| format == "tap")
}

/// Keeps a point of TAP as a result.
fn keep(parser: &mut Parser, artifacts: &mut Artifacts, point: &Point) -> Result<(), Trouble> {
    parser.report(&point.name, point.status, point.note.as_deref(), &mut |event: Event<'_>| match event {
        Event::Result(result) => artifacts.result(result.line),
        _ => Ok(()),
    })
}

impl Attempt {
    /// An attempt whose test has just been started.
    pub fn new(
        job: &Job,
        word: &str,
        start: SpoolStart,
        mut artifacts: Artifacts,
        quotas: Quotas,
    ) -> Attempt {
        artifacts.bound_output(quotas.output);
        Attempt {
            parser: Parser::new(quotas.control),
            scanner: Scanner::new(word),
            word: word.to_owned(),
            artifacts,
            limit: TimeLimit::new(limit_of(&job.test)),
            trailer: None,
            start,
            control: start.control,
            last_line: 0,
            output: start.output,
            saved: (start.control, start.output),
            unsaved: 0,
            started: now(),
            reboots: 0,
            boot: None,
            stopped: None,
            notes: Vec::new(),
            marks: Vec::new(),
            live: quotas.live.then(Live::default),
            tap: prints_tap(&job.test).then(Tap::default),
            storage_failed: false,
        }
    }

    /// Takes bytes of the control stream. What stands behind the last line is another's.
    pub fn control(&mut self, bytes: &[u8], elapsed: Duration) {
        if self.trailer.is_some() {
            return;
        }
        self.control += bytes.len() as u64;
        self.unsaved += bytes.len() as u64;
        let Attempt { parser, scanner, artifacts, limit, notes, marks, .. } = self;
        let (taken, last_line) = scanner.feed(bytes, |own| {
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
                Event::Mark { name, set } => {
                    marks.push(Mark { name: name.to_owned(), set });
                    Ok(())
                }
                // The wrapper's record of the exit status wins; the parser remembers that the test has said
                // `disconnect`.
                Event::ExitCode(_) | Event::Noop | Event::Disconnect => Ok(()),
            };
            parser.feed(own, &mut sink).and_then(|()| artifacts.flush().map_err(FeedError::Sink))
        });
        match taken {
            Ok(()) => {}
            Err(FeedError::Protocol(error)) => self.stop(Cause::Test, error.to_string()),
            Err(FeedError::Sink(trouble)) => self.fail(&trouble),
        }
        if let Some(line) = last_line {
            self.test_ended(line);
        }
    }

    /// Word of results that have come, if they are told of while the test runs and there is anything new.
    pub fn news_of_results(&self) -> Option<Live> {
        self.live.as_ref()?.grown_to(self.artifacts.results_length())
    }

    fn test_ended(&mut self, LastLine { trailer, length, surplus }: LastLine) {
        self.control -= surplus as u64;
        self.last_line = length as u64;
        let sent = self.control - self.last_line;
        if sent != trailer.control {
            let note =
                format!("test control came up to byte {sent} where its host counts {}", trailer.control);
            self.stop(Cause::Host, note);
        }
        match &trailer.why {
            None => {}
            Some(Why::Orphan(seconds)) => {
                let wait = seconds.map_or("too long".into(), |s| format_duration(Duration::from_secs(s)));
                self.stop(Cause::Own, format!("ended on its host: no heartbeat for {wait}"));
            }
            Some(Why::Full) => {
                let note = "ended on its host: there is no space left for what the test sends";
                self.stop(Cause::Host, note.into());
            }
            Some(Why::Stopped(cause)) => self.stopped_before(*cause),
            Some(Why::Other(why)) => self.stop(Cause::Host, format!("ended on its host: {why}")),
        }
        self.trailer = Some(trailer);
    }

    /// Its host was told to end it for this cause: by us, who know more of it, or by an earlier process, of which no more
    /// is left.
    fn stopped_before(&mut self, cause: Cause) {
        match cause {
            // What it may have sent that was against the rules has been seen by now.
            Cause::Test => self.stop_at_limit(),
            Cause::Cancelled => self.stop(cause, "cancelled".into()),
            _ => self.stop(cause, "ended by atex-exec, for a reason that is not on record".into()),
        }
    }

    /// Takes what its host says of an end that has not come yet, when it is found there again.
    pub fn found_stopping(&mut self, why: &Why) {
        match why {
            // Which fault of its own that was, what it has sent says, or the time.
            Why::Stopped(Cause::Test) => {}
            Why::Stopped(cause) => self.stopped_before(*cause),
            Why::Orphan(_) | Why::Full | Why::Other(_) => {}
        }
    }

    /// Takes bytes that the test printed.
    pub fn output(&mut self, bytes: &[u8]) {
        let most =
            self.trailer.as_ref().map_or(u64::MAX, |trailer| trailer.output.saturating_sub(self.output));
        let own = &bytes[..usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len())];
        self.output += own.len() as u64;
        self.unsaved += own.len() as u64;
        if !self.storage_failed
            && let Err(trouble) = self.store_output(own)
        {
            self.fail(&trouble);
        }
    }

    fn store_output(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let Attempt { parser, artifacts, tap, .. } = self;
        artifacts.output(bytes)?;
        let Some(tap) = tap else { return Ok(()) };
        tap.feed(bytes, &mut |point| keep(parser, artifacts, &point))?;
        artifacts.flush()
    }

    /// Decides to end the attempt, unless that has been decided before.
    pub fn stop(&mut self, cause: Cause, note: String) {
        self.stopped.get_or_insert(Stopped { cause, note });
    }

    fn fail(&mut self, trouble: &Trouble) {
        self.storage_failed |= !trouble.is_local();
        self.stop(Cause::Own, trouble.to_string());
    }

    /// Whether the test has ended and all that it sent has come.
    pub fn is_complete(&self) -> bool {
        self.trailer.as_ref().is_some_and(|trailer| self.output >= trailer.output)
    }

    /// Whether the test has said `disconnect` and has not been started again.
    pub fn disconnecting(&self) -> bool {
        self.parser.state().is_disconnected()
    }

    /// Whether all that comes before these positions has come.
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

    fn end(&self, exit: Option<i64>) -> End {
        match &self.stopped {
            None => End::Exited { passed: exit == Some(0) },
            Some(stopped) => End::Stopped(Verdict {
                status: match stopped.cause {
                    Cause::Test => VerdictStatus::Error,
                    _ => VerdictStatus::Infra,
                },
                note: stopped.note.clone(),
            }),
        }
    }

    /// Settles what is open and stores the last results.
    pub fn finish(mut self, elapsed: Duration) -> Done {
        let exit = self.trailer.as_ref().map(|trailer| trailer.status);
        if exit.is_none() {
            self.stop(Cause::Host, "the test's end is not known".into());
        }
        let mut end = self.end(exit);
        let Attempt { mut parser, mut artifacts, stopped, tap, .. } = self;
        let tally = parser.tally().clone();
        let finished = artifacts.end_output().and_then(|left_out| {
            if let Some(tap) = tap {
                let judgement = tap.end(exit, &mut |point| keep(&mut parser, &mut artifacts, &point))?;
                if matches!(end, End::Exited { .. }) {
                    end = End::Judged { status: judgement.status, note: judgement.note };
                }
            }
            if left_out > 0 {
                let note = format!("{left_out} bytes of output left out, between its beginning and its end");
                parser.remark(Status::Warn, note);
            }
            let ending = parser.finish(end, &mut |event: Event<'_>| match event {
                Event::Link { path } => artifacts.link_output(path),
                Event::Result(result) => artifacts.result(result.line),
                _ => Ok(()),
            })?;
            artifacts.finish().map(|()| ending)
        });
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
                storage_failed: self.storage_failed || !trouble.is_local(),
            },
        }
    }
}

impl Attempt {
    /// How many bytes have come since it was saved.
    pub fn unsaved(&self) -> u64 {
        self.unsaved
    }

    /// The next bytes that it wants, of the control stream and of the output.
    pub fn positions(&self) -> (u64, u64) {
        (self.control, self.output)
    }

    /// The positions from which a restored one is fed: what comes before them is in the run directory for good.
    pub fn saved_positions(&self) -> (u64, u64) {
        self.saved
    }

    /// Puts everything on disk, so that it can go on from here if this process or this machine dies. Costs
    /// some writes that wait for the disk: not for every test, and not for every byte.
    ///
    /// What fails ends the attempt, too. Nothing is saved of one that could not store something: it goes on
    /// from where it was saved before.
    pub fn save(&mut self, elapsed: Duration) -> Result<(), Trouble> {
        self.unsaved = 0;
        if self.storage_failed {
            return Ok(());
        }
        let saved = self.try_save(elapsed);
        if let Err(trouble) = &saved {
            self.fail(trouble);
        }
        saved
    }

    fn try_save(&mut self, elapsed: Duration) -> Result<(), Trouble> {
        let lengths = self.artifacts.sync()?;
        let state = self.parser.state();
        // Held bytes are not saved, so they are to come again. A closed channel ignores what comes, except
        // for the last line.
        let control = if state.is_open() {
            self.start.control + state.offset()
        } else {
            self.control - self.last_line - self.scanner.held() as u64
        };
        let attempt = Saved {
            time: now(),
            started: self.started,
            elapsed,
            boot: self.boot.clone(),
            reboots: self.reboots,
            word: self.word.clone(),
            start: self.start,
            control,
            output: self.output,
            stopped: self.stopped.clone(),
            limit: self.limit.clone(),
            tap: self.tap.clone(),
            lengths,
        };
        self.artifacts.checkpoint(&Checkpoint { attempt, parser: Cow::Borrowed(state) })?;
        self.saved = (control, self.output);
        Ok(())
    }

    /// The attempt as it was saved last, and how long it has been going on by now; nothing if it never was.
    /// What was stored after that is taken away. It is to be fed from [`saved_positions`](Self::saved_positions).
    pub fn restore(job: &Job, quotas: Quotas) -> Result<Option<(Attempt, Duration)>, Trouble> {
        let Some(Checkpoint { attempt: saved, parser }) = Checkpoint::load(&job.artifacts)? else {
            return Ok(None);
        };
        let artifacts = Artifacts::restore(&job.artifacts, &saved.lengths, &parser)?;
        let elapsed = saved.elapsed_by(now());
        let attempt = Attempt {
            parser: Parser::restore(quotas.control, parser.into_owned()),
            scanner: Scanner::new(&saved.word),
            word: saved.word,
            artifacts,
            limit: saved.limit,
            trailer: None,
            start: saved.start,
            control: saved.control,
            last_line: 0,
            output: saved.output,
            saved: (saved.control, saved.output),
            unsaved: 0,
            started: saved.started,
            reboots: saved.reboots,
            boot: saved.boot,
            stopped: saved.stopped,
            notes: Vec::new(),
            marks: Vec::new(),
            live: quotas.live.then(Live::default),
            tap: saved.tap,
            storage_failed: false,
        };
        Ok(Some((attempt, elapsed)))
    }

    /// The test is started again after a reboot that it has announced. Until it is saved again, a restored one
    /// is still to be restarted.
    pub fn restart(&mut self, word: &str, start: SpoolStart) {
        self.parser.reopen();
        self.scanner = Scanner::new(word);
        word.clone_into(&mut self.word);
        self.trailer = None;
        self.start = start;
        self.control = start.control;
        self.last_line = 0;
        self.output = start.output;
        self.saved = (start.control, start.output);
        self.reboots = self.reboots.saturating_add(1);
    }

    /// How often the test has been started again.
    pub fn reboots(&self) -> u32 {
        self.reboots
    }

    /// The boot of the host in which the test runs, as the worker knows it.
    pub fn boot(&self) -> Option<&str> {
        self.boot.as_deref()
    }

    /// Remembers the boot.
    pub fn set_boot(&mut self, boot: String) {
        self.boot = Some(boot);
    }

    #[cfg(test)]
    pub fn start(&self) -> SpoolStart {
        self.start
    }

    #[cfg(test)]
    pub fn started(&self) -> Time {
        self.started
    }

    /// The word that begins the last line.
    pub fn word(&self) -> &str {
        &self.word
    }
}

#[cfg(test)]
mod tests;
