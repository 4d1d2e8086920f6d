//! What is written in an inventory, before anything is inherited.

use std::fmt;
use std::marker::PhantomData;

use atex_cli::Failure;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::vars::Vars;

/// A group as it is written in one place.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a group with `hosts`, `children` or `vars`")]
pub(super) struct Group {
    #[serde(deserialize_with = "or_default")]
    pub(super) hosts: Entries<Vars>,
    #[serde(deserialize_with = "or_default")]
    pub(super) children: Entries<Group>,
    #[serde(deserialize_with = "or_default")]
    pub(super) vars: Vars,
}

/// A mapping in its order, in which no key comes twice. A value that is null is empty.
#[derive(Debug)]
pub(super) struct Entries<T>(Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Entries(Vec::new())
    }
}

impl<T> IntoIterator for Entries<T> {
    type Item = (String, T);
    type IntoIter = std::vec::IntoIter<(String, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Why the text is no inventory.
#[derive(Debug)]
pub(super) struct Fault(serde_yaml::Error);

impl Fault {
    /// The fault with its place in front.
    pub(super) fn at(&self, file: &str) -> Failure {
        let text = self.0.to_string();
        let Some(place) = self.0.location() else {
            return Failure::usage(format!("{file}: {text}"));
        };
        let (line, column) = (place.line(), place.column());
        let behind = format!(" at line {line} column {column}");
        Failure::usage(format!("{file}:{line}:{column}: {}", text.replacen(&behind, "", 1)))
    }
}

/// Reads the groups at the top of an inventory.
pub(super) fn parse(text: &str) -> Result<Entries<Group>, Fault> {
    serde_yaml::from_str::<Option<Entries<Group>>>(text).map(Option::unwrap_or_default).map_err(Fault)
}

/// The same of what has been read already.
pub(super) fn of(value: serde_yaml::Value) -> Result<Entries<Group>, Fault> {
    serde_yaml::from_value(value).map_err(Fault)
}

/// A value, or the default for null: a group or host of which there is nothing to say is written `name:`.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries: Vec<(String, T)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "<<" {
                return Err(A::Error::custom(
                    "expected names, found a merge key, which works in variables only",
                ));
            }
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("expected another name, found `{name}` again")));
            }
            entries.push((name, map.next_value::<Option<T>>()?.unwrap_or_default()));
        }
        Ok(Entries(entries))
    }
}
