//! What may follow what in a journal: a state machine over every journal that any test here leaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use serde_json::Value;

/// Label and name.
type Name = (String, String);

/// How far a test is.
#[derive(Default)]
struct Test {
    attempts: u64,
    /// Where an attempt runs.
    running: Option<String>,
    settled: bool,
}

/// What has to be said next, because it was decided.
#[derive(Debug, PartialEq)]
enum Due {
    Start {
        test: Name,
        host: String,
        attempt: u64,
    },
    End {
        test: Name,
        is_final: bool,
    },
    /// The host's end may have told of that before.
    Retry {
        test: Name,
    },
    Lost {
        host: String,
    },
}

/// Whether tests are begun.
#[derive(Default, PartialEq, PartialOrd)]
enum Pace {
    #[default]
    Any,
    Paused,
    Ended,
}

#[derive(Default)]
struct Run {
    /// By their numbers.
    test_names: Vec<Name>,
    host_names: Vec<String>,
    begun: bool,
    /// Nothing but a `job-resume` may follow a `job-end`.
    ended: bool,
    /// The status that `job-end` comes after.
    exit: Option<u64>,
    /// How many tests there were at the last `job-end`.
    known: u64,
    input_ended: bool,
    pool: BTreeSet<String>,
    tests: BTreeMap<Name, Test>,
    /// The tests that run, by host.
    busy: BTreeMap<String, Name>,
    /// A scheduler was begun in this life, so that what is done has to be decided.
    decides: bool,
    due: VecDeque<Due>,
    pace: Pace,
    /// Hosts that provisioners have given.
    leases: BTreeSet<String>,
    /// Hosts that are kept as they are.
    held: BTreeSet<String>,
}

/// Expects that the journal of the run in a directory makes sense, up to a last line that was cut off.
#[track_caller]
pub fn check(run: &Path) {
    let read = |name: &str| std::fs::read_to_string(run.join(name)).unwrap_or_default();
    let journal = read("journal.jsonl");
    let whole = journal.rfind('\n').map_or(0, |at| at + 1);
    check_text(&journal[..whole], &read("tests.jsonl"), &read("hosts.jsonl"), run);
}

/// The same for every run below a directory.
pub fn check_all(dir: &Path) {
    if dir.join("run.json").exists() && dir.join("journal.jsonl").exists() {
        return check(dir);
    }
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        // Links lead to what is not of this test.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            check_all(&entry.path());
        }
    }
}

#[track_caller]
fn check_text(journal: &str, tests: &str, hosts: &str, of: &Path) {
    let mut run = Run { test_names: test_names(tests), host_names: host_names(hosts), ..Run::default() };
    for (n, line) in journal.lines().enumerate() {
        let place = || format!("{}/journal.jsonl:{}: {line}", of.display(), n + 1);
        let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}", place()));
        run.take(&record).unwrap_or_else(|wrong| panic!("{}: {wrong}", place()));
    }
    // After an earlier one, tests may have come.
    if run.ended {
        assert_eq!(run.known, run.test_names.len() as u64, "{}: tests are not counted right", of.display());
    }
}

fn test_names(tests: &str) -> Vec<Name> {
    let records = tests.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let tests = records.filter(|record| record["type"] == "test");
    tests
        .map(|test| (test["platform"].as_str().unwrap_or("default").to_owned(), text(&test, "name")))
        .collect()
}

fn host_names(hosts: &str) -> Vec<String> {
    let mut names = Vec::new();
    for record in hosts.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let id = text(&record["host"], "id");
        // One that was given again has the number that it had.
        if !names.contains(&id) {
            names.push(id);
        }
    }
    names
}

