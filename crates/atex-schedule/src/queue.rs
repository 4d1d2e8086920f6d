//! Tests that wait.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::{HostKind, PlatformId, SetupId, TestId};

/// What decides where a test can run, and what has to be there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    /// The label of its hosts; without one it runs on any.
    pub platform: Option<PlatformId>,
    pub setup: SetupId,
    /// Its host cannot be used after it.
    pub is_destructive: bool,
}

impl Class {
    pub fn fits(self, host: HostKind) -> bool {
        self.platform.is_none_or(|platform| platform == host.platform)
            && !(self.is_destructive && host.is_spared)
    }
}

/// Waiting tests by class, each class in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    classes: IndexMap<Class, BTreeSet<TestId>>,
}

impl Queue {
    pub fn insert(&mut self, class: Class, test: TestId) {
        self.classes.entry(class).or_default().insert(test);
    }

    /// The test that a host should run next, out of the classes that `may` admits, which is told how many
    /// tests wait there.
    pub fn first(&self, may: impl Fn(Class, usize) -> bool) -> Option<(Class, TestId)> {
        let heads =
            self.classes.iter().filter_map(|(class, tests)| Some((*class, *tests.first()?, tests.len())));
        let best = heads.filter(|(class, _, waiting)| may(*class, *waiting)).min_by_key(|(_, test, _)| *test);
        best.map(|(class, test, _)| (class, test))
    }

    pub fn remove(&mut self, class: Class, test: TestId) {
        if let Some(tests) = self.classes.get_mut(&class) {
            tests.remove(&test);
        }
    }

    /// Takes out a test, whatever its class.
    pub fn take_one(&mut self, test: TestId) -> Option<Class> {
        self.classes.iter_mut().find_map(|(class, tests)| tests.remove(&test).then_some(*class))
    }

    /// Takes out all tests of the classes that `which` picks, in order of arrival.
    pub fn take(&mut self, which: impl Fn(Class) -> bool) -> Vec<TestId> {
        let picked = self.classes.iter_mut().filter(|(class, _)| which(**class));
        let mut tests: Vec<TestId> = picked.flat_map(|(_, tests)| std::mem::take(tests)).collect();
        tests.sort_unstable();
        tests
    }
}
