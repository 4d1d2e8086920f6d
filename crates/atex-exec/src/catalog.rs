//! What is known of the tests and hosts of a run by number: labels, set-ups, identities.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use atex_model::{Connect, Host, Plan, Test, Tree};
use atex_schedule::{HostTraits, PlatformId, SetupId, TestId};
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
    pub fn traits(&mut self, host: &Host) -> Box<HostTraits> {
        // That is the machine of whoever runs the tests.
        let is_spared = host.connect == Connect::Local;
        Box::new(HostTraits { is_spared, ..HostTraits::new(self.id(host.label())) })
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

    /// How many there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.all.len()).expect("they are numbered in 32 bits")
    }

    pub fn tree(&self, setup: SetupId) -> Option<&Tree> {
        self.all.get_index(setup.0 as usize)?.0.as_ref()
    }

    /// The plan of a set-up.
    pub fn plan(&self, setup: SetupId) -> Option<Plan> {
        serde_json::from_str(&self.all.get_index(setup.0 as usize)?.1).ok()
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
pub(crate) struct Identities(HashMap<[u8; 16], Seen>);

/// What is remembered of an identity.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The last number that was given to a test of the same name.
    number: u32,
    /// It was taken in by an earlier life of the run, and has not come again in this one.
    before: bool,
    /// The test itself, once it is known.
    test: Option<TestId>,
}

impl Seen {
    const NEW: Seen = Seen { number: 1, before: false, test: None };
}

/// What a test's identity says of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    New,
    /// There was one; it is to run under this name.
    Renamed(String),
    /// It has come again, in the input of a run that is resumed.
    Repeated,
    /// There was one.
    Known,
}

impl Identities {
    pub fn add(&mut self, test: &Test, duplicates: Duplicates) -> Identity {
        let platform = test.platform.as_deref();
        match self.meet(platform, &test.name) {
            Identity::Known if duplicates == Duplicates::Number => {}
            other => return other,
        }
        loop {
            let seen = self.0.entry(identity(platform, &test.name)).or_insert(Seen::NEW);
            seen.number += 1;
            let name = format!("{} ({})", test.name, seen.number);
            match self.meet(platform, &name) {
                Identity::New => return Identity::Renamed(name),
                Identity::Known => {}
                other => return other,
            }
        }
    }

    /// A name for another run of a test, which no test has had.
    pub fn another(&mut self, platform: Option<&str>, name: &str) -> String {
        loop {
            let seen = self.0.entry(identity(platform, name)).or_insert(Seen::NEW);
            seen.number += 1;
            let name = format!("{name} ({})", seen.number);
            if let Entry::Vacant(entry) = self.0.entry(identity(platform, &name)) {
                entry.insert(Seen::NEW);
                return name;
            }
        }
    }

    /// A test that an earlier life of the run has taken in.
    pub fn add_before(&mut self, identity: [u8; 16], test: TestId) {
        self.0.insert(identity, Seen { before: true, test: Some(test), ..Seen::NEW });
    }

    /// The number of a test that was added.
    pub fn set_number(&mut self, test: &Test, id: TestId) {
        if let Some(seen) = self.0.get_mut(&identity(test.platform.as_deref(), &test.name)) {
            seen.test = Some(id);
        }
    }

    /// The number of the test of an identity.
    pub fn number_of(&self, identity: [u8; 16]) -> Option<TestId> {
        self.0.get(&identity)?.test
    }

    fn meet(&mut self, platform: Option<&str>, name: &str) -> Identity {
        match self.0.entry(identity(platform, name)) {
            Entry::Vacant(entry) => {
                entry.insert(Seen::NEW);
                Identity::New
            }
            Entry::Occupied(mut entry) if entry.get().before => {
                entry.get_mut().before = false;
                Identity::Repeated
            }
            Entry::Occupied(_) => Identity::Known,
        }
    }
}

/// Stands for a test's platform and name.
pub(crate) fn identity(platform: Option<&str>, name: &str) -> [u8; 16] {
    // A test without a label is reported under the default one.
    let platform = platform.unwrap_or(atex_model::DEFAULT_PLATFORM);
    let mut hasher = blake3::Hasher::new();
    // The length keeps label and name apart.
    hasher.update(&(platform.len() as u64).to_le_bytes()).update(platform.as_bytes()).update(name.as_bytes());
    short(&hasher)
}

/// Lines of the input that were handed on, by hash, and how often.
#[derive(Debug, Default)]
pub(crate) struct KnownLines(HashMap<[u8; 16], u32>);

impl KnownLines {
    pub fn add(&mut self, line: &str) {
        *self.0.entry(line_hash(line)).or_insert(0) += 1;
    }

    /// Whether the line is known, as often as it is.
    pub fn take(&mut self, line: &str) -> bool {
        // Most runs know none.
        if self.0.is_empty() {
            return false;
        }
        match self.0.entry(line_hash(line)) {
            Entry::Vacant(_) => false,
            Entry::Occupied(mut entry) => {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
                true
            }
        }
    }
}

fn line_hash(line: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(line.trim().as_bytes());
    short(&hasher)
}

fn short(hasher: &blake3::Hasher) -> [u8; 16] {
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
    fn what_an_earlier_life_took_in_is_recognised_once() {
        let mut all = Identities::default();
        for name in ["/a", "/a (2)", "/b"] {
            all.add_before(identity(None, name), TestId(0));
        }
        for (name, is) in [
            ("/a", Identity::Repeated),
            ("/a", Identity::Repeated),
            ("/a", Identity::Renamed("/a (3)".into())),
            ("/b", Identity::Repeated),
            ("/b", Identity::Renamed("/b (2)".into())),
        ] {
            assert_eq!(all.add(&test(None, name), Duplicates::Number), is, "{name}");
        }
        all.add_before(identity(None, "/c"), TestId(3));
        assert_eq!(all.add(&test(None, "/c"), Duplicates::Error), Identity::Repeated);
        assert_eq!(all.add(&test(None, "/c"), Duplicates::Error), Identity::Known);
    }

    #[test]
    fn another_run_of_a_test_has_a_name_of_its_own_in_every_life() {
        let mut all = Identities::default();
        for name in ["/a", "/a (2)"] {
            all.add_before(identity(None, name), TestId(0));
        }
        assert_eq!(all.another(None, "/a"), "/a (3)");
        assert_eq!(all.another(Some("p"), "/a"), "/a (2)");
        // What an earlier life knew is recognised still.
        assert_eq!(all.add(&test(None, "/a"), Duplicates::Error), Identity::Repeated);
        assert_eq!(all.add(&test(None, "/a (2)"), Duplicates::Error), Identity::Repeated);
        assert_eq!(all.another(None, "/a"), "/a (4)");
    }

    #[test]
    fn a_known_line_is_dropped_as_often_as_it_came() {
        let mut lines = KnownLines::default();
        lines.add("{}");
        lines.add("{}");
        assert_eq!(["{}", "{ }", "{} ", "{}"].map(|line| lines.take(line)), [true, false, true, false]);
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
        with.plan = Some(Plan { name: Some("/p".into()), ..Plan::default() });
        assert_eq!(setups.id(&with), (SetupId(2), true));
        assert_eq!((setups.plan(SetupId(2)), setups.plan(SetupId(1))), (with.plan, None));
    }
}
