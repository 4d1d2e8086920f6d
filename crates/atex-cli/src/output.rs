//! Records to standard output.

use std::io::{self, Write};

use serde::Serialize;

use crate::{Failure, input::reason};

/// How much is gathered before it is written, unless somebody flushes.
const BUFFER: usize = 64 << 10;

/// Why a record could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The reader has gone away.
    #[error("stdout: the reader has gone away")]
    Closed,
    /// Something else.
    #[error("stdout: {}", reason(.0))]
    Failed(#[source] io::Error),
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        Failure::trouble(error)
    }
}

/// Writes whole lines: what is written at once always ends with the end of a line.
pub struct Output<W: Write> {
    to: W,
    buffer: Vec<u8>,
}

impl Output<io::Stdout> {
    /// To standard output.
    pub fn stdout() -> Self {
        Output::new(io::stdout())
    }
}

impl<W: Write> Output<W> {
    /// To any writer.
    pub fn new(to: W) -> Self {
        Output { to, buffer: Vec::with_capacity(BUFFER) }
    }

    /// Adds a record. It may be held back until [`Output::flush`] or until there is more.
    ///
    /// # Errors
    /// The buffer had to be written and could not be.
    pub fn record<T: Serialize>(&mut self, record: &T) -> Result<(), OutputError> {
        atex_model::to_line(&mut self.buffer, record);
        self.flush_if_full()
    }

    /// Adds a line as it is, without its end.
    ///
    /// # Errors
    /// As [`Output::record`].
    pub fn line(&mut self, text: &str) -> Result<(), OutputError> {
        self.buffer.extend_from_slice(text.as_bytes());
        self.buffer.push(b'\n');
        self.flush_if_full()
    }

    /// Lets `write` append whole lines to the buffer.
    ///
    /// # Errors
    /// As [`Output::record`].
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), OutputError> {
        write(&mut self.buffer);
        self.flush_if_full()
    }

    /// Writes what was held back.
    ///
    /// # Errors
    /// It cannot be written. What was held back is dropped, so that nothing is written twice.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        let result = self.to.write_all(&self.buffer).and_then(|()| self.to.flush());
        self.buffer.clear();
        result.map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe => OutputError::Closed,
            _ => OutputError::Failed(e),
        })
    }

    fn flush_if_full(&mut self) -> Result<(), OutputError> {
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembers each write.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_write_is_whole_lines() {
        let mut out = Output::new(Writes::default());
        for n in 0..50_000u32 {
            out.record(&[n]).unwrap();
            out.line("{}").unwrap();
        }
        out.flush().unwrap();
        assert!(out.to.0.len() > 2);
        assert!(out.to.0.iter().all(|write| write.ends_with(b"\n")));
        assert_eq!(out.to.0.concat().iter().filter(|b| **b == b'\n').count(), 100_000);
    }

    #[test]
    fn a_reader_that_went_away_is_told_from_other_trouble() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut out = Output::new(writer);
        out.line("x").unwrap();
        assert!(matches!(out.flush(), Err(OutputError::Closed)));
        let mut out = Output::new(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        out.line("x").unwrap();
        assert_eq!(out.flush().unwrap_err().to_string(), "stdout: No space left on device");
    }
}
