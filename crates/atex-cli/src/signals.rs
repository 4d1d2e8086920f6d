//! Signals as events on a channel. Nothing is done in a handler.

use std::io;

use crossbeam_channel::{Receiver, unbounded};
use nix::sys::signal::Signal;
use signal_hook::iterator::Signals;

/// Sends each of the `signals` that arrives to the channel that is returned.
///
/// Handlers, unlike a mask, are gone in programs that we start, so that they get default dispositions.
///
/// # Errors
/// A handler cannot be installed.
pub fn channel(signals: &[Signal]) -> io::Result<Receiver<Signal>> {
    let numbers: Vec<i32> = signals.iter().map(|signal| *signal as i32).collect();
    let mut arriving = Signals::new(numbers)?;
    let (to, from) = unbounded();
    std::thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || {
        for number in arriving.forever() {
            let Ok(signal) = Signal::try_from(number) else { continue };
            if to.send(signal).is_err() {
                break;
            }
        }
    })?;
    Ok(from)
}

/// The user wants the program to end: at a terminal, by a closed terminal, by another program.
pub const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_arrives_as_an_event() {
        let events = channel(&[Signal::SIGUSR2]).unwrap();
        nix::sys::signal::raise(Signal::SIGUSR2).unwrap();
        assert_eq!(events.recv(), Ok(Signal::SIGUSR2));
    }
}
