//! Talking to a run that goes on: `control.sock` in its directory.
//!
//! Who connects sends requests, one JSON object a line, and gets one line for each, in order: `{"ok":true,…}`, or
//! `{"ok":false,"error":…}`. Any number of them may be sent over one connection. It is closed when the run ends, however
//! it ends: who wants to know of that keeps one open. Only the user who owns the run, and root, are answered.
//!
//! `socket` is the side of the run, `client` the other one. What requests do is the dispatcher's business.

pub(crate) mod client;
mod names;
pub(crate) mod socket;

use std::path::Path;

use atex_model::Host;
use atex_schedule::TestId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The socket in the run directory.
const SOCKET: &str = "control.sock";

/// The longest line of a request.
const MAX_LINE: u64 = 1 << 20;

/// How many tests an answer lists, unless more are asked for.
const LISTED: usize = 1000;

/// What can be asked of a run: as it is sent, and as it is typed behind `ctl DIR`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Subcommand)]
#[serde(tag = "cmd", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How far the run is
    Status,
    /// The hosts that there are, and what they do
    Hosts,
    /// How long it will take
    Eta,
    /// Tests that wait, run, or are settled
    Tests {
        #[arg(long, value_enum, default_value_t)]
        #[serde(default)]
        state: TestState,
        /// Only those in whose name this regular expression finds something
        #[arg(value_name = "PATTERN")]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
        /// No more than so many
        #[arg(long, value_name = "N", default_value_t = LISTED)]
        #[serde(default = "listed")]
        limit: usize,
    },
    /// Start no more tests, until `resume`
    Pause,
    /// Start tests again
    Resume,
    /// Start no more tests, and end when those that run have ended
    Drain,
    /// End a test, or take it out of those that wait: it is settled as `infra`, cancelled
    Cancel {
        /// Its name
        #[arg(value_name = "TEST")]
        test: String,
        /// Its label, if tests of this name have several
        #[arg(long, value_name = "LABEL")]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        platform: Option<String>,
    },
    /// Run a test again that is settled, under another name: what was said of it stays
    Rerun {
        /// Its name
        #[arg(value_name = "TEST")]
        test: String,
        /// Its label, if tests of this name have several
        #[arg(long, value_name = "LABEL")]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        platform: Option<String>,
    },
    /// Settle tests that wait as `skip`
    Skip {
        /// Those in whose name this regular expression finds something
        #[arg(value_name = "PATTERN")]
        pattern: String,
    },
    /// Use one host more
    AddHost {
        /// Its record
        #[arg(value_name = "RECORD", value_parser = json)]
        host: Value,
    },
    /// Use a host no more
    DropHost {
        #[arg(value_name = "HOST")]
        host: String,
        /// Do not wait for the test that runs there: it runs elsewhere
        #[arg(long)]
        #[serde(default)]
        now: bool,
    },
    /// Start nothing more on a host and keep it as it is, until `free`; the run does not end before
    Hold {
        #[arg(value_name = "HOST")]
        host: String,
    },
    /// Use a host again that was held
    Free {
        #[arg(value_name = "HOST")]
        host: String,
    },
    /// Use at most N hosts at a time, or take at most N of one provisioner; without N, as many as there may be
    MaxHosts {
        #[arg(value_name = "N")]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n: Option<u32>,
        /// Which provisioner: its name, or its number on the command line, from 1
        #[arg(long, value_name = "PROVISIONER")]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
    },
}

/// The states that a test can be in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TestState {
    Waiting,
    #[default]
    Running,
    Settled,
}

/// What the dispatcher is asked: the same as [`Request`], with tests by their numbers.
#[derive(Debug)]
pub(crate) enum Ask {
    Status,
    Hosts,
    Eta,
    /// The states of all tests, in the order of their numbers.
    States,
    Pause,
    Resume,
    Drain,
    Cancel(Vec<TestId>),
    Rerun(Vec<TestId>),
    Skip(Vec<TestId>),
    /// A host, with the line of its record.
    AddHost(Box<Host>, String),
    DropHost {
        host: String,
        now: bool,
    },
    Hold(String),
    Free(String),
    MaxHosts {
        hosts: Option<u32>,
        of: Option<String>,
    },
}

/// What it answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Said(Value),
    States(Vec<TestState>),
}

fn listed() -> usize {
    LISTED
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// An answer that says no.
pub(crate) fn refusal(error: impl std::fmt::Display) -> Value {
    json!({"ok": false, "error": error.to_string()})
}

/// A way to the socket whose length does not depend on where the run directory is: a socket's path holds 108 bytes.
/// The second one is what makes it valid.
fn way_to(dir: &Path) -> std::io::Result<(std::path::PathBuf, std::fs::File)> {
    use std::os::fd::AsRawFd;
    let held = std::fs::File::open(dir)?;
    let way = format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd());
    Ok((way.into(), held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_manual_says() {
        for (line, request) in [
            (r#"{"cmd":"status"}"#, Request::Status),
            (r#"{"cmd":"hosts"}"#, Request::Hosts),
            (r#"{"cmd":"eta"}"#, Request::Eta),
            (
                r#"{"cmd":"tests","state":"waiting","pattern":"^/a","limit":3}"#,
                Request::Tests { state: TestState::Waiting, pattern: Some("^/a".into()), limit: 3 },
            ),
            (
                r#"{"cmd":"tests"}"#,
                Request::Tests { state: TestState::Running, pattern: None, limit: LISTED },
            ),
            (r#"{"cmd":"cancel","test":"/a"}"#, Request::Cancel { test: "/a".into(), platform: None }),
            (r#"{"cmd":"drop-host","host":"h"}"#, Request::DropHost { host: "h".into(), now: false }),
            (r#"{"cmd":"max-hosts","n":3}"#, Request::MaxHosts { n: Some(3), of: None }),
            (r#"{"cmd":"max-hosts"}"#, Request::MaxHosts { n: None, of: None }),
            (
                r#"{"cmd":"max-hosts","n":0,"of":"podman"}"#,
                Request::MaxHosts { n: Some(0), of: Some("podman".into()) },
            ),
        ] {
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request, "{line}");
            let again = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&again).unwrap(), request, "{again}");
        }
        for line in [
            r#"{"cmd":"statu"}"#,
            r#"{"cmd":1}"#,
            r#"{"cmd":"cancel"}"#,
            r#"{"cmd":"max-hosts","n":-1}"#,
            "[]",
            "",
        ] {
            assert!(serde_json::from_str::<Request>(line).is_err(), "{line}");
        }
    }
}
