//! JSON taken apart only as far as needed: an object's members stay text.
//!
//! Keeping the text is what makes small results cheap, and it is exact: numbers beyond 64 bits
//! come out as they went in. The price is [`compact`], which finds what serde_json only notices
//! when it builds a value, so that whoever reads the text later can build one.

use crate::error::shown;
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Members of an object in the order of their first appearance: key, and the value's JSON text.
pub(crate) type Members<'a> = IndexMap<Cow<'a, str>, Cow<'a, str>>;

/// The members of the one object in `text`; of equal keys the last one counts.
pub(crate) fn members(text: &str, limit: usize) -> Result<Members<'_>, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(MembersVisitor { limit }).and_then(|members| {
        deserializer.end()?;
        Ok(members)
    });
    members.map_err(|error| format!("bad JSON: {}", shown(&error.to_string())))
}

/// The string in a JSON text, if it is one.
pub(crate) fn string(text: &str) -> Result<Cow<'_, str>, String> {
    let plain = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match plain {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) => decode(text),
        None => Err(format!("expected a string, found `{}`", shown(text))),
    }
}

/// The same JSON without blanks between tokens, so that it fits on a line. `text` must have been
/// through a parser; what is refused here is nesting deeper than `depth`, half a surrogate pair,
/// and a number that no double can hold.
pub(crate) fn compact(text: &str, depth: usize) -> Result<Cow<'_, str>, String> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut at, mut kept, mut open) = (0, 0, 0);
    while at < bytes.len() {
        let token = at;
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at);
                check_string(&text[token..at])?;
            }
            b'-' | b'0'..=b'9' => {
                at += bytes[at..].iter().take_while(|byte| is_number(**byte)).count();
                check_number(&text[token..at])?;
            }
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.push_str(&text[kept..at]);
                at += 1;
                kept = at;
            }
            byte => {
                match byte {
                    b'{' | b'[' => open += 1,
                    b'}' | b']' => open -= 1,
                    _ => {}
                }
                if open > depth {
                    return Err(format!("nested deeper than {depth} levels"));
                }
                at += 1;
            }
        }
    }
    if kept == 0 {
        return Ok(Cow::Borrowed(text));
    }
    out.push_str(&text[kept..]);
    Ok(Cow::Owned(out))
}

/// Appends `text` as a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Appends `"key":`, after a comma unless it is the first member of its object.
pub(crate) fn push_key(out: &mut String, key: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    push_string(out, key);
    out.push(':');
}

fn decode(text: &str) -> Result<Cow<'_, str>, String> {
    let decoded: Result<Text<'_>, _> = serde_json::from_str(text);
    decoded.map(|text| text.0).map_err(|error| format!("bad JSON in string `{}`: {error}", shown(text)))
}

/// The index behind the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn check_string(token: &str) -> Result<(), String> {
    if token.contains("\\u") { decode(token).map(drop) } else { Ok(()) }
}

fn is_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

fn check_number(token: &str) -> Result<(), String> {
    // Without an exponent it takes 309 digits to leave the range of a double.
    let suspect = token.len() > 300 || token.contains(['e', 'E']);
    if suspect && token.parse().is_ok_and(f64::is_infinite) {
        return Err(format!("number `{}` is too large", shown(token)));
    }
    Ok(())
}

struct MembersVisitor {
    limit: usize,
}

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("one JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            members.insert(key, Cow::Borrowed(value.get()));
            if members.len() > self.limit {
                return Err(A::Error::custom(format!("more than {} keys in one object", self.limit)));
            }
        }
        Ok(members)
    }
}

/// A string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::{compact, members};
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn compacting_changes_only_blanks_between_tokens() {
        let cases = [
            ("1", "1"),
            ("-0.50e+2", "-0.50e+2"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            (r#" { "a b" : [ 1 , "x \" y\\" ] } "#, r#"{"a b":[1,"x \" y\\"]}"#),
            ("[\n\t1,\r\n2]", "[1,2]"),
            ("\"\\u00e9 \\ud83d\\ude00\"", "\"\\u00e9 \\ud83d\\ude00\""),
            ("[[[]]]", "[[[]]]"),
            ("[[[]],[[]],{\"a\":{}}]", "[[[]],[[]],{\"a\":{}}]"),
        ];
        for (text, short) in cases {
            assert_eq!(compact(text, 3).unwrap(), short, "{text}");
        }
        let refused =
            ["[[[[]]]]", r#"{"a":{"a":{"a":{}}}}"#, r#"["\ud800"]"#, "1e400", "[-1E+999]", &"9".repeat(400)];
        for text in refused {
            compact(text, 3).expect_err(text);
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value(value in json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(compact(&pretty, 100).unwrap(), value.to_string());
        }

        /// What passes both steps is what serde_json can build a value of, no more and no less.
        #[test]
        fn accepts_what_a_reader_accepts(text in r#"\{("a":)?[\[\]{}:,"\\u0-9eEd.+\- ]{0,16}\}"#) {
            let ours = members(&text, 100).and_then(|members| {
                members.values().try_for_each(|value| compact(value, 100).map(drop))
            });
            let reader: Result<Value, _> = serde_json::from_str(&text);
            prop_assert_eq!(ours.is_ok(), reader.is_ok(), "{:?} {:?}", ours, reader);
        }
    }
}
