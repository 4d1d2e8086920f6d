//! How runs went, one after another.

use atex_cli::Failure;
use rusqlite::params;

use super::answer::{Answer, Value};
use super::{Database, command::TrendArgs};

/// Tests that passed only when they were tried again are found by their attempts that did not settle them.
const QUERY: &str = "
    SELECT run.started, run.name, run.build, run.outcome, run.seconds, count(attempt.id),
           count(*) FILTER (WHERE attempt.outcome IN ('pass', 'warn', 'info')),
           count(*) FILTER (WHERE attempt.outcome = 'fail'), count(*) FILTER (WHERE attempt.outcome = 'error'),
           count(*) FILTER (WHERE attempt.outcome = 'infra'), count(*) FILTER (WHERE attempt.outcome = 'skip'),
           count(*) FILTER (WHERE attempt.number > 1 AND attempt.outcome IN ('pass', 'warn', 'info')),
           sum(attempt.seconds)
    FROM (SELECT * FROM run ORDER BY started DESC, id DESC LIMIT ?1) AS run
    LEFT JOIN attempt ON attempt.run = run.id AND attempt.final = 1
         AND (?2 IS NULL OR attempt.test IN (SELECT id FROM test WHERE platform = ?2))
    GROUP BY run.id ORDER BY run.started, run.id";

pub(super) fn answer(database: &Database, args: &TrendArgs) -> Result<Vec<Answer>, Failure> {
    Ok(vec![Answer {
        kind: "trend",
        title: None,
        columns: &[
            "started",
            "run",
            "build",
            "outcome",
            "seconds",
            "tests",
            "passed",
            "fail",
            "error",
            "infra",
            "skip",
            "retried",
            "pass_rate",
            "busy_seconds",
        ],
        rows: rows(database, args).map_err(|e| database.failure(&e))?,
        remark: None,
    }])
}

fn rows(database: &Database, args: &TrendArgs) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut query = database.connection.prepare(QUERY)?;
    let rows = query.query_map(params![args.runs, args.platform], |row| {
        let seconds =
            |column| row.get::<_, Option<f64>>(column).map(|s| s.map_or(Value::Unknown, Value::Seconds));
        let count = |column| row.get::<_, i64>(column);
        let (tests, passed, skipped) = (count(5)?, count(6)?, count(10)?);
        let judged = tests - skipped;
        let mut values = vec![
            row.get::<_, Option<i64>>(0)?.map_or(Value::Unknown, Value::Time),
            row.get::<_, String>(1)?.into(),
            row.get::<_, Option<String>>(2)?.into(),
            row.get::<_, Option<String>>(3)?.map_or(Value::Unknown, Value::Outcome),
            seconds(4)?,
        ];
        for column in 5..=11 {
            values.push(count(column)?.into());
        }
        values.push(if judged > 0 { Value::Share(passed as f64 / judged as f64) } else { Value::Unknown });
        values.push(seconds(12)?);
        Ok(values)
    })?;
    rows.collect()
}
