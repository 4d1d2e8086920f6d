//! A run as a value: what the program does, for programs.

mod record;

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use atex_cli::{Exit, Failure, input::Lines};
use atex_model::report::{JobEnd, Outcome, ResultKind, TestEnd, TestEndTag, TestResult};
use atex_model::{Host, Test};
use clap::Parser;
use crossbeam_channel::{Receiver, Sender, bounded, never};

pub use self::record::Record;
use self::record::Sink;
use crate::announce::Tale;
use crate::args::Args;
use crate::catalog::identity;
use crate::config::Config;
use crate::dispatch::{self, Ends};
use crate::intake::{self, Item};
use crate::run_dir::trouble;

/// How many records may wait for their reader, and tests for the run.
const AHEAD: usize = 1024;

/// A run that goes on: tests and hosts go in, records come out.
///
/// It is the same engine as behind the program `atex-exec`, with the same run directory, and can be resumed by it. What
/// goes wrong in it is said on standard error, as the program does; the records say what became of tests and hosts.
///
/// # A test, and then others
///
/// A job is made, tests are resolved (here from names), one of them is run, and what is run next depends on
/// how it ended.
///
/// ```
/// use atex_exec::{Job, Outcome, Test};
///
/// # let dir = tempfile::tempdir().unwrap();
/// let mut job = Job::builder().local(2).run_dir(dir.path().join("run")).start()?;
/// let smoke = job.run(Test::shell("/smoke", "test -d /tmp"))?;
/// if smoke.outcome() == Outcome::Pass {
///     for name in ["/net/bind", "/net/route"] {
///         job.add(Test::shell(name, "true"))?;
///     }
/// } else {
///     job.add(Test::shell("/why", "ls -la /"))?;
/// }
/// let finished = job.finish()?;
/// assert_eq!(finished.job_end.counts["pass"], 3);
/// # Ok::<(), atex_exec::Failure>(())
/// ```
///
/// # Settings of one test
///
/// Whatever a test's metadata can say, it says for this test alone; `options` are those of the command line, for all.
///
/// ```
/// use atex_exec::{Job, Outcome, Test};
/// use serde_json::json;
///
/// # let dir = tempfile::tempdir().unwrap();
/// let mut job = Job::builder()
///     .local(1)
///     .run_dir(dir.path().join("run"))
///     .options(["--env", "LEVEL=1", "--infra-retries", "0"])
///     .start()?;
/// let patient = Test::shell("/patient", "[ $LEVEL$PROFILE = 1cpu ]")
///     .with("duration", "5m")
///     .with("environment", json!({"PROFILE": "cpu"}));
/// assert_eq!(job.run(patient)?.outcome(), Outcome::Pass);
/// let hasty = Test::shell("/hasty", "[ -z $PROFILE ] && sleep 60").with("duration", "1s");
/// let hasty = job.run(hasty)?;
/// assert_eq!((hasty.outcome(), hasty.end.exit), (Outcome::Error, None));
/// # job.finish()?;
/// # Ok::<(), atex_exec::Failure>(())
/// ```
///
/// # The same test on hosts of several platforms
///
/// A test is known by its platform and its name. Hosts are ssh machines, containers, or as here this machine.
///
/// ```
/// use atex_exec::{Connect, Host, Job, Test};
///
/// # let dir = tempfile::tempdir().unwrap();
/// let mut job = Job::builder().run_dir(dir.path().join("run")).start()?;
/// for platform in ["cs9", "cs10"] {
///     job.add_host(Host::new(format!("vm-{platform}"), Connect::Local).of(platform))?;
///     job.add(Test::shell("/kernel/boot", "echo $ATEX_PLATFORM").on(platform))?;
/// }
/// let mut ran = Vec::new();
/// for test in job.finish()?.tests()? {
///     ran.push(format!("{} on {}: {}", test.test, test.host.as_deref().unwrap_or("no host"), test.outcome));
/// }
/// ran.sort();
/// assert_eq!(ran, ["/kernel/boot on vm-cs10: pass", "/kernel/boot on vm-cs9: pass"]);
/// # Ok::<(), atex_exec::Failure>(())
/// ```
///
/// # Tests of several kinds in one job, and work on results before it ends
///
/// Tests that were found as fmf metadata, here by the crate atex-fmf and else by `atex-discover`, and executables that
/// speak TAP are all tests. Records come as things happen.
///
/// ```
/// use atex_exec::{Job, Record, Test};
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let tree_dir = dir.path().join("tree");
/// # std::fs::create_dir_all(tree_dir.join(".fmf")).unwrap();
/// # std::fs::write(tree_dir.join(".fmf/version"), "1\n").unwrap();
/// # std::fs::write(tree_dir.join("sum.fmf"), "test: ./sum.sh\n").unwrap();
/// # std::fs::write(tree_dir.join("sum.sh"), "[ $((1 + 1)) = 2 ]\n").unwrap();
/// # #[cfg(unix)]
/// # std::fs::set_permissions(tree_dir.join("sum.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
/// let tree = atex_fmf::Tree::load(&tree_dir, &atex_fmf::Context::new()).expect("a tree");
/// let found = atex_fmf::discover(&tree, &atex_fmf::Request::default()).expect("tests");
///
/// let mut job = Job::builder().local(2).run_dir(dir.path().join("run")).start()?;
/// for test in &found.tests {
///     let mut data = Vec::new();
///     test.write_data(&mut data).expect("a Vec takes every byte");
///     let data = serde_json::from_slice(&data).expect("metadata is an object");
///     job.add(Test::new(test.name.to_string(), data).of_tree(&tree_dir, test.source_dir().to_string()))?;
/// }
/// job.add(Test::shell("/exec/tap", "printf '1..2\nok 1 - a\nok 2 - b\n'").with("extra-result", "tap"))?;
/// job.close();
///
/// let mut passed = Vec::new();
/// for record in &mut job {
///     match record {
///         Record::Result(result) if result.status.as_deref() == Some("pass") => {
///             passed.push(format!("{} {}", result.test, result.subtest.unwrap_or_default()));
///         }
///         Record::TestEnd(end) => println!("{} is done: {}", end.test, end.outcome),
///         _ => {}
///     }
/// }
/// passed.sort();
/// assert_eq!(passed, ["/exec/tap ", "/exec/tap a", "/exec/tap b", "/sum "]);
/// job.finish()?;
/// # Ok::<(), atex_exec::Failure>(())
/// ```
///
/// # Phases one by one
///
/// Make the suite, change it, run it, look at what is left: each on its own, each can be left out. A run directory is
/// all that goes from one to the next, so that each may be another program, on another day.
///
/// ```
/// use atex_exec::{Job, Record, Test};
///
/// # let dir = tempfile::tempdir().unwrap();
/// // The suite.
/// let mut suite: Vec<Test> = (1..=4).map(|n| Test::shell(format!("/t{n}"), "true")).collect();
/// // Before the tests: in code, or by hooks as on the command line.
/// suite.retain(|test| test.name != "/t2");
/// let builder = Job::builder()
///     .local(1)
///     .run_dir(dir.path().join("run"))
///     .options(["--hook", "pre-test=jq -c '.data.test += \" && true\"'", "--hook", "pre-tests=exit 1"])
///     .options(["--no-hooks", "pre-tests"]);
/// // The tests.
/// let mut job = builder.start()?;
/// for test in suite {
///     job.add(test)?;
/// }
/// let finished = job.finish()?;
/// // After the tests, whenever: everything that was written is told again, to a report or to code.
/// let mut told = Vec::new();
/// atex_exec::tell(&finished.dir, &mut told)?;
/// let text = String::from_utf8(told).expect("records are UTF-8");
/// let records: Vec<Record> = text.lines().map(|line| Record::parse(line).expect("a record")).collect();
/// assert_eq!(records.iter().filter(|record| record.is_final_result()).count(), 3);
/// # Ok::<(), atex_exec::Failure>(())
/// ```
pub struct Job {
    input: Option<Sender<Item>>,
    records: Receiver<Record>,
    /// Records that have come while others were waited for.
    kept: VecDeque<Record>,
    thread: Option<JoinHandle<Result<Exit, Failure>>>,
    known: HashSet<[u8; 16]>,
    job_end: Option<JobEnd>,
    dir: PathBuf,
}

