//! What can go wrong, in the terms of the reference implementation: a class, a message, and the place in the
//! metadata that is at fault.

use std::fmt;
use std::path::PathBuf;

/// The class of an error. The names are those the reference implementation reports; see [`ErrorClass::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Config include problems and the like.
    General,
    /// The tree's format: version, directives, keys, adjust rules, substitution values.
    Format,
    /// The start path is wrong, or a file cannot be parsed.
    File,
    /// No tree root above the start path. A kind of [`ErrorClass::File`].
    Root,
    /// Values whose types do not go together while inheriting or adjusting.
    Merge,
    /// A filter or condition asks for a key that a node lacks. Selection swallows it: the node is dropped.
    Filter,
    /// A condition cannot be evaluated.
    Condition,
    /// A reference to another tree or node cannot be resolved.
    Reference,
    /// Another tree cannot be fetched.
    Fetch,
    /// A context rule cannot be parsed.
    InvalidRule,
    /// The discovery layer refuses its input, or a number or date in the metadata does not exist.
    Value,
    /// A value has a type that nothing can be done with here.
    Type,
    /// A regular expression or its replacement text is not valid.
    Pattern,
    /// Text that is not UTF-8.
    Unicode,
    /// Data nested, or growing, beyond what is sensible.
    Recursion,
    /// The operating system refused a file or directory.
    Os,
}

impl ErrorClass {
    /// The name as it is printed, e.g. `MergeError`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::General => "GeneralError",
            Self::Format => "FormatError",
            Self::File => "FileError",
            Self::Root => "RootError",
            Self::Merge => "MergeError",
            Self::Filter => "FilterError",
            Self::Condition => "ConditionError",
            Self::Reference => "ReferenceError",
            Self::Fetch => "FetchError",
            Self::InvalidRule => "InvalidRule",
            Self::Value => "ValueError",
            Self::Type => "TypeError",
            Self::Pattern => "PatternError",
            Self::Unicode => "UnicodeDecodeError",
            Self::Recursion => "RecursionError",
            Self::Os => "OSError",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a metadata file; lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was opened.
    pub path: PathBuf,
    /// The line, from 1; 0 if only the file is known.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}", self.path.display());
        }
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct Error {
    class: ErrorClass,
    message: String,
    details: Option<String>,
    position: Option<Position>,
}

impl fmt::Display for Error {
    /// `path:line:column: Class: message`, the place being left out where it is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{position}: ")?;
        }
        // The reference's texts of merge errors begin with their class already.
        let class = format!("{}: ", self.class);
        let message = self.message.strip_prefix(&class).unwrap_or(&self.message);
        write!(f, "{class}{message}")?;
        match &self.details {
            Some(details) => write!(f, " {details}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// An error without a known place.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), details: None, position: None }
    }

    /// The class.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// The message, without class and place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What there is to say beyond the message: by the YAML parser, or where the value stands that another one does not go
    /// with.
    #[must_use]
    pub fn details(&self) -> Option<&str> {
        self.details.as_deref()
    }

    /// The place of the key, value or character at fault, where it is known.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    pub(crate) fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    pub(crate) fn at(mut self, position: Option<Position>) -> Self {
        self.position = position.or(self.position);
        self
    }
}

/// An error while values are combined: places are still numbers that only the tree can turn into paths.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub class: ErrorClass,
    pub message: String,
    pub pos: Pos,
    /// Where the key stands whose value the one at `pos` does not go with.
    pub other: Pos,
}

impl Fault {
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), pos: Pos::NONE, other: Pos::NONE }
    }

    /// Adds a place unless a more precise one is known already.
    pub fn or_at(mut self, pos: Pos) -> Self {
        if self.pos.is_none() {
            self.pos = pos;
        }
        self
    }

    /// Adds the place of the other value that is concerned, as [`Fault::or_at`].
    pub fn or_against(mut self, other: Pos) -> Self {
        if self.other.is_none() {
            self.other = other;
        }
        self
    }

    /// The public error, its places looked up among the tree's files.
    pub fn locate(self, files: &[PathBuf]) -> Error {
        let error = Error::new(self.class, self.message).at(self.pos.locate(files));
        match self.other.locate(files) {
            Some(other) => error.with_details(format!("The value so far is that of {other}.")),
            None => error,
        }
    }
}

/// Where a mapping's key stands: file number, line and column in eight bytes, because every key of every node
/// carries one. Numbers too large to be kept saturate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pos(u64);

const LINE_BITS: u32 = 24;
const COLUMN_BITS: u32 = 14;
const FILE_BITS: u32 = 64 - LINE_BITS - COLUMN_BITS;

impl Pos {
    /// No known place.
    pub const NONE: Self = Self(0);

    pub(crate) fn new(file: u32, line: u32, column: u32) -> Self {
        let file = u64::from(file).min((1 << FILE_BITS) - 1);
        let line = u64::from(line).min((1 << LINE_BITS) - 1);
        let column = u64::from(column).min((1 << COLUMN_BITS) - 1);
        Self(file << (LINE_BITS + COLUMN_BITS) | line << COLUMN_BITS | column)
    }

    /// Whether no place is known.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    pub(crate) fn locate(self, files: &[PathBuf]) -> Option<Position> {
        if self.is_none() {
            return None;
        }
        let path = files.get((self.0 >> (LINE_BITS + COLUMN_BITS)) as usize)?.clone();
        let line = (self.0 >> COLUMN_BITS) as u32 & ((1 << LINE_BITS) - 1);
        let column = self.0 as u32 & ((1 << COLUMN_BITS) - 1);
        Some(Position { path, line, column })
    }
}
