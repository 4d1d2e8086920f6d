//! TAP 13 and 14: a test point is a test, and what is indented before it its subtests; or all are subtests of one test.

use atex_cli::input::Lines;
use atex_model::report::{Outcome, Waived};

use super::{Ended, Found, LONGEST, Sink, each_line, some};
use crate::stop::Stop;

pub(super) fn import(lines: Lines, test: Option<&str>, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
    let mut tap = Tap { test: test.map(str::to_owned), ..Tap::default() };
    let mut last = 0;
    let whole = each_line(lines, sink, |text, number, sink| {
        last = number;
        tap.line(text, number, sink)
    })?;
    if whole { tap.finish(last, sink) } else { Ok(()) }
}

#[derive(Default)]
struct Tap {
    /// All results are of this test.
    test: Option<String>,
    /// The last test point, which waits for what is said of it in the lines below.
    point: Option<Point>,
    /// The block of YAML that is being read, and by how much it is indented.
    block: Option<(usize, String)>,
    /// The names of the subtests that are open, by their depth.
    open: Vec<Option<String>>,
    /// The test that is called so in the report, and what it is called here.
    named: Option<(String, String)>,
    /// Subtests whose test is not known yet.
    waiting: Vec<Found>,
    /// How many test points there are at the top, and how many there should be.
    points: u64,
    planned: Option<u64>,
    bailed: bool,
}

/// A test point.
struct Point {
    depth: usize,
    ok: bool,
    number: Option<u64>,
    name: String,
    directive: Option<(Directive, String)>,
    message: Option<String>,
    status: Option<String>,
    seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Skip,
    Todo,
}

/// What is taken of a block of YAML.
#[derive(Debug, Default, serde::Deserialize)]
struct Block {
    #[serde(default)]
    message: Option<serde_yaml::Value>,
    #[serde(default)]
    status: Option<serde_yaml::Value>,
    #[serde(default)]
    duration_ms: Option<f64>,
}

/// So many columns further in is a subtest.
const INDENT: usize = 4;

/// How deep subtests may lie: deeper, no program but a hostile one nests them.
const DEEPEST: usize = 100;

