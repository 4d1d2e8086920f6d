//! TAP version 14: a test point for each test, its subtests in front of it.

use std::io::Write as _;

use atex_cli::Failure;
use atex_model::report::Outcome;

use super::groups::{Form, Groups, Test};
use super::{Common, Export};
use crate::out::Out;
use crate::row::Row;
use crate::spill::{Body, Spill};
use crate::stop::Stop;
use crate::text::visible::visible;
use crate::yaml;

/// The options of `tap`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The version that the first line names
    ///
    /// Version 14 is written so that readers of 13 understand it, but some refuse it for its number, such as prove(1) of
    /// Debian 12.
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u8).range(13..=14))]
    tap_version: u8,
}

pub(super) fn export(args: &Args, _: &Common) -> Result<Box<dyn Export>, Failure> {
    Ok(Box::new(Groups::new(Tap { version: args.tap_version, points: 0, first_run: None })))
}

struct Tap {
    version: u8,
    points: u64,
    /// The first run; tests of others carry them in their names.
    first_run: Option<String>,
}

/// What a test point says.
struct Point<'a> {
    indent: &'static str,
    number: u64,
    outcome: Outcome,
    waived: bool,
    note: Option<&'a str>,
    /// Keys and values of the block below it, if there is any.
    facts: Vec<(&'static str, String)>,
}

impl Tap {
    fn begin(&self, out: &mut Out<'_>) {
        if out.is_empty() {
            writeln!(out.buffer, "TAP version {}", self.version).expect(ANY);
        }
    }

    fn name(&self, test: &Test) -> String {
        let mut name = test.name.clone();
        if test.platform != atex_model::DEFAULT_PLATFORM {
            name = format!("{name} [{}]", test.platform);
        }
        match &self.first_run {
            Some(run) if *run != test.run => format!("{name} (run {})", test.run),
            _ => name,
        }
    }
}

impl Form for Tap {
    fn row(&mut self, row: &Row<'_>, test: &mut Test, to: &mut Vec<u8>) {
        if self.first_run.is_none() {
            self.first_run = Some(row.run.to_owned());
        }
        let Some(subtest) = row.subtest else { return };
        test.tally[0] += 1;
        let outcome = row.outcome();
        let mut facts = Vec::new();
        if let Some(word) = row.status.filter(|word| !matches!(*word, "pass" | "fail" | "skip")) {
            facts.push(("status", yaml::quoted(word)));
        }
        facts.extend(
            row.note.filter(|_| outcome != Outcome::Skip).map(|note| ("message", yaml::quoted(note))),
        );
        let (number, note, waived) = (test.tally[0], row.note, row.waived.is_some());
        let point = Point { indent: "    ", number, outcome, waived, note, facts };
        point.write(subtest, to);
    }

    fn test(
        &mut self,
        test: &mut Test,
        body: Body,
        spill: &mut Spill,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        self.begin(out);
        let name = self.name(test);
        if test.tally[0] > 0 {
            writeln!(out.buffer, "# Subtest: {}", escaped(&name)).expect(ANY);
        }
        spill.write(body, out)?;
        if test.tally[0] > 0 {
            writeln!(out.buffer, "    1..{}", test.tally[0]).expect(ANY);
        }
        self.points += 1;
        let outcome = test.outcome();
        let mut facts = Vec::new();
        if !matches!(outcome, Outcome::Pass | Outcome::Fail | Outcome::Skip) {
            facts.push(("status", outcome.to_string()));
        }
        facts.extend(
            test.note().filter(|_| outcome != Outcome::Skip).map(|note| ("message", yaml::quoted(note))),
        );
        if let Some(seconds) = test.seconds().filter(|seconds| *seconds > 0.0) {
            facts.push(("duration_ms", format!("{:.0}", seconds * 1000.0)));
        }
        facts.extend(test.host.as_deref().map(|host| ("host", yaml::quoted(host))));
        if !test.earlier_ends.is_empty() {
            facts.push(("attempts", (test.earlier_ends.len() + 1).to_string()));
        }
        let waived = test.is_waived();
        let point = Point { indent: "", number: self.points, outcome, waived, note: test.note(), facts };
        point.write(&name, &mut out.buffer);
        Ok(())
    }

    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        self.begin(out);
        writeln!(out.buffer, "1..{}", self.points).expect(ANY);
        Ok(())
    }
}

impl Point<'_> {
    fn write(&self, name: &str, to: &mut Vec<u8>) {
        let bad = self.outcome <= Outcome::Fail;
        let word = if bad { "not ok" } else { "ok" };
        write!(to, "{}{word} {} - {}", self.indent, self.number, escaped(name)).expect(ANY);
        let reason = || escaped(self.note.unwrap_or_default().lines().next().unwrap_or_default());
        if self.outcome == Outcome::Skip {
            write!(to, " # SKIP {}", reason()).expect(ANY);
        } else if self.waived && bad {
            write!(to, " # TODO waived: {}", reason()).expect(ANY);
        }
        while to.last() == Some(&b' ') {
            to.pop();
        }
        to.push(b'\n');
        if self.facts.is_empty() {
            return;
        }
        writeln!(to, "{}  ---", self.indent).expect(ANY);
        for (key, value) in &self.facts {
            writeln!(to, "{}  {key}: {value}", self.indent).expect(ANY);
        }
        writeln!(to, "{}  ...", self.indent).expect(ANY);
    }
}

const ANY: &str = "a Vec takes every byte";

/// A description: on one line, and without what would be taken for a directive.
fn escaped(text: &str) -> String {
    // Control characters first: what is made of them has backslashes of its own.
    visible(text).replace('\\', "\\\\").replace('#', "\\#")
}
