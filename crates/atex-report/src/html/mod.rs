//! One page of HTML for any number of results.
//!
//! The page is a file of its own: it asks for nothing, and opens from disk. What failed stands in it as plain HTML
//! (`failures`); everything is in it as chunks of columns (`tables`), compressed as they come (`spool`), which the
//! page's scripts (`page/*.js`) put together again. So this side needs the same memory for ten results and for ten
//! million: what grows waits in files without names.
//!
//! Repeated records are recognised by the page, which has to hold everything anyway.

mod columns;
mod escape;
mod failures;
mod links;
mod page;
mod spool;
mod tables;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atex_model::Time;
use atex_model::report::{HostEnd, HostStart, JobEnd, Outcome, ResultKind};
use serde_json::{Value, json};

use crate::event::{Event, What};
use crate::identity::{Identity, IdentityMap};
use crate::record::Record;
use crate::reduce::{is_bad, status_index};
use crate::row::{Row, TestEnd, TestStart};
use failures::Failures;
use links::Directory;
use spool::Spool;
use tables::{Attempts, Results};

/// What the page is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its title; without one it is made of the runs' ids.
    pub title: Option<String>,
    /// The directory in which the page will be: links to files are relative to it.
    pub directory: PathBuf,
    /// How many failures stand in it as plain HTML.
    pub failures: usize,
}

/// The directory of the file that standard output is written to; the current one if it is no file.
///
/// # Errors
/// The current directory is not known.
pub fn directory_of_stdout() -> io::Result<PathBuf> {
    let file = std::fs::read_link("/proc/self/fd/1").ok().filter(|path| path.is_file());
    match file.as_deref().and_then(Path::parent) {
        Some(directory) => Ok(directory.to_owned()),
        None => std::env::current_dir(),
    }
}

/// Of so many attempts at a time only the start is known, before they are written as such. A run has as many as it has
/// hosts.
const RUNNING: usize = 10_000;

/// The longest text of JSON that is gathered for a chunk of hosts.
const HOSTS: usize = 1 << 20;

/// A page while it is made.
pub struct Builder {
    options: Options,
    /// The directory in which the page will be.
    directory: Directory,
    runs: BTreeMap<String, Run>,
    /// Of each platform how many results have which status; the last number is of words of the tests' own.
    counts: BTreeMap<String, [u64; Outcome::ALL.len() + 1]>,
    failures: Failures,
    /// Those that are worse than passed stand first in the page.
    bad: Results,
    good: Results,
    attempts: Attempts,
    running: IdentityMap<Running>,
    hosts: Spool,
    host_rows: String,
}

/// What is shown of a run.
#[derive(Debug, Default)]
struct Run {
    dir: Option<String>,
    started: Option<i64>,
    end: Option<JobEnd>,
}

/// An attempt that has begun. Its texts stand one behind the other, as most are kept for a short time only.
struct Running {
    time: Time,
    attempt: u32,
    texts: Box<str>,
    /// How long the run, the platform and the name are; the host is what is left.
    lengths: [usize; 3],
}

impl Running {
    fn of(start: &TestStart<'_>) -> Running {
        let TestStart { time, run, platform, test, attempt, host } = *start;
        let texts = [run, platform, test, host].concat().into();
        Running { time, attempt, texts, lengths: [run.len(), platform.len(), test.len()] }
    }

    fn start(&self) -> TestStart<'_> {
        let (run, rest) = self.texts.split_at(self.lengths[0]);
        let (platform, rest) = rest.split_at(self.lengths[1]);
        let (test, host) = rest.split_at(self.lengths[2]);
        TestStart { time: self.time, run, platform, test, attempt: self.attempt, host }
    }
}

impl Builder {
    /// # Errors
    /// There is no room for temporary files.
    pub fn new(options: Options) -> io::Result<Builder> {
        Ok(Builder {
            failures: Failures::new(options.failures),
            directory: Directory::new(&options.directory),
            options,
            runs: BTreeMap::new(),
            counts: BTreeMap::new(),
            bad: Results::new("bad")?,
            good: Results::new("results")?,
            attempts: Attempts::new("attempts")?,
            running: IdentityMap::default(),
            hosts: Spool::new("hosts")?,
            host_rows: String::new(),
        })
    }

