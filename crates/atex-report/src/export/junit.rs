//! JUnit XML, as its readers take it: characters that XML does not know are left out, names are unique, and a report
//! can be split into files that are small enough.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::mem;

use atex_cli::Failure;
use atex_model::Time;
use atex_model::report::Outcome;

use super::groups::{Earlier, Form, Groups, Pending, Test};
use super::paths::Paths;
use super::{Common, Export};
use crate::out::Out;
use crate::record::Record;
use crate::row::Row;
use crate::spill::{Body, Spill};
use crate::stop::Stop;

/// The options of `junit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Start a new file before one gets longer than N bytes: `NAME.xml`, `NAME-2.xml`, …
    ///
    /// GitLab, for one, reads no file over 30 MB. Needs `--output`.
    #[arg(long, value_name = "N", requires = "output", value_parser = clap::value_parser!(u64).range(1024..))]
    max_bytes: Option<u64>,

    /// Leave out of each note what is beyond N bytes
    #[arg(long, value_name = "N", default_value_t = 64 << 10)]
    max_note: usize,
}

pub(super) fn export(args: &Args, _: &Common) -> Result<Box<dyn Export>, Failure> {
    Ok(Box::new(Groups::new(junit(args))))
}

fn junit(args: &Args) -> Junit {
    Junit {
        max_bytes: args.max_bytes,
        max_note: args.max_note,
        paths: Paths::new(),
        first_run: None,
        names: 0,
        hasher: RandomState::new(),
        begun: false,
        last: Vec::new(),
    }
}

/// How many names of cases are remembered, of all open tests together: some 20 bytes each.
const NAMES: usize = 500_000;

const HEAD: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"atex\">\n";
const FOOT: &[u8] = b"</testsuites>\n";
const SUITE_FOOT: &[u8] = b"</testsuite>\n";

/// What is left for the attributes of a suite when files are split: numbers, times, the host's name.
const SUITE_HEAD: u64 = 512;

/// How a case counts. It is also what a line of a body begins with, so that a body can be split and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Passed = b'p' as isize,
    Failed = b'f' as isize,
    Error = b'e' as isize,
    Skipped = b's' as isize,
}

impl Kind {
    fn of(outcome: Outcome, waived: bool) -> Kind {
        match outcome {
            Outcome::Infra | Outcome::Error | Outcome::Fail if waived => Kind::Skipped,
            Outcome::Infra | Outcome::Error => Kind::Error,
            Outcome::Fail => Kind::Failed,
            Outcome::Skip => Kind::Skipped,
            Outcome::Warn | Outcome::Pass | Outcome::Info => Kind::Passed,
        }
    }

    fn of_code(code: u8) -> Kind {
        match code {
            b'f' => Kind::Failed,
            b'e' => Kind::Error,
            b's' => Kind::Skipped,
            _ => Kind::Passed,
        }
    }

    fn index(self) -> usize {
        match self {
            Kind::Passed => 0,
            Kind::Failed => 1,
            Kind::Error => 2,
            Kind::Skipped => 3,
        }
    }
}

struct Junit {
    max_bytes: Option<u64>,
    max_note: usize,
    paths: Paths,
    /// Tests of other runs carry them in their names.
    first_run: Option<String>,
    /// How many names are remembered.
    names: usize,
    hasher: RandomState,
    begun: bool,
    /// The last case of a test: room that is used again.
    last: Vec<u8>,
}

/// What a case says.
struct Case<'a> {
    name: &'a str,
    outcome: Outcome,
    /// The word, if it is another than the outcome's.
    status: Option<&'a str>,
    note: Option<&'a str>,
    waived: bool,
    seconds: Option<f64>,
    attachments: &'a [String],
    earlier: Vec<&'a Earlier>,
}

impl Junit {
    fn class(&self, test: &Test, to: &mut Vec<u8>) {
        if self.first_run.as_deref().is_some_and(|first| first != test.run) {
            escape(to, &test.run, usize::MAX);
            to.extend_from_slice(b": ");
        }
        escape(to, &test.platform, usize::MAX);
        if !test.name.starts_with('/') {
            to.push(b'/');
        }
        escape(to, &test.name, usize::MAX);
    }

