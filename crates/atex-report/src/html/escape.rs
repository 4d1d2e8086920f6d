//! Words of strangers in HTML and in JSON within HTML.

use std::fmt::Write as _;

use atex_cli::text::visible::visible;

/// Text as HTML, in which it can stand between tags and in quoted attributes. What would not be seen, or would
/// change the order of what is seen, is made visible.
pub(super) fn escaped(text: &str) -> String {
    let text = visible(text);
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}

/// JSON that can stand in a `<script>`: nothing in it ends the script or begins a comment. All of it is ASCII, so that
/// nothing reorders what stands around it either.
pub(super) fn json(value: &serde_json::Value) -> String {
    let mut text = String::new();
    // Outside of strings JSON has none of these.
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' => put_escape(&mut text, c),
            c if c.is_ascii() => text.push(c),
            c => put_escape(&mut text, c),
        }
    }
    text
}

fn put_escape(text: &mut String, c: char) {
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units) {
        let _ = write!(text, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_stays_text() {
        assert_eq!(escaped("</td><script>x&'\""), "&lt;/td&gt;&lt;script&gt;x&amp;&#39;&quot;");
        assert!(!escaped("a\u{202e}b\u{1b}[31m").contains(['\u{202e}', '\u{1b}']));
        let value = serde_json::json!({"</script><!--": "</script>\u{202e}\u{1f600}\u{7f}"});
        let text = json(&value);
        assert!(text.is_ascii() && !text.contains(['<', '>']), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
