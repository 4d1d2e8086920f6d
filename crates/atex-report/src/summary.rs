//! What a summary says, as plain data: chosen, sorted and bounded here, and put into words by a writer.

use std::collections::{BTreeMap, HashMap};

use atex_model::Time;
use atex_model::report::{Cause, Outcome};

use crate::reduce::{End, Fate, Host, HostEnding, Numbered, Place, Run, STATUSES, State, is_bad};

/// How much is shown of what may be long. The rest is counted.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Failed, unfinished and flaky tests, each.
    pub failures: usize,
    /// Failed subtests of each test.
    pub subtests: usize,
    /// The slowest tests.
    pub slowest: usize,
    /// Hosts.
    pub hosts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { failures: 100, subtests: 5, slowest: 10, hosts: 20 }
    }
}

/// The first of several, and how many there are more.
#[derive(Debug)]
pub struct Listed<T> {
    /// Those that are shown.
    pub shown: Vec<T>,
    /// How many are not.
    pub left: usize,
}

/// What there is to say.
#[derive(Debug)]
pub struct Summary<'a> {
    /// Tests that are settled as worse than passed, the worst first.
    pub failures: Listed<Failure<'a>>,
    /// Tests that began and are not settled.
    pub unfinished: Listed<Unfinished<'a>>,
    /// Tests that passed after they had failed.
    pub flaky: Listed<Flaky<'a>>,
    /// Counts by platform, in the order of their names.
    pub platforms: Vec<(&'a str, Counts)>,
    /// The slowest tests that are settled.
    pub slowest: Vec<(f64, Place<'a>)>,
    /// The hosts: those with trouble, then the busiest.
    pub hosts: Listed<Used<'a>>,
    /// The runs, in the order in which they began.
    pub runs: Vec<Ran<'a>>,
    /// Time that was spent in vain.
    pub lost: Lost,
    /// How many tests were taken in and not settled, also those that never began.
    pub unsettled: u64,
}

/// A test that is settled as worse than passed.
#[derive(Debug)]
pub struct Failure<'a> {
    /// The test.
    pub place: Place<'a>,
    /// What became of it.
    pub outcome: Outcome,
    /// The attempt that settled it.
    pub attempt: Numbered<'a>,
    /// How that ended, if it was read.
    pub end: Option<&'a End>,
    /// The ends of the attempts before it.
    pub earlier: Vec<&'a End>,
}

/// A test that began and is not settled.
#[derive(Debug)]
pub struct Unfinished<'a> {
    /// The test.
    pub place: Place<'a>,
    /// Its last attempt.
    pub attempt: Numbered<'a>,
}

/// A test that passed after it had failed.
#[derive(Debug)]
pub struct Flaky<'a> {
    /// The test.
    pub place: Place<'a>,
    /// How its attempts ended, the last one too.
    pub ends: Vec<&'a End>,
}

/// Counts of one platform.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Tests by outcome, in the order of [`Outcome::ALL`].
    pub tests: [u64; Outcome::ALL.len()],
    /// Tests that are not settled.
    pub unfinished: u64,
    /// Results by status: the outcomes, then other words.
    pub results: [u64; STATUSES],
}

/// A host that was used.
#[derive(Debug)]
pub struct Used<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its label.
    pub platform: &'a str,
    /// How many attempts ran there.
    pub attempts: u64,
    /// How many of them ended by its fault.
    pub faults: u64,
    /// How long it was busy with them.
    pub busy: f64,
    /// How often it failed us.
    pub troubles: usize,
    /// The end that is worth telling: of its troubles the last, otherwise the last of all.
    pub ending: Option<&'a HostEnding>,
}

/// A run.
#[derive(Debug)]
pub struct Ran<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its directory.
    pub dir: Option<&'a str>,
    /// When it began, as far as was read.
    pub from: Option<Time>,
    /// How long it took, or has taken.
    pub seconds: f64,
    /// That it has not ended in what was read.
    pub open: bool,
    /// The share of the hosts' time that was spent in tests.
    pub busy: Option<f64>,
}