    fn case(&self, test: &Test, case: &Case<'_>, to: &mut Vec<u8>) -> Kind {
        let kind = Kind::of(case.outcome, case.waived);
        to.push(kind as isize as u8);
        to.extend_from_slice(b"<testcase classname=\"");
        self.class(test, to);
        to.extend_from_slice(b"\" name=\"");
        escape(to, case.name, usize::MAX);
        to.push(b'"');
        if let Some(seconds) = case.seconds {
            time_taken(to, seconds);
        }
        to.push(b'>');
        let before = to.len();
        self.fate(kind, case, to);
        for earlier in &case.earlier {
            self.earlier(kind, earlier, to);
        }
        self.output(kind, case, to);
        if to.len() == before {
            to.pop();
            to.extend_from_slice(b"/>\n");
        } else {
            to.extend_from_slice(b"</testcase>\n");
        }
        kind
    }

    fn fate(&self, kind: Kind, case: &Case<'_>, to: &mut Vec<u8>) {
        let note = case.note.unwrap_or_default();
        let element = match kind {
            Kind::Passed => return,
            Kind::Failed => "failure",
            Kind::Error => "error",
            Kind::Skipped => {
                to.extend_from_slice(b"<skipped message=\"");
                if case.waived && case.outcome != Outcome::Skip {
                    write!(to, "waived {}: ", case.outcome).expect(ANY);
                }
                escape(to, note, self.max_note);
                to.extend_from_slice(b"\"/>");
                return;
            }
        };
        self.element(element, case.outcome, note, to);
    }

    fn earlier(&self, kind: Kind, earlier: &Earlier, to: &mut Vec<u8>) {
        let again = matches!(kind, Kind::Failed | Kind::Error);
        let element = match (again, earlier.outcome == Outcome::Fail) {
            (true, true) => "rerunFailure",
            (true, false) => "rerunError",
            (false, true) => "flakyFailure",
            (false, false) => "flakyError",
        };
        self.element(element, earlier.outcome, earlier.note.as_deref().unwrap_or_default(), to);
    }

    /// The first line of the note is the message, which lists show; the content is all of it.
    fn element(&self, element: &str, outcome: Outcome, note: &str, to: &mut Vec<u8>) {
        write!(to, "<{element} type=\"{outcome}\" message=\"").expect(ANY);
        escape(to, note.lines().next().unwrap_or_default(), self.max_note.min(1024));
        to.extend_from_slice(b"\">");
        escape(to, note, self.max_note);
        write!(to, "</{element}>").expect(ANY);
    }

    fn output(&self, kind: Kind, case: &Case<'_>, to: &mut Vec<u8>) {
        let word = match case.status {
            Some(word) => Some(word),
            None => (case.outcome != Outcome::Pass).then_some(case.outcome.as_str()),
        };
        let said = kind == Kind::Passed && (word.is_some() || case.note.is_some());
        if !said && case.attachments.is_empty() {
            return;
        }
        to.extend_from_slice(b"<system-out>");
        if said {
            escape(to, &harmless(word.unwrap_or("pass")), self.max_note);
            if let Some(note) = case.note {
                to.extend_from_slice(b": ");
                escape(to, &harmless(note), self.max_note);
            }
            to.extend_from_slice(b"&#10;");
        }
        for path in case.attachments {
            let path = harmless(path);
            // One that would end its own mark, and begin another, is only named.
            let ends = memchr::memchr(b']', path.as_bytes()).is_some() && path.contains("]]");
            let (open, close) = if ends { ("file: ", "") } else { (ATTACHMENT, "]]") };
            to.extend_from_slice(open.as_bytes());
            escape(to, &path, usize::MAX);
            to.extend_from_slice(close.as_bytes());
            to.extend_from_slice(b"&#10;");
        }
        to.extend_from_slice(b"</system-out>");
    }

