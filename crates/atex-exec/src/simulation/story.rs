//! What happens in a simulation, as the records that a run writes.

use std::collections::BTreeMap;
use std::io::Stdout;

use atex_cli::output::{Output, OutputError};
use atex_model::report::{
    Cause, Counts, HostEnd, HostEndReason, HostEndTag, HostStart, HostStartTag, JobEnd, JobEndTag, JobStart,
    JobStartTag, Outcome, TestEnd, TestEndTag, TestStart, TestStartTag,
};
use atex_model::{Connect, Host};
use atex_schedule::{
    Action, AttemptEnd, Ended, Event, HostId, ProvisionerId, Release, Scheduler, TestId, Time, Unrunnable,
};
use atex_simulate::{Summary, Watcher};

use super::input::Cast;

/// The id of a run that never was.
const RUN: &str = "simulated";

/// Writes records as things happen.
pub(super) struct Story<'a> {
    cast: &'a Cast,
    out: &'a mut Output<Stdout>,
    /// What runs: the test, which attempt, since when.
    running: BTreeMap<HostId, (TestId, u32, Time)>,
    ended: BTreeMap<HostId, (TestId, u32, f64, AttemptEnd)>,
    /// Who gave the hosts that were asked for.
    given: BTreeMap<HostId, ProvisionerId>,
    counts: [u64; Outcome::ALL.len()],
    /// The first thing that could not be written: nothing is written after it.
    failed: Option<OutputError>,
}

