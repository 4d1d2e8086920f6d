//! How reading a control stream fails.

use serde::{Deserialize, Serialize};

/// The test broke the protocol: its control channel is closed and the test has to be killed.
///
/// `word` and `reason` hold the test's text only escaped and cut to a readable length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("protocol error: `{word}` at byte {offset} of the control stream: {reason}")]
pub struct ProtocolError {
    /// The control word in which it happened.
    pub word: String,
    /// Where that word begins, in bytes from the start of the stream.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why [`Parser::feed`](crate::Parser::feed) stopped.
#[derive(Debug, thiserror::Error)]
pub enum FeedError<E> {
    /// The test's fault.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The sink refused an event; the parser reads no further.
    #[error("cannot take in what the test sent")]
    Sink(#[source] E),
}

/// A stranger's text as a message may show it: escaped, and not longer than a line.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn strangers_text_is_escaped_and_cut() {
        assert_eq!(shown("a\u{1b}[31m\n\0b"), r"a\u{1b}[31m\n\0b");
        assert_eq!(shown(&"x".repeat(60)), "x".repeat(60));
        assert_eq!(shown(&"ž".repeat(61)), "ž".repeat(60) + "…");
    }
}
