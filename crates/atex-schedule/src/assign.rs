//! Brings tests and idle hosts together, and lets go of hosts that are not needed.
//!
//! Between two events no idle host could be given a test that waits. So an event concerns only hosts that it made idle
//! (`free_hosts`) and classes for which there is more to do than before (`open_classes`).

use std::collections::HashMap;

use crate::class::ClassId;
use crate::pool::{Doing, Host, IdleKey, KindId};
use crate::queue::Demand;
use crate::scheduler::{Ending, Scheduler};
use crate::{Action, HostId, Release, TestId, Unrunnable, Verdict};

impl Scheduler {
    /// Does all that follows from what has just changed.
    pub(crate) fn settle_down(&mut self, actions: &mut Vec<Action>) {
        self.put_late_aside(actions);
        loop {
            self.count_reach();
            self.assign(actions);
            self.look_at_new_hosts();
            // While the hosts are there of which it is not known whether they would have done.
            if self.give_up(actions) {
                continue;
            }
            self.let_go(actions);
            if !self.give_up(actions) {
                break;
            }
        }
        let wants = self.wants();
        // Before hosts are given back, so that nobody makes new ones in their place.
        let at = actions.iter().position(|action| matches!(action, Action::Release { .. }));
        let at = at.unwrap_or(actions.len());
        actions.splice(at..at, wants);
    }

    /// Whether anything is to be started.
    pub(crate) fn starts(&self) -> bool {
        self.ending == Ending::Not && !self.is_paused
    }

    pub(crate) fn has_room(&self) -> bool {
        self.options.max_hosts.is_none_or(|most| self.pool.working() < most)
    }

    fn assign(&mut self, actions: &mut Vec<Action>) {
        if !self.starts() {
            self.free_hosts.clear();
            self.open_classes.clear();
            return;
        }
        if self.options.max_hosts.is_some() && self.has_room() {
            // Hosts may be idle only because there were enough without them.
            self.open_classes.extend(self.queue.active_ids());
        }
        loop {
            if let Some(host) = self.free_hosts.pop_first() {
                self.employ(host, actions);
            } else if let Some(class) = self.open_classes.pop_first() {
                self.serve(class, actions);
            } else {
                break;
            }
        }
    }

