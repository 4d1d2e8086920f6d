//! How many hosts are wanted of whom.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::class::{ClassId, Kind, Need, NeedId, set_verdict, trim, verdict};
use crate::lease::Timer;
use crate::pool::{Count, Host};
use crate::scheduler::{Ending, Scheduler};
use crate::{
    Action, ExpressionId, HostId, HostTraits, Millis, ProvisionerId, ProvisionerTraits, Release, Time,
    Verdict,
};

/// How long a provisioner that has failed is left alone, at first and at most.
pub const BACKOFF: (Millis, Millis) = (10_000, 600_000);

/// After so many hosts in a row on which nothing that waits can run, a provisioner is not asked for what waits.
pub const FRUITLESS: u32 = 3;

/// Failed set-ups of this time count.
const WINDOW: Millis = 3_600_000;

/// Where hosts can be asked for.
#[derive(Debug)]
pub(crate) struct Provisioner {
    is: ProvisionerTraits,
    /// It has said that it cannot give more than this.
    most: u32,
    /// It is used no more.
    is_over: bool,
    /// There is nobody to be told.
    is_gone: bool,
    /// When set-ups have failed.
    failed_setups: VecDeque<Time>,
    /// How often it has failed since a host has come. What fails while it is left alone is not counted.
    failures: u32,
    /// How many hosts may be under way until it is asked again.
    held_back: Option<u32>,
    /// How many hosts have come in a row for which there was no use.
    fruitless: u32,
    /// What it was asked for in vain.
    ruled_out: BTreeSet<NeedId>,
    /// What was asked for last.
    wanted: u32,
}

impl Provisioner {
    pub fn new(mut is: ProvisionerTraits) -> Provisioner {
        trim(&mut is.verdicts);
        Provisioner {
            is,
            most: u32::MAX,
            is_over: false,
            is_gone: false,
            failed_setups: VecDeque::new(),
            failures: 0,
            held_back: None,
            fruitless: 0,
            ruled_out: BTreeSet::new(),
            wanted: 0,
        }
    }

    /// More is known of what it gives.
    fn describe(&mut self, mut is: ProvisionerTraits) {
        trim(&mut is.verdicts);
        (self.is, self.most) = (is, u32::MAX);
        self.ruled_out.clear();
    }

    pub fn is_used(&self) -> bool {
        !self.is_over
    }

    pub fn set_limit(&mut self, hosts: u32) {
        (self.is.limit, self.most) = (hosts, u32::MAX);
    }

    pub fn can_extend(&self) -> bool {
        self.is.extends && !self.is_gone
    }

    pub fn judge(&mut self, expression: ExpressionId, is: Verdict) {
        set_verdict(&mut self.is.verdicts, expression, is);
    }

    fn limit(&self) -> u32 {
        if self.is_over { 0 } else { self.is.limit.min(self.most) }
    }

    /// What is known of its hosts and a need, and whether it may be asked for that.
    pub fn judge_need(&self, id: NeedId, need: Need) -> (Verdict, bool) {
        let by_platform = match (need.platform, self.is.platform) {
            (Some(wanted), Some(given)) if wanted != given => Verdict::No,
            (Some(_), None) => Verdict::Undecided,
            _ => Verdict::Yes,
        };
        let by_facts =
            need.expression.map_or(Verdict::Yes, |expression| verdict(&self.is.verdicts, expression));
        let is = by_platform.min(by_facts);
        (is, is != Verdict::No && self.limit() > 0 && !self.ruled_out.contains(&id))
    }

    fn may_give(&self, id: NeedId, need: Need) -> bool {
        self.judge_need(id, need).1
    }
}

impl Scheduler {
    // ---- What happened ----

    /// Hosts can be asked for there, or more is known of them.
    pub(crate) fn describe_provisioner(&mut self, id: ProvisionerId, is: ProvisionerTraits) {
        match self.provisioners.entry(id) {
            Entry::Occupied(known) => known.into_mut().describe(is),
            Entry::Vacant(place) => {
                place.insert(Provisioner::new(is));
            }
        }
    }

    /// A host that was asked for is under way.
    pub(crate) fn has_come(&mut self, is: &HostTraits) {
        if let Some(held_back) = self.giver(is).and_then(|provisioner| provisioner.held_back.as_mut()) {
            *held_back = held_back.saturating_sub(1);
        }
    }

    /// A host that was asked for is there.
    pub(crate) fn has_given(&mut self, id: HostId, is: &HostTraits) {
        if let Some(provisioner) = self.giver(is) {
            provisioner.failures = 0;
            self.new_hosts.push(id);
        }
    }

