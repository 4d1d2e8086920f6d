//! Going on with a run of which nothing but its directory is left.
//!
//! Tests that are settled stay so. Hosts that were in use are connected to again under the numbers that they had,
//! and so find their directories; what a host was doing goes on, or is ended and tried again.

use std::collections::BTreeMap;

use atex_cli::{Exit, Failure, input::Lines, input::reason, now};
use atex_model::Test;
use atex_model::artifacts::attempt_dir;
use atex_model::report::{Cause, JobResume, JobResumeTag, Outcome, TestStart, TestStartTag};
use atex_schedule::{AttemptEnd, Event, HostId, HostIs, Release, SetupId, TestId};
use crossbeam_channel::Sender;

use super::attempts::{ended_by, outcome_of};
use super::provision::{Adopted, Leases, Provisioned};
use super::{Dispatcher, Ears, arrivals::Outcomes, hold::Held, hosts::HostEntry};
use crate::adoption::Adoption;
use crate::attempt::{Done, Job};
use crate::catalog::KnownLines;
use crate::hosts_file::{From, TakenIn};
use crate::packer::Asked;
use crate::past::{Past, PastHost, PastTest, Progress};
use crate::plan::Steps;
use crate::pool::Order;
use crate::run_dir::{DAMAGED, trouble};

/// What earlier lives of the run have left. Nothing, if there were none.
#[derive(Default)]
pub(super) struct Before {
    resumed: bool,
    /// How many there were.
    pub lives: u32,
    /// Standard input is read.
    stdin: bool,
    /// A line has come that is no host's.
    pub input_heard: bool,
    /// How many records have come again.
    pub repeated: u64,
    /// Lines that were handed on.
    pub lines: KnownLines,
    /// How long the run was at work.
    pub seconds: f64,
    /// It is not known yet which of its hosts it still has.
    pub awaits_hosts: bool,
    /// How tests were settled.
    outcomes: Outcomes,
}

impl Before {
    pub fn new(resumed: bool, sources: &[Lines]) -> Before {
        let stdin = sources.iter().any(|source| source.name() == Lines::stdin().name());
        Before { resumed, stdin, ..Before::default() }
    }
}

impl Before {
    /// How a test was settled, if it was.
    pub fn outcome_of(&self, test: TestId) -> Option<Outcome> {
        self.outcomes.of(test)
    }
}

/// What a run that is resumed lacks if its hosts were handed on.
pub(super) const LACKS_HOSTS: &str = "there is no host to go on with";

/// What is known of a host's id.
pub(super) enum KnownHost {
    /// It is a new one, or one of an earlier life that was handed on and is given again.
    No,
    /// It is in use since an earlier life.
    Before,
    /// It has come in this life.
    Twice,
}

/// What runs on a host: the test and which attempt at it.
type Running = BTreeMap<u32, (TestId, u32)>;

impl Dispatcher {
    /// Puts the run into the state in which it was.
    pub(super) fn come_back(&mut self, past: Past, provisioned: &Sender<Provisioned>, ears: &Ears) {
        let Past { tests, hosts, to_hand_on, leases, adopters, input_ended, incomplete, exit, .. } = past;
        (self.identities, self.setups) = (past.identities, past.setups);
        (self.counts, self.host_seconds) = (past.counts, past.host_seconds);
        (self.before.lines, self.before.seconds, self.before.lives) = (past.lines, past.seconds, past.lives);
        self.progress.settled_before(&self.counts);
        self.exit = if input_ended && incomplete { exit.max(Exit::Trouble) } else { exit };
        if self.before.lives == 0 {
            // It was killed before it could say that it had begun.
            self.say_begun();
        } else {
            self.record(&JobResume {
                kind: JobResumeTag,
                time: self.started.0,
                run: self.dir.id.clone(),
                dir: self.dir.path.to_string_lossy().into_owned(),
                version: env!("CARGO_PKG_VERSION").into(),
            });
            self.say_options();
        }
        past.last_ended.values().for_each(|artifacts| self.settle(artifacts));
        let settled = tests.iter().map(|test| match test.now {
            Progress::Settled(outcome) => Some(outcome),
            _ => None,
        });
        self.before.outcomes = Outcomes(settled.collect());
        self.setups_again();
        let in_use = hosts.iter().filter(|host| !host.gone).map(|host| host.taken.host.id.as_str()).collect();
        self.start_provisioners(leases, &in_use, &adopters, provisioned);
        let Adopted { leases, said, postponed } = self.wait_for_adoptions(&tests, &hosts, ears);
        if self.is_left {
            return;
        }
        let running = self.tests_again(&tests);
        self.hosts_again(hosts, to_hand_on, leases);
        self.attempts_again(&tests, running);
        self.cancelled_again(&tests);
        self.local_hosts_again();
        self.take_provisioned(said);
        self.catch_up(postponed);
        if self.open_sources == 0 {
            self.input_ended();
        }
    }

