//! Selecting nodes of a tree by name, file, data and condition.

use std::path::PathBuf;

use crate::error::{Error, ErrorClass};
use crate::filter::{Filter, LazyPattern};
use crate::mapping::Mapping;
use crate::tree::{NodeRef, Tree};

/// An expression over a node's data, as `--condition` takes it. How such expressions are written is not this module's
/// concern.
pub trait Condition {
    /// Whether it holds. An error of class [`ErrorClass::Filter`] (an unknown name) drops the node, any other ends
    /// the selection.
    ///
    /// # Errors
    /// As described above.
    fn holds(&self, data: &Mapping) -> Result<bool, Error>;
}

impl<F: Fn(&Mapping) -> Result<bool, Error>> Condition for F {
    fn holds(&self, data: &Mapping) -> Result<bool, Error> {
        self(data)
    }
}

/// What nodes must satisfy: everything that is not empty.
#[derive(Default)]
pub struct Criteria<'c> {
    /// Keys that must all be in the data.
    pub keys: Vec<String>,
    /// Patterns of which one must be found in the full name.
    pub names: Vec<String>,
    /// Absolute paths of files of which one must be among the node's sources.
    pub sources: Vec<PathBuf>,
    /// Filters, all of which must be true.
    pub filters: Vec<String>,
    /// Conditions, all of which must hold.
    pub conditions: Vec<&'c dyn Condition>,
}

/// Criteria with patterns and filters taken apart.
#[derive(Default)]
pub(crate) struct Selector<'c> {
    pub keys: &'c [String],
    pub names: Vec<LazyPattern>,
    pub sources: &'c [PathBuf],
    pub filters: Vec<Filter>,
    pub conditions: &'c [&'c dyn Condition],
}

impl Tree {
    /// The selected nodes that satisfy the criteria, a node before its children, children by name.
    ///
    /// # Errors
    /// A bad pattern, or a condition that fails.
    pub fn prune<'t>(&'t self, criteria: &Criteria<'_>) -> Result<Vec<NodeRef<'t>>, Error> {
        let found = Selector::new(criteria).selected(self)?;
        Ok(found.into_iter().map(|id| self.node(id)).collect())
    }

    /// As [`Tree::prune`], but of all nodes, branches included.
    ///
    /// # Errors
    /// As [`Tree::prune`].
    pub fn prune_all<'t>(&'t self, criteria: &Criteria<'_>) -> Result<Vec<NodeRef<'t>>, Error> {
        let found = Selector::new(criteria).matching(self, |_| true)?;
        Ok(found.into_iter().map(|id| self.node(id)).collect())
    }
}

impl<'c> Selector<'c> {
    fn new(criteria: &'c Criteria<'c>) -> Self {
        Self {
            keys: &criteria.keys,
            names: criteria.names.iter().map(LazyPattern::search).collect(),
            sources: &criteria.sources,
            filters: criteria.filters.iter().map(|filter| Filter::parse(filter)).collect(),
            conditions: &criteria.conditions,
        }
    }

    /// As [`Tree::prune`], by their numbers, which take less memory.
    pub fn selected(&self, tree: &Tree) -> Result<Vec<u32>, Error> {
        self.matching(tree, NodeRef::is_selected)
    }

    fn matching<'t>(
        &self,
        tree: &'t Tree,
        takes_part: impl Fn(NodeRef<'t>) -> bool,
    ) -> Result<Vec<u32>, Error> {
        let mut found = Vec::new();
        for node in tree.nodes().filter(|node| takes_part(*node)) {
            if self.accepts(node)? {
                found.push(node.id());
            }
        }
        Ok(found)
    }

    fn accepts(&self, node: NodeRef<'_>) -> Result<bool, Error> {
        let has_keys = self.keys.iter().all(|key| node.data().contains(key));
        if !has_keys || !any_found(&self.names, node.name())? || !self.has_source(node) {
            return Ok(false);
        }
        match self.passes(node) {
            Err(error) if error.class() == ErrorClass::Filter => Ok(false),
            other => other,
        }
    }

    fn has_source(&self, node: NodeRef<'_>) -> bool {
        let wanted = self.sources;
        wanted.is_empty()
            || node.sources_from_last().any(|source| wanted.iter().any(|wanted| wanted == source))
    }

    /// All filters are evaluated, whatever the first ones say; then, if they are true, all conditions.
    fn passes(&self, node: NodeRef<'_>) -> Result<bool, Error> {
        let mut all = true;
        for filter in &self.filters {
            all &= filter.matches(node.name(), node.data())?;
        }
        if !all {
            return Ok(false);
        }
        for condition in self.conditions {
            all &= condition.holds(node.data())?;
        }
        Ok(all)
    }
}

/// Whether one of the patterns is found, or there are none.
fn any_found(patterns: &[LazyPattern], name: &str) -> Result<bool, Error> {
    for pattern in patterns {
        if pattern.is_found_in(name)? {
            return Ok(true);
        }
    }
    Ok(patterns.is_empty())
}
