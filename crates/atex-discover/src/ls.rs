//! The names of the tests.

use std::io::Write;

use atex_cli::Exit;
use atex_cli::output::Output;
use atex_fmf::{Criteria, NodeRef, Repositories, Tree};

use crate::config::Ls;
use crate::place::{Places, visible};
use crate::run::Stop;
use crate::selection::{LeftOut, Selection, reason_left_out};
use crate::{find, names};

/// Writes a name a line, and what is left out behind them, with the reason.
pub(crate) fn write<W: Write>(ls: &Ls, out: &mut Output<W>) -> Result<Exit, Stop> {
    let tree = find::load(&ls.metadata.dir, &ls.context)?;
    let git = ls.metadata.fetching.git();
    let others = Repositories::new(&git, find::context(&ls.context));
    let found = find::find(&tree, &others, &ls.metadata, &ls.names)?;
    let left_out = if ls.all { left_out(&tree, ls)? } else { Vec::new() };
    let total = found.tests.len() + left_out.len();
    find::check_any(total, &ls.names, tree.root().display())?;
    let to_vary = find::matching(&tree, &others, &ls.variants.only)?;
    for test in &found.tests {
        let varied = ls.variants.only.is_empty() || to_vary.contains(test.node.name());
        if ls.variants.is_empty() || !varied {
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
fn left_out(tree: &Tree, ls: &Ls) -> Result<Vec<String>, Stop> {
    let places = Places::here();
    let mut lines = Vec::new();
    for selection in Selection::all(tree, &ls.metadata, &ls.names, &places)? {
        let prefix = selection.section.as_ref().filter(|name| !name.is_empty());
        let prefix = prefix.map(|name| format!("/{name}")).unwrap_or_default();
        for node in selected(tree, ls, &selection)? {
            let reason = reason_left_out(node).filter(|reason| *reason != LeftOut::NoTest);
            if let Some(reason) = reason {
                let reason = reason.describe(node, &places);
                lines.push(format!("{prefix}{}\t{}", visible(node.name()), visible(&reason)));
            }
        }
    }
    Ok(lines)
}

fn selected<'t>(tree: &'t Tree, ls: &Ls, selection: &Selection) -> Result<Vec<NodeRef<'t>>, Stop> {
    let criteria = Criteria {
        names: names::texts(&selection.names),
        filters: names::texts(&selection.filters),
        conditions: ls.metadata.conditions(),
        ..Criteria::default()
    };
    let mut nodes = tree.prune(&criteria).map_err(atex_cli::Failure::usage)?;
    if let Some(only) = &selection.only {
        let only = names::matching(tree, only)?;
        nodes.retain(|node| only.contains(node.name()));
    }
    let excluded = names::matching(tree, &selection.excludes)?;
    nodes.retain(|node| !excluded.contains(node.name()));
    Ok(nodes)
}
