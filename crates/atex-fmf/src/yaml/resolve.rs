//! Types of scalars: by their looks if plain, by their tag if tagged.

use std::sync::Arc;

use crate::datetime::{Stamp, Timestamp};
use crate::mapping::Key;
use crate::number::Int;
use crate::value::Value;

/// What a scalar turns out to be.
#[derive(Clone, Debug)]
pub enum Scalar {
    Value(Value),
    /// A plain word where a key is expected.
    Word(Key),
    /// `<<`, which merges mappings when it is a key.
    Merge,
    /// `=`, which is text when it is a key.
    Equals,
}

/// Why a scalar has no value: it is malformed for its tag, or names something that does not exist.
#[derive(Debug, PartialEq)]
pub enum BadScalar {
    /// The reference calls it a construction error.
    Malformed(String),
    /// The reference fails in some other way.
    Nonexistent(String),
}

type Result<T> = std::result::Result<T, BadScalar>;

/// What a plain scalar is if it is not text. `v11` asks for YAML 1.1's rules.
pub fn plain(text: &str, v11: bool) -> Result<Option<Scalar>> {
    // Most scalars are words, and none of the special forms starts with most letters.
    let Some(first) = text.bytes().next() else { return Ok(Some(Scalar::Value(Value::Null))) };
    let special = match first {
        b'<' if text == "<<" => return Ok(Some(Scalar::Merge)),
        b'=' if text == "=" => return Ok(Some(Scalar::Equals)),
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' => word(text),
        b'+' | b'-' | b'.' | b'0'..=b'9' => number(text, v11)?,
        _ => None,
    };
    let special = if v11 && special.is_none() { word_1_1(text) } else { special };
    Ok(special.map(Scalar::Value))
}

/// Whether a plain scalar is certain to be text, under all versions' rules.
pub fn is_word(text: &str) -> bool {
    // The two lists of letters that special forms start with, and YAML 1.1's `yes`, `no`, `on`, `off`.
    let special = b"~nNtTfFyYoO+-.0123456789<=";
    text.bytes().next().is_some_and(|first| !special.contains(&first))
}

fn word(text: &str) -> Option<Value> {
    match text {
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        _ => None,
    }
}

fn word_1_1(text: &str) -> Option<Value> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(Value::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn number(text: &str, v11: bool) -> Result<Option<Value>> {
    if is_float(text, v11) {
        return float(text, v11).map(Some);
    }
    if is_int(text, v11) {
        return int(text, v11).map(Some);
    }
    match Timestamp::parse(text, false) {
        Some(timestamp) => stamp(&timestamp).map(Some),
        None => Ok(None),
    }
}

fn stamp(timestamp: &Timestamp<'_>) -> Result<Value> {
    match timestamp.value() {
        Ok(Stamp::Date(date)) => Ok(Value::Date(date)),
        Ok(Stamp::DateTime(moment)) => Ok(Value::DateTime(Arc::new(moment))),
        Err(message) => Err(BadScalar::Nonexistent(message)),
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, wanted: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(wanted)
}

fn digit_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

/// Splits off leading digits and underscores.
fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(|byte| digit_or_underscore(*byte)).count())
}

/// Empty, or `e` with digits; `sign` makes a sign mandatory.
fn is_exponent(text: &str, sign: bool) -> bool {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return false };
    let digits = unsigned(rest);
    !digits.is_empty() && all(digits, |byte| byte.is_ascii_digit()) && (!sign || digits.len() < rest.len())
}

fn is_float(text: &str, v11: bool) -> bool {
    let body = unsigned(text);
    if matches!(body, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (whole, rest) = leading_digits(body);
    if whole.is_empty() {
        let Some(rest) = rest.strip_prefix('.') else { return false };
        let (fraction, rest) = leading_digits(rest);
        let signed = v11 && body.len() < text.len();
        return !fraction.is_empty() && (rest.is_empty() || is_exponent(rest, true)) && !signed;
    }
    if whole.starts_with('_') {
        return false;
    }
    match rest.strip_prefix('.') {
        Some(rest) => {
            let rest = leading_digits(rest).1;
            rest.is_empty() || is_exponent(rest, false)
        }
        None => is_exponent(rest, false) || v11 && is_sexagesimal(rest, true),
    }
}

/// One or more `:MM`, and for floats `.digits` at the end.
fn is_sexagesimal(text: &str, float: bool) -> bool {
    let (parts, fraction) = match text.split_once('.') {
        Some((parts, fraction)) => (parts, Some(fraction)),
        None => (text, None),
    };
    let Some(parts) = parts.strip_prefix(':') else { return false };
    let below_sixty = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [b'0'..=b'5', digit] => digit.is_ascii_digit(),
        _ => false,
    };
    parts.split(':').all(below_sixty)
        && fraction.is_some() == float
        && fraction.is_none_or(|fraction| all(fraction, digit_or_underscore))
}