impl Run {
    fn take(&mut self, record: &Value) -> Result<(), String> {
        let kind = record["type"].as_str().ok_or("no type")?;
        let begins = matches!(kind, "job-start" | "job-resume");
        ensure(begins || (self.begun && !self.ended), "nothing comes before job-start, or after job-end")?;
        let exit_is_said = self.exit.is_some();
        ensure(!exit_is_said || kind == "job-end" || begins, "the exit status comes right before job-end")?;
        match kind {
            "job-start" => {
                ensure(!self.begun, "a run begins once")?;
                self.begun = true;
            }
            "job-resume" => {
                ensure(self.begun, "what has not begun cannot go on")?;
                (self.ended, self.exit, self.decides, self.pace) = (false, None, false, Pace::Any);
                // Hosts join again, those too on which something runs.
                self.pool.clear();
                self.due.clear();
            }
            "exit" => {
                self.nothing_is_due()?;
                self.exit = Some(record["code"].as_u64().ok_or("no code")?);
            }
            "job-end" => return self.job_end(record),
            "input-ended" => {
                ensure(!self.input_ended, "the input ends once")?;
                self.input_ended = true;
            }
            "host-start" => ensure(self.pool.insert(text(record, "host")), "it is in the pool")?,
            "host-end" => return self.host_end(record),
            "test-start" => return self.test_start(record),
            "test-note" | "live-results" => {
                ensure(self.test(&name(record)).running.is_some(), "it does not run")?;
            }
            "test-end" => return self.test_end(record),
            "passed-on" => ensure(record["line"].is_object(), "no record")?,
            "host-held" => {
                self.held.insert(text(record, "host"));
            }
            "host-freed" => {
                self.held.remove(&text(record, "host"));
            }
            "lease" => {
                self.leases.insert(text(&record["host"], "id"));
            }
            "lease-end" => ensure(self.leases.remove(&text(record, "host")), "it was not given")?,
            "scheduler" => {
                ensure(record["options"].is_object(), "no options")?;
                self.decides = true;
            }
            "decision" => return self.decision(record),
            _ => return Err("a type that does not belong here".into()),
        }
        Ok(())
    }

    fn test(&mut self, name: &Name) -> &mut Test {
        self.tests.entry(name.clone()).or_default()
    }

    // ---- Decisions ----

    fn decision(&mut self, record: &Value) -> Result<(), String> {
        self.nothing_is_due()?;
        match record["event"].as_str() {
            Some("paused") => self.pace = Pace::Paused,
            Some("resumed") if self.pace == Pace::Paused => self.pace = Pace::Any,
            Some("drained" | "stopped") => self.pace = Pace::Ended,
            _ => {}
        }
        for action in record["actions"].as_array().ok_or("no actions")? {
            let Some((kind, what)) = action.as_object().and_then(|action| action.iter().next()) else {
                continue;
            };
            let due = match kind.as_str() {
                "start" => Due::Start {
                    test: self.test_of(what)?,
                    host: self.host_of(what)?,
                    attempt: what["attempt"].as_u64().ok_or("no attempt")?,
                },
                "settle" | "abandon" => Due::End { test: self.test_of(what)?, is_final: true },
                "retry" => Due::Retry { test: self.test_of(what)? },
                // One that never began, or has ended, is only given back.
                "release" if what["why"] == "lost" && self.pool.contains(&self.host_of(what)?) => {
                    Due::Lost { host: self.host_of(what)? }
                }
                _ => continue,
            };
            self.due.push_back(due);
        }
        Ok(())
    }

    /// All that was decided has been said.
    fn nothing_is_due(&mut self) -> Result<(), String> {
        while self.due.pop_front_if(|due| matches!(due, Due::Retry { .. })).is_some() {}
        match self.due.front() {
            None => Ok(()),
            Some(due) => Err(format!("{due:?} was decided and has not been done")),
        }
    }

    /// What is said now has been decided, in this order.
    fn was_due(&mut self, said: &Due) -> Result<(), String> {
        if !self.decides {
            return Ok(());
        }
        if !matches!(said, Due::Retry { .. }) {
            while self.due.pop_front_if(|due| matches!(due, Due::Retry { .. })).is_some() {}
        }
        match self.due.pop_front() {
            Some(due) if due == *said => Ok(()),
            due => Err(format!("{said:?} was not decided, but {due:?}")),
        }
    }

    fn test_of(&self, action: &Value) -> Result<Name, String> {
        let number = action["test"].as_u64().and_then(|n| usize::try_from(n).ok());
        let name = number.and_then(|n| self.test_names.get(n));
        name.cloned().ok_or_else(|| "tests.jsonl does not have this test".into())
    }

