//! What can go wrong between us and a host.

use std::path::PathBuf;
use std::time::Duration;

/// Why there is no connection, or no exit status.
///
/// Messages name the host first, say what happened and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing listens on the port.
    #[error("{host}: connection refused ({detail}); check that sshd runs there and the port is right")]
    Refused {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// No answer: timed out, or no route.
    #[error("{host}: not reached ({detail}); check that it is up, the network, and ConnectTimeout")]
    Unreachable {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// The name has no address.
    #[error("{host}: name not resolved ({detail}); check the spelling, DNS and ssh_config")]
    NotResolved {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// The server hung up before the login began, several times.
    #[error(
        "{host}: closed the connection before the login ({detail}); it may be booting, or refuse many logins at once (MaxStartups in its sshd_config)"
    )]
    Busy {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// The server accepts none of our keys.
    #[error(
        "{host}: login refused ({detail}); check user and identity; passwords and passphrases are never asked for"
    )]
    AuthRefused {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// The private key given for the host cannot be read.
    #[error("{host}: identity {}: {detail}; give the path of a private key", path.display())]
    IdentityMissing {
        /// The host.
        host: String,
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        detail: String,
    },
    /// The host shows another key than the one that is known for it.
    #[error(
        "{host}: its host key has changed; known_hosts has another at {known_hosts}; if the host was installed anew, remove that line, else somebody may be listening in"
    )]
    HostKeyChanged {
        /// The host.
        host: String,
        /// File and line of the key that is known, as ssh names them.
        known_hosts: String,
    },
    /// The host's key is not known, and StrictHostKeyChecking forbids to learn it.
    #[error(
        "{host}: host key refused ({detail}); add the key to known_hosts, or set StrictHostKeyChecking to accept-new"
    )]
    HostKeyUnknown {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// The server opens no further session on this connection.
    #[error("{host}: session refused ({detail}); raise MaxSessions in its sshd_config")]
    SessionRefused {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// The connection was there and is gone. What ran on the host may still run.
    #[error("{host}: connection lost ({detail}); open it again")]
    Lost {
        /// The host.
        host: String,
        /// What ssh said, if anything.
        detail: String,
        /// For how long the host had not answered when that was noticed; zero if the end of the connection
        /// came by itself.
        silent: Duration,
    },
    /// A program on this machine is not there: ssh, or the first word of a command prefix.
    #[error("{host}: {program}: {detail}; install it or correct PATH")]
    ProgramMissing {
        /// The host.
        host: String,
        /// The program that was looked for.
        program: String,
        /// Why it cannot be run.
        detail: String,
    },
    /// What was asked for cannot be done: a bad ssh option, a command that is too long, an
    /// input file that cannot be read. Again will not help.
    #[error("{host}: {detail}")]
    Invalid {
        /// The host.
        host: String,
        /// What is wrong, naming the object.
        detail: String,
    },
    /// Anything else.
    #[error("{host}: {detail}")]
    Other {
        /// The host.
        host: String,
        /// What ssh or the system said.
        detail: String,
    },
}

impl ConnectError {
    /// Whether the same may succeed later with nobody changing anything on our side: the
    /// host may boot, the network may heal.
    pub fn again_may_help(&self) -> bool {
        use ConnectError::*;
        matches!(
            self,
            Refused { .. }
                | Unreachable { .. }
                | Busy { .. }
                | SessionRefused { .. }
                | Lost { .. }
                | Other { .. }
        )
    }
}
