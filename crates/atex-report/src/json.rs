//! Texts as JSON, appended to a buffer.

/// Where the first byte stands that ends a string in JSON or does not stand in one as it is: a quote, a backslash, a
/// control character.
///
/// Eight bytes at a time: in a word that has one, the lowest bit of those that are set below is that of the first;
/// borrows reach only higher ones.
pub(crate) fn plain(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = is_zero(word ^ (ONES * u64::from(b'"')));
        let backslash = is_zero(word ^ (ONES * u64::from(b'\\')));
        let found = (control | quote | backslash) & HIGHEST;
        if found != 0 {
            return Some(8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
    Some(bytes.len() - rest.len() + at)
}

/// Appends a text in quotes.
pub(crate) fn string(to: &mut Vec<u8>, text: &str) {
    // What needs no escape, which is nearly all, is found and copied at once.
    if plain(text.as_bytes()).is_none() {
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

        #[test]
        fn the_end_of_a_string_is_found(bytes in prop::collection::vec(prop_oneof![
            any::<u8>(), 0x1fu8..0x24, 0x5bu8..0x5e, 0x80u8..0xa3, 0xdbu8..0xde,
        ], 0..40)) {
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20));
            prop_assert_eq!(plain(&bytes), expected);
        }
    }
}
