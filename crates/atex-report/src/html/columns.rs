//! The columns of a chunk: numbers in planes of bytes, and words that are written once.
//!
//! Columns of like things deflate to a fraction of what rows do, and a browser turns them into typed arrays without
//! looking at each value. `page/chunks.js` reads what is written here.

use std::collections::HashMap;

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
#[derive(Debug, Default)]
pub(super) struct Words {
    numbers: HashMap<Box<str>, u32>,
    /// All of them, each after a NUL.
    text: Vec<u8>,
    /// The last one that was asked for: neighbours often are alike.
    last: Option<(Box<str>, u32)>,
}

impl Words {
    /// The number of a word.
    pub(super) fn number(&mut self, word: &str) -> u32 {
        if let Some((last, number)) = &self.last
            && **last == *word
        {
            return *number;
        }
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = self.numbers.len() as u32 + 1;
        self.text.push(0);
        // NUL stands between words; the page would show its picture anyway.
        match word.contains('\0') {
            true => self.text.extend_from_slice(word.replace('\0', "\u{2400}").as_bytes()),
            false => self.text.extend_from_slice(word.as_bytes()),
        }
        let kept: Box<str> = word.into();
        self.numbers.insert(kept.clone(), number);
        self.last = Some((kept, number));
        number
    }

    /// The number of a word, if there is one.
    pub(super) fn maybe(&mut self, word: Option<&str>) -> u32 {
        word.map_or(0, |word| self.number(word))
    }

    /// How many bytes they take.
    pub(super) fn size(&self) -> usize {
        self.text.len()
    }

    /// Appends them and forgets them.
    pub(super) fn put(&mut self, to: &mut Vec<u8>) {
        put_bytes(to, &self.text);
        self.numbers.clear();
        self.text.clear();
        self.last = None;
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
