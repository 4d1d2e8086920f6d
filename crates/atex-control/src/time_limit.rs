//! How long a test may run, and what the word `duration` does to it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one `duration` word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitChange {
    /// `15m`: a new limit, and the running time starts again at zero.
    Set(Duration),
    /// `+60`: the limit moves up, the running time stays.
    Extend(Duration),
    /// `-60`: the limit moves down, the running time stays.
    Shorten(Duration),
    /// `save`: remember the time left.
    Save,
    /// `restore`: set it back.
    Restore,
}

/// The limit of one test. It has no clock: the caller says how long the test has been going, as
/// time since its start, which must not run backwards.
///
/// Counted in milliseconds, signed and saturating: a limit may be moved into the past, and no
/// test waits for the 292 million years at which it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLimit {
    /// Since when the running time counts.
    since: i64,
    /// The running time at which the test is over.
    limit: i64,
    saved: Option<Saved>,
}

/// The outermost `save`. Inner pairs only count, so that a library may use its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    left: i64,
    limit: i64,
    depth: u64,
}

impl TimeLimit {
    /// The limit of a test whose metadata name none.
    pub const DEFAULT: Duration = Duration::from_secs(300);

    /// The limit at the start of a test.
    pub fn new(limit: Duration) -> Self {
        TimeLimit { since: 0, limit: millis(limit), saved: None }
    }

    /// Does what a `duration` word asks for, `elapsed` after the start of the test.
    pub fn apply(&mut self, change: LimitChange, elapsed: Duration) {
        let now = millis(elapsed);
        match change {
            LimitChange::Set(limit) => {
                self.since = now;
                self.limit = millis(limit);
            }
            LimitChange::Extend(by) => self.limit = self.limit.saturating_add(millis(by)),
            LimitChange::Shorten(by) => self.limit = self.limit.saturating_sub(millis(by)),
            LimitChange::Save => self.save(now),
            LimitChange::Restore => self.restore(now),
        }
    }

    /// Whether the test is over its limit, `elapsed` after its start.
    pub fn is_reached(&self, elapsed: Duration) -> bool {
        millis(elapsed) >= self.end()
    }

    /// The time left, `elapsed` after the start of the test; zero when the limit is reached.
    pub fn left(&self, elapsed: Duration) -> Duration {
        duration(self.end().saturating_sub(millis(elapsed)))
    }

    /// The limit as it stands, for the message that says that it was reached.
    pub fn limit(&self) -> Duration {
        duration(self.limit)
    }

    fn end(&self) -> i64 {
        self.since.saturating_add(self.limit)
    }

    fn save(&mut self, now: i64) {
        let (left, limit) = (self.end().saturating_sub(now), self.limit);
        let saved = self.saved.get_or_insert(Saved { left, limit, depth: 0 });
        saved.depth = saved.depth.saturating_add(1);
    }

    fn restore(&mut self, now: i64) {
        let Some(saved) = &mut self.saved else { return };
        saved.depth -= 1;
        if saved.depth == 0 {
            let ran = saved.limit.saturating_sub(saved.left);
            self.limit = saved.limit;
            self.since = now.saturating_sub(ran);
            self.saved = None;
        }
    }
}

impl Default for TimeLimit {
    fn default() -> Self {
        TimeLimit::new(TimeLimit::DEFAULT)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
