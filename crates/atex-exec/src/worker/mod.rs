//! One host: a state machine that carries out orders over its connection.
//!
//! It speaks to `agent.sh` on the host, which it brings along.

mod setup;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atex_connect::{ConnectError, Connection, Event, Exit, Session, Stdin, Target};
use atex_model::{Connect, Host, report::Cause};
use atex_schedule::{HostId, SetupId};

use crate::adoption::{Adoption, cut_short};
use crate::artifacts::Artifacts;
use crate::attempt::{Attempt, Done, Job};
use crate::pool::{Context, Input, News, Order, Prepared};
use crate::script::{Surroundings, script};
use crate::trailer::Scanner;
use crate::worker::setup::dir_of;

/// How much of a small command's output is kept, for its answer or its error.
const ANSWER_BYTES: usize = 64 << 10;

/// A script of so many bytes a shell reads, byte by byte, sooner than it starts another program for that.
const SMALL_SCRIPT: usize = 4096;

/// How often a test that is to end is killed again: it may not have begun when it was killed first.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(crate) struct Worker {
    id: HostId,
    connection: Option<Connection>,
    record: Option<Arc<Host>>,
    /// Where the run's directory on the host may be made, best first.
    dirs: Vec<String>,
    /// An earlier life of the run may have left something there.
    again: bool,
    adopt: Option<Box<Adoption>>,
    /// Where it was made.
    work_dir: Option<String>,
    /// Set-ups whose files have been sent.
    sent: BTreeSet<SetupId>,
    /// Numbers sessions, so that what a forgotten one still says is not taken for another's.
    last_session: u64,
    errand: Option<Errand>,
    state: State,
}

enum State {
    Opening,
    Idle,
    SettingUp { setup: Arc<Prepared>, until: Instant },
    Running(Box<Running>),
    Leaving,
    Gone,
}

/// A small command on the host.
struct Errand {
    session: u64,
    what: Step,
    out: Vec<u8>,
    err: Vec<u8>,
    until: Option<Instant>,
    /// Held because a session that is dropped has its input closed.
    _running: Session,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Hello,
    Has,
    Give,
    Sizes,
    Stop { by_force: bool },
    Bye,
}

/// A test that runs.
struct Running {
    session: u64,
    attempt: Attempt,
    started: Instant,
    ending: Ending,
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

impl Worker {
    pub fn new(id: HostId) -> Worker {
        Worker {
            id,
            connection: None,
            record: None,
            dirs: Vec::new(),
            again: false,
            adopt: None,
            work_dir: None,
            sent: BTreeSet::new(),
            last_session: 0,
            errand: None,
            state: State::Opening,
        }
    }

    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// When [`Worker::tick`] is to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        let errand = self.errand.as_ref().and_then(|errand| errand.until);
        let state = match &self.state {
            State::SettingUp { until, .. } => Some(*until),
            State::Running(run) => Some(run.deadline()),
            _ => None,
        };
        errand.into_iter().chain(state).min()
    }

    pub fn handle(&mut self, input: Input, context: &Context) {
        match input {
            Input::Order(_, order) => self.obey(order, context),
            Input::Opened(_, Ok(connection)) => {
                self.connection = Some(connection);
                self.state = State::Idle;
                context.tell(self.id, News::Ready);
                if let Some(Adoption { setup, job }) = self.adopt.take().map(|adoption| *adoption) {
                    let (test, setup) = (job.test.name.escape_debug(), dir_of(setup.id));
                    log::debug!(
                        "{}: {test}, attempt {}, of {setup}: not attached again",
                        self.name(),
                        job.attempt
                    );
                    let done = Box::new(cut_short(Cause::Own, "cut short when atex-exec ended".into()));
                    context.tell(self.id, News::Ended { done, lost: false });
                }
            }
            Input::Opened(_, Err(error)) => {
                self.state = State::Gone;
                context.tell(self.id, News::Unreachable(error.to_string()));
            }
            Input::Session(_, session, event) => self.heard(session, event, context),
            Input::Closed(_) => {
                self.state = State::Gone;
                context.tell(self.id, News::Left);
            }
        }
    }

