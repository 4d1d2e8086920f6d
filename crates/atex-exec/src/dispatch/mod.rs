//! The dispatcher: one loop that takes an event, asks the scheduler, writes down what is decided, and has it
//! carried out. It owns the state of the run; nobody else decides anything.

mod arrivals;
mod attempts;
mod closing;
mod control;
mod facts;
mod hold;
mod hosts;
mod input;
mod meanwhile;
mod policy;
mod provision;
mod rerun;
mod resume;
mod stops;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use atex_cli::{Exit, Failure, input::reason, now, signals, status};
use atex_connect::Connector;
use atex_model::report::{JobStart, JobStartTag, Outcome};
use atex_model::{Connect, Host, Time};
use atex_schedule::{Action, Event, HostId, Scheduler};
use crossbeam_channel::{Receiver, Sender, after, bounded, never, select, unbounded};
use indexmap::IndexMap;
use nix::sys::signal::Signal;
use serde::Serialize;
use serde_json::value::RawValue;

pub(crate) use self::attempts::{ended_by, exit_of, outcome_of};
pub(crate) use self::closing::last_line;
use self::hosts::HostEntry;
use self::provision::{Giver, Leases, Provisioned, SAID_AHEAD};
use self::resume::Before;
use crate::announce::{Announcer, Followed, Unsaid};
use crate::catalog::{Identities, Platforms, Setups};
use crate::config::Config;
use crate::control::socket::{Asked, Socket};
use crate::cursor::Cursor;
use crate::detach::Caller;
use crate::hooks::gate::Workers;
use crate::hooks::{Surroundings, sieve};
use crate::hosts_file::{From, HostsFile};
use crate::intake::{self, Item};
use crate::journal::{DECISION, Decision, Journal, OPTIONS, PASSED_ON, PassedOn, WithOptions};
use crate::packer::{Packed, Packer};
use crate::past::Past;
use crate::policy::{Policy, Reply, Seen};
use crate::pool::{News, Order, Pool, Shared};
use crate::program::remember_open_files;
use crate::progress::Progress;
use crate::run_dir::{RunDir, trouble};
use crate::stop_args::OnTerm;
use crate::tests_file::TestsFile;
use crate::wishes::Wishes;

/// How many lines of input are read ahead of what has been taken in.
const READ_AHEAD: usize = 256;

/// The state of a run.
pub(crate) struct Dispatcher {
    config: Config,
    dir: RunDir,
    journal: Journal,
    tests: TestsFile,
    hosts_file: HostsFile,
    announcer: Announcer,
    progress: Progress,
    policy: Option<Policy>,
    /// What can be answered to open questions.
    asked: HashMap<u32, Vec<atex_schedule::Answer>>,
    scheduler: Scheduler,
    pool: Workers,
    /// Closed when the run is being stopped, so that no hook holds it up.
    stop_hooks: Option<Sender<()>>,
    packer: Packer,
    platforms: Platforms,
    wishes: Wishes,
    setups: Setups,
    identities: Identities,
    hosts: IndexMap<String, HostEntry>,
    /// Provisioners, by their numbers.
    givers: Vec<Giver>,
    /// They are to come to an end.
    closing: bool,
    /// How many hosts this life of the run has used.
    used_hosts: usize,
    /// Sources of input that have not ended.
    open_sources: usize,
    /// Hosts that are being cleaned.
    leaving: usize,
    started: (Time, Instant),
    /// Settled tests by outcome.
    counts: [u64; Outcome::ALL.len()],
    exit: Exit,
    signals: u32,
    /// The run is left as it is.
    is_left: bool,
    /// What has been asked of it over the control socket.
    pace: control::Pace,
    stopping: bool,
    /// What has ended the run before all was done, in words.
    why_stopped: Option<String>,
    /// What the scheduler is to be told, in order: it is told of one thing after another is carried out.
    events: VecDeque<Event>,
    is_applying: bool,
    /// When the scheduler wants to be woken.
    alarm: Option<atex_schedule::Time>,
    /// Hosts that are held for a time, and until when.
    held: BTreeSet<(atex_schedule::Time, HostId)>,
    /// How many hosts have not said yet what they are.
    silent_hosts: usize,
    /// That the input has ended is to be said when they have.
    input_end_is_held: bool,
    /// How many tests have failed in this life of the run.
    failed: u64,
    /// The run directory cannot be written: what happens now is not on record.
    storage_failed: bool,
    /// How long hosts were busy with tests, and how long they were there.
    host_seconds: (f64, f64),
    /// What has been said of keys that mean nothing here.
    said: BTreeSet<&'static str>,
    /// What earlier lives of the run have left.
    before: Before,
}

