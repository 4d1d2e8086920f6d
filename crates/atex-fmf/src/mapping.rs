//! Ordered mappings, laid out for many small ones: a vector of entries, searched from the front, with an index only
//! once it is long. A tree of 100,000 tests keeps as many mappings of ten to twenty keys, and a hash table for each
//! would double its memory.
//!
//! Most of these mappings inherit half of their entries. Such a one can keep what differs from its parent's alone: that
//! took a third off the memory of large trees, and as much off the time of merging.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use crate::error::Pos;
use crate::value::{Text, Value};

/// Up to this many entries a search from the front is quicker than hashing.
const SEARCHED: usize = 24;

/// A mapping's key: mostly text, but any scalar will do. One pointer, since there are many; equal keys are mostly one and
/// the same.
#[derive(Clone, Debug)]
pub struct Key(Arc<Value>);

impl Key {
    pub(crate) fn new(value: Value) -> Self {
        Self(Arc::new(value))
    }

    /// A key that is text.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::new(Value::Text(text.into()))
    }

    /// The key as a value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The key, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_str()
    }

    /// The key as Python's `str` has it.
    #[must_use]
    pub fn to_text(&self) -> Text {
        self.0.to_text()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || match (self.as_str(), other.as_str()) {
                (Some(left), Some(right)) => left == right,
                _ => self.0 == other.0,
            }
    }
}

/// As in Python, NaN is equal to itself where it is the very same key, and any other NaN is simply another key.
impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_value(&self.0, state);
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

/// How the entries are kept.
#[derive(Clone, Default)]
enum Form {
    /// All of them in order.
    #[default]
    Plain,
    /// The same, of a long mapping.
    Indexed(Box<Index>),
    /// Only what differs from another mapping, which is not of this form itself: first the entries that take the place
    /// of one there, in the order of that mapping, then further ones.
    Extending { base: Arc<Mapping>, replaced: u32 },
}

/// An ordered mapping whose entries know where they were written.
///
/// Replacing a value keeps the entry's place in the order; new keys go to the end.
#[derive(Clone, Default)]
pub struct Mapping {
    entries: Vec<Entry>,
    form: Form,
}

/// Room for the entries of a mapping that grows, one mapping after the other. Where each grows by itself, it leaves behind
/// a hole for each of its sizes; in large trees these were a sixth of the memory.
#[derive(Default)]
pub(crate) struct Room(Vec<Entry>);

/// The place of a key.
enum Place {
    Own(usize),
    Base(usize),
}

