//! Results that are kept open, and how later ones are merged into them.
//!
//! Merging costs what the new result costs, however large the open one is: members are in a hash
//! map with a rank each, so that deleting one moves nothing, and are put in order only when the
//! result is stored. Values stay text until an object meets an object.

use crate::incoming::{Incoming, Testout, in_key};
use crate::json::{self, Members};
use crate::limits::Limits;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a member, a file name, and an open result cost in memory beside their text, by measurement:
/// so that the limit bounds what the allocator gives out, however small the pieces are.
const MEMBER_COST: usize = 160;
const FILE_COST: usize = 64;
const OPEN_COST: usize = 640;

/// All open results of a test, in the order in which they first appeared.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Vec<SavedOpen>")]
pub(crate) struct OpenResults {
    by_rank: BTreeMap<u64, Open>,
    by_name: HashMap<String, u64>,
    /// The one without a name, which is a name of its own.
    nameless: Option<u64>,
    next_rank: u64,
    bytes: usize,
}

/// One open result.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Open {
    pub name: Option<String>,
    pub files: BTreeSet<String>,
    pub testout: Option<String>,
    /// Where the last word for it is in the control stream.
    pub offset: u64,
    members: Object,
    bytes: usize,
}

impl OpenResults {
    /// The open result of this name.
    pub fn get(&self, name: Option<&str>) -> Option<&Open> {
        self.rank(name).and_then(|rank| self.by_rank.get(&rank))
    }

    /// Takes the open result of this name out.
    pub fn take(&mut self, name: Option<&str>) -> Option<Open> {
        let rank = self.rank(name)?;
        match name {
            Some(name) => drop(self.by_name.remove(name)),
            None => self.nameless = None,
        }
        let open = self.by_rank.remove(&rank)?;
        self.bytes -= open.bytes;
        Some(open)
    }

    /// Merges a result into the open one of its name, or opens it. The error is the reason.
    pub fn merge(&mut self, incoming: Incoming<'_>, offset: u64, limits: &Limits) -> Result<(), String> {
        let (rank, mut open) = match self.rank(incoming.name.as_deref()) {
            Some(rank) => (rank, self.by_rank.remove(&rank).unwrap_or_default()),
            None => (self.add_rank(incoming.name.as_deref()), Open::default()),
        };
        let before = open.bytes;
        let merged = open.merge(incoming, offset, limits);
        self.bytes = self.bytes + open.bytes - before;
        self.by_rank.insert(rank, open);
        if self.bytes > limits.open {
            return Err(format!("open partial results need more than {} bytes", limits.open));
        }
        merged
    }

    /// All of them, in order.
    pub fn into_vec(self) -> Vec<Open> {
        self.by_rank.into_values().collect()
    }

    fn rank(&self, name: Option<&str>) -> Option<u64> {
        match name {
            Some(name) => self.by_name.get(name).copied(),
            None => self.nameless,
        }
    }

    fn add_rank(&mut self, name: Option<&str>) -> u64 {
        let rank = self.next_rank;
        self.next_rank += 1;
        match name {
            Some(name) => drop(self.by_name.insert(name.to_owned(), rank)),
            None => self.nameless = Some(rank),
        }
        rank
    }
}

impl Open {
    /// Merges a later result of the same name. The first one is taken as it is, `null`s included.
    pub fn merge(&mut self, incoming: Incoming<'_>, offset: u64, limits: &Limits) -> Result<(), String> {
        self.offset = offset;
        let is_first = self.bytes == 0;
        let incoming = if is_first { incoming.without_nulls() } else { incoming };
        if is_first {
            self.name = incoming.name.map(Cow::into_owned);
            self.bytes = OPEN_COST + 2 * self.name.as_ref().map_or(0, String::len);
        }
        match incoming.testout {
            Testout::Unsaid => {}
            Testout::Remove => self.testout = None,
            Testout::Name(name) => self.testout = Some(name),
        }
        if incoming.members.get("files").is_some_and(|value| value == "null") {
            self.bytes -= self.files.iter().map(|name| FILE_COST + name.len()).sum::<usize>();
            self.files.clear();
        }
        for file in incoming.files.into_iter().filter(|file| !file.name.is_empty()) {
            let cost = FILE_COST + file.name.len();
            if self.files.insert(file.name) {
                self.bytes += cost;
            }
        }
        for (key, value) in incoming.members {
            if is_first {
                self.members.insert(key, value, &mut self.bytes);
            } else {
                let merged = self.members.merge(&key, value, &mut self.bytes, limits.keys);
                merged.map_err(|reason| in_key(&key, &reason))?;
            }
        }
        Ok(())
    }

