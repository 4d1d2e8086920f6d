//! What went wrong: tests that failed, did not finish, or passed only when they were tried again.

use atex_model::report::Cause;

use super::Writer;
use super::style::Style;
use super::units::{self, count, cut_end, duration, moment};
use super::visible::visible;
use crate::reduce::{Detail, End};
use crate::summary::{Failure, Flaky, Listed, Unfinished};

/// Where the lines below the name of a failed test begin.
const INDENT: usize = 7;

/// How many earlier attempts of a test are told. Reruns are few; a test that is tried again for ever shows the
/// same again.
const EARLIER: usize = 5;

impl Writer<'_> {
    pub(super) fn failures(&mut self, failures: &Listed<Failure<'_>>) {
        for (i, failure) in failures.shown.iter().enumerate() {
            if i > 0 {
                self.gap();
            }
            self.failure(failure);
        }
        self.left(failures.left, "--failures");
    }

    fn failure(&mut self, failure: &Failure<'_>) {
        let word = self.paint(&failure.outcome.as_str().to_uppercase(), Style::of(failure.outcome));
        let pad = " ".repeat(INDENT - failure.outcome.as_str().len());
        let name = self.paint(&self.name(failure.tested), Style::Bold);
        self.line(&format!("{word}{pad}{name}"));
        self.notes(failure);
        self.subtests(failure);
        let facts = facts(failure);
        if !facts.is_empty() {
            self.below(&facts, Style::Dim);
        }
        if let Some(path) = self.log(failure) {
            let line = format!("{}{path}", " ".repeat(INDENT));
            self.line(&line);
        }
    }

    /// What the executor and the test say of it, which is often the same.
    fn notes(&mut self, failure: &Failure<'_>) {
        let of_end = failure.end.and_then(|end| end.note.as_deref());
        let details = failure.attempt.1.details();
        let of_test = details.and_then(|d| d.result.as_ref()).and_then(|result| result.note.as_deref());
        for note in of_end.into_iter().chain(of_test.filter(|note| Some(*note) != of_end)) {
            self.below(&visible(note), Style::Plain);
        }
    }

    fn subtests(&mut self, failure: &Failure<'_>) {
        let Some(details) = failure.attempt.1.details() else { return };
        for subtest in &details.subtests {
            let outcome = subtest.rank.0;
            let word = format!("{:5}  ", outcome.as_str());
            let text = subtest_text(subtest);
            let text = cut_end(&text, self.room(INDENT + word.len())).into_owned();
            let word = self.paint(&word, Style::of(outcome));
            self.line(&format!("{}{word}{text}", " ".repeat(INDENT)));
        }
        let left = details.bad_subtests - details.subtests.len() as u64;
        if left > 0 {
            let more = if details.subtests.is_empty() { "subtest" } else { "more subtest" };
            let text = format!("… {} did not pass (--subtests N shows N)", count(left, more));
            self.below(&text, Style::Dim);
        }
    }

    /// A line below the name.
    fn below(&mut self, text: &str, style: Style) {
        let text = cut_end(text, self.room(INDENT));
        let line = format!("{}{}", " ".repeat(INDENT), self.paint(&text, style));
        self.line(&line);
    }

    /// The log of a test, or the directory of all that it left.
    fn log(&self, failure: &Failure<'_>) -> Option<String> {
        let directory = failure.end?.artifacts.as_deref()?;
        let details = failure.attempt.1.details();
        let file = details.and_then(|d| d.result.as_ref()).and_then(|result| result.file.as_deref());
        let full = match file {
            Some(file) => format!("{directory}/files/{file}"),
            None => directory.to_owned(),
        };
        Some(visible(&units::path(&full, self.page.cwd.as_deref())).into_owned())
    }

    /// `unsettled` counts those that never began as well; only the run itself knows of them.
    pub(super) fn unfinished(&mut self, unfinished: &Listed<Unfinished<'_>>, unsettled: u64) {
        if unsettled == 0 {
            return;
        }
        self.title(&format!("Not finished ({})", units::number(unsettled)));
        for test in &unfinished.shown {
            let name = self.name(test.tested);
            self.line(&format!("  {name}"));
            let text = unfinished_text(test);
            self.below(&text, Style::Dim);
        }
        self.left(unfinished.left, "--failures");
        let never = unsettled.saturating_sub(unfinished.len() as u64);
        if never > 0 {
            let text = self.paint(&format!("  {} never began", count(never, "test")), Style::Dim);
            self.line(&text);
        }
    }

    pub(super) fn flaky(&mut self, flaky: &Listed<Flaky<'_>>) {
        if flaky.is_empty() {
            return;
        }
        self.title(&format!("Passed only when tried again ({})", units::number(flaky.len() as u64)));
        for test in &flaky.shown {
            let name = self.name(test.tested);
            self.line(&format!("  {name}"));
            let text = history(&test.ends);
            self.below(&text, Style::Dim);
        }
        self.left(flaky.left, "--failures");
    }
}

