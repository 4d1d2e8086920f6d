//! `results.yaml` of tmt: what its own schema takes, and not a key more.

use std::io::Write as _;

use atex_cli::Failure;
use atex_model::report::Outcome;

use super::groups::{Form, Groups, Test};
use super::paths::Paths;
use super::{Common, Export};
use crate::out::Out;
use crate::record::Record;
use crate::row::Row;
use crate::spill::{Body, Spill};
use crate::stop::Stop;
use crate::yaml::quoted;

/// The options of `tmt`.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn export(_: &Args, _: &Common) -> Result<Box<dyn Export>, Failure> {
    Ok(Box::new(Groups::new(Tmt { paths: Paths::new(), tests: 0 })))
}

struct Tmt {
    paths: Paths,
    tests: u64,
}

const ANY: &str = "a Vec takes every byte";

impl Form for Tmt {
    fn row(&mut self, row: &Row<'_>, test: &mut Test, to: &mut Vec<u8>) {
        let log = self.paths.of(row);
        let Some(subtest) = row.subtest else {
            return;
        };
        test.tally[0] += 1;
        let (result, word) = result(row.outcome(), row.status);
        writeln!(to, "    - name: {}\n      result: {result}", quoted(subtest)).expect(ANY);
        let waived = row.waived.map(|waived| format!("waived: {waived}"));
        notes(&[row.note, word.as_deref(), waived.as_deref()], "      ", to);
        if !log.is_empty() {
            writeln!(to, "      log: {}", list(&log)).expect(ANY);
        }
        writeln!(to, "      end-time: {}", quoted(&row.time.to_string())).expect(ANY);
    }

    fn test(
        &mut self,
        test: &mut Test,
        body: Body,
        spill: &mut Spill,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        self.tests += 1;
        let to = &mut out.buffer;
        let slash = if test.name.starts_with('/') { "" } else { "/" };
        let (result, word) = result(test.outcome(), None);
        writeln!(
            to,
            "- name: {}\n  serial-number: {}\n  result: {result}",
            quoted(&format!("{slash}{}", test.name)),
            self.tests
        )
        .expect(ANY);
        let waived = test.is_waived().then_some("waived");
        let attempts =
            (!test.earlier_ends.is_empty()).then(|| format!("attempt {}", test.earlier_ends.len() + 1));
        notes(&[test.note(), word.as_deref(), waived, attempts.as_deref()], "  ", to);
        if let Some(host) = &test.host {
            writeln!(to, "  guest:\n    name: {}", quoted(host)).expect(ANY);
        }
        if test.platform != atex_model::DEFAULT_PLATFORM {
            writeln!(to, "  context:\n    platform: {}", quoted(&test.platform)).expect(ANY);
        }
        if let Some(time) = test.start {
            writeln!(to, "  start-time: {}", quoted(&time.to_string())).expect(ANY);
        }
        if let Some(end) = &test.end {
            writeln!(
                to,
                "  end-time: {}\n  duration: {}",
                quoted(&end.time.to_string()),
                duration(end.seconds)
            )
            .expect(ANY);
            if let Some(artifacts) = &end.artifacts {
                writeln!(to, "  data-path: {}", quoted(artifacts)).expect(ANY);
            }
        }
        if !body.is_empty() {
            to.extend_from_slice(b"  subresult:\n");
        }
        spill.write(body, out)
    }

    fn record(&mut self, record: &Record) {
        self.paths.record(record);
    }

    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        if self.tests == 0 {
            out.buffer.extend_from_slice(b"[]\n");
        }
        Ok(())
    }
}

/// tmt's word, and what of ours is lost by it.
fn result(outcome: Outcome, status: Option<&str>) -> (&'static str, Option<String>) {
    let result = match outcome {
        Outcome::Infra => "error",
        outcome => outcome.as_str(),
    };
    let word = status.unwrap_or(outcome.as_str());
    (result, (word != result).then(|| format!("status: {word}")))
}

fn notes(notes: &[Option<&str>], indent: &str, to: &mut Vec<u8>) {
    let notes: Vec<_> =
        notes.iter().flatten().filter(|note| !note.is_empty()).map(|note| quoted(note)).collect();
    if !notes.is_empty() {
        writeln!(to, "{indent}note: [{}]", notes.join(", ")).expect(ANY);
    }
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// `HH:MM:SS`, which is all that tmt takes.
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    format!("\"{:02}:{:02}:{:02}\"", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
