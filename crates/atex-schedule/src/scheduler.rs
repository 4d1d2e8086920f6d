//! The state machine: what it remembers, and who looks after which event.

use std::collections::{BTreeMap, BTreeSet};

use crate::after::{Graph, State};
use crate::class::{ClassId, Need};
use crate::deadline::Late;
use crate::lease::Timers;
use crate::policy::Policy;
use crate::pool::{Doing, Pool};
use crate::provision::Provisioner;
use crate::queue::{Key, Queue};
use crate::tests_table::{Place, TestState, Tests};
use crate::{
    Action, Event, ExpressionId, HostId, HostTraits, Options, Outcome, ProvisionerId, Release, SetupId,
    TestId, TestTraits, Time, Unrunnable, Verdict,
};

/// How a run is being brought to its end before all is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Ending {
    #[default]
    Not,
    /// What runs goes on to its end.
    Draining,
    /// What runs is ended.
    Stopping,
}

/// The state machine. See the crate's documentation.
#[derive(Debug, Default)]
pub struct Scheduler {
    pub(crate) options: Options,
    pub(crate) now: Time,
    pub(crate) queue: Queue,
    pub(crate) tests: Tests,
    pub(crate) pool: Pool,
    pub(crate) graph: Graph,
    pub(crate) provisioners: BTreeMap<ProvisionerId, Provisioner>,
    pub(crate) policy: Policy,
    pub(crate) timers: Timers,
    pub(crate) late: Late,
    pub(crate) input_ended: bool,
    pub(crate) ending: Ending,
    pub(crate) is_paused: bool,
    /// How many tests were settled as failed.
    pub(crate) failed: u64,
    /// Hosts for which there may be something to do.
    pub(crate) free_hosts: BTreeSet<HostId>,
    /// Classes for which there may be an idle host.
    pub(crate) open_classes: BTreeSet<ClassId>,
    /// Some test may have lost its last host.
    pub(crate) supply_changed: bool,
    /// Hosts that were asked for and have just come.
    pub(crate) new_hosts: Vec<HostId>,
    /// What can be given to no host.
    pub(crate) impossible: BTreeSet<SetupId>,
    /// How many tests and hosts have been looked at to choose.
    #[cfg(test)]
    pub(crate) looks: std::cell::Cell<u32>,
}

impl Scheduler {
    /// A scheduler that has seen nothing.
    #[must_use]
    pub fn new(options: Options) -> Scheduler {
        let policy = Policy::new(options.policy);
        Scheduler { options, policy, ..Scheduler::default() }
    }

