//! Composed parts to collections: merge keys, duplicate keys, tags of collections. And of several values that cannot be made,
//! which one counts: the one that the reference would come to first.

use std::sync::Arc;

use super::YamlError;
use super::compose::{Composer, Node, YAML_TAGS};
use super::resolve::{BadScalar, Scalar};
use super::scan::{Mark, Result};
use crate::error::Pos;
use crate::mapping::{Key, Mapping};
use crate::value::Value;

/// A collection, by how deep it is and where it begins. The reference makes collections level by level: first the outermost
/// with everything in it that is no collection, then those in it. Keys it makes with everything in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    level: u32,
    start: usize,
}

impl Place {
    /// A collection in this one.
    pub fn below(self, start: Mark) -> Self {
        Self { level: self.level + 1, start: start.at }
    }
}

/// When a value's turn to be made comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    place: Place,
    phase: Phase,
    at: usize,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Merging,
    Entries,
}

/// What is done about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The key, which has been made, is looked at.
    Key,
    Value,
    /// Both are put into the mapping.
    Entry,
}

/// The tags of lists.
pub(super) const OF_LISTS: [&str; 3] = ["seq", "pairs", "omap"];

/// The tags of mappings.
pub(super) const OF_MAPPINGS: [&str; 2] = ["map", "set"];

impl Composer<'_, '_> {
    // Failures to make a value.

    /// A value that stands here cannot be made.
    pub(super) fn fail(&mut self, mark: Mark, bad: BadScalar) {
        self.fail_in_turn(self.turn(Phase::Entries, mark, Step::Value), mark, bad);
    }

    fn turn(&self, phase: Phase, at: Mark, step: Step) -> Turn {
        Turn { place: self.place, phase, at: at.at, step }
    }

    fn fail_in_turn(&mut self, turn: Turn, mark: Mark, bad: BadScalar) {
        let (syntax, message) = match bad {
            BadScalar::Malformed(message) => (true, message),
            BadScalar::Nonexistent(message) => (false, message),
        };
        let error = YamlError { syntax, ..self.scanner.error_at(mark, message) };
        if self.failed.as_ref().is_none_or(|(first, _)| turn < *first) {
            self.failed = Some((turn, error));
        }
    }

    fn malformed(&mut self, mark: Mark, message: impl Into<String>) {
        self.fail(mark, BadScalar::Malformed(message.into()));
    }

    /// Something is wrong with a merge key, all of which are looked at before any entry.
    fn bad_merge(&mut self, mark: Mark, message: impl Into<String>) {
        let turn = self.turn(Phase::Merging, mark, Step::Value);
        self.fail_in_turn(turn, mark, BadScalar::Malformed(message.into()));
    }

    /// A node in a place where it must be a value.
    pub(super) fn value_of(&mut self, node: Node) -> Value {
        match node.scalar {
            Scalar::Value(value) => value,
            Scalar::Word(key) => key.value().clone(),
            Scalar::Merge => {
                self.malformed(node.mark, "'<<' is a merge key and cannot be a value; quote it");
                Value::Null
            }
            Scalar::Equals => {
                self.malformed(node.mark, "'=' cannot be a value; quote it");
                Value::Null
            }
        }
    }

    // Collections.

