//! The tables of the page, row by row, in chunks.
//!
//! A chunk stands alone: it has its own words, so that nothing has to be remembered from one to the next. The order of its
//! columns is what `page/store.js` expects.

use std::borrow::Cow;
use std::io;

use atex_model::Time;
use atex_model::report::{Cause, Outcome, ResultKind};

use super::columns::{Coding, Words, put_bytes, put_numbers};
use super::spool::Spool;
use crate::row::{Row, TestEnd, TestStart};

/// How many rows a chunk has at most; the page finds row N in chunk N / ROWS.
pub(super) const ROWS: usize = 1 << 14;

/// How many bytes of words a chunk has at most, but for its last row.
const WORDS: usize = 4 << 20;

/// Which attempt at which test.
#[derive(Debug, Clone, Copy)]
struct Key<'a> {
    run: &'a str,
    platform: &'a str,
    test: &'a str,
    attempt: u32,
}

impl<'a> Key<'a> {
    fn of(end: &TestEnd<'a>) -> Key<'a> {
        Key { run: end.run, platform: end.platform, test: end.test, attempt: end.attempt }
    }
}

/// The words and numbers of the attempts that a chunk speaks of.
#[derive(Debug, Default)]
struct Keys {
    runs: Words,
    platforms: Words,
    tests: Words,
    hosts: Words,
    columns: [Vec<u32>; 5],
}

const RUN: usize = 0;
const PLATFORM: usize = 1;
const TEST: usize = 2;
const ATTEMPT: usize = 3;
const HOST: usize = 4;

impl Keys {
    /// The numbers of an attempt, in the order of the columns.
    fn numbers(&mut self, key: Key<'_>, host: Option<&str>) -> [u32; 5] {
        let (run, platform) = (self.runs.number(key.run), self.platforms.number(key.platform));
        [run, platform, self.tests.number(key.test), key.attempt, self.hosts.maybe(host)]
    }

    fn push(&mut self, numbers: [u32; 5]) {
        self.columns.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
    }

    /// Whether the row that was added last is of this attempt, on this host if one is named.
    fn ends_with(&self, key: Key<'_>, host: Option<&str>) -> bool {
        self.last().is_some_and(|last| {
            last[ATTEMPT] == key.attempt
                && self.tests.is(last[TEST], key.test)
                && self.platforms.is(last[PLATFORM], key.platform)
                && self.runs.is(last[RUN], key.run)
                && host.is_none_or(|host| self.hosts.is(last[HOST], host))
        })
    }

    /// The row that was added last.
    fn last(&self) -> Option<[u32; 5]> {
        let at = self.len().checked_sub(1)?;
        Some([RUN, PLATFORM, TEST, ATTEMPT, HOST].map(|column| self.columns[column][at]))
    }

    fn len(&self) -> usize {
        self.columns[RUN].len()
    }

    fn size(&self) -> usize {
        self.runs.size() + self.platforms.size() + self.tests.size() + self.hosts.size()
    }

    fn put(&mut self, to: &mut Vec<u8>) {
        let all = [&mut self.runs, &mut self.platforms, &mut self.tests, &mut self.hosts];
        all.into_iter().for_each(|words| words.put(to));
        for (at, column) in self.columns.iter_mut().enumerate() {
            put_numbers(to, column, if at == TEST { Coding::Differences } else { Coding::Plain });
            column.clear();
        }
    }
}

/// Results, each with the attempt that it belongs to, and how that ended, if that is said right behind.
pub(super) struct Results {
    spool: Spool,
    chunk: Vec<u8>,
    keys: Keys,
    ends: Ends,
    statuses: Words,
    subtests: Words,
    notes: Words,
    files: Words,
    extras: Words,
    waivers: Words,
    /// Of each row: its attempt, status, subtest, note, files, extra keys, why it is waived, position, and whether it is
    /// tried again.
    columns: [Vec<u32>; 9],
    /// The names of files of one row.
    joined: String,
}

impl Results {
    pub(super) fn new(kind: &'static str) -> io::Result<Results> {
        Ok(Results {
            spool: Spool::new(kind)?,
            chunk: Vec::new(),
            keys: Keys::default(),
            ends: Ends::default(),
            statuses: Words::default(),
            subtests: Words::default(),
            notes: Words::default(),
            files: Words::default(),
            extras: Words::default(),
            waivers: Words::default(),
            joined: String::new(),
            columns: Default::default(),
        })
    }

