//! A sink that remembers, and streams to feed it.

use atex_control::{End, Ending, Event, FeedError, Limits, Parser, ProtocolError, Verdict, VerdictStatus};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// What came of a stream, with file contents put together.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Record {
    pub files: BTreeMap<String, Vec<u8>>,
    pub links: Vec<String>,
    pub results: Vec<String>,
    /// All other events, as `{:?}`.
    pub words: Vec<String>,
}

impl Record {
    pub fn take(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        match event {
            Event::FileStart { path } => drop(self.files.entry(path.into()).or_default()),
            Event::FileData { path, bytes } => {
                assert!(!bytes.is_empty(), "{path}: an event for nothing");
                self.files.get_mut(path).expect("started").extend_from_slice(bytes);
            }
            Event::Link { path } => self.links.push(path.into()),
            Event::Result(result) => {
                assert!(!result.line.contains('\n'), "{}", result.line);
                self.results.push(result.line.into());
            }
            other => self.words.push(format!("{other:?}")),
        }
        Ok(())
    }

    pub fn file(&self, path: &str) -> &[u8] {
        self.files.get(path).unwrap_or_else(|| panic!("no {path} among {:?}", self.files.keys()))
    }
}

/// Feeds without a sink that can fail.
pub fn feed(parser: &mut Parser, bytes: &[u8], record: &mut Record) -> Result<(), ProtocolError> {
    match parser.feed(bytes, &mut |event: Event<'_>| record.take(event)) {
        Ok(()) => Ok(()),
        Err(FeedError::Protocol(error)) => Err(error),
        Err(FeedError::Sink(never)) => match never {},
    }
}

pub fn finish(parser: Parser, end: End, record: &mut Record) -> Ending {
    match parser.finish(end, &mut |event: Event<'_>| record.take(event)) {
        Ok(ending) => ending,
        Err(never) => match never {},
    }
}

/// Feeds a whole stream at once; a protocol error is left to `finish`.
pub fn run_within(limits: Limits, stream: &[u8], end: End) -> (Record, Ending) {
    let mut record = Record::default();
    let mut parser = Parser::new(limits);
    let fed = feed(&mut parser, stream, &mut record);
    let is_stopped = matches!(end, End::Stopped(_));
    let ending = finish(parser, end, &mut record);
    if let Err(error) = fed {
        assert_eq!(ending.error.as_ref(), Some(&error));
        assert!(
            is_stopped || ending.verdict.as_ref().is_some_and(|verdict| verdict.note == error.to_string())
        );
    }
    (record, ending)
}

pub fn run(stream: &[u8], end: End) -> (Record, Ending) {
    run_within(Limits::default(), stream, end)
}

/// A stream that must be in order, from a test that ends with 0.
pub fn run_good(stream: &[u8]) -> Record {
    let (record, ending) = run(stream, PASSED);
    assert_eq!((ending.error, ending.unfinished), (None, None), "{}", String::from_utf8_lossy(stream));
    record
}

/// A stream that must be refused.
pub fn run_bad(stream: &[u8]) -> (Record, ProtocolError) {
    run_bad_within(Limits::default(), stream)
}

pub fn run_bad_within(limits: Limits, stream: &[u8]) -> (Record, ProtocolError) {
    let (record, ending) = run_within(limits, stream, PASSED);
    let error =
        ending.error.unwrap_or_else(|| panic!("taken: {}: {record:?}", String::from_utf8_lossy(stream)));
    (record, error)
}

/// The `result` word for this JSON.
pub fn result(json: &str) -> String {
    format!("result {}\n{json}", json.len())
}

/// Several of them.
pub fn results(json: &[&str]) -> Vec<u8> {
    json.iter().map(|json| result(json)).collect::<String>().into_bytes()
}

pub const PASSED: End = End::Exited { passed: true };
pub const FAILED: End = End::Exited { passed: false };

pub fn stopped(status: VerdictStatus, note: &str) -> End {
    End::Stopped(Verdict { status, note: note.into() })
}
