//! Texts as YAML: always in double quotes, which can hold anything.

use std::fmt::Write as _;

/// The text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            c if is_special(c) => escape(&mut quoted, c),
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A value that is written as JSON, which is YAML but for characters that YAML does not take as they are. Those stand in
/// texts only, where they can be escaped.
pub(crate) fn json(written: &str) -> String {
    let mut json = String::with_capacity(written.len());
    for c in written.chars() {
        if is_special(c) { escape(&mut json, c) } else { json.push(c) }
    }
    json
}

/// What YAML does not take as it is, and what nobody would see.
fn is_special(c: char) -> bool {
    let is_written = matches!(c, '\n' | '\r' | '\t');
    !is_written
        && matches!(c,
            '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}')
}

fn escape(to: &mut String, c: char) {
    write!(to, "\\u{:04x}", c as u32).expect("a String takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_readers_of_yaml_refuse_is_escaped() {
        assert_eq!(json("{\"a\u{7f}\":\"\u{85}\u{fffe}\u{e9}\"}"), "{\"a\\u007f\":\"\\u0085\\ufffe\u{e9}\"}");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let line = format!("- {}\n", quoted(&text));
            prop_assert!(!line.trim_end_matches('\n').contains('\n'));
            prop_assert_eq!(serde_yaml::from_str::<Vec<String>>(&line).unwrap(), [text]);
        }

        #[test]
        fn json_stays_what_it_says(text in any::<String>()) {
            let written = serde_json::to_string(&[&text]).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json(&written)).unwrap(), [text.clone()]);
            prop_assert_eq!(serde_yaml::from_str::<Vec<String>>(&json(&written)).unwrap(), [text]);
        }
    }
}
