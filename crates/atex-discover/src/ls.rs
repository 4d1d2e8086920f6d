//! The names of the tests.

use std::io::Write;

use atex_cli::Exit;
use atex_cli::output::Output;
use atex_fmf::{Repositories, Tree};

use crate::config::Ls;
use crate::place::{Places, visible};
use crate::run::Stop;
use crate::selection::{self, LeftOut, Selection, Subject, reason_left_out};
use crate::{find, why};

/// Writes a name a line, and what is left out behind them, with the reason.
pub(crate) fn write<W: Write>(ls: &Ls, out: &mut Output<W>) -> Result<Exit, Stop> {
    let context = find::context(&ls.context, ls.metadata.layer);
    let tree = find::load(&ls.metadata.dir, &context)?;
    let git = ls.metadata.fetching.git();
    let others = Repositories::new(&git, context);
    let found = find::find(&tree, &others, &ls.metadata, &ls.names)?;
    let tests: Vec<_> = found.iter().flat_map(|found| &found.discovery.tests).collect();
    let left_out = if ls.all { left_out(&tree, &others, ls)? } else { Vec::new() };
    find::check_any_in(&tree, tests.len() + left_out.len(), &ls.names)?;
    let to_vary = find::to_vary(&ls.variants.only);
    for test in tests {
        if ls.variants.is_empty() || !to_vary(test.own_name()) {
            out.line(&visible(&test.name))?;
            continue;
        }
        for variant in ls.variants.iter() {
            out.line(&visible(&variant.name(&test.name)))?;
        }
    }
    for line in &left_out {
        out.line(line)?;
    }
    Ok(Exit::Done)
}

/// A line for each node that is asked for, but is not run.
fn left_out<'t>(tree: &'t Tree, others: &'t Repositories<'t>, ls: &Ls) -> Result<Vec<String>, Stop> {
    let places = Places::here();
    let mut lines = Vec::new();
    for selection in selection::all(tree, others, &ls.metadata, &ls.names, &places)? {
        for subject in selection.subjects()? {
            let reason = reason_left_out(&subject.data, selection.layer());
            let reason = reason.filter(|reason| *reason != LeftOut::NoTest);
            let reason = match (reason, &selection.off) {
                // Tests of a section that is left out would be tests elsewhere.
                (None, Some(off)) if subject.data.contains("test") => {
                    format!("left out by `{}` ({})", off.text, off.origin)
                }
                (Some(reason), _) => reason.describe(subject.node, &places),
                _ => continue,
            };
            if is_asked_for(ls, &selection, &subject)? {
                let name = visible(&subject.name);
                lines.push(format!("{}{name}\t{}", visible(&selection.prefix), visible(&reason)));
            }
        }
    }
    Ok(lines)
}

fn is_asked_for<'t>(ls: &Ls, selection: &Selection<'t>, subject: &Subject<'t>) -> Result<bool, Stop> {
    let mut checks = selection::checks(selection, subject)?;
    if selection.off.is_some() {
        // It is said already.
        checks.remove(0);
    }
    for condition in &ls.metadata.conditions {
        checks.push(why::condition_check(&selection.asked_data(subject), condition)?);
    }
    Ok(checks.iter().all(|check| check.holds))
}
