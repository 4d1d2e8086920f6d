//! The side of the run: takes requests and hands them to the dispatcher.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::Sender;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{self, getsockopt};
use nix::unistd::Uid;
use serde_json::Value;

use super::{Answer, Ask, MAX_LINE, names, refusal, way_to};
use crate::run_dir::RunDir;

/// More connections at one time are refused.
const MAX_CONNECTIONS: usize = 64;

/// What each thread needs.
const STACK: usize = 256 << 10;

/// What is asked, and where the answer goes.
pub(crate) struct Asked {
    pub ask: Ask,
    pub answer: Sender<Answer>,
}

/// The socket of a run. It is gone when this is dropped.
pub(crate) struct Socket {
    listener: Arc<UnixListener>,
    path: PathBuf,
    /// What makes the path valid.
    _dir: File,
    connections: Connections,
    thread: Option<JoinHandle<()>>,
}

impl Socket {
    /// Opens it. Requests are sent to `ask`.
    pub fn open(dir: &RunDir, ask: Sender<Asked>) -> io::Result<Socket> {
        let (path, held) = way_to(&dir.path)?;
        // The run directory is ours alone: this is what a life of the run has left that was killed.
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = Arc::new(UnixListener::bind(&path)?);
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let connections = Connections::default();
        let dir = dir.path.clone();
        let door = Door { listener: Arc::clone(&listener), connections: connections.clone(), ask, dir };
        let thread = thread::Builder::new().name("control".into()).stack_size(STACK);
        let thread = Some(thread.spawn(move || door.attend())?);
        Ok(Socket { listener, path, _dir: held, connections, thread })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        // Ends who waits for somebody, and then those who wait for words.
        let _ = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.connections.close();
    }
}

/// The connections that are open.
#[derive(Clone, Default)]
struct Connections(Arc<Mutex<(u64, HashMap<u64, UnixStream>)>>);

impl Connections {
    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, UnixStream>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None: there are too many.
    fn add(&self, stream: UnixStream) -> Option<u64> {
        let mut all = self.lock();
        if all.1.len() >= MAX_CONNECTIONS {
            return None;
        }
        all.0 += 1;
        let number = all.0;
        all.1.insert(number, stream);
        Some(number)
    }

    fn remove(&self, number: u64) {
        self.lock().1.remove(&number);
    }

    fn close(&self) {
        for stream in self.lock().1.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Who lets in those that connect.
struct Door {
    listener: Arc<UnixListener>,
    connections: Connections,
    ask: Sender<Asked>,
    /// The run directory.
    dir: PathBuf,
}

impl Door {
    fn attend(self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Err(e) = self.let_in(stream) {
                        log::debug!("control.sock: {e}");
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // It is over; or there is no descriptor left for anybody.
                Err(e) if e.raw_os_error() == Some(nix::libc::EINVAL) => return,
                Err(e) => {
                    log::warn!("control.sock: {e}; it is not listened to any more");
                    return;
                }
            }
        }
    }

    fn let_in(&self, mut stream: UnixStream) -> io::Result<()> {
        let peer = Uid::from_raw(getsockopt(&stream, PeerCredentials)?.uid());
        if peer != Uid::effective() && !peer.is_root() {
            return say(&mut stream, &refusal(format!("user {peer} is not the one whose run this is")));
        }
        let Some(number) = self.connections.add(stream.try_clone()?) else {
            return say(&mut stream, &refusal("there are too many connections"));
        };
        let (ask, connections, dir) = (self.ask.clone(), self.connections.clone(), self.dir.clone());
        let thread = thread::Builder::new().name("control".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            // Who does not read or write any more is not answered any more.
            let _ = answer(stream, &ask, &dir);
            connections.remove(number);
        });
        started.map(|_| ()).inspect_err(|_| self.connections.remove(number))
    }
}

/// Answers all that is asked over a connection.
fn answer(mut stream: UnixStream, ask: &Sender<Asked>, dir: &Path) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE {
            return say(&mut stream, &refusal(format!("a request is longer than {MAX_LINE} bytes")));
        }
        let said = match serde_json::from_slice(&line) {
            Ok(request) => names::put(request, ask, dir),
            Err(e) => refusal(format!("not a request: {e}")),
        };
        say(&mut stream, &said)?;
    }
}

fn say(stream: &mut UnixStream, value: &Value) -> io::Result<()> {
    stream.write_all(format!("{value}\n").as_bytes())
}
