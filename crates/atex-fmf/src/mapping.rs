//! Ordered mappings, laid out for many small ones: a vector of entries, searched from the front, with an index only
//! once it is long. A tree of 100,000 tests keeps as many mappings of ten to twenty keys, and a hash table for each
//! would double its memory.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::error::Pos;
use crate::pytext;
use crate::value::{Text, Value};

/// Up to this many entries a search from the front is quicker than hashing.
const SEARCHED: usize = 24;

/// A mapping's key: mostly text, but any scalar will do.
#[derive(Clone, Debug)]
pub enum Key {
    /// Text.
    Text(Text),
    /// Anything else that YAML allows: numbers, booleans, null, dates, tuples.
    Other(Box<Value>),
}

impl Key {
    pub(crate) fn new(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            other => Self::Other(Box::new(other)),
        }
    }

    /// The key as a value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text.clone()),
            Self::Other(value) => (**value).clone(),
        }
    }

    /// The key, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }

    /// The key as Python's `str` has it.
    #[must_use]
    pub fn to_text(&self) -> Text {
        match self {
            Self::Text(text) => text.clone(),
            Self::Other(value) => pytext::text(value).into(),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::Other(left), Self::Other(right)) => left == right,
            _ => false,
        }
    }
}

/// NaN is not equal to itself; a second NaN key is simply another key.
impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Text(text) => text.hash(state),
            Self::Other(value) => hash_value(value, state),
        }
    }
}

/// Equal numbers of different types must hash alike.
fn hash_value<H: Hasher>(value: &Value, state: &mut H) {
    let number = match value {
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Int(number) => *number as f64,
        Value::BigInt(number) => number.to_f64(),
        Value::Float(number) => *number,
        Value::Text(text) => return text.hash(state),
        Value::Date(date) => return date.hash(state),
        Value::Bytes(bytes) => return bytes.hash(state),
        Value::Tuple(items) => return items.iter().for_each(|item| hash_value(item, state)),
        _ => return,
    };
    (number + 0.0).to_bits().hash(state);
}

/// One entry.
#[derive(Clone, Debug)]
struct Entry {
    key: Key,
    value: Value,
    pos: Pos,
}

/// Where each key is.
#[derive(Clone, Default)]
struct Index(HashMap<Key, usize>);

/// An ordered mapping whose entries know where they were written.
///
/// Replacing a value keeps the entry's place in the order; new keys go to the end.
#[derive(Clone, Default)]
pub struct Mapping {
    entries: Vec<Entry>,
    /// Made only for long mappings, and boxed because most are short.
    index: Option<Box<Index>>,
}

