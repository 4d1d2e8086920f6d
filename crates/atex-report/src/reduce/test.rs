//! What is kept of one test.

use atex_model::Time;
use atex_model::report::{Cause, Outcome, ResultKind};

use super::seen::{Overlap, Seen};
use super::{STATUSES, clip, status_index};
use crate::row::{Row, TestEnd, TestStart};

/// One test of one run: its attempts by number. Number 0 is a test that was settled without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Test {
    /// The attempts of which something was read, in order. Most tests have one, so that a map would be larger.
    attempts: Vec<(u32, Attempt)>,
}

/// One attempt at a test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attempt {
    /// When it began and where, if that was read.
    pub start: Option<(Time, String)>,
    /// How it ended, if that was read.
    pub end: Option<End>,
    /// That results of it are tried again, or were reported before its end: no proof of an end.
    pub(super) provisional: bool,
    /// The worst of its results without a subtest.
    pub(super) worst: Option<Outcome>,
    /// The worst of its subtests.
    pub(super) worst_subtest: Option<Outcome>,
    /// A result that failed is not known to.
    pub(super) unwaived: bool,
    /// Which of its final results were read.
    pub(super) seen: Seen,
    /// How many of them have which status.
    pub results: [u64; STATUSES],
    /// What is shown if it failed; most attempts have none.
    pub(super) details: Option<Box<Details>>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// When.
    pub time: Time,
    /// Where, if anywhere.
    pub host: Option<String>,
    /// The executor's verdict.
    pub outcome: Outcome,
    /// Whose doing it was.
    pub cause: Cause,
    /// The test's exit status.
    pub exit: Option<i64>,
    /// How long it ran.
    pub seconds: f64,
    /// That the test is settled by it.
    pub is_final: bool,
    /// What happened; not kept of tests that passed.
    pub note: Option<String>,
    /// The directory of its files; not kept of tests that passed.
    pub artifacts: Option<String>,
    /// That all of it that failed is known to fail.
    pub waived: bool,
}

/// What is shown of an attempt that failed.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Details {
    /// The worst result without a subtest; the first of equals.
    pub result: Option<Detail>,
    /// Subtests that are worse than passed, the worst first, then in the order reported; bounded.
    pub subtests: Vec<Detail>,
    /// How many such subtests there are.
    pub bad_subtests: u64,
}

/// A result that is worse than passed.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Detail {
    /// What became of it, and its position in the attempt.
    pub rank: Rank,
    /// The subtest.
    pub name: Option<String>,
    /// What happened.
    pub note: Option<String>,
    /// Its first file: the log, if there is one.
    pub file: Option<String>,
}

/// The order in which results of an attempt are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(pub Outcome, pub u64);

impl Default for Rank {
    fn default() -> Self {
        Rank(Outcome::Skip, 0)
    }
}

/// What became of a test, as far as it was read: by which attempt, with its number.
#[derive(Debug, Clone, Copy)]
pub enum Fate<'a> {
    /// It is settled.
    Settled(Numbered<'a>, &'a End),
    /// Only results of its final attempt were read, as in a stream of nothing but results: this is the worst.
    Results(Numbered<'a>, Outcome),
    /// It began, and nothing says that it is settled.
    Unfinished(Numbered<'a>),
}

/// An attempt and its number.
pub type Numbered<'a> = (u32, &'a Attempt);

/// Whether something is shown among the failures.
pub fn is_bad(outcome: Outcome) -> bool {
    outcome <= Outcome::Warn
}

