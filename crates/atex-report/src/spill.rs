//! Text that is gathered piece by piece for many owners at a time, in memory as long as it is little, else in a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::out::Out;
use crate::stop::Stop;

/// How much all owners together hold in memory before it goes to the file.
const HELD: usize = 8 << 20;

/// How much is read back at a time.
const PIECE: usize = 64 << 10;

/// The file, without a name: it is gone with us, however we end.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    file: Option<File>,
    end: u64,
    /// How many bytes of it are wanted yet.
    wanted: u64,
    /// How many bytes all bodies hold in memory.
    held: usize,
}

/// What was gathered for one owner. It must be given to [`Spill::take`] in the end.
#[derive(Debug, Default)]
pub(crate) struct Body {
    memory: Vec<u8>,
    /// What stands in the file, in order: from where, how much.
    pieces: Vec<(u64, u64)>,
}

impl Body {
    /// How long it is.
    pub fn len(&self) -> u64 {
        self.memory.len() as u64 + self.pieces.iter().map(|(_, len)| len).sum::<u64>()
    }

    /// Whether nothing was gathered.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.pieces.is_empty()
    }
}

impl Spill {
    /// Lets `write` append to a body. Returns whether it is time for [`Spill::put`].
    pub fn append(&mut self, body: &mut Body, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let before = body.memory.len();
        write(&mut body.memory);
        self.held += body.memory.len() - before;
        self.held > HELD
    }

    /// Moves what a body holds in memory to the file.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn put(&mut self, body: &mut Body) -> Result<(), Stop> {
        if body.memory.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().map_err(|e| failed(&e))?),
        };
        file.write_all_at(&body.memory, self.end).map_err(|e| failed(&e))?;
        let len = body.memory.len() as u64;
        body.pieces.push((self.end, len));
        self.end += len;
        self.wanted += len;
        self.held -= body.memory.len();
        body.memory = Vec::new();
        Ok(())
    }

    /// Hands all that was gathered to `take`, in pieces, each of which ends where something that was appended ended.
    ///
    /// # Errors
    /// Those of `take`, or the file cannot be read.
    pub fn take(&mut self, body: Body, mut take: impl FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
        for (at, len) in body.pieces {
            self.piece(at, len, &mut take)?;
            self.wanted -= len;
        }
        if self.wanted == 0 && self.end > 0 {
            self.end = 0;
            if let Some(file) = &self.file {
                file.set_len(0).map_err(|e| failed(&e))?;
            }
        }
        self.held -= body.memory.len();
        take(&body.memory)
    }

    /// Pieces end at the ends of lines.
    fn piece(
        &self,
        mut at: u64,
        len: u64,
        take: &mut impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let Some(file) = &self.file else { return Ok(()) };
        let end = at + len;
        let mut buffer = Vec::new();
        while at < end {
            let held = buffer.len();
            let more = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            buffer.resize(held + more, 0);
            file.read_exact_at(&mut buffer[held..], at).map_err(|e| failed(&e))?;
            at += more as u64;
            let whole = match at == end {
                true => buffer.len(),
                false => memchr::memrchr(b'\n', &buffer).map_or(0, |newline| newline + 1),
            };
            take(&buffer[..whole])?;
            buffer.drain(..whole);
        }
        Ok(())
    }

    /// Writes all that was gathered, as it is.
    ///
    /// # Errors
    /// It cannot be written, or not be read back.
    pub fn write(&mut self, body: Body, out: &mut Out<'_>) -> Result<(), Stop> {
        self.take(body, |bytes| {
            out.buffer.extend_from_slice(bytes);
            out.settle()
        })
    }
}

fn failed(e: &io::Error) -> Stop {
    let reason = atex_cli::input::reason(e);
    Stop::trouble(format!("{}: {reason}; it holds what is not yet written", std::env::temp_dir().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(spill: &mut Spill, body: Body) -> Vec<u8> {
        let mut read = Vec::new();
        spill
            .take(body, |bytes| {
                assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "whole lines");
                read.extend_from_slice(bytes);
                Ok(())
            })
            .unwrap();
        read
    }

    #[test]
    fn what_was_gathered_comes_back_in_order() {
        let mut spill = Spill::default();
        let (mut a, mut b) = (Body::default(), Body::default());
        let (mut expected_a, mut expected_b) = (Vec::new(), Vec::new());
        for n in 0..40_000u32 {
            for (body, expected, name) in [(&mut a, &mut expected_a, "a"), (&mut b, &mut expected_b, "b")] {
                let line = format!("{name} {n}\n");
                expected.extend_from_slice(line.as_bytes());
                spill.append(body, |to| to.extend_from_slice(line.as_bytes()));
            }
            if n % 13_000 == 7 {
                spill.put(&mut a).unwrap();
                spill.put(&mut b).unwrap();
            }
        }
        assert!(a.pieces.len() == 4 && a.len() == expected_a.len() as u64);
        assert!(all(&mut spill, a) == expected_a);
        assert!(spill.end > 0, "b is there yet");
        assert!(all(&mut spill, b) == expected_b);
        assert_eq!((spill.end, spill.wanted, spill.held), (0, 0, 0), "and its room is given back");
    }

    #[test]
    fn memory_is_bounded() {
        let (mut spill, mut body) = (Spill::default(), Body::default());
        for _ in 0..3 * HELD / 100 {
            if spill.append(&mut body, |to| to.extend_from_slice(&[b'x'; 100])) {
                spill.put(&mut body).unwrap();
            }
            assert!(spill.held <= HELD + 100);
        }
    }
}
