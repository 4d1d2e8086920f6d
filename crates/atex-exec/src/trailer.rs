//! The last words of the wrapper in the control stream.

use memchr::memmem::Finder;

/// The word that begins the last line: only the wrapper and we know it.
const WORD_BYTES: usize = 16;

/// How a test ended, by the wrapper's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// The exit status as a shell gives it: 128 + N for signal N.
    pub status: i64,
    /// How many bytes of output belong to the test.
    pub output: u64,
}

/// Finds the wrapper's last line in the bytes behind the test's own.
///
/// Whatever cannot be the beginning of that line is let through at once, so that a test's words take
/// effect when they arrive.
#[derive(Debug)]
pub(crate) struct Scanner {
    word: Vec<u8>,
    finder: Finder<'static>,
    /// The end of what has come so far, if it may be the beginning of the last line.
    held: Vec<u8>,
    found: bool,
}

impl Scanner {
    /// For a wrapper that was given this word.
    pub fn new(word: &str) -> Scanner {
        let finder = Finder::new(word.as_bytes()).into_owned();
        Scanner { word: word.as_bytes().to_vec(), finder, held: Vec::new(), found: false }
    }

    /// A word that no test can guess.
    pub fn new_word() -> std::io::Result<String> {
        crate::run_dir::random_hex(WORD_BYTES)
    }

    /// Takes the next bytes. Hands those that are the test's to `take`, and returns the last line once it is
    /// there as a whole.
    pub fn feed<E>(
        &mut self,
        bytes: &[u8],
        take: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<Option<Trailer>, E> {
        let joined;
        let bytes = if self.held.is_empty() {
            bytes
        } else {
            joined = [&self.held, bytes].concat();
            self.held.clear();
            &joined
        };
        let at = if self.found { Some(0) } else { self.finder.find(bytes) };
        self.found = at.is_some();
        let own = at.unwrap_or_else(|| bytes.len() - self.beginning(bytes));
        self.held.extend_from_slice(&bytes[own..]);
        if own > 0 {
            take(&bytes[..own])?;
        }
        Ok(if self.found { self.trailer() } else { None })
    }

    /// How many of the last bytes may be the beginning of the word.
    fn beginning(&self, bytes: &[u8]) -> usize {
        let longest = (self.word.len() - 1).min(bytes.len());
        (1..=longest).rev().find(|n| bytes.ends_with(&self.word[..*n])).unwrap_or(0)
    }

    fn trailer(&self) -> Option<Trailer> {
        let end = memchr::memchr(b'\n', &self.held)?;
        let line = std::str::from_utf8(&self.held[self.word.len()..end]).ok()?;
        let mut numbers = line.split_whitespace();
        let status = numbers.next()?.parse().ok()?;
        // Between them stands the size of the control spool: all before this line, as we have seen.
        let output = numbers.nth(1)?.parse().ok()?;
        Some(Trailer { status, output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(word: &str, pieces: &[&[u8]]) -> (Vec<u8>, Option<Trailer>) {
        let (mut scanner, mut own, mut end) = (Scanner::new(word), Vec::new(), None);
        for piece in pieces {
            let found = scanner.feed(piece, |bytes| {
                own.extend_from_slice(bytes);
                Ok::<(), ()>(())
            });
            end = end.or(found.unwrap());
        }
        (own, end)
    }

    #[test]
    fn what_cannot_be_the_last_line_is_let_through_at_once() {
        assert_eq!(run("abab", &[b"noop\n"]), (b"noop\n".to_vec(), None));
        assert_eq!(run("abab", &[b"noop\nab"]), (b"noop\n".to_vec(), None));
        assert_eq!(run("abab", &[b"ab", b"ac"]), (b"abac".to_vec(), None));
        assert_eq!(
            run("abab", &[b"xaab", b"ab 0 1 2\n"]),
            (b"xa".to_vec(), Some(Trailer { status: 0, output: 2 }))
        );
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(own in "[abc]{0,9}", cuts in proptest::collection::vec(0usize..30, 0..5)) {
            prop_assume!(!own.contains("abab") && !own.ends_with("ab"));
            let all = format!("{own}abab 130 {} 77\n", own.len());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(all.len())).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([all.len()]);
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let pieces: Vec<&[u8]> = starts.zip(ends).map(|(a, b)| &all.as_bytes()[a..b]).collect();
            let expected = (own.into_bytes(), Some(Trailer { status: 130, output: 77 }));
            prop_assert_eq!(run("abab", &pieces), expected);
        }
    }
}
