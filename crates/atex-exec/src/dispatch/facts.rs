//! Facts that records do not tell, and that tests ask about: hosts are asked themselves, once in each life of the run.
//!
//! The scheduler gives a test up when the input has ended and no host will do, also if that is only not known. So it is
//! told of the end of the input when all that were asked have answered.

use std::sync::Arc;

use atex_model::Facts;
use atex_schedule::{Event, ExpressionId, HostId, Verdict};

use super::Dispatcher;
use crate::pool::Order;

/// Whether a host was asked for its facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inquiry {
    No,
    Open,
    Closed,
}

impl Dispatcher {
    /// Whether a host that is about to be joined is to be asked. If so, its answer is waited for from now on.
    pub(super) fn await_facts(&mut self, host: HostId) -> bool {
        let entry = self.entry(host);
        let (record, inquiry) = (Arc::clone(&entry.record), entry.inquiry);
        let asks =
            inquiry == Inquiry::No && self.wishes.judge_all(&record.facts).contains(&Verdict::Undecided);
        if asks {
            self.entry(host).inquiry = Inquiry::Open;
            self.silent_hosts += 1;
        }
        asks
    }

    /// Asks a host that is there, unless it has been asked or tells all that anybody wants to know.
    pub(super) fn inquire_of(&mut self, host: HostId) {
        let entry = self.entry(host);
        if !entry.gone && !entry.lost && self.await_facts(host) {
            self.pool.order(host, Order::Inquire);
        }
    }

    /// A host has answered, or will not.
    pub(super) fn facts(&mut self, host: HostId, found: Option<Facts>) {
        if let Some(found) = found {
            let entry = self.entry(host);
            let before = Arc::clone(&entry.record);
            atex_host::facts::complete(&mut Arc::make_mut(&mut entry.record).facts, found);
            let after = Arc::clone(&entry.record);
            let verdicts = |facts| self.wishes.judge_all(facts);
            let changed =
                (0..).map(ExpressionId).zip(verdicts(&before.facts).into_iter().zip(verdicts(&after.facts)));
            let changed: Vec<(ExpressionId, Verdict)> =
                changed.filter(|(_, (old, new))| old != new).map(|(id, (_, new))| (id, new)).collect();
            for (expression, verdict) in changed {
                let hosts = vec![(host, verdict)];
                self.apply(Event::Judged { expression, hosts, provisioners: Vec::new() });
            }
            self.no_facts(host);
            self.entry(host).inquiry = Inquiry::Closed;
        }
        self.no_facts(host);
    }

    /// A host has been asked in vain, so far: there is nothing to wait for.
    pub(super) fn no_facts(&mut self, host: HostId) {
        if self.entry(host).inquiry == Inquiry::Open {
            self.entry(host).inquiry = Inquiry::No;
            self.silent_hosts -= 1;
            if self.input_end_is_held {
                self.say_input_ended();
            }
        }
    }

    /// Tells the scheduler that the input has ended, once it is known what the hosts are like that are there.
    pub(super) fn say_input_ended(&mut self) {
        self.input_end_is_held = self.silent_hosts > 0;
        if !self.input_end_is_held {
            self.apply(Event::InputEnded);
        }
    }
}
