//! YAML text to a [`Value`], as the reference reads it.
//!
//! Three layers: `scan` makes tokens, `compose` follows the grammar, keeps anchors and builds values, `resolve`
//! gives scalars their types. Public YAML crates were tried first (saphyr-parser last); they differ from the reference where real trees
//! notice (flow collections and quoted text continued at column 0 are refused, `- <tab>a` loses its item), and types,
//! merge keys and positions would have to be redone above them anyway.
//!
//! Bad input never panics: nesting is limited to [`MAX_DEPTH`], and what aliases expand to is limited to
//! [`MAX_EXPANDED`] values.

mod compose;
mod resolve;
mod scan;
mod text;

use std::collections::HashSet;

use crate::mapping::Mapping;
use crate::share::Freezer;
use crate::value::{Text, Value};

/// Collections may be nested this deep. The stack of a thread is enough for a few times that.
pub const MAX_DEPTH: usize = 200;

/// All values of a file, counting what aliases name as often as it is named.
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

/// Mapping keys seen so far, so that equal ones are stored once.
#[derive(Default)]
pub(crate) struct Keys(HashSet<Text>);

impl Keys {
    fn intern(&mut self, text: &str) -> Text {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Text = text.into();
        self.0.insert(new.clone());
        new
    }
}

/// Reads a text on its own.
///
/// # Errors
/// The text is not YAML, or names a number or date that does not exist.
pub fn load(text: &str) -> Result<Value, YamlError> {
    let document = parse(text, 0, &mut Keys::default())?;
    let mut value =
        std::sync::Arc::new([(Text::from("value"), document.value)].into_iter().collect::<Mapping>());
    // Freezing cannot fail: nothing read from a text contains itself.
    let _ = Freezer::default().mapping(&mut value);
    Ok(value.get("value").cloned().unwrap_or_default())
}

/// Parses one document. `file` is the number that the positions of keys carry.
pub(crate) fn parse(text: &str, file: u32, keys: &mut Keys) -> Result<Document, YamlError> {
    compose::document(text, file, keys)
}
