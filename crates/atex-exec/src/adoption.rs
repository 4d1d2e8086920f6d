//! A host that ran an attempt for us when an earlier atex-exec of this run ended.

use std::sync::Arc;
use std::time::Instant;

use crate::attempt::Job;
use crate::pool::Prepared;

/// What such a host was doing.
#[derive(Debug)]
pub(crate) struct Adoption {
    /// What it had been given for that.
    pub setup: Arc<Prepared>,
    /// It can be given anew, if it has to be.
    pub is_whole: bool,
    /// The attempt.
    pub job: Box<Job>,
    /// The attempt is to end, and is not looked for after that.
    pub end_by: Option<Instant>,
}