    pub(super) fn add(&mut self, row: &Row<'_>) -> io::Result<()> {
        let key = Key { run: row.run, platform: row.platform, test: row.test, attempt: row.attempt };
        let numbers = self.keys.numbers(key, row.host);
        if self.keys.last() != Some(numbers) {
            self.keys.push(numbers);
        }
        self.joined.clear();
        for (at, name) in row.files.iter().enumerate() {
            if at > 0 {
                self.joined.push(BETWEEN_FILES);
            }
            self.joined.push_str(name);
        }
        let numbers = [
            self.keys.len() as u32 - 1,
            self.statuses.maybe(row.status),
            self.subtests.maybe(row.subtest),
            self.notes.maybe(row.note.map(clip).as_deref()),
            self.files.maybe((!self.joined.is_empty()).then_some(self.joined.as_str())),
            self.extras.maybe(row.extra.map(clip).as_deref()),
            self.waivers.maybe(row.waived.map(clip).as_deref()),
            // What has more results than this cannot be shown anyway.
            u32::try_from(row.n).unwrap_or(u32::MAX),
            u32::from(row.kind == ResultKind::OldResult),
        ];
        self.columns.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
        if self.columns[0].len() == ROWS || self.size() > WORDS { self.flush() } else { Ok(()) }
    }

    /// How the attempt ended whose result was added last. `false`: that is another, or it cannot be said here.
    pub(super) fn add_end(&mut self, end: &TestEnd<'_>, place: Option<&str>) -> bool {
        let key = Key::of(end);
        if !self.keys.ends_with(key, end.host) || self.ends.len() >= self.keys.len() {
            return false;
        }
        let Some(row) = self.ends.row(end, place) else { return false };
        self.ends.fill(self.keys.len() - 1);
        self.ends.push(row);
        true
    }

    fn size(&self) -> usize {
        let own = [&self.statuses, &self.subtests, &self.notes, &self.files, &self.extras, &self.waivers];
        self.keys.size() + self.ends.size() + own.map(Words::size).iter().sum::<usize>()
    }

    fn flush(&mut self) -> io::Result<()> {
        let rows = self.columns[0].len();
        if rows == 0 {
            return Ok(());
        }
        let chunk = &mut self.chunk;
        chunk.clear();
        put_counts(chunk, rows, self.keys.len());
        self.ends.fill(self.keys.len());
        self.keys.put(chunk);
        self.ends.put(chunk);
        let all = [
            &mut self.statuses,
            &mut self.subtests,
            &mut self.notes,
            &mut self.files,
            &mut self.extras,
            &mut self.waivers,
        ];
        all.into_iter().for_each(|words| words.put(chunk));
        for column in &mut self.columns {
            put_numbers(chunk, column, Coding::Differences);
            column.clear();
        }
        self.spool.add(chunk)
    }

    pub(super) fn finish(mut self) -> io::Result<Spool> {
        self.flush()?;
        Ok(self.spool)
    }
}

/// What a chunk begins with: how many rows it has, and how many attempts they speak of.
fn put_counts(to: &mut Vec<u8>, rows: usize, keys: usize) {
    let counts = [rows, keys].map(|count| (count as u32).to_le_bytes());
    put_bytes(to, counts.as_flattened());
}

/// Stands between the names of files. A name that has it itself looks like two.
const BETWEEN_FILES: char = '\u{1}';

/// The longest note, or text of extra keys, that the page holds.
pub(super) const LONGEST_TEXT: usize = 16 << 10;

/// Cuts what is longer than anybody reads in a page, which ends with `…` then. The file of the attempt's results has
/// all of it.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST_TEXT)]).into()
}

