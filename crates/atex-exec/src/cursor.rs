//! How far standard output has come in the journal: the file `announced`.
//!
//! It is written after what it speaks of, and not synchronized: what was said may be said again, and nothing
//! is left out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The file, and what it says.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Without one nobody remembers how far it came.
    file: Option<File>,
    at: u64,
    safe: u64,
}

impl Cursor {
    /// Opens the file, or makes it. What cannot be read, or lies behind the journal's end, means the beginning.
    pub fn open(path: &Path, journal: u64) -> io::Result<Cursor> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let said = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        let at = said.filter(|at| *at <= journal).unwrap_or(0);
        Ok(Cursor { file: Some(file), at, safe: at })
    }

    /// The beginning, for whoever tells everything once.
    pub fn beginning() -> Cursor {
        Cursor { file: None, at: 0, safe: 0 }
    }

    /// The offset of the next record to be said.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// All before this had been said before, and so was on disk.
    pub fn safe(&self) -> u64 {
        self.safe
    }

    /// Leaves out what lies before.
    pub fn skip(&mut self, at: u64) {
        (self.at, self.safe) = (at, at);
    }

    /// Goes back to the beginning.
    pub fn rewind(&mut self) {
        self.at = 0;
    }

    /// All before this has been said.
    pub fn set(&mut self, at: u64) -> io::Result<()> {
        self.at = at;
        // Always as long, so that one write replaces all of it.
        match &self.file {
            Some(file) => file.write_all_at(format!("{at:020}\n").as_bytes(), 0),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_believed_only_if_it_can_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("announced");
        assert_eq!(Cursor::open(&path, 9).unwrap().at(), 0);
        Cursor::open(&path, 9).unwrap().set(1_000_000).unwrap();
        let mut cursor = Cursor::open(&path, 1_000_000).unwrap();
        assert_eq!(cursor.at(), 1_000_000);
        cursor.set(7).unwrap();
        assert_eq!(Cursor::open(&path, 7).unwrap().at(), 7);
        assert_eq!(Cursor::open(&path, 6).unwrap().at(), 0, "beyond the journal's end");
        std::fs::write(&path, b"\0\0\0").unwrap();
        assert_eq!(Cursor::open(&path, 9).unwrap().at(), 0);
    }
}
