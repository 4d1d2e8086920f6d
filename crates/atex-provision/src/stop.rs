//! Waiting that can be broken off, when the program is told to end.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never};

/// Nothing is ever sent: that the sender is gone is the news.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Nothing {}

/// Whether, and since when, new things are not to be begun.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Receiver<Nothing>);

/// Whoever drops it stops everybody who waits.
#[derive(Debug)]
pub(crate) struct Stopper(
    #[expect(dead_code, reason = "that it is dropped is what matters")] Sender<Nothing>,
);

impl Stop {
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = bounded(0);
        (Stopper(sender), Stop(receiver))
    }

    /// For what has to be done to its end.
    pub fn never() -> Stop {
        Stop(never())
    }

    pub fn is_stopped(&self) -> bool {
        self.sleep(Duration::ZERO)
    }

    /// Waits so long; `true` as soon as it is to stop.
    pub fn sleep(&self, time: Duration) -> bool {
        match self.0.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
            Ok(nothing) => match nothing {},
        }
    }

    /// For a choice between several events: it is ready once it is to stop.
    pub fn event(&self) -> &Receiver<Nothing> {
        &self.0
    }
}
