//! Where keys are set: all places that make up a key of a node, and keys that one place sets although another one has.
//!
//! A tree remembers the last place of each key and no more, since it has many keys. What is asked here is asked of one
//! node, or by somebody who can wait, and so the files concerned are read again.

use std::collections::HashMap;

use crate::error::{Error, Pos, Position};
use crate::mapping::Mapping;
use crate::merge::Operation;
use crate::tree::{NodeRef, Tree};
use crate::value::{Text, Value};
use crate::walk::Reader;

/// A place where a key is set or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition<'t> {
    /// The name of the node in whose metadata it stands: a parent's, if the value is inherited.
    pub node: &'t str,
    /// The key as it is written there, e.g. `tag+`.
    pub key: Text,
    /// Where it stands.
    pub position: Position,
}

impl Definition<'_> {
    /// The key that it sets or changes: without what says how.
    #[must_use]
    pub fn base(&self) -> &str {
        without_suffix(&self.key)
    }

    fn replaces(&self) -> bool {
        Operation::split(&self.key).0 == Operation::Replace
    }
}

/// A key without what says that it extends or reduces a value: `tag` of `tag+`.
#[must_use]
pub fn without_suffix(key: &str) -> &str {
    Operation::split(key).1
}

type Result<T> = std::result::Result<T, Error>;

impl<'t> NodeRef<'t> {
    /// The places that a key's value comes from before any adjust rule, in the order in which they are merged: where it
    /// is set, here or in a parent, and where that is extended or reduced.
    ///
    /// # Errors
    /// A file has been changed since the tree was loaded, and cannot be read now.
    pub fn definitions(self) -> Result<Vec<Definition<'t>>> {
        let path = self.tree().path(self);
        let mut found: Vec<(usize, Definition<'t>)> = Vec::new();
        let mut from = 0;
        let level = |name: &str| path.iter().position(|node| node.name() == name);
        for (file, owner) in self.tree().own_files(&path) {
            self.tree().read(file, owner, &mut |name, key, value, pos| {
                let Some(level) = level(name) else { return };
                if &**key == "/" {
                    let inherits = value.as_map().and_then(|directives| directives.get("inherit")?.as_bool());
                    from = if inherits == Some(false) { from.max(level) } else { from };
                } else if let Some(position) = self.tree().locate(pos) {
                    found.retain(|(other, known)| (*other, &known.key) != (level, key));
                    found.push((level, Definition { node: path[level].name(), key: key.clone(), position }));
                }
            })?;
        }
        found.retain(|(level, _)| *level >= from);
        found.sort_by_key(|(level, _)| *level);
        let all: Vec<_> = found.into_iter().map(|(_, definition)| definition).collect();
        let counts = |at: usize| {
            let replaced = |later: &Definition<'_>| later.replaces() && later.base() == all[at].base();
            !all[at + 1..].iter().any(replaced)
        };
        Ok((0..all.len()).filter(|at| counts(*at)).map(|at| all[at].clone()).collect())
    }
}

impl Tree {
    /// Keys that two places of one node set in the same way, so that what the first one says is lost: both, in order.
    ///
    /// # Errors
    /// As [`NodeRef::definitions`].
    pub fn repeated(&self) -> Result<Vec<[Definition<'_>; 2]>> {
        let nodes: Vec<NodeRef<'_>> = self.all().collect();
        let names: HashMap<&str, &str> = nodes.iter().map(|node| (node.name(), node.name())).collect();
        let mut seen: HashMap<(&str, Text), Pos> = HashMap::new();
        let mut repeated = Vec::new();
        for (file, owner) in self.own_files(&nodes) {
            self.read(file, owner, &mut |name, key, _, pos| {
                let Some(node) = names.get(name).copied().filter(|_| &**key != "/") else { return };
                let Some(before) = seen.insert((node, key.clone()), pos) else { return };
                let place = |pos| Some(Definition { node, key: key.clone(), position: self.locate(pos)? });
                repeated.extend(place(before).zip(place(pos)).map(|(before, now)| [before, now]));
            })?;
        }
        Ok(repeated)
    }

