//! The files that tests need, as one tar stream: made once for all hosts, kept in the run directory.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use atex_cli::input::reason;
use atex_model::Tree;
use tar::{Builder, EntryType, Header};

/// A tree that is ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    /// The tar file.
    pub path: PathBuf,
    pub bytes: u64,
}

/// Never uploaded from the top of a tree: it is often larger than the tree, and no test needs it.
const NOT_UPLOADED: &str = ".git";

/// Puts a tree into a tar file below `uploads`. Trees with the same content share one file.
///
/// # Errors
/// Text that names the file at fault.
pub(crate) fn pack(tree: &Tree, uploads: &Path) -> Result<Upload, String> {
    let part = uploads.join("part");
    let file = File::create(&part).map_err(|e| fault(&part, &e))?;
    let mut tar = Builder::new(Hashing::new(BufWriter::with_capacity(1 << 20, file)));
    match tree {
        Tree::Directory(path) => add_root(&mut tar, Path::new(path), Path::new(""))?,
        Tree::Parts(parts) => {
            for part in parts {
                add_root(&mut tar, Path::new(&part.from), &clean(&part.to))?;
            }
        }
    }
    let (hash, bytes) = tar.into_inner().and_then(Hashing::finish).map_err(|e| fault(&part, &e))?;
    let path = uploads.join(format!("{hash}.tar"));
    fs::rename(&part, &path).map_err(|e| fault(&path, &e))?;
    Ok(Upload { path, bytes })
}

fn fault(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), reason(error))
}

/// A relative path without `.` parts.
fn clean(path: &str) -> PathBuf {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect()
}

type Tar = Builder<Hashing<BufWriter<File>>>;

fn add_root(tar: &mut Tar, from: &Path, to: &Path) -> Result<(), String> {
    let meta = fs::metadata(from).map_err(|e| fault(from, &e))?;
    if !meta.is_dir() {
        return Err(format!("{}: expected the directory of the tests' files", from.display()));
    }
    if !to.as_os_str().is_empty() {
        add(tar, &meta, from, to)?;
    }
    add_children(tar, from, to, true)
}

/// Adds what is in a directory, in the order of names, so that the same content has the same hash. Links are
/// kept as links, so that there are no loops.
fn add_children(tar: &mut Tar, from: &Path, to: &Path, top: bool) -> Result<(), String> {
    let entries = fs::read_dir(from).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut names: Vec<_> =
        entries.map_err(|e| fault(from, &e))?.into_iter().map(|e| e.file_name()).collect();
    names.sort_unstable();
    for name in names {
        if top && name == NOT_UPLOADED {
            continue;
        }
        let (from, to) = (from.join(&name), to.join(&name));
        let meta = fs::symlink_metadata(&from).map_err(|e| fault(&from, &e))?;
        add(tar, &meta, &from, &to)?;
        if meta.is_dir() {
            add_children(tar, &from, &to, false)?;
        }
    }
    Ok(())
}

fn add(tar: &mut Tar, meta: &Metadata, from: &Path, to: &Path) -> Result<(), String> {
    // GNU's format takes names of any bytes and length as they are, and busybox reads it.
    let mut header = Header::new_gnu();
    header.set_mode(meta.mode() & 0o7777);
    header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let kind = meta.file_type();
    let done = if kind.is_dir() {
        header.set_entry_type(EntryType::Directory);
        tar.append_data(&mut header, to, io::empty())
    } else if kind.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        fs::read_link(from).and_then(|target| tar.append_link(&mut header, to, target))
    } else if kind.is_file() {
        return add_file(tar, header, meta, from, to);
    } else if kind.is_fifo() {
        header.set_entry_type(EntryType::Fifo);
        tar.append_data(&mut header, to, io::empty())
    } else {
        log::warn!("{}: not uploaded: neither a file, a directory, a link nor a pipe", from.display());
        Ok(())
    };
    done.map_err(|e| fault(from, &e))
}

