//! A summary in Markdown: counts, then what failed. What is shown is bounded, since pages that take it are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use atex_cli::Failure;
use atex_model::report::Outcome;

use super::groups::{Form, Groups, Test};
use super::{Common, Export};
use crate::out::Out;
use crate::reduce::{STATUSES, clip, status_index};
use crate::row::Row;
use crate::spill::{Body, Spill};
use crate::stop::Stop;
use crate::text::units::{duration, number};
use crate::text::visible::visible;

/// The options of `markdown`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many tests to show of those that failed, and of those that passed when they were tried again
    #[arg(long, value_name = "N", default_value_t = 100)]
    failures: usize,

    /// How many failed subtests to show of each test
    #[arg(long, value_name = "N", default_value_t = 5)]
    subtests: usize,
}

pub(super) fn export(args: &Args, _: &Common) -> Result<Box<dyn Export>, Failure> {
    Ok(Box::new(Groups::new(Markdown {
        failures: args.failures,
        subtests: args.subtests as u64,
        bad: BTreeMap::new(),
        flaky: BTreeMap::new(),
        left: [0; 2],
        platforms: BTreeMap::new(),
    })))
}

struct Markdown {
    failures: usize,
    subtests: u64,
    /// What is said of tests that failed: by outcome, name and platform, the worst first.
    bad: BTreeMap<Key, String>,
    flaky: BTreeMap<Key, String>,
    /// How many of each there are more.
    left: [u64; 2],
    platforms: BTreeMap<String, [u64; STATUSES]>,
}

type Key = (Outcome, String, String, String);

const ANY: &str = "a String takes every text";

impl Form for Markdown {
    fn row(&mut self, row: &Row<'_>, test: &mut Test, to: &mut Vec<u8>) {
        // All of them are results; those of the tests themselves are told from the end.
        let counts = match self.platforms.get_mut(row.platform) {
            Some(counts) => counts,
            None => self.platforms.entry(row.platform.to_owned()).or_insert([0; STATUSES]),
        };
        counts[status_index(row.status)] += 1;
        let outcome = row.outcome();
        let Some(subtest) = row.subtest.filter(|_| outcome <= Outcome::Fail) else { return };
        test.tally[0] += 1;
        if test.tally[0] <= self.subtests {
            let waived = if row.waived.is_some() { " (waived)" } else { "" };
            let mut line = format!("  - {outcome}{waived} `{}`", code(subtest));
            if let Some(note) = row.note.filter(|note| !note.is_empty()) {
                write!(line, ": {}", plain(&clip(note))).expect(ANY);
            }
            line.push('\n');
            to.extend_from_slice(line.as_bytes());
        }
    }

    fn test(&mut self, test: &mut Test, body: Body, spill: &mut Spill, _: &mut Out<'_>) -> Result<(), Stop> {
        let outcome = test.outcome();
        let flaky =
            outcome > Outcome::Fail && test.earlier_ends.iter().any(|end| end.outcome <= Outcome::Fail);
        let mut text = Vec::new();
        spill.take(body, |lines| {
            text.extend_from_slice(lines);
            Ok(())
        })?;
        if outcome > Outcome::Fail && !flaky {
            return Ok(());
        }
        let mut said = head(test);
        said.push_str(&String::from_utf8_lossy(&text));
        let more = test.tally[0].saturating_sub(self.subtests);
        if more > 0 {
            writeln!(said, "  - … and {} more", number(more)).expect(ANY);
        }
        let key = (outcome, test.name.clone(), test.platform.clone(), test.run.clone());
        let (list, left) =
            if flaky { (&mut self.flaky, &mut self.left[1]) } else { (&mut self.bad, &mut self.left[0]) };
        list.insert(key, said);
        if list.len() > self.failures {
            list.pop_last();
            *left += 1;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut text = String::new();
        self.counts(&mut text);
        for (title, list, left) in
            [("Failed", &self.bad, self.left[0]), ("Passed only when tried again", &self.flaky, self.left[1])]
        {
            if list.is_empty() && left == 0 {
                continue;
            }
            writeln!(text, "\n### {title} ({})\n", number(list.len() as u64 + left)).expect(ANY);
            list.values().for_each(|said| text.push_str(said));
            if left > 0 {
                writeln!(text, "- … and {} more", number(left)).expect(ANY);
            }
        }
        out.buffer.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Markdown {
    fn counts(&self, text: &mut String) {
        let used: Vec<usize> =
            (0..STATUSES).filter(|index| self.platforms.values().any(|counts| counts[*index] > 0)).collect();
        let title = |index: &usize| Outcome::ALL.get(*index).map_or("other", |outcome| outcome.as_str());
        let titles: Vec<&str> = used.iter().map(title).collect();
        writeln!(text, "| results | {} |", titles.join(" | ")).expect(ANY);
        writeln!(text, "| --- |{}", " ---: |".repeat(used.len())).expect(ANY);
        for (platform, counts) in &self.platforms {
            let cells: Vec<String> = used.iter().map(|index| number(counts[*index])).collect();
            writeln!(text, "| {} | {} |", plain(platform), cells.join(" | ")).expect(ANY);
        }
    }
}

/// `- **fail** /net/bind [cs9], on vm-3, 12s: refused`
fn head(test: &Test) -> String {
    let mut said = format!("- **{}** `{}`", test.outcome(), code(&test.name));
    if test.platform != atex_model::DEFAULT_PLATFORM {
        write!(said, " \\[{}\\]", plain(&test.platform)).expect(ANY);
    }
    if let Some(host) = &test.host {
        write!(said, ", on {}", plain(host)).expect(ANY);
    }
    if let Some(seconds) = test.seconds().filter(|seconds| *seconds > 0.0) {
        write!(said, ", {}", duration(seconds)).expect(ANY);
    }
    if !test.earlier_ends.is_empty() {
        write!(said, ", attempt {}", test.earlier_ends.len() + 1).expect(ANY);
    }
    if test.is_waived() {
        said.push_str(", waived");
    }
    if let Some(note) = test.note().filter(|note| !note.is_empty()) {
        write!(said, ": {}", plain(&clip(note))).expect(ANY);
    }
    said.push('\n');
    said
}

/// A text that is no markup, on one line.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            // So that nobody is called, and no issue is mentioned.
            '@' => plain.push_str("@\u{200b}"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' => {
                plain.extend(['\\', c]);
            }
            c => plain.push(c),
        }
    }
    plain
}

/// A text between backticks.
fn code(text: &str) -> String {
    visible(text).replace('`', "'").replace('|', "\\|")
}
