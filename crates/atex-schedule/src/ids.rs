//! Numbers that stand for things whose names only the driver knows.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[doc = $doc:literal] $name:ident)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);
    )*};
}

id! {
    /// A test. Tests are numbered in order of arrival, without large gaps.
    TestId
    /// A host.
    HostId
    /// A label of tests and hosts.
    PlatformId
    /// What a host must have been given before a test can run on it: a tree of files and a plan.
    SetupId
    /// An expression over a host's facts.
    ExpressionId
    /// A mark that hosts carry and tests prefer.
    MarkId
    /// A name by which a test says that it comes after another one.
    NameId
    /// Where hosts can be asked for. The one with the lower number is asked first.
    ProvisionerId
    /// A question to the policy.
    QuestionId
}

/// A length of time in milliseconds.
pub type Millis = u64;

/// A moment, in milliseconds since whichever moment the driver counts from.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// The moment so much later.
    #[must_use]
    pub fn after(self, length: Millis) -> Time {
        Time(self.0.saturating_add(length))
    }

    /// How much time is left from `now` until this moment.
    #[must_use]
    pub fn left(self, now: Time) -> Millis {
        self.0.saturating_sub(now.0)
    }
}
