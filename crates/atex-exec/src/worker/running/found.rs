//! Hosts that were out of sight: what is found there, tests that go on, tests that are started again, tests of an earlier
//! process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atex_connect::Stdin;
use atex_model::report::Cause;

use super::{CUT_SHORT, FRUITLESS, Left, Running, id, two_numbers};
use crate::adoption::Adoption;
use crate::artifacts::Artifacts;
use crate::attempt::{Attempt, Done, Job, SpoolStart};
use crate::needs::Needs;
use crate::pool::{Context, News};
use crate::trailer::Scanner;
use crate::worker::look::{Seen, Sight, Way};
use crate::worker::setup::Given;
use crate::worker::{State, Step, Worker, quote};

impl Worker {
    // ---- Found again ----

    /// Asks what has become of the test.
    pub(in crate::worker) fn look(&mut self, context: &Context) {
        let known = self.work_dir.as_ref().map(std::slice::from_ref);
        let dirs: Vec<String> = known.unwrap_or(&self.dirs).iter().map(|dir| quote(dir)).collect();
        // Also from a host that has lost its disk over a reboot one wants to know which start this is.
        let command = format!(
            "for d in {}; do if [ -O \"$d/agent\" ]; then exec sh \"$d/agent\" look; fi; done; \
             read -r b </proc/sys/kernel/random/boot_id; read -r l </proc/1/stat; set -- ${{l##*) }}; \
             echo \"boot=$b/${{20}}\"; echo state=none",
            dirs.join(" ")
        );
        self.errand(Step::Look, &command, Stdin::empty(), context);
    }

    pub(in crate::worker) fn seen(&mut self, answer: &[u8], context: &Context) {
        let sight = Sight::parse(&String::from_utf8_lossy(answer));
        if matches!(self.state, State::Adopting(_)) {
            self.adopt(&sight, context);
        } else {
            self.go_on(&sight, false, context);
        }
    }

    /// `adopted`: what has become of the test since an earlier life of the run is seen for the first time.
    pub(super) fn go_on(&mut self, sight: &Sight, adopted: bool, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let is_ours =
            sight.id.as_deref() == Some(&id(&run.job)) && sight.word.as_deref() == Some(run.attempt.word());
        if is_ours && sight.is_other_boot(run.attempt.boot().unwrap_or_default()) {
            run.left = Some(Left { sight: sight.clone(), adopted, sizes: None });
            return self.errand(Step::Left, &self.agent("sizes"), Stdin::empty(), context);
        }
        self.judge(sight, is_ours, adopted, context);
    }

    /// A host that has been down says how much of what was sent before it still has.
    pub(in crate::worker) fn sizes_of_what_is_left(&mut self, answer: &[u8], context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let Some(left) = &mut run.left else { return };
        let sizes = two_numbers(answer).unwrap_or_default();
        left.sizes = Some(sizes);
        let (generation, at) = (left.sight.generation.unwrap_or_default(), run.attempt.positions());
        if !run.attempt.has_read(sizes) {
            let command = self.agent(&format!("attach {generation} {} {}", at.0, at.1));
            self.open_serve(&command, "", generation, at, context);
            if let Some(serve) = &mut self.serve {
                serve.attached = true;
            }
        }
        self.judge_when_all_is_read(context);
    }

    pub(super) fn judge_when_all_is_read(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let Some(Left { sizes: Some(sizes), .. }) = run.left else { return };
        if run.attempt.has_read(sizes)
            && let Some(left) = run.left.take()
        {
            self.serve = None;
            self.judge(&left.sight, true, left.adopted, context);
        }
    }

    pub(super) fn judge(&mut self, sight: &Sight, is_ours: bool, adopted: bool, context: &Context) {
        let is_local = self.is_local();
        let State::Running(run) = &mut self.state else { return };
        let boot = run.attempt.boot().unwrap_or_default();
        let way = sight.way(is_ours, boot, run.may_be_cut());
        log::debug!("{}: found {sight:?}: {way:?}", self.record.as_ref().map_or("", |record| &record.id));
        match way {
            Way::Follow if run.attempt.is_complete() => self.rest_or_restart(sight, context),
            Way::Follow => self.follow(sight, context),
            Way::Restart => self.restart(sight, context),
            Way::Lost(cause, why) => {
                // What ended us may have ended it with us.
                let with_us = adopted && (is_local || !sight.is_other_boot(boot));
                let (cause, why) = if with_us { (Cause::Own, CUT_SHORT) } else { (cause, why) };
                run.attempt.stop(cause, why.into());
                self.settle(false, context);
            }
        }
    }

