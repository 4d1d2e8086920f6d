//! What is kept of a stream.
//!
//! The order of the records does not matter, and a record that is read twice counts once: streams are cut,
//! shuffled and put together, and atex-exec repeats its last lines after a crash (records.md, 1.2 and 1.9).
//!
//! **Memory** depends on neither the number of results nor that of tests: those of which something was read lately are
//! held, a few ten thousand, and the others wait in files (`table`). Of an attempt that failed the few subtests are kept
//! that are shown of it. Repeats of results are known by their positions, of which those read without a gap are one
//! number; the module `seen` says what gaps cost (at most a bit a result, and some bytes for each run of them). Of each
//! run, and of each host, some hundred bytes are held.

mod host;
mod seen;
mod stored;
mod table;
mod test;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use atex_model::Time;
use atex_model::report::{End as ToolEnd, JobEnd, Outcome};

pub use host::{Host, HostEnding, is_trouble};
pub(crate) use seen::Seen;
pub use table::Tested;
pub use test::{Attempt, Detail, Details, End, Fate, Numbered, Rank, Test, is_bad};

use crate::event::{Event, What};
use crate::identity::Identity;
use crate::input::Take;
use crate::record::Record;
use crate::row::{Row, TestEnd};
use crate::stop::Stop;
use table::Table;

/// The longest text of a test, such as a note, that is kept: it is shown to people, on one line. What is longer
/// ends with `…`.
pub const LONGEST_TEXT: usize = 4 << 10;

/// Everything that a report needs to know of a stream.
#[derive(Debug, Default)]
pub struct State {
    /// How many failed subtests are kept of each attempt.
    keep: usize,
    tests: Table,
    /// The runs by their ids.
    pub runs: BTreeMap<String, Run>,
    /// How often each tool ended in which way.
    pub ends: BTreeMap<Ended, u64>,
}

/// What an `end` record says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ended {
    /// The tool's name.
    pub tool: String,
    /// That what it wrote is all there is.
    pub complete: bool,
    /// Its exit status.
    pub exit: u8,
}

/// One run of atex-exec.
#[derive(Debug, Default)]
pub struct Run {
    /// Its directory.
    pub dir: Option<String>,
    /// When it was last started or resumed.
    pub started: Option<Time>,
    /// When it was resumed.
    pub resumed: BTreeSet<Time>,
    /// How it ended; of several ends, before and after it was resumed, the last.
    pub end: Option<JobEnd>,
    /// The first and the last time in what was read of it.
    pub span: Option<(Time, Time)>,
    /// The hosts by their ids.
    pub hosts: HashMap<String, Host>,
}

/// How many kinds of statuses are told apart: the outcomes, and one for what is in no list.
pub const STATUSES: usize = Outcome::ALL.len() + 1;

impl Run {
    /// Whether it began, or was resumed, and had not ended in what was read.
    pub fn is_open(&self) -> bool {
        self.started.is_some_and(|started| self.end.as_ref().is_none_or(|end| end.time < started))
    }

    /// How long it took, or has taken.
    pub fn seconds(&self) -> f64 {
        match (&self.end, self.span) {
            (Some(end), _) if !self.is_open() => end.seconds.max(0.0),
            (_, Some((first, last))) => last.seconds_since(first),
            _ => 0.0,
        }
    }

    fn saw(&mut self, time: Time) {
        let (first, last) = self.span.get_or_insert((time, time));
        (*first, *last) = ((*first).min(time), (*last).max(time));
    }

    fn begin(&mut self, time: Time, dir: &str) {
        self.started = self.started.max(Some(time));
        self.dir = Some(dir.to_owned());
    }

    fn end(&mut self, end: &JobEnd) {
        let later = |old: &JobEnd| (old.time, old.unsettled) < (end.time, end.unsettled);
        if self.end.as_ref().is_none_or(later) {
            self.dir = Some(end.dir.clone());
            self.end = Some(end.clone());
        }
    }
}

impl State {
    /// Nothing was read yet. `keep` failed subtests are kept of each attempt.
    pub fn new(keep: usize) -> State {
        State { keep, tests: Table::new(keep), ..State::default() }
    }

