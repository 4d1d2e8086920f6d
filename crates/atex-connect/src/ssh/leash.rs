//! Our hold on a master process: one idle connection to its control socket.
//!
//! While the leash is open the master does not count as idle, and its process id is in use.
//! When either side ends, in whatever way, the kernel closes it. openssh makes a connection
//! for every session but none that stays, so the few messages needed are spoken here; they
//! are described in PROTOCOL.mux of OpenSSH. Each is a length and then 32-bit numbers.

use std::io;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const HELLO: u32 = 0x0000_0001;
const VERSION: u32 = 4;
const ALIVE_CHECK: u32 = 0x1000_0004;
const ALIVE: u32 = 0x8000_0005;

/// Longer than any message that is expected here.
const MESSAGE_BYTES: u32 = 1024;

pub(super) struct Leash {
    stream: UnixStream,
    pid: Pid,
}

impl Leash {
    /// Takes hold of the master that listens at this path.
    ///
    /// It is asked for its process id, since the one that the socket tells is that of the
    /// process which bound it, before ssh went to the background.
    pub(super) async fn attach(socket: &Path) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket).await?;
        let request = 0;
        stream.write_all(&message(&[HELLO, VERSION])).await?;
        stream.write_all(&message(&[ALIVE_CHECK, request])).await?;
        loop {
            match receive(&mut stream).await?[..] {
                [HELLO, ..] => {}
                [ALIVE, _, pid, ..] => {
                    let pid = i32::try_from(pid).map_err(io::Error::other)?;
                    let pid = Pid::from_raw(pid);
                    return Ok(Leash { stream, pid });
                }
                _ => return Err(io::Error::other("the control socket answers strangely")),
            }
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns when the process has ended.
    pub(super) async fn gone(&self) {
        while self.stream.readable().await.is_ok() && self.is_open() {}
    }

    /// Signals the process. Its id cannot mean another one while the leash is open.
    pub(super) fn signal(&self, signal: Signal) {
        if self.is_open() {
            // An error means that the process has just ended.
            let _ = kill(self.pid, signal);
        }
    }

    fn is_open(&self) -> bool {
        let mut unexpected = [0; 64];
        loop {
            match self.stream.try_read(&mut unexpected) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }
}

fn message(numbers: &[u32]) -> Vec<u8> {
    let length = 4 * numbers.len() as u32;
    std::iter::once(&length).chain(numbers).flat_map(|number| number.to_be_bytes()).collect()
}

async fn receive(stream: &mut UnixStream) -> io::Result<Vec<u32>> {
    let length = stream.read_u32().await?;
    if length > MESSAGE_BYTES {
        return Err(io::Error::other("the control socket sends too much"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await?;
    let (numbers, _) = bytes.as_chunks();
    Ok(numbers.iter().map(|number| u32::from_be_bytes(*number)).collect())
}