    /// Reads on where we stopped.
    pub(super) fn follow(&mut self, sight: &Sight, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        run.fruitless += 1;
        run.told_to_close = false;
        if run.fruitless > FRUITLESS {
            run.attempt.stop(Cause::Host, "its spools cannot be read on its host".into());
            return self.settle(false, context);
        }
        let (control, output) = run.attempt.positions();
        let generation = sight.generation.unwrap_or(self.generation);
        self.generation = self.generation.max(generation);
        let command = self.agent(&format!("attach {generation} {control} {output}"));
        self.open_serve(&command, "beat\n", generation, (control, output), context);
        if let Some(serve) = &mut self.serve {
            serve.attached = true;
        }
        self.close_channel(context);
        if let State::Running(run) = &self.state
            && (run.attempt.stopped.is_some() || run.ending.is_by_force())
        {
            self.kill(context);
        }
    }

    // ---- Reboots ----

    /// The test has ended after it had announced a reboot: wait for that.
    pub(super) fn rest(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        run.resting = Some(Instant::now() + context.waits.reboot_grace);
    }

    /// The host is still up, or up again without having been down.
    pub(super) fn rest_or_restart(&mut self, sight: &Sight, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if run.rested {
            run.owed_cut = true;
            self.restart(sight, context);
        }
    }

    /// Starts the test again.
    pub(super) fn restart(&mut self, sight: &Sight, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let rebooted = run.attempt.boot() != Some(&sight.boot);
        run.owed_cut &= !rebooted;
        run.resting = None;
        run.rested = false;
        run.told_to_close = false;
        self.boot.clone_from(&sight.boot);
        if rebooted {
            self.serve = None;
        }
        if sight.dir.is_none() && self.prepared.is_some() {
            // Its directory did not survive the reboot.
            return self.set_up_again(context);
        }
        self.generation = self.generation.max(sight.generation.unwrap_or(0));
        self.start_again(context);
    }

    /// Gives the host everything anew, then starts the test again.
    pub(super) fn set_up_again(&mut self, context: &Context) {
        let State::Running(run) = std::mem::replace(&mut self.state, State::Idle) else { return };
        let Some((setup, needs)) = self.prepared.clone() else { return };
        self.waiting = Some(run);
        self.work_dir = None;
        self.given.forget();
        self.begin_set_up(setup, needs, true, context);
    }

    /// The set-up for a test that is to be started again has ended.
    pub(in crate::worker) fn set_up_again_ends(
        &mut self,
        run: Box<Running>,
        end: Result<(), String>,
        context: &Context,
    ) {
        self.state = State::Running(run);
        match end {
            Ok(()) => self.start_again(context),
            Err(problem) => {
                self.stop(Cause::Host, problem);
                self.settle(false, context);
            }
        }
    }

    /// Starts the test again on a host that has everything it needs.
    pub(in crate::worker) fn start_again(&mut self, context: &Context) {
        // With what it sent before: a new session of the agent removes the spools of the one before.
        self.save(context);
        let State::Running(run) = &self.state else { return };
        let reboots = run.attempt.reboots() + 1;
        if let Some(serve) = &mut self.serve {
            serve.next = run.attempt.positions();
        }
        let order = Scanner::new_word()
            .map_err(|e| format!("/dev/urandom: {e}"))
            .and_then(|word| Ok((self.order(&run.job, run.setup, &word, reboots, context)?, word)));
        match order {
            Err(problem) => {
                self.stop(Cause::Own, problem);
                self.settle(false, context);
            }
            // It was cancelled meanwhile.
            Ok(_) if run.attempt.stopped.is_some() => self.settle(false, context),
            Ok((order, word)) => {
                let start = self.send_order(order, context);
                let boot = self.boot.clone();
                log::info!("{}: test started again, {reboots}", self.name());
                if let State::Running(run) = &mut self.state {
                    run.attempt.restart(&word, start);
                    run.attempt.set_boot(boot);
                    self.save(context);
                }
            }
        }
    }

