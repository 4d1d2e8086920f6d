//! What the results of an attempt come to.

use serde::{Deserialize, Serialize};

/// The statuses that have a rank, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The executor could not find out.
    Infra,
    /// The test itself went wrong.
    Error,
    /// The tested thing failed.
    Fail,
    /// It passed, with something to look at.
    Warn,
    /// It passed.
    Pass,
    /// Neither good nor bad.
    Info,
    /// Not run.
    Skip,
}

impl Status {
    /// All of them, worst first.
    pub const ALL: [Status; 7] =
        [Status::Infra, Status::Error, Status::Fail, Status::Warn, Status::Pass, Status::Info, Status::Skip];

    /// The word that results carry.
    pub fn word(self) -> &'static str {
        match self {
            Status::Infra => "infra",
            Status::Error => "error",
            Status::Fail => "fail",
            Status::Warn => "warn",
            Status::Pass => "pass",
            Status::Info => "info",
            Status::Skip => "skip",
        }
    }

    /// The status of this word, if it is one of the seven.
    pub fn from_word(word: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// Counts by status, and the worst status of the test itself.
///
/// Its size does not depend on what the test sends: statuses of its own invention and missing
/// ones are counted together, as `other`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    counts: [u64; 7],
    other: u64,
    worst: Option<Status>,
}

impl Tally {
    /// Counts one stored result; one without a subtest name also counts for the outcome.
    pub fn add(&mut self, subtest: Option<&str>, status: Option<&str>) {
        let known = status.and_then(Status::from_word);
        match known {
            Some(status) => self.counts[status as usize] += 1,
            None => self.other += 1,
        }
        if subtest.is_none() {
            let rank = known.unwrap_or(Status::Info);
            self.worst = Some(self.worst.map_or(rank, |worst| worst.min(rank)));
        }
    }

    /// The worst status among the results without a subtest name; a missing status, and one that
    /// has no rank of its own, ranks as `info`. `None` if there is no such result.
    pub fn outcome(&self) -> Option<Status> {
        self.worst
    }

    /// How many results have each status, worst first, those with none left out.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let known = Status::ALL.into_iter().map(|status| (status.word(), self.counts[status as usize]));
        known.chain([("other", self.other)]).filter(|(_, count)| *count > 0)
    }

    /// How many results there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.other
    }
}

#[cfg(test)]
mod tests {
    use super::{Status, Tally};

    fn tally(results: &[(Option<&str>, Option<&str>)]) -> Tally {
        let mut tally = Tally::default();
        for (subtest, status) in results {
            tally.add(*subtest, *status);
        }
        tally
    }

    #[test]
    fn outcome_is_the_worst_status_of_the_test_itself() {
        let order = ["infra", "error", "fail", "warn", "pass", "info", "skip"];
        for (rank, worse) in order.iter().enumerate() {
            for better in &order[rank..] {
                for pair in [[worse, better], [better, worse]] {
                    let outcome = tally(&pair.map(|word| (None, Some(*word)))).outcome();
                    assert_eq!(outcome.map(Status::word), Some(*worse), "{pair:?}");
                }
            }
        }
        assert_eq!(tally(&[]).outcome(), None);
        assert_eq!(tally(&[(Some("sub"), Some("fail"))]).outcome(), None);
        assert_eq!(tally(&[(Some("sub"), Some("fail")), (None, Some("pass"))]).outcome(), Some(Status::Pass));
        assert_eq!(tally(&[(Some(""), Some("fail")), (None, Some("pass"))]).outcome(), Some(Status::Pass));
        assert_eq!(tally(&[(None, Some("flaky")), (None, Some("skip"))]).outcome(), Some(Status::Info));
        assert_eq!(tally(&[(None, None), (None, Some("pass"))]).outcome(), Some(Status::Pass));
        assert_eq!(tally(&[(None, None)]).outcome(), Some(Status::Info));
    }

    #[test]
    fn counts_have_all_results_and_a_bounded_number_of_keys() {
        let tally = tally(&[
            (None, Some("pass")),
            (Some("a"), Some("fail")),
            (Some("b"), Some("pass")),
            (None, Some("PASS")),
            (None, Some("flaky")),
            (None, None),
        ]);
        assert_eq!(tally.counts().collect::<Vec<_>>(), [("fail", 1), ("pass", 2), ("other", 3)]);
        assert_eq!(tally.total(), 6);
    }
}
