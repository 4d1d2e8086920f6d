//! Files of whole lines: each is appended by one write, and a line that was torn when we were killed is cut
//! off before anything comes after it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// How much is looked at at a time for the end of the last whole line.
const BLOCK: usize = 64 << 10;

/// A file to which whole lines are appended.
#[derive(Debug)]
pub(crate) struct LinesFile {
    file: File,
    length: u64,
    /// Something could not be written. What comes later must not stand there as if nothing were missing before it.
    is_broken: bool,
}

impl LinesFile {
    /// Starts a file; there must be none, or an empty one.
    pub fn create(path: &Path) -> io::Result<LinesFile> {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
        match file.metadata()?.len() {
            0 => Ok(LinesFile { file, length: 0, is_broken: false }),
            _ => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    /// Goes on with a file.
    pub fn open(path: &Path) -> io::Result<LinesFile> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        let (all, length) = (file.metadata()?.len(), whole_lines(&file)?);
        if length < all {
            log::warn!("{}: dropped a line that was not written whole", path.display());
            file.set_len(length)?;
        }
        Ok(LinesFile { file, length, is_broken: false })
    }

    /// Appends text that ends with the end of a line. What was there before stays whole if it cannot be
    /// written, and nothing more is appended then.
    pub fn append(&mut self, text: &[u8]) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("it could not be written before"));
        }
        if let Err(e) = self.file.write_all(text) {
            // On a full disk a part may stand there. If it cannot be cut off either, whoever opens the file
            // next does it.
            let _ = self.file.set_len(self.length);
            self.is_broken = true;
            return Err(e);
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// How many bytes have been written; always whole lines.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file itself, to read from and to synchronize.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// The length of a file up to the end of its last whole line.
fn whole_lines(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = vec![0; BLOCK];
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let part = &mut block[..usize::try_from(end - start).unwrap_or(BLOCK)];
        file.read_exact_at(part, start)?;
        if let Some(at) = memchr::memrchr(b'\n', part) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_torn_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let long = "x".repeat(3 * BLOCK);
        for (text, kept) in [
            (String::new(), 0),
            ("a".into(), 0),
            ("a\n".into(), 2),
            ("a\nb".into(), 2),
            ("a\n\0\0\0".into(), 2),
            (format!("a\n{long}"), 2),
            (format!("{long}\n{long}"), long.len() + 1),
            (long.clone(), 0),
        ] {
            std::fs::write(&path, &text).unwrap();
            let mut file = LinesFile::open(&path).unwrap();
            assert_eq!(file.length(), kept as u64);
            file.append(b"more\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}more\n", &text[..kept]));
        }
        assert!(LinesFile::create(&path).is_err(), "nothing is begun twice");
        assert!(LinesFile::open(&dir.path().join("none")).is_err());
    }

    #[test]
    fn what_cannot_be_written_leaves_no_trace() {
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut file = LinesFile { file, length: 0, is_broken: false };
        assert!(file.append(b"1\n").is_err());
        file.file = tempfile::tempfile().unwrap();
        assert!(file.append(b"2\n").is_err(), "nothing comes behind a gap");
        assert_eq!(file.length(), 0);
    }
}
