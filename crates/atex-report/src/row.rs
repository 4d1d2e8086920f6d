//! One result as it stands in a line: borrowed, so that millions of them cost no allocation.

use atex_model::Time;
use atex_model::report::{Outcome, ResultKind};

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

    pub fn len(self) -> usize {
        self.len as usize
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

/// A row as positions in the texts of its block, so that it can be handed from thread to thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSpans {
    pub kind: ResultKind,
    pub time: Time,
    pub run: Span,
    pub platform: Span,
    pub test: Span,
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

impl RowSpans {
    pub fn row<'a>(&self, texts: &'a Texts) -> Row<'a> {
        let text = |span: Option<Span>| span.map(|span| texts.get(span));
        Row {
            kind: self.kind,
            time: self.time,
            run: texts.get(self.run),
            platform: texts.get(self.platform),
            test: texts.get(self.test),
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
