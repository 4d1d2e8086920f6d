//! Building a tree: files and virtual children become nodes with own data, then data is inherited from the top.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ahead::{Ahead, Parsed};
use crate::error::{Error, ErrorClass, Fault, Pos};
use crate::mapping::{Key, Mapping};
use crate::merge::{Merger, Sums};
use crate::pyre::Patterns;
use crate::pytext;
use crate::share::Copier;
use crate::tree::Node;
use crate::value::{Text, Value};
use crate::walk::{self, Config, Directory, Listing, Reader};
use crate::yaml::Document;

/// Nodes may be nested this deep. Names repeat those of all parents, so without a limit a short file with a key like
/// `/a/a/a/...` would take all memory.
pub const MAX_LEVELS: usize = 128;

const NOBODY: u32 = u32::MAX;

/// A tree whose nodes have all their data, not yet adjusted.
pub struct Inherited {
    pub root: PathBuf,
    pub files: Vec<PathBuf>,
    pub nodes: Vec<Node>,
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
struct Building {
    own: Mapping,
    inherits: bool,
    updated: bool,
    level: u16,
    /// [`NOBODY`] of the root and of those that were dropped.
    parent: u32,
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
        let name = path.file_name().unwrap_or_default();
        let child = self.child_node(node, &name.to_string_lossy())?;
        self.listing(child, listing)?;
        if name.to_str().is_none() && self.is_used(child) {
            return Err(not_utf8(&path));
        }
        Ok(())
    }

    /// Directories without any metadata leave no trace.
    fn drop_empty_children(&mut self, node: usize) {
        let mut children = std::mem::take(&mut self.nodes[node].children);
        children.retain(|child| {
            let used = self.is_used(*child as usize);
            if !used {
                self.building[*child as usize].parent = NOBODY;
            }
            used
        });
        self.nodes[node].children = children;
    }

