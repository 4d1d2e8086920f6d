//! Building a tree: files and virtual children become nodes with own data, then data is inherited from the top.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ahead::{Ahead, Parsed};
use crate::error::{Error, ErrorClass, Fault, Pos};
use crate::mapping::{Key, Mapping};
use crate::pytext;
use crate::tree::Node;
use crate::value::{Text, Value};
use crate::walk::{self, Config, Directory, Listing, Reader};
use crate::yaml::Document;

/// Nodes may be nested this deep. Names repeat those of all parents, so without a limit a short file with a key like
/// `/a/a/a/...` would take all memory.
pub const MAX_LEVELS: usize = 128;

/// Stands where there is no node.
pub const NOBODY: u32 = u32::MAX;

/// A tree whose nodes have their own data and nothing else yet.
pub struct Built {
    pub root: PathBuf,
    pub files: Vec<PathBuf>,
    /// Parents before children, children in order of creation.
    pub nodes: Vec<Node>,
    /// What belongs to the nodes, at the same places.
    pub building: Vec<Building>,
    /// Whether any mapping has an identity.
    pub shares: bool,
}

/// A tree being built.
pub struct Builder {
    root: PathBuf,
    files: Vec<PathBuf>,
    /// Those of the files that were read ahead.
    documents: Vec<Option<Parsed>>,
    nodes: Vec<Node>,
    /// Of each node what is needed no more once it has its data.
    building: Vec<Building>,
    /// Whether any mapping has an identity.
    shares: bool,
    config: Config,
    /// For the files that were not.
    reader: Reader,
    children: Children,
    /// Resolved targets of all links to directories met so far.
    linked: HashSet<PathBuf>,
}

/// What a node has before inheritance.
#[derive(Default)]
pub struct Building {
    pub own: Option<Arc<Mapping>>,
    /// In order of creation.
    children: Vec<u32>,
    pub inherits: bool,
    updated: bool,
    level: u16,
    /// [`NOBODY`] of the root and of those that were dropped.
    pub parent: u32,
}

/// Nodes by the hash of parent and name: these are kept nowhere else but in the nodes. Where two hashes meet, the later
/// child stands at the next number that is free.
#[derive(Default)]
struct Children {
    numbers: HashMap<u64, u32>,
    hasher: RandomState,
}

type Result<T> = std::result::Result<T, Error>;

impl Builder {
    /// Reads the whole tree that a path belongs to.
    pub fn load(start: &Path) -> Result<Self> {
        let root = walk::find_root(start)?;
        let config = Config::load(&root)?;
        let Ahead { listing, files, documents } = Ahead::read(&root, &config);
        let mut builder = Self { files, documents, ..Self::new(root, config) };
        builder.listing(0, listing)?;
        Ok(builder)
    }

    /// A tree without files.
    pub fn from_data(data: Mapping) -> Result<Self> {
        let mut builder = Self::new(PathBuf::new(), Config::default());
        builder.update(0, Value::map(data))?;
        Ok(builder)
    }

    fn new(root: PathBuf, config: Config) -> Self {
        Self {
            config,
            root,
            files: Vec::new(),
            documents: Vec::new(),
            nodes: vec![Node::new("/".into(), 0)],
            building: vec![Building::new(NOBODY, 0)],
            shares: false,
            reader: Reader::default(),
            children: Children::default(),
            linked: HashSet::new(),
        }
    }

    // Directories and files.

    fn listing(&mut self, node: usize, listing: Listing) -> Result<()> {
        for file in listing.files {
            if self.config.accepts(&file.path)? {
                self.file(node, &file)?;
            }
        }
        for directory in listing.directories {
            if self.config.accepts(&directory.path)? {
                self.subdirectory(node, directory)?;
            }
        }
        self.drop_empty_children(node);
        Ok(())
    }

