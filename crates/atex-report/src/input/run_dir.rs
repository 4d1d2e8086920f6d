//! A run directory as the stream that the run said, or would have said: the journal, with the results of each attempt
//! in front of its end.
//!
//! `atex-exec` says the same on its standard output; nothing but the files' form (design.md, 3) is shared.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use atex_model::Object;
use atex_model::report::{End, EndTag, ResultKind, TestEnd, TestResult};
use serde_json::Value;

use super::grow::Watch;

/// The events of a run.
pub(crate) const JOURNAL: &str = "journal.jsonl";

/// The results of an attempt.
const RESULTS: &str = "results.jsonl";

/// Reads a run directory as lines of records.
pub(crate) struct RunDir {
    path: PathBuf,
    journal: BufReader<File>,
    line: Vec<u8>,
    /// The attempt whose results are being said.
    attempt: Option<Attempt>,
    /// What is to be read next, and how much of it was.
    ready: Vec<u8>,
    taken: usize,
    /// The exit status that the run wrote down, to be said last.
    exit: Option<u8>,
    ended: bool,
    /// Tells when the journal has grown, if that is waited for.
    watch: Option<Watch>,
    /// The run has ended, as far as the journal was read.
    over: bool,
}

struct Attempt {
    results: BufReader<File>,
    end: TestEnd,
    n: u64,
    line: Vec<u8>,
}

impl RunDir {
    /// Opens it; to be followed until the run ends, if it is to `grow`.
    ///
    /// # Errors
    /// There is no journal, or it cannot be read or watched.
    pub fn open(path: &Path, grow: bool) -> io::Result<RunDir> {
        // Records name the directory as a whole path, also when it was moved.
        let path = std::fs::canonicalize(path)?;
        let watch = if grow { Some(Watch::new(&path.join(JOURNAL))?) } else { None };
        let journal = BufReader::with_capacity(64 << 10, File::open(path.join(JOURNAL))?);
        Ok(RunDir {
            path,
            journal,
            line: Vec::new(),
            attempt: None,
            ready: Vec::new(),
            taken: 0,
            exit: None,
            ended: false,
            watch,
            over: false,
        })
    }

    /// Makes something ready to be read. `false`: there is nothing more.
    fn advance(&mut self) -> io::Result<bool> {
        if let Some(attempt) = &mut self.attempt {
            if attempt.say_result(&mut self.ready)? {
                return Ok(true);
            }
            if let Some(attempt) = self.attempt.take() {
                atex_model::to_line(&mut self.ready, &attempt.end);
            }
            return Ok(true);
        }
        self.journal.read_until(b'\n', &mut self.line)?;
        if !self.line.ends_with(b"\n") && self.watch.is_some() && !self.over {
            // What is ready is for whoever reads; the rest of the line is for the next time.
            if self.ready.is_empty()
                && let Some(watch) = &self.watch
            {
                watch.wait()?;
                return Ok(true);
            }
            return Ok(false);
        }
        if self.line.is_empty() {
            return Ok(self.say_end());
        }
        self.say()?;
        self.line.clear();
        Ok(true)
    }

    /// What a line of the journal means to readers of the stream.
    fn say(&mut self) -> io::Result<()> {
        let kind = std::str::from_utf8(&self.line).ok().and_then(|line| {
            let kind = atex_model::kind(line).ok()?;
            Some((line, kind))
        });
        match kind {
            Some((line, kind)) => match kind.as_ref() {
                "test-end" => {
                    if let Ok(end) = atex_model::parse::<TestEnd>(line) {
                        return self.test_end(end);
                    }
                    self.ready.extend_from_slice(&self.line);
                }
                "passed-on" => {
                    let Ok(PassedOn { line }) = serde_json::from_str(line) else { return Ok(()) };
                    self.ready.extend_from_slice(line.get().as_bytes());
                    self.ready.push(b'\n');
                }
                "exit" => self.exit = serde_json::from_str::<Exit>(line).ok().map(|exit| exit.code),
                "job-end" => {
                    self.over = true;
                    self.ready.extend_from_slice(&self.line);
                }
                "job-start" | "job-resume" => {
                    self.over = false;
                    self.ready.extend_from_slice(&self.line);
                }
                // Of its own for the run that goes on.
                "input-ended" | "live-results" | "scheduler" | "decision" => {}
                _ => self.ready.extend_from_slice(&self.line),
            },
            // It shows with its fault.
            None => self.ready.extend_from_slice(&self.line),
        }
        Ok(())
    }

    fn test_end(&mut self, mut end: TestEnd) -> io::Result<()> {
        let Some(artifacts) = &end.artifacts else {
            atex_model::to_line(&mut self.ready, &end);
            return Ok(());
        };
        let path = self.path.join(artifacts);
        end.artifacts = Some(path.to_string_lossy().into_owned());
        match File::open(path.join(RESULTS)) {
            Ok(file) => {
                let results = BufReader::with_capacity(64 << 10, file);
                self.attempt = Some(Attempt { results, end, n: 0, line: Vec::new() });
            }
            // An attempt that could not begin has none.
            Err(e) if e.kind() == io::ErrorKind::NotFound => atex_model::to_line(&mut self.ready, &end),
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// The `end` that the run would have said. `false`: it was said, or there is none.
    fn say_end(&mut self) -> bool {
        if std::mem::replace(&mut self.ended, true) {
            return false;
        }
        let Some(exit) = self.exit else { return false };
        let (complete, counts) = (matches!(exit, 0 | 1), Default::default());
        let end = End { kind: EndTag, tool: "atex-exec".into(), complete, exit, counts };
        atex_model::to_line(&mut self.ready, &end);
        true
    }
}

impl Attempt {
    /// `false`: there is no result more.
    fn say_result(&mut self, to: &mut Vec<u8>) -> io::Result<bool> {
        self.line.clear();
        if self.results.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.n += 1;
        match serde_json::from_slice::<Object>(&self.line) {
            Ok(stored) => atex_model::to_line(to, &self.result(stored)),
            // It shows with its fault.
            Err(_) => to.extend_from_slice(&self.line),
        }
        Ok(true)
    }

    fn result(&self, mut stored: Object) -> TestResult {
        let extra = atex_control::extra(&stored).unwrap_or_default();
        let mut text = |key: &str| match stored.get_mut(key).map(Value::take) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let end = &self.end;
        TestResult {
            kind: if end.is_final { ResultKind::Result } else { ResultKind::OldResult },
            time: end.time,
            run: end.run.clone(),
            platform: end.platform.clone(),
            test: end.test.clone(),
            subtest: text("name"),
            status: text("status"),
            note: text("note"),
            files: names(stored.get("files")),
            attempt: end.attempt,
            n: self.n,
            host: end.host.clone(),
            extra,
            waived: None,
        }
    }
}

fn names(files: Option<&Value>) -> Vec<String> {
    let files = files.and_then(Value::as_array).into_iter().flatten();
    files.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

#[derive(serde::Deserialize)]
struct PassedOn<'a> {
    #[serde(borrow)]
    line: &'a serde_json::value::RawValue,
}

#[derive(serde::Deserialize)]
struct Exit {
    code: u8,
}

impl Read for RunDir {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
            // Some at once: a result is far smaller than what is asked for.
            let mut more = true;
            while more && self.ready.len() < 64 << 10 {
                more = self.advance()?;
            }
            if self.ready.is_empty() && !more {
                return Ok(0);
            }
        }
        let n = buffer.len().min(self.ready.len() - self.taken);
        buffer[..n].copy_from_slice(&self.ready[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}
