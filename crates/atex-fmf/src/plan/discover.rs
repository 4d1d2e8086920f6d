//! Finding the tests of a plan.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::criteria::Criteria;
use super::{How, Phase, Plan, Result, duration, files, is_enabled, nodes, order, refused, shell, texts};
use crate::adjust::Adjuster;
use crate::discover::{Data, Discovery, NamePatterns, Request, Section, Test, relative_directory};
use crate::error::{Error, ErrorClass};
use crate::filter::LazyPattern;
use crate::library::Libraries;
use crate::mapping::{Key, Mapping};
use crate::meta;
use crate::pyre::Patterns;
use crate::remote::{Identifier, Repositories};
use crate::tree::{NodeRef, Tree};
use crate::value::{Text, Value};

/// Where the files of other trees stand, below the files of the plan's own. No tree has such a directory by chance.
const OTHER_TREES: &str = ".discover";

/// Where a section's tests and their files come from.
pub(super) struct Source<'t> {
    /// The metadata.
    pub tree: &'t Tree,
    /// The files: those of the tree, or of all of the repository that it is in.
    files: PathBuf,
    /// Where the files belong, relative to the common root.
    directory: String,
    /// The tree's root, relative to the files.
    within: String,
}

/// See [`Plan::tree_of`].
pub(super) fn source<'t>(
    plan: &Plan<'t>,
    phase: &Phase,
    repositories: &'t Repositories<'t>,
) -> Result<Source<'t>> {
    let placed = |key: &'static str| move |error| plan.place(&phase.section, key, error);
    let directory = format!("{OTHER_TREES}/{}", phase.name);
    let Some(url) = phase.url() else {
        let own = own_tree(plan, repositories)?;
        let path = phase.text("path").filter(|_| phase.how == How::Fmf);
        let Some(path) = path.filter(|path| *path != ".") else {
            return Ok(Source {
                tree: own,
                files: own.root().to_owned(),
                directory: String::new(),
                within: String::new(),
            });
        };
        if !path.starts_with('/') {
            let why = "without `url` it must be the absolute path of a tree";
            return Err(placed("path")(Error::new(ErrorClass::Reference, format!("path {path}: {why}"))));
        }
        let tree = repositories.tree_in(&Identifier::of_directory(Path::new(path)), &plan.context);
        let tree = tree.map_err(placed("path"))?;
        return Ok(Source { tree, files: tree.root().to_owned(), directory, within: String::new() });
    };
    let revision = nodes::revision(url, phase.reference(), &plan.context, &plan.environment, repositories);
    let revision = revision.map_err(placed("ref"))?;
    let files = repositories.files(url, revision.as_deref()).map_err(placed(phase.url_key()))?;
    if phase.how == How::Shell {
        return Ok(Source { tree: own_tree(plan, repositories)?, files, directory, within: String::new() });
    }
    let path = phase.text("path").unwrap_or(".");
    let identifier = Identifier::of_files(url, revision.as_deref(), path);
    let tree = repositories.tree_in(&identifier, &plan.context).map_err(placed(phase.url_key()))?;
    let within = tree.root().strip_prefix(&files).ok().and_then(Path::to_str).unwrap_or_default().to_owned();
    Ok(Source { tree, files, directory, within })
}

/// The tree of the plan, adjusted to the plan's context.
fn own_tree<'t>(plan: &Plan<'t>, repositories: &'t Repositories<'t>) -> Result<&'t Tree> {
    match &plan.home {
        Some(home) => repositories.tree_in(home, &plan.context),
        None if plan.context == *repositories.context() => Ok(plan.tree),
        None => repositories.tree_in(&Identifier::of_directory(plan.tree.root()), &plan.context),
    }
}