/// How a [`Job`] is to be.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    words: Vec<OsString>,
}

impl Builder {
    /// Adds so many hosts on this machine, each a work directory of its own.
    #[must_use]
    pub fn local(self, hosts: u32) -> Builder {
        self.options(["--local".to_owned(), hosts.to_string()])
    }

    /// Keeps the run in this directory. Without one it is a new one in `atex-runs`.
    #[must_use]
    pub fn run_dir(self, dir: impl Into<PathBuf>) -> Builder {
        self.options([OsString::from("--run-dir"), dir.into().into()])
    }

    /// Any options of the program, as they are typed.
    #[must_use]
    pub fn options<I: IntoIterator<Item = W>, W: Into<OsString>>(mut self, words: I) -> Builder {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Begins the run.
    ///
    /// It takes as many open files as this process may have, and handles no signals.
    ///
    /// # Errors
    /// The options mean nothing, or the run cannot begin.
    pub fn start(self) -> Result<Job, Failure> {
        let argv: Vec<OsString> = [crate::TOOL.name.into()].into_iter().chain(self.words).collect();
        let args = Args::try_parse_from(&argv).map_err(|e| Failure::usage(e.to_string().trim()))?;
        if args.resume.is_some() || args.command.is_some() || args.common.schema {
            return Err(Failure::usage(
                "a job is a new run: --resume, --schema and commands are the program's",
            ));
        }
        let config = Config::of_job(args, argv)?;
        let (input, items) = bounded(AHEAD);
        let (to, records) = bounded(AHEAD);
        let ends = Ends {
            signals: never(),
            asking: never(),
            output: Box::new(Sink(to)),
            items: Some((input.clone(), items)),
            caller: None,
        };
        let begun = dispatch::begin(config)?;
        let dir = begun.dir().to_owned();
        let thread = std::thread::Builder::new().name("job".into());
        let thread = thread
            .spawn(move || begun.live(ends))
            .map_err(|e| Failure::trouble(format!("cannot start a thread: {e}")))?;
        Ok(Job {
            input: Some(input),
            records,
            kept: VecDeque::new(),
            thread: Some(thread),
            known: HashSet::new(),
            job_end: None,
            dir,
        })
    }
}

/// A test that has been run to its end.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settled {
    /// How it ended.
    pub end: TestEnd,
    /// Its results, all of them.
    pub results: Vec<TestResult>,
}

