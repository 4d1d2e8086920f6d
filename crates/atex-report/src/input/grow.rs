//! Files that grow: at their end we wait until there is more.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::block::Block;
use crate::TOOL;
use crate::event::What;
use crate::record::Record;
use crate::verdict::EXECUTOR;

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

    /// The same for a limited time. `false`: nothing has happened.
    fn wait_for(&self, milliseconds: u16) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(milliseconds)) {
            Ok(0) => Ok(false),
            Ok(_) => self.wait().map(|()| true),
            Err(Errno::EINTR) => Ok(true),
            Err(e) => Err(e.into()),
        }
    }
}

/// Whether what is read of a file says that no more comes. Who reads and who parses share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Over(Arc<AtomicU8>);

/// The run has ended; the `end` of atex-exec comes next, unless somebody has filtered it out.
const RUN_ENDED: u8 = 1;
const COMPLETE: u8 = 2;

/// How long we wait for the `end` behind the end of the run: atex-exec writes both at once.
const LAST_LINE: u16 = 2000;

impl Over {
    /// Looks at what was read. The `end` of a tool before atex-exec, such as atex-discover, is handed on at the start.
    pub fn look(&self, block: &Block) {
        for event in block.found().flatten() {
            match event.what {
                What::Record(Record::End(end)) if [EXECUTOR, TOOL.name].contains(&&*end.tool) => {
                    self.is_complete();
                }
                What::Record(Record::JobEnd(_)) => self.0.store(RUN_ENDED, Ordering::Release),
                // It was resumed.
                What::Record(Record::JobStart(_) | Record::JobResume(_)) => {
                    self.0.store(0, Ordering::Release);
                }
                _ => {}
            }
        }
    }

    /// All is there.
    pub fn is_complete(&self) {
        self.0.store(COMPLETE, Ordering::Release);
    }
}

/// A file of records that is read until the run is over.
pub(super) struct GrowingFile {
    file: File,
    watch: Watch,
    over: Over,
}

impl GrowingFile {
    pub fn open(path: &Path, over: &Over) -> io::Result<GrowingFile> {
        let watch = Watch::new(path)?;
        Ok(GrowingFile { file: File::open(path)?, watch, over: over.clone() })
    }
}

impl Read for GrowingFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.file.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            match self.over.0.load(Ordering::Acquire) {
                COMPLETE => return Ok(0),
                RUN_ENDED => {
                    if !self.watch.wait_for(LAST_LINE)? {
                        return Ok(0);
                    }
                }
                _ => self.watch.wait()?,
            }
        }
    }
}
