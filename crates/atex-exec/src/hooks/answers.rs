//! What hooks print, and what it means.

use std::borrow::Cow;

use atex_model::{Host, HostTag, Object, Test, TestTag, report::Outcome};
use serde_json::Value;

use crate::attempt::Done;
use crate::intake;

/// The records that a hook printed: their type, and their line.
fn records(printed: &[u8]) -> Result<Vec<(Cow<'_, str>, &str)>, String> {
    let text = std::str::from_utf8(printed).map_err(|_| "it printed what is not UTF-8".to_owned())?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            let kind = atex_model::kind(line).map_err(|e| e.at("its output", number).to_string())?;
            Ok((kind, line))
        })
        .collect()
}

/// The only record that a hook printed, if any, which must be of this type.
fn one<'a>(printed: &'a [u8], kind: &str) -> Result<Option<&'a str>, String> {
    let records = records(printed)?;
    if let Some((other, _)) = records.iter().find(|(one, _)| one != kind) {
        return Err(format!("it printed a record `{}`: expected `{kind}`", other.escape_debug()));
    }
    match records[..] {
        [] => Ok(None),
        [(_, line)] => Ok(Some(line)),
        _ => Err(format!("it printed {} records: expected one `{kind}`, or nothing", records.len())),
    }
}

/// The test as it is to be run: the one printed, or the one that there was.
pub(super) fn changed_test(printed: &[u8], test: &Test) -> Result<Option<Test>, String> {
    let Some(line) = one(printed, TestTag::TEXT)? else { return Ok(None) };
    let changed: Test = atex_model::parse(line).map_err(|e| format!("it printed a test, 1:{e}"))?;
    intake::check(&changed)?;
    let same = [
        ("name", changed.name == test.name),
        ("platform", changed.platform == test.platform),
        // Its host has been given these, and what runs there next may share them.
        ("tree", changed.tree == test.tree),
        ("plan", changed.plan == test.plan),
    ];
    match same.iter().find(|(_, same)| !same) {
        Some((key, _)) => {
            Err(format!("it printed a test with another {key}; only `dir` and `data` can be changed"))
        }
        None => Ok(Some(changed)),
    }
}

/// The host with what is said of it: its facts and marks.
pub(super) fn described_host(printed: &[u8], host: &Host) -> Result<Option<Host>, String> {
    let Some(line) = one(printed, HostTag::TEXT)? else { return Ok(None) };
    let described: Host = atex_model::parse(line).map_err(|e| format!("it printed a host, 1:{e}"))?;
    if described.id != host.id {
        return Err(format!("it printed another host, {}", described.id.escape_debug()));
    }
    Ok(Some(Host { facts: described.facts, marks: described.marks, ..host.clone() }))
}

/// A result that a hook adds to those of an attempt.
#[derive(Debug, PartialEq)]
pub(super) struct Extra {
    /// As results are stored.
    pub stored: Object,
    subtest: bool,
    status: Option<String>,
}

/// Keys of result records that say which result one is, not what is in it.
const IDENTITY: [&str; 8] = ["type", "time", "run", "platform", "test", "attempt", "n", "host"];

/// The results that a hook printed.
pub(super) fn extra_results(printed: &[u8]) -> Result<Vec<Extra>, String> {
    records(printed)?.into_iter().map(|(kind, line)| extra_result(&kind, line)).collect()
}

fn extra_result(kind: &str, line: &str) -> Result<Extra, String> {
    if kind != "result" {
        return Err(format!("it printed a record `{}`: expected `result`", kind.escape_debug()));
    }
    let at = |e: String| format!("it printed a result: {e}");
    let mut record: Object = serde_json::from_str(line).map_err(|e| at(e.to_string()))?;
    record.retain(|key, _| !IDENTITY.contains(&key.as_str()));
    if let Some(subtest) = record.shift_remove("subtest") {
        record.insert("name".into(), subtest);
    }
    record.retain(|_, value| !value.is_null());
    for key in ["name", "status", "note"] {
        if record.get(key).is_some_and(|value| !value.is_string()) {
            return Err(at(format!("{key}: expected text")));
        }
    }
    let is_names = |files: &Value| files.as_array().is_some_and(|files| files.iter().all(Value::is_string));
    if record.get("files").is_some_and(|files| !is_names(files)) {
        return Err(at("files: expected a list of names of files in the artifacts".into()));
    }
    let status = record.get("status").and_then(Value::as_str).map(str::to_owned);
    let status = Some(status.ok_or_else(|| at("status is missing".into()))?);
    Ok(Extra { subtest: record.contains_key("name"), stored: record, status })
}

/// Counts a result that was added to those of an attempt.
pub(super) fn count(done: &mut Done, extra: &Extra) {
    let status = extra.status.as_deref();
    let outcome = Outcome::of_status(status);
    let word = if status == Some(outcome.as_str()) { outcome.as_str() } else { OTHER };
    *done.counts.entry(word.to_owned()).or_insert(0) += 1;
    if !extra.subtest {
        done.outcome = done.outcome.min(outcome);
    }
}

