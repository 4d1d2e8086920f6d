//! The state machine.

use std::collections::HashMap;

use crate::pool::{Doing, Pool};
use crate::queue::{Class, Queue};
use crate::{HostId, HostKind, PlatformId, SetupId, TestId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A test was taken in. Tests come with rising numbers.
    TestArrived {
        /// Which.
        test: TestId,
        /// The label of the hosts that it is for; without one, any.
        platform: Option<PlatformId>,
        /// What it needs on its host.
        setup: SetupId,
        /// Its host cannot be used after it.
        is_destructive: bool,
        /// The attempts at it that were made before this scheduler began.
        tried: Tried,
    },
    /// Neither tests nor hosts will come any more.
    InputEnded,
    /// A host can be reached.
    HostReady {
        /// Which.
        host: HostId,
        /// What may run there.
        kind: HostKind,
    },
    /// A host is going to be ready, or not ([`Event::HostGone`]): tests wait for it.
    HostExpected {
        /// Which.
        host: HostId,
        /// What may run there.
        kind: HostKind,
    },
    /// A host runs, from before this scheduler began, a test that has arrived and waits: the attempt goes on.
    /// Answers as if it had been started here, by [`Event::AttemptEnded`].
    HostAdopted {
        /// Which.
        host: HostId,
        /// What may run there.
        kind: HostKind,
        /// What runs there.
        test: TestId,
    },
    /// A set-up ended.
    SetupEnded {
        /// Where.
        host: HostId,
        /// How.
        end: SetupEnd,
    },
    /// An attempt at the test that ran on a host ended.
    AttemptEnded {
        /// Where.
        host: HostId,
        /// How.
        end: Ended,
        /// What the host is good for now.
        host_is: HostIs,
    },
    /// A host cannot be used any more. What ran there has been reported as ended before.
    HostGone {
        /// Which.
        host: HostId,
    },
    /// Start nothing more, end what runs, release what is held.
    Stop,
}

/// How a set-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupEnd {
    /// The host has what it needs.
    Done,
    /// The host could not be set up.
    HostFailed,
    /// It is not the host's fault: no host can be given this.
    Impossible,
    /// It was cancelled because of [`Event::Stop`].
    Cancelled,
}

/// Whose doing the end of an attempt was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The test's.
    ByTest,
    /// The host's.
    ByHost,
    /// Our own.
    ByUs,
    /// The test was not begun, as its host lacks what it needs: to try it again is of no use.
    Unfit,
    /// It was cancelled because of [`Event::Stop`].
    Cancelled,
}

/// What a host is good for after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostIs {
    /// It can go on as it is.
    Fine,
    /// It must be cleaned and set up anew before it is used again.
    Spoilt,
    /// It is gone.
    Lost,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Give a host what tests need there. Answered by [`Event::SetupEnded`].
    SetUp {
        /// Where.
        host: HostId,
        /// What.
        setup: SetupId,
        /// What the host was given before does not count: it is to be cleaned first.
        clean: bool,
    },
    /// Start an attempt at a test. Answered by [`Event::AttemptEnded`].
    Start {
        /// Where.
        host: HostId,
        /// Which.
        test: TestId,
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// End the attempt or the set-up that runs on a host. Answered by [`Event::AttemptEnded`] or
    /// [`Event::SetupEnded`], as ever.
    Cancel {
        /// Where.
        host: HostId,
    },
    /// A host is not needed or cannot be used any more.
    Release {
        /// Which.
        host: HostId,
        /// Why.
        why: Release,
    },
    /// The attempt that just ended on this host was the last one at its test.
    Settle {
        /// Which test.
        test: TestId,
    },
    /// The attempt that just ended is not the last one at its test: it waits again.
    Retry {
        /// Which test.
        test: TestId,
    },
    /// A test ends without (another) attempt.
    Abandon {
        /// Which.
        test: TestId,
        /// Why.
        why: Unrunnable,
    },
}

/// Why a host is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Nothing is left for it to do.
    Done,
    /// It could not be set up.
    Unhealthy,
    /// It can no longer be reached.
    Lost,
    /// The run was stopped.
    Cancelled,
}

