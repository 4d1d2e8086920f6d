//! Standard output: follows the journal by cursor and reads results from their files.
//!
//! It is a thread of its own, so that a reader that stalls costs disk space, never time of the run; and what
//! is said here is in the run directory already.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use atex_cli::output::{Output, OutputError};
use atex_model::{
    Object, Time,
    artifacts::attempt_dir,
    report::{End, ResultKind, TestEnd, TestEndTag, TestResult},
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use serde_json::Value;

use crate::journal::{LIVE_RESULTS, LiveResults, PASSED_ON, PASSED_ON_START};

/// What the thread is told.
enum Word {
    /// The journal is so long now.
    Length(u64),
    /// This is the last line; then end.
    End(Box<End>),
}

/// The thread that writes to standard output.
pub(crate) struct Announcer {
    to: Sender<Word>,
    thread: JoinHandle<()>,
}

impl Announcer {
    /// Starts it. What goes wrong is sent to `failed`, once; after that nothing more is written.
    pub fn start<W>(journal: &Path, dir: &Path, to: W, failed: Sender<OutputError>) -> io::Result<Announcer>
    where
        W: Write + Send + 'static,
    {
        let journal = File::open(journal)?;
        let mut follower =
            Follower { journal, dir: dir.to_owned(), cursor: 0, out: Output::new(to), told: HashMap::new() };
        let (to, words) = unbounded();
        let thread = std::thread::Builder::new().name("stdout".into()).spawn(move || {
            if let Err(error) = follower.follow(&words) {
                let _ = failed.send(error);
                // Words go on to arrive; nobody reads them, and nobody waits for that.
            }
        })?;
        Ok(Announcer { to, thread })
    }

    /// The journal has grown.
    pub fn length(&self, length: u64) {
        let _ = self.to.send(Word::Length(length));
    }

    /// Says all that is left and the last line.
    pub fn finish(self, end: End) {
        let _ = self.to.send(Word::End(Box::new(end)));
        // It has reported what went wrong, unless it has panicked, which has been said.
        let _ = self.thread.join();
    }
}

struct Follower<W: Write> {
    journal: File,
    dir: PathBuf,
    cursor: u64,
    out: Output<W>,
    /// How far results have been told of whose attempts go on, by directory: bytes, and how many.
    told: HashMap<String, (u64, u64)>,
}

impl<W: Write> Follower<W> {
    fn follow(&mut self, words: &Receiver<Word>) -> Result<(), OutputError> {
        while let Ok(mut word) = words.recv() {
            // Of several lengths the last one is enough.
            while let Word::Length(length) = word {
                match words.try_recv() {
                    Ok(next) => {
                        if matches!(next, Word::End(_)) {
                            self.up_to(length)?;
                        }
                        word = next;
                    }
                    Err(_) => {
                        self.up_to(length)?;
                        break;
                    }
                }
            }
            if let Word::End(end) = word {
                self.out.record(&*end)?;
                return self.out.flush();
            }
            self.out.flush()?;
        }
        Ok(())
    }

    fn up_to(&mut self, length: u64) -> Result<(), OutputError> {
        let part = Part {
            file: self.journal.try_clone().map_err(OutputError::Failed)?,
            at: self.cursor,
            end: length,
        };
        let mut lines = BufReader::with_capacity(64 << 10, part);
        let mut line = String::new();
        loop {
            line.clear();
            let read = lines.read_line(&mut line).map_err(OutputError::Failed)?;
            if read == 0 {
                self.cursor = length;
                return Ok(());
            }
            self.say(line.trim_end_matches('\n'))?;
        }
    }

    /// What a line of the journal means to readers of the stream.
    fn say(&mut self, line: &str) -> Result<(), OutputError> {
        match atex_model::kind(line).as_deref() {
            Ok(PASSED_ON) => match line.strip_prefix(PASSED_ON_START) {
                Some(rest) => self.out.line(rest.strip_suffix('}').unwrap_or(rest)),
                None => Ok(()),
            },
            Ok(TestEndTag::TEXT) => self.test_end(line),
            Ok(LIVE_RESULTS) => self.live_results(line),
            Ok(word) if crate::journal::is_internal(word) => Ok(()),
            _ => self.out.line(line),
        }
    }

    fn test_end(&mut self, line: &str) -> Result<(), OutputError> {
        let Ok(mut end) = atex_model::parse::<TestEnd>(line) else { return self.out.line(line) };
        if let Some(artifacts) = &end.artifacts {
            self.told.remove(artifacts);
            let path = self.dir.join(artifacts);
            self.results(&end, &path)?;
            end.artifacts = Some(path.to_string_lossy().into_owned());
        }
        self.out.record(&end)
    }

    fn results(&mut self, end: &TestEnd, artifacts: &Path) -> Result<(), OutputError> {
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
        self.say_results(file, &of, 0).map(drop)
    }

    fn live_results(&mut self, line: &str) -> Result<(), OutputError> {
        let Ok(live) = atex_model::parse::<LiveResults>(line) else { return Ok(()) };
        let artifacts = attempt_dir(&live.platform, &live.test, live.attempt);
        let Ok(file) = File::open(self.dir.join(&artifacts).join(RESULTS)) else { return Ok(()) };
        let (at, n) = self.told.get(&artifacts).copied().unwrap_or_default();
        let of = Of {
            kind: ResultKind::LiveResult,
            time: live.time,
            run: &live.run,
            platform: &live.platform,
            test: &live.test,
            attempt: live.attempt,
            host: Some(&live.host),
        };
        let end = live.length.max(at);
        let n = self.say_results(Part { file, at, end }, &of, n)?;
        self.told.insert(artifacts, (end, n));
        Ok(())
    }

    /// Says stored results, `n` of which have been said. Returns how many there are then.
    fn say_results(&mut self, stored: impl Read, of: &Of<'_>, mut n: u64) -> Result<u64, OutputError> {
        let mut lines = BufReader::with_capacity(64 << 10, stored);
        let mut line = String::new();
        while lines.read_line(&mut line).map_err(OutputError::Failed)? > 0 {
            if let Ok(stored) = serde_json::from_str(&line) {
                n += 1;
                self.out.record(&result(of, n, stored))?;
            }
            line.clear();
        }
        Ok(n)
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
        let most = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
