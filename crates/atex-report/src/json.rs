//! Texts as JSON, appended to a buffer.

/// Appends a text in quotes.
pub(crate) fn string(to: &mut Vec<u8>, text: &str) {
    // What needs no escape, which is nearly all, is found and copied at once.
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        to.push(b'"');
        to.extend_from_slice(text.as_bytes());
        to.push(b'"');
    } else {
        serde_json::to_writer(to, text).expect("a Vec takes every byte");
    }
}

/// Appends a text in quotes, or `null`.
pub(crate) fn optional(to: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(to, text),
        None => to.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_is_written_as_json(text in any::<String>()) {
            let mut written = Vec::new();
            string(&mut written, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
        }
    }
}
