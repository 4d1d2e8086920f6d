//! Looks after one provisioner: starts it, again if it dies, and knows what it has been given charge of.

use std::collections::BTreeSet;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use atex_cli::text::visible::visible;
use atex_model::Host;
use atex_model::protocol::{Hello, HelloTag};
use atex_schedule::ProvisionerId;
use crossbeam_channel::{Receiver, Sender, at, never, select};
use indexmap::IndexMap;
use nix::sys::signal::Signal;

use super::line::Heard;
use super::outbox::Outbox;
use super::process::Process;
use super::{ADOPTION, Command, Place, Said, Waits, Word};
use crate::program::{KILL_AFTER, fault};
use crate::run_dir::random_hex;

/// So long it is waited for a `hello`, which not everyone says, before hosts are asked for. Not if it has charge of hosts and
/// could take charge of them before: whether it can tells whether tests may go on there.
const HELLO: Duration = Duration::from_secs(1);

/// What a program that has ended has printed is read for so long: what it has started may keep its output open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The pause before it is started again when it died with hosts in its charge; it doubles from time to time.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// One that dies earlier has not been of much use.
const SHORT: Duration = Duration::from_secs(60);

/// After so many short lives in a row it is not started again.
const MOST_SHORT_LIVES: u32 = 8;

/// How often it is started to give back what it did not give back when it was shut down.
const LAST_STARTS: u32 = 3;

/// After a failure more hosts are asked for up to so much later, so that many runs do not ask at once.
const JITTER: Duration = Duration::from_secs(2);

/// How many lines that make no sense are complained about, of each process.
const COMPLAINTS: u32 = 20;

/// See the module's documentation.
pub(super) struct Keeper {
    command: Command,
    name: String,
    place: Place,
    waits: Waits,
    tell: Sender<(ProvisionerId, Said)>,
    process: Option<Process>,
    /// How it ended, and until when its last words are waited for.
    ended: Option<(ExitStatus, Instant)>,
    /// It has closed its output.
    is_mute: bool,
    /// Until when its end is waited for then.
    mute_until: Option<Instant>,
    /// The writer can take something.
    is_ready: bool,
    /// Until when a `hello` is waited for, if it is.
    greeting: Option<Instant>,
    /// What it says of itself is known, also to those who decide what is wanted.
    is_known: bool,
    outbox: Outbox,
    /// The hosts that it has charge of.
    held: IndexMap<String, Host>,
    /// Those of which this process was told to take charge, and has not said yet whether it has.
    adopting: BTreeSet<String>,
    /// Those that it was told to give back, and why, until it says that it has.
    releasing: IndexMap<String, String>,
    wanted: u32,
    /// How many it says are under way.
    pending: u32,
    /// It has failed since it gave a host.
    has_failed: bool,
    /// This process has said something that makes sense.
    is_heard: bool,
    /// When it was started.
    started: Instant,
    short_lives: u32,
    complaints: u32,
    /// When it is started again.
    start_at: Option<Instant>,
    /// Before that, no more hosts are asked for.
    want_at: Option<Instant>,
    last_sign: Instant,
    /// It cannot be used.
    is_unusable: bool,
    closing: Option<Closing>,
}

/// How far its end is.
struct Closing {
    /// When it is ended if it does not end by itself.
    until: Instant,
    /// It has been asked to end.
    asked: bool,
    starts: u32,
    is_over: bool,
}

impl Keeper {
    pub fn new(
        command: &Command,
        mut place: Place,
        waits: Waits,
        tell: Sender<(ProvisionerId, Said)>,
    ) -> Keeper {
        let held = std::mem::take(&mut place.held).into_iter().map(|host| (host.id.clone(), host)).collect();
        let releasing = std::mem::take(&mut place.owed).into_iter().map(|id| (id, "done".into())).collect();
        Keeper {
            command: command.clone(),
            name: visible(&command.name()).into_owned(),
            place,
            waits,
            tell,
            process: None,
            ended: None,
            is_mute: false,
            mute_until: None,
            is_ready: false,
            greeting: None,
            is_known: false,
            outbox: Outbox::default(),
            held,
            adopting: BTreeSet::new(),
            releasing,
            wanted: 0,
            pending: 0,
            has_failed: false,
            is_heard: false,
            started: Instant::now(),
            short_lives: 0,
            complaints: 0,
            start_at: Some(Instant::now()),
            want_at: None,
            last_sign: Instant::now(),
            is_unusable: false,
            closing: None,
        }
    }

