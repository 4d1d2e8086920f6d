//! Finding tests: a plan's sections, each a selection from a tree.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorClass};
use crate::filter::{Filter, LazyPattern};
use crate::json;
use crate::library::Libraries;
use crate::mapping::{Key, Mapping};
use crate::pytext;
use crate::remote::{Identifier, Repositories};
use crate::select::{Condition, Selector};
use crate::tree::{NodeRef, Tree};
use crate::value::{Text, Value};

/// What to look for in a tree. The lists are added to those of the plan's sections.
#[derive(Default)]
pub struct Request<'c> {
    /// The plan's node name; none, or an empty one, stands for a plan that takes all tests.
    pub plan: Option<String>,
    /// Patterns of which one must be found in a test's name. Given beside a plan that names tests, they add to them.
    pub names: Vec<String>,
    /// Filters, all of which must be true.
    pub filters: Vec<String>,
    /// Conditions, all of which must hold.
    pub conditions: Vec<&'c dyn Condition>,
    /// Patterns that drop a test when found in its name.
    pub excludes: Vec<String>,
    /// Whether to replace requires and recommends by complete lists, with those of libraries.
    pub libraries: bool,
}

/// The tests found, in order. It may be empty; what that means is for the caller to decide.
#[derive(Debug)]
pub struct Discovery<'t> {
    /// The plan's data, if there is a plan.
    pub plan: Option<Arc<Mapping>>,
    /// The plan's sections that were looked at, in order.
    pub sections: Vec<Section>,
    /// A directory whose files belong to the top, beside those of the sections: the tree of a plan whose scripts
    /// expect it there.
    pub base: Option<PathBuf>,
    /// The tests; names are distinct.
    pub tests: Vec<Test<'t>>,
}

impl Discovery<'_> {
    /// Puts a name in front of all names of tests: that of a plan, where there are tests of several.
    pub fn put_below(&mut self, name: &str) {
        for test in &mut self.tests {
            test.name = format!("{name}{}", test.name).into();
            test.own_name = test.own_name.saturating_add(u32::try_from(name.len()).unwrap_or(u32::MAX));
        }
    }
}

/// One discover section: a tree, and where its files belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The section's name, the first part of its tests' names. Empty for a lone section without a name.
    pub prefix: String,
    /// Where its files belong, relative to the common root; empty for the root itself.
    pub directory: String,
    /// The root of the tree that its files come from, absolute.
    pub root: PathBuf,
    /// The files of libraries that its tests require: those of other trees, and those of its own tree that stand where
    /// tests do not look for libraries. They are put into the section's files in this order.
    pub libraries: Vec<Part>,
}

/// A directory, and where its files belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The directory, absolute.
    pub from: PathBuf,
    /// Where its contents stand, relative to the common root.
    pub to: String,
}

/// A test.
#[derive(Debug)]
pub struct Test<'t> {
    /// Full name, with the section's prefix.
    pub name: Text,
    /// The directory of its metadata, unless that is where the node's is.
    pub(crate) directory: Option<Box<Text>>,
    /// Which section it comes from.
    pub section: u32,
    /// Where the name without the section's prefix begins.
    pub(crate) own_name: u32,
    pub(crate) data: Data<'t>,
    /// What takes the place of `require` and `recommend`, in this order.
    pub(crate) needs: Option<Arc<[Value; 2]>>,
}

/// Where the data of a test is.
#[derive(Debug)]
pub(crate) enum Data<'t> {
    Node(NodeRef<'t>),
    /// Of a plan, or changed by one.
    Own(Arc<Mapping>),
}

/// The keys that [`Test::needs`] replaces.
const NEEDS: [&str; 2] = ["require", "recommend"];

impl<'t> Test<'t> {
    /// The list that takes the place of a key's value.
    pub(crate) fn replaced(&self, key: &str) -> Option<&Value> {
        let at = NEEDS.iter().position(|replaced| *replaced == key)?;
        self.needs.as_ref().map(|needs| &needs[at])
    }

    /// The name without the section's prefix: what patterns of names see.
    #[must_use]
    pub fn own_name(&self) -> &str {
        &self.name[self.own_name as usize..]
    }

    /// The directory of its metadata, relative to the common root: the section's prefix and the path below it. `.`
    /// for the root itself.
    #[must_use]
    pub fn source_dir(&self) -> &str {
        match (&self.directory, &self.data) {
            (Some(directory), _) => directory,
            // It was looked at when the test was found.
            (None, Data::Node(node)) => source_directory(*node).unwrap_or("."),
            (None, Data::Own(_)) => ".",
        }
    }

