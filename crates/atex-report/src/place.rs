//! Where a file that was asked for by its name is written: beside its place until it is whole, or directly to what is
//! there and is no file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// As many links the system itself follows.
const LINKS: usize = 40;

/// What a name stands for.
enum Target {
    /// A regular file, or nothing yet. No part of the path is a link.
    File(PathBuf),
    /// Something that cannot be replaced, only written to: a pipe, a device, or a file that is open as `/dev/stdout`.
    Open(PathBuf),
}

impl Target {
    fn of(path: &Path) -> io::Result<Target> {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let Some(name) = path.file_name() else { return Ok(Target::Open(path)) };
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let dir = fs::canonicalize(dir)?;
            let whole = dir.join(name);
            // Links in there are no paths: what they lead to is open already, and somebody waits for it.
            if dir.starts_with("/proc") {
                return Ok(Target::Open(whole));
            }
            match fs::symlink_metadata(&whole) {
                Ok(about) if about.is_symlink() => path = dir.join(fs::read_link(&whole)?),
                Ok(about) if !about.is_file() => return Ok(Target::Open(whole)),
                _ => return Ok(Target::File(whole)),
            }
        }
        Err(io::Error::from_raw_os_error(nix::errno::Errno::ELOOP as i32))
    }
}

/// Whether a file can be made there, and others beside it.
pub(crate) fn can_be_made(path: &Path) -> bool {
    matches!(Target::of(path), Ok(Target::File(_)))
}

/// A file that is being written.
pub(crate) enum Place {
    /// Not yet there: it appears at this path when it is whole.
    File(PathBuf, NamedTempFile),
    /// What was there and is no file.
    Open(File),
}

impl Place {
    /// # Errors
    /// It cannot be made, or opened.
    pub fn open(path: &Path) -> io::Result<Place> {
        match Target::of(path)? {
            Target::File(path) => {
                let dir = path.parent().unwrap_or(Path::new("/"));
                let file = tempfile::Builder::new().prefix(".atex-report-").tempfile_in(dir)?;
                Ok(Place::File(path, file))
            }
            Target::Open(path) => Ok(Place::Open(open(&path)?)),
        }
    }

    /// Whether it is a file that appears when it is whole.
    pub fn is_file(&self) -> bool {
        matches!(self, Place::File(..))
    }

    /// Lets others read it, as far as the user lets them: until then a file is private.
    ///
    /// # Errors
    /// Its permissions cannot be set.
    pub fn share(&self) -> io::Result<()> {
        match self {
            Place::File(_, file) => {
                file.as_file().set_permissions(fs::Permissions::from_mode(0o666 & !umask()))
            }
            Place::Open(_) => Ok(()),
        }
    }

    /// Waits until a file is on disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn sync(&self) -> io::Result<()> {
        match self {
            Place::File(_, file) => file.as_file().sync_all(),
            Place::Open(_) => Ok(()),
        }
    }

    /// It is whole: a file gets its name.
    ///
    /// # Errors
    /// It cannot get it.
    pub fn keep(self) -> io::Result<()> {
        match self {
            Place::File(path, file) => file.persist(path).map(drop).map_err(|e| e.error),
            Place::Open(mut file) => file.flush(),
        }
    }

    /// The device and inode of the file, and of the one that it replaces.
    pub fn identities(&self) -> Vec<(u64, u64)> {
        let (own, replaced) = match self {
            Place::File(path, file) => (file.as_file().metadata(), fs::symlink_metadata(path).ok()),
            Place::Open(file) => (file.metadata(), None),
        };
        own.ok().iter().chain(&replaced).map(identity).collect()
    }
}

/// What tells a file from all others.
pub(crate) fn identity(about: &fs::Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

/// Opens what is there. A file that is our standard output, opened once more, would be written from its start, over what
/// others have written; so that one is shared.
fn open(path: &Path) -> io::Result<File> {
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    match (fs::metadata(path), stdout.metadata()) {
        (Ok(wanted), Ok(own)) if identity(&wanted) == identity(&own) => Ok(stdout),
        _ => File::options().append(true).open(path),
    }
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Place::File(_, file) => file.write(bytes),
            Place::Open(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Place::File(_, file) => file.flush(),
            Place::Open(file) => file.flush(),
        }
    }
}

/// The bits that the user keeps from others. It can only be read by setting it, or here.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    umask.and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok()).unwrap_or(0o077)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("sub/target"), "old").unwrap();
        for (link, to, target) in [
            ("relative", "sub/target", "sub/target"),
            ("twice", "relative", "sub/target"),
            ("dangling", "sub/new", "sub/new"),
        ] {
            symlink(to, path(link)).unwrap();
            assert!(can_be_made(&path(link)), "{link}");
            let mut place = Place::open(&path(link)).unwrap();
            place.write_all(link.as_bytes()).unwrap();
            place.keep().unwrap();
            assert!(fs::symlink_metadata(path(link)).unwrap().is_symlink(), "{link}");
            assert_eq!(fs::read_to_string(path(target)).unwrap(), link);
        }
        symlink("loop", path("loop")).unwrap();
        assert!(Place::open(&path("loop")).is_err());
    }

    #[test]
    fn a_file_that_is_open_is_written_to_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "first\n").unwrap();
        let held = File::options().append(true).open(&file).unwrap();
        let before = held.metadata().unwrap().ino();
        let link = dir.path().join("link");
        let fd = std::os::fd::AsRawFd::as_raw_fd(&held);
        symlink(format!("/proc/self/fd/{fd}"), &link).unwrap();
        assert!(!can_be_made(&link) && !can_be_made(Path::new("/dev/null")));
        let mut place = Place::open(&link).unwrap();
        place.write_all(b"second\n").unwrap();
        place.keep().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "first\nsecond\n");
        assert_eq!(fs::metadata(&file).unwrap().ino(), before);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
