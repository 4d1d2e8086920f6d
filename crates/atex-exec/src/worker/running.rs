//! A test that runs on the host: started, followed, found again, started again after a reboot, ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atex_connect::{Chunk, ConnectError, Event, Exit, Session, Stdin};
use atex_model::{Connect, report::Cause};
use atex_schedule::SetupId;

use super::look::{Seen, Sight, Way};
use super::setup::Given;
use super::{State, Step, Worker};
use crate::adoption::Adoption;
use crate::artifacts::Artifacts;
use crate::attempt::{Attempt, Done, Job, SpoolStart};
use crate::needs::Needs;
use crate::pool::{Context, News};
use crate::script::{Surroundings, needs_terminal, script};
use crate::trailer::Scanner;
use crate::unfit;

/// A script of so many bytes a shell reads, byte by byte, sooner than it starts another program for that.
const SMALL_SCRIPT: usize = 4096;

/// How often a test that is to end is killed again: it may not have begun when it was killed first.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// A checkpoint is made so long after the first bytes that are in none.
const SAVE_TIME: Duration = Duration::from_secs(1);

/// A checkpoint is made after so many bytes that are in none.
const SAVE_BYTES: u64 = 16 << 20;

/// Spools that have been read are given back in pieces of at least this size.
const FREE_BYTES: u64 = 1 << 20;

/// A test that cannot be followed although it runs is given up after so many tries that brought nothing.
const FRUITLESS: u32 = 5;

/// What is said of a test that did not outlive us.
const CUT_SHORT: &str = "cut short when atex-exec ended";

/// Further away than any run lasts.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The agent's session that brings what tests send, one test after another.
pub(super) struct Serve {
    pub session: u64,
    running: Session,
    generation: u64,
    /// It follows a test that another session has started, and can start none.
    attached: bool,
    /// Where the spools of the next test begin.
    next: (u64, u64),
    /// What has been given back of the spools.
    freed: (u64, u64),
}

/// A test that runs.
pub(super) struct Running {
    attempt: Attempt,
    job: Box<Job>,
    setup: SetupId,
    started: Instant,
    ending: Ending,
    /// When a checkpoint is due.
    save_at: Option<Instant>,
    /// The test has announced a reboot and has ended: until then the host is expected to go down.
    resting: Option<Instant>,
    /// That time is over: it is only looked whether the host went down in it.
    rested: bool,
    /// It was started again after an announced reboot that had not come by then, and may come yet.
    owed_cut: bool,
    /// The host has been told to close the control channel.
    told_to_close: bool,
    /// How often in a row it was followed without a byte coming.
    fruitless: u32,
    /// The host has been down: what lies in the spools since before is read first.
    left: Option<Left>,
}

/// What a host that has been down still has of what a test sent before.
struct Left {
    sight: Sight,
    /// It went down before this life of the run, or as it began.
    adopted: bool,
    /// Up to where there is something to be read.
    sizes: Option<(u64, u64)>,
}

/// How far we are in ending a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It may go on.
    No,
    /// Its time is over: what lies in the spools is read first.
    Catching { until: Instant, sizes: Option<(u64, u64)> },
    /// It has been asked to end.
    Asked { until: Instant },
    /// It is being killed.
    Killing { again: Instant, until: Instant },
}

impl Running {
    fn new(attempt: Attempt, job: Box<Job>, setup: SetupId, started: Instant) -> Running {
        Running {
            attempt,
            job,
            setup,
            started,
            ending: Ending::No,
            save_at: Some(Instant::now() + SAVE_TIME),
            resting: None,
            rested: false,
            owed_cut: false,
            told_to_close: false,
            fruitless: 0,
            left: None,
        }
    }

    pub(super) fn forget_what_is_left(&mut self) {
        self.left = None;
    }

    /// Whether the host may go down without that being a fault.
    pub(super) fn may_be_cut(&self) -> bool {
        self.attempt.disconnecting() || self.owed_cut
    }

    fn deadline(&self) -> Instant {
        let ending = match self.ending {
            // A limit of centuries is beyond what an Instant holds.
            Ending::No => {
                let left = self.attempt.left(self.started.elapsed());
                Instant::now().checked_add(left).unwrap_or_else(|| Instant::now() + FAR)
            }
            Ending::Catching { until, .. } | Ending::Asked { until } => until,
            Ending::Killing { again, until } => again.min(until),
        };
        [self.save_at, self.resting].into_iter().flatten().fold(ending, Instant::min)
    }
}

impl Ending {
    fn is_by_force(self) -> bool {
        matches!(self, Ending::Killing { .. })
    }
}

