//! One host: a state machine that carries out orders over its connection.
//!
//! It speaks to `agent.sh` on the host, which it brings along.

mod facts;
mod jobs;
mod kept;
mod link;
mod look;
mod running;
mod setup;

use std::sync::Arc;
use std::time::{Duration, Instant};

use atex_connect::{ConnectError, Connection, Event, Exit, Session, Stdin};
use atex_model::{Host, report::Cause};
use atex_schedule::HostId;

use self::facts::Inquiry;
use self::link::Away;
use self::running::{Running, Serve};
use self::setup::{Given, SettingUp, Stage};
use crate::adoption::Adoption;
use crate::attempt::Done;
use crate::needs::Needs;
use crate::pool::{Context, Input, News, Order, Prepared};

/// How much of a small command's output is kept, for its answer or its error.
const ANSWER_BYTES: usize = 64 << 10;

/// With this line on both of its streams begins what the agent's session for tests brings.
const READY: &[u8] = b"atex: ready\n";

/// See the module's documentation.
pub(crate) struct Worker {
    id: HostId,
    record: Option<Arc<Host>>,
    connection: Option<Connection>,
    /// A connection is being made.
    opening: bool,
    /// There is no connection although there was one, or should be.
    away: Option<Away>,
    /// Where the run's directory on the host may be made, best first.
    dirs: Vec<String>,
    /// An earlier life of the run may have left something there.
    again: bool,
    /// Where it was made.
    work_dir: Option<String>,
    /// Which start of the host this is, as it says itself.
    boot: String,
    /// What it was last set up with.
    prepared: Option<(Arc<Prepared>, Arc<Needs>)>,
    /// A test there can have a terminal.
    has_terminals: bool,
    /// What set-ups have brought there.
    given: Given,
    /// The session that brings what tests send.
    serve: Option<Serve>,
    /// Numbers the agent's sessions that run tests: each has spools of its own.
    generation: u64,
    /// Numbers sessions, so that what a forgotten one still says is not taken for another's.
    last_session: u64,
    errand: Option<Errand>,
    /// What has been asked of the host beside that.
    inquiry: Inquiry,
    state: State,
    /// The test that is started again once the host has been set up again.
    waiting: Option<Box<Running>>,
    /// The host is gone.
    is_condemned: bool,
}

enum State {
    /// It is reached for the first time.
    Opening,
    Idle,
    SettingUp(Box<SettingUp>),
    /// It may still run a test that was started before we were.
    Adopting(Box<Adoption>),
    Running(Box<Running>),
    /// It was given up. It may come back.
    Lost,
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
    /// A session that is dropped has its input closed.
    running: Option<Session>,
}

impl Errand {
    /// Whether the agent has said all that it says by itself.
    fn is_ready(&self) -> bool {
        self.what == Step::SetUp(Stage::Hello)
            && [&self.out, &self.err].into_iter().all(|said| said.ends_with(READY))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    SetUp(Stage),
    Look,
    Left,
    Sizes,
    Stop {
        by_force: bool,
    },
    /// The end of the session that runs tests, which cleans up.
    Farewell,
    Bye,
}

impl Worker {
    pub fn new(id: HostId) -> Worker {
        Worker {
            id,
            record: None,
            connection: None,
            opening: false,
            away: None,
            dirs: Vec::new(),
            again: false,
            work_dir: None,
            boot: String::new(),
            prepared: None,
            has_terminals: false,
            given: Given::default(),
            serve: None,
            generation: 0,
            last_session: 0,
            errand: None,
            inquiry: Inquiry::default(),
            state: State::Opening,
            waiting: None,
            is_condemned: false,
        }
    }

    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// When [`Worker::tick`] is to be called next.
    pub fn deadline(&self, context: &Context) -> Option<Instant> {
        let errand = self.errand.as_ref().and_then(|errand| errand.until);
        let set_up = match &self.state {
            State::SettingUp(work) => Some(work.until),
            _ => None,
        };
        let again = self.away.as_ref().and_then(|away| away.again);
        let facts = self.inquiry.deadline();
        let times = [errand, facts, set_up, again, self.give_up_at(context), self.running_deadline()];
        times.into_iter().flatten().min()
    }

