//! What happened.

use serde::{Deserialize, Serialize};

use crate::{
    ExpressionId, HostId, MarkId, Millis, NameId, PlatformId, ProvisionerId, QuestionId, SetupId, TestId,
    Time, Tried,
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A test was taken in. Tests come with rising numbers.
    TestArrived {
        /// Which.
        test: TestId,
        /// What it is like.
        is: Box<TestTraits>,
    },
    /// A name that tests come after, or may come after, is that of this test.
    Named {
        /// The name.
        name: NameId,
        /// The test.
        test: TestId,
    },
    /// A test that tests come after was settled before this scheduler began.
    SettledBefore {
        /// Which.
        test: TestId,
        /// How.
        outcome: Outcome,
    },
    /// Neither tests nor hosts will come by the input any more.
    InputEnded,

    /// A host is going to be ready, or not ([`Event::HostGone`]): tests wait for it.
    HostExpected {
        /// Which.
        host: HostId,
        /// What is known of it.
        is: Box<HostTraits>,
    },
    /// A host can be reached.
    HostReady {
        /// Which.
        host: HostId,
        /// What is known of it.
        is: Box<HostTraits>,
    },
    /// A host runs, from before this scheduler began, a test that has arrived and waits: the attempt goes on.
    /// Answers as if it had been started here, by [`Event::AttemptEnded`].
    HostAdopted {
        /// Which.
        host: HostId,
        /// What is known of it.
        is: Box<HostTraits>,
        /// What runs there.
        test: TestId,
    },
    /// A set-up ended.
    SetupEnded {
        /// Where.
        host: HostId,
        /// How.
        end: SetupEnd,
    },
    /// The attempt at the test that ran on a host ended.
    AttemptEnded {
        /// Where.
        host: HostId,
        /// How.
        end: AttemptEnd,
    },
    /// A host cannot be used any more. What ran there has been reported as ended before.
    HostGone {
        /// Which.
        host: HostId,
    },
    /// The test that runs on a host has set a mark there, or removed it.
    HostMarked {
        /// Where.
        host: HostId,
        /// Which mark.
        mark: MarkId,
        /// It is there now.
        is_set: bool,
    },
    /// Whether an expression that came after them holds on these.
    Judged {
        /// Which.
        expression: ExpressionId,
        /// On hosts.
        hosts: Vec<(HostId, Verdict)>,
        /// On what provisioners give.
        provisioners: Vec<(ProvisionerId, Verdict)>,
    },

    /// Hosts can be asked for, or more is known of a provisioner of which that has been said.
    ProvisionerReady {
        /// Where.
        provisioner: ProvisionerId,
        /// What it gives.
        is: Box<ProvisionerTraits>,
    },
    /// Some hosts will not come.
    ProvisionFailed {
        /// Of whom.
        provisioner: ProvisionerId,
        /// How many.
        count: u32,
        /// It may be better later.
        retry: bool,
    },
    /// Nothing more can be asked for there. Its hosts that are gone are told of one by one.
    ProvisionerGone {
        /// Which.
        provisioner: ProvisionerId,
    },

    /// The policy has answered; without an answer it was late, or talked nonsense.
    Answered {
        /// Which question.
        question: QuestionId,
        /// What it said.
        answer: Option<Answer>,
    },
    /// There is no policy any more.
    PolicyGone,
    /// The moment of [`Action::WakeAt`](crate::Action::WakeAt) has come.
    Woken,

    /// Start nothing for now.
    Paused,
    /// Start tests again.
    Resumed,
    /// Start nothing more, wait for what runs, release what is held.
    Drained,
    /// Start nothing more, end what runs, release what is held: somebody asked for it, or the deadline has come.
    Stopped,
    /// A test is to end, and not to run again.
    TestCancelled {
        /// Which.
        test: TestId,
    },
    /// A test that does not run yet is not to run.
    TestSkipped {
        /// Which.
        test: TestId,
    },
    /// A host is to be let go.
    HostDropped {
        /// Which.
        host: HostId,
        /// What runs there is ended, and runs elsewhere.
        at_once: bool,
    },
    /// A host is to be kept as it is when what runs there has ended: it gets no more tests.
    HostHeld {
        /// Which.
        host: HostId,
    },
    /// A host that was held can be used again.
    HostFreed {
        /// Which.
        host: HostId,
    },
    /// How many hosts are worked on at a time.
    MaxHosts {
        /// Without a number, all.
        hosts: Option<u32>,
    },
    /// How many hosts a provisioner may give.
    MaxOf {
        /// Which.
        provisioner: ProvisionerId,
        /// How many.
        hosts: u32,
    },
}

