//! Results, and starts and ends of tests, as they stand in their lines: borrowed, so that millions of them cost no
//! allocation.

use atex_model::Time;
use atex_model::report::{Cause, Outcome, ResultKind};

use crate::event::What;

/// A record `result`, `old-result` or `live-result`. Its texts are unescaped.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Which of the three.
    pub kind: ResultKind,
    /// When the attempt ended.
    pub time: Time,
    /// The run's id.
    pub run: &'a str,
    /// The test's label.
    pub platform: &'a str,
    /// The test's name.
    pub test: &'a str,
    /// The subtest's name; without one the result is for the test itself.
    pub subtest: Option<&'a str>,
    /// The status as the test gave it.
    pub status: Option<&'a str>,
    /// A short text.
    pub note: Option<&'a str>,
    /// Names of files that came with it.
    pub files: Files<'a>,
    /// Which attempt at the test, from 1.
    pub attempt: u32,
    /// Its position among the results of the attempt, from 1.
    pub n: u64,
    /// Where the test ran.
    pub host: Option<&'a str>,
    /// Keys of the test's own: the text of a JSON object.
    pub extra: Option<&'a str>,
    /// Why it does not count although it failed: the text of a JSON object.
    pub waived: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// What the status stands for.
    pub fn outcome(&self) -> Outcome {
        Outcome::of_status(self.status)
    }

    /// What tells its test from others: the run, the platform and the name.
    pub fn test_key(&self) -> (&'a str, &'a str, &'a str) {
        (self.run, self.platform, self.test)
    }
}

/// A record `test-start`, as far as reports are made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestStart<'a> {
    /// When the attempt began.
    pub time: Time,
    /// The run's id.
    pub run: &'a str,
    /// The test's label.
    pub platform: &'a str,
    /// The test's name.
    pub test: &'a str,
    /// Which attempt at the test, from 1.
    pub attempt: u32,
    /// Where it runs.
    pub host: &'a str,
}

/// A record `test-end`, as far as reports are made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestEnd<'a> {
    /// When the attempt ended.
    pub time: Time,
    /// The run's id.
    pub run: &'a str,
    /// The test's label.
    pub platform: &'a str,
    /// The test's name.
    pub test: &'a str,
    /// Which attempt at the test, from 1; 0 if the test was settled without one.
    pub attempt: u32,
    /// Where it ran; absent if it did not.
    pub host: Option<&'a str>,
    /// The verdict.
    pub outcome: Outcome,
    /// Whose doing the end was.
    pub cause: Cause,
    /// The test's exit status, if it ended by itself.
    pub exit: Option<i64>,
    /// What happened, in words.
    pub note: Option<&'a str>,
    /// How long it ran.
    pub seconds: f64,
    /// That the test is settled.
    pub is_final: bool,
    /// The directory of the attempt's results and files.
    pub artifacts: Option<&'a str>,
    /// Why it does not count although it failed: the text of a JSON object.
    pub waived: Option<&'a str>,
}

impl<'a> TestStart<'a> {
    /// As [`Row::test_key`].
    pub fn test_key(&self) -> (&'a str, &'a str, &'a str) {
        (self.run, self.platform, self.test)
    }
}

impl<'a> TestEnd<'a> {
    /// As [`Row::test_key`].
    pub fn test_key(&self) -> (&'a str, &'a str, &'a str) {
        (self.run, self.platform, self.test)
    }
}

/// Where a text stands in a [`Texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    at: u32,
    len: u32,
}

/// In [`Span::at`]: the text stands among those that had to be unescaped.
const UNESCAPED: u32 = 1 << 31;

impl Span {
    pub fn new(at: usize, len: usize) -> Span {
        debug_assert!(
            at < UNESCAPED as usize && len < UNESCAPED as usize,
            "blocks are far smaller than 2 GiB"
        );
        Span { at: at as u32, len: len as u32 }
    }
}

/// Lines, and such texts of them as do not stand there as they are meant.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub lines: String,
    unescaped: String,
    /// The files of all rows.
    files: Vec<Span>,
}

impl Texts {
    pub fn get(&self, span: Span) -> &str {
        let (from, at) = match span.at & UNESCAPED {
            0 => (&self.lines, span.at),
            _ => (&self.unescaped, span.at ^ UNESCAPED),
        };
        &from[at as usize..at as usize + span.len as usize]
    }

    /// Keeps a text that does not stand in a line.
    pub fn keep(&mut self, text: &str) -> Span {
        let span = Span::new(self.unescaped.len(), text.len());
        self.unescaped.push_str(text);
        Span { at: span.at | UNESCAPED, ..span }
    }

