//! The directory of an attempt: results, files, and the test's output.
//!
//! What stands in names and bytes here comes from a stranger. Nothing is written outside of `files/`, and a
//! symbolic link there is never followed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use atex_cli::input::reason;
use atex_control::State;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{linkat, syncfs};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Checkpoint};
use crate::output::{self, Extent, OUTPUT, Output, cut_to};

/// A file of ours cannot be written: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", path.display(), reason(source))]
pub(crate) struct Trouble {
    path: PathBuf,
    source: io::Error,
}

impl Trouble {
    pub fn new(path: PathBuf, source: io::Error) -> Trouble {
        Trouble { path, source }
    }

    /// Whether it is about this file alone: something stands in its way, which we have not put there.
    pub fn is_local(&self) -> bool {
        use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound};
        matches!(self.source.kind(), AlreadyExists | IsADirectory | NotADirectory | NotFound)
            || self.source.raw_os_error() == Some(nix::libc::ELOOP)
    }
}

/// How long the files are of which an attempt has one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lengths {
    results: u64,
    output: Extent,
}

const RESULTS: &str = "results.jsonl";
const FILES: &str = "files";

/// The open directory of an attempt that is going on.
#[derive(Debug)]
pub(crate) struct Artifacts {
    path: PathBuf,
    results: File,
    /// Results that have not been written yet: whole lines.
    lines: Vec<u8>,
    /// How long `results.jsonl` is.
    written: u64,
    /// Beside `files/` until a result asks for it.
    output: Output,
    files: OwnedFd,
    /// The file that was written to last, kept open, since data for one file come in many pieces.
    current: Option<(String, File)>,
    unsynced: Unsynced,
}

/// What has been written since everything was on disk.
#[derive(Debug, Default)]
struct Unsynced {
    /// Paths below `files/`.
    files: BTreeSet<String>,
    /// There are more of them.
    more: bool,
    /// The lengths of what was on disk; nothing if nothing ever was.
    lengths: Option<Lengths>,
}

/// So many files are put on disk one by one. When there are more, all that the file system holds is: waiting
/// for each of many would take longer.
const FILES_ONE_BY_ONE: usize = 32;

/// How many bytes of results are gathered before they are written.
const LINES_AT_ONCE: usize = 64 << 10;

