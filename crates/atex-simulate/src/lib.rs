//! Runs without hosts: what a run would be like, in virtual time.
//!
//! [`simulate`] plays a [`Scenario`] (tests with the time that they take, hosts, provisioners, what goes wrong) against the
//! scheduler (crate atex-schedule) and tells a [`Watcher`] of every event and what was decided. `world` is what would
//! be outside of the scheduler; `chance` is where all that is random comes from, so that the same seed
//! gives the same run; `workload` makes up durations; `baseline` is what other ways of sharing the tests out would
//! take, and what no way can beat.
//!
//! It does no I/O, has no clock, and knows neither records nor names.

mod baseline;
mod chance;
mod scenario;
mod summary;
mod workload;
mod world;

pub use baseline::{in_order, longest_first, lower_bound, split_evenly};
pub use chance::Chance;
pub use scenario::{Host, Provisioner, Rates, Scenario, Test};
pub use summary::Summary;
pub use workload::Model;
pub use world::{Stuck, Watcher, simulate};