    fn host_of(&self, action: &Value) -> Result<String, String> {
        let number = action["host"].as_u64().and_then(|n| usize::try_from(n).ok());
        let name = number.and_then(|n| self.host_names.get(n));
        name.cloned().ok_or_else(|| "hosts.jsonl does not have this host".into())
    }

    // ---- What happens ----

    fn host_end(&mut self, record: &Value) -> Result<(), String> {
        let host = text(record, "host");
        self.pool.remove(&host);
        self.held.remove(&host);
        ensure(!self.busy.contains_key(&host), "a test runs there")?;
        // One that cannot be used, or is there no more, is only sometimes ended by a decision to lose it.
        let lost = Due::Lost { host };
        if self.due.contains(&lost) {
            self.was_due(&lost)?;
        }
        Ok(())
    }

    fn test_start(&mut self, record: &Value) -> Result<(), String> {
        let (host, test) = (text(record, "host"), name(record));
        let attempt = record["attempt"].as_u64().unwrap_or(0);
        self.was_due(&Due::Start { test: test.clone(), host: host.clone(), attempt })?;
        ensure(self.pool.contains(&host), "the host is not in the pool")?;
        ensure(!self.busy.contains_key(&host), "the host is busy")?;
        ensure(!self.held.contains(&host), "the host is held")?;
        ensure(self.pace == Pace::Any, "nothing is begun in a pause, and at the end")?;
        let state = self.test(&test);
        ensure(!state.settled, "it is settled")?;
        ensure(state.running.is_none(), "it runs already")?;
        state.attempts += 1;
        ensure(attempt == state.attempts, "attempts are counted without a gap")?;
        state.running = Some(host.clone());
        self.busy.insert(host, test);
        Ok(())
    }

    fn test_end(&mut self, record: &Value) -> Result<(), String> {
        let (test, is_final) = (name(record), record["final"] == true);
        let said = match is_final {
            true => Due::End { test: test.clone(), is_final },
            false => Due::Retry { test: test.clone() },
        };
        self.was_due(&said)?;
        let state = self.test(&test);
        ensure(!state.settled, "it is settled")?;
        if record["attempt"] == 0 {
            ensure(state.running.is_none(), "it runs")?;
            ensure(is_final, "without an attempt there is no other")?;
        } else {
            let host = state.running.take().ok_or("it does not run")?;
            ensure(record["host"] == host.as_str(), "it runs elsewhere")?;
            ensure(record["attempt"] == state.attempts, "this attempt does not run")?;
            self.busy.remove(&host);
        }
        self.test(&test).settled = is_final;
        Ok(())
    }

    fn job_end(&mut self, record: &Value) -> Result<(), String> {
        let code = self.exit.ok_or("the exit status is missing")?;
        ensure(self.pool.is_empty(), "a host is left")?;
        ensure(self.busy.is_empty(), "a test runs")?;
        let counts = record["counts"].as_object().ok_or("no counts")?;
        let count = |outcome: &str| counts.get(outcome).and_then(Value::as_u64).unwrap_or(0);
        let counted: u64 = counts.keys().map(|outcome| count(outcome)).sum();
        let settled = self.tests.values().filter(|test| test.settled).count() as u64;
        ensure(settled == counted, "settled tests are not counted right")?;
        let unsettled = record["unsettled"].as_u64().ok_or("no number of unsettled tests")?;
        ensure(unsettled == 0 || code > 1, "not all was done, and the exit status does not say so")?;
        ensure(unsettled == 0 || record["note"].is_string(), "nothing says why not all was done")?;
        self.known = settled + unsettled;
        ensure(count("infra") == 0 || code > 1 && code != 4, "the exit status says nothing of trouble")?;
        ensure(count("fail") + count("error") == 0 || code != 0, "the exit status says nothing of failures")?;
        ensure(code != 1 || count("fail") + count("error") > 0, "the exit status tells of failures")?;
        self.ended = true;
        Ok(())
    }
}

fn ensure(is_so: bool, wrong: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(wrong.to_owned()) }
}

