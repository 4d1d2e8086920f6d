//! What a host says of itself, asked where a test or a plan asks for more than its record tells.

use std::sync::Arc;
use std::time::Instant;

use atex_connect::{Event, Exit, Session, Stdin};
use atex_host::facts::{self, Answers};
use atex_model::Host;

use super::setup::Task;
use super::{State, Worker, keep, shown};
use crate::plan::Applies;
use crate::pool::{Context, News, Prepared};

/// Whether the host has been asked.
#[derive(Default)]
pub(super) struct Inquiry {
    /// It has, or is being asked.
    done: bool,
    /// It is to be asked as soon as it is reached.
    pub at_first: bool,
    asking: Option<Asking>,
}

/// The question under way. A session that is dropped has its input closed.
struct Asking {
    session: u64,
    running: Session,
    out: Vec<u8>,
    until: Instant,
}

impl Inquiry {
    /// When an answer is not waited for any longer.
    pub fn deadline(&self) -> Option<Instant> {
        self.asking.as_ref().map(|asking| asking.until)
    }

    pub fn is_in(&self, session: u64) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.session == session)
    }
}

impl Worker {
    /// Asks the host, unless that was done. Whether there is an answer to wait for.
    pub(super) fn ask_facts(&mut self, context: &Context) -> bool {
        if self.inquiry.asking.is_none() && !self.inquiry.done {
            let script = facts::script(&[]);
            let Some((session, running)) = self.run("sh", Stdin::bytes(script), context) else {
                return false;
            };
            let until = Instant::now() + context.waits.host;
            self.inquiry.asking = Some(Asking { session, running, out: Vec::new(), until });
            self.inquiry.done = true;
        }
        self.inquiry.asking.is_some()
    }

    /// The same, if it is not known what a plan asks about.
    pub(super) fn ask_facts_for(&mut self, setup: &Prepared, context: &Context) -> bool {
        let Some(host) = &self.record else { return false };
        let mut steps = setup.steps.prepare.iter().chain(&setup.steps.finish);
        steps.any(|step| step.applies_to(host) == Applies::Unknown) && self.ask_facts(context)
    }

    /// Answers whoever has given the order.
    pub(super) fn inquire(&mut self, context: &Context) {
        if self.connection.is_none() && self.is_sought() {
            self.inquiry.at_first = true;
        } else if !self.ask_facts(context) {
            context.tell(self.id, News::Facts(None));
        }
    }

    fn is_sought(&self) -> bool {
        use State::*;
        matches!(self.state, Opening | Adopting(_) | SettingUp(_) | Running(_))
    }

    pub(super) fn heard_of_facts(&mut self, event: Event, context: &Context) {
        match (event, &mut self.inquiry.asking) {
            (Event::Stdout(bytes), Some(asking)) => keep(&mut asking.out, &bytes),
            (Event::Ended(end), Some(asking)) => {
                let said = String::from_utf8_lossy(&asking.out);
                match (facts::parse(&said), end) {
                    (Some(answers), _) => self.facts_known(answers, context),
                    (None, Ok(Exit::Code(code))) => {
                        self.facts_unknown(&format!("exit status {code}"), context)
                    }
                    (None, Ok(_)) => self.facts_unknown("it was killed", context),
                    (None, Err(error)) => self.facts_unknown(&error.to_string(), context),
                }
            }
            _ => {}
        }
    }

    /// No answer has come in time.
    pub(super) fn facts_overdue(&mut self, context: &Context) {
        let why = format!("no answer within {}", shown(context.waits.host));
        self.facts_unknown(&why, context);
    }

    /// The connection is gone. The host is asked again when it is there again.
    pub(super) fn facts_cut_off(&mut self, context: &Context) {
        if self.inquiry.asking.take().is_some() {
            self.inquiry.done = false;
            self.inquire(context);
        }
    }

    fn facts_unknown(&mut self, why: &str, context: &Context) {
        log::warn!("{}: its facts are not known: {why}", self.name());
        if let Some(asking) = self.inquiry.asking.take() {
            asking.running.abandon();
        }
        self.facts_told(None, context);
    }

    fn facts_known(&mut self, answers: Answers, context: &Context) {
        self.inquiry.asking = None;
        if let Some(record) = &self.record {
            let mut host = Host::clone(record);
            facts::complete(&mut host.facts, answers.facts.clone());
            self.record = Some(Arc::new(host));
        }
        self.facts_told(Some(answers.facts), context);
    }

    fn facts_told(&mut self, found: Option<atex_model::Facts>, context: &Context) {
        context.tell(self.id, News::Facts(found));
        match &self.state {
            State::Opening => self.is_ready(context),
            State::SettingUp(work) if matches!(work.current, Some(Task::Facts(_))) => self.next_task(context),
            _ => {}
        }
    }

    /// The host can be used.
    pub(super) fn is_ready(&mut self, context: &Context) {
        self.state = State::Idle;
        context.tell(self.id, News::Ready);
    }
}
