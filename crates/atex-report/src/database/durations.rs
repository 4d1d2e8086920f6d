//! How long tests take, as records: what `atex-exec --history` reads of a database.
//!
//! Records, so that no tool needs to know how another one stores things.

use std::io::Write;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure};
use atex_model::Time;
use rusqlite::params;
use serde_json::json;

use super::{Database, command::DurationsArgs};
use crate::stop::Stop;

/// The last attempts at each test that say something of it: of those that passed, failed, and were cut short each.
const QUERY: &str = "
    SELECT name, platform, ended, run, number, host, outcome, exit, seconds, final, cause FROM (
        SELECT test.name, test.platform, attempt.ended, run.name AS run, attempt.number, host.name AS host, attempt.outcome,
               attempt.exit, attempt.seconds, attempt.final, attempt.cause,
               row_number() OVER (PARTITION BY attempt.test, attempt.exit IS NULL,
                                               attempt.outcome IN ('pass', 'warn', 'info')
                                  ORDER BY attempt.ended DESC) AS place
        FROM attempt JOIN test ON test.id = attempt.test JOIN run ON run.id = attempt.run
             LEFT JOIN host ON host.id = attempt.host
        WHERE attempt.cause IN ('test', 'host') AND attempt.seconds IS NOT NULL
    ) WHERE place <= ?1";

/// Writes a record `test-end` for each.
pub(super) fn write(database: &Database, args: &DurationsArgs, out: impl Write) -> Result<Exit, Failure> {
    let mut out = Output::new(out);
    match write_all(database, args, &mut out) {
        Ok(()) | Err(Stop::Closed) => Ok(Exit::Done),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

fn write_all<W: Write>(database: &Database, args: &DurationsArgs, out: &mut Output<W>) -> Result<(), Stop> {
    let failed = |e: rusqlite::Error| Stop::Failed(database.failure(&e));
    let mut query = database.connection.prepare(QUERY).map_err(failed)?;
    let mut rows = query.query(params![args.attempts]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        out.record(&record(row).map_err(failed)?)?;
    }
    Ok(out.flush()?)
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<serde_json::Value> {
    let mut record = json!({
        "type": "test-end",
        "time": Time(row.get(2)?),
        "run": row.get::<_, String>(3)?,
        "platform": row.get::<_, String>(1)?,
        "test": row.get::<_, String>(0)?,
        "attempt": row.get::<_, u32>(4)?,
        "outcome": row.get::<_, String>(6)?,
        "cause": row.get::<_, String>(10)?,
        "seconds": row.get::<_, f64>(8)?,
        "counts": {},
        "final": row.get::<_, bool>(9)?,
    });
    if let Some(exit) = row.get::<_, Option<i64>>(7)? {
        record["exit"] = exit.into();
    }
    if let Some(host) = row.get::<_, Option<String>>(5)? {
        record["host"] = host.into();
    }
    Ok(record)
}