/// The sizes of both spools, as the agent says them: a line each.
fn two_numbers(answer: &[u8]) -> Option<(u64, u64)> {
    let text = String::from_utf8_lossy(answer);
    let mut numbers = text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    numbers.next().zip(numbers.next())
}

/// What tells an attempt from all others on a host. Its starts have words that tell them apart.
fn id(job: &Job) -> String {
    let name = format!("{}\0{}", job.test.label(), job.test.name);
    let hash = blake3::hash(name.as_bytes()).to_hex();
    format!("{}.{}.{}", job.run, &hash[..16], job.attempt)
}

impl Worker {
    // ---- Start ----

    pub(super) fn start(&mut self, setup: SetupId, job: Box<Job>, context: &Context) {
        if needs_terminal(&job.test) && !self.has_terminals {
            let note = format!("{}: tty: true needs script(1)", self.name());
            return context.tell(self.id, News::Unfit(Box::new(unfit::settle(&job, Cause::Host, note))));
        }
        if let Err(done) = self.try_start(setup, job, context) {
            context.tell(self.id, News::Ended { done, lost: false });
        }
    }

    fn try_start(&mut self, setup: SetupId, job: Box<Job>, context: &Context) -> Result<(), Box<Done>> {
        if self.connection.is_none() {
            let why = self.away.as_ref().map_or("it is closed", |away| &away.why);
            return Err(Box::new(Done::cut(
                Cause::Host,
                format!("{}: there is no connection: {why}", self.name()),
            )));
        }
        let word =
            Scanner::new_word().map_err(|e| Box::new(Done::impossible(format!("/dev/urandom: {e}"))))?;
        let artifacts =
            Artifacts::create(&job.artifacts).map_err(|e| Box::new(Done::impossible(e.to_string())))?;
        let order = self.order(&job, setup, &word, 0, context).map_err(|e| Box::new(Done::impossible(e)))?;
        let start = self.send_order(order, context);
        let mut attempt = Attempt::new(&job, &word, start, artifacts, context.quotas);
        attempt.set_boot(self.boot.clone());
        let running = Running::new(attempt, job, setup, Instant::now());
        self.state = State::Running(Box::new(running));
        Ok(())
    }

    /// The order to run a test, with its script.
    fn order(
        &self,
        job: &Job,
        setup: SetupId,
        word: &str,
        reboots: u32,
        context: &Context,
    ) -> Result<Vec<u8>, String> {
        let at = Surroundings {
            work_dir: self.work_dir.as_deref().unwrap_or_default(),
            setup: &self.dir_of(setup),
            run: &job.run,
            attempt: job.attempt,
            host: self.name(),
            restarts: reboots,
            is_local: self.is_local(),
            env: context.env.variables(),
        };
        let script = script(&job.test, &at)?;
        let lines =
            if script.len() <= SMALL_SCRIPT { memchr::memchr_iter(b'\n', &script).count() } else { 0 };
        let mut order = format!("run {word} {} {lines} {}\n", script.len(), id(job)).into_bytes();
        order.extend_from_slice(&script);
        Ok(order)
    }

    fn is_local(&self) -> bool {
        matches!(self.record.as_ref().map(|host| &host.connect), Some(Connect::Local))
    }

    /// Gives an order to the agent's session, or to a new one. Returns where the test's spools begin.
    fn send_order(&mut self, order: Vec<u8>, context: &Context) -> SpoolStart {
        // By now it is on record how the test before has ended.
        if let Some(next) = self.serve.as_ref().filter(|serve| !serve.attached).map(|serve| serve.next) {
            self.free(next, FREE_BYTES);
        }
        let order = match &self.serve {
            Some(serve) if !serve.attached => match serve.running.write(order.clone()) {
                Ok(()) => {
                    let (control, output) = serve.next;
                    return SpoolStart { generation: serve.generation, control, output };
                }
                // It has ended meanwhile, or the script is larger than what may wait: it becomes the input.
                Err(_) => order,
            },
            _ => order,
        };
        self.serve = None;
        self.generation += 1;
        let generation = self.generation;
        let command = self.agent(&format!(
            "serve {generation} {} {} {}",
            context.waits.spool_bytes,
            context.waits.orphan.as_secs(),
            context.waits.host.as_secs().max(1)
        ));
        self.open_serve(&command, order, generation, (0, 0), context);
        SpoolStart { generation, control: 0, output: 0 }
    }

    /// Starts a session that brings the spools from these bytes on.
    fn open_serve(
        &mut self,
        command: &str,
        first: impl Into<Vec<u8>>,
        generation: u64,
        at: (u64, u64),
        context: &Context,
    ) {
        let session = self.run(command, Stdin::bytes(first).keep_open(), context);
        self.serve = session.map(|(session, running)| Serve {
            session,
            running,
            generation,
            attached: false,
            next: at,
            freed: at,
        });
    }