    fn is_used(&self, node: usize) -> bool {
        self.building[node].updated || !self.nodes[node].children.is_empty()
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
        self.nodes[parent].children.push(number);
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
            Value::Map(mapping) => {
                let mut mapping = Arc::unwrap_or_clone(mapping);
                let directives = take_directives(&mut mapping);
                (mapping, directives)
            }
            Value::Shared(shared) => {
                // The reference takes the directives out of the shared mapping: only its first use sees them.
                let mut mapping = Arc::unwrap_or_clone(shared.get());
                let directives = take_directives(&mut mapping);
                shared.set(Arc::new(mapping.clone()));
                (mapping, directives)
            }
            _ => return Ok(()),
        };
        if let Some((directives, pos)) = directives {
            self.direct(node, &directives).map_err(|fault| fault.or_at(pos).locate(&self.files))?;
        }
        let plain = |key: &Key| key.as_str().is_some_and(|key| !key.starts_with('/'));
        if self.building[node].own.is_empty() && entries.keys().all(plain) {
            self.building[node].own = entries;
            return Ok(());
        }
        for (key, value, pos) in entries.into_entries() {
            self.entry(node, key, value, pos)?;
        }
        Ok(())
    }

    fn entry(&mut self, node: usize, key: Key, value: Value, pos: Pos) -> Result<()> {
        let text = match &key {
            Key::Text(text) => text,
            Key::Other(other) if other.is_null() => {
                return Err(self.fault(Fault::new(ErrorClass::Format, "Invalid key 'None'."), pos));
            }
            Key::Other(other) => {
                let message = format!(
                    "key {} of {} must be text; quote it",
                    pytext::repr(other),
                    self.nodes[node].name
                );
                return Err(self.fault(Fault::new(ErrorClass::Type, message), pos));
            }
        };
        if !text.starts_with('/') {
            self.building[node].own.insert(key, value, pos);
            return Ok(());
        }
        let name = text.trim_start_matches('/');
        match name.split_once('/') {
            Some((name, rest)) => {
                // The reference's pattern for the rest ends at a line's end.
                let rest = rest.split('\n').next().unwrap_or("");
                let mut deeper = Mapping::new();
                deeper.insert(Key::Text(format!("/{rest}").into()), value, pos);
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

    // Inheritance.

    /// Nodes, parents before children, children in order of creation.
    fn preorder(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut stack = vec![0];
        while let Some(node) = stack.pop() {
            order.push(node);
            stack.extend(self.nodes[node].children.iter().rev().map(|child| *child as usize));
        }
        order
    }

    /// Merges own data into that of the parents, and gives the finished nodes.
    pub fn inherit(mut self, patterns: &mut Patterns) -> Result<Inherited> {
        // No longer needed, and large.
        self.children = Children::default();
        self.reader = Reader::default();
        self.documents = Vec::new();
        let order = self.preorder();
        for id in &order {
            let Building { own, inherits, parent, .. } = std::mem::take(&mut self.building[*id]);
            let (data, sources) = match self.nodes.get(parent as usize).filter(|_| inherits) {
                Some(parent) => (parent.data.clone(), parent.sources.clone()),
                None => (Arc::default(), None),
            };
            let node = &mut self.nodes[*id];
            node.inherit_sources(sources);
            node.data = merged(node, data, &own, &mut self.shares, patterns)
                .map_err(|fault| fault.locate(&self.files))?;
        }
        self.building = Vec::new();
        let nodes = reordered(self.nodes, &order);
        Ok(Inherited { root: self.root, files: self.files, nodes, shares: self.shares })
    }
}

/// Puts the nodes in use in this order and numbers them anew, so that those that were dropped are gone.
fn reordered(mut nodes: Vec<Node>, order: &[usize]) -> Vec<Node> {
    let mut numbers = vec![NOBODY; nodes.len()];
    for (number, old) in (0..).zip(order) {
        numbers[*old] = number;
    }
    for old in order {
        nodes[*old].children.iter_mut().for_each(|child| *child = numbers[*child as usize]);
    }
    // In place, since nodes are many: each is swapped to where it belongs, until the right one has come here.
    for at in 0..nodes.len() {
        while numbers[at] != NOBODY && numbers[at] as usize != at {
            let place = numbers[at] as usize;
            nodes.swap(at, place);
            numbers.swap(at, place);
        }
    }
    nodes.truncate(order.len());
    nodes
}

/// The data of a node: the parent's, with the own merged in.
fn merged(
    node: &Node,
    inherited: Arc<Mapping>,
    own: &Mapping,
    shares: &mut bool,
    patterns: &mut Patterns,
) -> std::result::Result<Arc<Mapping>, Fault> {
    if own.is_empty() && !*shares {
        return Ok(inherited);
    }
    // Most nodes have no children. They keep what differs from their parent; whoever has children keeps all, so that
    // there is but one mapping below any other.
    let is_leaf = node.children.is_empty() && !*shares;
    let mut data =
        if is_leaf { Mapping::extending(&inherited, own.len()) } else { inherited.with_room(own.len()) };
    if *shares {
        Copier::default().mapping(&mut data);
    }
    // No two nodes add one and the same list here, so that no sums are kept.
    Merger { node: &node.name, patterns, shares, sums: &mut Sums::default() }.merge(&mut data, own)?;
    if !is_leaf {
        data.flatten_values();
    }
    data.shrink();
    Ok(Arc::new(data))
}

impl Building {
    fn new(parent: u32, level: u16) -> Self {
        Self { own: Mapping::new(), inherits: true, updated: false, level, parent }
    }
}

fn take_directives(mapping: &mut Mapping) -> Option<(Value, Pos)> {
    let pos = mapping.position("/");
    mapping.remove(&Key::Text("/".into())).map(|value| (value, pos))
}

fn wrong_content(value: &Value) -> Fault {
    Fault::new(ErrorClass::Type, format!("metadata must be a mapping, found {}", value.type_name()))
}

fn not_utf8(path: &Path) -> Error {
    Error::new(ErrorClass::Unicode, format!("{}: the name is not UTF-8", path.display()))
}
