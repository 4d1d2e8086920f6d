//! Hosts, and whether tests fail on them more than elsewhere.

use atex_cli::Failure;
use rusqlite::params;

use super::answer::{Answer, Value};
use super::{Database, command::HostsArgs};

/// What would be expected of a host: the sum, over its attempts, of how often the same test fails on all hosts.
const QUERY: &str = "
    WITH judged AS (
        SELECT test, host, seconds, ended, outcome IN ('fail', 'error') AS failed, outcome = 'infra' AS infra
        FROM attempt WHERE host IS NOT NULL AND ended >= ?1
    ), usual AS (
        SELECT test, avg(failed) AS rate FROM judged WHERE NOT infra GROUP BY test
    ), trouble AS (
        SELECT host, count(*) AS times FROM stay
        WHERE what IN ('lost', 'unhealthy', 'quarantined') AND time >= ?1 GROUP BY host
    )
    SELECT host.name, count(*), sum(judged.failed), sum(coalesce(usual.rate, 0)), sum(judged.infra),
           coalesce(trouble.times, 0), sum(judged.seconds), max(judged.ended)
    FROM judged JOIN host ON host.id = judged.host LEFT JOIN usual ON usual.test = judged.test
         LEFT JOIN trouble ON trouble.host = judged.host
    GROUP BY judged.host
    ORDER BY sum(judged.infra) + coalesce(trouble.times, 0) + max(0, sum(judged.failed) - sum(coalesce(usual.rate, 0))) DESC,
             count(*) DESC
    LIMIT ?2";

pub(super) fn answer(database: &Database, args: &HostsArgs) -> Result<Vec<Answer>, Failure> {
    Ok(vec![Answer {
        kind: "host",
        title: None,
        columns: &[
            "host",
            "attempts",
            "failed",
            "expected",
            "infra",
            "troubles",
            "busy_seconds",
            "last_seen",
        ],
        rows: rows(database, args).map_err(|e| database.failure(&e))?,
        remark: Some(
            "expected: how many would have failed if its tests failed there as often as on all hosts".into(),
        ),
    }])
}

fn rows(database: &Database, args: &HostsArgs) -> rusqlite::Result<Vec<Vec<Value>>> {
    let since = database.since(args.days)?;
    let mut query = database.connection.prepare(QUERY)?;
    let limit = i64::try_from(args.limit).unwrap_or(i64::MAX);
    let rows = query.query_map(params![since, limit], |row| {
        Ok(vec![
            row.get::<_, String>(0)?.into(),
            row.get::<_, i64>(1)?.into(),
            row.get::<_, i64>(2)?.into(),
            Value::Real(row.get(3)?),
            row.get::<_, i64>(4)?.into(),
            row.get::<_, i64>(5)?.into(),
            Value::Seconds(row.get::<_, Option<f64>>(6)?.unwrap_or(0.0)),
            Value::Time(row.get(7)?),
        ])
    })?;
    rows.collect()
}
