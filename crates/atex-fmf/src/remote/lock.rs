//! Locks between processes: `flock` on files that stay, as the reference takes them, so that it can use the same cache
//! at the same time.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::error::{Error, ErrorClass};

/// How often it is tried. There is no `flock` with a time limit, and an alarm would disturb the rest of the program.
const INTERVAL: Duration = Duration::from_millis(50);

/// Held until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held, not looked at")] Flock<File>);

impl Lock {
    /// Waits for the lock, but not longer than this.
    pub fn take(path: &Path, patience: Duration) -> Result<Self, Error> {
        let start = Instant::now();
        loop {
            match attempt(path) {
                Ok(Some(mut lock)) => {
                    // For people who wonder which process holds it.
                    let _ = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
                    return Ok(Self(lock));
                }
                Ok(None) if start.elapsed() < patience => thread::sleep(INTERVAL),
                Ok(None) => {
                    let seconds = patience.as_secs();
                    let message =
                        format!("Failed to acquire lock for '{}' within {seconds} seconds.", path.display());
                    return Err(Error::new(ErrorClass::General, message));
                }
                Err(error) => {
                    return Err(Error::new(ErrorClass::Fetch, format!("{}: {error}", path.display())));
                }
            }
        }
    }
}

/// The lock, or nothing if another process has it.
fn attempt(path: &Path) -> io::Result<Option<Flock<File>>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        // Some versions of the reference's library remove the file: then it is the new one that counts.
        Ok(lock) if lock.metadata()?.nlink() == 0 => Ok(None),
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK | Errno::EACCES | Errno::EINTR)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn one_at_a_time_holds_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.read.lock");
        let held = Lock::take(&path, Duration::ZERO).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        let error = Lock::take(&path, Duration::ZERO).unwrap_err();
        let expected = format!("Failed to acquire lock for '{}' within 0 seconds.", path.display());
        assert_eq!((error.class(), error.message()), (ErrorClass::General, &*expected));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| Lock::take(&path, Duration::from_secs(60)));
            drop(held);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.read.lock");
        std::os::unix::fs::symlink(dir.path().join("other"), &path).unwrap();
        assert_eq!(Lock::take(&path, Duration::ZERO).unwrap_err().class(), ErrorClass::Fetch);
        assert!(!dir.path().join("other").exists());
    }
}