    /// Whether hosts that have just come are of use. One that gives others than are needed is not asked for ever.
    pub(crate) fn look_at_new_hosts(&mut self) {
        for id in std::mem::take(&mut self.new_hosts) {
            let Some(host) = self.pool.get(id).copied().filter(Host::is_idle) else { continue };
            let Some(of) = self.pool.provisioner(&host) else { continue };
            let could_start = self.starts() && self.has_room() && !self.has_use(id, &host);
            if !could_start || !self.provisioners.get(&of).is_some_and(|of| self.is_wanted_of(of)) {
                continue;
            }
            if let Some(provisioner) = self.provisioners.get_mut(&of) {
                provisioner.fruitless += 1;
                if provisioner.fruitless >= FRUITLESS {
                    self.rule_out(of);
                }
            }
        }
    }

    /// A host has left that can be replaced: what it could do can be done by another one.
    pub(crate) fn has_left(&mut self, host: &Host) {
        let Some(of) = self.pool.provisioner(host).filter(|_| host.was_of_use) else { return };
        let (kind, queue) = (self.pool.kind(host.kind), &self.queue);
        if let Some(provisioner) = self.provisioners.get_mut(&of) {
            provisioner.ruled_out.retain(|need| !queue.need_at(*need).fits(kind));
        }
    }

    /// There was a use for a host.
    pub(crate) fn has_used(&mut self, id: HostId, host: &Host, class: ClassId) {
        if self.provisioners.is_empty() {
            return;
        }
        self.pool.change(id, |host| host.was_of_use = true);
        let need = self.queue.get(class).class.need;
        let of = self.pool.provisioner(host).and_then(|id| self.provisioners.get_mut(&id));
        if let Some(provisioner) = of {
            provisioner.fruitless = 0;
            provisioner.ruled_out.remove(&need);
        }
    }

    fn giver(&mut self, is: &HostTraits) -> Option<&mut Provisioner> {
        self.provisioners.get_mut(&is.provisioner?)
    }

    /// A host could not be set up, or not even be reached.
    pub(crate) fn setup_failed(&mut self, host: &Host) {
        let (now, most) = (self.now, self.options.max_failed_setups);
        let of = self.pool.provisioner(host).and_then(|id| self.provisioners.get_mut(&id));
        let Some(provisioner) = of else { return };
        let failed = &mut provisioner.failed_setups;
        failed.push_back(now);
        while failed.front().is_some_and(|at| at.after(WINDOW) <= now) {
            failed.pop_front();
        }
        if failed.len() > most as usize {
            provisioner.is_over = true;
            self.supply_changed = true;
        }
    }

    pub(crate) fn provision_failed(&mut self, id: ProvisionerId, count: u32, retry: bool) {
        let (given, most_failures) = (self.pool.given_by(id), self.options.breaker);
        let Some(provisioner) = self.provisioners.get_mut(&id) else { return };
        let under_way = provisioner.wanted.saturating_sub(given).saturating_sub(count);
        // What was under way at the first failure is of one cause with it, as far as anybody can know.
        let is_new = provisioner.held_back.is_none();
        provisioner.failures += u32::from(is_new);
        self.supply_changed = true;
        if !retry {
            provisioner.most = given + under_way;
        } else if provisioner.failures >= most_failures {
            provisioner.is_over = true;
        } else {
            provisioner.held_back = Some(under_way);
            if is_new {
                let (first, most) = BACKOFF;
                let pause = first.saturating_mul(1 << (provisioner.failures - 1).min(16)).min(most);
                self.timers.set(self.now.after(pause), Timer::Again(id));
            }
        }
    }

    pub(crate) fn ask_again(&mut self, id: ProvisionerId) {
        if let Some(provisioner) = self.provisioners.get_mut(&id) {
            provisioner.held_back = None;
        }
    }

    pub(crate) fn provisioner_gone(&mut self, id: ProvisionerId) {
        if let Some(provisioner) = self.provisioners.get_mut(&id) {
            (provisioner.is_over, provisioner.is_gone) = (true, true);
        }
        self.supply_changed = true;
    }

    // ---- What follows ----

    /// A host for which there is no use must not stand in the place of one for which there is.
    pub(crate) fn make_way(&mut self, actions: &mut Vec<Action>) {
        if self.provisioners.is_empty() || self.is_paused {
            return;
        }
        let is_full = self.room_in_all() == 0;
        let any_wanted = is_full && self.provisioners.values().any(|of| self.is_wanted_of(of));
        let in_the_way = |(id, of): &(&ProvisionerId, &Provisioner)| {
            any_wanted || (of.fruitless > 0 || self.room(**id, of) == 0) && self.is_wanted_of(of)
        };
        let givers: Vec<ProvisionerId> =
            self.provisioners.iter().filter(in_the_way).map(|(id, _)| *id).collect();
        if givers.is_empty() {
            return;
        }
        let is_useless = |id: &HostId| {
            let Some(host) = self.pool.get(*id) else { return false };
            self.pool.provisioner(host).is_some_and(|of| givers.contains(&of)) && !self.has_use(*id, host)
        };
        for host in self.pool.idle_ids().into_iter().filter(is_useless).collect::<Vec<_>>() {
            self.release(host, Release::Surplus, actions);
        }
    }

