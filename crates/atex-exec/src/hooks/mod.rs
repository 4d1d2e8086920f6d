//! Hooks: commands of the user's that shape a run from outside (`--hook PHASE=CMD`).
//!
//! Each gets records on its input and may print some. `gate` stands between the dispatcher and the workers, and
//! makes those of a host wait until its hooks have run: the dispatcher sees a host, a start or an end only after
//! that, and decides as if there were no hooks. `runner` has the processes, `answers` reads what they print. The two
//! phases that concern a whole run are streams: `sieve` is for tests that come in, `finale` for what is told at the
//! end.
//!
//! Nothing here decides anything about a run but whether a hook did what was asked of it.

mod answers;
pub(crate) mod finale;
pub(crate) mod gate;
mod runner;
pub(crate) mod sieve;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atex_model::{Connect, Host};

use crate::program::Variables;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Phase {
    /// Tests pass through it before they are taken in
    PreTests,
    /// After the last test: reads all that was written
    PostTests,
    /// A host has been reached, and is not used yet
    HostReady,
    /// Before an attempt at a test
    PreTest,
    /// After an attempt at a test that the test itself ended
    PostTest,
}

impl Phase {
    const ALL: [Phase; 5] =
        [Phase::PreTests, Phase::PostTests, Phase::HostReady, Phase::PreTest, Phase::PostTest];

    /// The word that users type.
    pub fn word(self) -> &'static str {
        match self {
            Phase::PreTests => "pre-tests",
            Phase::PostTests => "post-tests",
            Phase::HostReady => "host-ready",
            Phase::PreTest => "pre-test",
            Phase::PostTest => "post-test",
        }
    }
}

/// A command that is run in one phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    pub phase: Phase,
    /// Its place among those of its phase, from 1.
    pub number: usize,
    pub command: String,
}

impl Hook {
    /// Reads `PHASE=CMD`; `before` are those that were given before.
    pub fn parse(text: &str, before: &[Hook]) -> Result<Hook, String> {
        let words = || Phase::ALL.map(Phase::word).join(", ");
        let (word, command) = text
            .split_once('=')
            .ok_or_else(|| format!("expected PHASE=CMD, found `{text}`; phases are {}", words()))?;
        let phase = Phase::ALL
            .into_iter()
            .find(|phase| phase.word() == word)
            .ok_or_else(|| format!("`{word}` is no phase; phases are {}", words()))?;
        if command.trim().is_empty() || command.contains('\0') {
            return Err(format!("{word}: expected a command"));
        }
        let number = 1 + before.iter().filter(|hook| hook.phase == phase).count();
        Ok(Hook { phase, number, command: command.to_owned() })
    }

    /// Where it says what it has to say, in this directory.
    pub fn log(&self, logs: &Path) -> PathBuf {
        logs.join(format!("{}-{}.log", self.phase.word(), self.number))
    }
}

/// What a hook is called in messages: by its command, since that is what the user knows of it.
impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hook {} `{}`", self.phase.word(), self.command.escape_debug())
    }
}

/// The hooks of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hooks {
    /// In the order in which they were given.
    pub all: Vec<Hook>,
    /// How long each may take.
    pub timeout: Duration,
}

impl Hooks {
    /// Those of one phase, in order.
    pub fn of(&self, phase: Phase) -> Vec<Hook> {
        self.all.iter().filter(|hook| hook.phase == phase).cloned().collect()
    }
}

/// What every hook is told of the run it is in.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub run: String,
    /// The run directory.
    pub dir: PathBuf,
}

impl Surroundings {
    /// Where hooks say what they have to say.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("hooks")
    }

    /// The variables of a hook.
    pub fn variables(&self, hook: &Hook) -> Variables {
        vec![
            ("ATEX_HOOK", hook.phase.word().into()),
            ("ATEX_RUN_ID", self.run.clone()),
            ("ATEX_RUN_DIR", self.dir.to_string_lossy().into_owned()),
        ]
    }
}

/// What a hook is told of a host.
fn host_variables(host: &Host) -> Variables {
    let connect = serde_json::to_string(&host.connect).expect("a record has only text keys");
    let mut variables = vec![
        ("ATEX_HOST", host.id.clone()),
        ("ATEX_HOST_PLATFORM", host.label().to_owned()),
        ("ATEX_HOST_CONNECT", connect),
    ];
    if let Connect::Ssh(ssh) = &host.connect {
        variables.push(("ATEX_HOST_ADDRESS", ssh.host.clone()));
        variables.extend(ssh.user.clone().map(|user| ("ATEX_HOST_USER", user)));
        variables.extend(ssh.port.map(|port| ("ATEX_HOST_PORT", port.to_string())));
        variables.extend(ssh.identity.clone().map(|file| ("ATEX_HOST_IDENTITY", file)));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_numbered_in_their_phase() {
        let mut hooks = Vec::new();
        for text in ["pre-test=a=b", "post-test=b", "pre-test=c"] {
            let hook = Hook::parse(text, &hooks).unwrap();
            hooks.push(hook);
        }
        let seen: Vec<(&str, usize, &str)> =
            hooks.iter().map(|hook| (hook.phase.word(), hook.number, hook.command.as_str())).collect();
        assert_eq!(seen, [("pre-test", 1, "a=b"), ("post-test", 1, "b"), ("pre-test", 2, "c")]);
        assert_eq!(hooks[2].to_string(), "hook pre-test `c`");
        assert!(hooks[2].log(Path::new("/l")).ends_with("pre-test-2.log"));
        let all = Hooks { all: hooks, timeout: Duration::ZERO };
        assert_eq!(all.of(Phase::PreTest).len(), 2);
    }

    #[test]
    fn what_is_no_hook_is_refused() {
        for (text, message) in [
            ("x", "expected PHASE=CMD, found `x`; phases are pre-tests, "),
            ("pre_test=x", "`pre_test` is no phase; phases are pre-tests, post-tests, host-ready, "),
            ("pre-test= ", "pre-test: expected a command"),
        ] {
            let error = Hook::parse(text, &[]).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn the_way_to_a_host_is_told() {
        let host: Host = serde_json::from_str(
            r#"{"type":"host","id":"a","platform":"p","connect":{"how":"ssh","host":"10.0.0.7","port":23},"lease":{"token":"secret"}}"#,
        )
        .unwrap();
        let variables = host_variables(&host);
        let text = format!("{variables:?}");
        assert!(
            text.contains("(\"ATEX_HOST_ADDRESS\", \"10.0.0.7\"), (\"ATEX_HOST_PORT\", \"23\")"),
            "{text}"
        );
        assert!(text.contains("(\"ATEX_HOST\", \"a\"), (\"ATEX_HOST_PLATFORM\", \"p\")"), "{text}");
        assert!(!text.contains("secret") && !text.contains("ATEX_HOST_USER"), "{text}");
    }
}
