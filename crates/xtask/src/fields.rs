//! The keys of records, as a manual lists them, from the schemas of their types.

use std::collections::BTreeSet;

use atex_model::Schema;
use clap_mangen::roff::{Roff, bold, italic, roman};
use serde_json::{Map, Value};

use crate::options::tidy;

/// The records, and which of them have been listed.
pub(crate) struct Fields {
    types: Map<String, Value>,
    records: BTreeSet<String>,
    listed: BTreeSet<String>,
}

impl Fields {
    pub fn of_all_records() -> Fields {
        let all = [Schema::Test, Schema::Host, Schema::Report, Schema::Protocol, Schema::End];
        let mut schema = atex_model::schemas("all", &all);
        let name = |reference: &Value| name_of(&reference["$ref"]).map(str::to_owned);
        let records = schema["anyOf"].as_array().into_iter().flatten().filter_map(name).collect();
        let types = schema["$defs"].as_object_mut().map(std::mem::take).unwrap_or_default();
        Fields { types, records, listed: BTreeSet::new() }
    }

    /// The keys of a type, without `type`.
    ///
    /// # Errors
    /// There is no such type, or a key says nothing about itself.
    pub fn list(&mut self, name: &str) -> Result<String, String> {
        let of = self.types.get(name).ok_or_else(|| format!("{name}: there is no record of this type"))?;
        self.listed.insert(name.to_owned());
        let required: Vec<&str> =
            of["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let keys = of["properties"].as_object().ok_or_else(|| format!("{name}: it has no keys"))?;
        let mut text = String::new();
        for (key, value) in keys.iter().filter(|(key, _)| *key != "type") {
            let says =
                value["description"].as_str().ok_or_else(|| format!("{name}.{key}: it says nothing"))?;
            let need = if required.contains(&key.as_str()) { "" } else { ", optional" };
            let mut roff = Roff::new();
            roff.control("TP", []);
            roff.text([italic(key), roman(format!(" ({}{need})", self.kind(value)))]);
            roff.text([roman(says.replace('\n', " "))]);
            for (word, meaning) in self.words(value) {
                roff.control("br", []);
                roff.text([bold(word), roman(format!(": {meaning}"))]);
            }
            text.push_str(&tidy(&roff.to_roff()));
        }
        // Some say nothing beside their type.
        Ok(if text.is_empty() { "No keys.\n".to_owned() } else { text })
    }

    /// # Errors
    /// A page that lists records leaves some out.
    pub fn check_complete(&self) -> Result<(), String> {
        let left: Vec<&str> = self.records.difference(&self.listed).map(String::as_str).collect();
        if self.listed.is_empty() || left.is_empty() {
            return Ok(());
        }
        Err(format!("records without @FIELDS NAME@: {}", left.join(", ")))
    }

    /// What JSON has there, in a word or some.
    fn kind(&self, value: &Value) -> String {
        if let Some(name) = name_of(&value["$ref"]) {
            return self.types.get(name).map_or_else(|| "object".to_owned(), |of| self.kind(of));
        }
        let any = ["anyOf", "oneOf"].iter().find_map(|key| value[*key].as_array());
        if let Some(any) = any {
            let mut kinds: Vec<String> = any.iter().map(|one| self.kind(one)).collect();
            kinds.retain(|kind| kind != "null");
            kinds.dedup();
            return kinds.join(" or ");
        }
        let name = match &value["type"] {
            Value::String(name) => name.as_str(),
            Value::Array(names) => {
                names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("any")
            }
            _ if value["enum"].is_array() || value["const"].is_string() => "string",
            _ => "any",
        };
        match name {
            "array" => format!("list of {}", plural(&self.kind(&value["items"]))),
            "string" if value["format"] == "date-time" => "time".to_owned(),
            "any" => "any value".to_owned(),
            other => other.to_owned(),
        }
    }

    /// The words that a key can have, if they explain themselves.
    fn words(&self, value: &Value) -> Vec<(String, String)> {
        let Some(of) = name_of(&value["$ref"]).and_then(|name| self.types.get(name)) else {
            return Vec::new();
        };
        let word = |one: &Value| {
            let meaning = one["description"].as_str()?.replace('\n', " ");
            Some((one["const"].as_str()?.to_owned(), meaning))
        };
        of["oneOf"].as_array().into_iter().flatten().filter_map(word).collect()
    }
}

fn name_of(reference: &Value) -> Option<&str> {
    reference.as_str()?.strip_prefix("#/$defs/")
}

fn plural(kind: &str) -> String {
    if kind == "any value" { "values".to_owned() } else { format!("{kind}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_what_they_hold_and_whether_they_are_needed() {
        let mut fields = Fields::of_all_records();
        let end = fields.list("TestEnd").unwrap();
        for part in [
            ".TP\n\\fItime\\fR (time)\nWhen.\n",
            "\\fIexit\\fR (integer, optional)\n",
            "\\fIoutcome\\fR (string)\nThe verdict.\n.br\n\\fBinfra\\fR: ",
        ] {
            assert!(end.contains(part), "{part}\nnot in\n{end}");
        }
        assert!(!end.contains("\\fItype"), "{end}");
        assert!(fields.list("Test").unwrap().contains("\\fItree\\fR (string or list of objects, optional)"));
        assert!(fields.list("Nothing").is_err());
    }

    #[test]
    fn a_page_of_records_leaves_none_out() {
        let mut fields = Fields::of_all_records();
        assert_eq!(fields.check_complete(), Ok(()), "a page about something else");
        for name in fields.records.clone() {
            fields.check_complete().err();
            fields.list(&name).unwrap();
        }
        assert_eq!(fields.check_complete(), Ok(()));
        let mut one = Fields::of_all_records();
        one.list("Host").unwrap();
        assert!(one.check_complete().unwrap_err().contains("TestEnd"));
    }
}
