//! What execution reads from tests and plans: durations, environment variables, packages.

use indexmap::{IndexMap, IndexSet};

use crate::error::{Error, ErrorClass};
use crate::json;
use crate::mapping::Mapping;
use crate::pytext;
use crate::value::Value;

/// The duration of a test that says nothing about it.
pub const DEFAULT_DURATION: &str = "5m";

/// A duration in seconds: digits and an optional unit, `s`, `m`, `h` or `d`. Durations beyond all bounds are as long
/// as can be counted.
///
/// # Errors
/// [`ErrorClass::Value`] for anything else.
pub fn duration_seconds(duration: &Value) -> Result<u64, Error> {
    let text = duration.to_text();
    let bad = || Error::new(ErrorClass::Value, format!("invalid fmf duration format: {text}"));
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, &text[digits.len()..]),
        None => (&*text, "s"),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let factor = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => 1,
    };
    Ok(digits.parse::<u64>().map_or(u64::MAX, |number| number.saturating_mul(factor)))
}

/// Environment variables: a mapping, or a list of mappings of which later ones win. Values are turned into text, `true`
/// into `True`.
///
/// # Errors
/// [`ErrorClass::Type`] if it is neither.
pub fn environment(value: &Value) -> Result<IndexMap<String, String>, Error> {
    let mut variables = IndexMap::new();
    for item in value.to_list() {
        let Some(mapping) = item.as_map() else {
            let message =
                format!("environment must be a mapping or a list of them, found {}", pytext::repr(&item));
            return Err(Error::new(ErrorClass::Type, message));
        };
        for (key, value) in mapping.iter() {
            variables.insert(json::key_text(key).into_owned(), value.to_text().to_string());
        }
    }
    Ok(variables)
}

/// The packages in a `require` or `recommend`: its texts.
pub fn packages(needs: &Value) -> impl Iterator<Item = String> {
    needs.to_list().into_iter().filter_map(|entry| entry.as_str().map(str::to_owned))
}

/// The packages that a plan's `prepare` installs.
#[must_use]
pub fn plan_packages(plan: &Mapping) -> IndexSet<String> {
    let steps = plan.get("prepare").map(Value::to_list).unwrap_or_default();
    let installs = |step: &Value| {
        let step = step.as_map()?;
        (step.get("how").and_then(Value::as_str) == Some("install")).then(|| step.get("package").cloned())?
    };
    steps.iter().filter_map(installs).flat_map(|package| packages(&package).collect::<Vec<_>>()).collect()
}
