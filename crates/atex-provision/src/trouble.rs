//! What went wrong with a provider, and whether asking again may help.

use std::fmt;
use std::time::Duration;

/// A provider, or the way to it, did not do what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened, with the object named first.
    pub message: String,
    /// That asking again may help.
    pub again: bool,
    /// How long the provider wants to be left alone before.
    pub after: Option<Duration>,
}

impl Trouble {
    /// Something that may go away.
    pub fn passing(message: impl fmt::Display) -> Trouble {
        Trouble { message: message.to_string(), again: true, after: None }
    }

    /// Something that stays until somebody changes it.
    pub fn lasting(message: impl fmt::Display) -> Trouble {
        Trouble { again: false, ..Trouble::passing(message) }
    }

    /// The same, with a pause that the provider asks for.
    pub fn after(mut self, pause: Duration) -> Trouble {
        self.after = Some(pause);
        self
    }

    /// It was broken off because we end.
    pub fn stopped() -> Trouble {
        Trouble::passing("broken off, since this program ends")
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Trouble> for atex_cli::Failure {
    fn from(trouble: Trouble) -> Self {
        atex_cli::Failure::trouble(trouble)
    }
}