impl Mapping {
    /// An empty mapping.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty mapping without any memory of its own.
    pub(crate) fn shared_empty() -> Arc<Self> {
        static EMPTY: LazyLock<Arc<Mapping>> = LazyLock::new(Arc::default);
        EMPTY.clone()
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity), form: Form::Plain }
    }

    /// A copy with room for more entries.
    pub(crate) fn with_room(&self, more: usize) -> Self {
        let mut entries = Vec::with_capacity(self.len() + more);
        entries.extend(self.all().cloned());
        let mut copy = Self { entries, form: Form::Plain };
        copy.index_if_long();
        copy
    }

    /// A mapping with the same content, to be changed in up to `more` places: where it pays it keeps only what differs.
    /// A tree has many nodes that inherit a dozen keys and replace half of them.
    pub(crate) fn extending(base: &Arc<Self>, more: usize) -> Self {
        if matches!(base.form, Form::Extending { .. }) || more > SEARCHED || base.len() < 2 {
            return base.with_room(more);
        }
        Self { entries: Vec::with_capacity(more), form: Form::Extending { base: base.clone(), replaced: 0 } }
    }

    /// As [`Mapping::extending`], in a room that is given back by [`Mapping::leave`].
    pub(crate) fn extending_in(room: &mut Room, base: &Arc<Self>, more: usize) -> Self {
        let mut mapping = Self::extending(base, 0);
        if matches!(mapping.form, Form::Extending { .. }) && more <= SEARCHED {
            mapping.entries = std::mem::take(&mut room.0);
        } else {
            mapping.entries.reserve_exact(more);
        }
        mapping
    }

    /// Moves the entries to where there is room for no more, and gives the room back.
    pub(crate) fn leave(&mut self, room: &mut Room) {
        if self.entries.len() < self.entries.capacity() {
            let mut entries = Vec::with_capacity(self.entries.len());
            entries.append(&mut self.entries);
            room.0 = std::mem::replace(&mut self.entries, entries);
        }
    }

    /// As [`Arc::make_mut`], but a copy keeps only what will differ, where that pays.
    pub(crate) fn make_mut(mapping: &mut Arc<Self>) -> &mut Self {
        if Arc::get_mut(mapping).is_none() {
            *mapping = Arc::new(Self::extending(mapping, 1));
        }
        Arc::make_mut(mapping)
    }

    /// Keeps all entries itself.
    pub(crate) fn flatten(&mut self) {
        if matches!(self.form, Form::Extending { .. }) {
            *self = self.with_room(0);
        }
    }

    /// Lets mappings among the values keep all their entries themselves, so that others may extend them.
    pub(crate) fn flatten_values(&mut self) {
        for entry in &mut self.entries {
            if let Value::Map(mapping) = &mut entry.value
                && matches!(mapping.form, Form::Extending { .. })
            {
                Arc::make_mut(mapping).flatten();
            }
        }
    }

    fn base_entries(&self) -> &[Entry] {
        self.base().map_or(&[][..], |base| &base.entries)
    }

    /// The mapping that this one extends, if a key is only there.
    pub(crate) fn only_inherited(&self, key: &str) -> Option<&Arc<Self>> {
        self.base().filter(|_| matches!(self.find_text(key), Some(Place::Base(_))))
    }

    /// Extends another mapping, which has the same keys in the same order as the one so far.
    pub(crate) fn set_base(&mut self, to: Arc<Self>) {
        if let Form::Extending { base, .. } = &mut self.form {
            *base = to;
        }
    }

    /// The mapping that this one extends.
    pub(crate) fn base(&self) -> Option<&Arc<Self>> {
        match &self.form {
            Form::Extending { base, .. } => Some(base),
            _ => None,
        }
    }

    /// The entries that this one keeps itself. If it extends another, the first [`Mapping::replaced`] of them take the place
    /// of entries there, in their order.
    pub(crate) fn own(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    /// How many entries take the place of those of the mapping that this one extends.
    pub(crate) fn replaced(&self) -> usize {
        match self.form {
            Form::Extending { replaced, .. } => replaced as usize,
            _ => 0,
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.base_entries().len() + self.entries.len() - self.replaced()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, key: &Key) -> Option<Place> {
        self.search(|found| found == key, || key.clone())
    }

    fn find_text(&self, key: &str) -> Option<Place> {
        self.search(|found| found.as_str() == Some(key), || Key::text(key))
    }

    fn search(&self, is_it: impl Fn(&Key) -> bool, key: impl Fn() -> Key) -> Option<Place> {
        let position = |entries: &[Entry]| entries.iter().position(|entry| is_it(&entry.key));
        match &self.form {
            Form::Plain => position(&self.entries).map(Place::Own),
            Form::Indexed(index) => index.0.get(&key()).copied().map(Place::Own),
            Form::Extending { base, .. } => match position(&self.entries) {
                Some(own) => Some(Place::Own(own)),
                None => match base.search(is_it, key)? {
                    Place::Own(at) | Place::Base(at) => Some(Place::Base(at)),
                },
            },
        }
    }

    fn at(&self, place: Place) -> &Entry {
        match place {
            Place::Own(at) => &self.entries[at],
            Place::Base(at) => &self.base_entries()[at],
        }
    }

    /// An entry to be changed: the base's is copied first.
    fn at_mut(&mut self, place: Place) -> &mut Entry {
        let at = match place {
            Place::Own(at) => at,
            Place::Base(in_base) => self.replace(in_base),
        };
        &mut self.entries[at]
    }

    /// Copies an entry of the base, to take its place. Where the copy is.
    fn replace(&mut self, in_base: usize) -> usize {
        let Form::Extending { base, replaced } = &mut self.form else { return in_base };
        let mut at = 0;
        for entry in &base.entries[..in_base] {
            at += usize::from(at < *replaced as usize && self.entries[at].key == entry.key);
        }
        *replaced += 1;
        self.entries.reserve_exact(1);
        self.entries.insert(at, base.entries[in_base].clone());
        at
    }

    /// The value of a text key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find_text(key).map(|place| &self.at(place).value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.find_text(key).map(|place| &mut self.at_mut(place).value)
    }

    /// The value of any key.
    #[must_use]
    pub fn get_key(&self, key: &Key) -> Option<&Value> {
        self.find(key).map(|place| &self.at(place).value)
    }

    /// Whether a text key is present.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.find_text(key).is_some()
    }

    /// Where the present value of a key was written.
    #[must_use]
    pub fn position(&self, key: &str) -> Pos {
        self.find_text(key).map_or(Pos::NONE, |place| self.at(place).pos)
    }

    /// Sets a key's value; a key already there keeps its place in the order.
    pub fn insert(&mut self, key: Key, value: Value, pos: Pos) {
        match self.find(&key) {
            Some(place) => {
                let entry = self.at_mut(place);
                (entry.value, entry.pos) = (value, pos);
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
            Some(place) => {
                let entry = self.at_mut(place);
                (entry.value, entry.pos) = (value, pos);
            }
            None => self.push(key().unwrap_or_else(|| Key::text(text)), value, pos),
        }
    }

    /// Sets a text key's value, at no known place.
    pub fn set(&mut self, key: &str, value: Value) {
        self.insert(Key::text(key), value, Pos::NONE);
    }

    /// Adds an entry whose key is known to be new.
    pub(crate) fn push(&mut self, key: Key, value: Value, pos: Pos) {
        match &mut self.form {
            Form::Indexed(index) => {
                index.0.insert(key.clone(), self.entries.len());
            }
            // Most mappings get their size when they are made, and at most a key or two afterwards, from adjust rules.
            // Doubling them then would waste half of a mapping in each of many nodes.
            _ => self.entries.reserve_exact(1),
        }
        self.entries.push(Entry { key, value, pos });
        match self.form {
            Form::Plain => self.index_if_long(),
            Form::Extending { .. } if self.entries.len() > SEARCHED => self.flatten(),
            _ => {}
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &Key) -> Option<Value> {
        self.find(key)?;
        self.flatten();
        let Some(Place::Own(at)) = self.find(key) else { return None };
        let entry = self.entries.remove(at);
        self.index_anew();
        Some(entry.value)
    }

    /// Keeps only the entries whose keys satisfy a condition, which may fail.
    pub(crate) fn try_retain<E>(&mut self, mut keep: impl FnMut(&Key) -> Result<bool, E>) -> Result<(), E> {
        let mut failed = None;
        self.flatten();
        self.entries.retain(|entry| match keep(&entry.key) {
            Ok(keep) => keep,
            Err(error) => {
                failed.get_or_insert(error);
                true
            }
        });
        self.index_anew();
        failed.map_or(Ok(()), Err)
    }

    fn index_if_long(&mut self) {
        if self.entries.len() > SEARCHED {
            let keys = self.entries.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at));
            self.form = Form::Indexed(Box::new(Index(keys.collect())));
        }
    }

    /// After entries were removed.
    fn index_anew(&mut self) {
        if matches!(self.form, Form::Indexed(_)) {
            self.form = Form::Plain;
            self.index_if_long();
        }
    }

    pub(crate) fn into_entries(mut self) -> impl Iterator<Item = (Key, Value, Pos)> {
        self.flatten();
        self.entries.into_iter().map(|entry| (entry.key, entry.value, entry.pos))
    }

    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    fn all(&self) -> Entries<'_> {
        Entries { base: self.base_entries(), own: &self.entries, replaced: self.replaced() }
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Value)> + Clone {
        self.all().map(|entry| (&entry.key, &entry.value))
    }

    /// The entries in order, with the places where they were written.
    pub fn iter_with_positions(&self) -> impl ExactSizeIterator<Item = (&Key, &Value, Pos)> {
        self.all().map(|entry| (&entry.key, &entry.value, entry.pos))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.flatten();
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    /// The values in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.all().map(|entry| &entry.value)
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.all().map(|entry| &entry.key)
    }
}

