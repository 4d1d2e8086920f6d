//! How many calls to providers are under way at once.
//!
//! A lease that comes into being has a thread of its own, which mostly sleeps: a thousand of them are cheap, a thousand calls
//! at once are not, neither here nor at the provider.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::stop::Stop;
use crate::trouble::Trouble;

/// How many, unless the user says otherwise.
pub(crate) const DEFAULT: usize = 10;

/// How often somebody who waits looks whether everything has been stopped.
const LOOK: Duration = Duration::from_millis(200);

static FREE: Mutex<usize> = Mutex::new(DEFAULT);
static CHANGED: Condvar = Condvar::new();

/// Leave for one call, until it is dropped.
pub(crate) struct Turn(());

/// So many at once from now on; for the beginning of the program.
pub(crate) fn allow(count: usize) {
    *FREE.lock().unwrap_or_else(PoisonError::into_inner) = count.max(1);
    CHANGED.notify_all();
}

/// Waits for a turn.
pub(crate) fn take(stop: &Stop) -> Result<Turn, Trouble> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    while *free == 0 {
        if stop.is_stopped() {
            return Err(Trouble::stopped());
        }
        free = CHANGED.wait_timeout(free, LOOK).unwrap_or_else(PoisonError::into_inner).0;
    }
    *free -= 1;
    Ok(Turn(()))
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        CHANGED.notify_one();
    }
}
