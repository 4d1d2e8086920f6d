//! How set-ups and attempts ended, and what follows for the test and for the host.

use crate::class::{ClassId, SetId};
use crate::policy::Asked;
use crate::pool::{Doing, Host};
use crate::scheduler::{Ending, Scheduler};
use crate::{
    Action, AttemptEnd, Ended, HostId, HostIs, Outcome, Release, Settled, SetupEnd, SetupId, TestId,
    Unrunnable,
};

impl Scheduler {
    pub(crate) fn setup_ended(&mut self, id: HostId, end: SetupEnd, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id).copied() else { return };
        let Doing::SettingUp(setup, class) = host.doing else { return };
        self.setup_over(class);
        let setups = match end {
            SetupEnd::Done => self.pool.setups.changed(host.setups, setup, true),
            _ => host.setups,
        };
        self.pool.change(id, |host| (host.doing, host.setups) = (Doing::Nothing, setups));
        match end {
            SetupEnd::HostFailed => {
                self.setup_failed(&host);
                return self.release(id, Release::Unhealthy, actions);
            }
            SetupEnd::Impossible => self.cannot_be_made(setup, actions),
            SetupEnd::Done | SetupEnd::Cancelled => {}
        }
        self.now_idle(id, &host, actions);
    }

    /// A host is not being set up any more for tests of this class.
    pub(crate) fn setup_over(&mut self, class: ClassId) {
        self.queue.get_mut(class).setting_up -= 1;
        self.open_classes.insert(class);
    }

    fn cannot_be_made(&mut self, setup: SetupId, actions: &mut Vec<Action>) {
        self.impossible.insert(setup);
        let classes = self.queue.active().filter(|(_, queue)| queue.class.setup == setup);
        let mut tests: Vec<TestId> = classes.flat_map(|(_, queue)| queue.tests()).collect();
        tests.sort_unstable();
        for test in tests {
            self.abandon(test, Unrunnable::Setup, actions);
        }
    }

    /// A host has ended what it did.
    fn now_idle(&mut self, id: HostId, host: &Host, actions: &mut Vec<Action>) {
        if host.is_dropped {
            return self.release(id, Release::Dropped, actions);
        }
        if host.is_held && self.ending == Ending::Not {
            return;
        }
        self.free_hosts.insert(id);
        self.let_expired_go(id, actions);
    }

    pub(crate) fn attempt_ended(&mut self, id: HostId, end: AttemptEnd, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id).copied() else { return };
        let Doing::Running(test) = host.doing else { return };
        let Some(state) = self.tests.get_mut(test) else { return };
        let tried = state.tried.get_or_insert_default();
        tried.count(end.by, id);
        let mut settled = tried.verdict(end, state.reruns, &self.options);
        if state.is_cancelled {
            settled = Some(if end.by == Ended::Cancelled { Settled::Cancelled } else { Settled::Ended });
        }
        let decides = end.by == Ended::ByTest && !state.is_cancelled && self.ending == Ending::Not;
        self.pool.change(id, |host| host.suspect = suspect_after(host.suspect, end.by, test));
        let is_bad = end.by == Ended::ByHost && host.suspect.is_some_and(|other| other != test);
        let asked = Asked { host: id, test, end, settled, is_bad };
        if decides && self.policy.is_there() {
            return self.ask_rerun(asked, actions);
        }
        self.judge(&asked, actions);
        self.end_on_host(&asked, actions);
    }

    /// The test is settled, or waits again.
    pub(crate) fn judge(&mut self, asked: &Asked, actions: &mut Vec<Action>) {
        let Asked { host, test, end, settled, .. } = *asked;
        match settled {
            Some(why) => {
                actions.push(Action::Settle { test, host, why });
                self.settled(test, end.outcome, actions);
                self.count_failed(end.outcome, actions);
            }
            None => {
                actions.push(Action::Retry { test, host });
                let setup = self.tests.get(test).map(|state| self.queue.get(state.class).class.setup);
                self.wait(test);
                if setup.is_some_and(|setup| self.impossible.contains(&setup)) {
                    self.abandon(test, Unrunnable::Setup, actions);
                }
            }
        }
    }

    fn count_failed(&mut self, outcome: Outcome, actions: &mut Vec<Action>) {
        if matches!(outcome, Outcome::Fail | Outcome::Error) {
            self.failed += 1;
            if self.options.max_failed == Some(self.failed) {
                self.end(Ending::Stopping, actions);
            }
        }
    }

    /// What becomes of the host.
    pub(crate) fn end_on_host(&mut self, asked: &Asked, actions: &mut Vec<Action>) {
        let id = asked.host;
        let Some(host) = self.pool.get(id).copied() else { return };
        if asked.end.host_is == HostIs::Lost {
            return self.release(id, Release::Lost, actions);
        }
        if asked.is_bad {
            return self.release(id, Release::Quarantined, actions);
        }
        let is_spoilt = asked.end.host_is == HostIs::Spoilt;
        let is_replaced = is_spoilt && self.pool.provisioner(&host).is_some();
        if is_replaced && host.is_usable() {
            return self.release(id, Release::Destroyed, actions);
        }
        self.pool.change(id, |host| {
            host.doing = Doing::Nothing;
            host.is_destroyed = is_replaced;
            if is_spoilt {
                host.setups = SetId::EMPTY;
            }
        });
        self.now_idle(id, &host, actions);
    }
}

/// The test under which a host has failed last, if no other has ended well there since.
fn suspect_after(before: Option<TestId>, by: Ended, test: TestId) -> Option<TestId> {
    match by {
        Ended::ByHost => Some(test),
        Ended::ByTest => None,
        Ended::ByUs | Ended::Unfit | Ended::Cancelled => before,
    }
}
