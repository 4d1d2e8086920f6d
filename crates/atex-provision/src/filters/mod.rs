//! Filters over host records: something is done with each host of a stream, many at once, and its record goes on.
//!
//! A host with which that cannot be done comes out as `host-gone`, with its lease, so that `release` behind a pipeline gives
//! it back. Everything that is no host goes on as it came. A filter stands on [`Filter::run`]; what it does with a host is
//! all that it has of its own.

mod check;
mod facts;
mod listed;
mod passing;
mod prepare;

use std::io::Write;
use std::time::{Duration, Instant};

use atex_cli::output::{Output, OutputError};
use atex_cli::{Exit, Failure, signals};
use atex_model::protocol::{HostGone, HostGoneTag};
use crossbeam_channel::Receiver;
use nix::sys::signal::Signal;

pub(crate) use check::check;
pub(crate) use facts::facts;
pub(crate) use listed::inventory;
pub(crate) use passing::{Passing, read};
pub use prepare::Steps;
pub(crate) use prepare::{Preparation, prepare};

use crate::crowd::{Event, Item, MOST, Places, crowd};
use crate::filter_args::OnHosts;
use crate::reach::{Limit, Link, Reach};
use crate::run::Done;
use crate::stop::{Stop, Stopper};
use crate::trouble::Trouble;

/// When the time that a host has begins.
#[derive(Debug, Clone, Copy)]
enum Since {
    /// When something is begun with it.
    Begun,
    /// When its record came: however many there are, none waits longer.
    Came,
}

/// What hangs takes up a place for this part of the time of all: with 64 places, a thousand hosts are all asked even if none
/// of them answers.
const PATIENCE: u32 = 16;

/// Something that is done with hosts.
struct Filter<'a, W: Write> {
    on: &'a OnHosts,
    places: Places,
    time: Duration,
    since: Since,
    reach: Reach,
    signals: Receiver<Signal>,
    /// None: we are told to end.
    stopper: Option<Stopper>,
    stop: Stop,
    out: &'a mut Output<W>,
    done: &'a mut Done,
    written: Result<(), OutputError>,
}

/// What becomes of hosts with which all is well.
enum Then<'a> {
    Write,
    Keep(&'a mut Vec<Passing>),
}

/// What has become of a host.
struct Outcome {
    host: Passing,
    result: Result<(), Trouble>,
}

impl<'a, W: Write> Filter<'a, W> {
    fn new(
        on: &'a OnHosts,
        (time, since): (Duration, Since),
        out: &'a mut Output<W>,
        done: &'a mut Done,
    ) -> Result<Self, Failure> {
        let signals = signals::channel(&signals::ENDING).map_err(Failure::trouble)?;
        let at_once = on.parallel as usize;
        let (patience, most_logins) = match since {
            Since::Begun => (None, at_once),
            Since::Came => (Some(time / PATIENCE), MOST),
        };
        let (stopper, stop) = Stop::new();
        done.counts.insert("hosts".to_owned(), 0);
        let (stopper, written) = (Some(stopper), Ok(()));
        Ok(Filter {
            on,
            places: Places { at_once, patience },
            time,
            since,
            reach: Reach::to_many(most_logins),
            signals,
            stopper,
            stop,
            out,
            done,
            written,
        })
    }

    /// Does something with every host that comes, over a way that is open, and gives what cannot be done its end.
    fn run(
        &mut self,
        input: Receiver<Item<Passing>>,
        work: impl Fn(&mut Passing, &Link) -> Result<(), Trouble> + Sync,
        mut then: Then,
    ) {
        let (time, since, stop) = (self.time, self.since, self.stop.clone());
        let reach = std::mem::take(&mut self.reach);
        let one = |mut host: Passing| {
            let begin = match since {
                Since::Begun => Instant::now(),
                Since::Came => host.came,
            };
            if begin.elapsed() >= time {
                let message = format!("not asked within {} s: others took all the time", time.as_secs_f64());
                return Outcome { host, result: Err(Trouble::passing(message)) };
            }
            let result = reach.open(&host.host.connect, Limit::from(begin, time), &stop).and_then(|link| {
                let result = work(&mut host, &link);
                link.close();
                result
            });
            Outcome { host, result }
        };
        crowd((input, self.signals.clone()), self.places, one, |crowd| {
            while let Some(event) = crowd.next() {
                let left = match event {
                    Event::Done(outcome) => {
                        self.take(outcome, &mut then);
                        self.written.is_err().then(|| crowd.close())
                    }
                    Event::Other(line) => {
                        self.write(|out| out.line(&line));
                        self.written.is_err().then(|| crowd.close())
                    }
                    Event::Wrong(failure) => {
                        self.done.trouble(&failure);
                        crowd.end_input();
                        None
                    }
                    Event::Signal(signal) => {
                        self.told_to_end(signal);
                        Some(crowd.close())
                    }
                };
                for host in left.into_iter().flatten() {
                    self.gone(&host, &Trouble::stopped());
                }
            }
        });
        self.reach = reach;
    }

    fn take(&mut self, Outcome { host, result }: Outcome, then: &mut Then) {
        match (result, then) {
            (Err(trouble), _) => self.gone(&host, &trouble),
            (Ok(()), Then::Keep(hosts)) => hosts.push(host),
            (Ok(()), Then::Write) => self.hand_on(&host),
        }
    }

    /// All is well with it.
    fn hand_on(&mut self, host: &Passing) {
        self.done.count("hosts");
        self.write(|out| out.line(&host.line));
    }

    /// It cannot be used.
    fn gone(&mut self, host: &Passing, trouble: &Trouble) {
        self.done.count("gone");
        let id = host.host.id.clone();
        if self.on.allow_gone {
            log::warn!("{id}: {trouble}");
        } else {
            self.done.trouble(&Failure::trouble(format!("{id}: {trouble}")));
        }
        let (note, lease) = (Some(trouble.message.clone()), host.host.lease.clone());
        self.write(|out| out.record(&HostGone { kind: HostGoneTag, id, note, lease }));
    }

    /// Whoever waits behind us sees it now.
    fn write(&mut self, write: impl FnOnce(&mut Output<W>) -> Result<(), OutputError>) {
        if self.written.is_ok() {
            self.written = write(self.out).and_then(|()| self.out.flush());
            if self.written.is_err() {
                self.stopper = None;
            }
        }
    }

    fn told_to_end(&mut self, signal: Signal) {
        let exit = Exit::Signal(signal as u8);
        self.done.exit = self.done.exit.max(Some(exit));
        if self.stopper.take().is_none() {
            std::process::exit(i32::from(exit.code()));
        }
    }

    fn finish(self) -> Result<(), Failure> {
        Ok(self.written?)
    }
}
