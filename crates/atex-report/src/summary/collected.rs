//! What is kept of the tests of a stream, each of which is looked at once: counts, and the few that are shown.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use atex_model::report::{Cause, Outcome};

use super::{Counts, Limits, Listed, Lost};
use crate::reduce::{End, Fate, Tested, is_bad};

/// What is kept of the tests that were added.
#[derive(Debug)]
pub struct Collected {
    pub(super) failures: First<Outcome>,
    pub(super) unfinished: First<()>,
    pub(super) flaky: First<()>,
    /// By the bits of their seconds, which are ordered as those are.
    pub(super) slowest: First<Reverse<u64>>,
    pub(super) platforms: BTreeMap<String, Counts>,
    /// By runs, then by hosts.
    pub(super) hosts: BTreeMap<String, BTreeMap<String, Work>>,
    lost: LostTime,
}

/// What attempts tell of a host.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The label of its tests; of several the first in the alphabet.
    pub platform: String,
    pub attempts: u64,
    pub faults: u64,
    pub busy: Microseconds,
}

/// A sum of times that is the same in whatever order they are added: tests come in none.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Microseconds(u128);

impl Microseconds {
    fn add(&mut self, seconds: f64) {
        // What is no length of time, or beyond all of them, becomes the nearest that is.
        self.0 = self.0.saturating_add((seconds * 1e6).round() as u128);
    }

    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// What becomes a [`Lost`].
#[derive(Debug, Default)]
struct LostTime {
    infra: Microseconds,
    reruns: Microseconds,
    cancelled: Microseconds,
}

impl Collected {
    /// Nothing yet; no more will be kept than is to be shown.
    pub fn new(limits: &Limits) -> Collected {
        Collected {
            failures: First::new(limits.failures),
            unfinished: First::new(limits.failures),
            flaky: First::new(limits.failures),
            slowest: First::new(limits.slowest),
            platforms: BTreeMap::new(),
            hosts: BTreeMap::new(),
            lost: LostTime::default(),
        }
    }

    /// Adds a test. Each must be added once.
    pub fn add(&mut self, tested: &Tested) {
        let fate = tested.test.fate();
        let outcome = match fate {
            Some(Fate::Settled(_, End { outcome, .. })) => Some(*outcome),
            Some(Fate::Results(_, worst)) => Some(worst),
            Some(Fate::Unfinished(_)) | None => None,
        };
        match outcome {
            Some(outcome) if is_bad(outcome) => self.failures.add(outcome, tested),
            None if fate.is_some() => self.unfinished.add((), tested),
            _ => {}
        }
        if let Some(Fate::Settled(_, end)) = fate {
            if is_flaky(end, tested) {
                self.flaky.add((), tested);
            }
            if end.seconds > 0.0 {
                self.slowest.add(Reverse(end.seconds.to_bits()), tested);
            }
        }
        self.count(outcome, tested);
        self.work(tested);
    }

    fn count(&mut self, outcome: Option<Outcome>, tested: &Tested) {
        if !self.platforms.contains_key(&tested.platform) {
            self.platforms.insert(tested.platform.clone(), Counts::default());
        }
        let Some(counts) = self.platforms.get_mut(&tested.platform) else { return };
        match outcome {
            Some(outcome) => counts.tests[outcome as usize] += 1,
            None => counts.unfinished += 1,
        }
        for attempt in tested.test.attempts() {
            counts.results.iter_mut().zip(attempt.results).for_each(|(sum, n)| *sum += n);
        }
    }

    fn work(&mut self, tested: &Tested) {
        for attempt in tested.test.attempts() {
            if let Some(end) = &attempt.end {
                self.lost.add(end);
            }
            let Some(host) = attempt.host() else { continue };
            let work = entry(entry(&mut self.hosts, &tested.run), host);
            if work.attempts == 0 || tested.platform < work.platform {
                work.platform.clone_from(&tested.platform);
            }
            work.attempts += 1;
            if let Some(end) = &attempt.end {
                work.busy.add(end.seconds);
                work.faults += u64::from(end.cause == Cause::Host);
            }
        }
    }

    /// The time that was spent in vain.
    pub(super) fn lost(&self) -> Lost {
        let LostTime { infra, reruns, cancelled } = &self.lost;
        Lost { infra: infra.seconds(), reruns: reruns.seconds(), cancelled: cancelled.seconds() }
    }

    pub(super) fn host(&self, run: &str, id: &str) -> Option<&Work> {
        self.hosts.get(run)?.get(id)
    }
}

/// What stands under a name; only a new name is copied. There are few, so that to find one costs less than to hash it.
fn entry<'m, V: Default>(map: &'m mut BTreeMap<String, V>, name: &str) -> &'m mut V {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), V::default());
    }
    map.get_mut(name).expect("it has just been put there if it was not")
}

/// Whether a test that was settled so passed after it had failed.
fn is_flaky(settled: &End, tested: &Tested) -> bool {
    let failed = |end: &End| end.cause == Cause::Test && end.outcome <= Outcome::Fail;
    let mut ends = tested.test.attempts().filter_map(|attempt| attempt.end.as_ref());
    settled.outcome >= Outcome::Warn && ends.any(failed)
}

impl LostTime {
    fn add(&mut self, end: &End) {
        match end.cause {
            Cause::Host | Cause::Own => self.infra.add(end.seconds),
            Cause::Cancelled => self.cancelled.add(end.seconds),
            Cause::Test if !end.is_final => self.reruns.add(end.seconds),
            Cause::Test | Cause::Skipped => {}
        }
    }
}

/// The first tests by a rank, then by name, platform and run; how many there were is counted.
#[derive(Debug)]
pub(super) struct First<R> {
    limit: usize,
    kept: BinaryHeap<Ranked<R>>,
    count: usize,
}

#[derive(Debug)]
struct Ranked<R> {
    rank: R,
    tested: Tested,
}

impl<R: Ord> First<R> {
    fn new(limit: usize) -> First<R> {
        First { limit, kept: BinaryHeap::new(), count: 0 }
    }

    fn add(&mut self, rank: R, tested: &Tested) {
        self.count += 1;
        if self.kept.len() == self.limit {
            match self.kept.peek() {
                Some(last) if (&rank, names(tested)) < (&last.rank, names(&last.tested)) => {
                    drop(self.kept.pop())
                }
                _ => return,
            }
        }
        self.kept.push(Ranked { rank, tested: tested.clone() });
    }

    /// Those that were kept, in order, as what they are shown.
    pub(super) fn listed<'a, T>(&'a self, show: impl Fn(&'a Tested) -> Option<T>) -> Listed<T> {
        let mut kept: Vec<_> = self.kept.iter().collect();
        kept.sort_unstable();
        let shown = kept.into_iter().filter_map(|ranked| show(&ranked.tested)).collect();
        Listed { shown, left: self.count - self.kept.len() }
    }
}

fn names(tested: &Tested) -> (&str, &str, &str) {
    (&tested.name, &tested.platform, &tested.run)
}

impl<R: Ord> Ord for Ranked<R> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.rank, names(&self.tested)).cmp(&(&other.rank, names(&other.tested)))
    }
}

impl<R: Ord> PartialOrd for Ranked<R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Ord> PartialEq for Ranked<R> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<R: Ord> Eq for Ranked<R> {}
