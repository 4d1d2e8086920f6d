//! How many hosts are wanted, there and under way: what follows from what, without doing any of it.

use atex_model::Time;
use indexmap::IndexMap;

/// A host that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub token: String,
    pub until: Option<Time>,
}

/// What is to be done with a host that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    HandedOut,
    /// Nobody wants it any more.
    Unwanted,
    /// There is a host of this id, and another lease: nobody could say which of them is meant.
    Twice,
}

/// The state of a pool.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// How many were asked for, ready and under way.
    asked: u64,
    /// How many there can be.
    pub max: Option<u64>,
    /// The hosts that were handed out, by id.
    pub ready: IndexMap<String, Ready>,
    /// How many are being created.
    pub creating: u64,
    /// How many were not to be had since they were last asked for. They are not tried again unasked: when, and whether
    /// elsewhere, is for whoever asks to decide.
    failed: u64,
    /// Nothing is created any more.
    pub closed: bool,
}

impl Pool {
    /// Nothing is wanted yet.
    pub fn new(max: Option<u64>) -> Pool {
        Pool { max, ..Pool::default() }
    }

    /// So many are wanted now.
    pub fn want(&mut self, hosts: u64) {
        self.asked = hosts;
        self.failed = 0;
    }

    /// How many are wanted of those that there can be.
    fn wanted(&self) -> u64 {
        self.asked.min(self.max.unwrap_or(u64::MAX))
    }

    /// How many are to be begun now, if so many can be under way.
    pub fn begin(&mut self, under_way: u64) -> u64 {
        let missing = self.missing().min(under_way.saturating_sub(self.creating));
        self.creating += missing;
        missing
    }

    /// How many are under way, those included that have not been begun.
    pub fn pending(&self) -> u64 {
        self.creating.min(self.wanted().saturating_sub(self.ready.len() as u64)) + self.missing()
    }

    fn missing(&self) -> u64 {
        let there = self.ready.len() as u64 + self.creating + self.failed;
        if self.closed { 0 } else { self.wanted().saturating_sub(there) }
    }

    /// One has come into being.
    pub fn created(&mut self, id: &str, ready: Ready) -> Fate {
        self.creating = self.creating.saturating_sub(1);
        if self.closed || self.ready.len() as u64 >= self.wanted() {
            return Fate::Unwanted;
        }
        self.adopted(id, ready)
    }

    /// One that an earlier process had is ours now. The same lease may be adopted twice.
    pub fn adopted(&mut self, id: &str, ready: Ready) -> Fate {
        if self.ready.get(id).is_some_and(|there| there.token != ready.token) {
            return Fate::Twice;
        }
        self.ready.insert(id.to_owned(), ready);
        Fate::HandedOut
    }

    /// One did not come into being.
    pub fn failed(&mut self) {
        self.creating = self.creating.saturating_sub(1);
        self.failed += 1;
    }

    /// One that has come into being cannot be used.
    pub fn spoilt(&mut self) {
        self.failed += 1;
    }

    /// A host is not ours any more, or is about to be.
    pub fn leave(&mut self, id: &str) -> Option<Ready> {
        self.ready.shift_remove(id)
    }

    /// The hosts whose time is over.
    pub fn expired(&self, now: Time) -> Vec<String> {
        let over = self.ready.iter().filter(|(_, ready)| ready.until.is_some_and(|until| until <= now));
        over.map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(token: &str) -> Ready {
        Ready { token: token.to_owned(), until: None }
    }

    #[test]
    fn as_many_are_begun_as_are_missing() {
        let mut pool = Pool::new(Some(4));
        assert_eq!((pool.begin(9), pool.pending()), (0, 0));
        pool.want(3);
        assert_eq!((pool.begin(2), pool.pending()), (2, 3));
        assert_eq!(pool.begin(2), 0);
        assert_eq!(pool.created("a", ready("t1")), Fate::HandedOut);
        assert_eq!((pool.begin(2), pool.pending()), (1, 2));
        // More than there can be.
        pool.want(9);
        assert_eq!((pool.begin(9), pool.pending()), (1, 3));
        // There can be more now: they are wanted still.
        pool.max = Some(5);
        assert_eq!((pool.begin(9), pool.pending()), (1, 4));
    }

    #[test]
    fn what_failed_is_not_tried_again_unasked() {
        let mut pool = Pool::default();
        pool.want(2);
        assert_eq!(pool.begin(9), 2);
        pool.failed();
        assert_eq!((pool.begin(9), pool.pending()), (0, 1));
        pool.want(2);
        assert_eq!((pool.begin(9), pool.pending()), (1, 2));
    }

    #[test]
    fn what_is_not_wanted_any_more_is_not_handed_out() {
        let mut pool = Pool::default();
        pool.want(2);
        pool.begin(9);
        pool.want(1);
        assert_eq!(pool.pending(), 1);
        assert_eq!(pool.created("a", ready("t1")), Fate::HandedOut);
        assert_eq!(pool.created("b", ready("t2")), Fate::Unwanted);
        // One that leaves is replaced.
        assert_eq!(pool.leave("a"), Some(ready("t1")));
        assert_eq!(pool.leave("a"), None);
        assert_eq!(pool.begin(9), 1);
        pool.closed = true;
        assert_eq!(pool.created("c", ready("t3")), Fate::Unwanted);
        assert_eq!((pool.begin(9), pool.pending()), (0, 0));
    }

    #[test]
    fn an_id_is_of_one_host() {
        let mut pool = Pool::default();
        pool.want(3);
        pool.begin(9);
        assert_eq!(pool.created("a", ready("t1")), Fate::HandedOut);
        assert_eq!(pool.created("a", ready("t2")), Fate::Twice);
        assert_eq!(pool.adopted("a", ready("t3")), Fate::Twice);
        assert_eq!(pool.adopted("a", ready("t1")), Fate::HandedOut);
        assert_eq!(pool.ready.get("a"), Some(&ready("t1")));
    }

    #[test]
    fn time_ends_a_host() {
        let mut pool = Pool::default();
        pool.want(2);
        pool.begin(9);
        pool.created("a", Ready { token: "t".into(), until: Some(Time(10)) });
        pool.created("b", ready("u"));
        assert!(pool.expired(Time(9)).is_empty());
        assert_eq!(pool.expired(Time(10)), ["a"]);
    }
}
