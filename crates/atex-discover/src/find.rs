//! Finding the tests of a tree, and saying what stands in the way.

use std::fmt::Display;
use std::path::Path;

use atex_cli::Failure;
use atex_fmf::plan::Plan;
use atex_fmf::{
    Context, Criteria, Discovery, Error, ErrorClass, NamePatterns, Repositories, Request, Section, Tree,
};
use atex_model::TreePart;

use crate::args::PlanLayer;
use crate::config::{Metadata, Names};
use crate::ignored;
use crate::names::{self, Pattern};
use crate::place::{Places, visible};
use crate::plan;
use crate::platforms::Dimensions;

/// Loads the tree that `dir` is in, adjusted to a context.
pub(crate) fn load(dir: &Path, context: &Context) -> Result<Tree, Failure> {
    Tree::load(dir, context).map_err(|error| match error.class() {
        ErrorClass::Root => Failure::usage(&error)
            .hint("the root of a tree holds a directory `.fmf` with a file `version`, which says 1"),
        _ => Failure::usage(&error),
    })
}

/// The context that has these dimensions.
pub(crate) fn context(dimensions: &Dimensions, layer: PlanLayer) -> Context {
    let mut context = Context::new();
    for (dimension, values) in dimensions {
        context.set(dimension, values);
    }
    context.ignoring_case(layer == PlanLayer::Tmt)
}

/// The tests of a plan.
#[derive(Debug)]
pub(crate) struct Found<'t> {
    pub discovery: Discovery<'t>,
    /// What execution needs of the plan, as a JSON object, if there is one.
    pub plan: Option<Vec<u8>>,
}

/// Finds the tests that are asked for, in a tree and in those of other repositories. There may be none. Of several plans,
/// and of one that imports several, there are as many.
pub(crate) fn find<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    metadata: &Metadata,
    names: &Names,
) -> Result<Vec<Found<'t>>, Failure> {
    let mut request = Request {
        names: names::texts(&names.names),
        filters: metadata.filters.clone(),
        excludes: names::texts(&names.excludes),
        libraries: metadata.libraries,
        ..Request::default()
    };
    request.conditions = metadata.conditions();
    let mut found = Vec::new();
    for plan in metadata.asked_plans() {
        request.plan = plan.map(str::to_owned);
        found.extend(of_plan(tree, repositories, metadata, &mut request)?);
    }
    if let Some(only) = &names.only {
        let only = NamePatterns::new(names::texts(only));
        for found in &mut found {
            let tests = &mut found.discovery.tests;
            // Patterns have been tried when the command line was read.
            tests.retain(|test| only.any_found_in(test.own_name()).unwrap_or_default());
        }
    }
    Ok(found)
}

/// The tests of one plan, or of the whole tree.
fn of_plan<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    metadata: &Metadata,
    request: &mut Request<'_>,
) -> Result<Vec<Found<'t>>, Failure> {
    let discover = match metadata.layer {
        PlanLayer::Atex => by_atex,
        PlanLayer::Tmt => by_tmt,
    };
    let is_named = metadata.has_several_plans();
    discover(tree, repositories, request, is_named).map_err(|error| {
        if error.class() != ErrorClass::Fetch {
            return refused(tree, metadata, &error);
        }
        let failure = Failure::trouble(&error);
        // A library that cannot be fetched is told from a section that cannot by leaving libraries alone.
        request.libraries = false;
        match discover(tree, repositories, request, is_named) {
            Ok(_) => failure.hint("--no-libraries keeps requirements of libraries as they are"),
            Err(_) => failure,
        }
    })
}

fn by_atex<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    request: &Request<'_>,
    is_named: bool,
) -> Result<Vec<Found<'t>>, Error> {
    let mut discovery = atex_fmf::discover_with(tree, repositories, request)?;
    if is_named {
        discovery.put_below(request.plan.as_deref().unwrap_or_default());
    }
    let plan = request.plan.as_deref().zip(discovery.plan.as_deref());
    let plan = plan.map(|(name, data)| {
        log_ignored(tree, ignored::of_plan(data, PlanLayer::Atex));
        plan::for_execution(name, data)
    });
    Ok(vec![Found { discovery, plan }])
}

fn by_tmt<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    request: &Request<'_>,
    is_named: bool,
) -> Result<Vec<Found<'t>>, Error> {
    let plans = atex_fmf::plan::plans(tree, repositories, request.plan.as_deref())?;
    let importing = request.plan.as_deref().and_then(|name| tree.find(name));
    if let Some(importing) = importing.filter(|node| atex_fmf::plan::imports(*node)) {
        log_ignored(tree, ignored::of_plan(importing.data(), PlanLayer::Tmt));
    }
    let is_named = is_named || plans.len() > 1;
    let mut all = Vec::new();
    for plan in &plans {
        plan.notes.iter().for_each(|note| log::warn!("{}", visible(note)));
        if !plan.is_enabled() {
            log_disabled(plan);
            continue;
        }
        let mut discovery = plan.discover(repositories, request)?;
        if is_named {
            discovery.put_below(&plan.name);
        }
        let known = !plan.name.is_empty();
        if known {
            log_ignored(plan.tree, ignored::of_plan(&plan.data, PlanLayer::Tmt));
        }
        let plan = if known { Some(plan::of_tmt(plan)?) } else { None };
        all.push(Found { discovery, plan });
    }
    Ok(all)
}