/// See [`Plan::discover`].
pub(super) fn discover<'t>(
    plan: &Plan<'t>,
    repositories: &'t Repositories<'t>,
    request: &Request<'_>,
) -> Result<Discovery<'t>> {
    let names = NamePatterns::new(&request.names);
    let found = Discovery {
        plan: (!plan.name.is_empty()).then(|| plan.data.clone()),
        sections: Vec::new(),
        base: Some(plan.tree.root().to_owned()),
        tests: Vec::new(),
    };
    let mut finder = Finder { plan, repositories, request, names, found, known: HashMap::new() };
    let phases = plan.phases()?;
    let scripts = shell::of_execute(plan)?;
    for phase in phases.iter().filter(|phase| phase.applies) {
        if let Some((key, why)) = phase.refused() {
            let error =
                refused(format!("discover section '{}': `{key}` cannot be followed: {why}", phase.name));
            return Err(plan.place(&phase.section, key, error));
        }
        finder.phase(phase, &scripts)?;
    }
    Ok(finder.found)
}

struct Finder<'p, 't, 'r> {
    plan: &'p Plan<'t>,
    repositories: &'t Repositories<'t>,
    request: &'r Request<'r>,
    /// Names that the request asks for.
    names: NamePatterns,
    found: Discovery<'t>,
    /// How often each name was given.
    known: HashMap<Text, usize>,
}

/// A test before it is known where it belongs.
struct Candidate<'t> {
    name: Text,
    data: Data<'t>,
    /// The directory of its metadata, relative to the tree.
    directory: String,
}

impl<'t> Finder<'_, 't, '_> {
    fn phase(&mut self, phase: &Phase, scripts: &[shell::Written]) -> Result<()> {
        let source = source(self.plan, phase, self.repositories)?;
        let candidates = match phase.how {
            How::Fmf => self.of_tree(phase, source.tree)?,
            How::Shell => {
                let mut written = shell::of_section(self.plan, phase)?;
                written.extend_from_slice(scripts);
                self.written(phase, written)?
            }
        };
        let libraries = Libraries::new(source.tree, Some(self.repositories), &source.directory);
        let mut libraries = libraries.by_tmt(self.plan.context.clone());
        let mut files_found = HashSet::new();
        let first = self.found.tests.len();
        for candidate in candidates {
            let mut test = self.test(phase, &source, candidate)?;
            self.check_files(&source, &test, &mut files_found)?;
            if self.request.libraries {
                test.needs = Some(libraries.lists(test.own_data())?.into());
            }
            self.found.tests.push(test);
        }
        self.check_required(phase, first)?;
        self.found.sections.push(Section {
            prefix: phase.prefix.clone(),
            directory: source.directory,
            root: source.files,
            libraries: libraries.into_files(),
        });
        Ok(())
    }

    // Tests of a tree.

    /// The tests that a section selects: for each of its names, those that have it, in their order.
    fn of_tree(&self, phase: &Phase, tree: &'t Tree) -> Result<Vec<Candidate<'t>>> {
        let placed = |key: &'static str| move |error| self.plan.place(&phase.section, key, error);
        let criteria = Criteria::of_request(self.request, &self.names);
        let criteria = criteria.of_phase(self.plan, phase, self.request)?;
        let mut candidates = Vec::new();
        for entry in entries(phase).map_err(placed("test"))? {
            let mut found = Vec::new();
            let mut patterns = Patterns::default();
            let mut adjuster = Adjuster::new(&self.plan.context, &mut patterns, false);
            for node in tree.nodes().filter(|node| node.is_selected()) {
                if !entry.takes(node.name()).map_err(placed("test"))? {
                    continue;
                }
                let mut data = node.shared_data();
                if !entry.rules.is_empty() {
                    let adjusted = adjuster.adjust_by(node.name(), &mut data, &entry.rules);
                    adjusted.map_err(|fault| placed("adjust-tests")(fault.locate(&[])))?;
                }
                if data.contains("test") {
                    let order = order(&data).map_err(|error| error.at(node.position("order")))?;
                    found.push((order, node, data));
                }
            }
            found.sort_by_key(|(order, ..)| *order);
            for (_, node, data) in found {
                if is_run(&data) && criteria.accept(node.name(), &data)? {
                    let own = !entry.rules.is_empty();
                    candidates.push(candidate(tree, node, if own { Some(data) } else { None })?);
                }
            }
        }
        Ok(candidates)
    }

    /// Tests that are written in the plan, of which only the command line selects.
    fn written(&self, phase: &Phase, written: Vec<shell::Written>) -> Result<Vec<Candidate<'t>>> {
        let criteria = Criteria::of_request(self.request, &self.names);
        let mut found = Vec::new();
        for (name, data) in written {
            let order = order(&data).map_err(|error| self.plan.place(&phase.section, "tests", error))?;
            if is_run(&data) && criteria.accept(&name, &data)? {
                found.push((
                    order,
                    Candidate { name: name.into(), data: Data::Own(data), directory: String::new() },
                ));
            }
        }
        found.sort_by_key(|(order, _)| *order);
        Ok(found.into_iter().map(|(_, candidate)| candidate).collect())
    }

