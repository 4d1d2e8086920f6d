//! Where a report goes: standard output or files, plain or packed.
//!
//! A file appears under its name when it is whole: somebody who picks up reports never finds half of one.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use atex_cli::Failure;
use atex_cli::input::reason;

use crate::place::Place;
use crate::stop::Stop;

/// How much is gathered before it is written.
const BUFFER: usize = 64 << 10;

/// How hard zstd and xz work: beyond it time grows faster than the files shrink.
const ZSTD_LEVEL: i32 = 6;
const XZ_LEVEL: u32 = 6;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// `.gz`
    Gzip,
    /// `.xz`
    Xz,
    /// `.zst`
    Zstd,
}

impl Packing {
    /// What the end of a file's name asks for.
    pub fn of(path: &Path) -> Packing {
        match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("gz") => Packing::Gzip,
            Some("xz") => Packing::Xz,
            Some("zst") => Packing::Zstd,
            _ => Packing::Plain,
        }
    }

    /// What is appended to the name of a file that is packed so.
    pub fn suffix(self) -> &'static str {
        match self {
            Packing::Plain => "",
            Packing::Gzip => ".gz",
            Packing::Xz => ".xz",
            Packing::Zstd => ".zst",
        }
    }

    /// A writer that packs what goes to `to`.
    ///
    /// # Errors
    /// The packer cannot be set up.
    pub fn writer<W: Write>(self, to: W) -> io::Result<Packer<W>> {
        Ok(match self {
            Packing::Plain => Packer::Plain(to),
            Packing::Gzip => Packer::Gzip(flate2::write::GzEncoder::new(to, flate2::Compression::default())),
            Packing::Xz => Packer::Xz(liblzma::write::XzEncoder::new(to, XZ_LEVEL)),
            Packing::Zstd => Packer::Zstd(zstd::Encoder::new(to, ZSTD_LEVEL)?),
        })
    }
}

/// Packs what is written to it.
pub enum Packer<W: Write> {
    /// Not at all.
    Plain(W),
    /// As gzip.
    Gzip(flate2::write::GzEncoder<W>),
    /// As xz.
    Xz(liblzma::write::XzEncoder<W>),
    /// As zstd.
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    /// What is written to.
    pub fn get_ref(&self) -> &W {
        match self {
            Packer::Plain(to) => to,
            Packer::Gzip(packer) => packer.get_ref(),
            Packer::Xz(packer) => packer.get_ref(),
            Packer::Zstd(packer) => packer.get_ref(),
        }
    }

    /// Writes the end; what it was written to is given back.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Packer::Plain(to) => Ok(to),
            Packer::Gzip(packer) => packer.finish(),
            Packer::Xz(packer) => packer.finish(),
            Packer::Zstd(packer) => packer.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packer::Plain(to) => to.write(bytes),
            Packer::Gzip(packer) => packer.write(bytes),
            Packer::Xz(packer) => packer.write(bytes),
            Packer::Zstd(packer) => packer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Packer::Plain(to) => to.flush(),
            Packer::Gzip(packer) => packer.flush(),
            Packer::Xz(packer) => packer.flush(),
            Packer::Zstd(packer) => packer.flush(),
        }
    }
}

/// Takes a report. Writers append to [`Out::buffer`]; it is written when it has grown.
pub struct Out<'w> {
    /// What was not written yet.
    pub buffer: Vec<u8>,
    to: To<'w>,
    /// How many bytes of this part were written, without those in the buffer.
    written: u64,
    parts: u32,
}

enum To<'w> {
    Stream(Box<dyn Write + 'w>),
    /// What has this name.
    Place(PathBuf, Box<Packer<BufWriter<Place>>>),
    Done,
}

impl<'w> Out<'w> {
    /// To a stream: standard output, in messages.
    pub fn stream(to: impl Write + 'w) -> Out<'w> {
        Out::new(To::Stream(Box::new(to)))
    }

    /// To a file, packed as the end of its name says.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn file(path: &Path) -> Result<Out<'w>, Failure> {
        To::open(path)
            .map(Out::new)
            .map_err(|e| Failure::usage(format!("{}: {}", path.display(), reason(&e))))
    }

    fn new(to: To<'w>) -> Out<'w> {
        Out { buffer: Vec::with_capacity(BUFFER + BUFFER / 4), to, written: 0, parts: 1 }
    }

    /// How long this part is by now, unpacked.
    pub fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Whether nothing was written to this part.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes what was gathered if it is worth it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn settle(&mut self) -> Result<(), Stop> {
        if self.buffer.len() >= BUFFER { self.drain() } else { Ok(()) }
    }

    /// Writes what was gathered, so that a reader sees it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> Result<(), Stop> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.drain()?;
        match &mut self.to {
            // A flush would make packed data larger, and nobody reads a file that is not there yet.
            To::Place(_, to) if to.get_ref().get_ref().is_file() => Ok(()),
            To::Place(path, to) => to.flush().map_err(|e| stop(&path.display(), e)),
            To::Stream(to) => to.flush().map_err(|e| stop("stdout", e)),
            To::Done => Ok(()),
        }
    }

