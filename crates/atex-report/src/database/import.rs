//! A stream of records into the database.
//!
//! Everything has a key in the database (its run, test, attempt, position), so that what is read again changes nothing.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use atex_model::report::{Cause, JobEnd, ResultKind};
use rusqlite::{Connection, OptionalExtension as _, Statement, params};

use crate::event::{Event, What};
use crate::identity::{Identity, IdentityMap};
use crate::json;
use crate::record::Record;
use crate::row::{Row, TestEnd};

/// How many rows are written before others get their turn.
const BATCH: u32 = 20_000;

/// So many names of tests and hosts are remembered with their numbers; others are looked up.
const REMEMBERED: usize = 100_000;

/// How long others are let in between two batches: they ask again every millisecond at first.
const TURN: std::time::Duration = std::time::Duration::from_millis(2);

/// Writes a stream.
pub(super) struct Importer<'d> {
    connection: &'d Connection,
    build: Option<&'d str>,
    /// What is done for each result or test.
    often: Often<'d>,
    /// Rows since the last commit; 0: there is no transaction.
    rows: u32,
    /// Tells whether others have written since our last transaction.
    version: Option<i64>,
    /// The number of the next attempt that is new.
    next: i64,
    runs: HashMap<String, i64>,
    /// By their platforms and names.
    tests: IdentityMap<i64>,
    hosts: HashMap<String, i64>,
    /// The attempt that the last result belongs to.
    last: Option<Last>,
    files: Vec<u8>,
    /// Runs of which anything was written.
    touched: HashSet<i64>,
    pub(super) results: u64,
    pub(super) attempts: u64,
}

/// Statements that would be looked up by their text too often.
struct Often<'d> {
    find_test: Statement<'d>,
    add_test: Statement<'d>,
    find_attempt: Statement<'d>,
    add_attempt: Statement<'d>,
    end_attempt: Statement<'d>,
    add_result: Statement<'d>,
}

/// An attempt and its number.
struct Last {
    identity: Identity,
    number: i64,
    /// It is not in the database yet: that waits for its end, which most often stands right behind its results.
    new: Option<New>,
}

/// An attempt that is not in the database.
#[derive(Clone, Copy)]
struct New {
    run: i64,
    test: i64,
    attempt: u32,
    host: Option<i64>,
    is_final: bool,
    ended: i64,
}

/// What a record says of the attempt that it belongs to.
struct Of<'r> {
    run: &'r str,
    platform: &'r str,
    test: &'r str,
    attempt: u32,
    host: Option<&'r str>,
    is_final: bool,
    ended: i64,
}