impl<'a> Story<'a> {
    pub fn new(cast: &'a Cast, out: &'a mut Output<Stdout>) -> Story<'a> {
        let mut story = Story {
            cast,
            out,
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            given: BTreeMap::new(),
            counts: [0; Outcome::ALL.len()],
            failed: None,
        };
        story.say(&JobStart {
            kind: JobStartTag,
            time: stamp(Time(0)),
            run: RUN.into(),
            dir: String::new(),
            version: env!("CARGO_PKG_VERSION").into(),
        });
        story
    }

    fn say<T: serde::Serialize>(&mut self, record: &T) {
        if self.failed.is_none() {
            self.failed = self.out.record(record).err();
        }
    }

    /// The last words. How many tests ended how.
    pub fn end(mut self, summary: &Summary) -> Result<Counts, OutputError> {
        let by_outcome = Outcome::ALL.into_iter().zip(self.counts).filter(|(_, n)| *n > 0);
        let counts: Counts = by_outcome.map(|(outcome, n)| (outcome.as_str().to_owned(), n)).collect();
        self.say(&JobEnd {
            kind: JobEndTag,
            time: stamp(Time(summary.makespan)),
            run: RUN.into(),
            dir: String::new(),
            outcome: counts.keys().next().cloned(),
            counts: counts.clone(),
            unsettled: summary.unsettled,
            seconds: summary.makespan as f64 / 1000.0,
            busy: Some((summary.busy_share() * 1000.0).round() / 1000.0),
            note: None,
        });
        match self.failed {
            None => Ok(counts),
            Some(e) => Err(e),
        }
    }

    /// The record of a host; one that was asked for has no more than a name.
    fn host(&self, id: HostId) -> Host {
        let known = self.cast.hosts.get(id.0 as usize).cloned();
        known.unwrap_or_else(|| {
            let giver = self.given.get(&id).and_then(|of| self.cast.givers.get(of.0 as usize));
            Host::new(format!("{}/{}", giver.map_or("host", String::as_str), id.0), Connect::Local)
        })
    }

    fn host_name(&self, host: HostId) -> String {
        self.host(host).id
    }

    fn event(&mut self, now: Time, event: &Event) {
        match event {
            Event::HostReady { host, is } => {
                if let Some(of) = is.provisioner {
                    self.given.insert(*host, of);
                }
                let record = self.host(*host);
                self.say(&HostStart {
                    kind: HostStartTag,
                    time: stamp(now),
                    run: RUN.into(),
                    host: record.id.clone(),
                    platform: record.label().into(),
                    facts: record.facts.clone(),
                });
            }
            Event::AttemptEnded { host, end } => {
                if let Some((test, attempt, since)) = self.running.remove(host) {
                    let seconds = since_seconds(since, now);
                    self.ended.insert(*host, (test, attempt, seconds, *end));
                }
            }
            _ => {}
        }
    }

    fn action(&mut self, now: Time, action: &Action) {
        match action {
            Action::Start { host, test, attempt } => {
                self.running.insert(*host, (*test, *attempt, now));
                let record = &self.cast.tests[test.0 as usize];
                let start = TestStart {
                    kind: TestStartTag,
                    time: stamp(now),
                    run: RUN.into(),
                    platform: record.label().into(),
                    test: record.name.clone(),
                    attempt: *attempt,
                    host: self.host_name(*host),
                    rerun_of: None,
                };
                self.say(&start);
            }
            Action::Settle { host, .. } => self.ended(now, *host, true),
            Action::Retry { host, .. } => self.ended(now, *host, false),
            Action::Abandon { test, why } => {
                let (outcome, cause) = match why {
                    Unrunnable::NoHost | Unrunnable::Undecided => (Outcome::Infra, Cause::Host),
                    Unrunnable::Setup => (Outcome::Infra, Cause::Own),
                    _ => (Outcome::Skip, Cause::Skipped),
                };
                self.test_end(now, *test, None, (0, 0.0), (outcome, cause), true);
            }
            Action::Release { host, why } => {
                let record = self.host(*host);
                self.given.remove(host);
                self.say(&HostEnd {
                    kind: HostEndTag,
                    time: stamp(now),
                    run: RUN.into(),
                    host: record.id.clone(),
                    platform: record.label().into(),
                    reason: reason(*why),
                    note: None,
                });
            }
            _ => {}
        }
    }

    fn ended(&mut self, now: Time, host: HostId, is_final: bool) {
        let Some((test, attempt, seconds, end)) = self.ended.remove(&host) else { return };
        let how = (Outcome::ALL[end.outcome as usize], cause(end.by));
        self.test_end(now, test, Some(host), (attempt, seconds), how, is_final);
    }

    fn test_end(
        &mut self,
        now: Time,
        test: TestId,
        host: Option<HostId>,
        (attempt, seconds): (u32, f64),
        (outcome, cause): (Outcome, Cause),
        is_final: bool,
    ) {
        let record = &self.cast.tests[test.0 as usize];
        if is_final {
            self.counts[outcome as usize] += 1;
        }
        let end = TestEnd {
            kind: TestEndTag,
            time: stamp(now),
            run: RUN.into(),
            platform: record.label().into(),
            test: record.name.clone(),
            attempt,
            host: host.map(|host| self.host_name(host)),
            outcome,
            cause,
            exit: (cause == Cause::Test).then_some(i64::from(outcome < Outcome::Warn)),
            note: None,
            seconds,
            counts: Counts::new(),
            is_final,
            artifacts: None,
            rerun_of: None,
            waived: None,
        };
        self.say(&end);
    }
}

impl Watcher for Story<'_> {
    fn saw(&mut self, now: Time, event: &Event, actions: &[Action], _: &Scheduler) {
        self.event(now, event);
        actions.iter().for_each(|action| self.action(now, action));
    }
}

fn stamp(time: Time) -> atex_model::Time {
    atex_model::Time(i64::try_from(time.0).unwrap_or(i64::MAX))
}

fn since_seconds(since: Time, now: Time) -> f64 {
    now.left(since) as f64 / 1000.0
}

fn cause(by: Ended) -> Cause {
    match by {
        Ended::ByTest | Ended::Unfit => Cause::Test,
        Ended::ByHost => Cause::Host,
        Ended::ByUs => Cause::Own,
        Ended::Cancelled => Cause::Cancelled,
    }
}

fn reason(why: Release) -> HostEndReason {
    match why {
        Release::Done => HostEndReason::Done,
        Release::Destroyed => HostEndReason::Destroyed,
        Release::Unhealthy => HostEndReason::Unhealthy,
        Release::Lost => HostEndReason::Lost,
        Release::Quarantined => HostEndReason::Quarantined,
        Release::Expired => HostEndReason::Expired,
        Release::Surplus => HostEndReason::Surplus,
        Release::Dropped => HostEndReason::Dropped,
        Release::Cancelled => HostEndReason::Cancelled,
    }
}
