//! What the policy is told: tests that were taken in, what the run writes, and questions, each after all that had
//! happened when it was asked.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crossbeam_channel::Receiver;

use super::Seen;
use crate::announce::Telling;
use crate::program::Patient;

/// What the thread is told.
pub(super) enum Word {
    /// There is so much of the journal, and of the tests.
    Grown { journal: u64, tests: u64 },
    /// This is to be asked.
    Ask(Vec<u8>),
}

/// How much is read at a time.
const BLOCK: usize = 64 << 10;

/// See the module's documentation.
pub(super) struct Feed {
    tests: File,
    /// So much of the tests has been told.
    told: u64,
    telling: Telling<Patient>,
    /// So much there is.
    journal: u64,
    grown: u64,
}

impl Feed {
    pub fn new(seen: Seen, to: Patient) -> Feed {
        let Seen { dir, journal, tests } = seen;
        Feed { tests, told: 0, telling: Telling::new(dir, journal, to), journal: 0, grown: 0 }
    }

    /// Tells what there is, until nobody has anything to tell any more.
    pub fn serve(mut self, words: &Receiver<Word>) -> io::Result<()> {
        while let Ok(word) = words.recv() {
            self.take(word)?;
            while let Ok(word) = words.try_recv() {
                self.take(word)?;
            }
            self.tell()?;
        }
        self.tell()
    }

    fn take(&mut self, word: Word) -> io::Result<()> {
        match word {
            Word::Grown { journal, tests } => (self.journal, self.grown) = (journal, tests),
            Word::Ask(question) => {
                self.tell()?;
                self.telling.write(&question)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self) -> io::Result<()> {
        let mut block = vec![0; BLOCK];
        while self.told < self.grown {
            let most = usize::try_from(self.grown - self.told).map_or(BLOCK, |left| left.min(BLOCK));
            let count = self.tests.read_at(&mut block[..most], self.told)?;
            if count == 0 {
                break;
            }
            self.telling.write(&block[..count])?;
            self.told += count as u64;
        }
        self.telling.up_to(self.journal)?;
        self.telling.flush()
    }
}
