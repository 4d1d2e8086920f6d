//! Which test is next on a host: the order of fitness.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::class::{ClassId, Need};
use crate::pool::{Host, Pool};
use crate::queue::{self, Admitted, ClassQueue, Key};
use crate::scheduler::Scheduler;
use crate::{HostId, Millis, Order, TestId};

/// What decides between tests of several classes: the least is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fitness {
    priority: Reverse<i32>,
    /// On a fresh host, destructive tests come first.
    would_waste: bool,
    /// How many hosts there are for it.
    reach: u32,
    /// How many of the marks that it prefers are there.
    affinity: Reverse<usize>,
    key: Key,
}

/// Tests that wait, of one class, and which have failed on the same hosts.
#[derive(Clone, Copy)]
struct Group<'a> {
    class: ClassId,
    queue: &'a ClassQueue,
    tests: &'a BTreeSet<Key>,
    /// How long a test may take at most for a host.
    most: Option<Millis>,
    /// Those that take at most so long are for other hosts.
    elsewhere: Option<Millis>,
}

impl Scheduler {
    /// The test that a host should run next.
    pub(crate) fn best(&self, id: HostId, host: &Host) -> Option<(ClassId, TestId)> {
        let heads = self.open_groups(id, host).filter_map(|group| {
            let key = self.admitted(group).next()?;
            Some((self.fitness(host, group.queue, key), group.class))
        });
        heads.min().map(|(fitness, class)| (class, fitness.key.test))
    }

    /// The tests that it could run, best first.
    pub(crate) fn candidates(&self, id: HostId, host: &Host, most: usize) -> Vec<TestId> {
        let mut groups: Vec<_> = Vec::new();
        let mut heads = BinaryHeap::new();
        for group in self.open_groups(id, host) {
            let mut keys = self.admitted(group);
            if let Some(key) = keys.next() {
                heads.push(Reverse((self.fitness(host, group.queue, key), groups.len())));
                groups.push((group.queue, keys));
            }
        }
        let mut tests = Vec::new();
        while let Some(Reverse((fitness, at))) = heads.pop() {
            if tests.len() == most {
                break;
            }
            tests.push(fitness.key.test);
            let (queue, keys) = &mut groups[at];
            if let Some(key) = keys.next() {
                heads.push(Reverse((self.fitness(host, queue, key), at)));
            }
        }
        tests
    }

    /// Whether it could be given this test now.
    pub(crate) fn may_run(&self, id: HostId, host: &Host, test: TestId) -> bool {
        let Some(state) = self.tests.get(test) else { return false };
        let queue = self.queue.get(state.class);
        queue.contains(&state.key, state.failed_on())
            && self.is_class_open(host, state.class, queue)
            && self
                .groups_for(id, host, state.class, queue)
                .any(|group| group.tests.contains(&state.key) && self.admits(group, test) == Admitted::Yes)
    }

    /// Whether any test that waits could run on a host, were it set up for it.
    pub(crate) fn has_use(&self, id: HostId, host: &Host) -> bool {
        let most = self.most(host);
        self.queue.active().any(|(class, queue)| {
            self.pool.fits(host, self.queue.need_of(class))
                && is_short(queue, most)
                && self.groups_for(id, host, class, queue).any(|group| self.admitted(group).next().is_some())
        })
    }

