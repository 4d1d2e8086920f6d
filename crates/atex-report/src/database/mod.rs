//! A database of results that grows run by run, and what it answers.
//!
//! [`import`] takes a stream in; `schema.sql` says what is where, and is meant to be asked by others too. The answers
//! (`history`, `flaky`, `slow`, `trend`, `hosts`) are one file each, made of the same parts: a query, a rule, and a
//! table (`answer`). `durations` writes records again, so that a database is a history that atex-exec reads
//! without knowing anything of databases.

mod answer;
mod command;
mod durations;
mod flaky;
mod history;
mod hosts;
mod import;
mod rank_test;
mod slow;
mod trend;

pub use command::{Ask, ImportArgs, ask, import};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use atex_cli::Failure;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// What makes a file ours: "ATEX" in the place that SQLite has for it.
const APPLICATION: i32 = 0x4154_4558;

/// The version of the schema.
const VERSION: i32 = 1;

/// How long somebody else may write before we give up. Each holds the database for a fraction of a second at a time.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long we wait where SQLite does not.
const PAUSE: Duration = Duration::from_millis(10);

/// How much of the database is held in memory, in KiB, which SQLite wants to be negative.
const CACHE: i32 = -16_384;

const TABLES: &str = "SELECT count(*) FROM sqlite_schema";

/// A database of results.
pub struct Database {
    path: PathBuf,
    connection: Connection,
}

impl Database {
    /// Opens one to write, and makes it if there is none.
    ///
    /// # Errors
    /// It cannot be opened, or is something else.
    pub fn create(path: &Path) -> Result<Database, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut database = Database::open_with(path, flags)?;
        // Nothing is changed in a database of somebody else.
        if !database.is_empty().map_err(|e| database.failure(&e))? {
            database.verify()?;
        }
        database.prepare().map_err(|e| database.failure(&e))?;
        database.verify()?;
        Ok(database)
    }

    /// Opens one to read.
    ///
    /// # Errors
    /// It is not there, or is something else.
    pub fn open(path: &Path) -> Result<Database, Failure> {
        let metadata = std::fs::metadata(path)
            .map_err(|e| Failure::usage(format!("{}: {}", path.display(), atex_cli::input::reason(&e))))?;
        if !metadata.is_file() {
            return Err(Failure::usage(format!("{}: is no file, expected a database", path.display())));
        }
        // Not read-only: a reader of a database with a log that was left behind has to look after it.
        let database = Database::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .or_else(|_| Database::open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
        database.verify()?;
        Ok(database)
    }

    fn open_with(path: &Path, flags: OpenFlags) -> Result<Database, Failure> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|e| failure(path, &e))?;
        connection.busy_timeout(PATIENCE).map_err(|e| failure(path, &e))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Database { path: path.to_owned(), connection })
    }

    /// Makes the tables, unless another writer has.
    fn prepare(&mut self) -> rusqlite::Result<()> {
        // Readers do not wait for writers; a commit is in the log, and reaches the disk in its own time.
        self.use_log()?;
        self.connection.pragma_update(None, "synchronous", "normal")?;
        self.connection.pragma_update(None, "cache_size", CACHE)?;
        // The importer refers to nothing but what it has found or made in the same transaction.
        self.connection.pragma_update(None, "foreign_keys", false)?;
        let change = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tables: i64 = change.query_row(TABLES, [], |row| row.get(0))?;
        if tables == 0 {
            change.execute_batch(include_str!("schema.sql"))?;
            change.pragma_update(None, "application_id", APPLICATION)?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        change.commit()
    }

    /// Switches to a log, for which SQLite does not wait when somebody else does the same.
    fn use_log(&self) -> rusqlite::Result<()> {
        let begun = Instant::now();
        loop {
            match self.connection.pragma_update(None, "journal_mode", "wal") {
                Err(e) if is_busy(&e) && begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                done => return done,
            }
        }
    }

    fn is_empty(&self) -> rusqlite::Result<bool> {
        self.connection.query_row(TABLES, [], |row| row.get::<_, i64>(0)).map(|tables| tables == 0)
    }

    fn verify(&self) -> Result<(), Failure> {
        let number = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let application = number("application_id").map_err(|e| self.failure(&e))?;
        let version = number("user_version").map_err(|e| self.failure(&e))?;
        let path = self.path.display();
        if application != APPLICATION {
            return Err(Failure::usage(format!("{path}: is a database, but not of test results")));
        }
        if version != VERSION {
            let found = format!("{path}: is of version {version}, expected {VERSION}");
            return Err(Failure::usage(found).hint("a later atex-report reads it"));
        }
        Ok(())
    }

    /// The time of so many days before the newest attempt.
    fn since(&self, days: u32) -> rusqlite::Result<i64> {
        let newest: Option<i64> =
            self.connection.query_row("SELECT max(ended) FROM attempt", [], |row| row.get(0))?;
        Ok(newest.unwrap_or(0).saturating_sub(i64::from(days) * 86_400_000))
    }

    /// An error of SQLite in this database.
    fn failure(&self, error: &rusqlite::Error) -> Failure {
        failure(&self.path, error)
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn failure(path: &Path, error: &rusqlite::Error) -> Failure {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Failure::usage(format!("{path}: is no SQLite database")),
        Some(ErrorCode::CannotOpen) => Failure::usage(format!("{path}: cannot be opened: {error}")),
        _ if is_busy(error) => {
            Failure::trouble(format!("{path}: somebody else has been writing for {} s", PATIENCE.as_secs()))
        }
        _ => Failure::trouble(format!("{path}: {error}")),
    }
}
