//! What is kept of one host.

use std::collections::BTreeMap;

use atex_model::Time;
use atex_model::report::{HostEnd, HostEndReason};

use super::clip;

/// One host of one run.
#[derive(Debug, Default)]
pub struct Host {
    /// Its label.
    pub platform: String,
    /// When it last joined the pool.
    pub started: Option<Time>,
    /// How it left the pool, each time.
    pub endings: BTreeMap<Time, HostEnding>,
}

/// How a host left the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEnding {
    /// Why.
    pub reason: HostEndReason,
    /// What happened.
    pub note: Option<String>,
}

/// Whether a host that ends so has failed us, and was not given back in good order.
pub fn is_trouble(reason: HostEndReason) -> bool {
    match reason {
        HostEndReason::Lost | HostEndReason::Unhealthy | HostEndReason::Quarantined => true,
        HostEndReason::Done
        | HostEndReason::Destroyed
        | HostEndReason::Expired
        | HostEndReason::Surplus
        | HostEndReason::Dropped
        | HostEndReason::Cancelled => false,
    }
}

impl Host {
    /// How it left the pool last, unless it has come back since.
    pub fn ending(&self) -> Option<&HostEnding> {
        let (time, ending) = self.endings.last_key_value()?;
        self.started.is_none_or(|started| started <= *time).then_some(ending)
    }

    /// How often it has failed us, and how it did last.
    pub fn trouble(&self) -> (usize, Option<&HostEnding>) {
        let mut bad = self.endings.values().filter(|ending| is_trouble(ending.reason));
        let last = bad.next_back();
        (bad.count() + usize::from(last.is_some()), last)
    }

    pub(super) fn start(&mut self, time: Time, platform: &str) {
        self.started = self.started.max(Some(time));
        self.platform = platform.to_owned();
    }

    pub(super) fn end(&mut self, end: &HostEnd) {
        self.platform = end.platform.clone();
        let ending = HostEnding { reason: end.reason, note: end.note.as_deref().map(clip) };
        self.endings.entry(end.time).or_insert(ending);
    }
}
