//! Files that hosts are to have: packed once, unpacked on each.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use atex_cli::{Failure, input::reason};
use tar::Builder;
use tempfile::TempDir;

/// A file or directory, and where it is to be on hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    pub from: PathBuf,
    pub to: String,
}

impl FromStr for Copy {
    type Err = String;

    /// Reads `SRC:DST`.
    fn from_str(text: &str) -> Result<Copy, String> {
        let expected = || format!("expected SRC:DST with an absolute DST, found `{}`", text.escape_debug());
        // A source may hold a colon; a destination begins with a slash.
        let (from, to) = text.split_once(":/").ok_or_else(expected)?;
        let to = format!("/{to}");
        let bad = to.contains(char::is_control) || to.split('/').any(|part| part == "..");
        if from.is_empty() || bad {
            return Err(expected());
        }
        Ok(Copy { from: from.into(), to })
    }
}

/// The same, packed.
#[derive(Debug)]
pub(super) struct Packed {
    /// Where it is put together on hosts.
    pub directory: String,
    /// A tar stream of what comes there.
    pub tar: PathBuf,
    /// Goes away with the last of those who need it.
    _folder: Arc<TempDir>,
}

/// The command line that unpacks it from its input, in the directory that is its argument. What is written belongs to whoever
/// unpacks it.
pub(super) const UNPACK: &str = "mkdir -p -- \"$1\" && exec tar -x -o -f - -C \"$1\"";

impl Copy {
    /// Packs it into a file of this folder; a path that is not absolute is one in the working directory.
    pub(super) fn pack(
        &self,
        working: &Path,
        folder: &Arc<TempDir>,
        number: usize,
    ) -> Result<Packed, Failure> {
        let from = working.join(&self.from);
        let tar = folder.path().join(format!("{number}.tar"));
        let pack = || -> io::Result<String> {
            let mut builder = Builder::new(File::create(&tar)?);
            builder.follow_symlinks(false);
            // What was given itself is followed.
            let from = fs::canonicalize(&from)?;
            let directory = if from.is_dir() {
                add_children(&mut builder, &from, Path::new(""))?;
                self.to.clone()
            } else {
                let (directory, name) = self.place();
                builder.append_path_with_name(&from, name)?;
                directory
            };
            builder.into_inner()?;
            Ok(directory)
        };
        let wrong = |e| Failure::usage(format!("--file: {}: {}", self.from.display(), reason(&e)));
        Ok(Packed { directory: pack().map_err(wrong)?, tar, _folder: Arc::clone(folder) })
    }

    /// The directory that a file comes to, and its name there.
    fn place(&self) -> (String, PathBuf) {
        let own = || self.from.file_name().map(PathBuf::from).unwrap_or_default();
        match self.to.rsplit_once('/') {
            Some((directory, "")) => (format!("{directory}/"), own()),
            Some((directory, name)) => (format!("{directory}/"), name.into()),
            None => (self.to.clone(), own()),
        }
    }
}

/// Adds what is in a directory. Directories themselves are left out unless they are empty: those that the host has keep the
/// modes that they have there.
fn add_children(tar: &mut Builder<File>, from: &Path, to: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    if entries.is_empty() && !to.as_os_str().is_empty() {
        tar.append_dir(to, from)?;
    }
    for entry in entries {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()?.is_dir() {
            true => add_children(tar, &from, &to)?,
            false => tar.append_path_with_name(&from, &to)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_and_destination_are_told_apart() {
        for (text, from, to, place) in [
            ("a:/b", "a", "/b", ("/", "b")),
            ("x/a:1:/etc/x.conf", "x/a:1", "/etc/x.conf", ("/etc/", "x.conf")),
            ("x/a:/etc/", "x/a", "/etc/", ("/etc/", "a")),
            ("a:/", "a", "/", ("/", "a")),
        ] {
            let copy: Copy = text.parse().unwrap();
            assert_eq!((copy.from.to_str(), copy.to.as_str()), (Some(from), to), "{text}");
            assert_eq!(copy.place(), (place.0.to_owned(), place.1.into()), "{text}");
        }
        for text in ["", "a", "a:b", ":/b", "/b", "a:/x/../y", "a:/x\ny"] {
            let error = text.parse::<Copy>().unwrap_err();
            assert!(error.starts_with("expected SRC:DST with an absolute DST, found"), "{error}");
        }
    }

    #[test]
    fn a_directory_is_packed_without_modes_of_directories_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/b", "a/empty"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("a/b/f"), "x").unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("a/l")).unwrap();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let copy = Copy { from: "a".into(), to: "/srv".into() };
        let packed = copy.pack(dir.path(), &folder, 0).unwrap();
        assert_eq!(packed.directory, "/srv");
        let mut archive = tar::Archive::new(File::open(&packed.tar).unwrap());
        let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
        assert_eq!(names.collect::<Vec<_>>(), ["b/f", "empty", "l"].map(PathBuf::from));
        let missing = Copy { from: "none".into(), to: "/srv".into() }.pack(dir.path(), &folder, 1);
        assert_eq!(missing.unwrap_err().message, "--file: none: No such file or directory");
    }
}
