//! What people ask of the run while it goes on.

use atex_model::report::Outcome;
use atex_schedule::HostId;
use serde_json::{Map, Value, json};

use super::Dispatcher;
use super::attempts::round;
use super::hosts::HostEntry;
use crate::control::Request;
use crate::control::socket::Asked;

impl Dispatcher {
    pub(super) fn answer(&mut self, asked: Asked) {
        let answer = match asked.request {
            Request::Status => self.status(),
            Request::Hosts => json!({"ok": true, "cmd": "hosts", "hosts": self.host_list()}),
            Request::Eta => json!({"ok": true, "cmd": "eta", "eta_seconds": self.eta()}),
        };
        // Who has gone need not be told.
        let _ = asked.answer.send(answer);
    }

    fn status(&self) -> Value {
        let summary = self.progress.summary();
        let outcomes: Map<String, Value> = Outcome::ALL
            .into_iter()
            .zip(summary.by_outcome)
            .filter(|(_, count)| *count > 0)
            .map(|(outcome, count)| (outcome.as_str().to_owned(), count.into()))
            .collect();
        let mut hosts = Map::new();
        for entry in self.hosts.values() {
            let count = hosts.entry(state_of(entry)).or_insert(json!(0));
            *count = json!(count.as_u64().unwrap_or(0) + 1);
        }
        json!({
            "ok": true,
            "cmd": "status",
            "run": self.dir.id,
            "dir": self.dir.path.to_string_lossy(),
            "pid": std::process::id(),
            "state": if self.stopping { "stopping" } else { "running" },
            "seconds": round(self.before.seconds + summary.seconds),
            "eta_seconds": self.eta(),
            "tests": {
                "waiting": summary.waiting,
                "running": summary.running,
                "settled": summary.settled,
                "input_ended": summary.input_ended,
            },
            "outcomes": outcomes,
            "hosts": hosts,
        })
    }

    /// In seconds; null if it cannot be known.
    fn eta(&self) -> Option<f64> {
        self.progress.summary().left.map(|left| round(left.as_secs_f64()))
    }

    fn host_list(&self) -> Vec<Value> {
        let entries = self.hosts.values().enumerate();
        let describe = |(at, entry): (usize, &HostEntry)| {
            let mut host =
                json!({"host": entry.record.id, "platform": entry.record.label(), "state": state_of(entry)});
            if let Some((_, attempt, test)) = &entry.running {
                let id = HostId(u32::try_from(at).unwrap_or(u32::MAX));
                host["test"] = test.name.as_str().into();
                host["attempt"] = (*attempt).into();
                host["seconds"] = self.progress.busy_for(id).map(|busy| round(busy.as_secs_f64())).into();
            }
            if let Some(trouble) = &entry.trouble {
                host["note"] = trouble.as_str().into();
            }
            host
        };
        entries.map(describe).collect()
    }
}

/// What a host is doing, in a word.
fn state_of(entry: &HostEntry) -> &'static str {
    if entry.gone {
        "gone"
    } else if entry.lost {
        "lost"
    } else if entry.running.is_some() {
        "busy"
    } else if entry.joined.is_some() {
        "free"
    } else {
        "coming"
    }
}
