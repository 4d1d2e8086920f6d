//! Tests that wait.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use indexmap::IndexSet;

use crate::class::{Class, ClassId, Need, NeedId};
use crate::{HostId, MarkId, Millis, Order, TestId, TestTraits};

/// What decides between tests of one class: the least is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub priority: Reverse<i32>,
    /// Longest first; what is not known is last.
    rank: u32,
    order: i32,
    pub test: TestId,
}

impl Key {
    pub fn new(test: TestId, is: &TestTraits, order: Order) -> Key {
        match order {
            Order::Given => Key { priority: Reverse(0), rank: GIVEN, order: is.order, test },
            Order::Best => {
                let rank = is.expected.map_or(u32::MAX, rank);
                Key { priority: Reverse(is.priority), rank, order: is.order, test }
            }
        }
    }

    /// The first that could be of a test of the same priority that takes at most so long.
    fn no_longer(self, most: Millis) -> Key {
        Key { rank: rank(most), order: i32::MIN, test: TestId(0), ..self }
    }

    /// The last that could be of a test of the same priority.
    fn shortest(self) -> Key {
        Key { rank: u32::MAX, order: i32::MAX, test: TestId(u32::MAX), ..self }
    }
}

/// The rank of all tests that are not ordered by duration.
const GIVEN: u32 = 0;

/// In milliseconds up to seven weeks. Neither [`GIVEN`] nor that of an unknown duration.
fn rank(length: Millis) -> u32 {
    u32::MAX - u32::try_from(length).unwrap_or(u32::MAX).clamp(1, u32::MAX - 1)
}

/// Whether a test may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    Yes,
    /// It would take longer than this.
    Longer(Millis),
    /// It is to run on another host, as is any that takes less time.
    Elsewhere,
}

/// The tests of a class that wait.
#[derive(Debug)]
pub(crate) struct ClassQueue {
    pub class: Class,
    /// By the hosts on which they have failed, so that all of those that keep away from a host can be left out at once.
    groups: BTreeMap<Vec<HostId>, BTreeSet<Key>>,
    /// How many there are.
    length: usize,
    /// How many hosts are being set up for them.
    pub setting_up: u32,
}

impl ClassQueue {
    /// The tests, by the hosts on which they have failed.
    pub fn groups(&self) -> impl Iterator<Item = (&[HostId], &BTreeSet<Key>)> {
        self.groups.iter().map(|(failed_on, tests)| (&**failed_on, tests))
    }

    pub fn tests(&self) -> impl Iterator<Item = TestId> {
        self.groups.values().flatten().map(|key| key.test)
    }

    pub fn contains(&self, key: &Key, failed_on: &[HostId]) -> bool {
        self.groups.get(failed_on).is_some_and(|tests| tests.contains(key))
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether any of the tests keeps away from hosts.
    pub fn is_choosy(&self) -> bool {
        // Those that do not are the first group.
        self.groups.last_key_value().is_some_and(|(failed_on, _)| !failed_on.is_empty())
    }

    /// More tests wait than hosts are being set up for them.
    pub fn wants_setup(&self) -> bool {
        (self.setting_up as usize) < self.length
    }

    fn insert(&mut self, key: Key, failed_on: &[HostId]) {
        let is_new = match self.groups.get_mut(failed_on) {
            Some(tests) => tests.insert(key),
            None => self.groups.insert(failed_on.to_vec(), BTreeSet::from([key])).is_none(),
        };
        self.length += usize::from(is_new);
    }

    fn remove(&mut self, key: &Key, failed_on: &[HostId]) -> bool {
        let Some(tests) = self.groups.get_mut(failed_on) else { return false };
        let was_there = tests.remove(key);
        if tests.is_empty() {
            self.groups.remove(failed_on);
        }
        self.length -= usize::from(was_there);
        was_there
    }
}

/// Those of a group of tests that are admitted, best first.
pub(crate) fn admitted(
    tests: &BTreeSet<Key>,
    mut admits: impl FnMut(TestId) -> Admitted,
) -> impl Iterator<Item = Key> {
    let mut from = Bound::Unbounded;
    std::iter::from_fn(move || {
        loop {
            let key = *tests.range((from, Bound::Unbounded)).next()?;
            from = Bound::Excluded(key);
            let is_by_length = key.rank != GIVEN;
            match admits(key.test) {
                Admitted::Yes => return Some(key),
                // Behind all that take less, if they stand in this order.
                Admitted::Elsewhere if is_by_length => from = Bound::Excluded(key.shortest()),
                Admitted::Elsewhere => {}
                Admitted::Longer(most) => {
                    // Behind all that take longer.
                    let next = key.no_longer(most);
                    if is_by_length && next > key {
                        from = Bound::Included(next);
                    }
                }
            }
        }
    })
}

/// How many tests have a need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    pub waiting: u32,
    pub running: u32,
    /// How many more hosts those that run may want, one after the other.
    pub retries: u32,
    /// They wait for other tests.
    pub blocked: u32,
    /// How many hosts in use fit.
    pub reach: u32,
}