    fn file(&mut self, node: usize, file: &walk::File) -> Result<()> {
        let path = &file.path;
        let (number, document) = self.document(file)?;
        self.shares |= document.shares;
        let pos = Pos::new(number, 1, 1);
        if walk::is_main(path) {
            self.nodes[node].add_file(number);
            return match document.value {
                value if value.is_null() || value.is_map() => self.update(node, value),
                other => Err(self.fault(wrong_content(&other), pos)),
            };
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(|| not_utf8(path))?;
        let child = self.child(node, name, document.value, pos)?;
        self.nodes[child].add_file(number);
        Ok(())
    }

    /// A file's number and content.
    fn document(&mut self, file: &walk::File) -> Result<(u32, Document)> {
        let mut ahead = |number: u32| Some((number, self.documents.get_mut(number as usize)?.take()?));
        if let Some((number, document)) = file.number.and_then(&mut ahead) {
            return Ok((number, document.map_err(|error| *error)?));
        }
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(file.path.clone());
        Ok((number, self.reader.read(&file.path, number)?))
    }

    fn subdirectory(&mut self, node: usize, directory: Directory) -> Result<()> {
        let Directory { path, is_link, listing } = directory;
        if is_link {
            let target = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            if !self.linked.insert(target) {
                return Ok(());
            }
        }
        let listing = listing.unwrap_or_else(|| walk::list(&path));
        if listing.is_root {
            return Ok(());
        }
        let name = walk::name_of(&path);
        let child = self.child_node(node, &name.to_string_lossy())?;
        self.listing(child, listing)?;
        if name.to_str().is_none() && self.is_used(child) {
            return Err(not_utf8(&path));
        }
        Ok(())
    }

    /// Directories without any metadata leave no trace.
    fn drop_empty_children(&mut self, node: usize) {
        let mut children = std::mem::take(&mut self.building[node].children);
        children.retain(|child| {
            let used = self.is_used(*child as usize);
            if !used {
                self.building[*child as usize].parent = NOBODY;
            }
            used
        });
        self.building[node].children = children;
    }

    fn is_used(&self, node: usize) -> bool {
        self.building[node].updated || !self.building[node].children.is_empty()
    }

    // Nodes.

    fn fault(&self, fault: Fault, pos: Pos) -> Error {
        fault.or_at(pos).locate(&self.files)
    }

    /// The child of a name, or where it would be put among the children.
    fn find_child(&self, parent: usize, name: &str) -> std::result::Result<usize, u64> {
        let mut place = self.children.hasher.hash_one((parent, name));
        while let Some(child) = self.children.numbers.get(&place) {
            let child = *child as usize;
            if self.building[child].parent as usize == parent && self.nodes[child].own_name() == name {
                return Ok(child);
            }
            place = place.wrapping_add(1);
        }
        Err(place)
    }

    /// The child of a name, made if there is none.
    fn child_node(&mut self, parent: usize, name: &str) -> Result<usize> {
        let place = match self.find_child(parent, name) {
            Ok(child) => return Ok(child),
            Err(place) => place,
        };
        let (node, level) = (&self.nodes[parent], self.building[parent].level + 1);
        if usize::from(level) > MAX_LEVELS {
            let message = format!("{}: nodes are nested more than {MAX_LEVELS} levels deep", node.name);
            return Err(Error::new(ErrorClass::Recursion, message));
        }
        let separator = if node.name.ends_with('/') { "" } else { "/" };
        let full: Text = format!("{}{separator}{name}", node.name).into();
        let child = self.nodes.len();
        self.nodes.push(Node::new(full, name.len()));
        self.building.push(Building::new(u32::try_from(parent).unwrap_or(NOBODY), level));
        let number = u32::try_from(child).unwrap_or(NOBODY);
        self.building[parent].children.push(number);
        self.children.numbers.insert(place, number);
        Ok(child)
    }

    /// Creates or updates a child: with data, or, if the value is text, from the directory of that path.
    fn child(&mut self, parent: usize, name: &str, value: Value, pos: Pos) -> Result<usize> {
        let child = self.child_node(parent, name).map_err(|error| error.at(pos.locate(&self.files)))?;
        match value {
            Value::Text(path) => {
                let trimmed = if &*path == "/" { "/" } else { path.trim_end_matches('/') };
                if !trimmed.is_empty() {
                    let directory = walk::absolute(Path::new(trimmed))
                        .map_err(|error| Error::new(ErrorClass::Os, format!("{trimmed}: {error}")))?;
                    self.listing(child, walk::list(&directory))?;
                }
            }
            value if value.is_null() || value.is_map() => self.update(child, value)?,
            other => return Err(self.fault(wrong_content(&other), pos)),
        }
        Ok(child)
    }

    /// Adds data to a node: directives, virtual children, and everything else as own data.
    fn update(&mut self, node: usize, value: Value) -> Result<()> {
        self.building[node].updated = true;
        let (entries, directives) = match value {
            Value::Map(mut mapping) => {
                let directives = take_directives(&mut mapping);
                (mapping, directives)
            }
            Value::Shared(shared) => {
                // The reference takes the directives out of the shared mapping: only its first use sees them.
                let mut mapping = shared.get();
                let directives = take_directives(&mut mapping);
                shared.set(mapping.clone());
                (mapping, directives)
            }
            _ => return Ok(()),
        };
        if let Some((directives, pos)) = directives {
            self.direct(node, &directives).map_err(|fault| fault.or_at(pos).locate(&self.files))?;
        }
        let plain = |key: &Key| key.as_str().is_some_and(|key| !key.starts_with('/'));
        if self.building[node].own.is_none() && entries.keys().all(plain) {
            self.building[node].own = Some(entries);
            return Ok(());
        }
        for (key, value, pos) in Arc::unwrap_or_clone(entries).into_entries() {
            self.entry(node, key, value, pos)?;
        }
        Ok(())
    }

    fn entry(&mut self, node: usize, key: Key, value: Value, pos: Pos) -> Result<()> {
        let text = match key.value() {
            Value::Text(text) => text,
            Value::Null => {
                return Err(self.fault(Fault::new(ErrorClass::Format, "Invalid key 'None'."), pos));
            }
            other => {
                let message = format!(
                    "key {} of {} must be text; quote it",
                    pytext::repr(other),
                    self.nodes[node].name
                );
                return Err(self.fault(Fault::new(ErrorClass::Type, message), pos));
            }
        };
        if !text.starts_with('/') {
            let own = self.building[node].own.get_or_insert_default();
            Arc::make_mut(own).insert(key, value, pos);
            return Ok(());
        }
        let name = text.trim_start_matches('/');
        match name.split_once('/') {
            Some((name, rest)) => {
                // The reference's pattern for the rest ends at a line's end.
                let rest = rest.split('\n').next().unwrap_or("");
                let mut deeper = Mapping::new();
                deeper.insert(Key::text(format!("/{rest}")), value, pos);
                self.child(node, name, Value::map(deeper), pos)?;
            }
            None => {
                self.child(node, name, value, pos)?;
            }
        }
        Ok(())
    }

    /// Applies directives; of several the last counts.
    fn direct(&mut self, node: usize, directives: &Value) -> std::result::Result<(), Fault> {
        let name = self.nodes[node].name.clone();
        let wrong = |directive: &str, wanted: &str, found: &Value| {
            let found = found.type_name();
            let message = format!(
                "Invalid fmf directive{directive} in '{name}': Should be a '{wanted}', got a '{found}' instead."
            );
            Fault::new(ErrorClass::Format, message)
        };
        let Some(mapping) = directives.as_map() else { return Err(wrong("", "dict", directives)) };
        for (key, value, pos) in mapping.iter_with_positions() {
            let key = key.to_text();
            if !matches!(&*key, "inherit" | "select") {
                let message = format!("Unknown fmf directive '{key}' in '{name}'.");
                return Err(Fault::new(ErrorClass::Format, message).or_at(pos));
            }
            let flag =
                value.as_bool().ok_or_else(|| wrong(&format!(" '{key}'"), "bool", value).or_at(pos))?;
            if &*key == "inherit" {
                self.building[node].inherits = flag;
            } else {
                self.nodes[node].select = Some(flag);
            }
        }
        Ok(())
    }

    // The end.

    /// Nodes, parents before children, children in order of creation.
    fn preorder(&self) -> Vec<u32> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut stack = vec![0];
        while let Some(node) = stack.pop() {
            order.push(node);
            stack.extend(self.building[node as usize].children.iter().rev());
        }
        order
    }

