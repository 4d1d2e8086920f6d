//! Copies what tests uploaded into one directory, as the Python ATEX lays it out: `PLATFORM/TEST/FILE`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use atex_cli::Failure;
use atex_cli::input::reason;
use atex_control::safe_path;
use atex_model::artifacts::attempt_dir;

use crate::out::Packing;
use crate::row::TestEnd;

/// The copies, and how many could not be made.
pub(super) struct Copies {
    dir: PathBuf,
    packing: Packing,
    pub failed: u64,
}

impl Copies {
    /// # Errors
    /// The directory is there already, or cannot be made.
    pub fn new(dir: &Path, packing: Packing) -> Result<Copies, Failure> {
        std::fs::create_dir(dir).map_err(|e| Failure::usage(format!("{}: {}", dir.display(), reason(&e))))?;
        Ok(Copies { dir: dir.to_owned(), packing, failed: 0 })
    }

    /// Copies the files of an attempt. What cannot be copied is named, and the others are.
    pub fn attempt(&mut self, end: &TestEnd<'_>) {
        let Some(artifacts) = end.artifacts else { return };
        // Whoever wrote the record must not say which files are taken.
        if !artifacts.ends_with(&attempt_dir(end.platform, end.test, end.attempt)) {
            return;
        }
        let from = Path::new(artifacts).join("files");
        let to = self.dir.join(safe_path(end.platform)).join(safe_path(end.test));
        self.copy(&from, &to);
    }

    fn copy(&mut self, from: &Path, to: &Path) {
        let entries = match std::fs::read_dir(from) {
            Ok(entries) => entries,
            // A test that uploaded nothing has no directory.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return,
            Err(e) => return self.complain(from, &e),
        };
        for entry in entries.filter_map(Result::ok) {
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            // Links and devices are not followed: they lead out of the test's directory.
            let done = match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    self.copy(&path, &to);
                    Ok(())
                }
                Ok(kind) if kind.is_file() => self.file(&path, &to),
                Ok(_) => Ok(()),
                Err(e) => Err(e),
            };
            if let Err(e) = done {
                self.complain(&path, &e);
            }
        }
    }

    fn file(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some(dir) = to.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut name = to.as_os_str().to_owned();
        name.push(self.packing.suffix());
        let mut packer = self.packing.writer(File::create_new(name)?)?;
        io::copy(&mut File::open(from)?, &mut packer)?;
        packer.finish()?;
        Ok(())
    }

    fn complain(&mut self, path: &Path, e: &io::Error) {
        self.failed += 1;
        log::warn!("{}: {}; it was not copied", path.display(), reason(e));
    }
}
