//! Standard output: follows the journal by cursor and reads results from their files.
//!
//! It is a thread of its own, so that a reader that stalls costs disk space, never time of the run; and what
//! is said here is in the run directory already, to stay there when the power fails.
//!
//! For that results are written out (`durable`) and the journal is synchronized before what it holds is said, by groups: what comes while one group is
//! written (and in the [`PAUSE`] after it) is the next group. So no test waits for the disk, a run of many
//! small tests costs at most twenty synchronizations a second however many there are, and what happens after a
//! quiet moment is said at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atex_cli::Failure;
use atex_cli::output::{Output, OutputError};
use atex_model::{
    Object, Time,
    artifacts::attempt_dir,
    report::{End, ResultKind, TestEnd, TestEndTag, TestResult},
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use serde_json::Value;

use crate::cursor::Cursor;
use crate::durable;
use crate::journal::{LIVE_RESULTS, LiveResults, PASSED_ON, passed_on};
use crate::run_dir::{RunDir, trouble};

/// The least time between two groups: few enough of them that the file system, whose commits hold up others who
/// make files, as tests' results are, is not busy with us; short enough for somebody at a terminal.
const PAUSE: Duration = Duration::from_millis(50);

/// So many times as long as a group took to be made safe is the least time to the next one, on slow disks. A disk that
/// stood still for a moment is no reason to be silent for minutes: it is not longer than this.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(2);

/// What the thread is told.
enum Word {
    /// The journal is so long now, and the files of what was taken in are so together.
    Grown { journal: u64, taken_in: u64 },
    /// This is the last line; then end.
    End(Box<End>),
}

/// Why nothing more is said.
#[derive(Debug)]
pub(crate) enum Unsaid {
    /// Standard output cannot be written.
    Output(OutputError),
    /// What is to be said cannot be read, or not be kept for sure.
    Storage(io::Error),
}

impl From<OutputError> for Unsaid {
    fn from(error: OutputError) -> Unsaid {
        Unsaid::Output(error)
    }
}

impl Unsaid {
    /// The same as a failure of the tool.
    pub fn failure(&self, dir: &RunDir) -> Failure {
        match self {
            Unsaid::Output(error) => {
                Failure::trouble(error).hint(format!("the results are in {}", dir.path.display()))
            }
            Unsaid::Storage(error) => trouble(&dir.journal(), error),
        }
    }
}

/// What is followed and read.
pub(crate) struct Followed {
    pub journal: File,
    /// The files of what was taken in: safe before the journal that speaks of it is.
    pub taken_in: Vec<File>,
    /// The run directory.
    pub dir: PathBuf,
    pub cursor: Cursor,
    /// Nothing is promised by what is said: it need not be safe before.
    pub only_shown: bool,
}

/// All that a run has said, to be told to others than the reader of standard output, in the same words.
#[derive(Debug)]
pub(crate) struct Tale {
    /// The run directory.
    pub dir: PathBuf,
    /// How much of the journal there is.
    pub journal: File,
    pub length: u64,
    /// Lines that are not in the journal yet, and come last.
    pub last: Vec<u8>,
}

impl Tale {
    /// Tells it from the beginning to the end.
    pub fn tell<W: Write>(&self, to: W) -> io::Result<()> {
        let mut telling = Telling::new(self.dir.clone(), self.journal.try_clone()?, to);
        telling.up_to(self.length)?;
        telling.write(&self.last)?;
        telling.flush()
    }
}

/// All that a run says, told to somebody else while it goes on.
pub(crate) struct Telling<W: Write>(Follower<W>);

impl<W: Write> Telling<W> {
    pub fn new(dir: PathBuf, journal: File, to: W) -> Telling<W> {
        let cursor = Cursor::beginning();
        let followed = Followed { journal, taken_in: Vec::new(), dir, cursor, only_shown: true };
        Telling(Follower::new(followed, to))
    }

    /// Tells what the journal holds up to this length.
    pub fn up_to(&mut self, length: u64) -> io::Result<()> {
        self.0.up_to(length).map_err(plain)?;
        self.0.followed.cursor.set(length)
    }

    /// Tells whole lines of others.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.out.append(|buffer| buffer.extend_from_slice(lines)).map_err(|e| plain(e.into()))
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.0.out.flush().map_err(|e| plain(e.into()))
    }
}

