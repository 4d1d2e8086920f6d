//! What atex-exec writes, and the `end` that closes every tool's output.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Facts, Object, Time, tag::tag};

tag!(JobStartTag, "job-start");
tag!(JobResumeTag, "job-resume");
tag!(JobEndTag, "job-end");
tag!(HostStartTag, "host-start");
tag!(HostEndTag, "host-end");
tag!(TestStartTag, "test-start");
tag!(TestEndTag, "test-end");
tag!(TestNoteTag, "test-note");
tag!(EndTag, "end");

/// A number for each of several words, in the order in which they were first seen.
pub type Counts = IndexMap<String, u64>;

/// A run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobStart {
    /// `job-start`
    #[serde(rename = "type")]
    pub kind: JobStartTag,
    /// When.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The run directory.
    pub dir: String,
    /// The version of atex-exec.
    pub version: String,
}

/// A run goes on after its orchestrator had died.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobResume {
    /// `job-resume`
    #[serde(rename = "type")]
    pub kind: JobResumeTag,
    /// When.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The run directory.
    pub dir: String,
    /// The version of atex-exec.
    pub version: String,
}

/// A run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobEnd {
    /// `job-end`
    #[serde(rename = "type")]
    pub kind: JobEndTag,
    /// When.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The run directory.
    pub dir: String,
    /// The worst outcome of its tests; absent if none was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// How many tests were settled, by outcome.
    pub counts: Counts,
    /// How many tests were taken in and not settled.
    pub unsettled: u64,
    /// How long the run took.
    pub seconds: f64,
    /// The share of the hosts' time that was spent in tests, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<f64>,
    /// Why it ended before all was done, how much is left, and how to go on, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A host joined the pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostStart {
    /// `host-start`
    #[serde(rename = "type")]
    pub kind: HostStartTag,
    /// When.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The host's id.
    pub host: String,
    /// Its label.
    pub platform: String,
    /// What is known of it.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub facts: Facts,
}

/// Why a host left the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostEndReason {
    /// Nothing is left for it to do.
    Done,
    /// It cannot be used after the test that it ran.
    Destroyed,
    /// It can no longer be reached.
    Lost,
    /// It could not be set up.
    Unhealthy,
    /// Too many tests have ended by its fault.
    Quarantined,
    /// Its lease has ended.
    Expired,
    /// There are more hosts than are wanted.
    Surplus,
    /// Somebody asked for it.
    Dropped,
    /// The run was stopped.
    Cancelled,
}

impl HostEndReason {
    /// As it stands in records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            HostEndReason::Done => "done",
            HostEndReason::Destroyed => "destroyed",
            HostEndReason::Lost => "lost",
            HostEndReason::Unhealthy => "unhealthy",
            HostEndReason::Quarantined => "quarantined",
            HostEndReason::Expired => "expired",
            HostEndReason::Surplus => "surplus",
            HostEndReason::Dropped => "dropped",
            HostEndReason::Cancelled => "cancelled",
        }
    }
}

/// A host left the pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostEnd {
    /// `host-end`
    #[serde(rename = "type")]
    pub kind: HostEndTag,
    /// When.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The host's id.
    pub host: String,
    /// Its label.
    pub platform: String,
    /// Why.
    pub reason: HostEndReason,
    /// What happened, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An attempt at a test began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestStart {
    /// `test-start`
    #[serde(rename = "type")]
    pub kind: TestStartTag,
    /// When.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The test's label.
    pub platform: String,
    /// The test's name.
    pub test: String,
    /// Which attempt at it, from 1.
    pub attempt: u32,
    /// Where it runs.
    pub host: String,
    /// The name of the test that this one is another run of, on request.
    #[serde(default, rename = "rerun-of", skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<String>,
}

/// Which kind of result record one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResultKind {
    /// Of a final attempt, after it ended.
    Result,
    /// Of an attempt that is tried again.
    OldResult,
    /// At the moment when the test reported it.
    LiveResult,
}

/// One result that a test reported, or that was reported for it.
///
/// (`run`, `platform`, `test`, `attempt`, `n`, `type`) identifies it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestResult {
    /// `result`, `old-result` or `live-result`
    #[serde(rename = "type")]
    pub kind: ResultKind,
    /// When the attempt ended; of a `live-result`, when the test reported it.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The test's label.
    pub platform: String,
    /// The test's name.
    pub test: String,
    /// The subtest's name; without one the result is for the test itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtest: Option<String>,
    /// `pass`, `fail`, `info`, `warn`, `skip`, `error`, `infra`, or a word of the test's own. Absent if the
    /// test gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A short text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Names of files that came with it, below `files/` (and the subtest's name) in the artifacts.
    #[serde(default)]
    pub files: Vec<String>,
    /// Which attempt at the test, from 1.
    pub attempt: u32,
    /// Its position among the results of the attempt, from 1.
    pub n: u64,
    /// Where the test ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Keys of the test's own.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub extra: Object,
    /// That it is a known failure, which does not count; written by `atex-report waive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waived>,
}

