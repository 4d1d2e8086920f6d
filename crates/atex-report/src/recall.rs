//! What was read before, as long as it is not too long ago: whether a line is a repeat, as after a crash of atex-exec
//! (records.md, 1.9) or where streams were put together that have lines in common; whether its test is settled, so that
//! what comes late of it opens nothing (1.2); and how many tests have begun and are not.

use std::collections::{BTreeMap, HashSet};
use std::mem;

use atex_model::Time;
use atex_model::report::ResultKind;

use crate::event::{Event, What};
use crate::identity::{Identity, IdentityMap, IdentitySet};
use crate::reduce::Seen;

/// Of how many tests it is remembered at least what was read: some 130 bytes each, and as many as a table of 65,536
/// places takes. What comes again after so many others is taken for new; `sort` brings repeats together.
const REMEMBERED: usize = 57_000;

/// Of how many attempts at one test, beside the first.
const ATTEMPTS: usize = 1_000;

/// What was read of the last tests.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    /// The tests that were read of last, and those before them.
    recent: Tests,
    before: Tests,
    /// The one that was read of last of all, and where it stands among the recent ones.
    last: Option<(Identity, usize)>,
    /// How many of them have begun and are not settled.
    open: usize,
    /// Those that have, of the tests that were forgotten.
    left_open: IdentitySet,
}

/// What was read before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Past {
    /// The same.
    pub is_repeat: bool,
    /// That its test is settled.
    pub is_settled: bool,
}

#[derive(Debug, Default)]
struct Tests {
    places: IdentityMap<u32>,
    known: Vec<(Identity, Known)>,
}

/// What was read of a test.
#[derive(Debug, Default)]
struct Known {
    is_settled: bool,
    /// It has begun, and is not settled.
    is_open: bool,
    /// The attempt that was read of first; most tests have no other.
    first: Option<(u32, Attempt)>,
    others: BTreeMap<u32, Attempt>,
}

#[derive(Debug, Default)]
struct Attempt {
    results: Seen,
    /// When it began.
    start: Option<Time>,
    has_ended: bool,
    /// What is read of few.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Default)]
struct Rare {
    old: Seen,
    live: Seen,
    /// When it began after it was cut short by a crash: anew, under the same number and at another time.
    starts: HashSet<Time>,
}

impl Recall {
    /// What was read before this, which is remembered.
    pub fn event(&mut self, event: &Event<'_>) -> Past {
        let known = match event.what {
            What::Row(_) | What::TestStart(_) | What::TestEnd(_) => self.test(event.test),
            What::Record(_) | What::Other => return Past { is_repeat: false, is_settled: false },
        };
        let (is_settled, was_open) = (known.is_settled, known.is_open);
        let is_new = match event.what {
            What::Row(row) => {
                // Results that are tried again prove that there is more to come.
                known.is_open |= !is_settled && row.kind == ResultKind::OldResult && row.n == 1;
                known.attempt(row.attempt).results(row.kind).insert(row.n)
            }
            What::TestStart(start) => {
                known.is_open |= !is_settled;
                known.attempt(start.attempt).begins(start.time)
            }
            What::TestEnd(end) => {
                known.is_settled |= end.is_final;
                known.is_open &= !end.is_final;
                !mem::replace(&mut known.attempt(end.attempt).has_ended, true)
            }
            What::Record(_) | What::Other => true,
        };
        match (was_open, known.is_open) {
            (false, true) => self.open += 1,
            (true, false) => self.open -= 1,
            _ => {}
        }
        Past { is_repeat: !is_new, is_settled }
    }

    /// How many tests have begun and are not settled.
    pub fn open(&self) -> usize {
        self.open + self.left_open.len()
    }

    fn test(&mut self, test: Identity) -> &mut Known {
        let at = match self.last {
            Some((last, at)) if last == test => at,
            _ => self.find(test),
        };
        self.last = Some((test, at));
        &mut self.recent.known[at].1
    }

    fn find(&mut self, test: Identity) -> usize {
        if let Some(at) = self.recent.places.get(&test) {
            return *at as usize;
        }
        let known = match self.before.places.remove(&test) {
            Some(at) => mem::take(&mut self.before.known[at as usize].1),
            None => {
                let is_open = self.left_open.remove(&test);
                self.open += usize::from(is_open);
                Known { is_open, ..Known::default() }
            }
        };
        if self.recent.known.len() >= REMEMBERED {
            self.forget();
        }
        let at = self.recent.known.len();
        self.recent.places.insert(test, at as u32);
        self.recent.known.push((test, known));
        at
    }

    /// Forgets the tests of which nothing was read for longest, but for those that are open.
    fn forget(&mut self) {
        mem::swap(&mut self.recent, &mut self.before);
        let open = self.recent.known.iter().filter(|(_, known)| known.is_open).map(|(test, _)| *test);
        let before = self.left_open.len();
        self.left_open.extend(open);
        self.open -= self.left_open.len() - before;
        self.recent.places.clear();
        self.recent.known.clear();
    }
}

impl Known {
    fn attempt(&mut self, number: u32) -> &mut Attempt {
        let (first, attempt) = self.first.get_or_insert_with(|| (number, Attempt::default()));
        if *first == number {
            return attempt;
        }
        if self.others.len() >= ATTEMPTS && !self.others.contains_key(&number) {
            self.others.pop_first();
        }
        self.others.entry(number).or_default()
    }
}

impl Attempt {
    fn results(&mut self, kind: ResultKind) -> &mut Seen {
        match kind {
            ResultKind::Result => &mut self.results,
            ResultKind::OldResult => &mut self.rare.get_or_insert_default().old,
            ResultKind::LiveResult => &mut self.rare.get_or_insert_default().live,
        }
    }

