//! What would be outside of the scheduler.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use atex_schedule::{
    Action, Answer, AttemptEnd, Ended, Event, HostId, HostIs, HostTraits, Millis, Outcome, ProvisionerId,
    Question, QuestionId, Scheduler, SetupEnd, TestId, Time, Unrunnable,
};

use crate::{Chance, Scenario, Summary};

/// Is told of everything that happens.
pub trait Watcher {
    /// An event, and what was decided.
    fn saw(&mut self, now: Time, event: &Event, actions: &[Action], scheduler: &Scheduler);
}

/// Nobody looks.
impl Watcher for () {
    fn saw(&mut self, _: Time, _: &Event, _: &[Action], _: &Scheduler) {}
}

/// The scheduler waits for something that will never happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// When.
    pub at: Time,
    /// How many tests were left.
    pub unsettled: usize,
}

/// How long the policy takes to answer.
const ANSWER: Millis = 5;

/// What is going to happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    Test(u32),
    InputEnds,
    Order(u32),
    Provisioner(u32),
    ProvisionerDies(u32),
    /// What was asked for is given, or not.
    Given(u32),
    Host(HostId),
    Connected(HostId),
    Dies(HostId),
    SetUp(HostId, u32),
    Ended(HostId, u32),
    Answer(QuestionId),
    Wake,
}

/// A host that is there.
#[derive(Debug, Clone)]
struct Present {
    is: HostTraits,
    /// Since when it counts.
    joined: Option<Time>,
    is_broken: bool,
    /// The number of the last thing that was begun there, so that what was cancelled is told from it.
    round: u32,
    running: Option<(TestId, Time)>,
    is_cancelled: bool,
}

#[derive(Debug, Clone, Default)]
struct Giver {
    wanted: u32,
    given: u32,
    under_way: u32,
    /// How many of these are not wanted any more.
    called_off: u32,
    /// How many have been given so far.
    count: usize,
    is_dead: bool,
}

struct World<'a> {
    scenario: &'a Scenario,
    scheduler: Scheduler,
    chance: Chance,
    now: Time,
    /// In order of time, then of entry.
    coming: BinaryHeap<Reverse<(Time, u64, Coming)>>,
    entered: u64,
    /// The next test that arrives.
    next_test: usize,
    hosts: BTreeMap<HostId, Present>,
    next_host: u32,
    /// How many have joined and not left.
    joined: u32,
    givers: Vec<Giver>,
    questions: BTreeMap<QuestionId, Question>,
    alarm: Option<Time>,
    summary: Summary,
}

