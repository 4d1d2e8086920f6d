//! Nodes as a plan changes them, and revisions that depend on its context.

use std::fs;
use std::sync::Arc;

use super::{Environment, Result, expand};
use crate::adjust::Adjuster;
use crate::context::Context;
use crate::error::{Error, ErrorClass, Pos};
use crate::mapping::Mapping;
use crate::pyre::Patterns;
use crate::remote::{Repositories, shown};
use crate::tree::{NodeRef, Tree};
use crate::value::Value;
use crate::yaml;

/// The rules under a key. They forget where they were written, because what they change stands in another tree.
pub(super) fn rules(section: &Mapping, key: &str) -> Vec<Value> {
    section.get(key).map(Value::to_list).unwrap_or_default().iter().map(without_places).collect()
}

pub(super) fn without_places(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::list(items.iter().map(without_places).collect()),
        Value::Map(mapping) => {
            let mut forgetful = Mapping::new();
            for (key, value) in mapping.iter() {
                forgetful.insert(key.clone(), without_places(value), Pos::NONE);
            }
            Value::map(forgetful)
        }
        other => other.clone(),
    }
}

/// The data of a node with further rules applied.
pub(super) fn adjusted(node: NodeRef<'_>, rules: &[Value], context: &Context) -> Result<Arc<Mapping>> {
    let mut data = node.shared_data();
    if !rules.is_empty() {
        let mut patterns = Patterns::default();
        let mut adjuster = Adjuster::new(context, &mut patterns, false);
        adjuster.adjust_by(node.name(), &mut data, rules).map_err(|fault| fault.locate(&[]))?;
    }
    Ok(data)
}

/// The revision that is meant by a `ref`: `@FILE` names a file of the default branch that says it, in its key `ref`,
/// adjusted to the context.
pub(super) fn revision(
    url: &str,
    reference: Option<&str>,
    context: &Context,
    environment: &Environment,
    repositories: &Repositories<'_>,
) -> Result<Option<String>> {
    let Some(reference) = reference.filter(|reference| !reference.is_empty()) else { return Ok(None) };
    let Some(file) = reference.strip_prefix('@') else { return Ok(Some(reference.to_owned())) };
    let files = repositories.files(url, None)?;
    let failed = |why: &dyn std::fmt::Display| {
        Error::new(ErrorClass::Reference, format!("ref {reference} of {}: {why}", shown(url)))
    };
    let path = files.join(file.trim_start_matches('/')).canonicalize().map_err(|error| failed(&error))?;
    if !files.canonicalize().is_ok_and(|files| path.starts_with(files)) {
        return Err(failed(&"it leads out of the repository"));
    }
    let text = fs::read_to_string(&path).map_err(|error| failed(&error))?;
    let value = yaml::load(&text).map_err(|error| failed(&error))?;
    let data = value.as_map().ok_or_else(|| failed(&"expected a mapping"))?;
    let tree = Tree::from_data((*data).clone(), &context.clone().ignoring_case(true))?;
    let found = tree.root_node().data().get("ref").filter(|found| !found.is_null());
    Ok(found.map(|found| expand::text(&found.to_text(), environment, context)))
}
