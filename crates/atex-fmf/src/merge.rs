//! Merging own data into inherited data: keys with suffixes extend, reduce or edit what is there.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::{ErrorClass, Fault, Pos};
use crate::mapping::{Key, Mapping};
use crate::pyre::{Patterns, Replacement};
use crate::pytext;
use crate::share::{self, Copier};
use crate::value::{Text, Value};

/// What a key's ending asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Replace,
    Append,
    Prepend,
    Remove,
    RemovePattern,
    Substitute,
}

impl Operation {
    /// The operation, and the key without its suffix. All trailing characters of the suffix's set go.
    pub fn split(key: &str) -> (Self, &str) {
        let (operation, set): (Self, &[char]) = if key.ends_with('+') {
            (Self::Append, &['+'])
        } else if key.ends_with("+<") {
            (Self::Prepend, &['+', '<'])
        } else if key.ends_with("-~") {
            (Self::RemovePattern, &['-', '~'])
        } else if key.ends_with('-') {
            (Self::Remove, &['-'])
        } else if key.ends_with('~') {
            (Self::Substitute, &['~'])
        } else {
            (Self::Replace, &[])
        };
        (operation, key.trim_end_matches(set))
    }
}

type Result<T> = std::result::Result<T, Fault>;

/// Merges into the data of one node, whose name errors mention.
pub struct Merger<'m> {
    pub node: &'m str,
    pub patterns: &'m mut Patterns,
    /// Set when a mapping has been given an identity.
    pub shares: &'m mut bool,
    /// What other nodes have come to by the same steps, where that is likely to be of use.
    pub known: Option<&'m mut Known>,
}

/// The last results of merging. A rule that many nodes inherit does the same to what they have in common in each of them;
/// the result is then one, too, instead of a copy for each node.
#[derive(Default)]
pub struct Known {
    /// Two lists and their sum.
    sums: VecDeque<[Arc<[Value]>; 3]>,
    /// What mappings that others extend become.
    bases: VecDeque<Change>,
}

/// What an entry makes of a mapping; nothing when it was met once only.
struct Change {
    from: Arc<Mapping>,
    key: Key,
    given: Value,
    to: Option<Arc<Mapping>>,
}

impl Known {
    /// As many as a node has rules that apply.
    const KEPT: usize = 8;

    fn sum(&mut self, left: &Arc<[Value]>, right: &Arc<[Value]>) -> Arc<[Value]> {
        let mut known = self.sums.iter();
        if let Some([.., sum]) = known.find(|[l, r, _]| Arc::ptr_eq(l, left) && Arc::ptr_eq(r, right)) {
            return sum.clone();
        }
        let sum = sum(left, right);
        self.sums.truncate(Self::KEPT - 1);
        self.sums.push_front([left.clone(), right.clone(), sum.clone()]);
        sum
    }

    /// The change that an entry makes to a mapping, if it is met again. If not, it is kept in mind.
    fn change(&mut self, from: &Arc<Mapping>, key: &Key, given: &Value) -> Option<&mut Change> {
        let is_it = |known: &Change| {
            Arc::ptr_eq(&known.from, from) && known.key == *key && are_same(&known.given, given)
        };
        if let Some(at) = self.bases.iter().position(is_it) {
            return Some(&mut self.bases[at]);
        }
        self.bases.truncate(Self::KEPT - 1);
        let change = Change { from: from.clone(), key: key.clone(), given: given.clone(), to: None };
        self.bases.push_front(change);
        None
    }
}

fn sum(left: &[Value], right: &[Value]) -> Arc<[Value]> {
    left.iter().chain(right).cloned().collect()
}

/// Whether two values are one and the same.
fn are_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::List(left), Value::List(right)) => Arc::ptr_eq(left, right),
        (Value::Map(left), Value::Map(right)) => Arc::ptr_eq(left, right),
        (Value::Text(left), Value::Text(right)) => Arc::ptr_eq(left, right),
        _ => false,
    }
}

/// A key being merged: without its suffix, and where it was written.
struct Target<'k> {
    base: &'k str,
    /// The key itself, if it has no suffix and can be stored as it is.
    key: Option<&'k Key>,
    pos: Pos,
}

impl Target<'_> {
    fn store(&self, data: &mut Mapping, value: Value) {
        data.insert_text(self.base, || self.key.cloned(), value, self.pos);
    }
}

