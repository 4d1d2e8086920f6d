//! Filters: `tag: quick & tier: 1 | /core`, evaluated on a node's data and name.

use std::sync::OnceLock;

use crate::error::{Error, ErrorClass};
use crate::mapping::Mapping;
use crate::pyre::Pattern;
use crate::pytext;
use crate::value::{Text, Value};

/// A parsed filter: clauses of which one must hold.
#[derive(Debug)]
pub struct Filter(Vec<Clause>);

#[derive(Debug, Default)]
struct Clause {
    /// Looked at before all keys, wherever they stand.
    names: Vec<LazyPattern>,
    /// Keys in order of first appearance, each with the value texts that must all hold.
    keys: Vec<(String, Vec<Vec<Atom>>)>,
}

#[derive(Debug)]
struct Atom {
    wanted: bool,
    pattern: LazyPattern,
}

/// A pattern that is compiled when it is first tried, since a bad one matters only then.
#[derive(Debug)]
pub struct LazyPattern {
    source: String,
    at_start: bool,
    compiled: OnceLock<Result<Pattern, Error>>,
}

impl LazyPattern {
    /// A pattern to be found anywhere.
    pub fn search(source: impl Into<String>) -> Self {
        Self { source: source.into(), at_start: false, compiled: OnceLock::new() }
    }

    /// Something that is no pattern: an error when it is tried.
    pub(crate) fn failed(error: Error) -> Self {
        Self { source: String::new(), at_start: false, compiled: OnceLock::from(Err(error)) }
    }

    fn whole(source: &str) -> Self {
        Self { source: format!("^{source}$"), at_start: true, compiled: OnceLock::new() }
    }

    /// Whether it is found in a text.
    pub fn is_found_in(&self, text: &str) -> Result<bool, Error> {
        let compile =
            || if self.at_start { Pattern::at_start(&self.source) } else { Pattern::new(&self.source) };
        self.compiled.get_or_init(compile).as_ref().map_err(Clone::clone)?.is_found_in(text)
    }
}

impl Filter {
    /// Takes a filter apart. Any text is a filter; patterns in it are checked when they are first tried.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self(Vec::new());
        }
        Self(split(text, '|').iter().map(|clause| Clause::parse(&clause.replace("\\|", "|"))).collect())
    }

    /// Something that is no filter: an error when it is tried.
    pub(crate) fn failed(error: Error) -> Self {
        Self(vec![Clause { names: vec![LazyPattern::failed(error)], keys: Vec::new() }])
    }

    /// Whether a node passes.
    ///
    /// # Errors
    /// [`ErrorClass::Filter`] if the data lacks a key that any clause asks for; [`ErrorClass::Pattern`] for a bad
    /// pattern.
    pub fn matches(&self, name: &str, data: &Mapping) -> Result<bool, Error> {
        let mut found = self.0.is_empty();
        for clause in &self.0 {
            found |= clause.matches(name, data)?;
        }
        Ok(found)
    }
}

/// Splits at a sign that no backslash stands before, dropping white space around it.
fn split(text: &str, sign: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(sign).filter(|(at, _)| !text[..*at].ends_with('\\')) {
        parts.push(&text[start..at]);
        start = at + 1;
    }
    parts.push(&text[start..]);
    trimmed(parts)
}

/// Drops the white space around the signs that parts were split at, and keeps it at both ends.
fn trimmed(mut parts: Vec<&str>) -> Vec<&str> {
    let last = parts.len() - 1;
    for (at, part) in parts.iter_mut().enumerate() {
        if at > 0 {
            *part = part.trim_start_matches(pytext::is_space);
        }
        if at < last {
            *part = part.trim_end_matches(pytext::is_space);
        }
    }
    parts
}

impl Clause {
    fn parse(text: &str) -> Self {
        let mut clause = Self::default();
        for literal in split(text, '&') {
            let literal = literal.replace("\\&", "&");
            match key_and_values(&literal) {
                Some((key, values)) => clause.add(key, values),
                None => clause.names.push(LazyPattern::search(literal)),
            }
        }
        clause
    }

    fn add(&mut self, key: &str, values: &str) {
        // Unlike the other signs, a comma splits behind a backslash, too.
        let atoms = trimmed(values.split(',').collect()).into_iter().map(Atom::parse).collect();
        match self.keys.iter_mut().find(|(known, _)| known == key) {
            Some((_, all)) => all.push(atoms),
            None => self.keys.push((key.to_owned(), vec![atoms])),
        }
    }

    fn matches(&self, name: &str, data: &Mapping) -> Result<bool, Error> {
        for pattern in &self.names {
            if !pattern.is_found_in(name)? {
                return Ok(false);
            }
        }
        let mut all = true;
        for (key, values) in &self.keys {
            let Some(value) = data.get(key) else {
                return Err(Error::new(ErrorClass::Filter, format!("Invalid filter '{key}'")));
            };
            let items = texts(value);
            for atoms in values {
                all &= any_atom(atoms, &items)?;
            }
        }
        Ok(all)
    }
}

/// A key, which ends at the first colon, and values, which must be on one line.
fn key_and_values(literal: &str) -> Option<(&str, &str)> {
    let (key, values) = literal.split_once(':')?;
    let values = values.trim_start_matches(pytext::is_space);
    let values = values.strip_suffix('\n').unwrap_or(values);
    (!values.contains('\n')).then_some((key, values))
}

/// A value as texts to be matched: the items of a list, or the value itself.
fn texts(value: &Value) -> Vec<Text> {
    match value.as_list() {
        Some(items) => items.iter().map(Value::to_text).collect(),
        None => vec![value.to_text()],
    }
}

impl Atom {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('-') {
            Some(unwanted) => Self { wanted: false, pattern: LazyPattern::whole(unwanted) },
            None => Self { wanted: true, pattern: LazyPattern::whole(text) },
        }
    }
}

fn any_atom(atoms: &[Atom], items: &[Text]) -> Result<bool, Error> {
    for atom in atoms {
        let mut found = false;
        for item in items {
            if atom.pattern.is_found_in(item)? {
                found = true;
                break;
            }
        }
        if found == atom.wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_splits_behind_a_backslash_and_other_signs_do_not() {
        for (filter, value, expected) in [
            ("s: x\\, a", "a", true),
            ("s: x\\,a", "a", true),
            ("s: \\w\\, a", "a", true),
            ("s: a\\, b", "b", true),
            ("s: a\\, b", "a, b", false),
            ("s: x\\|a", "a", true),
            ("s: a \\| x", "a ", true),
            ("s: a\\&b", "a&b", true),
        ] {
            let mut data = Mapping::new();
            data.set("s", Value::text(value));
            assert_eq!(Filter::parse(filter).matches("/t", &data), Ok(expected), "{filter} on {value:?}");
        }
    }
}
