//! What the run directory knows of a run: its files are read once, from the beginning to the end, and what
//! is remembered of each test is some ten bytes.

use std::collections::HashMap;
use std::path::Path;

use atex_cli::{Exit, Failure, input::Lines};
use atex_model::report::{
    EndTag, HostEnd, HostEndReason, HostEndTag, HostStart, HostStartTag, JobEnd, JobEndTag, JobResume,
    JobResumeTag, JobStart, JobStartTag, Outcome, TestEnd, TestEndTag, TestStart, TestStartTag,
};
use atex_model::{Host, HostTag, LineError, Time, report::End};
use atex_schedule::{PlatformId, SetupId, TestId, Tried};

use crate::catalog::{Identities, KnownLines, Platforms, Setups, identity, is_destructive};
use crate::dispatch::{ended_by, exit_of};
use crate::hosts_file::{self, From};
use crate::journal::{EXIT, JobExit, PASSED_ON, passed_on};
use crate::needs::Needs;
use crate::run_dir::{DAMAGED, RunDir, trouble};
use crate::tests_file::{TestsFile, Unusable};

/// A test that was taken in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PastTest {
    pub platform: Option<PlatformId>,
    pub setup: SetupId,
    pub is_destructive: bool,
    pub tried: Tried,
    pub now: Progress,
}

/// How far a test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Waiting,
    /// An attempt had not ended, on the host of this number.
    Running {
        host: u32,
        attempt: u32,
    },
    Settled,
}

