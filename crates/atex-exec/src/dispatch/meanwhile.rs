//! What people are told, and can ask for, while a run that goes on waits for its hosts: tests and hosts of earlier lives
//! are not in the scheduler's hands yet, and are shown as those lives have left them.

use atex_schedule::{Event, HostId, TestId};
use indexmap::IndexMap;
use serde_json::json;

use super::{Dispatcher, hosts::HostEntry};
use crate::control::socket::Asked;
use crate::control::{Answer, Ask, TestState};
use crate::past::{PastHost, PastTest, Progress};
use crate::run_dir::trouble;

/// What was asked for and is done when the wait is over.
#[derive(Default)]
pub(super) struct Postponed {
    /// That tests are to be ended, which has been promised.
    events: Vec<Event>,
    /// What is answered only then.
    asked: Vec<Asked>,
}

impl Dispatcher {
    /// Shows tests and hosts as they were. So many of the hosts are waited for.
    pub(super) fn show_past(&mut self, tests: &[PastTest], hosts: &[PastHost], awaited: usize) {
        self.before.awaits_hosts = true;
        let left = tests.iter().filter(|test| state_of(test) != TestState::Settled).count();
        self.progress.taken_in_unread(left as u64);
        self.progress.awaited(awaited as u64);
        for past in hosts {
            let host = past.taken.host.clone();
            let provisioner = self.holder_of(&host.id);
            self.enter(HostEntry { gone: past.gone, provisioner, ..HostEntry::new(host, None) });
        }
        for (n, past) in (0..).zip(tests) {
            let Progress::Running { host, attempt } = past.now else { continue };
            match self.tests.get(TestId(n)) {
                Ok(test) => {
                    self.goes_on(HostId(host), &test, attempt);
                    self.entry(HostId(host)).running = Some((TestId(n), attempt, test));
                }
                Err(e) => return self.cannot_store(&trouble(&self.dir.tests(), &e)),
            }
        }
    }

    /// From now on tests and hosts are taken in as they are.
    pub(super) fn forget_shown(&mut self) {
        self.before.awaits_hosts = false;
        self.hosts = IndexMap::new();
        self.progress.begin_again(&self.counts);
    }

    /// Answers what can be answered already.
    pub(super) fn answer_meanwhile(&mut self, asked: Asked, tests: &[PastTest], postponed: &mut Postponed) {
        let answer = match &asked.ask {
            Ask::Status
            | Ask::Hosts
            | Ask::Eta
            | Ask::Pause
            | Ask::Resume
            | Ask::Drain
            | Ask::MaxHosts { .. } => {
                return self.answer(asked);
            }
            Ask::States => Answer::States(tests.iter().map(state_of).collect()),
            Ask::Cancel(of) => {
                let open = of.iter().filter(|id| of_number(tests, **id) != TestState::Settled);
                let events = open.map(|id| Event::TestCancelled { test: *id });
                postponed.promise("cancel", events.collect())
            }
            Ask::Skip(of) => {
                let waiting = of.iter().filter(|id| of_number(tests, **id) == TestState::Waiting);
                let events = waiting.map(|id| Event::TestSkipped { test: *id });
                postponed.promise("skip", events.collect())
            }
            // What becomes of hosts is not known yet.
            Ask::Rerun(_) | Ask::AddHost(..) | Ask::DropHost { .. } | Ask::Hold(_) | Ask::Free(_) => {
                return postponed.asked.push(asked);
            }
        };
        // Who has gone need not be told.
        let _ = asked.answer.send(answer);
    }

    /// Does what was postponed.
    pub(super) fn catch_up(&mut self, postponed: Postponed) {
        postponed.events.into_iter().for_each(|event| self.apply(event));
        postponed.asked.into_iter().for_each(|asked| self.answer(asked));
    }
}

impl Postponed {
    fn promise(&mut self, cmd: &str, events: Vec<Event>) -> Answer {
        let count = events.len();
        self.events.extend(events);
        Answer::Said(json!({"ok": true, "cmd": cmd, "count": count}))
    }
}

fn state_of(test: &PastTest) -> TestState {
    match test.now {
        Progress::Waiting => TestState::Waiting,
        Progress::Running { .. } => TestState::Running,
        Progress::Settled(_) => TestState::Settled,
    }
}

/// A test that nobody knows is settled, as for the scheduler.
fn of_number(tests: &[PastTest], id: TestId) -> TestState {
    tests.get(id.0 as usize).map_or(TestState::Settled, state_of)
}