    /// What a host may be given something of.
    fn open_groups<'a>(&'a self, id: HostId, host: &Host) -> impl Iterator<Item = Group<'a>> + use<'a> {
        let host = *host;
        let classes =
            self.queue.active().filter(move |(class, queue)| self.is_class_open(&host, *class, queue));
        classes.flat_map(move |(class, queue)| self.groups_for(id, &host, class, queue))
    }

    /// The tests of a class, but for those groups of which all are for other hosts.
    fn groups_for<'a>(
        &'a self,
        id: HostId,
        host: &Host,
        class: ClassId,
        queue: &'a ClassQueue,
    ) -> impl Iterator<Item = Group<'a>> + use<'a> {
        let (need, most) = (self.queue.need_of(class), self.most(host));
        let groups = queue.groups().map(move |(failed_on, tests)| {
            let keeps_away = failed_on.binary_search(&id).is_ok();
            let elsewhere = if keeps_away { self.most_elsewhere(need, failed_on) } else { None };
            Group { class, queue, tests, most, elsewhere }
        });
        groups.filter(|group| group.elsewhere != Some(Millis::MAX))
    }

    fn admitted<'a>(&'a self, group: Group<'a>) -> impl Iterator<Item = Key> + 'a {
        queue::admitted(group.tests, move |test| self.admits(group, test))
    }

    fn is_class_open(&self, host: &Host, class: ClassId, queue: &ClassQueue) -> bool {
        self.pool.fits(host, self.queue.need_of(class))
            // No more hosts are set up for tests than there are tests.
            && (self.pool.setups.has(host.setups, queue.class.setup) || queue.wants_setup())
            && is_short(queue, self.most(host))
    }

    fn admits(&self, group: Group, test: TestId) -> Admitted {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        let Some(state) = self.tests.get(test) else { return Admitted::Elsewhere };
        match (group.most, group.elsewhere) {
            (Some(most), _) if state.length > most => Admitted::Longer(most),
            (_, Some(elsewhere)) if state.length <= elsewhere => Admitted::Elsewhere,
            _ => Admitted::Yes,
        }
    }

    /// How long a test may take for which there is a host, now or soon, other than these. None: there is no other.
    fn most_elsewhere(&self, need: Need, failed_on: &[HostId]) -> Option<Millis> {
        let others = self.pool.iter().filter(|(id, host)| {
            host.is_usable() && self.pool.fits(host, need) && failed_on.binary_search(id).is_err()
        });
        let mut longest = None;
        for (_, host) in others {
            #[cfg(test)]
            self.looks.set(self.looks.get() + 1);
            longest = longest.max(Some(self.most(host).unwrap_or(Millis::MAX)));
            if longest == Some(Millis::MAX) {
                break;
            }
        }
        longest
    }

    /// How long a test may take there, if the host's lease says so.
    pub(crate) fn most(&self, host: &Host) -> Option<Millis> {
        Pool::time_left(host, self.now).filter(|_| !self.extends(host))
    }

    fn fitness(&self, host: &Host, queue: &ClassQueue, key: Key) -> Fitness {
        let need = queue.class.need;
        if self.options.order == Order::Given {
            let (priority, affinity) = (Reverse(0), Reverse(0));
            return Fitness { priority, would_waste: false, reach: 0, affinity, key };
        }
        let is_destructive = self.queue.need_at(need).is_destructive;
        let preferred = queue.class.prefers.iter().filter(|mark| self.pool.marks.has(host.marks, **mark));
        Fitness {
            priority: key.priority,
            would_waste: !host.is_used && !is_destructive,
            reach: self.queue.demand[need.0 as usize].reach,
            affinity: Reverse(preferred.count()),
            key,
        }
    }
}

/// Whether tests of unknown duration may be begun.
fn is_short(queue: &ClassQueue, most: Option<Millis>) -> bool {
    match (queue.class.limit, most) {
        (Some(limit), Some(most)) => limit <= most,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        AttemptEnd, Ended, Event, HostId, HostIs, HostTraits, Options, Outcome, PlatformId, Scheduler,
        SetupEnd, TestId, TestTraits, Time,
    };

    /// How many tests and hosts are looked at for an event, at most, while one host fails so many tests, and another is
    /// busy for as long.
    fn most_looks(tests: u32, until: Option<Time>) -> u32 {
        let mut scheduler = Scheduler::new(Options { reruns: 1, ..Options::default() });
        let mut most = 0;
        let mut tell = |event| {
            scheduler.looks.set(0);
            let actions = scheduler.apply(Time(0), event);
            most = most.max(scheduler.looks.get());
            actions
        };
        for n in 0..=tests {
            let expected = Some(u64::from(2 * tests - n));
            let is = Box::new(TestTraits { expected, ..TestTraits::default() });
            tell(Event::TestArrived { test: TestId(n), is });
        }
        for host in [HostId(0), HostId(1)] {
            let is = Box::new(HostTraits { until, ..HostTraits::new(PlatformId(0)) });
            tell(Event::HostReady { host, is });
            tell(Event::SetupEnded { host, end: SetupEnd::Done });
        }
        let (by, outcome, host_is) = (Ended::ByTest, Outcome::Fail, HostIs::Fine);
        for _ in 0..tests {
            let end = AttemptEnd { by, is_bad_exit: true, outcome, host_is };
            assert!(!tell(Event::AttemptEnded { host: HostId(1), end }).is_empty());
        }
        // It has failed everything, and is idle beside tests that it is not to run.
        tell(Event::HostHeld { host: HostId(2) });
        tell(Event::Woken);
        most
    }

    #[test]
    fn a_host_that_fails_everything_costs_no_more_the_more_tests_wait() {
        for until in [None, Some(Time(3_600_000))] {
            let (few, many) = (most_looks(10, until), most_looks(1000, until));
            assert!(few > 0 && many <= few, "{few} {many} {until:?}");
        }
    }
}
