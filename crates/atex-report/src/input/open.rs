//! Opens a source: what it is packed with is recognised by its content, never by its name.

use std::fs::File;
use std::io::{self, Cursor, Read};

use super::Source;
use super::grow::{GrowingFile, Over};
use super::run_dir::RunDir;

/// Opens it; in any case its name for messages. What is read of it tells when it is over.
pub(super) fn open(source: &Source, over: &Over) -> (String, io::Result<Box<dyn Read + Send>>) {
    match source {
        Source::Stdin => ("stdin".to_owned(), unpack(Box::new(io::stdin()))),
        Source::File(path) => {
            let opened = File::open(path).and_then(|file| unpack(Box::new(file)));
            (path.display().to_string(), opened)
        }
        Source::Run(path) => {
            let opened = RunDir::open(path, false).map(|run| Box::new(run) as Box<dyn Read + Send>);
            (path.display().to_string(), opened)
        }
        Source::GrowingRun(path) => {
            let opened = RunDir::open(path, true).map(|run| Box::new(run) as Box<dyn Read + Send>);
            (path.display().to_string(), opened)
        }
        Source::GrowingFile(path) => {
            let opened = GrowingFile::open(path, over).and_then(|file| {
                let (start, from) = peek(Box::new(file))?;
                if !start.is_empty() {
                    over.is_complete();
                }
                unpack_as(start, from)
            });
            (path.display().to_string(), opened)
        }
    }
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Unpacks what is packed. Waits for no more than the first byte of what is not.
pub(crate) fn unpack(from: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let (start, from) = peek(from)?;
    unpack_as(start, from)
}

fn unpack_as(start: &[u8], from: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let unpacked: Box<dyn Read + Send> = if start == GZIP {
        // Several, one after another, are one: what `cat a.gz b.gz` makes.
        Box::new(Unpacked::new(flate2::read::MultiGzDecoder::new(from), "gzip"))
    } else if start == XZ {
        Box::new(Unpacked::new(liblzma::read::XzDecoder::new_multi_decoder(from), "xz"))
    } else if start == ZSTD {
        Box::new(Unpacked::new(zstd::Decoder::new(from)?, "zstd"))
    } else {
        from
    };
    archived(unpacked)
}

/// The name of the member with which an archive of a run begins: its records.
pub(crate) const RECORDS: &str = "records.jsonl";

/// How long a header of tar is.
const BLOCK: usize = 512;

/// Of an archive, the records; anything else as it is. Waits for no more than the first byte of what is not.
fn archived(mut from: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut block = Vec::with_capacity(BLOCK);
    from.by_ref().take(1).read_to_end(&mut block)?;
    if block.first() != RECORDS.as_bytes().first() {
        return Ok(Box::new(Cursor::new(block).chain(from)));
    }
    from.by_ref().take(BLOCK as u64 - 1).read_to_end(&mut block)?;
    let mut header = tar::Header::new_ustar();
    if block.len() < BLOCK || !block.starts_with(RECORDS.as_bytes()) {
        return Ok(Box::new(Cursor::new(block).chain(from)));
    }
    header.as_mut_bytes().copy_from_slice(&block);
    match header.entry_size() {
        Ok(left) => Ok(Box::new(Member { from, left })),
        Err(_) => Ok(Box::new(Cursor::new(block).chain(from))),
    }
}

/// One member of an archive.
struct Member {
    from: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.from.read(&mut buffer[..most])?;
        if n == 0 && most > 0 {
            return Err(io::Error::other("the archive is cut off"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}

/// The first bytes, if they are those of a packed stream, and all of the stream.
fn peek(mut from: Box<dyn Read + Send>) -> io::Result<(&'static [u8], Box<dyn Read + Send>)> {
    let mut start = Vec::new();
    let mut byte = [0];
    let known = [GZIP, XZ, ZSTD];
    let found = loop {
        if let Some(found) = known.into_iter().find(|magic| *magic == start) {
            break found;
        }
        if !known.iter().any(|magic| magic.starts_with(&start)) || from.read(&mut byte)? == 0 {
            break &[];
        }
        start.push(byte[0]);
    };
    Ok((found, Box::new(Cursor::new(start).chain(from))))
}

/// Says of what is damaged how it was packed: the libraries' own words do not.
struct Unpacked<R> {
    from: R,
    how: &'static str,
}

impl<R> Unpacked<R> {
    fn new(from: R, how: &'static str) -> Unpacked<R> {
        Unpacked { from, how }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).map_err(|e| match e.kind() {
            io::ErrorKind::Interrupted => e,
            io::ErrorKind::UnexpectedEof => io::Error::other(format!("the {} data is cut off", self.how)),
            _ => io::Error::other(format!("the {} data is damaged: {e}", self.how)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn packed(text: &[u8]) -> [Vec<u8>; 4] {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(text).unwrap();
        [text.to_vec(), gz.finish().unwrap(), xz.finish().unwrap(), zstd::encode_all(text, 1).unwrap()]
    }

    fn all(bytes: Vec<u8>) -> (Vec<u8>, Option<String>) {
        let mut read = Vec::new();
        let done = unpack(Box::new(Cursor::new(bytes))).and_then(|mut from| from.read_to_end(&mut read));
        (read, done.err().map(|e| e.to_string()))
    }

    #[test]
    fn the_content_says_how_it_is_packed() {
        let text = "{\"type\":\"x\"}\n".repeat(5000).into_bytes();
        for bytes in packed(&text) {
            assert_eq!(all(bytes.clone()), (text.clone(), None));
            assert_eq!(all([bytes.clone(), bytes].concat()), (text.repeat(2), None), "one behind another");
        }
        for short in [&b""[..], b"\x1f", b"\xfd7zX", b"("] {
            assert_eq!(all(short.to_vec()), (short.to_vec(), None));
        }
    }

    #[test]
    fn what_is_cut_off_is_said_behind_what_could_be_read() {
        // Text that does not become small, so that a part of it has arrived when the rest is missing.
        let text: Vec<u8> =
            (0..60_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for (bytes, how) in packed(&text).into_iter().skip(1).zip(["gzip", "xz", "zstd"]) {
            let (read, error) = all(bytes[..bytes.len() / 2].to_vec());
            assert!(text.starts_with(&read) && (how == "xz" || !read.is_empty()), "{how}: {}", read.len());
            assert_eq!(error, Some(format!("the {how} data is cut off")));
        }
    }

    #[test]
    fn what_is_damaged_is_named() {
        for (bytes, how) in packed(&[b'x'; 100]).into_iter().skip(1).zip(["gzip", "xz", "zstd"]) {
            let mut bytes = bytes;
            let at = bytes.len() / 2;
            bytes[at..].fill(0xff);
            let error = all(bytes).1.unwrap();
            assert!(error.starts_with(&format!("the {how} data is ")), "{error}");
        }
    }
}
