//! What a run came to.

use atex_schedule::{Millis, Outcome};

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// From the beginning to the end of the last test.
    pub makespan: Millis,
    /// How long hosts were there, in all.
    pub present: Millis,
    /// How long they were in tests, in all.
    pub busy: Millis,
    /// Tests that were settled, by outcome.
    pub settled: [u64; 7],
    /// Tests that were not.
    pub unsettled: u64,
    /// Attempts that were made.
    pub attempts: u64,
    /// The most hosts that were there at a time.
    pub most_hosts: u32,
    /// Events that the scheduler was told of.
    pub events: u64,
}

impl Summary {
    /// The share of the hosts' time that was spent in tests.
    #[must_use]
    pub fn busy_share(&self) -> f64 {
        if self.present == 0 { 0.0 } else { self.busy as f64 / self.present as f64 }
    }

    /// Tests that were settled so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.settled[outcome as usize]
    }
}