    /// Works until it is over, or nobody gives orders any more: then the program sees the end of its input.
    pub fn serve(mut self, words: &Receiver<Word>) {
        while !self.closing.as_ref().is_some_and(|closing| closing.is_over) {
            self.look_at_the_clock();
            self.speak();
            let timer = self.deadline().map_or_else(never, at);
            let (ready, lines, exit) = self.channels();
            select! {
                recv(words) -> word => match word {
                    Ok(word) => self.take(word),
                    Err(_) => return,
                },
                recv(lines) -> heard => match heard {
                    Ok(heard) => self.heard(heard),
                    Err(_) => self.output_closed(),
                },
                recv(exit) -> status => if let Ok(status) = status {
                    self.ended(status);
                },
                // Closed: its input is, of which more is heard when it ends.
                recv(ready) -> word => match word {
                    Ok(()) => self.is_ready = true,
                    Err(_) => self.input_closed(),
                },
                recv(timer) -> _ => {}
            }
        }
    }

    /// Where something may come from the process.
    fn channels(&self) -> (Receiver<()>, Receiver<Heard>, Receiver<ExitStatus>) {
        let Some(process) = &self.process else { return (never(), never(), never()) };
        let ready = if self.is_ready { never() } else { process.ready.clone() };
        let exit = if self.ended.is_some() { never() } else { process.exit.clone() };
        (ready, process.lines.clone(), exit)
    }

    // ---- Time ----

    fn deadline(&self) -> Option<Instant> {
        let ended = self.ended.map(|(_, until)| until);
        let closing = self.closing.as_ref().map(|closing| closing.until);
        let others = [self.mute_until, self.greeting, self.start_at, self.want_at, self.silent_at()];
        others.into_iter().chain([ended, closing]).flatten().min()
    }

    /// When nothing has been heard of it for too long.
    fn silent_at(&self) -> Option<Instant> {
        let promised = if self.waits.also_pending { 0 } else { self.pending };
        let is_waited_for = self.process.is_some() && self.closing.is_none() && self.missing() > promised;
        self.last_sign.checked_add(self.waits.silent).filter(|_| is_waited_for)
    }

    /// How many hosts are wanted and not there.
    fn missing(&self) -> u32 {
        self.wanted.saturating_sub(u32::try_from(self.held.len()).unwrap_or(u32::MAX))
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Some((status, until)) = self.ended
            && until <= now
        {
            self.died(&ending(status), Some(status));
        }
        if is_due(self.mute_until) {
            self.died("it has closed its output", None);
        }
        if is_due(self.greeting) {
            self.greeted(None);
        }
        if is_due(self.want_at) {
            self.want_at = None;
            self.outbox.want(self.wanted);
        }
        if is_due(self.start_at) {
            self.start_at = None;
            self.start();
        }
        if is_due(self.silent_at()) {
            self.last_sign = now;
            let silence = atex_control::format_duration(self.waits.silent);
            self.fail(self.missing(), format!("nothing has been heard of it for {silence}"), true);
        }
        self.close_by_force(now);
    }

    /// It has had the time to give everything back.
    fn close_by_force(&mut self, now: Instant) {
        let Some(closing) = self.closing.as_mut().filter(|closing| closing.until <= now) else { return };
        let Some(process) = &self.process else { return self.over() };
        let signal =
            if std::mem::replace(&mut closing.asked, true) { Signal::SIGKILL } else { Signal::SIGTERM };
        closing.until = now + KILL_AFTER;
        process.signal(signal);
    }

    // ---- What we say ----

    fn take(&mut self, word: Word) {
        match word {
            Word::Known => self.is_known = self.greeting.is_none(),
            Word::Want(hosts) => self.want(hosts),
            Word::Release(id, reason) => self.release(id, reason),
            Word::Extend(id, until) => self.outbox.extend(id, until),
            Word::Shutdown => self.shut_down(),
        }
    }

    fn release(&mut self, id: String, reason: String) {
        self.held.shift_remove(&id);
        if self.releasing.insert(id.clone(), reason.clone()).is_none() {
            if self.outbox.release(id.clone(), reason) {
                self.adopting.remove(&id);
            }
            self.need_process();
        }
    }

    fn want(&mut self, hosts: u32) {
        let before = std::mem::replace(&mut self.wanted, hosts);
        if before >= hosts {
            self.want_at = None;
            return self.outbox.want(hosts);
        }
        let now = Instant::now();
        self.last_sign = now;
        let pause = if self.has_failed { up_to(JITTER) } else { Duration::ZERO };
        self.want_at = Some(now + pause);
        if self.process.is_none() && !self.is_unusable {
            self.start_at = Some(self.start_at.map_or(now + pause, |at| at.min(now + pause)));
        }
    }

    /// There is something that only it can do.
    fn need_process(&mut self) {
        if self.process.is_none() && self.start_at.is_none() && !self.is_unusable {
            self.start_at = Some(Instant::now());
        }
    }