/// What the dispatcher listens to.
struct Ears {
    items: Receiver<Item>,
    news: Receiver<(HostId, News)>,
    packed: Receiver<Packed>,
    signals: Receiver<Signal>,
    output: Receiver<Unsaid>,
    asked: Receiver<Asked>,
    asking: Receiver<Signal>,
    replies: Receiver<Reply>,
    provisioned: Receiver<Provisioned>,
}

/// Nothing is waited for longer than this by the clock, so that a clock that is set has little effect.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Every channel has its sender for so long.
const GONE: &str = "its sender lives as long as the dispatcher";

/// For how long to wait for a time, before the clock is looked at again.
fn sleep_until(at: atex_schedule::Time) -> Duration {
    Duration::from_millis(at.left(moment())).min(LONGEST_SLEEP)
}

/// What has happened.
enum Heard {
    Item(Item),
    News(HostId, News),
    Packed(Packed),
    Signal(Signal),
    Unsaid(Unsaid),
    Asked(Asked),
    /// Somebody wants to be told how far it is.
    Asking,
    Reply(Reply),
    Provisioned(Provisioned),
    /// A time has come that the scheduler asked for.
    Alarm,
}

impl Ears {
    fn next(&self, alarm: Option<atex_schedule::Time>) -> Heard {
        let alarm = alarm.map_or_else(never, |at| after(sleep_until(at)));
        select! {
            recv(self.items) -> item => Heard::Item(item.expect(GONE)),
            recv(self.news) -> news => { let (host, news) = news.expect(GONE); Heard::News(host, news) }
            recv(self.packed) -> packed => Heard::Packed(packed.expect(GONE)),
            recv(self.signals) -> signal => Heard::Signal(signal.expect(GONE)),
            recv(self.output) -> error => Heard::Unsaid(error.expect(GONE)),
            recv(self.asking) -> signal => { signal.expect(GONE); Heard::Asking }
            recv(self.asked) -> asked => Heard::Asked(asked.expect(GONE)),
            recv(self.replies) -> reply => Heard::Reply(reply.expect(GONE)),
            recv(self.provisioned) -> said => Heard::Provisioned(said.expect(GONE)),
            recv(alarm) -> _ => Heard::Alarm,
        }
    }
}

/// The files of a run, open.
pub(crate) struct Files {
    pub journal: Journal,
    pub tests: TestsFile,
    pub hosts: HostsFile,
    pub cursor: Cursor,
}

impl Files {
    fn create(dir: &RunDir) -> Result<Files, Failure> {
        Ok(Files {
            journal: Journal::create(&dir.journal()).map_err(|e| trouble(&dir.journal(), &e))?,
            tests: TestsFile::create(&dir.tests()).map_err(|e| trouble(&dir.tests(), &e))?,
            hosts: HostsFile::create(&dir.hosts_file()).map_err(|e| trouble(&dir.hosts_file(), &e))?,
            cursor: Cursor::open(&dir.announced(), 0).map_err(|e| trouble(&dir.announced(), &e))?,
        })
    }

    /// What the announcer needs of them.
    pub fn followed(dir: &RunDir, cursor: Cursor) -> Result<Followed, Failure> {
        let open = |path: PathBuf| File::open(&path).map_err(|e| trouble(&path, &e));
        Ok(Followed {
            journal: open(dir.journal())?,
            taken_in: vec![open(dir.tests())?, open(dir.hosts_file())?],
            dir: dir.path.clone(),
            cursor,
            only_shown: false,
        })
    }
}

/// What a run is connected to.
pub(crate) struct Ends {
    pub signals: Receiver<Signal>,
    /// Signals by which people ask how far it is.
    pub asking: Receiver<Signal>,
    /// Where records are written.
    pub output: Box<dyn Write + Send>,
    /// Who waits for the run to be under way.
    pub caller: Option<Caller>,
    /// The channel of tests and hosts, if somebody of this process sends some.
    pub items: Option<(Sender<Item>, Receiver<Item>)>,
}

impl Ends {
    /// Those of a program.
    pub fn of_program(signals: Receiver<Signal>, caller: Option<Caller>) -> Result<Ends, Failure> {
        let asking = signals::channel(&[Signal::SIGUSR1])
            .map_err(|e| Failure::trouble(format!("cannot handle signals: {e}")))?;
        // At a terminal, records must not get in among the lines that say how far it is.
        Ok(Ends { signals, asking, output: Box::new(status::Above::new(io::stdout())), caller, items: None })
    }
}

