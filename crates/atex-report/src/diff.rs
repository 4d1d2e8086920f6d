//! What is different between runs: results that failed before and do not now, or the other way round.
//!
//! Of each result an entry of some hundred bytes is sorted outside of memory (`sorter`), and both sides are
//! walked through together: memory depends neither on the number of results nor on their order.

mod text;

use std::io::Write;
use std::path::PathBuf;

use atex_cli::{Exit, Failure};
use atex_model::report::{Outcome, ResultKind};

use crate::args::When;
use crate::config::{self, Input};
use crate::event::{Event, What};
use crate::input::{self, Faults, MESSAGES, Take};
use crate::out::Out;
use crate::reduce::clip;
use crate::sorter::{Pair, Sorted, Sorter, key_text, text_of_key};
use crate::stop::Stop;
use crate::whole::Whole;

/// The options of `diff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run before
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The runs after
    #[arg(value_name = "NEW", required = true)]
    new: Vec<PathBuf>,

    /// More runs before: what failed in one of them and passed in another is flaky, and no new failure
    #[arg(long, value_name = "FILE")]
    baseline: Vec<PathBuf>,

    /// A test is slower if it takes so many times as long as before, and 5 seconds more
    #[arg(long, value_name = "TIMES", default_value_t = 1.5)]
    slower: f64,

    /// How many to show of each kind
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,

    /// Write all differences as JSON, a line each
    #[arg(long)]
    json: bool,

    /// Take a side without any test for one of which nothing is known, such as the run before the first
    #[arg(long)]
    allow_empty: bool,

    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
}

/// So many seconds at least is a test slower: less is chance.
const SLOWER: f64 = 5.0;

/// The longest note that is kept.
const NOTE: usize = 512;

/// A kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    /// It fails, and did not before.
    NewFailure,
    /// It fails as before, for another reason.
    NoteChanged,
    /// It fails as before.
    StillFailing,
    /// It both fails and passes.
    Flaky,
    /// It failed before.
    Fixed,
    /// It takes longer.
    Slower,
    /// It was not there before.
    Added,
    /// It is no longer there.
    Removed,
}

impl Change {
    const ALL: [Change; 8] = [
        Change::NewFailure,
        Change::NoteChanged,
        Change::StillFailing,
        Change::Flaky,
        Change::Fixed,
        Change::Slower,
        Change::Added,
        Change::Removed,
    ];
}