/// The entries of a mapping in order.
#[derive(Clone)]
struct Entries<'m> {
    base: &'m [Entry],
    own: &'m [Entry],
    /// How many of the own ones take the place of one of the base.
    replaced: usize,
}

impl<'m> Iterator for Entries<'m> {
    type Item = &'m Entry;

    fn next(&mut self) -> Option<&'m Entry> {
        let Some(inherited) = self.base.split_off_first() else { return self.own.split_off_first() };
        if self.replaced > 0 && self.own[0].key == inherited.key {
            self.replaced -= 1;
            return self.own.split_off_first();
        }
        Some(inherited)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.base.len() + self.own.len() - self.replaced;
        (len, Some(len))
    }
}

impl ExactSizeIterator for Entries<'_> {}

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
            mapping.insert(Key::text(key), value.into(), Pos::NONE);
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
        assert_eq!(mapping.remove(&Key::text("k3")), Some(Value::Int(3)));
        assert_eq!(mapping.get("k99"), Some(&Value::Int(99)));
        assert_eq!(mapping.get("k3"), None);
        let keys: Vec<_> = mapping.keys().take(6).map(Key::to_text).collect();
        assert_eq!(keys.iter().map(|key| &**key).collect::<Vec<_>>(), ["k0", "k1", "k2", "k4", "k5", "k6"]);
        assert_eq!(mapping.iter().nth(6).unwrap().1, &Value::Null);
    }

    /// Keys, values and positions, in order.
    fn all(mapping: &Mapping) -> Vec<(String, Value, Pos)> {
        let entries = mapping.iter_with_positions();
        let all: Vec<_> =
            entries.map(|(key, value, pos)| (key.to_text().to_string(), value.clone(), pos)).collect();
        assert_eq!(all.len(), mapping.len());
        for (key, value, pos) in &all {
            assert_eq!((mapping.get(key), mapping.position(key)), (Some(value), *pos));
        }
        all
    }

    #[test]
    fn what_extends_another_mapping_reads_as_a_changed_copy_does() {
        type Change = fn(&mut Mapping);
        let changes: [Change; 9] = [
            |mapping| mapping.insert(Key::text("k3"), Value::text("x"), Pos::new(1, 2, 3)),
            |mapping| mapping.set("new", Value::Int(1)),
            |mapping| mapping.set("k0", Value::Null),
            |mapping| *mapping.get_mut("k1").unwrap_or(&mut Value::Null) = Value::Bool(true),
            |mapping| mapping.set("k3", Value::text("y")),
            |mapping| (0..30).for_each(|n| mapping.set(&format!("k{n}"), Value::Int(-n))),
            |mapping| drop(mapping.remove(&Key::text("k2"))),
            |mapping| mapping.values_mut().for_each(|value| *value = Value::Null),
            |mapping| mapping.try_retain(|key| Ok::<_, ()>(key.as_str() != Some("k4"))).unwrap(),
        ];
        for size in [0, 1, 2, 5, SEARCHED + 5] {
            let base: Arc<Mapping> =
                Arc::new((0..size).map(|n| (format!("k{n}"), Value::Int(n as i64))).collect());
            // From each change on, so that each is the first one, too.
            for first in 0..changes.len() {
                let (mut extending, mut copy) = (Mapping::extending(&base, 2), base.with_room(2));
                for change in &changes[first..] {
                    change(&mut extending);
                    change(&mut copy);
                    assert_eq!(all(&extending), all(&copy), "{size} {first}");
                    assert_eq!(extending, copy);
                }
            }
            assert_eq!(base.len(), size);
        }
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
