//! Where files of results lie, as far as the stream tells.

use std::borrow::Cow;
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
    /// The attempt that the last row belongs to: run, platform, test, attempt.
    last: (String, String, String, u32),
    /// The directory of its files. `None`: the run's is not known, or nothing was asked yet.
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
        self.dir = None;
    }

    /// The directory of the files of a row's attempt, if it is known.
    pub fn files(&mut self, row: &Row<'_>) -> Option<&str> {
        let (run, platform, test, attempt) = &mut self.last;
        let is_last =
            test == row.test && *attempt == row.attempt && platform == row.platform && run == row.run;
        if self.dir.is_none() || !is_last {
            let dir = self.runs.get(row.run)?;
            let to = self.dir.get_or_insert_default();
            to.clear();
            for part in [dir, "/", &attempt_dir(row.platform, row.test, row.attempt), "/files"] {
                to.push_str(part);
            }
            for (to, text) in [(run, row.run), (platform, row.platform), (test, row.test)] {
                to.clear();
                to.push_str(text);
            }
            *attempt = row.attempt;
        }
        self.dir.as_deref()
    }

    /// The paths of all files of a row: below the current directory relative to it.
    pub fn of(&mut self, row: &Row<'_>) -> Vec<String> {
        if row.files.is_empty() {
            return Vec::new();
        }
        if self.files(row).is_none() {
            return Vec::new();
        }
        let (dir, cwd) = (self.dir.as_deref().unwrap_or_default(), self.cwd.as_deref());
        let subtest = row.subtest.map(safe_path).filter(|path| !path.is_empty());
        let path = |name: &str| {
            let name = safe_path(name);
            let full = match &subtest {
                Some(subtest) => [dir, "/", subtest, "/", &name].concat(),
                None => [dir, "/", &name].concat(),
            };
            match units::path(&full, cwd) {
                Cow::Borrowed(path) if path.len() == full.len() => full,
                path => path.into_owned(),
            }
        };
        row.files.iter().map(path).collect()
    }
}
