//! Pieces of output, and how many of them may be under way.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Notify;

/// Most bytes that one read takes: the capacity of a pipe.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// A read that fills less of the buffer than this is copied out, so that a chunk never
/// occupies much more memory than it is charged for and idle streams own no buffer.
const COPY_BELOW: usize = READ_BYTES / 2;

/// A piece of output. It counts against the session's limit of outstanding bytes until it is
/// dropped, on whatever thread: who keeps chunks makes the host's command wait.
pub struct Chunk {
    bytes: Vec<u8>,
    gate: Arc<Gate>,
}

impl Chunk {
    pub(crate) fn new(bytes: Vec<u8>, gate: &Arc<Gate>) -> Self {
        gate.outstanding.fetch_add(bytes.capacity(), Ordering::AcqRel);
        Chunk { bytes, gate: Arc::clone(gate) }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunk({} bytes)", self.bytes.len())
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.gate.give_back(self.bytes.capacity());
    }
}

/// Counts the bytes that the receiver of a session has not dropped yet.
pub(crate) struct Gate {
    limit: usize,
    outstanding: AtomicUsize,
    lowered: Notify,
}

impl Gate {
    /// A gate that lets `limit` bytes through, and at least one full read.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Gate {
            limit: limit.max(READ_BYTES),
            outstanding: AtomicUsize::new(0),
            lowered: Notify::new(),
        })
    }

    fn has_room(&self) -> bool {
        self.outstanding.load(Ordering::Acquire) + READ_BYTES <= self.limit
    }

    /// Waits until a full read fits. Only one task may wait.
    pub(crate) async fn room(&self) {
        while !self.has_room() {
            self.lowered.notified().await;
        }
    }

    fn give_back(&self, bytes: usize) {
        let before = self.outstanding.fetch_sub(bytes, Ordering::AcqRel);
        let was_shut = before + READ_BYTES > self.limit;
        if was_shut {
            self.lowered.notify_one();
        }
    }
}

thread_local! {
    /// Where reads land. All streams share it, because all are read on one thread and none
    /// keeps anything in it between two polls.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The next piece of a stream, `None` at its end. Loses nothing when dropped half-way.
pub(crate) async fn read_piece(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    poll_fn(|context| {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            scratch.reserve_exact(READ_BYTES);
            // The future of one read has no state, so a new one for every poll loses nothing.
            let read = pin!(stream.read_buf(&mut *scratch));
            match ready!(read.poll(context)) {
                Err(error) => Poll::Ready(Err(error)),
                Ok(0) => Poll::Ready(Ok(None)),
                Ok(_) => Poll::Ready(Ok(Some(take_piece(scratch)))),
            }
        })
    })
    .await
}

fn take_piece(scratch: &mut Vec<u8>) -> Vec<u8> {
    if scratch.len() < COPY_BELOW { scratch.as_slice().to_vec() } else { std::mem::take(scratch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_piece_owns_a_small_buffer() {
        let mut scratch = Vec::with_capacity(READ_BYTES);
        scratch.extend_from_slice(b"hello");
        let piece = take_piece(&mut scratch);
        assert_eq!(piece, b"hello");
        assert_eq!(piece.capacity(), 5);
    }

    #[test]
    fn a_gate_shuts_when_a_full_read_does_not_fit() {
        let gate = Gate::new(3 * READ_BYTES);
        let full = || Chunk::new(vec![0; READ_BYTES], &gate);
        let first = full();
        let _second = full();
        assert!(gate.has_room());
        let _third = full();
        assert!(!gate.has_room());
        drop(first);
        assert!(gate.has_room());
    }

    #[test]
    fn a_gate_always_lets_one_read_through() {
        assert!(Gate::new(0).has_room());
    }
}
