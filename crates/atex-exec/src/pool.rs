//! The fixed pool of threads that look after hosts. Each host belongs to one of them; a worker (the state of
//! one host) is never touched by two.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atex_connect::{ConnectError, Connection, Connector, Event};
use atex_model::{Facts, Host};
use atex_schedule::{HostId, SetupId};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::adoption::Adoption;
use crate::attempt::{Done, Job, Mark, Quotas};
use crate::environment::CallerEnv;
use crate::live::Live;
use crate::needs::Needs;
use crate::plan::Steps;
use crate::upload::Upload;
use crate::worker::Worker;

/// What a worker is to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Connect to a host. Answered by [`News::Ready`] or [`News::Unreachable`]. `again`: an earlier life of the
    /// run may have left something there. `keep`: it stays prepared when it is left. `ask`: it is asked for its facts
    /// before it is ready. With `adopt`, what it was doing goes on: then the answer is
    /// [`News::Ready`] once it has been found, and [`News::Ended`] in any case.
    Join {
        record: Arc<Host>,
        dirs: Vec<String>,
        keep: bool,
        again: bool,
        ask: bool,
        adopt: Option<Box<Adoption>>,
    },
    /// Give it what tests need. Answered by [`News::SetUp`].
    SetUp {
        setup: Arc<Prepared>,
        /// What its tests need, as far as they are known.
        needs: Arc<Needs>,
        clean: bool,
    },
    /// Make an attempt at a test. Answered by [`News::Ended`] or [`News::Unfit`].
    Start { setup: SetupId, job: Box<Job>, needs: Arc<Needs> },
    /// More is known of it than when it was joined.
    Describe(Arc<Host>),
    /// Ask it for its facts. Answered by [`News::Facts`].
    Inquire,
    /// End the attempt or the set-up that runs, the attempt with grace.
    Cancel,
    /// End it at once.
    Kill,
    /// The host is gone, somebody says who must know: what runs there has ended, and nothing is waited for. It is left
    /// next.
    Lose(String),
    /// Clean the host and close the connection. Answered by [`News::Left`].
    Leave,
    /// Undo what was prepared there at an earlier time, then as [`Order::Leave`].
    Undo,
}

/// What tests need on their host, ready to be given.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub id: SetupId,
    /// Without files there is an empty tree.
    pub upload: Option<Upload>,
    pub steps: Arc<Steps>,
    /// Files and plan by their content: on other days, in other runs, the same.
    pub key: String,
    pub shared: Arc<Shared>,
}

/// What is the same for all set-ups of a run.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The run's id.
    pub run: String,
    /// Where the logs of set-ups go.
    pub logs: PathBuf,
    /// Packages are installed on this machine, too.
    pub allow_install: bool,
    /// Hosts are prepared for other runs.
    pub preparing: bool,
}

/// What the dispatcher is told.
#[derive(Debug)]
pub(crate) enum News {
    /// It can be used, for the first time or again after it was lost.
    Ready,
    /// More is known of it than its record says. Comes before [`News::Ready`].
    Described(Box<Host>),
    /// What it says of itself, or nothing, if that cannot be had.
    Facts(Option<Facts>),
    Unreachable(String),
    SetUp(Result<(), String>),
    SetUpCancelled,
    /// The test sent a progress line.
    Note(String),
    /// The test has set a mark on the host, or cleared it.
    Mark(Mark),
    /// The test has reported results.
    Results(Live),
    /// An attempt ended; `lost`: and the host with it.
    Ended {
        done: Box<Done>,
        lost: bool,
    },
    /// A test was not started, as the host lacks what it needs. The host is as it was.
    Unfit(Box<Done>),
    /// What stays on the host lies in this directory.
    KeptIn(String),
    Left,
}

/// Waits that workers have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// For a host's answer to a small command.
    pub host: Duration,
    /// For the whole of a set-up.
    pub setup: Duration,
    /// Between asking a test to end and ending it.
    pub grace: Duration,
    /// For a reboot, after the end of a test that has announced one.
    pub reboot_grace: Duration,
    /// After so long without a sign of life from us a host ends its test itself.
    pub orphan: Duration,
    /// How much of what a test sends its host keeps until we have it.
    pub spool: Spool,
}

impl Default for Waits {
    fn default() -> Waits {
        let seconds = Duration::from_secs;
        Waits {
            host: seconds(120),
            setup: seconds(1800),
            grace: seconds(30),
            reboot_grace: seconds(10),
            orphan: seconds(3600),
            spool: Spool::default(),
        }
    }
}

/// How much a host keeps of a stream until we have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spool {
    pub bytes: u64,
    /// And no more than one of so many parts of the space that is free there.
    pub share: Option<u64>,
}

impl Default for Spool {
    fn default() -> Spool {
        Spool { bytes: 1 << 30, share: Some(10) }
    }
}

impl Waits {
    /// Between two signs of life.
    fn beat(&self) -> Duration {
        (self.orphan / 12).max(Duration::from_secs(1))
    }
}

