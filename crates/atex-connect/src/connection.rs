//! An open way to a host.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::drive::{self, Stdio};
use crate::error::ConnectError;
use crate::local;
use crate::session::{self, Event, Session, Stdin};
use crate::ssh::Master;

/// Longest argument that Linux takes: MAX_ARG_STRLEN, less the end mark.
const ARGUMENT_BYTES: usize = 128 * 1024 - 1;

/// An open way to a host. Clones share it; when the last one is dropped and the sessions on
/// it have ended, an ssh master is told to end.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    host: String,
    runtime: Handle,
    limits: Limits,
    way: Way,
}

/// Limits of sessions, from [`Options`](crate::Options).
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) outstanding_bytes: usize,
    pub(crate) stdin_queue_bytes: usize,
    pub(crate) child_open_files: Option<u64>,
}

enum Way {
    /// A process of this machine; the vector is empty or leads to another.
    Process(Vec<String>),
    Ssh(Arc<Master>),
}

impl Connection {
    pub(crate) fn local(runtime: Handle, limits: Limits) -> Self {
        Connection::new("local".to_owned(), runtime, limits, Way::Process(Vec::new()))
    }

    pub(crate) fn command(runtime: Handle, limits: Limits, argv: Vec<String>) -> Self {
        Connection::new(argv.join(" "), runtime, limits, Way::Process(argv))
    }

    pub(crate) fn ssh(runtime: Handle, limits: Limits, master: Master) -> Self {
        let host = master.host().to_owned();
        Connection::new(host, runtime, limits, Way::Ssh(Arc::new(master)))
    }

    fn new(host: String, runtime: Handle, limits: Limits, way: Way) -> Self {
        let inner = Inner { host, runtime, limits, way };
        Connection { inner: Arc::new(inner) }
    }

    /// Runs a POSIX sh command line on the host.
    ///
    /// `sink` is called on the connector's thread and must not wait there. The working
    /// directory and the environment are whatever the host gives to a command; there is no
    /// terminal. Ended is an exit status of the command, or the error why there is none.
    pub fn run(&self, command: &str, stdin: Stdin, sink: impl FnMut(Event) + Send + 'static) -> Session {
        let inner = Arc::clone(&self.inner);
        let limit = inner.limits.outstanding_bytes;
        let (session, remote, sink) = session::open(&inner.host, inner.limits.stdin_queue_bytes, sink);
        let command = command.to_owned();
        self.inner.runtime.spawn(async move {
            match &inner.way {
                Way::Process(argv) => {
                    let spawn = async |stdio| inner.spawn_process(argv, &command, stdio);
                    drive::drive(sink, remote, stdin, limit, spawn).await;
                }
                Way::Ssh(master) => {
                    let spawn = async |stdio| master.spawn(&command, stdio).await;
                    drive::drive(sink, remote, stdin, limit, spawn).await;
                }
            }
        });
        session
    }

    /// Ends the connection for all clones, in order, within a few seconds; sessions that
    /// still run end as lost. `done` is called on the connector's thread.
    pub fn close(self, done: impl FnOnce() + Send + 'static) {
        let inner = self.inner;
        let runtime = inner.runtime.clone();
        runtime.spawn(async move {
            if let Way::Ssh(master) = &inner.way {
                master.close().await;
            }
            done();
        });
    }
}

impl Inner {
    fn spawn_process(
        &self,
        prefix: &[String],
        command: &str,
        stdio: Stdio,
    ) -> Result<local::LocalChild, ConnectError> {
        check_argument(&self.host, command)?;
        let words = ["sh", "-c", command];
        let argv: Vec<&str> = prefix.iter().map(String::as_str).chain(words).collect();
        local::spawn(&self.host, &argv, stdio, self.limits.child_open_files)
    }
}

/// Refuses what cannot be an argument of a program, here or on the host.
pub(crate) fn check_argument(host: &str, text: &str) -> Result<(), ConnectError> {
    let invalid = |detail: String| Err(ConnectError::Invalid { host: host.to_owned(), detail });
    if text.contains('\0') {
        return invalid("a command line holds a NUL byte".to_owned());
    }
    if text.len() > ARGUMENT_BYTES {
        return invalid(format!(
            "a command line of {} bytes is longer than the {ARGUMENT_BYTES} that a host takes; send it as input",
            text.len()
        ));
    }
    Ok(())
}
