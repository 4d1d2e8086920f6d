//! One line of text to one record and back.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What is wrong with a line: where in it, and what was expected and found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {message}")]
pub struct LineError {
    /// The column of the fault, counted in bytes from 1.
    pub column: usize,
    /// What was expected, and what was found.
    pub message: String,
}

impl LineError {
    /// The error with its place in front: `FILE:LINE:COLUMN: message`.
    pub fn at<'a>(&'a self, file: &'a str, line: u64) -> impl fmt::Display + 'a {
        struct At<'a>(&'a LineError, &'a str, u64);
        impl fmt::Display for At<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}:{}: {}", self.1, self.2, self.0.column, self.0.message)
            }
        }
        At(self, file, line)
    }
}

/// Only the `type` of a record; everything else is skipped, which is the fastest way through a line.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// The `type` of the record in `line`.
///
/// # Errors
/// The line is not JSON, not an object, or has no `type` that is a string.
pub fn kind(line: &str) -> Result<Cow<'_, str>, LineError> {
    if !line.trim_start().starts_with('{') {
        // serde would read an array as the fields of a struct, in their order.
        serde_json::from_str::<serde::de::IgnoredAny>(line).map_err(|e| error(&e, line))?;
        let column = line.len() - line.trim_start().len() + 1;
        return Err(LineError { column, message: "expected a record (a JSON object with a `type`)".into() });
    }
    serde_json::from_str::<Head>(line).map(|head| head.kind).map_err(|e| error(&e, line))
}

/// Reads the record in `line`. Keys that `T` does not name are skipped. Whole numbers beyond 64 bits are read as the text
/// of their digits: metadata may hold them, and what a test sees of them is then exact.
///
/// # Errors
/// The line is not JSON, or a field is missing or of the wrong kind.
pub fn parse<T: DeserializeOwned>(line: &str) -> Result<T, LineError> {
    let line = with_long_integers_as_text(line);
    serde_json::from_str(&line).map_err(|e| error(&e, &line))
}

/// No whole number of fewer digits is beyond 64 bits.
const LONG: usize = 19;

/// Puts quotes around whole numbers that serde_json would make floats of, or refuse from 309 digits on. (It could keep
/// them, by a feature that changes numbers in every crate of the build.)
fn with_long_integers_as_text(line: &str) -> Cow<'_, str> {
    let bytes = line.as_bytes();
    // So many digits in a row cannot be missed by looking at each nineteenth byte; most lines are done with here.
    let is_long = |at: usize| {
        let digits =
            |bytes: &mut dyn Iterator<Item = &u8>| bytes.take_while(|byte| byte.is_ascii_digit()).count();
        digits(&mut bytes[..at].iter().rev()) + digits(&mut bytes[at..].iter()) >= LONG
    };
    if !(LONG - 1..bytes.len()).step_by(LONG).any(|at| bytes[at].is_ascii_digit() && is_long(at)) {
        return Cow::Borrowed(line);
    }
    let mut quoted = String::with_capacity(line.len() + 2);
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (before, token) = rest.split_at(at);
        quoted.push_str(before);
        let len = if token.starts_with('"') { string_len(token) } else { number_len(token) };
        let (token, behind) = token.split_at(len);
        match is_beyond_64_bits(token) {
            true => quoted.extend(["\"", token, "\""]),
            false => quoted.push_str(token),
        }
        rest = behind;
    }
    quoted.push_str(rest);
    Cow::Owned(quoted)
}

