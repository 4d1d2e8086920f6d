//! What has been tried of a test, and whether it is tried again.

use serde::{Deserialize, Serialize};

use crate::{AttemptEnd, Ended, HostId, Options, Outcome, RerunOn, Settled};

/// How often an attempt that ended by our own fault is repeated.
const OWN_RETRIES: u32 = 2;

/// What is remembered of a test that has had an attempt which was not its last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Tried {
    /// How many have ended.
    pub attempts: u32,
    /// Of these, by the test's doing.
    pub by_test: u32,
    /// By the host's doing.
    pub by_host: u32,
    /// By our own doing.
    pub by_us: u32,
    /// The first host that has failed under it.
    pub killed: Option<HostId>,
    /// Two different hosts have failed under it.
    pub kills_hosts: bool,
    /// The hosts on which it has failed, by its own or the host's doing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_on: Vec<HostId>,
}

impl Tried {
    /// Nothing has been tried.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Tried::default()
    }

    /// Takes note of the end of an attempt on a host.
    pub fn count(&mut self, end: Ended, host: HostId) {
        self.attempts += 1;
        match end {
            Ended::ByTest => self.by_test += 1,
            Ended::ByHost => {
                self.by_host += 1;
                let first = *self.killed.get_or_insert(host);
                self.kills_hosts |= first != host;
            }
            Ended::ByUs => self.by_us += 1,
            Ended::Unfit | Ended::Cancelled => {}
        }
        if matches!(end, Ended::ByTest | Ended::ByHost)
            && let Err(at) = self.failed_on.binary_search(&host)
        {
            self.failed_on.insert(at, host);
        }
    }

    /// Whether there may be another attempt after one that ended so and has been counted; `reruns` is what the test
    /// says of itself. If not, why.
    #[must_use]
    pub fn verdict(&self, end: AttemptEnd, reruns: Option<u32>, options: &Options) -> Option<Settled> {
        let again = match end.by {
            Ended::ByTest => {
                let failed = match options.rerun_on {
                    RerunOn::Exit => end.is_bad_exit,
                    RerunOn::Outcome => end.outcome < Outcome::Warn,
                    RerunOn::Never => false,
                };
                failed && self.by_test <= reruns.unwrap_or(options.reruns)
            }
            Ended::ByHost if self.kills_hosts => return Some(Settled::KillsHosts),
            Ended::ByHost => self.by_host <= options.infra_retries,
            Ended::ByUs => self.by_us <= OWN_RETRIES,
            Ended::Unfit => false,
            Ended::Cancelled => true,
        };
        (!again).then_some(Settled::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostIs;

    fn end(by: Ended, is_bad_exit: bool, outcome: Outcome) -> AttemptEnd {
        AttemptEnd { by, is_bad_exit, outcome, host_is: HostIs::Fine }
    }

    #[test]
    fn the_cause_decides_and_never_the_status() {
        use Ended::{ByHost, ByTest, ByUs, Cancelled, Unfit};
        use Outcome::{Fail, Infra, Pass, Warn};
        use RerunOn::{Exit, Never, Outcome as OnOutcome};
        // Reruns of the run and of the test, what makes a rerun, how the attempts end, how many there are.
        for (reruns, own, on, by, bad, outcome, attempts) in [
            (0, None, Exit, ByTest, true, Fail, 1),
            (2, None, Exit, ByTest, true, Fail, 3),
            (2, None, Exit, ByTest, false, Fail, 1),
            (2, None, OnOutcome, ByTest, false, Fail, 3),
            (2, None, OnOutcome, ByTest, true, Warn, 1),
            (2, None, OnOutcome, ByTest, true, Pass, 1),
            (2, None, Never, ByTest, true, Fail, 1),
            (0, Some(1), Exit, ByTest, true, Fail, 2),
            (5, Some(0), Exit, ByTest, true, Fail, 1),
            (5, None, Exit, Unfit, true, Infra, 1),
            (0, None, Exit, ByHost, true, Infra, 3),
            (0, None, Never, ByUs, true, Infra, 3),
        ] {
            let options = Options { reruns, rerun_on: on, ..Options::default() };
            let mut tried = Tried::default();
            loop {
                tried.count(by, HostId(0));
                match tried.verdict(end(by, bad, outcome), own, &options) {
                    None => assert!(tried.attempts < 10, "it must end"),
                    Some(why) => break assert_eq!(why, Settled::Ended),
                }
            }
            assert_eq!(tried.attempts, attempts, "{reruns} {own:?} {on:?} {by:?} {bad} {outcome:?}");
        }
        let mut tried = Tried::default();
        for _ in 0..100 {
            tried.count(Cancelled, HostId(0));
            assert_eq!(tried.verdict(end(Cancelled, true, Infra), None, &Options::default()), None);
        }
    }

    #[test]
    fn a_test_under_which_two_hosts_fail_is_given_no_third() {
        let options = Options { infra_retries: 9, ..Options::default() };
        let by_host = end(Ended::ByHost, false, Outcome::Infra);
        let mut tried = Tried::default();
        for (host, settled) in [(3, None), (3, None), (1, Some(Settled::KillsHosts))] {
            tried.count(Ended::ByHost, HostId(host));
            assert_eq!(tried.verdict(by_host, None, &options), settled);
        }
        assert_eq!((tried.killed, tried.failed_on), (Some(HostId(3)), vec![HostId(1), HostId(3)]));
    }
}
