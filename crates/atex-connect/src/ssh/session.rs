//! One command over a master's control socket.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use openssh::Stdio as RemoteStdio;

use super::Master;
use crate::connection::check_argument;
use crate::drive::{Child, Source, Stdio};
use crate::error::ConnectError;
use crate::session::Exit;

/// A command on the far side.
pub(crate) struct RemoteChild {
    master: Arc<Master>,
    child: openssh::Child<Arc<openssh::Session>>,
}

impl Master {
    /// Starts a POSIX sh command line.
    ///
    /// sshd gives it to the user's login shell, which need not be a POSIX one, so that shell
    /// is only asked to become `sh`. It must know single quotes as sh does: csh refuses line
    /// ends between them, fish takes backslashes there for its own.
    pub(crate) async fn spawn(
        self: &Arc<Self>,
        command: &str,
        stdio: Stdio,
    ) -> Result<RemoteChild, ConnectError> {
        check_argument(self.host(), command)?;
        let line = if is_plain(command) {
            command.to_owned()
        } else {
            let quoted = shlex::try_quote(command).expect("a checked argument can be quoted");
            format!("exec sh -c {quoted}")
        };
        check_argument(self.host(), &line)?;
        let mut remote = openssh::Session::to_raw_command(Arc::clone(&self.session), line);
        remote
            .stdin(match stdio.stdin {
                Source::Null => RemoteStdio::null(),
                Source::Fd(fd) => fd.into(),
            })
            .stdout(stdio.stdout)
            .stderr(stdio.stderr);
        match remote.spawn().await {
            Ok(child) => Ok(RemoteChild { master: Arc::clone(self), child }),
            Err(error) => Err(self.spawn_error(&error).await),
        }
    }

    /// A master that still answers has refused; one that does not is gone.
    async fn spawn_error(&self, error: &openssh::Error) -> ConnectError {
        if !self.answers().await {
            return self.lost();
        }
        ConnectError::SessionRefused {
            host: self.host().to_owned(),
            detail: error.source().map_or_else(|| error.to_string(), ToString::to_string),
        }
    }
}

/// Whether every shell takes this for the same: a program that replaces it, and plain words. Then there is no
/// need for a `sh` in between, which costs the host about a millisecond.
fn is_plain(command: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b" /._-".contains(&b);
    command.starts_with("exec ") && command.bytes().all(plain)
}

impl Child for RemoteChild {
    async fn wait(self) -> Result<Exit, ConnectError> {
        match self.child.wait().await {
            Ok(status) => Ok(Exit::Code(status.code().unwrap_or(255))),
            // openssh makes an error of status 127.
            Err(openssh::Error::Remote(error)) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Exit::Code(127))
            }
            // No status came: a signal ended the command, or the connection is gone. A master
            // that still answers has not lost it.
            Err(openssh::Error::RemoteProcessTerminated) if self.master.answers().await => {
                Ok(Exit::Signal(None))
            }
            Err(_) => Err(self.master.lost()),
        }
    }
}