    /// Takes in what a line says.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn take(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        match event.what {
            What::Row(row) => self.row(&row, event.test),
            What::TestStart(start) => {
                self.run(start.run, start.time);
                self.tests.turn_to(event.test, start.test_key())?.start(&start);
                self.tests.grow(start.host.len());
                Ok(())
            }
            What::TestEnd(end) => self.test_end(&end, event.test),
            What::Record(record) => {
                self.record(record);
                Ok(())
            }
            What::Other => Ok(()),
        }
    }

    fn test_end(&mut self, end: &TestEnd<'_>, test: Identity) -> Result<(), Stop> {
        self.run(end.run, end.time);
        self.tests.turn_to(test, end.test_key())?.end(end);
        let texts = [end.host, end.note, end.artifacts];
        self.tests.grow(texts.into_iter().flatten().map(|text| text.len().min(LONGEST_TEXT)).sum());
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>, test: Identity) -> Result<(), Stop> {
        let keep = self.keep;
        self.run(row.run, row.time);
        let added = self.tests.turn_to(test, row.test_key())?.result(row, keep);
        self.tests.grow(added);
        Ok(())
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::JobStart(r) => self.run(&r.run, r.time).begin(r.time, &r.dir),
            Record::JobResume(r) => {
                let run = self.run(&r.run, r.time);
                run.resumed.insert(r.time);
                run.begin(r.time, &r.dir);
            }
            Record::JobEnd(r) => self.run(&r.run, r.time).end(r),
            Record::HostStart(r) => {
                entry(&mut self.run(&r.run, r.time).hosts, &r.host).start(r.time, &r.platform);
            }
            Record::HostEnd(r) => entry(&mut self.run(&r.run, r.time).hosts, &r.host).end(r),
            Record::End(r) => self.end(r),
            Record::TestNote(_) => {}
        }
    }

    /// Hands over all tests, each once, in an order that means nothing; none is left.
    ///
    /// # Errors
    /// A temporary file cannot be written or read.
    pub fn drain_tests(&mut self, mut take: impl FnMut(&Tested)) -> Result<(), Stop> {
        self.tests.drain(&mut take)
    }

    fn run(&mut self, id: &str, time: Time) -> &mut Run {
        // Runs are few: to find one by its name costs less than to hash that.
        if !self.runs.contains_key(id) {
            self.runs.insert(id.to_owned(), Run::default());
        }
        let run = self.runs.get_mut(id).expect("it has just been put there if it was not");
        run.saw(time);
        run
    }

    fn end(&mut self, end: &ToolEnd) {
        let ended = Ended { tool: end.tool.clone(), complete: end.complete, exit: end.exit };
        *self.ends.entry(ended).or_default() += 1;
    }
}

impl Take for State {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        self.take(event)
    }
}

/// What stands under a name; only a new name is copied.
pub(crate) fn entry<'m, V: Default>(map: &'m mut HashMap<String, V>, name: &str) -> &'m mut V {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), V::default());
    }
    map.get_mut(name).expect("it has just been put there if it was not")
}

/// The index of a status in [`Attempt::results`].
pub(crate) fn status_index(status: Option<&str>) -> usize {
    // They are numbered in the order of the list.
    status.and_then(Outcome::of_word).map_or(STATUSES - 1, |outcome| outcome as usize)
}

