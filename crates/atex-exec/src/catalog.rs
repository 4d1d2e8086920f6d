//! What is known of the tests and hosts of a run by number: labels, set-ups, identities.

use std::collections::HashMap;
use std::sync::Arc;

use atex_model::{Connect, Host, Test, Tree};
use atex_schedule::{HostKind, PlatformId, SetupId};
use indexmap::IndexSet;
use serde_json::Value;

use crate::args::Duplicates;
use crate::needs::Needs;

/// The tag of tests after which their host cannot be used.
const DESTRUCTIVE: &str = "destructive";

/// Whether the host of a test cannot be used after it.
pub(crate) fn is_destructive(test: &Test) -> bool {
    match test.data.get("tag") {
        Some(Value::String(tag)) => tag == DESTRUCTIVE,
        Some(Value::Array(tags)) => tags.iter().any(|tag| tag == DESTRUCTIVE),
        _ => false,
    }
}

/// Labels, numbered.
#[derive(Debug, Default)]
pub(crate) struct Platforms(IndexSet<String>);

impl Platforms {
    /// What decides which tests a host may run.
    pub fn kind(&mut self, host: &Host) -> HostKind {
        // That is the machine of whoever runs the tests.
        HostKind { platform: self.id(host.label()), is_spared: host.connect == Connect::Local }
    }

    pub fn id(&mut self, label: &str) -> PlatformId {
        let at = match self.0.get_index_of(label) {
            Some(at) => at,
            None => self.0.insert_full(label.to_owned()).0,
        };
        PlatformId(
            u32::try_from(at).expect("there are fewer labels than tests, which are counted in 32 bits"),
        )
    }
}

/// What hosts have to be given, numbered: tests of one tree and plan share it.
#[derive(Debug, Default)]
pub(crate) struct Setups {
    all: IndexSet<(Option<Tree>, String)>,
    /// The packages that their tests need.
    needs: Vec<Arc<Needs>>,
}

impl Setups {
    /// The set-up of a test, and whether it is a new one.
    pub fn id(&mut self, test: &Test) -> (SetupId, bool) {
        // Plans are compared as their text: equal plans are one plan.
        let plan = test
            .plan
            .as_ref()
            .map_or(String::new(), |plan| serde_json::to_string(plan).expect("a plan has only text keys"));
        let (at, new) = self.all.insert_full((test.tree.clone(), plan));
        if new {
            self.needs.push(Arc::default());
        }
        (SetupId(u32::try_from(at).expect("there are no more set-ups than tests")), new)
    }

    pub fn tree(&self, setup: SetupId) -> Option<&Tree> {
        self.all.get_index(setup.0 as usize)?.0.as_ref()
    }

    /// A test of this set-up needs these packages.
    pub fn need(&mut self, setup: SetupId, needs: Needs) {
        let all = &mut self.needs[setup.0 as usize];
        // Those who have been given the old ones keep them.
        if !all.contains(&needs) {
            Arc::make_mut(all).add(needs);
        }
    }

    /// What the tests of a set-up need, as far as they are known.
    pub fn needs(&self, setup: SetupId) -> Arc<Needs> {
        Arc::clone(&self.needs[setup.0 as usize])
    }
}

/// The identities of tests. A hash of each is kept, not its name.
#[derive(Debug, Default)]
pub(crate) struct Identities(HashMap<[u8; 16], u32>);

/// What a test's identity says of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    New,
    /// There was one; it is to run under this name.
    Renamed(String),
    /// There was one.
    Known,
}

impl Identities {
    pub fn add(&mut self, test: &Test, duplicates: Duplicates) -> Identity {
        if self.insert(test.platform.as_deref(), &test.name) {
            return Identity::New;
        }
        if duplicates == Duplicates::Error {
            return Identity::Known;
        }
        loop {
            let number = self.0.entry(hash(test.platform.as_deref(), &test.name)).or_insert(1);
            *number += 1;
            let name = format!("{} ({number})", test.name);
            if self.insert(test.platform.as_deref(), &name) {
                return Identity::Renamed(name);
            }
        }
    }

    /// Whether it was not there before.
    fn insert(&mut self, platform: Option<&str>, name: &str) -> bool {
        let mut is_new = false;
        self.0.entry(hash(platform, name)).or_insert_with(|| {
            is_new = true;
            1
        });
        is_new
    }
}

fn hash(platform: Option<&str>, name: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    // The length keeps label and name apart. A test without a label is reported under the default one.
    let platform = platform.unwrap_or(atex_model::DEFAULT_PLATFORM);
    hasher.update(&(platform.len() as u64).to_le_bytes()).update(platform.as_bytes()).update(name.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::Object;

    fn test(platform: Option<&str>, name: &str) -> Test {
        Test { platform: platform.map(Into::into), ..Test::new(name, Object::new()) }
    }

    #[test]
    fn a_test_is_known_by_platform_and_name() {
        let mut all = Identities::default();
        for (platform, name, known) in [
            (None, "/a", false),
            (None, "/a", true),
            (Some("default"), "/a", true),
            (Some("p"), "/a", false),
            (Some("p/"), "a", false),
        ] {
            let identity = all.add(&test(platform, name), Duplicates::Error);
            assert_eq!(identity == Identity::Known, known, "{platform:?} {name}");
        }
    }

    #[test]
    fn repeated_names_are_numbered_past_names_that_are_taken() {
        let mut all = Identities::default();
        let mut add = |name: &str| all.add(&test(None, name), Duplicates::Number);
        assert_eq!(add("/a"), Identity::New);
        assert_eq!(add("/a (2)"), Identity::New);
        assert_eq!(add("/a"), Identity::Renamed("/a (3)".into()));
        assert_eq!(add("/a"), Identity::Renamed("/a (4)".into()));
    }

    #[test]
    fn equal_trees_and_plans_are_one_setup() {
        let mut setups = Setups::default();
        let mut with = test(None, "/a");
        with.tree = Some(Tree::Directory("/t".into()));
        assert_eq!(setups.id(&test(None, "/a")), (SetupId(0), true));
        assert_eq!(setups.id(&with), (SetupId(1), true));
        assert_eq!(setups.id(&with), (SetupId(1), false));
        assert_eq!(setups.tree(SetupId(1)), with.tree.as_ref());
        assert_eq!(setups.tree(SetupId(0)), None);
    }
}