/// Seconds that were spent on attempts in vain.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Lost {
    /// On attempts that hosts or atex-exec spoiled.
    pub infra: f64,
    /// On attempts that failed and were tried again.
    pub reruns: f64,
    /// On attempts that were cancelled.
    pub cancelled: f64,
}

impl Counts {
    /// How many tests there are.
    pub fn all_tests(&self) -> u64 {
        self.tests.iter().sum::<u64>() + self.unfinished
    }

    /// How many results there are.
    pub fn all_results(&self) -> u64 {
        self.results.iter().sum()
    }

    /// Adds those of another platform.
    pub fn add(&mut self, other: &Counts) {
        self.tests.iter_mut().zip(other.tests).for_each(|(sum, n)| *sum += n);
        self.results.iter_mut().zip(other.results).for_each(|(sum, n)| *sum += n);
        self.unfinished += other.unfinished;
    }
}

impl<'a> Summary<'a> {
    /// What there is to say of what was read, of which `unsettled` tests were not settled.
    pub fn of(state: &'a State, unsettled: u64, limits: &Limits) -> Summary<'a> {
        let tests = state.tests();
        let mut failures: Vec<_> = tests.iter().filter_map(failure).collect();
        // Stable: tests of one outcome stay in the order of their names.
        failures.sort_by_key(|failure| failure.outcome);
        Summary {
            failures: Listed::of(failures, limits.failures),
            unfinished: Listed::of(tests.iter().filter_map(unfinished).collect(), limits.failures),
            flaky: Listed::of(tests.iter().filter_map(flaky).collect(), limits.failures),
            platforms: platforms(state, &tests),
            slowest: slowest(&tests, limits.slowest),
            hosts: Listed::of(hosts(state, &tests), limits.hosts),
            runs: runs(state),
            lost: lost(&tests),
            unsettled,
        }
    }

    /// The counts of all platforms.
    pub fn counts(&self) -> Counts {
        self.platforms.iter().fold(Counts::default(), |mut sum, (_, counts)| {
            sum.add(counts);
            sum
        })
    }
}

impl<T> Listed<T> {
    fn of(mut all: Vec<T>, limit: usize) -> Listed<T> {
        let left = all.len().saturating_sub(limit);
        all.truncate(limit);
        Listed { shown: all, left }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shown.len() + self.left
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn failure<'a>(place: &Place<'a>) -> Option<Failure<'a>> {
    let (attempt, end, outcome) = match place.test.fate()? {
        Fate::Settled(attempt, end) => (attempt, Some(end), end.outcome),
        Fate::Results(attempt, worst) => (attempt, None, worst),
        Fate::Unfinished(_) => return None,
    };
    if !is_bad(outcome) {
        return None;
    }
    let before = place.test.attempts.range(..attempt.0);
    let earlier = before.filter_map(|(_, attempt)| attempt.end.as_ref()).collect();
    Some(Failure { place: *place, outcome, attempt, end, earlier })
}

fn unfinished<'a>(place: &Place<'a>) -> Option<Unfinished<'a>> {
    match place.test.fate()? {
        Fate::Unfinished(attempt) => Some(Unfinished { place: *place, attempt }),
        _ => None,
    }
}

fn flaky<'a>(place: &Place<'a>) -> Option<Flaky<'a>> {
    let Some(Fate::Settled(_, settled)) = place.test.fate() else { return None };
    let ends: Vec<_> = place.test.attempts.values().filter_map(|attempt| attempt.end.as_ref()).collect();
    let failed = |end: &&End| end.cause == Cause::Test && end.outcome <= Outcome::Fail;
    (settled.outcome >= Outcome::Warn && ends.iter().any(failed)).then_some(Flaky { place: *place, ends })
}

fn platforms<'a>(state: &'a State, tests: &[Place<'a>]) -> Vec<(&'a str, Counts)> {
    let mut all: BTreeMap<&str, Counts> = BTreeMap::new();
    for place in tests {
        let counts = all.entry(place.platform).or_default();
        match place.test.fate() {
            Some(Fate::Settled(_, End { outcome, .. })) => counts.tests[*outcome as usize] += 1,
            Some(Fate::Results(_, worst)) => counts.tests[worst as usize] += 1,
            Some(Fate::Unfinished(_)) | None => counts.unfinished += 1,
        }
    }
    for (name, platform) in state.runs.values().flat_map(|run| &run.platforms) {
        let results = &mut all.entry(name).or_default().results;
        results.iter_mut().zip(platform.results).for_each(|(sum, n)| *sum += n);
    }
    all.into_iter().collect()
}

