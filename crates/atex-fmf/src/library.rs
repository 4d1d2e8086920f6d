//! Libraries that tests require, in their own tree and in others: their requires are added behind them, and their files
//! to those of the section.
//!
//! `library(NICK/PATH)` may be a package, or a library of a repository that the nick stands for. The reference asks the
//! web server of that repository for the page of the directory; here git is asked for the repository, and its tree for
//! the node.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::context::Context;
use crate::discover::Part;
use crate::error::{Error, ErrorClass};
use crate::mapping::Mapping;
use crate::plan::files;
use crate::pytext;
use crate::remote::{Identifier, Repositories};
use crate::tree::{NodeRef, Tree};
use crate::value::Value;

/// Libraries may require each other in a chain this long.
const MAX_CHAIN: usize = 200;

/// A test may come to require this many things. Libraries that require each other twice double the number each time.
const MAX_ENTRIES: usize = 100_000;

/// Where tests look for libraries, in a section's files.
const DIRECTORY: &str = "libs";

/// The repositories that `library(NICK/PATH)` means, without the nick.
const BY_NICK: &str = "https://github.com/beakerlib";

/// Requires and recommends.
#[derive(Clone, Default)]
struct Needs {
    require: Vec<Value>,
    recommend: Vec<Value>,
}

/// Resolves the libraries of one section.
pub struct Libraries<'t> {
    tree: &'t Tree,
    repositories: Option<&'t Repositories<'t>>,
    /// What the metadata of other trees is adjusted to.
    context: Context,
    /// Whether libraries may be recommended, and be put elsewhere than into `libs`.
    by_tmt: bool,
    /// The section's directory in the common root, and `/` if there is one.
    prefix: String,
    /// By nick, path in the repository, and name. Empty while a library is being expanded, which ends cycles.
    done: HashMap<String, Arc<Needs>>,
    /// Texts that look like libraries, but are packages.
    packages: HashSet<String>,
    /// Nodes that were looked up, by name in the section's tree, by the entry in others: thousands of tests may require
    /// the same, and to look a node up is to walk its tree.
    own_nodes: HashMap<String, NodeRef<'t>>,
    other_nodes: HashMap<String, (&'t Tree, NodeRef<'t>)>,
    files: Vec<Part>,
    /// Whether a text was found to be a library.
    replaces: bool,
    chain: usize,
    /// One empty list for all tests.
    empty: Value,
}

type Result<T> = std::result::Result<T, Error>;

fn refused(message: String) -> Error {
    Error::new(ErrorClass::Value, message)
}

/// A required library.
struct Library<'t> {
    /// What it is known by.
    key: String,
    tree: &'t Tree,
    node: NodeRef<'t>,
    /// Where the root of another tree would stand in the section's files.
    root_place: Option<String>,
}

impl<'t> Libraries<'t> {
    pub fn new(tree: &'t Tree, repositories: Option<&'t Repositories<'t>>, prefix: &str) -> Self {
        Self {
            tree,
            repositories,
            context: repositories.map(|known| known.context().clone()).unwrap_or_default(),
            by_tmt: false,
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            done: HashMap::new(),
            packages: HashSet::new(),
            own_nodes: HashMap::new(),
            other_nodes: HashMap::new(),
            files: Vec::new(),
            replaces: false,
            chain: 0,
            empty: Value::list(Vec::new()),
        }
    }

    /// The same, for metadata as tmt reads it in a context.
    pub fn by_tmt(mut self, context: Context) -> Self {
        self.context = context;
        self.by_tmt = true;
        self
    }

    /// The complete `require` and `recommend` lists for a test's data. Lists that stay as they are stay shared.
    pub fn lists(&mut self, data: &Mapping) -> Result<[Value; 2]> {
        let needs = self.expand(self.tree, data)?;
        Ok([self.list(data.get("require"), needs.require), self.list(data.get("recommend"), needs.recommend)])
    }

    /// The files of the libraries that were met.
    pub fn into_files(self) -> Vec<Part> {
        self.files
    }

    fn list(&self, present: Option<&Value>, items: Vec<Value>) -> Value {
        match present {
            // Expanding only ever adds items, unless a library takes the place of a text.
            Some(Value::List(present)) if present.len() == items.len() && !self.replaces => {
                Value::List(present.clone())
            }
            _ if items.is_empty() => self.empty.clone(),
            _ => Value::list(items),
        }
    }