    // What becomes of a selected test.

    fn test(&mut self, phase: &Phase, source: &Source<'_>, candidate: Candidate<'t>) -> Result<Test<'t>> {
        let Candidate { name, data, directory } = candidate;
        let present = present(&data);
        if present.get("test").is_none_or(Value::is_null) {
            return Err(refused(format!("The 'test' attribute in '{name}' must be defined.")));
        }
        let directory = match present.get("path").filter(|path| !path.is_null()) {
            Some(path) => path.to_text().to_string(),
            None => directory,
        };
        let source_dir = joined(&[&source.directory, &source.within, &directory])
            .ok_or_else(|| refused(format!("{name}: `path: {directory}` leads out of the tree")))?;
        let (name, own_name) = match &*phase.prefix {
            "" => (name, 0),
            prefix => (format!("/{prefix}{name}").into(), prefix.len() + 1),
        };
        Ok(Test {
            name: self.counted(name),
            directory: Some(Box::new(source_dir.into())),
            section: u32::try_from(self.found.sections.len()).unwrap_or(u32::MAX),
            own_name: u32::try_from(own_name).unwrap_or_default(),
            data: self.finished(data),
            needs: None,
        })
    }

    /// A name that is given for the second time gets a number, for a test is known by its name.
    fn counted(&mut self, name: Text) -> Text {
        let mut numbered = name.clone();
        loop {
            let times = self.known.entry(numbered.clone()).or_default();
            *times += 1;
            if *times == 1 {
                return numbered;
            }
            numbered = format!("{name} ({times})").into();
        }
    }

    /// The data as execution is to have it: over a variable that both set the plan wins, a duration is one number and
    /// one unit, and `path`, which is in the test's directory already, is gone.
    fn finished(&self, data: Data<'t>) -> Data<'t> {
        let present = present(&data);
        let environment = present.get("environment").and_then(|value| self.environment(value));
        let seconds = present
            .get("duration")
            .filter(|duration| meta::duration_seconds(duration).is_err())
            .and_then(duration::seconds);
        if environment.is_none() && seconds.is_none() && !present.contains("path") {
            return data;
        }
        let mut changed = present.clone();
        changed.remove(&Key::text("path"));
        let values = [("environment", environment), ("duration", seconds.map(|n| format!("{n}s").into()))];
        for (key, value) in values {
            if let Some(value) = value {
                changed.insert(Key::text(key), value, present.position(key));
            }
        }
        Data::Own(Arc::new(changed))
    }

    /// A test's variables with the values of the plan's, if they have any in common.
    fn environment(&self, own: &Value) -> Option<Value> {
        let own = meta::environment(own).ok()?;
        let shared: Vec<_> =
            own.keys().filter_map(|name| self.plan.environment.get_key_value(name)).collect();
        if shared.is_empty() {
            return None;
        }
        let mut variables: Mapping =
            own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for (name, value) in shared {
            variables.set(name, Value::text(value.as_str()));
        }
        Some(Value::map(variables))
    }

    /// Files that a test requires are among those of the tree; here only the patterns are tried.
    fn check_files(
        &self,
        source: &Source<'_>,
        test: &Test<'_>,
        found: &mut HashSet<Vec<String>>,
    ) -> Result<()> {
        for entry in test.own_data().get("require").map(Value::to_list).unwrap_or_default() {
            let Some(patterns) = files::patterns(&entry).transpose()? else { continue };
            if !found.contains(&patterns) {
                files::directories_of(&source.files, &patterns).map_err(|error| {
                    Error::new(error.class(), format!("{}: {}", test.name, error.message()))
                })?;
                found.insert(patterns);
            }
        }
        Ok(())
    }

    /// Tests that a section cannot do without must be among those found since `first`.
    fn check_required(&self, phase: &Phase, first: usize) -> Result<()> {
        let placed = |error| self.plan.place(&phase.section, "require-test", error);
        for name in texts(&phase.section, "require-test").map_err(placed)? {
            if !self.found.tests[first..].iter().any(|test| test.own_name() == name) {
                let message = format!("Required test '{name}' not discovered in phase '{}'.", phase.name);
                return Err(placed(refused(message)));
            }
        }
        Ok(())
    }
}