    /// Nothing runs, nothing waits that could run, nothing will come, no host is held.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let nothing_left = self.ending != Ending::Not || self.input_ended && self.tests.unsettled() == 0;
        nothing_left && self.pool.is_empty()
    }

    /// Whether a test runs; nothing if it is settled, or has never come.
    pub fn is_running(&self, test: TestId) -> Option<bool> {
        Some(matches!(self.tests.get(test)?.place, Place::Running(_)))
    }

    /// Whether hosts are still asked for there: it is not gone, and has not failed too often.
    pub fn is_used(&self, provisioner: ProvisionerId) -> bool {
        self.provisioners.get(&provisioner).is_some_and(Provisioner::is_used)
    }

    /// How many tests have arrived and are not settled.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.tests.unsettled()
    }

    /// Takes an event that happened at this time, and returns what to do about it, in this order.
    pub fn apply(&mut self, now: Time, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        // Clocks are set back; what was decided is not.
        self.now = self.now.max(now);
        self.look_at_timers(&mut actions);
        self.take(event, &mut actions);
        self.settle_down(&mut actions);
        self.set_alarm(&mut actions);
        actions
    }

    fn take(&mut self, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::TestArrived { test, is } => self.test_arrived(test, &is, actions),
            Event::Named { name, test } => {
                let changed = self.graph.named(name, test);
                self.unblock(changed, actions);
            }
            Event::SettledBefore { test, outcome } => {
                let changed = self.graph.settled(test, outcome);
                self.unblock(changed, actions);
            }
            Event::InputEnded => {
                self.input_ended = true;
                self.supply_changed = true;
                self.untie(actions);
            }
            Event::HostExpected { host, is } => self.host_expected(host, &is),
            Event::HostReady { host, is } => self.host_ready(host, &is, actions),
            Event::HostAdopted { host, is, test } => self.host_adopted(host, &is, test, actions),
            Event::SetupEnded { host, end } => self.setup_ended(host, end, actions),
            Event::AttemptEnded { host, end } => self.attempt_ended(host, end, actions),
            Event::HostGone { host } => self.host_gone(host, actions),
            Event::HostMarked { host, mark, is_set } => {
                let Some(marks) = self.pool.get(host).map(|host| host.marks) else { return };
                let marks = self.pool.marks.changed(marks, mark, is_set);
                self.pool.change(host, |host| host.marks = marks);
            }
            Event::Judged { expression, hosts, provisioners } => {
                self.judged(expression, &hosts, &provisioners)
            }
            Event::ProvisionerReady { provisioner, is } => {
                self.describe_provisioner(provisioner, *is);
                self.supply_changed = true;
            }
            Event::ProvisionFailed { provisioner, count, retry } => {
                self.provision_failed(provisioner, count, retry)
            }
            Event::ProvisionerGone { provisioner } => self.provisioner_gone(provisioner),
            Event::Answered { question, answer } => self.answered(question, answer, actions),
            Event::PolicyGone => self.policy_gone(actions),
            Event::Woken => self.timers.forget_alarm(),
            Event::Paused => self.is_paused = true,
            Event::Resumed => {
                self.is_paused = false;
                self.look_at_all();
            }
            Event::Drained => self.end(Ending::Draining, actions),
            Event::Stopped => self.end(Ending::Stopping, actions),
            Event::TestCancelled { test } => self.cancel_test(test, actions),
            Event::TestSkipped { test } => self.skip_test(test, actions),
            Event::HostDropped { host, at_once } => self.drop_host(host, at_once, actions),
            Event::HostHeld { host } => self.hold_host(host),
            Event::HostFreed { host } => self.free_host(host, actions),
            Event::MaxHosts { hosts } => {
                self.options.max_hosts = hosts;
                self.look_at_all();
            }
            Event::MaxOf { provisioner, hosts } => {
                if let Some(of) = self.provisioners.get_mut(&provisioner) {
                    of.set_limit(hosts);
                }
                self.supply_changed = true;
            }
        }
    }

    // ---- Tests ----

    fn test_arrived(&mut self, test: TestId, is: &TestTraits, actions: &mut Vec<Action>) {
        let need = self.queue.need(Need::of(is));
        let class = self.queue.class(need, is, self.options.order);
        let state = TestState {
            class,
            key: Key::new(test, is, self.options.order),
            place: Place::Blocked,
            is_cancelled: false,
            reruns: is.reruns,
            length: is.expected.unwrap_or(is.limit),
            tried: (!is.tried.is_nothing()).then(|| Box::new(is.tried.clone())),
        };
        self.tests.insert(test, state);
        self.queue.demand_of(class).blocked += 1;
        if self.impossible.contains(&is.setup) {
            return self.abandon(test, Unrunnable::Setup, actions);
        }
        let after = self.graph.arrived(test, &is.after);
        if after == State::Blocked && self.input_ended {
            self.untie(actions);
        }
        self.unblock(vec![(test, after)], actions);
    }

    /// Goes on with tests of which it is known now what those have come to that they come after.
    fn unblock(&mut self, changed: Vec<(TestId, State)>, actions: &mut Vec<Action>) {
        for (test, state) in changed {
            match state {
                State::Blocked => {}
                State::Free => self.wait(test),
                State::NotMet(on) => self.abandon(test, Unrunnable::NotMet(on), actions),
            }
        }
    }

    /// Ends tests that come after something that will never be.
    fn untie(&mut self, actions: &mut Vec<Action>) {
        if !self.graph.has_blocked() {
            return;
        }
        for (test, name) in self.graph.nameless() {
            self.abandon(test, Unrunnable::NeverCame(name), actions);
        }
        for (test, on) in self.graph.cycles() {
            self.abandon(test, Unrunnable::Cycle(on), actions);
        }
    }

    /// A test is to wait for a host.
    pub(crate) fn wait(&mut self, test: TestId) {
        let Some(state) = self.tests.get_mut(test) else { return };
        let before = std::mem::replace(&mut state.place, Place::Waiting);
        let (class, retries) = (state.class, self.options.retries(state));
        self.queue.insert(class, state.key, state.failed_on());
        self.no_longer(before, class, retries);
        self.may_become_late(test);
        self.open_classes.insert(class);
        self.supply_changed = true;
    }

    fn no_longer(&mut self, place: Place, class: ClassId, retries: u32) {
        let demand = self.queue.demand_of(class);
        match place {
            Place::Blocked => demand.blocked -= 1,
            Place::Running(_) => {
                demand.running -= 1;
                demand.retries -= retries;
            }
            Place::Waiting => {}
            Place::Late => self.no_longer_late(),
        }
    }

    /// A test that waits is given to a host.
    pub(crate) fn run(&mut self, test: TestId, host: HostId) {
        let Some(state) = self.tests.get_mut(test) else { return };
        let (class, length, retries) = (state.class, state.length, self.options.retries(state));
        state.place = Place::Running(host);
        self.queue.remove(class, state.key, state.failed_on());
        self.no_longer_waits(test, length);
        let demand = self.queue.demand_of(class);
        demand.running += 1;
        demand.retries += retries;
    }

    /// A test ends without (another) attempt.
    pub(crate) fn abandon(&mut self, test: TestId, why: Unrunnable, actions: &mut Vec<Action>) {
        if self.tests.get(test).is_none() {
            return;
        }
        actions.push(Action::Abandon { test, why });
        let outcome = match why {
            Unrunnable::NoHost | Unrunnable::Undecided | Unrunnable::Setup | Unrunnable::Cancelled => {
                Outcome::Infra
            }
            _ => Outcome::Skip,
        };
        self.settled(test, outcome, actions);
    }

    /// A test has its final outcome.
    pub(crate) fn settled(&mut self, test: TestId, outcome: Outcome, actions: &mut Vec<Action>) {
        let Some(state) = self.tests.remove(test) else { return };
        if state.place == Place::Waiting {
            self.queue.remove(state.class, state.key, state.failed_on());
            self.no_longer_waits(test, state.length);
        }
        self.no_longer(state.place, state.class, self.options.retries(&state));
        let changed = self.graph.settled(test, outcome);
        self.unblock(changed, actions);
    }

    // ---- Hosts ----

    fn host_expected(&mut self, id: HostId, is: &HostTraits) {
        if self.pool.get(id).is_none() {
            self.pool.join(id, is, Doing::Coming);
            self.has_come(is);
        }
    }

    fn host_ready(&mut self, id: HostId, is: &HostTraits, actions: &mut Vec<Action>) {
        let before = self.pool.get(id).copied();
        match before {
            None => self.has_come(is),
            Some(host) if host.doing == Doing::Coming => {
                if host.is_dropped {
                    return self.release(id, Release::Dropped, actions);
                }
                self.pool.remove(id);
            }
            Some(_) => return,
        }
        self.pool.join(id, is, Doing::Nothing);
        if before.is_some_and(|host| host.is_held) {
            self.hold_host(id);
        }
        self.free_hosts.insert(id);
        self.watch_lease(id);
        self.has_given(id, is);
    }

    fn host_adopted(&mut self, id: HostId, is: &HostTraits, test: TestId, actions: &mut Vec<Action>) {
        if self.pool.remove(id).is_none() {
            self.has_come(is);
        }
        let waits = self.tests.get(test).filter(|state| state.place == Place::Waiting);
        let Some(setup) = waits.map(|state| self.queue.get(state.class).class.setup) else {
            return self.host_ready(id, is, actions);
        };
        self.pool.join(id, is, Doing::Running(test));
        // The test could not run without what it needs.
        let setups = self.pool.setups.of(vec![setup]);
        self.pool.change(id, |host| (host.setups, host.is_used) = (setups, true));
        self.run(test, id);
        self.watch_lease(id);
    }

    fn host_gone(&mut self, id: HostId, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id).copied() else { return };
        match host.doing {
            Doing::Coming => self.setup_failed(&host),
            Doing::Asked(question) if self.policy.is_about_end(question) => {
                return self.policy.host_lost(question);
            }
            // Reported as ended before; if it was not, the test is not charged for that.
            Doing::Running(test) => {
                actions.push(Action::Retry { test, host: id });
                self.wait(test);
            }
            Doing::SettingUp(_, class) => self.setup_over(class),
            _ => {}
        }
        self.release(id, Release::Lost, actions);
    }

    /// A host leaves the pool.
    pub(crate) fn release(&mut self, id: HostId, why: Release, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.remove(id) else { return };
        self.has_left(&host);
        if let Doing::Asked(question) = host.doing {
            self.policy.forget(question);
        }
        self.timers.forget_host(id);
        self.free_hosts.remove(&id);
        actions.push(Action::Release { host: id, why });
        self.host_left();
    }

    /// A host takes no part in the work any more: tests that keep away from others may have to make do with those.
    pub(crate) fn host_left(&mut self) {
        self.supply_changed = true;
        let choosy = self.queue.active().filter(|(_, queue)| queue.is_choosy());
        let choosy: Vec<ClassId> = choosy.map(|(class, _)| class).collect();
        self.open_classes.extend(choosy);
    }

    fn judged(
        &mut self,
        expression: ExpressionId,
        hosts: &[(HostId, Verdict)],
        provisioners: &[(ProvisionerId, Verdict)],
    ) {
        for (host, verdict) in hosts {
            self.pool.judge(*host, expression, *verdict);
        }
        for (provisioner, verdict) in provisioners {
            if let Some(of) = self.provisioners.get_mut(provisioner) {
                of.judge(expression, *verdict);
            }
        }
        self.supply_changed = true;
        self.look_at_all();
    }

    /// Looks again at whatever waits and whoever is idle.
    pub(crate) fn look_at_all(&mut self) {
        self.free_hosts.extend(self.pool.idle_ids());
    }
}
