//! Leaves out what was read before: a stream says its last lines again after a crash (records.md, 1.9), and streams
//! are put together that have lines in common.

use std::collections::HashMap;

use atex_model::report::ResultKind;

use crate::event::{Event, What};
use crate::identity::{Identities, Identity};
use crate::record::Record;
use crate::reduce::Seen;
use crate::row::Row;

/// Of how many attempts it is remembered at least which results were read: some 100 bytes each. What is repeated after
/// so many others is taken for new; `sort` brings repeats together.
const REMEMBERED: usize = 100_000;

/// What was read, of the last attempts.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    identities: Identities,
    /// The attempts that were read of last, and those before them.
    recent: HashMap<Identity, Seen>,
    before: HashMap<Identity, Seen>,
    last: Last,
}

/// The attempt that the last row belongs to: most rows belong to the same as the one before.
#[derive(Debug, Default)]
struct Last {
    kind: Option<ResultKind>,
    attempt: u32,
    run: String,
    platform: String,
    test: String,
    identity: Option<Identity>,
    seen: Seen,
}

impl Repeats {
    /// Whether this was read before.
    pub fn is_one(&mut self, event: &Event<'_>) -> bool {
        match event.what {
            What::Row(row) => !self.row(&row),
            What::Record(Record::TestEnd(end)) => {
                let identity = self.identities.hash((&end.run, &end.platform, &end.test, end.attempt, "end"));
                !self.seen(identity).insert(1)
            }
            // One that was cut short by a crash begins anew, under the same number and at another time.
            What::Record(Record::TestStart(start)) => {
                let attempt = (&start.run, &start.platform, &start.test, start.attempt);
                let identity = self.identities.hash((attempt, start.time.0, "start"));
                !self.seen(identity).insert(1)
            }
            _ => false,
        }
    }

    /// `false`: it was there.
    fn row(&mut self, row: &Row<'_>) -> bool {
        if !self.last.is_of(row) {
            self.change(row);
        }
        self.last.seen.insert(row.n)
    }

    fn change(&mut self, row: &Row<'_>) {
        if let Some(identity) = self.last.identity.take() {
            let seen = std::mem::take(&mut self.last.seen);
            *self.seen(identity) = seen;
        }
        let identity = self.identities.hash((row.run, row.platform, row.test, row.attempt, row.kind));
        let seen = std::mem::take(self.seen(identity));
        self.last.set(row, identity, seen);
    }

    fn seen(&mut self, identity: Identity) -> &mut Seen {
        if self.recent.len() >= REMEMBERED && !self.recent.contains_key(&identity) {
            std::mem::swap(&mut self.recent, &mut self.before);
            self.recent.clear();
        }
        let before = &mut self.before;
        self.recent.entry(identity).or_insert_with(|| before.remove(&identity).unwrap_or_default())
    }
}

impl Last {
    fn is_of(&self, row: &Row<'_>) -> bool {
        self.test == row.test
            && self.attempt == row.attempt
            && self.kind == Some(row.kind)
            && self.platform == row.platform
            && self.run == row.run
    }

    fn set(&mut self, row: &Row<'_>, identity: Identity, seen: Seen) {
        (self.kind, self.attempt) = (Some(row.kind), row.attempt);
        for (to, from) in
            [(&mut self.run, row.run), (&mut self.platform, row.platform), (&mut self.test, row.test)]
        {
            to.clear();
            to.push_str(from);
        }
        (self.identity, self.seen) = (Some(identity), seen);
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