impl Test {
    /// What became of it.
    ///
    /// A final `test-end` settles a test, whatever else was read. Without one, results of a final attempt do,
    /// unless an attempt is known to have begun: then what was read has been cut within it.
    pub fn fate(&self) -> Option<Fate<'_>> {
        let ends = self.numbered().filter_map(|one| Some((one, one.1.end.as_ref()?)));
        let finals = ends.filter(|(_, end)| end.is_final);
        if let Some((attempt, end)) = finals.max_by_key(|(_, end)| end.time) {
            return Some(Fate::Settled(attempt, end));
        }
        let last = self.numbered().next_back()?;
        match last.1.worst.or(last.1.worst_subtest) {
            Some(worst) if !self.attempts().any(Attempt::has_begun) => Some(Fate::Results(last, worst)),
            _ => Some(Fate::Unfinished(last)),
        }
    }

    /// The attempts with their numbers, in order.
    pub fn numbered(&self) -> impl DoubleEndedIterator<Item = Numbered<'_>> {
        self.attempts.iter().map(|(number, attempt)| (*number, attempt))
    }

    /// The attempts, in order.
    pub fn attempts(&self) -> impl DoubleEndedIterator<Item = &Attempt> {
        self.attempts.iter().map(|(_, attempt)| attempt)
    }

    /// Whether its end was read: then hardly anything more is to come.
    pub(super) fn is_settled(&self) -> bool {
        self.attempts().any(|attempt| attempt.end.as_ref().is_some_and(|end| end.is_final))
    }

    /// Forgets all of it, and keeps room for as much.
    pub(super) fn clear(&mut self) {
        self.attempts.clear();
    }

    pub(super) fn attempt(&mut self, number: u32) -> &mut Attempt {
        let at = match self.attempts.binary_search_by_key(&number, |(known, _)| *known) {
            Ok(at) => at,
            Err(at) => {
                self.attempts.reserve_exact(1);
                self.attempts.insert(at, (number, Attempt::default()));
                at
            }
        };
        &mut self.attempts[at].1
    }

    pub(super) fn start(&mut self, start: &TestStart<'_>) {
        let attempt = self.attempt(start.attempt);
        let new = (start.time, start.host.to_owned());
        attempt.start = attempt.start.take().max(Some(new));
    }

    pub(super) fn end(&mut self, end: &TestEnd<'_>) {
        self.attempt(end.attempt).add_end(End::of(end));
    }

    /// How many bytes were added to what is kept.
    pub(super) fn result(&mut self, row: &Row<'_>, keep: usize) -> usize {
        let attempt = self.attempt(row.attempt);
        if row.kind != ResultKind::Result {
            attempt.provisional = true;
            return 0;
        }
        // One that was read before does not count.
        if attempt.seen.insert(row.n) { attempt.add(row, keep) } else { 0 }
    }

    /// Adds what was kept of the same test elsewhere in the stream.
    pub(super) fn join(&mut self, other: Test, keep: usize) {
        for (number, attempt) in other.attempts {
            self.attempt(number).join(attempt, keep);
        }
    }
}

impl Attempt {
    /// What is shown if it failed.
    pub fn details(&self) -> Option<&Details> {
        self.details.as_deref()
    }

    /// Where it ran, if that was read.
    pub fn host(&self) -> Option<&str> {
        let end = self.end.as_ref().and_then(|end| end.host.as_deref());
        end.or(self.start.as_ref().map(|(_, host)| host.as_str()))
    }

    /// Whether all results that failed are known to.
    pub fn is_waived(&self) -> bool {
        !self.unwaived
    }

    fn has_begun(&self) -> bool {
        self.start.is_some() || self.end.is_some() || self.provisional
    }

    /// How many bytes were added to what is kept.
    fn add(&mut self, row: &Row<'_>, keep: usize) -> usize {
        let outcome = row.outcome();
        let of_subtest = row.subtest.is_some();
        self.results[status_index(row.status)] += 1;
        self.unwaived |= outcome <= Outcome::Fail && row.waived.is_none();
        let worst = if of_subtest { &mut self.worst_subtest } else { &mut self.worst };
        *worst = worse(*worst, Some(outcome));
        if !is_bad(outcome) {
            return 0;
        }
        let details = self.details.get_or_insert_default();
        if of_subtest { details.add_subtest(outcome, row, keep) } else { details.add(outcome, row) }
    }