/// The system's error.
fn plain(unsaid: Unsaid) -> io::Error {
    match unsaid {
        Unsaid::Output(OutputError::Closed) => io::ErrorKind::BrokenPipe.into(),
        Unsaid::Output(OutputError::Failed(e)) | Unsaid::Storage(e) => e,
    }
}

/// The thread that writes to standard output.
pub(crate) struct Announcer {
    to: Sender<Word>,
    thread: JoinHandle<()>,
}

impl Announcer {
    /// Starts it. What goes wrong is sent to `failed`, once; after that nothing more is written.
    pub fn start<W>(followed: Followed, to: W, failed: Sender<Unsaid>) -> io::Result<Announcer>
    where
        W: Write + Send + 'static,
    {
        let mut follower = Follower::new(followed, to);
        // Before files are changed again.
        follower.remember()?;
        let (to, words) = unbounded();
        let thread = std::thread::Builder::new().name("stdout".into()).spawn(move || {
            if let Err(error) = follower.follow(&words) {
                let storage = matches!(error, Unsaid::Storage(_));
                let _ = failed.send(error);
                // Words go on to arrive; nobody waits for them to be read.
                if storage {
                    follower.say_end_only(&words);
                }
            }
        })?;
        Ok(Announcer { to, thread })
    }

    /// The journal has grown, or the files of what was taken in, whose lengths together are the second number.
    pub fn grown(&self, journal: u64, taken_in: u64) {
        let _ = self.to.send(Word::Grown { journal, taken_in });
    }

    /// Says all that is left and the last line.
    pub fn finish(self, end: End) {
        let _ = self.to.send(Word::End(Box::new(end)));
        // It has reported what went wrong, unless it has panicked, which has been said.
        let _ = self.thread.join();
    }
}

struct Follower<W: Write> {
    followed: Followed,
    /// How much of the journal is safe, with the results that it speaks of.
    safe: u64,
    /// How much of what was taken in is safe.
    taken_in: u64,
    /// When the next group may be said.
    due: Instant,
    out: Output<W>,
    /// How far results have been told of whose attempts go on, by directory.
    told: HashMap<String, Told>,
    /// The last line, once it is known.
    end: Option<Box<End>>,
}

/// A number of results.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// So long are their lines together.
    bytes: u64,
    n: u64,
}

impl Told {
    fn add(&mut self, line: &str) {
        self.bytes += line.len() as u64;
        self.n += 1;
    }
}

/// What is said at once.
#[derive(Default)]
struct Group {
    journal: Option<u64>,
    taken_in: u64,
    end: Option<Box<End>>,
}

impl Group {
    fn add(&mut self, word: Word) {
        match word {
            // Of several lengths the last one is enough.
            Word::Grown { journal, taken_in } => {
                (self.journal, self.taken_in) = (Some(journal), taken_in);
            }
            Word::End(end) => self.end = Some(end),
        }
    }
}

impl<W: Write> Follower<W> {
    fn new(followed: Followed, to: W) -> Follower<W> {
        let safe = followed.cursor.safe();
        let (out, told) = (Output::new(to), HashMap::new());
        Follower { followed, safe, taken_in: 0, due: Instant::now(), out, told, end: None }
    }

    fn follow(&mut self, words: &Receiver<Word>) -> Result<(), Unsaid> {
        while let Ok(word) = words.recv() {
            let mut group = Group::default();
            group.add(word);
            while group.end.is_none()
                && let Ok(word) = words.recv_deadline(self.due)
            {
                group.add(word);
            }
            // Known also if what stands before it cannot be said.
            self.end = group.end;
            if let Some(journal) = group.journal {
                self.say_group(journal, group.taken_in)?;
            }
            if let Some(end) = &self.end {
                self.out.record(&**end)?;
                return Ok(self.out.flush()?);
            }
        }
        Ok(())
    }

