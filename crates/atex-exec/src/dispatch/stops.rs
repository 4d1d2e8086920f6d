//! What ends a run before all is done, beside people: a deadline, and failures.

use atex_cli::Exit;
use atex_model::Time;
use atex_model::report::Outcome;
use nix::sys::signal::Signal;

use super::{Dispatcher, attempts::exit_of, moment};

impl Dispatcher {
    /// When something happens by the clock.
    pub(super) fn next_alarm(&self) -> Option<atex_schedule::Time> {
        let deadline = self.config.stops.deadline.filter(|_| !self.stopping);
        let held = self.held.first().map(|(until, _)| *until);
        [self.alarm, deadline, held].into_iter().flatten().min()
    }

    /// Does what was to be done by now.
    pub(super) fn look_at_clock(&mut self) {
        if let Some(deadline) = self.config.stops.deadline.filter(|at| *at <= moment() && !self.stopping) {
            log::warn!("the deadline has come: ending what runs");
            let deadline = Time(i64::try_from(deadline.0).unwrap_or(i64::MAX));
            self.stop(format!("deadline {deadline} reached"));
        }
        self.free_by_clock();
    }

    /// A test has this outcome for good.
    pub(super) fn count_failed(&mut self, outcome: Outcome) {
        if exit_of(outcome) != Exit::Failed {
            return;
        }
        self.failed += 1;
        if self.config.stops.max_fail == Some(self.failed) && !self.stopping {
            log::warn!("{} tests have failed (--max-fail): ending what runs", self.failed);
            self.stop(format!("{} tests have failed (--max-fail)", self.failed));
        }
    }

    /// Leaves tests that run to their hosts, and hosts to whoever goes on with the run.
    pub(super) fn leave(&mut self, signal: Signal) {
        let running = self.hosts.values().filter(|entry| entry.running.is_some() && !entry.lost).count();
        let orphan = atex_control::format_duration(self.config.waits.orphan);
        let dir = self.dir.path.display();
        log::warn!(
            "{signal}: leaving; {running} tests go on on their hosts, and are ended there after {orphan} (--orphan-timeout)"
        );
        log::warn!("--resume {dir} goes on with the run, from where they are then");
        self.stop_hooks = None;
        self.pool.stop_hooks();
        (self.stopping, self.is_left) = (true, true);
    }

    /// For those who wonder why a run has ended before its deadline.
    pub(super) fn say_late(&mut self) {
        let late = self.scheduler.late();
        if late > 0 {
            let why =
                format!("{late} tests were not begun: they take longer than was left until the deadline");
            log::warn!("{why}");
            self.why_stopped.get_or_insert(why);
        }
    }

    /// What is left to do and why, if not all was done.
    pub(super) fn why_unsettled(&self) -> Option<String> {
        let left = match self.unsettled() {
            0 if self.tests.has_ended() => return None,
            0 => "the input had not ended".to_owned(),
            1 => "1 test is not settled".to_owned(),
            n => format!("{n} tests are not settled"),
        };
        let why = self.why_stopped.as_deref().unwrap_or("not all was run");
        Some(format!("stopped: {why}; {left}; continue with atex-exec --resume {}", self.dir.path.display()))
    }
}
