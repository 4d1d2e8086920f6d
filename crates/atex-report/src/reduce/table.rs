//! All tests of a stream: those of which something was read lately in memory, the others sorted in files.
//!
//! In memory those that are settled, of which seldom anything more is read, wait as bytes (`stored`), as in the files. A
//! test goes to the files as far as it is known, and may do so more than once; in the end its parts are joined. So
//! nothing depends on the order of the stream but one thing: what is repeated in part, after so many other tests that
//! the first time is no longer in memory, counts twice. `sort` brings repeats together.

use super::stored;
use super::test::Test;
use crate::identity::{Identity, IdentityMap};
use crate::sorter::{Pair, Sorter};
use crate::stop::Stop;

/// How much the tests that were read of last may take before those that were read of before them go to the files. There
/// is as much of the others.
const HELD: usize = 6 << 20;

/// What a test with one attempt takes but for its texts, in memory and in the table.
const TEST: usize = 640;

/// What a test that waits as bytes takes in the table.
const PLACE: usize = 64;

/// A test and where it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tested {
    /// The test's name.
    pub name: String,
    /// Its label.
    pub platform: String,
    /// The run's id.
    pub run: String,
    /// What is known of it.
    pub test: Test,
}

/// The tests of all runs.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// How many failed subtests are kept of each attempt.
    keep: usize,
    /// How much is held: [`HELD`].
    limit: usize,
    /// The tests that were read of last, and those before them.
    recent: Lately,
    before: Lately,
    /// The one that was read of last of all, which is in neither.
    last: Option<(Identity, Box<Tested>)>,
    /// How much the recent ones take that are not settled.
    held: usize,
    /// Tests that are no longer needed: with the room that their texts have, the next ones cost few allocations.
    #[expect(clippy::vec_box, reason = "they come from boxes and go into boxes")]
    spare: Vec<Box<Tested>>,
    sorter: Option<Sorter>,
    value: Vec<u8>,
}

/// Tests of which something was read at about the same time.
#[derive(Debug, Default)]
struct Lately {
    open: IdentityMap<Box<Tested>>,
    settled: Settled,
}

/// Tests that are settled, as bytes: one behind the other, each behind its length and its key.
#[derive(Debug, Default)]
struct Settled {
    /// Where each stands.
    places: IdentityMap<u32>,
    bytes: Vec<u8>,
}

/// How long lengths and keys are.
const LENGTH: usize = 4;
const KEY: usize = 16;

/// In a length: the test was taken out.
const GONE: u32 = 1 << 31;

/// How many tests are kept for others. More than a few are there only in a stream without ends of tests.
const SPARE: usize = 64;

/// The longest name of which the room is kept.
const LONG: usize = 1 << 10;

impl Table {
    pub fn new(keep: usize) -> Table {
        Table { keep, limit: HELD, ..Table::default() }
    }

