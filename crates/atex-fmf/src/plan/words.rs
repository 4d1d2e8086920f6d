//! Texts of several words, quoted as for a shell: files and lists of variables.

use crate::error::{Error, ErrorClass};

/// Splits at white space, outside of quotes. A `#` begins a comment, wherever it stands outside of quotes: so Python's
/// `shlex` has it, which tmt reads these files with.
///
/// # Errors
/// A quote is not closed, or nothing stands behind a backslash.
pub(super) fn split(text: &str, comments: bool) -> Result<Vec<String>, Error> {
    let bad = |why: &str| Err(Error::new(ErrorClass::Value, why));
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if comments => {
                words.extend(word.take());
                chars.by_ref().find(|c| *c == '\n');
            }
            '\'' | '"' => {
                if !quoted(&mut chars, c, word.get_or_insert_default()) {
                    return bad("a quote is not closed");
                }
            }
            '\\' => match chars.next() {
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return bad("nothing stands behind the last backslash"),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Takes what stands up to the closing quote; whether there is one.
fn quoted(chars: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> bool {
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return true,
            '\\' if quote == '"' => {
                let Some(next) = chars.next() else { return false };
                if !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
            c => word.push(c),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `shlex.split(text, comments=True)` of Python 3.11 gives them.
    #[test]
    fn words_are_those_of_the_reference() {
        for (text, expected) in [
            ("", Some(&[][..])),
            ("a b\tc\nd", Some(&["a", "b", "c", "d"])),
            ("# x\nA=1 # y\nB=2", Some(&["A=1", "B=2"])),
            ("A=b#c\nd", Some(&["A=b", "d"])),
            ("A='b # c' D=\"e f\"", Some(&["A=b # c", "D=e f"])),
            ("A='b'\"c\"d", Some(&["A=bcd"])),
            ("A='' ''", Some(&["A=", ""])),
            (r#"A="b\"c\\d\n" E=f\ g\n"#, Some(&[r#"A=b"c\d\n"#, "E=f gn"])),
            (r"A='b\'", Some(&[r"A=b\"])),
            ("A='b", None),
            ("A=b\\", None),
        ] {
            assert_eq!(
                split(text, true).ok().as_deref(),
                expected
                    .map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
                    .as_deref(),
                "{text}"
            );
        }
        assert_eq!(split("a #b", false).unwrap(), ["a", "#b"]);
    }
}