    /// The node, if the data is as it is there.
    #[must_use]
    pub fn node(&self) -> Option<NodeRef<'t>> {
        match self.data {
            Data::Node(node) => Some(node),
            Data::Own(_) => None,
        }
    }

    /// The data without libraries' requires.
    pub(crate) fn own_data(&self) -> &Mapping {
        match &self.data {
            Data::Node(node) => node.data(),
            Data::Own(data) => data,
        }
    }

    /// The value of a key of the test's data.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.replaced(key).or_else(|| self.own_data().get(key))
    }

    /// The test's data in order.
    #[must_use]
    pub fn data(&self) -> Mapping {
        let mut data = self.own_data().clone();
        for (key, needs) in NEEDS.iter().zip(self.needs.iter().flat_map(|needs| &**needs)) {
            data.insert(Key::text(*key), needs.clone(), data.position(key));
        }
        data
    }

    /// Writes the data as a JSON object.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_data(&self, out: &mut impl Write) -> io::Result<()> {
        if self.needs.is_none() {
            return json::write_mapping(out, self.own_data());
        }
        let present = self
            .own_data()
            .iter()
            .map(|(key, value)| (key, key.as_str().and_then(|key| self.replaced(key)).unwrap_or(value)));
        let missing: Vec<_> = self.missing_needs().collect();
        json::write_entries(out, present.chain(missing.iter().map(|(key, needs)| (key, *needs))))
    }

    /// The lists whose keys are not in the data, which they are put behind.
    pub(crate) fn missing_needs(&self) -> impl Iterator<Item = (Key, &Value)> {
        let needs = NEEDS.iter().zip(self.needs.iter().flat_map(|needs| &**needs));
        needs.filter(|(key, _)| !self.own_data().contains(key)).map(|(key, needs)| (Key::text(*key), needs))
    }
}

type Result<T> = std::result::Result<T, Error>;

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorClass::Value, message)
}

fn wrong_type(message: impl Into<String>) -> Error {
    Error::new(ErrorClass::Type, message)
}

/// Finds tests in a tree. Sections and libraries of other repositories are errors.
///
/// # Errors
/// The plan or a section is not what it should be, a pattern is bad, or a library cannot be found. There are no
/// partial results.
pub fn discover<'t>(tree: &'t Tree, request: &Request<'_>) -> Result<Discovery<'t>> {
    find(tree, None, request)
}

/// Finds tests in a tree, and in those of other repositories that its plan and its tests name. Trees that were loaded
/// for one discovery serve later ones.
///
/// # Errors
/// As [`discover`]; or a repository cannot be fetched, or its tree not be loaded.
pub fn discover_with<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'_>,
    request: &Request<'_>,
) -> Result<Discovery<'t>> {
    find(tree, Some(repositories), request)
}

fn find<'t>(
    tree: &'t Tree,
    repositories: Option<&'t Repositories<'t>>,
    request: &Request<'_>,
) -> Result<Discovery<'t>> {
    let plan = match request.plan.as_deref() {
        Some(name) if !name.is_empty() => Some(find_plan(tree, name)?),
        _ => None,
    };
    let sections = match &plan {
        Some(plan) => plan_sections(tree, plan.data())?,
        None => vec![Arc::default()],
    };
    let plan = plan.map(NodeRef::shared_data);
    let mut finder = Finder {
        tree,
        repositories,
        request,
        found: Discovery { plan, sections: Vec::new(), base: None, tests: Vec::new() },
        several: sections.len() > 1,
        names: HashMap::new(),
    };
    for section in &sections {
        finder.section(section)?;
    }
    Ok(finder.found)
}

fn find_plan<'t>(tree: &'t Tree, name: &str) -> Result<NodeRef<'t>> {
    let plan = tree.find(name).ok_or_else(|| crate::plan::not_found(tree, name))?;
    if plan.data().contains("test") {
        return Err(refused(format!("plan {name} appears to be a test")).at(plan.position("test")));
    }
    if !plan.is_leaf() {
        let children: Vec<_> = plan.children().map(NodeRef::own_name).collect();
        return Err(refused(format!("'{name}' matches multiple plans: {}", children.join(", "))));
    }
    Ok(plan)
}

/// The plan's sections that ask for fmf tests.
fn plan_sections(tree: &Tree, plan: &Mapping) -> Result<Vec<Arc<Mapping>>> {
    let place = || tree.locate(plan.position("discover"));
    let mut sections = Vec::new();
    for section in plan.get("discover").map(Value::to_list).unwrap_or_default() {
        let Some(section) = section.as_map() else {
            let message = format!("a discover section must be a mapping, found {}", section.type_name());
            return Err(wrong_type(message).at(place()));
        };
        if section.get("how").is_none_or(|how| how.as_str() == Some("fmf")) {
            sections.push(section);
        }
    }
    check_section_names(&sections).map_err(|error| error.at(place()))?;
    Ok(sections)
}

