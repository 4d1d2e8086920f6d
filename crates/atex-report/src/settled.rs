//! Which tests are settled, so that what comes late of them opens nothing: streams are put together, shuffled, and say
//! their last lines again after a crash (records.md, 1.2 and 1.9).

use crate::identity::{Identity, IdentitySet};

/// How many tests are remembered at least, some 30 bytes each. `sort` brings together what is further apart.
const REMEMBERED: usize = 100_000;

/// The tests that were settled last.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    recent: IdentitySet,
    before: IdentitySet,
}

impl Settled {
    pub fn insert(&mut self, test: Identity) {
        if self.recent.len() >= REMEMBERED {
            std::mem::swap(&mut self.recent, &mut self.before);
            self.recent.clear();
        }
        self.recent.insert(test);
    }

    pub fn contains(&self, test: Identity) -> bool {
        self.recent.contains(&test) || self.before.contains(&test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_remembered_and_not_more_than_twice_as_many() {
        let mut settled = Settled::default();
        let of = |n: usize| Identity::NOTHING.number(n as u64);
        for n in 0..2 * REMEMBERED + 1 {
            settled.insert(of(n));
        }
        assert!(settled.contains(of(2 * REMEMBERED)) && settled.contains(of(REMEMBERED + 1)));
        assert!(!settled.contains(of(0)));
        assert!(settled.recent.len() + settled.before.len() <= 2 * REMEMBERED);
    }
}
