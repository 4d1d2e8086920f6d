//! Whole lines to events, a block of them at a time: what one thread reads and another works with.

use std::sync::Arc;

use atex_model::LineError;

use crate::event::{Event, Line, What};
use crate::identity::{Identity, Lately};
use crate::record::{self, Parsed, Record};
use crate::row::{Span, TestSpans, Texts};
use crate::scan::{self, Times};

/// Some lines of one source, parsed.
#[derive(Debug, Default)]
pub(crate) struct Block {
    source: Arc<str>,
    texts: Texts,
    items: Vec<Item>,
    times: Times,
    lately: Lately,
}

#[derive(Debug)]
struct Item {
    line: Span,
    number: u64,
    what: ItemWhat,
    test: Identity,
}

#[derive(Debug)]
enum ItemWhat {
    Test(TestSpans),
    Record(Box<Record>),
    Other,
    /// The line is no record: what is wrong with it.
    Bad(Box<Bad>),
}

/// A line that is no record.
#[derive(Debug)]
pub(crate) struct Bad {
    /// What is wrong with it, its place in front.
    pub message: String,
    /// It is the last of its source, has no end, and would go on: it was cut off.
    pub cut: bool,
}

impl Block {
    /// Nothing, of a source of this name. Keeps its memory.
    pub fn reset(&mut self, source: &Arc<str>) {
        self.source = Arc::clone(source);
        self.texts.clear();
        self.items.clear();
    }

    /// Adds lines, of which the first has this number; returns the number of the line after the last. A last line
    /// without its end is one only if there is nothing more to come.
    pub fn add(&mut self, bytes: &[u8], mut number: u64) -> u64 {
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let at = self.texts.lines.len();
                self.texts.lines.push_str(text);
                number = self.add_lines(at, number);
            }
            Err(_) => {
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    match std::str::from_utf8(line) {
                        Ok(text) => {
                            let at = self.texts.lines.len();
                            self.texts.lines.push_str(text);
                            self.add_lines(at, number);
                        }
                        Err(e) => {
                            let cut = e.error_len().is_none() && !line.ends_with(b"\n");
                            let message = if cut { CUT } else { "not UTF-8" };
                            let error = LineError { column: e.valid_up_to() + 1, message: message.into() };
                            self.add_bad(number, &error, cut);
                        }
                    }
                    number += 1;
                }
            }
        }
        number
    }

    /// Adds what is wrong with a line.
    pub fn add_bad(&mut self, number: u64, error: &LineError, cut: bool) {
        let message = error.at(&self.source, number).to_string();
        let what = ItemWhat::Bad(Box::new(Bad { message, cut }));
        self.items.push(Item { line: Span::default(), number, what, test: Identity::NOTHING });
    }

    fn add_lines(&mut self, mut at: usize, mut number: u64) -> u64 {
        let end = self.texts.lines.len();
        while at < end {
            let rest = &self.texts.lines.as_bytes()[at..];
            let (len, whole) = match memchr::memchr(b'\n', rest) {
                Some(len) => (len, true),
                None => (rest.len(), false),
            };
            self.add_line(at, len, number, whole);
            at += len + 1;
            number += 1;
        }
        number
    }

    fn add_line(&mut self, at: usize, len: usize, number: u64, whole: bool) {
        let line = &self.texts.lines[at..at + len];
        let line = line.strip_suffix('\r').unwrap_or(line);
        let len = line.len();
        if line.trim_ascii().is_empty() {
            return;
        }
        match self.parse(at, len) {
            Ok(what) => {
                let test = self.test(&what);
                self.items.push(Item { line: Span::new(at, len), number, what, test });
            }
            Err(error) => {
                let cut = !whole && would_go_on(&self.texts.lines[at..at + len]);
                let error = if cut { LineError { message: CUT.into(), ..error } } else { error };
                self.add_bad(number, &error, cut);
            }
        }
    }

    fn parse(&mut self, at: usize, len: usize) -> Result<ItemWhat, LineError> {
        // Nearly all lines are of these kinds, and the scanner sees at a glance which are not.
        if let Some(usual) = scan::usual(&mut self.texts, at, len, &mut self.times) {
            return Ok(ItemWhat::Test(usual));
        }
        let texts = &mut self.texts;
        Ok(match record::parse(&texts.lines[at..at + len])? {
            Parsed::Row => ItemWhat::Test(scan::other_row(texts, at, len)?),
            Parsed::TestStart => ItemWhat::Test(scan::other_start(texts, at, len)?),
            Parsed::TestEnd => ItemWhat::Test(scan::other_end(texts, at, len)?),
            Parsed::Record(record) => ItemWhat::Record(record),
            Parsed::Other => ItemWhat::Other,
        })
    }

    /// The test of which a line says something: found here, by the thread that has less to do, and once for everybody.
    fn test(&mut self, what: &ItemWhat) -> Identity {
        let (run, platform, test) = match what {
            ItemWhat::Test(spans) => spans.test_key(&self.texts),
            ItemWhat::Record(record) => match &**record {
                Record::TestNote(r) => (&*r.run, &*r.platform, &*r.test),
                _ => return Identity::NOTHING,
            },
            ItemWhat::Other | ItemWhat::Bad(_) => return Identity::NOTHING,
        };
        self.lately.identity(run, platform, test)
    }

    /// What was found, in order.
    pub fn found(&self) -> impl Iterator<Item = Result<Event<'_>, &Bad>> {
        self.items.iter().map(|item| {
            let what = match &item.what {
                ItemWhat::Test(spans) => spans.what(&self.texts),
                ItemWhat::Record(record) => What::Record(record),
                ItemWhat::Other => What::Other,
                ItemWhat::Bad(bad) => return Err(&**bad),
            };
            let line = Line { text: self.texts.get(item.line), number: item.number, source: &self.source };
            Ok(Event { line, what, test: item.test })
        })
    }
}

