//! What is to be done.

use serde::{Deserialize, Serialize};

use crate::{HostId, NameId, ProvisionerId, QuestionId, SetupId, TestId, Time};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Say how many hosts are wanted, ready and under way, in all.
    Want {
        /// Of whom.
        provisioner: ProvisionerId,
        /// How many.
        hosts: u32,
    },
    /// Give a host what tests need there. Answered by [`Event::SetupEnded`](crate::Event::SetupEnded).
    SetUp {
        /// Where.
        host: HostId,
        /// What.
        setup: SetupId,
        /// What the host was given before does not count: it is to be cleaned first.
        clean: bool,
    },
    /// Start an attempt at a test. Answered by [`Event::AttemptEnded`](crate::Event::AttemptEnded).
    Start {
        /// Where.
        host: HostId,
        /// Which.
        test: TestId,
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// End the attempt or the set-up that runs on a host. Answered by
    /// [`Event::AttemptEnded`](crate::Event::AttemptEnded) or [`Event::SetupEnded`](crate::Event::SetupEnded), as ever.
    Cancel {
        /// Where.
        host: HostId,
    },
    /// Ask for a host to be kept longer.
    Extend {
        /// Which.
        host: HostId,
        /// For so long.
        until: Time,
    },
    /// A host is not needed or cannot be used any more.
    Release {
        /// Which.
        host: HostId,
        /// Why.
        why: Release,
    },
    /// The attempt that ended on this host was the last one at its test.
    Settle {
        /// Which test.
        test: TestId,
        /// Where.
        host: HostId,
        /// Why there is no other one.
        why: Settled,
    },
    /// The attempt that ended on this host is not the last one at its test: it waits again.
    Retry {
        /// Which test.
        test: TestId,
        /// Where.
        host: HostId,
    },
    /// A test ends without (another) attempt.
    Abandon {
        /// Which.
        test: TestId,
        /// Why.
        why: Unrunnable,
    },
    /// Ask the policy. Answered by [`Event::Answered`](crate::Event::Answered).
    Ask {
        /// The number of the question.
        question: QuestionId,
        /// What it is about.
        about: Question,
    },
    /// Send [`Event::Woken`](crate::Event::Woken) at this time. Only the last one counts.
    WakeAt {
        /// When.
        at: Time,
    },
}

/// Why a host is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// Nothing is left for it to do.
    Done,
    /// It cannot be used after the test that it ran.
    Destroyed,
    /// It could not be set up.
    Unhealthy,
    /// It can no longer be reached.
    Lost,
    /// Too many tests have ended by its fault.
    Quarantined,
    /// Its lease ends too soon for anything that is left.
    Expired,
    /// There are more hosts than are wanted.
    Surplus,
    /// Somebody asked for it.
    Dropped,
    /// The run was stopped.
    Cancelled,
}

/// Why an attempt was the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settled {
    /// It says how the test is, or no other attempt is allowed.
    Ended,
    /// Two different hosts have failed under it.
    KillsHosts,
    /// Somebody asked for it.
    Cancelled,
}

/// Why a test ends without an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unrunnable {
    /// No host can run it.
    NoHost,
    /// No host can run it, and of some it is not known: a fact is missing.
    Undecided,
    /// What it needs on its host cannot be made.
    Setup,
    /// Somebody asked for it.
    Cancelled,
    /// Somebody asked for it not to be run.
    Skipped,
    /// It comes after a test that has never come.
    NeverCame(NameId),
    /// It comes after a test that did not end as it should.
    NotMet(TestId),
    /// It comes after itself, in a circle in which this test is the one before it.
    Cycle(TestId),
}

/// What the policy is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Which test is next on a host.
    Next {
        /// Where.
        host: HostId,
        /// Out of these, in the order that we would take.
        candidates: Vec<TestId>,
    },
    /// Whether a host cannot be used after the attempt that ended there.
    Destructive {
        /// Where.
        host: HostId,
        /// What ran.
        test: TestId,
        /// What we would say.
        would: bool,
    },
    /// Whether a test is tried again after the attempt that ended.
    Rerun {
        /// Where.
        host: HostId,
        /// Which.
        test: TestId,
        /// What we would say.
        would: bool,
    },
}
