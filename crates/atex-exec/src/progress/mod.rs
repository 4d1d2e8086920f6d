//! How far the run is, for people: lines at the bottom of a terminal, or a line a minute where there is none.
//!
//! The dispatcher only takes note of what happens (`state`). A thread of its own puts it into words (`page`): at a
//! terminal when something has changed, a few times a second at most, and once a second while something runs, for the
//! clocks; elsewhere once a minute. A run in which nothing happens wakes nobody up more often than that.

mod page;
mod state;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atex_cli::status;
use atex_model::Test;
use atex_model::report::{Outcome, TestEnd, TestStart};
use atex_schedule::HostId;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, after, bounded, never, select};

use self::state::State;
use crate::history::History;

/// At a terminal: no two drawings are closer together.
const APART: Duration = Duration::from_millis(250);

/// At a terminal: clocks go on so often while something runs.
const TICK: Duration = Duration::from_secs(1);

/// Elsewhere: a line so often.
const LINE: Duration = Duration::from_secs(60);

/// Where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Nowhere,
    /// At the bottom of a terminal.
    Terminal,
    /// As lines among the messages.
    Lines,
}

impl Shown {
    /// Where it can be shown to somebody who wants to see it or not.
    pub fn here(quiet: bool) -> Shown {
        match (quiet, status::is_possible()) {
            (true, _) => Shown::Nowhere,
            (false, true) => Shown::Terminal,
            (false, false) => Shown::Lines,
        }
    }

    /// Where it can be shown once there is no terminal any more.
    pub fn without_terminal(quiet: bool) -> Shown {
        if quiet { Shown::Nowhere } else { Shown::Lines }
    }
}

/// See the module's documentation.
pub(crate) struct Progress {
    state: Arc<Mutex<State>>,
    history: History,
    began: Instant,
    watch: Option<Watch>,
}

/// The thread that shows it.
struct Watch {
    /// Says that something has changed; there is room for one word.
    changed: Sender<()>,
    /// Closed at the end.
    over: Option<Sender<()>>,
    shown: Shown,
    thread: Option<JoinHandle<()>>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    pub seconds: f64,
    /// How long it will take, if that can be known.
    pub left: Option<Duration>,
    pub input_ended: bool,
    pub waiting: u64,
    pub running: u64,
    pub settled: u64,
    pub by_outcome: [u64; Outcome::ALL.len()],
}

impl Progress {
    /// Begins to show how far the run is, of whose tests earlier runs know this.
    pub fn start(shown: Shown, history: History) -> io::Result<Progress> {
        let state = Arc::new(Mutex::new(State::default()));
        let began = Instant::now();
        let watch = match shown {
            Shown::Nowhere => None,
            _ => Some(Watch::start(shown, Arc::clone(&state), began)?),
        };
        Ok(Progress { state, history, began, watch })
    }

    /// Says on standard error how far it is, and what runs.
    pub fn say(&self) {
        let (now, seconds) = (Instant::now(), self.began.elapsed().as_secs_f64());
        let lines = page::all(&lock(&self.state), now, seconds);
        status::say(&lines.iter().map(|line| format!("{}: {line}\n", crate::TOOL.name)).collect::<String>());
    }

    /// How far it is.
    pub fn summary(&self) -> Summary {
        let state = lock(&self.state);
        Summary {
            seconds: self.began.elapsed().as_secs_f64(),
            left: state.left(Instant::now()),
            input_ended: state.input_ended,
            waiting: state.waiting(),
            running: state.running.len() as u64,
            settled: state.done(),
            by_outcome: state.settled,
        }
    }

    /// For how long a host has been running its test.
    pub fn busy_for(&self, host: HostId) -> Option<Duration> {
        lock(&self.state).running.get(&host).map(|running| running.since.elapsed())
    }

    /// A test was taken in.
    pub fn taken_in(&self, test: &Test) {
        self.change(|state, history| state.taken_in(history.expected(test.label(), &test.name)));
    }

    /// So many tests were taken in, of which nothing is known.
    pub fn taken_in_unread(&self, count: u64) {
        self.change(|state, _| state.taken_in_unread(count));
    }

