//! Metadata trees: nodes with their complete, adjusted data.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use crate::adjust::Adjuster;
use crate::ahead::MAX_THREADS;
use crate::build::{Builder, Inherited};
use crate::context::Context;
use crate::error::{Error, Pos, Position};
use crate::mapping::Mapping;
use crate::pyre::Patterns;
use crate::share::Freezer;
use crate::value::Text;

/// Smaller trees are adjusted before threads would have started.
const ADJUSTED_ALONE: usize = 1000;

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    /// Full name.
    pub name: Text,
    /// How much of the name's end is the node's own.
    own_len: u32,
    /// In order of creation.
    pub children: Vec<u32>,
    /// Whether the node takes part in selection, if it says so.
    pub select: Option<bool>,
    pub data: Arc<Mapping>,
    pub sources: Option<Arc<Sources>>,
}

impl Node {
    pub fn new(name: Text, own_len: usize) -> Self {
        let own_len = u32::try_from(own_len).unwrap_or(u32::MAX);
        Self { name, own_len, children: Vec::new(), select: None, data: Arc::default(), sources: None }
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
        let mut patterns = Patterns::default();
        let Inherited { root, files, nodes, shares } = builder.inherit(&mut patterns)?;
        let mut tree = Self { root, files, nodes };
        tree.adjust(context, shares, &mut patterns)?;
        Ok(tree)
    }

    fn adjust(&mut self, context: &Context, shares: bool, patterns: &mut Patterns) -> Result<(), Error> {
        let files = &self.files;
        // Nodes whose values may be shared have to be adjusted one after the other.
        if shares || self.nodes.len() < ADJUSTED_ALONE {
            adjust_all(&mut self.nodes, &mut Adjuster::new(context, patterns, shares), files)?;
        } else {
            let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
            let adjust = |nodes| {
                adjust_all(nodes, &mut Adjuster::new(context, &mut Patterns::default(), false), files)
            };
            thread::scope(|scope| {
                let part = self.nodes.len().div_ceil(threads);
                let parts = self.nodes.chunks_mut(part);
                let running: Vec<_> = parts.map(|nodes| scope.spawn(move || adjust(nodes))).collect();
                // Of several errors the first in the order of nodes counts.
                running.into_iter().map(ScopedJoinHandle::join).try_for_each(|result| match result {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
            })?;
        }
        if shares {
            let mut freezer = Freezer::default();
            for node in &mut self.nodes {
                freezer.mapping(&mut node.data).map_err(|fault| fault.locate(&self.files))?;
            }
        }
        Ok(())
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
        NodeRef { tree: self, id: 0 }
    }

    /// All nodes, a node before its children, children by name.
    pub fn nodes(&self) -> impl Iterator<Item = NodeRef<'_>> {
        let mut stack = vec![0];
        std::iter::from_fn(move || {
            let id = stack.pop()?;
            let start = stack.len();
            stack.extend_from_slice(&self.nodes[id as usize].children);
            let own_name = |id: u32| self.nodes[id as usize].own_name();
            stack[start..].sort_by(|left, right| own_name(*right).cmp(own_name(*left)));
            Some(NodeRef { tree: self, id })
        })
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
            inherited.extend(node.node().children.iter().map(|child| (*child, all)));
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

/// Adjusts nodes in order: parents before children, children in order of creation.
fn adjust_all(nodes: &mut [Node], adjuster: &mut Adjuster<'_>, files: &[PathBuf]) -> Result<(), Error> {
    nodes
        .iter_mut()
        .try_for_each(|node| adjuster.adjust(&node.name, &mut node.data).map_err(|fault| fault.locate(files)))
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
    pub fn children(self) -> impl ExactSizeIterator<Item = Self> {
        self.node().children.iter().map(move |id| Self { tree: self.tree, id: *id })
    }

    /// Whether the node takes part in selection: by its `select` directive, or else if it has no children.
    #[must_use]
    pub fn is_selected(self) -> bool {
        self.node().select.unwrap_or(self.node().children.is_empty())
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
