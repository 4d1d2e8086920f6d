//! JSON Schemas of the records, generated from the types.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::{Host, Test, protocol, report};

/// Which records a schema is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// A test.
    Test,
    /// A host.
    Host,
    /// What atex-exec writes of a run.
    Report,
    /// What atex-exec and provisioners say to each other.
    Protocol,
    /// The last line of a tool's output.
    End,
}

/// The schema of a stream whose lines are records of any of these kinds (or of a kind that no tool here
/// knows, which every filter hands on).
pub fn schemas(title: &str, kinds: &[Schema]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let any: Vec<Value> = kinds.iter().flat_map(|kind| records(*kind, &mut generator)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": "One line of the stream. Keys that are not named here are let through.",
        "anyOf": any,
        "$defs": generator.take_definitions(true),
    })
}

fn records(kind: Schema, generator: &mut SchemaGenerator) -> Vec<Value> {
    match kind {
        Schema::Test => vec![of::<Test>(generator)],
        Schema::Host => vec![of::<Host>(generator)],
        Schema::Report => vec![
            of::<report::JobStart>(generator),
            of::<report::JobResume>(generator),
            of::<report::HostStart>(generator),
            of::<report::TestStart>(generator),
            of::<report::TestNote>(generator),
            of::<report::TestResult>(generator),
            of::<report::TestEnd>(generator),
            of::<report::HostEnd>(generator),
            of::<report::JobEnd>(generator),
        ],
        Schema::Protocol => vec![
            of::<protocol::Hello>(generator),
            of::<protocol::Pending>(generator),
            of::<protocol::Released>(generator),
            of::<protocol::HostGone>(generator),
            of::<protocol::ProvisionFailed>(generator),
            of::<protocol::Want>(generator),
            of::<protocol::Release>(generator),
            of::<protocol::Extend>(generator),
            of::<protocol::Adopt>(generator),
            of::<protocol::Shutdown>(generator),
        ],
        Schema::End => vec![of::<report::End>(generator)],
    }
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_type_is_named_once() {
        let all = [Schema::Test, Schema::Host, Schema::Report, Schema::Protocol, Schema::End];
        let schema = schemas("all", &all);
        let text = schema.to_string();
        for word in ["test", "host", "job-start", "test-end", "hello", "shutdown", "end"] {
            assert_eq!(text.matches(&format!(r#"{{"const":"{word}""#)).count(), 1, "{word}");
        }
        assert_eq!(schema["anyOf"].as_array().unwrap().len(), 22);
    }
}
