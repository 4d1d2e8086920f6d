//! One line to one row, fast.
//!
//! What our own tools write has its keys in a known order and no blanks between them: such a line is read by comparing
//! it with what is expected, three times as fast as by a parser. Every other line, above all one with a mistake, is
//! left to serde, which takes any order and says what is wrong.

use atex_model::report::{Cause, Outcome, ResultKind, TestEnd, TestResult, TestStart};
use atex_model::{LineError, Time};

use crate::json;
use crate::row::{EndSpans, KeySpans, RowSpans, Span, StartSpans, TestSpans, Texts};

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

/// What the line that stands in `texts.lines[at..at + len]` says of a test, if it says it as our tools do.
pub(crate) fn usual(texts: &mut Texts, at: usize, len: usize, times: &mut Times) -> Option<TestSpans> {
    // What is unescaped of a line that turns out to be another way is left behind, and goes with the block.
    let mut scanner = Scanner { at, end: at + len, texts };
    scanner.skip(br#"{"type":""#)?;
    let spans = if let Some(kind) = scanner.kind() {
        TestSpans::Row(scanner.row(kind, times)?)
    } else if scanner.skip(br#"test-start""#).is_some() {
        TestSpans::Start(scanner.start(times)?)
    } else {
        scanner.skip(br#"test-end""#)?;
        TestSpans::End(scanner.test_end(times)?)
    };
    scanner.skip(b"}")?;
    (scanner.at == scanner.end).then_some(spans)
}

struct Scanner<'t> {
    at: usize,
    end: usize,
    texts: &'t mut Texts,
}

impl Scanner<'_> {
    fn row(&mut self, kind: ResultKind, times: &mut Times) -> Option<RowSpans> {
        let time = self.time(times)?;
        let key = self.key()?;
        let subtest = self.optional(br#","subtest":""#)?;
        let status = self.optional(br#","status":""#)?;
        let note = self.optional(br#","note":""#)?;
        self.skip(br#","files":["#)?;
        let files = self.files()?;
        let attempt = self.attempt()?;
        self.skip(br#","n":"#)?;
        let n = self.number()?;
        let host = self.optional(br#","host":""#)?;
        let (extra, waived) = (None, None);
        Some(RowSpans { kind, time, key, subtest, status, note, files, attempt, n, host, extra, waived })
    }

    fn start(&mut self, times: &mut Times) -> Option<StartSpans> {
        let time = self.time(times)?;
        let key = self.key()?;
        let attempt = self.attempt()?;
        let host = self.text(br#","host":""#)?;
        Some(StartSpans { time, key, attempt, host })
    }

    fn test_end(&mut self, times: &mut Times) -> Option<EndSpans> {
        let time = self.time(times)?;
        let key = self.key()?;
        let attempt = self.attempt()?;
        let host = self.optional(br#","host":""#)?;
        let outcome = self.text(br#","outcome":""#)?;
        let outcome = Outcome::of_word(self.texts.get(outcome))?;
        let cause = self.cause()?;
        let exit = match self.skip(br#","exit":"#) {
            Some(()) => Some(self.integer()?),
            None => None,
        };
        let note = self.optional(br#","note":""#)?;
        self.skip(br#","seconds":"#)?;
        let seconds = self.decimal()?;
        self.counts()?;
        let is_final = match self.skip(br#","final":true"#) {
            Some(()) => true,
            None => self.skip(br#","final":false"#).map(|()| false)?,
        };
        let artifacts = self.optional(br#","artifacts":""#)?;
        let waived = None;
        Some(EndSpans {
            time,
            key,
            attempt,
            host,
            outcome,
            cause,
            exit,
            note,
            seconds,
            is_final,
            artifacts,
            waived,
        })
    }

    fn time(&mut self, times: &mut Times) -> Option<Time> {
        let time = self.text(br#","time":""#)?;
        times.parse(self.texts.get(time))
    }

    fn key(&mut self) -> Option<KeySpans> {
        let run = self.text(br#","run":""#)?;
        let platform = self.text(br#","platform":""#)?;
        let test = self.text(br#","test":""#)?;
        Some(KeySpans { run, platform, test })
    }

    fn attempt(&mut self) -> Option<u32> {
        self.skip(br#","attempt":"#)?;
        u32::try_from(self.number()?).ok()
    }

    fn cause(&mut self) -> Option<Cause> {
        let cause = self.text(br#","cause":""#)?;
        Some(match self.texts.get(cause) {
            "test" => Cause::Test,
            "host" => Cause::Host,
            "own" => Cause::Own,
            "cancelled" => Cause::Cancelled,
            "skipped" => Cause::Skipped,
            _ => return None,
        })
    }

    /// How many results there are of each status: no report is made of that, but it must be there.
    fn counts(&mut self) -> Option<()> {
        self.skip(br#","counts":{"#)?;
        if self.skip(b"}").is_some() {
            return Some(());
        }
        loop {
            self.skip(b"\"")?;
            self.string()?;
            self.skip(b":")?;
            self.number()?;
            if self.skip(b"}").is_some() {
                return Some(());
            }
            self.skip(b",")?;
        }
    }

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
        self.digits()?.parse().ok()
    }

    /// The digits of a whole number.
    fn digits(&mut self) -> Option<&str> {
        let rest = self.rest();
        let len = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        if len == 0 || (len > 1 && rest[0] == b'0') {
            return None;
        }
        let from = self.at;
        self.at += len;
        self.texts.lines.get(from..self.at)
    }

    fn integer(&mut self) -> Option<i64> {
        let sign = if self.skip(b"-").is_some() { -1 } else { 1 };
        let number: i64 = self.digits()?.parse().ok()?;
        // Minus nothing is a matter of its own in JSON.
        (sign > 0 || number > 0).then_some(sign * number)
    }

    /// A number of so few digits that every way to read it gives the same.
    fn decimal(&mut self) -> Option<f64> {
        let from = self.at;
        self.digits()?;
        if self.skip(b".").is_some() {
            let digits = self.rest().iter().position(|byte| !byte.is_ascii_digit());
            self.at += digits.filter(|len| *len > 0)?;
        }
        let goes_on = matches!(self.rest().first(), Some(b'e' | b'E' | b'.'));
        let number = self.texts.lines.get(from..self.at)?;
        (number.len() < 16 && !goes_on).then(|| number.parse().ok())?
    }
}

/// The result in any line that holds one.
///
/// # Errors
/// It is no JSON, or a field is missing or wrong.
pub(crate) fn other_row(texts: &mut Texts, at: usize, len: usize) -> Result<TestSpans, LineError> {
    let row: TestResult = atex_model::parse(&texts.lines[at..at + len])?;
    let from = texts.files();
    for name in row.files {
        let name = texts.keep(&name);
        texts.add_file(name);
    }
    let files = (from, texts.files());
    Ok(TestSpans::Row(RowSpans {
        kind: row.kind,
        time: row.time,
        key: key(texts, &row.run, &row.platform, &row.test),
        subtest: maybe(texts, row.subtest.as_deref()),
        status: maybe(texts, row.status.as_deref()),
        note: maybe(texts, row.note.as_deref()),
        files,
        attempt: row.attempt,
        n: row.n,
        host: maybe(texts, row.host.as_deref()),
        extra: (!row.extra.is_empty()).then(|| texts.keep(&text_of(&row.extra))),
        waived: row.waived.map(|waived| texts.keep(&text_of(&waived))),
    }))
}

/// The start in any line that holds one.
///
/// # Errors
/// As [`other_row`].
pub(crate) fn other_start(texts: &mut Texts, at: usize, len: usize) -> Result<TestSpans, LineError> {
    let start: TestStart = atex_model::parse(&texts.lines[at..at + len])?;
    let key = key(texts, &start.run, &start.platform, &start.test);
    let (time, attempt, host) = (start.time, start.attempt, texts.keep(&start.host));
    Ok(TestSpans::Start(StartSpans { time, key, attempt, host }))
}

/// The end in any line that holds one.
///
/// # Errors
/// As [`other_row`].
pub(crate) fn other_end(texts: &mut Texts, at: usize, len: usize) -> Result<TestSpans, LineError> {
    let end: TestEnd = atex_model::parse(&texts.lines[at..at + len])?;
    Ok(TestSpans::End(EndSpans {
        time: end.time,
        key: key(texts, &end.run, &end.platform, &end.test),
        attempt: end.attempt,
        host: maybe(texts, end.host.as_deref()),
        outcome: end.outcome,
        cause: end.cause,
        exit: end.exit,
        note: maybe(texts, end.note.as_deref()),
        seconds: end.seconds,
        is_final: end.is_final,
        artifacts: maybe(texts, end.artifacts.as_deref()),
        waived: end.waived.map(|waived| texts.keep(&text_of(&waived))),
    }))
}

fn key(texts: &mut Texts, run: &str, platform: &str, test: &str) -> KeySpans {
    KeySpans { run: texts.keep(run), platform: texts.keep(platform), test: texts.keep(test) }
}

fn maybe(texts: &mut Texts, text: Option<&str>) -> Option<Span> {
    text.map(|text| texts.keep(text))
}

fn text_of(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("a record has only text keys")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;
    use crate::record::{self, Parsed};
    use atex_model::report::{TestEndTag, TestStartTag};
    use proptest::prelude::*;

    /// What a line says by the way that is asked for, as text, if it is read that way.
    fn read(
        line: &str,
        way: fn(&mut Texts, usize, usize, &mut Times) -> Option<TestSpans>,
    ) -> Option<String> {
        // Something stands before it, as in a block.
        let mut texts = texts(format!("é\n{line}"));
        let spans = way(&mut texts, 3, line.len(), &mut Times::default())?;
        let row = match spans.what(&texts) {
            What::Row(row) => row,
            what => return Some(format!("{what:?}")),
        };
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

    fn by_serde(texts: &mut Texts, at: usize, len: usize, _: &mut Times) -> Option<TestSpans> {
        match record::parse(&texts.lines[at..at + len]).ok()? {
            Parsed::Row => other_row(texts, at, len).ok(),
            Parsed::TestStart => other_start(texts, at, len).ok(),
            Parsed::TestEnd => other_end(texts, at, len).ok(),
            Parsed::Record(_) | Parsed::Other => None,
        }
    }

    const PLAIN: &str = r#"{"type":"result","time":"2026-11-21T20:00:11.000Z","run":"r","platform":"p","test":"/t","subtest":"a\nb","status":"pass","note":"ü \u0041\"","files":["a","b\\c"],"attempt":1,"n":7,"host":"h"}"#;

    const START: &str = r#"{"type":"test-start","time":"2026-11-21T20:00:11.000Z","run":"r","platform":"p","test":"/t \"\u0041\"","attempt":1,"host":"h"}"#;

    const END: &str = r#"{"type":"test-end","time":"2026-11-21T20:00:11.000Z","run":"r","platform":"p","test":"/t","attempt":1,"host":"h","outcome":"fail","cause":"test","exit":1,"note":"n","seconds":1.5,"counts":{"a":1,"fail":2,"b":3},"final":true,"artifacts":"/a"}"#;

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
            START.to_owned(),
            END.to_owned(),
            END.replace(r#"{"a":1,"fail":2,"b":3}"#, r#"{"a":1,"a":2}"#),
            END.replace(r#"{"a":1,"fail":2,"b":3}"#, "{}"),
            END.replace(r#""exit":1"#, r#""exit":-1"#).replace(r#""n""#, r#""a\nb""#),
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
        for (from, to) in [
            ("\"exit\":1", "\"exit\":-0"),
            ("\"exit\":1", "\"exit\":9223372036854775808"),
            ("1.5", "1.5e1"),
            ("1.5", "1."),
            ("1.5", "01.5"),
            ("1.5", "1.000000000000000"),
            ("\"outcome\":\"fail\"", "\"outcome\":\"flop\""),
            ("\"cause\":\"test\"", "\"cause\":\"rest\""),
            ("\"a\":1,", "\"a\":1.0,"),
            ("true", "null"),
            ("\"}", "\",\"waived\":{\"by\":\"w:1\"}}"),
        ] {
            let line = END.replacen(from, to, 1);
            assert_ne!(line, END, "{from}");
            assert_eq!(read(&line, usual), None, "{line}");
        }
    }

    #[test]
    fn extra_and_waived_are_kept_as_text() {
        let line = PLAIN.replace("\"h\"}", r#""h","extra":{"a":[1]},"waived":{"by":"w:1"}}"#);
        let mut texts = texts(line.clone());
        let spans = other_row(&mut texts, 0, line.len()).unwrap();
        let What::Row(row) = spans.what(&texts) else { panic!("{spans:?}") };
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
        fn records_are_read_the_same(texts in prop::collection::vec("[a-z/ é\"\n\\\\]{0,9}", 4), optional in any::<[bool; 3]>(),
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
            for line in [serde_json::to_string(&end).unwrap(), serde_json::to_string(&start).unwrap()] {
                let found = read(&line, usual);
                prop_assert!(found.is_some(), "{}", line);
                prop_assert_eq!(found, read(&line, by_serde), "{}", line);
                let mut other: Vec<char> = line.chars().collect();
                let at = cut.index(other.len());
                other[at] = byte;
                let other: String = other.into_iter().collect();
                if let Some(found) = read(&other, usual) {
                    prop_assert_eq!(Some(found), read(&other, by_serde), "{}", other);
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
