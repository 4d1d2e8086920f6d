//! Where a history is read from.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use atex_cli::input::{Lines, reason};
use atex_model::{
    LineError, Time,
    report::{Outcome, TestEndTag},
};
use serde::Deserialize;

use super::{Attempt, EndedBy, History};

/// Of a directory of runs, so many are read, those that were at work last: more than enough for the attempts that
/// are looked at, even if each run had a part of the tests only.
const RUNS: usize = 64;

/// What the journal of a run is called in its directory.
const JOURNAL: &str = "journal.jsonl";

/// Reads a file of records, the directory of a run, or a directory of such directories.
pub(super) fn read(path: &Path, history: &mut History) {
    if is_database(path) {
        return read_database(path, history);
    }
    let files = match files(path) {
        Ok(files) => files,
        Err(e) => return warn(path, &reason(&e)),
    };
    if files.is_empty() {
        warn(path, "there is no run in it");
    }
    for file in files {
        match read_lines(&file, history) {
            Ok(0) => warn(&file, "no test has ended in it"),
            Ok(_) => {}
            // It says where.
            Err(problem) => log::warn!("--history: {problem}"),
        }
    }
}

/// What a database of SQLite begins with.
const DATABASE: &[u8] = b"SQLite format 3\0";

/// Whether it is a database. Only files are looked into: what is read of a pipe is gone.
fn is_database(path: &Path) -> bool {
    let starts_like_one = || {
        let mut start = [0; DATABASE.len()];
        fs::File::open(path)?.read_exact(&mut start)?;
        Ok::<bool, io::Error>(start == DATABASE)
    };
    fs::metadata(path).is_ok_and(|data| data.is_file()) && starts_like_one().unwrap_or(false)
}

/// Reads what `atex-report sqlite` has gathered, as the records that `atex-report durations` makes of it. So nothing is
/// known here of its tables, and no database is part of this program, which is to be small.
fn read_database(path: &Path, history: &mut History) {
    let mut command = Command::new(report_program());
    // Nothing that is typed for us is for it; its messages go where ours do.
    command.arg("durations").arg("--").arg(path).stdin(Stdio::null()).stdout(Stdio::piped());
    let started = command.spawn().map_err(|e| format!("atex-report: {}", reason(&e)));
    let read = started.and_then(|mut child| {
        let from = child.stdout.take().expect("it was asked for");
        let read = read_from(Lines::new(&path.display().to_string(), Box::new(from)), history);
        let status = child.wait().map_err(|e| format!("atex-report: {}", reason(&e)))?;
        if status.success() { read } else { Err(format!("atex-report ended with {status}")) }
    });
    match read {
        Ok(0) => warn(path, "no test has ended in it"),
        Ok(_) => {}
        Err(problem) => warn(path, &problem),
    }
}

/// The one that was installed beside us, otherwise the one on the PATH.
fn report_program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name("atex-report"));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| "atex-report".into())
}

fn warn(path: &Path, problem: &str) {
    log::warn!("--history: {}: {problem}", path.display());
}

/// The files that a path stands for, the older ones first.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let journal = path.join(JOURNAL);
    if journal.exists() {
        return Ok(vec![journal]);
    }
    let mut runs: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(path)? {
        let journal = entry?.path().join(JOURNAL);
        if let Ok(changed) = fs::metadata(&journal).and_then(|data| data.modified()) {
            runs.push((changed, journal));
        }
    }
    runs.sort();
    let older = runs.len().saturating_sub(RUNS);
    if older > 0 {
        log::info!(
            "--history: {}: the last {RUNS} runs are read, {older} older ones are not",
            path.display()
        );
    }
    Ok(runs.drain(older..).map(|(_, journal)| journal).collect())
}

/// What a `test-end` says of how long a test takes.
#[derive(Deserialize)]
struct Ended {
    time: Time,
    platform: String,
    test: String,
    cause: String,
    outcome: String,
    exit: Option<i64>,
    seconds: f64,
}

impl Ended {
    /// The attempt, if it says something of the test: one that somebody cancelled, or we ourselves cut short, does
    /// not.
    fn attempt(&self) -> Option<Attempt<'_>> {
        let ended_by = match (self.cause.as_str(), self.exit) {
            ("test", Some(_)) => match Outcome::of_status(Some(&self.outcome)) {
                Outcome::Pass | Outcome::Warn | Outcome::Info => EndedBy::Success,
                _ => EndedBy::Failure,
            },
            ("test" | "host", None) => EndedBy::Force,
            _ => return None,
        };
        let Ended { time: ended, seconds, .. } = *self;
        Some(Attempt { platform: &self.platform, test: &self.test, ended, seconds, ended_by })
    }
}

/// Reads a stream of records, or a journal, which holds the same ones and others.
///
/// Returns how many ends of attempts stand there.
///
/// # Errors
/// What was wrong with it, in words. Everything else in it has been read.
fn read_lines(path: &Path, history: &mut History) -> Result<u64, String> {
    read_from(Lines::open(path).map_err(|failure| failure.message)?, history)
}