    fn add_end(&mut self, end: End) {
        if self.end.as_ref().is_none_or(|old| old.yields_to(&end)) {
            self.end = Some(end);
        }
    }

    fn join(&mut self, other: Attempt, keep: usize) {
        self.start = self.start.take().max(other.start);
        if let Some(end) = other.end {
            self.add_end(end);
        }
        self.provisional |= other.provisional;
        self.worst = worse(self.worst, other.worst);
        self.worst_subtest = worse(self.worst_subtest, other.worst_subtest);
        self.unwaived |= other.unwaived;
        match self.seen.overlap(&other.seen) {
            // All of it was read before.
            Overlap::Within => {}
            Overlap::Around => {
                (self.seen, self.results, self.details) = (other.seen, other.results, other.details);
            }
            Overlap::None | Overlap::Partly => {
                self.seen.join(&other.seen);
                self.results.iter_mut().zip(other.results).for_each(|(sum, n)| *sum += n);
                match (&mut self.details, other.details) {
                    (Some(own), Some(other)) => own.join(*other, keep),
                    (own, other) => *own = own.take().or(other),
                }
            }
        }
    }
}

fn worse(a: Option<Outcome>, b: Option<Outcome>) -> Option<Outcome> {
    a.into_iter().chain(b).min()
}

impl End {
    fn of(end: &TestEnd<'_>) -> End {
        let bad = is_bad(end.outcome) || !end.is_final;
        End {
            time: end.time,
            host: end.host.map(str::to_owned),
            outcome: end.outcome,
            cause: end.cause,
            exit: end.exit,
            // What is not a length of time must not spoil the sums.
            seconds: end.seconds.max(0.0),
            is_final: end.is_final,
            note: end.note.filter(|_| bad).map(clip),
            artifacts: end.artifacts.filter(|_| bad).map(str::to_owned),
            waived: end.waived.is_some(),
        }
    }

    /// Repeats are equal; of two that differ, which no tool writes, the later one counts, then the worse.
    fn yields_to(&self, new: &End) -> bool {
        (self.time, new.outcome, new.seconds.to_bits()) < (new.time, self.outcome, self.seconds.to_bits())
    }
}

impl Details {
    fn add(&mut self, outcome: Outcome, row: &Row<'_>) -> usize {
        let rank = Rank(outcome, row.n);
        if self.result.as_ref().is_some_and(|old| old.rank <= rank) {
            return 0;
        }
        self.result.insert(Detail::of(rank, row)).size()
    }

    fn add_subtest(&mut self, outcome: Outcome, row: &Row<'_>, keep: usize) -> usize {
        self.bad_subtests += 1;
        let rank = Rank(outcome, row.n);
        let at = self.subtests.partition_point(|kept| kept.rank < rank);
        if at >= keep {
            return 0;
        }
        self.subtests.truncate(keep - 1);
        self.subtests.insert(at, Detail::of(rank, row));
        self.subtests[at].size()
    }

    fn join(&mut self, other: Details, keep: usize) {
        self.result = match (self.result.take(), other.result) {
            (Some(own), Some(other)) => Some(if other.rank < own.rank { other } else { own }),
            (own, other) => own.or(other),
        };
        self.subtests.extend(other.subtests);
        self.subtests.sort_by_key(|detail| detail.rank);
        self.subtests.dedup_by_key(|detail| detail.rank);
        self.subtests.truncate(keep);
        self.bad_subtests += other.bad_subtests;
    }
}

impl Detail {
    fn of(rank: Rank, row: &Row<'_>) -> Detail {
        Detail {
            rank,
            name: row.subtest.map(clip),
            note: row.note.filter(|note| !note.is_empty()).map(clip),
            file: row.files.iter().next().map(clip),
        }
    }

    fn size(&self) -> usize {
        let texts = [&self.name, &self.note, &self.file];
        size_of::<Detail>() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}
