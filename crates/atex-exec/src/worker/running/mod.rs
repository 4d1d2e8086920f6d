//! A test that runs on the host: started, followed, found again, started again after a reboot, ended.

mod ending;
mod found;

use std::time::{Duration, Instant};

use atex_connect::{Chunk, ConnectError, Event, Exit, Session, Stdin};
use atex_model::{Connect, report::Cause};
use atex_schedule::SetupId;

use super::look::Sight;
use super::{READY, State, Worker};
use crate::artifacts::Artifacts;
use crate::attempt::{Attempt, Done, Job, SpoolStart};
use crate::pool::{Context, News};
use crate::script::{Surroundings, needs_terminal, script};
use crate::trailer::{Scanner, word_of};
use crate::unfit;

/// A script of so many bytes a shell reads, byte by byte, sooner than it starts another program for that.
const SMALL_SCRIPT: usize = 4096;

/// How often a test that is to end is killed again: it may not have begun when it was killed first.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// A checkpoint is made so long after the first bytes that are in none.
const SAVE_TIME: Duration = Duration::from_secs(1);

/// A checkpoint is made after so many bytes that are in none.
const SAVE_BYTES: u64 = 64 << 20;

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
    /// The end of what came on each stream before the agent was ready.
    before: [Option<Vec<u8>>; 2],
}

impl Serve {
    /// One that is ready for tests, and has run none.
    pub(super) fn new(session: u64, running: Session, generation: u64) -> Serve {
        let (next, freed) = ((0, 0), (0, 0));
        Serve { session, running, generation, attached: false, next, freed, before: [None, None] }
    }

    /// What of these bytes tests have sent.
    fn own<'a>(&mut self, bytes: &'a [u8], is_control: bool) -> &'a [u8] {
        let slot = &mut self.before[usize::from(!is_control)];
        let Some(before) = slot else { return bytes };
        let length = before.len();
        before.extend_from_slice(bytes);
        if let Some(at) = memchr::memmem::find(before, READY) {
            *slot = None;
            return &bytes[at + READY.len() - length..];
        }
        before.drain(..before.len().saturating_sub(READY.len() - 1));
        &[]
    }

    /// Has it clean up and end. None: another session has to.
    pub(super) fn farewell(self) -> Option<(u64, Session)> {
        let is_told = !self.attached && self.running.write("bye\n").is_ok();
        is_told.then_some((self.session, self.running))
    }
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

    /// Why it is to end, as its host is told: whoever finds it there may not know.
    fn cause(&self) -> &'static str {
        word_of(self.attempt.stopped.as_ref().map_or(Cause::Own, |stopped| stopped.cause))
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

    /// Whether it is being ended. One that has been asked to end has its time for that, whatever it says meanwhile.
    fn is_decided(self) -> bool {
        matches!(self, Ending::Asked { .. } | Ending::Killing { .. })
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
        let command = self.agent(&format!("serve {}", self.serve_words(context)));
        self.open_serve(&command, order, generation, (0, 0), context);
        SpoolStart { generation, control: 0, output: 0 }
    }

    /// What the agent is told that is to run tests.
    pub(super) fn serve_words(&self, context: &Context) -> String {
        let waits = &context.waits;
        let (orphan, full) = (waits.orphan.as_secs(), waits.host.as_secs().max(1));
        let share = waits.spool.share.map(|share| format!("/{share}")).unwrap_or_default();
        format!("{} {}{share} {orphan} {full}", self.generation, waits.spool.bytes)
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
            next: at,
            freed: at,
            before: [Some(Vec::new()), Some(Vec::new())],
            ..Serve::new(session, running, generation)
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
        let Some(serve) = &mut self.serve else { return };
        let bytes = serve.own(bytes, is_control);
        if bytes.is_empty() {
            return;
        }
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
        for mark in run.attempt.marks.drain(..) {
            context.tell(self.id, News::Mark(mark));
        }
        if let Some(live) = run.attempt.news_of_results() {
            context.tell(self.id, News::Results(live));
        }
        let is_complete = run.attempt.is_complete();
        if !is_complete {
            let now = Instant::now();
            run.save_at.get_or_insert(now + SAVE_TIME);
            // Sooner where the host keeps less: it frees what is saved.
            if run.attempt.unsaved() >= SAVE_BYTES.min(context.waits.spool.bytes / 4) {
                self.save(context);
            }
        }
        self.close_channel(context);
        let State::Running(run) = &self.state else { return };
        if run.attempt.stopped.is_some() && !run.ending.is_decided() && !is_complete {
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
}