/// Plays a scenario to its end.
///
/// # Errors
/// The scheduler is not done, and nothing more will happen.
pub fn simulate(scenario: &Scenario, watcher: &mut impl Watcher) -> Result<Summary, Stuck> {
    let mut world = World::new(scenario);
    while !world.scheduler.is_done() {
        let Some(event) = world.next() else {
            return Err(Stuck { at: world.now, unsettled: world.scheduler.unsettled() });
        };
        let Some(event) = event else { continue };
        world.tell(event, watcher);
    }
    world.summary.unsettled = world.scheduler.unsettled() as u64;
    Ok(world.summary)
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario) -> World<'a> {
        let mut world = World {
            scenario,
            scheduler: Scheduler::new(scenario.options.clone()),
            chance: Chance::new(scenario.seed),
            now: Time(0),
            coming: BinaryHeap::new(),
            entered: 0,
            next_test: 0,
            hosts: BTreeMap::new(),
            next_host: 0,
            joined: 0,
            givers: vec![Giver::default(); scenario.provisioners.len()],
            questions: BTreeMap::new(),
            alarm: None,
            summary: Summary::default(),
        };
        for (n, provisioner) in (0..).zip(&scenario.provisioners) {
            world.enter(provisioner.comes, Coming::Provisioner(n));
            if let Some(at) = provisioner.dies {
                world.enter(at, Coming::ProvisionerDies(n));
            }
        }
        for host in &scenario.hosts {
            let id = world.new_host(host.is.clone(), host.is_broken);
            world.enter(host.comes, Coming::Host(id));
            if let Some(at) = host.dies {
                world.enter(at, Coming::Dies(id));
            }
        }
        for (n, (at, _)) in (0..).zip(&scenario.orders) {
            world.enter(*at, Coming::Order(n));
        }
        world.next_arrival();
        world
    }

    /// Enters the test that arrives next, or else the end of the input: one by one, so that a million of them costs
    /// nothing here.
    fn next_arrival(&mut self) {
        match self.scenario.tests.get(self.next_test) {
            Some(test) => {
                let number = u32::try_from(self.next_test).unwrap_or(u32::MAX);
                self.enter(test.arrives.max(self.now), Coming::Test(number));
                self.next_test += 1;
            }
            None => {
                let hosts = self.scenario.hosts.iter().map(|host| host.comes).max().unwrap_or_default();
                self.enter(self.scenario.input_ends.max(self.now).max(hosts), Coming::InputEnds);
            }
        }
    }

    fn enter(&mut self, at: Time, coming: Coming) {
        self.entered += 1;
        self.coming.push(Reverse((at, self.entered, coming)));
    }

    fn new_host(&mut self, is: HostTraits, is_broken: bool) -> HostId {
        let id = HostId(self.next_host);
        self.next_host += 1;
        let host = Present { is, joined: None, is_broken, round: 0, running: None, is_cancelled: false };
        self.hosts.insert(id, host);
        id
    }

    // ---- What happens ----

    /// The next event, if what happens next is one that the scheduler is told of.
    fn next(&mut self) -> Option<Option<Event>> {
        let Reverse((at, _, coming)) = self.coming.pop()?;
        self.now = self.now.max(at);
        Some(self.happen(coming))
    }

    fn happen(&mut self, coming: Coming) -> Option<Event> {
        match coming {
            Coming::Test(n) => {
                let scenario = self.scenario;
                self.next_arrival();
                let is = Box::new(scenario.tests[n as usize].is.clone());
                Some(Event::TestArrived { test: TestId(n), is })
            }
            Coming::InputEnds => Some(Event::InputEnded),
            Coming::Order(n) => Some(self.scenario.orders[n as usize].1.clone()),
            Coming::Provisioner(n) => {
                let is = Box::new(self.scenario.provisioners[n as usize].is.clone());
                Some(Event::ProvisionerReady { provisioner: ProvisionerId(n), is })
            }
            Coming::ProvisionerDies(n) => {
                self.givers[n as usize].is_dead = true;
                Some(Event::ProvisionerGone { provisioner: ProvisionerId(n) })
            }
            Coming::Given(n) => self.give(n),
            Coming::Host(id) => {
                self.enter(self.now.after(self.scenario.connect), Coming::Connected(id));
                let is = Box::new(self.hosts.get(&id)?.is.clone());
                Some(Event::HostExpected { host: id, is })
            }
            Coming::Connected(id) => self.connected(id),
            Coming::Dies(id) => self.die(id),
            Coming::SetUp(id, round) => self.set_up(id, round),
            Coming::Ended(id, round) => self.ended(id, round),
            Coming::Answer(question) => self.answer(question),
            Coming::Wake => {
                let due = self.alarm.is_some_and(|at| at <= self.now);
                due.then(|| {
                    self.alarm = None;
                    Event::Woken
                })
            }
        }
    }

    fn give(&mut self, n: u32) -> Option<Event> {
        let provisioner = &self.scenario.provisioners[n as usize];
        let giver = &mut self.givers[n as usize];
        giver.under_way -= 1;
        if giver.called_off > 0 {
            giver.called_off -= 1;
            return None;
        }
        if giver.is_dead {
            return None;
        }
        if self.chance.happens(provisioner.fails) {
            let retry = true;
            return Some(Event::ProvisionFailed { provisioner: ProvisionerId(n), count: 1, retry });
        }
        let mut is = provisioner.gives[giver.count % provisioner.gives.len()].clone();
        giver.count += 1;
        giver.given += 1;
        is.provisioner = Some(ProvisionerId(n));
        is.until = is.until.map(|length| self.now.after(length.0));
        let until = is.until;
        let id = self.new_host(is.clone(), false);
        if let Some(until) = until {
            self.enter(until, Coming::Dies(id));
        }
        self.enter(self.now.after(self.scenario.connect), Coming::Connected(id));
        Some(Event::HostExpected { host: id, is: Box::new(is) })
    }

    fn connected(&mut self, id: HostId) -> Option<Event> {
        let unreachable = self.chance.happens(self.scenario.rates.unreachable);
        let host = self.hosts.get_mut(&id)?;
        if unreachable {
            return Some(Event::HostGone { host: id });
        }
        host.joined = Some(self.now);
        self.joined += 1;
        self.summary.most_hosts = self.summary.most_hosts.max(self.joined);
        let is = Box::new(self.hosts[&id].is.clone());
        Some(Event::HostReady { host: id, is })
    }

    fn die(&mut self, id: HostId) -> Option<Event> {
        let host = self.hosts.get_mut(&id)?;
        if let Some(until) = host.is.until.filter(|until| *until > self.now) {
            // It was extended.
            self.enter(until, Coming::Dies(id));
            return None;
        }
        host.round += 1;
        match host.running {
            None => Some(Event::HostGone { host: id }),
            Some(_) => Some(self.end(id, Ended::ByHost, Outcome::Infra, HostIs::Lost)),
        }
    }

    fn set_up(&mut self, id: HostId, round: u32) -> Option<Event> {
        let fails = self.chance.happens(self.scenario.rates.setup_fails);
        let host = self.hosts.get_mut(&id).filter(|host| host.round == round)?;
        let end = match (std::mem::take(&mut host.is_cancelled), fails) {
            (true, _) => SetupEnd::Cancelled,
            (_, true) => SetupEnd::HostFailed,
            _ => SetupEnd::Done,
        };
        Some(Event::SetupEnded { host: id, end })
    }

    fn ended(&mut self, id: HostId, round: u32) -> Option<Event> {
        let rates = self.scenario.rates;
        let host = self.hosts.get_mut(&id).filter(|host| host.round == round)?;
        let (test, _) = host.running?;
        let kills = self.scenario.tests[test.0 as usize].kills_hosts;
        let (is_cancelled, is_broken) = (std::mem::take(&mut host.is_cancelled), host.is_broken);
        let (by, outcome, host_is) = if is_cancelled {
            (Ended::Cancelled, Outcome::Infra, HostIs::Spoilt)
        } else if kills || self.chance.happens(rates.host_lost) {
            (Ended::ByHost, Outcome::Infra, HostIs::Lost)
        } else if is_broken || self.chance.happens(rates.host_fault) {
            (Ended::ByHost, Outcome::Infra, HostIs::Spoilt)
        } else if self.chance.happens(rates.own_fault) {
            (Ended::ByUs, Outcome::Infra, HostIs::Spoilt)
        } else if self.chance.happens(rates.test_fails) {
            let spoilt = self.chance.happens(rates.spoilt);
            (Ended::ByTest, Outcome::Fail, if spoilt { HostIs::Spoilt } else { HostIs::Fine })
        } else {
            let spoilt = self.scenario.tests[test.0 as usize].is.is_destructive;
            (Ended::ByTest, Outcome::Pass, if spoilt { HostIs::Spoilt } else { HostIs::Fine })
        };
        Some(self.end(id, by, outcome, host_is))
    }

    fn end(&mut self, id: HostId, by: Ended, outcome: Outcome, host_is: HostIs) -> Event {
        if let Some((_, since)) = self.hosts.get_mut(&id).and_then(|host| host.running.take()) {
            self.summary.busy += self.now.left(since);
            self.summary.makespan = self.summary.makespan.max(self.now.0);
        }
        let is_bad_exit = outcome < Outcome::Warn;
        Event::AttemptEnded { host: id, end: AttemptEnd { by, is_bad_exit, outcome, host_is } }
    }

    fn answer(&mut self, question: QuestionId) -> Option<Event> {
        let about = self.questions.remove(&question)?;
        let silent = self.chance.happens(self.scenario.rates.silent);
        let answer = match about {
            _ if silent => None,
            Question::Next { candidates, .. } => Some(Answer::Next(*self.chance.one(&candidates))),
            _ => Some(*self.chance.one(&[Answer::Yes, Answer::No, Answer::No])),
        };
        Some(Event::Answered { question, answer })
    }

    // ---- What is done ----

    fn tell(&mut self, event: Event, watcher: &mut impl Watcher) {
        self.summary.events += 1;
        let actions = self.scheduler.apply(self.now, event.clone());
        watcher.saw(self.now, &event, &actions, &self.scheduler);
        let outcome = match &event {
            Event::AttemptEnded { host, end } => Some((*host, end.outcome)),
            _ => None,
        };
        for action in actions {
            self.carry_out(action, outcome);
        }
        if let Event::TestArrived { test, .. } = event
            && let Some(name) = self.scenario.tests[test.0 as usize].name
        {
            self.tell(Event::Named { name, test }, watcher);
        }
    }

    fn carry_out(&mut self, action: Action, ended: Option<(HostId, Outcome)>) {
        match action {
            Action::Want { provisioner, hosts } => self.want(provisioner, hosts),
            Action::SetUp { host, .. } => {
                if let Some(round) = self.begin(host) {
                    self.enter(self.now.after(self.scenario.setup), Coming::SetUp(host, round));
                }
            }
            Action::Start { host, test, .. } => {
                self.summary.attempts += 1;
                let Some(round) = self.begin(host) else { return };
                if let Some(host) = self.hosts.get_mut(&host) {
                    host.running = Some((test, self.now));
                }
                let takes = self.scenario.tests[test.0 as usize].takes;
                self.enter(self.now.after(takes), Coming::Ended(host, round));
            }
            Action::Cancel { host } => {
                let Some(round) = self.begin(host) else { return };
                let Some(entry) = self.hosts.get_mut(&host) else { return };
                entry.is_cancelled = true;
                let coming = match entry.running {
                    Some(_) => Coming::Ended(host, round),
                    None => Coming::SetUp(host, round),
                };
                self.enter(self.now.after(1), coming);
            }
            Action::Extend { host, until } => {
                if let Some(host) = self.hosts.get_mut(&host) {
                    host.is.until = Some(until);
                }
            }
            Action::Release { host, .. } => self.release(host),
            Action::Settle { .. } => {
                // One whose end was asked about is settled later than it ended: then as if it had failed.
                let outcome = ended.map_or(Outcome::Fail, |(_, outcome)| outcome);
                self.summary.settled[outcome as usize] += 1;
            }
            Action::Retry { .. } => {}
            Action::Abandon { why, .. } => {
                let outcome = match why {
                    Unrunnable::NoHost
                    | Unrunnable::Undecided
                    | Unrunnable::Setup
                    | Unrunnable::Cancelled => Outcome::Infra,
                    _ => Outcome::Skip,
                };
                self.summary.settled[outcome as usize] += 1;
            }
            Action::Ask { question, about } => {
                self.questions.insert(question, about);
                self.enter(self.now.after(ANSWER), Coming::Answer(question));
            }
            Action::WakeAt { at } => {
                self.alarm = Some(at);
                self.enter(at.max(self.now), Coming::Wake);
            }
        }
    }

    /// The number of what is begun on a host. What was begun before comes to nothing.
    fn begin(&mut self, host: HostId) -> Option<u32> {
        let host = self.hosts.get_mut(&host)?;
        host.round += 1;
        Some(host.round)
    }

    fn release(&mut self, id: HostId) {
        let Some(host) = self.hosts.remove(&id) else { return };
        if let Some(joined) = host.joined {
            self.summary.present += self.now.left(joined);
            self.joined -= 1;
        }
        if let Some(provisioner) = host.is.provisioner {
            self.givers[provisioner.0 as usize].given -= 1;
            self.fill_up(provisioner);
        }
    }

    fn want(&mut self, provisioner: ProvisionerId, hosts: u32) {
        self.givers[provisioner.0 as usize].wanted = hosts;
        self.fill_up(provisioner);
    }

    /// A provisioner makes as many hosts as are wanted and not there.
    fn fill_up(&mut self, provisioner: ProvisionerId) {
        let n = provisioner.0;
        let (least, most) = self.scenario.provisioners[n as usize].delay;
        loop {
            let giver = &mut self.givers[n as usize];
            let coming = giver.given + giver.under_way - giver.called_off;
            if giver.is_dead || coming == giver.wanted {
                return;
            }
            if coming > giver.wanted {
                if giver.under_way == giver.called_off {
                    return;
                }
                giver.called_off += 1;
            } else if giver.called_off > 0 {
                giver.called_off -= 1;
            } else {
                giver.under_way += 1;
                let delay = least + self.chance.roll(most - least + 1);
                self.enter(self.now.after(delay), Coming::Given(n));
            }
        }
    }
}