/// What is known of attempts beside what they are called.
#[derive(Debug, Default)]
struct Ends {
    notes: Words,
    places: Words,
    /// The time, in milliseconds, that the times of this chunk are relative to.
    base: Option<i64>,
    /// Of each row: when it ended or began, how long it took in milliseconds, outcome, cause, what is known, exit
    /// status, note, directory.
    columns: [Vec<u32>; 8],
}

/// What is known of an attempt, in bits.
const HAS_ENDED: u32 = 1;
const IS_FINAL: u32 = 2;
const HAS_EXIT: u32 = 4;
/// Anything at all.
const IS_KNOWN: u32 = 8;

impl Ends {
    /// The row of an attempt that ended; its files are in `place`. `None`: the time does not fit into this chunk.
    fn row(&mut self, end: &TestEnd<'_>, place: Option<&str>) -> Option<[u32; 8]> {
        let time = self.relative(end.time)?;
        let key = Key::of(end);
        let state = IS_KNOWN
            | HAS_ENDED
            | if end.is_final { IS_FINAL } else { 0 }
            | if end.exit.is_some() { HAS_EXIT } else { 0 };
        let milliseconds = end.seconds.max(0.0) * 1000.0;
        Some([
            time,
            // Saturates, and is 0 for what is no number.
            milliseconds.round() as u32,
            outcome_number(end.outcome),
            cause_number(end.cause),
            state,
            end.exit.map_or(0, |exit| i32::try_from(exit).unwrap_or(i32::MAX).cast_unsigned()),
            self.notes.maybe(end.note.map(clip).as_deref()),
            self.places.maybe(place.map(|place| template(place, &key)).as_deref()),
        ])
    }

    /// The time, relative to the base. A chunk spans 24 days to either side of it.
    fn relative(&mut self, time: Time) -> Option<u32> {
        let base = *self.base.get_or_insert(time.0);
        i32::try_from(time.0.saturating_sub(base)).ok().map(i32::cast_unsigned)
    }

    fn push(&mut self, row: [u32; 8]) {
        self.columns.iter_mut().zip(row).for_each(|(column, number)| column.push(number));
    }

    /// Adds rows of which nothing is known until there are so many.
    fn fill(&mut self, len: usize) {
        self.columns.iter_mut().for_each(|column| column.resize(len, 0));
    }

    fn len(&self) -> usize {
        self.columns[0].len()
    }

    fn size(&self) -> usize {
        self.notes.size() + self.places.size()
    }

    fn put(&mut self, to: &mut Vec<u8>) {
        let base = self.base.take().unwrap_or_default();
        // A time fits into the whole numbers of JavaScript for 285,000 years.
        put_bytes(to, &(base as f64).to_le_bytes());
        [&mut self.notes, &mut self.places].into_iter().for_each(|words| words.put(to));
        for (at, column) in self.columns.iter_mut().enumerate() {
            let coding = if matches!(at, 0 | 6 | 7) { Coding::Differences } else { Coding::Plain };
            put_numbers(to, column, coding);
            column.clear();
        }
    }
}

/// Attempts of which the results do not say how they ended: how they did, or that they began.
pub(super) struct Attempts {
    spool: Spool,
    chunk: Vec<u8>,
    keys: Keys,
    ends: Ends,
}

impl Attempts {
    pub(super) fn new(kind: &'static str) -> io::Result<Attempts> {
        Ok(Attempts {
            spool: Spool::new(kind)?,
            chunk: Vec::new(),
            keys: Keys::default(),
            ends: Ends::default(),
        })
    }

