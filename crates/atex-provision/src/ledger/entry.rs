//! A lease, as it stands in the ledger.

use atex_model::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::holder::Holder;

/// One lease: what may exist somewhere because of us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// What the provider can be asked for.
    pub token: String,
    /// The name of the back end.
    pub backend: String,
    /// Where that back end finds it again: whatever it needs, as it wrote it.
    #[serde(default)]
    pub at: Value,
    /// How far it has come.
    pub state: State,
    /// Whose it is.
    pub owner: Owner,
    /// Which process looks after it. Nobody does after a host that was reserved: time alone ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// When it was begun.
    pub since: Time,
    /// When this was written.
    pub changed: Time,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// For how long it is kept for a resumed run once its holder is dead.
    pub orphan_seconds: u64,
    /// The id of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The provider's name for it, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The record of the host, as it was given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Value>,
}

/// How far a lease has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// The provider is being asked: there may be something, or not.
    Creating,
    /// There is a host.
    Held,
    /// It is being given back.
    Releasing,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Creating => "creating",
            State::Held => "held",
            State::Releasing => "releasing",
        }
    }
}

/// Whose a lease is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Owner {
    /// A run of atex-exec.
    Run {
        /// Its id.
        id: String,
        /// Its directory.
        dir: String,
    },
    /// Somebody.
    Name(String),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Run { id, dir } => write!(f, "run {id} ({dir})"),
            Owner::Name(name) => f.write_str(name),
        }
    }
}
