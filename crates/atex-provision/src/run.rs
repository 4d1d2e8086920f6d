//! From a configuration to records.

use std::io::Write;

use atex_cli::{Exit, Failure, output::Output};
use atex_model::report::{Counts, End, EndTag};

use crate::{
    Config, From, TOOL,
    inventory::{self, Inventory, Item, Source},
    local,
};

/// Writes a record for each host to `out`, and an `end` record, also where this ends early.
///
/// # Errors
/// A list of hosts is wrong (nothing of it is written then), or the records cannot be written.
pub fn run<W: Write>(config: &Config, out: &mut Output<W>) -> Result<Exit, Failure> {
    let mut hosts = 0;
    let result = write_hosts(config, out, &mut hosts);
    let exit = result.as_ref().err().map_or(Exit::Done, |failure| failure.kind.exit());
    let end = out.record(&end_record(exit, hosts)).and_then(|()| out.flush());
    // Of two failures the first is the cause.
    result?;
    end?;
    Ok(exit)
}

fn end_record(exit: Exit, hosts: u64) -> End {
    End {
        kind: EndTag,
        tool: TOOL.name.to_owned(),
        complete: exit.is_complete(),
        exit: exit.code(),
        counts: Counts::from_iter([("hosts".to_owned(), hosts)]),
    }
}

fn write_hosts<W: Write>(config: &Config, out: &mut Output<W>, hosts: &mut u64) -> Result<(), Failure> {
    match &config.from {
        From::Local => {
            let facts = local::facts();
            for number in 1..=config.most.unwrap_or(1) {
                out.record(&local::host(number, config.platform.as_deref(), &facts))?;
                *hosts += 1;
            }
            Ok(())
        }
        From::Static { file, format, groups, directory, home } => {
            let source = Source::new(file, directory, home.as_deref());
            let mut inventory = inventory::read(&source, *format)?;
            inventory.select(&source, groups)?;
            write_inventory(inventory, config, &source, out, hosts)
        }
    }
}

fn write_inventory<W: Write>(
    inventory: Inventory,
    config: &Config,
    source: &Source,
    out: &mut Output<W>,
    hosts: &mut u64,
) -> Result<(), Failure> {
    let most = config.most.map_or(u64::MAX, u64::from);
    for item in inventory.items {
        match item {
            Item::Other(line) => out.line(&line)?,
            Item::Host(_) if *hosts == most => {}
            Item::Host(listed) => {
                listed.write(config.platform.as_deref(), out)?;
                *hosts += 1;
            }
        }
    }
    if config.most.is_some() && *hosts < most {
        log::warn!("{}: {most} hosts were asked for, there are {hosts}", source.name);
    }
    Ok(())
}
