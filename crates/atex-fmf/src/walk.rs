//! Directories and files of a tree: what to read, in which order, and what to pass by.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorClass, Position};
use crate::pytext;
use crate::value::Value;
use crate::yaml::{self, Known, YamlError};

/// What marks the root of a tree.
const MARK: &str = ".fmf";

/// Never entered, whatever links there.
const IGNORED: [&str; 3] = ["/dev", "/proc", "/sys"];

/// A directory's entries that matter.
#[derive(Default)]
pub struct Listing {
    /// Metadata files, `main.fmf` first, then by name.
    pub files: Vec<File>,
    /// Directories by name.
    pub directories: Vec<Directory>,
    /// Whether it holds a `.fmf` directory, and so is the root of a tree.
    pub is_root: bool,
}

/// A metadata file.
pub struct File {
    pub path: PathBuf,
    /// Its number, if it has been read ahead.
    pub number: Option<u32>,
}

/// A directory in a directory.
pub struct Directory {
    pub path: PathBuf,
    pub is_link: bool,
    /// What is in it, if it has been looked at already.
    pub listing: Option<Listing>,
}

/// Lists a directory; one that cannot be read has no entries.
pub fn list(directory: &Path) -> Listing {
    let mut listing = Listing::default();
    if IGNORED.iter().any(|ignored| directory == Path::new(ignored)) {
        return listing;
    }
    let Ok(entries) = fs::read_dir(directory) else { return listing };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let is_directory = kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
        let name = entry.file_name();
        if is_directory {
            listing.is_root |= name == MARK;
            let directory = Directory { path: entry.path(), is_link: kind.is_symlink(), listing: None };
            listing.directories.push(directory);
        } else if name.as_bytes().ends_with(b".fmf") {
            listing.files.push(File { path: entry.path(), number: None });
        }
    }
    listing.files.sort_unstable_by(|left, right| file_order(&left.path).cmp(&file_order(&right.path)));
    listing.directories.sort_unstable_by(|left, right| left.path.file_name().cmp(&right.path.file_name()));
    listing
}

fn file_order(path: &Path) -> (bool, Option<&OsStr>) {
    (!is_main(path), path.file_name())
}

/// Whether a file holds the data of its directory, not of a child.
pub fn is_main(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new("main.fmf"))
}

/// A path without `.` and `..`, links being kept.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    Ok(clean)
}

/// Finds the tree's root, at or above the start path, and checks its version.
pub fn find_root(start: &Path) -> Result<PathBuf, Error> {
    let start = absolute(start)
        .map_err(|error| Error::new(ErrorClass::Os, format!("{}: {error}", start.display())))?;
    if fs::read_dir(&start).is_err() {
        return Err(Error::new(ErrorClass::File, format!("Invalid directory path: {}", start.display())));
    }
    let root = start.ancestors().find(|directory| directory.join(MARK).is_dir());
    let Some(root) = root else {
        let message = format!("Unable to find tree root for '{}'.", start.display());
        return Err(Error::new(ErrorClass::Root, message));
    };
    check_version(root)?;
    Ok(root.to_owned())
}

fn check_version(root: &Path) -> Result<(), Error> {
    let path = root.join(MARK).join("version");
    let bytes = fs::read(&path).map_err(|error| {
        let message = format!("Unable to detect format version: {}", os_message(&error, &path));
        Error::new(ErrorClass::Format, message)
    })?;
    let text = String::from_utf8(bytes).ok();
    match text.as_deref().and_then(pytext::parse_int) {
        Some(_) => Ok(()),
        None => Err(Error::new(ErrorClass::Format, "Invalid version format").at(at_file(&path))),
    }
}

/// An error of the operating system in Python's words.
fn os_message(error: &io::Error, path: &Path) -> String {
    let full = error.to_string();
    let reason = full.split(" (os error").next().unwrap_or(&full);
    match error.raw_os_error() {
        Some(number) => format!("[Errno {number}] {reason}: '{}'", path.display()),
        None => full,
    }
}

fn at_file(path: &Path) -> Option<Position> {
    Some(Position { path: path.to_owned(), line: 0, column: 0 })
}

