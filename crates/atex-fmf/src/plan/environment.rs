//! What a plan says of its variables and dimensions.

use std::fs;

use super::{Environment, Result, refused, texts, words};
use crate::context::Context;
use crate::error::{Error, ErrorClass};
use crate::mapping::Mapping;
use crate::pytext;
use crate::tree::Tree;
use crate::value::Value;
use crate::yaml;

/// The dimensions that the key `context` gives: a mapping, or texts such as `distro=rhel-9,fedora arch=x86_64`.
pub(super) fn context(data: &Mapping) -> Result<Context> {
    let mut context = Context::new();
    let given = data.get("context").cloned().unwrap_or_default();
    if let Some(dimensions) = given.as_map() {
        for (dimension, value) in dimensions.iter() {
            context.set_value(&dimension.to_text(), value);
        }
        return Ok(context);
    }
    let items = match &given {
        Value::Null => &[][..],
        other => {
            other.as_list().ok_or_else(|| wrong_type("context", "a mapping or a list of texts", other))?
        }
    };
    for item in items {
        let text =
            item.as_str().ok_or_else(|| wrong_type("context", "a mapping or a list of texts", item))?;
        for word in words::split(text, false)? {
            let pair = word.split_once('=').filter(|(dimension, _)| !dimension.is_empty());
            let (dimension, values) =
                pair.ok_or_else(|| refused(format!("`context`: expected KEY=VALUE, found `{word}`")))?;
            if values.trim().is_empty() {
                return Err(refused(format!("`context`: the dimension `{dimension}` has no value")));
            }
            context.set(dimension, values.split(','));
        }
    }
    Ok(context)
}

/// The variables that a plan gives: those of its files, and over them its own.
pub(super) fn of_plan(data: &Mapping, tree: &Tree) -> Result<Environment> {
    let placed = |error: Error, key: &str| match error.position() {
        Some(_) => error,
        None => error.at(tree.locate(data.position(key))),
    };
    let mut variables = Environment::new();
    let files = texts(data, "environment-file").map_err(|error| placed(error, "environment-file"))?;
    for file in files {
        variables.extend(of_file(&file, tree).map_err(|error| placed(error, "environment-file"))?);
    }
    variables.extend(own(data).map_err(|error| placed(error, "environment"))?);
    Ok(variables)
}

/// The key `environment`: a mapping, or texts `NAME=VALUE`. White space around names and values does not count.
fn own(data: &Mapping) -> Result<Environment> {
    let Some(given) = data.get("environment") else { return Ok(Environment::new()) };
    let pair = |name: &str, value: &str| (name.trim().to_owned(), value.trim().to_owned());
    if let Some(variables) = given.as_map() {
        return Ok(variables.iter().map(|(name, value)| pair(&name.to_text(), &value.to_text())).collect());
    }
    let wrong = |value: &Value| wrong_type("environment", "a mapping or a list of NAME=VALUE", value);
    let items = match given {
        Value::Null => &[][..],
        other => other.as_list().ok_or_else(|| wrong(other))?,
    };
    let item = |item: &Value| {
        let (name, value) = item.as_str().and_then(|text| text.split_once('=')).ok_or_else(|| wrong(item))?;
        Ok(pair(name, value))
    };
    items.iter().map(item).collect()
}

/// The variables of a file of the tree: YAML if its name says so, else words `NAME=VALUE` as in a shell.
fn of_file(name: &str, tree: &Tree) -> Result<Environment> {
    let name = name.trim();
    if name.starts_with("http") {
        return Err(refused(format!("`environment-file`: {name} is not fetched; put it into the tree")));
    }
    let failed = |why: String| Error::new(ErrorClass::Os, format!("`environment-file` {name}: {why}"));
    let resolved = |path: &std::path::Path| path.canonicalize().map_err(|error| failed(error.to_string()));
    let path = resolved(&tree.root().join(name))?;
    if !path.starts_with(resolved(tree.root())?) {
        return Err(refused(format!("`environment-file`: {name} leads out of the tree")));
    }
    let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let is_yaml = |suffix: &str| suffix.eq_ignore_ascii_case("yaml") || suffix.eq_ignore_ascii_case("yml");
    let bad = |why: String| refused(format!("{}: {why}", path.display()));
    match path.extension().and_then(|suffix| suffix.to_str()).is_some_and(is_yaml) {
        true => of_yaml(&text).map_err(bad),
        false => of_words(&text).map_err(bad),
    }
}

fn of_yaml(text: &str) -> std::result::Result<Environment, String> {
    let value = yaml::load(text).map_err(|error| error.to_string())?;
    if value.is_null() {
        return Ok(Environment::new());
    }
    let variables =
        value.as_map().ok_or_else(|| format!("expected a mapping, found {}", value.type_name()))?;
    let variable = |(name, value): (&crate::mapping::Key, &Value)| match value {
        Value::List(_) | Value::Map(_) => Err(format!("{}: expected a simple value", name.to_text())),
        value => Ok((name.to_text().to_string(), value.to_text().to_string())),
    };
    variables.iter().map(variable).collect()
}

fn of_words(text: &str) -> std::result::Result<Environment, String> {
    let words = words::split(text, true).map_err(|error| error.message().to_owned())?;
    let variable = |word: String| match word.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        // The value could be a secret.
        None => Err("expected words such as NAME=VALUE only".to_owned()),
    };
    words.into_iter().map(variable).collect()
}

fn wrong_type(key: &str, expected: &str, found: &Value) -> Error {
    Error::new(ErrorClass::Type, format!("`{key}` must be {expected}, found {}", pytext::repr(found)))
}