    /// What no test needs any more is not made again.
    fn setups_again(&mut self) {
        for n in 0..self.setups.len() {
            let setup = SetupId(n);
            let steps = match Steps::read(self.setups.plan(setup).as_ref()) {
                Ok(steps) => steps,
                Err(problem) => return self.refuse(&Failure::usage(problem).hint(DAMAGED)),
            };
            if let Err(e) = self.packer.add_later(self.setups.tree(setup), steps) {
                return self.refuse(&Failure::trouble(format!("cannot start a thread: {}", reason(&e))));
            }
        }
    }

    fn tests_again(&mut self, tests: &[PastTest]) -> Running {
        let mut running = Running::new();
        for (n, past) in (0..).zip(tests) {
            let PastTest { mut tried, now, .. } = past.clone();
            match now {
                Progress::Settled(_) => continue,
                Progress::Waiting => {}
                Progress::Running { host, attempt } => {
                    tried.attempts = attempt.saturating_sub(1);
                    running.insert(host, (TestId(n), attempt));
                }
            }
            let test = match self.tests.get(TestId(n)) {
                Ok(test) => test,
                Err(e) => {
                    self.cannot_store(&trouble(&self.dir.tests(), &e));
                    break;
                }
            };
            self.progress.taken_in(&test);
            match self.wishes.of(&test, &self.config.history) {
                Ok(wish) => self.arrive(TestId(n), &test, wish, tried),
                Err(problem) => {
                    let message = format!("test {}: {problem}", test.name.escape_debug());
                    self.refuse(&Failure::usage(message).hint(DAMAGED));
                    break;
                }
            }
        }
        running
    }

    /// Shows that an attempt of an earlier life still runs, as far as is known.
    pub(super) fn goes_on(&mut self, host: HostId, test: &Test, attempt: u32) {
        let name = self.entry(host).record.id.clone();
        self.progress.started(
            host,
            &TestStart {
                kind: TestStartTag,
                time: now(),
                run: self.dir.id.clone(),
                platform: test.label().into(),
                test: test.name.clone(),
                attempt,
                host: name,
                rerun_of: test.rerun_of.clone(),
            },
        );
    }

    fn hosts_again(&mut self, hosts: Vec<PastHost>, to_hand_on: Option<u32>, mut leases: Leases) {
        for (n, past) in (0..).zip(hosts) {
            let PastHost { taken: TakenIn { from, line, mut host, .. }, mut gone, held, .. } = past;
            let (mut provisioner, mut is_lost) = (None, false);
            if from == From::Provisioner && !gone {
                match leases.shift_remove(&host.id) {
                    Some((of, now)) => (provisioner, host) = (Some(of), now),
                    None => (gone, is_lost) = (true, true),
                }
            }
            let mut line = Some(line).filter(|_| from == From::Input);
            if gone {
                // It left the pool, and we died before it was handed on.
                if let Some(line) = line.take().filter(|_| to_hand_on == Some(n)) {
                    self.pass_on(&line);
                }
            }
            let released = is_lost.then_some(Release::Cancelled);
            let held = held.filter(|_| !gone).map(Held::again);
            let entry =
                HostEntry { again: true, gone, provisioner, released, held, ..HostEntry::new(host, line) };
            self.enter(entry);
        }
    }

    /// Connects to the hosts that are in use still, those first that were running something.
    fn attempts_again(&mut self, tests: &[PastTest], running: Running) {
        for (host, (id, attempt)) in running {
            let host = HostId(host);
            if self.entry(host).gone {
                self.cut_short(host, id, attempt);
                continue;
            }
            match self.tests.get(id) {
                Ok(test) => {
                    self.goes_on(host, &test, attempt);
                    let artifacts = self.dir.path.join(attempt_dir(test.label(), &test.name, attempt));
                    let job = Job { test: test.clone(), attempt, run: self.dir.id.clone(), artifacts };
                    let entry = self.entry(host);
                    entry.running = Some((id, attempt, test));
                    entry.adopting = Some(Box::new(job));
                }
                Err(e) => return self.cannot_store(&trouble(&self.dir.tests(), &e)),
            }
            let is = self.traits(host);
            self.apply(Event::HostAdopted { host, is, test: id });
            // It may be joined only after the input has ended.
            self.used_hosts += 1;
            self.adopt(host, tests[id.0 as usize].setup);
        }
        for n in 0..self.hosts.len() {
            let host = HostId(u32::try_from(n).expect("they were numbered in 32 bits"));
            let entry = self.entry(host);
            if !entry.gone && entry.running.is_none() {
                self.join(host, None);
            } else if entry.gone && entry.released.is_some() {
                self.host_ended(host);
            }
            self.hold_again(host);
        }
    }

    /// Does what was decided before we died, and had not come to its end.
    fn cancelled_again(&mut self, tests: &[PastTest]) {
        for (n, past) in (0..).zip(tests) {
            if past.is_cancelled && !matches!(past.now, Progress::Settled(_)) {
                self.apply(Event::TestCancelled { test: TestId(n) });
            }
        }
    }

