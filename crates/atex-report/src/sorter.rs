//! Sorts more than fits into memory: keys and what belongs to them, as bytes.
//!
//! What is sorted already goes straight to one file and is read back from it: then hardly any memory is used at all.
//! Otherwise sorted pieces go to files and are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use crate::stop::Stop;

/// How much is held before it is sorted and written.
const HELD: usize = 16 << 20;

/// How many files are merged at a time; each has a buffer of [`BUFFER`].
const MERGED: usize = 64;
const BUFFER: usize = 64 << 10;

/// Takes pairs of key and value in any order.
#[derive(Debug, Default)]
pub(crate) struct Sorter {
    /// Keys and values, one behind another.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    runs: Vec<File>,
    /// The file that goes on as long as nothing comes that belongs before its end: its last key.
    tail: Option<(BufWriter<File>, Vec<u8>)>,
}

/// Where a pair stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// What its key begins with: most comparisons need no more, and nothing from elsewhere in memory.
    start: u64,
    at: usize,
    key: usize,
    end: usize,
}

impl Entry {
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.at..self.key]
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.key..self.end]
    }
}

/// The first bytes of a key, which are ordered as keys are.
fn start_of(key: &[u8]) -> u64 {
    let mut start = [0; 8];
    let len = key.len().min(start.len());
    start[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(start)
}

impl Sorter {
    /// Adds a pair. Equal keys stay in the order in which they came.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        let end = self.bytes.len();
        self.entries.push(Entry { start: start_of(key), at, key: at + key.len(), end });
        if self.bytes.len() + self.entries.len() * size_of::<Entry>() > HELD {
            self.spill().map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.entries.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| a.key(bytes).cmp(b.key(bytes))));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let first = self.entries.first().map(|entry| entry.key(&self.bytes));
        let goes_on = self.tail.as_ref().is_some_and(|(_, last)| Some(last.as_slice()) <= first);
        if !goes_on {
            self.end_tail()?;
            self.tail = Some((BufWriter::with_capacity(BUFFER, tempfile::tempfile()?), Vec::new()));
        }
        let Some((to, last)) = &mut self.tail else { return Ok(()) };
        for entry in &self.entries {
            write_pair(to, entry.key(&self.bytes), entry.value(&self.bytes))?;
        }
        if let Some(entry) = self.entries.last() {
            last.clear();
            last.extend_from_slice(entry.key(&self.bytes));
        }
        self.entries.clear();
        self.bytes.clear();
        Ok(())
    }

    fn end_tail(&mut self) -> io::Result<()> {
        if let Some((to, _)) = self.tail.take() {
            self.runs.push(rewound(to)?);
        }
        Ok(())
    }

    /// All pairs in order.
    ///
    /// # Errors
    /// A temporary file cannot be written or read.
    pub fn finish(mut self) -> Result<Sorted, Stop> {
        self.merged().map_err(|e| failed(&e))
    }

    fn merged(&mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() && self.tail.is_none() {
            self.sort();
            let (bytes, entries) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.entries));
            return Ok(Sorted::Held { bytes, entries: entries.into_iter() });
        }
        if !self.entries.is_empty() {
            self.spill()?;
        }
        self.end_tail()?;
        while self.runs.len() > MERGED {
            let rest = self.runs.split_off(MERGED);
            let mut merge = Merge::new(std::mem::replace(&mut self.runs, rest))?;
            let mut to = BufWriter::with_capacity(BUFFER, tempfile::tempfile()?);
            let mut pair = Pair::default();
            while merge.next(&mut pair)? {
                write_pair(&mut to, &pair.0, &pair.1)?;
            }
            self.runs.insert(0, rewound(to)?);
        }
        Ok(Sorted::Merged(Merge::new(std::mem::take(&mut self.runs))?))
    }
}

fn rewound(to: BufWriter<File>) -> io::Result<File> {
    let mut file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

fn write_pair(to: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    // Lines are shorter than 64 MiB.
    to.write_all(&(key.len() as u32).to_le_bytes())?;
    to.write_all(&(value.len() as u32).to_le_bytes())?;
    to.write_all(key)?;
    to.write_all(value)
}

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Pairs in order.
pub(crate) enum Sorted {
    Held { bytes: Vec<u8>, entries: std::vec::IntoIter<Entry> },
    Merged(Merge),
}

impl Sorted {
    /// Reads the next pair into the place of another. `false`: there is none.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn next(&mut self, pair: &mut Pair) -> Result<bool, Stop> {
        match self {
            Sorted::Held { bytes, entries } => {
                let Some(entry) = entries.next() else { return Ok(false) };
                pair.0.clear();
                pair.0.extend_from_slice(entry.key(bytes));
                pair.1.clear();
                pair.1.extend_from_slice(entry.value(bytes));
                Ok(true)
            }
            Sorted::Merged(merge) => merge.next(pair).map_err(|e| failed(&e)),
        }
    }
}

/// Several files, each in order, as one.
pub(crate) struct Merge {
    runs: Vec<BufReader<File>>,
    /// The first pair of each.
    heads: BinaryHeap<Reverse<Head>>,
}

