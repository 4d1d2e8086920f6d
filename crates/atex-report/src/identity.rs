//! Names of tests as numbers of one size, so that millions of them can be remembered.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::LazyLock;

/// Stands for a test of a run, an attempt at it, or whatever else is made of texts and numbers.
///
/// It is two polynomials of what it stands for, each at a point of its own that is drawn by chance when the process
/// begins: whatever the names, two that differ and have N bytes are the same with a chance of at most (N / 2^61)^2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity(u64, u64);

/// The polynomials are taken modulo this prime: a remainder is quickly had, and words of seven bytes are smaller.
const PRIME: u64 = (1 << 61) - 1;

/// How many bytes of a text are taken at a time.
const WORD: usize = 7;

/// The points, which nobody can know who writes names.
static POINTS: LazyLock<[u64; 2]> = LazyLock::new(|| {
    let chance = RandomState::new();
    // Small ones would mix badly.
    [1, 2].map(|which| chance.hash_one(which) % (PRIME - (1 << 32)) + (1 << 32))
});

impl Identity {
    /// What all others are made of.
    pub const NOTHING: Identity = Identity(1, 1);

    /// A test of a run.
    pub fn of(run: &str, platform: &str, test: &str) -> Identity {
        Identity::NOTHING.text(run).text(platform).text(test)
    }

    /// With a text behind it.
    pub fn text(self, text: &str) -> Identity {
        let points = &*POINTS;
        // With its length in front, no two rows of texts have the same words.
        let mut identity = self.word(text.len() as u64, points);
        let (words, rest) = text.as_bytes().as_chunks::<WORD>();
        for [a, b, c, d, e, f, g] in words {
            identity = identity.word(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, 0]), points);
        }
        if !rest.is_empty() {
            let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            identity = identity.word(last, points);
        }
        identity.reduced()
    }

    /// With a number behind it.
    pub fn number(self, number: u64) -> Identity {
        let points = &*POINTS;
        self.word(number & u64::from(u32::MAX), points).word(number >> 32, points).reduced()
    }

    /// In the order of numbers.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.0) << 64 | u128::from(self.1)).to_be_bytes()
    }

    fn word(self, word: u64, [a, b]: &[u64; 2]) -> Identity {
        Identity(step(self.0, word, *a), step(self.1, word, *b))
    }

    fn reduced(self) -> Identity {
        Identity(reduced(self.0), reduced(self.1))
    }
}

/// A number that leaves the same remainder as the polynomial with one more word, and is at most 2^61 + 1 if `before` is.
fn step(before: u64, word: u64, point: u64) -> u64 {
    let product = u128::from(before + word) * u128::from(point);
    // 2^61 leaves 1. The sum is less than 2^61 + 2^62.
    reduced_once((product as u64 & PRIME) + (product >> 61) as u64)
}

fn reduced_once(number: u64) -> u64 {
    (number & PRIME) + (number >> 61)
}

fn reduced(number: u64) -> u64 {
    let number = reduced_once(number);
    if number >= PRIME { number - PRIME } else { number }
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, to: &mut H) {
        // Its numbers have 61 bits, and tables look at the highest ones too.
        to.write_u64(self.0 ^ self.1 << 3);
    }
}

/// Identities are as good as hashes.
#[derive(Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What is known by identity.
pub(crate) type IdentityMap<V> = HashMap<Identity, V, BuildHasherDefault<AsItIs>>;

/// Identities that are known.
pub(crate) type IdentitySet = HashSet<Identity, BuildHasherDefault<AsItIs>>;

/// Makes identities of tests, and remembers the last one: neighbours in a stream most often are of one test, and nearly
/// always of one run.
#[derive(Debug)]
pub(crate) struct Lately {
    run: String,
    platform: String,
    test: String,
    of_run: Identity,
    of_test: Identity,
}

impl Default for Lately {
    fn default() -> Lately {
        let [run, platform, test] = [const { String::new() }; 3];
        let of_run = Identity::NOTHING.text(&run);
        let of_test = of_run.text(&platform).text(&test);
        Lately { run, platform, test, of_run, of_test }
    }
}

impl Lately {
    pub fn identity(&mut self, run: &str, platform: &str, test: &str) -> Identity {
        let of_run = self.run == run;
        if of_run && self.test == test && self.platform == platform {
            return self.of_test;
        }
        if !of_run {
            replace(&mut self.run, run);
            self.of_run = Identity::NOTHING.text(run);
        }
        replace(&mut self.platform, platform);
        replace(&mut self.test, test);
        self.of_test = self.of_run.text(platform).text(test);
        self.of_test
    }
}

/// Puts a text in the place of another, with no more room than it needs if that had far more.
fn replace(to: &mut String, text: &str) {
    to.clear();
    to.shrink_to(4 << 10);
    to.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_differs() {
        let all = [
            Identity::NOTHING,
            Identity::NOTHING.text(""),
            Identity::NOTHING.text("").text(""),
            Identity::NOTHING.text("\0"),
            Identity::NOTHING.text("\0\0"),
            Identity::NOTHING.text("1234567"),
            Identity::NOTHING.text("1234567\0"),
            Identity::NOTHING.text("123456").text("7"),
            Identity::NOTHING.text("1234567").number(0),
            Identity::NOTHING.text("1234567").number(1),
            Identity::NOTHING.text("1234567").number(1 << 32),
            Identity::NOTHING.text("1234567").number(u64::MAX),
            Identity::of("a", "b", "c"),
            Identity::of("b", "a", "c"),
        ];
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_polynomial_is_what_slow_arithmetic_says() {
        let value = |words: &[u64], point: u64| {
            let prime = u128::from(PRIME);
            words.iter().fold(1, |sum, word| (sum + u128::from(*word)) * u128::from(point) % prime)
        };
        let words = [
            9,
            u64::from_le_bytes(*b"\xff\xff\xff\xff\xff\xff\xff\0"),
            u64::from_le_bytes(*b"\xfe\xff\0\0\0\0\0\0"),
        ];
        // Not UTF-8, which only makes its words larger than any.
        let most = [PRIME - 1, PRIME - 2, (1 << 56) - 1];
        for point in [POINTS[0], POINTS[1], PRIME - 1, 1 << 32] {
            for words in [words, most] {
                let found = words.iter().fold(1, |sum, word| step(sum, *word, point));
                assert_eq!(u128::from(reduced(found)), value(&words, point));
            }
        }
        let text = Identity::NOTHING.text("abcdefghi");
        let words = [9, u64::from_le_bytes(*b"abcdefg\0"), u64::from_le_bytes(*b"hi\0\0\0\0\0\0")];
        assert_eq!(u128::from(text.0), value(&words, POINTS[0]));
        assert_eq!(u128::from(text.1), value(&words, POINTS[1]));
    }

    proptest! {
        #[test]
        fn what_is_remembered_changes_nothing(names in prop::collection::vec(("[ab]{0,2}", "[ab]{0,2}", "[ab]{0,9}"), 0..50)) {
            let mut lately = Lately::default();
            for (run, platform, test) in &names {
                prop_assert_eq!(lately.identity(run, platform, test), Identity::of(run, platform, test));
            }
        }
    }
}