    /// Whether something waits that it may give.
    fn is_wanted_of(&self, provisioner: &Provisioner) -> bool {
        let active = self.queue.active().map(|(_, queue)| queue.class.need);
        active.into_iter().any(|need| provisioner.may_give(need, self.queue.need_at(need)))
    }

    /// It has been asked often enough for what waits.
    fn rule_out(&mut self, id: ProvisionerId) {
        let needs: Vec<NeedId> = self.queue.active().map(|(_, queue)| queue.class.need).collect();
        if let Some(provisioner) = self.provisioners.get_mut(&id) {
            provisioner.ruled_out.extend(needs);
            provisioner.fruitless = 0;
        }
        self.supply_changed = true;
    }

    /// What is asked for now, where that has changed.
    pub(crate) fn wants(&mut self) -> Vec<Action> {
        if self.provisioners.is_empty() {
            return Vec::new();
        }
        let mut new = self.new_hosts();
        let mut actions = Vec::new();
        for (id, provisioner) in &mut self.provisioners {
            let new = new.remove(id).unwrap_or(0);
            let given = self.pool.given_by(*id);
            let hosts = match self.ending {
                // In a pause nothing more is asked for.
                Ending::Not if self.is_paused => (given + new).min(provisioner.wanted),
                Ending::Not => given + new,
                _ => 0,
            };
            if hosts != provisioner.wanted && !provisioner.is_gone {
                provisioner.wanted = hosts;
                actions.push(Action::Want { provisioner: *id, hosts });
            }
        }
        actions
    }

    /// How many hosts each provisioner is asked for beyond those that it has given.
    fn new_hosts(&self) -> BTreeMap<ProvisionerId, u32> {
        let mut new = BTreeMap::new();
        if self.ending != Ending::Not {
            return new;
        }
        let mut rooms: BTreeMap<ProvisionerId, u32> =
            self.provisioners.iter().map(|(id, provisioner)| (*id, self.room(*id, provisioner))).collect();
        let mut in_all = self.room_in_all();
        let mut free: Vec<_> = self.pool.kinds().map(|(kind, count)| (kind, count.free)).collect();
        let mut waiting: Vec<(usize, NeedId, Need, u32)> = Vec::new();
        for ((need, demand), id) in self.queue.needs().zip((0..).map(NeedId)) {
            if demand.waiting > 0 {
                let sources = free.iter().filter(|(kind, count)| *count > 0 && need.fits(kind)).count()
                    + self.provisioners.values().filter(|of| of.may_give(id, need)).count();
                waiting.push((sources, id, need, demand.waiting));
            }
        }
        // Those first that have the least choice.
        waiting.sort_unstable_by_key(|(sources, id, ..)| (*sources, *id));
        for (_, id, need, mut tests) in waiting.iter().copied() {
            for (_, count) in free.iter_mut().filter(|(kind, _)| need.fits(kind)) {
                let taken = tests.min(*count);
                (tests, *count) = (tests - taken, *count - taken);
            }
            self.ask(&mut new, &mut rooms, &mut in_all, tests, |of| of.may_give(id, need));
        }
        if !waiting.is_empty() || !self.input_ended {
            let idle: u32 = free.iter().map(|(_, count)| *count).sum();
            let spares = self.options.spares.saturating_sub(idle);
            let is_of_use = |of: &Provisioner| {
                waiting.is_empty() || waiting.iter().any(|(_, id, need, _)| of.may_give(*id, *need))
            };
            self.ask(&mut new, &mut rooms, &mut in_all, spares, is_of_use);
        }
        new
    }

    /// Shares out a number of hosts over those who may give them, the first ones first.
    fn ask(
        &self,
        new: &mut BTreeMap<ProvisionerId, u32>,
        rooms: &mut BTreeMap<ProvisionerId, u32>,
        in_all: &mut u32,
        mut hosts: u32,
        may_give: impl Fn(&Provisioner) -> bool,
    ) {
        for (id, room) in rooms.iter_mut().filter(|(id, _)| may_give(&self.provisioners[*id])) {
            let taken = hosts.min(*room).min(*in_all);
            (hosts, *room, *in_all) = (hosts - taken, *room - taken, *in_all - taken);
            *new.entry(*id).or_insert(0) += taken;
        }
    }

    /// How many more hosts may be worked on. Fixed ones for which there is no use do not count.
    fn room_in_all(&self) -> u32 {
        let Some(most) = self.options.max_hosts else { return u32::MAX };
        let count = |(kind, count): (&Kind, Count)| {
            if kind.provisioner.is_some() { count.all } else { count.all - count.free }
        };
        most.saturating_sub(self.pool.kinds().map(count).sum())
    }

    /// How many more hosts a provisioner may give now.
    fn room(&self, id: ProvisionerId, provisioner: &Provisioner) -> u32 {
        let room = provisioner.limit().saturating_sub(self.pool.given_by(id));
        provisioner.held_back.map_or(room, |held_back| room.min(held_back))
    }
}