    /// A name that no other case of the test has, as it is written: one that is taken gets the result's number.
    fn unique<'n>(&mut self, test: &mut Test, name: &'n str, n: u64) -> Cow<'n, str> {
        let name = written(name);
        if test.part > 0 {
            return format!("{name} (#{n})").into();
        }
        let mut candidate = name.clone();
        let mut more = 1;
        while self.names < NAMES {
            if test.names.insert(self.hasher.hash_one(&*candidate)) {
                self.names += 1;
                return candidate;
            }
            // A test may have used such a name itself.
            candidate = match more {
                1 => format!("{name} (#{n})").into(),
                more => format!("{name} (#{n}.{more})").into(),
            };
            more += 1;
        }
        format!("{name} (#{n})").into()
    }

    /// The case for the test itself: its last own result and what its end adds. A test that has none, and is not known
    /// to have begun or ended, needs none.
    fn last_case(&mut self, test: &mut Test, to: &mut Vec<u8>) {
        let pending = test.pending.take();
        if pending.is_none() && test.end.is_none() && !test.has_begun {
            return;
        }
        let name = match &pending {
            Some(own) => own.name.clone(),
            None => {
                let name = test.name.clone();
                self.unique(test, &name, 0).into_owned()
            }
        };
        // The executor's verdict, unless it only repeats what a result said.
        let said = test.main.as_ref().map(|main| main.outcome);
        let verdict = Some(test.outcome()).filter(|outcome| said.is_none_or(|said| *outcome < said));
        let own = pending.as_ref();
        let outcome = verdict.or(own.map(|own| own.outcome)).unwrap_or(Outcome::Info);
        let note = own.and_then(|own| own.note.as_deref()).filter(|_| verdict.is_none());
        let earlier = earlier(test);
        let case = Case {
            name: &name,
            outcome,
            status: own.and_then(|own| own.status.as_deref()).filter(|_| verdict.is_none()),
            note: note.or(test.note()),
            waived: own.map_or(test.is_waived(), |own| own.waived),
            seconds: test.seconds(),
            attachments: own.map_or(&[], |own| &own.attachments),
            earlier: earlier.iter().collect(),
        };
        let kind = self.case(test, &case, to);
        test.tally[kind.index()] += 1;
    }

    /// An own result that turned out not to be the last.
    fn pending_case(&self, test: &mut Test, to: &mut Vec<u8>) {
        let Some(own) = test.pending.take() else { return };
        let case = Case {
            name: &own.name,
            outcome: own.outcome,
            status: own.status.as_deref(),
            note: own.note.as_deref(),
            waived: own.waived,
            seconds: None,
            attachments: &own.attachments,
            earlier: Vec::new(),
        };
        let kind = self.case(test, &case, to);
        test.tally[kind.index()] += 1;
    }

    fn begin(&mut self, out: &mut Out<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.buffer.extend_from_slice(HEAD);
        }
    }

    fn suite_head(&self, test: &Test, tally: [u64; 4], to: &mut Vec<u8>) {
        to.extend_from_slice(b"<testsuite name=\"");
        self.class(test, to);
        let [_, failures, errors, skipped] = tally;
        let tests: u64 = tally.iter().sum();
        to.push(b'"');
        for (name, count) in
            [("tests", tests), ("failures", failures), ("errors", errors), ("skipped", skipped)]
        {
            to.push(b' ');
            to.extend_from_slice(name.as_bytes());
            to.extend_from_slice(b"=\"");
            number(to, count);
            to.push(b'"');
        }
        if let Some(seconds) = test.seconds() {
            time_taken(to, seconds);
        }
        if let Some(time) = test.start.or(test.time) {
            timestamp(to, time);
        }
        if let Some(host) = &test.host {
            to.extend_from_slice(b" hostname=\"");
            escape(to, host, usize::MAX);
            to.push(b'"');
        }
        to.extend_from_slice(b">\n");
    }

    /// Writes the rest of a suite that fits, or that need not.
    fn whole(&self, body: Body, last: &[u8], spill: &mut Spill, out: &mut Out<'_>) -> Result<(), Stop> {
        spill.take(body, |lines| {
            without_codes(lines, &mut out.buffer);
            out.settle()
        })?;
        without_codes(last, &mut out.buffer);
        out.buffer.extend_from_slice(SUITE_FOOT);
        Ok(())
    }

    /// Writes a suite in several parts, of which each but the first begins a file.
    fn split(
        &self,
        test: &Test,
        body: Body,
        last: &[u8],
        spill: &mut Spill,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        let max = self.max_bytes.unwrap_or(u64::MAX);
        let overhead = SUITE_HEAD + 6 * (test.name.len() + test.platform.len() + test.run.len()) as u64;
        let (mut part, mut tally) = (Vec::new(), [0; 4]);
        let mut take = |lines: &[u8]| -> Result<(), Stop> {
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                let full = out.len() + overhead + part.len() as u64 + line.len() as u64 > max;
                if full && !part.is_empty() {
                    self.part(test, &mut part, &mut tally, out);
                }
                if full && out.len() > HEAD.len() as u64 {
                    out.buffer.extend_from_slice(FOOT);
                    out.next_part()?;
                    out.buffer.extend_from_slice(HEAD);
                }
                tally[Kind::of_code(line[0]).index()] += 1;
                part.extend_from_slice(&line[1..]);
            }
            Ok(())
        };
        spill.take(body, &mut take)?;
        take(last)?;
        if !part.is_empty() {
            self.part(test, &mut part, &mut tally, out);
        }
        Ok(())
    }

    fn part(&self, test: &Test, part: &mut Vec<u8>, tally: &mut [u64; 4], out: &mut Out<'_>) {
        self.suite_head(test, *tally, &mut out.buffer);
        out.buffer.append(part);
        out.buffer.extend_from_slice(SUITE_FOOT);
        *tally = [0; 4];
    }
}

