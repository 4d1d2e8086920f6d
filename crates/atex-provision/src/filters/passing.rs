//! A host on its way through a filter.

use std::time::Instant;

use atex_model::{Host, HostTag, LineError};
use crossbeam_channel::Receiver;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::crowd::{Item, stdin};

/// A host, and the line that it came as.
#[derive(Debug, Clone)]
pub(crate) struct Passing {
    pub host: Host,
    pub line: String,
    pub came: Instant,
}

impl Passing {
    /// The host of a line; `None`: it is none.
    fn new(text: &str) -> Result<Option<Passing>, LineError> {
        if atex_model::kind(text)? != HostTag::TEXT {
            return Ok(None);
        }
        let host = atex_model::parse(text)?;
        Ok(Some(Passing { host, line: text.to_owned(), came: Instant::now() }))
    }

    /// Sets a key of the record. Everything else stays as it was written, byte for byte.
    pub fn set(&mut self, key: &str, value: &impl Serialize) {
        let value = serde_json::value::to_raw_value(value).expect("what is set has only text keys");
        let mut record: IndexMap<&str, &RawValue> = serde_json::from_str(&self.line).unwrap_or_default();
        record.insert(key, &value);
        self.line = serde_json::to_string(&record).expect("a record is made of text");
    }

    /// The value of a key that [`Host`] does not know.
    pub fn get(&self, key: &str) -> Option<serde_json::Value> {
        let mut record: atex_model::Object = atex_model::parse(&self.line).ok()?;
        record.remove(key)
    }
}

/// The hosts that standard input brings, as they come.
pub(crate) fn read() -> Receiver<Item<Passing>> {
    stdin(|line| Ok(Passing::new(line)?.map_or_else(|| Item::Other(line.to_owned()), Item::Work)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{ "type":"host", "id":"\u0061", "connect":{"how":"local", "x":1e0},"big":123456789012345678901234567890, "y":"\/"}"#;

    #[test]
    fn what_is_not_set_stays_as_it_was_written() {
        let mut host = Passing::new(LINE).unwrap().unwrap();
        assert_eq!((host.host.id.as_str(), host.line.as_str()), ("a", LINE));
        host.set("facts", &serde_json::json!({"a": 1}));
        let expected = r#"{"type":"host","id":"\u0061","connect":{"how":"local", "x":1e0},"big":123456789012345678901234567890,"y":"\/","facts":{"a":1}}"#;
        assert_eq!(host.line, expected);
        assert_eq!(host.get("facts"), Some(serde_json::json!({"a": 1})));
        host.set("facts", &2);
        host.set("y", &"");
        assert_eq!(host.line, expected.replace(r#"{"a":1}"#, "2").replace(r#""\/""#, r#""""#));
    }

    #[test]
    fn other_records_are_no_hosts() {
        assert!(Passing::new(r#"{"type":"test","name":"a","data":{}}"#).unwrap().is_none());
        assert!(Passing::new(r#"{"type":"host","id":"a"}"#).is_err());
    }
}
