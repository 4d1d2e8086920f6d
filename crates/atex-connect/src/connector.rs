//! Opens connections; owns the thread that everything happens on.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};

use crate::connection::{Connection, Limits};
use crate::directory::Directory;
use crate::error::ConnectError;
use crate::local;
use crate::ssh::{Master, Setup};
use crate::target::Target;

/// Settings of a [`Connector`]. The defaults suit most uses.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the private folder for ssh control sockets is made. Its path must be short: a
    /// socket's holds 108 bytes. Default: `$XDG_RUNTIME_DIR`, else `$TMPDIR`, else `/tmp`.
    pub directory: Option<PathBuf>,
    /// The ssh program, a path or a name to be found in `PATH`.
    pub ssh: PathBuf,
    /// An ssh_config file that stands in for the user's and the system's own, as
    /// `ssh -F`; `none` is no file at all.
    pub ssh_config: Option<PathBuf>,
    /// How many ssh logins are under way at once. A login costs some ten milliseconds of CPU
    /// time, and sshd by default drops some when more than ten are under way (MaxStartups),
    /// which jump hosts feel first.
    pub opening_at_once: usize,
    /// How long a login may take in all. ssh's own ConnectTimeout, 10 seconds unless set,
    /// covers most of it; this also covers a server that hangs later.
    pub open_timeout: Duration,
    /// Within which time a host that does not answer any more is noticed, in whole seconds, unless the user's
    /// ssh_config sets ServerAliveInterval and ServerAliveCountMax.
    pub notice_within: Duration,
    /// Most bytes of a session's output that were reported and are not dropped yet; at this
    /// many, reading stops. At least 64 KiB.
    pub outstanding_bytes: usize,
    /// Most bytes that may wait for a command to read its input, see
    /// [`Session::write`](crate::Session::write).
    pub stdin_queue_bytes: usize,
    /// The soft limit of open files for started processes, if this process has raised its
    /// own.
    pub child_open_files: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            directory: None,
            ssh: PathBuf::from("ssh"),
            ssh_config: None,
            opening_at_once: 10,
            open_timeout: Duration::from_secs(120),
            notice_within: Duration::from_secs(15),
            outstanding_bytes: 1024 * 1024,
            stdin_queue_bytes: 1024 * 1024,
            child_open_files: None,
        }
    }
}

/// Opens connections. It must outlive them: when it is dropped, sessions that still run are
/// reported as lost, and the ssh masters end. It must not be dropped on its own thread, that
/// is, by a closure that was given to it.
pub struct Connector {
    runtime: Handle,
    shared: Arc<Shared>,
    /// Dropping the sender ends the thread, and all that runs on it.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    setup: Setup,
    limits: Limits,
}

/// How many files must be free to be opened: the runtime's own, a session's, and those that come and go.
const ROOM: usize = 24;

/// Fails if hardly any file can be opened any more: tokio panics when it finds that out.
fn look_for_room() -> io::Result<()> {
    let files: io::Result<Vec<File>> = (0..ROOM).map(|_| File::open("/dev/null")).collect();
    files.map(drop)
}

impl Connector {
    /// Starts the thread and makes the private folder.
    pub fn new(options: Options) -> io::Result<Self> {
        look_for_room()?;
        let runtime = Builder::new_current_thread()
            // Only input files are read there.
            .max_blocking_threads(2)
            .enable_io()
            .enable_time()
            .build()?;
        let setup = Setup {
            directory: Directory::create(options.directory.as_deref())?,
            program: options.ssh,
            user_config: options.ssh_config,
            open_timeout: options.open_timeout,
            open_files: options.child_open_files,
            notice_within: options.notice_within,
            opening: Semaphore::new(options.opening_at_once.max(1)),
        };
        let limits = Limits {
            outstanding_bytes: options.outstanding_bytes,
            stdin_queue_bytes: options.stdin_queue_bytes,
            child_open_files: options.child_open_files,
        };
        let shared = Arc::new(Shared { setup, limits });
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("atex-connect".to_owned()).spawn(move || {
            // Nothing is ever sent: what comes is that the sender is gone.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Connector { runtime: handle, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Opens a connection. `done` is called exactly once, on the connector's thread, and must
    /// not wait there.
    ///
    /// For a local target and a command prefix nothing is started; that the prefix works
    /// shows when a command is run.
    pub fn open(&self, target: Target, done: impl FnOnce(Result<Connection, ConnectError>) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        let runtime = self.runtime.clone();
        let answer = Answer::new(target.name(), done);
        self.runtime.spawn(async move {
            let limits = shared.limits;
            let opened = match target {
                Target::Local => Ok(Connection::local(runtime, limits)),
                Target::Command { argv } => {
                    local::find_program(&argv).map(|()| Connection::command(runtime, limits, argv))
                }
                Target::Ssh(ssh) => Master::open(&shared.setup, &ssh)
                    .await
                    .map(|master| Connection::ssh(runtime, limits, master)),
            };
            answer.give(opened);
        });
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A thread that panicked has said so.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The caller's closure, with the promise that it is called, also when the connector is
/// dropped before there is an answer.
struct Answer<F: FnOnce(Result<Connection, ConnectError>)> {
    host: String,
    done: Option<F>,
}

impl<F: FnOnce(Result<Connection, ConnectError>)> Answer<F> {
    fn new(host: String, done: F) -> Self {
        Answer { host, done: Some(done) }
    }

    fn give(mut self, opened: Result<Connection, ConnectError>) {
        if let Some(done) = self.done.take() {
            done(opened);
        }
    }
}

impl<F: FnOnce(Result<Connection, ConnectError>)> Drop for Answer<F> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(ConnectError::Lost {
                host: std::mem::take(&mut self.host),
                detail: "the connector was closed".to_owned(),
                silent: Duration::ZERO,
            }));
        }
    }
}