/// Why a failure does not count. What failed stays as it is beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waived {
    /// Where the waiver stands: `FILE:LINE`.
    pub by: String,
    /// Where the failure is tracked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The last day on which the waiver holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whose doing the end of an attempt was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The test's: it ended, reached its limit, or broke the protocol.
    Test,
    /// The host's.
    Host,
    /// Our own: a crash or other trouble.
    Own,
    /// Somebody cancelled it.
    Cancelled,
    /// It was not to be run.
    Skipped,
}

/// The executor's verdict on an attempt, from the worst to the mildest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// There is no result that can be trusted.
    Infra,
    /// The test itself is at fault, in a way that says nothing of what it tests.
    Error,
    /// It failed.
    Fail,
    /// It passed, with a warning.
    Warn,
    /// It passed.
    Pass,
    /// It only informs.
    Info,
    /// It did not apply.
    Skip,
}

impl Outcome {
    /// All outcomes, worst first.
    pub const ALL: [Outcome; 7] = [
        Outcome::Infra,
        Outcome::Error,
        Outcome::Fail,
        Outcome::Warn,
        Outcome::Pass,
        Outcome::Info,
        Outcome::Skip,
    ];

    /// The word as it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Infra => "infra",
            Outcome::Error => "error",
            Outcome::Fail => "fail",
            Outcome::Warn => "warn",
            Outcome::Pass => "pass",
            Outcome::Info => "info",
            Outcome::Skip => "skip",
        }
    }

    /// The outcome that a result's status stands for: a word that is not in the list, or none, ranks as
    /// `info`.
    pub fn of_status(status: Option<&str>) -> Outcome {
        status.and_then(Outcome::of_word).unwrap_or(Outcome::Info)
    }

    /// The outcome that is called so.
    pub fn of_word(word: &str) -> Option<Outcome> {
        Some(match word {
            "infra" => Outcome::Infra,
            "error" => Outcome::Error,
            "fail" => Outcome::Fail,
            "warn" => Outcome::Warn,
            "pass" => Outcome::Pass,
            "info" => Outcome::Info,
            "skip" => Outcome::Skip,
            _ => return None,
        })
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An attempt ended. Follows its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestEnd {
    /// `test-end`
    #[serde(rename = "type")]
    pub kind: TestEndTag,
    /// When.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The test's label.
    pub platform: String,
    /// The test's name.
    pub test: String,
    /// Which attempt, from 1; 0 if the test was settled without one.
    pub attempt: u32,
    /// Where it ran; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The verdict.
    pub outcome: Outcome,
    /// Whose doing the end was.
    pub cause: Cause,
    /// The test's exit status, if it ended by itself (128 + N if signal N ended it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i64>,
    /// What happened, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How long it ran.
    pub seconds: f64,
    /// How many results it has, by status.
    pub counts: Counts,
    /// That the test is settled: it will not be tried again.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The directory of the attempt's results and files; absent if there was no attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<String>,
    /// The name of the test that this one is another run of, on request.
    #[serde(default, rename = "rerun-of", skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<String>,
    /// That all of it that failed is known to fail, so that it does not count; written by `atex-report waive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waived>,
}

/// A test sent a progress line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestNote {
    /// `test-note`
    #[serde(rename = "type")]
    pub kind: TestNoteTag,
    /// When.
    pub time: Time,
    /// The run's id.
    pub run: String,
    /// The test's label.
    pub platform: String,
    /// The test's name.
    pub test: String,
    /// What it said.
    pub note: String,
}

/// The last line of a tool's output. A stream without one is fine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// `end`
    #[serde(rename = "type")]
    pub kind: EndTag,
    /// The tool's name.
    pub tool: String,
    /// Whether everything was done that could be. `false`: what stands before is not all there is.
    pub complete: bool,
    /// The tool's exit status.
    pub exit: u8,
    /// How many of what.
    #[serde(default)]
    pub counts: Counts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_ordered_from_the_worst() {
        assert!(Outcome::ALL.is_sorted());
        assert_eq!(Outcome::of_status(Some("fail")), Outcome::Fail);
        assert_eq!(Outcome::of_status(Some("strange")), Outcome::Info);
        assert_eq!(Outcome::of_status(None), Outcome::Info);
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
            assert_eq!(Outcome::of_word(outcome.as_str()), Some(outcome));
        }
    }

    #[test]
    fn a_result_reads_what_it_wrote() {
        let line = r#"{"type":"old-result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"default","test":"/t","subtest":"s","status":"odd","note":"n","files":["a"],"attempt":1,"n":2,"host":"h","extra":{"k":[1]}}"#;
        let result: TestResult = crate::parse(line).unwrap();
        assert_eq!(serde_json::to_string(&result).unwrap(), line);
        assert_eq!(result.kind, ResultKind::OldResult);
    }
}