    /// What the tag of a collection makes of it, without the part that all tags have in common.
    pub(super) fn kind<'t>(&mut self, tag: Option<&'t str>, fitting: &[&str], mark: Mark) -> Option<&'t str> {
        let tag = tag?;
        match tag.strip_prefix(YAML_TAGS) {
            Some(kind) if fitting.contains(&kind) => return Some(kind),
            Some(kind) => {
                let what = if fitting == OF_LISTS { "list" } else { "mapping" };
                self.malformed(mark, format!("the tag '!!{kind}' does not fit a {what}"));
            }
            None => self.fail(mark, unknown_tag(tag)),
        }
        None
    }

    pub(super) fn start_items(&self) -> Items {
        Items { from: self.items.len(), height: 0, size: 0, unshared: false }
    }

    pub(super) fn add_item(&mut self, items: &mut Items, node: Node) {
        items.height = items.height.max(node.height);
        items.size = items.size.saturating_add(node.size);
        items.unshared |= node.unshared;
        let value = self.value_of(node);
        self.items.push(value);
    }

    /// The list of the items that have been added.
    pub(super) fn sequence(&mut self, items: Items, kind: Option<&str>, mark: Mark) -> Node {
        let values: Arc<[Value]> = self.items.drain(items.from..).collect();
        let (height, size, unshared) = (items.height + 1, items.size.saturating_add(1), items.unshared);
        let made = match kind {
            Some("pairs") => pairs(&values).map(|pairs| {
                Value::list(pairs.into_iter().map(|(key, value)| Value::Tuple([key, value].into())).collect())
            }),
            Some("omap") => pairs(&values).and_then(ordered_map),
            _ => Ok(Value::List(values)),
        };
        let scalar = made.map(Scalar::Value);
        Node { height, size, unshared, ..self.scalar_node(scalar, mark) }
    }

    /// The mapping of the entries from this one on.
    pub(super) fn mapping(&mut self, from: usize, kind: Option<&str>, mark: Mark) -> Result<Node> {
        let mut height = 0;
        let mut size = 1u64;
        for (key, value) in &self.entries[from..] {
            height = height.max(key.height).max(value.height);
            size = size.saturating_add(key.size).saturating_add(value.size);
        }
        let mut entries = std::mem::take(&mut self.entries);
        let mapping = match entries[from..].iter().any(|(key, _)| matches!(key.scalar, Scalar::Merge)) {
            true => self.merged(entries.drain(from..), &mut size),
            false => self.checked(entries.drain(from..)),
        };
        self.entries = entries;
        let value = match kind {
            Some("set") => Value::Set(mapping.keys().map(|key| key.value().clone()).collect()),
            _ => Value::map(mapping),
        };
        let node = self.scalar_node(Ok(Scalar::Value(value)), mark);
        Ok(Node { height: height + 1, size, unshared: true, ..node })
    }

    /// Entries with merge keys among them.
    fn merged(&mut self, entries: impl ExactSizeIterator<Item = (Node, Node)>, size: &mut u64) -> Mapping {
        let mut mapping = Mapping::new();
        let mut own = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match key.scalar {
                Scalar::Merge if mapping.is_empty() => {
                    *size = size.saturating_add(value.size);
                    self.merge(&mut mapping, value);
                }
                Scalar::Merge => self.bad_merge(key.mark, "a second '<<' in one mapping; give one a list"),
                _ => own.push((key, value)),
            }
        }
        if mapping.is_empty() {
            return self.checked(own.into_iter());
        }
        for (node, value) in own {
            let pos = self.pos(node.mark);
            let key = self.key(node, value.mark);
            let value = self.value_of(value);
            if let Some(key) = key {
                mapping.insert(key, value, pos);
            }
        }
        mapping
    }

    /// Entries whose keys must be distinct.
    fn checked(&mut self, entries: impl ExactSizeIterator<Item = (Node, Node)>) -> Mapping {
        let mut mapping = Mapping::with_capacity(entries.len());
        for (node, value) in entries {
            let (mark, value_mark) = (node.mark, value.mark);
            let key = self.key(node, value_mark);
            let value = self.value_of(value);
            let Some(key) = key else { continue };
            if mapping.get_key(&key).is_none() {
                mapping.push(key, value, self.pos(mark));
            } else {
                let bad = BadScalar::Malformed(format!("the key '{}' is there twice", key.to_text()));
                self.fail_in_turn(self.turn(Phase::Entries, value_mark, Step::Entry), mark, bad);
            }
        }
        mapping
    }

    fn pos(&self, mark: Mark) -> Pos {
        let (line, column) = self.scanner.line_and_column(mark);
        Pos::new(self.file, line, column)
    }

    /// A node as a key, whose value stands at `value`.
    fn key(&mut self, node: Node, value: Mark) -> Option<Key> {
        match node.scalar {
            Scalar::Equals => Some(self.known.key("=")),
            Scalar::Merge => None,
            Scalar::Word(key) => Some(key),
            Scalar::Value(Value::Text(text)) => Some(self.known.key(&text)),
            Scalar::Value(content) => {
                if let Some(content) = hashable(&content) {
                    return Some(Key::new(content));
                }
                let (step, bad) = match content {
                    Value::List(_) => (
                        Step::Entry,
                        BadScalar::Nonexistent("a list with collections in it cannot be a key".into()),
                    ),
                    _ => (Step::Key, BadScalar::Malformed("a mapping cannot be a key".into())),
                };
                self.fail_in_turn(self.turn(Phase::Entries, value, step), node.mark, bad);
                None
            }
        }
    }

    /// `<<`: the entries of a mapping, or of a list of mappings, from the last to the first.
    fn merge(&mut self, target: &mut Mapping, node: Node) {
        let mark = node.mark;
        let Scalar::Value(value) = node.scalar else {
            self.bad_merge(mark, "'<<' takes a mapping or a list of mappings");
            return;
        };
        let sources = match &value {
            Value::List(items) => items.to_vec(),
            other => vec![other.clone()],
        };
        for source in sources.iter().rev() {
            let Some(source) = source.as_map() else {
                self.bad_merge(mark, "'<<' takes a mapping or a list of mappings");
                return;
            };
            for (key, value, pos) in source.iter_with_positions() {
                target.insert(key.clone(), value.clone(), pos);
            }
        }
    }
}

/// The items of a list that is being read.
pub(super) struct Items {
    /// Where they begin among all.
    from: usize,
    height: u32,
    size: u64,
    unshared: bool,
}

pub(super) fn unknown_tag(tag: &str) -> BadScalar {
    BadScalar::Malformed(format!("the tag '{tag}' is not known"))
}

/// Key and value of each mapping in a list, which must hold one entry each.
fn pairs(items: &[Value]) -> std::result::Result<Vec<(Value, Value)>, BadScalar> {
    let pair = |item: &Value| {
        let mapping = item.as_map().filter(|mapping| mapping.len() == 1)?;
        let (key, value) = mapping.iter().next()?;
        Some((key.value().clone(), value.clone()))
    };
    let all: Option<Vec<_>> = items.iter().map(pair).collect();
    all.ok_or_else(|| BadScalar::Malformed("each item must be a mapping of one entry".into()))
}

fn ordered_map(pairs: Vec<(Value, Value)>) -> std::result::Result<Value, BadScalar> {
    let mut mapping = Mapping::new();
    for (key, value) in pairs {
        let key = Key::new(key);
        if mapping.get_key(&key).is_some() {
            return Err(BadScalar::Nonexistent(format!("the key '{}' is there twice", key.to_text())));
        }
        mapping.insert(key, value, Pos::NONE);
    }
    Ok(Value::map(mapping))
}

/// A value as a key: lists become tuples, mappings and sets will not do.
fn hashable(value: &Value) -> Option<Value> {
    match value {
        Value::Map(_) | Value::Shared(_) | Value::Set(_) => None,
        Value::List(items) => {
            let simple = items.iter().all(|item| !matches!(item, Value::List(_)) && hashable(item).is_some());
            simple.then(|| Value::Tuple(items.clone()))
        }
        other => Some(other.clone()),
    }
}