impl Settled {
    /// The verdict.
    pub fn outcome(&self) -> Outcome {
        self.end.outcome
    }
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Finished {
    /// What the program would exit with.
    pub exit: Exit,
    /// The run's last words.
    pub job_end: JobEnd,
    /// The run directory.
    pub dir: PathBuf,
}

impl Finished {
    /// How each test that was settled has ended, in that order, as the run directory says.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn tests(&self) -> Result<Vec<TestEnd>, Failure> {
        let mut lines = Lines::open(&journal(&self.dir))?;
        let mut ends = Vec::new();
        while let Some(line) = lines.next_line()? {
            if atex_model::kind(line.text).as_deref() == Ok(TestEndTag::TEXT) {
                let end: TestEnd = atex_model::parse(line.text).map_err(|e| line.fault(&e))?;
                ends.extend(Some(end).filter(|end| end.is_final));
            }
        }
        Ok(ends)
    }
}

fn journal(dir: &Path) -> PathBuf {
    dir.join("journal.jsonl")
}

impl Job {
    /// How a job is to be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The run directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Has a test run, now or when a host is free.
    ///
    /// # Errors
    /// The test cannot be run, there is one of its platform and name already, or the job takes no more.
    pub fn add(&mut self, test: Test) -> Result<(), Failure> {
        intake::check(&test).map_err(Failure::usage)?;
        if !self.known.insert(identity(test.platform.as_deref(), &test.name)) {
            let name = test.name.escape_debug();
            return Err(Failure::usage(format!("test {name}: there is one of this name already")));
        }
        let line = serde_json::to_string(&test).expect("a record has only text keys");
        self.give(Item::Test { test: Box::new(test), line, place: PLACE.into() })
    }

