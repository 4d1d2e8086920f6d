//! Where files of results lie, as far as the stream tells.

use std::collections::HashMap;
use std::path::PathBuf;

use atex_control::safe_path;
use atex_model::artifacts::attempt_dir;

use crate::record::Record;
use crate::row::Row;
use crate::text::units;

/// Knows the directories of the runs.
#[derive(Debug, Default)]
pub(super) struct Paths {
    runs: HashMap<String, String>,
    cwd: Option<PathBuf>,
    /// The directory of the attempt that the last row belongs to: run, platform, test, attempt.
    last: Option<(String, String, String, u32)>,
    dir: Option<String>,
}

impl Paths {
    pub fn new() -> Paths {
        Paths { cwd: std::env::current_dir().ok(), ..Paths::default() }
    }

    pub fn record(&mut self, record: &Record) {
        let (run, dir) = match record {
            Record::JobStart(r) => (&r.run, &r.dir),
            Record::JobResume(r) => (&r.run, &r.dir),
            _ => return,
        };
        self.runs.insert(run.clone(), dir.clone());
        self.last = None;
    }

    /// The directory of the files of a row's attempt, if it is known.
    pub fn files(&mut self, row: &Row<'_>) -> Option<&str> {
        let is_last = self.last.as_ref().is_some_and(|(run, platform, test, attempt)| {
            test == row.test && *attempt == row.attempt && platform == row.platform && run == row.run
        });
        if !is_last {
            let attempt = attempt_dir(row.platform, row.test, row.attempt);
            self.dir = self.runs.get(row.run).map(|run| format!("{run}/{attempt}/files"));
            self.last = Some((row.run.to_owned(), row.platform.to_owned(), row.test.to_owned(), row.attempt));
        }
        self.dir.as_deref()
    }

    /// The paths of all files of a row: below the current directory relative to it.
    pub fn of(&mut self, row: &Row<'_>) -> Vec<String> {
        if row.files.is_empty() {
            return Vec::new();
        }
        let cwd = self.cwd.clone();
        let Some(dir) = self.files(row) else { return Vec::new() };
        let subtest = row.subtest.map(safe_path).filter(|path| !path.is_empty());
        let path = |name: &str| {
            let full = match &subtest {
                Some(subtest) => format!("{dir}/{subtest}/{}", safe_path(name)),
                None => format!("{dir}/{}", safe_path(name)),
            };
            units::path(&full, cwd.as_deref()).into_owned()
        };
        row.files.iter().map(path).collect()
    }
}