    fn speak(&mut self) {
        let Some(process) = self.process.as_mut().filter(|_| self.is_ready && self.ended.is_none()) else {
            return;
        };
        let lines = self.outbox.take(self.is_known);
        if !lines.is_empty() {
            let is_last = self.closing.is_some();
            process.write(lines);
            self.is_ready = false;
            if is_last {
                process.close();
            }
        }
    }

    fn shut_down(&mut self) {
        let until = Instant::now() + self.waits.release;
        self.closing = Some(Closing { until, asked: false, starts: 0, is_over: false });
        (self.wanted, self.want_at) = (0, None);
        match &self.process {
            Some(_) => self.say_goodbye(),
            None if self.holds_nothing() || self.is_unusable => self.over(),
            None => self.start_at = Some(Instant::now()),
        }
    }

    /// Not everyone does at a `shutdown` what has to be done, and hosts of an earlier life may not be known there.
    fn say_goodbye(&mut self) {
        for id in self.held.keys() {
            self.outbox.release(id.clone(), "done".into());
        }
        self.outbox.shut_down();
    }

    // ---- The process ----

    fn start(&mut self) {
        (self.outbox, self.complaints, self.is_heard, self.ended) = (Outbox::default(), 0, false, None);
        (self.is_ready, self.is_mute, self.is_known) = (false, false, false);
        self.adopting.clear();
        (self.started, self.last_sign, self.pending) = (Instant::now(), Instant::now(), 0);
        for (id, reason) in &self.releasing {
            self.outbox.release(id.clone(), reason.clone());
        }
        if let Some(closing) = &mut self.closing {
            closing.starts += 1;
            self.say_goodbye();
        }
        let Place { variables, log, .. } = &self.place;
        match Process::start(&self.command.text, variables, &self.name, log) {
            Ok(process) => {
                self.process = Some(process);
                let waits_for_hosts = self.place.adopts && !self.held.is_empty();
                self.greeting = Some(Instant::now() + if waits_for_hosts { ADOPTION } else { HELLO });
            }
            Err(e) => self.died(&format!("it cannot be started: {}", atex_cli::input::reason(&e)), None),
        }
    }

    fn ended(&mut self, status: ExitStatus) {
        if self.is_mute {
            return self.died(&ending(status), Some(status));
        }
        self.ended = Some((status, Instant::now() + LAST_WORDS));
    }

    fn output_closed(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.lines = never();
        self.is_mute = true;
        if let Some((status, _)) = self.ended {
            self.died(&ending(status), Some(status));
        } else if self.closing.is_none() {
            // Nothing more can come of it. Most often its end is heard of next.
            process.close();
            self.mute_until = Some(Instant::now() + LAST_WORDS);
        }
    }

    /// It does not read any more.
    fn input_closed(&mut self) {
        if let Some(process) = &mut self.process {
            process.ready = never();
        }
    }

    fn died(&mut self, problem: &str, status: Option<ExitStatus>) {
        self.process = None;
        (self.greeting, self.ended, self.mute_until) = (None, None, None);
        if self.closing.is_some() {
            return self.died_at_the_end(status);
        }
        let was_short = self.started.elapsed() < SHORT;
        self.short_lives = if was_short { self.short_lives + 1 } else { 0 };
        // sh has not found the program, or the program has not understood how it was called.
        let is_hopeless = status.is_some_and(|status| matches!(status.code(), Some(2 | 126 | 127)));
        if is_hopeless && !self.is_heard || self.short_lives >= MOST_SHORT_LIVES {
            self.is_unusable = true;
            return self.say(Said::Unusable(problem.to_owned()));
        }
        if !self.holds_nothing() {
            let (first, most) = PAUSE;
            let pause = first.saturating_mul(1 << self.short_lives.min(16)).min(most);
            self.start_at = Some(Instant::now() + pause / 2 + up_to(pause));
        }
        let missing = self.missing();
        self.fail(missing, problem.to_owned(), true);
    }

    fn died_at_the_end(&mut self, status: Option<ExitStatus>) {
        if status.is_some_and(|status| status.success()) {
            // It has released everything, whether it has said so or not.
            (self.held, self.releasing) = Default::default();
        }
        let now = Instant::now();
        let again = self.closing.as_ref().is_some_and(|closing| {
            closing.starts < LAST_STARTS && !closing.asked && now < closing.until && !self.is_unusable
        });
        if again && !self.holds_nothing() {
            self.start_at = Some(now + PAUSE.0 / 2 + up_to(PAUSE.0));
        } else {
            self.over();
        }
    }

    fn over(&mut self) {
        let left = self.held.keys().chain(self.releasing.keys()).cloned().collect();
        self.say(Said::Over { left });
        if let Some(closing) = &mut self.closing {
            closing.is_over = true;
        }
    }