    pub fn add_file(&mut self, name: Span) {
        self.files.push(name);
    }

    /// How many files all rows have until now.
    pub fn files(&self) -> u32 {
        u32::try_from(self.files.len()).expect("a block is smaller than 2 GiB, and a name has two quotes")
    }

    pub fn clear(&mut self) {
        self.lines.clear();
        self.unescaped.clear();
        self.files.clear();
    }
}

/// The names of files of one row.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    spans: &'a [Span],
    texts: &'a Texts,
}

impl<'a> Files<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The names, in order; the first is the log, if there is one.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let texts = self.texts;
        self.spans.iter().map(|span| texts.get(*span))
    }
}

/// What a line says of a test, as positions in the texts of its block, so that it can be handed from thread to thread.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TestSpans {
    Row(RowSpans),
    Start(StartSpans),
    End(EndSpans),
}

/// The run, the platform and the name of a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeySpans {
    pub run: Span,
    pub platform: Span,
    pub test: Span,
}

/// A [`Row`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSpans {
    pub kind: ResultKind,
    pub time: Time,
    pub key: KeySpans,
    pub subtest: Option<Span>,
    pub status: Option<Span>,
    pub note: Option<Span>,
    /// From which to which of the files of all rows.
    pub files: (u32, u32),
    pub attempt: u32,
    pub n: u64,
    pub host: Option<Span>,
    pub extra: Option<Span>,
    pub waived: Option<Span>,
}

/// A [`TestStart`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartSpans {
    pub time: Time,
    pub key: KeySpans,
    pub attempt: u32,
    pub host: Span,
}

/// A [`TestEnd`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndSpans {
    pub time: Time,
    pub key: KeySpans,
    pub attempt: u32,
    pub host: Option<Span>,
    pub outcome: Outcome,
    pub cause: Cause,
    pub exit: Option<i64>,
    pub note: Option<Span>,
    pub seconds: f64,
    pub is_final: bool,
    pub artifacts: Option<Span>,
    pub waived: Option<Span>,
}

impl TestSpans {
    /// The run, the platform and the name of the test.
    pub fn test_key<'a>(&self, texts: &'a Texts) -> (&'a str, &'a str, &'a str) {
        let (TestSpans::Row(RowSpans { key, .. })
        | TestSpans::Start(StartSpans { key, .. })
        | TestSpans::End(EndSpans { key, .. })) = self;
        key.texts(texts)
    }

    /// What the line says.
    pub fn what<'a>(&self, texts: &'a Texts) -> What<'a> {
        match self {
            TestSpans::Row(row) => What::Row(row.row(texts)),
            TestSpans::Start(start) => What::TestStart(start.start(texts)),
            TestSpans::End(end) => What::TestEnd(end.end(texts)),
        }
    }
}

impl KeySpans {
    fn texts<'a>(&self, texts: &'a Texts) -> (&'a str, &'a str, &'a str) {
        (texts.get(self.run), texts.get(self.platform), texts.get(self.test))
    }
}

impl RowSpans {
    fn row<'a>(&self, texts: &'a Texts) -> Row<'a> {
        let text = |span: Option<Span>| span.map(|span| texts.get(span));
        let (run, platform, test) = self.key.texts(texts);
        Row {
            kind: self.kind,
            time: self.time,
            run,
            platform,
            test,
            subtest: text(self.subtest),
            status: text(self.status),
            note: text(self.note),
            files: Files { spans: &texts.files[self.files.0 as usize..self.files.1 as usize], texts },
            attempt: self.attempt,
            n: self.n,
            host: text(self.host),
            extra: text(self.extra),
            waived: text(self.waived),
        }
    }
}

impl StartSpans {
    fn start<'a>(&self, texts: &'a Texts) -> TestStart<'a> {
        let (run, platform, test) = self.key.texts(texts);
        TestStart { time: self.time, run, platform, test, attempt: self.attempt, host: texts.get(self.host) }
    }
}

impl EndSpans {
    fn end<'a>(&self, texts: &'a Texts) -> TestEnd<'a> {
        let text = |span: Option<Span>| span.map(|span| texts.get(span));
        let (run, platform, test) = self.key.texts(texts);
        let EndSpans { time, attempt, outcome, cause, exit, seconds, is_final, .. } = *self;
        TestEnd {
            time,
            run,
            platform,
            test,
            attempt,
            host: text(self.host),
            outcome,
            cause,
            exit,
            note: text(self.note),
            seconds,
            is_final,
            artifacts: text(self.artifacts),
            waived: text(self.waived),
        }
    }
}
