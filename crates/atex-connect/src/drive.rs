//! Moves the bytes of one command, wherever it runs, until it has ended.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use crate::error::ConnectError;
use crate::local::advice;
use crate::session::{Content, Event, Exit, Input, Remote, Sink, Stdin};
use crate::stream::{Chunk, Gate, read_piece};

/// Bytes of an input file that are read at once.
const FILE_READ_BYTES: usize = 256 * 1024;

/// What runs on the other side of the three streams.
pub(crate) trait Child {
    /// Waits for the end of the command. Called once both outputs are at their ends.
    fn wait(self) -> impl Future<Output = Result<Exit, ConnectError>> + Send;
}

/// The streams that a command is started with.
pub(crate) struct Stdio {
    pub(crate) stdin: Source,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// The standard input that a command is started with.
pub(crate) enum Source {
    Null,
    Fd(OwnedFd),
}

/// Our ends of a command's streams.
struct Streams {
    stdin: Option<Feed>,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

/// What is to be written into a command's input, and where.
struct Feed {
    pipe: pipe::Sender,
    content: Opened,
    keep_open: bool,
}

enum Opened {
    Empty,
    Bytes(Arc<[u8]>),
    File(File),
}

/// Runs one command: `spawn` starts it with the streams it is given. Returns when all events
/// were reported, or when the session was abandoned.
pub(crate) async fn drive<C, F, S>(
    mut sink: Sink<S>,
    remote: Remote,
    stdin: Stdin,
    limit: usize,
    spawn: impl FnOnce(Stdio) -> F,
) where
    C: Child,
    F: Future<Output = Result<C, ConnectError>>,
    S: FnMut(Event),
{
    let Remote { inputs, queued, abandoned } = remote;
    let work = async {
        let outcome = run(&mut sink, stdin, inputs, &queued, limit, spawn).await;
        sink.end(outcome);
    };
    tokio::select! {
        () = work => {}
        // A dropped sender is a dropped session, which does not abandon anything.
        Ok(()) = abandoned => {}
    }
}

async fn run<C, F, S>(
    sink: &mut Sink<S>,
    stdin: Stdin,
    inputs: mpsc::UnboundedReceiver<Input>,
    queued: &AtomicUsize,
    limit: usize,
    spawn: impl FnOnce(Stdio) -> F,
) -> Result<Exit, ConnectError>
where
    C: Child,
    F: Future<Output = Result<C, ConnectError>>,
    S: FnMut(Event),
{
    let (streams, stdio) = open_streams(&sink.host, stdin)?;
    let child = spawn(stdio).await?;
    let feeding = async {
        if let Some(feed) = streams.stdin {
            // An error means that the command does not read its input: its own affair.
            let _ = feed.run(inputs, queued).await;
        }
        std::future::pending::<()>().await;
    };
    let ending = async {
        report_outputs(streams.stdout, streams.stderr, limit, sink).await;
        child.wait().await
    };
    tokio::select! {
        outcome = ending => outcome,
        () = feeding => unreachable!("feeding never completes"),
    }
}

fn open_streams(host: &str, stdin: Stdin) -> Result<(Streams, Stdio), ConnectError> {
    let (feed, source) = open_stdin(host, stdin)?;
    let pipes = || -> io::Result<_> {
        let (stdout, stdout_writer) = io::pipe()?;
        let (stderr, stderr_writer) = io::pipe()?;
        let streams = Streams {
            stdin: feed,
            stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
            stderr: pipe::Receiver::from_owned_fd(stderr.into())?,
        };
        let stdio = Stdio { stdin: source, stdout: stdout_writer.into(), stderr: stderr_writer.into() };
        Ok((streams, stdio))
    };
    pipes().map_err(|error| pipe_error(host, &error))
}

fn open_stdin(host: &str, stdin: Stdin) -> Result<(Option<Feed>, Source), ConnectError> {
    let content = match stdin.content {
        Content::Empty if !stdin.keep_open => return Ok((None, Source::Null)),
        // The command, or ssh for it, reads the file itself.
        Content::File(path) if !stdin.keep_open => {
            return Ok((None, Source::Fd(open_file(host, &path)?.into())));
        }
        Content::Empty => Opened::Empty,
        Content::Bytes(bytes) => Opened::Bytes(bytes),
        Content::File(path) => Opened::File(open_file(host, &path)?),
    };
    let pipes = || -> io::Result<_> {
        let (reader, writer) = io::pipe()?;
        let feed =
            Feed { pipe: pipe::Sender::from_owned_fd(writer.into())?, content, keep_open: stdin.keep_open };
        Ok((Some(feed), Source::Fd(reader.into())))
    };
    pipes().map_err(|error| pipe_error(host, &error))
}

fn open_file(host: &str, path: &Path) -> Result<File, ConnectError> {
    File::open(path).map_err(|error| ConnectError::Invalid {
        host: host.to_owned(),
        detail: format!("input file {}: {error}", path.display()),
    })
}

fn pipe_error(host: &str, error: &io::Error) -> ConnectError {
    ConnectError::Other {
        host: host.to_owned(),
        detail: format!("no pipes for a command: {error}{}", advice(error)),
    }
}

impl Feed {
    async fn run(
        mut self,
        mut inputs: mpsc::UnboundedReceiver<Input>,
        queued: &AtomicUsize,
    ) -> io::Result<()> {
        match self.content {
            Opened::Empty => {}
            Opened::Bytes(bytes) => self.pipe.write_all(&bytes).await?,
            Opened::File(file) => copy_file(file, &mut self.pipe).await?,
        }
        if !self.keep_open {
            return Ok(());
        }
        while let Some(Input::Bytes(bytes)) = inputs.recv().await {
            self.pipe.write_all(&bytes).await?;
            queued.fetch_sub(bytes.len(), Ordering::AcqRel);
        }
        Ok(())
    }
}

/// Files are read on another thread: a slow disk must not stall all hosts.
async fn copy_file(mut file: File, pipe: &mut pipe::Sender) -> io::Result<()> {
    let mut buffer = vec![0; FILE_READ_BYTES];
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let count = file.read(&mut buffer)?;
            io::Result::Ok((file, buffer, count))
        });
        let count;
        (file, buffer, count) = read.await??;
        if count == 0 {
            return Ok(());
        }
        pipe.write_all(&buffer[..count]).await?;
    }
}

/// Reads both outputs to their ends. A broken pipe counts as an end: how the command itself
/// ended tells more.
async fn report_outputs<S: FnMut(Event)>(
    mut stdout: pipe::Receiver,
    mut stderr: pipe::Receiver,
    limit: usize,
    sink: &mut Sink<S>,
) {
    let gate = Gate::new(limit);
    let (mut stdout_open, mut stderr_open) = (true, true);
    while stdout_open || stderr_open {
        gate.room().await;
        tokio::select! {
            piece = read_piece(&mut stdout), if stdout_open => match piece {
                Ok(Some(bytes)) => sink.call(Event::Stdout(Chunk::new(bytes, &gate))),
                _ => stdout_open = false,
            },
            piece = read_piece(&mut stderr), if stderr_open => match piece {
                Ok(Some(bytes)) => sink.call(Event::Stderr(Chunk::new(bytes, &gate))),
                _ => stderr_open = false,
            },
        }
    }
}
