//! Hosts that are got now and stay leased when we have ended.

use std::io::Write;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure, signals};
use crossbeam_channel::bounded;
use nix::sys::signal::Signal;

use crate::Terms;
use crate::crowd::{Event, Item, MOST, crowd, each_at_once};
use crate::lease::Leasing;
use crate::ledger::Entry;
use crate::run::Done;
use crate::stop::{Stop, Stopper};
use crate::trouble::Trouble;

/// Writes a record for each host, as soon as it is there. If we are told to end, or nobody reads the records, all are given
/// back.
pub(crate) fn reserve<W: Write>(
    leasing: &Leasing,
    terms: &Terms,
    out: &mut Output<W>,
    done: &mut Done,
) -> Result<(), Failure> {
    let signals = signals::channel(&signals::ENDING).map_err(Failure::trouble)?;
    let wanted = u64::from(terms.hosts.unwrap_or(1));
    let (stopper, stop) = Stop::new();
    let (to, input) = bounded(MOST);
    // Ends early if nobody wants more of them.
    std::thread::spawn(move || (0..wanted).try_for_each(|_| to.send(Item::Work(()))));
    let mut reserving = Reserving { got: Vec::new(), stopper: Some(stopper), failure: None };
    crowd(
        (input, signals),
        MOST,
        |()| leasing.obtain(&stop),
        |crowd| {
            while let Some(event) = crowd.next() {
                match event {
                    Event::Done(obtained) => reserving.take(obtained, out, done),
                    Event::Signal(signal) => reserving.told_to_end(signal, done),
                    Event::Other(_) | Event::Wrong(_) => {}
                }
                if reserving.stopper.is_none() {
                    crowd.close();
                }
            }
        },
    );
    let failed = reserving.stopper.is_none();
    if failed {
        give_back_all(leasing, reserving.got, done);
    } else {
        // Now that whoever wants them knows of them. Until then they would have been ours, dead or alive.
        for entry in &reserving.got {
            leasing.leave(&entry.token)?;
        }
    }
    reserving.failure.map_or(Ok(()), Err)
}

struct Reserving {
    got: Vec<Entry>,
    /// None: all that was got is given back.
    stopper: Option<Stopper>,
    failure: Option<Failure>,
}

impl Reserving {
    fn told_to_end(&mut self, signal: Signal, done: &mut Done) {
        let exit = Exit::Signal(signal as u8);
        done.exit = done.exit.max(Some(exit));
        if self.stopper.take().is_none() {
            log::error!("ended before all was given back; `atex-provision reap` does the rest");
            std::process::exit(i32::from(exit.code()));
        }
    }

    fn take<W: Write>(&mut self, obtained: Result<Entry, Trouble>, out: &mut Output<W>, done: &mut Done) {
        match obtained {
            Ok(entry) => {
                if self.stopper.is_some() {
                    match entry
                        .host
                        .as_ref()
                        .map_or(Ok(()), |host| out.record(host))
                        .and_then(|()| out.flush())
                    {
                        Ok(()) => done.count("hosts"),
                        Err(error) => {
                            self.stopper = None;
                            self.failure = Some(error.into());
                        }
                    }
                }
                self.got.push(entry);
            }
            Err(_) if self.stopper.is_none() => {}
            Err(trouble) => done.trouble(&trouble.into()),
        }
    }
}

fn give_back_all(leasing: &Leasing, entries: Vec<Entry>, done: &mut Done) {
    for result in each_at_once(entries, |entry| leasing.give_back(&entry.token)) {
        if let Err(trouble) = result {
            done.trouble(&Failure::trouble(trouble).hint("`atex-provision reap` will try again"));
        }
    }
    done.counts.insert("hosts".to_owned(), 0);
}
