//! What must be true after every event, by a model that knows nothing of how the scheduler works.

use std::collections::{BTreeMap, BTreeSet};

use atex_schedule::{
    Action, AttemptEnd, Ended, Event, HostId, HostIs, HostTraits, MARGIN, Millis, NameId, Outcome,
    ProvisionerId, QuestionId, Release, Scheduler, SetupEnd, SetupId, TestId, TestTraits, Time, Verdict,
};
use atex_simulate::{Scenario, Stuck, Summary, Watcher};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Coming,
    Nothing,
    SettingUp(SetupId),
    Running(TestId),
    Asked,
}

#[derive(Debug)]
struct Host {
    is: HostTraits,
    doing: Doing,
    setups: BTreeSet<SetupId>,
    is_held: bool,
    is_dropped: bool,
    is_cancelled: bool,
}

#[derive(Debug)]
struct Test {
    is: TestTraits,
    on: Option<HostId>,
    attempts: u32,
    ends: BTreeMap<&'static str, u32>,
    failed_on: BTreeSet<HostId>,
    killed: BTreeSet<HostId>,
}

/// The model.
pub struct Checker<'a> {
    scenario: &'a Scenario,
    now: Time,
    tests: BTreeMap<TestId, Test>,
    settled: BTreeMap<TestId, Outcome>,
    names: BTreeMap<NameId, TestId>,
    hosts: BTreeMap<HostId, Host>,
    released: BTreeSet<HostId>,
    limits: BTreeMap<ProvisionerId, u32>,
    extends: BTreeSet<ProvisionerId>,
    wanted: BTreeMap<ProvisionerId, u32>,
    max_hosts: Option<u32>,
    is_paused: bool,
    is_ending: bool,
    cancelled: BTreeSet<TestId>,
    ended: BTreeMap<HostId, (TestId, AttemptEnd)>,
    asked: BTreeMap<QuestionId, HostId>,
    events: u32,
}

