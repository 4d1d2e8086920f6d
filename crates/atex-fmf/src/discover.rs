//! Finding tests: a plan's sections, each a selection from a tree.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorClass};
use crate::filter::LazyPattern;
use crate::json;
use crate::library::Libraries;
use crate::mapping::{Key, Mapping};
use crate::pytext;
use crate::remote::{Identifier, Repositories};
use crate::select::{Condition, Criteria};
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
    /// The tests; names are distinct.
    pub tests: Vec<Test<'t>>,
}

/// One discover section: a tree, and where its files belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The section's name: its files' directory, and the first part of its tests' names. Empty for a lone section
    /// without a name, whose files stay at the top.
    pub prefix: String,
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
    /// The directory of its metadata, relative to the common root: the section's prefix and the path below it. `.`
    /// for the root itself.
    pub source_dir: Text,
    /// Which section it comes from.
    pub section: usize,
    /// The node.
    pub node: NodeRef<'t>,
    /// What takes the place of `require` and `recommend`, in this order.
    needs: Option<[Value; 2]>,
}

/// The keys that [`Test::needs`] replaces.
const NEEDS: [&str; 2] = ["require", "recommend"];

impl<'t> Test<'t> {
    fn replaced(&self, key: &str) -> Option<&Value> {
        let at = NEEDS.iter().position(|replaced| *replaced == key)?;
        self.needs.as_ref().map(|needs| &needs[at])
    }

    /// The value of a key of the test's data.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.replaced(key).or_else(|| self.node.data().get(key))
    }

    /// The test's data in order.
    #[must_use]
    pub fn data(&self) -> Mapping {
        let mut data = self.node.data().clone();
        for (key, needs) in NEEDS.iter().zip(self.needs.iter().flatten()) {
            data.insert(Key::Text((*key).into()), needs.clone(), data.position(key));
        }
        data
    }

    /// Writes the data as a JSON object.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_data(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(needs) = &self.needs else { return json::write_mapping(out, self.node.data()) };
        let data = self.node.data();
        let keys: [Key; 2] = NEEDS.map(|key| Key::Text(key.into()));
        let present = data
            .iter()
            .map(|(key, value)| (key, key.as_str().and_then(|key| self.replaced(key)).unwrap_or(value)));
        let missing = keys.iter().zip(needs).filter(|(key, _)| data.get_key(key).is_none());
        json::write_entries(out, present.chain(missing))
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
        found: Discovery { plan, sections: Vec::new(), tests: Vec::new() },
        names: HashMap::new(),
        last_source: None,
    };
    for section in &sections {
        finder.section(section)?;
    }
    Ok(finder.found)
}

