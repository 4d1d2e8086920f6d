//! Tests: attempts at them, and how they end.

use atex_cli::{Exit, Failure, now};
use atex_model::report::{
    Cause, Counts, Outcome, TestEnd, TestEndTag, TestNote, TestNoteTag, TestStart, TestStartTag,
};
use atex_model::{Connect, Test, artifacts::attempt_dir};
use atex_schedule::{AttemptEnd, Ended, Event, HostId, HostIs, Settled, TestId, Unrunnable};

use super::{Dispatcher, hosts::HostEntry};
use crate::artifacts;
use crate::attempt::{Done, Job};
use crate::catalog::is_destructive;
use crate::journal::{LIVE_RESULTS, LiveResults};
use crate::pool::Order;
use crate::run_dir::trouble;

impl Dispatcher {
    pub(super) fn start(&mut self, host: HostId, id: TestId, attempt: u32) {
        let test = match self.tests.get(id) {
            Ok(test) => test,
            Err(e) => {
                // Without its record there is neither a name to report nor a command to run.
                self.cannot_store(&trouble(&self.dir.tests(), &e));
                let end = attempt_end(Ended::Cancelled, None, Outcome::Infra, HostIs::Fine);
                return self.apply(Event::AttemptEnded { host, end });
            }
        };
        let setup = self.setups.id(&test).0;
        let artifacts = attempt_dir(test.label(), &test.name, attempt);
        let run = self.dir.id.clone();
        let name = self.entry(host).record.id.clone();
        let start = TestStart {
            kind: TestStartTag,
            time: now(),
            run: run.clone(),
            platform: test.label().into(),
            test: test.name.clone(),
            attempt,
            host: name,
            rerun_of: test.rerun_of.clone(),
        };
        self.record(&start);
        self.progress.started(host, &start);
        self.entry(host).running = Some((id, attempt, test.clone()));
        let job = Box::new(Job { test, attempt, run, artifacts: self.dir.path.join(artifacts) });
        self.remove_unknown(&job);
        let needs = self.setups.needs(setup);
        self.pool.order(host, Order::Start { setup, job, needs });
    }

    pub(super) fn note(&mut self, host: HostId, note: String) {
        let Some((_, _, test)) = &self.entry(host).running else { return };
        let (platform, test) = (test.label().to_owned(), test.name.clone());
        let run = self.dir.id.clone();
        self.record(&TestNote { kind: TestNoteTag, time: now(), run, platform, test, note });
    }

    /// There are results of the test that runs there, up to this length of their file.
    pub(super) fn results(&mut self, host: HostId, length: u64) {
        let entry = self.entry(host);
        let host = entry.record.id.clone();
        let Some((_, attempt, test)) = &entry.running else { return };
        let (attempt, platform, test) = (*attempt, test.label().to_owned(), test.name.clone());
        let run = self.dir.id.clone();
        self.record(&LiveResults {
            kind: LIVE_RESULTS.into(),
            time: now(),
            run,
            platform,
            test,
            attempt,
            host,
            length,
        });
    }

    pub(super) fn attempt_ended(&mut self, host: HostId, done: Box<Done>, lost: bool) {
        let entry = self.entry(host);
        let running = entry.running.as_ref();
        let spoils = entry.spoilt || running.is_some_and(|(_, _, test)| is_destructive(test));
        let keep = done.cause == Cause::Test && self.config.keep_host_on.has(done.exit) && !spoils;
        let host_is = match (lost, keep) {
            (true, _) => HostIs::Lost,
            (false, true) => HostIs::Fine,
            (false, false) => HostIs::Spoilt,
        };
        let end = ended_by(done.cause);
        if lost {
            self.host_trouble(host, done.note.clone().unwrap_or_default());
            self.entry(host).lost = true;
            self.no_facts(host);
        }
        let not_stored = done.note.clone().filter(|_| done.storage_failed);
        let end = attempt_end(end, done.exit, done.outcome, host_is);
        let entry = self.entry(host);
        entry.busy += done.seconds;
        entry.ended = Some(done);
        self.remember_end(host);
        if let Some(done) = self.entry(host).ended.take() {
            self.hold_perhaps(host, &done, lost);
            self.entry(host).ended = Some(done);
        }
        self.apply(Event::AttemptEnded { host, end });
        if let Some(problem) = not_stored {
            let hint = "make room there (or raise the limit it tells of), or put runs elsewhere with --run-dir; what was stored before is whole";
            self.cannot_store(&Failure::trouble(problem).hint(hint));
        }
    }

