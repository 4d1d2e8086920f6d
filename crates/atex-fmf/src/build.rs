//! Building a tree: files and virtual children become nodes with own data, then data is inherited from the top.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ahead::Ahead;
use crate::error::{Error, ErrorClass, Fault, Pos};
use crate::mapping::{Key, Mapping};
use crate::merge::Merger;
use crate::pyre::Patterns;
use crate::pytext;
use crate::share::Copier;
use crate::tree::{Node, Sources};
use crate::value::{Text, Value};
use crate::walk::{self, Config, Directory, Listing, Reader};
use crate::yaml::Document;

/// Nodes may be nested this deep. Names repeat those of all parents, so without a limit a short file with a key like
/// `/a/a/a/...` would take all memory.
pub const MAX_LEVELS: usize = 128;

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
    documents: Vec<Option<Result<Document>>>,
    nodes: Vec<Building>,
    /// Whether any mapping has an identity.
    shares: bool,
    config: Config,
    /// For the files that were not.
    reader: Reader,
    children: HashMap<(usize, Text), usize>,
    /// Resolved targets of all links to directories met so far.
    linked: HashSet<PathBuf>,
}

/// A node with its own data, before inheritance.
struct Building {
    node: Node,
    own: Mapping,
    files: Vec<u32>,
    inherits: bool,
    updated: bool,
    level: usize,
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
            nodes: vec![Building::new(Node::new("/".into(), 0), 0)],
            shares: false,
            reader: Reader::default(),
            children: HashMap::new(),
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
            self.nodes[node].files.push(number);
            return match document.value {
                value if value.is_null() || value.is_map() => self.update(node, value),
                other => Err(self.fault(wrong_content(&other), pos)),
            };
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(|| not_utf8(path))?;
        let child = self.child(node, name, document.value, pos)?;
        self.nodes[child].files.push(number);
        Ok(())
    }

    /// A file's number and content.
    fn document(&mut self, file: &walk::File) -> Result<(u32, Document)> {
        let mut ahead = |number: u32| Some((number, self.documents.get_mut(number as usize)?.take()?));
        if let Some((number, document)) = file.number.and_then(&mut ahead) {
            return Ok((number, document?));
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
        if name.to_str().is_none() && self.nodes[child].is_used() {
            return Err(not_utf8(&path));
        }
        Ok(())
    }

    /// Directories without any metadata leave no trace.
    fn drop_empty_children(&mut self, node: usize) {
        let children = std::mem::take(&mut self.nodes[node].node.children);
        let (kept, dropped): (Vec<_>, Vec<_>) =
            children.into_iter().partition(|child| self.nodes[*child as usize].is_used());
        self.nodes[node].node.children = kept;
        for child in dropped {
            let name = Text::from(self.nodes[child as usize].node.own_name());
            self.children.remove(&(node, name));
        }
    }

    // Nodes.

    fn fault(&self, fault: Fault, pos: Pos) -> Error {
        fault.or_at(pos).locate(&self.files)
    }

    /// The child of a name, made if there is none.
    fn child_node(&mut self, parent: usize, name: &str) -> Result<usize> {
        let key = (parent, Text::from(name));
        if let Some(child) = self.children.get(&key) {
            return Ok(*child);
        }
        let Building { node, level, .. } = &self.nodes[parent];
        let level = level + 1;
        if level > MAX_LEVELS {
            let message = format!("{}: nodes are nested more than {MAX_LEVELS} levels deep", node.name);
            return Err(Error::new(ErrorClass::Recursion, message));
        }
        let separator = if node.name.ends_with('/') { "" } else { "/" };
        let full: Text = format!("{}{separator}{name}", node.name).into();
        let child = self.nodes.len();
        self.nodes.push(Building::new(Node::new(full, name.len()), level));
        self.nodes[parent].node.children.push(u32::try_from(child).unwrap_or(u32::MAX));
        self.children.insert(key, child);
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
        self.nodes[node].updated = true;
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
            let name = self.nodes[node].node.name.clone();
            self.nodes[node]
                .direct(&name, &directives)
                .map_err(|fault| fault.or_at(pos).locate(&self.files))?;
        }
        let plain = |key: &Key| key.as_str().is_some_and(|key| !key.starts_with('/'));
        if self.nodes[node].own.is_empty() && entries.keys().all(plain) {
            self.nodes[node].own = entries;
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
                    self.nodes[node].node.name
                );
                return Err(self.fault(Fault::new(ErrorClass::Type, message), pos));
            }
        };
        if !text.starts_with('/') {
            self.nodes[node].own.insert(key, value, pos);
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

    // Inheritance.

    /// Nodes, parents before children, children in order of creation.
    fn preorder(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut stack = vec![0];
        while let Some(node) = stack.pop() {
            order.push(node);
            stack.extend(self.nodes[node].node.children.iter().rev().map(|child| *child as usize));
        }
        order
    }

    /// Merges own data into that of the parents, and gives the finished nodes.
    pub fn inherit(mut self, patterns: &mut Patterns) -> Result<Inherited> {
        // No longer needed, and large.
        self.children = HashMap::new();
        self.reader = Reader::default();
        self.documents = Vec::new();
        let order = self.preorder();
        let mut parents: Vec<Option<usize>> = vec![None; self.nodes.len()];
        for id in &order {
            for child in &self.nodes[*id].node.children {
                parents[*child as usize] = Some(*id);
            }
            let parent =
                parents[*id].filter(|_| self.nodes[*id].inherits).map(|parent| &self.nodes[parent].node);
            let (data, sources) = match parent {
                Some(parent) => (parent.data.clone(), parent.sources.clone()),
                None => (Arc::default(), None),
            };
            let building = &mut self.nodes[*id];
            let own = std::mem::take(&mut building.own);
            let node = &mut building.node;
            node.sources =
                building.files.iter().fold(sources, |parent, file| Some(Sources::new(parent, *file)));
            node.data = merged(&node.name, data, &own, &mut self.shares, patterns)
                .map_err(|fault| fault.locate(&self.files))?;
        }
        let nodes = renumbered(self.nodes, &order);
        Ok(Inherited { root: self.root, files: self.files, nodes, shares: self.shares })
    }
}