    pub fn handle(&mut self, input: Input, context: &Context) {
        match input {
            Input::Order(_, order) => self.obey(order, context),
            Input::Opened(_, opened) => self.opened(opened, context),
            Input::Session(_, session, event) => self.heard(session, event, context),
            Input::Quit => {}
            Input::Closed(_) => {
                self.state = State::Gone;
                context.tell(self.id, News::Left);
            }
        }
    }

    /// Something that was waited for until now has not happened.
    pub fn tick(&mut self, now: Instant, context: &Context) {
        if self.errand.as_ref().and_then(|errand| errand.until).is_some_and(|until| until <= now) {
            return self.no_answer(context);
        }
        if self.inquiry.deadline().is_some_and(|until| until <= now) {
            return self.facts_overdue(context);
        }
        if self.give_up_at(context).is_some_and(|until| until <= now) {
            return self.give_up(context);
        }
        if self.away.as_ref().and_then(|away| away.again).is_some_and(|again| again <= now) {
            self.seek(context);
        }
        match &self.state {
            State::SettingUp(work) if work.until <= now => self.set_up_takes_too_long(context),
            State::Running(_) => self.tick_running(now, context),
            _ => {}
        }
    }

    fn obey(&mut self, order: Order, context: &Context) {
        match order {
            Order::Join { record, dirs, keep, again, ask, adopt } => {
                self.record = Some(record);
                self.dirs = dirs;
                self.again = again;
                self.inquiry.at_first = ask;
                self.given.keep = keep;
                self.state = adopt.map_or(State::Opening, State::Adopting);
                self.need_link(context);
            }
            Order::SetUp { setup, needs, clean } => {
                self.prepared = Some((Arc::clone(&setup), Arc::clone(&needs)));
                if clean {
                    // The agent's greeting ends it.
                    self.serve = None;
                }
                // Without a connection it begins once there is one.
                self.begin_set_up(setup, needs, clean, context);
                self.need_link(context);
            }
            Order::Describe(record) => self.record = Some(record),
            Order::Inquire => self.inquire(context),
            Order::Lose(why) => self.lose(why, context),
            // A hook has kept it back until now.
            Order::Start { .. } if self.is_condemned => {
                let done = Box::new(Done::cut(Cause::Host, format!("{}: it is gone", self.name())));
                context.tell(self.id, News::Ended { done, lost: true });
            }
            Order::Start { setup, job, needs } => self.make_ready(setup, job, needs, context),
            Order::Cancel | Order::Kill
                if matches!(self.state, State::SettingUp(_)) && self.waiting.is_none() =>
            {
                self.cancel_set_up(context);
            }
            Order::Cancel | Order::Kill if matches!(self.state, State::Adopting(_)) => {
                self.end_adoption(matches!(order, Order::Kill), context);
            }
            Order::Cancel => {
                self.stop(Cause::Cancelled, "cancelled".into());
                self.ask_to_end(context);
            }
            Order::Kill => {
                self.stop(Cause::Cancelled, "cancelled".into());
                self.kill(context);
            }
            Order::Leave => self.take_leave(context),
            Order::Undo => self.undo(context),
        }
    }

    /// The host is gone: nothing is to be expected of it.
    fn lose(&mut self, why: String, context: &Context) {
        self.is_condemned = true;
        match self.state {
            State::Running(_) | State::Adopting(_) => self.host_lost(why, context),
            State::SettingUp(_) => self.host_fails(why, context),
            State::Idle => self.drop_link(Duration::ZERO, why, context),
            State::Opening | State::Lost | State::Leaving | State::Gone => {}
        }
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
        let limited = !matches!(what, Step::SetUp(stage) if stage.takes_its_time());
        let until = limited.then(|| Instant::now() + context.waits.host);
        let Some((session, running)) = self.run(command, stdin, context) else { return };
        let running = Some(running);
        self.errand = Some(Errand { session, what, out: Vec::new(), err: Vec::new(), until, running });
    }

    /// The command line of the agent with these arguments, which are plain words.
    fn agent(&self, arguments: &str) -> String {
        let dir = self.work_dir.as_deref().unwrap_or_default();
        format!("exec sh {} {arguments}", quote(&format!("{dir}/agent")))
    }

