//! Plans as tmt has them: imports, contexts, environments, and sections of kinds `fmf` and `shell`.
//!
//! [`plans`] finds a plan by name and resolves what it imports; [`Plan::discover`] finds its tests. What [`crate::discover`]
//! does with a plan is the older and simpler way, and knows nothing of this.
//!
//! Where tmt would do something else than select tests (sources of distribution packages, tests that a branch has
//! changed) the section is refused by the name of the key: a plan that silently means less is worse than none.

mod criteria;
mod discover;
mod duration;
mod environment;
mod expand;
pub(crate) mod files;
mod import;
mod link;
mod nodes;
mod phase;
mod shell;
mod words;

use std::sync::Arc;

use indexmap::IndexMap;

use crate::context::Context;
use crate::discover::Request;
use crate::error::{Error, ErrorClass};
use crate::mapping::Mapping;
use crate::remote::{Identifier, Repositories};
use crate::tree::{NodeRef, Tree};
use crate::value::Value;

pub use criteria::{as_filtered, with_defaults};
pub use duration::seconds as duration_seconds;
pub use phase::{How, Phase};

type Result<T> = std::result::Result<T, Error>;

/// The keys of `plan: import`.
pub const IMPORT_KEYS: [&str; 9] = [
    "adjust-plans",
    "importing",
    "inherit-context",
    "inherit-environment",
    "name",
    "path",
    "ref",
    "scope",
    "url",
];

/// Environment variables.
pub type Environment = IndexMap<String, String>;

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorClass::Value, message)
}

/// A plan: what it says, in its context.
#[derive(Debug)]
pub struct Plan<'t> {
    /// The name that it goes by: that of its node, or of the plan that imports it. Empty where there is no plan, and
    /// all tests of the tree are meant.
    pub name: String,
    /// The tree that it stands in.
    pub tree: &'t Tree,
    /// What it says, adjusted; texts have the values of variables (`$NAME`) and dimensions (`$@NAME`) in them.
    pub data: Arc<Mapping>,
    /// What its tests are adjusted to: its own dimensions, over them those of a plan that imports it, over them those
    /// that the caller gives.
    pub context: Context,
    /// Its variables: of files, of its own, and of a plan that imports it, of which later ones win.
    pub environment: Environment,
    /// What a person may want to know, such as plans that were not imported.
    pub notes: Vec<String>,
    /// Where its tree comes from, if not from the caller.
    home: Option<Identifier>,
}

/// What an imported plan gets of the one that imports it.
#[derive(Default)]
struct Inherited {
    context: Context,
    environment: Environment,
}

/// The plans that a name stands for: one, or those that it imports; without a name, one that takes all tests. A
/// disabled plan is there, too.
///
/// The tree should have been adjusted to [`Repositories::context`].
///
/// # Errors
/// There is no such plan, it cannot be imported, or it says something that it cannot mean.
pub fn plans<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    name: Option<&str>,
) -> Result<Vec<Plan<'t>>> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(vec![Plan::of_all_tests(tree, repositories)]);
    };
    if let Some(node) = tree.find(name) {
        return of_node(tree, node, repositories);
    }
    let is_above =
        |node: &NodeRef<'_>| name.strip_prefix(node.name()).is_some_and(|rest| rest.starts_with('/'));
    for node in tree.nodes().filter(is_above).filter(|node| imports(*node)) {
        let mut imported = of_node(tree, node, repositories)?;
        imported.retain(|plan| plan.name == name);
        if !imported.is_empty() {
            return Ok(imported);
        }
    }
    Err(not_found(tree, name))
}

/// The error that a tree has no plan of this name.
#[must_use]
pub fn not_found(tree: &Tree, name: &str) -> Error {
    refused(format!("plan {name} not found in {}", tree.root().display()))
}

/// Whether a node imports plans.
#[must_use]
pub fn imports(node: NodeRef<'_>) -> bool {
    data_imports(node.data())
}

/// Whether this is the data of a plan that imports others.
#[must_use]
pub fn data_imports(data: &Mapping) -> bool {
    import::reference(data).is_some()
}

fn of_node<'t>(
    tree: &'t Tree,
    node: NodeRef<'t>,
    repositories: &'t Repositories<'t>,
) -> Result<Vec<Plan<'t>>> {
    let name = node.name();
    if imports(node) {
        let importing = Plan::new(name, tree, node.shared_data(), Inherited::default(), repositories)?;
        return import::resolve(&importing, repositories);
    }
    if node.data().contains("test") && !node.data().contains("execute") {
        return Err(refused(format!("plan {name} appears to be a test")).at(node.position("test")));
    }
    if !node.is_selected() {
        let children: Vec<_> = node.children().map(NodeRef::own_name).collect();
        return Err(refused(format!("'{name}' matches multiple plans: {}", children.join(", "))));
    }
    Ok(vec![Plan::new(name, tree, node.shared_data(), Inherited::default(), repositories)?])
}

impl<'t> Plan<'t> {
    fn of_all_tests(tree: &'t Tree, repositories: &Repositories<'_>) -> Self {
        let section: Mapping = [("how", Value::text("fmf"))].into_iter().collect();
        Self {
            name: String::new(),
            tree,
            data: Arc::new([("discover", Value::map(section))].into_iter().collect()),
            context: repositories.context().clone(),
            environment: Environment::new(),
            notes: Vec::new(),
            home: None,
        }
    }

