//! Sources, one after another, to records. A line that is no record is reported and reading goes on.

use std::path::PathBuf;

use atex_cli::input::{Line, Lines};
use atex_cli::{Failure, Kind};

use crate::record::{self, Record};

/// How many bad lines are reported one by one; the rest is counted. A file that is not a stream of records has
/// nothing else, and the first ones show what is wrong with it. `-v` reports all.
pub const MESSAGES: u64 = 20;

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// What was wrong with the input, and where to say so.
pub struct Faults<'a> {
    /// Lines that are no records.
    pub lines: u64,
    /// Sources that could not be read to their end.
    pub sources: u64,
    /// How many bad lines are reported one by one.
    limit: u64,
    say: &'a mut dyn FnMut(&str),
}

impl<'a> Faults<'a> {
    /// None yet. Reports at most `limit` bad lines to `say`, one message a call.
    pub fn new(limit: u64, say: &'a mut dyn FnMut(&str)) -> Self {
        Faults { lines: 0, sources: 0, limit, say }
    }

    fn line(&mut self, failure: &Failure) {
        self.lines += 1;
        if self.lines <= self.limit {
            (self.say)(&failure.message);
        }
    }

    fn source(&mut self, failure: &Failure) {
        self.sources += 1;
        (self.say)(&failure.message);
    }

    /// Reports how many were not reported.
    fn finish(&mut self) {
        let left = self.lines.saturating_sub(self.limit);
        if left > 0 {
            (self.say)(&format!("{left} more lines are no records either (-v names them)"));
        }
    }
}

/// Reads all of the sources and hands each record to `take`.
pub fn read(sources: &[Source], faults: &mut Faults<'_>, mut take: impl FnMut(Record)) {
    for source in sources {
        let lines = match source {
            Source::Stdin => Ok(Lines::stdin()),
            Source::File(path) => Lines::open(path),
        };
        match lines {
            Ok(lines) => read_lines(lines, faults, &mut take),
            Err(failure) => faults.source(&failure),
        }
    }
    faults.finish();
}

/// Reads one source to its end.
pub fn read_lines(mut lines: Lines, faults: &mut Faults<'_>, mut take: impl FnMut(Record)) {
    loop {
        match lines.next_line() {
            Ok(None) => return,
            Ok(Some(line)) => match parse(&line) {
                Ok(record) => take(record),
                Err(failure) => faults.line(&failure),
            },
            Err(failure) if failure.kind == Kind::Trouble => return faults.source(&failure),
            Err(failure) => {
                faults.line(&failure);
                // What follows a line that is too long would be the rest of it, perhaps without end.
                if lines.is_spent() {
                    return faults.sources += 1;
                }
            }
        }
    }
}

fn parse(line: &Line<'_>) -> Result<Record, Failure> {
    record::parse(line.text).map_err(|error| line.fault(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Read};

    /// The records that were not skipped, the messages, and the counts of bad lines and sources.
    fn outcome(from: Box<dyn Read + Send>, limit: u64) -> (usize, Vec<String>, (u64, u64)) {
        let (mut records, mut messages) = (0, Vec::new());
        let mut say = |text: &str| messages.push(text.to_owned());
        let mut faults = Faults::new(limit, &mut say);
        read_lines(Lines::new("in", from), &mut faults, |_| records += 1);
        faults.finish();
        let counts = (faults.lines, faults.sources);
        (records, messages, counts)
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_is_read() {
        let text = b"nonsense\n\n{\"type\":\"x\"}\n\xff\n[]\n{\"type\":\"y\"}";
        let (records, messages, counts) = outcome(Box::new(&text[..]), 9);
        assert_eq!((records, counts), (2, (3, 0)));
        assert_eq!(
            messages,
            [
                "in:1:2: not JSON: expected ident",
                "in:4:1: not UTF-8",
                "in:5:1: expected a record (a JSON object with a `type`)"
            ]
        );
    }

    #[test]
    fn messages_are_bounded_and_what_is_left_is_counted() {
        let (records, messages, counts) = outcome(Box::new(&b"1\n2\n3\n4\n"[..]), 2);
        assert_eq!((records, messages.len(), counts), (0, 3, (4, 0)));
        assert_eq!(messages[2], "2 more lines are no records either (-v names them)");
    }

    #[test]
    fn an_endless_line_ends_the_source() {
        let (records, messages, counts) = outcome(Box::new(io::repeat(b'x')), 9);
        assert_eq!((records, messages.len(), counts), (0, 1, (1, 1)));
    }

    #[test]
    fn a_source_that_breaks_is_named() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        let (_, messages, counts) = outcome(Box::new(b"{\"type\":\"x\"}\n".chain(Broken)), 9);
        assert_eq!((messages, counts), (vec!["in: disk on fire".to_owned()], (0, 1)));
    }

    #[test]
    fn a_file_that_went_away_does_not_stop_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there");
        std::fs::write(&there, "{\"type\":\"x\"}\n").unwrap();
        let sources = [Source::File(dir.path().join("gone")), Source::File(there)];
        let (mut records, mut messages) = (0, 0);
        let mut say = |_: &str| messages += 1;
        let mut faults = Faults::new(9, &mut say);
        read(&sources, &mut faults, |_| records += 1);
        assert_eq!((faults.sources, records, messages), (1, 1, 1));
    }
}