    /// What a test or library with this data requires and recommends, with what its libraries do.
    fn expand(&mut self, tree: &Tree, data: &Mapping) -> Result<Needs> {
        let placed = |error: Error, key: &str| match error.position() {
            Some(_) => error,
            None => error.at(tree.locate(data.position(key))),
        };
        let entries = |key: &str| data.get(key).map(Value::to_list).unwrap_or_default();
        let mut needs = Needs::default();
        for entry in entries("recommend") {
            if self.by_tmt {
                let mut recommended = Needs::default();
                self.require(&mut recommended, tree, entry).map_err(|error| placed(error, "recommend"))?;
                needs.recommend.append(&mut recommended.require);
                needs.recommend.append(&mut recommended.recommend);
                continue;
            }
            if entry.as_str().is_none() {
                let message = format!(
                    "non-string '{}' not allowed in 'recommend': {}",
                    entry.type_name(),
                    pytext::text(&entry)
                );
                return Err(placed(refused(message), "recommend"));
            }
            needs.recommend.push(entry);
        }
        for entry in entries("require") {
            self.require(&mut needs, tree, entry).map_err(|error| placed(error, "require"))?;
        }
        Ok(needs)
    }

    /// Adds an entry of `require`, which stands in this tree, and what comes with it.
    fn require(&mut self, needs: &mut Needs, tree: &Tree, entry: Value) -> Result<()> {
        if let Some(text) = entry.as_str() {
            return match self.by_nick(text) {
                Some((entry, library)) => {
                    self.replaces = true;
                    self.add(needs, entry, &library)
                }
                None => {
                    needs.require.push(entry);
                    Ok(())
                }
            };
        }
        let Some(mapping) = entry.as_map() else {
            return Err(refused(format!("invalid require (bad type?): {}", pytext::text(&entry))));
        };
        if mapping.get("type").is_some_and(|kind| kind.as_str() != Some("library")) {
            needs.require.push(entry);
            return Ok(());
        }
        let library = if mapping.contains("url") || mapping.contains("path") {
            self.of_other_tree(&mapping, &entry).map_err(|error| match error.position() {
                Some(_) => error,
                None => error.at(tree.locate(mapping.position("url"))),
            })?
        } else {
            self.of_own_tree(&mapping, &entry)?
        };
        self.add(needs, entry, &library)
    }

    fn add(&mut self, needs: &mut Needs, entry: Value, library: &Library<'t>) -> Result<()> {
        let of_library = self.cached(library)?;
        needs.require.push(entry);
        needs.require.extend_from_slice(&of_library.require);
        needs.recommend.extend_from_slice(&of_library.recommend);
        if needs.require.len() + needs.recommend.len() > MAX_ENTRIES {
            let message = format!("more than {MAX_ENTRIES} requires come together: {}", library.node.name());
            return Err(Error::new(ErrorClass::Recursion, message));
        }
        Ok(())
    }

