//! Tests whose outcome changes although what is tested does not.

use std::collections::BTreeSet;

use atex_cli::Failure;
use rusqlite::params;

use super::answer::{Answer, Value};
use super::{Database, command::FlakyArgs};

/// In the order of a test's attempts at one build; a run whose build is not known is a build of its own. What a host or
/// we ourselves have spoilt says nothing of the test.
const QUERY: &str = "
    SELECT test, test_id, platform, coalesce(build, char(1) || run) AS what, outcome IN ('fail', 'error') AS failed,
           coalesce(host, ''), ended
    FROM attempts
    WHERE outcome IN ('pass', 'warn', 'info', 'fail', 'error') AND coalesce(cause, 'test') = 'test' AND ended >= ?1
    ORDER BY test_id, what, ended, attempt";

const COLUMNS: &[&str] =
    &["test", "platform", "flips", "failed", "attempts", "builds", "last_flip", "failed_on"];

/// What is known of one test.
#[derive(Debug, Default)]
struct Test {
    id: i64,
    name: String,
    platform: String,
    attempts: i64,
    failed: i64,
    /// How often the outcome changed from one attempt to the next at the same build.
    flips: i64,
    /// At how many builds it did.
    builds: i64,
    last_flip: Option<i64>,
    failed_on: BTreeSet<String>,
    passed_on: BTreeSet<String>,
    /// The build and the outcome of the attempt before, and whether it changed at this build before.
    last: Option<(String, bool, bool)>,
}

/// More hosts than these are not named.
const HOSTS: usize = 3;

impl Test {
    fn add(&mut self, build: String, failed: bool, host: String, ended: i64) {
        self.attempts += 1;
        self.failed += i64::from(failed);
        let on = if failed { &mut self.failed_on } else { &mut self.passed_on };
        on.insert(host);
        let mut has_flipped = false;
        if let Some((last, had_failed, had_flipped)) = &self.last
            && *last == build
        {
            has_flipped = *had_flipped;
            if *had_failed != failed {
                self.flips += 1;
                self.builds += i64::from(!has_flipped);
                has_flipped = true;
                self.last_flip = self.last_flip.max(Some(ended));
            }
        }
        self.last = Some((build, failed, has_flipped));
    }

    /// Whether it is the host that makes it fail: it failed on one only, more than once, and passed on others and never
    /// there.
    fn follows_host(&self) -> bool {
        self.failed > 1
            && self.failed_on.len() == 1
            && !self.passed_on.is_empty()
            && self.failed_on.is_disjoint(&self.passed_on)
    }

    fn row(self) -> Vec<Value> {
        let hosts: Vec<&str> = self.failed_on.iter().take(HOSTS).map(String::as_str).collect();
        let more = self.failed_on.len().saturating_sub(HOSTS);
        let hosts = hosts.join(" ") + &if more > 0 { format!(" and {more} more") } else { String::new() };
        vec![
            self.name.into(),
            self.platform.into(),
            self.flips.into(),
            self.failed.into(),
            self.attempts.into(),
            self.builds.into(),
            self.last_flip.map_or(Value::Unknown, Value::Time),
            hosts.into(),
        ]
    }
}

pub(super) fn answer(database: &Database, args: &FlakyArgs) -> Result<Vec<Answer>, Failure> {
    let mut tests = find(database, args).map_err(|e| database.failure(&e))?;
    tests.sort_by_key(|test| (-test.flips, -test.failed));
    let (of_hosts, of_tests): (Vec<_>, Vec<_>) = tests.into_iter().partition(Test::follows_host);
    let rows = |tests: Vec<Test>| tests.into_iter().take(args.limit).map(Test::row).collect();
    Ok(vec![
        Answer {
            kind: "flaky",
            title: Some("Flaky: the outcome changed at the same build"),
            columns: COLUMNS,
            rows: rows(of_tests),
            remark: None,
        },
        Answer {
            kind: "flaky-host",
            title: Some("Failed on one host only, and passed on others"),
            columns: COLUMNS,
            rows: rows(of_hosts),
            remark: None,
        },
    ])
}

fn find(database: &Database, args: &FlakyArgs) -> rusqlite::Result<Vec<Test>> {
    let mut query = database.connection.prepare(QUERY)?;
    let mut rows = query.query(params![database.since(args.days)?])?;
    let (mut found, mut test) = (Vec::new(), Test::default());
    while let Some(row) = rows.next()? {
        let id = row.get(1)?;
        if id != test.id {
            let next = Test { id, name: row.get(0)?, platform: row.get(2)?, ..Test::default() };
            keep(&mut found, std::mem::replace(&mut test, next));
        }
        test.add(row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
    }
    keep(&mut found, test);
    Ok(found)
}

fn keep(found: &mut Vec<Test>, test: Test) {
    if test.flips > 0 {
        found.push(test);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test after attempts: at which build, how, where.
    fn after(attempts: &[(&str, &str)]) -> Test {
        let mut test = Test::default();
        for (time, (build, outcome)) in attempts.iter().enumerate() {
            let (failed, host) = (outcome.starts_with('f'), &outcome[1..]);
            test.add((*build).to_owned(), failed, host.to_owned(), time as i64);
        }
        test
    }

    #[test]
    fn only_what_changes_at_the_same_build_is_flaky() {
        for (attempts, flips, builds) in [
            (&[("1", "pA"), ("1", "pA")][..], 0, 0),
            // It broke, or was repaired.
            (&[("1", "pA"), ("2", "fA"), ("3", "pA")], 0, 0),
            (&[("1", "fA"), ("1", "pA")], 1, 1),
            (&[("1", "fA"), ("1", "pA"), ("1", "fA")], 2, 1),
            (&[("1", "fA"), ("1", "pA"), ("2", "pA"), ("2", "fA")], 2, 2),
        ] {
            let test = after(attempts);
            assert_eq!((test.flips, test.builds), (flips, builds), "{attempts:?}");
        }
    }

    #[test]
    fn a_bad_host_is_told_from_a_flaky_test() {
        for (attempts, follows) in [
            (&[("1", "fA"), ("1", "pB"), ("1", "fA"), ("1", "pC")][..], true),
            // Once is chance.
            (&[("1", "fA"), ("1", "pB")], false),
            (&[("1", "fA"), ("1", "pB"), ("1", "fA"), ("1", "pA")], false),
            (&[("1", "fA"), ("1", "pB"), ("1", "fC")], false),
        ] {
            assert_eq!(after(attempts).follows_host(), follows, "{attempts:?}");
        }
    }
}
