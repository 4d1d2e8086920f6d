//! What a test prints, in files of a bounded size: when it is too much, the beginning and the end are kept.
//!
//! The beginning is `output`. What comes behind it goes to files `output.tail-N` of equal size, of which the last
//! two are kept; where each byte is follows from its position, so that there is nothing to remember but how many
//! there have been. At the end, the tail is appended to the beginning, behind a line that says what is missing.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The name of the beginning, and in the end of all of it.
pub(crate) const OUTPUT: &str = "output";

/// How much has been printed, and how much of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    pub bytes: u64,
    most: u64,
}

/// The output of an attempt that is going on.
#[derive(Debug)]
pub(crate) struct Output {
    dir: PathBuf,
    head: File,
    extent: Extent,
    /// The part of the tail that is written to.
    part: Option<(u64, File)>,
    /// The first part that is still there.
    oldest: u64,
    /// What is on disk and stays there, since a checkpoint counts on it.
    saved: Option<Extent>,
}

impl Extent {
    /// Nothing yet; at most so many bytes are to be kept.
    pub fn new(most: u64) -> Extent {
        Extent { bytes: 0, most }
    }

    fn part_size(self) -> u64 {
        (self.most / 4).max(1)
    }

    fn head(self) -> u64 {
        self.most.saturating_sub(2 * self.part_size())
    }

    /// The last part of the tail that has a byte.
    fn last_part(self) -> Option<u64> {
        Some(self.bytes.checked_sub(self.head() + 1)? / self.part_size())
    }

    /// The first part of the tail that is kept.
    fn first_part(self) -> u64 {
        self.last_part().map_or(0, |last| last.saturating_sub(1))
    }

    /// How many bytes that part of the tail has.
    fn part_length(self, part: u64) -> u64 {
        self.bytes.saturating_sub(self.head() + part * self.part_size()).min(self.part_size())
    }

    fn left_out(self) -> u64 {
        self.first_part() * self.part_size()
    }
}

fn part_path(dir: &Path, part: u64) -> PathBuf {
    dir.join(format!("{OUTPUT}.tail-{part}"))
}

fn part_number(name: &OsStr) -> Option<u64> {
    name.to_str()?.strip_prefix(OUTPUT)?.strip_prefix(".tail-")?.parse().ok()
}

impl Output {
    /// Makes the file.
    pub fn create(dir: &Path, extent: Extent) -> io::Result<Output> {
        let head = OpenOptions::new().append(true).create_new(true).open(dir.join(OUTPUT))?;
        Ok(Output { dir: dir.to_owned(), head, extent, part: None, oldest: 0, saved: None })
    }

    /// Opens the files again as they were.
    pub fn restore(dir: &Path, extent: Extent) -> io::Result<Output> {
        let open = |path: PathBuf| OpenOptions::new().append(true).open(path);
        let head = cut_to(open(dir.join(OUTPUT))?, extent.bytes.min(extent.head()))?;
        let kept = extent.last_part().map_or(0..0, |last| extent.first_part()..last + 1);
        let mut part = None;
        for number in kept.clone() {
            let file = cut_to(open(part_path(dir, number))?, extent.part_length(number))?;
            part = Some((number, file));
        }
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if part_number(&entry.file_name()).is_some_and(|number| !kept.contains(&number)) {
                fs::remove_file(entry.path())?;
            }
        }
        let oldest = extent.first_part();
        Ok(Output { dir: dir.to_owned(), head, extent, part, oldest, saved: Some(extent) })
    }

    /// Bounds what is kept, before anything has been written.
    pub fn bound(&mut self, most: u64) {
        self.extent.most = most;
    }

    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Adds what was printed next.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let at = self.extent.bytes;
            let (room, file) = match self.extent.head().checked_sub(at) {
                Some(room) if room > 0 => (room, &mut self.head),
                _ => {
                    let behind = at - self.extent.head();
                    let size = self.extent.part_size();
                    (size - behind % size, self.open_part(behind / size)?)
                }
            };
            let (now, later) = bytes.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
            file.write_all(now)?;
            self.extent.bytes += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    fn open_part(&mut self, number: u64) -> io::Result<&mut File> {
        if self.part.as_ref().is_none_or(|(open, _)| *open != number) {
            let path = part_path(&self.dir, number);
            self.part = Some((number, OpenOptions::new().append(true).create(true).open(path)?));
            self.remove_until(number.saturating_sub(1))?;
        }
        self.part.as_mut().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Removes parts of the tail before this one, except those that a checkpoint counts on.
    fn remove_until(&mut self, part: u64) -> io::Result<()> {
        let end = self.saved.map_or(part, |saved| part.min(saved.first_part()));
        while self.oldest < end {
            fs::remove_file(part_path(&self.dir, self.oldest))?;
            self.oldest += 1;
        }
        Ok(())
    }

    /// Puts on disk what has come since the last time.
    pub fn sync(&self) -> io::Result<()> {
        let before = self.saved.unwrap_or(Extent::new(self.extent.most));
        if self.saved.is_none() || before.bytes < before.head() && before.bytes < self.extent.bytes {
            self.head.sync_data()?;
        }
        let Some(last) = self.extent.last_part().filter(|_| before.bytes < self.extent.bytes) else {
            return Ok(());
        };
        for number in before.last_part().unwrap_or(0).max(self.extent.first_part())..=last {
            File::open(part_path(&self.dir, number))?.sync_data()?;
        }
        Ok(())
    }

    /// A checkpoint has been made of what was synced.
    pub fn saved(&mut self) -> io::Result<()> {
        self.saved = Some(self.extent);
        self.remove_until(self.extent.first_part())
    }

    /// Puts the end behind the beginning. Returns how many bytes are missing between them. What a checkpoint counts
    /// on stays until [`settle`].
    pub fn finish(&mut self) -> io::Result<u64> {
        let left_out = self.extent.left_out();
        if left_out > 0 {
            writeln!(self.head, "\n[{left_out} bytes of output left out]")?;
        }
        if let Some(last) = self.extent.last_part() {
            for number in self.extent.first_part()..=last {
                io::copy(&mut File::open(part_path(&self.dir, number))?, &mut self.head)?;
            }
            if self.saved.is_none() {
                for number in self.oldest..=last {
                    fs::remove_file(part_path(&self.dir, number))?;
                }
            }
        }
        Ok(left_out)
    }
}