    fn cached(&mut self, library: &Library<'t>) -> Result<Arc<Needs>> {
        if let Some(done) = self.done.get(&library.key) {
            return Ok(done.clone());
        }
        if self.chain >= MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} libraries require each other in a chain");
            return Err(Error::new(ErrorClass::Recursion, message));
        }
        self.done.insert(library.key.clone(), Arc::default());
        self.chain += 1;
        let needs = Arc::new(self.expand(library.tree, library.node.data())?);
        self.chain -= 1;
        self.add_required_files(library)?;
        self.done.insert(library.key.clone(), needs.clone());
        Ok(needs)
    }

    /// A library in the section's tree.
    fn of_own_tree(&mut self, mapping: &Mapping, entry: &Value) -> Result<Library<'t>> {
        let shown = || pytext::repr(entry);
        let nick = mapping.get("nick").filter(|nick| nick.is_truthy());
        let nick =
            nick.ok_or_else(|| refused(format!("'nick' must be defined for url-less: {}", shown())))?;
        let node = mapping.get("name").and_then(Value::as_str).and_then(|name| self.own_node(name));
        let node = node.ok_or_else(|| refused(format!("couldn't find library node: {}", shown())))?;
        let nick = text_of(nick, entry)?;
        let library =
            Library { key: format!("{nick}{}", node.name()), tree: self.tree, node, root_place: None };
        if !self.done.contains_key(&library.key) {
            let place = place(&[nick, node.name()])?;
            let directory = directory_of(&library);
            // What is there already is what tests find, be it a library or not.
            let is_there = self.tree.root().join(&place).exists();
            if !is_there && directory.is_dir() && !self.files.iter().any(|part| part.to == place) {
                self.add_files(directory, &place);
            }
        }
        Ok(library)
    }

    /// A library with `url` or `path`.
    fn of_other_tree(&mut self, mapping: &Mapping, entry: &Value) -> Result<Library<'t>> {
        let shown = || pytext::repr(entry);
        let Some(repositories) = self.repositories else {
            let message = format!("the library of another repository cannot be fetched: {}", shown());
            return Err(Error::new(ErrorClass::Fetch, message));
        };
        let text = |key: &str| mapping.get(key).map(|value| text_of(value, entry)).transpose();
        let (url, path, name) =
            (text("url")?, text("path")?.unwrap_or_default(), text("name")?.unwrap_or("/"));
        let nick = match mapping.get("nick").filter(|nick| nick.is_truthy()) {
            Some(nick) => text_of(nick, entry)?,
            None => last_component(url, path),
        };
        let identifier = Identifier::new(mapping)?;
        let (tree, node) =
            self.other_node(repositories, &identifier).map_err(|error| match error.class() {
                ErrorClass::Root => refused(format!("repository has no fmf metadata: {}", shown())),
                ErrorClass::Reference if error.message().starts_with("No tree node found") => {
                    refused(format!("library node not found in repository: {}", shown()))
                }
                _ => error,
            })?;
        let libs = text("destination")?.filter(|_| self.by_tmt).unwrap_or(DIRECTORY);
        let place = place_in(libs, &[nick, path, name])?;
        let root_place = Some(place_in(libs, &[nick, path])?);
        let library = Library { key: format!("{libs}:{nick}{path}{name}"), tree, node, root_place };
        if !self.done.contains_key(&library.key) {
            self.add_files_of_other(&library, &place)?;
        }
        Ok(library)
    }

    /// The library that `library(NICK/PATH)` means, and the entry that says so; nothing if the text is a package.
    fn by_nick(&mut self, text: &str) -> Option<(Value, Library<'t>)> {
        let (nick, name) = nick_and_name(text)?;
        let repositories = self.repositories?;
        if self.packages.contains(text) {
            return None;
        }
        let url = format!("{BY_NICK}/{nick}");
        let library = self.of_repository(repositories, &url, nick, name);
        if library.is_none() {
            self.packages.insert(text.to_owned());
        }
        let mut entry = Mapping::new();
        for (key, value) in [("type", "library"), ("url", &url), ("name", name)] {
            entry.set(key, Value::text(value));
        }
        Some((Value::map(entry), library?))
    }

    fn of_repository(
        &mut self,
        repositories: &'t Repositories<'t>,
        url: &str,
        nick: &str,
        name: &str,
    ) -> Option<Library<'t>> {
        if !repositories.exists(url) {
            return None;
        }
        let (tree, node) = self.other_node(repositories, &Identifier::of_repository(url, name)).ok()?;
        let root_place = Some(place(&[nick]).ok()?);
        let library = Library { key: format!("{DIRECTORY}:{nick}{name}"), tree, node, root_place };
        if !self.done.contains_key(&library.key) {
            self.add_files_of_other(&library, &place(&[nick, name]).ok()?).ok()?;
        }
        Some(library)
    }

    fn own_node(&mut self, name: &str) -> Option<NodeRef<'t>> {
        if let Some(node) = self.own_nodes.get(name) {
            return Some(*node);
        }
        let node = self.tree.find(name)?;
        self.own_nodes.insert(name.to_owned(), node);
        Some(node)
    }

    fn other_node(
        &mut self,
        repositories: &'t Repositories<'t>,
        identifier: &Identifier,
    ) -> Result<(&'t Tree, NodeRef<'t>)> {
        if let Some(found) = self.other_nodes.get(identifier.shown()) {
            return Ok(*found);
        }
        let found = repositories.node(identifier, &self.context)?;
        self.other_nodes.insert(identifier.shown().to_owned(), found);
        Ok(found)
    }

    fn add_files_of_other(&mut self, library: &Library<'_>, place: &str) -> Result<()> {
        let directory = directory_of(library);
        if !directory.is_dir() {
            let message = format!("{}: the library has no directory of its name", directory.display());
            return Err(Error::new(ErrorClass::Os, message));
        }
        self.add_files(directory, place);
        Ok(())
    }

    /// The files of its tree that a library requires (`type: file`): the directories that hold them.
    fn add_required_files(&mut self, library: &Library<'_>) -> Result<()> {
        let Some(root_place) = &library.root_place else { return Ok(()) };
        let root = library.tree.root();
        let required = library.node.data().get("require").map(Value::to_list).unwrap_or_default();
        for patterns in required.iter().filter_map(files::patterns) {
            let directories = patterns.and_then(|patterns| files::directories_of(root, &patterns));
            // The reference knows no such entries, and leaves them to others.
            let directories = if self.by_tmt { directories? } else { directories.unwrap_or_default() };
            for directory in directories {
                let from = root.join(&directory);
                let place = place_in(root_place, &[&directory])?;
                if !self.files.iter().any(|part| part.from == from) {
                    self.add_files(from, &place);
                }
            }
        }
        Ok(())
    }

    fn add_files(&mut self, from: PathBuf, place: &str) {
        self.files.push(Part { from, to: format!("{}{place}", self.prefix) });
    }
}

