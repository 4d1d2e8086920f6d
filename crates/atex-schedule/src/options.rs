//! What can be chosen.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::tests_table::TestState;

/// After so many failures in a row a provisioner is used no more, unless something else is said.
pub const BREAKER: u32 = 8;

/// How a run is to be scheduled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// Which test is next.
    pub order: Order,
    /// How often a failed test is tried again.
    pub reruns: u32,
    /// What a failed test is.
    pub rerun_on: RerunOn,
    /// How often a test is tried again that ended by its host's fault.
    pub infra_retries: u32,
    /// How many set-ups may fail on hosts of one provisioner within an hour. One more, and it is used no more.
    pub max_failed_setups: u32,
    /// After so many failures in a row a provisioner is used no more.
    pub breaker: u32,
    /// How many hosts are asked for beyond those that have a test, and kept while a test may come back.
    pub spares: u32,
    /// How many hosts are worked on at a time; without it, all.
    pub max_hosts: Option<u32>,
    /// Tests that are known to take longer than until then are not begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// After so many tests that were settled as `fail` or `error`, nothing more is started and what runs is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failed: Option<u64>,
    /// Somebody else is asked.
    pub policy: bool,
}

impl Options {
    /// How many more hosts a test may want while it runs. The bound keeps sums of them small.
    pub(crate) fn retries(&self, test: &TestState) -> u32 {
        test.reruns.unwrap_or(self.reruns).max(self.infra_retries).min(u32::from(u8::MAX))
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            order: Order::Best,
            reruns: 0,
            rerun_on: RerunOn::Exit,
            infra_retries: 2,
            max_failed_setups: 10,
            breaker: BREAKER,
            spares: 0,
            max_hosts: None,
            deadline: None,
            max_failed: None,
            policy: false,
        }
    }
}

/// Which test is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// By priority, what the host is like, and expected duration.
    Best,
    /// As tests say (`order`), else as they came.
    Given,
}

/// What makes a test be tried again while it has reruns left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RerunOn {
    /// Its exit status was not 0, or it had to be ended.
    Exit,
    /// Its outcome is worse than `warn`.
    Outcome,
    /// Nothing.
    Never,
}
