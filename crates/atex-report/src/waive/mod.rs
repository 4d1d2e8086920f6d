//! Labels known failures. Nothing is taken away and no status is changed: what failed stays, with the label beside it.
//!
//! Waivers come in two forms, our own (`own`) and the sections of the contest project (`contest`); both become
//! `Waiver`s. The first one that matches a result labels it. A test's end is labelled when all that failed in it is and
//! explains it, or when a waiver matches the end itself.

mod contest;
mod own;

use std::io::Write;
use std::path::{Path, PathBuf};

use atex_cli::input::reason;
use atex_cli::{Exit, Failure};
use atex_fmf::condition::{ConditionErrorKind, Expression};
use atex_fmf::{Mapping, Pattern, Value};
use atex_model::Time;
use atex_model::report::{Cause, Outcome, ResultKind, Waived};

use crate::args::InputArgs;
use crate::config::Input;
use crate::event::{Event, What};
use crate::identity::{Identity, IdentityMap};
use crate::input::{self, Faults, Take};
use crate::out::Out;
use crate::row::{Row, TestEnd};
use crate::stop::Stop;
use crate::whole::Whole;

/// The options of `waive`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// A file of waivers; may be given several times, the first that matches counts
    ///
    /// Of our own form, YAML, or of the contest project's: sections of regular expressions and an expression of Python.
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    waivers: Vec<PathBuf>,

    /// What a name is in expressions of the contest project, such as `oscap=1.3.6`
    ///
    /// `rhel` is otherwise taken from the name of the platform: `rhel-9.4`, `cs9`.
    #[arg(long, value_name = "NAME=VERSION", value_parser = definition)]
    define: Vec<(String, String)>,

    /// End with 1 if a waiver was not used, has expired, or waits for a failure and met a success
    #[arg(long)]
    strict: bool,
}

fn definition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => Ok((name.into(), version.into())),
        _ => Err("expected NAME=VERSION".into()),
    }
}

/// When a failure is known. What is not given matches everything.
#[derive(Debug)]
struct Waiver {
    /// The names of a test, or of a test and its subtest.
    names: Vec<Pattern>,
    test: Option<Pattern>,
    subtest: Option<Pattern>,
    platform: Option<Pattern>,
    note: Option<Pattern>,
    status: Vec<String>,
    when: Option<When>,
    /// The last day on which it holds, as `YYYY-MM-DD`.
    until: Option<String>,
    /// A success is reported, too.
    strict: bool,
    /// What is written beside a result.
    label: Waived,
    used: u64,
    expired: u64,
    passed: u64,
}

/// An expression.
#[derive(Debug)]
enum When {
    /// Over the data of a result alone.
    Plain(Expression),
    /// With names that stand for versions.
    Versions(contest::Versions),
}

/// What an expression and the patterns look at.
struct Subject<'a> {
    platform: &'a str,
    test: &'a str,
    subtest: Option<&'a str>,
    status: &'a str,
    note: &'a str,
    time: Time,
}

impl Subject<'_> {
    /// As the contest project names results: the test's name, and behind a slash the subtest's.
    fn name(&self) -> String {
        match self.subtest {
            Some(subtest) => format!("{}/{}", self.test, subtest.trim_start_matches('/')),
            None => self.test.to_owned(),
        }
    }

    fn data(&self) -> Mapping {
        let arch = ["x86_64", "aarch64", "ppc64le", "s390x", "i686", "riscv64"];
        let arch = arch.into_iter().find(|arch| self.platform.contains(arch)).unwrap_or_default();
        [
            ("platform", self.platform),
            ("test", self.test),
            ("subtest", self.subtest.unwrap_or_default()),
            ("name", &self.name()),
            ("status", self.status),
            ("note", self.note),
            ("arch", arch),
        ]
        .into_iter()
        .map(|(key, text)| (key, Value::from(text)))
        .collect()
    }
}

impl Waiver {
    /// Whether it is about this result, whatever its status.
    fn matches(&self, subject: &Subject<'_>) -> Result<bool, String> {
        let found = |pattern: &Option<Pattern>, text: &str| match pattern {
            Some(pattern) => pattern.is_found_in(text).map_err(|e| e.to_string()),
            None => Ok(true),
        };
        if !self.names.is_empty() {
            let name = subject.name();
            let mut any = false;
            for pattern in &self.names {
                any |= pattern.is_found_in(&name).map_err(|e| e.to_string())?;
            }
            if !any {
                return Ok(false);
            }
        }
        if self.subtest.is_some() && subject.subtest.is_none() {
            return Ok(false);
        }
        Ok(found(&self.test, subject.test)?
            && found(&self.platform, subject.platform)?
            && found(&self.subtest, subject.subtest.unwrap_or_default())?
            && found(&self.note, subject.note)?
            && self.holds(subject)?)
    }