impl Artifacts {
    /// Makes the directory in place of one that was begun and of which nothing is to be kept.
    pub fn create_afresh(path: &Path) -> Result<Artifacts, Trouble> {
        match fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Trouble { path: path.to_owned(), source: e })
            }
            _ => Artifacts::create(path),
        }
    }

    /// Makes the directory.
    pub fn create(path: &Path) -> Result<Artifacts, Trouble> {
        let at = |part: &'static str| move |source| Trouble { path: path.join(part), source };
        let files = path.join(FILES);
        DirBuilder::new().recursive(true).mode(0o700).create(&files).map_err(at(FILES))?;
        let mut create = OpenOptions::new();
        create.append(true).create_new(true);
        let results = create.open(path.join(RESULTS)).map_err(at(RESULTS))?;
        let output = Output::create(path, Extent::new(u64::MAX)).map_err(at(OUTPUT))?;
        let files: OwnedFd = File::open(&files).map_err(at(FILES))?.into();
        Ok(Artifacts {
            path: path.to_owned(),
            results,
            lines: Vec::new(),
            written: 0,
            output,
            files,
            current: None,
            unsynced: Unsynced::default(),
        })
    }

    /// Opens the directory again as it was when it was put on disk with these lengths and this state of the
    /// parser: takes away what has come since.
    pub fn restore(path: &Path, lengths: &Lengths, state: &State) -> Result<Artifacts, Trouble> {
        let at = |part: &'static str| move |source| Trouble { path: path.join(part), source };
        let results = OpenOptions::new().append(true).open(path.join(RESULTS));
        let results = results.and_then(|file| cut_to(file, lengths.results)).map_err(at(RESULTS))?;
        let files = path.join(FILES);
        DirBuilder::new().recursive(true).mode(0o700).create(&files).map_err(at(FILES))?;
        let artifacts = Artifacts {
            path: path.to_owned(),
            results,
            lines: Vec::new(),
            written: lengths.results,
            output: Output::restore(path, lengths.output).map_err(at(OUTPUT))?,
            files: File::open(&files).map_err(at(FILES))?.into(),
            current: None,
            unsynced: Unsynced { lengths: Some(*lengths), ..Unsynced::default() },
        };
        let mut known = BTreeSet::new();
        for (name, length) in state.files() {
            known.insert(name);
            if let Some(length) = length {
                let open = artifacts.open_at(name, OFlag::O_WRONLY).and_then(|file| cut_to(file, length));
                open.map_err(artifacts.trouble(&format!("{FILES}/{name}")))?;
            }
        }
        remove_unknown(&files, "", &known).map_err(at(FILES))?;
        Ok(artifacts)
    }

    fn trouble(&self, part: &str) -> impl Fn(io::Error) -> Trouble {
        let path = self.path.join(part);
        move |source| Trouble { path: path.clone(), source }
    }

    /// Adds a result, given as a line of JSON.
    pub fn result(&mut self, line: &str) -> Result<(), Trouble> {
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
        if self.lines.len() >= LINES_AT_ONCE { self.flush() } else { Ok(()) }
    }

    /// How long `results.jsonl` is.
    pub fn results_length(&self) -> u64 {
        self.written
    }

    /// Writes the results that have been gathered, whole lines or nothing.
    pub fn flush(&mut self) -> Result<(), Trouble> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        if let Err(e) = self.results.write_all(&lines) {
            self.keep_whole_lines(&lines);
            return Err(self.trouble(RESULTS)(e));
        }
        self.written += lines.len() as u64;
        self.lines = lines;
        self.lines.clear();
        Ok(())
    }

    /// Cuts off the line that was written in part when the disk was full; the ones before it stay.
    fn keep_whole_lines(&mut self, lines: &[u8]) {
        let Ok(length) = self.results.metadata().map(|meta| meta.len()) else { return };
        let part = usize::try_from(length.saturating_sub(self.written)).unwrap_or(0).min(lines.len());
        let whole = memchr::memrchr(b'\n', &lines[..part]).map_or(0, |at| at + 1);
        self.written += whole as u64;
        let _ = self.results.set_len(self.written);
    }

    /// Bounds how much is kept of what the test prints; before it has printed anything.
    pub fn bound_output(&mut self, most: u64) {
        self.output.bound(most);
    }

    /// Adds to what the test printed.
    pub fn output(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.output.write(bytes).map_err(self.trouble(OUTPUT))
    }

    /// Creates a file below `files/`, unless it is there.
    pub fn start_file(&mut self, path: &str) -> Result<(), Trouble> {
        self.open(path).map_err(self.trouble(&format!("{FILES}/{path}")))
    }

    /// Appends to a file below `files/`.
    pub fn append_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let open = self.open(path).and_then(|()| {
            let (_, file) = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
            file.write_all(bytes)
        });
        open.map_err(self.trouble(&format!("{FILES}/{path}")))
    }

    fn open(&mut self, path: &str) -> io::Result<()> {
        if self.current.as_ref().is_some_and(|(current, _)| current == path) {
            return Ok(());
        }
        let file = self.open_at(path, OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT)?;
        self.unsynced.note(path);
        self.current = Some((path.to_owned(), file));
        Ok(())
    }

    fn open_at(&self, path: &str, flags: OFlag) -> io::Result<File> {
        let (dir, name) = self.walk(path)?;
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(&dir, name, flags, Mode::from_bits_truncate(0o600))?.into())
    }

    /// Makes the directories of a path below `files/`, following no link. Returns the last one, and the name
    /// of the file in it.
    fn walk<'a>(&self, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        let mut dir = self.files.try_clone()?;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return Ok((dir, part));
            }
            match mkdirat(&dir, part, Mode::from_bits_truncate(0o700)) {
                Ok(()) | Err(nix::Error::EEXIST) => {}
                Err(e) => return Err(e.into()),
            }
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            dir = openat(&dir, part, flags, Mode::empty())?;
        }
        Err(io::ErrorKind::InvalidInput.into())
    }

    /// Gives the test's output another name, below `files/`.
    pub fn link_output(&mut self, path: &str) -> Result<(), Trouble> {
        let link = || {
            let own = File::open(&self.path)?;
            let (dir, name) = self.walk(path)?;
            linkat(own.as_fd(), OUTPUT, dir.as_fd(), name, AtFlags::empty())?;
            Ok(())
        };
        link().map_err(self.trouble(&format!("{FILES}/{path}")))?;
        self.unsynced.note(path);
        Ok(())
    }

    /// Puts all that has been taken in on disk, and says how long it is.
    pub fn sync(&mut self) -> Result<Lengths, Trouble> {
        self.flush()?;
        let before = self.unsynced.lengths;
        if before.is_none() {
            sync_ancestors(&self.path);
        }
        let lengths = Lengths { results: self.written, output: self.output.extent() };
        if before.is_none_or(|before| before.results != lengths.results) {
            self.results.sync_data().map_err(self.trouble(RESULTS))?;
        }
        self.output.sync().map_err(self.trouble(OUTPUT))?;
        let unsynced = std::mem::take(&mut self.unsynced);
        if unsynced.more {
            syncfs(&self.files).map_err(|e| self.trouble(FILES)(e.into()))?;
        } else {
            for path in &unsynced.files {
                self.sync_file(path).map_err(self.trouble(&format!("{FILES}/{path}")))?;
            }
        }
        // The current one is written to without being opened again.
        self.unsynced = Unsynced { lengths: Some(lengths), ..Unsynced::default() };
        if let Some((path, _)) = &self.current {
            self.unsynced.note(path);
        }
        Ok(lengths)
    }

    /// Puts a file below `files/` on disk, and its name.
    fn sync_file(&self, path: &str) -> io::Result<()> {
        self.open_at(path, OFlag::O_RDONLY)?.sync_data()?;
        let mut dir = File::from(self.files.try_clone()?);
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            dir.sync_all()?;
            if parts.peek().is_some() {
                dir = openat(
                    &dir,
                    part,
                    OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
                    Mode::empty(),
                )?
                .into();
            }
        }
        Ok(())
    }

    /// Stores a checkpoint, which is about what was synced last.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint<'_>) -> Result<(), Trouble> {
        checkpoint.store(&self.path)?;
        self.output.saved().map_err(self.trouble(OUTPUT))
    }

    /// Nothing more is printed. Returns how much is missing of what was.
    pub fn end_output(&mut self) -> Result<u64, Trouble> {
        self.output.finish().map_err(self.trouble(OUTPUT))
    }

    /// Writes what is left. The output stays only under the names that results have asked for, and as long as it may
    /// be restored: until [`settle`].
    pub fn finish(mut self) -> Result<(), Trouble> {
        self.flush()?;
        if self.unsynced.lengths.is_none() {
            fs::remove_file(self.path.join(OUTPUT)).map_err(self.trouble(OUTPUT))?;
        }
        // Empty unless something was uploaded or linked.
        let _ = fs::remove_dir(self.path.join(FILES));
        Ok(())
    }
}