    /// The host lacks what the test needs. Others are no better: they have been told the same.
    pub(super) fn unfit(&mut self, host: HostId, done: Box<Done>) {
        let end = attempt_end(Ended::Unfit, done.exit, done.outcome, HostIs::Fine);
        self.entry(host).ended = Some(done);
        self.apply(Event::AttemptEnded { host, end });
    }

    /// Writes down how the attempt ended that the scheduler has just judged.
    pub(super) fn judged(&mut self, host: HostId, settled: Option<Settled>) {
        let entry = self.entry(host);
        let Some(mut done) = entry.ended.take() else { return };
        let is_final = settled.is_some();
        if settled == Some(Settled::KillsHosts) {
            let note = done.note.take().map_or(String::new(), |note| format!(": {note}"));
            done.note =
                Some(format!("kills hosts: two have failed under it, and it is given no third{note}"));
        }
        let name = entry.record.id.clone();
        let Some((_, attempt, test)) = entry.running.take() else { return };
        let artifacts = attempt_dir(test.label(), &test.name, attempt);
        let end = TestEnd {
            kind: TestEndTag,
            time: now(),
            run: self.dir.id.clone(),
            platform: test.label().into(),
            attempt,
            host: Some(name),
            outcome: done.outcome,
            cause: done.cause,
            exit: done.exit,
            note: done.note,
            seconds: round(done.seconds),
            counts: done.counts,
            is_final,
            artifacts: Some(artifacts.clone()),
            test: test.name,
            rerun_of: test.rerun_of,
            waived: None,
        };
        self.test_end(Some(host), &end);
        if !self.storage_failed {
            self.settle(&artifacts);
        }
        self.hold_or_not(host, &end);
    }

    /// The end of an attempt is on record.
    pub(super) fn settle(&self, artifacts: &str) {
        if let Err(trouble) = artifacts::settle(&self.dir.path.join(artifacts)) {
            log::warn!("{trouble}");
        }
    }

    /// A test ends without an attempt.
    pub(super) fn abandon(&mut self, id: TestId, why: Unrunnable) {
        let Ok(test) = self.tests.get(id) else { return };
        let (outcome, cause, note) = match why {
            Unrunnable::Setup => {
                let problem =
                    self.packer.problem(self.setups.id(&test).0).unwrap_or("its files cannot be had");
                (Outcome::Infra, Cause::Own, problem.to_owned())
            }
            Unrunnable::NoHost | Unrunnable::Undecided => {
                (Outcome::Infra, Cause::Host, self.why_no_host(&test))
            }
            Unrunnable::Cancelled => (Outcome::Infra, Cause::Cancelled, "cancelled".into()),
            _ => (Outcome::Skip, Cause::Skipped, self.why_skipped(why)),
        };
        self.test_end(
            None,
            &TestEnd {
                kind: TestEndTag,
                time: now(),
                run: self.dir.id.clone(),
                platform: test.label().into(),
                test: test.name,
                attempt: 0,
                host: None,
                outcome,
                cause,
                exit: None,
                note: Some(note),
                seconds: 0.0,
                counts: Counts::new(),
                is_final: true,
                artifacts: None,
                rerun_of: test.rerun_of,
                waived: None,
            },
        );
    }

