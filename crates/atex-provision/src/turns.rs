//! How many calls to providers are under way at once, and when there are none because a provider wants to be left alone.
//!
//! A lease that comes into being has a thread of its own, which mostly sleeps: a thousand of them are cheap, a thousand calls
//! at once are not, neither here nor at the provider.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::stop::Stop;
use crate::trouble::Trouble;

/// How many, unless the user says otherwise.
pub(crate) const DEFAULT: usize = 10;

/// As many tokens as there may be calls at once: whoever calls has one.
struct Turns {
    give: Sender<()>,
    take: Receiver<()>,
    /// Until when nobody calls.
    rest: Mutex<Option<Instant>>,
}

static TURNS: Mutex<Option<Arc<Turns>>> = Mutex::new(None);

/// Leave for one call, until it is dropped.
pub(crate) struct Turn(Arc<Turns>);

/// So many at once from now on; for the beginning of the program.
pub(crate) fn allow(count: usize) {
    *TURNS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Turns::of(count.max(1)));
}

/// Waits for a turn.
pub(crate) fn take(stop: &Stop) -> Result<Turn, Trouble> {
    let turns = current();
    select! {
        // Both ends are here: it is never closed.
        recv(turns.take) -> _ => {}
        recv(stop.event()) -> _ => return Err(Trouble::stopped()),
    }
    let turn = Turn(turns);
    loop {
        // The others wait behind us.
        let rest = *turn.0.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let left = rest.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        if left.is_zero() {
            return Ok(turn);
        }
        if stop.sleep(left) {
            return Err(Trouble::stopped());
        }
    }
}

/// The provider has asked for it: no call is begun for so long.
pub(crate) fn rest(time: Duration) {
    let turns = current();
    let mut rest = turns.rest.lock().unwrap_or_else(PoisonError::into_inner);
    let until = Instant::now() + time;
    *rest = Some(rest.map_or(until, |known| known.max(until)));
}

fn current() -> Arc<Turns> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.get_or_insert_with(|| Turns::of(DEFAULT)))
}

impl Turns {
    fn of(count: usize) -> Arc<Turns> {
        let (give, take) = bounded(count);
        // There is room for each of them.
        for _ in 0..count {
            let _ = give.try_send(());
        }
        Arc::new(Turns { give, take, rest: Mutex::new(None) })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // There is room for what was taken.
        let _ = self.0.give.try_send(());
    }
}
