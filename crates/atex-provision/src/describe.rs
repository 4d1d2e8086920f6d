//! Hosts that are there anyway, written as records: nothing is connected to, and nothing has to be given back.

use std::io::Write;

use atex_cli::{Failure, output::Output};

use crate::Terms;
use crate::inventory::{Inventory, Item};
use crate::run::Done;

pub(crate) fn write<W: Write>(
    inventory: Inventory,
    terms: &Terms,
    out: &mut Output<W>,
    done: &mut Done,
) -> Result<(), Failure> {
    let most = terms.hosts.map_or(u64::MAX, u64::from);
    let mut hosts = 0;
    for item in inventory.items {
        match item {
            Item::Other(line) => out.line(&line)?,
            Item::Host(_) if hosts == most => {}
            Item::Host(listed) => {
                listed.write(terms.platform.as_deref(), out)?;
                hosts += 1;
                done.counts.insert("hosts".to_owned(), hosts);
            }
        }
    }
    if terms.hosts.is_some() && hosts < most {
        log::warn!("{}: {most} hosts were asked for, there are {hosts}", inventory.name);
    }
    Ok(())
}