/// One result, or what a test came to.
#[derive(Debug, Clone, serde::Serialize)]
struct Difference {
    #[serde(rename = "type")]
    kind: &'static str,
    change: Change,
    platform: String,
    test: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Compares.
///
/// # Errors
/// The invocation is wrong, or something cannot be written. A reader that has gone away is no error.
pub fn run(
    args: &Args,
    verbose: bool,
    stdout: impl Write,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let old: Vec<_> =
        std::iter::once(&args.old).chain(&args.baseline).map(|path| config::source(path)).collect();
    let new: Vec<_> = args.new.iter().map(|path| config::source(path)).collect();
    let read = |sources: Vec<Result<input::Source, Failure>>| -> Result<Input, Failure> {
        Ok(Input {
            sources: sources.into_iter().collect::<Result<_, _>>()?,
            required: Vec::new(),
            allow_empty: args.allow_empty,
            messages: if verbose { u64::MAX } else { MESSAGES },
        })
    };
    let (old, new) = (read(old)?, read(new)?);
    let page = config::page(args.color);
    let mut faults = Faults::new(old.messages, say);
    let mut out = Out::stream(stdout);
    match compare(args, &old, &new, &mut faults, &mut out, &page) {
        Ok(exit) => Ok(exit),
        Err(Stop::Closed) => Ok(Exit::Done),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Whether something fails that did not, or cannot be told.
fn compare(
    args: &Args,
    old: &Input,
    new: &Input,
    faults: &mut Faults<'_>,
    out: &mut Out<'_>,
    page: &crate::text::Page,
) -> Result<Exit, Stop> {
    let (mut before, mut after) = (Side::read(old, faults)?, Side::read(new, faults)?);
    let failed = walk(args, &mut before, &mut after, out, page)?;
    let whole = before.whole.exit_of("the runs before: ", faults, old);
    let whole = whole.max(after.whole.exit_of("the runs after: ", faults, new));
    Ok(if failed { whole.max(Exit::Failed) } else { whole })
}

/// Writes the differences; whether something fails that did not.
fn walk(
    args: &Args,
    old: &mut Side,
    new: &mut Side,
    out: &mut Out<'_>,
    page: &crate::text::Page,
) -> Result<bool, Stop> {
    let mut counts = [0; Change::ALL.len()];
    let mut shown: Vec<Vec<Difference>> = vec![Vec::new(); Change::ALL.len()];
    while let Some(key) = old.key().into_iter().chain(new.key()).min().cloned() {
        let (before, after) = (old.take(&key)?, new.take(&key)?);
        let Some(difference) = difference(&key, before.as_ref(), after.as_ref(), args.slower) else {
            continue;
        };
        let index = difference.change as usize;
        counts[index] += 1;
        if args.json {
            atex_model::to_line(&mut out.buffer, &difference);
            out.settle()?;
        } else if shown[index].len() < args.limit {
            shown[index].push(difference);
        }
    }
    if !args.json {
        out.buffer.extend_from_slice(text::text(&shown, &counts, page).as_bytes());
    }
    out.finish()?;
    Ok(counts[Change::NewFailure as usize] > 0)
}

/// The results of some runs, in order.
struct Side {
    sorted: Sorted,
    /// The next result, if there is one.
    head: Pair,
    is_there: bool,
    whole: Whole,
}

/// What several runs say of one result.
#[derive(Debug, Default)]
struct Fates {
    failed: u32,
    passed: u32,
    /// It passed when it was tried again.
    flaky: bool,
    worst: Option<Outcome>,
    seconds: Option<f64>,
    note: Option<String>,
    /// Something of what failed is not known to.
    unwaived: bool,
}

impl Side {
    fn read(input: &Input, faults: &mut Faults<'_>) -> Result<Side, Stop> {
        let mut entries = Entries::default();
        input::read(&input.sources, faults, &mut entries)?;
        let mut sorted = entries.sorter.finish()?;
        let mut head = Pair::default();
        let is_there = sorted.next(&mut head)?;
        Ok(Side { sorted, head, is_there, whole: entries.whole })
    }

    /// The key of the next result, without the run.
    fn key(&self) -> Option<&Vec<u8>> {
        self.is_there.then_some(&self.head.0)
    }

    /// All that is said of a result; of each run, the worst.
    fn take(&mut self, key: &[u8]) -> Result<Option<Fates>, Stop> {
        let mut runs: Vec<(String, Entry)> = Vec::new();
        while self.key().is_some_and(|head| head == key) {
            let (run, entry) = Entry::read(&self.head.1);
            match runs.iter_mut().find(|(known, _)| *known == run) {
                Some((_, known)) => known.join(entry),
                None => runs.push((run, entry)),
            }
            self.is_there = self.sorted.next(&mut self.head)?;
        }
        if runs.is_empty() {
            return Ok(None);
        }
        let mut fates = Fates::default();
        for (_, entry) in runs {
            fates.add(entry);
        }
        Ok(Some(fates))
    }
}

impl Fates {
    fn add(&mut self, entry: Entry) {
        self.flaky |= entry.flaky;
        let Some(outcome) = entry.outcome else { return };
        let failed = outcome <= Outcome::Fail;
        if failed {
            self.failed += 1
        } else {
            self.passed += 1
        }
        if self.worst.is_none_or(|worst| outcome < worst) {
            (self.worst, self.note) = (Some(outcome), entry.note);
        }
        self.unwaived |= entry.unwaived;
        // Of several runs the slowest.
        self.seconds = self.seconds.into_iter().chain(entry.seconds).reduce(f64::max);
    }

    fn fails(&self) -> bool {
        self.failed > 0
    }

    fn is_flaky(&self) -> bool {
        self.failed > 0 && self.passed > 0 || (self.flaky && self.failed == 0)
    }
}

fn difference(key: &[u8], old: Option<&Fates>, new: Option<&Fates>, slower: f64) -> Option<Difference> {
    let (platform, rest) = text_of_key(key);
    let (test, rest) = text_of_key(rest);
    let subtest = (rest.first() == Some(&0)).then(|| text_of_key(&rest[1..]).0);
    let (old, new) = (old.filter(|old| old.worst.is_some()), new.filter(|new| new.worst.is_some()));
    let change = change(old, new, slower)?;
    let seconds =
        |fates: Option<&Fates>| fates.and_then(|fates| fates.seconds).filter(|_| change == Change::Slower);
    Some(Difference {
        kind: "difference",
        change,
        platform,
        test,
        subtest,
        old: old.and_then(|old| old.worst),
        new: new.and_then(|new| new.worst),
        old_seconds: seconds(old),
        new_seconds: seconds(new),
        old_note: old.and_then(|old| old.note.clone()).filter(|_| change == Change::NoteChanged),
        note: new.and_then(|new| new.note.clone()),
    })
}

fn change(old: Option<&Fates>, new: Option<&Fates>, slower: f64) -> Option<Change> {
    match (old, new) {
        (None, None) => None,
        (Some(_), None) => Some(Change::Removed),
        // A failure that is known counts for no new one.
        (None, Some(new)) if new.fails() && new.unwaived => {
            Some(if new.passed > 0 { Change::Flaky } else { Change::NewFailure })
        }
        (None, Some(_)) => Some(Change::Added),
        (Some(old), Some(new)) if new.fails() => Some(match old.fails() {
            _ if new.passed > 0 || old.is_flaky() => Change::Flaky,
            true if old.note != new.note => Change::NoteChanged,
            true => Change::StillFailing,
            false if !new.unwaived => Change::StillFailing,
            false => Change::NewFailure,
        }),
        (Some(old), Some(_)) if old.fails() && old.passed == 0 => Some(Change::Fixed),
        (Some(_), Some(new)) if new.is_flaky() => Some(Change::Flaky),
        (Some(old), Some(new)) => {
            let (before, after) = (old.seconds?, new.seconds?);
            (after > before * slower && after > before + SLOWER).then_some(Change::Slower)
        }
    }
}

/// What is kept of one record.
#[derive(Debug, Clone, Default)]
struct Entry {
    /// `None`: it only says that an attempt failed which was tried again.
    outcome: Option<Outcome>,
    flaky: bool,
    /// It failed, and is not known to.
    unwaived: bool,
    seconds: Option<f64>,
    note: Option<String>,
}

impl Entry {
    fn join(&mut self, other: Entry) {
        self.flaky |= other.flaky;
        self.unwaived |= other.unwaived;
        self.seconds = self.seconds.or(other.seconds);
        let worse = match (self.outcome, other.outcome) {
            (Some(own), Some(other)) => other < own,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if worse {
            self.outcome = other.outcome;
            self.note = other.note.or(self.note.take());
        } else if self.note.is_none() {
            self.note = other.note;
        }
    }

    fn write(&self, run: &str, to: &mut Vec<u8>) {
        key_text(to, run);
        to.push(self.outcome.map_or(u8::MAX, |outcome| outcome as u8));
        to.push(u8::from(self.flaky) | u8::from(self.unwaived) << 1);
        to.extend_from_slice(&self.seconds.unwrap_or(f64::NAN).to_le_bytes());
        if let Some(note) = &self.note {
            to.extend_from_slice(note.as_bytes());
        }
    }

    fn read(value: &[u8]) -> (String, Entry) {
        let (run, rest) = text_of_key(value);
        let outcome = Outcome::ALL.get(usize::from(rest[0])).copied();
        let mut seconds = [0; 8];
        seconds.copy_from_slice(&rest[2..10]);
        let seconds = Some(f64::from_le_bytes(seconds)).filter(|seconds| !seconds.is_nan());
        let note = (rest.len() > 10).then(|| String::from_utf8_lossy(&rest[10..]).into_owned());
        (run, Entry { outcome, flaky: rest[1] & 1 != 0, unwaived: rest[1] & 2 != 0, seconds, note })
    }
}

/// Takes the entries out of a stream.
#[derive(Default)]
struct Entries {
    sorter: Sorter,
    whole: Whole,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Entries {
    fn add(
        &mut self,
        (run, platform, test): (&str, &str, &str),
        subtest: Option<&str>,
        entry: &Entry,
    ) -> Result<(), Stop> {
        self.key.clear();
        key_text(&mut self.key, platform);
        key_text(&mut self.key, test);
        match subtest {
            Some(subtest) => {
                self.key.push(0);
                key_text(&mut self.key, subtest);
            }
            None => self.key.push(1),
        }
        self.value.clear();
        entry.write(run, &mut self.value);
        self.sorter.push(&self.key, &self.value)
    }
}

impl Take for Entries {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        if self.whole.event(event).is_repeat {
            return Ok(());
        }
        match event.what {
            What::Row(row) => {
                let outcome = row.outcome();
                let entry = match row.kind {
                    ResultKind::Result => {
                        let note =
                            row.note.filter(|note| !note.is_empty() && outcome <= Outcome::Warn).map(short);
                        Entry {
                            outcome: Some(outcome),
                            note,
                            unwaived: outcome <= Outcome::Fail && row.waived.is_none(),
                            ..Entry::default()
                        }
                    }
                    ResultKind::OldResult if outcome <= Outcome::Fail => {
                        Entry { flaky: true, ..Entry::default() }
                    }
                    _ => return Ok(()),
                };
                self.add(row.test_key(), row.subtest, &entry)
            }
            What::TestEnd(end) => {
                let bad = end.outcome <= Outcome::Fail;
                let entry = Entry {
                    outcome: end.is_final.then_some(end.outcome),
                    flaky: !end.is_final && bad,
                    unwaived: bad && end.is_final && end.waived.is_none(),
                    seconds: end.is_final.then_some(end.seconds),
                    note: end.note.filter(|_| bad && end.is_final).map(short),
                };
                self.add(end.test_key(), None, &entry)
            }
            _ => Ok(()),
        }
    }
}

fn short(note: &str) -> String {
    let end = (0..=NOTE.min(note.len())).rev().find(|at| note.is_char_boundary(*at)).unwrap_or(0);
    if end < note.len() { format!("{}…", &note[..end]) } else { clip(note) }
}
