//! What somebody else decides (`--policy`): the scheduler's questions in words, and answers back.

use atex_schedule::{Answer, Event, HostId, QuestionId, TestId};

use super::Dispatcher;
use crate::policy::{After, Ask, Candidate, Question, Reply};

impl Dispatcher {
    pub(super) fn ask(&mut self, question: QuestionId, about: atex_schedule::Question) {
        use atex_schedule::Question as About;
        let asked = match about {
            About::Next { host, candidates } => self.next_question(question, host, &candidates),
            About::Rerun { host, would, .. } => self.question_after(Ask::Rerun, question, host, would),
            About::Destructive { host, would, .. } => {
                self.question_after(Ask::Destructive, question, host, would)
            }
        };
        self.tell_policy();
        match (&self.policy, asked) {
            (Some(policy), Some((asked, answers))) => {
                self.asked.insert(question.0, answers);
                policy.ask(asked);
            }
            _ => self.apply(Event::Answered { question, answer: None }),
        }
    }

    pub(super) fn replied(&mut self, reply: Reply) {
        match reply {
            Reply::Answer { id, candidate } => {
                let answers = self.asked.remove(&id).unwrap_or_default();
                let answer = candidate.and_then(|candidate| answers.get(candidate).copied());
                self.apply(Event::Answered { question: QuestionId(id), answer });
            }
            Reply::Gone => self.apply(Event::PolicyGone),
        }
    }

    /// Lets the policy know how much there is to be read.
    pub(super) fn tell_policy(&self) {
        if let Some(policy) = &self.policy {
            policy.grown(self.journal.length(), self.tests.lines().length());
        }
    }

    fn next_question(
        &mut self,
        id: QuestionId,
        host: HostId,
        tests: &[TestId],
    ) -> Option<(Question, Vec<Answer>)> {
        let mut candidates = Vec::with_capacity(tests.len());
        for test in tests {
            // What cannot be read is found out when it is to be started.
            let test = self.tests.get(*test).ok()?;
            candidates.push(Candidate::Test { platform: test.label().to_owned(), test: test.name });
        }
        let name = self.entry(host).record.id.clone();
        let answers = tests.iter().map(|test| Answer::Next(*test)).collect();
        Some((Question::next_test(id.0, &name, candidates), answers))
    }

    fn question_after(
        &mut self,
        ask: Ask,
        id: QuestionId,
        host: HostId,
        would: bool,
    ) -> Option<(Question, Vec<Answer>)> {
        let entry = self.entry(host);
        let (name, after) = (entry.record.id.clone(), entry.after.clone()?);
        let answers = if would { vec![Answer::Yes, Answer::No] } else { vec![Answer::No, Answer::Yes] };
        Some((Question::whether(ask, id.0, &name, after, would), answers))
    }

    /// Remembers how the attempt on a host ended, for what is asked about it.
    pub(super) fn remember_end(&mut self, host: HostId) {
        if self.policy.is_none() {
            return;
        }
        let entry = self.entry(host);
        let after =
            entry.running.as_ref().zip(entry.ended.as_ref()).map(|((_, attempt, test), done)| After {
                platform: test.label().to_owned(),
                test: test.name.clone(),
                attempt: *attempt,
                outcome: done.outcome,
                exit: done.exit,
                seconds: done.seconds,
            });
        entry.after = after;
    }
}
