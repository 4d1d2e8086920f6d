//! From own data to complete data: what nodes inherit from the top is merged with what they have themselves, and then
//! adjusted.
//!
//! All inheritance comes before all adjusting: children inherit what was never adjusted, and errors of merging come up
//! before those of adjusting. Nodes without children, which are nearly all, depend on nobody but their parents. So
//! branches are merged first; then leaves are merged, and all nodes adjusted, on all cores.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::adjust::Adjuster;
use crate::ahead::MAX_THREADS;
use crate::build::Building;
use crate::context::Context;
use crate::error::{Error, Fault};
use crate::mapping::{Mapping, Room};
use crate::merge::Merger;
use crate::pyre::Patterns;
use crate::share::{Copier, Freezer};
use crate::tree::Node;

/// Nodes that a thread takes at a time. Smaller trees are done before threads would have started.
const PART: usize = 1000;

type Result<T> = std::result::Result<T, Fault>;

/// Gives nodes, which stand in order, their complete data.
pub fn complete(
    nodes: &mut [Node],
    mut building: Vec<Building>,
    shares: bool,
    context: &Context,
    files: &[PathBuf],
) -> std::result::Result<(), Error> {
    // Where values may be shared between nodes, a change in one shows in another, and all is done in order.
    let completed = match shares {
        true => in_order(nodes, &mut building, context),
        false => on_all_cores(nodes, &mut building, context),
    };
    completed.map_err(|fault| fault.locate(files))
}

fn in_order(nodes: &mut [Node], building: &mut [Building], context: &Context) -> Result<()> {
    let mut patterns = Patterns::default();
    let mut shares = true;
    for (at, building) in building.iter_mut().enumerate() {
        inherit(nodes, at, building);
        merge(&mut nodes[at], building, &mut shares, &mut patterns)?;
    }
    let mut adjuster = Adjuster::new(context, &mut patterns, shares);
    nodes.iter_mut().try_for_each(|node| adjuster.adjust(&node.name, &mut node.data))?;
    let mut freezer = Freezer::default();
    nodes.iter_mut().try_for_each(|node| freezer.mapping(&mut node.data))
}

fn on_all_cores(nodes: &mut [Node], building: &mut [Building], context: &Context) -> Result<()> {
    let mut failures = Failures::default();
    let mut patterns = Patterns::default();
    let mut shares = false;
    for (at, building) in building.iter_mut().enumerate() {
        inherit(nodes, at, building);
        if nodes[at].below > 0
            && let Err(fault) = merge(&mut nodes[at], building, &mut shares, &mut patterns)
        {
            failures.add(Step::Merge, at, fault);
            break;
        }
    }
    // Below a branch that failed nothing can be done.
    let end = failures.0.as_ref().map_or(nodes.len(), |(_, at, _)| *at);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(end / PART);
    let parts = nodes[..end].chunks_mut(PART).zip(building.chunks_mut(PART));
    let parts = Mutex::new((0..).step_by(PART).zip(parts));
    let work = || {
        let (mut merging, mut adjusting) = (Patterns::default(), Patterns::default());
        let adjuster = Adjuster::new(context, &mut adjusting, false);
        let mut worker = Worker {
            shares,
            patterns: &mut merging,
            adjuster,
            room: Room::default(),
            failures: Failures::default(),
        };
        let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((first, (nodes, building))) = next() {
            worker.part(first, nodes, building);
        }
        worker.failures
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        failures.join(work());
        for other in others {
            match other.join() {
                Ok(found) => failures.join(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    failures.0.map_or(Ok(()), |(.., fault)| Err(fault))
}

/// What is done with a node; with all nodes, before the next step begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Merge,
    Adjust,
}

/// The first failure, as if everything had been done in order, and at which node.
#[derive(Default)]
struct Failures(Option<(Step, usize, Fault)>);

impl Failures {
    fn add(&mut self, step: Step, node: usize, fault: Fault) {
        if self.0.as_ref().is_none_or(|(known, at, _)| (step, node) < (*known, *at)) {
            self.0 = Some((step, node, fault));
        }
    }

    fn join(&mut self, other: Self) {
        if let Some((step, node, fault)) = other.0 {
            self.add(step, node, fault);
        }
    }
}

/// Completes nodes whose parents have been merged.
struct Worker<'w> {
    /// Whether some branch has shared values in it.
    shares: bool,
    patterns: &'w mut Patterns,
    adjuster: Adjuster<'w>,
    room: Room,
    failures: Failures,
}

impl Worker<'_> {
    fn part(&mut self, first: usize, nodes: &mut [Node], building: &mut [Building]) {
        for (at, (node, building)) in (first..).zip(nodes.iter_mut().zip(building)) {
            let mut shares = self.shares;
            if node.below == 0
                && let Err(fault) = self.leaf(node, building, &mut shares)
            {
                self.failures.add(Step::Merge, at, fault);
            }
            // What has failed once needs no adjusting any more, but may fail earlier in merging.
            if self.failures.0.is_none()
                && let Err(fault) = self.adjust(node, shares)
            {
                self.failures.add(Step::Adjust, at, fault);
            }
        }
    }

    /// Merges own data into that of the parent, of which is kept what differs.
    fn leaf(&mut self, node: &mut Node, building: &mut Building, shares: &mut bool) -> Result<()> {
        if *shares {
            return merge(node, building, shares, self.patterns);
        }
        let Some(own) = building.own.take().filter(|own| !own.is_empty()) else { return Ok(()) };
        let mut data = Mapping::extending_in(&mut self.room, &node.data, own.len());
        let mut merger = Merger { node: &node.name, patterns: self.patterns, shares, known: None };
        merger.merge(&mut data, &own)?;
        node.data = Arc::new(data);
        Ok(())
    }

    fn adjust(&mut self, node: &mut Node, shares: bool) -> Result<()> {
        self.adjuster.adjust(&node.name, &mut node.data)?;
        if shares {
            Freezer::default().mapping(&mut node.data)?;
        }
        if let Some(data) = Arc::get_mut(&mut node.data) {
            data.leave(&mut self.room);
        }
        Ok(())
    }
}

/// Gives a node what its parent has. The root, and whoever does not want that, gets nothing.
fn inherit(nodes: &mut [Node], at: usize, building: &Building) {
    let (before, node) = nodes.split_at_mut(at);
    if let (Some(parent), true) = (before.get(building.parent as usize), building.inherits) {
        node[0].inherit_sources(parent.sources.clone());
        node[0].data = parent.data.clone();
    }
}

/// Merges own data into what a node has inherited. It keeps all of it, so that there is but one mapping below any other.
fn merge(node: &mut Node, building: &mut Building, shares: &mut bool, patterns: &mut Patterns) -> Result<()> {
    let own = building.own.take().unwrap_or_else(Mapping::shared_empty);
    if own.is_empty() && !*shares {
        return Ok(());
    }
    let mut data = node.data.with_room(own.len());
    if *shares {
        Copier::default().mapping(&mut data);
    }
    Merger { node: &node.name, patterns, shares, known: None }.merge(&mut data, &own)?;
    data.flatten_values();
    data.shrink();
    node.data = Arc::new(data);
    Ok(())
}