    /// Has a test run, and waits until it is settled. What else happens meanwhile is kept for whoever iterates over the
    /// job.
    ///
    /// # Errors
    /// As [`Job::add`], or the run has ended before the test has.
    pub fn run(&mut self, test: Test) -> Result<Settled, Failure> {
        let (label, name) = (test.label().to_owned(), test.name.clone());
        self.add(test)?;
        let mut results = Vec::new();
        while let Some(record) = self.receive() {
            match record {
                Record::Result(result)
                    if (&result.platform, &result.test) == (&label, &name)
                        && result.kind == ResultKind::Result =>
                {
                    results.push(result);
                }
                Record::TestEnd(end) if end.is_final && (&end.platform, &end.test) == (&label, &name) => {
                    return Ok(Settled { end, results });
                }
                other => self.kept.push_back(other),
            }
        }
        Err(Failure::trouble(format!("test {}: the run ended before it", name.escape_debug())))
    }

    /// Adds a host. It is borrowed: when the run is done with it, its record comes back.
    ///
    /// # Errors
    /// The job takes no more.
    pub fn add_host(&mut self, host: Host) -> Result<(), Failure> {
        let line = serde_json::to_string(&host).expect("a record has only text keys");
        self.give(Item::Host { host: Box::new(host), line, place: PLACE.into() })
    }

    /// Says that no more tests and hosts will come: the run ends when what there is has been run.
    pub fn close(&mut self) {
        if let Some(input) = self.input.take() {
            // If nobody listens it has ended already.
            let _ = input.send(Item::Ended);
        }
    }

    /// Stops the run in good order: nothing more is started, and what runs is ended. `atex-exec --resume` can go on with
    /// it.
    pub fn stop(&mut self) {
        if let Some(input) = self.input.take() {
            let _ = input.send(Item::Stop);
        }
    }

    /// Waits until all is run, and says how it went. Records that nobody has read are dropped.
    ///
    /// # Errors
    /// The run could not go on to its end.
    pub fn finish(mut self) -> Result<Finished, Failure> {
        self.close();
        while self.receive().is_some() {}
        let exit = self.join().unwrap_or_else(|| Err(Failure::trouble("the run is over already")))?;
        let job_end = self.job_end.take();
        let job_end = job_end.ok_or_else(|| Failure::trouble("the run ended without a word"))?;
        Ok(Finished { exit, job_end, dir: self.dir.clone() })
    }

    fn give(&self, item: Item) -> Result<(), Failure> {
        let over = || Failure::usage("the job takes no more: it was closed, or has ended");
        self.input.as_ref().ok_or_else(over)?.send(item).map_err(|_| over())
    }

    /// The next record, and what there is to remember of it.
    fn receive(&mut self) -> Option<Record> {
        let record = self.records.recv().ok()?;
        if let Record::JobEnd(end) = &record {
            self.job_end = Some(end.clone());
        }
        Some(record)
    }

    fn join(&mut self) -> Option<Result<Exit, Failure>> {
        let joined = self.thread.take()?.join();
        Some(
            joined
                .unwrap_or_else(|_| Err(Failure::trouble("the run broke off: this is a fault of atex-exec"))),
        )
    }
}

/// Where tests of a job stand, for messages.
const PLACE: &str = "job";

/// The records of the run, as things happen. Without one, the run is over; it is not as long as the job is not closed.
impl Iterator for Job {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.kept.pop_front().or_else(|| self.receive())
    }
}

impl Drop for Job {
    /// Stops the run in good order, and waits for that.
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
            while self.receive().is_some() {}
            let _ = self.join();
        }
    }
}

/// Tells everything that a run has written so far, in the words of its standard output.
///
/// # Errors
/// There is no run in the directory, or `to` cannot be written.
pub fn tell(dir: &Path, to: impl Write) -> Result<(), Failure> {
    let path = journal(dir);
    let journal = File::open(&path).map_err(|e| trouble(&path, &e))?;
    let length = journal.metadata().map_err(|e| trouble(&path, &e))?.len();
    let tale = Tale { dir: dir.to_owned(), journal, length, last: Vec::new() };
    tale.tell(to).map_err(|e| trouble(dir, &e))
}