/// The end of the attempt of this directory is on record: it is not restored any more.
pub(crate) fn settle(path: &Path) -> Result<(), Trouble> {
    if checkpoint::is_there(path) {
        output::settle(path).map_err(|e| Trouble::new(path.join(OUTPUT), e))?;
        // Last, so that whoever comes after a crash of ours sees that there is something to do.
        checkpoint::remove(path)?;
    }
    Ok(())
}

impl Unsynced {
    fn note(&mut self, path: &str) {
        if self.files.len() < FILES_ONE_BY_ONE {
            self.files.insert(path.to_owned());
        } else {
            self.more |= !self.files.contains(path);
        }
    }
}

/// Removes whatever is not a known path, below `at`, which is empty or ends with a slash. Nothing is followed.
fn remove_unknown(dir: &Path, at: &str, known: &BTreeSet<&str>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_str().map(|name| format!("{at}{name}"));
        if entry.file_type()?.is_dir() {
            let below = name.map(|name| name + "/");
            let holds_known = below
                .as_deref()
                .is_some_and(|below| known.range(below..).next().is_some_and(|path| path.starts_with(below)));
            match below {
                Some(below) if holds_known => remove_unknown(&path, &below, known)?,
                _ => fs::remove_dir_all(&path)?,
            }
        } else if !name.is_some_and(|name| known.contains(name.as_str())) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Puts the names of all directories that lead here on disk. Some may not be ours to read: those have been
/// there before.
fn sync_ancestors(path: &Path) {
    for dir in path.ancestors() {
        if let Ok(dir) = File::open(dir) {
            let _ = dir.sync_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn attempt() -> (tempfile::TempDir, Artifacts, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results/default/t/attempt-1");
        let artifacts = Artifacts::create(&path).unwrap();
        (dir, artifacts, path)
    }

    #[test]
    fn results_files_and_output_find_their_places() {
        let (_dir, mut artifacts, path) = attempt();
        artifacts.output(b"out").unwrap();
        artifacts.start_file("a/b").unwrap();
        artifacts.append_file("c", b"1").unwrap();
        artifacts.append_file("a/b", b"2").unwrap();
        artifacts.append_file("c", b"3").unwrap();
        artifacts.link_output("a/output.txt").unwrap();
        artifacts.link_output("again").unwrap();
        artifacts.result("{}").unwrap();
        artifacts.finish().unwrap();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(
            (read("results.jsonl"), read("files/a/b"), read("files/c")),
            ("{}\n".into(), "2".into(), "13".into())
        );
        assert_eq!(read("files/a/output.txt"), "out");
        assert_eq!(fs::metadata(path.join("files/again")).unwrap().nlink(), 2, "linked, not copied");
    }

    #[test]
    fn output_that_nobody_asked_for_is_dropped() {
        let (_dir, mut artifacts, path) = attempt();
        artifacts.output(b"out").unwrap();
        artifacts.finish().unwrap();
        let names: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["results.jsonl"]);
    }

    #[test]
    fn links_are_never_followed() {
        let (dir, mut artifacts, path) = attempt();
        fs::write(dir.path().join("victim"), "safe").unwrap();
        symlink(dir.path().join("victim"), path.join("files/file")).unwrap();
        symlink(dir.path(), path.join("files/dir")).unwrap();
        for name in ["file", "dir/victim"] {
            let error = artifacts.append_file(name, b"gone").unwrap_err().to_string();
            assert!(error.contains(&format!("attempt-1/files/{name}: ")), "{error}");
        }
        assert!(artifacts.link_output("file").is_err());
        assert_eq!(fs::read_to_string(dir.path().join("victim")).unwrap(), "safe");
    }

    #[test]
    fn of_results_that_were_written_in_part_the_whole_ones_stay() {
        let (_dir, mut artifacts, path) = attempt();
        artifacts.result("{\"a\":1}").unwrap();
        artifacts.flush().unwrap();
        // As if the disk had been full in the middle of the second of two lines.
        let lines = b"{\"b\":1}\n{\"c\":1}\n";
        artifacts.results.write_all(&lines[..11]).unwrap();
        artifacts.keep_whole_lines(lines);
        assert_eq!(fs::read_to_string(path.join("results.jsonl")).unwrap(), "{\"a\":1}\n{\"b\":1}\n");
        assert_eq!(artifacts.written, 16);
    }
}
