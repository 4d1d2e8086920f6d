//! The last words of the wrapper in the control stream.

use atex_model::report::Cause;
use memchr::memmem::Finder;

/// The word that begins the last line: only the wrapper and we know it.
const WORD_BYTES: usize = 16;

/// How a test ended, by the wrapper's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// The exit status as a shell gives it: 128 + N for signal N.
    pub status: i64,
    /// Where this line begins in the control spool, by the wrapper's account.
    pub control: u64,
    /// Where the test's output ends in the output spool.
    pub output: u64,
    /// Why the test did not end by itself.
    pub why: Option<Why>,
}

/// Why the test was ended on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nobody sent a heartbeat, for so many seconds if the wrapper says so.
    Orphan(Option<u64>),
    /// There was no space left for its spools.
    Full,
    /// An atex-exec wanted it, for this cause. It may have gone before it saw the end.
    Stopped(Cause),
    /// For a reason that this version does not know.
    Other(String),
}

impl Why {
    /// As the agent says it. None: it says nothing.
    pub fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Why> {
        let (word, argument) = (words.next()?, words.next());
        Some(match word {
            "orphan" => Why::Orphan(argument.and_then(|seconds| seconds.parse().ok())),
            "full" => Why::Full,
            "stopped" => Why::Stopped(argument.and_then(cause_of).unwrap_or(Cause::Own)),
            other => Why::Other(other.escape_debug().to_string()),
        })
    }
}

/// How the agent is told for what cause a test is to end.
const CAUSES: [(Cause, &str); 4] =
    [(Cause::Test, "test"), (Cause::Host, "host"), (Cause::Own, "own"), (Cause::Cancelled, "cancelled")];

/// The word for the cause for which a test is to end. It is said again in its last line, as [`Why::Stopped`].
pub(crate) fn word_of(cause: Cause) -> &'static str {
    CAUSES.iter().find(|(known, _)| *known == cause).map_or("own", |(_, word)| word)
}

fn cause_of(word: &str) -> Option<Cause> {
    CAUSES.iter().find(|(_, known)| *known == word).map(|(cause, _)| *cause)
}

/// The wrapper's last line as it was found.
#[derive(Debug, PartialEq)]
pub(crate) struct LastLine {
    pub trailer: Trailer,
    /// How many bytes it has.
    pub length: usize,
    /// How many bytes came behind it, which are not looked at.
    pub surplus: usize,
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

    /// How many of the bytes taken are neither the test's for sure nor the last line's as a whole.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes the next bytes. Hands those that are the test's to `take`, whose answer is handed on, and returns
    /// the last line once it is there as a whole.
    pub fn feed<E>(
        &mut self,
        bytes: &[u8],
        take: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> (Result<(), E>, Option<LastLine>) {
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
        let taken = if own > 0 { take(&bytes[..own]) } else { Ok(()) };
        (taken, if self.found { self.last_line() } else { None })
    }

    /// How many of the last bytes may be the beginning of the word.
    fn beginning(&self, bytes: &[u8]) -> usize {
        let longest = (self.word.len() - 1).min(bytes.len());
        (1..=longest).rev().find(|n| bytes.ends_with(&self.word[..*n])).unwrap_or(0)
    }

    fn last_line(&mut self) -> Option<LastLine> {
        let end = memchr::memchr(b'\n', &self.held)?;
        let line = std::str::from_utf8(&self.held[self.word.len()..end]).ok()?;
        let mut words = line.split_whitespace();
        let status = words.next()?.parse().ok()?;
        let control = words.next()?.parse().ok()?;
        let output = words.next()?.parse().ok()?;
        let why = Why::parse(words);
        let length = end + 1;
        let surplus = self.held.len() - length;
        self.held.clear();
        Some(LastLine { trailer: Trailer { status, control, output, why }, length, surplus })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(word: &str, pieces: &[&[u8]]) -> (Vec<u8>, Option<(Trailer, usize)>) {
        let (mut scanner, mut own, mut end) = (Scanner::new(word), Vec::new(), None);
        for piece in pieces {
            let (taken, found) = scanner.feed(piece, |bytes| {
                own.extend_from_slice(bytes);
                Ok::<(), ()>(())
            });
            taken.unwrap();
            end = end.or(found.map(|line| (line.trailer, line.surplus)));
        }
        (own, end)
    }

    fn trailer(status: i64, control: u64, output: u64, why: Option<Why>) -> Trailer {
        Trailer { status, control, output, why }
    }

    #[test]
    fn what_cannot_be_the_last_line_is_let_through_at_once() {
        assert_eq!(run("abab", &[b"noop\n"]), (b"noop\n".to_vec(), None));
        assert_eq!(run("abab", &[b"noop\nab"]), (b"noop\n".to_vec(), None));
        assert_eq!(run("abab", &[b"ab", b"ac"]), (b"abac".to_vec(), None));
        assert_eq!(
            run("abab", &[b"xaab", b"ab 0 2 1\n"]),
            (b"xa".to_vec(), Some((trailer(0, 2, 1, None), 0)))
        );
    }

    #[test]
    fn the_last_line_says_why_and_nothing_behind_it_is_taken() {
        let cases: [(&str, Option<Why>, usize); 8] = [
            (" orphan\n", Some(Why::Orphan(None)), 0),
            (" orphan 3600\n", Some(Why::Orphan(Some(3600))), 0),
            (" full\nnoop\n", Some(Why::Full), 5),
            (" stopped cancelled\n", Some(Why::Stopped(Cause::Cancelled)), 0),
            (" stopped test\n", Some(Why::Stopped(Cause::Test)), 0),
            (" stopped new\n", Some(Why::Stopped(Cause::Own)), 0),
            (" \u{1b}new\n", Some(Why::Other("\\u{1b}new".into())), 0),
            ("\nresult 2\n{}", None, 11),
        ];
        for (rest, why, surplus) in cases {
            let line = format!("word 137 5 {}{rest}", u64::MAX);
            let found = run("word", &[line.as_bytes()]);
            assert_eq!(found, (Vec::new(), Some((trailer(137, 5, u64::MAX, why), surplus))), "{rest:?}");
        }
    }

    #[test]
    fn the_last_line_is_found_behind_bytes_that_are_refused() {
        let (taken, found) = Scanner::new("word").feed(b"\nword 0 1 0\n", |_| Err(()));
        assert_eq!((taken, found.map(|line| line.length)), (Err(()), Some(11)));
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
            let trailer = trailer(130, own.len() as u64, 77, None);
            prop_assert_eq!(run("abab", &pieces), (own.into_bytes(), Some((trailer, 0))));
        }
    }
}