/// A host that was taken in.
#[derive(Debug)]
pub(crate) struct PastHost {
    pub from: From,
    /// The line of its record.
    pub line: String,
    pub host: Host,
    /// It has left the pool, and was handed on if it was borrowed.
    pub gone: bool,
    /// Since when it has been in the pool.
    joined: Option<Time>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Over {
    pub code: u8,
    pub end: JobEnd,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Past {
    /// By their numbers.
    pub tests: Vec<PastTest>,
    /// By their numbers.
    pub hosts: Vec<PastHost>,
    pub identities: Identities,
    pub setups: Setups,
    pub platforms: Platforms,
    /// Lines of the input that were handed on. Empty if the input has ended: it is not read again.
    pub lines: KnownLines,
    /// The input has ended.
    pub input_ended: bool,
    /// A tool said that what it wrote was not all there is.
    pub incomplete: bool,
    /// Settled tests by outcome.
    pub counts: [u64; Outcome::ALL.len()],
    /// What follows from the tests that are settled and the hosts that failed.
    pub exit: Exit,
    /// How long the run was at work.
    pub seconds: f64,
    /// How long hosts were busy with tests, and how long they were there.
    pub host_seconds: (f64, f64),
    /// A borrowed host that left the pool and had not been handed on.
    pub to_hand_on: Option<u32>,
    /// Set by an end at which every test was settled.
    pub over: Option<Over>,
    by_identity: HashMap<[u8; 16], u32>,
    host_numbers: HashMap<String, u32>,
    code: Option<u8>,
    life: Option<Time>,
    last: Time,
}

impl Past {
    /// That of a new run.
    pub fn none() -> Past {
        Past {
            tests: Vec::new(),
            hosts: Vec::new(),
            identities: Identities::default(),
            setups: Setups::default(),
            platforms: Platforms::default(),
            lines: KnownLines::default(),
            input_ended: false,
            incomplete: false,
            counts: [0; Outcome::ALL.len()],
            exit: Exit::Done,
            seconds: 0.0,
            host_seconds: (0.0, 0.0),
            to_hand_on: None,
            over: None,
            by_identity: HashMap::new(),
            host_numbers: HashMap::new(),
            code: None,
            life: None,
            last: Time(0),
        }
    }

    /// Reads the files of a run, and opens that of its tests to go on with it.
    pub fn read(dir: &RunDir) -> Result<(Past, TestsFile), Failure> {
        let mut past = Past::none();
        let path = dir.tests();
        let tests = TestsFile::open(&path, |id, test| past.test(id, &test)).map_err(|e| match e {
            Unusable::Read(e) => trouble(&path, &e).hint(DAMAGED),
            line @ Unusable::Line(..) => Failure::usage(format!("{}:{line}", path.display())).hint(DAMAGED),
        })?;
        past.input_ended = tests.has_ended();
        each_line(&dir.hosts_file(), |line| hosts_file::parse(line).map(|host| past.host(host)))?;
        each_line(&dir.journal(), |line| past.journal(line))?;
        past.end_life();
        past.by_identity = HashMap::new();
        Ok((past, tests))
    }

    fn test(&mut self, id: TestId, test: &atex_model::Test) {
        let hash = identity(test.platform.as_deref(), &test.name);
        self.identities.add_before(hash);
        self.by_identity.insert(hash, id.0);
        let platform = test.platform.as_deref().map(|label| self.platforms.id(label));
        let (setup, _) = self.setups.id(test);
        self.setups.need(setup, Needs::of(test));
        let is_destructive = is_destructive(test);
        let tried = Tried::default();
        self.tests.push(PastTest { platform, setup, is_destructive, tried, now: Progress::Waiting });
    }

    fn host(&mut self, (from, line, host): (From, String, Host)) {
        let number = u32::try_from(self.hosts.len()).expect("each host takes a line, and memory");
        // One that was handed on and given again has the number that it had.
        let number = *self.host_numbers.entry(host.id.clone()).or_insert(number);
        let host = PastHost { from, line, host, gone: false, joined: None };
        match self.hosts.get_mut(number as usize) {
            Some(known) => *known = host,
            None => self.hosts.push(host),
        }
    }

    fn journal(&mut self, line: &str) -> Result<(), LineError> {
        match atex_model::kind(line)?.as_ref() {
            TestStartTag::TEXT => self.test_start(&atex_model::parse(line)?),
            TestEndTag::TEXT => self.test_end(&atex_model::parse(line)?),
            HostStartTag::TEXT => self.host_start(&atex_model::parse(line)?),
            HostEndTag::TEXT => self.host_end(&atex_model::parse(line)?),
            JobStartTag::TEXT => self.begin_life(atex_model::parse::<JobStart>(line)?.time),
            JobResumeTag::TEXT => self.begin_life(atex_model::parse::<JobResume>(line)?.time),
            JobEndTag::TEXT => self.job_end(atex_model::parse(line)?),
            EXIT => self.code = Some(atex_model::parse::<JobExit>(line)?.code),
            PASSED_ON => self.passed_on(passed_on(line).unwrap_or_default()),
            _ => {}
        }
        Ok(())
    }

    // ---- Tests ----

    fn test_start(&mut self, start: &TestStart) {
        self.last = start.time;
        let Some(host) = self.number_of(&start.host) else { return };
        if let Some(test) = self.known(&start.platform, &start.test) {
            test.now = Progress::Running { host, attempt: start.attempt };
        }
    }

    fn test_end(&mut self, end: &TestEnd) {
        self.last = end.time;
        self.host_seconds.0 += end.seconds;
        let Some(test) = self.known(&end.platform, &end.test) else { return };
        if test.now == Progress::Settled {
            return;
        }
        if !end.is_final {
            test.now = Progress::Waiting;
            test.tried.count(ended_by(end.cause));
            return;
        }
        test.now = Progress::Settled;
        self.counts[end.outcome as usize] += 1;
        self.exit = self.exit.max(exit_of(end.outcome));
    }

    fn known(&mut self, platform: &str, name: &str) -> Option<&mut PastTest> {
        let number = self.by_identity.get(&identity(Some(platform), name)).copied();
        if number.is_none() {
            // After a loss of power, when a file may be shorter than one that was written later.
            log::warn!("{}: the journal knows it, tests.jsonl does not", name.escape_debug());
        }
        self.tests.get_mut(number? as usize)
    }

    // ---- Hosts ----

    fn number_of(&self, id: &str) -> Option<u32> {
        let number = self.host_numbers.get(id).copied();
        if number.is_none() {
            log::warn!("host {}: the journal knows it, hosts.jsonl does not", id.escape_debug());
        }
        number
    }

    fn host_start(&mut self, start: &HostStart) {
        self.last = start.time;
        if let Some(number) = self.number_of(&start.host) {
            let host = &mut self.hosts[number as usize];
            (host.gone, host.joined) = (false, Some(start.time));
        }
    }

    fn host_end(&mut self, end: &HostEnd) {
        self.last = end.time;
        if !matches!(end.reason, HostEndReason::Done | HostEndReason::Cancelled | HostEndReason::Surplus) {
            self.exit = self.exit.max(Exit::Trouble);
        }
        let Some(number) = self.number_of(&end.host) else { return };
        let host = &mut self.hosts[number as usize];
        // One that was lost may come back.
        host.gone = end.reason != HostEndReason::Lost;
        if let Some(joined) = host.joined.take() {
            self.host_seconds.1 += end.time.seconds_since(joined);
        }
        self.to_hand_on = (host.gone && host.from == From::Input).then_some(number);
    }

    fn passed_on(&mut self, line: &str) {
        match atex_model::kind(line).as_deref() {
            Ok(HostTag::TEXT) => self.handed_on(line),
            kind => {
                let incomplete = || atex_model::parse::<End>(line).is_ok_and(|end| !end.complete);
                self.incomplete |= kind == Ok(EndTag::TEXT) && incomplete();
                if !self.input_ended {
                    self.lines.add(line);
                }
            }
        }
    }

    fn handed_on(&mut self, line: &str) {
        self.to_hand_on = None;
        // At the end, one that was lost and has not come back.
        let number = atex_model::parse::<Host>(line).ok().and_then(|host| self.number_of(&host.id));
        if let Some(number) = number {
            self.hosts[number as usize].gone = true;
        }
    }

    // ---- Lives ----

    fn begin_life(&mut self, time: Time) {
        self.end_life();
        (self.life, self.last) = (Some(time), time);
        self.over = None;
        self.code = None;
    }

    /// Counts the time up to the last record, after which nothing is known.
    fn end_life(&mut self) {
        let Some(begun) = self.life.take() else { return };
        self.seconds += self.last.seconds_since(begun);
        for host in &mut self.hosts {
            if let Some(joined) = host.joined.take() {
                self.host_seconds.1 += self.last.seconds_since(joined);
            }
        }
    }

    fn job_end(&mut self, end: JobEnd) {
        self.last = end.time;
        let code = self.code.unwrap_or(self.exit.code());
        self.over = (end.unsettled == 0).then_some(Over { code, end });
    }

    /// Whether there is nothing left to do.
    pub fn over(&self) -> Option<&Over> {
        self.over.as_ref().filter(|_| self.input_ended)
    }
}

/// Hands over the lines of a file; what is wrong with one is said with its place.
fn each_line(path: &Path, mut each: impl FnMut(&str) -> Result<(), LineError>) -> Result<(), Failure> {
    let mut lines = Lines::open(path).map_err(|e| e.hint(DAMAGED))?;
    while let Some(line) = lines.next_line()? {
        each(line.text).map_err(|e| line.fault(&e).hint(DAMAGED))?;
    }
    Ok(())
}
