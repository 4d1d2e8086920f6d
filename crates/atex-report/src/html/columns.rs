//! The columns of a chunk: numbers in planes of bytes, and words that are written once.
//!
//! Columns of like things deflate to a fraction of what rows do, and a browser turns them into typed arrays without
//! looking at each value. `page/chunks.js` reads what is written here.

use std::hash::{BuildHasher as _, RandomState};

/// How the numbers of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As they are.
    Plain,
    /// Each as its difference to the one before: for numbers that rise, or that come in the order in which words
    /// were first seen.
    Differences,
}

/// Appends a column of numbers: a byte for the coding, one for how many bytes a number takes, then the lowest bytes
/// of all numbers, the next ones, and so on. The higher planes are mostly zeros, which deflate to nothing.
pub(super) fn put_numbers(to: &mut Vec<u8>, numbers: &[u32], coding: Coding) {
    let coded: Vec<u32> = match coding {
        Coding::Plain => numbers.to_vec(),
        Coding::Differences => differences(numbers),
    };
    let all = coded.iter().fold(0, |all, number| all | number);
    let width = 4 - all.leading_zeros() / 8;
    let length = 2 + coded.len() * width as usize;
    put_length(to, length);
    to.push(match coding {
        Coding::Plain => 0,
        Coding::Differences => 1,
    });
    to.push(width as u8);
    for plane in 0..width {
        to.extend(coded.iter().map(|number| (number >> (8 * plane)) as u8));
    }
}

/// Each number's difference to the one before, the sign in its lowest bit, so that small ones have small bytes.
fn differences(numbers: &[u32]) -> Vec<u32> {
    let mut before = 0_u32;
    let difference = |number: &u32| {
        let step = number.wrapping_sub(before).cast_signed();
        before = *number;
        ((step << 1) ^ (step >> 31)).cast_unsigned()
    };
    numbers.iter().map(difference).collect()
}

/// Appends bytes after their length.
pub(super) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_length(to, bytes.len());
    to.extend_from_slice(bytes);
}

fn put_length(to: &mut Vec<u8>, length: usize) {
    // A chunk is cut long before it has 4 GiB.
    to.extend_from_slice(&(length as u32).to_le_bytes());
}

/// The words of one column, by number in the order in which they were first seen. Number 0 is "none".
///
/// A chunk may have as many words as rows. So they stand in one text, and are found by a table of numbers: nothing is
/// allocated for a word.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// All of them, each after a NUL.
    text: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
    /// Numbers, each at the first free place from where its word's hash points to; 0 is free. At least half are.
    table: Vec<u32>,
    // Keyed by chance, so that no words can be made to point to one place.
    hasher: RandomState,
    /// The last one that was asked for: neighbours often are alike.
    last: u32,
}

/// How many places a table has at first.
const PLACES: usize = 64;

impl Words {
    /// The number of a word.
    pub(super) fn number(&mut self, word: &str) -> u32 {
        if self.last != 0 && self.word(self.last) == word.as_bytes() {
            return self.last;
        }
        // NUL stands between words; the page would show its picture anyway.
        self.last = match memchr::memchr(0, word.as_bytes()) {
            Some(_) => self.find(word.replace('\0', "\u{2400}").as_bytes()),
            None => self.find(word.as_bytes()),
        };
        self.last
    }

    /// The number of a word, if there is one.
    pub(super) fn maybe(&mut self, word: Option<&str>) -> u32 {
        word.map_or(0, |word| self.number(word))
    }

    /// Whether a number is that of a word.
    pub(super) fn is(&self, number: u32, word: &str) -> bool {
        number != 0 && self.word(number) == word.as_bytes()
    }

    fn word(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let end = self.starts.get(number).map_or(self.text.len(), |next| next - 1);
        &self.text[self.starts[number - 1]..end]
    }

    fn find(&mut self, word: &[u8]) -> u32 {
        if self.table.len() < 2 * (self.starts.len() + 1) {
            self.grow();
        }
        let place = self.place(word);
        if self.table[place] == 0 {
            self.text.push(0);
            self.starts.push(self.text.len());
            self.text.extend_from_slice(word);
            self.table[place] = self.starts.len() as u32;
        }
        self.table[place]
    }

    /// Where the number of a word stands, or would.
    fn place(&self, word: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut place = self.hasher.hash_one(word) as usize & mask;
        while self.table[place] != 0 && self.word(self.table[place]) != word {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let places = (2 * self.table.len()).max(PLACES);
        self.table.clear();
        self.table.resize(places, 0);
        for number in 1..=self.starts.len() as u32 {
            let place = self.place(self.word(number));
            self.table[place] = number;
        }
    }

    /// How many bytes they take.
    pub(super) fn size(&self) -> usize {
        self.text.len()
    }

    /// Appends them and forgets them.
    pub(super) fn put(&mut self, to: &mut Vec<u8>) {
        put_bytes(to, &self.text);
        self.text.clear();
        self.starts.clear();
        self.table.fill(0);
        self.last = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser reads.
    fn numbers(bytes: &[u8]) -> Vec<u32> {
        let (length, bytes) = bytes.split_at(4);
        assert_eq!(u32::from_le_bytes(length.try_into().unwrap()) as usize, bytes.len());
        let (coding, width, planes) = (bytes[0], bytes[1] as usize, &bytes[2..]);
        let count = planes.len().checked_div(width).unwrap_or(0);
        let coded =
            (0..count).map(|i| (0..width).fold(0, |n, p| n | u32::from(planes[p * count + i]) << (8 * p)));
        let mut before = 0_u32;
        let decode = |number: u32| {
            if coding == 1 {
                before = before.wrapping_add((number >> 1) ^ (number & 1).wrapping_neg());
                return before;
            }
            number
        };
        coded.map(decode).collect()
    }

    #[test]
    fn numbers_come_back() {
        for column in [
            &[1, 2, 3, 4][..],
            &[5, 0, 70_000, u32::MAX, 0, 1 << 31, (1 << 31) - 1],
            &[300, 299, 298],
            &[u32::MAX],
        ] {
            for coding in [Coding::Plain, Coding::Differences] {
                let mut bytes = Vec::new();
                put_numbers(&mut bytes, column, coding);
                assert_eq!(numbers(&bytes), column, "{coding:?}");
            }
        }
    }

    #[test]
    fn a_column_of_zeros_takes_no_bytes() {
        let mut bytes = Vec::new();
        put_numbers(&mut bytes, &[0; 1000], Coding::Plain);
        assert_eq!(bytes, [2, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn words_are_written_once_and_nul_is_no_part_of_them() {
        let mut words = Words::default();
        let found: Vec<u32> =
            ["a", "b", "a", "", "b", "x\0y", ""].iter().map(|word| words.number(word)).collect();
        assert_eq!(found, [1, 2, 1, 3, 2, 4, 3]);
        assert_eq!((words.maybe(None), words.maybe(Some("b"))), (0, 2));
        let mut bytes = Vec::new();
        words.put(&mut bytes);
        assert_eq!(&bytes[4..], "\0a\0b\0\0x\u{2400}y".as_bytes());
        assert_eq!((words.size(), words.number("new")), (0, 1));
    }
}