    /// Finds out how far an earlier life has told of attempts that go on.
    fn remember(&mut self) -> io::Result<()> {
        let mut lines = self.lines(0, self.followed.cursor.at())?;
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            match atex_model::kind(&line).as_deref() {
                Ok(LIVE_RESULTS) => self.remember_live(&line)?,
                Ok(TestEndTag::TEXT) if !self.told.is_empty() => {
                    let end = atex_model::parse::<TestEnd>(&line).ok();
                    if let Some(artifacts) = end.and_then(|end| end.artifacts) {
                        self.told.remove(&artifacts);
                    }
                }
                _ => {}
            }
            line.clear();
        }
        Ok(())
    }

    fn remember_live(&mut self, line: &str) -> io::Result<()> {
        let Ok(live) = atex_model::parse::<LiveResults>(line) else { return Ok(()) };
        let artifacts = attempt_dir(&live.platform, &live.test, live.attempt);
        let Ok(file) = File::open(self.followed.dir.join(&artifacts).join(RESULTS)) else { return Ok(()) };
        let told = self.told.entry(artifacts).or_default();
        let mut lines = BufReader::with_capacity(16 << 10, Part { file, at: told.bytes, end: live.length });
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            told.add(&line);
            line.clear();
        }
        Ok(())
    }

    fn say_group(&mut self, journal: u64, taken_in: u64) -> Result<(), Unsaid> {
        let begun = Instant::now();
        self.make_safe(journal, taken_in).map_err(Unsaid::Storage)?;
        let took = begun.elapsed();
        self.up_to(journal)?;
        self.out.flush()?;
        if let Err(e) = self.followed.cursor.set(journal) {
            log::debug!("announced: {e}; after a crash more is said again than need be");
        }
        self.due = Instant::now() + (took * REST).clamp(PAUSE, LONGEST_REST);
        Ok(())
    }

    /// Results first, and what was taken in, then the journal that speaks of them.
    fn make_safe(&mut self, journal: u64, taken_in: u64) -> io::Result<()> {
        if self.followed.only_shown {
            return Ok(());
        }
        // What is written into files that nobody can find any more is kept for nobody.
        if self.followed.journal.metadata()?.nlink() == 0 {
            return Err(io::Error::other("the run directory has been removed while the run went on"));
        }
        if taken_in > self.taken_in {
            for file in &self.followed.taken_in {
                file.sync_data()?;
            }
            self.taken_in = taken_in;
        }
        let mut lines = self.lines(self.safe, journal)?;
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            if atex_model::kind(&line).as_deref() == Ok(TestEndTag::TEXT)
                && let Some(artifacts) =
                    atex_model::parse::<TestEnd>(&line).ok().and_then(|end| end.artifacts)
            {
                durable::write_out(&self.followed.dir.join(artifacts))?;
            }
            line.clear();
        }
        self.followed.journal.sync_data()?;
        self.safe = self.safe.max(journal);
        Ok(())
    }

    fn lines(&self, at: u64, end: u64) -> io::Result<BufReader<Part>> {
        let part = Part { file: self.followed.journal.try_clone()?, at, end };
        Ok(BufReader::with_capacity(16 << 10, part))
    }

    /// Says how the run ended, and nothing else.
    fn say_end_only(&mut self, words: &Receiver<Word>) {
        let to_come = || {
            words.iter().find_map(|word| match word {
                Word::End(end) => Some(end),
                Word::Grown { .. } => None,
            })
        };
        let end = self.end.take().or_else(to_come);
        // If it cannot be said, there is nobody left to tell.
        if let Some(end) = end {
            let _ = self.out.record(&*end).and_then(|()| self.out.flush());
        }
    }

    fn up_to(&mut self, length: u64) -> Result<(), Unsaid> {
        let mut lines = self.lines(self.followed.cursor.at(), length).map_err(Unsaid::Storage)?;
        let mut line = String::new();
        while lines.read_line(&mut line).map_err(Unsaid::Storage)? > 0 {
            self.say(line.trim_end_matches('\n'))?;
            line.clear();
        }
        Ok(())
    }

    /// What a line of the journal means to readers of the stream.
    fn say(&mut self, line: &str) -> Result<(), Unsaid> {
        match atex_model::kind(line).as_deref() {
            Ok(PASSED_ON) => {
                if let Some(line) = passed_on(line) {
                    self.out.line(line)?;
                }
            }
            Ok(TestEndTag::TEXT) => self.test_end(line)?,
            Ok(LIVE_RESULTS) => self.live_results(line)?,
            Ok(word) if crate::journal::is_internal(word) => {}
            _ => self.out.line(line)?,
        }
        Ok(())
    }

    fn test_end(&mut self, line: &str) -> Result<(), Unsaid> {
        let Ok(mut end) = atex_model::parse::<TestEnd>(line) else {
            return Ok(self.out.line(line)?);
        };
        if let Some(artifacts) = &end.artifacts {
            self.told.remove(artifacts);
            let path = self.followed.dir.join(artifacts);
            self.results(&end, &path)?;
            end.artifacts = Some(path.to_string_lossy().into_owned());
        }
        Ok(self.out.record(&end)?)
    }

    fn results(&mut self, end: &TestEnd, artifacts: &Path) -> Result<(), Unsaid> {
        // An attempt that could not begin has none.
        let Ok(file) = File::open(artifacts.join(RESULTS)) else { return Ok(()) };
        let kind = if end.is_final { ResultKind::Result } else { ResultKind::OldResult };
        let of = Of {
            kind,
            time: end.time,
            run: &end.run,
            platform: &end.platform,
            test: &end.test,
            attempt: end.attempt,
            host: end.host.as_deref(),
        };
        self.say_results(file, &of, &mut Told::default())
    }

    fn live_results(&mut self, line: &str) -> Result<(), Unsaid> {
        let Ok(live) = atex_model::parse::<LiveResults>(line) else { return Ok(()) };
        let artifacts = attempt_dir(&live.platform, &live.test, live.attempt);
        let Ok(file) = File::open(self.followed.dir.join(&artifacts).join(RESULTS)) else { return Ok(()) };
        let mut told = self.told.get(&artifacts).copied().unwrap_or_default();
        let of = Of {
            kind: ResultKind::LiveResult,
            time: live.time,
            run: &live.run,
            platform: &live.platform,
            test: &live.test,
            attempt: live.attempt,
            host: Some(&live.host),
        };
        // An attempt that was taken up again may have fewer for a while, and less than it is said to have.
        self.say_results(Part { file, at: told.bytes, end: live.length }, &of, &mut told)?;
        self.told.insert(artifacts, told);
        Ok(())
    }

    /// Says stored results that come behind those that were told of.
    fn say_results(&mut self, stored: impl Read, of: &Of<'_>, told: &mut Told) -> Result<(), Unsaid> {
        let mut lines = BufReader::with_capacity(32 << 10, stored);
        let mut line = String::new();
        while lines.read_line(&mut line).map_err(Unsaid::Storage)? > 0 {
            told.add(&line);
            if let Ok(stored) = serde_json::from_str(&line) {
                self.out.record(&result(of, told.n, stored))?;
            }
            line.clear();
        }
        Ok(())
    }
}

