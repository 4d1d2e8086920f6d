//! Files that grow: at their end we wait until there is more.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Tells when a file has changed.
pub(super) struct Watch(Inotify);

impl Watch {
    /// Watches from now on: what is written before the file is next read is not missed.
    pub fn new(path: &Path) -> io::Result<Watch> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        let changes = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
        inotify.add_watch(path, changes | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF)?;
        Ok(Watch(inotify))
    }

    /// Waits until something has happened since it was last asked.
    pub fn wait(&self) -> io::Result<()> {
        match self.0.read_events() {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// A file of records that is read until a tool says its `end`.
pub(super) struct GrowingFile {
    file: File,
    watch: Watch,
    /// The line that is being read, as far as it matters.
    line: Vec<u8>,
    ended: bool,
}

/// How an `end` begins.
const END: &[u8] = b"{\"type\":\"end\"";

impl GrowingFile {
    pub fn open(path: &Path) -> io::Result<GrowingFile> {
        let watch = Watch::new(path)?;
        Ok(GrowingFile { file: File::open(path)?, watch, line: Vec::new(), ended: false })
    }

    /// Looks for an `end` in what was read. Only whole lines count.
    fn look(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    self.ended |= self.line == END;
                    self.line.clear();
                }
                byte if self.line.len() < END.len() => self.line.push(*byte),
                _ => {}
            }
        }
    }
}

impl Read for GrowingFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.file.read(buffer)?;
            if n > 0 || self.ended || buffer.is_empty() {
                self.look(&buffer[..n]);
                return Ok(n);
            }
            self.watch.wait()?;
        }
    }
}