    fn drain(&mut self) -> Result<(), Stop> {
        let written = match &mut self.to {
            To::Stream(to) => to.write_all(&self.buffer).map_err(|e| stop("stdout", e)),
            To::Place(path, to) => to.write_all(&self.buffer).map_err(|e| stop(&path.display(), e)),
            To::Done => Ok(()),
        };
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        written
    }

    /// Ends this file and goes on in the next: `NAME-2.xml` after `NAME.xml`. What is no file goes on as it is.
    ///
    /// # Errors
    /// One of them cannot be written.
    pub fn next_part(&mut self) -> Result<(), Stop> {
        let To::Place(path, _) = &self.to else { return Ok(()) };
        let first = if self.parts == 1 { path.clone() } else { part(path, self.parts, 1) };
        self.finish()?;
        self.parts += 1;
        let next = part(&first, 1, self.parts);
        self.to = To::open(&next).map_err(|e| stop(&next.display(), e))?;
        self.written = 0;
        Ok(())
    }

    /// Writes the rest; a file gets its name.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(&mut self) -> Result<(), Stop> {
        self.drain()?;
        match std::mem::replace(&mut self.to, To::Done) {
            To::Stream(mut to) => to.flush().map_err(|e| stop("stdout", e)),
            To::Place(path, to) => keep(*to).map_err(|e| stop(&path.display(), e)),
            To::Done => Ok(()),
        }
    }
}

impl To<'_> {
    fn open(path: &Path) -> io::Result<Self> {
        let place = BufWriter::new(Place::open(path)?);
        Ok(To::Place(path.to_owned(), Box::new(Packing::of(path).writer(place)?)))
    }
}

fn keep(to: Packer<BufWriter<Place>>) -> io::Result<()> {
    let place = to.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    // Reports are for others.
    place.share()?;
    place.keep()
}

/// `NAME-2.xml` from `NAME.xml`, or back.
fn part(path: &Path, from: u32, to: u32) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let dot = name.find('.').filter(|at| *at > 0).unwrap_or(name.len());
    let (stem, suffix) = name.split_at(dot);
    let old = if from > 1 { format!("-{from}") } else { String::new() };
    let stem = stem.strip_suffix(&old).unwrap_or(stem);
    let new = if to > 1 { format!("-{to}") } else { String::new() };
    path.with_file_name(format!("{stem}{new}{suffix}"))
}

fn stop(name: &(impl std::fmt::Display + ?Sized), e: io::Error) -> Stop {
    match e.kind() {
        io::ErrorKind::BrokenPipe => Stop::Closed,
        _ => Stop::trouble(format!("{name}: {}", reason(&e))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read as _;

    #[test]
    fn a_file_is_packed_as_its_name_says_and_there_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        for suffix in ["", ".gz", ".xz", ".zst"] {
            let path = dir.path().join(format!("a.txt{suffix}"));
            let mut out = Out::file(&path).unwrap();
            out.buffer.extend_from_slice(&[b'x'; 100_000]);
            out.settle().unwrap();
            assert!(!path.exists());
            out.buffer.extend_from_slice(b"end");
            out.finish().unwrap();
            let mut read = Vec::new();
            let file = Box::new(File::open(&path).unwrap());
            crate::input::open::unpack(file).unwrap().read_to_end(&mut read).unwrap();
            assert!(read.len() == 100_003 && read.ends_with(b"xend"), "{suffix}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4, "nothing is left over");
    }

    #[test]
    fn a_report_that_was_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = Out::file(&dir.path().join("a")).unwrap();
        out.buffer.extend_from_slice(b"half");
        out.flush().unwrap();
        drop(out);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn parts_are_numbered() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = Out::file(&dir.path().join("a.xml.gz")).unwrap();
        for n in 0..3 {
            if n > 0 {
                out.next_part().unwrap();
            }
            out.buffer.push(b'0' + n);
        }
        out.finish().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a-2.xml.gz", "a-3.xml.gz", "a.xml.gz"]);
    }

    #[test]
    fn what_is_no_file_is_written_as_it_is() {
        let mut out = Out::file(Path::new("/dev/full")).unwrap();
        out.buffer.push(b'x');
        let Err(Stop::Failed(failure)) = out.finish() else { panic!("/dev/full took something") };
        assert_eq!(failure.message, "/dev/full: No space left on device");
    }

    #[test]
    fn a_directory_that_is_not_there_is_wrong_usage() {
        let failure = Out::file(Path::new("/nonexistent/x")).err().unwrap();
        assert!(failure.message.starts_with("/nonexistent/x: No such file"), "{}", failure.message);
    }
}