    /// Gives the tests of a class to idle hosts.
    fn serve(&mut self, class: ClassId, actions: &mut Vec<Action>) {
        'again: while self.has_room() && !self.queue.get(class).is_empty() {
            for key in self.idle_for(class) {
                // What holds for one of a group holds for all, unless leases or earlier failures differ.
                let differ = key.has_lease || self.queue.get(class).is_choosy();
                let most = if differ { usize::MAX } else { 1 };
                let group = self.pool.idle().get(&key).into_iter().flatten();
                for host in group.take(most).copied().collect::<Vec<HostId>>() {
                    if self.employ(host, actions) {
                        continue 'again;
                    }
                }
            }
            return;
        }
    }

    /// Groups of idle hosts that could run tests of a class, those first that suit it best.
    fn idle_for(&self, class: ClassId) -> Vec<IdleKey> {
        let queue = self.queue.get(class);
        let (need, wants_setup) = (self.queue.need_of(class), queue.wants_setup());
        let mut keys: Vec<_> = self
            .pool
            .idle()
            .keys()
            .filter(|key| need.fits(self.pool.kind(key.kind)))
            .map(|key| {
                let is_set_up = self.pool.setups.has(key.setups, queue.class.setup);
                let marks =
                    queue.class.prefers.iter().filter(|mark| self.pool.marks.has(key.marks, **mark)).count();
                // A destructive test is for a fresh host, others leave those alone.
                let is_wrong = key.is_used == need.is_destructive;
                (!is_set_up, std::cmp::Reverse(marks), is_wrong, *key)
            })
            .filter(|(is_new, ..)| !is_new || wants_setup)
            .collect();
        keys.sort_unstable();
        keys.into_iter().map(|(.., key)| key).collect()
    }

    /// Gives a host something to do, if it is idle and there is anything.
    fn employ(&mut self, id: HostId, actions: &mut Vec<Action>) -> bool {
        let Some(host) = self.pool.get(id).copied().filter(Host::is_idle) else { return false };
        if !self.has_room() {
            return false;
        }
        if let Some(test) = host.chosen {
            self.pool.change(id, |host| host.chosen = None);
            if self.may_run(id, &host, test) {
                self.give(id, test, actions);
                return true;
            }
        }
        let Some((_, test)) = self.best(id, &host) else { return false };
        if self.policy.is_there() && self.ask_next(id, &host, actions) {
            return true;
        }
        self.give(id, test, actions);
        true
    }

    /// Gives a host a test, or first what the test needs there.
    pub(crate) fn give(&mut self, id: HostId, test: TestId, actions: &mut Vec<Action>) {
        let Some((class, attempt, length)) =
            self.tests.get(test).map(|state| (state.class, state.next_attempt(), state.length))
        else {
            return;
        };
        self.extend_for(id, length, actions);
        let setup = self.queue.get(class).class.setup;
        let Some(host) = self.pool.get(id).copied() else { return };
        self.has_used(id, &host, class);
        if self.pool.setups.has(host.setups, setup) {
            self.run(test, id);
            self.pool.change(id, |host| (host.doing, host.is_used) = (Doing::Running(test), true));
            actions.push(Action::Start { host: id, test, attempt });
        } else {
            self.queue.get_mut(class).setting_up += 1;
            self.pool.change(id, |host| host.doing = Doing::SettingUp(setup, class));
            let clean = self.pool.setups.members(host.setups).is_empty();
            actions.push(Action::SetUp { host: id, setup, clean });
        }
    }

    // ---- Letting go ----

    /// Releases idle hosts for which nothing is left, or too little.
    fn let_go(&mut self, actions: &mut Vec<Action>) {
        if self.ending != Ending::Not {
            let keeps = self.ending == Ending::Draining;
            let goes = |host: &Host| host.doing == Doing::Nothing && !(keeps && host.is_held);
            let idle = self.pool.iter().filter(|(_, host)| goes(host));
            for id in idle.map(|(id, _)| id).collect::<Vec<_>>() {
                self.release(id, Release::Cancelled, actions);
            }
            return;
        }
        if self.pool.idle().is_empty() {
            return;
        }
        let mut kept: HashMap<KindId, u32> = HashMap::new();
        let mut go = Vec::new();
        for key in self.pool.idle().keys().copied().collect::<Vec<_>>() {
            let left = self.left_for(key.kind);
            let hosts = self.pool.idle().get(&key).map_or(0, |hosts| hosts.len());
            let hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
            let keeps = self.keeps(key.kind, left);
            let already = kept.entry(key.kind).or_insert(0);
            let stay = keeps.saturating_sub(*already).min(hosts);
            *already += stay;
            let why = if left == Demand::default() { Release::Done } else { Release::Surplus };
            let group = self.pool.idle().get(&key).into_iter().flatten().rev();
            go.extend(group.take((hosts - stay) as usize).map(|id| (*id, why)));
            if stay > 0 {
                go.extend(self.useless(key, left).into_iter().map(|id| (id, Release::Expired)));
            }
        }
        go.sort_unstable_by_key(|(id, _)| *id);
        for (id, why) in go {
            self.release(id, why, actions);
        }
        self.make_way(actions);
    }

    /// What is left that hosts of a kind could do, now or later.
    fn left_for(&self, kind: KindId) -> Demand {
        let kind = self.pool.kind(kind);
        let mut left = Demand::default();
        for (_, demand) in self.queue.needs().filter(|(need, _)| need.fits(kind)) {
            left.waiting += demand.waiting;
            left.running += demand.running;
            left.retries += demand.retries;
            left.blocked += demand.blocked;
        }
        left
    }

    /// How many idle hosts of a kind are worth keeping.
    fn keeps(&self, kind: KindId, left: Demand) -> u32 {
        if !self.input_ended {
            return u32::MAX;
        }
        if self.pool.kind(kind).provisioner.is_none() {
            // It would not come back, and what runs may have to be tried again, every time on another host. Beyond
            // that, somebody else may wait for it.
            return if left.waiting > 0 || left.blocked > 0 { u32::MAX } else { left.retries };
        }
        let spares = if left.running > 0 { self.options.spares } else { 0 };
        left.waiting.saturating_add(left.blocked).saturating_add(spares)
    }

    /// Idle hosts of a group whose lease ends too soon for all that is left, which waits.
    fn useless(&self, key: IdleKey, left: Demand) -> Vec<HostId> {
        let only_waiting = self.input_ended && left.waiting > 0 && left.running == 0 && left.blocked == 0;
        if !(key.has_lease && only_waiting && self.starts()) {
            return Vec::new();
        }
        let is_useless = |id: &HostId| {
            let host = self.pool.get(*id);
            host.is_some_and(|host| self.most(host).is_some() && !self.has_use(*id, host))
        };
        let group = self.pool.idle().get(&key).into_iter().flatten().copied();
        group.filter(is_useless).collect()
    }

    // ---- Giving up ----

    /// Ends the tests that no host can run any more. Whether there were any.
    fn give_up(&mut self, actions: &mut Vec<Action>) -> bool {
        if !self.input_ended || self.ending != Ending::Not || !std::mem::take(&mut self.supply_changed) {
            return false;
        }
        let mut lost = Vec::new();
        for (class, queue) in self.queue.active() {
            if let Some(why) = self.is_lost(class) {
                lost.extend(queue.tests().map(|test| (test, why)));
            }
        }
        lost.sort_unstable_by_key(|(test, _)| *test);
        let any = !lost.is_empty();
        for (test, why) in lost {
            self.abandon(test, why, actions);
        }
        any
    }

    fn is_lost(&self, class: ClassId) -> Option<Unrunnable> {
        let id = self.queue.get(class).class.need;
        let need = self.queue.need_of(class);
        let mut why = Unrunnable::NoHost;
        for (kind, count) in self.pool.kinds().filter(|(_, count)| count.all > 0) {
            match need.judge(kind) {
                Verdict::Yes if count.all > 0 => return None,
                Verdict::Undecided => why = Unrunnable::Undecided,
                _ => {}
            }
        }
        for provisioner in self.provisioners.values() {
            match provisioner.judge_need(id, need) {
                (Verdict::No, _) => {}
                (_, true) => return None,
                (Verdict::Undecided, false) => why = Unrunnable::Undecided,
                (Verdict::Yes, false) => {}
            }
        }
        Some(why)
    }

    /// Counts how many hosts there are for each need, if that has changed.
    fn count_reach(&mut self) {
        if self.queue.reach_of == self.pool.version() {
            return;
        }
        self.queue.reach_of = self.pool.version();
        for at in 0..self.queue.demand.len() {
            let id = crate::class::NeedId(u32::try_from(at).expect("they are numbered in 32 bits"));
            let need = self.queue.need_at(id);
            let fitting = self.pool.kinds().filter(|(kind, _)| need.fits(kind));
            self.queue.demand[at].reach = fitting.map(|(_, count)| count.usable).sum();
        }
    }
}
