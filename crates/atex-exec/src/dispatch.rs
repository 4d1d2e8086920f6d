//! The dispatcher: one loop that takes an event, asks the scheduler, writes down what is decided, and has it
//! carried out. It owns the state of the run; nobody else decides anything.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use atex_cli::output::OutputError;
use atex_cli::{Exit, Failure, input::reason, now};
use atex_connect::Connector;
use atex_model::report::{
    Cause, Counts, End, EndTag, HostEnd, HostEndReason, HostEndTag, HostStart, HostStartTag, JobEnd,
    JobEndTag, JobStart, JobStartTag, Outcome, TestEnd, TestEndTag, TestNote, TestNoteTag, TestStart,
    TestStartTag,
};
use atex_model::{Connect, Host, Test, Time, artifacts::attempt_dir};
use atex_schedule::{
    Action, Ended, Event, HostId, HostIs, Options, Release, Scheduler, SetupEnd, SetupId, TestId, Unrunnable,
};
use crossbeam_channel::{Receiver, select, unbounded};
use indexmap::IndexMap;
use nix::sys::signal::Signal;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::announce::Announcer;
use crate::attempt::{Done, Job};
use crate::catalog::{Identities, Identity, Platforms, Setups};
use crate::config::Config;
use crate::intake::{self, Item};
use crate::journal::{INPUT_ENDED, InputEnded, Journal, PASSED_ON, PassedOn};
use crate::packer::{Asked, Packed, Packer};
use crate::pool::{News, Order, Pool};
use crate::run_dir::{RunDir, trouble};
use crate::tests_file::TestsFile;

/// How many lines of input are read ahead of what has been taken in.
const READ_AHEAD: usize = 1024;

/// A host of the run.
struct HostEntry {
    record: Arc<Host>,
    /// The line of its record, if it is borrowed: it is handed on when we are done with it.
    line: Option<String>,
    /// The test that runs there, and which attempt it is.
    running: Option<(TestId, u32, Test)>,
    joined: Option<Instant>,
    busy: f64,
    /// Why it is no longer used.
    trouble: Option<String>,
    /// It can no longer be reached.
    lost: bool,
}

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
    let dir = RunDir::create(config.run_dir.as_deref(), started.0)?;
    let journal = Journal::create(&dir.journal()).map_err(|e| trouble(&dir.journal(), &e))?;
    let tests = TestsFile::create(&dir.tests()).map_err(|e| trouble(&dir.tests(), &e))?;
    let (say_failed, output) = unbounded();
    let announcer = Announcer::start(&dir.journal(), &dir.path, io::stdout(), say_failed.clone())
        .map_err(|e| trouble(&dir.journal(), &e))?;
    let (tell, news) = unbounded();
    let connector = connector()?;
    let own = |e: io::Error| Failure::trouble(format!("cannot start a thread: {}", reason(&e)));
    let pool = Pool::start(connector, &tell, config.waits).map_err(own)?;
    let packer = Packer::new(dir.uploads());
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
        just_ended: None,
    };
    dispatcher.begin();
    dispatcher.serve(ears);
    // Kept until here, so that the channels are never without a sender.
    drop((tell, say_failed, to));
    Ok(dispatcher.end())
}