    fn obey(&mut self, order: Order, context: &Context) {
        match order {
            Order::Join { record, dirs, again, adopt } => {
                (self.again, self.adopt) = (again, adopt);
                self.join(record, dirs, context);
            }
            Order::SetUp { setup, clean } => {
                let until = Instant::now() + context.waits.setup;
                self.state = State::SettingUp { setup, until };
                self.begin_set_up(clean, context);
            }
            Order::Start { setup, job } => self.start(setup, &job, context),
            Order::Cancel => {
                self.stop(Cause::Cancelled, "cancelled".into());
                self.ask_to_end(context);
            }
            Order::Kill => {
                self.stop(Cause::Cancelled, "cancelled".into());
                self.kill(context);
            }
            Order::Leave => self.leave(context),
        }
    }

    fn join(&mut self, record: Arc<Host>, dirs: Vec<String>, context: &Context) {
        let target = match &record.connect {
            Connect::Local => Target::Local,
            Connect::Command(command) => Target::Command { argv: command.argv.clone() },
            Connect::Ssh(ssh) => Target::Ssh(atex_connect::Ssh {
                host: ssh.host.clone(),
                user: ssh.user.clone(),
                port: ssh.port,
                identity: ssh.identity.as_ref().map(Into::into),
                options: ssh.options.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            }),
        };
        self.record = Some(record);
        self.dirs = dirs;
        let (inbox, id) = (context.inbox.clone(), self.id);
        context.connector.open(target, move |opened| {
            let _ = inbox.send(Input::Opened(id, opened));
        });
    }

    // ---- Sessions ----

    /// Starts a command on the host. Without a connection there is nothing to start, which the caller has
    /// to have seen to.
    fn run(&mut self, command: &str, stdin: Stdin, context: &Context) -> Option<(u64, Session)> {
        self.last_session += 1;
        let (inbox, id, number) = (context.inbox.clone(), self.id, self.last_session);
        let session = self.connection.as_ref()?.run(command, stdin, move |event| {
            let _ = inbox.send(Input::Session(id, number, event));
        });
        Some((number, session))
    }

    fn errand(&mut self, what: Step, command: &str, stdin: Stdin, context: &Context) {
        // Sending files takes as long as it takes, within the limit of the whole set-up.
        let limited = !matches!(what, Step::Has | Step::Give);
        let until = limited.then(|| Instant::now() + context.waits.host);
        let Some((session, running)) = self.run(command, stdin, context) else { return };
        self.errand =
            Some(Errand { session, what, out: Vec::new(), err: Vec::new(), until, _running: running });
    }

    /// The command line of the agent with these arguments, which are plain words.
    fn agent(&self, arguments: &str) -> String {
        let dir = self.work_dir.as_deref().unwrap_or_default();
        format!("exec sh {} {arguments}", quote(&format!("{dir}/agent")))
    }

    fn heard(&mut self, session: u64, event: Event, context: &Context) {
        if let State::Running(run) = &mut self.state
            && run.session == session
        {
            return self.heard_of_test(event, context);
        }
        let Some(errand) = self.errand.as_mut().filter(|errand| errand.session == session) else { return };
        match event {
            Event::Stdout(bytes) => keep(&mut errand.out, &bytes),
            Event::Stderr(bytes) => keep(&mut errand.err, &bytes),
            Event::Ended(end) => {
                if let Some(errand) = self.errand.take() {
                    self.errand_ended(&errand, end, context);
                }
            }
        }
    }

    fn errand_ended(&mut self, errand: &Errand, end: Result<Exit, ConnectError>, context: &Context) {
        match errand.what {
            Step::Hello | Step::Has | Step::Give => self.set_up_errand_ended(errand, end, context),
            Step::Sizes => self.sizes(&errand.out, context),
            Step::Stop { .. } => self.settle_if_complete(context),
            Step::Bye => self.close(context),
        }
        // Killing has been put off until the errand was done.
        if let State::Running(run) = &self.state
            && run.ending.is_by_force()
            && self.errand.is_none()
            && errand.what != (Step::Stop { by_force: true })
        {
            self.kill(context);
        }
    }

    /// What a command on the host said that failed.
    fn complaint(&self, err: &[u8]) -> String {
        let text = String::from_utf8_lossy(err);
        let text = text.trim();
        let text = if text.is_empty() { "a command failed there without a word" } else { text };
        format!("{}: {text}", self.name())
    }

    fn name(&self) -> &str {
        self.record.as_ref().map_or("host", |record| &record.id)
    }

