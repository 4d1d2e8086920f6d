//! Which positions were seen: what it takes to drop repeats without remembering every result.

use std::collections::BTreeMap;

/// A set of positions, counted from 1.
///
/// While positions come in order, it is one number. Those beyond a gap (in a stream that was filtered, or that
/// is shuffled and not yet complete) are kept as bits, 64 neighbours to an entry of the map, which is some 24
/// bytes; entries are given back when the gap closes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    /// All positions below this one were seen.
    pub(super) below: u64,
    /// Of 64 positions each, those seen; only words that are not wholly below.
    pub(super) beyond: BTreeMap<u64, u64>,
}

/// How one set lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlap {
    /// They have nothing in common.
    None,
    /// The other one is a part of it, or is the same.
    Within,
    /// It is a part of the other one.
    Around,
    /// Each has something that the other has not.
    Partly,
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

    /// How the other set lies to this one.
    pub(super) fn overlap(&self, other: &Seen) -> Overlap {
        let common = match self.below <= other.below {
            true => self.common(other),
            false => other.common(self),
        };
        match common {
            _ if common == other.len() => Overlap::Within,
            _ if common == self.len() => Overlap::Around,
            0 => Overlap::None,
            _ => Overlap::Partly,
        }
    }

    /// Adds the positions of another set.
    pub(super) fn join(&mut self, other: &Seen) {
        for (word, bits) in &other.beyond {
            *self.beyond.entry(*word).or_default() |= bits;
        }
        self.below = self.below.max(other.below);
        let below = self.below;
        self.beyond.retain(|word, bits| *bits & !of_word(*word, below) != 0);
        self.close_gap();
    }

    fn len(&self) -> u64 {
        let beyond = self.beyond.iter().map(|(word, bits)| bits & !of_word(*word, self.below));
        self.below + beyond.map(|bits| u64::from(bits.count_ones())).sum::<u64>()
    }

    /// How many positions are also in another set, of which as many or more were seen without a gap.
    fn common(&self, other: &Seen) -> u64 {
        let both = self.beyond.iter().map(|(word, bits)| {
            let others = of_word(*word, other.below) | other.beyond.get(word).copied().unwrap_or(0);
            u64::from((bits & others & !of_word(*word, self.below)).count_ones())
        });
        self.below + both.sum::<u64>()
    }

    #[cfg(test)]
    fn entries(&self) -> usize {
        self.beyond.len()
    }
}

/// The bits of a word that stand for positions below this one.
fn of_word(word: u64, below: u64) -> u64 {
    let from = word * WORD;
    match below.checked_sub(from) {
        None | Some(0) => 0,
        Some(count) if count >= WORD => u64::MAX,
        Some(count) => (1 << count) - 1,
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

        #[test]
        fn two_sets_are_joined_and_compared(a in proptest::collection::vec(0u64..200, 0..300),
                                            b in proptest::collection::vec(0u64..200, 0..300),
                                            runs in (0u64..150, 0u64..150)) {
            let (mut seen, mut models) = ([Seen::default(), Seen::default()], [HashSet::new(), HashSet::new()]);
            for (i, (positions, run)) in [(a, runs.0), (b, runs.1)].into_iter().enumerate() {
                for n in (1..=run).chain(positions) {
                    seen[i].insert(n);
                    models[i].insert(n);
                }
            }
            let [mut a, b] = seen;
            let [of_a, of_b] = models;
            prop_assert_eq!(a.len(), of_a.len() as u64);
            let expected = match () {
                () if of_b.is_subset(&of_a) => Overlap::Within,
                () if of_a.is_subset(&of_b) => Overlap::Around,
                () if of_a.is_disjoint(&of_b) => Overlap::None,
                () => Overlap::Partly,
            };
            prop_assert_eq!(a.overlap(&b), expected);
            a.join(&b);
            let both: HashSet<u64> = of_a.union(&of_b).copied().collect();
            prop_assert_eq!(a.len(), both.len() as u64);
            prop_assert!((0..200).all(|n| a.insert(n) != both.contains(&n)));
        }
    }
}
