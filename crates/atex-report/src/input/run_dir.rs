//! A run directory as the stream that the run said, or would have said: the journal, with the results of each attempt
//! in front of its end.
//!
//! `atex-exec` says the same on its standard output; nothing but the files' form (design.md, 3) is shared.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use atex_cli::input::{LONGEST_LINE, reason};
use atex_model::report::{End, EndTag, ResultKind, TestEnd, TestResult};
use atex_model::{LineError, Object};
use serde_json::Value;

use super::Within;
use super::block::would_go_on;
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
    /// The number of that line.
    number: u64,
    /// The attempt whose results are being said.
    attempt: Option<Attempt>,
    /// What is wrong, to be said when all is read that is ready.
    fault: Option<Within>,
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
    path: PathBuf,
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
            number: 0,
            attempt: None,
            fault: None,
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
            match attempt.say_result(&mut self.ready) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                // What settles the test counts also without its results.
                Err(Unread::Rest(e)) => {
                    let message = format!("{}: {}", attempt.path.display(), reason(&e));
                    self.fault = Some(Within::Source(message));
                }
                Err(Unread::Line(fault)) => {
                    self.fault = Some(fault);
                    return Ok(true);
                }
            }
            if let Some(attempt) = self.attempt.take() {
                atex_model::to_line(&mut self.ready, &attempt.end);
            }
            return Ok(true);
        }
        let fits = read_line(&mut self.journal, &mut self.line)?;
        if !self.line.ends_with(b"\n") && fits && self.watch.is_some() && !self.over {
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
        self.number += 1;
        match self.check(fits) {
            Ok(()) => self.say(),
            Err(fault) => self.fault = Some(fault),
        }
        self.line.clear();
        Ok(true)
    }

    /// Whether the line of the journal is one; it then ends as lines do.
    fn check(&mut self, fits: bool) -> Result<(), Within> {
        let path = || self.path.join(JOURNAL);
        if !fits {
            return Err(too_long(&path(), self.number));
        }
        if !self.line.ends_with(b"\n") {
            if let Some(fault) = cut(&self.line, &path(), self.number) {
                return Err(fault);
            }
            self.line.push(b'\n');
        }
        Ok(())
    }

    /// What a line of the journal means to readers of the stream.
    fn say(&mut self) {
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
                    let Ok(PassedOn { line }) = serde_json::from_str(line) else { return };
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
    }

    fn test_end(&mut self, mut end: TestEnd) {
        let Some(artifacts) = &end.artifacts else {
            return atex_model::to_line(&mut self.ready, &end);
        };
        let path = self.path.join(artifacts);
        end.artifacts = Some(path.to_string_lossy().into_owned());
        let path = path.join(RESULTS);
        match File::open(&path) {
            Ok(file) => {
                let results = BufReader::with_capacity(64 << 10, file);
                self.attempt = Some(Attempt { path, results, end, n: 0, line: Vec::new() });
            }
            Err(e) => {
                // An attempt that could not begin has none.
                if e.kind() != io::ErrorKind::NotFound {
                    let message = format!("{}: {}", path.display(), reason(&e));
                    self.fault = Some(Within::Source(message));
                }
                atex_model::to_line(&mut self.ready, &end);
            }
        }
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

/// Why a result cannot be said.
enum Unread {
    /// It is no result, or cannot be told; the next one may be.
    Line(Within),
    /// Nothing more can be read.
    Rest(io::Error),
}

impl Attempt {
    /// `false`: there is no result more.
    fn say_result(&mut self, to: &mut Vec<u8>) -> Result<bool, Unread> {
        self.line.clear();
        let fits = read_line(&mut self.results, &mut self.line).map_err(Unread::Rest)?;
        if self.line.is_empty() {
            return Ok(false);
        }
        self.n += 1;
        if !fits {
            return Err(Unread::Line(too_long(&self.path, self.n)));
        }
        match serde_json::from_slice::<Object>(&self.line) {
            Ok(stored) => atex_model::to_line(to, &self.result(stored)),
            Err(e) => {
                let torn =
                    if self.line.ends_with(b"\n") { None } else { cut(&self.line, &self.path, self.n) };
                let error =
                    LineError { column: e.column().max(1), message: format!("expected a result: {e}") };
                let message = error.at(&self.path.display().to_string(), self.n).to_string();
                return Err(Unread::Line(torn.unwrap_or(Within::Line(message))));
            }
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

/// Reads a line, or what is there of it. `false`: it is too long, and was skipped but for its start.
fn read_line(from: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<bool> {
    let limit = (LONGEST_LINE + 1).saturating_sub(line.len()) as u64;
    from.by_ref().take(limit).read_until(b'\n', line)?;
    if line.len() <= LONGEST_LINE {
        return Ok(true);
    }
    if !line.ends_with(b"\n") {
        from.skip_until(b'\n')?;
    }
    *line = vec![b'\n'];
    Ok(false)
}

fn too_long(path: &Path, number: u64) -> Within {
    let message = format!("expected a record, found a line over {} MiB", LONGEST_LINE >> 20);
    Within::Line(
        LineError { column: LONGEST_LINE, message }.at(&path.display().to_string(), number).to_string(),
    )
}

/// A last line that would go on was cut off when its writer, or its system, died.
fn cut(line: &[u8], path: &Path, number: u64) -> Option<Within> {
    let text = String::from_utf8_lossy(line);
    would_go_on(&text)
        .then(|| Within::Source(format!("{}:{number}: cut off in the middle of a line", path.display())))
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
            if let Some(fault) = self.fault.take() {
                return Err(io::Error::other(fault));
            }
            // Some at once: a result is far smaller than what is asked for.
            let mut more = true;
            while more && self.fault.is_none() && self.ready.len() < 64 << 10 {
                more = self.advance()?;
            }
            if self.ready.is_empty() && !more && self.fault.is_none() {
                return Ok(0);
            }
        }
        let n = buffer.len().min(self.ready.len() - self.taken);
        buffer[..n].copy_from_slice(&self.ready[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}