/// What a result is of.
struct Of<'a> {
    kind: ResultKind,
    time: Time,
    run: &'a str,
    platform: &'a str,
    test: &'a str,
    attempt: u32,
    host: Option<&'a str>,
}

const RESULTS: &str = "results.jsonl";

/// The record of a stored result. Its time is that of an event in the journal, so that it is the same whenever
/// it is said.
fn result(of: &Of<'_>, n: u64, mut stored: Object) -> TestResult {
    let extra = atex_control::extra(&stored).unwrap_or_default();
    let mut text = |key: &str| match stored.get_mut(key).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    TestResult {
        kind: of.kind,
        time: of.time,
        run: of.run.into(),
        platform: of.platform.into(),
        test: of.test.into(),
        subtest: text("name"),
        status: text("status"),
        note: text("note"),
        files: stored.get("files").and_then(names).unwrap_or_default(),
        attempt: of.attempt,
        n,
        host: of.host.map(str::to_owned),
        extra,
        waived: None,
    }
}

fn names(files: &Value) -> Option<Vec<String>> {
    Some(files.as_array()?.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// A part of a file, read without moving anybody's position in it.
struct Part {
    file: File,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::report::{Counts, EndTag};

    #[test]
    fn the_last_line_is_said_also_if_it_comes_together_with_what_cannot_be() {
        for together in [true, false] {
            // Nobody can find it any more.
            let journal = tempfile::tempfile().unwrap();
            let cursor = Cursor::beginning();
            let dir = PathBuf::from("/nonexistent");
            let followed = Followed { journal, taken_in: Vec::new(), dir, cursor, only_shown: false };
            let mut said = Vec::new();
            let mut follower = Follower::new(followed, &mut said);
            let (to, words) = unbounded();
            let end = || {
                let counts = Counts::new();
                Word::End(Box::new(End { kind: EndTag, tool: "x".into(), complete: false, exit: 3, counts }))
            };
            to.send(Word::Grown { journal: 0, taken_in: 0 }).unwrap();
            if together {
                follower.due = Instant::now() + Duration::from_secs(60);
                to.send(end()).unwrap();
            }
            assert!(matches!(follower.follow(&words), Err(Unsaid::Storage(_))));
            if !together {
                to.send(end()).unwrap();
            }
            follower.say_end_only(&words);
            drop(follower);
            assert_eq!(String::from_utf8(said).unwrap().lines().count(), 1);
        }
    }
}