fn name(record: &Value) -> Name {
    (text(record, "platform"), text(record, "test"))
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_makes_no_sense_is_refused() {
    let start = r#"{"type":"job-start"}"#;
    let options = r#"{"type":"scheduler","options":{}}"#;
    let host = r#"{"type":"host-start","host":"h"}"#;
    let gone = r#"{"type":"host-end","host":"h"}"#;
    let test = r#"{"type":"test-start","platform":"p","test":"/a","attempt":1,"host":"h"}"#;
    let end = r#"{"type":"test-end","platform":"p","test":"/a","attempt":1,"host":"h","final":true}"#;
    let again = r#"{"type":"test-end","platform":"p","test":"/a","attempt":1,"host":"h","final":false}"#;
    let resume = r#"{"type":"job-resume"}"#;
    let decide = |event: &str, actions: &str| {
        format!(r#"{{"type":"decision","event":{event},"actions":[{actions}]}}"#)
    };
    let starts = &decide("{}", r#"{"start":{"host":0,"test":0,"attempt":1}}"#);
    let settles = &decide("{}", r#"{"settle":{"host":0,"test":0,"why":"ended"}}"#);
    let retries = &decide("{}", r#"{"retry":{"host":0,"test":0}}"#);
    let loses = &decide("{}", r#"{"release":{"host":0,"why":"lost"}}"#);
    let (stops, pauses) = (&decide(r#""stopped""#, ""), &decide(r#""paused""#, ""));
    let decided = [start, options, host, starts, test];
    let after = |more: &[&'static str]| [decided.to_vec(), more.to_vec()].concat();
    let exit = |code: u64| format!(r#"{{"type":"exit","code":{code}}}"#);
    let over = |counts: &str, unsettled: u64| {
        let note = if unsettled > 0 { r#","note":"drained""# } else { "" };
        format!(r#"{{"type":"job-end","counts":{{{counts}}},"unsettled":{unsettled}{note}}}"#)
    };
    let silent = r#"{"type":"job-end","counts":{},"unsettled":1}"#;
    let (done, failed, stopped) = (&exit(0), &exit(1), &exit(4));
    let (one, none, bad) = (&over(r#""pass":1"#, 0), &over("", 1), &over(r#""fail":1"#, 0));
    let all = [start, host, test, end, gone];
    let check = |lines: &[&str]| {
        let tests = r#"{"type":"test","name":"/a","platform":"p","data":{}}"#;
        let hosts = r#"{"host":{"id":"h"}}"#;
        check_text(
            &lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
            tests,
            hosts,
            Path::new("x"),
        );
    };
    check(&[start, host, test, end]);
    check(&[start, host, test, resume, end]);
    check(&[decided.as_slice(), &[settles.as_str(), end]].concat());
    check(&[decided.as_slice(), &[retries.as_str(), again, loses, gone]].concat());
    check(&[decided.as_slice(), &[loses.as_str(), resume, host, end]].concat());
    check(&[all.as_slice(), &[done.as_str(), one]].concat());
    check(&[all.as_slice(), &[failed.as_str(), bad]].concat());
    check(&[start, host, gone, stopped, none]);
    let wrong: Vec<Vec<&str>> = vec![
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
        vec![start, options, host, test],
        vec![start, options, host, starts, starts],
        vec![start, options, host, starts, stopped],
        vec![start, host, stops, test],
        vec![start, host, pauses, test],
        after(&[end]),
        [decided.as_slice(), &[settles.as_str(), again]].concat(),
        [decided.as_slice(), &[retries.as_str(), end]].concat(),
        [decided.as_slice(), &[loses.as_str(), gone]].concat(),
        [all.as_slice(), &[one.as_str()]].concat(),
        [all.as_slice(), &[done.as_str(), none]].concat(),
        [all.as_slice(), &[done.as_str(), bad]].concat(),
        [all.as_slice(), &[failed.as_str(), one]].concat(),
        vec![start, host, gone, done, none],
        vec![start, host, stopped, none],
        vec![start, host, gone, stopped, silent],
    ];
    for lines in wrong {
        assert!(std::panic::catch_unwind(|| check(&lines)).is_err(), "{lines:#?}");
    }
}
