//! How far the run is, in numbers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use atex_model::report::{Cause, Outcome, TestEnd};
use atex_schedule::HostId;

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub input_ended: bool,
    /// Hosts that can be used.
    pub hosts: usize,
    /// Hosts that have been asked for and are not there yet.
    pub awaited: u64,
    /// Tests that were taken in.
    pub tests: u64,
    /// Settled tests by outcome.
    pub settled: [u64; Outcome::ALL.len()],
    pub running: BTreeMap<HostId, Running>,
    /// Tests that are neither settled nor run.
    waiting: Work,
    /// What tests took that earlier runs do not know: others of that kind may be like them.
    unknown_took: (u64, Duration),
}

/// Tests that are still to be run.
#[derive(Debug, Default)]
struct Work {
    /// Of those that earlier runs know.
    expected: Duration,
    /// How many there are that they do not know.
    unknown: u64,
}

impl Work {
    fn add(&mut self, expected: Option<Duration>) {
        match expected {
            Some(expected) => self.expected = self.expected.saturating_add(expected),
            None => self.unknown += 1,
        }
    }

    fn remove(&mut self, expected: Option<Duration>) {
        match expected {
            Some(expected) => self.expected = self.expected.saturating_sub(expected),
            None => self.unknown = self.unknown.saturating_sub(1),
        }
    }
}

/// A test that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub test: String,
    pub host: String,
    pub since: Instant,
    expected: Option<Duration>,
}

impl State {
    pub fn taken_in(&mut self, expected: Option<Duration>) {
        self.tests += 1;
        self.waiting.add(expected);
    }

    pub fn taken_in_unread(&mut self, count: u64) {
        self.tests += count;
        self.waiting.unknown += count;
    }

    pub fn settled_before(&mut self, counts: &[u64; Outcome::ALL.len()]) {
        self.tests += counts.iter().sum::<u64>();
        self.settled = *counts;
    }

    pub fn started(
        &mut self,
        host: HostId,
        test: &str,
        name: &str,
        expected: Option<Duration>,
        since: Instant,
    ) {
        self.waiting.remove(expected);
        let running = Running { test: test.into(), host: name.into(), since, expected };
        self.running.insert(host, running);
    }

    pub fn ended(&mut self, host: Option<HostId>, end: &TestEnd, expected: Option<Duration>) {
        let ran = host.and_then(|host| self.running.remove(&host)).is_some();
        if ran && expected.is_none() && end.cause == Cause::Test {
            let took = Duration::try_from_secs_f64(end.seconds).unwrap_or_default();
            self.unknown_took.0 += 1;
            self.unknown_took.1 = self.unknown_took.1.saturating_add(took);
        }
        match (ran, end.is_final) {
            // It waits again.
            (true, false) => self.waiting.add(expected),
            (false, true) => self.waiting.remove(expected),
            _ => {}
        }
        if end.is_final {
            self.settled[end.outcome as usize] += 1;
        }
    }

    /// How many tests are settled.
    pub fn done(&self) -> u64 {
        self.settled.iter().sum()
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.tests.saturating_sub(self.done()).saturating_sub(self.running.len() as u64)
    }

    /// How many ended so.
    pub fn count(&self, outcomes: &[Outcome]) -> u64 {
        outcomes.iter().map(|outcome| self.settled[*outcome as usize]).sum()
    }

    /// How long it will take until all is done, if that can be known: what is left to do, shared by the hosts that
    /// there are, and no less than the longest of what runs.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        if !self.input_ended || self.hosts == 0 || self.done() >= self.tests {
            return None;
        }
        let unknown = match self.unknown_took {
            (0, _) => None,
            (count, took) => took.checked_div(u32::try_from(count).ok()?),
        };
        let of_unknown = |count: u64| -> Option<Duration> {
            if count == 0 { Some(Duration::ZERO) } else { unknown?.checked_mul(u32::try_from(count).ok()?) }
        };
        let mut longest = Duration::ZERO;
        let mut all = self.waiting.expected.checked_add(of_unknown(self.waiting.unknown)?)?;
        for running in self.running.values() {
            let expected = running.expected.or(unknown)?;
            let left = expected.saturating_sub(now.saturating_duration_since(running.since));
            longest = longest.max(left);
            all = all.checked_add(left)?;
        }
        let hosts = u32::try_from(self.hosts).ok()?;
        Some((all / hosts).max(longest))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use atex_model::Time;
    use atex_model::report::{Counts, TestEndTag};

    pub(in crate::progress) fn end(outcome: Outcome, seconds: f64, is_final: bool) -> TestEnd {
        TestEnd {
            kind: TestEndTag,
            time: Time(0),
            run: "r".into(),
            platform: "default".into(),
            test: "/t".into(),
            attempt: 1,
            host: None,
            outcome,
            cause: Cause::Test,
            exit: Some(0),
            note: None,
            seconds,
            counts: Counts::new(),
            is_final,
            artifacts: None,
            rerun_of: None,
            waived: None,
        }
    }

    fn seconds(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    /// Two hosts and these tests, of which all input has come.
    fn state(tests: &[Option<Duration>]) -> State {
        let mut state = State { hosts: 2, input_ended: true, ..State::default() };
        tests.iter().for_each(|expected| state.taken_in(*expected));
        state
    }

    #[test]
    fn what_is_left_is_shared_by_the_hosts() {
        let now = Instant::now();
        let mut state = state(&[seconds(10), seconds(20), seconds(30), seconds(40)]);
        assert_eq!(state.left(now), seconds(50));
        state.started(HostId(0), "/t", "h", seconds(40), now);
        assert_eq!(state.left(now), seconds(50));
        let later = now + Duration::from_secs(20);
        assert_eq!(state.left(later), seconds(40), "two hosts share 20 + 60");
        assert_eq!(state.left(now + Duration::from_secs(400)), seconds(30), "it takes longer than it should");
        state.ended(Some(HostId(0)), &end(Outcome::Fail, 20.0, false), seconds(40));
        assert_eq!((state.left(later), state.waiting()), (seconds(50), 4), "it waits again");
        for expected in [10, 20, 30] {
            state.ended(None, &end(Outcome::Infra, 0.0, true), seconds(expected));
        }
        assert_eq!((state.left(later), state.waiting(), state.done()), (seconds(20), 1, 3));
        state.started(HostId(1), "/t", "h", seconds(40), later);
        assert_eq!(state.left(later), seconds(40), "no more hosts make it shorter");
    }

    #[test]
    fn tests_that_nobody_knows_are_like_others_that_nobody_knew() {
        let now = Instant::now();
        let mut state = state(&[None, None, None, seconds(6)]);
        assert_eq!(state.left(now), None);
        state.started(HostId(0), "/t", "h", None, now);
        state.ended(Some(HostId(0)), &end(Outcome::Pass, 3.0, true), None);
        assert_eq!(state.left(now), seconds(6));
        state.input_ended = false;
        assert_eq!(state.left(now), None, "more may come");
    }

    #[test]
    fn numbers_that_do_not_fit_do_no_harm() {
        let mut state = state(&[Some(Duration::MAX), Some(Duration::MAX), None]);
        assert_eq!(state.left(Instant::now()), None);
        state.ended(None, &end(Outcome::Pass, f64::INFINITY, true), Some(Duration::MAX));
        state.settled_before(&[u64::MAX / 8; 7]);
        assert_eq!(state.waiting(), 3);
    }
}
