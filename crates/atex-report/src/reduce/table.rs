//! All tests of a stream: those of which something was read lately in memory, the others sorted in files.
//!
//! A test goes to the files as far as it is known, and may do so more than once; in the end its parts are joined. So
//! nothing depends on the order of the stream but one thing: what is repeated in part, after so many other tests that
//! the first time is no longer in memory, counts twice. `sort` brings repeats together.

use std::collections::HashMap;

use super::stored;
use super::test::Test;
use crate::identity::{Identities, Identity};
use crate::sorter::{Pair, Sorter, key_text, text_of_key};
use crate::stop::Stop;

/// How much the tests that were read of last may take before those that were read of before them go to the files. There
/// is as much of the others.
const HELD: usize = 6 << 20;

/// What a test with one attempt takes but for its texts, in memory and in the table.
const TEST: usize = 640;

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
    identities: Identities,
    /// How many failed subtests are kept of each attempt.
    keep: usize,
    /// The tests that were read of last, and those before them.
    recent: HashMap<Identity, Box<Tested>>,
    before: HashMap<Identity, Box<Tested>>,
    /// The one that was read of last of all, which is in neither.
    last: Option<(Identity, Box<Tested>)>,
    /// How much the recent ones take.
    held: usize,
    sorter: Option<Sorter>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Table {
    pub fn new(keep: usize) -> Table {
        Table { keep, ..Table::default() }
    }

    /// The test that is asked for, which becomes the last one.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn turn_to(&mut self, run: &str, platform: &str, name: &str) -> Result<&mut Test, Stop> {
        let is_it = |of: &Tested| of.name == name && of.platform == platform && of.run == run;
        if !self.last.as_ref().is_some_and(|(_, tested)| is_it(tested)) {
            self.change(run, platform, name)?;
        }
        let (_, tested) = self.last.as_mut().expect("it has just been put there if it was not");
        Ok(&mut tested.test)
    }

    /// Something was added that takes so much.
    pub fn grow(&mut self, bytes: usize) {
        self.held += bytes;
    }

    fn change(&mut self, run: &str, platform: &str, name: &str) -> Result<(), Stop> {
        if let Some((identity, tested)) = self.last.take() {
            self.recent.insert(identity, tested);
        }
        if self.held > HELD {
            self.age()?;
        }
        let identity = self.identities.of(run, platform, name);
        let tested = self.recent.remove(&identity).or_else(|| self.before.remove(&identity));
        let tested = tested.unwrap_or_else(|| {
            self.held += TEST + run.len() + platform.len() + name.len();
            let (run, platform, name) = (run.to_owned(), platform.to_owned(), name.to_owned());
            Box::new(Tested { name, platform, run, test: Test::default() })
        });
        self.last = Some((identity, tested));
        Ok(())
    }

    /// Nothing was read for long of those before: they go to the files.
    fn age(&mut self) -> Result<(), Stop> {
        let old = std::mem::replace(&mut self.before, std::mem::take(&mut self.recent));
        self.held = 0;
        old.into_values().try_for_each(|tested| self.put(&tested))
    }

    fn put(&mut self, tested: &Tested) -> Result<(), Stop> {
        self.key.clear();
        [&tested.name, &tested.platform, &tested.run]
            .into_iter()
            .for_each(|text| key_text(&mut self.key, text));
        self.value.clear();
        stored::write(&tested.test, &mut self.value);
        self.sorter.get_or_insert_default().push(&self.key, &self.value)
    }

    /// Hands all tests over, by name, platform and run. None is left.
    ///
    /// # Errors
    /// A temporary file cannot be written or read.
    pub fn drain(&mut self, take: &mut dyn FnMut(Tested)) -> Result<(), Stop> {
        let last = self.last.take().map(|(_, tested)| tested);
        let held = self.before.drain().chain(self.recent.drain()).map(|(_, tested)| tested).chain(last);
        let mut held: Vec<Box<Tested>> = held.collect();
        match self.sorter.take() {
            None => {
                held.sort_unstable_by(|a, b| {
                    (&a.name, &a.platform, &a.run).cmp(&(&b.name, &b.platform, &b.run))
                });
                held.into_iter().for_each(|tested| take(*tested));
                Ok(())
            }
            Some(sorter) => {
                self.sorter = Some(sorter);
                held.iter().try_for_each(|tested| self.put(tested))?;
                drop(held);
                let sorter = self.sorter.take().unwrap_or_default();
                merged(sorter, self.keep, take)
            }
        }
    }
}

/// Joins the parts of each test.
fn merged(sorter: Sorter, keep: usize, take: &mut dyn FnMut(Tested)) -> Result<(), Stop> {
    let mut sorted = sorter.finish()?;
    let mut next = sorted.next()?;
    while let Some(pair) = next.take() {
        let mut test = test_of(&pair)?;
        next = sorted.next()?;
        while let Some(more) = next.take_if(|more| more.0 == pair.0) {
            test.join(test_of(&more)?, keep);
            next = sorted.next()?;
        }
        let (name, rest) = text_of_key(&pair.0);
        let (platform, rest) = text_of_key(rest);
        let (run, _) = text_of_key(rest);
        take(Tested { name, platform, run, test });
    }
    Ok(())
}

fn test_of((_, value): &Pair) -> Result<Test, Stop> {
    stored::read(value).ok_or_else(|| {
        Stop::trouble(format!("{}: a temporary file is damaged", std::env::temp_dir().display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, What};
    use crate::record::Record;
    use crate::with_line;

    fn add(table: &mut Table, event: &Event<'_>) {
        match event.what {
            What::Row(row) => {
                let added = table.turn_to(row.run, row.platform, row.test).unwrap().result(&row, 2);
                table.grow(added);
            }
            What::Record(Record::TestEnd(end)) => {
                table.turn_to(&end.run, &end.platform, &end.test).unwrap().end(end);
            }
            _ => panic!("{:?}", event.line),
        }
    }

    const TESTS: u32 = 30_000;

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
        table.drain(&mut |tested| all.push(tested)).unwrap();
        all
    }

    #[test]
    fn tests_in_files_are_those_that_memory_would_hold() {
        let mut table = Table::new(2);
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
        assert!(table.recent.len() + table.before.len() < 20_000);
        let found = drained(&mut table);
        assert!(found.is_sorted_by(|a, b| a.name < b.name), "by name, each once");
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
