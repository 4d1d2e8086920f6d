//! Requests that are about tests by their names: the dispatcher knows numbers only, and has better things to do than to
//! look for names.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use atex_cli::input::reason;
use atex_model::Host;
use atex_schedule::TestId;
use crossbeam_channel::{Sender, bounded};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::socket::Asked;
use super::{Answer, Ask, Request, TestState, refusal};
use crate::run_dir::RunDir;

/// The label of tests that have none.
const ANY: &str = "default";

/// Puts a request to the dispatcher of the run in this directory, and answers.
pub(super) fn put(request: Request, to: &Sender<Asked>, dir: &Path) -> Value {
    let ask = match request {
        Request::Status => Ask::Status,
        Request::Hosts => Ask::Hosts,
        Request::Eta => Ask::Eta,
        Request::Pause => Ask::Pause,
        Request::Resume => Ask::Resume,
        Request::Drain => Ask::Drain,
        Request::DropHost { host, now } => Ask::DropHost { host, now },
        Request::Hold { host } => Ask::Hold(host),
        Request::Free { host } => Ask::Free(host),
        Request::MaxHosts { n, of } => Ask::MaxHosts { hosts: n, of },
        Request::AddHost { host } => {
            let line = host.to_string();
            match Host::parse(&line) {
                Ok(host) => Ask::AddHost(Box::new(host), line),
                Err(e) => return refusal(format!("not a host record: {e}")),
            }
        }
        Request::Tests { state, pattern, limit } => {
            return list(state, pattern.as_deref(), limit, to, dir).unwrap_or_else(refusal);
        }
        Request::Cancel { test, platform } => match of_name(dir, &test, platform.as_deref()) {
            Ok(found) => Ask::Cancel(found),
            Err(e) => return refusal(e),
        },
        Request::Rerun { test, platform } => match of_name(dir, &test, platform.as_deref()) {
            Ok(found) => Ask::Rerun(found),
            Err(e) => return refusal(e),
        },
        Request::Skip { pattern } => {
            let found = regex(&pattern).and_then(|pattern| find(dir, |named| pattern.is_match(&named.name)));
            match found {
                Ok(found) => Ask::Skip(found.into_iter().map(|(id, _)| id).collect()),
                Err(e) => return refusal(e),
            }
        }
    };
    match ask_for(ask, to) {
        Some(Answer::Said(answer)) => answer,
        _ => refusal("the run is ending"),
    }
}

fn ask_for(ask: Ask, to: &Sender<Asked>) -> Option<Answer> {
    let (answer, answered) = bounded(1);
    to.send(Asked { ask, answer }).ok()?;
    answered.recv().ok()
}

/// The tests of a name, with this label if one is given.
fn of_name(dir: &Path, name: &str, platform: Option<&str>) -> Result<Vec<TestId>, String> {
    let is_it =
        |named: &Named<'_>| named.name == name && platform.is_none_or(|platform| named.label() == platform);
    let found = find(dir, is_it)?;
    if found.is_empty() {
        return Err(format!("{name}: there is no such test"));
    }
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|e| format!("`{pattern}` is not a regular expression: {e}"))
}

fn list(
    wanted: TestState,
    pattern: Option<&str>,
    limit: usize,
    to: &Sender<Asked>,
    dir: &Path,
) -> Result<Value, String> {
    let pattern = pattern.map(regex).transpose()?;
    let Some(Answer::States(states)) = ask_for(Ask::States, to) else {
        return Err("the run is ending".into());
    };
    let found = find(dir, |named| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&named.name)))?;
    let is_wanted = |id: TestId| states.get(id.0 as usize) == Some(&wanted);
    let mut tests: Vec<Value> = found
        .into_iter()
        .filter(|(id, _)| is_wanted(*id))
        .map(|(_, (test, platform))| json!({"test": test, "platform": platform}))
        .collect();
    let count = tests.len();
    tests.truncate(limit);
    Ok(json!({"ok": true, "cmd": "tests", "state": wanted, "count": count, "tests": tests}))
}

/// What is read of a test's record.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    platform: Option<Cow<'a, str>>,
}

impl Named<'_> {
    fn label(&self) -> &str {
        self.platform.as_deref().unwrap_or(ANY)
    }
}

type Found = Vec<(TestId, (String, String))>;

/// The tests that were taken in of which this holds, with their names and labels.
fn find(dir: &Path, is_it: impl Fn(&Named<'_>) -> bool) -> Result<Found, String> {
    let path = RunDir::tests_in(dir);
    let fault = |e: std::io::Error| format!("{}: {}", path.display(), reason(&e));
    let mut lines = BufReader::with_capacity(64 << 10, File::open(&path).map_err(fault)?);
    let (mut found, mut line) = (Vec::new(), String::new());
    let mut number = 0;
    loop {
        line.clear();
        // One that is just being written is not taken in yet.
        if lines.read_line(&mut line).map_err(fault)? == 0 || !line.ends_with('\n') {
            break;
        }
        // The mark of the input's end has no name, and is no test.
        let Ok(named) = serde_json::from_str::<Named<'_>>(&line) else { continue };
        if is_it(&named) {
            let label = named.label().to_owned();
            found.push((TestId(number), (named.name.into_owned(), label)));
        }
        number += 1;
    }
    Ok(found)
}
