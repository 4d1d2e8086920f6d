//! `release`: hosts are given back.

use std::io::Write;

use atex_cli::Failure;
use atex_cli::output::{Output, OutputError};
use atex_cli::text::visible::visible;
use atex_model::protocol::{HostGone, HostGoneTag, Released, ReleasedTag};
use atex_model::{Host, HostTag, LineError};
use crossbeam_channel::{Receiver, never, unbounded};

use super::reopen;
use crate::Release;
use crate::backends::Surroundings;
use crate::crowd::{Event, Item, MOST, Places, crowd, stdin};
use crate::lease::give_back;
use crate::ledger::{Entry, Ledger};
use crate::run::Done;

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
        [] => {
            let prefix = ledger.prefix();
            stdin(move |line| host_to_release(line, &prefix))
        }
        _ => by_name(&ledger, &asked.ids)?,
    };
    let mut releasing = Releasing { out, done, written: Ok(()) };
    let one = |wanted: Wanted| (free(&ledger, &wanted, around), wanted.id);
    crowd((named, never()), Places::of(MOST), one, |crowd| {
        while let Some(event) = crowd.next() {
            match event {
                Event::Done((result, id)) => releasing.freed(id, result),
                Event::Other(line) => releasing.hand_on(&line),
                Event::Wrong(failure) => releasing.done.trouble(&failure),
                Event::Signal(_) => {}
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
}

impl<W: Write> Releasing<'_, W> {
    /// Whoever waits behind us sees it now, not when all hosts are free.
    fn hand_on(&mut self, line: &str) {
        if self.written.is_ok() {
            self.written = self.out.line(line).and_then(|()| self.out.flush());
        }
    }

    fn freed(&mut self, id: String, result: Result<(), Failure>) {
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

/// A host that is to be given back.
struct Wanted {
    id: String,
    token: String,
}

/// What a record says is to be released; all else is not ours to know.
fn host_to_release(line: &str, prefix: &str) -> Result<Item<Wanted>, LineError> {
    let (id, lease) = match &*atex_model::kind(line)? {
        HostTag::TEXT => {
            let host: Host = atex_model::parse(line)?;
            (host.id, host.lease)
        }
        // A filter could not use it; it is leased all the same.
        HostGoneTag::TEXT => {
            let gone: HostGone = atex_model::parse(line)?;
            (gone.id, gone.lease)
        }
        _ => return Ok(Item::Other(line.to_owned())),
    };
    let Some(lease) = lease else { return Ok(Item::Other(line.to_owned())) };
    if lease.token.starts_with(prefix) {
        return Ok(Item::Work(Wanted { id, token: lease.token }));
    }
    if lease.token.starts_with("atex-") {
        let message =
            format!("{id}: its lease is in the ledger of another user or machine; release it there");
        return Ok(Item::Wrong(Failure::trouble(message)));
    }
    let whose = lease.provisioner.unwrap_or_else(|| "another provisioner".to_owned());
    log::warn!(
        "{}: its lease is one of {}, which has to be told to release it",
        visible(&id),
        visible(&whose)
    );
    Ok(Item::Other(line.to_owned()))
}

fn by_name(ledger: &Ledger, names: &[String]) -> Result<Receiver<Item<Wanted>>, Failure> {
    let (entries, _) = ledger.all()?;
    let (to, named) = unbounded();
    for name in names {
        let is_meant = |entry: &&Entry| entry.token == *name || entry.id.as_deref() == Some(name);
        let next = match entries.iter().map(|known| &known.entry).find(is_meant) {
            Some(entry) => Item::Work(Wanted { id: name.clone(), token: entry.token.clone() }),
            None => Item::Wrong(
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