    fn holds(&self, subject: &Subject<'_>) -> Result<bool, String> {
        match &self.when {
            None => Ok(true),
            Some(When::Plain(expression)) => holds(expression, &subject.data()),
            Some(When::Versions(versions)) => versions.holds(subject),
        }
    }

    fn is_expired(&self, time: Time) -> bool {
        self.until.as_ref().is_some_and(|until| time.to_string()[..10] > **until)
    }
}

fn holds(expression: &Expression, data: &Mapping) -> Result<bool, String> {
    match expression.holds(data) {
        Ok(holds) => Ok(holds),
        // The data cannot be asked this: it is about something else.
        Err(e) if e.kind == ConditionErrorKind::Key => Ok(false),
        Err(e) => Err(e.to_string()),
    }
}

/// Reads a file of waivers, in whichever form.
fn load(path: &Path, definitions: &[(String, String)]) -> Result<Vec<Waiver>, Failure> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::usage(format!("{name}: {}", reason(&e))))?;
    let first =
        text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let loaded = match first.starts_with("- ") || first.starts_with("---") || first.starts_with("waivers:") {
        true => own::parse(&name, &text),
        false => contest::parse(&name, &text, definitions),
    };
    loaded.map_err(Failure::usage)
}

/// Labels.
///
/// # Errors
/// The invocation or a waiver is wrong, or something cannot be written. A reader that has gone away is no error.
pub fn run(
    args: &Args,
    verbose: bool,
    stdout: impl Write,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let input = Input::new(&args.input, verbose)?;
    let mut waivers = Vec::new();
    for path in &args.waivers {
        waivers.extend(load(path, &args.define)?);
    }
    let mut faults = Faults::new(input.messages, say);
    let out = Out::stream(stdout);
    let mut waiving = Waiving { waivers, out, open: IdentityMap::default(), whole: Whole::default() };
    let done = input::read(&input.sources, &mut faults, &mut waiving).and_then(|()| waiving.out.finish());
    match done {
        Ok(()) => {}
        Err(Stop::Closed) => return Ok(Exit::Done),
        Err(Stop::Failed(failure)) => return Err(failure),
    }
    let complaints = complaints(&waiving.waivers);
    complaints.iter().for_each(|complaint| faults.say(complaint));
    let whole = waiving.whole.exit(&mut faults, &input);
    let strict = if args.strict && !complaints.is_empty() { Exit::Failed } else { Exit::Done };
    Ok(whole.max(strict))
}

/// What is to be said of waivers that are not as they should be.
fn complaints(waivers: &[Waiver]) -> Vec<String> {
    let mut complaints = Vec::new();
    for waiver in waivers {
        let by = &waiver.label.by;
        if waiver.passed > 0 {
            complaints.push(format!("{by}: expected a failure, and met a success {} times", waiver.passed));
        }
        if waiver.expired > 0 {
            let until = waiver.until.as_deref().unwrap_or_default();
            complaints.push(format!("{by}: has expired on {until}, and {} failures stand", waiver.expired));
        }
        if waiver.used + waiver.expired + waiver.passed == 0 {
            complaints.push(format!("{by}: is not used"));
        }
    }
    complaints
}

struct Waiving<'w> {
    waivers: Vec<Waiver>,
    out: Out<'w>,
    open: IdentityMap<Failed>,
    whole: Whole,
}

/// What failed in an attempt that is open.
#[derive(Debug, Default)]
struct Failed {
    /// Something that is not waived.
    unwaived: bool,
    /// The first label.
    label: Option<Waived>,
    /// The worst that is waived, of the test itself and of its subtests.
    own: Option<Outcome>,
    subtests: Option<Outcome>,
}

impl Failed {
    fn add(&mut self, subtest: bool, outcome: Outcome, label: Option<&Waived>) {
        let Some(label) = label else {
            self.unwaived = true;
            return;
        };
        let worst = if subtest { &mut self.subtests } else { &mut self.own };
        *worst = Some(worst.map_or(outcome, |worst| worst.min(outcome)));
        self.label.get_or_insert_with(|| label.clone());
    }

