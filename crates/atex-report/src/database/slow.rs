//! Tests that have become slower than they were.

use atex_cli::Failure;
use rusqlite::params;

use super::answer::{Answer, Value};
use super::rank_test::{median, probability};
use super::{Database, command::SlowArgs};

/// So many attempts before the last ones are what those are compared with.
const EARLIER: usize = 30;

/// With fewer no test of ranks can tell anything.
const LEAST: usize = 5;

const QUERY: &str = "
    SELECT test, test_id, platform, seconds, run FROM attempts
    WHERE outcome IN ('pass', 'warn', 'info') AND seconds IS NOT NULL AND coalesce(cause, 'test') = 'test'
          AND ended >= ?1
    ORDER BY test_id, ended";

/// The attempts at one test, the oldest first.
#[derive(Default)]
struct Test {
    id: i64,
    name: String,
    platform: String,
    seconds: Vec<f64>,
    runs: Vec<String>,
}

pub(super) fn answer(database: &Database, args: &SlowArgs) -> Result<Vec<Answer>, Failure> {
    let (mut slower, compared) = find(database, args).map_err(|e| database.failure(&e))?;
    slower.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    let expected = compared as f64 * args.significance;
    let remark = format!(
        "{compared} tests have enough attempts to be compared; by chance alone at most {expected:.1} of them would look slower at {}",
        args.significance
    );
    Ok(vec![Answer {
        kind: "slow",
        title: None,
        columns: &["test", "platform", "was", "is", "ratio", "probability", "since"],
        rows: slower.into_iter().take(args.limit).map(|slow| slow.row).collect(),
        remark: Some(remark),
    }])
}

struct Slower {
    /// How much time it costs each time.
    gain: f64,
    row: Vec<Value>,
}

fn find(database: &Database, args: &SlowArgs) -> rusqlite::Result<(Vec<Slower>, usize)> {
    let mut query = database.connection.prepare(QUERY)?;
    let mut rows = query.query(params![database.since(args.days)?])?;
    let (mut found, mut compared) = (Vec::new(), 0);
    let mut test = Test::default();
    let mut end = |test: &Test| {
        let Some(slower) = compare(test, args) else { return };
        compared += 1;
        found.extend(slower);
    };
    while let Some(row) = rows.next()? {
        let id = row.get(1)?;
        if id != test.id {
            end(&test);
            test = Test { id, name: row.get(0)?, platform: row.get(2)?, ..Test::default() };
        }
        test.seconds.push(row.get(3)?);
        test.runs.push(row.get(4)?);
        // What is older is not looked at.
        if test.seconds.len() > 4 * (EARLIER + args.recent) {
            test.seconds.drain(..2 * EARLIER);
            test.runs.drain(..2 * EARLIER);
        }
    }
    end(&test);
    Ok((found, compared))
}

/// `None`: there are too few attempts.
fn compare(test: &Test, args: &SlowArgs) -> Option<Option<Slower>> {
    let split = test.seconds.len().checked_sub(args.recent)?;
    let earlier = &test.seconds[split.saturating_sub(EARLIER)..split];
    if earlier.len() < LEAST {
        return None;
    }
    let later = &test.seconds[split..];
    let (was, is) = (median(earlier), median(later));
    let ratio = if was > 0.0 { is / was } else { f64::INFINITY };
    if is - was < args.seconds || ratio < args.ratio {
        return Some(None);
    }
    let chance = probability(earlier, later);
    if chance > args.significance {
        return Some(None);
    }
    let row = vec![
        test.name.clone().into(),
        test.platform.clone().into(),
        Value::Seconds(was),
        Value::Seconds(is),
        if ratio.is_finite() { Value::Real(ratio) } else { Value::Unknown },
        Value::Real(chance),
        test.runs[split].clone().into(),
    ];
    Some(Some(Slower { gain: is - was, row }))
}
