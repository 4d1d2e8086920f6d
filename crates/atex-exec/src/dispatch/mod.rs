//! The dispatcher: one loop that takes an event, asks the scheduler, writes down what is decided, and has it
//! carried out. It owns the state of the run; nobody else decides anything.

mod attempts;
mod hosts;
mod input;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atex_cli::output::OutputError;
use atex_cli::{Exit, Failure, input::reason, now};
use atex_connect::Connector;
use atex_model::report::{Counts, End, EndTag, JobEnd, JobEndTag, JobStart, JobStartTag, Outcome};
use atex_model::{Connect, Host, Time};
use atex_schedule::{Action, Event, HostId, Options, Scheduler};
use crossbeam_channel::{Receiver, select, unbounded};
use indexmap::IndexMap;
use nix::sys::signal::Signal;
use serde::Serialize;
use serde_json::value::RawValue;

use self::attempts::round;
use self::hosts::HostEntry;
use crate::announce::Announcer;
use crate::attempt::Done;
use crate::catalog::{Identities, Platforms, Setups};
use crate::config::Config;
use crate::intake::{self, Item};
use crate::journal::{Journal, PASSED_ON, PassedOn};
use crate::packer::{Packed, Packer};
use crate::pool::{News, Order, Pool, Shared};
use crate::run_dir::{RunDir, trouble};
use crate::tests_file::TestsFile;

/// How many lines of input are read ahead of what has been taken in.
const READ_AHEAD: usize = 1024;

/// The state of a run.
pub(crate) struct Dispatcher {
    config: Config,
    dir: RunDir,
    journal: Journal,
    tests: TestsFile,
    announcer: Announcer,
    scheduler: Scheduler,
    pool: Pool,
    packer: Packer,
    platforms: Platforms,
    setups: Setups,
    identities: Identities,
    hosts: IndexMap<String, HostEntry>,
    /// Sources of input that have not ended.
    open_sources: usize,
    /// Hosts that are being cleaned.
    leaving: usize,
    started: (Time, Instant),
    /// Settled tests by outcome.
    counts: [u64; Outcome::ALL.len()],
    exit: Exit,
    signals: u32,
    stopping: bool,
    /// The run directory cannot be written: what happens now is not on record.
    storage_failed: bool,
    /// How long hosts were busy with tests, and how long they were there.
    host_seconds: (f64, f64),
    /// What has been said that this version does not do.
    warned: BTreeSet<&'static str>,
    /// The attempt that the scheduler is about to judge.
    just_ended: Option<(HostId, Done)>,
}

/// What the dispatcher listens to.
struct Ears {
    items: Receiver<Item>,
    news: Receiver<(HostId, News)>,
    packed: Receiver<Packed>,
    signals: Receiver<Signal>,
    output: Receiver<OutputError>,
}

/// What has happened.
enum Heard {
    Item(Item),
    News(HostId, News),
    Packed(Packed),
    Signal(Signal),
    OutputFailed(OutputError),
}

impl Ears {
    fn next(&self) -> Heard {
        let gone = "its sender lives as long as the dispatcher";
        select! {
            recv(self.items) -> item => Heard::Item(item.expect(gone)),
            recv(self.news) -> news => { let (host, news) = news.expect(gone); Heard::News(host, news) }
            recv(self.packed) -> packed => Heard::Packed(packed.expect(gone)),
            recv(self.signals) -> signal => Heard::Signal(signal.expect(gone)),
            recv(self.output) -> error => Heard::OutputFailed(error.expect(gone)),
        }
    }
}

/// Runs what was asked for and says how it ended.
pub(crate) fn run(mut config: Config, signals: Receiver<Signal>) -> Result<Exit, Failure> {
    let started = (now(), Instant::now());
    let dir = RunDir::create(config.run_dir.as_deref(), &config.env, started.0)?;
    let journal = Journal::create(&dir.journal()).map_err(|e| trouble(&dir.journal(), &e))?;
    let tests = TestsFile::create(&dir.tests()).map_err(|e| trouble(&dir.tests(), &e))?;
    let (say_failed, output) = unbounded();
    let announcer = Announcer::start(&dir.journal(), &dir.path, io::stdout(), say_failed.clone())
        .map_err(|e| trouble(&dir.journal(), &e))?;
    let (tell, news) = unbounded();
    let connector = connector(config.waits.host)?;
    let own = |e: io::Error| Failure::trouble(format!("cannot start a thread: {}", reason(&e)));
    let pool = Pool::start(connector, &tell, config.waits, config.quotas, &config.env).map_err(own)?;
    let shared = Shared {
        run: dir.id.clone(),
        logs: dir.setup_logs(),
        allow_install: config.allow_install,
        preparing: false,
    };
    let packer = Packer::new(dir.uploads(), Arc::new(shared));
    let sources = std::mem::take(&mut config.sources);
    let open_sources = sources.len();
    let (to, items) = crossbeam_channel::bounded(READ_AHEAD);
    for lines in sources {
        let to = to.clone();
        let thread = std::thread::Builder::new().name("input".into());
        thread.spawn(move || intake::read(lines, &to)).map_err(own)?;
    }
    let ears = Ears { items, news, packed: packer.done().clone(), signals, output };
    let options = Options { infra_retries: config.infra_retries };
    let mut dispatcher = Dispatcher {
        scheduler: Scheduler::new(options),
        config,
        dir,
        journal,
        tests,
        announcer,
        pool,
        packer,
        platforms: Platforms::default(),
        setups: Setups::default(),
        identities: Identities::default(),
        hosts: IndexMap::new(),
        open_sources,
        leaving: 0,
        started,
        counts: [0; Outcome::ALL.len()],
        exit: Exit::Done,
        signals: 0,
        stopping: false,
        storage_failed: false,
        host_seconds: (0.0, 0.0),
        warned: BTreeSet::new(),
        just_ended: None,
    };
    dispatcher.begin();
    dispatcher.serve(ears);
    // Kept until here, so that the channels are never without a sender.
    drop((tell, say_failed, to));
    Ok(dispatcher.end())
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
    Connector::new(options)
        .map_err(|e| Failure::trouble(format!("cannot prepare connections: {}", reason(&e))))
}

