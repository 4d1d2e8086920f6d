//! YAML for people and for whatever reads it: a document for each test.

use std::io::Write as _;

use atex_cli::Failure;

use super::groups::{End, Form, Groups, Test};
use super::{Common, Export};
use crate::out::Out;
use crate::row::Row;
use crate::spill::{Body, Spill};
use crate::stop::Stop;
use crate::yaml::{self, quoted};

/// The options of `yaml`.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn export(_: &Args, _: &Common) -> Result<Box<dyn Export>, Failure> {
    Ok(Box::new(Groups::new(Yaml)))
}

struct Yaml;

const ANY: &str = "a Vec takes every byte";

impl Form for Yaml {
    fn row(&mut self, row: &Row<'_>, _: &mut Test, to: &mut Vec<u8>) {
        let mut separator = "  - ";
        let mut key = |key: &str, value: String| {
            writeln!(to, "{separator}{key}: {value}").expect(ANY);
            separator = "    ";
        };
        key("n", row.n.to_string());
        let optional = [("subtest", row.subtest), ("status", row.status), ("note", row.note)];
        optional.into_iter().filter_map(|(name, text)| Some((name, text?))).for_each(|(name, text)| {
            key(name, quoted(text));
        });
        if !row.files.is_empty() {
            key("files", list(row.files.iter()));
        }
        // JSON is YAML.
        let objects = [("extra", row.extra), ("waived", row.waived)];
        objects.into_iter().filter_map(|(name, text)| Some((name, text?))).for_each(|(name, text)| {
            key(name, yaml::json(text));
        });
    }

    fn test(
        &mut self,
        test: &mut Test,
        body: Body,
        spill: &mut Spill,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        let to = &mut out.buffer;
        writeln!(
            to,
            "---\ntest: {}\nplatform: {}\nrun: {}",
            quoted(&test.name),
            quoted(&test.platform),
            quoted(&test.run)
        )
        .expect(ANY);
        writeln!(to, "outcome: {}", test.outcome()).expect(ANY);
        match &test.end {
            Some(end) => self.end(end, "", to),
            None if test.has_begun => to.extend_from_slice(b"settled: false\n"),
            None => {}
        }
        if !test.earlier_ends.is_empty() {
            to.extend_from_slice(b"earlier:\n");
        }
        for end in &test.earlier_ends {
            writeln!(to, "  - outcome: {}", end.outcome).expect(ANY);
            self.end(end, "    ", to);
        }
        match body.is_empty() {
            true => to.extend_from_slice(b"results: []\n"),
            false => to.extend_from_slice(b"results:\n"),
        }
        spill.write(body, out)
    }

    fn finish(&mut self, _: &mut Out<'_>) -> Result<(), Stop> {
        Ok(())
    }
}

impl Yaml {
    fn end(&self, end: &End, indent: &str, to: &mut Vec<u8>) {
        let mut key = |key: &str, value: String| writeln!(to, "{indent}{key}: {value}").expect(ANY);
        key("cause", json(&end.cause));
        key("attempt", end.attempt.to_string());
        key("time", quoted(&end.time.to_string()));
        key("seconds", json(&end.seconds));
        if let Some(exit) = end.exit {
            key("exit", exit.to_string());
        }
        for (name, text) in [("host", &end.host), ("note", &end.note), ("artifacts", &end.artifacts)] {
            if let Some(text) = text {
                key(name, quoted(text));
            }
        }
        if let Some(waived) = &end.waived {
            key("waived", json(waived));
        }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    yaml::json(&serde_json::to_string(value).expect("a record has only text keys"))
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "))
}
