//! From a configuration to what is to be done.

use std::io::Write;

use atex_cli::{Exit, Failure, output::Output};
use atex_model::report::{Counts, End, EndTag};

use crate::config::{Config, Task, leasing};
use crate::{TOOL, commands, describe, filters, reserve, serve};

/// Does what is to be done, and writes an `end` record, also where this ends early; but for what is no
/// stream of records: tables, inventories, and the conversation of --serve.
///
/// # Errors
/// The input is wrong, a provider failed, or the records cannot be written.
pub fn run<W: Write>(config: &Config, out: &mut Output<W>) -> Result<Exit, Failure> {
    match &config.task {
        Task::Get { get, terms } if terms.serve => {
            crate::turns::allow(terms.parallel as usize);
            serve::serve(&leasing(get, terms, &config.around)?, terms, out)
        }
        Task::Leases(leases) => commands::leases(leases, &config.around, out),
        Task::Inventory(inventory) => filters::inventory(inventory, out),
        Task::Ssh(shell) => commands::ssh(shell, &config.around),
        task => {
            let mut done = Done::default();
            let result = match task {
                Task::Get { get, terms } => get_hosts(get, terms, config, out, &mut done),
                Task::Release(release) => commands::release(release, &config.around, out, &mut done),
                Task::Reap(reap) => commands::reap(reap, &config.around, out, &mut done),
                Task::Facts(facts) => filters::facts(facts, out, &mut done),
                Task::Check(check) => filters::check(check, out, &mut done),
                Task::Prepare(preparation) => filters::prepare(preparation, out, &mut done),
                Task::Leases(_) | Task::Inventory(_) | Task::Ssh(_) => Ok(()),
            };
            finish(out, result, done)
        }
    }
}

/// What a command has come to.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// What it counted, and how much of it.
    pub counts: Counts,
    /// What went wrong without ending it.
    pub exit: Option<Exit>,
}

impl Done {
    pub fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Says what went wrong, and goes on.
    pub fn trouble(&mut self, failure: &Failure) {
        failure.report(TOOL);
        self.exit = self.exit.max(Some(failure.kind.exit()));
    }
}

fn get_hosts<W: Write>(
    get: &crate::args::Get,
    terms: &crate::Terms,
    config: &Config,
    out: &mut Output<W>,
    done: &mut Done,
) -> Result<(), Failure> {
    done.counts.insert("hosts".to_owned(), 0);
    crate::turns::allow(terms.parallel as usize);
    if terms.ttl.is_none() {
        let backend = (get.kind.open)(&get.matches, &config.around)?;
        if let Some(inventory) = backend.standing(terms.hosts)? {
            return describe::write(inventory, terms, out, done);
        }
    }
    reserve::reserve(&leasing(get, terms, &config.around)?, terms, out, done)
}

fn finish<W: Write>(out: &mut Output<W>, result: Result<(), Failure>, done: Done) -> Result<Exit, Failure> {
    let failed = result.as_ref().err().map(|failure| failure.kind.exit());
    let exit = failed.max(done.exit).unwrap_or(Exit::Done);
    let end = End {
        kind: EndTag,
        tool: TOOL.name.to_owned(),
        complete: exit.is_complete(),
        exit: exit.code(),
        counts: done.counts,
    };
    let end = out.record(&end).and_then(|()| out.flush());
    // Of two failures the first is the cause.
    result?;
    end?;
    Ok(exit)
}
