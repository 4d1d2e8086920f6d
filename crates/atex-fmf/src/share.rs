//! Mappings with an identity: copying them for a child, giving them to values, taking them away at the end.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{ErrorClass, Fault};
use crate::mapping::Mapping;
use crate::value::{Shared, Value};

/// Deeper than any file may be nested, with room for what merging adds.
const MAX_DEPTH: usize = 1000;

/// A deep copy: every shared mapping gets a new identity, the same one wherever it is met in this copy.
#[derive(Default)]
pub struct Copier(HashMap<*const Shared, Arc<Shared>>);

impl Copier {
    /// Copies the values of a mapping in place.
    pub fn mapping(&mut self, mapping: &mut Mapping) {
        for value in mapping.values_mut() {
            if holds_shared(value) {
                self.value(value);
            }
        }
    }

    fn value(&mut self, value: &mut Value) {
        match value {
            Value::Shared(shared) => *value = Value::Shared(self.shared(shared)),
            Value::Map(mapping) => self.mapping(Arc::make_mut(mapping)),
            Value::List(items) => {
                Arc::make_mut(items).iter_mut().filter(|item| holds_shared(item)).for_each(|item| {
                    self.value(item);
                })
            }
            _ => {}
        }
    }

    fn shared(&mut self, original: &Arc<Shared>) -> Arc<Shared> {
        if let Some(copy) = self.0.get(&Arc::as_ptr(original)) {
            return copy.clone();
        }
        let copy = Shared::new(original.get());
        self.0.insert(Arc::as_ptr(original), copy.clone());
        let mut content = copy.get();
        self.mapping(Arc::make_mut(&mut content));
        copy.set(content);
        copy
    }
}

/// Whether a value contains a shared mapping, at any depth but not within another one.
fn holds_shared(value: &Value) -> bool {
    match value {
        Value::Shared(_) => true,
        Value::Map(mapping) => mapping.values().any(holds_shared),
        Value::List(items) => items.iter().any(holds_shared),
        _ => false,
    }
}

/// Whether a value contains a mapping that could be given an identity.
pub fn holds_mapping(value: &Value) -> bool {
    match value {
        Value::Map(_) => true,
        Value::List(items) => items.iter().any(holds_mapping),
        _ => false,
    }
}

/// Gives every mapping in a value an identity; whether there was any.
pub fn share(value: &mut Value) -> bool {
    match value {
        Value::Map(mapping) => {
            let mut content = std::mem::take(mapping);
            for value in Arc::make_mut(&mut content).values_mut() {
                share(value);
            }
            *value = Value::Shared(Shared::new(content));
            true
        }
        Value::List(items) if items.iter().any(holds_mapping) => {
            Arc::make_mut(items).iter_mut().for_each(|item| {
                share(item);
            });
            true
        }
        _ => false,
    }
}

/// Turns shared mappings into plain ones, when nothing will change any more.
#[derive(Default)]
pub struct Freezer {
    /// What each became; nothing while it is being worked on.
    done: HashMap<*const Shared, Option<Arc<Mapping>>>,
    /// Keeps the addresses above from being used again.
    kept: Vec<Arc<Shared>>,
}

impl Freezer {
    /// Freezes the values of a mapping in place. It fails if a mapping has come to contain itself.
    pub fn mapping(&mut self, mapping: &mut Arc<Mapping>) -> Result<(), Fault> {
        self.entries(mapping, 0)
    }

    fn entries(&mut self, mapping: &mut Arc<Mapping>, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::new(ErrorClass::Recursion, "values are nested too deeply"));
        }
        if mapping.values().any(holds_shared) {
            for value in Arc::make_mut(mapping).values_mut() {
                self.value(value, depth)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &mut Value, depth: usize) -> Result<(), Fault> {
        match value {
            Value::Shared(shared) => *value = Value::Map(self.shared(shared, depth)?),
            Value::Map(mapping) => self.entries(mapping, depth + 1)?,
            Value::List(items) if items.iter().any(holds_shared) => {
                for item in Arc::make_mut(items) {
                    self.value(item, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn shared(&mut self, shared: &Arc<Shared>, depth: usize) -> Result<Arc<Mapping>, Fault> {
        let address = Arc::as_ptr(shared);
        match self.done.get(&address) {
            Some(Some(mapping)) => return Ok(mapping.clone()),
            Some(None) => return Err(Fault::new(ErrorClass::Recursion, "a mapping contains itself")),
            None => {}
        }
        self.kept.push(shared.clone());
        self.done.insert(address, None);
        let mut content = shared.get();
        self.entries(&mut content, depth + 1)?;
        self.done.insert(address, Some(content.clone()));
        Ok(content)
    }
}