/// Statuses of one's own invention are counted together, as those of tests are.
const OTHER: &str = "other";

/// A test, a host or an end of an attempt, as a line of a hook's input.
pub(super) fn line<T: serde::Serialize>(record: &T) -> Vec<u8> {
    let mut line = Vec::new();
    atex_model::to_line(&mut line, record);
    line
}

/// The results that an attempt has, as far as a reader of the attempt's record needs to know.
pub(super) fn lines_of(extras: &[Extra]) -> Vec<u8> {
    extras.iter().flat_map(|extra| line(&extra.stored)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::report::Cause;
    use serde_json::json;

    fn test(record: Value) -> Test {
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn a_test_can_be_changed_in_what_is_its_own() {
        let before = test(json!({"type": "test", "name": "/a", "data": {"test": "true"}}));
        let print = |value: Value| changed_test(value.to_string().as_bytes(), &before);
        assert_eq!(changed_test(b" \n", &before), Ok(None));
        let changed = print(json!({"type": "test", "name": "/a", "data": {"test": "false"}, "dir": "x"}));
        assert_eq!(changed.unwrap().unwrap().data["test"], "false");
        for (printed, message) in [
            (
                json!({"type": "test", "name": "/b", "data": {"test": "x"}}),
                "it printed a test with another name",
            ),
            (
                json!({"type": "test", "name": "/a", "platform": "p", "data": {"test": "x"}}),
                "it printed a test with another platform",
            ),
            (
                json!({"type": "test", "name": "/a", "tree": "/t", "data": {"test": "x"}}),
                "it printed a test with another tree",
            ),
            (json!({"type": "test", "name": "/a", "data": {}}), "test /a: data.test is missing"),
            (json!({"type": "test", "data": {}}), "it printed a test, 1:"),
            (json!({"type": "result"}), "it printed a record `result`: expected `test`"),
            (json!([]), "its output:1:1: expected a record"),
        ] {
            let error = print(printed).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
        let twice = "{\"type\":\"test\"}\n".repeat(2);
        assert!(changed_test(twice.as_bytes(), &before).unwrap_err().starts_with("it printed 2 records"));
        assert!(changed_test(b"\xff", &before).is_err());
        assert!(changed_test(b"Updating...\n", &before).unwrap_err().starts_with("its output:1:1: not JSON"));
    }

    #[test]
    fn a_host_can_be_described_and_no_more() {
        let host: Host =
            serde_json::from_str(r#"{"type":"host","id":"a","connect":{"how":"local"}}"#).unwrap();
        let printed = r#"{"type":"host","id":"a","connect":{"how":"ssh","host":"elsewhere"},"facts":{"distro":"x"},"marks":["m"]}"#;
        let described = described_host(printed.as_bytes(), &host).unwrap().unwrap();
        assert_eq!((&described.connect, &described.marks[..]), (&host.connect, &["m".to_owned()][..]));
        assert_eq!(described.facts["distro"], "x");
        let other = printed.replace("\"a\"", "\"b\"");
        assert_eq!(described_host(other.as_bytes(), &host), Err("it printed another host, b".into()));
    }

    #[test]
    fn results_are_added_to_those_that_there_are() {
        let printed = "{\"type\":\"result\",\"status\":\"warn\",\"note\":\"AVC\",\"n\":7,\"run\":\"x\"}\n\n\
             {\"type\":\"result\",\"subtest\":\"s\",\"status\":\"fail\",\"more\":1}\n{\"type\":\"result\",\"status\":\"odd\"}\n";
        let extras = extra_results(printed.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(lines_of(&extras)).unwrap(),
            "{\"status\":\"warn\",\"note\":\"AVC\"}\n{\"status\":\"fail\",\"more\":1,\"name\":\"s\"}\n{\"status\":\"odd\"}\n"
        );
        let mut done = Done { outcome: Outcome::Pass, ..Done::cut(Cause::Test, String::new()) };
        done.counts.insert("pass".into(), 1);
        extras.iter().for_each(|extra| count(&mut done, extra));
        assert_eq!(done.outcome, Outcome::Warn);
        assert_eq!(
            serde_json::to_value(&done.counts).unwrap(),
            json!({"pass": 1, "warn": 1, "fail": 1, "other": 1})
        );
        for (printed, message) in [
            (r#"{"type":"result"}"#, "it printed a result: status is missing"),
            (r#"{"type":"result","status":1}"#, "it printed a result: status: expected text"),
            (
                r#"{"type":"result","status":"pass","files":"x"}"#,
                "it printed a result: files: expected a list",
            ),
            (r#"{"type":"test-end"}"#, "it printed a record `test-end`: expected `result`"),
        ] {
            let error = extra_results(printed.as_bytes()).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
