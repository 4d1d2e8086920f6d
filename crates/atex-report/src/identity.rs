//! Names of tests as numbers of one size, so that millions of them can be remembered.

use std::hash::{BuildHasher, Hash, RandomState};

/// Stands for a test of a run, or an attempt at it. Different ones are the same with a chance that nobody meets: 128 bits
/// of a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity(u64, u64);

/// Makes identities; those of different makers have nothing to do with each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identities {
    // Keyed by chance, so that no name can be made to meet another's.
    hashers: (RandomState, RandomState),
}

impl Identities {
    pub fn of(&self, run: &str, platform: &str, test: &str) -> Identity {
        self.hash((run, platform, test))
    }

    pub fn hash(&self, what: impl Hash) -> Identity {
        Identity(self.hashers.0.hash_one(&what), self.hashers.1.hash_one(&what))
    }
}
