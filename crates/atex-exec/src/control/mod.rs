//! Talking to a run that goes on: `control.sock` in its directory.
//!
//! Who connects sends requests, one JSON object a line, and gets one line for each, in order: `{"ok":true,…}`, or
//! `{"ok":false,"error":…}`. Any number of them may be sent over one connection. It is closed when the run ends, however
//! it ends: who wants to know of that keeps one open. Only the user who owns the run, and root, are answered.
//!
//! `socket` is the side of the run, `client` the other one. What requests do is the dispatcher's business.

pub(crate) mod client;
pub(crate) mod socket;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The socket in the run directory.
const SOCKET: &str = "control.sock";

/// The longest line of a request.
const MAX_LINE: u64 = 1 << 20;

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
        ] {
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request, "{line}");
            let again = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&again).unwrap(), request, "{again}");
        }
        for line in [r#"{"cmd":"statu"}"#, r#"{"cmd":1}"#, "[]", ""] {
            assert!(serde_json::from_str::<Request>(line).is_err(), "{line}");
        }
    }
}