impl Merger<'_> {
    /// Merges all entries of `source`, in order.
    pub fn merge(&mut self, data: &mut Mapping, source: &Mapping) -> Result<()> {
        for (key, value, pos) in source.iter_with_positions() {
            self.entry(data, key, value, pos).map_err(|fault| fault.or_at(pos))?;
        }
        Ok(())
    }

    /// Merges one entry.
    pub fn entry(&mut self, data: &mut Mapping, key: &Key, value: &Value, pos: Pos) -> Result<()> {
        let Some(text) = key.as_str() else {
            let message = format!("key {} in {} must be text", pytext::repr(key.value()), self.node);
            return Err(Fault::new(ErrorClass::Type, message));
        };
        let (operation, base) = Operation::split(text);
        let plain = operation == Operation::Replace;
        let target = Target { base, key: plain.then_some(key), pos };
        let inherited = if *self.shares { None } else { data.only_inherited(base) };
        if let (Some(from), Some(known)) = (inherited, &mut self.known)
            && let Some(change) = known.change(from, key, value)
        {
            if change.to.is_none() {
                let from = from.clone();
                let to = self.changed(&from, operation, &target, value, key)?;
                data.set_base(to);
            } else if let Some(to) = &change.to {
                let to = to.clone();
                data.set_base(to);
            }
            return Ok(());
        }
        self.apply(data, operation, &target, value)
    }

    /// What a mapping that others extend becomes, so that they extend that.
    fn changed(
        &mut self,
        from: &Arc<Mapping>,
        operation: Operation,
        target: &Target<'_>,
        value: &Value,
        key: &Key,
    ) -> Result<Arc<Mapping>> {
        let mut to = from.with_room(0);
        self.apply(&mut to, operation, target, value)?;
        let to = Arc::new(to);
        // What has an identity now belongs to this node alone.
        if !*self.shares
            && let Some(change) = self.known.as_mut().and_then(|known| known.change(from, key, value))
        {
            change.to = Some(to.clone());
        }
        Ok(to)
    }

    fn apply(
        &mut self,
        data: &mut Mapping,
        operation: Operation,
        target: &Target<'_>,
        value: &Value,
    ) -> Result<()> {
        let merged = match operation {
            Operation::Replace => {
                target.store(data, value.clone());
                Ok(())
            }
            Operation::Append => self.plus(data, target, value, false),
            Operation::Prepend => self.plus(data, target, value, true),
            Operation::Remove => self.minus(data, target, value),
            Operation::RemovePattern => self.minus_pattern(data, target, value),
            Operation::Substitute => self.substitute(data, target, value),
        };
        merged.map_err(|fault| match fault.class {
            ErrorClass::Merge => fault.or_against(data.position(target.base)),
            _ => fault,
        })
    }

    fn error(&self, target: &Target<'_>, why: &str) -> Fault {
        Fault::new(ErrorClass::Merge, format!("MergeError: Key '{}' in {} ({why}).", target.base, self.node))
    }

    // `+` and `+<`

    fn plus(&mut self, data: &mut Mapping, target: &Target<'_>, given: &Value, prepend: bool) -> Result<()> {
        let Some(current) = data.get_mut(target.base) else {
            target.store(data, given.clone());
            return Ok(());
        };
        let sum = match (&mut *current, given.as_map(), given) {
            (Value::List(items), Some(given), _) => {
                let given = if items.len() > 1 { self.shared(given) } else { given };
                return Arc::make_mut(items).iter_mut().try_for_each(|item| self.merge_item(item, &given));
            }
            (current, Some(given), _) if current.is_map() => return self.merge_map(current, &given),
            (current, None, Value::List(items)) if current.is_map() => self.copies(current, items)?,
            (current, _, _) => {
                let (left, right) = if prepend { (given, &*current) } else { (&*current, given) };
                let sum = match (left, right) {
                    (Value::List(left), Value::List(right)) => Some(Value::List(match &mut self.known {
                        Some(known) => known.sum(left, right),
                        None => sum(left, right),
                    })),
                    _ => add(left, right),
                };
                sum.ok_or_else(|| self.error(target, &cannot_add(left, right)))?
            }
        };
        target.store(data, sum);
        Ok(())
    }

    /// A mapping to be merged into several items: what it stores will be the same object in all of them.
    fn shared(&mut self, mut given: Arc<Mapping>) -> Arc<Mapping> {
        if given.values().any(share::holds_mapping) {
            Arc::make_mut(&mut given).values_mut().for_each(|value| *self.shares |= share::share(value));
        }
        given
    }

    /// Merges into an item of a list.
    fn merge_item(&mut self, item: &mut Value, given: &Mapping) -> Result<()> {
        if item.is_map() { self.merge_map(item, given) } else { Err(self.not_a_mapping(item)) }
    }

    /// Merges into a mapping, in place: whoever shares it sees the change.
    fn merge_map(&mut self, current: &mut Value, given: &Mapping) -> Result<()> {
        change_map(current, |mapping| self.merge(mapping, given))
    }

    /// A mapping extended by a list: a copy of it for each item, with the item merged in.
    fn copies(&mut self, current: &Value, items: &[Value]) -> Result<Value> {
        let mut copies = Vec::with_capacity(items.len());
        for item in items {
            let given = item.as_map().ok_or_else(|| self.not_a_mapping(item))?;
            let mut copy = current.as_map().unwrap_or_default();
            let content = Arc::make_mut(&mut copy);
            Copier::default().mapping(content);
            self.merge(content, &given)?;
            copies.push(Value::Map(copy));
        }
        Ok(Value::list(copies))
    }

    fn not_a_mapping(&self, item: &Value) -> Fault {
        let item = pytext::text(item);
        Fault::new(
            ErrorClass::Merge,
            format!("MergeError: Item '{item}' in {} must be a dictionary.", self.node),
        )
    }

    // `-`

    fn minus(&mut self, data: &mut Mapping, target: &Target<'_>, given: &Value) -> Result<()> {
        let Some(current) = data.get_mut(target.base) else { return Ok(()) };
        let rest = match (&mut *current, given) {
            (Value::Text(text), Value::Text(pattern)) => {
                let pattern = self.patterns.get(pattern).map_err(fault)?;
                let nothing = Replacement::new("", &pattern).map_err(fault)?;
                Value::from(pattern.replace(text, &nothing).map_err(fault)?)
            }
            (Value::List(items), Value::List(given)) => {
                Value::list(items.iter().filter(|item| !given.contains(item)).cloned().collect())
            }
            (current, Value::List(given)) if current.is_map() => {
                return change_map(current, |mapping| remove_keys(mapping, given));
            }
            (current, given) => match current.minus(given) {
                Some(difference) => difference,
                None => return Err(self.error(target, "wrong type")),
            },
        };
        target.store(data, rest);
        Ok(())
    }

    // `-~`

    fn minus_pattern(&mut self, data: &mut Mapping, target: &Target<'_>, given: &Value) -> Result<()> {
        let Some(current) = data.get_mut(target.base) else { return Ok(()) };
        let given = listed(given);
        let rest = match &mut *current {
            Value::List(items) => {
                let mut kept = Vec::new();
                for item in items.iter() {
                    if !self.any_found(&given, &item.to_text())? {
                        kept.push(item.clone());
                    }
                }
                Value::list(kept)
            }
            Value::Text(text) if self.any_found(&given, text)? => Value::text(""),
            Value::Text(_) => return Ok(()),
            current if current.is_map() => {
                return change_map(current, |mapping| {
                    mapping.try_retain(|key| Ok(!self.any_found(&given, &key.to_text())?))
                });
            }
            _ => return Err(self.error(target, "wrong type")),
        };
        target.store(data, rest);
        Ok(())
    }

    fn any_found(&mut self, patterns: &Option<Vec<Value>>, text: &str) -> Result<bool> {
        let Some(patterns) = patterns else {
            return Err(Fault::new(ErrorClass::Type, "a pattern or a list of patterns is wanted"));
        };
        for pattern in patterns {
            let Value::Text(pattern) = pattern else {
                return Err(Fault::new(
                    ErrorClass::Type,
                    format!("pattern {} must be text", pytext::repr(pattern)),
                ));
            };
            if self.patterns.get(pattern).and_then(|pattern| pattern.is_found_in(text)).map_err(fault)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    // `~`

    fn substitute(&mut self, data: &mut Mapping, target: &Target<'_>, given: &Value) -> Result<()> {
        let Some(current) = data.get(target.base) else { return Ok(()) };
        let mut current = current.clone();
        let given = listed(given).ok_or_else(|| {
            Fault::new(ErrorClass::Type, "a substitution or a list of substitutions is wanted")
        })?;
        let substitutions = given.iter().map(split_substitution).collect::<Result<Vec<_>>>()?;
        for (pattern, replacement) in &substitutions {
            current = match &current {
                Value::Text(text) => Value::from(self.replaced(text, pattern, replacement)?),
                Value::List(items) => {
                    let mut replaced = Vec::with_capacity(items.len());
                    for item in items.iter() {
                        let text = item.as_str().ok_or_else(|| self.error(target, "not a string"))?;
                        replaced.push(Value::from(self.replaced(text, pattern, replacement)?));
                    }
                    Value::list(replaced)
                }
                _ => return Err(self.error(target, "wrong type")),
            };
        }
        if !substitutions.is_empty() {
            target.store(data, current);
        }
        Ok(())
    }

    fn replaced(&mut self, text: &str, pattern: &Text, replacement: &str) -> Result<String> {
        let pattern = self.patterns.get(pattern).map_err(fault)?;
        let replacement = Replacement::new(replacement, &pattern).map_err(fault)?;
        pattern.replace(text, &replacement).map_err(fault)
    }
}

fn fault(error: crate::error::Error) -> Fault {
    Fault::new(error.class(), error.message())
}

/// Changes a mapping in place; everybody who shares it sees it.
fn change_map<T>(value: &mut Value, change: impl FnOnce(&mut Mapping) -> T) -> T {
    match value {
        Value::Map(mapping) => change(Mapping::make_mut(mapping)),
        Value::Shared(shared) => {
            let mut content = shared.get();
            let result = change(Arc::make_mut(&mut content));
            shared.set(content);
            result
        }
        _ => change(&mut Mapping::new()),
    }
}

fn remove_keys(mapping: &mut Mapping, keys: &[Value]) -> Result<()> {
    for key in keys {
        // Python hashes no key to look into nothing, so that any key will do there.
        if mapping.is_empty() {
            return Ok(());
        }
        if matches!(key, Value::List(_) | Value::Set(_)) || key.is_map() {
            return Err(Fault::new(ErrorClass::Type, format!("a {} cannot be a key", key.type_name())));
        }
        mapping.remove(&Key::new(key.clone()));
    }
    Ok(())
}

/// A text as a list of one, a list as itself, a mapping as its keys.
fn listed(given: &Value) -> Option<Vec<Value>> {
    match given {
        Value::Text(_) => Some(vec![given.clone()]),
        Value::List(items) => Some(items.to_vec()),
        other => other.as_map().map(|mapping| mapping.keys().map(|key| key.value().clone()).collect()),
    }
}

fn add(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(Value::from(format!("{left}{right}"))),
        _ => left.plus(right),
    }
}