fn check_section_names(sections: &[Arc<Mapping>]) -> Result<()> {
    if sections.is_empty() {
        return Err(refused("no fmf discover sections found in the plan"));
    }
    if sections.len() == 1 {
        return Ok(());
    }
    let names: Option<Vec<_>> = sections.iter().map(|section| section.get("name")).collect();
    let Some(names) = names else {
        return Err(refused(">1 discover sections found: 'name' must be defined for each"));
    };
    if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
        return Err(refused("'name' must be unique for each discover section"));
    }
    Ok(())
}

/// The tree that a section of a plan in `tree` takes its tests from: that one, or one of another repository.
///
/// # Errors
/// It cannot be fetched or loaded.
pub fn tree_of_section<'t>(
    tree: &'t Tree,
    repositories: &'t Repositories<'t>,
    section: &Mapping,
) -> Result<&'t Tree> {
    if !section.contains("url") {
        return Ok(tree);
    }
    let found = Identifier::new(section).and_then(|identifier| repositories.tree(&identifier.without_name()));
    found.map_err(|error| match error.position() {
        Some(_) => error,
        None => error.at(tree.locate(section.position("url"))),
    })
}

struct Finder<'t, 'r> {
    /// The tree that the plan is in.
    tree: &'t Tree,
    repositories: Option<&'t Repositories<'t>>,
    request: &'r Request<'r>,
    found: Discovery<'t>,
    /// Whether there are several sections.
    several: bool,
    /// Where each name is among the tests.
    names: HashMap<Text, usize>,
}

impl<'t> Finder<'t, '_> {
    fn section(&mut self, section: &Mapping) -> Result<()> {
        let prefix = self.prefix(section)?;
        let tree = self.section_tree(section, &prefix)?;
        let number = u32::try_from(self.found.sections.len()).unwrap_or(u32::MAX);
        let patterns = |key, more: &[String]| {
            let given = self
                .texts(section, key)
                .map(|text| text.map_or_else(LazyPattern::failed, LazyPattern::search));
            given.chain(more.iter().map(LazyPattern::search)).collect()
        };
        let filters = self
            .texts(section, "filter")
            .map(|text| text.map_or_else(Filter::failed, |text| Filter::parse(&text)));
        let selector = Selector {
            names: patterns("test", &self.request.names),
            filters: filters.chain(self.request.filters.iter().map(|filter| Filter::parse(filter))).collect(),
            conditions: &self.request.conditions,
            ..Selector::default()
        };
        let excludes = NamePatterns(patterns("exclude", &[]));
        let first_excludes = NamePatterns::new(&self.request.excludes);
        let first = self.found.tests.len();
        let nodes = selector.selected(tree)?;
        self.found.tests.reserve_exact(nodes.len());
        for node in nodes.into_iter().map(|id| tree.node(id)) {
            let name = node.name();
            if !first_excludes.any_found_in(name)? && !excludes.any_found_in(name)? && node.is_test() {
                let test = test(node, &prefix, number)?;
                self.found.tests.push(test);
            }
        }
        let mut libraries = Libraries::new(tree, self.repositories, &prefix);
        if self.request.libraries {
            let mut last: Option<Arc<[Value; 2]>> = None;
            for test in &mut self.found.tests[first..] {
                let lists = libraries.lists(test.own_data())?;
                // Neighbours mostly inherit the same lists.
                let needs = last.filter(|last| are_same(&**last, &lists)).unwrap_or_else(|| Arc::new(lists));
                test.needs = Some(needs.clone());
                last = Some(needs);
            }
        }
        let libraries = libraries.into_files();
        // Two nodes of one tree have the same name only where one of them has none of its own.
        if self.several || tree.all().skip(1).any(|node| node.own_name().is_empty()) {
            self.found.tests.split_off(first).into_iter().for_each(|test| self.add(test));
        }
        let directory = prefix.clone();
        self.found.sections.push(Section { prefix, directory, root: tree.root().to_owned(), libraries });
        Ok(())
    }

    /// The tree that a section takes its tests from.
    fn section_tree(&self, section: &Mapping, prefix: &str) -> Result<&'t Tree> {
        let Some(url) = section.get("url") else { return Ok(self.tree) };
        let place = || self.tree.locate(section.position("url"));
        if let Some(repositories) = self.repositories {
            return tree_of_section(self.tree, repositories, section);
        }
        let name = if prefix.is_empty() { "without a name".to_owned() } else { format!("'{prefix}'") };
        let message = format!("discover section {name}: {} cannot be fetched here", pytext::text(url));
        Err(Error::new(ErrorClass::Fetch, message).at(place()))
    }

    fn prefix(&self, section: &Mapping) -> Result<String> {
        let place = || self.tree.locate(section.position("name"));
        let prefix = match section.get("name") {
            None => "",
            Some(Value::Text(name)) => name,
            Some(other) => {
                let message =
                    format!("a discover section's 'name' must be text, found {}", other.type_name());
                return Err(wrong_type(message).at(place()));
            }
        };
        if prefix.contains('/') || matches!(prefix, "." | "..") {
            return Err(refused(format!("invalid discover section 'name': {prefix}")).at(place()));
        }
        Ok(prefix.to_owned())
    }

    /// The texts of a section's key as a list. Null filters are true, as empty ones are. What is no text is an error only
    /// when its turn comes: no test may get that far.
    fn texts(&self, section: &Mapping, key: &str) -> impl Iterator<Item = Result<String>> {
        let values = section.get(key).map(Value::to_list).unwrap_or_default();
        let place = self.tree.locate(section.position(key));
        let values: Vec<_> = values.into_iter().filter(|value| key != "filter" || !value.is_null()).collect();
        let key = key.to_owned();
        values.into_iter().map(move |value| match value {
            Value::Text(text) => Ok(text.to_string()),
            other => {
                let found = other.type_name();
                let message = format!("'{key}' in a discover section must be text, found {found}");
                Err(wrong_type(message).at(place.clone()))
            }
        })
    }

    /// Adds a test; of two with the same name the later one counts, at the place of the earlier.
    fn add(&mut self, test: Test<'t>) {
        match self.names.get(&test.name) {
            Some(at) => self.found.tests[*at] = test,
            None => {
                self.names.insert(test.name.clone(), self.found.tests.len());
                self.found.tests.push(test);
            }
        }
    }
}