/// Numbers the nodes in use anew, in this order, so that those that were dropped are gone.
fn renumbered(building: Vec<Building>, order: &[usize]) -> Vec<Node> {
    let mut numbers = vec![0u32; building.len()];
    for (number, old) in (0..).zip(order) {
        numbers[*old] = number;
    }
    let mut all: Vec<Option<Node>> = building.into_iter().map(|building| Some(building.node)).collect();
    let mut nodes: Vec<Node> = order.iter().filter_map(|old| all[*old].take()).collect();
    for node in &mut nodes {
        node.children.iter_mut().for_each(|child| *child = numbers[*child as usize]);
    }
    nodes
}

fn merged(
    name: &str,
    inherited: Arc<Mapping>,
    own: &Mapping,
    shares: &mut bool,
    patterns: &mut Patterns,
) -> std::result::Result<Arc<Mapping>, Fault> {
    if own.is_empty() && !*shares {
        return Ok(inherited);
    }
    let mut data = inherited.with_room(own.len());
    if *shares {
        Copier::default().mapping(&mut data);
    }
    Merger { node: name, patterns, shares }.merge(&mut data, own)?;
    data.shrink();
    Ok(Arc::new(data))
}

impl Building {
    fn new(node: Node, level: usize) -> Self {
        Self { node, own: Mapping::new(), files: Vec::new(), inherits: true, updated: false, level }
    }

    fn is_used(&self) -> bool {
        self.updated || !self.node.children.is_empty()
    }

    /// Applies directives; of several the last counts.
    fn direct(&mut self, name: &str, directives: &Value) -> std::result::Result<(), Fault> {
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
                self.inherits = flag;
            } else {
                self.node.select = Some(flag);
            }
        }
        Ok(())
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
