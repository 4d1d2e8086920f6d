//! The fixed pool of threads that look after hosts. Each host belongs to one of them; a worker (the state of
//! one host) is never touched by two.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atex_connect::{ConnectError, Connection, Connector, Event};
use atex_model::Host;
use atex_schedule::{HostId, SetupId};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::adoption::Adoption;
use crate::attempt::{Done, Job};
use crate::upload::Upload;
use crate::worker::Worker;

/// What a worker is to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Connect to a host. Answered by [`News::Ready`] or [`News::Unreachable`]. `again`: an earlier life of the
    /// run may have left something there. With `adopt`, what it was doing is ended or goes on, which is
    /// answered by [`News::Ended`], too.
    Join { record: Arc<Host>, dirs: Vec<String>, again: bool, adopt: Option<Box<Adoption>> },
    /// Give it what tests need. Answered by [`News::SetUp`].
    SetUp { setup: Arc<Prepared>, clean: bool },
    /// Make an attempt at a test. Answered by [`News::Ended`].
    Start { setup: SetupId, job: Box<Job> },
    /// End the attempt that runs, with grace.
    Cancel,
    /// End it at once.
    Kill,
    /// Clean the host and close the connection. Answered by [`News::Left`].
    Leave,
}

/// What tests need on their host, ready to be given.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub id: SetupId,
    /// Without files there is an empty tree.
    pub upload: Option<Upload>,
}

/// What the dispatcher is told.
#[derive(Debug)]
pub(crate) enum News {
    Ready,
    Unreachable(String),
    SetUp(Result<(), String>),
    /// The test sent a progress line.
    Note(String),
    /// An attempt ended; `lost`: and the host with it.
    Ended {
        done: Box<Done>,
        lost: bool,
    },
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
}

/// What arrives at a thread of the pool.
pub(crate) enum Input {
    Order(HostId, Order),
    Opened(HostId, Result<Connection, ConnectError>),
    /// An event of a session, which the worker knows by its number.
    Session(HostId, u64, Event),
    Closed(HostId),
}

/// What a worker needs to act.
pub(crate) struct Context {
    pub connector: Arc<Connector>,
    pub inbox: Sender<Input>,
    pub news: Sender<(HostId, News)>,
    pub waits: Waits,
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
    pub fn start(connector: Connector, news: &Sender<(HostId, News)>, waits: Waits) -> io::Result<Pool> {
        let connector = Arc::new(connector);
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let start = |n: usize| {
            let (inbox, inputs) = unbounded();
            let context = Context {
                connector: Arc::clone(&connector),
                inbox: inbox.clone(),
                news: news.clone(),
                waits,
            };
            let thread = std::thread::Builder::new().name(format!("hosts-{n}"));
            thread.spawn(move || serve(&context, &inputs)).map(|handle| (inbox, handle))
        };
        Ok(Pool { threads: (0..count).map(start).collect::<io::Result<_>>()? })
    }

    /// Gives an order to the worker of a host.
    pub fn order(&self, host: HostId, order: Order) {
        let (inbox, _) = &self.threads[host.0 as usize % self.threads.len()];
        // A thread of the pool ends only with the process.
        let _ = inbox.send(Input::Order(host, order));
    }
}

fn serve(context: &Context, inputs: &Receiver<Input>) {
    let mut workers: BTreeMap<HostId, Worker> = BTreeMap::new();
    let mut deadlines = Deadlines::default();
    loop {
        let input = match deadlines.first() {
            Some(when) => inputs.recv_deadline(when),
            None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match input {
            Ok(input) => {
                let host = input.host();
                let worker = workers.entry(host).or_insert_with(|| Worker::new(host));
                worker.handle(input, context);
                deadlines.set(host, worker.deadline());
                if worker.is_gone() {
                    workers.remove(&host);
                    deadlines.set(host, None);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                while let Some(host) = deadlines.take_due(now) {
                    if let Some(worker) = workers.get_mut(&host) {
                        worker.tick(now, context);
                        deadlines.set(host, worker.deadline());
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
    fn host(&self) -> HostId {
        match self {
            Input::Order(host, _)
            | Input::Opened(host, _)
            | Input::Session(host, ..)
            | Input::Closed(host) => *host,
        }
    }
}