impl Form for Junit {
    fn row(&mut self, row: &Row<'_>, test: &mut Test, to: &mut Vec<u8>) {
        if self.first_run.is_none() {
            self.first_run = Some(row.run.to_owned());
        }
        let attachments = self.paths.of(row);
        let outcome = row.outcome();
        let (status, note) =
            (row.status.filter(|word| *word != outcome.as_str()), row.note.filter(|note| !note.is_empty()));
        let waived = row.waived.is_some();
        let Some(subtest) = row.subtest else {
            self.pending_case(test, to);
            let name = self.unique(test, row.test, row.n).into_owned();
            let (status, note) = (status.map(str::to_owned), note.map(str::to_owned));
            test.pending = Some(Pending { name, outcome, status, note, waived, attachments });
            return;
        };
        let name = self.unique(test, subtest, row.n);
        let earlier =
            if test.earlier.is_empty() { Vec::new() } else { test.earlier_of(row.subtest).collect() };
        let attachments = &attachments;
        let case = Case { name: &name, outcome, status, note, waived, seconds: None, attachments, earlier };
        let kind = self.case(test, &case, to);
        test.tally[kind.index()] += 1;
    }

    fn test(
        &mut self,
        test: &mut Test,
        body: Body,
        spill: &mut Spill,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        self.begin(out);
        let mut last = mem::take(&mut self.last);
        last.clear();
        self.last_case(test, &mut last);
        self.names -= test.names.len();
        let len = out.len() + body.len() + last.len() as u64 + SUITE_HEAD;
        match self.max_bytes {
            Some(max) if len > max => self.split(test, body, &last, spill, out)?,
            _ => {
                self.suite_head(test, test.tally, &mut out.buffer);
                self.whole(body, &last, spill, out)?;
            }
        }
        self.last = last;
        Ok(())
    }

    fn record(&mut self, record: &Record) {
        self.paths.record(record);
    }

    fn needs_parts(&self) -> bool {
        self.max_bytes.is_some()
    }

    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        self.begin(out);
        out.buffer.extend_from_slice(FOOT);
        Ok(())
    }
}

const ANY: &str = "a Vec takes every byte";

/// What readers take for the path of a file that they are to show.
const ATTACHMENT: &str = "[[ATTACHMENT|";

/// A text of a test, which must not have files of others shown.
fn harmless(text: &str) -> Cow<'_, str> {
    // What is left out must not have been all that broke it up.
    let text = written(text);
    match memchr::memchr(b'[', text.as_bytes()).is_some() && text.contains(ATTACHMENT) {
        true => text.replace(ATTACHMENT, "[ [ATTACHMENT|").into(),
        false => text,
    }
}

/// A name without the characters that XML does not know.
fn written(name: &str) -> Cow<'_, str> {
    if all(name, is_legal) {
        return name.into();
    }
    match name.chars().any(is_illegal) {
        true => name.chars().filter(|c| !is_illegal(*c)).collect::<String>().into(),
        false => name.into(),
    }
}

/// Whether all bytes are of a kind. To look at the rest of a text behind the first that is not costs less than to ask
/// after each.
fn all(text: &str, is: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, byte| all & is(byte))
}

/// Whether XML knows what has this byte, for certain: U+FFFE and U+FFFF begin with 0xEF.
fn is_legal(byte: u8) -> bool {
    byte >= 0x20 && byte != 0xef
}

