//! Which positions were seen: what it takes to drop repeats without remembering every result.

use std::collections::BTreeMap;

/// A set of positions, counted from 1.
///
/// While positions come in order, it is one number. Those beyond a gap (in a stream that was filtered, or that
/// is shuffled and not yet complete) are kept as bits, 64 neighbours to an entry of the map, which is some 24
/// bytes; entries are given back when the gap closes.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// All positions below this one were seen.
    below: u64,
    /// Of 64 positions each, those seen; only words that are not wholly below.
    beyond: BTreeMap<u64, u64>,
}

const WORD: u64 = 64;

impl Seen {
    /// Adds a position. `false`: it was there.
    pub(crate) fn insert(&mut self, position: u64) -> bool {
        // Counted from 0 inside. A position of 0, which nobody writes, is told apart as the last of all.
        let position = position.wrapping_sub(1);
        if position < self.below {
            return false;
        }
        if position == self.below && self.beyond.is_empty() {
            self.below += 1;
            return true;
        }
        let word = self.beyond.entry(position / WORD).or_default();
        let bit = 1 << (position % WORD);
        let new = *word & bit == 0;
        *word |= bit;
        self.close_gap();
        new
    }

    /// Moves `below` up over what is in the map.
    fn close_gap(&mut self) {
        while let Some(entry) = self.beyond.first_entry() {
            let from = entry.key() * WORD;
            if from > self.below {
                return;
            }
            // The positions below `below` were seen, whether or not their bits are set.
            let known = (1u64 << (self.below - from)) - 1;
            let run = u64::from((entry.get() | known).trailing_ones());
            self.below = self.below.max(from.saturating_add(run));
            let left = (entry.get() | known).checked_shr(run as u32).unwrap_or(0);
            if left != 0 {
                return;
            }
            entry.remove();
            if run < WORD {
                return;
            }
        }
    }

    #[cfg(test)]
    fn entries(&self) -> usize {
        self.beyond.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn positions_in_order_take_one_number() {
        let mut seen = Seen::default();
        for n in 1..=1000 {
            assert!(seen.insert(n));
            assert!(!seen.insert(n));
            assert_eq!(seen.entries(), 0);
        }
    }

    #[test]
    fn a_gap_that_closes_gives_its_memory_back() {
        let mut seen = Seen::default();
        for n in (1..=10_000).rev() {
            assert!(seen.insert(n));
        }
        assert_eq!((seen.below, seen.entries()), (10_000, 0));
        assert!(!seen.insert(5_000));
    }

    #[test]
    fn a_tenth_of_the_results_takes_an_entry_for_64_positions() {
        let mut seen = Seen::default();
        for n in (10..=64_000).step_by(10) {
            assert!(seen.insert(n));
        }
        assert!(seen.entries() <= 1_000);
    }

    #[test]
    fn the_ends_of_the_range() {
        let mut seen = Seen::default();
        for n in [u64::MAX, 0, u64::MAX - 1, 1] {
            assert!(seen.insert(n), "{n}");
            assert!(!seen.insert(n), "{n}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_set(positions in proptest::collection::vec(0u64..300, 0..600)) {
            let (mut seen, mut model) = (Seen::default(), HashSet::new());
            for n in positions {
                prop_assert_eq!(seen.insert(n), model.insert(n));
            }
        }
    }
}
