//! Which test runs where, and when.
//!
//! A pool of hosts is treated like a pool of threads: the moment a host is free, it gets one more test;
//! nothing is split up front. [`Scheduler::apply`] takes one [`Event`] and the time at which it happened, and
//! returns the [`Action`]s to carry out; the same events always give the same actions.
//!
//! Start reading in `scheduler`, which holds the state and hands each event to who knows about it: `queue` has
//! the tests that wait, by class (a class is what decides where tests can run, and would rather run), `pool` the
//! hosts, `choose` decides which test is next (the order of fitness), `assign` brings tests and idle hosts
//! together and lets go of hosts that are not needed, `ends` judges how attempts and set-ups ended, `after` is the
//! graph of tests that wait for others, `provision` says how many hosts are wanted of whom, `lease` sees to hosts that
//! are only lent, `deadline` to tests that would not end in time, `policy` asks somebody else, `control` is what people ask for while it runs.
//!
//! It knows numbers only: it has no clock, thread, file or network, and neither the names of tests, the addresses
//! of hosts, nor what an expression over a host's facts means; whoever drives it translates, and tells for each host
//! and expression whether it holds. A decision costs O(c + log n) for n waiting tests of c classes, where
//! tests that have failed on the same hosts are a class of their own.
//!
//! A scheduler can begin in the middle of a run: tests arrive with what has been tried already, and hosts are
//! adopted with the tests that run on them. Events and actions can be written down and read back (serde), so that a run
//! can be replayed.

mod action;
mod after;
mod assign;
mod choose;
mod class;
mod control;
mod deadline;
mod ends;
mod event;
mod ids;
mod lease;
mod options;
mod policy;
mod pool;
mod provision;
mod queue;
mod scheduler;
mod tests_table;
mod tried;

pub use action::{Action, Question, Release, Settled, Unrunnable};
pub use class::MARGIN;
pub use event::{
    After, Answer, AttemptEnd, Ended, Event, HostIs, HostTraits, Outcome, ProvisionerTraits, SetupEnd,
    TestTraits, Verdict,
};
pub use ids::{
    ExpressionId, HostId, MarkId, Millis, NameId, PlatformId, ProvisionerId, QuestionId, SetupId, TestId,
    Time,
};
pub use options::{BREAKER, Options, Order, RerunOn};
pub use policy::MOST_CANDIDATES;
pub use provision::{BACKOFF, FRUITLESS};
pub use scheduler::Scheduler;
pub use tried::Tried;
