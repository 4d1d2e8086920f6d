//! The last of something long that was printed.

/// How much of it is kept.
const BYTES: usize = 4 << 10;

/// How many of its last lines are shown.
const LINES: usize = 5;

/// The last of what has been printed.
#[derive(Debug, Clone, Default)]
pub struct Tail(Vec<u8>);

impl Tail {
    /// More has been printed.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&bytes[bytes.len().saturating_sub(BYTES)..]);
        let much = self.0.len().saturating_sub(BYTES);
        self.0.drain(..much);
    }

    /// Its last lines, as one, without what could put codes into a terminal; empty if there is none.
    pub fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let shown = |line: &str| line.replace(|c: char| c.is_control(), " ").trim().to_owned();
        let lines: Vec<String> = text.lines().map(shown).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_short_and_harmless() {
        let mut tail = Tail::default();
        assert_eq!(tail.words(), "");
        for n in 0..10_000 {
            tail.add(format!("line {n}\n\n").as_bytes());
        }
        tail.add(b"\x1b[31mred\n");
        assert!(tail.0.len() <= BYTES);
        assert_eq!(tail.words(), "line 9996 | line 9997 | line 9998 | line 9999 | [31mred");
        tail.add(&vec![b'x'; 100_000]);
        assert_eq!(tail.words().len(), BYTES);
    }
}
