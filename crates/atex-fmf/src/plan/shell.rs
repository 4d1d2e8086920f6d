//! Tests that are written in a plan: in a section `how: shell`, or as scripts of `execute`.

use std::sync::Arc;

use super::{Phase, Plan, Result, refused};
use crate::error::{Error, ErrorClass};
use crate::mapping::{Key, Mapping};
use crate::value::Value;

/// Such a test may run for this long if it says nothing.
const DEFAULT_DURATION: &str = "1h";

/// A test: its name, with a slash in front, and its data.
pub(super) type Written = (String, Arc<Mapping>);

/// The tests of a section. Of two with one name the later one adds to the earlier.
pub(super) fn of_section(plan: &Plan<'_>, phase: &Phase) -> Result<Vec<Written>> {
    let mut tests: Vec<Written> = Vec::new();
    for item in phase.section.get("tests").map(Value::to_list).unwrap_or_default() {
        let test = item.as_map().ok_or_else(|| {
            let message = format!("`tests` must be a list of mappings, found {}", item.type_name());
            plan.place(&phase.section, "tests", Error::new(ErrorClass::Type, message))
        })?;
        let (name, data) = written(plan, phase, &test)?;
        match tests.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => add(Arc::make_mut(known), &data),
            None => tests.push((name, Arc::new(data))),
        }
    }
    Ok(tests)
}

fn written(plan: &Plan<'_>, phase: &Phase, test: &Mapping) -> Result<(String, Mapping)> {
    let text = |key: &str| match test.get(key).map(Value::to_text).filter(|text| !text.is_empty()) {
        Some(text) => Ok(text),
        None => {
            let error = refused(format!("discover section '{}': a test has no `{key}`", phase.name));
            Err(plan.place(&phase.section, "tests", error))
        }
    };
    let name = text("name")?;
    text("test")?;
    let mut data = test.clone();
    data.remove(&Key::text("name"));
    if data.get("duration").is_none_or(|duration| !duration.is_truthy()) {
        data.set("duration", DEFAULT_DURATION.into());
    }
    Ok((rooted(&name), data))
}

fn add(known: &mut Mapping, more: &Mapping) {
    for (key, value, pos) in more.iter_with_positions() {
        known.insert(key.clone(), value.clone(), pos);
    }
}

fn rooted(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/{name}") }
}

/// The scripts of `execute`, each of which is a test.
pub(super) fn of_execute(plan: &Plan<'_>) -> Result<Vec<Written>> {
    let execute = plan.data.get("execute").map(Value::to_list).unwrap_or_default();
    let Some(execute) = execute.first().and_then(Value::as_map) else { return Ok(Vec::new()) };
    let scripts = execute.get("script").map(Value::to_list).unwrap_or_default();
    let scripts: Vec<_> = scripts.into_iter().filter(Value::is_truthy).collect();
    let is_bare = |section: &Value| {
        section
            .as_map()
            .is_some_and(|section| section.keys().all(|key| matches!(key.as_str(), Some("how" | "name"))))
    };
    let discover = plan.data.get("discover").map(Value::to_list).unwrap_or_default();
    if !scripts.is_empty() && !discover.iter().all(is_bare) {
        let error = refused("tests stand in `discover` and in `execute: script`; only one of them can be");
        return Err(plan.place(&execute, "script", error));
    }
    let duration = execute.get("duration").filter(|duration| duration.is_truthy());
    let duration = duration.cloned().unwrap_or_else(|| DEFAULT_DURATION.into());
    let test = |(number, script): (usize, &Value)| {
        let data = [("test", script.clone()), ("duration", duration.clone())];
        (format!("/script-{number:02}"), Arc::new(data.into_iter().collect::<Mapping>()))
    };
    Ok(scripts.iter().enumerate().map(test).collect())
}
