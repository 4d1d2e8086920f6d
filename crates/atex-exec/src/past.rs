//! What the run directory knows of a run: its files are read once, from the beginning to the end, and what
//! is remembered of each test is some ten bytes.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use atex_cli::{Exit, Failure, input::Lines};
use atex_model::report::{
    EndTag, HostEnd, HostEndReason, HostEndTag, HostStart, HostStartTag, JobEnd, JobEndTag, JobResume,
    JobResumeTag, JobStart, JobStartTag, Outcome, TestEnd, TestEndTag, TestStart, TestStartTag,
};
use atex_model::{Host, HostTag, LineError, Time, report::End};
use atex_schedule::{Event, HostId, ProvisionerId, SetupId, TestId, Tried};
use indexmap::IndexMap;

use crate::catalog::{Identities, KnownLines, Setups, identity};
use crate::dispatch::{ended_by, exit_of};
use crate::hosts_file::{self, From, TakenIn};
use crate::journal::{
    DECISION, Decided, EXIT, HOST_FREED, HOST_HELD, HostFreed, HostHeld, JobExit, LEASE, LEASE_END, LeaseEnd,
    Leased, PASSED_ON, cancels, passed_on,
};
use crate::needs::Needs;
use crate::run_dir::{DAMAGED, RunDir, trouble};
use crate::tests_file::{TestsFile, Unusable};

/// A test that was taken in.
#[derive(Debug, Clone)]
pub(crate) struct PastTest {
    pub setup: SetupId,
    pub tried: Tried,
    pub now: Progress,
    /// Somebody was promised that it ends, and does not run again.
    pub is_cancelled: bool,
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
    Settled(Outcome),
}

/// A host that was taken in.
#[derive(Debug)]
pub(crate) struct PastHost {
    pub taken: TakenIn,
    /// It has left the pool, and was handed on if it was borrowed.
    pub gone: bool,
    /// Since when it has been in the pool.
    joined: Option<Time>,
    /// How often it has been taken in, and how often it has left, in the life in which it was taken in last.
    taken_times: u32,
    left_times: u32,
    /// It is kept as it is, perhaps for a time only.
    pub held: Option<Held>,
}

