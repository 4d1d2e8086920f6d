//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use atex_model::Time;

/// The present time. Durations are measured by `Instant` instead, which nobody sets back.
pub fn now() -> Time {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Time(ms)
}