    /// Reads a file that holds metadata of the node `owner`, and shows each key with the name of the node it is for.
    fn read(&self, file: u32, owner: &str, show: &mut Show<'_>) -> Result<()> {
        let path = &self.files()[file as usize];
        let document = Reader::default().read(path, file)?;
        if let Some(mapping) = document.value.as_map() {
            keys(owner, &mapping, show);
        }
        Ok(())
    }
}

/// What is shown of each key: the node's name, the key, its value and its place.
type Show<'s> = dyn FnMut(&str, &Text, &Value, Pos) + 's;

fn keys(node: &str, mapping: &Mapping, show: &mut Show<'_>) {
    for (key, value, pos) in mapping.iter_with_positions() {
        let Value::Text(key) = key.value() else { continue };
        match key.strip_prefix('/') {
            None | Some("") => show(node, key, value, pos),
            Some(name) => {
                // Some slashes are one, except at the end.
                let name = name.trim_start_matches('/');
                let (name, directives) = match name.strip_suffix('/') {
                    Some(name) if !name.is_empty() => (name, true),
                    _ => (name, false),
                };
                let parts = name.split('/').filter(|part| !part.is_empty());
                let child =
                    parts.fold(node.trim_end_matches('/').to_owned(), |child, part| child + "/" + part);
                match value.as_map() {
                    Some(_) if directives => show(&child, &"/".into(), value, pos),
                    Some(inner) => keys(&child, &inner, show),
                    None => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Context;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [(".fmf/version", "1\n")].iter().chain(files) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::load(dir.path(), &Context::new()).unwrap();
        (dir, tree)
    }

    fn shown(tree: &Tree, definition: &Definition<'_>) -> String {
        let path = definition.position.path.strip_prefix(tree.root()).unwrap();
        format!("{} {}:{} {}", definition.key, path.display(), definition.position.line, definition.node)
    }

    #[test]
    fn all_places_of_a_key_come_in_the_order_of_merging() {
        let (_dir, tree) = tree(&[
            ("main.fmf", "tag: [a]\ntier: 1\n/sub/t:\n  tag+: [c]\n"),
            ("sub/main.fmf", "tag+: [b]\ntier: 2\n"),
            ("sub/t.fmf", "test: x\ntag+: [d]\n"),
            ("sub/u.fmf", "/:\n  inherit: false\ntag+: [e]\n/v/w:\n  tag+: [f]\n"),
        ]);
        for (name, expected) in [
            (
                "/sub/t",
                &[
                    "tag main.fmf:1 /",
                    "tag+ sub/main.fmf:1 /sub",
                    "tier sub/main.fmf:2 /sub",
                    "test sub/t.fmf:1 /sub/t",
                    "tag+ sub/t.fmf:2 /sub/t",
                ][..],
            ),
            ("/sub/u/v/w", &["tag+ sub/u.fmf:3 /sub/u", "tag+ sub/u.fmf:5 /sub/u/v/w"]),
        ] {
            let node = tree.find(name).unwrap();
            let found: Vec<_> = node.definitions().unwrap().iter().map(|it| shown(&tree, it)).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn keys_that_are_set_twice_in_the_same_way() {
        let (_dir, tree) = tree(&[
            ("main.fmf", "/t:\n  test: x\n  tag: [a]\n/t/v:\n  tag: [b]\n//t:\n  tier: 1\n"),
            ("t.fmf", "tag+: [c]\ntest: y\n/v:\n  tag: [d]\n"),
        ]);
        let found: Vec<_> = tree.repeated().unwrap().iter().flatten().map(|it| shown(&tree, it)).collect();
        let expected = ["test main.fmf:2 /t", "test t.fmf:2 /t", "tag main.fmf:5 /t/v", "tag t.fmf:4 /t/v"];
        assert_eq!(found, expected);
    }
}
