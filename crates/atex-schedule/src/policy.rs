//! Somebody else is asked. No answer, a late one or a wrong one means the built-in rule.

use std::collections::BTreeMap;

use crate::pool::{Doing, Host};
use crate::scheduler::{Ending, Scheduler};
use crate::{Action, Answer, AttemptEnd, Ended, HostId, HostIs, Question, QuestionId, Settled, TestId};

/// How many tests there are to choose from.
pub const MOST_CANDIDATES: usize = 1000;

/// However often the policy wants a test to be tried again.
const MOST_ATTEMPTS: u32 = 100;

/// An attempt that ended, and what we would make of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub host: HostId,
    pub test: TestId,
    pub end: AttemptEnd,
    /// Why the test is settled by it, if it is.
    pub settled: Option<Settled>,
    /// The host has failed under several tests.
    pub is_bad: bool,
}

#[derive(Debug)]
enum Pending {
    Next(HostId, Vec<TestId>),
    Rerun(Asked),
    Destructive(Asked),
}

/// Who else is asked, and what.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    is_there: bool,
    pending: BTreeMap<QuestionId, Pending>,
    asked: u32,
}

impl Policy {
    pub fn new(is_there: bool) -> Policy {
        Policy { is_there, ..Policy::default() }
    }

    pub fn is_there(&self) -> bool {
        self.is_there
    }

    fn ask(&mut self, pending: Pending) -> QuestionId {
        let question = QuestionId(self.asked);
        self.asked += 1;
        self.pending.insert(question, pending);
        question
    }

    pub fn forget(&mut self, question: QuestionId) {
        self.pending.remove(&question);
    }

    /// Whether the question is about an attempt that ended.
    pub fn is_about_end(&self, question: QuestionId) -> bool {
        matches!(self.pending.get(&question), Some(Pending::Rerun(_) | Pending::Destructive(_)))
    }

    /// The host of that attempt cannot be reached any more.
    pub fn host_lost(&mut self, question: QuestionId) {
        if let Some(Pending::Rerun(asked) | Pending::Destructive(asked)) = self.pending.get_mut(&question) {
            asked.end.host_is = HostIs::Lost;
        }
    }
}

impl Scheduler {
    /// Asks for the next test of a host, if there is a choice.
    pub(crate) fn ask_next(&mut self, id: HostId, host: &Host, actions: &mut Vec<Action>) -> bool {
        let candidates = self.candidates(id, host, MOST_CANDIDATES);
        if candidates.len() < 2 {
            return false;
        }
        let question = self.policy.ask(Pending::Next(id, candidates.clone()));
        self.pool.change(id, |host| host.doing = Doing::Asked(question));
        actions.push(Action::Ask { question, about: Question::Next { host: id, candidates } });
        true
    }

    pub(crate) fn ask_rerun(&mut self, asked: Asked, actions: &mut Vec<Action>) {
        let Asked { host, test, settled, .. } = asked;
        let question = self.policy.ask(Pending::Rerun(asked));
        self.pool.change(host, |host| host.doing = Doing::Asked(question));
        let about = Question::Rerun { host, test, would: settled.is_none() };
        actions.push(Action::Ask { question, about });
    }

    fn ask_destructive(&mut self, asked: Asked, actions: &mut Vec<Action>) {
        let Asked { host, test, end, .. } = asked;
        let question = self.policy.ask(Pending::Destructive(asked));
        self.pool.change(host, |host| host.doing = Doing::Asked(question));
        let about = Question::Destructive { host, test, would: end.host_is == HostIs::Spoilt };
        actions.push(Action::Ask { question, about });
    }

    pub(crate) fn answered(
        &mut self,
        question: QuestionId,
        answer: Option<Answer>,
        actions: &mut Vec<Action>,
    ) {
        match self.policy.pending.remove(&question) {
            None => {}
            Some(Pending::Next(host, candidates)) => {
                let next = match answer {
                    Some(Answer::Next(test)) if candidates.contains(&test) => Some(test),
                    _ => None,
                };
                self.next_is(host, next, actions);
            }
            Some(Pending::Rerun(asked)) => self.rerun_is(asked, answer, actions),
            Some(Pending::Destructive(mut asked)) => {
                asked.end.host_is = match (asked.end.host_is, answer) {
                    (HostIs::Lost, _) => HostIs::Lost,
                    (_, Some(Answer::Yes)) => HostIs::Spoilt,
                    (_, Some(Answer::No)) => HostIs::Fine,
                    (is, _) => is,
                };
                self.end_on_host(&asked, actions);
            }
        }
    }

    /// The test that was chosen may have been given to somebody else in the meantime.
    fn next_is(&mut self, id: HostId, chosen: Option<TestId>, actions: &mut Vec<Action>) {
        self.pool.change(id, |host| host.doing = Doing::Nothing);
        let Some(host) = self.pool.get(id).copied() else { return };
        if self.ending != Ending::Not || self.is_paused || !host.is_idle() {
            return self.answered_late(id, &host, actions);
        }
        let chosen = chosen.filter(|test| self.may_run(id, &host, *test));
        let test = chosen.or_else(|| self.best(id, &host).map(|(_, test)| test));
        match test {
            Some(test) => {
                self.pool.change(id, |host| host.chosen = chosen);
                self.give(id, test, actions);
            }
            None => _ = self.free_hosts.insert(id),
        }
    }

    fn answered_late(&mut self, id: HostId, host: &Host, actions: &mut Vec<Action>) {
        if host.is_dropped {
            self.release(id, crate::Release::Dropped, actions);
        }
    }

    fn rerun_is(&mut self, mut asked: Asked, answer: Option<Answer>, actions: &mut Vec<Action>) {
        let state = self.tests.get(asked.test);
        let attempts = state.and_then(|state| state.tried.as_ref()).map_or(0, |tried| tried.attempts);
        let is_cancelled = state.is_some_and(|state| state.is_cancelled);
        match answer {
            _ if is_cancelled => asked.settled = Some(Settled::Ended),
            Some(Answer::Yes) if attempts < MOST_ATTEMPTS => asked.settled = None,
            Some(Answer::No) => asked.settled = Some(Settled::Ended),
            _ => {}
        }
        self.judge(&asked, actions);
        let asks = self.policy.is_there && asked.end.by == Ended::ByTest && self.ending == Ending::Not;
        if asks && asked.end.host_is != HostIs::Lost {
            return self.ask_destructive(asked, actions);
        }
        self.end_on_host(&asked, actions);
    }

    /// Whatever was asked is answered by the built-in rule.
    pub(crate) fn policy_gone(&mut self, actions: &mut Vec<Action>) {
        self.policy.is_there = false;
        self.answer_all(actions);
    }

    pub(crate) fn answer_all(&mut self, actions: &mut Vec<Action>) {
        let questions: Vec<QuestionId> = self.policy.pending.keys().copied().collect();
        for question in questions {
            self.answered(question, None, actions);
        }
    }
}
