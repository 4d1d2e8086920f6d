//! The connection to the host: made, lost, sought again.

use std::time::{Duration, Instant};

use atex_connect::{ConnectError, Connection, Target};

use super::{State, Worker, shown};
use crate::pool::{Context, Input, News};

/// The pause before a lost host is tried for the second time; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause between two tries while something waits for the host.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The pause while nothing waits for it.
const IDLE_PAUSE: Duration = Duration::from_secs(20);

/// A host that is out of reach.
#[derive(Debug)]
pub(super) struct Away {
    /// Since when it has not been heard of.
    pub since: Instant,
    /// When it is tried next. None: a try is under way, or nobody needs the host.
    pub again: Option<Instant>,
    pause: Duration,
    /// What the last try said.
    pub why: String,
}

impl Worker {
    fn target(&self) -> Option<Target> {
        Some(Target::from(&self.record.as_ref()?.connect))
    }

    /// Begins to connect, unless that is under way.
    pub(super) fn seek(&mut self, context: &Context) {
        if let Some(away) = &mut self.away {
            away.again = None;
        }
        let Some(target) = self.target().filter(|_| !self.opening) else { return };
        self.opening = true;
        let (inbox, id) = (context.inbox.clone(), self.id);
        context.connector.open(target, move |opened| {
            let _ = inbox.send(Input::Opened(id, opened));
        });
    }

    /// Makes sure that there is a connection, or will be: [`Worker::connected`] is called then.
    pub(super) fn need_link(&mut self, context: &Context) {
        if self.connection.is_none() {
            self.out_of_reach(Instant::now(), String::new());
            self.seek(context);
        }
    }

    fn out_of_reach(&mut self, since: Instant, why: String) {
        self.away = Some(Away { since, again: None, pause: FIRST_PAUSE, why });
    }

    pub(super) fn opened(&mut self, opened: Result<Connection, ConnectError>, context: &Context) {
        self.opening = false;
        match opened {
            Ok(connection) => {
                self.connection = Some(connection);
                self.away = None;
                self.connected(context);
            }
            Err(error) => self.not_opened(&error, context),
        }
    }

    fn connected(&mut self, context: &Context) {
        match &self.state {
            State::Opening if self.inquiry.at_first => {
                if !self.ask_facts(context) {
                    self.is_ready(context);
                }
            }
            State::Opening | State::Lost => self.is_ready(context),
            // What was done before the connection was lost may have been done by half.
            State::SettingUp(_) => {
                if let Some((setup, needs)) = self.prepared.clone() {
                    self.begin_set_up(setup, needs, true, context);
                }
            }
            State::Adopting(_) | State::Running(_) => self.look(context),
            State::Leaving => self.leave(context),
            State::Idle | State::Gone => {}
        }
        if self.inquiry.at_first {
            self.ask_facts(context);
        }
    }

    fn not_opened(&mut self, error: &ConnectError, context: &Context) {
        match &self.state {
            // One that was used before may be on its way back, as we are.
            State::Opening if !(self.again && error.again_may_help()) => {
                self.state = State::Gone;
                context.tell(self.id, News::Unreachable(error.to_string()));
            }
            State::Gone | State::Idle => {}
            state => {
                let longest = if matches!(state, State::Lost) { IDLE_PAUSE } else { LONGEST_PAUSE };
                let is_opening = matches!(state, State::Opening);
                let now = Instant::now();
                if self.away.is_none() {
                    self.out_of_reach(now, String::new());
                }
                let is_first = self.away.as_ref().is_some_and(|away| away.why.is_empty());
                if is_opening && is_first {
                    log::warn!("{error}; it is sought for {}", shown(context.waits.host));
                }
                if let Some(away) = &mut self.away {
                    away.why = error.to_string();
                    away.again = Some(now + away.pause);
                    away.pause = (away.pause * 2).min(longest);
                }
            }
        }
    }

    /// The connection is gone. What ran on the host may run on.
    pub(super) fn link_lost(&mut self, error: &ConnectError, context: &Context) {
        let silent = match error {
            ConnectError::Lost { silent, .. } => *silent,
            _ => Duration::ZERO,
        };
        self.drop_link(silent, error.to_string(), context);
        match &self.state {
            State::Leaving => self.close(context),
            State::Opening => self.not_opened(error, context),
            State::Idle | State::Lost | State::Gone => {}
            State::SettingUp(work) if !work.can_be_repeated() => self.host_fails(error.to_string(), context),
            State::SettingUp(_) | State::Adopting(_) | State::Running(_) => {
                let wait = shown(context.waits.host);
                log::warn!("{error}; what runs there goes on, it is sought for {wait}");
                self.seek(context);
            }
        }
    }

    /// Forgets the connection and all that went over it.
    pub(super) fn drop_link(&mut self, silent: Duration, why: String, context: &Context) {
        if let Some(connection) = self.connection.take() {
            connection.close(|| ());
        }
        self.serve = None;
        self.errand = None;
        self.facts_cut_off(context);
        if let State::Running(run) = &mut self.state {
            run.forget_what_is_left();
        }
        let now = Instant::now();
        // It may have been so silent before we began to listen.
        let since = now.checked_sub(silent).unwrap_or(now);
        self.out_of_reach(since, why);
    }

    /// When a host that is out of reach is given up.
    pub(super) fn give_up_at(&self, context: &Context) -> Option<Instant> {
        let away = self.away.as_ref()?;
        let until = away.since.checked_add(context.waits.host);
        match &self.state {
            // A host that reboots takes its time; the test's own limit is the limit.
            State::Running(run) if run.may_be_cut() => None,
            State::Adopting(adoption) => until.into_iter().chain(adoption.end_by).min(),
            State::Opening if self.again => until,
            State::Running(_) | State::SettingUp(_) | State::Leaving => until,
            _ => None,
        }
    }

    /// The host has not been reached in time.
    pub(super) fn give_up(&mut self, context: &Context) {
        let why = self.away.as_ref().map_or("", |away| &away.why);
        let message = format!("host lost: not reached within {}: {why}", shown(context.waits.host));
        match &self.state {
            State::Opening => {
                self.state = State::Gone;
                context.tell(self.id, News::Unreachable(format!("{}: {message}", self.name())));
            }
            State::SettingUp(_) => self.host_fails(message, context),
            State::Running(_) | State::Adopting(_) => self.host_lost(message, context),
            State::Leaving => {
                log::warn!("{}: {message}; it could not be cleaned", self.name());
                self.away = None;
                self.close(context);
            }
            _ => {}
        }
    }

    /// From now on nothing waits for the host; should it come back, it can be used again.
    pub(super) fn stay_away(&mut self) {
        self.state = State::Lost;
        let now = Instant::now();
        if self.away.is_none() {
            self.out_of_reach(now, String::new());
        }
        if let Some(away) = &mut self.away {
            away.pause = IDLE_PAUSE;
            away.again = (!self.opening).then(|| now + IDLE_PAUSE);
        }
    }
}