/// The way to hosts, with as many open files as we may have; programs that we start get what we were given.
fn connector() -> Result<Connector, Failure> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let mut options = atex_connect::Options::default();
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

    // ---- Input ----

    fn item(&mut self, item: Item) {
        // A run that is being stopped takes on nothing more.
        match item {
            _ if self.stopping => {}
            Item::Test { test, line, place } => self.test(*test, line, &place),
            Item::Host { host, line, place } => {
                if self.hosts.contains_key(&host.id) {
                    let message =
                        format!("{place}: host {}: there is one of this id already", host.id.escape_debug());
                    self.refuse(&Failure::usage(message));
                } else {
                    self.host(*host, Some(line));
                }
            }
            Item::Other { line, incomplete } => {
                if let Some(tool) = incomplete {
                    log::warn!("{tool} says that its output is incomplete");
                    self.exit = self.exit.max(Exit::Trouble);
                }
                self.pass_on(&line);
            }
            Item::Failed(failure) => self.refuse(&failure),
            Item::Ended => {
                self.open_sources -= 1;
                if self.open_sources == 0 {
                    self.input_ended();
                }
            }
        }
    }

    fn test(&mut self, mut test: Test, mut line: String, place: &str) {
        match self.identities.add(&test, self.config.duplicates) {
            Identity::New => {}
            Identity::Renamed(name) => {
                test.name = name;
                line = serde_json::to_string(&test).expect("a record has only text keys");
            }
            Identity::Known => {
                let message =
                    format!("{place}: test {}: there is one of this name already", test.name.escape_debug());
                let hint = "--duplicates number runs it under another name";
                return self.refuse(&Failure::usage(message).hint(hint));
            }
        }
        let (setup, is_new) = self.setups.id(&test);
        if is_new {
            self.warn_of_plan(&test);
            if let Err(e) = self.packer.add(self.setups.tree(setup)) {
                return self.refuse(&Failure::trouble(format!("cannot start a thread: {}", reason(&e))));
            }
        }
        let id = match self.tests.push(&line) {
            Ok(id) => id,
            Err(e) => return self.cannot_store(&trouble(&self.dir.tests(), &e)),
        };
        let platform = test.platform.as_deref().map(|label| self.platforms.id(label));
        self.apply(Event::TestArrived { test: id, platform, setup });
    }

    fn warn_of_plan(&self, test: &Test) {
        if let Some(plan) = &test.plan
            && !(plan.prepare.is_empty() && plan.finish.is_empty())
        {
            let name = plan.name.as_deref().unwrap_or("(unnamed)");
            log::warn!("plan {name}: its prepare and finish items are not carried out by this version");
        }
    }

    fn host(&mut self, host: Host, line: Option<String>) {
        let platform = self.platforms.id(host.label());
        let id = HostId(u32::try_from(self.hosts.len()).expect("each host takes a record, and memory"));
        let dirs = self.work_dirs(id, &host.connect);
        let record = Arc::new(host);
        let entry = HostEntry {
            record: Arc::clone(&record),
            line,
            running: None,
            joined: None,
            busy: 0.0,
            trouble: None,
            lost: false,
        };
        self.hosts.insert(record.id.clone(), entry);
        self.pool.order(id, Order::Join { record, dirs });
        self.apply(Event::HostExpected { host: id, platform });
    }

    /// Where the run's directory on the host may be made, best first.
    fn work_dirs(&self, id: HostId, connect: &Connect) -> Vec<String> {
        // Hosts may share a file system, so that each needs a directory of its own.
        let name = format!("atex-{}-{}", self.dir.id, id.0);
        match (connect, &self.config.work_dir) {
            (Connect::Local, _) => {
                vec![self.dir.hosts().join(id.0.to_string()).to_string_lossy().into_owned()]
            }
            (_, Some(dir)) => vec![format!("{}/{name}", dir.trim_end_matches('/'))],
            (_, None) => vec![format!("/var/{name}"), format!("/tmp/{name}")],
        }
    }

    fn input_ended(&mut self) {
        if let Err(e) = self.tests.finish() {
            self.cannot_store(&trouble(&self.dir.tests(), &e));
        }
        self.record(&InputEnded { kind: INPUT_ENDED, time: now() });
        if self.hosts.is_empty() && self.tests.len() > 0 {
            let hint = "add --local N, --hosts FILE, or host records to the input";
            self.complain(&Failure::usage("there is no host to run tests on").hint(hint));
        }
        self.apply(Event::InputEnded);
    }

    /// The input is wrong: take nothing more from it and end in good order.
    fn refuse(&mut self, failure: &Failure) {
        self.complain(failure);
        self.stop();
    }

    // ---- Hosts and set-ups ----

    fn news(&mut self, host: HostId, news: News) {
        match news {
            News::Ready => {
                let entry = self.entry(host);
                entry.joined = Some(Instant::now());
                let record = Arc::clone(&entry.record);
                let platform = self.platforms.id(record.label());
                self.record(&HostStart {
                    kind: HostStartTag,
                    time: now(),
                    run: self.dir.id.clone(),
                    host: record.id.clone(),
                    platform: record.label().into(),
                    facts: record.facts.clone(),
                });
                self.apply(Event::HostReady { host, platform });
            }
            News::Unreachable(problem) => {
                self.host_trouble(host, problem);
                self.apply(Event::HostGone { host });
            }
            News::SetUp(Ok(())) => self.apply(Event::SetupEnded { host, end: SetupEnd::Done }),
            News::SetUp(Err(problem)) => {
                self.host_trouble(host, problem);
                self.apply(Event::SetupEnded { host, end: SetupEnd::HostFailed });
            }
            News::Note(note) => self.note(host, note),
            News::Ended { done, lost } => self.attempt_ended(host, *done, lost),
            News::Left => {
                self.leaving -= 1;
                self.host_ended(host);
            }
        }
    }

    fn packed(&mut self, packed: Packed) {
        if let Err(problem) = &packed.1 {
            self.complain(&Failure::trouble(problem));
        }
        let setup = packed.0;
        for (host, clean) in self.packer.finished(packed) {
            self.set_up(host, setup, clean);
        }
    }

    fn set_up(&mut self, host: HostId, setup: SetupId, clean: bool) {
        match self.packer.ask(setup, host, clean) {
            Asked::Ready(setup) => self.pool.order(host, Order::SetUp { setup, clean }),
            Asked::Later => {}
            Asked::Impossible => self.apply(Event::SetupEnded { host, end: SetupEnd::Impossible }),
        }
    }

    fn host_trouble(&mut self, host: HostId, problem: String) {
        self.complain(&Failure::trouble(&problem));
        self.entry(host).trouble = Some(problem);
    }

    fn release(&mut self, host: HostId, why: Release) {
        if why == Release::Lost {
            self.host_ended(host);
        } else {
            self.leaving += 1;
            self.pool.order(host, Order::Leave);
        }
    }

    fn host_ended(&mut self, host: HostId) {
        let stopping = self.stopping;
        let entry = self.entry(host);
        let reason = match (&entry.trouble, entry.joined) {
            (None, _) if stopping => HostEndReason::Cancelled,
            (None, _) => HostEndReason::Done,
            (Some(_), None) => HostEndReason::Unhealthy,
            (Some(_), Some(_)) if entry.lost => HostEndReason::Lost,
            (Some(_), Some(_)) => HostEndReason::Unhealthy,
        };
        let (record, line, note) = (Arc::clone(&entry.record), entry.line.take(), entry.trouble.clone());
        let time = entry.joined.map_or(0.0, |joined| joined.elapsed().as_secs_f64());
        let busy = entry.busy;
        self.host_seconds = (self.host_seconds.0 + busy, self.host_seconds.1 + time);
        self.record(&HostEnd {
            kind: HostEndTag,
            time: now(),
            run: self.dir.id.clone(),
            host: record.id.clone(),
            platform: record.label().into(),
            reason,
            note,
        });
        if let Some(line) = line {
            self.pass_on(&line);
        }
    }

    fn entry(&mut self, host: HostId) -> &mut HostEntry {
        let (_, entry) =
            self.hosts.get_index_mut(host.0 as usize).expect("hosts are numbered as they are entered");
        entry
    }

    // ---- Tests ----

    fn start(&mut self, host: HostId, id: TestId, attempt: u32) {
        let test = match self.tests.get(id) {
            Ok(test) => test,
            Err(e) => {
                // Without its record there is neither a name to report nor a command to run.
                self.cannot_store(&trouble(&self.dir.tests(), &e));
                let end = Event::AttemptEnded { host, end: Ended::Cancelled, host_is: HostIs::Fine };
                return self.apply(end);
            }
        };
        let setup = self.setups.id(&test).0;
        let artifacts = attempt_dir(test.label(), &test.name, attempt);
        let run = self.dir.id.clone();
        let name = self.entry(host).record.id.clone();
        self.record(&TestStart {
            kind: TestStartTag,
            time: now(),
            run: run.clone(),
            platform: test.label().into(),
            test: test.name.clone(),
            attempt,
            host: name,
        });
        self.entry(host).running = Some((id, attempt, test.clone()));
        let job = Box::new(Job { test, attempt, run, artifacts: self.dir.path.join(artifacts) });
        self.pool.order(host, Order::Start { setup, job });
    }

    fn note(&mut self, host: HostId, note: String) {
        let Some((_, _, test)) = &self.entry(host).running else { return };
        let (platform, test) = (test.label().to_owned(), test.name.clone());
        let run = self.dir.id.clone();
        self.record(&TestNote { kind: TestNoteTag, time: now(), run, platform, test, note });
    }

    fn attempt_ended(&mut self, host: HostId, done: Done, lost: bool) {
        let keep = done.cause == Cause::Test && self.config.keep_host_on.has(done.exit);
        let host_is = match (lost, keep) {
            (true, _) => HostIs::Lost,
            (false, true) => HostIs::Fine,
            (false, false) => HostIs::Spoilt,
        };
        let end = match done.cause {
            Cause::Test | Cause::Skipped => Ended::ByTest,
            Cause::Host => Ended::ByHost,
            Cause::Own => Ended::ByUs,
            Cause::Cancelled => Ended::Cancelled,
        };
        if lost {
            self.host_trouble(host, done.note.clone().unwrap_or_default());
            self.entry(host).lost = true;
        }
        let not_stored = done.note.clone().filter(|_| done.storage_failed);
        self.entry(host).busy += done.seconds;
        self.just_ended = Some((host, done));
        self.apply(Event::AttemptEnded { host, end, host_is });
        if let Some(problem) = not_stored {
            let hint =
                "make room there, or put runs elsewhere with --run-dir; what was stored before is whole";
            self.cannot_store(&Failure::trouble(problem).hint(hint));
        }
    }

    /// Writes down how the attempt ended that the scheduler has just judged.
    fn judged(&mut self, is_final: bool) {
        let Some((host, done)) = self.just_ended.take() else { return };
        let entry = self.entry(host);
        let name = entry.record.id.clone();
        let Some((_, attempt, test)) = entry.running.take() else { return };
        self.test_end(TestEnd {
            kind: TestEndTag,
            time: now(),
            run: self.dir.id.clone(),
            platform: test.label().into(),
            attempt,
            host: Some(name),
            outcome: done.outcome,
            cause: done.cause,
            exit: done.exit,
            note: done.note,
            seconds: round(done.seconds),
            counts: done.counts,
            is_final,
            artifacts: Some(attempt_dir(test.label(), &test.name, attempt)),
            test: test.name,
        });
    }

    /// A test ends without an attempt.
    fn abandon(&mut self, id: TestId, why: Unrunnable) {
        let Ok(test) = self.tests.get(id) else { return };
        let (cause, note) = match why {
            Unrunnable::Setup => {
                let problem =
                    self.packer.problem(self.setups.id(&test).0).unwrap_or("its files cannot be had");
                (Cause::Own, problem.to_owned())
            }
            Unrunnable::NoHost => (Cause::Host, self.why_no_host(&test)),
        };
        self.test_end(TestEnd {
            kind: TestEndTag,
            time: now(),
            run: self.dir.id.clone(),
            platform: test.label().into(),
            test: test.name,
            attempt: 0,
            host: None,
            outcome: Outcome::Infra,
            cause,
            exit: None,
            note: Some(note),
            seconds: 0.0,
            counts: Counts::new(),
            is_final: true,
            artifacts: None,
        });
    }

    fn why_no_host(&self, test: &Test) -> String {
        let label = test.platform.as_deref();
        let fitting =
            || self.hosts.values().filter(|host| label.is_none_or(|label| host.record.label() == label));
        match fitting().find_map(|host| host.trouble.as_deref()) {
            Some(problem) => format!("no host is left that could run it: {problem}"),
            None => format!("no host matches platform `{}`", test.label().escape_debug()),
        }
    }

    fn test_end(&mut self, end: TestEnd) {
        log::info!(
            "{}: {}{}",
            end.test.escape_debug(),
            end.outcome,
            if end.is_final { "" } else { ", to be tried again" }
        );
        if end.is_final {
            self.counts[end.outcome as usize] += 1;
            let exit = match end.outcome {
                Outcome::Infra => Exit::Trouble,
                Outcome::Error | Outcome::Fail => Exit::Failed,
                _ => Exit::Done,
            };
            self.exit = self.exit.max(exit);
        }
        self.record(&end);
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
                let running: Vec<usize> =
                    (0..self.hosts.len()).filter(|at| self.hosts[*at].running.is_some()).collect();
                for at in running {
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

/// To a millisecond, as times are.
fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