    /// Takes a record in; repeats are better left out, but do no harm.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn take(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event.what {
            What::Row(row) => self.row(&row, event.test),
            What::TestStart(start) => self.test_start(&start, event.test),
            What::TestEnd(end) => self.test_end(&end, event.test),
            What::Record(record) => self.record(record),
            What::Other => Ok(()),
        }
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::HostStart(start) => self.host_start(start)?,
            Record::HostEnd(end) => self.host_end(end)?,
            Record::JobStart(r) => self.begin(&r.run, r.time.0, &r.dir),
            Record::JobResume(r) => self.begin(&r.run, r.time.0, &r.dir),
            Record::JobEnd(end) => {
                let run = self.runs.entry(end.run.clone()).or_default();
                if run.end.as_ref().is_none_or(|old| old.time < end.time) {
                    run.end = Some(end.clone());
                }
            }
            Record::TestNote(_) | Record::End(_) => {}
        }
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>, test: Identity) -> io::Result<()> {
        if row.kind == ResultKind::LiveResult {
            return Ok(());
        }
        if row.kind == ResultKind::Result {
            self.count(row);
            self.failures.add(row, test);
        }
        if is_bad(row.outcome()) { self.bad.add(row) } else { self.good.add(row) }
    }

    fn count(&mut self, row: &Row<'_>) {
        let at = status_index(row.status);
        match self.counts.get_mut(row.platform) {
            Some(counts) => counts[at] += 1,
            None => {
                let mut counts = [0; Outcome::ALL.len() + 1];
                counts[at] = 1;
                self.counts.insert(row.platform.to_owned(), counts);
            }
        }
    }

    fn test_start(&mut self, start: &TestStart<'_>, test: Identity) -> io::Result<()> {
        self.running.insert(test.number(u64::from(start.attempt)), Running::of(start));
        if self.running.len() > RUNNING { self.flush_running() } else { Ok(()) }
    }

    fn flush_running(&mut self) -> io::Result<()> {
        let mut all: Vec<Running> = self.running.drain().map(|(_, running)| running).collect();
        // The same input gives the same page.
        all.sort_by(|a, b| (a.time, &a.texts, a.attempt).cmp(&(b.time, &b.texts, b.attempt)));
        all.iter().try_for_each(|running| self.attempts.add_start(&running.start()))
    }

    fn test_end(&mut self, end: &TestEnd<'_>, test: Identity) -> io::Result<()> {
        self.running.remove(&test.number(u64::from(end.attempt)));
        let place = end.artifacts.map(|path| self.directory.relative(path));
        let place = place.as_deref();
        self.failures.add_end(end, test, place);
        // Most often it stands right behind the attempt's results, and is written with them.
        if self.bad.add_end(end, place) || self.good.add_end(end, place) {
            return Ok(());
        }
        self.attempts.add_end(end, place)
    }

    fn begin(&mut self, id: &str, time: i64, dir: &str) {
        let run = self.runs.entry(id.to_owned()).or_default();
        run.started = Some(run.started.map_or(time, |started| started.min(time)));
        run.dir = Some(dir.to_owned());
    }

    fn host_start(&mut self, start: &HostStart) -> io::Result<()> {
        let facts = (!start.facts.is_empty()).then_some(&start.facts);
        self.host_row(&json!([start.run, start.host, start.platform, start.time.0, "start", null, facts]))
    }

    fn host_end(&mut self, end: &HostEnd) -> io::Result<()> {
        self.host_row(&json!([end.run, end.host, end.platform, end.time.0, end.reason, end.note, null]))
    }

    fn host_row(&mut self, row: &Value) -> io::Result<()> {
        self.host_rows.push(if self.host_rows.is_empty() { '[' } else { ',' });
        self.host_rows.push_str(&row.to_string());
        if self.host_rows.len() > HOSTS { self.flush_hosts() } else { Ok(()) }
    }

    fn flush_hosts(&mut self) -> io::Result<()> {
        if self.host_rows.is_empty() {
            return Ok(());
        }
        self.host_rows.push(']');
        self.hosts.add(self.host_rows.as_bytes())?;
        self.host_rows.clear();
        Ok(())
    }

    /// Writes the page.
    ///
    /// # Errors
    /// A temporary file cannot be read, or `to` cannot be written.
    pub fn finish(mut self, to: &mut impl Write) -> io::Result<()> {
        self.flush_running()?;
        self.flush_hosts()?;
        let head = page::Head {
            title: self.title(),
            counts: &self.counts,
            failures: &self.failures,
            meta: self.meta(),
        };
        head.write(to)?;
        for spool in [self.bad.finish()?, self.attempts.finish()?, self.hosts, self.good.finish()?] {
            spool.write(to)?;
        }
        page::write_foot(to)
    }

    fn title(&self) -> String {
        if let Some(title) = &self.options.title {
            return title.clone();
        }
        let ids: Vec<&str> = self.runs.keys().map(String::as_str).collect();
        match ids[..] {
            [] => "Test results".to_owned(),
            [id] => format!("Run {id}"),
            [first, .., last] => format!("{} runs, {first} to {last}", ids.len()),
        }
    }

    fn meta(&self) -> Value {
        let run = |(id, run): (&String, &Run)| {
            json!({
                "run": id,
                "dir": run.dir,
                "started": run.started,
                "ended": run.end.as_ref().map(|end| end.time.0),
                "seconds": run.end.as_ref().map(|end| end.seconds),
                "unsettled": run.end.as_ref().map(|end| end.unsettled),
                "busy": run.end.as_ref().and_then(|end| end.busy),
                "note": run.end.as_ref().and_then(|end| end.note.as_ref()),
            })
        };
        json!({
            "title": self.title(),
            "rows": tables::ROWS,
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
            "counts": self.counts.iter().map(|(platform, counts)| json!([platform, counts])).collect::<Vec<_>>(),
        })
    }
}