impl Dispatcher {
    /// Says that the run has begun and brings in the local hosts.
    fn begin(&mut self) {
        self.record(&JobStart {
            kind: JobStartTag,
            time: self.started.0,
            run: self.dir.id.clone(),
            dir: self.dir.path.to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").into(),
        });
        for n in 1..=self.config.local {
            self.host(Host::new(format!("local/{n}"), Connect::Local), None);
        }
        if self.open_sources == 0 {
            self.input_ended();
        }
    }

    fn serve(&mut self, ears: Ears) {
        while !(self.scheduler.is_done() && self.leaving == 0) {
            match ears.next() {
                Heard::Item(item) => self.item(item),
                Heard::News(host, news) => self.news(host, news),
                Heard::Packed(packed) => self.packed(packed),
                Heard::Signal(signal) => self.signal(signal),
                Heard::OutputFailed(error) => {
                    self.complain(
                        &Failure::trouble(error)
                            .hint(format!("the results are in {}", self.dir.path.display())),
                    );
                    self.stop();
                }
            }
        }
    }

    // ---- Decisions ----

    fn apply(&mut self, event: Event) {
        for action in self.scheduler.apply(event) {
            match action {
                Action::SetUp { host, setup, clean } => self.set_up(host, setup, clean),
                Action::Start { host, test, attempt } => self.start(host, test, attempt),
                Action::Cancel { host } => self.pool.order(host, Order::Cancel),
                Action::Release { host, why } => self.release(host, why),
                Action::Settle { .. } => self.judged(true),
                Action::Retry { .. } => self.judged(false),
                Action::Abandon { test, why } => self.abandon(test, why),
            }
        }
    }

    fn signal(&mut self, signal: Signal) {
        self.signals += 1;
        let exit = Exit::Signal(u8::try_from(signal as i32).unwrap_or(0));
        self.exit = self.exit.max(exit);
        match self.signals {
            1 => {
                log::warn!("{signal}: ending what runs; once more: kill it");
                self.stop();
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
                log::warn!("{signal}: leaving at once; tests may go on running on their hosts");
                std::process::exit(i32::from(exit.code()));
            }
        }
    }

    fn stop(&mut self) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.apply(Event::Stop);
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
        self.stop();
    }

    fn record<T: Serialize>(&mut self, record: &T) {
        match self.journal.append(record) {
            Ok(()) => self.announcer.length(self.journal.length()),
            Err(e) => self.cannot_store(&trouble(&self.dir.journal(), &e)),
        }
    }

    fn pass_on(&mut self, line: &str) {
        // It has been read as JSON before.
        if let Ok(line) = serde_json::from_str::<&RawValue>(line) {
            self.record(&PassedOn { kind: PASSED_ON, line });
        }
    }

    /// The last words, and the exit status.
    fn end(mut self) -> Exit {
        self.hand_on_lost();
        let settled: u64 = self.counts.iter().sum();
        let total = self.tests.len() as u64;
        if total == 0 && !self.config.allow_empty && self.exit < Exit::Usage {
            let hint = "atex-discover finds tests; --allow-empty makes this no error";
            self.complain(&Failure::usage("no test found in the input").hint(hint));
        }
        let unsettled = total - settled;
        if unsettled > 0 {
            self.exit = self.exit.max(Exit::Stopped);
        }
        let by_outcome = Outcome::ALL.into_iter().zip(self.counts).filter(|(_, n)| *n > 0);
        let counts: Counts = by_outcome.map(|(outcome, n)| (outcome.as_str().to_owned(), n)).collect();
        let (busy, all) = self.host_seconds;
        let job_end = JobEnd {
            kind: JobEndTag,
            time: now(),
            run: self.dir.id.clone(),
            dir: self.dir.path.to_string_lossy().into_owned(),
            outcome: counts.keys().next().cloned(),
            counts: counts.clone(),
            unsettled,
            seconds: round(self.started.1.elapsed().as_secs_f64()),
            busy: (all > 0.0).then(|| round(busy / all)),
        };
        self.record(&job_end);
        self.dir.tidy();
        let mut all = Counts::new();
        all.insert("tests".into(), total);
        all.extend(counts);
        self.announcer.finish(End {
            kind: EndTag,
            tool: crate::TOOL.name.into(),
            complete: self.exit.is_complete(),
            exit: self.exit.code(),
            counts: all,
        });
        self.exit
    }
}