    /// An attempt's host was given back when we died: it is not there any more, and the attempt counts for nothing.
    fn cut_short(&mut self, host: HostId, id: TestId, attempt: u32) {
        let test = match self.tests.get(id) {
            Ok(test) => test,
            Err(e) => return self.cannot_store(&trouble(&self.dir.tests(), &e)),
        };
        let note = "cut short when atex-exec ended, and its host given back".to_owned();
        // A stop is charged to nobody, nor is what it did not wait for.
        let cause = if self.stopping { Cause::Cancelled } else { Cause::Own };
        let entry = self.entry(host);
        (entry.running, entry.gone) = (Some((id, attempt, test)), false);
        entry.ended = Some(Box::new(Done::cut(cause, note)));
        let is = self.traits(host);
        self.apply(Event::HostAdopted { host, is, test: id });
        let (by, host_is) = (ended_by(cause), HostIs::Lost);
        let end = AttemptEnd { by, is_bad_exit: true, outcome: outcome_of(Outcome::Infra), host_is };
        self.apply(Event::AttemptEnded { host, end });
        // If the test did not wait, the host is there without it.
        self.apply(Event::HostGone { host });
    }

    /// Those of `--local` are nobody's but ours: they can always be used again.
    fn local_hosts_again(&mut self) {
        for n in 1..=self.config.local {
            match self.hosts.get_full_mut(&format!("local/{n}")) {
                Some((at, _, entry)) if entry.gone => {
                    entry.gone = false;
                    self.join(HostId(u32::try_from(at).expect("they were numbered in 32 bits")), None);
                }
                Some(_) => {}
                None => self.local_host(n),
            }
        }
    }

    /// Joins a host that was running something, once what it has been given for that is known.
    pub(super) fn adopt(&mut self, host: HostId, setup: SetupId) {
        let (setup, is_whole) = match self.packer.ask(setup, host, false) {
            Asked::Ready(setup) => (setup, true),
            Asked::Later => return,
            // What runs has it all the same.
            Asked::Impossible => (self.packer.without_files(setup), false),
        };
        let entry = self.entry(host);
        entry.spoilt = !is_whole;
        if let Some(job) = entry.adopting.take() {
            self.join(host, Some(Box::new(Adoption { setup, is_whole, job, end_by: None })));
            if self.stopping || std::mem::take(&mut self.entry(host).is_cancelled) {
                self.pool.order(host, Order::Cancel);
            }
        }
    }

    /// Ends what a host does, or will do as soon as it is joined.
    pub(super) fn cancel(&mut self, host: HostId) {
        let entry = self.entry(host);
        if entry.adopting.is_some() {
            entry.is_cancelled = true;
        } else {
            self.pool.order(host, Order::Cancel);
        }
    }

    /// Removes an attempt's directory of which the journal does not know: the power failed before its start
    /// was on disk, and so nobody has heard of it.
    pub(super) fn remove_unknown(&self, job: &Job) {
        if self.before.resumed && job.artifacts.exists() {
            log::warn!("{}: made again", job.artifacts.display());
            if let Err(e) = std::fs::remove_dir_all(&job.artifacts) {
                // The attempt will say why it cannot be made.
                log::warn!("{}: {}", job.artifacts.display(), reason(&e));
            }
        }
    }

    // ---- Input ----

    pub(super) fn known(&self, host: &str) -> KnownHost {
        match self.hosts.get(host) {
            None => KnownHost::No,
            Some(entry) if entry.gone && !entry.lost => KnownHost::No,
            Some(entry) if entry.again => KnownHost::Before,
            Some(_) => KnownHost::Twice,
        }
    }

    /// Whether the input, which has ended now, was cut off before: its rest was not given again.
    pub(super) fn is_input_cut(&self) -> bool {
        let Before { resumed, stdin, input_heard, .. } = self.before;
        resumed && !self.tests.has_ended() && !(stdin && input_heard)
    }

    pub(super) fn say_input_cut(&mut self) {
        let message =
            format!("the input was cut: of its tests, {} are known, and no others are run", self.tests.len());
        Failure::trouble(&message).hint("give --resume the same input again").report(crate::TOOL);
        self.why_stopped.get_or_insert(message);
        self.exit = self.exit.max(Exit::Stopped);
    }

    /// Whether the run is without any host for what is left to do.
    pub(super) fn lacks_hosts(&self) -> bool {
        let settled: u64 = self.counts.iter().sum();
        let left = self.tests.len() as u64 > settled;
        left && self.before.resumed && self.used_hosts == 0 && self.givers.is_empty()
    }

    pub(super) fn say_lacks_hosts(&mut self) {
        let hint = "its hosts were handed on when it was stopped: give them again by --hosts FILE";
        self.complain(&Failure::usage(LACKS_HOSTS).hint(hint));
    }

    /// For those who wonder why their input changes nothing.
    pub(super) fn say_repeated(&self) {
        if self.before.repeated > 0 {
            log::info!("{} records of the input were known", self.before.repeated);
        }
    }
}