/// The length of the string that a text starts with, its quotes included; all of the text if it does not end.
fn string_len(text: &str) -> usize {
    let mut escaped = true;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

fn number_len(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count()
}

fn is_beyond_64_bits(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let is_whole = digits.len() >= LONG && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A number with a zero in front is no JSON, and stays for the parser to refuse.
    is_whole && !digits.starts_with('0') && token.parse::<u64>().is_err() && token.parse::<i64>().is_err()
}

/// Appends `record` and the end of the line to `buffer`.
pub fn to_line<T: Serialize>(buffer: &mut Vec<u8>, record: &T) {
    serde_json::to_writer(&mut *buffer, record)
        .expect("a record has only text keys, and a Vec takes every byte");
    buffer.push(b'\n');
}

fn error(e: &serde_json::Error, line: &str) -> LineError {
    let text = e.to_string();
    let place = format!(" at line {} column {}", e.line(), e.column());
    let message = text.strip_suffix(&place).unwrap_or(&text);
    let message = match e.classify() {
        serde_json::error::Category::Data => message.to_owned(),
        _ => format!("not JSON: {message}"),
    };
    // A column of 0 stands for the end of what was read before.
    LineError { column: e.column().clamp(1, line.len().max(1)), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connect, Host, Test};

    #[test]
    fn the_type_is_found_whatever_else_is_there() {
        for line in [r#"{"type":"x"}"#, r#" {"a":{"type":"y"},"type":"x","b":[1]} "#, r#"{"type":"\u0078"}"#]
        {
            assert_eq!(kind(line).unwrap(), "x", "{line}");
        }
    }

    #[test]
    fn errors_name_column_and_cause() {
        for (line, column, message) in [
            ("nonsense", 2, "not JSON: expected ident"),
            (r#"["test"]"#, 1, "expected a record (a JSON object with a `type`)"),
            ("  7", 3, "expected a record (a JSON object with a `type`)"),
            ("{}", 2, "missing field `type`"),
            (r#"{"type":3}"#, 9, "invalid type: integer `3`, expected a string"),
            (r#"{"type":"x""#, 11, "not JSON: EOF while parsing an object"),
        ] {
            let error = kind(line).unwrap_err();
            assert_eq!((error.column, error.message.as_str()), (column, message), "{line}");
        }
    }

    #[test]
    fn fields_of_the_wrong_kind_are_refused() {
        for (line, part) in [
            (r#"{"type":"test","name":3,"data":{}}"#, "expected a string"),
            (r#"{"type":"test","data":{}}"#, "missing field `name`"),
            (r#"{"type":"test","name":"a"}"#, "missing field `data`"),
            (r#"{"type":"test","name":"a","data":[]}"#, "expected a map"),
            (r#"{"type":"test","name":"a","data":{},"tree":7}"#, "expected a directory's absolute path"),
            (r#"{"type":"host","name":"a","data":{}}"#, "expected the record type `test`"),
        ] {
            let error = parse::<Test>(line).unwrap_err();
            let message = error.message.clone();
            // serde's untagged enums say `data did not match`, unless told otherwise.
            assert!(message.contains(part), "{line}: {message}");
        }
        for (line, part) in [
            (r#"{"type":"host","id":"a","connect":{"how":"ssh"}}"#, "needs a `host`"),
            (r#"{"type":"host","id":"a","connect":{"how":"command"}}"#, "needs an `argv`"),
            (r#"{"type":"host","id":"a","connect":{"how":"telnet"}}"#, "unknown variant `telnet`"),
        ] {
            let message = parse::<Host>(line).unwrap_err().message;
            assert!(message.contains(part), "{line}: {message}");
        }
    }

    #[test]
    fn unknown_keys_are_let_through() {
        let host: Host =
            parse(r#"{"type":"host","id":"a","connect":{"how":"local","new":1},"later":[]}"#).unwrap();
        assert_eq!(host.connect, Connect::Local);
    }

    #[test]
    fn long_integers_are_read_as_text() {
        let long = "7".repeat(400);
        let data = format!(
            r#"{{"a":[18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809],"b":"\"\\12345678901234567890123, 1","{long}":{long},"c":12345678901234567890123.5,"d":1e5}}"#
        );
        let line = format!(r#"{{"type":"test","name":"/{long}","data":{data}}}"#);
        let test: Test = parse(&line).unwrap();
        assert_eq!(test.name, format!("/{long}"));
        let read = serde_json::to_string(&test.data).unwrap();
        let expected = data
            .replace("18446744073709551616", "\"18446744073709551616\"")
            .replace("-9223372036854775809", "\"-9223372036854775809\"")
            .replace(&format!(":{long}"), &format!(":\"{long}\""))
            .replace("12345678901234567890123.5", "1.2345678901234568e+22")
            .replace("1e5", "100000.0");
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_json_stays_so_beside_long_integers() {
        for line in
            ["012345678901234567890123", r#"{"a":12345678901234567890123"#, r#""12345678901234567890123\"#]
        {
            assert!(parse::<serde_json::Value>(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_record_is_one_line() {
        let mut buffer = Vec::new();
        let mut data = crate::Object::new();
        data.insert("test".into(), "a\nb\u{2028}".into());
        to_line(&mut buffer, &Test::new("/x\ny", data));
        assert_eq!(
            String::from_utf8(buffer).unwrap(),
            "{\"type\":\"test\",\"name\":\"/x\\ny\",\"data\":{\"test\":\"a\\nb\u{2028}\"}}\n"
        );
    }
}