fn slowest<'a>(tests: &[Place<'a>], limit: usize) -> Vec<(f64, Place<'a>)> {
    let seconds = |place: &Place<'a>| match place.test.fate() {
        Some(Fate::Settled(_, end)) if end.seconds > 0.0 => Some((end.seconds, *place)),
        _ => None,
    };
    let mut all: Vec<_> = tests.iter().filter_map(seconds).collect();
    // Stable: tests that took the same time stay in the order of their names.
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.truncate(limit);
    all
}

/// What attempts tell of a host.
#[derive(Default)]
struct Work {
    attempts: u64,
    faults: u64,
    busy: f64,
}

fn hosts<'a>(state: &'a State, tests: &[Place<'a>]) -> Vec<Used<'a>> {
    let mut work: HashMap<(&str, &str), Work> = HashMap::new();
    let mut platform_of: HashMap<(&str, &str), &str> = HashMap::new();
    for place in tests {
        for attempt in place.test.attempts.values() {
            let Some(host) = attempt.host() else { continue };
            let done = work.entry((place.run, host)).or_default();
            done.attempts += 1;
            if let Some(end) = &attempt.end {
                done.busy += end.seconds;
                done.faults += u64::from(end.cause == Cause::Host);
            }
            platform_of.entry((place.run, host)).or_insert(place.platform);
        }
    }
    for (run, id, host) in
        state.runs.iter().flat_map(|(run, r)| r.hosts.iter().map(move |(id, h)| (run, id, h)))
    {
        work.entry((run, id)).or_default();
        platform_of.insert((run, id), &host.platform);
    }
    let known = |run: &str, id: &str| state.runs.get(run).and_then(|r| r.hosts.get(id));
    let mut all: Vec<_> = work
        .into_iter()
        .map(|((run, id), work)| (run, used(id, platform_of[&(run, id)], &work, known(run, id))))
        .collect();
    all.sort_by(|(a_run, a), (b_run, b)| {
        let trouble = |used: &Used<'_>| used.troubles > 0 || used.faults > 0;
        trouble(b).cmp(&trouble(a)).then(b.busy.total_cmp(&a.busy)).then((a.id, a_run).cmp(&(b.id, b_run)))
    });
    all.into_iter().map(|(_, used)| used).collect()
}

fn used<'a>(id: &'a str, platform: &'a str, work: &Work, host: Option<&'a Host>) -> Used<'a> {
    let (troubles, trouble) = host.map_or((0, None), Host::trouble);
    Used {
        id,
        platform,
        attempts: work.attempts,
        faults: work.faults,
        busy: work.busy,
        troubles,
        ending: trouble.or(host.and_then(Host::ending)),
    }
}

fn runs(state: &State) -> Vec<Ran<'_>> {
    let mut all: Vec<_> = state.runs.iter().map(|(id, run)| ran(id, run)).collect();
    all.sort_by_key(|ran| (ran.from, ran.id));
    all
}

fn ran<'a>(id: &'a str, run: &'a Run) -> Ran<'a> {
    Ran {
        id,
        dir: run.dir.as_deref(),
        from: run.span.map(|(from, _)| from),
        seconds: run.seconds(),
        open: run.is_open(),
        busy: run.end.as_ref().and_then(|end| end.busy),
    }
}

fn lost(tests: &[Place<'_>]) -> Lost {
    let mut lost = Lost::default();
    let attempts = tests.iter().flat_map(|place| place.test.attempts.values());
    for end in attempts.filter_map(|attempt| attempt.end.as_ref()) {
        match end.cause {
            Cause::Host | Cause::Own => lost.infra += end.seconds,
            Cause::Cancelled => lost.cancelled += end.seconds,
            Cause::Test if !end.is_final => lost.reruns += end.seconds,
            Cause::Test | Cause::Skipped => {}
        }
    }
    lost
}