    // ---- A test ----

    fn start(&mut self, setup: SetupId, job: &Job, context: &Context) {
        match self.try_start(setup, job, context) {
            Ok(run) => self.state = State::Running(Box::new(run)),
            Err(problem) => {
                let done = Box::new(Done::impossible(problem));
                context.tell(self.id, News::Ended { done, lost: false });
            }
        }
    }

    fn try_start(&mut self, setup: SetupId, job: &Job, context: &Context) -> Result<Running, String> {
        let word = Scanner::new_word().map_err(|e| format!("/dev/urandom: {e}"))?;
        let artifacts = Artifacts::create(&job.artifacts).map_err(|e| e.to_string())?;
        let at = Surroundings {
            work_dir: self.work_dir.as_deref().unwrap_or_default(),
            setup: &dir_of(setup),
            run: &job.run,
            attempt: job.attempt,
            host: self.name(),
        };
        let script = script(&job.test, &at)?;
        let lines =
            if script.len() <= SMALL_SCRIPT { memchr::memchr_iter(b'\n', &script).count() } else { 0 };
        let command = self.agent(&format!("run {} {word} {lines}", script.len()));
        let started = Instant::now();
        let running = self.run(&command, Stdin::bytes(script).keep_open(), context);
        let (session, running) = running.ok_or_else(|| format!("{}: there is no connection", self.name()))?;
        let attempt = Attempt::new(job, &word, running, artifacts);
        Ok(Running { session, attempt, started, ending: Ending::No })
    }

    fn heard_of_test(&mut self, event: Event, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let elapsed = run.started.elapsed();
        match event {
            Event::Stdout(bytes) => run.attempt.control(&bytes, elapsed),
            Event::Stderr(bytes) => run.attempt.output(&bytes),
            Event::Ended(end) => return self.follower_ended(end, context),
        }
        for note in run.attempt.notes.drain(..) {
            context.tell(self.id, News::Note(note));
        }
        if run.attempt.stopped.is_some() && !run.ending.is_by_force() && !run.attempt.is_complete() {
            self.kill(context);
        }
        self.caught_up(context);
        self.settle_if_complete(context);
    }

    /// The command that brings us what the test sends has ended before the test has.
    fn follower_ended(&mut self, end: Result<Exit, ConnectError>, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        match end {
            Err(error) => {
                run.attempt.stop(Cause::Host, error.to_string());
                self.settle(true, context);
            }
            Ok(_) => {
                run.attempt.stop(Cause::Host, "the test's wrapper has ended without a word".into());
                self.settle(false, context);
            }
        }
    }

    fn settle_if_complete(&mut self, context: &Context) {
        // An errand that is still under way would hit the next test.
        if let State::Running(run) = &self.state
            && run.attempt.is_complete()
            && self.errand.is_none()
        {
            self.settle(false, context);
        }
    }

    fn settle(&mut self, lost: bool, context: &Context) {
        let State::Running(run) = std::mem::replace(&mut self.state, State::Idle) else { return };
        let done = Box::new(run.attempt.finish(run.started.elapsed()));
        if lost {
            self.state = State::Gone;
        }
        context.tell(self.id, News::Ended { done, lost });
    }

    // ---- The end of a test that does not end by itself ----

    fn stop(&mut self, cause: Cause, note: String) {
        if let State::Running(run) = &mut self.state {
            run.attempt.stop(cause, note);
        }
    }

    /// The time is over: what lies in the spools at this moment counts still.
    fn catch_up(&mut self, now: Instant, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        run.ending = Ending::Catching { until: now + context.waits.host, sizes: None };
        self.errand(Step::Sizes, &self.agent("sizes"), Stdin::empty(), context);
    }

