//! Exact comparison of JSON, and a report of what differs.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// JSON whose numbers keep their form: 1, 1.0 and a number of any size are different things.
#[derive(Debug, Clone, PartialEq)]
pub enum Exact {
    Null,
    Bool(bool),
    Int(String),
    Float(f64),
    Text(String),
    List(Vec<Exact>),
    Map(Vec<(String, Exact)>),
}

impl Exact {
    pub fn parse(text: &str) -> Self {
        let mut rest = text.trim();
        let value = Self::value(&mut rest);
        assert_eq!(rest, "", "after the JSON value in {text}");
        value
    }

    /// The text of one member of an object.
    pub fn member(text: &str, name: &str) -> String {
        let members: std::collections::HashMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_str(text).unwrap();
        members[name].get().to_owned()
    }

    fn value(rest: &mut &str) -> Self {
        match rest.as_bytes()[0] {
            b'n' => Self::word(rest, "null", Self::Null),
            b't' => Self::word(rest, "true", Self::Bool(true)),
            b'f' => Self::word(rest, "false", Self::Bool(false)),
            b'"' => Self::Text(Self::text(rest)),
            b'[' => Self::List(Self::items(rest, ']', Self::value)),
            b'{' => Self::Map(Self::items(rest, '}', |rest| {
                let key = Self::text(rest);
                *rest = rest.trim_start().strip_prefix(':').unwrap().trim_start();
                (key, Self::value(rest))
            })),
            _ => Self::number(rest),
        }
    }

    fn word(rest: &mut &str, word: &str, value: Self) -> Self {
        *rest = rest.strip_prefix(word).unwrap();
        value
    }

    fn text(rest: &mut &str) -> String {
        let bytes = rest.as_bytes();
        let mut end = 1;
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let (text, after) = rest.split_at(end + 1);
        *rest = after;
        serde_json::from_str(text).unwrap()
    }

    fn items<T>(rest: &mut &str, end: char, item: impl Fn(&mut &str) -> T) -> Vec<T> {
        let mut items = Vec::new();
        *rest = rest[1..].trim_start();
        while !rest.starts_with(end) {
            items.push(item(rest));
            *rest = rest.trim_start().trim_start_matches(',').trim_start();
        }
        *rest = &rest[1..];
        items
    }

    fn number(rest: &mut &str) -> Self {
        let end = rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        *rest = after;
        if text.contains(['.', 'e', 'E']) {
            Self::Float(text.parse().unwrap())
        } else {
            Self::Int(text.to_owned())
        }
    }

    /// The same with all keys in alphabetical order.
    fn sorted(&self) -> Self {
        match self {
            Self::List(items) => Self::List(items.iter().map(Self::sorted).collect()),
            Self::Map(entries) => {
                let mut entries: Vec<_> =
                    entries.iter().map(|(key, value)| (key.clone(), value.sorted())).collect();
                entries.sort_by(|left, right| left.0.cmp(&right.0));
                Self::Map(entries)
            }
            other => other.clone(),
        }
    }
}

/// Copies a tree. Where a link was stored as a file that holds its target, as archives without links do, the copy has
/// the link again.
pub fn copy_restoring_links(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        let linked = fs::read_link(&source).ok().or_else(|| stored_link(&source));
        match linked {
            Some(linked) => symlink(linked, target).unwrap(),
            None if source.is_dir() => copy_restoring_links(&source, &target),
            None => drop(fs::copy(&source, &target).unwrap()),
        }
    }
}

fn stored_link(file: &Path) -> Option<std::path::PathBuf> {
    if !file.is_file() || file.metadata().ok()?.len() > 255 {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let is_link = !text.is_empty() && !text.contains('\n') && file.parent()?.join(&text).exists();
    is_link.then(|| text.into())
}

/// Counts checks and keeps what failed.
pub struct Report {
    name: String,
    checks: usize,
    order_only: usize,
    failures: String,
    failed: usize,
}

impl Report {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), checks: 0, order_only: 0, failures: String::new(), failed: 0 }
    }

    pub fn count(&mut self) {
        self.checks += 1;
    }

    pub fn fail(&mut self, label: &str, message: &str) {
        self.failed += 1;
        let _ = writeln!(self.failures, "{label}\n  {message}");
    }

    pub fn compare(&mut self, label: &str, found: &str, expected: &str) {
        self.count();
        let (found_value, expected_value) = (Exact::parse(found), Exact::parse(expected));
        if found_value == expected_value {
            return;
        }
        if found_value.sorted() == expected_value.sorted() {
            self.order_only += 1;
        }
        self.fail(label, &format!("found    {found}\n  expected {}", expected.trim_end()));
    }

    /// Prints the counts; panics if anything failed or too little was checked.
    pub fn finish(self, least: usize) {
        let Self { name, checks, order_only, failures, failed } = self;
        println!("{name}: {checks} checks, {failed} failed ({order_only} in key order only)");
        assert!(
            failed == 0,
            "{name}: {failed} of {checks} failed, {order_only} in key order only:\n{failures}"
        );
        assert!(checks >= least, "{name}: only {checks} checks were made, expected {least} or more");
    }
}
