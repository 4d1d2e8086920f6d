//! What may follow what in a journal.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// How far a test is.
#[derive(Default)]
struct Test {
    attempts: u64,
    /// Where an attempt runs.
    running: Option<String>,
    settled: bool,
}

#[derive(Default)]
struct Run {
    begun: bool,
    /// Nothing but a `job-resume` may follow a `job-end`.
    ended: bool,
    /// The status that `job-end` comes after.
    exit: bool,
    input_ended: bool,
    lives: u32,
    pool: BTreeSet<String>,
    tests: BTreeMap<(String, String), Test>,
    /// Hosts that provisioners have given.
    leases: BTreeSet<String>,
}

/// Expects the records of a journal in an order that makes sense.
#[track_caller]
pub fn check(journal: &str) {
    let mut run = Run::default();
    for (n, line) in journal.lines().enumerate() {
        let place = format!("journal.jsonl:{}: {line}", n + 1);
        let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{place}: {e}"));
        run.take(&record).unwrap_or_else(|wrong| panic!("{place}: {wrong}\n{journal}"));
    }
    assert!(run.begun && journal.ends_with('\n'));
}

impl Run {
    fn take(&mut self, record: &Value) -> Result<(), &'static str> {
        let kind = record["type"].as_str().ok_or("no type")?;
        let begins = matches!(kind, "job-start" | "job-resume");
        ensure(begins || (self.begun && !self.ended), "nothing comes before job-start, or after job-end")?;
        ensure(!self.exit || kind == "job-end" || begins, "the exit status comes right before job-end")?;
        match kind {
            "job-start" => {
                ensure(!self.begun, "a run begins once")?;
                self.begun = true;
            }
            "job-resume" => {
                ensure(self.begun, "what has not begun cannot go on")?;
                self.lives += 1;
                (self.ended, self.exit) = (false, false);
                // Hosts join again, those too on which something runs.
                self.pool.clear();
            }
            "exit" => self.exit = true,
            "job-end" => return self.job_end(record),
            "input-ended" => {
                ensure(!self.input_ended, "the input ends once")?;
                self.input_ended = true;
            }
            "host-start" => ensure(self.pool.insert(text(record, "host")), "it is in the pool")?,
            "host-end" => {
                let host = text(record, "host");
                self.pool.remove(&host);
                let is_used = self.tests.values().any(|test| test.running.as_ref() == Some(&host));
                ensure(!is_used, "a test runs there")?;
            }
            "test-start" => return self.test_start(record),
            "test-note" | "live-results" => ensure(self.test(record).running.is_some(), "it does not run")?,
            "test-end" => return self.test_end(record),
            "passed-on" => ensure(record["line"].is_object(), "no record")?,
            "lease" => {
                self.leases.insert(text(&record["host"], "id"));
            }
            "lease-end" => ensure(self.leases.remove(&text(record, "host")), "it was not given")?,
            // `--replay` looks at these.
            "scheduler" => ensure(record["options"].is_object(), "no options")?,
            "decision" => ensure(record["actions"].is_array(), "no decision")?,
            _ => return Err("a type that does not belong here"),
        }
        Ok(())
    }

    fn test(&mut self, record: &Value) -> &mut Test {
        self.tests.entry((text(record, "platform"), text(record, "test"))).or_default()
    }

    fn test_start(&mut self, record: &Value) -> Result<(), &'static str> {
        let host = text(record, "host");
        ensure(self.pool.contains(&host), "the host is not in the pool")?;
        let busy = self.tests.values().any(|test| test.running.as_ref() == Some(&host));
        ensure(!busy, "the host is busy")?;
        let test = self.test(record);
        ensure(!test.settled, "it is settled")?;
        ensure(test.running.is_none(), "it runs already")?;
        test.attempts += 1;
        ensure(record["attempt"] == test.attempts, "attempts are counted without a gap")?;
        test.running = Some(host);
        Ok(())
    }

    fn test_end(&mut self, record: &Value) -> Result<(), &'static str> {
        let test = self.test(record);
        ensure(!test.settled, "it is settled")?;
        if record["attempt"] == 0 {
            ensure(test.running.is_none(), "it runs")?;
            ensure(record["final"] == true, "without an attempt there is no other")?;
        } else {
            let host = test.running.take().ok_or("it does not run")?;
            ensure(record["host"] == host.as_str(), "it runs elsewhere")?;
            ensure(record["attempt"] == test.attempts, "this attempt does not run")?;
        }
        test.settled = record["final"] == true;
        Ok(())
    }

    fn job_end(&mut self, record: &Value) -> Result<(), &'static str> {
        ensure(self.exit, "the exit status is missing")?;
        ensure(self.pool.is_empty(), "a host is left")?;
        ensure(self.tests.values().all(|test| test.running.is_none()), "a test runs")?;
        let settled = self.tests.values().filter(|test| test.settled).count() as u64;
        let counted: u64 =
            record["counts"].as_object().ok_or("no counts")?.values().filter_map(Value::as_u64).sum();
        ensure(settled == counted, "settled tests are not counted right")?;
        self.ended = true;
        Ok(())
    }
}

fn ensure(is_so: bool, wrong: &'static str) -> Result<(), &'static str> {
    if is_so { Ok(()) } else { Err(wrong) }
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_makes_no_sense_is_refused() {
    let start = r#"{"type":"job-start"}"#;
    let host = r#"{"type":"host-start","host":"h"}"#;
    let test = r#"{"type":"test-start","platform":"p","test":"/a","attempt":1,"host":"h"}"#;
    let end = r#"{"type":"test-end","platform":"p","test":"/a","attempt":1,"host":"h","final":true}"#;
    let resume = r#"{"type":"job-resume"}"#;
    check(&[start, host, test, end, ""].join("\n"));
    check(&[start, host, test, resume, end, ""].join("\n"));
    for wrong in [
        vec![host],
        vec![start, start],
        vec![start, host, host],
        vec![start, test],
        vec![start, host, test, test],
        vec![start, host, end],
        vec![start, host, test, end, end],
        vec![start, host, test, end, test],
        vec![start, host, test, resume, test],
        vec![resume],
    ] {
        let text = format!("{}\n", wrong.join("\n"));
        assert!(std::panic::catch_unwind(|| check(&text)).is_err(), "{text}");
    }
}