    pub fn has(&self, key: &str) -> bool {
        self.members.entries.contains_key(key)
    }

    /// Gives a known key a text, whatever it was.
    pub fn set(&mut self, key: &'static str, text: &str) {
        let mut value = String::new();
        json::push_string(&mut value, text);
        match self.members.entries.get_mut(key) {
            Some((_, node)) => node.replace(value.into(), &mut self.bytes),
            None => self.members.insert(key.into(), value.into(), &mut self.bytes),
        }
    }

    /// The members in order, as text.
    pub fn members(&self) -> Members<'static> {
        let text = |node: &Node| {
            let mut text = String::new();
            node.write(&mut text);
            Cow::Owned(text)
        };
        self.members.ordered().map(|(key, node)| (Cow::Owned(key.clone()), text(node))).collect()
    }
}

/// An object under construction.
#[derive(Debug, Clone, Default, PartialEq)]
struct Object {
    entries: HashMap<String, (u64, Node)>,
    next_rank: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// Any value, in compact form.
    Text(String),
    /// An object to which another was merged.
    Object(Object),
}

impl Object {
    fn parse(text: &str, limit: usize, bytes: &mut usize) -> Result<Self, String> {
        let mut object = Object::default();
        for (key, value) in json::members(text, limit)? {
            object.insert(key, value, bytes);
        }
        Ok(object)
    }

    /// The merge rules: `null` deletes, a new key is added, objects merge, arrays append, anything
    /// else replaces.
    fn merge(
        &mut self,
        key: &str,
        value: Cow<'_, str>,
        bytes: &mut usize,
        limit: usize,
    ) -> Result<(), String> {
        if value == "null" {
            self.remove(key, bytes);
            return Ok(());
        }
        match self.entries.get_mut(key) {
            Some((_, node)) => node.merge(value, bytes, limit),
            None => {
                self.insert(key.into(), value, bytes);
                Ok(())
            }
        }
    }

    fn insert(&mut self, key: Cow<'_, str>, value: Cow<'_, str>, bytes: &mut usize) {
        *bytes += MEMBER_COST + key.len() + value.len();
        self.entries.insert(key.into_owned(), (self.next_rank, Node::Text(value.into_owned())));
        self.next_rank += 1;
    }

    fn remove(&mut self, key: &str, bytes: &mut usize) {
        if let Some((_, node)) = self.entries.remove(key) {
            *bytes -= MEMBER_COST + key.len() + node.bytes();
        }
    }

    fn ordered(&self) -> impl Iterator<Item = (&String, &Node)> {
        let mut entries: Vec<_> = self.entries.iter().map(|(key, (rank, node))| (*rank, key, node)).collect();
        entries.sort_unstable_by_key(|(rank, ..)| *rank);
        entries.into_iter().map(|(_, key, node)| (key, node))
    }
}

impl Node {
    fn merge(&mut self, new: Cow<'_, str>, bytes: &mut usize, limit: usize) -> Result<(), String> {
        if new.starts_with('{') {
            self.unfold(bytes, limit)?;
        }
        match self {
            Node::Object(object) if new.starts_with('{') => {
                let mut members = json::members(&new, limit)?.into_iter();
                return members.try_for_each(|(key, value)| object.merge(&key, value, bytes, limit));
            }
            Node::Text(old) if old.starts_with('[') && new.starts_with('[') => {
                *bytes -= old.len();
                append_list(old, &new);
                *bytes += old.len();
            }
            _ => self.replace(new, bytes),
        }
        Ok(())
    }

    fn replace(&mut self, new: Cow<'_, str>, bytes: &mut usize) {
        *bytes = *bytes + new.len() - self.bytes();
        *self = Node::Text(new.into_owned());
    }

