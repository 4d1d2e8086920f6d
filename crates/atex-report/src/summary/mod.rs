//! What a summary says, as plain data: chosen, sorted and bounded here, and put into words by a writer.
//!
//! It is made in two steps: tests are collected one by one ([`Collected`]), of which few are kept; then what was kept is
//! looked at beside what is known of runs and hosts ([`Summary::of`]).

mod collected;

use atex_model::Time;
use atex_model::report::Outcome;

use crate::reduce::{End, Fate, Host, HostEnding, Numbered, Run, STATUSES, State, Tested};
pub use collected::Collected;
use collected::Work;

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
    pub slowest: Vec<(f64, &'a Tested)>,
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
    pub tested: &'a Tested,
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
    pub tested: &'a Tested,
    /// Its last attempt.
    pub attempt: Numbered<'a>,
}

/// A test that passed after it had failed.
#[derive(Debug)]
pub struct Flaky<'a> {
    /// The test.
    pub tested: &'a Tested,
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
    /// Why it ended before all was done, in its own words.
    pub note: Option<&'a str>,
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
    /// What there is to say of what was read, of which `unsettled` tests were not settled; of tests there is as much
    /// as was collected, of hosts as many as are wanted.
    pub fn of(collected: &'a Collected, state: &'a State, unsettled: u64, hosts: usize) -> Summary<'a> {
        Summary {
            failures: collected.failures.listed(failure),
            unfinished: collected.unfinished.listed(unfinished),
            flaky: collected.flaky.listed(flaky),
            platforms: collected.platforms.iter().map(|(name, counts)| (name.as_str(), *counts)).collect(),
            slowest: collected.slowest.listed(slow).shown,
            hosts: used_hosts(collected, state, hosts),
            runs: runs(state),
            lost: collected.lost(),
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
    /// How many there are.
    pub fn len(&self) -> usize {
        self.shown.len() + self.left
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn failure(tested: &Tested) -> Option<Failure<'_>> {
    let (attempt, end, outcome) = match tested.test.fate()? {
        Fate::Settled(attempt, end) => (attempt, Some(end), end.outcome),
        Fate::Results(attempt, worst) => (attempt, None, worst),
        Fate::Unfinished(_) => return None,
    };
    let before = tested.test.numbered().take_while(|(number, _)| *number < attempt.0);
    let earlier = before.filter_map(|(_, attempt)| attempt.end.as_ref()).collect();
    Some(Failure { tested, outcome, attempt, end, earlier })
}

fn unfinished(tested: &Tested) -> Option<Unfinished<'_>> {
    match tested.test.fate()? {
        Fate::Unfinished(attempt) => Some(Unfinished { tested, attempt }),
        _ => None,
    }
}

fn flaky(tested: &Tested) -> Option<Flaky<'_>> {
    let ends = tested.test.attempts().filter_map(|attempt| attempt.end.as_ref()).collect();
    Some(Flaky { tested, ends })
}

fn slow(tested: &Tested) -> Option<(f64, &Tested)> {
    match tested.test.fate()? {
        Fate::Settled(_, end) => Some((end.seconds, tested)),
        _ => None,
    }
}

fn used_hosts<'a>(collected: &'a Collected, state: &'a State, limit: usize) -> Listed<Used<'a>> {
    let worked = collected.hosts.iter().flat_map(|(run, hosts)| hosts.keys().map(move |id| (run, id)));
    let idle = state.runs.iter().flat_map(|(run, of)| of.hosts.keys().map(move |id| (run, id)));
    let idle = idle.filter(|(run, id)| collected.host(run, id).is_none());
    let mut all: Vec<_> = worked
        .chain(idle)
        .map(|(run, id)| {
            (run, used(id, collected.host(run, id), state.runs.get(run).and_then(|run| run.hosts.get(id))))
        })
        .collect();
    all.sort_by(|(a_run, a), (b_run, b)| {
        let trouble = |used: &Used<'_>| used.troubles > 0 || used.faults > 0;
        trouble(b).cmp(&trouble(a)).then(b.busy.total_cmp(&a.busy)).then((a.id, a_run).cmp(&(b.id, b_run)))
    });
    let left = all.len().saturating_sub(limit);
    Listed { shown: all.into_iter().take(limit).map(|(_, used)| used).collect(), left }
}

fn used<'a>(id: &'a str, work: Option<&'a Work>, host: Option<&'a Host>) -> Used<'a> {
    let (troubles, trouble) = host.map_or((0, None), Host::trouble);
    let of_work = work.map(|work| work.platform.as_str());
    Used {
        id,
        platform: host.map(|host| host.platform.as_str()).or(of_work).unwrap_or_default(),
        attempts: work.map_or(0, |work| work.attempts),
        faults: work.map_or(0, |work| work.faults),
        busy: work.map_or(0.0, |work| work.busy.seconds()),
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
        note: run.end.as_ref().filter(|_| !run.is_open()).and_then(|end| end.note.as_deref()),
    }
}