    /// Whether what is waived is why the test ended so. A worse end, such as a time limit that was reached, has another
    /// reason; and where the test itself failed, its subtests are none.
    fn explains(&self, end: Outcome) -> bool {
        self.own.or(self.subtests).is_some_and(|worst| worst <= end)
    }
}

/// Of how many attempts without an end it is remembered what failed in them.
const OPEN: usize = 1_000_000;

impl Waiving<'_> {
    /// The label of a result, if it has one.
    fn label(&mut self, subject: &Subject<'_>) -> Result<Option<Waived>, Stop> {
        let is_bad = matches!(subject.status, "fail" | "error");
        if !is_bad && subject.status != "pass" {
            return Ok(None);
        }
        for waiver in &mut self.waivers {
            if (!is_bad && !waiver.strict)
                || (is_bad && !waiver.status.iter().any(|word| word == subject.status))
            {
                continue;
            }
            let matches = waiver.matches(subject).map_err(|e| {
                Stop::Failed(Failure::usage(format!("{}: {e} (for {})", waiver.label.by, subject.name())))
            })?;
            if !matches {
                continue;
            }
            if waiver.is_expired(subject.time) {
                waiver.expired += u64::from(is_bad);
                continue;
            }
            if !is_bad {
                waiver.passed += 1;
                return Ok(None);
            }
            waiver.used += 1;
            return Ok(Some(waiver.label.clone()));
        }
        Ok(None)
    }

    fn row(&mut self, row: &Row<'_>, test: Identity) -> Result<Option<Waived>, Stop> {
        if row.waived.is_some() || row.kind == ResultKind::LiveResult {
            return Ok(None);
        }
        let label = self.label(&Subject {
            platform: row.platform,
            test: row.test,
            subtest: row.subtest,
            status: row.status.unwrap_or_default(),
            note: row.note.unwrap_or_default(),
            time: row.time,
        })?;
        if row.outcome() <= Outcome::Fail {
            if self.open.len() >= OPEN {
                self.open.clear();
            }
            let failed = self.open.entry(test.number(u64::from(row.attempt))).or_default();
            failed.add(row.subtest.is_some(), row.outcome(), label.as_ref());
        }
        Ok(label)
    }

    fn end(&mut self, end: &TestEnd<'_>, test: Identity) -> Result<Option<Waived>, Stop> {
        let failed = self.open.remove(&test.number(u64::from(end.attempt))).unwrap_or_default();
        let bad = matches!(end.outcome, Outcome::Fail | Outcome::Error) && end.cause == Cause::Test;
        if !bad || end.waived.is_some() || failed.unwaived {
            return Ok(None);
        }
        if failed.explains(end.outcome) {
            return Ok(failed.label);
        }
        // No result says why it failed.
        self.label(&Subject {
            platform: end.platform,
            test: end.test,
            subtest: None,
            status: end.outcome.as_str(),
            note: end.note.unwrap_or_default(),
            time: end.time,
        })
    }
}

impl Take for Waiving<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        self.whole.event(event);
        let label = match event.what {
            What::Row(row) => self.row(&row, event.test)?,
            What::TestEnd(end) => self.end(&end, event.test)?,
            _ => None,
        };
        let (line, to) = (event.line.text, &mut self.out.buffer);
        match (label, line.trim_end().strip_suffix('}')) {
            (Some(label), Some(open)) => {
                to.extend_from_slice(open.as_bytes());
                to.extend_from_slice(b",\"waived\":");
                serde_json::to_writer(&mut *to, &label).expect("a Vec takes every byte");
                to.extend_from_slice(b"}\n");
            }
            _ => {
                to.extend_from_slice(line.as_bytes());
                to.push(b'\n');
            }
        }
        self.out.settle()
    }

    fn idle(&mut self) -> Result<(), Stop> {
        self.out.flush()
    }
}

/// A pattern that has to match all of a text.
fn whole(pattern: &str) -> Result<Pattern, String> {
    // Alone first: what is wrong is then said of what was written.
    Pattern::new(pattern).map_err(|e| e.to_string())?;
    Pattern::at_start(&format!("(?:{pattern})\\Z")).map_err(|e| e.to_string())
}