    /// Takes an object apart that is still text; leaves anything else as it is.
    fn unfold(&mut self, bytes: &mut usize, limit: usize) -> Result<(), String> {
        if let Node::Text(text) = self
            && text.starts_with('{')
        {
            let mut unfolded = 0;
            let object = Object::parse(text, limit, &mut unfolded)?;
            *bytes = *bytes + unfolded - text.len();
            *self = Node::Object(object);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        match self {
            Node::Text(text) => text.len(),
            Node::Object(object) => {
                object.entries.iter().map(|(key, (_, node))| MEMBER_COST + key.len() + node.bytes()).sum()
            }
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Node::Text(text) => out.push_str(text),
            Node::Object(object) => {
                out.push('{');
                for (key, node) in object.ordered() {
                    json::push_key(out, key);
                    node.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn append_list(list: &mut String, more: &str) {
    if list == "[]" {
        more.clone_into(list);
    } else if more != "[]" {
        list.pop();
        list.push(',');
        list.push_str(&more[1..]);
    }
}

/// An open result in a checkpoint.
#[derive(Serialize, Deserialize)]
struct SavedOpen {
    name: Option<String>,
    files: BTreeSet<String>,
    testout: Option<String>,
    offset: u64,
    members: Vec<(String, String)>,
}

impl Serialize for OpenResults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.by_rank.values().map(|open| SavedOpen {
            name: open.name.clone(),
            files: open.files.clone(),
            testout: open.testout.clone(),
            offset: open.offset,
            members:
                open.members().into_iter().map(|(key, text)| (key.into_owned(), text.into_owned())).collect(),
        }))
    }
}

impl From<Vec<SavedOpen>> for OpenResults {
    fn from(saved: Vec<SavedOpen>) -> Self {
        let mut results = OpenResults::default();
        for saved in saved {
            let rank = results.add_rank(saved.name.as_deref());
            let open = Open::from(saved);
            results.bytes += open.bytes;
            results.by_rank.insert(rank, open);
        }
        results
    }
}

impl From<SavedOpen> for Open {
    fn from(saved: SavedOpen) -> Self {
        let mut bytes = OPEN_COST + 2 * saved.name.as_ref().map_or(0, String::len);
        bytes += saved.files.iter().map(|name| FILE_COST + name.len()).sum::<usize>();
        let mut members = Object::default();
        for (key, text) in saved.members {
            members.insert(key.into(), text.into(), &mut bytes);
        }
        Open {
            name: saved.name,
            files: saved.files,
            testout: saved.testout,
            offset: saved.offset,
            members,
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Incoming, MEMBER_COST, Node, OPEN_COST, Open, OpenResults};
    use crate::limits::Limits;

    /// What the open result is counted as, from scratch.
    fn recount(open: &Open) -> usize {
        let files: usize = open.files.iter().map(|name| super::FILE_COST + name.len()).sum();
        let members: usize =
            open.members.entries.iter().map(|(key, (_, node))| MEMBER_COST + key.len() + node.bytes()).sum();
        OPEN_COST + 2 * open.name.as_ref().map_or(0, String::len) + files + members
    }

    #[test]
    fn memory_is_counted_right_through_all_merges() {
        let limits = Limits::default();
        let mut results = OpenResults::default();
        let steps = [
            r#"{"name":"s","a":{"x":{"y":1},"z":[1]},"b":[1],"c":"text","files":[{"name":"f","length":0}]}"#,
            r#"{"name":"s","a":{"x":{"y":null,"w":[true]},"z":[2]},"b":[2,3],"c":{"k":1}}"#,
            r#"{"name":"s","a":{"x":3},"b":null,"c":{"k":{"l":2}},"d":{}}"#,
            r#"{"name":"s","files":[{"name":"f","length":0},{"name":"g","length":0}],"d":{"n":null}}"#,
            r#"{"name":"s","a":null,"files":null,"d":1}"#,
            r#"{"other":1}"#,
        ];
        for step in steps {
            results.merge(Incoming::parse(step.as_bytes(), &limits).unwrap(), 0, &limits).unwrap();
            let counted: usize = results.by_rank.values().map(recount).sum();
            assert_eq!(results.bytes, counted, "after {step}");
        }
        results.take(Some("s")).unwrap();
        results.take(None).unwrap();
        assert_eq!(results.bytes, 0);
        assert_eq!(results.take(None), None);
    }

    #[test]
    fn an_object_is_taken_apart_only_when_it_meets_one() {
        let limits = Limits::default();
        let mut open = Open::default();
        for step in [r#"{"a":{"x":{"deep":1}},"b":{"x":1}}"#, r#"{"a":{"y":2},"b":[1]}"#] {
            open.merge(Incoming::parse(step.as_bytes(), &limits).unwrap(), 0, &limits).unwrap();
        }
        let Node::Object(a) = &open.members.entries["a"].1 else { panic!("{open:?}") };
        assert_eq!(a.entries["x"].1, Node::Text(r#"{"deep":1}"#.into()));
        assert_eq!(open.members.entries["b"].1, Node::Text("[1]".into()));
    }
}