    fn sizes(&mut self, answer: &[u8], context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let text = String::from_utf8_lossy(answer);
        let mut numbers = text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
        if let Ending::Catching { sizes, .. } = &mut run.ending {
            *sizes = numbers.next().zip(numbers.next());
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

    fn ask_to_end(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        if run.ending.is_by_force() {
            return;
        }
        run.ending = Ending::Asked { until: Instant::now() + context.waits.grace };
        if self.errand.is_none() {
            let stop = Step::Stop { by_force: false };
            self.errand(stop, &self.agent("stop TERM"), Stdin::empty(), context);
        }
    }

    fn kill(&mut self, context: &Context) {
        let State::Running(run) = &mut self.state else { return };
        let now = Instant::now();
        let until = match run.ending {
            Ending::Killing { until, .. } => until,
            _ => now + context.waits.host,
        };
        run.ending = Ending::Killing { again: now + KILL_AGAIN, until };
        // Two at a time might leave one under way that hits the next test.
        if self.errand.is_none() {
            let stop = Step::Stop { by_force: true };
            self.errand(stop, &self.agent("stop KILL"), Stdin::empty(), context);
        }
    }

    /// Something that was waited for until now has not happened.
    pub fn tick(&mut self, now: Instant, context: &Context) {
        if self.errand.as_ref().and_then(|errand| errand.until).is_some_and(|until| until <= now) {
            return self.no_answer(context);
        }
        match &mut self.state {
            State::SettingUp { until, .. } if *until <= now => {
                let message = format!("{}: not set up within {}", self.name(), shown(context.waits.setup));
                self.set_up_ends(Err(message), context);
            }
            State::Running(run) => match run.ending {
                Ending::No if run.attempt.is_over(run.started.elapsed()) => self.catch_up(now, context),
                Ending::Catching { until, .. } if until <= now => {
                    run.attempt.stop_at_limit();
                    self.kill(context);
                }
                Ending::Asked { until } if until <= now => self.kill(context),
                Ending::Killing { until, .. } if until <= now => self.settle(false, context),
                Ending::Killing { again, .. } if again <= now => self.kill(context),
                _ => {}
            },
            _ => {}
        }
    }

    /// The host has not answered to a small command in time.
    fn no_answer(&mut self, context: &Context) {
        let Some(errand) = self.errand.take() else { return };
        let message = format!("{}: no answer within {}", self.name(), shown(context.waits.host));
        match errand.what {
            Step::Hello | Step::Has | Step::Give => self.set_up_ends(Err(message), context),
            Step::Bye => self.close(context),
            Step::Sizes | Step::Stop { .. } => {
                self.stop(Cause::Host, message);
                self.settle(true, context);
            }
        }
    }

    // ---- The end ----

    /// Leaves nothing of ours on the host.
    fn leave(&mut self, context: &Context) {
        self.state = State::Leaving;
        if self.work_dir.is_some() && self.connection.is_some() {
            self.errand(Step::Bye, &self.agent("bye"), Stdin::empty(), context);
        } else if self.again && self.connection.is_some() {
            // It has not been set up in this life, but may have been in an earlier one.
            let dirs: Vec<String> = self.dirs.iter().map(|dir| quote(dir)).collect();
            let dirs = dirs.join(" ");
            let command = format!(
                "for d in {dirs}; do [ -O \"$d\" ] && {{ sh \"$d/agent\" bye; rm -rf \"$d\"; }}; done; true"
            );
            self.errand(Step::Bye, &command, Stdin::empty(), context);
        } else {
            self.close(context);
        }
    }

    fn close(&mut self, context: &Context) {
        let (inbox, id) = (context.inbox.clone(), self.id);
        let closed = move || {
            let _ = inbox.send(Input::Closed(id));
        };
        match self.connection.take() {
            Some(connection) => connection.close(closed),
            None => closed(),
        }
    }
}

impl Running {
    fn deadline(&self) -> Instant {
        match self.ending {
            // A limit of centuries is beyond what an Instant holds.
            Ending::No => {
                let left = self.attempt.left(self.started.elapsed());
                Instant::now().checked_add(left).unwrap_or_else(|| Instant::now() + FAR)
            }
            Ending::Catching { until, .. } | Ending::Asked { until } => until,
            Ending::Killing { again, until } => again.min(until),
        }
    }
}

/// Further away than any run lasts.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl Ending {
    fn is_by_force(self) -> bool {
        matches!(self, Ending::Killing { .. })
    }
}

fn keep(answer: &mut Vec<u8>, bytes: &[u8]) {
    let room = ANSWER_BYTES.saturating_sub(answer.len());
    answer.extend_from_slice(&bytes[..room.min(bytes.len())]);
}

fn quote(text: &str) -> String {
    // It refuses NUL only, which no path that we make or were told by a host's shell holds.
    shlex::try_quote(text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

fn shown(wait: Duration) -> String {
    atex_control::format_duration(wait)
}
