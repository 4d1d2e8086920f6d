//! Word of results while their test runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long the results of an attempt are by now.
///
/// However fast they come, never more than one word of them is on its way: whoever gets it takes the length as
/// it is then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(Arc<State>);

#[derive(Debug, Default)]
struct State {
    length: AtomicU64,
    is_on_its_way: AtomicBool,
}

impl Live {
    /// There are results up to this length; returns the word to send, unless one is on its way.
    pub fn grown_to(&self, length: u64) -> Option<Live> {
        if self.0.length.swap(length, Ordering::SeqCst) == length {
            return None;
        }
        let is_on_its_way = self.0.is_on_its_way.swap(true, Ordering::SeqCst);
        (!is_on_its_way).then(|| self.clone())
    }

    /// The word has come: how long they are. Results from now on need another one.
    pub fn take(&self) -> u64 {
        self.0.is_on_its_way.store(false, Ordering::SeqCst);
        self.0.length.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_at_a_time() {
        let live = Live::default();
        assert!(live.grown_to(0).is_none(), "nothing to say");
        let word = live.grown_to(10).unwrap();
        assert!(live.grown_to(20).is_none(), "one is on its way");
        assert_eq!(word.take(), 20);
        assert!(live.grown_to(20).is_none());
        assert_eq!(live.grown_to(30).unwrap().take(), 30);
    }
}
