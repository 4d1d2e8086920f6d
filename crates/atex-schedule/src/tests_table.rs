//! What is remembered of each test that is not settled.

use crate::class::ClassId;
use crate::queue::Key;
use crate::{HostId, Millis, TestId, Tried};

/// Where a test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It comes after tests that have not ended.
    Blocked,
    Waiting,
    /// It would not end before the deadline.
    Late,
    Running(HostId),
}

/// A test that is not settled.
#[derive(Debug)]
pub(crate) struct TestState {
    pub class: ClassId,
    pub key: Key,
    pub place: Place,
    /// It is not to run again.
    pub is_cancelled: bool,
    pub reruns: Option<u32>,
    /// How long it will take, or else may take.
    pub length: Millis,
    pub tried: Option<Box<Tried>>,
}

impl TestState {
    /// The hosts on which it has failed.
    pub fn failed_on(&self) -> &[HostId] {
        self.tried.as_ref().map_or(&[], |tried| &tried.failed_on)
    }

    /// The number of its next attempt.
    pub fn next_attempt(&self) -> u32 {
        self.tried.as_ref().map_or(0, |tried| tried.attempts) + 1
    }
}

/// The tests that are not settled, by number.
#[derive(Debug, Default)]
pub(crate) struct Tests {
    all: Vec<Option<Box<TestState>>>,
    unsettled: usize,
}

impl Tests {
    pub fn insert(&mut self, test: TestId, state: TestState) {
        let at = test.0 as usize;
        if self.all.len() <= at {
            self.all.resize_with(at + 1, || None);
        }
        if self.all[at].replace(Box::new(state)).is_none() {
            self.unsettled += 1;
        }
    }

    pub fn get(&self, test: TestId) -> Option<&TestState> {
        self.all.get(test.0 as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, test: TestId) -> Option<&mut TestState> {
        self.all.get_mut(test.0 as usize)?.as_deref_mut()
    }

    pub fn remove(&mut self, test: TestId) -> Option<Box<TestState>> {
        let state = self.all.get_mut(test.0 as usize)?.take();
        self.unsettled -= usize::from(state.is_some());
        state
    }

    pub fn unsettled(&self) -> usize {
        self.unsettled
    }
}