    // ---- After a crash of ours ----

    /// Takes up an attempt that was made before we were started.
    pub(super) fn adopt(&mut self, sight: &Sight, context: &Context) {
        let State::Adopting(adoption) = std::mem::replace(&mut self.state, State::Idle) else { return };
        let Adoption { setup, is_whole, job, end_by } = *adoption;
        context.tell(self.id, News::Ready);
        self.work_dir.clone_from(&sight.dir);
        self.boot.clone_from(&sight.boot);
        self.generation = sight.generation.unwrap_or(0);
        self.given = Given::of_adopted(&setup, self.given.keep);
        self.has_terminals = true;
        let setup_id = setup.id;
        self.prepared = is_whole.then(|| (setup, Arc::new(Needs::of(&job.test))));
        let (mut attempt, elapsed) = match restored(&job, sight, context) {
            Ok(restored) => restored,
            Err(done) => return context.tell(self.id, News::Ended { done, lost: false }),
        };
        // An earlier life has begun to end it.
        if let Some(why) = sight.why.as_ref().filter(|_| sight.word.as_deref() == Some(attempt.word())) {
            attempt.found_stopping(why);
        }
        let now = Instant::now();
        let started = now.checked_sub(elapsed).unwrap_or(now);
        self.state = State::Running(Box::new(Running::new(attempt, job, setup_id, started)));
        self.go_on(sight, true, context);
        if let Some(end_by) = end_by {
            self.stop(Cause::Cancelled, "cancelled".into());
            if end_by <= now { self.kill(context) } else { self.ask_to_end(context) }
        }
    }

    /// The attempt is to end before it has been found.
    pub(in crate::worker) fn end_adoption(&mut self, by_force: bool, context: &Context) {
        let State::Adopting(adoption) = &mut self.state else { return };
        let now = Instant::now();
        let end_by = if by_force { Some(now) } else { now.checked_add(context.waits.grace) };
        adoption.end_by = adoption.end_by.into_iter().chain(end_by).min();
    }

    /// The host has not been found in time.
    pub(in crate::worker) fn host_lost(&mut self, why: String, context: &Context) {
        if let State::Adopting(adoption) = &self.state {
            let (cause, why) = match adoption.end_by {
                Some(_) => (Cause::Cancelled, "cancelled".into()),
                None => (Cause::Host, why),
            };
            let done = match Attempt::restore(&adoption.job, context.quotas) {
                Ok(Some((mut attempt, elapsed))) => {
                    attempt.stop(cause, why);
                    attempt.finish(elapsed)
                }
                Ok(None) => Done::cut(cause, why),
                Err(trouble) => Done::cut(Cause::Own, trouble.to_string()),
            };
            self.stay_away();
            return context.tell(self.id, News::Ended { done: Box::new(done), lost: true });
        }
        self.stop(Cause::Host, why);
        self.settle(true, context);
    }
}

/// The attempt as its checkpoint has it; without one, from its beginning, if the host still has all that it sent.
fn restored(job: &Job, sight: &Sight, context: &Context) -> Result<(Attempt, Duration), Box<Done>> {
    match Attempt::restore(job, context.quotas) {
        Err(trouble) => return Err(Box::new(Done::cut(Cause::Own, trouble.to_string()))),
        Ok(Some(restored)) => return Ok(restored),
        Ok(None) => {}
    }
    let is_there = sight.id.as_deref() == Some(&id(job))
        && matches!(sight.state, Seen::Running | Seen::Ended)
        && sight.start.is_some_and(|start| sight.freed.0 <= start.0 && sight.freed.1 <= start.1);
    let (Some(word), Some((control, output)), Some(generation), true) =
        (&sight.word, sight.start, sight.generation, is_there)
    else {
        return Err(Box::new(Done::cut(Cause::Own, CUT_SHORT.into())));
    };
    let artifacts =
        Artifacts::create_afresh(&job.artifacts).map_err(|e| Box::new(Done::impossible(e.to_string())))?;
    let start = SpoolStart { generation, control, output };
    let mut attempt = Attempt::new(job, word, start, artifacts, context.quotas);
    attempt.set_boot(sight.boot.clone());
    Ok((attempt, Duration::ZERO))
}
