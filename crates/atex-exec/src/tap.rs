//! The Test Anything Protocol, versions 13 and 14: what a test prints, as results of subtests.
//!
//! Points at the top level are subtests; what is indented belongs to one of them and is not looked at, except for
//! the `message` of a diagnostic block right behind a point. Anything else that a program prints among them is no
//! TAP and does no harm.

use atex_control::Status;
use serde::{Deserialize, Serialize};

/// What one point says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub name: String,
    pub status: Status,
    pub note: Option<String>,
}

/// What all points come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub status: Status,
    pub note: Option<String>,
}

/// Reads output in pieces of any size.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tap {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The last point, which a diagnostic block may follow.
    last: Option<Point>,
    block: Block,
    plan: Option<u64>,
    /// Why the plan says that there is nothing to be run.
    skip: Option<String>,
    plans: u64,
    points: u64,
    failed: u64,
    bail_out: Option<String>,
}

/// Where we are in a diagnostic block.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Block {
    #[default]
    No,
    /// The last line was a point.
    MayBegin,
    Inside,
}

/// Of longer lines only so much is looked at.
const LINE_BYTES: usize = 4096;

impl Tap {
    /// Takes the next bytes and hands over points that are complete.
    pub fn feed<E>(
        &mut self,
        mut bytes: &[u8],
        take: &mut impl FnMut(Point) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.hold(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            let read = self.read(&line, take);
            self.line = line;
            self.line.clear();
            read?;
        }
        self.hold(bytes);
        Ok(())
    }

    /// Nothing more comes: hands over what is left, and judges all of it.
    pub fn end<E>(
        mut self,
        exit: Option<i64>,
        take: &mut impl FnMut(Point) -> Result<(), E>,
    ) -> Result<Judgement, E> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.read(&line, take)?;
        }
        self.last.take().map_or(Ok(()), &mut *take)?;
        let reasons = self.reasons(exit);
        Ok(match self.skip {
            _ if !reasons.is_empty() => Judgement { status: Status::Fail, note: Some(reasons.join("; ")) },
            Some(why) => Judgement { status: Status::Skip, note: Some(why).filter(|why| !why.is_empty()) },
            None => Judgement { status: Status::Pass, note: None },
        })
    }

    /// Why the test has failed.
    fn reasons(&self, exit: Option<i64>) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(why) = &self.bail_out {
            reasons.push(format!("Bail out! {why}").trim_end().to_owned());
        }
        if self.failed > 0 {
            reasons.push(format!("not ok: {} of {}", self.failed, self.points));
        }
        match self.plan {
            _ if self.plans > 1 => reasons.push(format!("{} plans", self.plans)),
            _ if self.bail_out.is_some() => {}
            None if self.points == 0 => reasons.push("no TAP in the output".into()),
            None => reasons.push("no plan".into()),
            Some(plan) if plan != self.points => {
                reasons.push(format!("{plan} planned, {} run", self.points));
            }
            Some(_) => {}
        }
        if let Some(exit) = exit.filter(|exit| *exit != 0) {
            reasons.push(format!("exit status {exit}"));
        }
        reasons
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES - self.line.len();
        self.line.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    fn read<E>(&mut self, line: &[u8], take: &mut impl FnMut(Point) -> Result<(), E>) -> Result<(), E> {
        if self.bail_out.is_some() {
            return Ok(());
        }
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        let is_indented = line.starts_with([' ', '\t']);
        if is_indented && self.read_block(line.trim_start()) {
            return Ok(());
        }
        self.block = Block::No;
        if let Some(why) = line.trim_start().strip_prefix("Bail out!") {
            self.bail_out = Some(why.trim().to_owned());
        } else if is_indented {
            return Ok(());
        } else if let Some(point) = self.point(line) {
            let before = self.last.replace(point);
            self.block = Block::MayBegin;
            return before.map_or(Ok(()), take);
        } else {
            self.read_plan(line);
        }
        self.last.take().map_or(Ok(()), take)
    }

    /// Whether this indented line belongs to a diagnostic block.
    fn read_block(&mut self, line: &str) -> bool {
        match self.block {
            Block::No => return false,
            Block::MayBegin if line == "---" => self.block = Block::Inside,
            Block::MayBegin => return false,
            Block::Inside if line == "..." => self.block = Block::No,
            Block::Inside => {
                if let (Some(point), Some(text)) = (&mut self.last, line.strip_prefix("message:"))
                    && point.note.is_none()
                {
                    point.note = scalar(text.trim());
                }
            }
        }
        true
    }

    fn point(&mut self, line: &str) -> Option<Point> {
        let (is_ok, rest) = match (line.strip_prefix("ok"), line.strip_prefix("not ok")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return None,
        };
        if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
            return None;
        }
        self.points += 1;
        let rest = rest.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        let (description, directive) = split_directive(rest);
        let description = description.trim();
        let description = description.strip_prefix('-').unwrap_or(description).trim_start();
        let name = match (description, number) {
            ("", "") => self.points.to_string(),
            ("", number) => number.to_owned(),
            (description, _) => unescape(description),
        };
        let (status, note) = match directive {
            Some(Directive::Skip(why)) => (Status::Skip, Some(why)),
            Some(Directive::Todo(why)) if is_ok => (Status::Pass, Some(format!("TODO {why}"))),
            Some(Directive::Todo(why)) => (Status::Info, Some(format!("TODO {why}"))),
            None if is_ok => (Status::Pass, None),
            None => (Status::Fail, None),
        };
        self.failed += u64::from(status == Status::Fail);
        let note = note.map(|note| note.trim_end().to_owned()).filter(|note| !note.is_empty());
        Some(Point { name, status, note })
    }

    fn read_plan(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("1..") else { return };
        let (number, directive) = split_directive(rest);
        let Ok(count) = number.split('#').next().unwrap_or_default().trim().parse() else { return };
        self.plans += 1;
        self.plan = Some(count);
        if let (0, Some(Directive::Skip(why))) = (count, directive) {
            self.skip = Some(why);
        }
    }
}

