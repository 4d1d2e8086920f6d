//! YAML text to a [`Value`], as the reference reads it.
//!
//! Three steps: `scan` makes tokens, `compose` follows the grammar and keeps anchors, `construct` builds collections,
//! and `resolve` gives scalars their types. Public YAML crates were tried first (saphyr-parser last); they differ from the reference where real trees
//! notice (flow collections and quoted text continued at column 0 are refused, `- <tab>a` loses its item), and types,
//! merge keys and positions would have to be redone above them anyway.
//!
//! Bad input never panics: nesting is limited to [`MAX_DEPTH`], and what aliases expand to is limited to
//! [`MAX_EXPANDED`] values.

mod compose;
mod construct;
mod resolve;
mod scan;
mod text;

use crate::mapping::{Key, Mapping};
use crate::share::Freezer;
use crate::value::{Text, Value};

/// Collections may be nested this deep. The stack of a thread is enough for a few times that.
pub const MAX_DEPTH: usize = 200;

/// All values of a file that aliases stand for, counted as often as they are named.
pub const MAX_EXPANDED: u64 = 5_000_000;

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct YamlError {
    /// Whether the text is not YAML; otherwise it holds a number or date that does not exist.
    pub syntax: bool,
    /// What is wrong.
    pub message: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A file's content.
#[derive(Debug)]
pub(crate) struct Document {
    /// The value.
    pub value: Value,
    /// Whether an alias or merge key made some mapping reachable by two ways.
    pub shares: bool,
}

/// What is likely to come again, so that equal ones are mostly stored once. Each has one place where it can be, which
/// another one may take over: a hash set of all would keep the names of all nodes, and hashing was 4 % of a run's
/// instructions.
pub(crate) struct Known {
    keys: Vec<Option<Key>>,
    /// Short values such as tags; apart, so that those that come once do not drive out the keys.
    words: Vec<Option<Text>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { keys: vec![None; Self::PLACES], words: vec![None; Self::PLACES] }
    }
}

impl Known {
    const PLACES: usize = 512;

    fn place(text: &str) -> usize {
        let bytes = text.as_bytes();
        let at = |at: usize| bytes.get(at).map_or(0, |byte| usize::from(*byte));
        let mixed = at(0)
            + at(1) * 5
            + at(bytes.len() / 2) * 3
            + at(bytes.len().wrapping_sub(1)) * 7
            + bytes.len() * 31;
        mixed % Self::PLACES
    }

    fn word(&mut self, text: &str) -> Text {
        let place = &mut self.words[Self::place(text)];
        match place {
            Some(known) if **known == *text => known.clone(),
            _ => place.insert(text.into()).clone(),
        }
    }

    fn key(&mut self, text: &str) -> Key {
        let place = &mut self.keys[Self::place(text)];
        match place {
            Some(known) if known.as_str() == Some(text) => known.clone(),
            _ => place.insert(Key::text(text)).clone(),
        }
    }
}

/// Reads a text on its own.
///
/// # Errors
/// The text is not YAML, or names a number or date that does not exist.
pub fn load(text: &str) -> Result<Value, YamlError> {
    let document = parse(text, 0, &mut Known::default())?;
    let mut value =
        std::sync::Arc::new([(Text::from("value"), document.value)].into_iter().collect::<Mapping>());
    // Freezing cannot fail: nothing read from a text contains itself.
    let _ = Freezer::default().mapping(&mut value);
    Ok(value.get("value").cloned().unwrap_or_default())
}

/// Parses one document. `file` is the number that the positions of keys carry.
pub(crate) fn parse(text: &str, file: u32, known: &mut Known) -> Result<Document, YamlError> {
    compose::document(text, file, known)
}