    /// An attempt that ended; its files are in `place`.
    pub(super) fn add_end(&mut self, end: &TestEnd<'_>, place: Option<&str>) -> io::Result<()> {
        let key = Key::of(end);
        self.make_room(end.time)?;
        let Some(row) = self.ends.row(end, place) else { return Ok(()) };
        self.push(key, end.host, row)
    }

    /// An attempt of which only the start was read.
    pub(super) fn add_start(&mut self, start: &TestStart<'_>) -> io::Result<()> {
        let key = Key { run: start.run, platform: start.platform, test: start.test, attempt: start.attempt };
        self.make_room(start.time)?;
        let Some(time) = self.ends.relative(start.time) else { return Ok(()) };
        self.push(key, Some(start.host), [time, 0, 0, 0, IS_KNOWN, 0, 0, 0])
    }

    /// A time that does not fit into this chunk begins a new one.
    fn make_room(&mut self, time: Time) -> io::Result<()> {
        if self.ends.relative(time).is_none() { self.flush() } else { Ok(()) }
    }

    fn push(&mut self, key: Key<'_>, host: Option<&str>, row: [u32; 8]) -> io::Result<()> {
        let numbers = self.keys.numbers(key, host);
        self.keys.push(numbers);
        self.ends.push(row);
        let size = self.keys.size() + self.ends.size();
        if self.ends.len() == ROWS || size > WORDS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let rows = self.ends.len();
        if rows == 0 {
            self.ends.base = None;
            return Ok(());
        }
        let chunk = &mut self.chunk;
        chunk.clear();
        put_counts(chunk, rows, rows);
        self.keys.put(chunk);
        self.ends.put(chunk);
        self.spool.add(chunk)
    }

    pub(super) fn finish(mut self) -> io::Result<Spool> {
        self.flush()?;
        Ok(self.spool)
    }
}

/// A path with the parts that name the attempt replaced, so that most attempts have the same.
fn template(place: &str, key: &Key<'_>) -> String {
    let attempt = format!("/attempt-{}", key.attempt);
    let platform = format!("/{}/", key.platform);
    let text = match place.strip_suffix(&attempt) {
        Some(text) => text.to_owned() + "/attempt-\u{3}",
        None => place.to_owned(),
    };
    let test = key.test.trim_start_matches('/');
    let text = if test.is_empty() { text } else { text.replacen(test, "\u{1}", 1) };
    text.replacen(&platform, "/\u{2}/", 1)
}

fn outcome_number(outcome: Outcome) -> u32 {
    Outcome::ALL.iter().position(|of| *of == outcome).map_or(0, |at| at as u32)
}

/// In the order of the page's words.
fn cause_number(cause: Cause) -> u32 {
    match cause {
        Cause::Test => 0,
        Cause::Host => 1,
        Cause::Own => 2,
        Cause::Cancelled => 3,
        Cause::Skipped => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_attempts_are_alike() {
        let key = |test, attempt| Key { run: "r", platform: "p", test, attempt };
        for (place, key, expected) in [
            (
                "../r/results/p/net/bind/attempt-1",
                key("/net/bind", 1),
                "../r/results/\u{2}/\u{1}/attempt-\u{3}",
            ),
            ("results/p/net/bind/attempt-12", key("/net/bind", 12), "results/\u{2}/\u{1}/attempt-\u{3}"),
            ("elsewhere", key("/net", 1), "elsewhere"),
            ("x/attempt-12", key("/", 2), "x/attempt-12"),
        ] {
            assert_eq!(template(place, &key), expected);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let even = "ü".repeat(LONGEST_TEXT);
        let odd = format!("x{even}");
        let mark = "…".len();
        assert_eq!(clip(&even).len(), LONGEST_TEXT + mark);
        assert_eq!(clip(&odd).len(), LONGEST_TEXT - 1 + mark);
        assert_eq!(clip(&even[..LONGEST_TEXT]), even[..LONGEST_TEXT]);
    }
}
