//! Metadata trees: nodes with their complete, adjusted data.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::{Builder, Built};
use crate::context::Context;
use crate::error::{Error, Pos, Position};
use crate::inherit;
use crate::mapping::Mapping;
use crate::value::Text;

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    /// Full name.
    pub name: Text,
    /// How much of the name's end is the node's own.
    own_len: u32,
    /// How many nodes are below it. They stand behind it.
    pub below: u32,
    /// Whether the node takes part in selection, if it says so.
    pub select: Option<bool>,
    pub data: Arc<Mapping>,
    pub sources: Option<Arc<Sources>>,
}

impl Node {
    pub fn new(name: Text, own_len: usize) -> Self {
        let own_len = u32::try_from(own_len).unwrap_or(u32::MAX);
        let data = Mapping::shared_empty();
        Self { name, own_len, below: 0, select: None, data, sources: None }
    }

    pub fn add_file(&mut self, file: u32) {
        self.sources = Some(Sources::new(self.sources.take(), file));
    }

    /// Puts a parent's files before the own ones, which nobody else holds yet.
    pub fn inherit_sources(&mut self, inherited: Option<Arc<Sources>>) {
        let mut first = &mut self.sources;
        while let Some(sources) = first {
            let Some(own) = Arc::get_mut(sources) else { return };
            first = &mut own.parent;
        }
        *first = inherited;
    }

    pub fn own_name(&self) -> &str {
        &self.name[self.name.len().saturating_sub(self.own_len as usize)..]
    }
}

/// Files that contributed to a node, the last one first; parents' lists are shared.
#[derive(Debug)]
pub(crate) struct Sources {
    parent: Option<Arc<Sources>>,
    file: u32,
}

impl Sources {
    fn new(parent: Option<Arc<Self>>, file: u32) -> Arc<Self> {
        Arc::new(Self { parent, file })
    }
}

/// A metadata tree, loaded, inherited and adjusted.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    files: Vec<PathBuf>,
    /// The root first, a node before its children, children in order of creation.
    nodes: Vec<Node>,
}

impl Tree {
    /// Loads the tree that a path is in, and adjusts all of it for a context.
    ///
    /// # Errors
    /// The first thing wrong anywhere in the tree, in the order in which the reference looks at it.
    pub fn load(path: impl AsRef<Path>, context: &Context) -> Result<Self, Error> {
        Self::build(Builder::load(path.as_ref())?, context)
    }

    /// A tree without files, from the data of its root node; keys that start with `/` are child nodes.
    ///
    /// # Errors
    /// As [`Tree::load`].
    pub fn from_data(data: Mapping, context: &Context) -> Result<Self, Error> {
        Self::build(Builder::from_data(data)?, context)
    }

    fn build(builder: Builder, context: &Context) -> Result<Self, Error> {
        let Built { root, files, mut nodes, building, shares } = builder.finish();
        inherit::complete(&mut nodes, building, shares, context, &files)?;
        Ok(Self { root, files, nodes })
    }

    /// The directory that holds the tree's `.fmf`, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All metadata files that were read, in order; those that are found behind links come last.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The place that a mapping's entry remembers, see [`Mapping::position`].
    #[must_use]
    pub fn locate(&self, pos: Pos) -> Option<Position> {
        pos.locate(&self.files)
    }