impl<'d> Often<'d> {
    fn new(connection: &'d Connection) -> rusqlite::Result<Often<'d>> {
        Ok(Often {
            find_test: connection.prepare("SELECT id FROM test WHERE name = ? AND platform = ?")?,
            add_test: connection.prepare("INSERT INTO test (name, platform) VALUES (?, ?)")?,
            find_attempt: connection
                .prepare("SELECT id FROM attempt WHERE run = ? AND test = ? AND number = ?")?,
            add_attempt: connection.prepare(
                "INSERT INTO attempt (id, run, test, number, host, final, ended, seconds, outcome, cause, exit, note,
                 artifacts, waived) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            end_attempt: connection.prepare(
                "UPDATE attempt SET host = coalesce(?2, host), final = ?3, ended = ?4, seconds = ?5, outcome = ?6,
                 cause = ?7, exit = ?8, note = ?9, artifacts = ?10, waived = ?11
                 WHERE id = ?1 AND (cause IS NULL OR ended < ?4)",
            )?,
            add_result: connection.prepare(
                "INSERT OR IGNORE INTO result (attempt, n, subtest, status, note, files, extra, waived)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
        })
    }
}

impl<'d> Importer<'d> {
    pub(super) fn new(connection: &'d Connection, build: Option<&'d str>) -> rusqlite::Result<Importer<'d>> {
        Ok(Importer {
            connection,
            build,
            often: Often::new(connection)?,
            rows: 0,
            version: None,
            next: 1,
            runs: HashMap::new(),
            tests: IdentityMap::default(),
            hosts: HashMap::new(),
            last: None,
            files: Vec::new(),
            touched: HashSet::new(),
            results: 0,
            attempts: 0,
        })
    }

    pub(super) fn event(&mut self, event: &Event<'_>) -> rusqlite::Result<()> {
        let written = match event.what {
            What::Row(row) if row.kind != ResultKind::LiveResult => self.row(&row, event.test)?,
            What::TestEnd(end) => self.test_end(&end, event.test)?,
            What::Record(record) => self.record(record)?,
            What::Row(_) | What::TestStart(_) | What::Other => false,
        };
        if written {
            self.rows += 1;
        }
        if self.rows >= BATCH {
            self.commit()?;
            std::thread::sleep(TURN);
        }
        Ok(())
    }

    /// Makes what was written visible, and lets others write.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        self.put_last()?;
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("COMMIT")?;
        }
        self.rows = 0;
        Ok(())
    }

    /// Writes the rest, and what follows from it.
    pub(super) fn finish(&mut self) -> rusqlite::Result<()> {
        self.begin()?;
        self.put_last()?;
        let mut conclude = self.connection.prepare_cached(CONCLUDE)?;
        for run in &self.touched {
            conclude.execute([run])?;
        }
        drop(conclude);
        self.commit()
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        // Until the commit nobody else writes. Numbers that are remembered from before hold unless somebody else did.
        let version = Some(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?);
        if version != self.version {
            self.version = version;
            self.runs.clear();
            self.tests.clear();
            self.hosts.clear();
            self.last = None;
        }
        self.next = self
            .connection
            .query_row("SELECT coalesce(max(id), 0) + 1 FROM attempt", [], |row| row.get(0))?;
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>, test: Identity) -> rusqlite::Result<bool> {
        self.begin()?;
        let Row { run, platform, test: name, attempt, host, .. } = *row;
        let is_final = row.kind == ResultKind::Result;
        let of = Of { run, platform, test: name, attempt, host, is_final, ended: row.time.0 };
        let attempt = self.turn_to(test, &of)?.number;
        let files = files(&mut self.files, row);
        // Beyond the whole numbers of SQLite nobody counts.
        let n = i64::try_from(row.n).unwrap_or(i64::MAX);
        let new = self.often.add_result.execute(params![
            attempt,
            n,
            row.subtest,
            row.status,
            row.note,
            files,
            row.extra,
            row.waived
        ])?;
        self.results += new as u64;
        Ok(true)
    }

    /// The attempt that is asked for becomes the last one.
    fn turn_to(&mut self, test: Identity, of: &Of<'_>) -> rusqlite::Result<&mut Last> {
        let identity = test.number(u64::from(of.attempt));
        if self.last.as_ref().is_none_or(|last| last.identity != identity) {
            self.put_last()?;
            self.last = Some(self.attempt(identity, of)?);
        }
        Ok(self.last.as_mut().expect("it has just been put there if it was not"))
    }

    fn attempt(&mut self, identity: Identity, of: &Of<'_>) -> rusqlite::Result<Last> {
        let (run, test) = (self.run(of.run)?, self.test(of.platform, of.test)?);
        let host = of.host.map(|host| self.host(host)).transpose()?;
        let known =
            self.often.find_attempt.query_row(params![run, test, of.attempt], |row| row.get(0)).optional()?;
        if let Some(number) = known {
            let set = "UPDATE attempt SET host = ? WHERE id = ? AND host IS NULL";
            self.connection.prepare_cached(set)?.execute(params![host, number])?;
            return Ok(Last { identity, number, new: None });
        }
        let new = New { run, test, attempt: of.attempt, host, is_final: of.is_final, ended: of.ended };
        let number = self.next;
        self.next = number.saturating_add(1);
        Ok(Last { identity, number, new: Some(new) })
    }

    /// Writes the last attempt, if it still waits for its end.
    fn put_last(&mut self) -> rusqlite::Result<()> {
        let Some(last) = &mut self.last else { return Ok(()) };
        let number = last.number;
        match last.new.take() {
            Some(new) => self.add_attempt(number, new, None),
            None => Ok(()),
        }
    }

    fn add_attempt(&mut self, number: i64, new: New, end: Option<&TestEnd<'_>>) -> rusqlite::Result<()> {
        let New { run, test, attempt, host, is_final, ended } = new;
        self.often
            .add_attempt
            .execute(params![
                number,
                run,
                test,
                attempt,
                host,
                is_final,
                ended,
                end.map(seconds),
                end.map(|end| end.outcome.as_str()),
                end.map(|end| cause(end.cause)),
                end.and_then(|end| end.exit),
                end.and_then(|end| end.note),
                end.and_then(|end| end.artifacts),
                end.and_then(|end| end.waived),
            ])
            .map(drop)
    }

    fn record(&mut self, record: &Record) -> rusqlite::Result<bool> {
        match record {
            Record::JobStart(r) => self.job_start(&r.run, r.time.0, &r.dir, &r.version)?,
            Record::JobResume(r) => self.job_start(&r.run, r.time.0, &r.dir, &r.version)?,
            Record::JobEnd(end) => self.job_end(end)?,
            Record::HostStart(r) => self.stay(&r.run, &r.host, r.time.0, "start", &r.platform, None)?,
            Record::HostEnd(r) => {
                self.stay(&r.run, &r.host, r.time.0, r.reason.word(), &r.platform, r.note.as_deref())?;
            }
            Record::TestNote(_) | Record::End(_) => return Ok(false),
        }
        Ok(true)
    }

    fn test_end(&mut self, end: &TestEnd<'_>, test: Identity) -> rusqlite::Result<bool> {
        self.begin()?;
        self.attempts += 1;
        let TestEnd { run, platform, test: name, attempt, is_final, host, .. } = *end;
        let ended = end.time.0;
        let last = self.turn_to(test, &Of { run, platform, test: name, attempt, host, is_final, ended })?;
        let (number, new) = (last.number, last.new.take());
        let host = host.map(|host| self.host(host)).transpose()?;
        if let Some(new) = new {
            let new = New { host: host.or(new.host), is_final, ended, ..new };
            self.add_attempt(number, new, Some(end))?;
            return Ok(true);
        }
        self.often.end_attempt.execute(params![
            number,
            host,
            is_final,
            ended,
            seconds(end),
            end.outcome.as_str(),
            cause(end.cause),
            end.exit,
            end.note,
            end.artifacts,
            end.waived,
        ])?;
        Ok(true)
    }

    fn job_start(&mut self, run: &str, time: i64, dir: &str, version: &str) -> rusqlite::Result<()> {
        let run = self.run(run)?;
        let mut set = self.connection.prepare_cached(
            "UPDATE run SET started = min(coalesce(started, ?1), ?1), dir = ?2, version = ?3 WHERE id = ?4",
        )?;
        set.execute(params![time, dir, version, run]).map(drop)
    }

    fn job_end(&mut self, end: &JobEnd) -> rusqlite::Result<()> {
        let run = self.run(&end.run)?;
        let mut set = self.connection.prepare_cached(
            "UPDATE run SET ended = ?1, seconds = ?2, outcome = ?3, unsettled = ?4, dir = coalesce(dir, ?5)
             WHERE id = ?6 AND coalesce(ended, ?1) <= ?1",
        )?;
        let unsettled = i64::try_from(end.unsettled).unwrap_or(i64::MAX);
        set.execute(params![end.time.0, end.seconds, end.outcome, unsettled, end.dir, run]).map(drop)
    }

    fn stay(
        &mut self,
        run: &str,
        host: &str,
        time: i64,
        what: &str,
        platform: &str,
        note: Option<&str>,
    ) -> rusqlite::Result<()> {
        let (run, host) = (self.run(run)?, self.host(host)?);
        let mut add = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO stay (run, host, time, what, platform, note) VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        add.execute(params![run, host, time, what, platform, note]).map(drop)
    }

    fn run(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(run) = self.runs.get(name) {
            return Ok(*run);
        }
        self.begin()?;
        let mut add = self.connection.prepare_cached(
            "INSERT INTO run (name, build) VALUES (?, ?)
             ON CONFLICT (name) DO UPDATE SET build = coalesce(excluded.build, build) RETURNING id",
        )?;
        let run = add.query_row(params![name, self.build], |row| row.get(0))?;
        remember(&mut self.runs, name.to_owned(), run);
        self.touched.insert(run);
        Ok(run)
    }

    fn test(&mut self, platform: &str, name: &str) -> rusqlite::Result<i64> {
        let key = Identity::NOTHING.text(platform).text(name);
        if let Some(test) = self.tests.get(&key) {
            return Ok(*test);
        }
        self.begin()?;
        let test = match self.often.find_test.query_row([name, platform], |row| row.get(0)).optional()? {
            Some(test) => test,
            None => {
                self.often.add_test.execute([name, platform])?;
                self.connection.last_insert_rowid()
            }
        };
        remember(&mut self.tests, key, test);
        Ok(test)
    }

    fn host(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(host) = self.hosts.get(name) {
            return Ok(*host);
        }
        self.begin()?;
        let mut find = self.connection.prepare_cached("SELECT id FROM host WHERE name = ?")?;
        let host = match find.query_row([name], |row| row.get(0)).optional()? {
            Some(host) => host,
            None => {
                let add = "INSERT INTO host (name) VALUES (?) RETURNING id";
                self.connection.prepare_cached(add)?.query_row([name], |row| row.get(0))?
            }
        };
        remember(&mut self.hosts, name.to_owned(), host);
        Ok(host)
    }
}