impl<'a> Checker<'a> {
    pub fn new(scenario: &'a Scenario) -> Checker<'a> {
        Checker {
            scenario,
            now: Time(0),
            tests: BTreeMap::new(),
            settled: BTreeMap::new(),
            names: BTreeMap::new(),
            hosts: BTreeMap::new(),
            released: BTreeSet::new(),
            limits: BTreeMap::new(),
            extends: BTreeSet::new(),
            wanted: BTreeMap::new(),
            max_hosts: scenario.options.max_hosts,
            is_paused: false,
            is_ending: false,
            cancelled: BTreeSet::new(),
            ended: BTreeMap::new(),
            asked: BTreeMap::new(),
            events: 0,
        }
    }

    /// How the run ended.
    pub fn ended(&self, summary: Result<Summary, Stuck>) {
        let summary = summary.unwrap_or_else(|stuck| panic!("it must end: {stuck:?}\n{:#?}", self.tests));
        assert!(self.hosts.is_empty(), "no host is kept: {:?}", self.hosts);
        if !self.is_ending {
            assert!(self.tests.is_empty(), "everything is settled: {:?}", self.tests);
            assert_eq!(self.settled.len(), self.scenario.tests.len());
            assert_eq!(summary.unsettled, 0);
        }
        for (provisioner, wanted) in &self.wanted {
            assert_eq!(*wanted, 0, "nothing is wanted of {provisioner:?}");
        }
    }

    // ---- Events ----

    fn event(&mut self, event: &Event) {
        match event {
            Event::TestArrived { test, is } => {
                let is = (**is).clone();
                let (on, attempts, ends) = (None, 0, BTreeMap::new());
                let (failed_on, killed) = (BTreeSet::new(), BTreeSet::new());
                self.tests.insert(*test, Test { is, on, attempts, ends, failed_on, killed });
            }
            Event::Named { name, test } => {
                self.names.entry(*name).or_insert(*test);
            }
            Event::HostExpected { host, is } => self.join(*host, is, Doing::Coming),
            Event::HostReady { host, is } => {
                let before = self.hosts.get(host).map(|host| (host.is_held, host.is_dropped));
                self.join(*host, is, Doing::Nothing);
                if let (Some((is_held, is_dropped)), Some(host)) = (before, self.hosts.get_mut(host)) {
                    (host.is_held, host.is_dropped) = (is_held, is_dropped);
                }
            }
            Event::SetupEnded { host, end } => {
                let host = self.hosts.get_mut(host).expect("it is there");
                let Doing::SettingUp(setup) = host.doing else { panic!("it is being set up") };
                host.doing = Doing::Nothing;
                if *end == SetupEnd::Done {
                    host.setups.insert(setup);
                }
            }
            Event::AttemptEnded { host, end } => self.attempt_ended(*host, *end),
            Event::HostDropped { host, .. } => self.change(*host, |host| host.is_dropped = true),
            Event::HostHeld { host } => self.change(*host, |host| host.is_held = true),
            Event::HostFreed { host } => self.change(*host, |host| host.is_held = false),
            Event::ProvisionerReady { provisioner, is } => {
                self.limits.insert(*provisioner, is.limit);
                if is.extends {
                    self.extends.insert(*provisioner);
                }
            }
            Event::ProvisionerGone { provisioner } => {
                self.wanted.remove(provisioner);
                self.extends.remove(provisioner);
            }
            Event::MaxOf { provisioner, hosts } => _ = self.limits.insert(*provisioner, *hosts),
            Event::MaxHosts { hosts } => self.max_hosts = *hosts,
            Event::Paused => self.is_paused = true,
            Event::Resumed => self.is_paused = false,
            Event::Stopped | Event::Drained => {
                self.is_ending = true;
                self.all_answered();
            }
            Event::PolicyGone => self.all_answered(),
            Event::Answered { question, .. } => {
                if let Some(host) = self.asked.remove(question) {
                    self.change(host, |host| host.doing = Doing::Nothing);
                }
            }
            Event::TestCancelled { test } if self.tests.contains_key(test) => {
                _ = self.cancelled.insert(*test)
            }
            Event::Judged { expression, hosts, .. } => {
                for (host, verdict) in hosts {
                    self.change(*host, |host| {
                        let at = expression.0 as usize;
                        host.is.verdicts.resize(host.is.verdicts.len().max(at + 1), Verdict::Undecided);
                        host.is.verdicts[at] = *verdict;
                    });
                }
            }
            Event::HostMarked { host, mark, .. } => self.change(*host, |host| host.is.marks.push(*mark)),
            _ => {}
        }
    }

    fn all_answered(&mut self) {
        for host in std::mem::take(&mut self.asked).into_values() {
            self.change(host, |host| host.doing = Doing::Nothing);
        }
    }

    fn change(&mut self, host: HostId, change: impl FnOnce(&mut Host)) {
        if let Some(host) = self.hosts.get_mut(&host) {
            change(host);
        }
    }

    fn join(&mut self, id: HostId, is: &HostTraits, doing: Doing) {
        assert!(!self.released.contains(&id), "the world does not bring back what was released");
        let (setups, is) = (BTreeSet::new(), is.clone());
        let host = Host { is, doing, setups, is_held: false, is_dropped: false, is_cancelled: false };
        self.hosts.insert(id, host);
    }

    fn attempt_ended(&mut self, id: HostId, end: AttemptEnd) {
        let host = self.hosts.get_mut(&id).expect("it is there");
        let Doing::Running(test) = host.doing else { panic!("something runs there") };
        host.doing = Doing::Nothing;
        host.is_cancelled = false;
        if end.host_is == HostIs::Spoilt && !self.scenario.options.policy {
            host.setups.clear();
        }
        let entry = self.tests.get_mut(&test).expect("what runs is not settled");
        entry.attempts += 1;
        let what = match end.by {
            Ended::ByTest => "test",
            Ended::ByHost => "host",
            Ended::ByUs => "us",
            Ended::Unfit | Ended::Cancelled => "other",
        };
        *entry.ends.entry(what).or_insert(0) += 1;
        if matches!(end.by, Ended::ByTest | Ended::ByHost) {
            entry.failed_on.insert(id);
        }
        if end.by == Ended::ByHost {
            entry.killed.insert(id);
        }
        self.ended.insert(id, (test, end));
    }

    // ---- Actions ----

    fn action(&mut self, action: &Action) {
        match action {
            Action::SetUp { host, setup, clean } => {
                self.may_begin();
                let host = self.hosts.get_mut(host).expect("it is there");
                assert_eq!(host.doing, Doing::Nothing, "one thing at a time");
                assert!(!host.is_held && !host.is_dropped);
                if self.scenario.options.policy {
                    // It may have said that the host is not what it seemed to be.
                    host.setups.retain(|_| !*clean);
                } else {
                    assert!(!host.setups.contains(setup), "nothing is given twice");
                    assert_eq!(*clean, host.setups.is_empty());
                }
                host.doing = Doing::SettingUp(*setup);
                self.has_room();
            }
            Action::Start { host, test, attempt } => self.start(*host, *test, *attempt),
            Action::Cancel { host } => {
                let host = self.hosts.get_mut(host).expect("it is there");
                assert!(matches!(host.doing, Doing::SettingUp(_) | Doing::Running(_)));
            }
            Action::Settle { test, host, .. } => {
                let (ended, end) = self.ended.remove(host).expect("an attempt ended there");
                assert_eq!(ended, *test);
                self.settle(*test, end.outcome);
            }
            Action::Retry { test, host } => {
                if let Some((ended, end)) = self.ended.remove(host) {
                    assert_eq!(ended, *test);
                    self.may_retry(*test, end);
                }
                let test = self.tests.get_mut(test).expect("it is not settled");
                assert!(test.on.take().is_some(), "it ran");
            }
            Action::Abandon { test, .. } => {
                assert!(self.tests[test].on.is_none(), "it does not run");
                let outcome = match action {
                    Action::Abandon { why, .. } if is_infra(*why) => Outcome::Infra,
                    _ => Outcome::Skip,
                };
                self.settle(*test, outcome);
            }
            Action::Release { host, why } => {
                let gone = self.hosts.remove(host).expect("it is there");
                assert!(self.released.insert(*host), "released once");
                let busy = matches!(gone.doing, Doing::SettingUp(_) | Doing::Running(_));
                assert!(!busy || *why == Release::Lost, "{host:?}: {:?}", gone.doing);
            }
            Action::Want { provisioner, hosts } => {
                let given = self.hosts.values().filter(|host| host.is.provisioner == Some(*provisioner));
                let given = u32::try_from(given.count()).unwrap();
                assert!(*hosts <= self.limits[provisioner].max(given), "limits hold");
                assert_ne!(self.wanted.insert(*provisioner, *hosts), Some(*hosts), "nothing is said twice");
            }
            Action::Extend { host, until } => {
                let host = self.hosts.get_mut(host).expect("it is there");
                assert!(host.is.provisioner.is_some_and(|id| self.extends.contains(&id)));
                host.is.until = Some(*until);
            }
            Action::Ask { question, about } => {
                let (atex_schedule::Question::Next { host, .. }
                | atex_schedule::Question::Rerun { host, .. }
                | atex_schedule::Question::Destructive { host, .. }) = about;
                self.asked.insert(*question, *host);
                self.change(*host, |host| host.doing = Doing::Asked);
            }
            Action::WakeAt { .. } => {}
        }
    }

    fn may_begin(&self) {
        assert!(!self.is_ending, "nothing is begun at the end");
        assert!(!self.is_paused, "nothing is begun in a pause");
    }

    fn has_room(&self) {
        let works = |host: &&Host| !matches!(host.doing, Doing::Nothing | Doing::Coming);
        let working = u32::try_from(self.hosts.values().filter(works).count()).unwrap();
        assert!(self.max_hosts.is_none_or(|most| working <= most), "limits hold: {working}");
    }

    fn start(&mut self, id: HostId, test: TestId, attempt: u32) {
        self.may_begin();
        assert!(!self.cancelled.contains(&test), "{test:?} was cancelled");
        let entry = &self.tests[&test];
        let host = &self.hosts[&id];
        assert!(entry.on.is_none(), "one host a test");
        assert_eq!(attempt, entry.attempts + 1, "attempts are numbered without a gap");
        assert!(matches!(host.doing, Doing::Nothing), "one test a host: {:?}", host.doing);
        assert!(
            self.scenario.options.policy || host.setups.contains(&entry.is.setup),
            "it has what it needs"
        );
        assert!(!host.is_held && !host.is_dropped);
        assert!(self.may_run(id, test, host), "{test:?} may not run on {id:?}: {entry:?} {host:?}");
        for after in &entry.is.after {
            let before = self.names.get(&after.name).and_then(|before| self.settled.get(before));
            let outcome = before.unwrap_or_else(|| panic!("{test:?} comes after what has not ended"));
            assert!(after.outcome.is_none_or(|wanted| wanted == *outcome));
        }
        self.tests.get_mut(&test).unwrap().on = Some(id);
        self.hosts.get_mut(&id).unwrap().doing = Doing::Running(test);
        self.has_room();
    }

    fn settle(&mut self, test: TestId, outcome: Outcome) {
        let gone = self.tests.remove(&test);
        assert!(gone.is_some(), "{test:?} is settled once");
        self.settled.insert(test, outcome);
    }

    fn may_retry(&self, id: TestId, end: AttemptEnd) {
        let (test, options) = (&self.tests[&id], &self.scenario.options);
        let count = |what| test.ends.get(what).copied().unwrap_or(0);
        if !options.policy {
            assert!(end.by != Ended::ByTest || count("test") <= test.is.reruns.unwrap_or(options.reruns));
        }
        assert!(count("host") <= options.infra_retries && count("us") < 3, "{:?}", test.ends);
        assert!(test.killed.len() < 2, "a test that kills hosts is given no third");
    }

    // ---- Applicability ----

    fn fits(&self, host: &Host, is: &TestTraits) -> bool {
        let holds = |expression: atex_schedule::ExpressionId| {
            host.is.verdicts.get(expression.0 as usize) == Some(&Verdict::Yes)
        };
        is.platform.is_none_or(|platform| platform == host.is.platform)
            && is.expression.is_none_or(holds)
            && !(is.is_destructive && host.is.is_spared)
    }

    fn has_time(&self, host: &Host, is: &TestTraits) -> bool {
        let length: Millis = is.expected.unwrap_or(is.limit);
        let extends = host.is.provisioner.is_some_and(|id| self.extends.contains(&id));
        extends || host.is.until.is_none_or(|until| until.left(self.now) >= length + MARGIN)
    }

    fn may_run(&self, id: HostId, test: TestId, host: &Host) -> bool {
        let test = &self.tests[&test];
        let suits = |host: &Host| self.fits(host, &test.is) && self.has_time(host, &test.is);
        let others = || {
            let mut others = self.hosts.iter().filter(|(other, _)| !test.failed_on.contains(other));
            others.any(|(_, other)| !other.is_held && !other.is_dropped && suits(other))
        };
        suits(host) && !(test.failed_on.contains(&id) && others())
    }

    /// Between two events no host is idle that could run something.
    fn nobody_is_idle(&self) {
        if self.is_paused || self.is_ending {
            return;
        }
        let works = |host: &&Host| !matches!(host.doing, Doing::Nothing | Doing::Coming);
        if self.max_hosts.is_some_and(|most| self.hosts.values().filter(works).count() >= most as usize) {
            return;
        }
        let idle = |host: &Host| host.doing == Doing::Nothing && !host.is_held && !host.is_dropped;
        for (id, host) in self.hosts.iter().filter(|(_, host)| idle(host)) {
            for (test, entry) in self.tests.iter().filter(|(_, test)| test.on.is_none()) {
                if !self.is_free(entry) || !self.may_run(*id, *test, host) {
                    continue;
                }
                let is_set_up = host.setups.contains(&entry.is.setup) && !self.scenario.options.policy;
                assert!(!is_set_up, "{test:?} could run on {id:?}");
                let setting_up = |host: &Host| host.doing == Doing::SettingUp(entry.is.setup);
                assert!(self.hosts.values().any(setting_up), "{id:?} could be set up for {test:?}");
            }
        }
    }

    fn is_free(&self, test: &Test) -> bool {
        test.is
            .after
            .iter()
            .all(|after| self.names.get(&after.name).is_some_and(|before| self.settled.contains_key(before)))
    }
}

fn is_infra(why: atex_schedule::Unrunnable) -> bool {
    use atex_schedule::Unrunnable::{Cancelled, NoHost, Setup, Undecided};
    matches!(why, NoHost | Undecided | Setup | Cancelled)
}

impl Watcher for Checker<'_> {
    fn saw(&mut self, now: Time, event: &Event, actions: &[Action], scheduler: &Scheduler) {
        if std::env::var_os("ATEX_SEED").is_some() {
            eprintln!("{} {event:?}\n    -> {actions:?}", now.0);
        }
        self.now = now;
        self.events += 1;
        assert!(self.events < 20_000, "it must end");
        self.event(event);
        actions.iter().for_each(|action| self.action(action));
        assert_eq!(scheduler.unsettled(), self.tests.len());
        self.nobody_is_idle();
    }
}