    pub(super) fn why_no_host(&self, test: &Test) -> String {
        let label = test.platform.as_deref();
        let fitting =
            || self.hosts.values().filter(|host| label.is_none_or(|label| host.record.label() == label));
        if is_destructive(test) && fitting().any(|host| host.record.connect == Connect::Local) {
            return "no host matches: a test tagged `destructive` is not run on a local host".into();
        }
        let missing = fitting().find_map(|host| {
            let facts = self.wishes.missing(test, &host.record);
            (!facts.is_empty()).then(|| (facts.join("`, `"), host.record.id.escape_debug()))
        });
        if let Some((facts, host)) = missing {
            return format!(
                "no host matches: `extra-host` cannot be decided, as `{facts}` of host {host} is not known"
            );
        }
        let suits = |host: &&HostEntry| self.wishes.suits(test, &host.record);
        if let Some(problem) = fitting().filter(suits).find_map(|host| host.trouble.as_deref()) {
            return format!("no host is left that could run it: {problem}");
        }
        if let Some(why) = self.why_not_provisioned() {
            return why;
        }
        if fitting().filter(suits).any(|host| !host.gone && host.released.is_none()) {
            return "no host matches: those that would do are lent for too short a time".into();
        }
        if let Some(host) = fitting().rfind(suits) {
            let id = host.record.id.escape_debug();
            return format!("no host is left that could run it: {id}, the last one, has left the pool");
        }
        match test.data.get("extra-host").and_then(|text| text.as_str()) {
            Some(text) => format!("no host matches `{}`", text.escape_debug()),
            None => format!("no host matches platform `{}`", test.label().escape_debug()),
        }
    }

    fn why_skipped(&self, why: Unrunnable) -> String {
        let name = |id: TestId| {
            self.tests.get(id).map_or(String::new(), |test| test.name.escape_debug().to_string())
        };
        match why {
            Unrunnable::NeverCame(id) => {
                format!("comes after `{}`, which never came", self.wishes.text_of(id).escape_debug())
            }
            Unrunnable::NotMet(id) => format!("comes after `{}`, which did not end as it should", name(id)),
            Unrunnable::Cycle(id) => format!("comes after itself, by way of `{}`", name(id)),
            _ => "skipped, as somebody asked for it".into(),
        }
    }

    pub(super) fn test_end(&mut self, host: Option<HostId>, end: &TestEnd) {
        log::info!(
            "{}: {}{}",
            end.test.escape_debug(),
            end.outcome,
            if end.is_final { "" } else { ", to be tried again" }
        );
        if end.is_final {
            self.counts[end.outcome as usize] += 1;
            self.exit = self.exit.max(exit_of(end.outcome));
        }
        self.record(end);
        self.progress.ended(host, end);
        if end.is_final {
            self.count_failed(end.outcome);
        }
    }
}

/// What the cause of an attempt's end is to the scheduler.
pub(crate) fn ended_by(cause: Cause) -> Ended {
    match cause {
        Cause::Test | Cause::Skipped => Ended::ByTest,
        Cause::Host => Ended::ByHost,
        Cause::Own => Ended::ByUs,
        Cause::Cancelled => Ended::Cancelled,
    }
}

fn attempt_end(by: Ended, exit: Option<i64>, outcome: Outcome, host_is: HostIs) -> AttemptEnd {
    AttemptEnd { by, is_bad_exit: exit != Some(0), outcome: outcome_of(outcome), host_is }
}

/// What an outcome is to the scheduler.
pub(crate) fn outcome_of(outcome: Outcome) -> atex_schedule::Outcome {
    use atex_schedule::Outcome as Its;
    match outcome {
        Outcome::Infra => Its::Infra,
        Outcome::Error => Its::Error,
        Outcome::Fail => Its::Fail,
        Outcome::Warn => Its::Warn,
        Outcome::Pass => Its::Pass,
        Outcome::Info => Its::Info,
        Outcome::Skip => Its::Skip,
    }
}

/// What the outcome of a test means for the exit status.
pub(crate) fn exit_of(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Infra => Exit::Trouble,
        Outcome::Error | Outcome::Fail => Exit::Failed,
        _ => Exit::Done,
    }
}

/// To a millisecond, as times are.
pub(super) fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
