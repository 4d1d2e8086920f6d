//! One result as the test sent it.

use crate::error::shown;
use crate::json::{self, Members};
use crate::limits::Limits;
use crate::path::safe_path;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A result whose keys have been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Incoming<'a> {
    /// The subtest; `None` for the test itself.
    pub name: Option<Cow<'a, str>>,
    /// Whether it stays open.
    pub partial: bool,
    pub testout: Testout,
    /// What follows the JSON, in this order.
    pub files: Vec<Announced>,
    /// All keys but `partial` and `testout`, values in compact form. The names of files stand in
    /// `files`: the member of that name only marks their place, with an empty list or `null`.
    pub members: Members<'a>,
}

/// What a result says about linking the test's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Testout {
    /// Nothing.
    Unsaid,
    /// `null`: not any more.
    Remove,
    /// Under this name, made safe.
    Name(String),
}

/// A file whose bytes follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announced {
    /// Its name, made safe; empty for one that was left out.
    pub name: String,
    pub length: u64,
}

impl<'a> Incoming<'a> {
    /// One for a subtest, made by us.
    pub fn new(name: &'a str, status: &'static str, note: Option<&str>) -> Self {
        let text = |text: &str| {
            let mut json = String::new();
            json::push_string(&mut json, text);
            Cow::Owned(json)
        };
        let mut members = Members::default();
        members.insert("name".into(), text(name));
        members.insert("status".into(), text(status));
        if let Some(note) = note {
            members.insert("note".into(), text(note));
        }
        let name = Some(name.into());
        Incoming { name, partial: false, testout: Testout::Unsaid, files: Vec::new(), members }
    }

    /// Reads the JSON of one result. The error is the reason.
    pub fn parse(json: &'a [u8], limits: &Limits) -> Result<Self, String> {
        let text = std::str::from_utf8(json)
            .map_err(|error| format!("bad JSON: not UTF-8 at byte {} of it", error.valid_up_to()))?;
        let members = json::members(text, limits.keys)?;
        let mut incoming =
            Incoming { name: None, partial: false, testout: Testout::Unsaid, files: Vec::new(), members };
        let mut members = std::mem::take(&mut incoming.members);
        for (key, value) in &mut members {
            // What `json::members` returns is borrowed throughout.
            let Cow::Borrowed(text) = *value else { continue };
            if let Some(short) = incoming.take_in(key, text, limits).map_err(|reason| in_key(key, &reason))? {
                *value = short;
            }
        }
        members.shift_remove("partial");
        members.shift_remove("testout");
        incoming.members = members;
        Ok(incoming)
    }

    /// The same without the known keys that say nothing: a result to which nothing is merged.
    pub fn without_nulls(mut self) -> Self {
        if self.members.iter().any(|member| is_known_null(member)) {
            self.members.retain(|key, value| !is_known_null((key, value)));
        }
        self
    }

    /// The same, independent of the text it was read from.
    pub fn into_owned(self) -> Incoming<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Incoming {
            name: self.name.map(owned),
            partial: self.partial,
            testout: self.testout,
            files: self.files,
            members: self.members.into_iter().map(|(key, value)| (owned(key), owned(value))).collect(),
        }
    }

    /// Takes in one key; returns what to write in place of its value where that differs.
    fn take_in(
        &mut self,
        key: &str,
        value: &'a str,
        limits: &Limits,
    ) -> Result<Option<Cow<'a, str>>, String> {
        let is_null = value == "null";
        match key {
            "partial" => self.partial = boolean(value)?,
            "testout" if is_null => self.testout = Testout::Remove,
            "testout" => self.testout = Testout::Name(safe_name(&json::string(value)?)?),
            "name" | "status" | "note" | "files" if is_null => {}
            "name" => self.name = Some(json::string(value)?),
            "status" | "note" => drop(json::string(value)?),
            "files" => {
                self.files = announced(value, limits)?;
                return Ok(Some(Cow::Borrowed("[]")));
            }
            _ => return json::compact(value, limits.depth).map(Some),
        }
        Ok(None)
    }
}

/// Keys with a meaning of ours; all others are the test's own.
pub(crate) fn is_known(key: &str) -> bool {
    matches!(key, "name" | "status" | "note" | "files")
}

fn is_known_null((key, value): (&Cow<'_, str>, &Cow<'_, str>)) -> bool {
    value == "null" && is_known(key)
}

/// Says in which key something is wrong.
pub(crate) fn in_key(key: &str, reason: &str) -> String {
    format!("key `{}`: {reason}", shown(key))
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        other => Err(format!("expected true or false, found `{}`", shown(other))),
    }
}

fn safe_name(name: &str) -> Result<String, String> {
    let safe = safe_path(name);
    if safe.is_empty() {
        return Err(format!("`{}` names no file", shown(name)));
    }
    Ok(safe)
}

fn announced(value: &str, limits: &Limits) -> Result<Vec<Announced>, String> {
    let mut deserializer = serde_json::Deserializer::from_str(value);
    // A list that is too long is refused while it is read, before it takes memory.
    let entries = deserializer.deserialize_seq(EntriesVisitor { limit: limits.entries });
    let entries = entries.map_err(|error| shown(&error.to_string()))?;
    entries.into_iter().map(|entry| announced_file(entry, limits)).collect()
}

fn announced_file(entry: &str, limits: &Limits) -> Result<Announced, String> {
    let members = json::members(entry, limits.keys)?;
    let name = members.get("name").ok_or_else(|| format!("no `name` in `{}`", shown(entry)))?;
    let name = json::string(name)?;
    let length = members.get("length").ok_or_else(|| format!("no `length` in `{}`", shown(entry)))?;
    let length = file_length(length).ok_or_else(|| {
        format!("length `{}` of file `{}` is not a whole number of bytes", shown(length), shown(&name))
    })?;
    Ok(Announced { name: safe_name(&name)?, length })
}

/// Digits, or a string of digits.
fn file_length(value: &str) -> Option<u64> {
    let digits = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { digits.parse().ok() } else { None }
}

struct EntriesVisitor {
    limit: usize,
}

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Vec<&'de str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element::<&'de RawValue>()? {
            entries.push(entry.get());
            if entries.len() > self.limit {
                return Err(A::Error::custom(format!("more than {} files", self.limit)));
            }
        }
        Ok(entries)
    }
}
