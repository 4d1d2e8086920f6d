//! JUnit XML. A class is a test, and a case of it a subtest; in reports of ours, the platform is told from the class.
//!
//! What XML can do beyond its elements is refused: a document type, and with it every entity but the five that XML
//! has itself, so that nothing is ever expanded or fetched.

use std::io::{self, BufRead, Read};
use std::str::FromStr as _;

use atex_model::report::Waived;
use atex_model::{Object, Time};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::{Found, LONGEST, Sink, some};
use crate::stop::Stop;

pub(super) fn import(from: impl BufRead, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
    let mut reader = Reader::from_reader(Watched { from, line: 1, column: 1, piece: 0 });
    reader.config_mut().expand_empty_elements = true;
    let mut junit = Junit::default();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        reader.get_mut().piece = 0;
        let event = reader.read_event_into(&mut buffer);
        let done = match event {
            Ok(Event::Eof) => {
                if junit.depth > 0 || !junit.begun {
                    let what = if junit.begun { "the XML is cut off" } else { "expected XML, found nothing" };
                    sink.cut(reader.get_ref().line, what);
                }
                return Ok(());
            }
            Ok(event) => junit.event(&event, sink),
            Err(quick_xml::Error::Syntax(_)) if reader.get_mut().is_at_end() => {
                sink.cut(reader.get_ref().line, "the XML is cut off");
                return Ok(());
            }
            Err(quick_xml::Error::Io(e)) => {
                sink.cut(reader.get_ref().line, &atex_cli::input::reason(&e));
                return Ok(());
            }
            Err(e) => Err(Refused::Wrong(e.to_string())),
        };
        match done {
            Ok(()) => {}
            Err(Refused::Stop(stop)) => return Err(stop),
            // Behind a mistake nothing can be told apart any more.
            Err(Refused::Wrong(message)) => {
                let place = reader.get_ref();
                sink.bad(place.line, place.column, &format!("expected JUnit XML: {message}"));
                return Ok(());
            }
        }
    }
}

/// Why an element is not taken.
enum Refused {
    Wrong(String),
    Stop(Stop),
}

#[derive(Default)]
struct Junit {
    begun: bool,
    depth: usize,
    /// The report is one of ours.
    ours: bool,
    suites: Vec<Suite>,
    case: Option<Case>,
    /// The element within a case whose text is read.
    element: Option<Element>,
}

#[derive(Default)]
struct Suite {
    name: String,
    host: Option<String>,
    time: Option<Time>,
}

#[derive(Default)]
struct Case {
    class: String,
    name: String,
    seconds: Option<f64>,
    status: Option<&'static str>,
    note: Option<String>,
    output: Option<String>,
    again: u64,
}

struct Element {
    name: String,
    message: Option<String>,
    kind: Option<String>,
    text: String,
}