    fn holds_nothing(&self) -> bool {
        self.held.is_empty() && self.releasing.is_empty()
    }

    // ---- What it says ----

    fn heard(&mut self, heard: Heard) {
        if heard.is_word() {
            (self.last_sign, self.is_heard) = (Instant::now(), true);
            if self.greeting.is_some() && !matches!(heard, Heard::Hello(_)) {
                self.greeted(None);
            }
        }
        match heard {
            Heard::Hello(hello) => self.greeted(Some(hello)),
            // It has crossed what we said: first it takes charge of the host, then it hears that it is to give it back.
            Heard::Host(host) if self.adopting.remove(&host.id) && self.releasing.contains_key(&host.id) => {}
            Heard::Host(host) => {
                self.has_failed = false;
                self.releasing.shift_remove(&host.id);
                self.held.insert(host.id.clone(), Host::clone(&host));
                self.say(Said::Host(host));
            }
            Heard::Pending(hosts) => {
                self.pending = u32::try_from(hosts).unwrap_or(u32::MAX);
                self.say(Said::Pending(hosts));
            }
            Heard::Released(id) => {
                self.held.shift_remove(&id);
                self.releasing.shift_remove(&id);
                self.say(Said::Released(id));
            }
            Heard::HostGone(gone) => {
                self.adopting.remove(&gone.id);
                self.held.shift_remove(&gone.id);
                self.releasing.shift_remove(&gone.id);
                let note = gone.note.unwrap_or_else(|| "no reason given".into());
                self.say(Said::Gone { id: gone.id, note, given_back: true });
            }
            Heard::Failed(failed) => {
                let count = u32::try_from(failed.count).unwrap_or(u32::MAX);
                self.fail(count, failed.note.unwrap_or_else(|| "no reason given".into()), failed.retry);
            }
            Heard::Foreign(kind) => log::info!(
                "provisioner {}: a record of type `{}`, which means nothing here",
                self.name,
                visible(&kind)
            ),
            Heard::Wrong(problem) => self.complain(&problem),
        }
    }

    fn complain(&mut self, problem: &str) {
        self.complaints += 1;
        let problem = visible(problem);
        match self.complaints.cmp(&COMPLAINTS) {
            std::cmp::Ordering::Less => log::error!("{problem}; the line is left out"),
            std::cmp::Ordering::Equal => {
                log::error!("{problem}; the line is left out, and others like it without a word");
            }
            std::cmp::Ordering::Greater => {}
        }
    }

    /// It is known with whom we speak.
    fn greeted(&mut self, hello: Option<Hello>) {
        let is_first = self.greeting.take().is_some();
        if let Some(name) = hello.as_ref().and_then(|hello| hello.provisioner.as_deref()) {
            self.name = visible(name).into_owned();
        }
        let hello = hello.unwrap_or_else(silent);
        let adopts = hello.adopt;
        self.place.adopts = adopts;
        self.say(Said::Hello(Box::new(hello)));
        if self.closing.is_some() || !is_first {
            return;
        }
        if adopts {
            self.held.values().for_each(|host| self.outbox.adopt(host.clone()));
            self.adopting = self.held.keys().cloned().collect();
        } else {
            self.give_up_held();
        }
        self.outbox.want(self.wanted);
    }

    /// It cannot take charge of hosts that were given before it was started, which may be somebody else's by now.
    fn give_up_held(&mut self) {
        for (id, _) in std::mem::take(&mut self.held) {
            let reason = "not adopted".to_owned();
            self.releasing.insert(id.clone(), reason.clone());
            self.outbox.release(id.clone(), reason);
            let note = "its provisioner was started anew and cannot take charge of it".into();
            self.say(Said::Gone { id, note, given_back: false });
        }
    }

    fn fail(&mut self, count: u32, note: String, retry: bool) {
        self.has_failed = true;
        self.say(Said::Failed { count, note, retry });
    }

    fn say(&self, said: Said) {
        // Without a dispatcher there is no run.
        let _ = self.tell.send((self.place.id, said));
    }
}

/// How it has ended, in words.
fn ending(status: ExitStatus) -> String {
    fault(status).unwrap_or_else(|| "it has ended".into())
}

/// What is known of one that says nothing of itself.
fn silent() -> Hello {
    Hello {
        kind: HelloTag,
        provisioner: None,
        platform: None,
        facts: atex_model::Facts::new(),
        max: None,
        adopt: false,
        extend: false,
    }
}

/// A random part of a time.
fn up_to(time: Duration) -> Duration {
    let random = random_hex(2).ok().and_then(|text| u32::from_str_radix(&text, 16).ok());
    time * random.unwrap_or(0) / 0xffff
}
