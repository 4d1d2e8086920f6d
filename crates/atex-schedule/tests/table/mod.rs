//! Events and what is decided, as tables that can be read.

#![expect(dead_code, reason = "each file of tests uses some of it")]

use atex_schedule::{
    Action, AttemptEnd, Ended, Event, HostId, HostIs, HostTraits, Options, Outcome, PlatformId,
    ProvisionerId, ProvisionerTraits, Question, Scheduler, Settled, SetupEnd, SetupId, TestId, TestTraits,
    Time,
};

pub const A: PlatformId = PlatformId(0);
pub const B: PlatformId = PlatformId(1);
pub const MINUTE: u64 = 60_000;

pub fn test(n: u32) -> Event {
    test_with(n, |_| {})
}

pub fn test_with(n: u32, change: impl FnOnce(&mut TestTraits)) -> Event {
    let mut is = Box::<TestTraits>::default();
    change(&mut is);
    Event::TestArrived { test: TestId(n), is }
}

pub fn test_for(n: u32, platform: PlatformId, setup: u32) -> Event {
    test_with(n, |is| (is.platform, is.setup) = (Some(platform), SetupId(setup)))
}

pub fn host_with(platform: PlatformId, change: impl FnOnce(&mut HostTraits)) -> Box<HostTraits> {
    let mut is = Box::new(HostTraits::new(platform));
    change(&mut is);
    is
}

pub fn expected(n: u32, platform: PlatformId) -> Event {
    Event::HostExpected { host: HostId(n), is: host_with(platform, |_| {}) }
}

pub fn ready(n: u32, platform: PlatformId) -> Event {
    ready_with(n, platform, |_| {})
}

pub fn ready_with(n: u32, platform: PlatformId, change: impl FnOnce(&mut HostTraits)) -> Event {
    Event::HostReady { host: HostId(n), is: host_with(platform, change) }
}

/// A host that a provisioner has given.
pub fn given(n: u32, provisioner: u32) -> Event {
    ready_with(n, A, |is| is.provisioner = Some(ProvisionerId(provisioner)))
}

pub fn provisioner(n: u32, limit: u32) -> Event {
    provisioner_with(n, limit, |is| is.platform = Some(A))
}

pub fn provisioner_with(n: u32, limit: u32, change: impl FnOnce(&mut ProvisionerTraits)) -> Event {
    let mut is = Box::new(ProvisionerTraits { limit, platform: None, verdicts: Vec::new(), extends: false });
    change(&mut is);
    Event::ProvisionerReady { provisioner: ProvisionerId(n), is }
}

pub fn set_up(n: u32) -> Event {
    Event::SetupEnded { host: HostId(n), end: SetupEnd::Done }
}

pub fn setup_failed(n: u32) -> Event {
    Event::SetupEnded { host: HostId(n), end: SetupEnd::HostFailed }
}

pub fn gone(n: u32) -> Event {
    Event::HostGone { host: HostId(n) }
}

pub fn ended(n: u32, by: Ended, host_is: HostIs) -> Event {
    let outcome = if by == Ended::ByTest { Outcome::Pass } else { Outcome::Infra };
    let end = AttemptEnd { by, is_bad_exit: by != Ended::ByTest, outcome, host_is };
    Event::AttemptEnded { host: HostId(n), end }
}

pub fn passed(n: u32) -> Event {
    ended(n, Ended::ByTest, HostIs::Fine)
}

pub fn failed(n: u32) -> Event {
    let (by, outcome, host_is) = (Ended::ByTest, Outcome::Fail, HostIs::Fine);
    Event::AttemptEnded { host: HostId(n), end: AttemptEnd { by, is_bad_exit: true, outcome, host_is } }
}

/// Actions as short text, so that a whole run reads as a table.
pub fn text(actions: &[Action]) -> String {
    actions.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn one(action: &Action) -> String {
    match action {
        Action::Want { provisioner, hosts } => format!("want {hosts} of {}", provisioner.0),
        Action::SetUp { host, setup, clean } => {
            format!("set up {} on {}{}", setup.0, host.0, if *clean { " clean" } else { "" })
        }
        Action::Start { host, test, attempt } => format!("start {}.{attempt} on {}", test.0, host.0),
        Action::Cancel { host } => format!("cancel {}", host.0),
        Action::Extend { host, until } => format!("extend {} until {}", host.0, until.0 / MINUTE),
        Action::Release { host, why } => format!("release {} {why:?}", host.0),
        Action::Settle { test, why: Settled::Ended, .. } => format!("settle {}", test.0),
        Action::Settle { test, why, .. } => format!("settle {} {why:?}", test.0),
        Action::Retry { test, .. } => format!("retry {}", test.0),
        Action::Abandon { test, why } => format!("abandon {} {why:?}", test.0),
        Action::Ask { question, about } => format!("ask {} {}", question.0, question_text(about)),
        Action::WakeAt { at } => format!("wake at {}", at.0),
    }
}

fn question_text(about: &Question) -> String {
    match about {
        Question::Next { host, candidates } => {
            format!("next on {}: {:?}", host.0, candidates.iter().map(|test| test.0).collect::<Vec<_>>())
        }
        Question::Destructive { host, would, .. } => format!("destructive {}: {would}", host.0),
        Question::Rerun { test, would, .. } => format!("rerun {}: {would}", test.0),
    }
}

pub fn check(table: &[(Event, &str)]) -> Scheduler {
    check_with(Options::default(), table)
}

pub fn check_with(options: Options, table: &[(Event, &str)]) -> Scheduler {
    let table: Vec<(u64, Event, &str)> =
        table.iter().cloned().map(|(event, text)| (0, event, text)).collect();
    check_timed(options, &table)
}

/// Times are in milliseconds.
pub fn check_timed(options: Options, table: &[(u64, Event, &str)]) -> Scheduler {
    let mut scheduler = Scheduler::new(options);
    for (i, (at, event, actions)) in table.iter().enumerate() {
        let found = text(&scheduler.apply(Time(*at), event.clone()));
        assert_eq!(found, *actions, "event {i}: {event:?}");
    }
    scheduler
}
