//! Hosts that are only lent, and everything else that happens by the clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::class::MARGIN;
use crate::pool::{Doing, Host};
use crate::scheduler::Scheduler;
use crate::{Action, HostId, Millis, ProvisionerId, Release, Time};

/// What is to be looked at when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A test that waits becomes late.
    Late,
    /// A provisioner that has failed is asked again.
    Again(ProvisionerId),
    /// Half of the time of a host's lease has passed, or all that can be used of it.
    Lease(HostId),
}

/// The timers that run.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    all: BTreeSet<(Time, Timer)>,
    times: BTreeMap<Timer, Time>,
    /// When we will be woken.
    alarm: Option<Time>,
}

impl Timers {
    pub fn set(&mut self, at: Time, timer: Timer) {
        self.forget(timer);
        self.all.insert((at, timer));
        self.times.insert(timer, at);
    }

    fn has(&self, timer: Timer) -> bool {
        self.times.contains_key(&timer)
    }

    fn forget(&mut self, timer: Timer) {
        if let Some(at) = self.times.remove(&timer) {
            self.all.remove(&(at, timer));
        }
    }

    pub fn forget_host(&mut self, host: HostId) {
        self.forget(Timer::Lease(host));
    }

    /// We have been woken: whoever does that has no alarm any more.
    pub fn forget_alarm(&mut self) {
        self.alarm = None;
    }
}

impl Scheduler {
    /// Does what was to be done by now.
    pub(crate) fn look_at_timers(&mut self, actions: &mut Vec<Action>) {
        while let Some((at, timer)) = self.timers.all.first().copied()
            && at <= self.now
        {
            self.timers.forget(timer);
            match timer {
                // That is looked at whenever anything happens.
                Timer::Late => {}
                Timer::Again(provisioner) => self.ask_again(provisioner),
                Timer::Lease(host) => self.extend_on(host, at, actions),
            }
        }
    }

    /// Sees to it that we are woken in time.
    pub(crate) fn set_alarm(&mut self, actions: &mut Vec<Action>) {
        let Some((at, _)) = self.timers.all.first().copied() else { return };
        if self.timers.alarm != Some(at) {
            self.timers.alarm = Some(at);
            actions.push(Action::WakeAt { at });
        }
    }

    /// Whether a host's lease can be extended.
    pub(crate) fn extends(&self, host: &Host) -> bool {
        let provisioner = self.pool.provisioner(host).and_then(|id| self.provisioners.get(&id));
        provisioner.is_some_and(|provisioner| provisioner.can_extend())
    }

    /// A host has come that may have a lease.
    pub(crate) fn watch_lease(&mut self, id: HostId) {
        let Some(host) = self.pool.get(id).copied() else { return };
        let Some(until) = host.until else { return };
        let at = if self.extends(&host) {
            self.now.after(until.left(self.now) / 2)
        } else {
            Time(until.0.saturating_sub(MARGIN))
        };
        self.timers.set(at, Timer::Lease(id));
    }

    /// What is done on a host has changed: its lease, which nobody may have looked at any more, is of interest again.
    pub(crate) fn keep_watching_lease(&mut self, id: HostId) {
        if !self.timers.has(Timer::Lease(id)) {
            self.watch_lease(id);
        }
    }

    /// A test that takes so long is going to run there.
    pub(crate) fn extend_for(&mut self, id: HostId, length: Millis, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id).copied() else { return };
        let enough = self.now.after(length.saturating_add(MARGIN));
        if host.until.is_some_and(|until| until < enough) && self.extends(&host) {
            self.extend(id, self.now.after(length.saturating_add(MARGIN).saturating_mul(2)), actions);
        }
    }

    fn extend(&mut self, id: HostId, until: Time, actions: &mut Vec<Action>) {
        self.pool.change(id, |host| host.until = Some(until));
        actions.push(Action::Extend { host: id, until });
        self.watch_lease(id);
    }

    fn extend_on(&mut self, id: HostId, was_due: Time, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id).copied() else { return };
        let Some(until) = host.until else { return };
        let is_needed = host.is_held || matches!(host.doing, Doing::Running(_) | Doing::SettingUp(..));
        if self.extends(&host) && is_needed {
            // As much again as there was at the last time.
            let length = until.left(was_due).saturating_mul(2).max(MARGIN);
            self.extend(id, self.now.after(length), actions);
        } else {
            self.let_expired_go(id, actions);
        }
    }

    /// Releases a host that is idle if nothing can be begun there any more.
    pub(crate) fn let_expired_go(&mut self, id: HostId, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id).copied().filter(Host::is_idle) else { return };
        if self.most(&host) == Some(0) {
            self.release(id, Release::Expired, actions);
        }
    }
}
