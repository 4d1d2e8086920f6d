//! `results.yaml` of tmt, an item at a time: an item begins with a dash in the first column.

use std::str::FromStr as _;

use atex_cli::input::Lines;
use atex_model::Time;
use atex_model::report::Outcome;
use serde::Deserialize;

use super::{Ended, Found, LONGEST, Sink, each_line, some};
use crate::stop::Stop;

/// What is taken of an item; it has more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Item {
    name: String,
    result: String,
    #[serde(default)]
    note: Option<Note>,
    #[serde(default)]
    log: Option<Vec<String>>,
    #[serde(default)]
    end_time: Option<String>,
    #[serde(default)]
    duration: Option<String>,
    #[serde(default)]
    guest: Option<Guest>,
    #[serde(default)]
    context: Option<serde_yaml::Mapping>,
    #[serde(default)]
    subresult: Option<Vec<Item>>,
}

#[derive(Debug, Deserialize)]
struct Guest {
    #[serde(default)]
    name: Option<String>,
}

/// A list; older versions of tmt have a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Note {
    Text(String),
    List(Vec<String>),
}

pub(super) fn import(lines: Lines, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
    let mut held = Held::default();
    let whole = each_line(lines, sink, |text, number, sink| {
        if text.starts_with("- ") || text == "-" {
            held.import(sink)?;
            held.clear();
        }
        let is_nothing = matches!(text.trim_end(), "---" | "..." | "[]") || text.starts_with('#');
        if held.text.is_empty() && is_nothing {
            return Ok(());
        }
        if held.text.len() + text.len() > LONGEST {
            sink.bad(number, 1, "expected an item, found one over 64 MiB");
            held.clear();
            return Ok(());
        }
        if held.text.is_empty() {
            held.from = number;
        }
        // Blank lines are not handed over: their numbers are made good for.
        while held.from + held.lines < number {
            held.line("");
        }
        held.line(text);
        Ok(())
    })?;
    if whole { held.import(sink) } else { Ok(()) }
}

/// The lines of an item.
#[derive(Debug, Default)]
struct Held {
    text: String,
    from: u64,
    lines: u64,
}

impl Held {
    fn clear(&mut self) {
        self.text.clear();
        self.lines = 0;
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.lines += 1;
    }

    fn import(&self, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
        if self.text.is_empty() {
            return Ok(());
        }
        match serde_yaml::from_str::<Vec<Item>>(&self.text) {
            Ok(items) => items.into_iter().try_for_each(|item| self.item(item, sink)),
            Err(e) => {
                let place = e.location();
                let line = place.as_ref().map_or(1, |place| place.line().max(1)) as u64;
                let column = place.map_or(1, |place| place.column());
                let text = e.to_string();
                let text = text.split(" at line ").next().unwrap_or_default();
                sink.bad(self.from + line - 1, column, &format!("expected an item of tmt's results: {text}"));
                Ok(())
            }
        }
    }

    fn item(&self, item: Item, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
        let platform = item.context.as_ref().and_then(|context| {
            let platform = context.get("platform")?;
            platform.as_str().or_else(|| platform.get(0)?.as_str()).map(str::to_owned)
        });
        // The same test on another guest is another test: neither takes back what the other says.
        let test = sink.test(platform.as_deref(), &item.name);
        let host = item.guest.as_ref().and_then(|guest| guest.name.clone());
        let time = item.end_time.as_deref().and_then(|text| Time::from_str(text).ok());
        let found = |item: &Item| Found {
            platform: platform.clone(),
            test: String::new(),
            subtest: None,
            status: Some(status(&item.result)),
            note: note(item),
            files: Vec::new(),
            time: item.end_time.as_deref().and_then(|text| Time::from_str(text).ok()).or(time),
            host: host.clone(),
            extra: logs(item),
            waived: None,
        };
        for subresult in item.subresult.iter().flatten() {
            let subtest = Some(subresult.name.clone());
            sink.result(Found { test: test.clone(), subtest, ..found(subresult) })?;
        }
        let own = found(&item);
        let outcome = Outcome::of_status(own.status.as_deref());
        // What was not run has no result.
        let pending = item.result == "pending";
        if !pending {
            sink.result(Found { test: test.clone(), ..own })?;
        }
        sink.end(Ended {
            platform,
            outcome: if pending { Outcome::Infra } else { outcome },
            seconds: item.duration.as_deref().and_then(seconds).unwrap_or(0.0),
            time,
            host,
            note: if pending { Some("tmt has not run it".into()) } else { None },
            test,
            waived: None,
        })
    }
}

/// Words of ours and of tmt are the same.
fn status(result: &str) -> String {
    result.to_owned()
}

fn note(item: &Item) -> Option<String> {
    match item.note.as_ref()? {
        Note::Text(text) => some(text),
        Note::List(notes) => some(&notes.join("; ")),
    }
}

/// Logs lie elsewhere than files of ours.
fn logs(item: &Item) -> atex_model::Object {
    let logs = item.log.clone().filter(|logs| !logs.is_empty());
    logs.map(|logs| ("log".to_owned(), logs.into())).into_iter().collect()
}

/// `HH:MM:SS`
fn seconds(text: &str) -> Option<f64> {
    let mut parts = text.splitn(3, ':').map(|part| part.parse::<u32>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0 + f64::from(seconds))
}