/// A run whose directory is there.
pub(crate) struct Begun {
    config: Config,
    dir: RunDir,
    files: Files,
    past: Option<Past>,
}

/// Makes the directory of a new run.
pub(crate) fn begin(config: Config) -> Result<Begun, Failure> {
    let argv = config.argv.clone();
    let (dir, files) = RunDir::create(config.run_dir.as_deref(), &config.env, argv, Files::create)?;
    Ok(Begun { config, dir, files, past: None })
}

/// Comes back to a run.
pub(crate) fn come_back(config: Config, dir: RunDir, files: Files, past: Past) -> Begun {
    Begun { config, dir, files, past: Some(past) }
}

impl Begun {
    /// The run directory.
    pub fn dir(&self) -> &Path {
        &self.dir.path
    }

    /// Runs what was asked for and says how it ended.
    pub fn live(self, ends: Ends) -> Result<Exit, Failure> {
        live(self, ends)
    }
}

/// One life of a run.
fn live(begun: Begun, ends: Ends) -> Result<Exit, Failure> {
    remember_open_files();
    let Begun { mut config, dir, files, past } = begun;
    let started = (now(), Instant::now());
    let Files { journal, tests, hosts, cursor } = files;
    let (say_failed, output) = unbounded();
    let own = |e: io::Error| Failure::trouble(format!("cannot start a thread: {}", reason(&e)));
    let announcer = Announcer::start(Files::followed(&dir, cursor)?, ends.output, say_failed.clone());
    let announcer = announcer.map_err(own)?;
    let (say_reply, replies) = unbounded();
    let policy = match &config.policy {
        Some(policy) => Some(start_policy(policy, &dir, &say_reply)?),
        None => None,
    };
    let progress = Progress::start(config.progress, config.history.clone()).map_err(own)?;
    let (tell, news) = unbounded();
    let connector = connector(config.waits.host)?;
    let surroundings = Surroundings { run: dir.id.clone(), dir: dir.path.clone() };
    let pool = Workers::start(&config.hooks, surroundings.clone(), &tell, |tell| {
        Pool::start(connector, tell, config.waits, config.quotas, &config.env)
    });
    let pool = pool.map_err(own)?;
    let shared = Shared {
        run: dir.id.clone(),
        logs: dir.setup_logs(),
        allow_install: config.allow_install,
        preparing: false,
    };
    let packer = Packer::new(dir.uploads(), Arc::new(shared));
    let sources = std::mem::take(&mut config.sources);
    let open_sources = sources.len() + usize::from(ends.items.is_some());
    let before = Before::new(past.is_some(), &sources);
    let (to, items) = ends.items.unwrap_or_else(|| bounded(READ_AHEAD));
    for lines in sources {
        let to = to.clone();
        let thread = std::thread::Builder::new().name("input".into());
        thread.spawn(move || intake::read(lines, &to)).map_err(own)?;
    }
    let (stop_hooks, stopped) = bounded(0);
    let (items, passed) =
        sieve::put_in(&config.hooks, &surroundings, items, open_sources, &stopped).map_err(own)?;
    let (say_provisioned, provisioned) = bounded(SAID_AHEAD);
    let (ask, asked) = bounded(0);
    // There are file systems without sockets.
    let socket = Socket::open(&dir, ask.clone())
        .inspect_err(|e| log::warn!("{}", trouble(&dir.path.join("control.sock"), e)));
    if let Some(caller) = ends.caller {
        caller.let_go(&dir.path)?;
    }
    let ears = Ears {
        items,
        news,
        packed: packer.done().clone(),
        signals: ends.signals,
        output,
        asked,
        asking: ends.asking,
        replies,
        provisioned,
    };
    let options = atex_schedule::Options { policy: config.policy.is_some(), ..config.schedule.clone() };
    let mut dispatcher = Dispatcher {
        scheduler: Scheduler::new(options),
        config,
        dir,
        journal,
        tests,
        hosts_file: hosts,
        announcer,
        progress,
        policy,
        asked: HashMap::new(),
        pool,
        stop_hooks: Some(stop_hooks),
        packer,
        platforms: Platforms::default(),
        wishes: Wishes::default(),
        setups: Setups::default(),
        identities: Identities::default(),
        hosts: IndexMap::new(),
        givers: Vec::new(),
        closing: false,
        used_hosts: 0,
        open_sources,
        leaving: 0,
        started,
        counts: [0; Outcome::ALL.len()],
        exit: Exit::Done,
        signals: 0,
        is_left: false,
        pace: control::Pace::default(),
        stopping: false,
        why_stopped: None,
        events: VecDeque::new(),
        is_applying: false,
        alarm: None,
        held: BTreeSet::new(),
        silent_hosts: 0,
        input_end_is_held: false,
        failed: 0,
        storage_failed: false,
        host_seconds: (0.0, 0.0),
        said: BTreeSet::new(),
        before,
    };
    match past {
        None => dispatcher.begin(&say_provisioned),
        Some(past) => dispatcher.come_back(past, &say_provisioned, &ears),
    }
    dispatcher.serve(&ears);
    let exit = if dispatcher.is_left { dispatcher.end_of_life() } else { dispatcher.end(&ears) };
    // Kept until here, so that the channels are never without a sender.
    drop((tell, say_failed, say_reply, say_provisioned, to, passed, ask, socket));
    Ok(exit)
}