    fn heard(&mut self, session: u64, event: Event, context: &Context) {
        if self.serve.as_ref().is_some_and(|serve| serve.session == session) {
            return self.heard_of_tests(event, context);
        }
        if self.inquiry.is_in(session) {
            return self.heard_of_facts(event, context);
        }
        let Some(errand) = self.errand.as_mut().filter(|errand| errand.session == session) else { return };
        match event {
            Event::Stdout(bytes) if errand.what == Step::SetUp(Stage::Job) => {
                self.job_printed(&bytes, context)
            }
            Event::Stderr(bytes) if errand.what == Step::SetUp(Stage::Job) => self.job_said(&bytes, context),
            Event::Stdout(bytes) => keep(&mut errand.out, &bytes),
            Event::Stderr(bytes) => keep(&mut errand.err, &bytes),
            Event::Ended(end) => {
                if let Some(errand) = self.errand.take() {
                    self.errand_ended(&errand, end, context);
                }
                return;
            }
        }
        if let Some(errand) = self.errand.take_if(|errand| errand.is_ready()) {
            self.greeted_by_serve(errand, context);
        }
    }

    fn errand_ended(&mut self, errand: &Errand, end: Result<Exit, ConnectError>, context: &Context) {
        match &end {
            Err(error @ ConnectError::Lost { .. }) => return self.link_lost(error, context),
            // A host that takes no more commands is of no use to a test either.
            Err(error) if matches!(self.state, State::Running(_) | State::Adopting(_)) => {
                return self.link_lost(error, context);
            }
            _ => {}
        }
        match errand.what {
            Step::SetUp(stage) => self.stage_ended(stage, errand, end, context),
            Step::Look => self.seen(&errand.out, context),
            Step::Left => self.sizes_of_what_is_left(&errand.out, context),
            Step::Sizes => {
                self.sizes(&errand.out, context);
                // Its end may have come meanwhile.
                self.settle_if_complete(context);
            }
            Step::Stop { .. } => self.settle_if_complete(context),
            Step::Farewell if !matches!(&end, Ok(exit) if exit.is_success()) => self.say_bye(context),
            Step::Farewell | Step::Bye => self.close(context),
        }
        self.kill_if_put_off(errand.what, context);
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

    /// The host has not answered to a small command in time.
    fn no_answer(&mut self, context: &Context) {
        let Some(errand) = self.errand.take() else { return };
        let message = format!("{}: no answer within {}", self.name(), shown(context.waits.host));
        match errand.what {
            Step::SetUp(_) => self.host_fails(message, context),
            Step::Farewell | Step::Bye => self.close(context),
            // A connection on which nothing is answered is none.
            Step::Look | Step::Left | Step::Sizes | Step::Stop { .. } => {
                self.drop_link(context.waits.host, message, context);
                self.seek(context);
            }
        }
    }

    // ---- The end ----

    /// Leaves nothing of ours on the host.
    fn leave(&mut self, context: &Context) {
        self.state = State::Leaving;
        if self.is_condemned {
            return self.close(context);
        }
        // A host that stays as it is has more than that session knows of.
        let serve = self.serve.take().filter(|_| !self.given.keep);
        match (&self.work_dir, &self.connection) {
            (_, Some(_)) => match serve.and_then(Serve::farewell) {
                Some((session, running)) => {
                    let until = Some(Instant::now() + context.waits.host);
                    let (out, err, running) = (Vec::new(), Vec::new(), Some(running));
                    self.errand = Some(Errand { session, what: Step::Farewell, out, err, until, running });
                }
                None => self.say_bye(context),
            },
            (None, None) => self.close(context),
            // What is left there may still run. It is sought for as long as any host is that was lost then.
            (Some(_), None) => {
                if self.away.is_none() {
                    self.need_link(context);
                }
                self.seek(context);
            }
        }
    }

    /// Has the agent end what runs there and remove all.
    fn say_bye(&mut self, context: &Context) {
        let command = if self.work_dir.is_some() {
            // What a greeting does is what is left to do on a host that stays as it is.
            self.agent(if self.given.keep { "hello" } else { "bye" })
        } else if self.again {
            // It has not been set up in this life of the run, but may have been in an earlier one.
            let dirs: Vec<String> = self.dirs.iter().map(|dir| quote(dir)).collect();
            let dirs = dirs.join(" ");
            let end = if self.given.keep { "hello" } else { "bye; rm -rf \"$d\"" };
            format!("for d in {dirs}; do if [ -O \"$d/agent\" ]; then sh \"$d/agent\" {end}; fi; done; true")
        } else {
            return self.close(context);
        };
        self.errand(Step::Bye, &command, Stdin::empty(), context);
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