/// The same for lines of any origin.
fn read_from(mut lines: Lines, history: &mut History) -> Result<u64, String> {
    let is_end = memchr::memmem::Finder::new(TestEndTag::TEXT);
    let (mut ended, mut bad, mut first) = (0_u64, 0_u64, None);
    while !lines.is_spent() {
        let problem = match lines.next_line() {
            Ok(None) => continue,
            Err(failure) => failure.message,
            // Most lines of a stream are results, which are not parsed.
            Ok(Some(line)) if is_end.find(line.text.as_bytes()).is_none() => continue,
            Ok(Some(line)) => match parse(line.text) {
                Ok(None) => continue,
                Ok(Some(end)) => {
                    ended += 1;
                    if let Some(attempt) = end.attempt() {
                        history.add(&attempt);
                    }
                    continue;
                }
                Err(e) => line.fault(&e).message,
            },
        };
        bad += 1;
        first.get_or_insert(problem);
    }
    match first {
        Some(first) if bad > 1 => Err(format!("{first}; {bad} lines are left out")),
        Some(first) => Err(format!("{first}; this line is left out")),
        None => Ok(ended),
    }
}

fn parse(line: &str) -> Result<Option<Ended>, LineError> {
    if atex_model::kind(line)? != TestEndTag::TEXT {
        return Ok(None);
    }
    atex_model::parse(line).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn end(name: &str, seconds: f64) -> String {
        format!(
            r#"{{"type":"test-end","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"default","test":"{name}","attempt":1,"host":"h","outcome":"pass","cause":"test","exit":0,"seconds":{seconds},"counts":{{"pass":1}},"final":true}}"#
        )
    }

    fn known(history: &History, name: &str) -> Option<Duration> {
        history.expected("default", name)
    }

    fn read_text(text: &[u8]) -> (History, Result<u64, String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all.jsonl");
        fs::write(&path, text).unwrap();
        let mut history = History::default();
        let read = read_lines(&path, &mut history);
        let strip = |problem: String| problem.replace(&format!("{}:", path.display()), "");
        (history, read.map_err(strip))
    }

    #[test]
    fn attempts_that_were_not_cancelled_count() {
        let whole = end("/t", 2.0);
        for (line, counts) in [
            (whole.clone(), true),
            (whole.replace("\"outcome\":\"pass\"", "\"outcome\":\"fail\""), true),
            (whole.replace(",\"final\":true", ",\"final\":false"), true),
            (whole.replace(",\"exit\":0", ""), true),
            (whole.replace(",\"exit\":0", "").replace("\"cause\":\"test\"", "\"cause\":\"host\""), true),
            (whole.replace("\"cause\":\"test\"", "\"cause\":\"own\""), false),
            (whole.replace("\"cause\":\"test\"", "\"cause\":\"cancelled\""), false),
            (whole.replace("\"cause\":\"test\"", "\"cause\":\"of a later version\""), false),
        ] {
            let (history, read) = read_text(line.as_bytes());
            assert_eq!(read, Ok(1), "{line}");
            assert_eq!(known(&history, "/t").is_some(), counts, "{line}");
        }
    }

    #[test]
    fn what_is_broken_is_named_and_the_rest_is_read() {
        let (a, b) = (end("/a", 2.0), end("/b", 3.0));
        let torn = &b[..b.len() - 20];
        let missing = b.replace("\"seconds\":3,", "");
        let cut = torn.len();
        for (text, problem) in [
            (
                format!("{a}\n{torn}"),
                format!("2:{cut}: not JSON: EOF while parsing a string; this line is left out"),
            ),
            (
                format!("{missing}\n{a}\n{torn}"),
                format!("1:{}: missing field `seconds`; 2 lines are left out", missing.len()),
            ),
            (format!("\u{fffd}junk\n{a}\n{{\"type\":\"result\",\"note\":\"test-end\"}}\n"), String::new()),
        ] {
            let (history, read) = read_text(text.as_bytes());
            assert_eq!(read.err().unwrap_or_default(), problem);
            assert_eq!(known(&history, "/a"), Some(Duration::from_secs(2)), "{text}");
        }
        let (history, read) = read_text(&[b"\xff\xfe\n", a.as_bytes()].concat());
        assert_eq!(read, Err("1:1: not UTF-8; this line is left out".into()));
        assert!(known(&history, "/a").is_some());
        assert_eq!((read_text(b"").1, read_text(b"SQLite format 3\0").1), (Ok(0), Ok(0)));
    }

    #[test]
    fn only_a_file_that_begins_like_a_database_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all");
        for (text, expected) in [("", false), ("SQLite format 3", false), ("SQLite format 3\0\u{1}", true)] {
            fs::write(&path, text).unwrap();
            assert_eq!(is_database(&path), expected, "{text:?}");
        }
        assert!(!is_database(dir.path()) && !is_database(&dir.path().join("missing")));
    }

    #[test]
    fn a_run_and_a_directory_of_runs_are_read() {
        let dir = tempfile::tempdir().unwrap();
        for (run, seconds) in [("one", 1.0), ("two", 2.0)] {
            fs::create_dir(dir.path().join(run)).unwrap();
            fs::write(dir.path().join(run).join(JOURNAL), end("/t", seconds)).unwrap();
        }
        fs::create_dir(dir.path().join("other")).unwrap();
        for (path, seconds) in [("one", 1), ("two/journal.jsonl", 2), (".", 2)] {
            let history = History::read(&[dir.path().join(path)]);
            assert_eq!(known(&history, "/t"), Some(Duration::from_secs(seconds)), "{path}");
        }
        assert_eq!(files(&dir.path().join("other")).unwrap(), Vec::<PathBuf>::new());
        assert!(known(&History::read(&[dir.path().join("missing")]), "/t").is_none());
    }
}