/// How a host was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub until: Option<atex_schedule::Time>,
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
    /// The directory of the attempt that ended last on each host: what it was kept restorable with may lie there.
    pub last_ended: HashMap<String, String>,
    /// Hosts that provisioners have given and, as far as is known, not been given back, and who has given them.
    pub leases: IndexMap<String, (ProvisionerId, Host)>,
    /// Provisioners that could take charge of hosts again when they gave the last one.
    pub adopters: BTreeSet<ProvisionerId>,
    /// How often it was begun or resumed.
    pub lives: u32,
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
            lines: KnownLines::default(),
            input_ended: false,
            incomplete: false,
            counts: [0; Outcome::ALL.len()],
            exit: Exit::Done,
            seconds: 0.0,
            host_seconds: (0.0, 0.0),
            to_hand_on: None,
            last_ended: HashMap::new(),
            leases: IndexMap::new(),
            adopters: BTreeSet::new(),
            lives: 0,
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
        self.identities.add_before(hash, id);
        self.by_identity.insert(hash, id.0);
        let (setup, _) = self.setups.id(test);
        self.setups.need(setup, Needs::of(test));
        let (tried, now) = (Tried::default(), Progress::Waiting);
        self.tests.push(PastTest { setup, tried, now, is_cancelled: false });
    }

    fn host(&mut self, taken: TakenIn) {
        let number = u32::try_from(self.hosts.len()).expect("each host takes a line, and memory");
        // One that was handed on and given again has the number that it had.
        let number = *self.host_numbers.entry(taken.host.id.clone()).or_insert(number);
        let life = taken.life;
        let mut host =
            PastHost { taken, gone: false, joined: None, taken_times: 1, left_times: 0, held: None };
        match self.hosts.get_mut(number as usize) {
            Some(known) => {
                if known.taken.life == life {
                    host.taken_times += known.taken_times;
                }
                *known = host;
            }
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
            HOST_HELD => self.host_held(&atex_model::parse(line)?),
            HOST_FREED => self.host_freed(&atex_model::parse(line)?),
            LEASE => self.lease(atex_model::parse(line)?),
            LEASE_END => {
                let end: LeaseEnd = atex_model::parse(line)?;
                self.last = end.time;
                self.leases.shift_remove(&end.host);
            }
            DECISION if cancels(line) => self.decided(&atex_model::parse::<Decided>(line)?.event),
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
        if let (Some(host), Some(artifacts)) = (&end.host, &end.artifacts) {
            self.last_ended.insert(host.clone(), artifacts.clone());
        }
        let host = end.host.as_deref().and_then(|host| self.number_of(host));
        let Some(test) = self.known(&end.platform, &end.test) else { return };
        if matches!(test.now, Progress::Settled(_)) {
            return;
        }
        if !end.is_final {
            let ran_on = match test.now {
                Progress::Running { host, .. } => Some(host),
                _ => host,
            };
            test.now = Progress::Waiting;
            if let Some(host) = ran_on {
                test.tried.count(ended_by(end.cause), HostId(host));
            }
            return;
        }
        test.now = Progress::Settled(end.outcome);
        self.counts[end.outcome as usize] += 1;
        self.exit = self.exit.max(exit_of(end.outcome));
    }

    fn decided(&mut self, event: &Event) {
        if let Event::TestCancelled { test } = event
            && let Some(test) = self.tests.get_mut(test.0 as usize)
        {
            test.is_cancelled = true;
        }
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

    fn host_held(&mut self, held: &HostHeld) {
        self.last = held.time;
        if let Some(number) = self.number_of(&held.host) {
            self.hosts[number as usize].held = Some(Held { until: held.until });
        }
    }

    fn host_freed(&mut self, freed: &HostFreed) {
        self.last = freed.time;
        if let Some(number) = self.number_of(&freed.host) {
            self.hosts[number as usize].held = None;
        }
    }

    fn lease(&mut self, leased: Leased) {
        self.last = leased.time;
        let id = leased.host.id.clone();
        // It may have been given before. Without a number it was never used: we died just then.
        if let Some(number) = self.host_numbers.get(&id) {
            self.hosts[*number as usize].gone = false;
        }
        let of = ProvisionerId(leased.provisioner);
        if leased.adopts {
            self.adopters.insert(of);
        } else {
            self.adopters.remove(&of);
        }
        self.leases.insert(id, (of, leased.host));
    }

    fn host_end(&mut self, end: &HostEnd) {
        self.last = end.time;
        if is_trouble(end.reason) {
            self.exit = self.exit.max(Exit::Trouble);
        }
        let Some(number) = self.number_of(&end.host) else { return };
        let host = &mut self.hosts[number as usize];
        // It may have been given again since; and one that was lost may come back.
        let may_come_back = end.reason == HostEndReason::Lost && host.taken.from != From::Provisioner;
        if self.lives >= host.taken.life && !may_come_back {
            host.left_times += 1;
        }
        host.gone = host.left_times >= host.taken_times;
        host.held = None;
        if let Some(joined) = host.joined.take() {
            self.host_seconds.1 += end.time.seconds_since(joined);
        }
        self.to_hand_on = (host.gone && host.taken.from == From::Input).then_some(number);
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
            let host = &mut self.hosts[number as usize];
            host.gone |= self.lives >= host.taken.life;
        }
    }

    // ---- Lives ----

    fn begin_life(&mut self, time: Time) {
        self.end_life();
        self.lives += 1;
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

/// Whether a host that left for this reason has failed.
pub(crate) fn is_trouble(reason: HostEndReason) -> bool {
    matches!(reason, HostEndReason::Lost | HostEndReason::Unhealthy | HostEndReason::Quarantined)
}

/// Hands over the lines of a file; what is wrong with one is said with its place.
fn each_line(path: &Path, mut each: impl FnMut(&str) -> Result<(), LineError>) -> Result<(), Failure> {
    let mut lines = Lines::open(path).map_err(|e| e.hint(DAMAGED))?;
    while let Some(line) = lines.next_line()? {
        each(line.text).map_err(|e| line.fault(&e).hint(DAMAGED))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::CallerEnv;
    use crate::hosts_file::HostsFile;
    use std::fs;

    /// What a run has left that has written these files.
    fn past(tests: &str, hosts: &[(&str, u32, &str)], journal: &[&str]) -> Result<Past, Failure> {
        let parent = tempfile::tempdir().unwrap();
        let fill = |dir: &RunDir| {
            fs::write(dir.tests(), tests).unwrap();
            let mut file = HostsFile::create(&dir.hosts_file()).unwrap();
            for (id, life, from) in hosts {
                let from = if *from == "input" { From::Input } else { From::Local };
                let line = format!(r#"{{"type":"host","id":"{id}","connect":{{"how":"local"}}}}"#);
                file.push(from, *life, &line).unwrap();
            }
            fs::write(dir.journal(), journal.iter().map(|line| format!("{line}\n")).collect::<String>())
                .unwrap();
            Ok(())
        };
        let (dir, ()) = RunDir::create(Some(&parent.path().join("run")), &CallerEnv::default(), [], fill)?;
        Past::read(&dir).map(|(past, _)| past)
    }

    fn test(name: &str) -> String {
        format!("{{\"type\":\"test\",\"name\":\"{name}\",\"data\":{{\"test\":\"true\"}}}}\n")
    }

    /// A record with a time, so many seconds after the first.
    fn at(second: u32, kind: &str, rest: &str) -> String {
        format!(r#"{{"type":"{kind}","time":"2026-11-21T20:00:{second:02}.000Z","run":"r",{rest}}}"#)
    }

    fn job(second: u32, kind: &str) -> String {
        at(second, kind, r#""dir":"/d","version":"1""#)
    }

    fn host_start(second: u32, host: &str) -> String {
        at(second, "host-start", &format!(r#""host":"{host}","platform":"default""#))
    }

    fn host_end(second: u32, host: &str, reason: &str) -> String {
        at(second, "host-end", &format!(r#""host":"{host}","platform":"default","reason":"{reason}""#))
    }

    fn start(second: u32, test: &str, attempt: u32, host: &str) -> String {
        let rest = format!(r#""platform":"default","test":"{test}","attempt":{attempt},"host":"{host}""#);
        at(second, "test-start", &rest)
    }

    fn end(second: u32, test: &str, attempt: u32, cause: &str, is_final: bool) -> String {
        let rest = format!(
            r#""platform":"default","test":"{test}","attempt":{attempt},"outcome":"infra","cause":"{cause}","seconds":2.0,"counts":{{}},"final":{is_final}"#
        );
        at(second, "test-end", &rest)
    }

    fn read(tests: &str, hosts: &[(&str, u32, &str)], journal: &[String]) -> Past {
        let journal: Vec<&str> = journal.iter().map(String::as_str).collect();
        past(tests, hosts, &journal).unwrap()
    }

    #[test]
    fn what_was_tried_and_what_was_running() {
        let tests: String = ["/a", "/b", "/c", "/d"].map(test).concat();
        let past = read(
            &tests,
            &[("h0", 1, "local"), ("h1", 1, "local")],
            &[
                job(0, "job-start"),
                host_start(1, "h0"),
                host_start(1, "h1"),
                start(1, "/a", 1, "h0"),
                start(1, "/b", 1, "h1"),
                end(2, "/a", 1, "test", true),
                end(3, "/b", 1, "host", false),
                start(3, "/b", 2, "h0"),
                job(13, "job-resume"),
                host_start(13, "h0"),
                end(14, "/b", 2, "own", false),
                start(15, "/c", 1, "h0"),
                start(15, "/unknown", 1, "h0"),
            ],
        );
        let now: Vec<Progress> = past.tests.iter().map(|test| test.now).collect();
        let running = Progress::Running { host: 0, attempt: 1 };
        assert_eq!(now, [Progress::Settled(Outcome::Infra), Progress::Waiting, running, Progress::Waiting]);
        let tried = Tried {
            attempts: 2,
            by_host: 1,
            by_us: 1,
            killed: Some(HostId(1)),
            failed_on: vec![HostId(1)],
            ..Tried::default()
        };
        assert_eq!(past.tests[1].tried, tried);
        assert_eq!((past.counts[Outcome::Infra as usize], past.exit), (1, Exit::Trouble));
        assert_eq!(past.seconds, 3.0 + 2.0, "the time between two lives does not count");
        assert_eq!(past.host_seconds, (6.0, 2.0 + 2.0 + 2.0));
        assert!(past.over().is_none() && !past.input_ended);
    }

    #[test]
    fn who_was_promised_the_end_of_a_test_gets_it_from_a_later_life() {
        let decision = |event: &str| format!(r#"{{"type":"decision","at":1,"event":{event},"actions":[]}}"#);
        let journal = [
            job(0, "job-start"),
            decision(r#"{"test-cancelled":{"test":1}}"#),
            decision(r#"{"test-skipped":{"test":0}}"#),
            decision(r#""stopped""#),
            decision(r#"{"test-cancelled":{"test":7}}"#),
        ];
        let past = read(&["/a", "/b"].map(test).concat(), &[], &journal);
        assert_eq!(past.tests.iter().map(|test| test.is_cancelled).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_host_that_was_given_again_is_in_use() {
        let mut journal = vec![job(0, "job-start"), host_start(1, "h0"), host_end(2, "h0", "cancelled")];
        let hosts = [("h0", 1, "input"), ("h1", 1, "input"), ("h0", 2, "input")];
        assert_eq!(read("", &hosts[..2], &journal).to_hand_on, Some(0));
        assert!(read("", &hosts[..2], &journal).hosts[0].gone);
        journal.push(r#"{"type":"passed-on","line":{"type":"host","id":"h0"}}"#.into());
        let before = read("", &hosts[..2], &journal);
        assert_eq!((before.to_hand_on, before.exit), (None, Exit::Done));
        journal.push(job(3, "job-resume"));
        let again = read("", &hosts, &journal);
        assert_eq!(again.hosts.iter().map(|host| host.gone).collect::<Vec<_>>(), [false, false]);
        journal.push(host_end(4, "h0", "lost"));
        let lost = read("", &hosts, &journal);
        assert_eq!(
            (lost.hosts[0].gone, lost.to_hand_on, lost.exit),
            (false, None, Exit::Trouble),
            "it may come back"
        );
        journal.push(
            r#"{"type":"passed-on","line":{"type":"host","id":"h0","connect":{"how":"local"}}}"#.into(),
        );
        assert!(read("", &hosts, &journal).hosts[0].gone, "at the end it was handed on");
    }

    #[test]
    fn a_run_is_over_when_all_is_settled_and_the_input_has_ended() {
        let job_end = |unsettled: u32| {
            at(
                5,
                "job-end",
                &format!(r#""dir":"/d","counts":{{"infra":1}},"unsettled":{unsettled},"seconds":5"#),
            )
        };
        let exit = r#"{"type":"exit","code":143}"#.to_owned();
        let mut journal = vec![job(0, "job-start"), end(1, "/a", 0, "host", true), exit, job_end(0)];
        let (cut, whole) = (test("/a"), format!("{}{{\"type\":\"input-ended\"}}\n", test("/a")));
        assert!(read(&cut, &[], &journal).over().is_none());
        assert_eq!(read(&whole, &[], &journal).over().unwrap().code, 143);
        journal[3] = job_end(1);
        assert!(read(&whole, &[], &journal).over().is_none());
        journal[3] = job_end(0);
        journal.remove(2);
        assert_eq!(read(&whole, &[], &journal).over().unwrap().code, 3, "by what is settled");
        journal.push(job(6, "job-resume"));
        assert!(read(&whole, &[], &journal).over().is_none());
    }

    #[test]
    fn what_is_damaged_is_named_with_its_place() {
        for (journal, message) in [
            (r#"{"type":"test-end"}"#, "/run/journal.jsonl:1:"),
            (r#"{"type":3}"#, "/run/journal.jsonl:1:9: invalid type"),
        ] {
            let failure = past("", &[], &[journal]).unwrap_err();
            assert!(failure.message.contains(message), "{failure}");
            assert_eq!(failure.hint.as_deref(), Some(DAMAGED));
        }
        assert!(past("{}\n", &[], &[]).unwrap_err().message.contains("/run/tests.jsonl:1:"));
    }
}