impl Junit {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_, '_, '_>) -> Result<(), Refused> {
        match event {
            Event::Start(start) => self.start(start)?,
            Event::End(end) => self.end(end.local_name().as_ref(), sink)?,
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let c = resolve(reference)?;
                self.text(c.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => {
                let message = "a document type is refused: it could make much of little, or read other files";
                return Err(Refused::Wrong(message.into()));
            }
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Refused> {
        let name = start.local_name().as_ref().to_owned();
        if !self.begun && !matches!(name.as_str(), "testsuites" | "testsuite") {
            return Err(Refused::Wrong(format!("expected <testsuites> or <testsuite>, found <{name}>")));
        }
        self.begun = true;
        self.depth += 1;
        let attributes = Attributes::of(start)?;
        match name.as_str() {
            "testsuites" => self.ours = attributes.get("name") == Some("atex"),
            "testsuite" => self.suites.push(Suite {
                name: attributes.get("name").unwrap_or_default().to_owned(),
                host: attributes.get("hostname").and_then(some),
                time: attributes.get("timestamp").and_then(time),
            }),
            "testcase" => {
                self.case = Some(Case {
                    class: attributes.get("classname").unwrap_or_default().to_owned(),
                    name: attributes.get("name").unwrap_or_default().to_owned(),
                    seconds: attributes.get("time").and_then(|text| text.replace(',', "").parse().ok()),
                    ..Case::default()
                });
            }
            _ if self.case.is_some() && self.element.is_none() => {
                let message = attributes.get("message").and_then(some);
                let kind = attributes.get("type").map(str::to_owned);
                self.element = Some(Element { name, message, kind, text: String::new() });
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = &mut self.element
            && element.text.len() + text.len() <= LONGEST
        {
            element.text.push_str(text);
        }
    }

    fn end(&mut self, name: &str, sink: &mut Sink<'_, '_, '_>) -> Result<(), Refused> {
        self.depth = self.depth.saturating_sub(1);
        match name {
            "testsuite" => drop(self.suites.pop()),
            "testcase" => {
                if let Some(case) = self.case.take() {
                    self.element = None;
                    sink.result(self.found(case)).map_err(Refused::Stop)?;
                }
            }
            _ => {
                if self.element.as_ref().is_some_and(|element| element.name == name)
                    && let (Some(element), Some(case)) = (self.element.take(), &mut self.case)
                {
                    case.element(element);
                }
            }
        }
        Ok(())
    }

    fn found(&self, case: Case) -> Found {
        let suite = self.suites.last();
        let (platform, test, subtest) = self.names(&case);
        let mut extra = Object::new();
        if let Some(seconds) = case.seconds.filter(|seconds: &f64| seconds.is_finite()) {
            extra.insert("seconds".into(), seconds.into());
        }
        if case.again > 0 {
            extra.insert("failed-before".into(), case.again.into());
        }
        let (status, note, waived) = match (case.status, case.output) {
            (None, Some(output)) if self.ours => ours(&output),
            (status, _) => waived(status.unwrap_or("pass"), case.note),
        };
        let (time, host) = suite.map_or((None, None), |suite| (suite.time, suite.host.clone()));
        Found {
            platform,
            test,
            subtest,
            status: Some(status),
            note,
            files: Vec::new(),
            time,
            host,
            extra,
            waived,
        }
    }

    /// The platform, the test and the subtest that a case stands for.
    fn names(&self, case: &Case) -> (Option<String>, String, Option<String>) {
        let class = match (case.class.is_empty(), self.suites.last()) {
            (true, Some(suite)) => &suite.name,
            _ => &case.class,
        };
        if self.ours
            && let Some((platform, test)) = class.split_once('/')
        {
            let test = format!("/{test}");
            let subtest = Some(case.name.clone()).filter(|name| *name != test);
            return (Some(platform.to_owned()), test, subtest);
        }
        let slash = if class.starts_with('/') { "" } else { "/" };
        (None, format!("{slash}{class}"), some(&case.name))
    }
}

impl Case {
    fn element(&mut self, element: Element) {
        let note = some(element.text.trim()).or(element.message);
        let status = match element.name.as_str() {
            "failure" => "fail",
            "error" if element.kind.as_deref() == Some("infra") => "infra",
            "error" => "error",
            "skipped" => "skip",
            "flakyFailure" | "flakyError" | "rerunFailure" | "rerunError" => {
                self.again += 1;
                return;
            }
            "system-out" => {
                self.output = some(&element.text);
                return;
            }
            _ => return,
        };
        // A case may have failed in several ways; the first is told.
        if self.status.is_none() || (self.status == Some("fail") && status == "error") {
            (self.status, self.note) = (Some(status), note);
        }
    }
}

/// What our own reports say of a case that passed: `warn: note`.
fn ours(output: &str) -> (String, Option<String>, Option<Waived>) {
    let said = output.lines().next().filter(|line| !line.starts_with("[[ATTACHMENT|"));
    match said.map(|line| line.split_once(": ").unwrap_or((line, ""))) {
        Some((status, note)) => (status.to_owned(), some(note), None),
        None => ("pass".to_owned(), None, None),
    }
}

/// What our own reports say of a failure that is waived: `waived fail: note`.
fn waived(status: &str, note: Option<String>) -> (String, Option<String>, Option<Waived>) {
    let was = note.as_deref().filter(|_| status == "skip").and_then(|note| note.strip_prefix("waived "));
    match was.and_then(|rest| rest.split_once(": ").or(rest.strip_suffix(':').map(|word| (word, "")))) {
        Some((word @ ("fail" | "error" | "infra"), note)) => {
            let by = Waived { by: "JUnit".into(), issue: None, owner: None, until: None, note: None };
            (word.to_owned(), some(note), Some(by))
        }
        _ => (status.to_owned(), note, None),
    }
}

/// The attributes of an element, unescaped.
struct Attributes(Vec<(String, String)>);

impl Attributes {
    fn of(start: &BytesStart<'_>) -> Result<Attributes, Refused> {
        let mut all = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| Refused::Wrong(e.to_string()))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|e| Refused::Wrong(e.to_string()))?;
            all.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
        }
        Ok(Attributes(all))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, Refused> {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => return Ok(c),
        Ok(None) => {}
        Err(e) => return Err(Refused::Wrong(e.to_string())),
    }
    match reference.as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(Refused::Wrong(format!("the entity `{other}` is refused"))),
    }
}

/// Times without a zone are taken for UTC.
fn time(text: &str) -> Option<Time> {
    Time::from_str(text).or_else(|_| Time::from_str(&format!("{text}Z"))).ok()
}

/// Counts lines, and ends what goes on for too long without an end.
struct Watched<R> {
    from: R,
    line: u64,
    column: usize,
    /// How long the piece is that is being read.
    piece: usize,
}

impl<R: BufRead> Watched<R> {
    fn is_at_end(&mut self) -> bool {
        self.from.fill_buf().is_ok_and(<[u8]>::is_empty)
    }
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer)
    }
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece > LONGEST {
            return Err(io::Error::other("expected the end of an element or a text, found one over 64 MiB"));
        }
        self.from.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(bytes) = self.from.fill_buf() {
            let bytes = &bytes[..amount.min(bytes.len())];
            self.line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.column = match memchr::memrchr(b'\n', bytes) {
                Some(at) => bytes.len() - at,
                None => self.column + bytes.len(),
            };
        }
        self.piece += amount;
        self.from.consume(amount);
    }
}