/// Attempts of which only results were read have the worst of those without a subtest for an outcome, or of all.
const CONCLUDE: &str = "
    UPDATE attempt SET outcome = coalesce(
        (SELECT status FROM result WHERE result.attempt = attempt.id AND subtest IS NULL
         AND status IN ('infra', 'error', 'fail', 'warn', 'pass', 'info', 'skip')
         ORDER BY instr('infra error fail warn pass info skip', status) LIMIT 1),
        (SELECT status FROM result WHERE result.attempt = attempt.id
         AND status IN ('infra', 'error', 'fail', 'warn', 'pass', 'info', 'skip')
         ORDER BY instr('infra error fail warn pass info skip', status) LIMIT 1),
        'info')
    WHERE run = ? AND cause IS NULL";

fn remember<K: Hash + Eq, H: BuildHasher>(names: &mut HashMap<K, i64, H>, key: K, number: i64) {
    if names.len() >= REMEMBERED {
        names.clear();
    }
    names.insert(key, number);
}

/// The names of files as JSON; nothing for none.
fn files<'b>(buffer: &'b mut Vec<u8>, row: &Row<'_>) -> Option<&'b str> {
    if row.files.is_empty() {
        return None;
    }
    buffer.clear();
    buffer.push(b'[');
    for (at, name) in row.files.iter().enumerate() {
        if at > 0 {
            buffer.push(b',');
        }
        json::string(buffer, name);
    }
    buffer.push(b']');
    std::str::from_utf8(buffer).ok()
}

fn seconds(end: &TestEnd<'_>) -> f64 {
    if end.seconds.is_finite() { end.seconds.max(0.0) } else { 0.0 }
}

/// The word that stands for a cause in records.
fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Test => "test",
        Cause::Host => "host",
        Cause::Own => "own",
        Cause::Cancelled => "cancelled",
        Cause::Skipped => "skipped",
    }
}
