//! Puts what an attempt has left on disk, together with what others have left.
//!
//! To synchronize each file would cost each small test several commits of the file system. So the files' content
//! is only written out here; the one synchronization of the journal that follows commits the names and sizes
//! of all of them with its own, as file systems with a journal or a log do, and empties the disk's cache.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

/// Writes out the content of all files of a directory, and of those below it. One that is not there has no
/// content.
pub(crate) fn write_out(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            write_out(&entry.path())?;
        } else if kind.is_file() {
            write_out_file(&entry.path())?;
        }
    }
    Ok(())
}

fn write_out_file(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        // Somebody tidies up.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let flags =
        libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: the descriptor is open as long as `file` lives; the call takes numbers only.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, flags) } {
        0 => Ok(()),
        _ => {
            let error = io::Error::last_os_error();
            // Where the kernel or the file system has no such call there is the dearer one.
            match error.raw_os_error() {
                Some(libc::ENOSYS | libc::EINVAL | libc::ESPIPE) => file.sync_data(),
                _ => Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_written_out_and_what_is_not_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("files/a")).unwrap();
        fs::write(dir.path().join("files/a/b"), "x").unwrap();
        fs::write(dir.path().join("results.jsonl"), "").unwrap();
        std::os::unix::fs::symlink("/nonexistent", dir.path().join("link")).unwrap();
        write_out(dir.path()).unwrap();
        write_out(&dir.path().join("none")).unwrap();
        assert!(write_out(&dir.path().join("results.jsonl")).is_err());
    }
}