    /// Of the tests that were taken in, so many were settled in an earlier life of the run.
    pub fn settled_before(&self, counts: &[u64; Outcome::ALL.len()]) {
        self.change(|state, _| state.settled_before(counts));
    }

    /// What has been shown of an earlier life of the run is forgotten, but for the tests that were settled.
    pub fn begin_again(&self, counts: &[u64; Outcome::ALL.len()]) {
        self.change(|state, _| {
            *state = State::default();
            state.settled_before(counts);
        });
    }

    /// Nothing more comes.
    pub fn input_ended(&self) {
        self.change(|state, _| state.input_ended = true);
    }

    /// So many hosts have been asked for and are not there yet.
    pub fn awaited(&self, hosts: u64) {
        self.change(|state, _| state.awaited = hosts);
    }

    /// A host can be used.
    pub fn host_joined(&self) {
        self.change(|state, _| state.hosts += 1);
    }

    /// A host that could be used is not there any more.
    pub fn host_left(&self) {
        self.change(|state, _| state.hosts = state.hosts.saturating_sub(1));
    }

    /// An attempt began, or goes on from an earlier life of the run.
    pub fn started(&self, host: HostId, start: &TestStart) {
        self.change(|state, history| {
            let expected = history.expected(&start.platform, &start.test);
            state.started(host, &start.test, &start.host, expected, Instant::now());
        });
    }

    /// An attempt ended on a host, or a test without one.
    pub fn ended(&self, host: Option<HostId>, end: &TestEnd) {
        self.change(|state, history| {
            let expected = history.expected(&end.platform, &end.test);
            state.ended(host, end, expected);
        });
    }

    /// Takes away what is shown.
    pub fn finish(&mut self) {
        self.watch = None;
    }

    fn change(&self, change: impl FnOnce(&mut State, &History)) {
        change(&mut lock(&self.state), &self.history);
        if let Some(watch) = &self.watch
            && watch.shown == Shown::Terminal
        {
            // If there is no room, it will be looked at anyway.
            let _ = watch.changed.try_send(());
        }
    }
}

impl Watch {
    fn start(shown: Shown, state: Arc<Mutex<State>>, began: Instant) -> io::Result<Watch> {
        let (say_changed, changed) = bounded(1);
        let (over, is_over) = bounded(0);
        let view = View { state, changed, over: is_over, began };
        let thread = std::thread::Builder::new().name("progress".into()).stack_size(256 << 10);
        let thread = thread.spawn(move || match shown {
            Shown::Terminal => view.draw(),
            _ => view.say_lines(),
        })?;
        Ok(Watch { changed: say_changed, over: Some(over), shown, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Numbers that are wrong are better than none.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread has.
struct View {
    state: Arc<Mutex<State>>,
    changed: Receiver<()>,
    over: Receiver<()>,
    began: Instant,
}

impl View {
    fn draw(self) {
        let color = status::has_colors();
        loop {
            let drawn = Instant::now();
            let tick = self.draw_once(drawn, color);
            select! {
                recv(self.over) -> _ => break,
                recv(self.changed) -> _ => {}
                recv(tick) -> _ => {}
            }
            // Whatever changes meanwhile is one more word, which is taken then.
            if self.over.recv_deadline(drawn + APART) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        status::clear();
    }

    /// Returns when to draw again even if nothing changes.
    fn draw_once(&self, now: Instant, color: bool) -> Receiver<Instant> {
        let state = lock(&self.state);
        let seconds = now.saturating_duration_since(self.began).as_secs_f64();
        let lines = page::lines(&state, now, seconds, status::size(), color);
        let is_running = !state.running.is_empty();
        drop(state);
        status::show(lines);
        if is_running { after(TICK) } else { never() }
    }

    fn say_lines(self) {
        while self.over.recv_timeout(LINE) == Err(RecvTimeoutError::Timeout) {
            let seconds = self.began.elapsed().as_secs_f64();
            let line = page::line(&lock(&self.state), Instant::now(), seconds);
            status::say(&format!("{}: {line}\n", crate::TOOL.name));
        }
    }
}
