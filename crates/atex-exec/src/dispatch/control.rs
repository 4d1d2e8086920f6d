//! What people ask of the run while it goes on.

use atex_model::report::Outcome;
use atex_schedule::{Event, HostId, TestId};
use serde_json::{Map, Value, json};

use super::Dispatcher;
use super::attempts::round;
use super::hold::Held;
use super::hosts::HostEntry;
use super::resume::KnownHost;
use crate::control::socket::Asked;
use crate::control::{Answer, Ask, TestState, refusal};
use crate::hosts_file::From;

/// Whether tests are started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pace {
    #[default]
    Running,
    Paused,
    Draining,
}

impl Pace {
    /// Whether tests that come now will be run.
    pub fn takes_tests(self) -> bool {
        self != Pace::Draining
    }

    fn word(self) -> &'static str {
        match self {
            Pace::Running => "running",
            Pace::Paused => "paused",
            Pace::Draining => "draining",
        }
    }
}

impl Dispatcher {
    pub(super) fn answer(&mut self, asked: Asked) {
        let answer = match asked.ask {
            Ask::States => Answer::States(self.states()),
            ask => Answer::Said(self.obey(ask).unwrap_or_else(refusal)),
        };
        // Who has gone need not be told.
        let _ = asked.answer.send(answer);
    }

    fn states(&self) -> Vec<TestState> {
        let ids = (0..self.tests.len()).map(|n| TestId(u32::try_from(n).unwrap_or(u32::MAX)));
        ids.map(|id| match self.scheduler.is_running(id) {
            Some(true) => TestState::Running,
            Some(false) => TestState::Waiting,
            None => TestState::Settled,
        })
        .collect()
    }

    fn obey(&mut self, ask: Ask) -> Result<Value, String> {
        if self.stopping && !matches!(ask, Ask::Status | Ask::Hosts | Ask::Eta | Ask::States) {
            return Err("the run is being stopped".into());
        }
        if self.closing && matches!(ask, Ask::Rerun(_) | Ask::AddHost(..)) {
            return Err("the run has come to its end: its hosts are being given back".into());
        }
        let done = |cmd: &str| json!({"ok": true, "cmd": cmd});
        Ok(match ask {
            Ask::Status | Ask::States => self.status(),
            Ask::Hosts => json!({"ok": true, "cmd": "hosts", "hosts": self.host_list()}),
            Ask::Eta => json!({"ok": true, "cmd": "eta", "eta_seconds": self.eta()}),
            Ask::Pause => {
                self.pace = Pace::Paused;
                self.apply(Event::Paused);
                done("pause")
            }
            Ask::Resume => {
                if self.pace == Pace::Draining {
                    return Err("the run is being drained".into());
                }
                self.pace = Pace::Running;
                self.apply(Event::Resumed);
                done("resume")
            }
            Ask::Drain => {
                self.pace = Pace::Draining;
                self.why_stopped.get_or_insert_with(|| "drained".into());
                self.apply(Event::Drained);
                done("drain")
            }
            Ask::Rerun(tests) => json!({"ok": true, "cmd": "rerun", "tests": self.rerun(&tests)?}),
            Ask::Cancel(tests) => json!({"ok": true, "cmd": "cancel", "count": self.end_tests(tests, true)}),
            Ask::Skip(tests) => json!({"ok": true, "cmd": "skip", "count": self.end_tests(tests, false)}),
            Ask::AddHost(host, line) => {
                if !matches!(self.known(&host.id), KnownHost::No) {
                    return Err(format!("host {}: there is one of this id already", host.id));
                }
                self.host(*host, From::Input, line);
                done("add-host")
            }
            Ask::DropHost { host, now } => {
                let host = self.there(&host)?;
                self.apply(Event::HostDropped { host, at_once: now });
                done("drop-host")
            }
            Ask::Hold(name) => {
                let host = self.there(&name)?;
                self.hold(host, Held::OnRequest);
                json!({"ok": true, "cmd": "hold", "host": name, "connect": self.entry(host).record.connect})
            }
            Ask::Free(name) => {
                let host = self.there(&name)?;
                self.free(host);
                done("free")
            }
            Ask::MaxHosts { hosts, of: Some(of) } => {
                self.set_most(&of, hosts)?;
                done("max-hosts")
            }
            Ask::MaxHosts { hosts, of: None } => {
                self.apply(Event::MaxHosts { hosts });
                done("max-hosts")
            }
        })
    }

    /// Ends tests, or those of them that wait only. Returns how many that are.
    fn end_tests(&mut self, tests: Vec<TestId>, also_running: bool) -> usize {
        let mut count = 0;
        for test in tests {
            match self.scheduler.is_running(test) {
                Some(true) if !also_running => continue,
                Some(_) => count += 1,
                None => continue,
            }
            self.apply(if also_running {
                Event::TestCancelled { test }
            } else {
                Event::TestSkipped { test }
            });
        }
        count
    }

    /// The number of a host that is used.
    fn there(&self, name: &str) -> Result<HostId, String> {
        let found = self.hosts.get_full(name).filter(|(_, _, entry)| !entry.gone);
        let (at, _, _) = found.ok_or_else(|| format!("host {name}: there is none of this id"))?;
        Ok(HostId(u32::try_from(at).unwrap_or(u32::MAX)))
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
        let mut status = json!({
            "ok": true,
            "cmd": "status",
            "run": self.dir.id,
            "dir": self.dir.path.to_string_lossy(),
            "pid": std::process::id(),
            "state": match self.pace {
                _ if self.stopping => "stopping",
                Pace::Running if self.before.awaits_hosts => "adopting",
                pace => pace.word(),
            },
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
        });
        if !self.givers.is_empty() {
            status["provisioners"] = self.provisioner_list().into();
        }
        status
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
            if let Some(name) = self.provisioner_name(entry) {
                host["provisioner"] = name.into();
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
    } else if entry.joined.is_some() && entry.held.is_some() {
        "held"
    } else if entry.joined.is_some() {
        "free"
    } else {
        "coming"
    }
}