enum Directive {
    Skip(String),
    Todo(String),
}

/// What stands before a directive, and the directive.
fn split_directive(text: &str) -> (&str, Option<Directive>) {
    for (at, _) in text.match_indices('#') {
        let before = &text[..at];
        // A directive has a blank before it, unless nothing else stands there.
        if !before.is_empty() && !before.ends_with([' ', '\t']) {
            continue;
        }
        let words = text[at + 1..].trim_start();
        let word = words.find(|c: char| !c.is_ascii_alphabetic()).map_or(words, |end| &words[..end]);
        let why = || words[word.len()..].trim_start_matches([':', ' ', '\t']).to_owned();
        // `SKIPPED` and the like are in use.
        if word.len() >= 4 && word[..4].eq_ignore_ascii_case("skip") {
            return (before, Some(Directive::Skip(why())));
        }
        if word.eq_ignore_ascii_case("todo") {
            return (before, Some(Directive::Todo(why())));
        }
    }
    (text, None)
}

/// `\#` is `#`, and `\\` is `\`.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = chars.next_if(|next| char == '\\' && matches!(next, '#' | '\\'));
        plain.push(escaped.unwrap_or(char));
    }
    plain
}

/// A value of YAML on one line; nothing for the other forms.
fn scalar(text: &str) -> Option<String> {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    match (quoted('\''), quoted('"')) {
        (Some(text), _) => Some(text.replace("''", "'")),
        (_, Some(inner)) => serde_json::from_str(text).ok().or_else(|| Some(inner.to_owned())),
        _ if text.is_empty() || text.starts_with(['|', '>', '&', '*', '!', '[', '{']) => None,
        _ => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Points as `status name (note)`, and the judgement in the same form.
    fn read(pieces: &[&[u8]], exit: i64) -> Vec<String> {
        let mut tap = Tap::default();
        let mut said = Vec::new();
        let note = |note: Option<String>| note.map(|note| format!(" ({note})")).unwrap_or_default();
        let mut take = |point: Point| {
            said.push(format!("{} {}{}", point.status.word(), point.name, note(point.note)));
            Ok::<(), ()>(())
        };
        for piece in pieces {
            // Between any two pieces it may be saved and restored.
            tap = serde_json::from_str(&serde_json::to_string(&tap).unwrap()).unwrap();
            tap.feed(piece, &mut take).unwrap();
        }
        let end = tap.end(Some(exit), &mut take).unwrap();
        said.push(format!("= {}{}", end.status.word(), note(end.note)));
        said
    }

    const CASES: &[(&str, i64, &[&str])] = &[
        ("TAP version 13\n1..2\nok 1 - one\nok 2 two\n", 0, &["pass one", "pass two", "= pass"]),
        ("ok\nnot ok\n1..2", 0, &["pass 1", "fail 2", "= fail (not ok: 1 of 2)"]),
        ("1..1\r\nok 1 - dos\r\n", 0, &["pass dos", "= pass"]),
        ("1..1\nok 7\n", 0, &["pass 7", "= pass"]),
        ("1..1\nok - - dashes - in it\n", 0, &["pass - dashes - in it", "= pass"]),
        ("1..1\nok 1 - a\n", 3, &["pass a", "= fail (exit status 3)"]),
        // Directives.
        ("1..1\nok 1 - a # SKIP no net\n", 0, &["skip a (no net)", "= pass"]),
        ("1..1\nok 1 # skip\n", 0, &["skip 1", "= pass"]),
        ("1..1\nnot ok 1 - a # Skipped: why\n", 0, &["skip a (why)", "= pass"]),
        (
            "1..2\nnot ok 1 - a # TODO later\nok 2 b #todo\n",
            0,
            &["info a (TODO later)", "pass b (TODO)", "= pass"],
        ),
        (
            "1..1\nnot ok 1 - issue #12 # not a directive\n",
            0,
            &["fail issue #12 # not a directive", "= fail (not ok: 1 of 1)"],
        ),
        ("1..1\nok 1 - a \\# SKIP \\\\ b\n", 0, &["pass a # SKIP \\ b", "= pass"]),
        // Plans.
        ("1..0 # SKIP not on this arch\n", 0, &["= skip (not on this arch)"]),
        ("1..0 # skip\n", 0, &["= skip"]),
        ("1..0\n", 0, &["= pass"]),
        ("1..3 # comment\nok\n", 0, &["pass 1", "= fail (3 planned, 1 run)"]),
        ("1..1\nok\nok\n", 0, &["pass 1", "pass 2", "= fail (1 planned, 2 run)"]),
        ("1..1\nok\n1..1\n", 0, &["pass 1", "= fail (2 plans)"]),
        ("ok 1 a\n", 0, &["pass a", "= fail (no plan)"]),
        ("hello\n", 0, &["= fail (no TAP in the output)"]),
        ("", 1, &["= fail (no TAP in the output; exit status 1)"]),
        ("1..99999999999999999999999\nok\n", 0, &["pass 1", "= fail (no plan)"]),
        // Giving up.
        (
            "1..3\nok\nBail out! no disk\nok 2\n1..9\n",
            255,
            &["pass 1", "= fail (Bail out! no disk; exit status 255)"],
        ),
        ("    Bail out!\n", 0, &["= fail (Bail out!)"]),
        // Other things among it.
        ("# c\nok then\nokay\nnot okay\n1..1\npragma +strict\n", 0, &["pass then", "= pass"]),
        ("1..1\nsegfault\nnot ok 1 - a\n\n\n# why\n", 0, &["fail a", "= fail (not ok: 1 of 1)"]),
        // Subtests of subtests.
        (
            "1..1\n# Subtest: s\n    ok 1 - in\n    not ok 2 - in\n    1..2\nok 1 - s\n",
            0,
            &["pass s", "= pass"],
        ),
        ("1..1\n\tok 1\nok 1 - s\n", 0, &["pass s", "= pass"]),
        // Diagnostics.
        (
            "1..1\nnot ok 1 - a\n  ---\n  severity: fail\n  message: 'it''s wrong'\n  message: no\n  ...\n",
            0,
            &["fail a (it's wrong)", "= fail (not ok: 1 of 1)"],
        ),
        ("1..1\nok 1 a # SKIP x\n  ---\n  message: \"y\"\n  ...\n", 0, &["skip a (x)", "= pass"]),
        (
            "1..1\nok 1 a\n  ---\n  message: \"t\\tb\"\n  ok: 3\nok 2 b\n",
            0,
            &["pass a (t\tb)", "pass b", "= fail (1 planned, 2 run)"],
        ),
        ("1..1\nok 1 a\n  ---\n  message: |\n    long\n  ...\n", 0, &["pass a", "= pass"]),
        ("1..1\nok 1 a\n    ok 1 in\n  ---\n  message: x\n  ...\n", 0, &["pass a", "= pass"]),
        ("1..1\nok 1 caf\u{e9}\n", 0, &["pass caf\u{e9}", "= pass"]),
    ];

    #[test]
    fn what_is_printed_is_read() {
        for (text, exit, expected) in CASES {
            assert_eq!(read(&[text.as_bytes()], *exit), *expected, "{text:?}");
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes, *exit), *expected, "{text:?}, byte by byte");
        }
    }

    #[test]
    fn bytes_of_any_kind_and_endless_lines_are_taken() {
        let long = [b"1..1\nok 1 - ".as_slice(), &[b'x'; 3 * LINE_BYTES], b"\n\xff\0\n"].concat();
        let said = read(&[&long], 0);
        assert_eq!(said[0].len(), "pass ".len() + LINE_BYTES - "ok 1 - ".len());
        assert_eq!(said[1], "= pass");
        assert_eq!(read(&[b"1..1\nok \xff\n"], 0), ["pass \u{fffd}", "= pass"]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            lines in prop::collection::vec("(1\\.\\.[0-3]|ok|not ok|  ---|  \\.\\.\\.|  message: x|Bail out!| )( [a#1-]| # (skip|todo) x){0,2}\n?", 0..9),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = lines.concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([text.len()]);
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let pieces: Vec<&[u8]> = starts.zip(ends).map(|(a, b)| &text.as_bytes()[a..b]).collect();
            prop_assert_eq!(read(&pieces, 0), read(&[text.as_bytes()], 0));
        }
    }
}
