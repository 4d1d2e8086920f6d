//! The directory of an attempt: results, files, and the test's output.
//!
//! What stands in names and bytes here comes from a stranger. Nothing is written outside of `files/`, and a
//! symbolic link there is never followed.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use atex_cli::input::reason;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::linkat;

/// A file of ours cannot be written: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", path.display(), reason(source))]
pub(crate) struct Trouble {
    path: PathBuf,
    source: io::Error,
}

/// The captured output of the test, beside `files/` until a result asks for it.
const OUTPUT: &str = "output";
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
    output: File,
    files: OwnedFd,
    /// The file that was written to last, kept open, since data for one file come in many pieces.
    current: Option<(String, File)>,
}

/// How many bytes of results are gathered before they are written.
const LINES_AT_ONCE: usize = 64 << 10;

impl Artifacts {
    /// Makes the directory.
    pub fn create(path: &Path) -> Result<Artifacts, Trouble> {
        let at = |part: &'static str| move |source| Trouble { path: path.join(part), source };
        let files = path.join(FILES);
        DirBuilder::new().recursive(true).mode(0o700).create(&files).map_err(at(FILES))?;
        let results = File::create_new(path.join(RESULTS)).map_err(at(RESULTS))?;
        let output = File::create_new(path.join(OUTPUT)).map_err(at(OUTPUT))?;
        let files: OwnedFd = File::open(&files).map_err(at(FILES))?.into();
        Ok(Artifacts {
            path: path.to_owned(),
            results,
            lines: Vec::new(),
            written: 0,
            output,
            files,
            current: None,
        })
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

    /// Adds to what the test printed.
    pub fn output(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.output.write_all(bytes).map_err(self.trouble(OUTPUT))
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
        let (dir, name) = self.walk(path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&dir, name, flags, Mode::from_bits_truncate(0o600))?;
        self.current = Some((path.to_owned(), file.into()));
        Ok(())
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
        link().map_err(self.trouble(&format!("{FILES}/{path}")))
    }

    /// Writes what is left. The output stays only under the names that results have asked for.
    pub fn finish(mut self) -> Result<(), Trouble> {
        self.flush()?;
        let output = self.path.join(OUTPUT);
        fs::remove_file(&output).map_err(self.trouble(OUTPUT))?;
        // Empty unless something was uploaded or linked.
        let _ = fs::remove_dir(self.path.join(FILES));
        Ok(())
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
