//! `release`: hosts are given back.

use std::io::Write;

use atex_cli::output::{Output, OutputError};
use atex_cli::text::visible::visible;
use atex_cli::{Failure, input::Lines};
use atex_model::protocol::{Released, ReleasedTag};
use atex_model::{Host, HostTag};
use crossbeam_channel::{Receiver, bounded, never, select, unbounded};

use super::reopen;
use crate::Release;
use crate::backends::Surroundings;
use crate::lease::give_back;
use crate::ledger::{Entry, Ledger};
use crate::reserve::{STACK, UNDER_WAY};
use crate::run::Done;
use crate::trouble::Trouble;

/// Gives back what was asked for, each host as soon as it is named. Whatever goes wrong with one, the others are given back.
pub(crate) fn release<W: Write>(
    asked: &Release,
    around: &Surroundings,
    out: &mut Output<W>,
    done: &mut Done,
) -> Result<(), Failure> {
    let ledger = around.ledger()?;
    done.counts.insert("released".to_owned(), 0);
    let named = match asked.ids[..] {
        [] => read(ledger.prefix()),
        _ => by_name(&ledger, &asked.ids)?,
    };
    let (to, freed) = unbounded();
    let mut releasing = Releasing { out, done, written: Ok(()), busy: 0 };
    std::thread::scope(|scope| {
        let (nothing, mut more) = (never(), true);
        while more || releasing.busy > 0 {
            let room = more && releasing.busy < UNDER_WAY;
            select! {
                recv(if room { &named } else { &nothing }) -> named => match named {
                    Ok(Named::Host(wanted)) => {
                        let (to, ledger) = (to.clone(), &ledger);
                        let free = move || {
                            let result = free(ledger, &wanted, around);
                            let _ = to.send((wanted.id, result));
                        };
                        match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, free) {
                            Ok(_) => releasing.busy += 1,
                            Err(e) => releasing.done.trouble(&Failure::trouble(format!("no thread can be started: {e}"))),
                        }
                    }
                    Ok(Named::Other(line)) => releasing.hand_on(&line),
                    Ok(Named::Wrong(failure)) => releasing.done.trouble(&failure),
                    Err(_) => more = false,
                },
                recv(freed) -> freed => if let Ok((id, result)) = freed { releasing.freed(id, result) },
            }
        }
    });
    let written = releasing.written;
    Ok(written.and_then(|()| out.flush())?)
}

struct Releasing<'a, W: Write> {
    out: &'a mut Output<W>,
    done: &'a mut Done,
    /// A reader that has gone away must not keep hosts from being given back.
    written: Result<(), OutputError>,
    busy: u64,
}

impl<W: Write> Releasing<'_, W> {
    /// Whoever waits behind us sees it now, not when all hosts are free.
    fn hand_on(&mut self, line: &str) {
        if self.written.is_ok() {
            self.written = self.out.line(line).and_then(|()| self.out.flush());
        }
    }

    fn freed(&mut self, id: String, result: Result<(), Failure>) {
        self.busy -= 1;
        match result {
            Ok(()) => {
                self.done.count("released");
                let record = Released { kind: ReleasedTag, id };
                if self.written.is_ok() {
                    self.written = self.out.record(&record).and_then(|()| self.out.flush());
                }
            }
            Err(failure) => self.done.trouble(&Failure::trouble(format!("{id}: {failure}"))),
        }
    }
}

/// What the input, or the command line, says.
enum Named {
    Host(Wanted),
    /// A line that is handed on.
    Other(String),
    Wrong(Failure),
}

/// A host that is to be given back.
struct Wanted {
    id: String,
    token: String,
}

/// What standard input names, as it comes.
fn read(prefix: String) -> Receiver<Named> {
    /// More is not read ahead of what is handed on.
    const AHEAD: usize = 100;
    let (to, named) = bounded(AHEAD);
    std::thread::spawn(move || {
        let mut lines = Lines::stdin();
        while !lines.is_spent() {
            let next = match lines.next_line() {
                Ok(None) => return,
                Ok(Some(line)) => match host_to_release(line.text, &prefix) {
                    Ok(Some(Ok(wanted))) => Named::Host(wanted),
                    Ok(Some(Err(trouble))) => Named::Wrong(trouble.into()),
                    Ok(None) => Named::Other(line.text.to_owned()),
                    Err(error) => Named::Wrong(line.fault(&error)),
                },
                Err(failure) => Named::Wrong(failure),
            };
            if to.send(next).is_err() {
                return;
            }
        }
    });
    named
}

/// What a record says is to be released; `None`: it is not ours to know, and is handed on.
fn host_to_release(
    text: &str,
    prefix: &str,
) -> Result<Option<Result<Wanted, Trouble>>, atex_model::LineError> {
    if atex_model::kind(text)? != HostTag::TEXT {
        return Ok(None);
    }
    let host: Host = atex_model::parse(text)?;
    let Some(lease) = host.lease else { return Ok(None) };
    if lease.token.starts_with(prefix) {
        return Ok(Some(Ok(Wanted { id: host.id, token: lease.token })));
    }
    if lease.token.starts_with("atex-") {
        let message =
            format!("{}: its lease is in the ledger of another user or machine; release it there", host.id);
        return Ok(Some(Err(Trouble::lasting(message))));
    }
    let whose = lease.provisioner.unwrap_or_else(|| "another provisioner".to_owned());
    log::warn!(
        "{}: its lease is one of {}, which has to be told to release it",
        visible(&host.id),
        visible(&whose)
    );
    Ok(None)
}

fn by_name(ledger: &Ledger, names: &[String]) -> Result<Receiver<Named>, Failure> {
    let (entries, _) = ledger.all()?;
    let (to, named) = unbounded();
    for name in names {
        let is_meant = |entry: &&Entry| entry.token == *name || entry.id.as_deref() == Some(name);
        let next = match entries.iter().map(|known| &known.entry).find(is_meant) {
            Some(entry) => Named::Host(Wanted { id: name.clone(), token: entry.token.clone() }),
            None => Named::Wrong(
                Failure::usage(format!("{name}: there is no such lease"))
                    .hint("`atex-provision leases` shows those that there are"),
            ),
        };
        // The other end is held until all is done.
        let _ = to.send(next);
    }
    Ok(named)
}

fn free(ledger: &Ledger, wanted: &Wanted, around: &Surroundings) -> Result<(), Failure> {
    let Some(entry) = ledger.get(&wanted.token)? else {
        log::info!("{}: it has been given back before", wanted.id);
        return Ok(());
    };
    let backend = reopen(&entry.backend, &entry.at, around)?;
    Ok(give_back(ledger, &*backend, &wanted.token)?)
}
