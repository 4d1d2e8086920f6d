//! Files that tests and libraries require by pattern (`type: file`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::error::{Error, ErrorClass};
use crate::filter::LazyPattern;
use crate::value::Value;

type Result<T> = std::result::Result<T, Error>;

/// The pattern that stands for everything.
const ALL: &str = "/";

/// The patterns of an entry of `require` that asks for files; nothing if it does not.
pub(crate) fn patterns(entry: &Value) -> Option<Result<Vec<String>>> {
    let entry = entry.as_map()?;
    if entry.get("type").and_then(Value::as_str) != Some("file") {
        return None;
    }
    let patterns: Vec<String> = entry
        .get("pattern")
        .map(Value::to_list)
        .unwrap_or_default()
        .iter()
        .map(|text| text.to_text().to_string())
        .collect();
    if patterns.is_empty() {
        return Some(Err(Error::new(ErrorClass::Value, "a required file has no `pattern`")));
    }
    Some(Ok(patterns))
}

/// The directories below `root`, relative to it, that have what is asked for: those that a pattern matches, else those
/// of the files that it matches. A directory in another one of them is left out.
///
/// # Errors
/// A pattern is bad, or none of them matches anything.
pub(crate) fn directories_of(root: &Path, patterns: &[String]) -> Result<Vec<String>> {
    if patterns.iter().any(|pattern| pattern == ALL) {
        return Ok(vec![String::new()]);
    }
    let paths = Paths::below(root);
    let mut found = BTreeSet::new();
    for pattern in patterns {
        let pattern = LazyPattern::search(pattern);
        let matching = matching(&paths.directories, &pattern)?;
        match matching.is_empty() {
            false => found.extend(matching),
            true => found.extend(self::matching(&paths.files, &pattern)?.into_iter().map(parent)),
        }
    }
    if found.is_empty() {
        let message =
            format!("required files: nothing in {} matches {}", root.display(), patterns.join(", "));
        return Err(Error::new(ErrorClass::Value, message));
    }
    Ok(outermost(found))
}

fn matching<'p>(paths: &'p [String], pattern: &LazyPattern) -> Result<Vec<&'p str>> {
    let mut found = Vec::new();
    for path in paths {
        if pattern.is_found_in(path)? {
            found.push(path.trim_start_matches('/'));
        }
    }
    Ok(found)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A directory sorts before all in it.
fn outermost(found: BTreeSet<&str>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for path in found {
        let inside = |outer: &String| outer.is_empty() || Path::new(path).starts_with(outer);
        if !kept.iter().any(inside) {
            kept.push(path.to_owned());
        }
    }
    kept
}

/// What is below a directory, each path with a slash in front. Links to directories are not followed, and what cannot
/// be read or is not UTF-8 cannot be asked for.
#[derive(Default)]
struct Paths {
    directories: Vec<String>,
    files: Vec<String>,
}

impl Paths {
    fn below(root: &Path) -> Self {
        let mut paths = Self::default();
        let mut waiting = vec![String::new()];
        while let Some(directory) = waiting.pop() {
            let Ok(entries) = fs::read_dir(root.join(directory.trim_start_matches('/'))) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(name) = name.to_str().filter(|name| *name != ".git") else { continue };
                let path = format!("{directory}/{name}");
                match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    true => {
                        waiting.push(path.clone());
                        paths.directories.push(path);
                    }
                    false => paths.files.push(path),
                }
            }
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_have_what_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/b/one.txt", "a/c/two.txt", "top.cfg", "common/x/data"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (patterns, expected) in [
            (&["/"][..], Some(&[""][..])),
            (&["/common"], Some(&["common"])),
            (&["one\\.txt$", "two"], Some(&["a/b", "a/c"])),
            (&["one", "/a$"], Some(&["a"])),
            (&["top"], Some(&[""])),
            (&["nothing", "common/x/data"], Some(&["common/x"])),
            (&["nothing"], None),
        ] {
            let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
            let found = directories_of(dir.path(), &patterns);
            let expected =
                expected.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
            assert_eq!(found.ok(), expected, "{patterns:?}");
        }
    }
}
