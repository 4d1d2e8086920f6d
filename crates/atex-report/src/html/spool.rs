//! Chunks that wait in a file until the page is put together.
//!
//! What people want first, the failures and the totals, is known only when everything has been read. So the rest is
//! compressed as it comes and waits outside of memory.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};

use flate2::{Compress, Compression, FlushCompress, Status};

/// Chunks of one kind, as they will stand in the page.
pub(super) struct Spool {
    /// What kind it is, in a word that needs no escaping.
    kind: &'static str,
    file: BufWriter<File>,
    deflate: Compress,
    packed: Vec<u8>,
    text: Vec<u8>,
}

impl Spool {
    /// An empty one, in a file without a name.
    pub(super) fn new(kind: &'static str) -> io::Result<Spool> {
        let file = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
        let deflate = Compress::new(Compression::new(6), false);
        Ok(Spool { kind, file, deflate, packed: Vec::new(), text: Vec::new() })
    }

    /// Adds a chunk.
    pub(super) fn add(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.pack(chunk)?;
        self.text.clear();
        put_base64(&mut self.text, &self.packed);
        writeln!(self.file, "<script type=\"text/plain\" data-kind=\"{}\">", self.kind)?;
        self.file.write_all(&self.text)?;
        self.file.write_all(b"</script>\n")
    }

    /// Deflates a chunk, without a header.
    fn pack(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.deflate.reset();
        self.packed.clear();
        loop {
            self.packed.reserve(chunk.len() / 4 + 1024);
            let rest = &chunk[self.deflate.total_in() as usize..];
            let status = self.deflate.compress_vec(rest, &mut self.packed, FlushCompress::Finish);
            if status.map_err(io::Error::other)? == Status::StreamEnd {
                return Ok(());
            }
        }
    }

    /// Writes all chunks, in the order in which they were added.
    pub(super) fn write(self, to: &mut impl Write) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        let mut block = vec![0; 1 << 16];
        loop {
            match file.read(&mut block)? {
                0 => return Ok(()),
                length => to.write_all(&block[..length])?,
            }
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends bytes as base64 (RFC 4648, with padding).
fn put_base64(to: &mut Vec<u8>, bytes: &[u8]) {
    to.reserve(bytes.len().div_ceil(3) * 4);
    let mut threes = bytes.chunks_exact(3);
    for three in &mut threes {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        to.extend_from_slice(&letters(bits));
    }
    match *threes.remainder() {
        [a] => {
            let [first, second, ..] = letters(u32::from(a) << 16);
            to.extend_from_slice(&[first, second, b'=', b'=']);
        }
        [a, b] => {
            let [first, second, third, _] = letters(u32::from(a) << 16 | u32::from(b) << 8);
            to.extend_from_slice(&[first, second, third, b'=']);
        }
        _ => {}
    }
}

/// The letters of 24 bits.
fn letters(bits: u32) -> [u8; 4] {
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut found = Vec::new();
            put_base64(&mut found, bytes.as_bytes());
            assert_eq!(found, text.as_bytes(), "{bytes}");
        }
        let mut found = Vec::new();
        put_base64(&mut found, &[0xfb, 0xff, 0xbf]);
        assert_eq!(found, b"+/+/");
    }

    #[test]
    fn chunks_come_out_in_order_and_whole() {
        let mut spool = Spool::new("x").unwrap();
        // The second hardly deflates.
        let noise: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let chunks = [b"one".to_vec(), noise, Vec::new()];
        chunks.iter().for_each(|chunk| spool.add(chunk).unwrap());
        let mut page = Vec::new();
        spool.write(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        let found: Vec<Vec<u8>> =
            page.lines().filter_map(|line| line.strip_suffix("</script>")).map(unpacked).collect();
        assert_eq!(found, chunks);
        assert_eq!(page.matches("<script type=\"text/plain\" data-kind=\"x\">\n").count(), 3);
    }

    fn unpacked(text: &str) -> Vec<u8> {
        let place = |letter: u8| ALPHABET.iter().position(|of| *of == letter).unwrap_or(0) as u32;
        let mut packed = Vec::new();
        for four in text.as_bytes().chunks(4) {
            let bits = four.iter().fold(0, |bits, letter| bits << 6 | place(*letter));
            packed.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        let mut bytes = Vec::new();
        let mut inflate = flate2::read::DeflateDecoder::new(&packed[..]);
        inflate.read_to_end(&mut bytes).unwrap();
        bytes
    }
}