/// What a test is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TestTraits {
    /// The label of the hosts that it is for; without one, any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformId>,
    /// What must hold on its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<ExpressionId>,
    /// What it needs on its host.
    pub setup: SetupId,
    /// Its host cannot be used after it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_destructive: bool,
    /// Marks that it would like its host to have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefers: Vec<MarkId>,
    /// Higher runs sooner.
    pub priority: i32,
    /// Lower runs sooner, all else being equal.
    pub order: i32,
    /// How long it is expected to take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Millis>,
    /// How long it may take.
    pub limit: Millis,
    /// How often it is tried again if it fails, if that is not as for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reruns: Option<u32>,
    /// What must have ended before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
    /// The attempts at it that were made before this scheduler began.
    #[serde(skip_serializing_if = "Tried::is_nothing")]
    pub tried: Tried,
}

impl Default for TestTraits {
    fn default() -> TestTraits {
        TestTraits {
            platform: None,
            expression: None,
            setup: SetupId(0),
            is_destructive: false,
            prefers: Vec::new(),
            priority: 0,
            order: 0,
            expected: None,
            limit: 0,
            reruns: None,
            after: Vec::new(),
            tried: Tried::default(),
        }
    }
}

/// A test that must have ended before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct After {
    /// Its name.
    pub name: NameId,
    /// How it must have ended; without it, in any way.
    pub outcome: Option<Outcome>,
}

/// How a test ended, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It has no trustworthy result.
    Infra,
    /// It could not do its work.
    Error,
    /// It failed.
    Fail,
    /// It passed, and there is something to look at.
    Warn,
    /// It passed.
    Pass,
    /// It has no verdict.
    Info,
    /// It was not run.
    Skip,
}

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostTraits {
    /// Its label.
    pub platform: PlatformId,
    /// It outlives the run, and is not to be harmed: no destructive test runs there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_spared: bool,
    /// Who gave it, and can give another one; without it, it is the only one of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioner: Option<ProvisionerId>,
    /// When its lease ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Marks that it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkId>,
    /// Whether expressions hold there, by their numbers. What is not there cannot be decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
}

impl HostTraits {
    /// A host of which only its label is known.
    #[must_use]
    pub fn new(platform: PlatformId) -> HostTraits {
        HostTraits {
            platform,
            is_spared: false,
            provisioner: None,
            until: None,
            marks: Vec::new(),
            verdicts: Vec::new(),
        }
    }
}

/// What a provisioner gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProvisionerTraits {
    /// How many hosts at most.
    pub limit: u32,
    /// Their label, if it is known.
    #[serde(default)]
    pub platform: Option<PlatformId>,
    /// Whether expressions hold on them, by their numbers. What is not there will be known when a host is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// Leases can be extended.
    #[serde(default)]
    pub extends: bool,
}

/// Whether an expression holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does not.
    No,
    /// It cannot be decided: a fact is missing.
    Undecided,
    /// It does.
    Yes,
}

/// How a set-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetupEnd {
    /// The host has what it needs.
    Done,
    /// The host could not be set up.
    HostFailed,
    /// It is not the host's fault: no host can be given this.
    Impossible,
    /// It was cancelled.
    Cancelled,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttemptEnd {
    /// Whose doing it was.
    pub by: Ended,
    /// The exit status was not 0, or the test had to be ended.
    pub is_bad_exit: bool,
    /// What it comes to.
    pub outcome: Outcome,
    /// What the host is good for now.
    pub host_is: HostIs,
}

/// Whose doing the end of an attempt was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The test's.
    ByTest,
    /// The host's.
    ByHost,
    /// Our own.
    ByUs,
    /// The test was not begun, as its host lacks what it needs: to try it again is of no use.
    Unfit,
    /// It was cancelled.
    Cancelled,
}

/// What a host is good for after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostIs {
    /// It can go on as it is.
    Fine,
    /// It must be cleaned and set up anew before it is used again, or replaced.
    Spoilt,
    /// It is gone.
    Lost,
}

/// What the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// This test is next.
    Next(TestId),
    /// Yes.
    Yes,
    /// No.
    No,
}
