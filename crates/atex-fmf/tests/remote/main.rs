//! Sections and libraries of other repositories: real repositories of git on this machine, and a stand-in for those of
//! the network.

mod cache;
mod libraries;
mod repository;
mod sections;

use std::fs;
use std::path::Path;

use atex_fmf::{Context, Discovery, Error, Fetch, Repositories, Request, Tree, discover_with, json};
use tempfile::TempDir;

/// A directory with these files.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[(".fmf/version", "1\n")]);
    write(dir.path(), files);
    dir
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// Discovers the tests of the plan `/plan`, if the tree has it, with libraries.
fn with_discovery<T>(
    dir: &Path,
    fetch: &dyn Fetch,
    then: impl FnOnce(&Discovery<'_>) -> T,
) -> Result<T, Error> {
    let mut context = Context::new();
    context.set("arch", ["x86_64"]);
    let tree = Tree::load(dir, &context)?;
    let repositories = Repositories::new(fetch, context);
    let plan = tree.find("/plan").map(|plan| plan.name().to_owned());
    let request = Request { plan, libraries: true, ..Request::default() };
    discover_with(&tree, &repositories, &request).map(|found| then(&found))
}

/// What a discovery fails with.
fn failure(dir: &Path, fetch: &dyn Fetch) -> Error {
    with_discovery(dir, fetch, |_| ()).unwrap_err()
}

/// Each test: its name, its directory, and what it requires.
fn lines(found: &Discovery<'_>) -> Vec<String> {
    let line = |test: &atex_fmf::Test<'_>| {
        format!("{} {} {}", test.name, test.source_dir(), json::to_string(test.get("require").unwrap()))
    };
    found.tests.iter().map(line).collect()
}