fn add_file(
    tar: &mut Tar,
    mut header: Header,
    meta: &Metadata,
    from: &Path,
    to: &Path,
) -> Result<(), String> {
    header.set_entry_type(EntryType::Regular);
    header.set_size(meta.len());
    let file = File::open(from).map_err(|e| fault(from, &e))?;
    // A file that shrinks or grows while it is read must not shift what comes after it.
    let mut exact = Exact { file, left: meta.len() };
    tar.append_data(&mut header, to, &mut exact).map_err(|e| fault(from, &e))?;
    if exact.left > 0 {
        return Err(format!("{}: it has become shorter while it was read", from.display()));
    }
    Ok(())
}

/// The first bytes of a file.
struct Exact {
    file: File,
    left: u64,
}

impl io::Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read(&mut buffer[..most])?;
        self.left -= n as u64;
        Ok(n)
    }
}

/// Knows the hash and the length of what went through.
struct Hashing<W: Write> {
    to: W,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    fn new(to: W) -> Self {
        Hashing { to, hasher: blake3::Hasher::new(), bytes: 0 }
    }

    fn finish(mut self) -> io::Result<(String, u64)> {
        self.to.flush()?;
        Ok((self.hasher.finalize().to_hex()[..32].to_owned(), self.bytes))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::TreePart;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn unpack(upload: &Upload) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let tar = ["-xf", upload.path.to_str().unwrap(), "-C", dir.path().to_str().unwrap()];
        assert!(std::process::Command::new("tar").args(tar).status().unwrap().success());
        dir
    }

    #[test]
    fn a_tree_arrives_as_it_was() {
        let (from, uploads) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let deep = from.path().join("d".repeat(150)).join("e".repeat(150));
        let odd = deep.join("ü 'q\" \n\\x");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(from.path().join(".git/x")).unwrap();
        fs::create_dir_all(from.path().join("sub/.git")).unwrap();
        fs::write(&odd, "odd").unwrap();
        fs::set_permissions(&odd, fs::Permissions::from_mode(0o751)).unwrap();
        symlink("../".repeat(60) + "nowhere", from.path().join("link")).unwrap();
        symlink(".", from.path().join("loop")).unwrap();
        let tree = Tree::Directory(from.path().to_str().unwrap().into());
        let upload = pack(&tree, uploads.path()).unwrap();
        assert_eq!(fs::metadata(&upload.path).unwrap().len(), upload.bytes);
        let to = unpack(&upload);
        let odd = to.path().join(odd.strip_prefix(from.path()).unwrap());
        assert_eq!(fs::read_to_string(&odd).unwrap(), "odd");
        assert_eq!(fs::metadata(&odd).unwrap().permissions().mode() & 0o7777, 0o751);
        assert_eq!(fs::read_link(to.path().join("loop")).unwrap(), Path::new("."));
        assert!(to.path().join("link").is_symlink() && to.path().join("sub/.git").is_dir());
        assert!(!to.path().join(".git").exists());
        assert_eq!(pack(&tree, uploads.path()).unwrap().path, upload.path, "same content, same file");
    }

    #[test]
    fn parts_are_put_together() {
        let (a, b, uploads) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(a.path().join("f"), "a").unwrap();
        fs::write(b.path().join("f"), "b").unwrap();
        let part = |from: &Path, to: &str| TreePart { from: from.to_str().unwrap().into(), to: to.into() };
        let tree = Tree::Parts(vec![part(a.path(), "."), part(b.path(), "./second/x")]);
        let to = unpack(&pack(&tree, uploads.path()).unwrap());
        assert_eq!(fs::read_to_string(to.path().join("f")).unwrap(), "a");
        assert_eq!(fs::read_to_string(to.path().join("second/x/f")).unwrap(), "b");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let uploads = tempfile::tempdir().unwrap();
        let error = pack(&Tree::Directory("/nonexistent".into()), uploads.path()).unwrap_err();
        assert_eq!(error, "/nonexistent: No such file or directory");
    }
}