    fn new(
        name: &str,
        tree: &'t Tree,
        mut data: Arc<Mapping>,
        inherited: Inherited,
        repositories: &Repositories<'_>,
    ) -> Result<Self> {
        let placed = |error: Error, key: &str| match error.position() {
            Some(_) => error,
            None => error.at(tree.locate(data.position(key))),
        };
        let mut context = environment::context(&data).map_err(|error| placed(error, "context"))?;
        context.update(&inherited.context);
        context.update(repositories.context());
        let context = context.ignoring_case(true);
        let variables = |data: &Mapping| {
            let mut variables = environment::of_plan(data, tree)?;
            variables.extend(inherited.environment.clone());
            Ok::<_, Error>(variables)
        };
        let known = variables(&data)?;
        expand::mapping(Arc::make_mut(&mut data), &known, &context);
        let environment = variables(&data)?;
        Ok(Self { name: name.to_owned(), tree, data, context, environment, notes: Vec::new(), home: None })
    }

    /// Whether it is to be run at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        is_enabled(&self.data)
    }

    /// The sections of `discover`, in the order in which they are taken.
    ///
    /// # Errors
    /// A section is not a mapping, of an unknown kind, or has the name of another one.
    pub fn phases(&self) -> Result<Vec<Phase>> {
        phase::of_plan(self)
    }

    /// The steps of `prepare` or `finish` whose `when` holds, in the order in which they are taken, without it.
    ///
    /// # Errors
    /// A step is not a mapping, or its `when` or `order` means nothing.
    pub fn steps(&self, key: &str) -> Result<Vec<Value>> {
        phase::steps(self, key)
    }

    /// The tree that a section of kind `fmf` takes its tests from, adjusted to the plan's context.
    ///
    /// # Errors
    /// It cannot be fetched or loaded.
    pub fn tree_of(&self, phase: &Phase, repositories: &'t Repositories<'t>) -> Result<&'t Tree> {
        discover::source(self, phase, repositories).map(|source| source.tree)
    }

    /// The data of a node as a section of kind `fmf` changes it.
    ///
    /// # Errors
    /// A rule of `adjust-tests` is none.
    pub fn data_of(&self, phase: &Phase, node: NodeRef<'_>) -> Result<Arc<Mapping>> {
        discover::data_of(self, phase, node)
    }

    /// The tests that a section of kind `shell` holds, with those of `execute`: names and data. Disabled ones are among them.
    ///
    /// # Errors
    /// One has no name or no command.
    pub fn written(&self, phase: &Phase) -> Result<Vec<(String, Arc<Mapping>)>> {
        let mut written = shell::of_section(self, phase)?;
        written.extend(shell::of_execute(self)?);
        Ok(written)
    }

    /// Finds the tests. Sections that are left out by their `when` add nothing.
    ///
    /// # Errors
    /// A section asks for what is not done here, a tree or library cannot be had, or a pattern is bad.
    pub fn discover(
        &self,
        repositories: &'t Repositories<'t>,
        request: &Request<'_>,
    ) -> Result<crate::discover::Discovery<'t>> {
        discover::discover(self, repositories, request)
    }

    /// Adds the place of a key to an error that has none.
    fn place(&self, section: &Mapping, key: &str, error: Error) -> Error {
        match error.position() {
            Some(_) => error,
            None => error.at(self.tree.locate(section.position(key))),
        }
    }
}

/// Whether one of a test's links is asked for by a text `RELATION:TARGET` of patterns.
///
/// # Errors
/// A pattern is bad.
pub fn has_link(data: &Mapping, needle: &str) -> Result<bool> {
    link::Needle::new(needle).is_in(data)
}

/// In tmt only `true` is; other values are not even though they may count as true elsewhere.
pub(crate) fn is_enabled(data: &Mapping) -> bool {
    data.get("enabled").is_none_or(|enabled| enabled.as_bool() == Some(true))
}

/// Whether rules hold of which one is enough; nothing is asked if there are none. What cannot be decided does not hold.
fn any_holds(rules: &[String], context: &Context) -> Result<bool> {
    let context = context.clone().ignoring_case(false);
    for rule in rules {
        if crate::context::Rule::parse(rule)?.eval(&context)? == crate::context::Verdict::True {
            return Ok(true);
        }
    }
    Ok(rules.is_empty())
}

/// A text or a list of texts.
fn texts(section: &Mapping, key: &str) -> Result<Vec<String>> {
    let wrong = |value: &Value| {
        let message = format!("`{key}` must be text or a list of texts, found {}", value.type_name());
        Error::new(ErrorClass::Type, message)
    };
    let Some(value) = section.get(key) else { return Ok(Vec::new()) };
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(value));
    value.to_list().iter().map(text).collect()
}

/// The place in an order, 50 where nothing is said.
fn order(data: &Mapping) -> Result<i64> {
    const DEFAULT: i64 = 50;
    let wrong = |value: &Value| {
        let message = format!("`order` must be a whole number, found {}", crate::pytext::repr(value));
        Error::new(ErrorClass::Value, message)
    };
    match data.get("order") {
        None | Some(Value::Null) => Ok(DEFAULT),
        Some(Value::Int(order)) => Ok(*order),
        Some(Value::Float(order)) if order.is_finite() => Ok(*order as i64),
        Some(value @ Value::Text(text)) => text.trim().parse().map_err(|_| wrong(value)),
        Some(value) => Err(wrong(value)),
    }
}
