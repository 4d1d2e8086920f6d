//! How a test ends: by itself, at its limit, or because it is to end.

use std::time::{Duration, Instant};

use atex_connect::Stdin;
use atex_model::report::Cause;

use super::{Ending, KILL_AGAIN, Running, two_numbers};
use crate::pool::{Context, News};
use crate::worker::{State, Step, Worker};

impl Worker {
    // ---- The end ----

    pub(in crate::worker) fn settle_if_complete(&mut self, context: &Context) {
        // An errand that is still under way would hit the next test.
        let State::Running(run) = &self.state else { return };
        if !run.attempt.is_complete() || self.errand.is_some() || run.resting.is_some() || run.left.is_some()
        {
            return;
        }
        if run.attempt.disconnecting() && run.attempt.stopped.is_none() {
            self.rest(context);
        } else {
            self.settle(false, context);
        }
    }

    pub(super) fn settle(&mut self, lost: bool, context: &Context) {
        let State::Running(run) = std::mem::replace(&mut self.state, State::Idle) else { return };
        let Running { attempt, started, .. } = *run;
        let next = attempt.is_complete().then(|| attempt.positions());
        let done = Box::new(attempt.finish(started.elapsed()));
        match (&mut self.serve, next) {
            (Some(serve), Some(next)) if !serve.attached => {
                serve.next = next;
            }
            // What else it would bring belongs to no test any more.
            _ => self.serve = None,
        }
        if lost {
            self.drop_link(Duration::ZERO, done.note.clone().unwrap_or_default(), context);
            self.stay_away();
        }
        context.tell(self.id, News::Ended { done, lost });
    }

    pub(in crate::worker) fn stop(&mut self, cause: Cause, note: String) {
        match (&mut self.state, &mut self.waiting) {
            (State::Running(run), _) | (_, Some(run)) => run.attempt.stop(cause, note),
            _ => {}
        }
    }

    /// The time is over: what lies in the spools at this moment counts still.
    pub(super) fn catch_up(&mut self, now: Instant, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if self.connection.is_none() || run.resting.is_some() {
            // It is fenced when the host is next used.
            run.attempt.stop_at_limit();
            return self.settle(false, context);
        }
        run.ending = Ending::Catching { until: now + context.waits.host, sizes: None };
        if self.errand.is_none() {
            self.errand(Step::Sizes, &self.agent("sizes"), Stdin::empty(), context);
        }
    }

    pub(in crate::worker) fn sizes(&mut self, answer: &[u8], context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if let Ending::Catching { sizes, .. } = &mut run.ending {
            *sizes = two_numbers(answer);
            if sizes.is_none() {
                run.attempt.stop_at_limit();
                return self.kill(context);
            }
        }
        self.caught_up(context);
    }

    /// Decides about a test whose time is over, once all has been read that it had sent by then.
    pub(super) fn caught_up(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let Ending::Catching { sizes: Some(sizes), .. } = run.ending else { return };
        if !run.attempt.has_read(sizes) || run.attempt.is_complete() {
            return;
        }
        if run.attempt.is_over(run.started.elapsed()) {
            run.attempt.stop_at_limit();
            self.kill(context);
        } else {
            run.ending = Ending::No;
        }
    }

    pub(in crate::worker) fn ask_to_end(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if run.ending.is_by_force() {
            return;
        }
        if run.resting.is_some() {
            return self.settle(false, context);
        }
        run.ending = Ending::Asked { until: Instant::now() + context.waits.grace };
        if self.errand.is_none() && self.connection.is_some() {
            let stop = Step::Stop { by_force: false };
            let words = format!("stop TERM {} {}", run.attempt.word(), run.cause());
            self.errand(stop, &self.agent(&words), Stdin::empty(), context);
        }
    }

    pub(in crate::worker) fn kill(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if run.resting.is_some() {
            return self.settle(false, context);
        }
        let cancelled = run.attempt.stopped.as_ref().is_some_and(|stopped| stopped.cause == Cause::Cancelled);
        if self.connection.is_none() && cancelled {
            // Nobody waits for a host that is out of reach when the run is to end.
            return self.settle(true, context);
        }
        let now = Instant::now();
        let until = match run.ending {
            Ending::Killing { until, .. } => until,
            _ => now + context.waits.host,
        };
        run.ending = Ending::Killing { again: now + KILL_AGAIN, until };
        // On a host that can start no more programs this is the only way. An end of that session is noticed elsewhere.
        if let Some(serve) = &self.serve {
            let _ = serve.running.write(format!("kill {} {}\n", run.attempt.word(), run.cause()));
        }
        // Two at a time might leave one under way that hits the next test.
        if self.errand.is_none() && self.connection.is_some() {
            let stop = Step::Stop { by_force: true };
            let words = format!("stop KILL {} {}", run.attempt.word(), run.cause());
            self.errand(stop, &self.agent(&words), Stdin::empty(), context);
        }
    }

    /// After an errand: killing has been put off until it was done.
    pub(in crate::worker) fn kill_if_put_off(&mut self, done: Step, context: &Context) {
        if let State::Running(run) = &self.state
            && run.ending.is_by_force()
            && self.errand.is_none()
            && done != (Step::Stop { by_force: true })
        {
            self.kill(context);
        }
    }

    pub(in crate::worker) fn running_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Running(run) => Some(run.deadline()),
            _ => None,
        }
    }

    /// Something that was waited for until now has not happened.
    pub(in crate::worker) fn tick_running(&mut self, now: Instant, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if run.save_at.is_some_and(|at| at <= now) {
            self.save(context);
        }
        let State::Running(run) = &mut self.state else { return };
        match run.ending {
            Ending::No if run.attempt.is_over(run.started.elapsed()) => self.catch_up(now, context),
            Ending::No if run.resting.is_some_and(|until| until <= now) => {
                run.rested = true;
                run.resting = Some(now + KILL_AGAIN);
                // Where the host is away, it is looked at when it is back.
                if self.connection.is_some() && self.errand.is_none() {
                    self.look(context);
                }
            }
            Ending::Catching { until, .. } if until <= now => {
                run.attempt.stop_at_limit();
                self.kill(context);
            }
            Ending::Asked { until } if until <= now => self.kill(context),
            Ending::Killing { until, .. } if until <= now => self.settle(false, context),
            Ending::Killing { again, .. } if again <= now => self.kill(context),
            _ => {}
        }
    }
}
