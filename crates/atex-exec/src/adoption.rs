//! A host that ran an attempt for us when an earlier atex-exec of this run ended.

use std::sync::Arc;

use atex_model::report::{Cause, Counts, Outcome};

use crate::attempt::{Done, Job};
use crate::pool::Prepared;

/// What such a host was doing.
#[derive(Debug)]
pub(crate) struct Adoption {
    /// What it had been given for that.
    pub setup: Arc<Prepared>,
    /// The attempt.
    pub job: Job,
}

/// The end of an attempt of which nothing more can be had: by our own doing, unless its host is to blame.
pub(crate) fn cut_short(cause: Cause, note: String) -> Done {
    Done {
        outcome: Outcome::Infra,
        cause,
        exit: None,
        note: Some(note),
        counts: Counts::new(),
        seconds: 0.0,
        storage_failed: false,
    }
}