impl Tap {
    fn line(&mut self, text: &str, number: u64, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
        let indent = text.len() - text.trim_start_matches(' ').len();
        let line = text[indent..].trim_end();
        if self.block_line(text, indent, line, number, sink) {
            return Ok(());
        }
        let depth = indent / INDENT;
        if depth > DEEPEST {
            if line.starts_with("# Subtest") || point(line, depth).is_some() {
                sink.bad(number, indent + 1, &format!("expected subtests at most {DEEPEST} deep"));
            }
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("Bail out!") {
            self.settle(sink)?;
            self.bailed = true;
            sink.cut(number, &format!("bailed out:{rest}"));
        } else if line == "---" && self.point.is_some() {
            self.block = Some((indent, String::new()));
        } else if let Some(name) = line.strip_prefix("# Subtest") {
            self.settle(sink)?;
            let name = name.trim_start_matches(':').trim();
            let depth =
                if indent.is_multiple_of(INDENT) && !text.starts_with('#') { depth.max(1) - 1 } else { 0 };
            self.open.truncate(depth);
            self.open.resize(depth, None);
            if depth == 0 {
                self.named = None;
            }
            self.open.push(some(&unescape(name)));
        } else if let Some(point) = point(line, depth) {
            self.settle(sink)?;
            self.point = Some(point);
        } else if let Some(plan) = line.strip_prefix("1..") {
            self.settle(sink)?;
            self.plan(plan, depth, number, sink);
        }
        // Comments, the version, pragmas, and what the program printed: nothing that is a result.
        Ok(())
    }

    /// Takes a line of a block of YAML. `false`: it is none.
    fn block_line(
        &mut self,
        text: &str,
        indent: usize,
        line: &str,
        number: u64,
        sink: &mut Sink<'_, '_, '_>,
    ) -> bool {
        let Some((of_block, yaml)) = &mut self.block else { return false };
        if line == "..." && indent == *of_block {
            let yaml = std::mem::take(yaml);
            self.block = None;
            match serde_yaml::from_str::<Block>(&yaml) {
                Ok(block) => self.say(block),
                // Of use to people, and no results.
                Err(e) => log::debug!("{}:{number}: a block that is no YAML: {e}", sink.name),
            }
        } else if yaml.len() + text.len() > LONGEST {
            sink.bad(number, 1, "expected `...`, found a block over 64 MiB");
            self.block = None;
        } else {
            yaml.push_str(text.get(*of_block..).unwrap_or(line));
            yaml.push('\n');
        }
        true
    }

    fn say(&mut self, block: Block) {
        let Some(point) = &mut self.point else { return };
        let text = |value: Option<serde_yaml::Value>| match value? {
            serde_yaml::Value::String(text) => some(&text),
            serde_yaml::Value::Null => None,
            other => serde_yaml::to_string(&other).ok().map(|text| text.trim_end().to_owned()),
        };
        point.message = text(block.message);
        // What others say there in words of their own must not turn what the point says.
        let fails = |status: &str| Outcome::of_status(Some(status)) <= Outcome::Fail;
        point.status = text(block.status).filter(|status| fails(status) != point.ok);
        point.seconds = block.duration_ms.filter(|ms| *ms > 0.0).unwrap_or(0.0) / 1000.0;
    }

    fn plan(&mut self, plan: &str, depth: usize, number: u64, sink: &mut Sink<'_, '_, '_>) {
        let digits = plan.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        match digits.parse() {
            Ok(count) if depth == 0 => self.planned = Some(count),
            Ok(_) => {}
            Err(_) => sink.bad(number, 4, "expected a number after `1..`"),
        }
    }

    /// Hands over the last test point: all that belongs to it was read.
    fn settle(&mut self, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
        let Some(point) = self.point.take() else { return Ok(()) };
        if point.depth > 0 {
            return self.subtest(&point, sink);
        }
        self.points += 1;
        let name = match point.name.is_empty() {
            true => point.number.unwrap_or(self.points).to_string(),
            false => point.name.clone(),
        };
        self.open.clear();
        if let Some(test) = self.test.clone() {
            for waiting in std::mem::take(&mut self.waiting) {
                let inner = waiting.subtest.unwrap_or_default();
                let subtest = Some(format!("{name}/{inner}"));
                sink.result(Found { test: test.clone(), subtest, ..waiting })?;
            }
            return sink.result(Found { test, subtest: Some(name), ..point.found() });
        }
        let (test, platform) = self.name(&name, sink);
        self.named = None;
        for waiting in std::mem::take(&mut self.waiting) {
            sink.result(Found { test: test.clone(), platform: platform.clone(), ..waiting })?;
        }
        let found = point.found();
        let outcome = Outcome::of_status(found.status.as_deref());
        let end = Ended {
            platform: platform.clone(),
            test: test.clone(),
            outcome,
            seconds: point.seconds,
            time: None,
            host: None,
            note: None,
            waived: found.waived.clone(),
        };
        sink.result(Found { test, platform, ..found })?;
        sink.end(end)
    }

    /// What a test is called: another than all before, and the same for its subtests and for its point behind them.
    fn name(&mut self, said: &str, sink: &mut Sink<'_, '_, '_>) -> (String, Option<String>) {
        let (test, platform) = split_platform(said);
        let known = self.named.take().filter(|(known, _)| known == said);
        let (_, unique) = self
            .named
            .insert(known.unwrap_or_else(|| (said.to_owned(), sink.test(platform.as_deref(), &test))));
        (unique.clone(), platform)
    }

    fn subtest(&mut self, point: &Point, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
        // Those further out, but for the one at the top, which is the test.
        let mut path: Vec<&str> = self
            .open
            .iter()
            .skip(1)
            .take(point.depth - 1)
            .map(|name| name.as_deref().unwrap_or("?"))
            .collect();
        let number = point.number.map(|number| number.to_string()).unwrap_or_default();
        path.push(if point.name.is_empty() { &number } else { &point.name });
        let found = Found { subtest: Some(path.join("/")), ..point.found() };
        match (self.open.first().and_then(Option::as_deref), &self.test) {
            (Some(test), None) => {
                let test = test.to_owned();
                let (test, platform) = self.name(&test, sink);
                sink.result(Found { test, platform, ..found })
            }
            _ => {
                self.waiting.push(found);
                Ok(())
            }
        }
    }

    fn finish(&mut self, last: u64, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
        self.settle(sink)?;
        if !self.waiting.is_empty() {
            sink.cut(last, "subtests without their test point");
            for waiting in std::mem::take(&mut self.waiting) {
                sink.result(Found { test: self.test.clone().unwrap_or_else(|| "/?".into()), ..waiting })?;
            }
        }
        match self.planned {
            _ if self.bailed => {}
            None => sink.cut(last, "the plan is missing"),
            Some(planned) if planned != self.points => {
                sink.cut(last, &format!("{planned} test points were planned, and {} are there", self.points));
            }
            Some(_) => {}
        }
        Ok(())
    }
}

impl Point {
    fn found(&self) -> Found {
        let (directive, reason) = match &self.directive {
            Some((directive, reason)) => (Some(*directive), Some(reason.as_str())),
            None => (None, None),
        };
        let status = match (self.ok, directive) {
            (_, Some(Directive::Skip)) => "skip",
            (true, _) => self.status.as_deref().unwrap_or("pass"),
            (false, _) => self.status.as_deref().unwrap_or("fail"),
        };
        let waived = directive == Some(Directive::Todo) && !self.ok;
        let reason_text = reason.and_then(some);
        Found {
            status: Some(status.to_owned()),
            note: self.message.clone().or_else(|| reason_text.clone()),
            waived: waived.then(|| Waived {
                by: "TODO".into(),
                issue: None,
                owner: None,
                until: None,
                note: reason_text,
            }),
            ..Found::default()
        }
    }
}

/// Reads `ok 1 - description # SKIP reason`.
fn point(line: &str, depth: usize) -> Option<Point> {
    let (ok, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let rest = rest.trim_start();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number = rest[..digits].parse().ok();
    let rest = if number.is_some() { rest[digits..].trim_start() } else { rest };
    let rest = rest.strip_prefix("- ").unwrap_or(if rest == "-" { "" } else { rest });
    let (name, directive) = directive(rest);
    let name = unescape(name.trim());
    Some(Point { depth, ok, number, name, directive, message: None, status: None, seconds: 0.0 })
}

/// Splits a description at the first `#` that is not escaped and begins a directive.
fn directive(text: &str) -> (&str, Option<(Directive, String)>) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '#' && !escaped {
            let rest = text[at + 1..].trim_start();
            let is =
                |word: &str| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
            let found = match () {
                () if is("skip") => Some(Directive::Skip),
                () if is("todo") => Some(Directive::Todo),
                () => None,
            };
            if let Some(found) = found {
                // `SKIPPED` is one too.
                let reason = rest.split_once(char::is_whitespace).map_or("", |(_, reason)| reason);
                return (&text[..at], Some((found, unescape(reason.trim()))));
            }
        }
        escaped = c == '\\' && !escaped;
    }
    (text, None)
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('#' | '\\')) => plain.extend(chars.next()),
            _ => plain.push(c),
        }
    }
    plain
}

/// `/net/bind [cs9]`, as we write it.
fn split_platform(name: &str) -> (String, Option<String>) {
    let ours = name.strip_suffix(']').filter(|_| name.starts_with('/'));
    match ours.and_then(|rest| rest.rsplit_once(" [")) {
        Some((test, platform)) if !platform.is_empty() => (test.to_owned(), Some(platform.to_owned())),
        _ if name.starts_with('/') => (name.to_owned(), None),
        _ => (format!("/{name}"), None),
    }
}
