//! Directories and files of a tree: what to read, in which order, and what to pass by.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::{CStr, OsStr};
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir};

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
    /// That of its directory and its name.
    pub path: PathBuf,
    /// Whether it is known to be one of the usual kind. What is not is looked at before it is read.
    pub is_regular: bool,
    /// Its number, if it has been read ahead.
    pub number: Option<u32>,
}

/// A directory in a directory.
pub struct Directory {
    /// That of the other and its name.
    pub path: PathBuf,
    pub is_link: bool,
    /// What is in it, if it has been looked at already.
    pub listing: Option<Listing>,
}

/// Where a directory is: its path, and the open directory that it is in, if there is one. To look up one name in that is
/// quicker than the whole path.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    pub path: &'p Path,
    pub parent: Option<BorrowedFd<'p>>,
}

impl Place<'_> {
    fn open(self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match self.parent {
            Some(parent) => fs::openat(parent, name_of(self.path), flags, Mode::empty()),
            None => fs::open(self.path, flags, Mode::empty()),
        }
    }
}

/// Lists directories, one after the other.
pub struct Lister {
    /// What the kernel says of entries, many at a time.
    buffer: Vec<MaybeUninit<u8>>,
}

impl Default for Lister {
    fn default() -> Self {
        Self { buffer: vec![MaybeUninit::uninit(); 32 << 10] }
    }
}

impl Lister {
    /// Lists a directory, and leaves it open; one that cannot be read has no entries.
    pub fn list(&mut self, place: Place<'_>) -> (Listing, Option<OwnedFd>) {
        let mut listing = Listing::default();
        if IGNORED.iter().any(|ignored| place.path.as_os_str() == *ignored) {
            return (listing, None);
        }
        let Ok(opened) = place.open() else { return (listing, None) };
        let mut entries = RawDir::new(&opened, &mut self.buffer);
        while let Some(Ok(entry)) = entries.next() {
            listing.add(place.path, &opened, entry.file_name(), entry.file_type());
        }
        listing.sort();
        (listing, Some(opened))
    }
}

/// Lists one directory.
pub fn list(path: &Path) -> Listing {
    Lister::default().list(Place { path, parent: None }).0
}

impl Listing {
    fn add(&mut self, directory: &Path, opened: &OwnedFd, name: &CStr, kind: FileType) {
        if name == c"." || name == c".." {
            return;
        }
        let kind_by = |flags| Some(FileType::from_raw_mode(fs::statat(opened, name, flags).ok()?.st_mode));
        // Some file systems do not say it along with the name.
        let unknown = kind == FileType::Unknown;
        let kind = if unknown { kind_by(AtFlags::SYMLINK_NOFOLLOW) } else { Some(kind) };
        let Some(kind) = kind else { return };
        let is_link = kind == FileType::Symlink;
        let kind = if is_link { kind_by(AtFlags::empty()) } else { Some(kind) };
        let is_directory = kind == Some(FileType::Directory);
        let path = || directory.join(OsStr::from_bytes(name.to_bytes()));
        if is_directory {
            self.is_root |= name.to_bytes() == MARK.as_bytes();
            self.directories.push(Directory { path: path(), is_link, listing: None });
        } else if name.to_bytes().ends_with(b".fmf") {
            let is_regular = kind == Some(FileType::RegularFile);
            self.files.push(File { path: path(), is_regular, number: None });
        }
    }

    /// Puts entries in order. All are in one directory, so that paths compare as names do.
    fn sort(&mut self) {
        let order = |file: &File| !is_main(&file.path);
        self.files.sort_unstable_by(|left, right| {
            (order(left), left.path.as_os_str()).cmp(&(order(right), right.path.as_os_str()))
        });
        self.directories.sort_unstable_by(|left, right| left.path.as_os_str().cmp(right.path.as_os_str()));
    }
}

/// Whether a file, which was listed, holds the data of its directory, not of a child.
pub fn is_main(path: &Path) -> bool {
    name_of(path) == "main.fmf"
}

/// The name of something that was listed. `Path::file_name` takes the path apart, which showed in profiles.
pub fn name_of(path: &Path) -> &OsStr {
    let bytes = path.as_os_str().as_bytes();
    let start = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    OsStr::from_bytes(&bytes[start..])
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
    if std::fs::read_dir(&start).is_err() {
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
    let mut bytes = Vec::new();
    let read = open_regular(&path).and_then(|file| std::fs::File::from(file).read_to_end(&mut bytes));
    read.map_err(|error| {
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
        None => format!("{full}: '{}'", path.display()),
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
        self.content(open_regular(path), path, number)
    }

    /// As [`Reader::read`], of a file that its directory says is a regular one: to ask again would cost a system call.
    pub fn read_regular(&mut self, path: &Path, number: u32) -> Result<yaml::Document, Error> {
        self.content(open(path), path, number)
    }

    fn content(
        &mut self,
        opened: io::Result<OwnedFd>,
        path: &Path,
        number: u32,
    ) -> Result<yaml::Document, Error> {
        self.bytes.clear();
        // `take` hides that it is a file, whose length would be asked for at the price of two system calls.
        let read = |opened| std::fs::File::from(opened).take(u64::MAX).read_to_end(&mut self.bytes);
        opened.and_then(read).map_err(|error| Error::new(ErrorClass::Os, os_message(&error, path)))?;
        let text = as_text(&self.bytes, path)?;
        yaml::parse(&text, number, &mut self.known).map_err(|error| parse_error(path, &error))
    }
}

/// Opens a file for reading, without waiting for somebody to write to it.
fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(fs::open(path, flags, Mode::empty())?)
}

/// Opens a file, and refuses what may have no end, such as `/dev/zero` or a FIFO.
fn open_regular(path: &Path) -> io::Result<OwnedFd> {
    let opened = open(path)?;
    let found = match FileType::from_raw_mode(fs::fstat(&opened)?.st_mode) {
        FileType::RegularFile => return Ok(opened),
        FileType::Directory => return Err(rustix::io::Errno::ISDIR.into()),
        FileType::Fifo => "a FIFO",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    Err(io::Error::other(format!("expected a regular file, found {found}")))
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
        let name = name_of(path);
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