/// The first pair of a file, and which file that is: what is equal comes in the order of the files.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    start: u64,
    key: Vec<u8>,
    run: usize,
    value: Vec<u8>,
}

impl Merge {
    fn new(files: Vec<File>) -> io::Result<Merge> {
        let runs = files.into_iter().map(|file| BufReader::with_capacity(BUFFER, file)).collect();
        let mut merge = Merge { runs, heads: BinaryHeap::new() };
        for (index, run) in merge.runs.iter_mut().enumerate() {
            let mut pair = Pair::default();
            if read_pair(run, &mut pair)? {
                let (key, value) = pair;
                merge.heads.push(Reverse(Head { start: start_of(&key), key, run: index, value }));
            }
        }
        Ok(merge)
    }

    /// The pair goes to the caller, and the room of the one that the caller had takes the next of the same file.
    fn next(&mut self, pair: &mut Pair) -> io::Result<bool> {
        let Some(mut first) = self.heads.peek_mut() else { return Ok(false) };
        let Reverse(head) = &mut *first;
        std::mem::swap(&mut head.key, &mut pair.0);
        std::mem::swap(&mut head.value, &mut pair.1);
        let mut next = (std::mem::take(&mut head.key), std::mem::take(&mut head.value));
        if !read_pair(&mut self.runs[head.run], &mut next)? {
            PeekMut::pop(first);
            return Ok(true);
        }
        (head.key, head.value) = next;
        head.start = start_of(&head.key);
        Ok(true)
    }
}

/// `false`: the file has no more.
fn read_pair(run: &mut BufReader<File>, (key, value): &mut Pair) -> io::Result<bool> {
    let mut lengths = [0; 8];
    match run.read_exact(&mut lengths) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        done => done?,
    }
    let length =
        |at: usize| u32::from_le_bytes([lengths[at], lengths[at + 1], lengths[at + 2], lengths[at + 3]]);
    for (to, len) in [(key, length(0)), (value, length(4))] {
        to.resize(len as usize, 0);
        run.read_exact(to)?;
    }
    Ok(true)
}

/// Appends a part of a key, so that keys are ordered part by part, whatever stands in them.
pub(crate) fn key_text(key: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend_from_slice(&[0, 0]);
}

/// Reads a part of a key back; what stands behind it.
pub(crate) fn text_of_key(key: &[u8]) -> (String, &[u8]) {
    let mut text = Vec::new();
    let mut at = 0;
    while at + 1 < key.len() {
        if key[at] == 0 {
            if key[at + 1] == 0 {
                at += 2;
                break;
            }
            text.push(0);
            at += 2;
        } else {
            text.push(key[at]);
            at += 1;
        }
    }
    (String::from_utf8_lossy(&text).into_owned(), &key[at.min(key.len())..])
}

fn failed(e: &io::Error) -> Stop {
    let reason = atex_cli::input::reason(e);
    Stop::trouble(format!("{}: {reason}; it holds what is being sorted", std::env::temp_dir().display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> (Vec<Pair>, usize) {
        let mut sorter = Sorter::default();
        pairs.for_each(|(key, value)| sorter.push(&key, &value).unwrap());
        let mut sorted = sorter.finish().unwrap();
        let runs = if let Sorted::Merged(merge) = &sorted { merge.runs.len() } else { 0 };
        let (mut all, mut pair) = (Vec::new(), Pair::default());
        while sorted.next(&mut pair).unwrap() {
            all.push(std::mem::take(&mut pair));
        }
        (all, runs)
    }

    fn pair(n: u32) -> Pair {
        (n.to_be_bytes().to_vec(), vec![b'v'; 200])
    }

    #[test]
    fn more_than_fits_is_sorted() {
        let shuffled = (0..200_000u32).map(|n| n.wrapping_mul(2_654_435_761));
        let mut expected: Vec<Pair> = shuffled.clone().map(pair).collect();
        expected.sort();
        let (all, runs) = sorted(shuffled.map(pair));
        assert!(all == expected && runs > 1, "{runs}");
    }

    #[test]
    fn what_is_sorted_already_is_one_file() {
        let (all, runs) = sorted((0..200_000).map(pair));
        assert_eq!((all.len(), runs), (200_000, 1));
    }

    #[test]
    fn equal_keys_keep_their_order() {
        let (all, _) = sorted((0..300_000u32).map(|n| (vec![(n % 2) as u8], n.to_be_bytes().repeat(20))));
        assert!(all.is_sorted());
    }

    proptest! {
        #[test]
        fn keys_are_ordered_as_their_parts(a in any::<(String, String)>(), b in any::<(String, String)>()) {
            let key = |(x, y): &(String, String)| {
                let mut key = Vec::new();
                key_text(&mut key, x);
                key_text(&mut key, y);
                key
            };
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
            let bytes = key(&a);
            let (x, rest) = text_of_key(&bytes);
            let (y, rest) = text_of_key(rest);
            prop_assert_eq!((x, y, rest.len()), (a.0, a.1, 0));
        }
    }
}