/// The time, as the scheduler counts it.
fn moment() -> atex_schedule::Time {
    atex_schedule::Time(u64::try_from(now().0).unwrap_or(0))
}

/// Starts the program that decides.
fn start_policy(
    command: &crate::policy::Command,
    dir: &RunDir,
    tell: &Sender<Reply>,
) -> Result<Policy, Failure> {
    let open = |path: PathBuf| File::open(&path).map_err(|e| trouble(&path, &e));
    let seen = Seen { dir: dir.path.clone(), journal: open(dir.journal())?, tests: open(dir.tests())? };
    let variables =
        vec![("ATEX_RUN_ID", dir.id.clone()), ("ATEX_RUN_DIR", dir.path.to_string_lossy().into_owned())];
    Policy::start(command, &variables, dir.path.join("policy.log"), seen, tell.clone())
        .map_err(|e| Failure::trouble(format!("--policy: cannot be started: {}", reason(&e))))
}

/// The way to hosts, with as many open files as we may have; programs that we start get what we were given.
pub(crate) fn connector(host_timeout: Duration) -> Result<Connector, Failure> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let mut options = atex_connect::Options::default();
    // A host has to be missed before it can be given up.
    options.notice_within = options.notice_within.min(host_timeout / 2);
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok()
    {
        options.child_open_files = Some(soft);
    }
    Connector::new(options).map_err(|e| {
        let failure = Failure::trouble(format!("cannot prepare connections: {}", reason(&e)));
        match e.raw_os_error() {
            Some(nix::libc::EMFILE) => failure.hint("raise `ulimit -n`"),
            _ => failure,
        }
    })
}

impl Dispatcher {
    /// Says that the run has begun and brings in the local hosts.
    fn begin(&mut self, provisioned: &Sender<Provisioned>) {
        self.say_begun();
        self.start_provisioners(Leases::new(), &BTreeSet::new(), &BTreeSet::new(), provisioned);
        for n in 1..=self.config.local {
            self.local_host(n);
        }
        if self.open_sources == 0 {
            self.input_ended();
        }
    }

    fn say_begun(&mut self) {
        self.record(&JobStart {
            kind: JobStartTag,
            time: self.started.0,
            run: self.dir.id.clone(),
            dir: self.dir.path.to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").into(),
        });
        self.say_options();
    }

    /// Says how it is scheduled, for those who replay it.
    fn say_options(&mut self) {
        let options = self.config.schedule.clone();
        self.record(&WithOptions { kind: OPTIONS.into(), options });
    }

    /// Brings in a host on this machine.
    fn local_host(&mut self, n: u32) {
        let host = Host::new(format!("local/{n}"), Connect::Local);
        let line = serde_json::to_string(&host).expect("a record has only text keys");
        self.host(host, From::Local, line);
    }

    /// Whether nothing is left to do here, or has been left to the run's next life.
    fn is_over(&mut self) -> bool {
        self.is_left || self.scheduler.is_done() && self.leaving == 0 && self.provisioners_over()
    }

    fn serve(&mut self, ears: &Ears) {
        while !self.is_over() {
            match ears.next(self.next_alarm()) {
                Heard::Item(item) => self.item(item),
                Heard::News(host, news) => self.news(host, news),
                Heard::Packed(packed) => self.packed(packed),
                Heard::Signal(signal) => self.signal(signal),
                Heard::Unsaid(unsaid) => self.unsaid(unsaid),
                Heard::Asked(asked) => self.answer(asked),
                Heard::Asking => self.progress.say(),
                Heard::Reply(reply) => self.replied(reply),
                Heard::Provisioned(said) => self.provisioned(said, ears),
                Heard::Alarm => self.alarm(),
            }
        }
    }