    /// `false`: that it began then was read before.
    fn begins(&mut self, time: Time) -> bool {
        match self.start {
            None => {
                self.start = Some(time);
                true
            }
            Some(start) => start != time && self.rare.get_or_insert_default().starts.insert(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::with_line;
    use proptest::prelude::*;

    fn line(test: &str, attempt: u32, n: u64, kind: &str) -> String {
        format!(
            r#"{{"type":"{kind}","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"{test}","files":[],"attempt":{attempt},"n":{n}}}"#
        )
    }

    #[test]
    fn each_result_counts_once() {
        let mut recall = Recall::default();
        let mut is_new = |test: &str, attempt, n, kind: &str| {
            with_line(&line(test, attempt, n, kind), |event| !recall.event(event).is_repeat).unwrap()
        };
        for (test, attempt, n, kind, new) in [
            ("/a", 1, 1, "result", true),
            ("/a", 1, 2, "result", true),
            ("/a", 1, 2, "result", false),
            ("/b", 1, 1, "result", true),
            ("/a", 1, 1, "result", false),
            ("/a", 1, 3, "result", true),
            ("/a", 2, 3, "result", true),
            ("/a", 1, 3, "old-result", true),
            ("/b", 1, 1, "result", false),
        ] {
            assert_eq!(is_new(test, attempt, n, kind), new, "{test} {attempt} {n} {kind}");
        }
    }

    #[test]
    fn an_attempt_begins_once_at_a_time() {
        let mut recall = Recall::default();
        for (attempt, second, new) in [(1, 0, true), (1, 0, false), (2, 0, true), (1, 1, true), (1, 1, false)]
        {
            let line = format!(
                r#"{{"type":"test-start","time":"2026-11-21T20:00:0{second}.000Z","run":"r","platform":"p","test":"/t","attempt":{attempt},"host":"h"}}"#
            );
            assert_eq!(
                with_line(&line, |event| !recall.event(event).is_repeat),
                Ok(new),
                "{attempt} {second}"
            );
        }
    }

    #[test]
    fn what_is_long_ago_is_forgotten_and_not_before() {
        let mut recall = Recall::default();
        let mut is_new = |n: usize| {
            with_line(&line(&format!("/{n}"), 1, 1, "result"), |event| !recall.event(event).is_repeat)
                .unwrap()
        };
        for n in 0..=REMEMBERED {
            assert!(is_new(n));
        }
        assert!(!is_new(2), "as many are remembered");
        for n in 0..2 * REMEMBERED {
            is_new(REMEMBERED + 1 + n);
        }
        assert!(is_new(2), "no more than twice as many are");
        assert!(recall.recent.known.len() + recall.before.known.len() <= 2 * REMEMBERED + 1);
    }

    const LINES: [&str; 6] = [
        r#"{"type":"test-start","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t","attempt":1,"host":"h"}"#,
        r#"{"type":"old-result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t","status":"fail","files":[],"attempt":1,"n":1}"#,
        r#"{"type":"test-end","time":"2026-11-21T20:00:01.000Z","run":"r","platform":"p","test":"/t","attempt":1,"outcome":"fail","cause":"test","seconds":1,"counts":{},"final":false}"#,
        r#"{"type":"test-start","time":"2026-11-21T20:00:02.000Z","run":"r","platform":"p","test":"/t","attempt":2,"host":"h"}"#,
        r#"{"type":"result","time":"2026-11-21T20:00:03.000Z","run":"r","platform":"p","test":"/t","status":"pass","files":[],"attempt":2,"n":1}"#,
        r#"{"type":"test-end","time":"2026-11-21T20:00:03.000Z","run":"r","platform":"p","test":"/t","attempt":2,"outcome":"pass","cause":"test","seconds":1,"counts":{},"final":true}"#,
    ];

    proptest! {
        #[test]
        fn whatever_the_order_a_settled_test_is_not_open(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
            let mut recall = Recall::default();
            for at in order {
                with_line(LINES[at % 6], |event| recall.event(event)).unwrap();
            }
            prop_assert!(recall.open() == 0);
        }
    }

    #[test]
    fn without_its_end_a_test_is_open() {
        let mut recall = Recall::default();
        for line in &LINES[..5] {
            with_line(line, |event| recall.event(event)).unwrap();
        }
        assert_eq!(recall.open(), 1);
    }

    #[test]
    fn what_is_open_stays_so_however_long_ago_it_began() {
        let mut recall = Recall::default();
        let mut read = |n: usize, line: &str| {
            with_line(&line.replace("\"/t\"", &format!("\"/{n}\"")), |event| recall.event(event)).unwrap();
            recall.open()
        };
        for n in 0..10 {
            assert_eq!(read(n, LINES[0]), n + 1);
        }
        for n in 10..10 + 3 * REMEMBERED {
            assert_eq!(read(n, LINES[5]), 10);
        }
        assert_eq!(read(3, LINES[4]), 10, "it is known again, and once");
        assert_eq!(read(3, LINES[5]), 9);
        assert_eq!(read(3, LINES[0]), 9, "late");
        assert_eq!(read(4, LINES[5]), 8);
    }

    #[test]
    fn of_attempts_without_number_few_are_remembered() {
        let mut recall = Recall::default();
        for attempt in 1..2 * ATTEMPTS as u32 {
            with_line(&line("/a", attempt, 1, "result"), |event| recall.event(event)).unwrap();
        }
        assert_eq!(recall.recent.known[0].1.others.len(), ATTEMPTS);
    }
}
