//! The stored form of a result: one line of JSON.

use crate::incoming::{Incoming, Testout, is_known};
use crate::json::{self, Members};
use crate::partial::Open;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A result in its final form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredResult<'a> {
    /// One JSON object, without a newline in or after it.
    pub line: &'a str,
    /// The subtest, as the test named it; `None` for the test itself.
    pub name: Option<&'a str>,
    /// The status in `line`.
    pub status: Option<&'a str>,
}

/// A result to which nothing is added any more.
pub(crate) struct Complete<'a> {
    pub name: Option<Cow<'a, str>>,
    pub testout: Option<String>,
    files: BTreeSet<String>,
    members: Members<'a>,
}

impl<'a> From<Incoming<'a>> for Complete<'a> {
    fn from(incoming: Incoming<'a>) -> Self {
        let incoming = incoming.without_nulls();
        Complete {
            name: incoming.name,
            testout: match incoming.testout {
                Testout::Name(name) => Some(name),
                Testout::Unsaid | Testout::Remove => None,
            },
            files: incoming.files.into_iter().map(|file| file.name).filter(|name| !name.is_empty()).collect(),
            members: incoming.members,
        }
    }
}

impl From<Open> for Complete<'_> {
    fn from(open: Open) -> Self {
        let members = open.members();
        Complete { name: open.name.map(Cow::Owned), testout: open.testout, files: open.files, members }
    }
}

impl Complete<'_> {
    /// The status as the test, or the executor, gave it.
    pub fn status(&self) -> Option<Cow<'_, str>> {
        // Checked when it came in, so that it is a string.
        self.members.get("status").and_then(|text| json::string(text).ok())
    }

    /// Appends the line. With `keep_as`, the status is written as that word and the test's own
    /// goes to `extra`.
    pub fn write(&self, out: &mut String, keep_as: Option<&str>) {
        out.push('{');
        for (key, value) in &self.members {
            json::push_key(out, key);
            match (key.as_ref(), keep_as) {
                ("files", _) => self.write_files(out),
                ("status", Some(status)) => json::push_string(out, status),
                ("extra", Some(_)) => self.write_extra(out, Some(value)),
                _ => out.push_str(value),
            }
        }
        if self.testout.is_some() && !self.members.contains_key("files") {
            json::push_key(out, "files");
            self.write_files(out);
        }
        if keep_as.is_some() && !self.members.contains_key("extra") {
            json::push_key(out, "extra");
            self.write_extra(out, None);
        }
        out.push('}');
    }

    fn write_files(&self, out: &mut String) {
        out.push('[');
        for (position, name) in self.testout.iter().chain(&self.files).enumerate() {
            if position > 0 {
                out.push(',');
            }
            json::push_string(out, name);
        }
        out.push(']');
    }

    fn write_extra(&self, out: &mut String, own: Option<&str>) {
        let mut members = match own {
            None | Some("null") => Members::default(),
            Some(text) => json::members(text, usize::MAX)
                .unwrap_or_else(|_| Members::from_iter([("extra".into(), text.into())])),
        };
        let status = self.members.get("status").map_or("null", AsRef::as_ref);
        members.insert("status".into(), status.into());
        out.push('{');
        for (key, value) in &members {
            json::push_key(out, key);
            out.push_str(value);
        }
        out.push('}');
    }
}

/// The keys of the test's own in a stored result, as the record `result` carries them in its
/// `extra`; `None` if there are none.
///
/// The stored `extra`, if it is an object, is the same thing by another way, so its members stand
/// among the others (and give way to them where both have a key).
pub fn extra(stored: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut extra = Map::new();
    for (key, value) in stored.iter().filter(|(key, _)| !is_known(key)) {
        match (key.as_str(), value) {
            ("extra", Value::Object(members)) => {
                for (key, value) in members {
                    extra.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            _ => drop(extra.insert(key.clone(), value.clone())),
        }
    }
    (!extra.is_empty()).then_some(extra)
}
