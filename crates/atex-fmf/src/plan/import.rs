//! Plans that stand for plans of other repositories: `plan: import`.

use std::sync::Arc;

use super::{Inherited, Plan, Result, environment, nodes, refused};
use crate::context::Context;
use crate::mapping::Mapping;
use crate::pyre::Pattern;
use crate::remote::{Identifier, Repositories};
use crate::tree::Tree;
use crate::value::Value;

/// What `plan: import` of a plan says, if it has it.
pub(super) fn reference(data: &Mapping) -> Option<Arc<Mapping>> {
    data.get("plan")?.as_map()?.get("import")?.as_map()
}

/// How many plans may be imported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    First,
    Single,
    All,
}

/// The plans that one imports.
pub(super) fn resolve<'t>(importing: &Plan<'t>, repositories: &'t Repositories<'t>) -> Result<Vec<Plan<'t>>> {
    // Taken from the plan's data, because there texts have got their values.
    let Some(reference) = self::reference(&importing.data) else { return Ok(Vec::new()) };
    let import = Import::new(importing, &reference, repositories)?;
    let names = import.names()?;
    if names.is_empty() {
        let pattern = reference.get("name").map(Value::to_text).unwrap_or_default();
        let error = refused(format!("{}: no plan to import begins with `{pattern}`", importing.name));
        return Err(importing.place(&reference, "name", error));
    }
    let (taken, passed_over) = match import.scope {
        Scope::First => names.split_at(names.len().min(1)),
        Scope::Single | Scope::All => (&names[..], &[][..]),
    };
    if let [first, second, ..] = taken {
        import.check_several(first, second)?;
    }
    let mut plans = Vec::with_capacity(taken.len());
    for name in taken {
        plans.push(import.plan(name, repositories)?);
    }
    for plan in &mut plans {
        plan.notes.extend(passed_over.iter().map(|name| {
            format!("{}: {name} is not imported: `scope` lets in the first plan only", importing.name)
        }));
    }
    Ok(plans)
}

struct Import<'p, 't> {
    importing: &'p Plan<'t>,
    reference: &'p Mapping,
    pattern: Pattern,
    /// Whether the plan gives its name to the one that it imports; else that stands below it.
    replaces: bool,
    scope: Scope,
    home: Identifier,
    /// The tree in no context at all: which plans there are does not depend on one.
    plain: &'t Tree,
}

impl<'p, 't> Import<'p, 't> {
    fn new(
        importing: &'p Plan<'t>,
        reference: &'p Mapping,
        repositories: &'t Repositories<'t>,
    ) -> Result<Self> {
        let placed = |key: &'static str| move |error| importing.place(reference, key, error);
        let needed = |key: &'static str| match reference.get(key) {
            None | Some(Value::Null) => {
                let error = refused(format!("{}: `plan: import` needs `{key}`", importing.name));
                Err(importing.place(&importing.data, "plan", error))
            }
            Some(value) => Ok(value.to_text()),
        };
        let (url, name) = (needed("url")?, needed("name")?);
        let word = |key: &str, default: &'static str| {
            reference.get(key).map_or_else(|| default.into(), Value::to_text)
        };
        let bad = |key: &'static str, expected: &str| {
            let error = refused(format!("`{key}: {}` is none of {expected}", word(key, "")));
            importing.place(reference, key, error)
        };
        let replaces = match &*word("importing", "replace") {
            "replace" => true,
            "become-parent" => false,
            _ => return Err(bad("importing", "replace, become-parent")),
        };
        let scope = match &*word("scope", "first-plan-only") {
            "first-plan-only" => Scope::First,
            "single-plan-only" => Scope::Single,
            "all-plans" => Scope::All,
            _ => return Err(bad("scope", "first-plan-only, single-plan-only, all-plans")),
        };
        let pattern = Pattern::at_start(&name).map_err(placed("name"))?;
        let given = reference.get("ref").and_then(Value::as_str);
        let revision = nodes::revision(&url, given, &importing.context, &importing.environment, repositories);
        let revision = revision.map_err(placed("ref"))?;
        let path = word("path", ".");
        let home = Identifier::of_files(&url, revision.as_deref(), &path);
        let plain =
            repositories.tree_in(&home, &Context::new().ignoring_case(true)).map_err(placed("url"))?;
        Ok(Self { importing, reference, pattern, replaces, scope, home, plain })
    }

    /// The names of the plans that are meant, in order.
    fn names(&self) -> Result<Vec<&'t str>> {
        let mut names = Vec::new();
        for node in self.plain.nodes().filter(|node| node.is_selected() && node.data().contains("execute")) {
            let found = self.pattern.is_found_in(node.name());
            if found.map_err(|error| self.importing.place(self.reference, "name", error))? {
                names.push(node.name());
            }
        }
        Ok(names)
    }

    fn check_several(&self, first: &str, second: &str) -> Result<()> {
        let (why, key) = match self.scope {
            Scope::Single => ("`scope` lets in a single one", "scope"),
            _ if self.replaces => ("only with `importing: become-parent` it can stand for several", "scope"),
            _ => return Ok(()),
        };
        let name = &self.importing.name;
        let error = refused(format!("{name} imports {first} and {second}, but {why}"));
        Err(self.importing.place(self.reference, key, error))
    }

    fn plan(&self, name: &str, repositories: &'t Repositories<'t>) -> Result<Plan<'t>> {
        let importing = self.importing;
        let inherits = |key: &str| self.reference.get(key).is_none_or(Value::is_truthy);
        let mut inherited = Inherited::default();
        if inherits("inherit-context") {
            inherited.context = importing.context.clone();
        }
        if inherits("inherit-environment") {
            inherited.environment = importing.environment.clone();
        }
        let not_found = || refused(format!("{name}: the plan is not there in every context"));
        let node = self.plain.find(name).ok_or_else(not_found)?;
        let mut context = environment::context(node.data())?;
        context.update(&inherited.context);
        context.update(repositories.context());
        let context = context.ignoring_case(true);
        let tree = repositories.tree_in(&self.home, &context)?;
        let node = tree.find(name).ok_or_else(not_found)?;
        let rules = nodes::rules(self.reference, "adjust-plans");
        let mut data = nodes::adjusted(node, &rules, &context)
            .map_err(|error| importing.place(self.reference, "adjust-plans", error))?;
        if !importing.is_enabled() {
            Arc::make_mut(&mut data).set("enabled", Value::Bool(false));
        }
        let known_as =
            if self.replaces { importing.name.clone() } else { format!("{}{name}", importing.name) };
        let mut plan = Plan::new(&known_as, tree, data, inherited, repositories)?;
        plan.home = Some(self.home.clone());
        Ok(plan)
    }
}
