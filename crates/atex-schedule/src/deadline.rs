//! A time by which all has to be over: tests that take longer than is left are not begun.
//!
//! What is late stays late, so a test is put aside once, when it becomes so. Of a test of which nobody knows how long
//! it takes, nobody knows that it is late.

use std::collections::BTreeSet;

use crate::lease::Timer;
use crate::scheduler::{Ending, Scheduler};
use crate::tests_table::Place;
use crate::{Action, Millis, TestId, Time};

/// Who waits, and who has waited for too long.
#[derive(Debug, Default)]
pub(crate) struct Late {
    /// Tests that wait and of which it is known how long they take. Empty without a deadline.
    waiting: BTreeSet<(Millis, TestId)>,
    /// How many have been put aside.
    count: usize,
}

impl Scheduler {
    /// How many tests are not begun, as they would not end before the deadline.
    #[must_use]
    pub fn late(&self) -> usize {
        self.late.count
    }

    /// A test waits for a host.
    pub(crate) fn may_become_late(&mut self, test: TestId) {
        if let (Some(_), Some(length)) = (self.options.deadline, self.known_length(test)) {
            self.late.waiting.insert((length, test));
        }
    }

    /// A test does not wait any more.
    pub(crate) fn no_longer_waits(&mut self, test: TestId, length: Millis) {
        self.late.waiting.remove(&(length, test));
    }

    /// A test that was put aside has been settled otherwise.
    pub(crate) fn no_longer_late(&mut self) {
        self.late.count -= 1;
    }

    /// Puts tests aside for which there is no time left, and ends the run if no others are left.
    pub(crate) fn put_late_aside(&mut self, actions: &mut Vec<Action>) {
        let Some(deadline) = self.options.deadline else { return };
        while let Some((length, test)) = self.late.waiting.last().copied()
            && self.now.after(length) > deadline
        {
            self.put_aside(test);
        }
        if let Some((length, _)) = self.late.waiting.last() {
            // One moment later it is late.
            let at = Time(deadline.0.saturating_sub(*length).saturating_add(1));
            self.timers.set(at, Timer::Late);
        }
        let runs = self.queue.demand.iter().any(|demand| demand.running + demand.waiting > 0);
        if self.late.count > 0 && self.input_ended && !runs {
            self.end(Ending::Draining, actions);
        }
    }

    fn put_aside(&mut self, test: TestId) {
        let Some(state) = self.tests.get_mut(test) else { return };
        let length = state.length;
        state.place = Place::Late;
        self.queue.remove(state.class, state.key, state.failed_on());
        self.late.waiting.remove(&(length, test));
        self.late.count += 1;
        self.supply_changed = true;
    }

    fn known_length(&self, test: TestId) -> Option<Millis> {
        let state = self.tests.get(test)?;
        let is_known = self.queue.get(state.class).class.limit.is_none();
        is_known.then_some(state.length)
    }
}
