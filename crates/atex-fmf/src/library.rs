//! Libraries that tests require: those in the tree itself. Their own requires are added behind them.
//!
//! Nothing is fetched here: a library of another repository is an error that names it, and a `library(nick/path)`
//! stays the package name that it also is.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, ErrorClass};
use crate::mapping::Mapping;
use crate::pytext;
use crate::tree::Tree;
use crate::value::Value;

/// Libraries may require each other in a chain this long.
const MAX_CHAIN: usize = 200;

/// A test may come to require this many things. Libraries that require each other twice double the number each time.
const MAX_ENTRIES: usize = 100_000;

/// Requires and recommends.
#[derive(Clone, Default)]
struct Needs {
    require: Vec<Value>,
    recommend: Vec<Value>,
}

/// Resolves the libraries of one section.
pub struct Libraries<'t> {
    tree: &'t Tree,
    /// By nick and name. Empty while a library is being expanded, which ends cycles.
    done: HashMap<String, Arc<Needs>>,
    chain: usize,
    /// One empty list for all tests.
    empty: Value,
}

type Result<T> = std::result::Result<T, Error>;

fn refused(message: String) -> Error {
    Error::new(ErrorClass::Value, message)
}

impl<'t> Libraries<'t> {
    pub fn new(tree: &'t Tree) -> Self {
        Self { tree, done: HashMap::new(), chain: 0, empty: Value::list(Vec::new()) }
    }

    /// The complete `require` and `recommend` lists for a test's data. Lists that stay as they are stay shared.
    pub fn lists(&mut self, data: &Mapping) -> Result<[Value; 2]> {
        let needs = self.expand(data)?;
        Ok([self.list(data.get("require"), needs.require), self.list(data.get("recommend"), needs.recommend)])
    }

    fn list(&self, present: Option<&Value>, items: Vec<Value>) -> Value {
        match present {
            // Expanding only ever adds items.
            Some(Value::List(present)) if present.len() == items.len() => Value::List(present.clone()),
            _ if items.is_empty() => self.empty.clone(),
            _ => Value::list(items),
        }
    }

    /// What a test or library with this data requires and recommends, with what its libraries do.
    fn expand(&mut self, data: &Mapping) -> Result<Needs> {
        let entries = |key: &str| data.get(key).map(Value::to_list).unwrap_or_default();
        let mut needs = Needs::default();
        for entry in entries("recommend") {
            if entry.as_str().is_none() {
                let message = format!(
                    "non-string '{}' not allowed in 'recommend': {}",
                    entry.type_name(),
                    pytext::text(&entry)
                );
                return Err(self.placed(refused(message), data, "recommend"));
            }
            needs.recommend.push(entry);
        }
        for entry in entries("require") {
            self.require(&mut needs, entry).map_err(|error| self.placed(error, data, "require"))?;
        }
        Ok(needs)
    }

    fn placed(&self, error: Error, data: &Mapping, key: &str) -> Error {
        if error.position().is_some() { error } else { error.at(self.tree.locate(data.position(key))) }
    }

    fn require(&mut self, needs: &mut Needs, entry: Value) -> Result<()> {
        if entry.as_str().is_some() {
            needs.require.push(entry);
            return Ok(());
        }
        let shown = || pytext::repr(&entry);
        let Some(library) = entry.as_map() else {
            return Err(refused(format!("invalid require (bad type?): {}", pytext::text(&entry))));
        };
        if library.get("type").is_some_and(|kind| kind.as_str() != Some("library")) {
            needs.require.push(entry);
            return Ok(());
        }
        if library.contains("url") || library.contains("path") {
            let message = format!("the library of another repository cannot be fetched: {}", shown());
            return Err(Error::new(ErrorClass::Fetch, message));
        }
        let nick = library.get("nick").filter(|nick| nick.is_truthy());
        let nick =
            nick.ok_or_else(|| refused(format!("'nick' must be defined for url-less: {}", shown())))?;
        let node = library.get("name").and_then(Value::as_str).and_then(|name| self.tree.find(name));
        let node = node.ok_or_else(|| refused(format!("couldn't find library node: {}", shown())))?;
        let Some(nick) = nick.as_str() else {
            return Err(Error::new(ErrorClass::Type, format!("'nick' must be text: {}", shown())));
        };
        let of_library = self.cached(format!("{nick}{}", node.name()), node.data())?;
        needs.require.push(entry.clone());
        needs.require.extend_from_slice(&of_library.require);
        needs.recommend.extend_from_slice(&of_library.recommend);
        if needs.require.len() + needs.recommend.len() > MAX_ENTRIES {
            let message = format!("more than {MAX_ENTRIES} requires come together: {}", shown());
            return Err(Error::new(ErrorClass::Recursion, message));
        }
        Ok(())
    }

    fn cached(&mut self, key: String, data: &Mapping) -> Result<Arc<Needs>> {
        if let Some(done) = self.done.get(&key) {
            return Ok(done.clone());
        }
        if self.chain >= MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} libraries require each other in a chain");
            return Err(Error::new(ErrorClass::Recursion, message));
        }
        self.done.insert(key.clone(), Arc::default());
        self.chain += 1;
        let needs = Arc::new(self.expand(data)?);
        self.chain -= 1;
        self.done.insert(key, needs.clone());
        Ok(needs)
    }
}
