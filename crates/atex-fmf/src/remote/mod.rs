//! Trees of other repositories: what stands for one in metadata, and how it becomes a tree.
//!
//! How files get here is left to a [`Fetch`]; [`Git`] is the one that runs `git`.

mod git;
mod lock;
mod program;
mod snapshots;
mod url;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::error::{Error, ErrorClass};
use crate::mapping::Mapping;
use crate::pytext;
use crate::tree::{NodeRef, Tree};
use crate::value::Value;
use crate::walk;

pub use git::Git;
pub(crate) use url::shown;

type Result<T> = std::result::Result<T, Error>;

/// Brings the files of other repositories here.
pub trait Fetch {
    /// The directory that holds a repository's files at a branch, tag or commit, or at the head of its default branch.
    /// What is in it never changes, because records point there.
    ///
    /// # Errors
    /// [`ErrorClass::Fetch`] where it cannot be had.
    fn fetch(&self, url: &str, reference: Option<&str>) -> Result<PathBuf>;

    /// Whether there is such a repository, asked with less patience than for fetching it.
    fn exists(&self, url: &str) -> bool;
}

/// Other repositories, as the sections and libraries of one discovery see them: how they are fetched, what their
/// metadata is adjusted to, and the trees that have been loaded.
pub struct Repositories<'f> {
    fetch: &'f dyn Fetch,
    context: Context,
    trees: Trees,
}

/// What a tree was loaded from, and what it was adjusted to.
type Loaded = (Source, Context);

impl<'f> Repositories<'f> {
    /// No trees so far. The context should be that of the tree whose plans refer to them.
    pub fn new(fetch: &'f dyn Fetch, context: Context) -> Self {
        Self { fetch, context, trees: Trees::default() }
    }

    /// What metadata is adjusted to, where a plan does not add to it.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The files of a repository.
    pub(crate) fn files(&self, url: &str, reference: Option<&str>) -> Result<PathBuf> {
        self.fetch.fetch(url, reference)
    }

    pub(crate) fn exists(&self, url: &str) -> bool {
        self.fetch.exists(url)
    }

    /// The tree that an identifier means.
    pub(crate) fn tree(&self, identifier: &Identifier) -> Result<&Tree> {
        self.tree_in(identifier, &self.context)
    }

    /// The tree that an identifier means, adjusted to a context.
    pub(crate) fn tree_in(&self, identifier: &Identifier, context: &Context) -> Result<&Tree> {
        let source = &identifier.source;
        let known = self.trees.iter().find(|((loaded, to), _)| loaded == source && to == context);
        if let Some((_, tree)) = known {
            return Ok(tree);
        }
        let tree = match source {
            Source::Repository { url, reference, path } => {
                let files = self.fetch.fetch(url, reference.as_deref())?;
                Tree::load(inside(&files, path)?, context)?
            }
            Source::Directory(path) => Tree::load(path, context)?,
        };
        Ok(self.trees.add((source.clone(), context.clone()), tree))
    }

    /// The node that an identifier means.
    pub(crate) fn node(&self, identifier: &Identifier, context: &Context) -> Result<(&Tree, NodeRef<'_>)> {
        let tree = self.tree_in(identifier, context)?;
        let node = tree.find(&identifier.name).ok_or_else(|| {
            let message = format!("No tree node found for '{}' reference", identifier.shown);
            Error::new(ErrorClass::Reference, message)
        })?;
        Ok((tree, node))
    }
}

/// Where to start in a repository's files. Its tree must be among them, not in a directory above.
fn inside(files: &Path, path: &str) -> Result<PathBuf> {
    let start = walk::absolute(&files.join(path.trim_start_matches('/')))
        .map_err(|error| Error::new(ErrorClass::Os, format!("{path}: {error}")))?;
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if !start.starts_with(files) || !resolved(&start).starts_with(resolved(files)) {
        return Err(Error::new(
            ErrorClass::Reference,
            format!("Path \"{path}\" leads out of the repository."),
        ));
    }
    if !walk::find_root(&start)?.starts_with(files) {
        let message = format!("Unable to find tree root for '{}'.", start.display());
        return Err(Error::new(ErrorClass::Root, message));
    }
    Ok(start)
}

/// What stands for a node of another tree.
#[derive(Clone, Debug)]
pub(crate) struct Identifier {
    source: Source,
    name: String,
    /// The mapping, as Python shows it.
    shown: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Repository {
        url: String,
        reference: Option<String>,
        path: String,
    },
    /// A directory of this machine.
    Directory(PathBuf),
}

impl Identifier {
    /// What a mapping with `url`, `ref`, `path` and `name` means.
    pub fn new(mapping: &Mapping) -> Result<Self> {
        let text = |key: &str| match mapping.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.to_string())),
            Some(other) => {
                let message = format!("'{key}' must be text, found {}", other.type_name());
                Err(Error::new(ErrorClass::Type, message))
            }
        };
        let reference = match mapping.get("ref") {
            Some(Value::Null) => None,
            _ => text("ref")?,
        };
        let path = text("path")?.unwrap_or_else(|| ".".to_owned());
        let source = match text("url")? {
            Some(url) => Source::Repository { url, reference, path },
            None if path.starts_with('/') || path == "." => Source::Directory(path.into()),
            None => {
                let message = format!("Relative path \"{path}\" specified.");
                return Err(Error::new(ErrorClass::Reference, message));
            }
        };
        let name = text("name")?.unwrap_or_else(|| "/".to_owned());
        Ok(Self { source, name, shown: pytext::repr(&Value::map(mapping.clone())) })
    }

    /// A node of the default branch of a repository.
    pub fn of_repository(url: &str, name: &str) -> Self {
        let source = Source::Repository { url: url.to_owned(), reference: None, path: ".".to_owned() };
        Self { source, name: name.to_owned(), shown: format!("{url}{name}") }
    }

    /// The tree at a path of a repository's files.
    pub fn of_files(url: &str, reference: Option<&str>, path: &str) -> Self {
        let source = Source::Repository {
            url: url.to_owned(),
            reference: reference.map(str::to_owned),
            path: path.to_owned(),
        };
        Self { source, name: "/".to_owned(), shown: format!("{url} {path}") }
    }

    /// The tree that a directory of this machine is in.
    pub fn of_directory(path: &Path) -> Self {
        let source = Source::Directory(path.to_owned());
        Self { source, name: "/".to_owned(), shown: path.display().to_string() }
    }

    /// The mapping, as Python shows it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The tree's root node, whatever `name` says.
    pub fn without_name(mut self) -> Self {
        "/".clone_into(&mut self.name);
        self
    }
}

/// A list that grows behind a shared reference: its trees stay where they are.
#[derive(Default)]
struct Trees(OnceCell<Box<Link>>);

struct Link {
    loaded: (Loaded, Tree),
    next: Trees,
}

impl Trees {
    fn iter(&self) -> impl Iterator<Item = &(Loaded, Tree)> {
        std::iter::successors(self.0.get(), |link| link.next.0.get()).map(|link| &link.loaded)
    }

    fn add(&self, source: Loaded, tree: Tree) -> &Tree {
        let mut end = self;
        while let Some(link) = end.0.get() {
            end = &link.next;
        }
        &end.0.get_or_init(|| Box::new(Link { loaded: (source, tree), next: Trees::default() })).loaded.1
    }
}
