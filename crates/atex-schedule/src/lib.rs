//! Which test runs where, and when.
//!
//! A pool of hosts is treated like a pool of threads: the moment a host is free, it gets one more test;
//! nothing is split up front. [`Scheduler::apply`] takes one [`Event`] and returns the [`Action`]s to carry
//! out; the same events always give the same actions. Tests go out in the order in which they came.
//!
//! The scheduler knows numbers only: it has no clock, thread, file or network, and neither the names of
//! tests nor the addresses of hosts. Whoever drives it translates. A decision costs O(c + log n) for n
//! waiting tests of c classes (a class is what decides where a test can run).
//!
//! A scheduler can begin in the middle of a run: tests arrive with what has been tried already, and hosts are
//! adopted with the tests that run on them.

mod pool;
mod queue;
mod scheduler;

pub use scheduler::{Action, Ended, Event, HostIs, Options, Release, Scheduler, SetupEnd, Tried, Unrunnable};

/// A test, numbered in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestId(pub u32);

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// A label of tests and hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformId(pub u32);

/// What decides which tests a host may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostKind {
    /// Its label.
    pub platform: PlatformId,
    /// It outlives the run, and is not to be harmed: no destructive test runs there.
    pub is_spared: bool,
}

/// What a host must have been given before a test can run on it: a tree of files and a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetupId(pub u32);
