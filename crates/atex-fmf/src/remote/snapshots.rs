//! Files of commits, each in a directory of its own that never changes: records point there, and are used long after
//! the clone is at another commit.

use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::lock::Lock;
use super::program::{Call, Deadline};
use crate::error::{Error, ErrorClass};

/// Where they are in the cache. No URL's clone has this name.
const DIRECTORY: &str = ".atex";

/// What nobody asked for during this time is removed when something new is added.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The lock is held for a few system calls, or for removing what is old.
const PATIENCE: Duration = Duration::from_secs(60);

/// The files of commits, in a cache that processes share.
pub struct Snapshots {
    dir: PathBuf,
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorClass::Fetch, format!("{}: {error}", path.display()))
}

impl Snapshots {
    pub fn in_cache(cache: &Path) -> Result<Self, Error> {
        let dir = cache.join(DIRECTORY);
        fs::create_dir_all(&dir).map_err(|error| failed(&dir, &error))?;
        Ok(Self { dir })
    }

    /// A new directory beside them, for what is not complete yet. It is removed when dropped; if we are killed,
    /// when it is old.
    pub fn scratch(&self) -> Result<tempfile::TempDir, Error> {
        let dir = tempfile::Builder::new().prefix("new-").tempdir_in(&self.dir);
        dir.map_err(|error| failed(&self.dir, &error))
    }

    /// The files of a commit of a clone.
    pub fn of_commit(&self, clone: &Path, commit: &str, deadline: Deadline) -> Result<PathBuf, Error> {
        let path = self.dir.join(commit);
        if self.use_present(&path)? {
            return Ok(path);
        }
        let scratch = self.scratch()?;
        let files = scratch.path().join("files");
        fs::create_dir(&files).map_err(|error| failed(&files, &error))?;
        Call::new([])
            .hidden([Path::new("--git-dir"), &clone.join(".git"), Path::new("--work-tree"), &files])
            .words(["read-tree", "--reset", "-u", commit])
            .env("GIT_INDEX_FILE", scratch.path().join("index"))
            .current_dir(&files)
            .run(deadline)?;
        let _lock = self.lock()?;
        match fs::rename(&files, &path) {
            Ok(()) => self.remove_old(SystemTime::now() - KEPT),
            // Another process was quicker, with the same files.
            Err(_) if path.is_dir() => touch(&path).map_err(|error| failed(&path, &error))?,
            Err(error) => return Err(failed(&path, &error)),
        }
        Ok(path)
    }

    fn lock(&self) -> Result<Lock, Error> {
        Lock::take(&self.dir.join("lock"), PATIENCE)
    }

    /// Whether it is there; then it counts as used now.
    fn use_present(&self, path: &Path) -> Result<bool, Error> {
        let _lock = self.lock()?;
        match touch(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// Removes what was last used before a time. What cannot be removed stays: that harms nobody.
    fn remove_old(&self, before: SystemTime) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let is_old =
                |meta: fs::Metadata| meta.is_dir() && meta.modified().is_ok_and(|used| used < before);
            if entry.metadata().is_ok_and(is_old) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn touch(path: &Path) -> io::Result<()> {
    File::open(path)?.set_times(FileTimes::new().set_modified(SystemTime::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_removed() {
        let cache = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::in_cache(cache.path()).unwrap();
        let (old, used) = (snapshots.dir.join("old"), snapshots.dir.join("used"));
        for path in [&old, &used] {
            fs::create_dir(path).unwrap();
            let long_ago = SystemTime::now() - 2 * KEPT;
            File::open(path).unwrap().set_times(FileTimes::new().set_modified(long_ago)).unwrap();
        }
        assert!(snapshots.use_present(&used).unwrap());
        assert!(!snapshots.use_present(&snapshots.dir.join("none")).unwrap());
        snapshots.remove_old(SystemTime::now() - KEPT);
        assert_eq!((old.exists(), used.exists()), (false, true));
    }
}
