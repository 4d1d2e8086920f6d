//! Words of strangers in HTML and in JSON within HTML.

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

/// JSON that can stand in a `<script>`: nothing in it ends the script or begins a comment.
pub(super) fn json(value: &serde_json::Value) -> String {
    // Outside of strings JSON has none of these.
    value.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_stays_text() {
        assert_eq!(escaped("</td><script>x&'\""), "&lt;/td&gt;&lt;script&gt;x&amp;&#39;&quot;");
        assert!(!escaped("a\u{202e}b\u{1b}[31m").contains(['\u{202e}', '\u{1b}']));
        let value = serde_json::json!({"</script><!--": "</script>"});
        let text = json(&value);
        assert!(!text.contains('<'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