    /// Puts the nodes in order and gives them away. Those that were dropped are gone.
    pub fn finish(mut self) -> Built {
        let order = self.preorder();
        let mut numbers = vec![NOBODY; self.nodes.len()];
        for (number, old) in (0..).zip(&order) {
            numbers[*old as usize] = number;
        }
        for building in &mut self.building {
            building.parent = numbers.get(building.parent as usize).copied().unwrap_or(NOBODY);
        }
        // In place, since nodes are many: each is swapped to where it belongs, until the right one has come here.
        for at in 0..numbers.len() {
            while numbers[at] != NOBODY && numbers[at] as usize != at {
                let place = numbers[at] as usize;
                self.nodes.swap(at, place);
                self.building.swap(at, place);
                numbers.swap(at, place);
            }
        }
        self.nodes.truncate(order.len());
        self.building.truncate(order.len());
        let Self { root, files, mut nodes, building, shares, .. } = self;
        for (at, Building { parent, .. }) in building.iter().enumerate().skip(1).rev() {
            nodes[*parent as usize].below += nodes[at].below + 1;
        }
        Built { root, files, nodes, building, shares }
    }
}

impl Building {
    fn new(parent: u32, level: u16) -> Self {
        Self { own: None, children: Vec::new(), inherits: true, updated: false, level, parent }
    }
}

fn take_directives(mapping: &mut Arc<Mapping>) -> Option<(Value, Pos)> {
    let pos = mapping.contains("/").then(|| mapping.position("/"))?;
    Arc::make_mut(mapping).remove(&Key::text("/")).map(|value| (value, pos))
}

fn wrong_content(value: &Value) -> Fault {
    Fault::new(ErrorClass::Type, format!("metadata must be a mapping, found {}", value.type_name()))
}

fn not_utf8(path: &Path) -> Error {
    Error::new(ErrorClass::Unicode, format!("{}: the name is not UTF-8", path.display()))
}