fn find_plan<'t>(tree: &'t Tree, name: &str) -> Result<NodeRef<'t>> {
    let plan = tree.find(name);
    let plan = plan.ok_or_else(|| refused(format!("plan {name} not found in {}", tree.root().display())))?;
    if plan.data().contains("test") {
        return Err(refused(format!("plan {name} appears to be a test")).at(plan.position("test")));
    }
    if plan.children().len() > 0 {
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

struct Finder<'t, 'r> {
    /// The tree that the plan is in.
    tree: &'t Tree,
    repositories: Option<&'t Repositories<'t>>,
    request: &'r Request<'r>,
    found: Discovery<'t>,
    /// Where each name is among the tests.
    names: HashMap<Text, usize>,
    /// The last file seen and its directory, which most neighbours share.
    last_source: Option<(&'t Path, Text)>,
}

impl<'t> Finder<'t, '_> {
    fn section(&mut self, section: &Mapping) -> Result<()> {
        let prefix = self.prefix(section)?;
        self.last_source = None;
        let tree = self.section_tree(section, &prefix)?;
        let number = self.found.sections.len();
        let criteria = Criteria {
            names: self.texts(section, "test", &self.request.names)?,
            filters: self.texts(section, "filter", &self.request.filters)?,
            conditions: self.request.conditions.clone(),
            ..Criteria::default()
        };
        let mut excludes: Vec<_> = self.request.excludes.iter().map(LazyPattern::search).collect();
        excludes.extend(self.texts(section, "exclude", &[])?.into_iter().map(LazyPattern::search));
        let mut batch = Vec::new();
        for node in tree.prune(&criteria)? {
            if !is_excluded(&excludes, node.name())? && is_test(node.data()) {
                batch.push(self.test(tree, node, &prefix, number)?);
            }
        }
        let mut libraries = Libraries::new(tree, self.repositories, &prefix);
        if self.request.libraries {
            for test in &mut batch {
                test.needs = Some(libraries.lists(test.node.data())?);
            }
        }
        let libraries = libraries.into_files();
        batch.into_iter().for_each(|test| self.add(test));
        self.found.sections.push(Section { prefix, root: tree.root().to_owned(), libraries });
        Ok(())
    }

    /// The tree that a section takes its tests from.
    fn section_tree(&self, section: &Mapping, prefix: &str) -> Result<&'t Tree> {
        let Some(url) = section.get("url") else { return Ok(self.tree) };
        let place = || self.tree.locate(section.position("url"));
        let Some(repositories) = self.repositories else {
            let name = if prefix.is_empty() { "without a name".to_owned() } else { format!("'{prefix}'") };
            let message = format!("discover section {name}: {} cannot be fetched here", pytext::text(url));
            return Err(Error::new(ErrorClass::Fetch, message).at(place()));
        };
        let tree =
            Identifier::new(section).and_then(|identifier| repositories.tree(&identifier.without_name()));
        tree.map_err(|error| if error.position().is_some() { error } else { error.at(place()) })
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

    /// The texts of a section's key as a list, and further ones. Null filters are true, as empty ones are.
    fn texts(&self, section: &Mapping, key: &str, more: &[String]) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for value in section.get(key).map(Value::to_list).unwrap_or_default() {
            match value {
                Value::Text(text) => texts.push(text.to_string()),
                Value::Null if key == "filter" => {}
                other => {
                    let message =
                        format!("'{key}' in a discover section must be text, found {}", other.type_name());
                    return Err(wrong_type(message).at(self.tree.locate(section.position(key))));
                }
            }
        }
        texts.extend_from_slice(more);
        Ok(texts)
    }

    fn test(&mut self, tree: &'t Tree, node: NodeRef<'t>, prefix: &str, section: usize) -> Result<Test<'t>> {
        let source_dir = self.source_directory(tree, node, prefix)?;
        let name = match prefix {
            "" => node.shared_name(),
            prefix => format!("/{prefix}{}", node.name()).into(),
        };
        Ok(Test { name, source_dir, section, node, needs: None })
    }

    /// The directory of the last file that contributed to a node, below the prefix.
    fn source_directory(&mut self, tree: &'t Tree, node: NodeRef<'t>, prefix: &str) -> Result<Text> {
        let source = node.sources_from_last().next();
        let source =
            source.ok_or_else(|| wrong_type(format!("{}: the test comes from no file", node.name())))?;
        if let Some((last, directory)) = &self.last_source
            && *last == source
        {
            return Ok(directory.clone());
        }
        let directory: Text = match (prefix, relative_directory(tree.root(), source, node)?) {
            ("", directory) => directory.into(),
            (prefix, ".") => prefix.into(),
            (prefix, directory) => format!("{prefix}/{directory}").into(),
        };
        self.last_source = Some((source, directory.clone()));
        Ok(directory)
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

fn is_excluded(excludes: &[LazyPattern], name: &str) -> Result<bool> {
    for pattern in excludes {
        if pattern.is_found_in(name)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A node is a test if it has `test` (even null), is not disabled, and is neither manual nor a story.
fn is_test(data: &Mapping) -> bool {
    data.contains("test")
        && data.get("enabled").is_none_or(Value::is_truthy)
        && !data.get("manual").is_some_and(Value::is_truthy)
        && !data.get("story").is_some_and(Value::is_truthy)
}

/// A file's directory relative to the tree's root.
fn relative_directory<'t>(root: &Path, source: &'t Path, node: NodeRef<'_>) -> Result<&'t str> {
    let directory = source.parent().and_then(|directory| directory.strip_prefix(root).ok());
    let directory = directory.ok_or_else(|| {
        refused(format!("{}: {} is not in the tree at {}", node.name(), source.display(), root.display()))
    })?;
    match directory.to_str() {
        Some("") => Ok("."),
        Some(text) => Ok(text),
        None => Err(Error::new(ErrorClass::Unicode, format!("{}: the name is not UTF-8", source.display()))),
    }
}
