//! Recognises repeats: what is read again, as after a crash of atex-exec (records.md, 1.9) or where streams were put
//! together that have lines in common.

use std::collections::HashSet;

use atex_model::Time;
use atex_model::report::ResultKind;

use crate::event::{Event, What};
use crate::identity::{Identity, IdentityMap};
use crate::record::Record;
use crate::reduce::Seen;

/// Of how many attempts it is remembered at least which records were read: some 100 bytes each, and as many as a table
/// of 65,536 places takes. What is repeated after so many others is taken for new; `sort` brings repeats together.
const REMEMBERED: usize = 57_000;

/// What was read, of the last attempts.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// The attempts that were read of last, and those before them.
    recent: IdentityMap<Known>,
    before: IdentityMap<Known>,
}

/// What was read of an attempt.
#[derive(Debug, Default)]
struct Known {
    results: Seen,
    /// When it began.
    start: Option<Time>,
    ended: bool,
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

impl Repeats {
    /// Whether this was read before.
    pub fn is_one(&mut self, event: &Event<'_>) -> bool {
        !match event.what {
            What::Row(row) => self.of(event.test, row.attempt).results(row.kind).insert(row.n),
            What::Record(Record::TestEnd(end)) => {
                let known = self.of(event.test, end.attempt);
                !std::mem::replace(&mut known.ended, true)
            }
            What::Record(Record::TestStart(start)) => self.of(event.test, start.attempt).begins(start.time),
            _ => true,
        }
    }

    fn of(&mut self, test: Identity, attempt: u32) -> &mut Known {
        let attempt = test.number(u64::from(attempt));
        if self.recent.len() >= REMEMBERED && !self.recent.contains_key(&attempt) {
            std::mem::swap(&mut self.recent, &mut self.before);
            self.recent.clear();
        }
        let before = &mut self.before;
        self.recent.entry(attempt).or_insert_with(|| before.remove(&attempt).unwrap_or_default())
    }
}

impl Known {
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

    fn line(test: &str, attempt: u32, n: u64, kind: &str) -> String {
        format!(
            r#"{{"type":"{kind}","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"{test}","files":[],"attempt":{attempt},"n":{n}}}"#
        )
    }

    #[test]
    fn each_result_counts_once() {
        let mut repeats = Repeats::default();
        let mut is_new = |test: &str, attempt, n, kind: &str| {
            with_line(&line(test, attempt, n, kind), |event| !repeats.is_one(event)).unwrap()
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
        let mut repeats = Repeats::default();
        for (attempt, second, new) in [(1, 0, true), (1, 0, false), (2, 0, true), (1, 1, true), (1, 1, false)]
        {
            let line = format!(
                r#"{{"type":"test-start","time":"2026-11-21T20:00:0{second}.000Z","run":"r","platform":"p","test":"/t","attempt":{attempt},"host":"h"}}"#
            );
            assert_eq!(with_line(&line, |event| !repeats.is_one(event)), Ok(new), "{attempt} {second}");
        }
    }

    #[test]
    fn what_is_long_ago_is_forgotten_and_not_before() {
        let mut repeats = Repeats::default();
        let mut is_new = |n: usize| {
            with_line(&line(&format!("/{n}"), 1, 1, "result"), |event| !repeats.is_one(event)).unwrap()
        };
        for n in 0..=REMEMBERED {
            assert!(is_new(n));
        }
        assert!(!is_new(2), "as many are remembered");
        for n in 0..2 * REMEMBERED {
            is_new(REMEMBERED + 1 + n);
        }
        assert!(is_new(2), "no more than twice as many are");
        assert!(repeats.recent.len() + repeats.before.len() <= 2 * REMEMBERED + 1);
    }
}