    /// The root node.
    #[must_use]
    pub fn root_node(&self) -> NodeRef<'_> {
        self.node(0)
    }

    /// The node of a number that [`NodeRef::id`] gave.
    pub(crate) fn node(&self, id: u32) -> NodeRef<'_> {
        NodeRef { tree: self, id }
    }

    /// All nodes, a node before its children, children by name.
    pub fn nodes(&self) -> impl Iterator<Item = NodeRef<'_>> {
        let mut stack = vec![0];
        std::iter::from_fn(move || {
            let id = stack.pop()?;
            let start = stack.len();
            stack.extend(self.children(id));
            let own_name = |id: u32| self.nodes[id as usize].own_name();
            stack[start..].sort_by(|left, right| own_name(*right).cmp(own_name(*left)));
            Some(NodeRef { tree: self, id })
        })
    }

    /// The children of a node, in order of creation.
    fn children(&self, id: u32) -> impl Iterator<Item = u32> {
        let end = id + self.nodes[id as usize].below;
        let first = (id < end).then_some(id + 1);
        let next = move |child: &u32| Some(child + self.nodes[*child as usize].below + 1);
        std::iter::successors(first, move |child| next(child).filter(|next| *next <= end))
    }

    /// All nodes, a node before its children, children in order of creation.
    pub(crate) fn all(&self) -> impl Iterator<Item = NodeRef<'_>> {
        (0..).zip(&self.nodes).map(|(id, _)| NodeRef { tree: self, id })
    }

    /// The nodes from the root to this one.
    pub(crate) fn path<'t>(&'t self, node: NodeRef<'t>) -> Vec<NodeRef<'t>> {
        let mut path = vec![self.root_node()];
        // Nodes stand in order, so that the one in question is below the last child that is not behind it.
        while let Some(last) = path.last().filter(|last| last.id != node.id)
            && let Some(next) = last.children().filter(|child| child.id <= node.id).last()
        {
            path.push(next);
        }
        path
    }

    /// The files that hold metadata of some of these nodes themselves, in order, and the names of those nodes. Parents
    /// must be among the nodes, before their children.
    pub(crate) fn own_files<'t>(&'t self, nodes: &[NodeRef<'t>]) -> Vec<(u32, &'t str)> {
        let mut inherited: HashMap<u32, Option<&Sources>> = HashMap::new();
        let mut files = Vec::new();
        for node in nodes {
            let all = node.node().sources.as_deref();
            let parents = inherited.get(&node.id).copied().flatten().map(std::ptr::from_ref);
            let mut next = all;
            while let Some(sources) = next.filter(|sources| Some(std::ptr::from_ref(*sources)) != parents) {
                files.push((sources.file, node.name()));
                next = sources.parent.as_deref();
            }
            inherited.extend(node.children().map(|child| (child.id, all)));
        }
        files.sort_unstable();
        files
    }

    /// The node of this exact full name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeRef<'_>> {
        self.nodes().find(|node| node.name() == name)
    }
}

/// A node of a tree.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'t> {
    tree: &'t Tree,
    id: u32,
}

impl<'t> NodeRef<'t> {
    pub(crate) fn tree(self) -> &'t Tree {
        self.tree
    }

    pub(crate) fn id(self) -> u32 {
        self.id
    }

    fn node(self) -> &'t Node {
        &self.tree.nodes[self.id as usize]
    }

    /// The full name, e.g. `/core/smoke`.
    #[must_use]
    pub fn name(self) -> &'t str {
        &self.node().name
    }

    pub(crate) fn shared_name(self) -> Text {
        self.node().name.clone()
    }

    /// The name below the parent.
    #[must_use]
    pub fn own_name(self) -> &'t str {
        self.node().own_name()
    }

    /// The complete data: inherited, merged, adjusted.
    #[must_use]
    pub fn data(self) -> &'t Mapping {
        &self.node().data
    }

    pub(crate) fn shared_data(self) -> Arc<Mapping> {
        self.node().data.clone()
    }

    /// The children in order of creation.
    pub fn children(self) -> impl Iterator<Item = Self> {
        self.tree.children(self.id).map(move |id| Self { tree: self.tree, id })
    }

    /// Whether there are no children.
    #[must_use]
    pub fn is_leaf(self) -> bool {
        self.node().below == 0
    }

    /// Whether the node takes part in selection: by its `select` directive, or else if it has no children.
    #[must_use]
    pub fn is_selected(self) -> bool {
        self.node().select.unwrap_or(self.is_leaf())
    }

    /// The files that contributed to the node, the last one first.
    pub fn sources_from_last(self) -> impl Iterator<Item = &'t Path> {
        let mut next = self.node().sources.as_deref();
        std::iter::from_fn(move || {
            let sources = next?;
            next = sources.parent.as_deref();
            Some(self.tree.files[sources.file as usize].as_path())
        })
    }

    /// The files that contributed to the node, in order.
    #[must_use]
    pub fn sources(self) -> Vec<&'t Path> {
        let mut sources: Vec<_> = self.sources_from_last().collect();
        sources.reverse();
        sources
    }

    /// Where a key of the node's data was written.
    #[must_use]
    pub fn position(self, key: &str) -> Option<Position> {
        self.tree.locate(self.data().position(key))
    }
}