    /// The test that is asked for, which becomes the last one; its run, platform and name.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn turn_to(&mut self, test: Identity, names: (&str, &str, &str)) -> Result<&mut Test, Stop> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != test) {
            self.change(test, names)?;
        }
        let (_, tested) = self.last.as_mut().expect("it has just been put there if it was not");
        Ok(&mut tested.test)
    }

    /// Something was added that takes so much.
    pub fn grow(&mut self, bytes: usize) {
        self.held += bytes;
    }

    fn change(&mut self, test: Identity, (run, platform, name): (&str, &str, &str)) -> Result<(), Stop> {
        if let Some((identity, tested)) = self.last.take() {
            self.put_away(identity, tested);
        }
        if self.held + self.recent.settled.size() > self.limit {
            self.age()?;
        }
        let tested = match self.recent.open.remove(&test) {
            Some(tested) => tested,
            None => {
                let tested = self.find(test)?.unwrap_or_else(|| self.new_test(run, platform, name));
                self.held += size(&tested);
                tested
            }
        };
        self.last = Some((test, tested));
        Ok(())
    }

    fn new_test(&mut self, run: &str, platform: &str, name: &str) -> Box<Tested> {
        let mut tested = self.spare.pop().unwrap_or_default();
        for (to, text) in [(&mut tested.run, run), (&mut tested.platform, platform), (&mut tested.name, name)]
        {
            to.clear();
            to.push_str(text);
        }
        tested.test.clear();
        tested
    }

    /// Takes a test out of what is in memory.
    fn find(&mut self, test: Identity) -> Result<Option<Box<Tested>>, Stop> {
        for lately in [&mut self.recent, &mut self.before] {
            if let Some(tested) = lately.open.remove(&test) {
                return Ok(Some(tested));
            }
            if let Some(bytes) = lately.settled.take(test) {
                return stored(bytes).map(|tested| Some(Box::new(tested)));
            }
        }
        Ok(None)
    }

    fn put_away(&mut self, identity: Identity, tested: Box<Tested>) {
        if !tested.test.is_settled() {
            self.recent.open.insert(identity, tested);
            return;
        }
        self.recent.settled.add(identity, |bytes| put(&tested, bytes));
        self.held = self.held.saturating_sub(size(&tested));
        self.keep_spare(tested);
    }

    fn keep_spare(&mut self, tested: Box<Tested>) {
        let room = tested.run.capacity() + tested.platform.capacity() + tested.name.capacity();
        if self.spare.len() < SPARE && room < LONG {
            self.spare.push(tested);
        }
    }

    /// Nothing was read for long of those before: they go to the files.
    fn age(&mut self) -> Result<(), Stop> {
        std::mem::swap(&mut self.before, &mut self.recent);
        self.held = 0;
        let mut old = std::mem::take(&mut self.recent);
        self.flush(&mut old)?;
        self.recent = old;
        Ok(())
    }

    /// Empties what is in memory into the files; keeps its room.
    fn flush(&mut self, old: &mut Lately) -> Result<(), Stop> {
        let sorter = self.sorter.get_or_insert_default();
        old.settled.all().try_for_each(|(key, bytes)| sorter.push(key, bytes))?;
        old.settled.clear();
        for (identity, tested) in old.open.drain() {
            self.value.clear();
            put(&tested, &mut self.value);
            sorter.push(&identity.to_bytes(), &self.value)?;
        }
        Ok(())
    }

    /// Hands all tests over, each once. None is left.
    ///
    /// # Errors
    /// A temporary file cannot be written or read.
    pub fn drain(&mut self, take: &mut dyn FnMut(&Tested)) -> Result<(), Stop> {
        if let Some((identity, tested)) = self.last.take() {
            self.put_away(identity, tested);
        }
        let (mut recent, mut before) = (std::mem::take(&mut self.recent), std::mem::take(&mut self.before));
        if self.sorter.is_some() {
            self.flush(&mut before)?;
            self.flush(&mut recent)?;
            drop((before, recent));
            let sorter = self.sorter.take().unwrap_or_default();
            return merged(sorter, self.keep, take);
        }
        for lately in [before, recent] {
            lately.open.values().for_each(|tested| take(tested));
            for (_, bytes) in lately.settled.all() {
                take(&stored(bytes)?);
            }
        }
        Ok(())
    }
}

impl Settled {
    /// How much they take.
    fn size(&self) -> usize {
        self.bytes.len() + PLACE * self.places.len()
    }

    fn add(&mut self, test: Identity, put: impl FnOnce(&mut Vec<u8>)) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(&[0; LENGTH]);
        self.bytes.extend_from_slice(&test.to_bytes());
        put(&mut self.bytes);
        // Of all the bytes there are few more than are held, but for one test, which is smaller than 2 GiB.
        let len = (self.bytes.len() - from) as u32;
        self.bytes[from..from + LENGTH].copy_from_slice(&len.to_le_bytes());
        self.places.insert(test, from as u32);
    }

    /// Takes one out, if it is there.
    fn take(&mut self, test: Identity) -> Option<&[u8]> {
        let from = self.places.remove(&test)? as usize;
        let len = self.len_at(from);
        self.bytes[from..from + LENGTH].copy_from_slice(&(len | GONE).to_le_bytes());
        self.bytes.get(from + LENGTH + KEY..from + len as usize)
    }

    /// All that are there, with their keys, in the order in which they came: to jump about would cost more than all
    /// that is done with them.
    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < self.bytes.len() {
                let (from, len) = (at, self.len_at(at));
                at += (len & !GONE) as usize;
                if len & GONE == 0 {
                    return Some(self.bytes[from + LENGTH..at].split_at(KEY));
                }
            }
            None
        })
    }

    fn len_at(&self, from: usize) -> u32 {
        self.bytes[from..].first_chunk().copied().map_or(GONE, u32::from_le_bytes)
    }

    fn clear(&mut self) {
        self.places.clear();
        self.bytes.clear();
    }
}