/// Cuts what is longer than anybody reads.
pub(crate) fn clip(text: &str) -> String {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        return format!("{}…", &text[..end]);
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::with_line;

    /// The state after records of one test, of which each is given by what is particular to it.
    fn after(records: &[&str]) -> State {
        let mut state = State::new(2);
        for particular in records {
            let common =
                r#""time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t","host":"h""#;
            with_line(&format!("{{{common},{particular}}}"), |event| state.take(event).unwrap())
                .expect(particular);
        }
        state
    }

    /// The test of which the records are.
    fn test_after(records: &[&str]) -> Test {
        let mut found = Vec::new();
        after(records).drain_tests(|tested| found.push(tested.test.clone())).unwrap();
        found.remove(0)
    }

    const START: &str = r#""type":"test-start","attempt":1"#;
    const PASSED: &str = r#""type":"test-end","attempt":2,"outcome":"pass","cause":"test","seconds":1,"counts":{},"final":true"#;
    const RETRIED: &str = r#""type":"test-end","attempt":1,"outcome":"fail","cause":"test","seconds":1,"counts":{},"final":false"#;
    const SETTLED: &str = r#""type":"test-end","attempt":0,"outcome":"skip","cause":"skipped","seconds":0,"counts":{},"final":true"#;
    const MAIN: &str = r#""type":"result","attempt":1,"n":2,"status":"pass""#;
    const SUBTEST: &str = r#""type":"result","attempt":1,"n":1,"status":"fail","subtest":"s""#;
    const OLD: &str = r#""type":"old-result","attempt":1,"n":1,"status":"fail""#;
    const LIVE: &str = r#""type":"live-result","attempt":1,"n":1,"status":"pass""#;

    #[test]
    fn the_fate_of_a_test_is_what_its_records_prove() {
        for (records, fate) in [
            (&[PASSED][..], "settled pass"),
            (&[START, RETRIED, PASSED], "settled pass"),
            (&[PASSED, RETRIED, START, OLD], "settled pass"),
            (&[SETTLED], "settled skip"),
            (&[RETRIED], "unfinished"),
            (&[START], "unfinished"),
            (&[OLD], "unfinished"),
            (&[LIVE], "unfinished"),
            (&[START, MAIN], "unfinished"),
            (&[MAIN], "results pass"),
            (&[SUBTEST, MAIN], "results pass"),
            (&[SUBTEST], "results fail"),
        ] {
            let found = match test_after(records).fate().unwrap() {
                Fate::Settled(_, end) => format!("settled {}", end.outcome),
                Fate::Results(_, worst) => format!("results {worst}"),
                Fate::Unfinished(_) => "unfinished".to_owned(),
            };
            assert_eq!(found, fate, "{records:?}");
        }
    }

    #[test]
    fn only_final_results_are_counted_and_each_once() {
        let test = test_after(&[OLD, LIVE, SUBTEST, MAIN, SUBTEST, MAIN, OLD]);
        let results = test.attempts().next().unwrap().results;
        assert_eq!(results.iter().sum::<u64>(), 2);
        assert_eq!(results[Outcome::Fail as usize], 1);
        assert_eq!(results[Outcome::Pass as usize], 1);
    }

    #[test]
    fn the_worst_subtests_are_kept_and_the_others_counted() {
        let line = |n: u32, status| {
            format!(r#""type":"result","attempt":1,"n":{n},"status":"{status}","subtest":"s{n}""#)
        };
        let lines = [line(4, "fail"), line(3, "fail"), line(2, "pass"), line(9, "error"), line(1, "warn")];
        let test = test_after(&lines.each_ref().map(String::as_str));
        let (_, attempt) = test.numbered().next().unwrap();
        let details = attempt.details().unwrap();
        let kept: Vec<_> = details.subtests.iter().map(|kept| kept.rank).collect();
        assert_eq!(kept, [Rank(Outcome::Error, 9), Rank(Outcome::Fail, 3)]);
        assert_eq!(details.bad_subtests, 4);
    }

    #[test]
    fn a_run_is_open_until_it_has_ended_after_its_last_start() {
        let at = |kind: &str, second: u32| {
            let end = r#","counts":{},"unsettled":3,"seconds":2.5"#;
            let end = if kind == "job-end" { end } else { "" };
            format!(
                r#"{{"type":"{kind}","time":"2026-11-21T20:00:{second:02}.000Z","run":"r","dir":"/d","version":"0"{end}}}"#
            )
        };
        for (records, open, seconds) in [
            (vec![at("job-start", 1)], true, 0.0),
            (vec![at("job-start", 1), at("job-end", 3)], false, 2.5),
            (vec![at("job-start", 1), at("job-end", 3), at("job-resume", 9)], true, 8.0),
            (vec![at("job-resume", 9), at("job-end", 12), at("job-end", 3), at("job-start", 1)], false, 2.5),
            (vec![at("job-end", 3)], false, 2.5),
        ] {
            let mut state = State::new(0);
            records.iter().for_each(|line| with_line(line, |event| state.take(event).unwrap()).expect(line));
            let run = &state.runs["r"];
            assert_eq!((run.is_open(), run.seconds()), (open, seconds), "{records:?}");
        }
    }

    #[test]
    fn a_host_that_came_back_has_not_ended_and_its_trouble_stays_known() {
        let mut host = Host::default();
        let end = |time, reason| atex_model::report::HostEnd {
            kind: atex_model::report::HostEndTag,
            time: Time(time),
            run: String::new(),
            host: String::new(),
            platform: "p".into(),
            reason,
            note: None,
        };
        use atex_model::report::HostEndReason::{Done, Lost};
        host.start(Time(1), "p");
        assert_eq!((host.ending(), host.trouble().0), (None, 0));
        host.end(&end(2, Lost));
        assert_eq!(host.ending().map(|e| e.reason), Some(Lost));
        host.start(Time(3), "p");
        assert_eq!((host.ending(), host.trouble().0), (None, 1));
        host.end(&end(4, Done));
        assert_eq!(host.ending().map(|e| e.reason), Some(Done));
        assert_eq!(host.trouble().1.map(|e| e.reason), Some(Lost));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(clip(&"ü".repeat(LONGEST_TEXT)).chars().count(), LONGEST_TEXT / 2 + 1);
        assert_eq!(clip("short"), "short");
    }
}
