//! One command on a host, as its owner sees it: an input, events, an end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::error::ConnectError;
use crate::stream::Chunk;

/// What a session reports. The last event is `Ended`, and it comes exactly once, unless the
/// session is abandoned.
#[derive(Debug)]
pub enum Event {
    /// Bytes from the command's standard output, in order.
    Stdout(Chunk),
    /// Bytes from the command's standard error, in order among themselves.
    Stderr(Chunk),
    /// The command has ended and both outputs were read to their ends; a process that it left
    /// behind with one of them open delays this.
    Ended(Result<Exit, ConnectError>),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// A signal ended it. Its number is known on this machine, but not through ssh.
    Signal(Option<i32>),
}

impl Exit {
    /// Whether the command exited with 0.
    pub fn is_success(self) -> bool {
        self == Exit::Code(0)
    }
}

/// The standard input of a command.
#[derive(Clone, Debug, Default)]
pub struct Stdin {
    /// What is written first.
    pub content: Content,
    /// Whether the input stays open after the content, for [`Session::write`], until
    /// [`Session::close_stdin`] is called or the session is dropped.
    pub keep_open: bool,
}

/// What is written to a command's standard input first.
#[derive(Clone, Debug, Default)]
pub enum Content {
    /// Nothing.
    #[default]
    Empty,
    /// These bytes, which several commands may share.
    Bytes(Arc<[u8]>),
    /// This file, read as the command consumes it.
    File(PathBuf),
}

impl Stdin {
    /// No input.
    pub fn empty() -> Self {
        Stdin::default()
    }

    /// These bytes, then the end.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Stdin::shared(bytes.into().into())
    }

    /// These bytes, of which other commands get the same copy, then the end.
    pub fn shared(bytes: Arc<[u8]>) -> Self {
        Content::Bytes(bytes).into()
    }

    /// This file, then the end.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Content::File(path.into()).into()
    }

    /// The same content, but the input stays open after it.
    pub fn keep_open(self) -> Self {
        Stdin { keep_open: true, ..self }
    }
}

impl From<Content> for Stdin {
    fn from(content: Content) -> Self {
        Stdin { content, keep_open: false }
    }
}

/// Why [`Session::write`] did not take the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The command does not read fast enough: the queue is full.
    #[error("the command's input queue is full")]
    Full,
    /// The input is closed, or the command has ended.
    #[error("the command's input is closed")]
    Closed,
}

/// A running command, as seen by whoever started it.
///
/// Dropping it closes the input if that was kept open; events still arrive.
#[derive(Debug)]
pub struct Session {
    inputs: mpsc::UnboundedSender<Input>,
    queued: Arc<AtomicUsize>,
    queue_limit: usize,
    silenced: Arc<AtomicBool>,
    abandon: oneshot::Sender<()>,
}

#[derive(Debug)]
pub(crate) enum Input {
    Bytes(Vec<u8>),
    Close,
}

impl Session {
    /// Queues bytes for the command's input, in order. Never waits.
    pub fn write(&self, bytes: impl Into<Vec<u8>>) -> Result<(), WriteError> {
        let bytes = bytes.into();
        let length = bytes.len();
        let queued = self.queued.fetch_add(length, Ordering::AcqRel) + length;
        if queued > self.queue_limit {
            self.queued.fetch_sub(length, Ordering::AcqRel);
            return Err(WriteError::Full);
        }
        self.inputs.send(Input::Bytes(bytes)).map_err(|_| WriteError::Closed)
    }

    /// Ends the command's input after what is queued.
    pub fn close_stdin(&self) {
        // An error means that the input is closed already.
        let _ = self.inputs.send(Input::Close);
    }

    /// Stops caring: the streams are closed and no further event is reported; one that is
    /// being reported on the connector's thread may still be finishing. The command itself is
    /// not killed. It finds its input at the end, and its outputs broken.
    pub fn abandon(self) {
        self.silenced.store(true, Ordering::Release);
        // An error means that the session has ended already.
        let _ = self.abandon.send(());
    }
}

/// The other end of a [`Session`], for the task that drives it.
pub(crate) struct Remote {
    pub(crate) inputs: mpsc::UnboundedReceiver<Input>,
    pub(crate) queued: Arc<AtomicUsize>,
    pub(crate) abandoned: oneshot::Receiver<()>,
}

/// A session, its other end, and the closure it reports to.
pub(crate) fn open<S: FnMut(Event)>(host: &str, queue_limit: usize, call: S) -> (Session, Remote, Sink<S>) {
    let (inputs, inputs_received) = mpsc::unbounded_channel();
    let (abandon, abandoned) = oneshot::channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let silenced = Arc::new(AtomicBool::new(false));
    let remote = Remote { inputs: inputs_received, queued: Arc::clone(&queued), abandoned };
    let sink = Sink { host: host.to_owned(), call, ended: false, silenced: Arc::clone(&silenced) };
    let session = Session { inputs, queued, queue_limit, silenced, abandon };
    (session, remote, sink)
}

/// The caller's closure, with the promise that `Ended` comes once and last, also when the
/// connector goes away before the command ends.
pub(crate) struct Sink<S: FnMut(Event)> {
    pub(crate) host: String,
    call: S,
    ended: bool,
    silenced: Arc<AtomicBool>,
}

impl<S: FnMut(Event)> Sink<S> {
    pub(crate) fn call(&mut self, event: Event) {
        if !self.silenced.load(Ordering::Acquire) {
            (self.call)(event);
        }
    }

    pub(crate) fn end(&mut self, outcome: Result<Exit, ConnectError>) {
        self.ended = true;
        self.call(Event::Ended(outcome));
    }
}

impl<S: FnMut(Event)> Drop for Sink<S> {
    fn drop(&mut self) {
        // A closure that has just panicked is not called again.
        if !self.ended && !std::thread::panicking() {
            self.end(Err(ConnectError::Lost {
                host: self.host.clone(),
                detail: "the connector was closed".to_owned(),
                silent: std::time::Duration::ZERO,
            }));
        }
    }
}