fn subtest_text(subtest: &Detail) -> String {
    let name = visible(subtest.name.as_deref().unwrap_or_default());
    match &subtest.note {
        Some(note) => format!("{name}: {}", visible(note)),
        None => name.into_owned(),
    }
}

/// `on vm-3, 12s, exit 1, attempt 2 (before: fail on vm-1)`
fn facts(failure: &Failure<'_>) -> String {
    let (number, attempt) = failure.attempt;
    let mut facts = Vec::new();
    if let Some(host) = attempt.host() {
        facts.push(format!("on {}", visible(host)));
    }
    if let Some(end) = failure.end {
        if number > 0 {
            facts.push(duration(end.seconds));
        }
        facts.extend(end.exit.filter(|exit| *exit != 0).map(|exit| format!("exit {exit}")));
        facts.extend(word_of_cause(end.cause).map(str::to_owned));
        facts.extend(end.waived.then(|| "waived".to_owned()));
    }
    if number > 1 || !failure.earlier.is_empty() {
        let before = history(&failure.earlier);
        let before = if before.is_empty() { before } else { format!(" (before: {before})") };
        facts.push(format!("attempt {number}{before}"));
    }
    facts.join(", ")
}

/// `fail on vm-1, pass on vm-2`
fn history(ends: &[&End]) -> String {
    let told = &ends[ends.len().saturating_sub(EARLIER)..];
    let mut words: Vec<String> = told.iter().map(|end| ended(end)).collect();
    if told.len() < ends.len() {
        words.insert(0, format!("… {} earlier", ends.len() - told.len()));
    }
    words.join(", then ")
}

fn ended(end: &End) -> String {
    let outcome = if end.cause == Cause::Cancelled { "cancelled" } else { end.outcome.as_str() };
    match &end.host {
        Some(host) => format!("{outcome} on {}", visible(host)),
        None => outcome.to_owned(),
    }
}

/// What is known last of a test that is not settled.
fn unfinished_text(test: &Unfinished<'_>) -> String {
    let (number, attempt) = test.attempt;
    let mut text = match (&attempt.end, &attempt.start) {
        (Some(end), _) => format!("attempt {number}: {}", ended(end)),
        (None, Some((time, host))) => {
            format!("attempt {number} on {} since {}", visible(host), moment(*time))
        }
        (None, None) => format!("attempt {number}"),
    };
    if let Some(note) = attempt.end.as_ref().and_then(|end| end.note.as_deref()) {
        text = format!("{text}: {}", visible(note));
    }
    text
}

/// Whose doing an end was, where the outcome does not say it.
fn word_of_cause(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::Host => Some("cause host"),
        Cause::Own => Some("cause own"),
        Cause::Cancelled => Some("cancelled"),
        Cause::Test | Cause::Skipped => None,
    }
}