/// What arrives at a thread of the pool.
pub(crate) enum Input {
    Order(HostId, Order),
    Opened(HostId, Result<Connection, ConnectError>),
    /// An event of a session, which the worker knows by its number.
    Session(HostId, u64, Event),
    Closed(HostId),
    /// Nobody gives orders any more.
    Quit,
}

/// What a worker needs to act.
pub(crate) struct Context {
    pub connector: Arc<Connector>,
    pub inbox: Sender<Input>,
    pub news: Sender<(HostId, News)>,
    pub waits: Waits,
    pub quotas: Quotas,
    /// What the caller sets for every test, and for the scripts of plans.
    pub env: Arc<CallerEnv>,
}

impl Context {
    /// Tells the dispatcher. If it is gone, so is the run.
    pub fn tell(&self, host: HostId, news: News) {
        let _ = self.news.send((host, news));
    }
}

/// More threads would not help: parsing and writing is a small part of the work.
const MOST_THREADS: usize = 4;

/// The pool.
pub(crate) struct Pool {
    threads: Vec<(Sender<Input>, JoinHandle<()>)>,
}

impl Pool {
    /// Starts the threads.
    pub fn start(
        connector: Connector,
        news: &Sender<(HostId, News)>,
        waits: Waits,
        quotas: Quotas,
        env: &CallerEnv,
    ) -> io::Result<Pool> {
        let (connector, env) = (Arc::new(connector), Arc::new(env.clone()));
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let start = |n: usize| {
            let (inbox, inputs) = unbounded();
            let context = Context {
                connector: Arc::clone(&connector),
                inbox: inbox.clone(),
                news: news.clone(),
                waits,
                quotas,
                env: Arc::clone(&env),
            };
            let thread = std::thread::Builder::new().name(format!("hosts-{n}"));
            thread.spawn(move || serve(&context, &inputs)).map(|handle| (inbox, handle))
        };
        Ok(Pool { threads: (0..count).map(start).collect::<io::Result<_>>()? })
    }

    /// Gives an order to the worker of a host.
    pub fn order(&self, host: HostId, order: Order) {
        let (inbox, _) = &self.threads[host.0 as usize % self.threads.len()];
        // A thread of the pool ends only with the pool.
        let _ = inbox.send(Input::Order(host, order));
    }
}

impl Drop for Pool {
    /// Has the threads end. They are not waited for: a connection that hangs would hold up whoever is done with it.
    fn drop(&mut self) {
        for (inbox, _) in &self.threads {
            let _ = inbox.send(Input::Quit);
        }
    }
}

fn serve(context: &Context, inputs: &Receiver<Input>) {
    let mut workers: BTreeMap<HostId, Worker> = BTreeMap::new();
    let mut deadlines = Deadlines::default();
    let mut beat = Instant::now() + context.waits.beat();
    loop {
        let first = deadlines.first().map_or(beat, |first| first.min(beat));
        // Without hosts nobody waits for a sign of life.
        let input = if workers.is_empty() {
            inputs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            inputs.recv_deadline(first)
        };
        match input {
            Ok(input) => {
                let Some(host) = input.host() else { return };
                // What is still heard of a host that was left is nobody's.
                if !matches!(input, Input::Order(..)) && !workers.contains_key(&host) {
                    continue;
                }
                let worker = workers.entry(host).or_insert_with(|| Worker::new(host));
                worker.handle(input, context);
                deadlines.set(host, worker.deadline(context));
                if worker.is_gone() {
                    workers.remove(&host);
                    deadlines.set(host, None);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                if beat <= now {
                    // All at once, so that an idle run is woken up rarely.
                    workers.values().for_each(Worker::beat);
                    beat = now + context.waits.beat();
                }
                while let Some(host) = deadlines.take_due(now) {
                    if let Some(worker) = workers.get_mut(&host) {
                        worker.tick(now, context);
                        deadlines.set(host, worker.deadline(context));
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// When each worker wants to be looked at.
#[derive(Debug, Default)]
struct Deadlines {
    of: BTreeMap<HostId, Instant>,
    ordered: BTreeSet<(Instant, HostId)>,
}

impl Deadlines {
    fn first(&self) -> Option<Instant> {
        self.ordered.first().map(|(when, _)| *when)
    }

    fn set(&mut self, host: HostId, when: Option<Instant>) {
        let before = match when {
            Some(when) => self.of.insert(host, when),
            None => self.of.remove(&host),
        };
        if let Some(before) = before {
            self.ordered.remove(&(before, host));
        }
        if let Some(when) = when {
            self.ordered.insert((when, host));
        }
    }

    fn take_due(&mut self, now: Instant) -> Option<HostId> {
        let (when, host) = *self.ordered.first()?;
        (when <= now).then(|| {
            self.set(host, None);
            host
        })
    }
}

impl Input {
    fn host(&self) -> Option<HostId> {
        match self {
            Input::Order(host, _)
            | Input::Opened(host, _)
            | Input::Session(host, ..)
            | Input::Closed(host) => Some(*host),
            Input::Quit => None,
        }
    }
}