    // ---- What comes ----

    pub(super) fn heard_of_tests(&mut self, event: Event, context: &Context) {
        match event {
            Event::Stdout(bytes) => self.came(&bytes, true, context),
            Event::Stderr(bytes) => self.came(&bytes, false, context),
            Event::Ended(end) => {
                self.serve = None;
                self.follower_ended(end, context);
            }
        }
    }

    fn came(&mut self, bytes: &Chunk, is_control: bool, context: &Context) {
        // Between tests nothing is expected, and nothing that comes is anybody's.
        let State::Running(run) = &mut self.state else { return };
        let elapsed = run.started.elapsed();
        run.fruitless = 0;
        if is_control {
            run.attempt.control(bytes, elapsed);
        } else {
            run.attempt.output(bytes);
        }
        for note in run.attempt.notes.drain(..) {
            context.tell(self.id, News::Note(note));
        }
        if let Some(live) = run.attempt.news_of_results() {
            context.tell(self.id, News::Results(live));
        }
        let is_complete = run.attempt.is_complete();
        if !is_complete {
            let now = Instant::now();
            run.save_at.get_or_insert(now + SAVE_TIME);
            // Sooner where the host keeps less: it frees what is saved.
            if run.attempt.unsaved() >= SAVE_BYTES.min(context.waits.spool_bytes / 4) {
                self.save(context);
            }
        }
        self.close_channel(context);
        let State::Running(run) = &self.state else { return };
        if run.attempt.stopped.is_some() && !run.ending.is_by_force() && !is_complete {
            self.kill(context);
        }
        self.caught_up(context);
        self.judge_when_all_is_read(context);
        self.settle_if_complete(context);
    }

    /// Makes a checkpoint, and tells the host what it need not keep.
    fn save(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        run.save_at = None;
        match run.attempt.save(run.started.elapsed()) {
            Ok(()) => {
                let saved = run.attempt.saved_positions();
                self.free(saved, 0);
            }
            // It has been noted that results cannot be stored: that ends the attempt.
            Err(_) => self.kill(context),
        }
    }

    fn free(&mut self, upto: (u64, u64), at_least: u64) {
        let Some(serve) = &mut self.serve else { return };
        let more = upto.0.saturating_sub(serve.freed.0) + upto.1.saturating_sub(serve.freed.1);
        // A queue that is full will be told of later bytes, and these with them.
        if more > at_least && serve.running.write(format!("free {} {}\n", upto.0, upto.1)).is_ok() {
            serve.freed = upto;
        }
    }

    /// A sign of life for the agent.
    pub(crate) fn beat(&self) {
        if let Some(serve) = &self.serve {
            // One that ended, or does not read, is noticed elsewhere.
            let _ = serve.running.write("beat\n");
        }
    }

    /// Once a test has announced a reboot and that is on disk, it must not be able to send any more.
    fn close_channel(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if !run.attempt.disconnecting() || run.told_to_close || run.attempt.is_complete() {
            return;
        }
        run.told_to_close = true;
        self.save(context);
        if let Some(serve) = &self.serve {
            let _ = serve.running.write("close\n");
        }
    }

    /// The session that brings us what the test sends has ended before the test has.
    fn follower_ended(&mut self, end: Result<Exit, ConnectError>, context: &Context) {
        match end {
            Err(error) => self.link_lost(&error, context),
            Ok(_) => match &mut self.state {
                State::Running(run) if run.left.is_some() => {
                    // More of it cannot be had.
                    if let Some(left) = &mut run.left {
                        left.sizes = Some((0, 0));
                    }
                    self.judge_when_all_is_read(context);
                }
                State::Running(_) => self.look(context),
                _ => {}
            },
        }
    }

    // ---- Found again ----

    /// Asks what has become of the test.
    pub(super) fn look(&mut self, context: &Context) {
        let known = self.work_dir.as_ref().map(std::slice::from_ref);
        let dirs: Vec<String> = known.unwrap_or(&self.dirs).iter().map(|dir| super::quote(dir)).collect();
        // Also from a host that has lost its disk over a reboot one wants to know which start this is.
        let command = format!(
            "for d in {}; do if [ -O \"$d/agent\" ]; then exec sh \"$d/agent\" look; fi; done; \
             read -r b </proc/sys/kernel/random/boot_id; read -r l </proc/1/stat; set -- ${{l##*) }}; \
             echo \"boot=$b/${{20}}\"; echo state=none",
            dirs.join(" ")
        );
        self.errand(Step::Look, &command, Stdin::empty(), context);
    }