/// Waiting tests by class.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    numbers: HashMap<Class, ClassId>,
    classes: Vec<ClassQueue>,
    /// Those with waiting tests.
    active: BTreeSet<ClassId>,
    needs: IndexSet<Need>,
    pub demand: Vec<Demand>,
    /// The state of the pool by which the reach of needs was counted.
    pub reach_of: u64,
}

impl Queue {
    /// The number of a need; new ones have a demand of nothing.
    pub fn need(&mut self, need: Need) -> NeedId {
        let (at, is_new) = self.needs.insert_full(need);
        if is_new {
            self.demand.push(Demand::default());
            self.reach_of = 0;
        }
        NeedId(u32::try_from(at).expect("there are no more needs than tests"))
    }

    /// The class of a test.
    pub fn class(&mut self, need: NeedId, is: &TestTraits, order: Order) -> ClassId {
        let mut prefers: Vec<MarkId> = if order == Order::Given { Vec::new() } else { is.prefers.clone() };
        prefers.sort_unstable();
        prefers.dedup();
        let limit = is.expected.is_none().then_some(is.limit);
        let class = Class { need, setup: is.setup, prefers, limit };
        if let Some(id) = self.numbers.get(&class) {
            return *id;
        }
        let id = ClassId(u32::try_from(self.classes.len()).expect("there are no more classes than tests"));
        self.numbers.insert(class.clone(), id);
        self.classes.push(ClassQueue { class, groups: BTreeMap::new(), length: 0, setting_up: 0 });
        id
    }

    pub fn get(&self, class: ClassId) -> &ClassQueue {
        &self.classes[class.0 as usize]
    }

    pub fn get_mut(&mut self, class: ClassId) -> &mut ClassQueue {
        &mut self.classes[class.0 as usize]
    }

    pub fn need_of(&self, class: ClassId) -> Need {
        self.need_at(self.get(class).class.need)
    }

    pub fn need_at(&self, need: NeedId) -> Need {
        self.needs[need.0 as usize]
    }

    pub fn demand_of(&mut self, class: ClassId) -> &mut Demand {
        let need = self.get(class).class.need;
        &mut self.demand[need.0 as usize]
    }

    /// All needs, with who has them.
    pub fn needs(&self) -> impl Iterator<Item = (Need, Demand)> {
        self.needs.iter().copied().zip(self.demand.iter().copied())
    }

    pub fn active(&self) -> impl Iterator<Item = (ClassId, &ClassQueue)> {
        self.active.iter().map(|class| (*class, self.get(*class)))
    }

    pub fn active_ids(&self) -> Vec<ClassId> {
        self.active.iter().copied().collect()
    }

    /// Enters a test that has failed on these hosts.
    pub fn insert(&mut self, class: ClassId, key: Key, failed_on: &[HostId]) {
        self.get_mut(class).insert(key, failed_on);
        self.active.insert(class);
        self.demand_of(class).waiting += 1;
    }

    pub fn remove(&mut self, class: ClassId, key: Key, failed_on: &[HostId]) {
        let queue = self.get_mut(class);
        if !queue.remove(&key, failed_on) {
            return;
        }
        if queue.is_empty() {
            self.active.remove(&class);
        }
        self.demand_of(class).waiting -= 1;
    }
}
