//! Finding the tests of a tree, and saying what stands in the way.

use std::collections::HashSet;
use std::path::Path;

use atex_cli::Failure;
use atex_fmf::{Context, Criteria, Discovery, Error, ErrorClass, Repositories, Request, Section, Tree};
use atex_model::TreePart;

use crate::config::{Metadata, Names};
use crate::names::{self, Pattern};
use crate::plan;
use crate::platforms::Dimensions;

/// Loads the tree that `dir` is in, adjusted to a context.
pub(crate) fn load(dir: &std::path::Path, dimensions: &Dimensions) -> Result<Tree, Failure> {
    Tree::load(dir, &context(dimensions)).map_err(|error| match error.class() {
        ErrorClass::Root => Failure::usage(&error)
            .hint("the root of a tree holds a directory `.fmf` with a file `version`, which says 1"),
        _ => Failure::usage(&error),
    })
}

/// The context that has these dimensions.
pub(crate) fn context(dimensions: &Dimensions) -> Context {
    let mut context = Context::new();
    for (dimension, values) in dimensions {
        context.set(dimension, values);
    }
    context
}

/// Finds the tests that are asked for, in a tree and in those of other repositories. There may be none.
pub(crate) fn find<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'_>,
    metadata: &Metadata,
    names: &Names,
) -> Result<Discovery<'t>, Failure> {
    let mut request = Request {
        plan: metadata.plan.clone(),
        names: names::texts(&names.names),
        filters: metadata.filters.clone(),
        excludes: names::texts(&names.excludes),
        libraries: metadata.libraries,
        ..Request::default()
    };
    request.conditions = metadata.conditions();
    let mut found = atex_fmf::discover_with(tree, repositories, &request).map_err(|error| {
        if error.class() != ErrorClass::Fetch {
            return refused(tree, metadata, &error);
        }
        let failure = Failure::trouble(&error);
        // A library that cannot be fetched is told from a section that cannot by leaving libraries alone.
        request.libraries = false;
        match atex_fmf::discover_with(tree, repositories, &request) {
            Ok(_) => failure.hint("--no-libraries keeps requirements of libraries as they are"),
            Err(_) => failure,
        }
    })?;
    if let Some(only) = &names.only {
        let only = matching(tree, repositories, only)?;
        found.tests.retain(|test| only.contains(test.node.name()));
    }
    Ok(found)
}

/// The names of the nodes in which one of the patterns is found, in all trees.
pub(crate) fn matching<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'_>,
    patterns: &[Pattern],
) -> Result<HashSet<&'t str>, Failure> {
    let mut found = names::matching(tree, patterns)?;
    for other in repositories.trees() {
        found.extend(names::matching(other, patterns)?);
    }
    Ok(found)
}

/// Refuses that there is no test, unless that is allowed. `place` is where they were looked for.
pub(crate) fn check_any(found: usize, names: &Names, place: impl std::fmt::Display) -> Result<(), Failure> {
    match found == 0 && !names.allow_empty {
        true => Err(Failure::usage(format!("{place}: no test found")).hint("--allow-empty accepts that")),
        false => Ok(()),
    }
}

fn refused(tree: &Tree, metadata: &Metadata, error: &Error) -> Failure {
    if let Some(name) = metadata.plan.as_deref().filter(|name| tree.find(name).is_none()) {
        return plan::not_found(tree, name);
    }
    match bad_filter(tree, &metadata.filters) {
        Some(filter) if error.class() == ErrorClass::Pattern => {
            Failure::usage(format!("--filter `{filter}`: {error}"))
        }
        _ => Failure::usage(error),
    }
}

/// The filter of the command line that fails where it stands alone; else the fault is the plan's.
fn bad_filter<'c>(tree: &Tree, filters: &'c [String]) -> Option<&'c String> {
    filters.iter().find(|filter| {
        let criteria = Criteria { filters: vec![(*filter).clone()], ..Criteria::default() };
        tree.prune(&criteria).is_err()
    })
}

/// The files of all sections: of a lone one without a name its directory, else each under its name; and those of
/// libraries.
pub(crate) fn files(sections: &[Section]) -> Result<atex_model::Tree, Failure> {
    let text = |path: &Path| match path.to_str() {
        Some(path) => Ok(path.to_owned()),
        None => Err(Failure::usage(format!(
            "{}: expected a path that is UTF-8, because it goes into records",
            path.display()
        ))),
    };
    if let [Section { prefix, root, libraries }] = sections
        && prefix.is_empty()
        && libraries.is_empty()
    {
        return Ok(atex_model::Tree::Directory(text(root)?));
    }
    let mut parts = Vec::new();
    for section in sections {
        // A section whose name is empty stands beside the others' directories.
        let to = if section.prefix.is_empty() { "." } else { &section.prefix };
        parts.push(TreePart { from: text(&section.root)?, to: to.to_owned() });
        for library in &section.libraries {
            parts.push(TreePart { from: text(&library.from)?, to: library.to.clone() });
        }
    }
    Ok(atex_model::Tree::Parts(parts))
}
