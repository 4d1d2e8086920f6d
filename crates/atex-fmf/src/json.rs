//! Values as JSON: the one encoding used in records and in the corpus.
//!
//! Floats always carry a fraction or an exponent, so that they stay floats; what JSON lacks becomes text: `.inf`,
//! `.nan`, ISO dates, base64 for bytes. Keys that are no text become their JSON text.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::mapping::{Key, Mapping};
use crate::number::Int;
use crate::pytext;
use crate::value::Value;

/// Writes a value on one line, without blanks.
pub fn write(out: &mut impl Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(flag) => out.write_all(if *flag { b"true" } else { b"false" }),
        Value::Int(number) => write!(out, "{number}"),
        Value::BigInt(number) => write!(out, "{number}"),
        Value::Float(number) if number.is_finite() => out.write_all(pytext::float(*number).as_bytes()),
        Value::Text(text) => write_text(out, text),
        Value::List(items) | Value::Tuple(items) => write_list(out, items.iter()),
        Value::Set(items) => write_list(out, sorted(items).into_iter()),
        Value::Map(mapping) => write_mapping(out, mapping),
        Value::Shared(shared) => write_mapping(out, &shared.get()),
        other => write_text(out, &as_text(other)),
    }
}

/// A value on one line.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail, and everything written is UTF-8.
    let _ = write(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes text as a JSON string.
pub fn write_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    // Nearly all text can be copied; finding that out for all bytes at once is what makes it quick.
    let special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    if text.bytes().fold(false, |found, byte| found | special(byte)) {
        return serde_json::to_writer(out, text).map_err(io::Error::from);
    }
    out.write_all(b"\"")?;
    out.write_all(text.as_bytes())?;
    out.write_all(b"\"")
}

fn write_list<'a>(out: &mut impl Write, items: impl Iterator<Item = &'a Value>) -> io::Result<()> {
    out.write_all(b"[")?;
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        write(out, item)?;
    }
    out.write_all(b"]")
}

/// Writes a mapping as a JSON object.
pub fn write_mapping(out: &mut impl Write, mapping: &Mapping) -> io::Result<()> {
    write_entries(out, mapping.iter())
}

/// Writes entries as a JSON object. Should two keys read alike, the later value stands at the earlier place.
pub fn write_entries<'a>(
    out: &mut impl Write,
    entries: impl Iterator<Item = (&'a Key, &'a Value)> + Clone,
) -> io::Result<()> {
    match entries.clone().all(|(key, _)| key.as_str().is_some()) {
        true => write_all_entries(out, entries),
        false => write_all_entries(out, without_repeated_keys(entries).into_iter()),
    }
}

fn write_all_entries<'a>(
    out: &mut impl Write,
    entries: impl Iterator<Item = (&'a Key, &'a Value)>,
) -> io::Result<()> {
    out.write_all(b"{")?;
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        write_entry(out, key, value)?;
    }
    out.write_all(b"}")
}

/// Writes an entry of an object.
pub(crate) fn write_entry(out: &mut impl Write, key: &Key, value: &Value) -> io::Result<()> {
    write_text(out, &key_text(key))?;
    out.write_all(b":")?;
    write(out, value)
}

fn without_repeated_keys<'a>(
    entries: impl Iterator<Item = (&'a Key, &'a Value)>,
) -> Vec<(&'a Key, &'a Value)> {
    let mut kept = indexmap::IndexMap::new();
    for (key, value) in entries {
        kept.entry(key_text(key)).and_modify(|(_, old)| *old = value).or_insert((key, value));
    }
    kept.into_values().collect()
}

/// A key as JSON has it.
#[must_use]
pub fn key_text(key: &Key) -> Cow<'_, str> {
    match key.value() {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Tuple(items) => Cow::Owned(spaced_list(items)),
        value @ Value::Float(number) if !number.is_finite() => Cow::Owned(as_text(value)),
        value @ (Value::Null | Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_)) => {
            Cow::Owned(to_string(value))
        }
        other => Cow::Owned(as_text(other)),
    }
}

/// A list with a blank after each comma, as it stands in keys.
fn spaced_list(items: &[Value]) -> String {
    let item = |value: &Value| match value {
        Value::Tuple(items) => spaced_list(items),
        other => to_string(other),
    };
    format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", "))
}

/// What JSON has no type for.
fn as_text(value: &Value) -> String {
    match value {
        Value::Float(number) if number.is_nan() => ".nan".into(),
        Value::Float(number) => if *number > 0.0 { ".inf" } else { "-.inf" }.into(),
        Value::Date(date) => date.to_string(),
        Value::DateTime(moment) => moment.iso('T'),
        Value::Bytes(bytes) => base64(bytes),
        other => pytext::text(other),
    }
}

fn sorted(items: &[Value]) -> Vec<&Value> {
    let mut sorted: Vec<&Value> = items.iter().collect();
    sorted.sort_by_cached_key(|item| pytext::text(item));
    sorted
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// The value as serde_json has it, for callers that work with such values. Whole numbers beyond 64 bits become
/// floats there; [`write`](fn@write) keeps them exact.
#[must_use]
pub fn to_serde(value: &Value) -> serde_json::Value {
    match value {
        Value::BigInt(number) => number.to_f64().into(),
        other => serde_json::from_str(&to_string(other)).unwrap_or_default(),
    }
}

/// A metadata value from one of serde_json's.
#[must_use]
pub fn from_serde(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(small) => Value::Int(small),
            None if number.is_u64() => {
                Int::from_digits(&number.to_string(), 10, false).map_or(Value::Null, Value::int)
            }
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::text(text.as_str()),
        serde_json::Value::Array(items) => Value::list(items.iter().map(from_serde).collect()),
        serde_json::Value::Object(entries) => {
            Value::map(entries.iter().map(|(key, value)| (key.as_str(), from_serde(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (bytes, text) in [("", ""), ("h", "aA=="), ("he", "aGU="), ("hel", "aGVs"), ("hello", "aGVsbG8=")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn keys_that_read_alike_are_written_once() {
        let mut mapping = Mapping::new();
        mapping.insert(Key::new(Value::Int(1)), Value::text("a"), crate::Pos::NONE);
        mapping.insert(Key::new(Value::text("2")), Value::Null, crate::Pos::NONE);
        mapping.insert(Key::new(Value::text("1")), Value::text("b"), crate::Pos::NONE);
        assert_eq!(to_string(&Value::map(mapping)), r#"{"1":"b","2":null}"#);
    }
}
