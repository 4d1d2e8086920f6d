//! `reap`: what has no owner is found, by ledger and by token, and freed.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use atex_cli::{Failure, output::Output};
use atex_model::protocol::{Released, ReleasedTag};

use super::{reopen, verdict::why_free};
use crate::Reap;
use crate::backends::{Backend, Held, Surroundings};
use crate::crowd::each_at_once;
use crate::lease::{free_stray, give_back};
use crate::ledger::{Entry, Ledger};
use crate::run::Done;

/// Frees what nobody looks after any more, and says what.
pub(crate) fn reap<W: Write>(
    asked: &Reap,
    around: &Surroundings,
    out: &mut Output<W>,
    done: &mut Done,
) -> Result<(), Failure> {
    let ledger = around.ledger()?;
    done.counts.insert("released".to_owned(), 0);
    // Providers are asked before the ledger is read: what they have and it has not was struck out already.
    let found = strays(&ledger, around, done)?;
    let (entries, wrong) = ledger.all()?;
    wrong.iter().for_each(|failure| done.trouble(failure));
    let known: HashSet<&str> = entries.iter().map(|known| known.entry.token.as_str()).collect();
    let unreadable = !wrong.is_empty();
    let now = atex_cli::now();
    let old_enough = |entry: &Entry| {
        asked.older_than.is_none_or(|age| now.seconds_since(entry.since) >= age.as_secs_f64())
    };
    let mut doomed: Vec<Doomed> = entries
        .iter()
        .filter(|known| old_enough(&known.entry))
        .filter_map(|known| Some(Doomed::Lease(known.entry.clone(), why_free(known, now, asked.now)?)))
        .collect();
    // How old these are nobody knows; and one whose entry cannot be read may have an owner.
    if asked.older_than.is_none() && !unreadable {
        let strays = found.into_iter().filter(|(_, held)| !known.contains(held.token.as_str()));
        doomed.extend(strays.map(|(backend, held)| Doomed::Stray(backend, held)));
    }
    for each in &doomed {
        log::info!("{}: {}", each.name(), each.why());
    }
    if asked.dry_run {
        for each in &doomed {
            out.line(&format!(
                "{{\"type\":\"would-release\",\"id\":{},\"note\":{}}}",
                json(&each.name()),
                json(each.why())
            ))?;
        }
        return Ok(());
    }
    let mut written = Ok(());
    for (name, result) in each_at_once(doomed, |each| (each.name(), each.free(&ledger, asked, around))) {
        match result {
            Ok(false) => {}
            Ok(true) => {
                done.count("released");
                let record = Released { kind: ReleasedTag, id: name };
                written = written.and_then(|()| out.record(&record));
            }
            Err(failure) => done.trouble(&Failure::trouble(format!("{name}: {failure}"))),
        }
    }
    Ok(written.and_then(|()| out.flush())?)
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

type Stray = (Arc<dyn Backend>, Held);

/// All that the providers hold with a token of this ledger.
fn strays(ledger: &Ledger, around: &Surroundings, done: &mut Done) -> Result<Vec<Stray>, Failure> {
    let asked = each_at_once(ledger.providers()?, |provider| {
        let backend = reopen(&provider.backend, &provider.at, around)?;
        let held = backend.strays(&ledger.prefix()).map_err(|trouble| {
            Failure::trouble(format!("{}: what it holds cannot be seen: {trouble}", provider.backend))
        })?;
        // A back end looks for what begins like our tokens, and so finds whoever else does so.
        let held = held.into_iter().filter(|held| ledger.is_token(&held.token));
        Ok::<_, Failure>(held.map(move |held| (Arc::clone(&backend), held)).collect::<Vec<_>>())
    });
    let mut found = Vec::new();
    for answer in asked {
        match answer {
            Ok(held) => found.extend(held),
            Err(failure) => done.trouble(&failure),
        }
    }
    Ok(found)
}

/// What is to be freed.
enum Doomed {
    Lease(Entry, &'static str),
    Stray(Arc<dyn Backend>, Held),
}

impl Doomed {
    fn name(&self) -> String {
        match self {
            Doomed::Lease(entry, _) => entry.id.clone().unwrap_or_else(|| entry.token.clone()),
            Doomed::Stray(_, held) => held.resource.clone().unwrap_or_else(|| held.token.clone()),
        }
    }

    fn why(&self) -> &'static str {
        match self {
            Doomed::Lease(_, why) => why,
            Doomed::Stray(..) => "it bears a token of ours, and no lease is known",
        }
    }

    /// `false`: it has found an owner, or an end, meanwhile.
    fn free(&self, ledger: &Ledger, asked: &Reap, around: &Surroundings) -> Result<bool, Failure> {
        match self {
            Doomed::Stray(backend, held) => free_stray(&**backend, held)?,
            Doomed::Lease(entry, _) => {
                let now = atex_cli::now();
                let claimed =
                    ledger.claim(&entry.token, |known| why_free(known, now, asked.now).is_some())?;
                let Some(entry) = claimed else { return Ok(false) };
                let backend = reopen(&entry.backend, &entry.at, around)?;
                give_back(ledger, &*backend, &entry.token)?;
            }
        }
        Ok(true)
    }
}
