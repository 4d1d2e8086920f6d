//! Why the work ends before its end.

use atex_cli::Failure;
use atex_cli::output::OutputError;

/// Nothing more is to be done.
#[derive(Debug)]
pub enum Stop {
    /// Whoever reads the output has gone away: it has what it wanted.
    Closed,
    /// Something failed.
    Failed(Failure),
}

impl Stop {
    /// Something outside failed.
    pub fn trouble(message: impl std::fmt::Display) -> Stop {
        Stop::Failed(Failure::trouble(message))
    }
}

impl From<OutputError> for Stop {
    fn from(error: OutputError) -> Stop {
        match error {
            OutputError::Closed => Stop::Closed,
            failed => Stop::Failed(failed.into()),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}