const CUT: &str = "cut off in the middle of a line";

/// Whether more text would make JSON of it.
pub(super) fn would_go_on(line: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(line).is_err_and(|e| e.is_eof())
}

/// Hands the event of a line to `take`: for whoever has a line and no stream.
///
/// # Errors
/// The line is no record; the message begins with its place, `line:1:COLUMN`.
pub fn with_line<T>(line: &str, take: impl FnOnce(&Event<'_>) -> T) -> Result<T, String> {
    let mut block = Block::default();
    block.reset(&Arc::from("line"));
    block.add(format!("{line}\n").as_bytes(), 1);
    match block.found().next() {
        Some(Ok(event)) => Ok(take(&event)),
        Some(Err(bad)) => Err(bad.message.clone()),
        None => Err("line:1:1: expected a record, found nothing".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> (Vec<String>, u64) {
        let mut block = Block::default();
        block.reset(&Arc::from("in"));
        let next = block.add(bytes, 5);
        let text = |found: Result<Event<'_>, &Bad>| match found {
            Ok(event) => format!("{} {}", event.line.number, event.line.text),
            Err(bad) => format!("{}{}", bad.message, if bad.cut { " (cut)" } else { "" }),
        };
        (block.found().map(text).collect(), next)
    }

    #[test]
    fn lines_are_numbered_and_bad_ones_named() {
        let text = b"{\"type\":\"x\"}\r\n\n \nnonsense\n\xff\n[]\n{\"type\":\"y\"}";
        let (lines, next) = found(text);
        assert_eq!(next, 12);
        assert_eq!(
            lines,
            [
                "5 {\"type\":\"x\"}",
                "in:8:2: not JSON: expected ident",
                "in:9:1: not UTF-8",
                "in:10:1: expected a record (a JSON object with a `type`)",
                "11 {\"type\":\"y\"}",
            ]
        );
    }

    #[test]
    fn a_line_that_would_go_on_is_cut_only_at_the_end() {
        for (text, message) in [
            (&b"{\"type\":\"resu"[..], "in:5:13: cut off in the middle of a line (cut)"),
            (
                b"{\"type\":\"result\",\"time\":\"2026-11-21T20:00:00.000Z\",",
                "in:5:51: cut off in the middle of a line (cut)",
            ),
            (b"{\"type\":\"\xe6\xbc", "in:5:10: cut off in the middle of a line (cut)"),
            (b"{\"type\":\"resu\n", "in:5:13: not JSON: EOF while parsing a string"),
            (b"nonsense", "in:5:2: not JSON: expected ident"),
            (b"\xff\xff", "in:5:1: not UTF-8"),
        ] {
            assert_eq!(found(text).0, [message]);
        }
    }
}
