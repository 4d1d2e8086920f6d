//! The graph of tests that come after others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{After, NameId, Outcome, TestId};

/// What a test is to those that it comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// All have ended as they should.
    Free,
    /// Some have not ended.
    Blocked,
    /// This one has not ended as it should.
    NotMet(TestId),
}

/// Somebody who comes after a test, if that ends so.
type Dependent = (TestId, Option<Outcome>);

/// A name.
#[derive(Debug, Default)]
struct Name {
    test: Option<TestId>,
    /// Those who come after it, until it is known whose it is.
    waiting: Vec<Dependent>,
}

/// The graph.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    names: BTreeMap<NameId, Name>,
    dependents: BTreeMap<TestId, Vec<Dependent>>,
    /// After how many others a blocked test comes that have not ended.
    left: BTreeMap<TestId, u32>,
    /// How tests were settled, by number.
    outcomes: Vec<Option<Outcome>>,
}

impl Graph {
    /// Takes in a test.
    pub fn arrived(&mut self, test: TestId, after: &[After]) -> State {
        let mut left = 0;
        let mut state = State::Free;
        for After { name, outcome } in after {
            let name = self.names.entry(*name).or_default();
            let Some(on) = name.test else {
                name.waiting.push((test, *outcome));
                left += 1;
                continue;
            };
            match self.outcomes.get(on.0 as usize).copied().flatten() {
                None => {
                    self.dependents.entry(on).or_default().push((test, *outcome));
                    left += 1;
                }
                Some(was) if is_met(*outcome, was) => {}
                Some(_) => state = State::NotMet(on),
            }
        }
        if state == State::Free && left > 0 {
            self.left.insert(test, left);
            return State::Blocked;
        }
        state
    }

    /// It is known whose a name is. Those who were waiting for that and are not blocked any more.
    pub fn named(&mut self, name: NameId, test: TestId) -> Vec<(TestId, State)> {
        let entry = self.names.entry(name).or_default();
        if entry.test.is_some() {
            return Vec::new();
        }
        entry.test = Some(test);
        let waiting = std::mem::take(&mut entry.waiting);
        match self.outcomes.get(test.0 as usize).copied().flatten() {
            Some(outcome) => self.tell(test, outcome, waiting),
            None => {
                if !waiting.is_empty() {
                    self.dependents.entry(test).or_default().extend(waiting);
                }
                Vec::new()
            }
        }
    }

    /// A test was settled. Those who come after it and are not blocked any more.
    pub fn settled(&mut self, test: TestId, outcome: Outcome) -> Vec<(TestId, State)> {
        let at = test.0 as usize;
        if self.outcomes.len() <= at {
            self.outcomes.resize(at + 1, None);
        }
        self.outcomes[at] = Some(outcome);
        self.left.remove(&test);
        let Some(dependents) = self.dependents.remove(&test) else { return Vec::new() };
        self.tell(test, outcome, dependents)
    }

    fn tell(&mut self, on: TestId, was: Outcome, dependents: Vec<Dependent>) -> Vec<(TestId, State)> {
        let mut changed = Vec::new();
        for (test, outcome) in dependents {
            let Some(left) = self.left.get_mut(&test) else { continue };
            *left -= 1;
            let state = match is_met(outcome, was) {
                false => State::NotMet(on),
                true if *left == 0 => State::Free,
                true => continue,
            };
            self.left.remove(&test);
            changed.push((test, state));
        }
        changed
    }

    /// Whether any test is blocked.
    pub fn has_blocked(&self) -> bool {
        !self.left.is_empty()
    }

    /// Blocked tests that come after a name that is nobody's.
    pub fn nameless(&self) -> BTreeMap<TestId, NameId> {
        let nobodys = self.names.iter().filter(|(_, name)| name.test.is_none());
        let waiting = nobodys.flat_map(|(id, name)| name.waiting.iter().map(|(test, _)| (*test, *id)));
        waiting.filter(|(test, _)| self.left.contains_key(test)).collect()
    }

