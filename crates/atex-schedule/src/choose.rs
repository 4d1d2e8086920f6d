//! Which test is next on a host: the order of fitness.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::class::{ClassId, Need};
use crate::pool::{Host, Pool};
use crate::queue::{Admitted, ClassQueue, Key};
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

impl Scheduler {
    /// The test that a host should run next.
    pub(crate) fn best(&self, id: HostId, host: &Host) -> Option<(ClassId, TestId)> {
        let heads = self.queue.active().filter_map(|(class, queue)| {
            let key = self.admitted(id, host, class, queue)?.next()?;
            Some((self.fitness(host, queue, key), class))
        });
        heads.min().map(|(fitness, class)| (class, fitness.key.test))
    }

    /// The tests that it could run, best first.
    pub(crate) fn candidates(&self, id: HostId, host: &Host, most: usize) -> Vec<TestId> {
        let mut classes: Vec<_> = Vec::new();
        let mut heads = BinaryHeap::new();
        for (class, queue) in self.queue.active() {
            let Some(mut keys) = self.admitted(id, host, class, queue) else { continue };
            if let Some(key) = keys.next() {
                heads.push(Reverse((self.fitness(host, queue, key), classes.len())));
                classes.push((queue, keys));
            }
        }
        let mut tests = Vec::new();
        while let Some(Reverse((fitness, at))) = heads.pop() {
            if tests.len() == most {
                break;
            }
            tests.push(fitness.key.test);
            let (queue, keys) = &mut classes[at];
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
        queue.tests.contains(&state.key)
            && self.is_class_open(host, state.class, queue)
            && self.admits(id, host, self.queue.need_of(state.class), self.most(host), test) == Admitted::Yes
    }

    /// Whether any test that waits could run on a host, were it set up for it.
    pub(crate) fn has_use(&self, id: HostId, host: &Host) -> bool {
        let most = self.most(host);
        self.queue.active().any(|(class, queue)| {
            let need = self.queue.need_of(class);
            self.pool.fits(host, need)
                && is_short(queue, most)
                && queue.admitted(|test| self.admits(id, host, need, most, test)).next().is_some()
        })
    }

    fn admitted(
        &self,
        id: HostId,
        host: &Host,
        class: ClassId,
        queue: &ClassQueue,
    ) -> Option<impl Iterator<Item = Key>> {
        let (need, most) = (self.queue.need_of(class), self.most(host));
        let host = *host;
        self.is_class_open(&host, class, queue)
            .then(|| queue.admitted(move |test| self.admits(id, &host, need, most, test)))
    }

    fn is_class_open(&self, host: &Host, class: ClassId, queue: &ClassQueue) -> bool {
        self.pool.fits(host, self.queue.need_of(class))
            // No more hosts are set up for tests than there are tests.
            && (self.pool.setups.has(host.setups, queue.class.setup) || queue.wants_setup())
            && is_short(queue, self.most(host))
    }

    fn admits(&self, id: HostId, host: &Host, need: Need, most: Option<Millis>, test: TestId) -> Admitted {
        let Some(state) = self.tests.get(test) else { return Admitted::Elsewhere };
        if let Some(most) = most.filter(|most| state.length > *most) {
            return Admitted::Longer(most);
        }
        let failed_on = state.failed_on();
        if failed_on.binary_search(&id).is_ok() && self.has_another(host, need, failed_on, state.length) {
            return Admitted::Elsewhere;
        }
        Admitted::Yes
    }

    /// Whether there is a host, now or soon, on which the test has not failed.
    fn has_another(&self, _than: &Host, need: Need, failed_on: &[HostId], length: Millis) -> bool {
        let fits = |host: &Host| {
            host.is_usable()
                && self.pool.fits(host, need)
                && self.most(host).is_none_or(|most| most >= length)
        };
        self.pool.iter().any(|(id, host)| failed_on.binary_search(&id).is_err() && fits(host))
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
