//! Where the files of a test go, and which paths are taken.

use crate::error::shown;
use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A name from a test as a relative path that leads nowhere else: control characters (U+0000 to
/// U+001F, U+007F to U+009F) become `_`, and empty, `.` and `..` segments are dropped, a leading
/// `/` with them. May be empty. Safe paths are left as they are.
pub fn safe_path(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for segment in name.split('/').filter(|segment| !matches!(*segment, "" | "." | "..")) {
        if !path.is_empty() {
            path.push('/');
        }
        path.extend(segment.chars().map(|char| if char.is_control() { '_' } else { char }));
    }
    path
}

/// The path below `files/` of a file whose name is safe already.
pub(crate) fn file_path(subtest: Option<&str>, file: &str) -> String {
    let directory = subtest.map(safe_path).unwrap_or_default();
    if directory.is_empty() { file.to_owned() } else { format!("{directory}/{file}") }
}

/// The paths that a test has taken below `files/`.
///
/// Only files are remembered: a directory is what some file's path leads through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paths(BTreeMap<String, Kind>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<u64>", into = "Option<u64>")]
enum Kind {
    /// Sent by the test, which may append to it, and so many bytes long.
    File(u64),
    /// A link to the test's output, which must not be written to.
    Output,
}

impl From<Option<u64>> for Kind {
    fn from(length: Option<u64>) -> Self {
        length.map_or(Kind::Output, Kind::File)
    }
}

impl From<Kind> for Option<u64> {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File(length) => Some(length),
            Kind::Output => None,
        }
    }
}

impl Paths {
    /// Every path, with the length of what is a file and no link to the output.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        self.0.iter().map(|(path, kind)| (path.as_str(), Option::from(*kind)))
    }

    /// So many bytes have been appended to a file.
    pub fn grow(&mut self, path: &str, bytes: u64) {
        if let Some(Kind::File(length)) = self.0.get_mut(path) {
            *length += bytes;
        }
    }

    /// Whether this path is taken, or there may be one more.
    pub fn has_room(&self, path: &str, limits: &Limits) -> bool {
        self.0.len() < limits.files || self.0.contains_key(path)
    }

    /// Takes a path for a file to be created or appended to.
    pub fn take_file(&mut self, path: &str, limits: &Limits) -> Result<(), String> {
        match self.0.get(path) {
            Some(Kind::File(_)) => Ok(()),
            Some(Kind::Output) => Err(format!("file `{}` is the test's output already", shown(path))),
            None => self.take(path, Kind::File(0), limits),
        }
    }

    /// Takes a path for a link to the test's output.
    pub fn take_output(&mut self, path: &str, limits: &Limits) -> Result<(), String> {
        self.check_output(path, limits)?;
        self.0.insert(path.to_owned(), Kind::Output);
        Ok(())
    }

    /// Whether [`take_output`](Self::take_output) would succeed.
    pub fn check_output(&self, path: &str, limits: &Limits) -> Result<(), String> {
        if self.0.contains_key(path) {
            return Err(format!("testout `{}`: a file of this name exists already", shown(path)));
        }
        self.check_new(path, limits)
    }

    fn take(&mut self, path: &str, kind: Kind, limits: &Limits) -> Result<(), String> {
        self.check_new(path, limits)?;
        self.0.insert(path.to_owned(), kind);
        Ok(())
    }

    fn check_new(&self, path: &str, limits: &Limits) -> Result<(), String> {
        check_length(path, limits)?;
        if let Some(parent) = ancestors(path).find(|parent| self.0.contains_key(*parent)) {
            return Err(format!(
                "file `{}` needs a directory where `{}` is a file",
                shown(path),
                shown(parent)
            ));
        }
        let below = format!("{path}/");
        match self.0.range(below.clone()..).next() {
            Some((next, _)) if next.starts_with(&below) => {
                Err(format!("file `{}` has the name of a directory", shown(path)))
            }
            _ => Ok(()),
        }
    }
}

fn check_length(path: &str, limits: &Limits) -> Result<(), String> {
    if path.len() > limits.path {
        return Err(format!("file path `{}` is longer than {} bytes", shown(path), limits.path));
    }
    match path.split('/').find(|component| component.len() > limits.component) {
        Some(long) => {
            Err(format!("`{}` in a file path is longer than {} bytes", shown(long), limits.component))
        }
        None => Ok(()),
    }
}

fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(slash, _)| &path[..slash])
}

#[cfg(test)]
mod tests {
    use super::{Limits, Paths, file_path, safe_path};

    #[test]
    fn names_from_strangers_are_made_safe() {
        let cases = [
            ("log", "log"),
            ("a/b.log", "a/b.log"),
            ("../../etc/passwd", "etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("//a//./b/../c/", "a/b/c"),
            ("..", ""),
            ("/", ""),
            ("", ""),
            ("...", "..."),
            ("..a/.b", "..a/.b"),
            ("a\0b\nc\u{1b}[31m\u{7f}\u{9f}d", "a_b_c_[31m__d"),
            ("\n/\u{85}", "_/_"),
            (".\0.", "._."),
            ("a b\\c\u{a0}ž", "a b\\c\u{a0}ž"),
        ];
        for (name, path) in cases {
            assert_eq!(safe_path(name), path, "{name:?}");
            assert_eq!(safe_path(path), path, "{name:?} again");
        }
    }

    #[test]
    fn a_subtest_is_a_directory() {
        let cases = [
            (None, "f"),
            (Some(""), "f"),
            (Some("/.."), "f"),
            (Some("a"), "a/f"),
            (Some("../a//b"), "a/b/f"),
        ];
        for (subtest, path) in cases {
            assert_eq!(file_path(subtest, "f"), path, "{subtest:?}");
        }
    }

    #[test]
    fn a_path_is_a_file_or_a_directory_or_the_output() {
        let limits = Limits { files: 5, path: 40, component: 20, ..Limits::default() };
        let mut paths = Paths::default();
        paths.take_file("a/b", &limits).unwrap();
        paths.take_file("a/b", &limits).expect("a file is appended to");
        paths.take_file("a-b", &limits).expect("sorts between a and a/b");
        paths.take_output("a/out", &limits).unwrap();
        let refused = [
            ("a", "directory"),
            ("a/b/c", "`a/b` is a file"),
            ("a/b/c/d", "`a/b` is a file"),
            ("a/out", "output already"),
            ("a/out/c", "`a/out` is a file"),
        ];
        for (path, reason) in refused {
            let error = paths.take_file(path, &limits).unwrap_err();
            assert!(error.contains(reason), "{path}: {error}");
        }
        for path in ["a", "a/b", "a/b/c", "a/out"] {
            paths.take_output(path, &limits).unwrap_err();
        }
        paths.take_file(&"x".repeat(21), &limits).unwrap_err();
        paths.take_file(&"x/".repeat(21), &limits).unwrap_err();
        paths.take_file("d", &limits).unwrap();
        assert!(paths.has_room("e", &limits));
        paths.take_file("e", &limits).unwrap();
        assert!(!paths.has_room("f", &limits));
        assert!(paths.has_room("e", &limits), "no new file");
    }
}