impl Mapping {
    /// An empty mapping.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity), index: None }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, key: &Key) -> Option<usize> {
        match &self.index {
            Some(index) => index.0.get(key).copied(),
            None => self.entries.iter().position(|entry| entry.key == *key),
        }
    }

    fn find_text(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.0.get(&Key::Text(key.into())).copied(),
            None => self.entries.iter().position(|entry| entry.key.as_str() == Some(key)),
        }
    }

    /// The value of a text key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find_text(key).map(|at| &self.entries[at].value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.find_text(key).map(|at| &mut self.entries[at].value)
    }

    /// The value of any key.
    #[must_use]
    pub fn get_key(&self, key: &Key) -> Option<&Value> {
        self.find(key).map(|at| &self.entries[at].value)
    }

    /// Whether a text key is present.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.find_text(key).is_some()
    }

    /// Where the present value of a key was written.
    #[must_use]
    pub fn position(&self, key: &str) -> Pos {
        self.find_text(key).map_or(Pos::NONE, |at| self.entries[at].pos)
    }

    /// Sets a key's value; a key already there keeps its place in the order.
    pub fn insert(&mut self, key: Key, value: Value, pos: Pos) {
        match self.find(&key) {
            Some(at) => {
                self.entries[at].value = value;
                self.entries[at].pos = pos;
            }
            None => self.push(key, value, pos),
        }
    }

    /// As [`Mapping::insert`] of a text key, which is only made, from the text if need be, when it is not there yet.
    pub(crate) fn insert_text(
        &mut self,
        text: &str,
        key: impl FnOnce() -> Option<Key>,
        value: Value,
        pos: Pos,
    ) {
        match self.find_text(text) {
            Some(at) => {
                self.entries[at].value = value;
                self.entries[at].pos = pos;
            }
            None => self.push(key().unwrap_or_else(|| Key::Text(text.into())), value, pos),
        }
    }

    /// Sets a text key's value, at no known place.
    pub fn set(&mut self, key: &str, value: Value) {
        self.insert(Key::Text(key.into()), value, Pos::NONE);
    }

    /// Adds an entry whose key is known to be new.
    pub(crate) fn push(&mut self, key: Key, value: Value, pos: Pos) {
        if let Some(index) = &mut self.index {
            index.0.insert(key.clone(), self.entries.len());
        }
        if self.index.is_none() {
            // Most mappings get their size when they are made, and at most a key or two afterwards, from adjust rules.
            // Doubling them then would waste half of a mapping in each of many nodes.
            self.entries.reserve_exact(1);
        }
        self.entries.push(Entry { key, value, pos });
        if self.index.is_none() && self.entries.len() > SEARCHED {
            self.rebuild_index();
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &Key) -> Option<Value> {
        let at = self.find(key)?;
        let entry = self.entries.remove(at);
        if self.index.is_some() {
            self.rebuild_index();
        }
        Some(entry.value)
    }

    /// Keeps only the entries whose keys satisfy a condition, which may fail.
    pub(crate) fn try_retain<E>(&mut self, mut keep: impl FnMut(&Key) -> Result<bool, E>) -> Result<(), E> {
        let mut failed = None;
        self.entries.retain(|entry| match keep(&entry.key) {
            Ok(keep) => keep,
            Err(error) => {
                failed.get_or_insert(error);
                true
            }
        });
        if self.index.is_some() {
            self.rebuild_index();
        }
        failed.map_or(Ok(()), Err)
    }

    fn rebuild_index(&mut self) {
        let keys = self.entries.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at));
        self.index = Some(Box::new(Index(keys.collect())));
    }

    /// A copy with room for more entries.
    pub(crate) fn with_room(&self, more: usize) -> Self {
        let mut entries = Vec::with_capacity(self.len() + more);
        entries.extend_from_slice(&self.entries);
        Self { entries, index: self.index.clone() }
    }

    pub(crate) fn into_entries(self) -> impl Iterator<Item = (Key, Value, Pos)> {
        self.entries.into_iter().map(|entry| (entry.key, entry.value, entry.pos))
    }

    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Value)> + Clone {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    /// The entries in order, with the places where they were written.
    pub fn iter_with_positions(&self) -> impl ExactSizeIterator<Item = (&Key, &Value, Pos)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value, entry.pos))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    /// The values in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.entries.iter().map(|entry| &entry.value)
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.entries.iter().map(|entry| &entry.key)
    }
}

/// By content; neither the order nor the places matter.
impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get_key(key) == Some(value))
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Text>, V: Into<Value>> FromIterator<(K, V)> for Mapping {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut mapping = Self::new();
        for (key, value) in pairs {
            mapping.insert(Key::Text(key.into()), value.into(), Pos::NONE);
        }
        mapping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_mappings_keep_order_and_find_after_removal() {
        let mut mapping: Mapping = (0..100).map(|n| (format!("k{n}"), Value::Int(n))).collect();
        mapping.set("k7", Value::Null);
        assert_eq!(mapping.remove(&Key::Text("k3".into())), Some(Value::Int(3)));
        assert_eq!(mapping.get("k99"), Some(&Value::Int(99)));
        assert_eq!(mapping.get("k3"), None);
        let keys: Vec<_> = mapping.keys().take(6).map(Key::to_text).collect();
        assert_eq!(keys.iter().map(|key| &**key).collect::<Vec<_>>(), ["k0", "k1", "k2", "k4", "k5", "k6"]);
        assert_eq!(mapping.iter().nth(6).unwrap().1, &Value::Null);
    }

    #[test]
    fn numeric_keys_meet_by_value() {
        let mut mapping = Mapping::new();
        for n in 0..50 {
            mapping.insert(Key::new(Value::Int(n)), Value::Int(n), Pos::NONE);
        }
        assert_eq!(mapping.get_key(&Key::new(Value::Float(30.0))), Some(&Value::Int(30)));
        assert_eq!(mapping.get_key(&Key::new(Value::Bool(true))), Some(&Value::Int(1)));
        assert_eq!(mapping.get_key(&Key::new(Value::text("30"))), None);
    }
}
