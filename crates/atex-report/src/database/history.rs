//! What became of one test, run by run.

use atex_cli::Failure;
use rusqlite::params;

use super::answer::{Answer, Value};
use super::{Database, command::HistoryArgs};

const QUERY: &str = "
    SELECT ended, run, build, platform, attempt, host, outcome, seconds, final, note
    FROM attempts
    WHERE test_id IN (SELECT id FROM test WHERE name = ?1 AND (?2 IS NULL OR platform = ?2))
    ORDER BY ended DESC, attempt DESC LIMIT ?3";

pub(super) fn answer(database: &Database, args: &HistoryArgs) -> Result<Vec<Answer>, Failure> {
    let rows = rows(database, args).map_err(|e| database.failure(&e))?;
    if rows.is_empty() {
        return Err(unknown(database, &args.test).map_err(|e| database.failure(&e))?);
    }
    Ok(vec![Answer {
        kind: "history",
        title: None,
        columns: &[
            "ended", "run", "build", "platform", "attempt", "host", "outcome", "seconds", "final", "note",
        ],
        rows,
        remark: None,
    }])
}

fn rows(database: &Database, args: &HistoryArgs) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut query = database.connection.prepare(QUERY)?;
    let rows = query.query_map(params![args.test, args.platform, args.limit], |row| {
        let text = |column| row.get::<_, Option<String>>(column).map(Value::from);
        Ok(vec![
            row.get::<_, Option<i64>>(0)?.map_or(Value::Unknown, Value::Time),
            text(1)?,
            text(2)?,
            text(3)?,
            row.get::<_, i64>(4)?.into(),
            text(5)?,
            row.get::<_, Option<String>>(6)?.map_or(Value::Unknown, Value::Outcome),
            row.get::<_, Option<f64>>(7)?.map_or(Value::Unknown, Value::Seconds),
            Value::Text(if row.get(8)? { "yes" } else { "tried again" }.to_owned()),
            text(9)?,
        ])
    })?;
    rows.collect()
}

/// There is no such test: names that contain what was typed help.
fn unknown(database: &Database, name: &str) -> rusqlite::Result<Failure> {
    let mut query = database
        .connection
        .prepare("SELECT DISTINCT name FROM test WHERE instr(name, ?) ORDER BY name LIMIT 5")?;
    let similar: Vec<String> = query.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let failure = Failure::usage(format!("{}: has no test {name:?}", database.path.display()));
    Ok(match similar.is_empty() {
        true => failure,
        false => failure.hint(format!("there are {}", similar.join(", "))),
    })
}
