//! One line to one row, fast.
//!
//! What our own tools write has its keys in a known order and no blanks between them: such a line is read by comparing
//! it with what is expected, three times as fast as by a parser. Every other line, above all one with a mistake, is
//! left to serde, which takes any order and says what is wrong.

use atex_model::report::{
    Cause, Counts, Outcome, ResultKind, TestEnd, TestEndTag, TestResult, TestStart, TestStartTag,
};
use atex_model::{LineError, Time};

use crate::json;
use crate::record::Record;
use crate::row::{RowSpans, Span, Texts};

/// Remembers the last minute of which a time was read: most times are of the same.
#[derive(Debug, Default)]
pub(crate) struct Times {
    text: [u8; MINUTE],
    minute: Option<i64>,
}

/// How long the text of a time is up to its seconds.
const MINUTE: usize = "2026-11-21T20:00:".len();

impl Times {
    fn parse(&mut self, text: &str) -> Option<Time> {
        let Some((minute, seconds)) = text.as_bytes().split_first_chunk::<MINUTE>() else {
            return text.parse().ok();
        };
        let &[tens, ones, b'.', a, b, c, b'Z'] = seconds else { return text.parse().ok() };
        let digits = [tens, ones, a, b, c];
        if tens >= b'6' || !digits.iter().all(u8::is_ascii_digit) {
            return text.parse().ok();
        }
        let milliseconds = digits.into_iter().fold(0, |sum, digit| 10 * sum + i64::from(digit - b'0'));
        if self.text != *minute || self.minute.is_none() {
            let time: Time = text.parse().ok()?;
            (self.text, self.minute) = (*minute, Some(time.0 - milliseconds));
        }
        self.minute.map(|minute| Time(minute + milliseconds))
    }
}

