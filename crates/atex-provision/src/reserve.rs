//! Hosts that are got now and stay leased when we have ended.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use atex_cli::output::Output;
use atex_cli::{Exit, Failure, signals};
use crossbeam_channel::{Receiver, never, select, tick, unbounded};
use nix::sys::signal::Signal;

use crate::Terms;
use crate::crowd::{MOST, STACK, each_at_once};
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
    let begun = AtomicU64::new(0);
    let (to, news) = unbounded();
    let mut reserving = Reserving {
        leasing,
        out,
        done,
        signals,
        is_signalled: false,
        got: Vec::new(),
        stopper: Some(stopper),
        failure: None,
    };
    std::thread::scope(|scope| {
        for _ in 0..wanted.min(MOST as u64) {
            let (to, begun, stop) = (to.clone(), &begun, &stop);
            let work = move || {
                while !stop.is_stopped() && begun.fetch_add(1, Ordering::Relaxed) < wanted {
                    let _ = to.send(leasing.obtain(stop));
                }
            };
            if let Err(e) = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work) {
                reserving.done.trouble(&Failure::trouble(format!("a thread cannot be started: {e}")));
                break;
            }
        }
        drop(to);
        reserving.listen(&news, Reserving::take);
    });
    if reserving.stopper.is_none() {
        reserving.give_back_all();
    } else {
        // Now that whoever wants them knows of them. Until then they would have been ours, dead or alive.
        for entry in &reserving.got {
            leasing.leave(&entry.token)?;
        }
    }
    reserving.failure.map_or(Ok(()), Err)
}

struct Reserving<'a, W: Write> {
    leasing: &'a Leasing,
    out: &'a mut Output<W>,
    done: &'a mut Done,
    signals: Receiver<Signal>,
    /// We were told to end by a signal.
    is_signalled: bool,
    got: Vec<Entry>,
    /// None: all that was got is given back.
    stopper: Option<Stopper>,
    failure: Option<Failure>,
}

impl<W: Write> Reserving<'_, W> {
    /// Takes what threads report, until there are none; heard are signals meanwhile, and the ledger is told that we live.
    fn listen<T>(&mut self, news: &Receiver<T>, take: fn(&mut Self, T)) {
        let signs = tick(self.leasing.sign_of_life());
        let mut signals = self.signals.clone();
        loop {
            select! {
                recv(news) -> item => match item {
                    Ok(item) => take(self, item),
                    Err(_) => return,
                },
                recv(signals) -> signal => match signal {
                    Ok(signal) => self.signalled(Exit::Signal(signal as u8)),
                    Err(_) => signals = never(),
                },
                recv(signs) -> _ => self.leasing.ledger.touch(),
            }
        }
    }

    fn signalled(&mut self, exit: Exit) {
        self.done.exit = self.done.exit.max(Some(exit));
        if std::mem::replace(&mut self.is_signalled, true) {
            log::error!("ended before all was given back; `atex-provision reap` does the rest");
            std::process::exit(i32::from(exit.code()));
        }
        log::warn!("all is being given back; another signal ends this at once");
        self.stopper = None;
    }

    fn take(&mut self, obtained: Result<Entry, Trouble>) {
        match obtained {
            Ok(entry) => {
                self.hand_out(&entry);
                self.got.push(entry);
            }
            Err(_) if self.stopper.is_none() => {}
            Err(trouble) => self.done.trouble(&trouble.into()),
        }
    }

    fn hand_out(&mut self, entry: &Entry) {
        if self.stopper.is_none() {
            return;
        }
        let written = entry.host.as_ref().map_or(Ok(()), |host| self.out.record(host));
        match written.and_then(|()| self.out.flush()) {
            Ok(()) => self.done.count("hosts"),
            Err(error) => {
                self.stopper = None;
                self.failure = Some(error.into());
            }
        }
    }

    fn give_back_all(&mut self) {
        let (leasing, entries) = (self.leasing, std::mem::take(&mut self.got));
        let (to, news) = unbounded();
        let work = move || {
            each_at_once(entries, |entry| {
                let _ = to.send(leasing.give_back(&entry.token));
            });
        };
        std::thread::scope(|scope| {
            // If it cannot be started, nothing is sent, and it is for `reap`.
            if let Err(e) = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work) {
                self.done.trouble(&Failure::trouble(format!("a thread cannot be started: {e}")));
            }
            self.listen(&news, Reserving::returned);
        });
        self.done.counts.insert("hosts".to_owned(), 0);
    }

    fn returned(&mut self, result: Result<(), Trouble>) {
        if let Err(trouble) = result {
            self.done.trouble(&Failure::trouble(trouble).hint("`atex-provision reap` will try again"));
        }
    }
}