/// Python's words for two values that cannot be added.
fn cannot_add(left: &Value, right: &Value) -> String {
    let name = |value: &Value| match value {
        Value::Date(_) => "datetime.date",
        Value::DateTime(_) => "datetime.datetime",
        other => other.type_name(),
    };
    match left {
        Value::Text(_) => format!("can only concatenate str (not \"{}\") to str", name(right)),
        Value::List(_) => format!("can only concatenate list (not \"{}\") to list", name(right)),
        _ => format!("unsupported operand type(s) for +: '{}' and '{}'", name(left), name(right)),
    }
}

/// `/pattern/replacement/`, with any character for the slash.
fn split_substitution(value: &Value) -> Result<(Text, String)> {
    let Some(text) = value.as_str() else {
        return Err(Fault::new(
            ErrorClass::Type,
            format!("substitution {} must be text", pytext::repr(value)),
        ));
    };
    let bad = |message: String| Err(Fault::new(ErrorClass::Format, message));
    let Some(delimiter) = text.chars().next() else {
        return bad("'' has to start and end with the same delimiter.".into());
    };
    if !text.ends_with(delimiter) {
        return bad(format!("'{text}' has to end with '{delimiter}'."));
    }
    let inside = text.get(delimiter.len_utf8()..text.len() - delimiter.len_utf8());
    let parts: Vec<&str> = inside.map(|inside| inside.split(delimiter).collect()).unwrap_or_default();
    match parts.as_slice() {
        ["", _] => bad(format!("Pattern cannot be empty: '{text}'.")),
        [pattern, replacement] => Ok(((*pattern).into(), (*replacement).to_owned())),
        _ => bad(format!("'{text}' can't be split in two parts")),
    }
}
