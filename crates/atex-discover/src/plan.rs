//! Plans: what execution needs of one, and which there are.

use std::sync::Arc;

use atex_fmf::plan::Plan;
use atex_fmf::{Error, Mapping, NodeRef, Tree, Value, json};

use crate::record::append;

/// How many names of plans a message shows.
const NAMES_SHOWN: usize = 20;

/// What execution needs of a plan that was read as tmt reads it, as a JSON object: its variables, and the steps that are taken
/// in its context, in their order.
pub(crate) fn of_tmt(plan: &Plan<'_>) -> Result<Vec<u8>, Error> {
    let mut data = Mapping::new();
    if !plan.environment.is_empty() {
        let variables = plan.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        data.set("environment", Value::Map(Arc::new(variables.collect())));
    }
    for key in ["prepare", "finish"] {
        data.set(key, Value::list(plan.steps(key)?));
    }
    Ok(for_execution(&plan.name, &data))
}

/// What execution needs of the plan `name`, as a JSON object. The rest, such as how tests were found, would only
/// make every record longer.
pub(crate) fn for_execution(name: &str, data: &Mapping) -> Vec<u8> {
    let mut plan = br#"{"name":"#.to_vec();
    append(&mut plan, name);
    if let Some(environment) = data.get("environment").filter(|value| !value.is_null()) {
        plan.extend_from_slice(b",\"environment\":");
        plan.extend_from_slice(json::to_string(environment).as_bytes());
    }
    for key in ["prepare", "finish"] {
        let items = data.get(key).map(Value::to_list).unwrap_or_default();
        if !items.is_empty() {
            let items = json::to_string(&Value::list(items));
            plan.extend_from_slice(format!(",\"{key}\":{items}").as_bytes());
        }
    }
    plan.push(b'}');
    plan
}

/// Says which plans a tree has.
pub(crate) fn describe(tree: &Tree) -> String {
    let names: Vec<&str> = tree.nodes().filter(|node| is_plan(*node)).map(NodeRef::name).collect();
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 if names.is_empty() => "the tree has no plans".to_owned(),
        0 => format!("its plans are {shown}"),
        more => format!("its plans are {shown}, and {more} more"),
    }
}

/// Whether a node looks like a plan. Nothing is required of one, so that this is for advice only.
pub(crate) fn is_plan(node: NodeRef<'_>) -> bool {
    let data = node.data();
    node.is_leaf()
        && !data.contains("test")
        && (data.contains("discover") || data.contains("execute") || atex_fmf::plan::imports(node))
}