/// Why a test ends without an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrunnable {
    /// No host can run it.
    NoHost,
    /// What it needs on its host cannot be made.
    Setup,
}

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How often a test is tried again that ended by its host's fault.
    pub infra_retries: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options { infra_retries: 2 }
    }
}

/// How often an attempt that ended by our own fault is repeated.
const OWN_RETRIES: u32 = 2;

/// What is remembered of a test that has had an attempt which was not its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried {
    /// How many have ended.
    pub attempts: u32,
    /// Of these, by the host's doing.
    pub by_host: u32,
    /// By our own doing.
    pub by_us: u32,
}

impl Tried {
    /// Takes note of the end of an attempt.
    pub fn count(&mut self, end: Ended) {
        self.attempts += 1;
        match end {
            Ended::ByHost => self.by_host += 1,
            Ended::ByUs => self.by_us += 1,
            Ended::ByTest | Ended::Unfit | Ended::Cancelled => {}
        }
    }

    /// Whether there may be another attempt after one that ended so and has been counted.
    pub fn again(self, end: Ended, options: Options) -> bool {
        match end {
            Ended::ByTest | Ended::Unfit => false,
            Ended::ByHost => self.by_host <= options.infra_retries,
            Ended::ByUs => self.by_us <= OWN_RETRIES,
            Ended::Cancelled => true,
        }
    }
}

/// The state machine. See the crate's documentation.
#[derive(Debug, Default)]
pub struct Scheduler {
    options: Options,
    queue: Queue,
    pool: Pool,
    /// Hosts that are not ready yet: they may come to run tests of their label.
    expected: HashMap<HostId, HostKind>,
    tried: HashMap<TestId, Tried>,
    input_ended: bool,
    stopped: bool,
}

impl Scheduler {
    /// A scheduler that has seen nothing.
    pub fn new(options: Options) -> Scheduler {
        Scheduler { options, ..Scheduler::default() }
    }

    /// Nothing runs, nothing waits that could run, nothing will come, no host is held.
    pub fn is_done(&self) -> bool {
        (self.input_ended || self.stopped) && self.pool.hosts.is_empty() && self.expected.is_empty()
    }

