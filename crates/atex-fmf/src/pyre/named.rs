//! Characters by their names in Unicode, `\N{SOLIDUS}`. They are looked up before a pattern is translated: whoever compiles
//! patterns without them does without the table of all names, which is larger than all the rest of this module.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The pattern with numbers in place of names.
///
/// # Errors
/// There is no name, or no character of that name.
pub(super) fn resolved(pattern: &str) -> Result<Cow<'_, str>, String> {
    if !pattern.contains("\\N") {
        return Ok(pattern.into());
    }
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let Some(name) = escape.strip_prefix("\\N") else {
            // What follows a backslash begins no escape of its own.
            let length = escape.chars().take(2).map(char::len_utf8).sum();
            text.push_str(&escape[..length]);
            rest = &escape[length..];
            continue;
        };
        let name = name.strip_prefix('{').ok_or("'{' and the name of a character must follow \\N")?;
        let (name, after) = name.split_once('}').ok_or("'}' is missing")?;
        let character =
            unicode_names2::character(name).ok_or_else(|| format!("there is no character named '{name}'"))?;
        let _ = write!(text, "\\U{:08x}", u32::from(character));
        rest = after;
    }
    text.push_str(rest);
    Ok(text.into())
}
