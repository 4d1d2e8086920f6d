//! Streams of records, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use atex_model::LineError;

use crate::Failure;

/// The longest line that is read. A record is metadata or one result, so that a line of this size is no
/// record but a mistake, such as a disk image on stdin, which must not fill the memory.
pub const LONGEST_LINE: usize = 64 << 20;

/// How much is read at a time.
const BUFFER: usize = 64 << 10;

/// The lines of one source. Blank ones are skipped.
pub struct Lines {
    from: BufReader<Box<dyn Read + Send>>,
    name: String,
    buffer: Vec<u8>,
    number: u64,
    spent: bool,
}

/// One line, without its end.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The text of the line.
    pub text: &'a str,
    /// Its number in the source, from 1.
    pub number: u64,
    /// The name of the source.
    pub source: &'a str,
}

impl Lines {
    /// The lines of standard input.
    pub fn stdin() -> Lines {
        Lines::new("stdin", Box::new(io::stdin()))
    }

    /// The lines of a file; `-` is standard input.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Lines, Failure> {
        if path == Path::new("-") {
            return Ok(Lines::stdin());
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| Failure::usage(format!("{name}: {}", reason(&e))))?;
        Ok(Lines::new(&name, Box::new(file)))
    }

    /// The lines of any source, under a name for messages.
    pub fn new(name: &str, from: Box<dyn Read + Send>) -> Lines {
        Lines {
            from: BufReader::with_capacity(BUFFER, from),
            name: name.to_owned(),
            buffer: Vec::new(),
            number: 0,
            spent: false,
        }
    }

    /// The name of the source, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing more can be read: the end was reached, or an error that ends the source. An error after
    /// which this is false concerns one line only.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// The next line that is not blank, or `None` at the end and after an error that ends the source.
    ///
    /// # Errors
    /// The source cannot be read, or the line is too long or not UTF-8. After the first two, nothing more
    /// can be read, see [`Lines::is_spent`].
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, Failure> {
        // Until a line has been read whole; so every way out of the loop but that one leaves it set.
        if std::mem::replace(&mut self.spent, true) {
            return Ok(None);
        }
        loop {
            self.buffer.clear();
            self.number += 1;
            let limit = LONGEST_LINE as u64 + 1;
            let read = (&mut self.from).take(limit).read_until(b'\n', &mut self.buffer);
            read.map_err(|e| Failure::trouble(format!("{}: {}", self.name, reason(&e))))?;
            if self.buffer.is_empty() {
                return Ok(None);
            }
            if self.buffer.len() > LONGEST_LINE {
                let place = format!("{}:{}:{LONGEST_LINE}", self.name, self.number);
                return Err(Failure::usage(format!("{place}: expected a record, found a line over 64 MiB")));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        self.spent = false;
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                Ok(Some(Line { text, number: self.number, source: &self.name }))
            }
            Err(e) => {
                let error = LineError { column: e.valid_up_to() + 1, message: "not UTF-8".into() };
                Err(Failure::usage(error.at(&self.name, self.number)))
            }
        }
    }
}

impl Line<'_> {
    /// What is wrong with this line, as the failure of a tool.
    pub fn fault(&self, error: &LineError) -> Failure {
        Failure::usage(error.at(self.source, self.number))
    }
}

/// The words of an error of the system, without the number that the standard library adds; where something else is to be
/// done than the place suggests, they say what.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.find(" (os error").map_or(&*text, |at| &text[..at]);
    let is_about_files = error.raw_os_error().is_some_and(|number| [EMFILE, ENFILE].contains(&number));
    let advice = if is_about_files { "; raise `ulimit -n`, or use fewer hosts at a time" } else { "" };
    format!("{text}{advice}")
}

const EMFILE: i32 = nix::errno::Errno::EMFILE as i32;
const ENFILE: i32 = nix::errno::Errno::ENFILE as i32;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &'static [u8]) -> Vec<Result<(String, u64), String>> {
        let mut lines = Lines::new("in", Box::new(text));
        std::iter::from_fn(|| match lines.next_line() {
            Ok(line) => line.map(|l| Ok((l.text.to_owned(), l.number))),
            Err(e) => Some(Err(e.message)),
        })
        .collect()
    }

    #[test]
    fn lines_are_counted_and_blank_ones_skipped() {
        let ok = |text: &str, n| Ok((text.to_owned(), n));
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n \n"), []);
        assert_eq!(all(b"a\n\nb\r\n c"), [ok("a", 1), ok("b", 3), ok(" c", 4)]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_refused_and_the_next_one_read() {
        assert_eq!(all(b"ab\xff\nc"), [Err("in:1:3: not UTF-8".to_owned()), Ok(("c".to_owned(), 2))]);
    }

    #[test]
    fn an_error_of_one_line_is_told_from_the_end_of_the_source() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        let mut lines = Lines::new("in", Box::new(b"a\n\xff\nb\n".chain(Broken)));
        let mut seen = Vec::new();
        while !lines.is_spent() {
            let next = lines.next_line().map(|line| line.map(|line| line.text.to_owned()));
            seen.push(next.map_err(|failure| failure.message));
        }
        let ok = |text: &str| Ok(Some(text.to_owned()));
        let error = |text: &str| Err(text.to_owned());
        assert_eq!(seen, [ok("a"), error("in:2:1: not UTF-8"), ok("b"), error("in: disk on fire")]);
        assert!(lines.next_line().unwrap().is_none());
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut lines = Lines::new("in", Box::new(io::repeat(b'x')));
        let error = lines.next_line().unwrap_err();
        assert_eq!(error.message, "in:1:67108864: expected a record, found a line over 64 MiB");
        assert!(lines.buffer.capacity() < 2 * LONGEST_LINE + BUFFER);
        assert!(lines.is_spent() && lines.next_line().unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Lines::open(Path::new("/nonexistent/x")).err().unwrap();
        assert_eq!(error.message, "/nonexistent/x: No such file or directory");
    }
}