fn text_of<'v>(value: &'v Value, entry: &Value) -> Result<&'v str> {
    let wrong = || {
        Error::new(ErrorClass::Type, format!("{} must be text: {}", pytext::repr(value), pytext::repr(entry)))
    };
    value.as_str().ok_or_else(wrong)
}

/// Where the reference looks for a library's files: in the directory that its name is.
fn directory_of(library: &Library<'_>) -> PathBuf {
    match library.node.name().trim_start_matches('/') {
        // Joined, nothing would become a slash at the end.
        "" => library.tree.root().to_owned(),
        name => library.tree.root().join(name),
    }
}

/// Where a library stands in a section's files: each part is one or several directories in the one before.
fn place(parts: &[&str]) -> Result<String> {
    place_in(DIRECTORY, parts)
}

/// The same, below another directory.
fn place_in(directory: &str, parts: &[&str]) -> Result<String> {
    let mut place = String::new();
    for component in [directory].iter().chain(parts).flat_map(|part| Path::new(part).components()) {
        match component {
            Component::Normal(name) => {
                if !place.is_empty() {
                    place.push('/');
                }
                place.push_str(name.to_str().expect("it is a part of a text between two slashes"));
            }
            Component::ParentDir => {
                let message = format!("'..' leads out of the libraries: {}", parts.join(", "));
                return Err(refused(message));
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(place)
}

/// The nick of a library that has none.
fn last_component<'m>(url: Option<&'m str>, path: &'m str) -> &'m str {
    match url {
        Some(url) => {
            let url = url.trim_end_matches('/');
            let name = url.rsplit('/').next().unwrap_or(url);
            name.strip_suffix(".git").unwrap_or(name)
        }
        None => Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default(),
    }
}

/// The nick in `library(NICK/PATH)`, and `/PATH`.
fn nick_and_name(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("library(")?.strip_suffix(')')?;
    let (nick, name) = inner.split_at(inner.find('/')?);
    // What cannot be a repository's name would make another URL of it.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_nick = nick.chars().all(is_plain) && nick.contains(|c: char| c != '.');
    (is_nick && name.len() > 1 && !name.contains(')')).then_some((nick, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_mean_libraries() {
        for (text, expected) in [
            ("library(a/b)", Some(("a", "/b"))),
            ("library(a-1.x_y/b/c d)", Some(("a-1.x_y", "/b/c d"))),
            ("library(a/)", None),
            ("library(/b)", None),
            ("library(../b)", None),
            ("library(a)", None),
            ("library(a?x/b)", None),
            ("library(a/b)c)", None),
            ("library(a/b) ", None),
            ("bash", None),
        ] {
            assert_eq!(nick_and_name(text), expected, "{text}");
        }
    }

    #[test]
    fn nicks_of_urls_and_paths() {
        for (url, path, expected) in [
            (Some("https://example.com/a/b.git"), "", "b"),
            (Some("https://example.com/a/b//"), "/x", "b"),
            (Some("b"), "", "b"),
            (None, "/srv/libs/c/", "c"),
            (None, ".", ""),
        ] {
            assert_eq!(last_component(url, path), expected, "{url:?} {path}");
        }
    }

    #[test]
    fn libraries_stay_below_their_directory() {
        for (parts, expected) in [
            (&["nick", "/a/b"][..], Some("libs/nick/a/b")),
            (&["nick", "/fmf//root/", "/a"], Some("libs/nick/fmf/root/a")),
            (&["nick", ".", "/"], Some("libs/nick")),
            (&["..", "/a"], None),
            (&["nick", "/a/../../b"], None),
        ] {
            assert_eq!(place(parts).ok().as_deref(), expected, "{parts:?}");
        }
    }
}