    /// Tests that come after themselves, each with one that it comes after in its circle.
    pub fn cycles(&self) -> BTreeMap<TestId, TestId> {
        let edges = || {
            let all = self.dependents.iter();
            all.flat_map(|(on, tests)| tests.iter().map(|(test, _)| (*on, *test)))
                .filter(|(_, test)| self.left.contains_key(test))
        };
        let mut after: HashMap<TestId, Vec<TestId>> = HashMap::new();
        for (on, test) in edges() {
            after.entry(test).or_default().push(on);
        }
        // What remains when tests without anything before them, and those without anything behind them, are taken
        // away one by one, is in circles, or between two of them.
        let blocked: BTreeSet<TestId> = self.left.keys().copied().collect();
        let remaining = peel(&blocked, &self.left_edges(&blocked));
        let behind: HashMap<TestId, Vec<TestId>> = after
            .iter()
            .filter(|(test, _)| remaining.contains(test))
            .map(|(test, on)| (*test, on.iter().filter(|on| remaining.contains(on)).copied().collect()))
            .collect();
        let remaining = peel(&remaining, &behind);
        let before = |test: &TestId| {
            after.get(test).into_iter().flatten().filter(|on| remaining.contains(on)).min().copied()
        };
        remaining.iter().filter_map(|test| Some((*test, before(test)?))).collect()
    }

    /// For each of these tests, those of them that come after it.
    fn left_edges(&self, blocked: &BTreeSet<TestId>) -> HashMap<TestId, Vec<TestId>> {
        let inside = self.dependents.iter().filter(|(on, _)| blocked.contains(on));
        inside
            .map(|(on, tests)| {
                (*on, tests.iter().map(|(test, _)| *test).filter(|t| blocked.contains(t)).collect())
            })
            .collect()
    }
}

/// What is left when nodes to which no edge leads are taken away until there are none.
fn peel(nodes: &BTreeSet<TestId>, edges: &HashMap<TestId, Vec<TestId>>) -> BTreeSet<TestId> {
    let mut left = nodes.clone();
    let mut incoming: HashMap<TestId, u32> = HashMap::new();
    for to in edges.values().flatten() {
        *incoming.entry(*to).or_insert(0) += 1;
    }
    let mut free: Vec<TestId> = nodes.iter().filter(|node| !incoming.contains_key(node)).copied().collect();
    while let Some(node) = free.pop() {
        left.remove(&node);
        for to in edges.get(&node).into_iter().flatten() {
            if let Some(count) = incoming.get_mut(to) {
                *count -= 1;
                if *count == 0 {
                    free.push(*to);
                }
            }
        }
    }
    left
}

fn is_met(wanted: Option<Outcome>, was: Outcome) -> bool {
    wanted.is_none_or(|wanted| wanted == was)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Option<Outcome> = None;

    fn after(names: &[u32]) -> Vec<After> {
        names.iter().map(|name| After { name: NameId(*name), outcome: ANY }).collect()
    }

    /// A graph of tests whose names have their numbers.
    fn graph(edges: &[(u32, &[u32])]) -> Graph {
        let mut graph = Graph::default();
        for (test, on) in edges {
            graph.arrived(TestId(*test), &after(on));
            graph.named(NameId(*test), TestId(*test));
        }
        graph
    }

    #[test]
    fn a_circle_is_told_from_what_comes_before_and_behind_it() {
        for (edges, circles) in [
            (&[(0, &[][..]), (1, &[0])][..], &[][..]),
            (&[(0, &[0])], &[(0, 0)]),
            (&[(0, &[1]), (1, &[2]), (2, &[0])], &[(0, 1), (1, 2), (2, 0)]),
            // Behind a circle, in front of one, and beside it.
            (&[(0, &[1]), (1, &[0]), (2, &[1]), (3, &[2])], &[(0, 1), (1, 0)]),
            (&[(0, &[]), (1, &[0, 2]), (2, &[1])], &[(1, 2), (2, 1)]),
        ] {
            let found: Vec<(u32, u32)> =
                graph(edges).cycles().into_iter().map(|(test, on)| (test.0, on.0)).collect();
            assert_eq!(found, circles, "{edges:?}");
        }
    }

    #[test]
    fn names_may_become_known_at_any_time() {
        let mut graph = Graph::default();
        let first = TestId(0);
        assert_eq!(graph.arrived(TestId(1), &after(&[7])), State::Blocked);
        assert_eq!(graph.nameless(), BTreeMap::from([(TestId(1), NameId(7))]));
        assert_eq!(graph.named(NameId(7), first), []);
        assert_eq!(graph.nameless(), BTreeMap::new());
        assert_eq!(graph.settled(first, Outcome::Fail), [(TestId(1), State::Free)]);
        let passed = [After { name: NameId(7), outcome: Some(Outcome::Pass) }];
        assert_eq!(graph.arrived(TestId(2), &passed), State::NotMet(first));
        assert_eq!(graph.arrived(TestId(3), &after(&[7])), State::Free);
        let failed = [After { name: NameId(8), outcome: Some(Outcome::Fail) }];
        assert_eq!(graph.arrived(TestId(4), &failed), State::Blocked);
        assert_eq!(graph.named(NameId(8), first), [(TestId(4), State::Free)]);
        assert!(!graph.has_blocked());
    }
}