fn present<'d>(data: &'d Data<'_>) -> &'d Mapping {
    match data {
        Data::Node(node) => node.data(),
        Data::Own(data) => data,
    }
}

fn candidate<'t>(tree: &'t Tree, node: NodeRef<'t>, data: Option<Arc<Mapping>>) -> Result<Candidate<'t>> {
    let directory = match node.sources_from_last().next() {
        Some(source) => relative_directory(tree.root(), source, node)?.to_owned(),
        None => String::new(),
    };
    Ok(Candidate { name: node.shared_name(), data: data.map_or(Data::Node(node), Data::Own), directory })
}

/// A test runs if it is neither disabled nor manual nor a story. Only `true` and `false` mean what they say; a text
/// such as `no` is neither.
fn is_run(data: &Mapping) -> bool {
    is_enabled(data)
        && data.get("manual").is_none_or(|manual| manual.as_bool() == Some(false))
        && !data.get("story").is_some_and(Value::is_truthy)
}

/// Directories, each in the one before, `.` for none; nothing if they lead out of the first.
fn joined(parts: &[&str]) -> Option<String> {
    let mut path = String::new();
    for component in parts.iter().flat_map(|part| Path::new(part).components()) {
        match component {
            Component::Normal(name) => {
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(name.to_str()?);
            }
            Component::ParentDir => return None,
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(if path.is_empty() { ".".to_owned() } else { path })
}

/// One of a section's names, and how the tests that have it are adjusted.
struct Entry {
    name: Option<LazyPattern>,
    rules: Vec<Value>,
}

impl Entry {
    fn takes(&self, name: &str) -> Result<bool> {
        self.name.as_ref().map_or(Ok(true), |pattern| pattern.is_found_in(name))
    }
}

/// See [`Plan::data_of`].
pub(super) fn data_of(plan: &Plan<'_>, phase: &Phase, node: NodeRef<'_>) -> Result<Arc<Mapping>> {
    let entries = entries(phase).map_err(|error| plan.place(&phase.section, "test", error))?;
    let mut rules = nodes::rules(&phase.section, "adjust-tests");
    for entry in entries {
        if entry.takes(node.name())? {
            rules = entry.rules;
            break;
        }
    }
    let adjusted = nodes::adjusted(node, &rules, &plan.context);
    adjusted.map_err(|error| plan.place(&phase.section, "adjust-tests", error))
}

/// The names of a section, or all.
fn entries(phase: &Phase) -> Result<Vec<Entry>> {
    let common = nodes::rules(&phase.section, "adjust-tests");
    let items = phase.section.get("test").map(Value::to_list).unwrap_or_default();
    if items.is_empty() {
        return Ok(vec![Entry { name: None, rules: common }]);
    }
    let entry = |item: &Value| {
        if let Some(text) = item.as_str() {
            return Ok(Entry { name: Some(LazyPattern::search(text)), rules: common.clone() });
        }
        let entry = item.as_map();
        let name = entry.as_ref().and_then(|entry| entry.get("name")).map(Value::to_text);
        let (Some(entry), Some(name)) = (entry, name) else {
            let message =
                format!("`test` must hold texts, or mappings with `name`, found {}", item.type_name());
            return Err(Error::new(ErrorClass::Type, message));
        };
        let mut rule = (*entry).clone();
        rule.remove(&Key::text("name"));
        let mut rules = common.clone();
        if !rule.is_empty() {
            rules.push(nodes::without_places(&Value::map(rule)));
        }
        Ok(Entry { name: Some(LazyPattern::search(&*name)), rules })
    };
    items.iter().map(entry).collect()
}