/// How much a test takes but for what was said of it.
fn size(tested: &Tested) -> usize {
    TEST + tested.run.len() + tested.platform.len() + tested.name.len()
}

/// Appends a test and its names.
fn put(tested: &Tested, to: &mut Vec<u8>) {
    [&tested.run, &tested.platform, &tested.name].into_iter().for_each(|text| stored::put_text(to, text));
    stored::write(&tested.test, to);
}

fn stored(mut from: &[u8]) -> Result<Tested, Stop> {
    let mut read = || {
        let mut text = || stored::text(&mut from);
        let (run, platform, name) = (text()?, text()?, text()?);
        Some(Tested { name, platform, run, test: stored::read(from)? })
    };
    read().ok_or_else(|| {
        Stop::trouble(format!("{}: a temporary file is damaged", std::env::temp_dir().display()))
    })
}

/// Joins the parts of each test.
fn merged(sorter: Sorter, keep: usize, take: &mut dyn FnMut(&Tested)) -> Result<(), Stop> {
    let mut sorted = sorter.finish()?;
    let (mut pair, mut next) = (Pair::default(), Pair::default());
    let mut goes_on = sorted.next(&mut pair)?;
    while goes_on {
        let mut tested = stored(&pair.1)?;
        goes_on = sorted.next(&mut next)?;
        while goes_on && next.0 == pair.0 {
            tested.test.join(stored(&next.1)?.test, keep);
            goes_on = sorted.next(&mut next)?;
        }
        take(&tested);
        std::mem::swap(&mut pair, &mut next);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, What};
    use crate::with_line;

    fn add(table: &mut Table, event: &Event<'_>) {
        match event.what {
            What::Row(row) => {
                let added = table.turn_to(event.test, row.test_key()).unwrap().result(&row, 2);
                table.grow(added);
            }
            What::TestEnd(end) => table.turn_to(event.test, end.test_key()).unwrap().end(&end),
            _ => panic!("{:?}", event.line),
        }
    }

    const TESTS: u32 = 3_000;

    fn row(test: u32, n: u32) -> String {
        let status = if (test + n).is_multiple_of(3) { "fail" } else { "pass" };
        format!(
            r#"{{"type":"result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t{test}","subtest":"s","status":"{status}","note":"n","files":[],"attempt":1,"n":{n}}}"#
        )
    }

    fn end(test: u32) -> String {
        format!(
            r#"{{"type":"test-end","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t{test}","attempt":1,"host":"h","outcome":"pass","cause":"test","seconds":1.5,"counts":{{}},"final":true}}"#
        )
    }

    fn drained(table: &mut Table) -> Vec<Tested> {
        let mut all = Vec::new();
        table.drain(&mut |tested| all.push(tested.clone())).unwrap();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    #[test]
    fn tests_in_files_are_those_that_memory_would_hold() {
        let mut table = Table { limit: 128 << 10, ..Table::new(2) };
        // One half of each test long before the other half, and all of it said again in the end.
        let passes: [&dyn Fn(u32) -> Vec<String>; 3] =
            [&|test| vec![row(test, 1), row(test, 2)], &|test| vec![row(test, 3), end(test)], &|test| {
                vec![row(test, 1), row(test, 2), row(test, 3), end(test)]
            }];
        for lines in passes {
            for line in (0..TESTS).flat_map(lines) {
                with_line(&line, |event| add(&mut table, event)).unwrap();
            }
        }
        assert!(table.sorter.is_some(), "they are too many for memory");
        let held =
            [&table.recent, &table.before].map(|lately| lately.open.len() + lately.settled.places.len());
        assert!(held.iter().sum::<usize>() < TESTS as usize, "{held:?}");
        let found = drained(&mut table);
        assert!(found.is_sorted_by(|a, b| a.name < b.name), "each once");
        assert_eq!(found.len(), TESTS as usize);
        for number in [0, 1, 2, TESTS / 2, TESTS - 1] {
            let mut alone = Table::new(2);
            for line in [row(number, 1), row(number, 2), row(number, 3), end(number)] {
                with_line(&line, |event| add(&mut alone, event)).unwrap();
            }
            let expected = drained(&mut alone);
            assert_eq!(
                found.iter().filter(|of| of.name == expected[0].name).collect::<Vec<_>>(),
                [&expected[0]]
            );
        }
        assert!(drained(&mut table).is_empty(), "none is left");
    }
}
