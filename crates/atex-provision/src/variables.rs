//! Variables of the environment that say which provider is meant, kept for the ledger: whoever gives back, or reaps, may have
//! other ones, and would be told by another provider that it has nothing of ours.

use serde_json::{Map, Value};

/// What some variables were.
#[derive(Debug, Clone)]
pub(crate) struct Variables {
    names: &'static [&'static str],
    values: Map<String, Value>,
}

impl Variables {
    /// As they are now. None of them may be a secret.
    pub fn now(names: &'static [&'static str]) -> Variables {
        let value = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let values = names.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?.into())));
        Variables { names, values: values.collect() }
    }

    /// As the ledger has them.
    pub fn of(names: &'static [&'static str], at: &Value) -> Variables {
        let known = |(name, value): (&String, &Value)| {
            (names.contains(&name.as_str()) && value.is_string()).then(|| (name.clone(), value.clone()))
        };
        let values = at["environment"].as_object().into_iter().flatten().filter_map(known);
        Variables { names, values: values.collect() }
    }

    /// For the ledger.
    pub fn to_value(&self) -> Value {
        Value::Object(self.values.clone())
    }

    /// All, with what they were.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.names.iter().map(|name| (*name, self.values.get(*name).and_then(Value::as_str)))
    }

    /// Those that were set.
    pub fn set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.all().filter_map(|(name, value)| Some((name, value?)))
    }
}