fn is_int(text: &str, v11: bool) -> bool {
    let body = unsigned(text);
    let prefixed = |prefix: &str, wanted: fn(u8) -> bool| {
        body.strip_prefix(prefix).is_some_and(|digits| !digits.is_empty() && all(digits, wanted))
    };
    let octal = |byte| matches!(byte, b'0'..=b'7' | b'_');
    if prefixed("0b", |byte| matches!(byte, b'0' | b'1' | b'_'))
        || prefixed("0x", |byte| byte.is_ascii_hexdigit() || byte == b'_')
    {
        return true;
    }
    if !v11 {
        return prefixed("0o", octal) || prefixed("", digit_or_underscore);
    }
    let (whole, rest) = leading_digits(body);
    prefixed("", octal)
        || matches!(body.as_bytes(), [b'1'..=b'9', ..]) && (rest.is_empty() || is_sexagesimal(rest, false))
        || whole == "0" && rest.is_empty()
}

/// The value of an integer's text; also used for `!!int`, whose text may be anything.
fn int(text: &str, v11: bool) -> Result<Value> {
    let bad = || BadScalar::Nonexistent(format!("invalid literal for an integer: '{text}'"));
    let plain = text.replace('_', "");
    let plain = plain.trim();
    let negative = plain.starts_with('-');
    let body = unsigned(plain);
    let (digits, base) = match (body.get(..2), v11) {
        _ if body == "0" => (body, 10),
        (Some("0b"), _) => (&body[2..], 2),
        (Some("0x"), _) => (&body[2..], 16),
        (Some("0o"), _) => (&body[2..], 8),
        (_, true) if body.starts_with('0') => (body, 8),
        (_, true) if body.contains(':') => return sexagesimal(body, negative).ok_or_else(bad),
        _ => (body, 10),
    };
    if !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(bad());
    }
    Int::from_digits(digits, base, negative).map(Value::int).ok_or_else(bad)
}

fn sexagesimal(body: &str, negative: bool) -> Option<Value> {
    let mut value = 0i64;
    for part in body.split(':') {
        value = value.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    Some(Value::Int(if negative { -value } else { value }))
}

/// The value of a float's text; also used for `!!float`.
fn float(text: &str, v11: bool) -> Result<Value> {
    let bad = || BadScalar::Nonexistent(format!("could not convert to a float: '{text}'"));
    let plain = text.replace('_', "").to_ascii_lowercase();
    let sign = if plain.starts_with('-') { -1.0 } else { 1.0 };
    let body = unsigned(&plain);
    let value = match body {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        _ if v11 && body.contains(':') => sexagesimal_float(body).ok_or_else(bad)?,
        // Rust and Python read the same numbers, but differ in words such as "infinity".
        _ if body.starts_with(|c: char| c.is_ascii_digit() || c == '.') => body.parse().map_err(|_| bad())?,
        "inf" | "infinity" => f64::INFINITY,
        "nan" => f64::NAN,
        _ => return Err(bad()),
    };
    Ok(Value::Float(sign * value))
}

fn sexagesimal_float(body: &str) -> Option<f64> {
    let (mut value, mut base) = (0.0, 1.0);
    for part in body.rsplit(':') {
        value += part.parse::<f64>().ok()? * base;
        base *= 60.0;
    }
    Some(value)
}

/// The value of a scalar with a tag of YAML's own, e.g. `int`.
pub fn tagged(kind: &str, text: &str, v11: bool) -> Result<Scalar> {
    let value = match kind {
        "str" => Value::text(text),
        "null" => Value::Null,
        "bool" => boolean(text)?,
        "int" => int(text, v11)?,
        "float" => float(text, v11)?,
        "timestamp" => match Timestamp::parse(text, true) {
            Some(timestamp) => stamp(&timestamp)?,
            None => return Err(BadScalar::Malformed(format!("'{text}' is not a timestamp"))),
        },
        "binary" => Value::Bytes(binary(text)?.into()),
        "merge" => return Ok(Scalar::Merge),
        "value" => return Ok(Scalar::Equals),
        "seq" | "map" | "set" | "omap" | "pairs" => {
            return Err(BadScalar::Malformed(format!("the tag '!!{kind}' does not fit a scalar")));
        }
        _ => return Err(BadScalar::Malformed(format!("the tag '!!{kind}' is not known"))),
    };
    Ok(Scalar::Value(value))
}

fn boolean(text: &str) -> Result<Value> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "true" | "on" => Ok(Value::Bool(true)),
        "no" | "n" | "false" | "off" => Ok(Value::Bool(false)),
        _ => Err(BadScalar::Nonexistent(format!("'{text}' is not a boolean"))),
    }
}

/// Base64, any other characters being skipped.
fn binary(text: &str) -> Result<Vec<u8>> {
    if !text.is_ascii() {
        return Err(BadScalar::Malformed("base64 data must be ASCII".into()));
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count, mut padding) = (0u32, 0u32, 0);
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if count > 1 => {
                padding += 1;
                if count + padding >= 4 {
                    return Ok(bytes);
                }
                continue;
            }
            _ => continue,
        };
        padding = 0;
        bits = bits << 6 | u32::from(digit);
        count += 1;
        if count > 1 {
            bytes.push((bits >> (8 - 2 * count) & 0xff) as u8);
        }
        count %= 4;
    }
    if count > 0 {
        return Err(BadScalar::Malformed("base64 data is cut short".into()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_with_and_without_padding_and_noise() {
        for (text, bytes) in [
            ("aGVsbG8=", Some("hello")),
            ("aGVs\nbG8hIQ==", Some("hello!!")),
            ("aGVs", Some("hel")),
            ("?", Some("")),
            ("aGVsb", None),
        ] {
            let found = binary(text).ok().map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), bytes, "{text}");
        }
    }
}
