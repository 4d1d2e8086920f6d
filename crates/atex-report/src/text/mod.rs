//! The summary for people: failures first, the verdict last.
//!
//! Lines are cut to the width of a terminal, and only there; what somebody may want to copy, names in headings
//! and paths, is never cut.

mod failures;
pub(crate) mod style;
pub(crate) mod table;
mod tables;

pub use atex_cli::terminal;
pub use atex_cli::text::{units, visible};

use std::path::PathBuf;

use atex_cli::Exit;
use atex_model::report::Outcome;

use crate::reduce::Tested;
use crate::summary::Summary;
use crate::verdict::Verdict;
pub(crate) use style::{Style, paint};
use units::{count, duration, number};
use visible::visible;

/// What is written on.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// With colours.
    pub color: bool,
    /// How wide it is, if it is a terminal.
    pub width: Option<usize>,
    /// Paths below it are written relative to it.
    pub cwd: Option<PathBuf>,
}

/// The text of a summary.
pub fn summary(summary: &Summary<'_>, verdict: &Verdict, page: &Page) -> String {
    let mut writer = Writer { page, text: String::new(), many_runs: summary.runs.len() > 1 };
    writer.failures(&summary.failures);
    writer.unfinished(&summary.unfinished, summary.unsettled);
    writer.flaky(&summary.flaky);
    writer.counts(summary);
    writer.slowest(&summary.slowest);
    writer.hosts(&summary.hosts);
    writer.time(summary);
    writer.verdict(summary, verdict);
    writer.text
}

/// Writes line by line; its methods by section are in the modules below this one.
struct Writer<'p> {
    page: &'p Page,
    text: String,
    /// That tests have to be told apart by their runs.
    many_runs: bool,
}

impl Writer<'_> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// An empty line, unless nothing stands above.
    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    fn title(&mut self, text: &str) {
        self.gap();
        let text = self.paint(text, Style::Bold);
        self.line(&text);
    }

    fn paint(&self, text: &str, style: Style) -> String {
        paint(text, style, self.page.color).into_owned()
    }

    /// How many columns there are beside `used` ones.
    fn room(&self, used: usize) -> Option<usize> {
        self.page.width.map(|width| width.saturating_sub(used).max(1))
    }

    /// A test as it is called on one line: its name, and what tells it from others of that name.
    fn name(&self, tested: &Tested) -> String {
        let mut name = visible(&tested.name).into_owned();
        if name.is_empty() {
            name.push_str("\"\"");
        }
        if tested.platform != atex_model::DEFAULT_PLATFORM {
            name = format!("{name} [{}]", visible(&tested.platform));
        }
        if self.many_runs {
            name = format!("{name} (run {})", visible(&tested.run));
        }
        name
    }

    fn left(&mut self, left: usize, option: &str) {
        if left > 0 {
            let text = format!("  … and {} more ({option} N shows N)", number(left as u64));
            let text = self.paint(&text, Style::Dim);
            self.line(&text);
        }
    }

    /// Why the status is not 0, and on the last line what it all comes to.
    fn verdict(&mut self, summary: &Summary<'_>, verdict: &Verdict) {
        let style = style_of(verdict.exit);
        self.gap();
        for run in &summary.runs {
            let Some(note) = run.note else { continue };
            let of = if self.many_runs { format!("run {}: ", visible(run.id)) } else { String::new() };
            let note = self.paint(&format!("{of}{}", visible(note)), Style::Doubtful);
            self.line(&note);
        }
        for (exit, reason) in &verdict.reasons {
            let reason = self.paint(&visible(reason), style_of(*exit));
            self.line(&reason);
        }
        let incomplete = if verdict.incomplete { " (incomplete)" } else { "" };
        let text = format!("{}{incomplete}  {}", word(verdict.exit), numbers(summary));
        let text = self.paint(&text, if style == Style::Good { style } else { Style::Bad });
        self.line(&text);
    }
}

/// `12 tests in 1h 02m: 1 fail, 11 pass`
fn numbers(summary: &Summary<'_>) -> String {
    let tests = summary.counts().tests;
    let mut by_outcome: Vec<String> = Outcome::ALL
        .into_iter()
        .zip(tests)
        .filter(|(_, n)| *n > 0)
        .map(|(outcome, n)| format!("{} {outcome}", number(n)))
        .collect();
    if summary.unsettled > 0 {
        by_outcome.push(format!("{} not finished", number(summary.unsettled)));
    }
    let mut text = count(tests.iter().sum::<u64>() + summary.unsettled, "test");
    let seconds: f64 = summary.runs.iter().map(|run| run.seconds).sum();
    if seconds > 0.0 {
        text = format!("{text} in {}", duration(seconds));
    }
    if by_outcome.is_empty() { text } else { format!("{text}: {}", by_outcome.join(", ")) }
}

fn word(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "PASSED",
        Exit::Failed => "FAILED",
        Exit::Stopped => "STOPPED",
        Exit::Trouble => "TROUBLE",
        Exit::Usage => "BAD INPUT",
        Exit::Signal(_) => "INTERRUPTED",
    }
}

fn style_of(exit: Exit) -> Style {
    match exit {
        Exit::Done => Style::Good,
        Exit::Failed | Exit::Usage => Style::Bad,
        Exit::Stopped | Exit::Signal(_) => Style::Doubtful,
        Exit::Trouble => Style::Broken,
    }
}
