//! The private folder for control sockets.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

const PREFIX: &str = "atex-ssh-";
const LOCK: &str = "lock";

/// Longest path of a folder whose sockets ssh can bind: 108 bytes of an address, less the
/// end mark, the name of the socket, and 17 bytes that ssh appends while it makes it.
const LONGEST: usize = 108 - 1 - "/master".len() - 17;

/// A folder without an owner is left alone for this long: its owner may be about to lock it.
const YOUNG: Duration = Duration::from_secs(60);

/// A folder of mode 0700 that goes away with this value. One that a killed process left
/// behind is removed by the next one that looks.
#[derive(Debug)]
pub(crate) struct Directory {
    // Dropped first: the folder is gone before the lock says that nobody owns it.
    folder: TempDir,
    _lock: Flock<File>,
    count: AtomicU64,
}

impl Directory {
    /// A new folder in `parent`, or where short-lived private files belong.
    pub(crate) fn create(parent: Option<&Path>) -> io::Result<Self> {
        let parent = parent.map_or_else(default_parent, Path::to_path_buf);
        remove_abandoned(&parent);
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(8)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&parent)?;
        check_length(folder.path())?;
        let lock = lock(folder.path())?;
        Ok(Directory { folder, _lock: lock, count: AtomicU64::new(0) })
    }

    /// A new folder inside, for one connection.
    pub(crate) fn folder(&self) -> io::Result<Folder> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(number.to_string());
        fs::create_dir(&path)?;
        Ok(Folder { path })
    }
}

/// The files of one connection; they go away with this value.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now goes with the whole directory.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn default_parent() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && fits(path) && path.is_dir())
        .unwrap_or_else(std::env::temp_dir)
}

/// Whether a folder made in `parent` is short enough, with room for numbers.
fn fits(parent: &Path) -> bool {
    parent.as_os_str().len() + "/".len() + PREFIX.len() + 8 + "/1000000".len() <= LONGEST
}

fn check_length(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().as_bytes().len() + "/1000000".len() <= LONGEST {
        return Ok(());
    }
    let message =
        format!("{}: too long for ssh control sockets; name a shorter directory (TMPDIR)", folder.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn lock(folder: &Path) -> io::Result<Flock<File>> {
    let file = OpenOptions::new().create(true).append(true).open(folder.join(LOCK))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error.into())
}

/// Removes folders whose owner was killed. Whatever fails here is somebody else's.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let named_so = entry.file_name().as_bytes().starts_with(PREFIX.as_bytes());
        if named_so && is_ours_and_old(&entry) && lock(&entry.path()).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_ours_and_old(entry: &fs::DirEntry) -> bool {
    let Ok(data) = entry.metadata() else { return false };
    let old = || matches!(data.modified().map(|time| time.elapsed()), Ok(Ok(age)) if age > YOUNG);
    // The parent may be open to everybody: no link is followed, nothing foreign is touched.
    data.is_dir() && data.uid() == nix::unistd::geteuid().as_raw() && old()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn make_old(path: &Path) {
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        File::open(path).unwrap().set_modified(hour_ago).unwrap();
    }

    #[test]
    fn a_directory_is_private_and_goes_away() {
        let parent = tempfile::tempdir().unwrap();
        let directory = Directory::create(Some(parent.path())).unwrap();
        let path = directory.folder.path().to_path_buf();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let folder = directory.folder().unwrap();
        fs::write(folder.join("log"), "x").unwrap();
        drop(folder);
        assert!(!path.join("0").exists());
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn only_old_folders_without_an_owner_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let owned = Directory::create(Some(parent.path())).unwrap();
        make_old(owned.folder.path());
        let abandoned = parent.path().join("atex-ssh-abandoned");
        let young = parent.path().join("atex-ssh-young");
        let foreign = parent.path().join("something-else");
        for path in [&abandoned, &young, &foreign] {
            fs::create_dir(path).unwrap();
        }
        make_old(&abandoned);
        make_old(&foreign);
        remove_abandoned(parent.path());
        assert!(!abandoned.exists());
        assert!(young.exists() && foreign.exists() && owned.folder.path().exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("d".repeat(90));
        fs::create_dir(&long).unwrap();
        let error = Directory::create(Some(&long)).unwrap_err().to_string();
        assert!(error.contains("too long for ssh control sockets"), "{error}");
    }
}
