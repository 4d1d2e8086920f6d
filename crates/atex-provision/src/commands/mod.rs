//! What can be done with leases that there are.

mod leases;
mod reap;
mod release;
mod ssh;
mod verdict;

pub(crate) use leases::leases;
pub(crate) use reap::reap;
pub(crate) use release::release;
pub(crate) use ssh::ssh;

use std::sync::Arc;

use atex_cli::Failure;
use serde_json::Value;

use crate::backends::{self, Backend, Surroundings};

/// The back end that an entry or a provider of the ledger is of.
fn reopen(backend: &str, at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
    let kind = backends::find(backend).ok_or_else(|| {
        Failure::trouble(format!("{backend}: this version of atex-provision has no such back end"))
    })?;
    (kind.reopen)(at, around)
}