    /// Takes an event and returns what to do about it, in this order.
    pub fn apply(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::TestArrived { test, platform, setup, is_destructive, tried } => {
                self.queue.insert(Class { platform, setup, is_destructive }, test);
                if tried != Tried::default() {
                    self.tried.insert(test, tried);
                }
            }
            Event::InputEnded => self.input_ended = true,
            Event::HostExpected { host, kind } => {
                self.expected.insert(host, kind);
            }
            Event::HostReady { host, kind } => {
                self.expected.remove(&host);
                self.pool.join(host, kind);
            }
            Event::HostAdopted { host, kind, test } => self.adopt(host, kind, test),
            Event::SetupEnded { host, end } => self.setup_ended(host, end, &mut actions),
            Event::AttemptEnded { host, end, host_is } => {
                self.attempt_ended(host, end, host_is, &mut actions)
            }
            Event::HostGone { host } => {
                let known = self.expected.remove(&host).is_some() | self.pool.hosts.remove(&host).is_some();
                if known {
                    actions.push(Action::Release { host, why: Release::Lost });
                }
            }
            Event::Stop => self.stop(&mut actions),
        }
        self.assign(&mut actions);
        actions
    }

    fn adopt(&mut self, id: HostId, kind: HostKind, test: TestId) {
        self.expected.remove(&id);
        self.pool.join(id, kind);
        if let (Some(class), Some(host)) = (self.queue.take_one(test), self.pool.get(id)) {
            // The test could not run without what it needs.
            host.setups.insert(class.setup);
            host.doing = Doing::Running(class, test);
        }
    }

    fn setup_ended(&mut self, id: HostId, end: SetupEnd, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id) else { return };
        let Doing::SettingUp(setup) = host.doing else { return };
        host.doing = Doing::Nothing;
        match end {
            SetupEnd::Done => {
                host.setups.insert(setup);
            }
            SetupEnd::HostFailed => {
                self.pool.hosts.remove(&id);
                actions.push(Action::Release { host: id, why: Release::Unhealthy });
            }
            SetupEnd::Cancelled => {}
            SetupEnd::Impossible => {
                let tests = self.queue.take(|class| class.setup == setup);
                actions
                    .extend(tests.into_iter().map(|test| Action::Abandon { test, why: Unrunnable::Setup }));
            }
        }
    }

    fn attempt_ended(&mut self, id: HostId, end: Ended, host_is: HostIs, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id) else { return };
        let Doing::Running(class, test) = host.doing else { return };
        host.doing = Doing::Nothing;
        match host_is {
            HostIs::Fine => {}
            HostIs::Spoilt => host.setups.clear(),
            HostIs::Lost => {
                self.pool.hosts.remove(&id);
            }
        }
        actions.push(self.judge(class, test, end));
        if host_is == HostIs::Lost {
            actions.push(Action::Release { host: id, why: Release::Lost });
        }
    }

    /// Whether the attempt that just ended was the last one.
    fn judge(&mut self, class: Class, test: TestId, end: Ended) -> Action {
        let tried = self.tried.entry(test).or_default();
        tried.count(end);
        let again = tried.again(end, self.options);
        if again {
            self.queue.insert(class, test);
            Action::Retry { test }
        } else {
            self.tried.remove(&test);
            Action::Settle { test }
        }
    }

    fn stop(&mut self, actions: &mut Vec<Action>) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        let running = self.pool.hosts.iter().filter(|(_, host)| host.doing != Doing::Nothing);
        actions.extend(running.map(|(id, _)| Action::Cancel { host: *id }));
    }

    /// Gives every idle host something to do, or lets it go.
    fn assign(&mut self, actions: &mut Vec<Action>) {
        let idle: Vec<(HostId, HostKind)> = self.pool.idle().collect();
        if !self.stopped {
            for (id, kind) in &idle {
                self.employ(*id, *kind, actions);
            }
            if self.input_ended {
                self.give_up(actions);
            }
        }
        if !(self.stopped || self.input_ended) {
            return;
        }
        let running = self.pool.running();
        for (id, kind) in idle {
            let is_idle = self.pool.get(id).is_some_and(|host| host.doing == Doing::Nothing);
            // What runs may have to be tried again, and then this host may be wanted.
            let wanted = !self.stopped && self.is_wanted(kind, &running);
            if is_idle && !wanted {
                self.pool.hosts.remove(&id);
                let why = if self.stopped { Release::Cancelled } else { Release::Done };
                actions.push(Action::Release { host: id, why });
            }
        }
    }

    fn is_wanted(&self, kind: HostKind, running: &[Class]) -> bool {
        let fits = |class: Class| class.fits(kind);
        running.iter().any(|class| fits(*class)) || self.queue.first(|class, _| fits(class)).is_some()
    }

    fn employ(&mut self, id: HostId, kind: HostKind, actions: &mut Vec<Action>) {
        let Scheduler { queue, pool, tried, .. } = self;
        let Some(host) = pool.hosts.get(&id) else { return };
        let next = queue.first(|class, waiting| {
            // No more hosts are set up for tests than there are tests.
            let useful = || host.setups.contains(&class.setup) || pool.setting_up(class.setup) < waiting;
            class.fits(kind) && useful()
        });
        let (Some((class, test)), Some(host)) = (next, pool.get(id)) else { return };
        if host.setups.contains(&class.setup) {
            host.doing = Doing::Running(class, test);
            queue.remove(class, test);
            let attempt = tried.get(&test).map_or(0, |tried| tried.attempts) + 1;
            actions.push(Action::Start { host: id, test, attempt });
        } else {
            host.doing = Doing::SettingUp(class.setup);
            actions.push(Action::SetUp { host: id, setup: class.setup, clean: host.setups.is_empty() });
        }
    }

    /// Ends the tests that no host can run any more.
    fn give_up(&mut self, actions: &mut Vec<Action>) {
        let Scheduler { queue, pool, expected, .. } = self;
        let kinds: Vec<HostKind> =
            pool.hosts.values().map(|host| host.kind).chain(expected.values().copied()).collect();
        let tests = queue.take(|class| !kinds.iter().any(|kind| class.fits(*kind)));
        for test in tests {
            self.tried.remove(&test);
            actions.push(Action::Abandon { test, why: Unrunnable::NoHost });
        }
    }
}
