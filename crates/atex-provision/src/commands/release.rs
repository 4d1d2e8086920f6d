//! `release`: hosts are given back.

use std::io::Write;

use atex_cli::{Failure, input::Lines, output::Output};
use atex_model::protocol::{Released, ReleasedTag};
use atex_model::{Host, HostTag};

use super::reopen;
use crate::Release;
use crate::backends::Surroundings;
use crate::lease::give_back;
use crate::ledger::{Entry, Ledger};
use crate::reserve::each_at_once;
use crate::run::Done;
use crate::trouble::Trouble;

/// Gives back what was asked for. Whatever goes wrong with one host, the others are given back.
pub(crate) fn release<W: Write>(
    asked: &Release,
    around: &Surroundings,
    out: &mut Output<W>,
    done: &mut Done,
) -> Result<(), Failure> {
    let ledger = around.ledger()?;
    done.counts.insert("released".to_owned(), 0);
    // A reader that has gone away must not keep hosts from being given back.
    let mut written = Ok(());
    let wanted = if asked.ids.is_empty() {
        from_input(&ledger, out, &mut written, done)
    } else {
        by_name(&ledger, &asked.ids, done)?
    };
    let results = each_at_once(wanted, |wanted| {
        let result = free(&ledger, &wanted, around);
        (wanted.id, result)
    });
    for (id, result) in results {
        match result {
            Ok(()) => {
                done.count("released");
                let record = Released { kind: ReleasedTag, id };
                written = written.and_then(|()| out.record(&record));
            }
            Err(failure) => done.trouble(&Failure::trouble(format!("{id}: {failure}"))),
        }
    }
    Ok(written.and_then(|()| out.flush())?)
}

/// A host that is to be given back.
struct Wanted {
    id: String,
    token: String,
}

fn from_input<W: Write>(
    ledger: &Ledger,
    out: &mut Output<W>,
    written: &mut Result<(), atex_cli::output::OutputError>,
    done: &mut Done,
) -> Vec<Wanted> {
    let mut lines = Lines::stdin();
    let mut wanted = Vec::new();
    while !lines.is_spent() {
        match lines.next_line() {
            Ok(None) => break,
            Ok(Some(line)) => match host_to_release(line.text, ledger) {
                Ok(Some(Ok(found))) => wanted.push(found),
                Ok(Some(Err(trouble))) => done.trouble(&trouble.into()),
                // Whoever waits behind us sees it now, not when all hosts are free.
                Ok(None) if written.is_ok() => *written = out.line(line.text).and_then(|()| out.flush()),
                Ok(None) => {}
                Err(error) => done.trouble(&line.fault(&error)),
            },
            Err(failure) => done.trouble(&failure),
        }
    }
    wanted
}

/// What a record says is to be released; `None`: it is not ours to know.
fn host_to_release(
    text: &str,
    ledger: &Ledger,
) -> Result<Option<Result<Wanted, Trouble>>, atex_model::LineError> {
    if atex_model::kind(text)? != HostTag::TEXT {
        return Ok(None);
    }
    let host: Host = atex_model::parse(text)?;
    let Some(lease) = host.lease else { return Ok(None) };
    if lease.token.starts_with("atex-") && !lease.token.starts_with(&ledger.prefix()) {
        let message =
            format!("{}: its lease is in the ledger of another user or machine; release it there", host.id);
        return Ok(Some(Err(Trouble::lasting(message))));
    }
    Ok(Some(Ok(Wanted { id: host.id, token: lease.token })))
}

fn by_name(ledger: &Ledger, names: &[String], done: &mut Done) -> Result<Vec<Wanted>, Failure> {
    let (entries, _) = ledger.all()?;
    let mut wanted = Vec::new();
    for name in names {
        let is_meant = |entry: &&Entry| entry.token == *name || entry.id.as_deref() == Some(name);
        match entries.iter().map(|known| &known.entry).find(is_meant) {
            Some(entry) => wanted.push(Wanted { id: name.clone(), token: entry.token.clone() }),
            None => done.trouble(
                &Failure::usage(format!("{name}: there is no such lease"))
                    .hint("`atex-provision leases` shows those that there are"),
            ),
        }
    }
    Ok(wanted)
}

fn free(ledger: &Ledger, wanted: &Wanted, around: &Surroundings) -> Result<(), Failure> {
    let Some(entry) = ledger.get(&wanted.token)? else {
        log::info!("{}: it has been given back before", wanted.id);
        return Ok(());
    };
    let backend = reopen(&entry.backend, &entry.at, around)?;
    Ok(give_back(ledger, &*backend, &wanted.token)?)
}