    /// It may be early, if there was long to wait.
    fn alarm(&mut self) {
        self.look_at_clock();
        if self.alarm.is_some_and(|at| at <= moment()) {
            self.alarm = None;
            self.apply(Event::Woken);
        }
    }

    fn unsaid(&mut self, unsaid: Unsaid) {
        let failure = unsaid.failure(&self.dir);
        match unsaid {
            Unsaid::Output(_) => {
                self.complain(&failure);
                self.stop(failure.message);
            }
            Unsaid::Storage(_) => self.cannot_store(&failure),
        }
    }

    // ---- Decisions ----

    /// Tells the scheduler of an event and has done what it decides. What comes up meanwhile is told behind it, so
    /// that orders are given in the order in which they were decided.
    fn apply(&mut self, event: Event) {
        self.events.push_back(event);
        if std::mem::replace(&mut self.is_applying, true) {
            return;
        }
        while let Some(event) = self.events.pop_front() {
            self.decide(event);
        }
        self.is_applying = false;
    }

    fn decide(&mut self, event: Event) {
        let at = moment();
        let actions = self.scheduler.apply(at, event.clone());
        self.record(&Decision { kind: DECISION, at, event: &event, actions: &actions });
        for action in actions {
            match action {
                Action::SetUp { host, setup, clean } => self.set_up(host, setup, clean),
                Action::Start { host, test, attempt } => self.start(host, test, attempt),
                Action::Cancel { host } => self.cancel(host),
                Action::Release { host, why } => self.release(host, why),
                Action::Settle { host, why, .. } => self.judged(host, Some(why)),
                Action::Retry { host, .. } => self.judged(host, None),
                Action::Abandon { test, why } => self.abandon(test, why),
                Action::Ask { question, about } => self.ask(question, about),
                Action::Want { provisioner, hosts } => self.want(provisioner, hosts),
                Action::Extend { host, until } => self.extend(host, until),
                Action::WakeAt { at } => self.alarm = Some(at),
            }
        }
    }

    fn signal(&mut self, signal: Signal) {
        self.signals += 1;
        let exit = Exit::Signal(u8::try_from(signal as i32).unwrap_or(0));
        self.exit = self.exit.max(exit);
        match self.signals {
            1 if self.config.stops.on_term == OnTerm::Detach && !self.stopping => self.leave(signal),
            1 => {
                log::warn!("{signal}: ending what runs; once more: kill it");
                self.stop(signal);
            }
            2 => {
                log::warn!("{signal}: killing what runs; once more: leave at once");
                // Also what plans want done at the end.
                let there: Vec<usize> =
                    (0..self.hosts.len()).filter(|at| self.hosts[*at].is_there()).collect();
                for at in there {
                    self.pool.order(HostId(u32::try_from(at).unwrap_or(u32::MAX)), Order::Kill);
                }
            }
            _ => {
                log::warn!(
                    "{signal}: leaving at once; tests may go on running on their hosts; --resume {} goes on",
                    self.dir.path.display()
                );
                status::clear();
                std::process::exit(i32::from(exit.code()));
            }
        }
    }

    /// Ends the run in good order before all is done, for this reason.
    fn stop(&mut self, why: impl ToString) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.why_stopped = Some(why.to_string());
            self.stop_hooks = None;
            self.pool.stop_hooks();
            self.apply(Event::Stopped);
        }
    }

    // ---- What is said and written ----

    fn complain(&mut self, failure: &Failure) {
        failure.report(crate::TOOL);
        self.exit = self.exit.max(failure.kind.exit());
    }

    /// The run directory cannot be written. Nothing more can be promised: end in good order.
    fn cannot_store(&mut self, failure: &Failure) {
        if !std::mem::replace(&mut self.storage_failed, true) {
            self.complain(failure);
        }
        self.stop(&failure.message);
    }

    fn record<T: Serialize>(&mut self, record: &T) {
        match self.journal.append(record) {
            Ok(()) => {
                let taken_in = self.tests.lines().length() + self.hosts_file.lines().length();
                self.announcer.grown(self.journal.length(), taken_in);
                self.tell_policy();
            }
            Err(e) => self.cannot_store(&trouble(&self.dir.journal(), &e)),
        }
    }

    fn pass_on(&mut self, line: &str) {
        // It has been read as JSON before.
        if let Ok(line) = serde_json::from_str::<&RawValue>(line) {
            self.record(&PassedOn { kind: PASSED_ON, line });
        }
    }
}