/// The row in the line that stands in `texts.lines[at..at + len]`, if it is as our tools write it.
pub(crate) fn usual(texts: &mut Texts, at: usize, len: usize, times: &mut Times) -> Option<RowSpans> {
    // What is unescaped of a line that turns out to be another way is left behind, and goes with the block.
    let mut scanner = Scanner { at, end: at + len, texts };
    scanner.skip(br#"{"type":""#)?;
    let kind = scanner.kind()?;
    scanner.skip(br#","time":""#)?;
    let time = scanner.string()?;
    let time = times.parse(scanner.texts.get(time))?;
    let run = scanner.text(br#","run":""#)?;
    let platform = scanner.text(br#","platform":""#)?;
    let test = scanner.text(br#","test":""#)?;
    let subtest = scanner.optional(br#","subtest":""#)?;
    let status = scanner.optional(br#","status":""#)?;
    let note = scanner.optional(br#","note":""#)?;
    scanner.skip(br#","files":["#)?;
    let files = scanner.files()?;
    scanner.skip(br#","attempt":"#)?;
    let attempt = u32::try_from(scanner.number()?).ok()?;
    scanner.skip(br#","n":"#)?;
    let n = scanner.number()?;
    let host = scanner.optional(br#","host":""#)?;
    scanner.skip(b"}")?;
    (scanner.at == scanner.end).then_some(RowSpans {
        kind,
        time,
        run,
        platform,
        test,
        subtest,
        status,
        note,
        files,
        attempt,
        n,
        host,
        extra: None,
        waived: None,
    })
}

struct Scanner<'t> {
    at: usize,
    end: usize,
    texts: &'t mut Texts,
}

impl Scanner<'_> {
    fn rest(&self) -> &[u8] {
        &self.texts.lines.as_bytes()[self.at..self.end]
    }

    /// Of a length that is known when this is compiled: then it takes a few instructions and no call.
    #[inline(always)]
    fn skip<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        (self.rest().first_chunk::<N>()? == expected).then(|| self.at += N)
    }

    fn kind(&mut self) -> Option<ResultKind> {
        if self.skip(br#"result""#).is_some() {
            return Some(ResultKind::Result);
        }
        if self.skip(br#"old-result""#).is_some() {
            return Some(ResultKind::OldResult);
        }
        self.skip(br#"live-result""#).map(|()| ResultKind::LiveResult)
    }

    #[inline(always)]
    fn text<const N: usize>(&mut self, key: &[u8; N]) -> Option<Span> {
        self.skip(key)?;
        self.string()
    }

    /// A text that may be absent. `None`: it is there and not as it should be.
    #[inline(always)]
    fn optional<const N: usize>(&mut self, key: &[u8; N]) -> Option<Option<Span>> {
        match self.skip(key) {
            Some(()) => self.string().map(Some),
            None => Some(None),
        }
    }

    /// The rest of a string behind its first quote.
    fn string(&mut self) -> Option<Span> {
        let rest = self.rest();
        let len = json::plain(rest)?;
        match rest[len] {
            b'"' => {
                let span = Span::new(self.at, len);
                self.at += len + 1;
                Some(span)
            }
            b'\\' => self.escaped(len),
            _ => None,
        }
    }

    /// The same for a string whose first backslash stands at `from`.
    fn escaped(&mut self, from: usize) -> Option<Span> {
        let rest = self.rest();
        let mut len = from;
        loop {
            match rest.get(len)? {
                b'"' => break,
                b'\\' => len += 2,
                _ => len += 1,
            }
        }
        let quoted = self.texts.lines.get(self.at - 1..=self.at + len)?;
        let text: String = serde_json::from_str(quoted).ok()?;
        self.at += len + 1;
        Some(self.texts.keep(&text))
    }

    /// The rest of an array of strings behind its bracket.
    fn files(&mut self) -> Option<(u32, u32)> {
        let from = self.texts.files();
        if self.skip(b"]").is_some() {
            return Some((from, from));
        }
        loop {
            self.skip(b"\"")?;
            let name = self.string()?;
            self.texts.add_file(name);
            if self.skip(b"]").is_some() {
                return Some((from, self.texts.files()));
            }
            self.skip(b",")?;
        }
    }

    fn number(&mut self) -> Option<u64> {
        let rest = self.rest();
        let len = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        if len == 0 || (len > 1 && rest[0] == b'0') {
            return None;
        }
        let number = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
        self.at += len;
        Some(number)
    }
}

/// Records that are no longer needed: with the room that their texts have, the next ones cost no allocation.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "they come from boxes and go into boxes")]
pub(crate) struct Spare {
    starts: Vec<Box<Record>>,
    ends: Vec<Box<Record>>,
}

impl Spare {
    pub fn add(&mut self, record: Box<Record>) {
        match *record {
            Record::TestStart(_) => self.starts.push(record),
            Record::TestEnd(_) => self.ends.push(record),
            _ => {}
        }
    }
}

/// The record in a line, if that says where a test begins or ends as our tools say it: of tests with few results those
/// are most lines.
pub(crate) fn usual_record(line: &str, times: &mut Times, spare: &mut Spare) -> Option<Box<Record>> {
    let mut fields = Fields(line);
    if fields.skip(br#"{"type":"test-start""#).is_some() {
        return test_start(fields, times, spare);
    }
    fields.skip(br#"{"type":"test-end""#)?;
    test_end(fields, times, spare)
}

fn test_start(mut fields: Fields<'_>, times: &mut Times, spare: &mut Spare) -> Option<Box<Record>> {
    let time = times.parse(fields.text(br#","time":""#)?)?;
    let (run, platform, test) =
        (fields.text(br#","run":""#)?, fields.text(br#","platform":""#)?, fields.text(br#","test":""#)?);
    fields.skip(br#","attempt":"#)?;
    let attempt = fields.digits()?.parse().ok()?;
    let host = fields.text(br#","host":""#)?;
    if !fields.is_over() {
        return None;
    }
    let mut record = spare.starts.pop().unwrap_or_else(|| Box::new(Record::TestStart(no_start())));
    if let Record::TestStart(start) = &mut *record {
        (start.time, start.attempt, start.rerun_of) = (time, attempt, None);
        set(&mut start.run, run);
        set(&mut start.platform, platform);
        set(&mut start.test, test);
        set(&mut start.host, host);
    }
    Some(record)
}

fn test_end(mut fields: Fields<'_>, times: &mut Times, spare: &mut Spare) -> Option<Box<Record>> {
    let time = times.parse(fields.text(br#","time":""#)?)?;
    let (run, platform, test) =
        (fields.text(br#","run":""#)?, fields.text(br#","platform":""#)?, fields.text(br#","test":""#)?);
    fields.skip(br#","attempt":"#)?;
    let attempt = fields.digits()?.parse().ok()?;
    let host = fields.optional(br#","host":""#)?;
    let outcome = fields.text(br#","outcome":""#)?;
    let outcome = Outcome::of_word(outcome)?;
    let cause = fields.cause()?;
    let exit = match fields.skip(br#","exit":"#) {
        Some(()) => Some(fields.integer()?),
        None => None,
    };
    let note = fields.optional(br#","note":""#)?;
    fields.skip(br#","seconds":"#)?;
    let seconds = fields.decimal()?;
    let mut counts = Fields(fields.0);
    fields.counts(|_, _| ())?;
    let is_final = match fields.skip(br#","final":true"#) {
        Some(()) => true,
        None => fields.skip(br#","final":false"#).map(|()| false)?,
    };
    let artifacts = fields.optional(br#","artifacts":""#)?;
    if !fields.is_over() {
        return None;
    }
    let mut record = spare.ends.pop().unwrap_or_else(|| Box::new(Record::TestEnd(no_end())));
    if let Record::TestEnd(end) = &mut *record {
        (end.time, end.attempt, end.outcome, end.cause) = (time, attempt, outcome, cause);
        (end.exit, end.seconds, end.is_final) = (exit, seconds, is_final);
        (end.rerun_of, end.waived) = (None, None);
        set(&mut end.run, run);
        set(&mut end.platform, platform);
        set(&mut end.test, test);
        set_maybe(&mut end.host, host);
        set_maybe(&mut end.note, note);
        set_maybe(&mut end.artifacts, artifacts);
        set_counts(&mut end.counts, &mut counts);
    }
    Some(record)
}

/// What a record is before it is filled.
fn no_start() -> TestStart {
    let [run, platform, test, host] = [const { String::new() }; 4];
    TestStart { kind: TestStartTag, time: Time(0), run, platform, test, attempt: 0, host, rerun_of: None }
}

fn no_end() -> TestEnd {
    let [run, platform, test] = [const { String::new() }; 3];
    TestEnd {
        kind: TestEndTag,
        time: Time(0),
        run,
        platform,
        test,
        attempt: 0,
        host: None,
        outcome: Outcome::Infra,
        cause: Cause::Own,
        exit: None,
        note: None,
        seconds: 0.0,
        counts: Counts::new(),
        is_final: false,
        artifacts: None,
        rerun_of: None,
        waived: None,
    }
}

fn set(to: &mut String, text: &str) {
    to.clear();
    to.push_str(text);
}

fn set_maybe(to: &mut Option<String>, text: Option<&str>) {
    match (to.as_mut(), text) {
        (Some(to), Some(text)) => set(to, text),
        _ => *to = text.map(str::to_owned),
    }
}

/// Fills the counts with what stands in a line. They most often have the same words as those before.
fn set_counts(to: &mut Counts, from: &mut Fields<'_>) {
    let mut len = 0;
    from.counts(|word, count| {
        match to.get_index_mut(len) {
            Some((known, old)) if known == word => *old = count,
            _ => {
                to.truncate(len);
                to.insert(word.to_owned(), count);
            }
        }
        // A word that comes twice has no place of its own.
        len = if len < to.len() { len + 1 } else { len };
    });
    to.truncate(len);
}

/// What is left of a line that is compared with what is expected.
struct Fields<'l>(&'l str);

impl<'l> Fields<'l> {
    /// As [`Scanner::skip`].
    #[inline(always)]
    fn skip<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let is_there = self.0.as_bytes().first_chunk::<N>()? == expected;
        is_there.then(|| self.0 = &self.0[N..])
    }

    fn is_over(&self) -> bool {
        self.0 == "}"
    }

    /// A text under a key.
    #[inline(always)]
    fn text<const N: usize>(&mut self, key: &[u8; N]) -> Option<&'l str> {
        self.skip(key)?;
        self.string()
    }

    /// The same if it is there. `None`: it is there and not as it should be.
    #[inline(always)]
    fn optional<const N: usize>(&mut self, key: &[u8; N]) -> Option<Option<&'l str>> {
        match self.skip(key) {
            Some(()) => self.string().map(Some),
            None => Some(None),
        }
    }

    /// The rest of a string behind its first quote, if nothing in it has to be unescaped.
    fn string(&mut self) -> Option<&'l str> {
        let len = json::plain(self.0.as_bytes())?;
        let (text, rest) = self.0.split_at(len);
        self.0 = rest.strip_prefix('"')?;
        Some(text)
    }

    /// Digits of a whole number that is not too large for anything.
    fn digits(&mut self) -> Option<&'l str> {
        let len = self.0.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at(len);
        let is_number = !digits.is_empty() && (len == 1 || !digits.starts_with('0'));
        self.0 = rest;
        Some(digits).filter(|_| is_number && len < 16)
    }

    fn integer(&mut self) -> Option<i64> {
        let sign = if self.skip(b"-").is_some() { -1 } else { 1 };
        let number: i64 = self.digits()?.parse().ok()?;
        // Minus nothing is a matter of its own in JSON.
        (sign > 0 || number > 0).then_some(sign * number)
    }

    /// A number of so few digits that every way to read it gives the same.
    fn decimal(&mut self) -> Option<f64> {
        let whole = self.0;
        let before = self.digits()?.len();
        let behind = match self.skip(b".") {
            Some(()) => 1 + self.0.bytes().position(|byte| !byte.is_ascii_digit()).filter(|len| *len > 0)?,
            None => 0,
        };
        let (number, rest) = whole.split_at(before + behind);
        self.0 = rest;
        let goes_on = rest.starts_with(['e', 'E', '.']);
        (number.len() < 16 && !goes_on).then(|| number.parse().ok())?
    }

    fn cause(&mut self) -> Option<Cause> {
        Some(match self.text(br#","cause":""#)? {
            "test" => Cause::Test,
            "host" => Cause::Host,
            "own" => Cause::Own,
            "cancelled" => Cause::Cancelled,
            "skipped" => Cause::Skipped,
            _ => return None,
        })
    }

    fn counts(&mut self, mut take: impl FnMut(&str, u64)) -> Option<()> {
        self.skip(br#","counts":{"#)?;
        if self.skip(b"}").is_some() {
            return Some(());
        }
        loop {
            self.skip(b"\"")?;
            let word = self.string()?;
            self.skip(b":")?;
            take(word, self.digits()?.parse().ok()?);
            if self.skip(b"}").is_some() {
                return Some(());
            }
            self.skip(b",")?;
        }
    }
}

/// The row in any line that holds one.
///
/// # Errors
/// It is no JSON, or a field is missing or wrong.
pub(crate) fn other(texts: &mut Texts, at: usize, len: usize) -> Result<RowSpans, LineError> {
    let TestResult {
        kind,
        time,
        run,
        platform,
        test,
        subtest,
        status,
        note,
        files,
        attempt,
        n,
        host,
        extra,
        waived,
    } = atex_model::parse(&texts.lines[at..at + len])?;
    let from = texts.files();
    for name in files {
        let name = texts.keep(&name);
        texts.add_file(name);
    }
    let mut optional = |text: Option<String>| text.map(|text| texts.keep(&text));
    let (subtest, status, note, host) = (optional(subtest), optional(status), optional(note), optional(host));
    let extra = optional((!extra.is_empty()).then(|| text_of(&extra)));
    let waived = optional(waived.map(|waived| text_of(&waived)));
    Ok(RowSpans {
        kind,
        time,
        run: texts.keep(&run),
        platform: texts.keep(&platform),
        test: texts.keep(&test),
        subtest,
        status,
        note,
        files: (from, texts.files()),
        attempt,
        n,
        host,
        extra,
        waived,
    })
}

fn text_of(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("a record has only text keys")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The row by the way that is asked for, as text, and whether there is one.
    fn read(line: &str, way: fn(&mut Texts, usize, usize, &mut Times) -> Option<RowSpans>) -> Option<String> {
        // Something stands before it, as in a block.
        let mut texts = texts(format!("é\n{line}"));
        let spans = way(&mut texts, 3, line.len(), &mut Times::default())?;
        let row = spans.row(&texts);
        let files: Vec<_> = row.files.iter().collect();
        Some(format!(
            "{:?} {:?} {:?} {files:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            row.kind,
            row.time,
            row.run,
            row.platform,
            row.test,
            row.subtest,
            row.status,
            row.note,
            row.attempt,
            row.n,
            row.host,
            row.extra,
            row.waived
        ))
    }

    fn texts(lines: String) -> Texts {
        let mut texts = Texts::default();
        texts.lines = lines;
        texts
    }

    fn by_serde(texts: &mut Texts, at: usize, len: usize, _: &mut Times) -> Option<RowSpans> {
        other(texts, at, len).ok()
    }

    const PLAIN: &str = r#"{"type":"result","time":"2026-11-21T20:00:11.000Z","run":"r","platform":"p","test":"/t","subtest":"a\nb","status":"pass","note":"ü \u0041\"","files":["a","b\\c"],"attempt":1,"n":7,"host":"h"}"#;

    const END: &str = r#"{"type":"test-end","time":"2026-11-21T20:00:11.000Z","run":"r","platform":"p","test":"/t","attempt":1,"host":"h","outcome":"fail","cause":"test","exit":1,"note":"n","seconds":1.5,"counts":{"a":1,"fail":2,"b":3},"final":true,"artifacts":"/a"}"#;

    #[test]
    fn a_word_that_is_counted_twice_counts_as_for_serde() {
        let (mut times, mut spare) = (Times::default(), Spare::default());
        for counts in [r#"{"a":1,"b":2}"#, r#"{"a":1,"a":2}"#, r#"{"b":1,"a":2,"b":3}"#, "{}", r#"{"b":9}"#] {
            let line = END.replace(r#"{"a":1,"fail":2,"b":3}"#, counts);
            let record = usual_record(&line, &mut times, &mut spare).unwrap();
            assert_eq!(Ok(crate::record::Parsed::Record(record.clone())), crate::record::parse(&line));
            spare.add(record);
        }
    }

    #[test]
    fn times_are_those_of_the_slow_way() {
        let mut times = Times::default();
        for text in [
            "2026-11-21T20:00:00.000Z",
            "2026-11-21T20:00:59.999Z",
            "2026-11-21T20:00:60.000Z",
            "2026-11-21T20:01:07.010Z",
            "2026-11-21T20:01:07.01Z",
            "2026-11-21T20:01:07.0101Z",
            "2026-11-21T20:01:07Z",
            "2026-13-21T20:01:07.010Z",
            "2026-13-21T20:01:08.010Z",
            "2026-11-21T20:01:0x.010Z",
            "2026-11-21T20:01:08.010+",
            "",
            "1969-12-31T23:59:59.999Z",
        ] {
            assert_eq!(times.parse(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn what_our_tools_write_is_read_without_serde() {
        for line in [
            PLAIN.to_owned(),
            r#"{"type":"old-result","time":"2026-11-21T20:00:11.000Z","run":"","platform":"","test":"","files":[],"attempt":0,"n":0}"#.to_owned(),
            PLAIN.replace("result", "live-result"),
        ] {
            let row = read(&line, usual);
            assert!(row.is_some(), "{line}");
            assert_eq!(row, read(&line, by_serde), "{line}");
        }
    }

    #[test]
    fn every_other_line_is_left_to_serde() {
        for (from, to) in [
            ("\"n\":7", "\"n\":07"),
            ("\"n\":7", "\"n\":-7"),
            ("\"n\":7", "\"n\":18446744073709551616"),
            ("\"attempt\":1", "\"attempt\":4294967296"),
            ("}", "} "),
            ("}", ",\"more\":1}"),
            ("\"h\"}", "\"h\""),
            ("a\\nb", "a\nb"),
            ("\\u0041", "\\ud800"),
            ("\\u0041", "\\x41"),
            ("2026-11-21", "2026-13-21"),
            (",\"run\"", " ,\"run\""),
            ("[\"a\",", "[\"a\",,"),
            ("[\"a\",", "[1,"),
        ] {
            let line = PLAIN.replacen(from, to, 1);
            assert_ne!(line, PLAIN, "{from}");
            assert_eq!(read(&line, usual), None, "{line}");
        }
    }

    #[test]
    fn extra_and_waived_are_kept_as_text() {
        let line = PLAIN.replace("\"h\"}", r#""h","extra":{"a":[1]},"waived":{"by":"w:1"}}"#);
        let mut texts = texts(line.clone());
        let spans = other(&mut texts, 0, line.len()).unwrap();
        let row = spans.row(&texts);
        assert_eq!((row.extra, row.waived), (Some(r#"{"a":[1]}"#), Some(r#"{"by":"w:1"}"#)));
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same(texts in prop::collection::vec(any::<Option<String>>(), 5),
                                   files in prop::collection::vec(any::<String>(), 0..3),
                                   n in any::<u64>(), attempt in any::<u32>(), ms in 0i64..4_000_000_000_000) {
            let [run, subtest, status, note, host] = <[_; 5]>::try_from(texts).unwrap();
            let result = TestResult {
                kind: ResultKind::Result, time: Time(ms), run: run.unwrap_or_default(), platform: "p".into(),
                test: "/t".into(), subtest, status, note, files, attempt, n, host,
                extra: atex_model::Object::new(), waived: None,
            };
            let line = serde_json::to_string(&result).unwrap();
            let row = read(&line, usual);
            prop_assert!(row.is_some());
            prop_assert_eq!(row, read(&line, by_serde));
        }

        #[test]
        fn records_are_read_the_same(texts in prop::collection::vec("[a-z/ é]{0,9}", 4), optional in any::<[bool; 3]>(),
                                     more in (any::<u32>(), any::<i32>(), 0u32..2_000_000, any::<bool>()),
                                     words in (0..Outcome::ALL.len(), 0usize..5), ms in 0i64..4_000_000_000_000,
                                     counts in prop::collection::vec(("[a-z]{1,6}", any::<u32>()), 0..3),
                                     cut in any::<prop::sample::Index>(), byte in any::<char>()) {
            let [run, platform, test, text] = <[_; 4]>::try_from(texts).unwrap();
            let maybe = |index: usize| optional[index].then(|| text.clone());
            let (attempt, exit, hundredths, is_final) = more;
            let causes = [Cause::Test, Cause::Host, Cause::Own, Cause::Cancelled, Cause::Skipped];
            let end = TestEnd {
                kind: TestEndTag, time: Time(ms), run: run.clone(), platform: platform.clone(), test: test.clone(),
                attempt, host: maybe(0), outcome: Outcome::ALL[words.0], cause: causes[words.1],
                exit: optional[1].then_some(i64::from(exit)), note: maybe(2), seconds: f64::from(hundredths) / 100.0,
                counts: counts.into_iter().map(|(word, n)| (word, u64::from(n))).collect(), is_final,
                artifacts: maybe(1), rerun_of: None, waived: None,
            };
            let host = text.clone();
            let kind = TestStartTag;
            let start = TestStart { kind, time: Time(ms), run, platform, test, attempt, host, rerun_of: None };
            let lines = [serde_json::to_string(&end).unwrap(), serde_json::to_string(&start).unwrap()];
            let (mut times, mut spare) = (Times::default(), Spare::default());
            // Something else stood in their place before.
            for before in [END, &END.replace("test-end", "test-start")] {
                usual_record(before, &mut times, &mut spare).into_iter().for_each(|record| spare.add(record));
            }
            for (line, record) in lines.iter().zip([Record::TestEnd(end), Record::TestStart(start)]) {
                for _ in 0..2 {
                    let found = usual_record(line, &mut times, &mut spare);
                    prop_assert_eq!(found.as_deref(), Some(&record), "{}", line);
                    found.into_iter().for_each(|record| spare.add(record));
                }
                let mut other: Vec<char> = line.chars().collect();
                let at = cut.index(other.len());
                other[at] = byte;
                let other: String = other.into_iter().collect();
                if let Some(record) = usual_record(&other, &mut times, &mut spare) {
                    let parsed = crate::record::parse(&other);
                    prop_assert_eq!(parsed, Ok(crate::record::Parsed::Record(record.clone())), "{}", other);
                    spare.add(record);
                }
            }
        }

        #[test]
        fn a_mutilated_line_is_read_alike_or_not_at_all(cut in any::<prop::sample::Index>(), byte in any::<char>()) {
            let mut line: Vec<char> = PLAIN.chars().collect();
            let at = cut.index(line.len());
            line[at] = byte;
            let line: String = line.into_iter().collect();
            if let Some(row) = read(&line, usual) {
                prop_assert_eq!(Some(row), read(&line, by_serde));
            }
        }
    }
}
