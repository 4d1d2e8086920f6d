//! Points at which a test can have this process killed, to see that nothing is lost then.
//!
//! `ATEX_FAULT=N` in the environment kills the process, as `kill -9` does, when it passes its Nth point. This is heard
//! only in builds with debug assertions, which tests are and releases are not: so what is tested is the program
//! that is shipped but for this, and no test has to name every point, so that none can be forgotten.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

static PASSED: AtomicU64 = AtomicU64::new(0);
static FATAL: LazyLock<Option<u64>> = LazyLock::new(|| std::env::var("ATEX_FAULT").ok()?.parse().ok());

/// A point. `name` says what has just been done, or is about to be.
pub(crate) fn point(name: &str) {
    if !cfg!(debug_assertions) {
        return;
    }
    let Some(fatal) = *FATAL else { return };
    if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == fatal {
        log::warn!("killed by ATEX_FAULT={fatal}: {name}");
        // The signal cannot be refused, so that nothing is returned to.
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}