/// Reads metadata files, one after the other.
#[derive(Default)]
pub struct Reader {
    known: Known,
    /// The last file's text. One buffer for all: with a large one allocated and freed for each file, the allocator's
    /// tidying up (`malloc_consolidate`, `unlink_chunk`) was 11 % of a profile, and is 4 % so.
    bytes: Vec<u8>,
}

impl Reader {
    /// Reads and parses a file, whose number the positions of keys will carry.
    pub fn read(&mut self, path: &Path, number: u32) -> Result<yaml::Document, Error> {
        self.bytes.clear();
        let opened = fs::File::open(path).and_then(|file| {
            // `take` hides that it is a file, whose length would be asked for at the price of two system calls.
            file.take(u64::MAX).read_to_end(&mut self.bytes)
        });
        opened.map_err(|error| Error::new(ErrorClass::Os, os_message(&error, path)))?;
        let text = as_text(&self.bytes, path)?;
        yaml::parse(&text, number, &mut self.known).map_err(|error| parse_error(path, &error))
    }
}

fn parse_error(path: &Path, error: &YamlError) -> Error {
    let position = Some(Position { path: path.to_owned(), line: error.line, column: error.column });
    if error.syntax {
        let message = format!("Failed to parse '{}'.", path.display());
        return Error::new(ErrorClass::File, message).with_details(&*error.message).at(position);
    }
    Error::new(ErrorClass::Value, &*error.message).at(position)
}

/// A file's text, with all line ends as `\n`.
fn as_text<'b>(bytes: &'b [u8], path: &Path) -> Result<Cow<'b, str>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let position = Position {
            path: path.to_owned(),
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(before.len() - line_start + 1).unwrap_or(u32::MAX),
        };
        Error::new(ErrorClass::Unicode, "the file is not UTF-8").at(Some(position))
    })?;
    match text.contains('\r') {
        true => Ok(text.replace("\r\n", "\n").replace('\r', "\n").into()),
        false => Ok(text.into()),
    }
}

/// Which hidden names a tree wants walked, from its `.fmf/config`. Its content is looked at when the first hidden
/// name is met, and complained about only then.
pub struct Config {
    include: Result<HashSet<String>, Error>,
}

impl Default for Config {
    /// No hidden names at all.
    fn default() -> Self {
        Self { include: Ok(HashSet::new()) }
    }
}

impl Config {
    /// Reads the configuration of the tree at `root`. A file that is no YAML is an error at once.
    pub fn load(root: &Path) -> Result<Self, Error> {
        let path = root.join(MARK).join("config");
        if !path.exists() {
            return Ok(Self::default());
        }
        let document = Reader::default().read(&path, 0)?;
        Ok(Self { include: included(&document.value).map_err(|error| error.at(at_file(&path))) })
    }

    /// Whether a file or directory of this name is to be looked at.
    pub fn accepts(&self, path: &Path) -> Result<bool, Error> {
        let name = path.file_name().unwrap_or_default();
        if !name.as_bytes().starts_with(b".") {
            return Ok(true);
        }
        let include = self.include.as_ref().map_err(Clone::clone)?;
        Ok(name.to_str().is_some_and(|name| include.contains(name)))
    }
}

fn included(config: &Value) -> Result<HashSet<String>, Error> {
    let mapping = |value: &Value, what: &str| {
        let message = || format!("{what} must be a mapping, found {}", value.type_name());
        value.as_map().ok_or_else(|| Error::new(ErrorClass::Type, message()))
    };
    let config = mapping(config, "the tree's configuration")?;
    let Some(explore) = config.get("explore") else { return Ok(HashSet::new()) };
    let explore = mapping(explore, "'explore' in the tree's configuration")?;
    let Some(include) = explore.get("include") else { return Ok(HashSet::new()) };
    let Some(include) = include.as_list() else {
        let found = pytext::text(include);
        let message = format!("The 'include' config section should be a list, found '{found}'.");
        return Err(Error::new(ErrorClass::General, message));
    };
    let names: HashSet<String> = include.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if names.contains(MARK) {
        let message = "The '.fmf' directory cannot be used for storing fmf metadata.";
        return Err(Error::new(ErrorClass::General, message));
    }
    Ok(names)
}
