//! Values as text, as Python writes them, and integers from text, as Python reads them.

use std::fmt::Write;

use crate::mapping::Mapping;
use crate::number::Int;
use crate::value::Value;

/// What `str(value)` gives.
pub fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Date(date) => date.to_string(),
        Value::DateTime(moment) => moment.iso(' '),
        other => repr(other),
    }
}

/// What `repr(value)` gives.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::BigInt(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Text(text) => write_quoted(out, text),
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::Date(date) => {
            let _ = write!(out, "datetime.date({}, {}, {})", date.year, date.month, date.day);
        }
        Value::DateTime(moment) => out.push_str(&datetime(moment)),
        Value::List(items) => write_items(out, "[", items, "]"),
        Value::Tuple(items) if items.len() == 1 => write_items(out, "(", items, ",)"),
        Value::Tuple(items) => write_items(out, "(", items, ")"),
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => write_items(out, "{", items, "}"),
        Value::Map(mapping) => write_mapping(out, mapping),
        Value::Shared(shared) => write_mapping(out, &shared.get()),
    }
}

fn write_items(out: &mut String, open: &str, items: &[Value], close: &str) {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_repr(out, item);
    }
    out.push_str(close);
}

fn write_mapping(out: &mut String, mapping: &Mapping) {
    out.push('{');
    for (at, (key, value)) in mapping.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_repr(out, key.value());
        out.push_str(": ");
        write_repr(out, value);
    }
    out.push('}');
}

fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Whether Python shows a character as it is: neither control, format, private nor unassigned, and no separator but
/// the space. The standard library's escaping draws almost the same line and spares us a table.
fn is_printable(c: char) -> bool {
    // After a letter, because combining marks are escaped at the start of a text only.
    c == ' '
        || !c.is_whitespace()
            && !c.is_control()
            && (matches!(c, '\\' | '\'' | '"') || format!("a{c}").escape_debug().count() == 2)
}

fn write_bytes(out: &mut String, bytes: &[u8]) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    out.push('b');
    out.push(char::from(quote));
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte if byte == quote => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(char::from(quote));
}

fn datetime(moment: &crate::datetime::DateTime) -> String {
    let date = moment.date;
    let mut text = format!(
        "datetime.datetime({}, {}, {}, {}, {}",
        date.year, date.month, date.day, moment.hour, moment.minute
    );
    if moment.second > 0 || moment.microsecond > 0 {
        let _ = write!(text, ", {}", moment.second);
    }
    if moment.microsecond > 0 {
        let _ = write!(text, ", {}", moment.microsecond);
    }
    if let Some(offset) = moment.offset {
        text.push_str(", tzinfo=");
        text.push_str(&zone(offset));
    }
    text.push(')');
    text
}

fn zone(offset: i16) -> String {
    if offset == 0 {
        return "datetime.timezone.utc".into();
    }
    let seconds = i32::from(offset) * 60;
    let delta = if seconds < 0 {
        format!("days=-1, seconds={}", 86400 + seconds)
    } else {
        format!("seconds={seconds}")
    };
    format!("datetime.timezone(datetime.timedelta({delta}))")
}

/// The shortest digits that read back as the same float; scientific below 1e-4 and from 1e16.
pub fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", power.abs());
    }
    let plain = number.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// An integer from text: optional white space and sign, then digits of any script with single `_` between.
pub fn parse_int(text: &str) -> Option<Int> {
    let text = text.trim_matches(is_space);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut plain = String::with_capacity(digits.len());
    let mut after_digit = false;
    for c in digits.chars() {
        match decimal_digit(c) {
            Some(digit) => plain.push(char::from(b'0' + digit)),
            None if c == '_' && after_digit => {}
            None => return None,
        }
        after_digit = c != '_';
    }
    if !after_digit {
        return None;
    }
    Int::from_digits(&plain, 10, negative)
}

/// White space as Python has it: Unicode's, and the four ASCII separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The first characters of all runs of decimal digits in Unicode 15.
const ZEROS: [u32; 65] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
    0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
    0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
    0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// The value of a decimal digit of any script.
fn decimal_digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).map(|digit| digit as u8);
    }
    let code = u32::from(c);
    let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?;
    u8::try_from(code - zero).ok().filter(|digit| *digit < 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_like_python() {
        for (number, text) in [
            (1.0, "1.0"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (9999999999999998.0, "9999999999999998.0"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-0.0, "-0.0"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(float(number), text);
        }
    }

    #[test]
    fn quoting_prefers_single_quotes() {
        for (text, quoted) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("\\\n\r\t", "'\\\\\\n\\r\\t'"),
            ("\u{7f}\u{a0}\u{ad}\u{2028}\u{e000}", "'\\x7f\\xa0\\xad\\u2028\\ue000'"),
            ("é\u{301}😀", "'é\u{301}😀'"),
        ] {
            assert_eq!(repr(&Value::text(text)), quoted);
        }
    }

    #[test]
    fn integers_from_text() {
        for (text, number) in [
            (" 1_0\n", Some(10)),
            ("-7", Some(-7)),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("", None),
            ("1.0", None),
            ("+05", Some(5)),
            ("\u{661}\u{662}", Some(12)),
            ("\u{1d7d8}", Some(0)),
            ("- 1", None),
        ] {
            assert_eq!(parse_int(text), number.map(Int::Small), "{text:?}");
        }
    }
}
