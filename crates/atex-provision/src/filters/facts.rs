//! `facts`: what hosts are like.

use std::io::Write;

use atex_cli::{Failure, output::Output};
use atex_host::facts;

use super::{Filter, Since, Then, read};
use crate::filter_args::Facts;
use crate::run::Done;
use crate::trouble::Trouble;

/// Asks each host what it is like, and puts that into its record.
pub(crate) fn facts<W: Write>(asked: &Facts, out: &mut Output<W>, done: &mut Done) -> Result<(), Failure> {
    let script = facts::script(&asked.facts);
    let mut filter = Filter::new(&asked.on, (asked.timeout, Since::Begun), out, done)?;
    filter.run(
        read(),
        |host, link| {
            let answers = facts::parse(&link.script(&script, &[])?);
            let answers = answers.ok_or_else(|| Trouble::passing("it does not say what it is like"))?;
            for (name, status) in &answers.failed {
                log::warn!("{}: fact {name}: its command ended with {status}", host.host.id);
            }
            let (first, second) = match asked.refresh {
                true => (answers.facts, std::mem::take(&mut host.host.facts)),
                false => (std::mem::take(&mut host.host.facts), answers.facts),
            };
            host.host.facts = first;
            facts::complete(&mut host.host.facts, second);
            let known = host.host.facts.clone();
            host.set("facts", &known);
            Ok(())
        },
        Then::Write,
    );
    filter.finish()
}