/// Removes what was kept for a checkpoint, and the output under its own name.
pub(crate) fn settle(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() == OUTPUT || part_number(&entry.file_name()).is_some() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Takes away what lies behind this length.
pub(crate) fn cut_to(file: File, length: u64) -> io::Result<File> {
    let found = file.metadata()?.len();
    if found < length {
        let message = format!("{found} bytes are left of {length} that the checkpoint counts on");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    if found > length {
        file.set_len(length)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of `bytes` when at most `most` are, by the book.
    fn model(bytes: &[u8], most: usize) -> Vec<u8> {
        let size = most / 4;
        let head = most - 2 * size;
        if bytes.len() <= head {
            return bytes.to_vec();
        }
        let left_out = ((bytes.len() - head - 1) / size).saturating_sub(1) * size;
        let marker =
            if left_out > 0 { format!("\n[{left_out} bytes of output left out]\n") } else { String::new() };
        [&bytes[..head], marker.as_bytes(), &bytes[head + left_out..]].concat()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let bytes: Vec<u8> = (b'a'..=b'z').chain(b'A'..=b'Z').collect();
        for length in 0..bytes.len() {
            for piece in [1, 3, 7, 60] {
                let dir = crate::checkpoint::tests::fast_dir();
                let mut output = Output::create(dir.path(), Extent::new(10)).unwrap();
                for piece in bytes[..length].chunks(piece) {
                    output.write(piece).unwrap();
                    assert!(names(dir.path()).len() <= 3, "{:?}", names(dir.path()));
                }
                let left_out = output.finish().unwrap();
                assert_eq!(names(dir.path()), [OUTPUT]);
                let kept = fs::read(dir.path().join(OUTPUT)).unwrap();
                assert_eq!(kept, model(&bytes[..length], 10), "{length} in pieces of {piece}");
                assert_eq!(left_out > 0, length > 10, "{length}");
            }
        }
    }

    #[test]
    fn what_a_checkpoint_counts_on_stays() {
        let bytes: Vec<u8> = (0..100).collect();
        for saved in 0..60 {
            let dir = crate::checkpoint::tests::fast_dir();
            let mut output = Output::create(dir.path(), Extent::new(8)).unwrap();
            output.write(&bytes[..saved / 2]).unwrap();
            output.sync().unwrap();
            output.saved().unwrap();
            output.write(&bytes[saved / 2..saved]).unwrap();
            output.sync().unwrap();
            output.saved().unwrap();
            assert!(names(dir.path()).len() <= 3);
            let extent = output.extent();
            output.write(&bytes[saved..80]).unwrap();
            drop(output);
            let mut output = Output::restore(dir.path(), extent).unwrap();
            output.write(&bytes[saved..]).unwrap();
            output.finish().unwrap();
            assert_eq!(fs::read(dir.path().join(OUTPUT)).unwrap(), model(&bytes, 8), "{saved}");
            // Nobody knows yet that it has ended.
            let mut output = Output::restore(dir.path(), extent).unwrap();
            output.write(&bytes[saved..]).unwrap();
            output.finish().unwrap();
            assert_eq!(fs::read(dir.path().join(OUTPUT)).unwrap(), model(&bytes, 8), "{saved}, again");
            settle(dir.path()).unwrap();
            assert!(names(dir.path()).is_empty());
        }
    }
}