/// Whether all lists are the very same ones.
fn are_same(left: &[Value], right: &[Value]) -> bool {
    left.iter()
        .zip(right)
        .all(|pair| matches!(pair, (Value::List(left), Value::List(right)) if Arc::ptr_eq(left, right)))
}

/// Patterns that are looked for in names.
#[derive(Debug, Default)]
pub struct NamePatterns(Vec<LazyPattern>);

impl NamePatterns {
    /// Takes patterns as they are written; a bad one is found when it is first tried.
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Self {
        Self(patterns.into_iter().map(|pattern| LazyPattern::search(pattern.as_ref())).collect())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is found in a name.
    ///
    /// # Errors
    /// A pattern is bad.
    pub fn any_found_in(&self, name: &str) -> Result<bool> {
        for pattern in &self.0 {
            if pattern.is_found_in(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A node is a test if it has `test` (even null), is not disabled, and is neither manual nor a story.
pub(crate) fn is_test(data: &Mapping) -> bool {
    data.contains("test")
        && data.get("enabled").is_none_or(Value::is_truthy)
        && !data.get("manual").is_some_and(Value::is_truthy)
        && !data.get("story").is_some_and(Value::is_truthy)
}

fn test<'t>(node: NodeRef<'t>, prefix: &str, section: u32) -> Result<Test<'t>> {
    let directory = match (prefix, source_directory(node)?) {
        ("", _) => None,
        (prefix, ".") => Some(Box::new(prefix.into())),
        (prefix, directory) => Some(Box::new(format!("{prefix}/{directory}").into())),
    };
    let name = match prefix {
        "" => node.shared_name(),
        prefix => format!("/{prefix}{}", node.name()).into(),
    };
    let own_name = u32::try_from(name.len() - node.name().len()).unwrap_or_default();
    Ok(Test { name, directory, section, own_name, data: Data::Node(node), needs: None })
}

/// The directory of the last file that contributed to a node, relative to the root of its tree.
fn source_directory(node: NodeRef<'_>) -> Result<&str> {
    let source = node.sources_from_last().next();
    let source = source.ok_or_else(|| wrong_type(format!("{}: the test comes from no file", node.name())))?;
    relative_directory(node.tree().root(), source, node)
}

/// A file's directory relative to the tree's root.
pub(crate) fn relative_directory<'t>(root: &Path, source: &'t Path, node: NodeRef<'_>) -> Result<&'t str> {
    // Both paths are plain: to take them apart, as `strip_prefix` does, for each of many tests is a waste.
    let bytes = source.as_os_str().as_bytes();
    let below = bytes.strip_prefix(root.as_os_str().as_bytes());
    let below =
        below.and_then(|below| if root == Path::new("/") { Some(below) } else { below.strip_prefix(b"/") });
    let below = below.ok_or_else(|| {
        refused(format!("{}: {} is not in the tree at {}", node.name(), source.display(), root.display()))
    })?;
    let end = below.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
    match std::str::from_utf8(&below[..end]) {
        Ok("") => Ok("."),
        Ok(text) => Ok(text),
        Err(_) => {
            Err(Error::new(ErrorClass::Unicode, format!("{}: the name is not UTF-8", source.display())))
        }
    }
}