fn log_disabled(plan: &Plan<'_>) {
    let place = Places::here().of(plan.tree, plan.data.position("enabled"));
    let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
    log::warn!("{}", visible(&format!("{place}plan {} is disabled: no test of it is taken", plan.name)));
}

fn log_ignored(tree: &Tree, ignored: Vec<ignored::Ignored>) {
    if !log::log_enabled!(log::Level::Info) {
        return;
    }
    let places = Places::here();
    for ignored in ignored {
        let place = places.exact(tree, ignored.pos).map(|place| format!("{place}: ")).unwrap_or_default();
        log::info!("{}", visible(&format!("{place}{}", ignored.message)));
    }
}

/// Refuses that there is no test, unless that is allowed. `place` is where they were looked for.
pub(crate) fn check_any(found: usize, names: &Names, place: impl Display) -> Result<(), Failure> {
    refuse_none(found, names, place, "--allow-empty accepts that")
}

/// The same of a tree, which can be asked why.
pub(crate) fn check_any_in(tree: &Tree, found: usize, names: &Names) -> Result<(), Failure> {
    let hint = "`atex-discover ls --all` names its tests, `why NAME` says why one is not taken; --allow-empty \
                accepts that";
    refuse_none(found, names, tree.root().display(), hint)
}

fn refuse_none(found: usize, names: &Names, place: impl Display, hint: &str) -> Result<(), Failure> {
    match found == 0 && !names.allow_empty {
        true => Err(Failure::usage(format!("{place}: no test found")).hint(hint)),
        false => Ok(()),
    }
}

/// Whether a test is to be varied, for each test that is looked at.
pub(crate) fn to_vary(only: &[Pattern]) -> impl Fn(&str) -> bool {
    let only = NamePatterns::new(names::texts(only));
    // Patterns have been tried when the command line was read.
    move |name| only.is_empty() || only.any_found_in(name).unwrap_or_default()
}

/// What an error means to a person.
pub(crate) fn refused(tree: &Tree, metadata: &Metadata, error: &Error) -> Failure {
    match bad_filter(tree, &metadata.filters) {
        Some(filter) if error.class() == ErrorClass::Pattern => {
            Failure::usage(format!("--filter `{filter}`: {error}"))
        }
        _ if error.class() == ErrorClass::Fetch => Failure::trouble(error),
        _ if error.class() == ErrorClass::Condition => refused_condition(error.message()),
        _ if lacks_plan(tree, metadata, error) => Failure::usage(error).hint(plan::describe(tree)),
        _ => Failure::usage(error),
    }
}

/// Refuses a condition; `what` is its text, and what is wrong with it.
pub(crate) fn refused_condition(what: &str) -> Failure {
    Failure::usage(format!("--condition {what}"))
        .hint("a condition is a Python expression that computes with the metadata: see CONDITIONS in atex-discover(1)")
}

/// Whether the error is that there is no such plan: every other one that comes before the plan is found has a place.
fn lacks_plan(tree: &Tree, metadata: &Metadata, error: &Error) -> bool {
    error.position().is_none() && metadata.plans.iter().any(|name| tree.find(name).is_none())
}

/// The filter of the command line that fails where it stands alone; else the fault is the plan's.
fn bad_filter<'c>(tree: &Tree, filters: &'c [String]) -> Option<&'c String> {
    filters.iter().find(|filter| {
        let criteria = Criteria { filters: vec![(*filter).clone()], ..Criteria::default() };
        tree.prune(&criteria).is_err()
    })
}

/// The files of a plan and of all its sections, each where it belongs, and those of libraries. A lone directory is just that.
pub(crate) fn files(discovery: &Discovery<'_>) -> Result<atex_model::Tree, Failure> {
    let text = |path: &Path| match path.to_str() {
        Some(path) => Ok(path.to_owned()),
        None => Err(Failure::usage(format!(
            "{}: expected a path that is UTF-8, because it goes into records",
            path.display()
        ))),
    };
    let mut parts: Vec<TreePart> = Vec::new();
    let mut add = |from: &Path, to: &str| {
        // What belongs to no section's directory stands beside these.
        let to = if to.is_empty() { "." } else { to };
        let part = TreePart { from: text(from)?, to: to.to_owned() };
        // Sections of the plan's own tree share its files.
        if discovery.base.is_none() || !parts.contains(&part) {
            parts.push(part);
        }
        Ok::<(), Failure>(())
    };
    if let Some(base) = &discovery.base {
        add(base, "")?;
    }
    for Section { directory, root, libraries, .. } in &discovery.sections {
        add(root, directory)?;
        for library in libraries {
            add(&library.from, &library.to)?;
        }
    }
    match parts.as_slice() {
        [TreePart { from, to }] if to == "." => Ok(atex_model::Tree::Directory(from.clone())),
        _ => Ok(atex_model::Tree::Parts(parts)),
    }
}