/// Whether XML does not know a character, so that it is left out.
fn is_illegal(c: char) -> bool {
    !matches!(c, '\n' | '\r' | '\t') && matches!(c, '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

/// How the attempts before failed, with what was said of it.
fn earlier(test: &Test) -> Vec<Earlier> {
    let bad = test.earlier_ends.iter().filter(|end| end.outcome <= Outcome::Fail);
    bad.map(|end| {
        let mut said = test.earlier_of(None).filter(|earlier| earlier.attempt == end.attempt);
        let note = end.note.clone().or_else(|| said.find_map(|earlier| earlier.note.clone()));
        Earlier { attempt: end.attempt, subtest: None, outcome: end.outcome, note }
    })
    .collect()
}

/// Appends lines without their codes.
fn without_codes(lines: &[u8], to: &mut Vec<u8>) {
    let mut rest = lines;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        to.extend_from_slice(&rest[1..=at]);
        rest = &rest[at + 1..];
    }
}

/// Appends the attribute for when something began: seconds are all that readers take, and no zone.
fn timestamp(to: &mut Vec<u8>, time: Time) {
    write!(to, " timestamp=\"{time}").expect(ANY);
    to.truncate(to.len() - ".000Z".len());
    to.push(b'"');
}

/// Appends the attribute for how long something took, in thousandths of a second.
fn time_taken(to: &mut Vec<u8>, seconds: f64) {
    let scaled = seconds * 1000.0;
    let whole = scaled.round();
    // The product may be off by a little: only between two numbers does it matter, and beyond all that is usual.
    let is_clear = (scaled - whole).abs() < 0.49 && whole < 1e9;
    to.extend_from_slice(b" time=\"");
    match is_clear {
        true => {
            let ms = whole as u64;
            number(to, ms / 1000);
            let digits = [ms / 100 % 10, ms / 10 % 10, ms % 10].map(|digit| b'0' + digit as u8);
            to.push(b'.');
            to.extend_from_slice(&digits);
        }
        false => write!(to, "{seconds:.3}").expect(ANY),
    }
    to.push(b'"');
}

/// Appends a whole number. There are some in each suite, and nothing is written faster.
fn number(to: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return to.extend_from_slice(&digits[at..]);
        }
    }
}

/// Appends a text for an attribute or for content, on one line; cut behind `limit` bytes of it.
fn escape(to: &mut Vec<u8>, text: &str, limit: usize) {
    let text = match text.len() > limit {
        true => &text[..(0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)],
        false => text,
    };
    // What needs nothing, which is nearly all, is copied at once.
    let is_plain = |byte: u8| is_legal(byte) && !matches!(byte, b'&' | b'<' | b'>' | b'"');
    if all(text, is_plain) {
        return to.extend_from_slice(text.as_bytes());
    }
    for c in text.chars() {
        match c {
            '&' => to.extend_from_slice(b"&amp;"),
            '<' => to.extend_from_slice(b"&lt;"),
            '>' => to.extend_from_slice(b"&gt;"),
            '"' => to.extend_from_slice(b"&quot;"),
            '\n' => to.extend_from_slice(b"&#10;"),
            '\r' => to.extend_from_slice(b"&#13;"),
            '\t' => to.extend_from_slice(b"&#9;"),
            c if is_illegal(c) => {}
            c => to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_those_of_the_slow_way() {
        let steps = (0..40_000_u32).map(|n| f64::from(n) * 0.000_25);
        for seconds in
            steps.chain([0.0, -0.0, 1.0005, 2.0005, 0.0015, 999_999.999_4, 1e6, 123_456_789.125, 1e10])
        {
            let mut to = Vec::new();
            time_taken(&mut to, seconds.abs());
            assert_eq!(
                String::from_utf8(to).unwrap(),
                format!(" time=\"{:.3}\"", seconds.abs()),
                "{seconds}"
            );
        }
    }

    #[test]
    fn numbers_are_those_of_the_slow_way() {
        for n in [0, 7, 10, 99, 100, 1_234_567, u64::MAX] {
            let mut to = Vec::new();
            number(&mut to, n);
            assert_eq!(String::from_utf8(to).unwrap(), n.to_string());
        }
    }

    #[test]
    fn names_are_told_apart_as_they_are_written() {
        let mut junit = junit(&Args { max_bytes: None, max_note: 100 });
        let mut test = Test::default();
        test.name.push_str("/t");
        let mut names = Vec::new();
        for (n, name) in ["x (#3)", "x", "x", "y\u{1}", "y", "/t", "x"].into_iter().enumerate() {
            names.push(junit.unique(&mut test, name, n as u64 + 1).into_owned());
        }
        assert_eq!(names, ["x (#3)", "x", "x (#3.2)", "y", "y (#5)", "/t", "x (#7)"]);
        test.has_begun = true;
        let mut last = Vec::new();
        junit.last_case(&mut test, &mut last);
        assert!(String::from_utf8(last).unwrap().contains(" name=\"/t (#0)\""));
    }

    #[test]
    fn a_note_attaches_no_file() {
        for (text, expected) in [
            ("a [[ATTACHMENT|/etc/passwd]]", "a [ [ATTACHMENT|/etc/passwd]]"),
            ("[[ATTACH\u{1}MENT|x]]", "[ [ATTACHMENT|x]]"),
            ("[[x]]", "[[x]]"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }
}
