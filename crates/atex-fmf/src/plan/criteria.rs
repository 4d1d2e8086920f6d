//! What a section and the command line ask of a test, beside its place in the plan.

use super::link::Needle;
use super::{Phase, Plan, Result, texts};
use crate::discover::{NamePatterns, Request};
use crate::error::ErrorClass;
use crate::filter::Filter;
use crate::mapping::Mapping;
use crate::meta;
use crate::value::Value;

/// What is asked of a test beside its name in `test`.
pub(super) struct Criteria<'f, 'r> {
    names: &'f NamePatterns,
    filters: Vec<Filter>,
    conditions: &'f [&'r dyn crate::select::Condition],
    /// One of them must be there, if there are any.
    links: Vec<Needle>,
    includes: NamePatterns,
    excludes: NamePatterns,
}

impl<'f, 'r> Criteria<'f, 'r> {
    /// What the command line asks; `names` are the patterns of names of `request`.
    pub fn of_request(request: &'f Request<'r>, names: &'f NamePatterns) -> Self {
        Self {
            names,
            filters: request.filters.iter().map(|filter| Filter::parse(filter)).collect(),
            conditions: &request.conditions,
            links: Vec::new(),
            includes: NamePatterns::default(),
            excludes: NamePatterns::new(&request.excludes),
        }
    }

    /// The same, with what a section asks.
    pub fn of_phase(mut self, plan: &Plan<'_>, phase: &Phase, request: &Request<'_>) -> Result<Self> {
        let given = |key: &'static str| {
            texts(&phase.section, key).map_err(|error| plan.place(&phase.section, key, error))
        };
        self.filters.extend(given("filter")?.iter().map(|filter| Filter::parse(filter)));
        self.links = given("link")?.iter().map(|link| Needle::new(link)).collect();
        self.includes = NamePatterns::new(given("include")?);
        self.excludes = NamePatterns::new(given("exclude")?.iter().chain(&request.excludes));
        Ok(self)
    }

    /// Whether a test is one that is asked for.
    pub fn accept(&self, name: &str, data: &Mapping) -> Result<bool> {
        if !self.names.is_empty() && !self.names.any_found_in(name)? || self.excludes.any_found_in(name)? {
            return Ok(false);
        }
        if !self.includes.is_empty() && !self.includes.any_found_in(name)? {
            return Ok(false);
        }
        if !self.has_link(data)? {
            return Ok(false);
        }
        match self.holds(name, data) {
            Err(error) if error.class() == ErrorClass::Filter => Ok(false),
            other => other,
        }
    }

    fn has_link(&self, data: &Mapping) -> Result<bool> {
        for link in &self.links {
            if link.is_in(data)? {
                return Ok(true);
            }
        }
        Ok(self.links.is_empty())
    }

    fn holds(&self, name: &str, data: &Mapping) -> Result<bool> {
        if self.filters.is_empty() && self.conditions.is_empty() {
            return Ok(true);
        }
        let data = with_defaults(name, data);
        for condition in self.conditions {
            if !condition.holds(&data)? {
                return Ok(false);
            }
        }
        let data = as_filtered(&data);
        for filter in &self.filters {
            if !filter.matches(name, &data)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What conditions can ask for: the data, and what tmt takes for keys that are not there.
#[must_use]
pub fn with_defaults(name: &str, data: &Mapping) -> Mapping {
    const EMPTY_LISTS: [&str; 9] = [
        "author",
        "check",
        "component",
        "contact",
        "link",
        "recommend",
        "require",
        "restart-on-exit-code",
        "tag",
    ];
    let mut all = data.clone();
    let mut add = |key: &str, value: Value| {
        if !all.contains(key) {
            all.set(key, value);
        }
    };
    for key in EMPTY_LISTS {
        add(key, Value::list(Vec::new()));
    }
    for key in ["description", "id", "summary", "tier"] {
        add(key, Value::Null);
    }
    for (key, text) in [("duration", meta::DEFAULT_DURATION), ("framework", "shell"), ("result", "respect")] {
        add(key, text.into());
    }
    for (key, flag) in [("enabled", true), ("manual", false), ("restart-with-reboot", false), ("tty", false)]
    {
        add(key, flag.into());
    }
    for (key, number) in [("order", 50), ("restart-max-count", 1)] {
        add(key, Value::Int(number));
    }
    add("environment", Value::map(Mapping::new()));
    all.set("name", name.into());
    all
}

/// The same for filters, to which switches are both as they are written in YAML and as Python writes them.
#[must_use]
pub fn as_filtered(data: &Mapping) -> Mapping {
    let mut asked = Mapping::new();
    for (key, value, pos) in data.iter_with_positions() {
        let value = match value {
            Value::Bool(flag) => Value::list(vec![value.clone(), Value::from(flag.to_string())]),
            other => other.clone(),
        };
        asked.insert(key.clone(), value, pos);
    }
    asked
}