    pub(super) fn seen(&mut self, answer: &[u8], context: &Context) {
        let sight = Sight::parse(&String::from_utf8_lossy(answer));
        if matches!(self.state, State::Adopting(_)) {
            self.adopt(&sight, context);
        } else {
            self.go_on(&sight, false, context);
        }
    }

    /// `adopted`: what has become of the test since an earlier life of the run is seen for the first time.
    fn go_on(&mut self, sight: &Sight, adopted: bool, context: &Context) {
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
    pub(super) fn sizes_of_what_is_left(&mut self, answer: &[u8], context: &Context) {
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

    fn judge_when_all_is_read(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let Some(Left { sizes: Some(sizes), .. }) = run.left else { return };
        if run.attempt.has_read(sizes)
            && let Some(left) = run.left.take()
        {
            self.serve = None;
            self.judge(&left.sight, true, left.adopted, context);
        }
    }

    fn judge(&mut self, sight: &Sight, is_ours: bool, adopted: bool, context: &Context) {
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
    fn follow(&mut self, sight: &Sight, context: &Context) {
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
    fn rest(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        run.resting = Some(Instant::now() + context.waits.reboot_grace);
    }

    /// The host is still up, or up again without having been down.
    fn rest_or_restart(&mut self, sight: &Sight, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if run.rested {
            run.owed_cut = true;
            self.restart(sight, context);
        }
    }

    /// Starts the test again.
    fn restart(&mut self, sight: &Sight, context: &Context) {
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
    fn set_up_again(&mut self, context: &Context) {
        let State::Running(run) = std::mem::replace(&mut self.state, State::Idle) else { return };
        let Some((setup, needs)) = self.prepared.clone() else { return };
        self.waiting = Some(run);
        self.work_dir = None;
        self.given.forget();
        self.begin_set_up(setup, needs, true, context);
    }

    /// The set-up for a test that is to be started again has ended.
    pub(super) fn set_up_again_ends(
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
    pub(super) fn start_again(&mut self, context: &Context) {
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
    fn adopt(&mut self, sight: &Sight, context: &Context) {
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
        let (attempt, elapsed) = match restored(&job, sight, context) {
            Ok(restored) => restored,
            Err(done) => return context.tell(self.id, News::Ended { done, lost: false }),
        };
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
    pub(super) fn end_adoption(&mut self, by_force: bool, context: &Context) {
        let State::Adopting(adoption) = &mut self.state else { return };
        let now = Instant::now();
        let end_by = if by_force { Some(now) } else { now.checked_add(context.waits.grace) };
        adoption.end_by = adoption.end_by.into_iter().chain(end_by).min();
    }

    /// The host has not been found in time.
    pub(super) fn host_lost(&mut self, why: String, context: &Context) {
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

    // ---- The end ----

    pub(super) fn settle_if_complete(&mut self, context: &Context) {
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

    fn settle(&mut self, lost: bool, context: &Context) {
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
            self.drop_link(Duration::ZERO, done.note.clone().unwrap_or_default());
            self.stay_away();
        }
        context.tell(self.id, News::Ended { done, lost });
    }

    pub(super) fn stop(&mut self, cause: Cause, note: String) {
        match (&mut self.state, &mut self.waiting) {
            (State::Running(run), _) | (_, Some(run)) => run.attempt.stop(cause, note),
            _ => {}
        }
    }

    /// The time is over: what lies in the spools at this moment counts still.
    fn catch_up(&mut self, now: Instant, context: &Context) {
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

    pub(super) fn sizes(&mut self, answer: &[u8], context: &Context) {
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
    fn caught_up(&mut self, context: &Context) {
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

    pub(super) fn ask_to_end(&mut self, context: &Context) {
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
            self.errand(stop, &self.agent("stop TERM"), Stdin::empty(), context);
        }
    }

    pub(super) fn kill(&mut self, context: &Context) {
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
        // Two at a time might leave one under way that hits the next test.
        if self.errand.is_none() && self.connection.is_some() {
            let stop = Step::Stop { by_force: true };
            self.errand(stop, &self.agent("stop KILL"), Stdin::empty(), context);
        }
    }

    /// After an errand: killing has been put off until it was done.
    pub(super) fn kill_if_put_off(&mut self, done: Step, context: &Context) {
        if let State::Running(run) = &self.state
            && run.ending.is_by_force()
            && self.errand.is_none()
            && done != (Step::Stop { by_force: true })
        {
            self.kill(context);
        }
    }

    pub(super) fn running_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Running(run) => Some(run.deadline()),
            _ => None,
        }
    }

    /// Something that was waited for until now has not happened.
    pub(super) fn tick_running(&mut self, now: Instant, context: &Context) {
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
