//! Whole runs with made-up hosts: whatever fails, every test is settled exactly once and no host is kept.

use std::collections::{BTreeMap, BTreeSet};

use atex_schedule::{
    Action, Ended, Event, HostId, HostIs, HostKind, Options, PlatformId, Scheduler, SetupEnd, SetupId, TestId,
};
use proptest::prelude::*;

/// A source of chances, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What goes on outside of the scheduler.
#[derive(Default)]
struct World {
    /// Answers that will come, in any order.
    coming: Vec<Event>,
    running: BTreeMap<HostId, TestId>,
    present: BTreeSet<HostId>,
    settled: Vec<TestId>,
    starts: u32,
    stopped: bool,
}

impl World {
    fn carry_out(&mut self, action: Action, dice: &mut Dice) {
        match action {
            Action::SetUp { host, .. } => {
                assert!(self.present.contains(&host) && !self.running.contains_key(&host));
                let end = match dice.roll(20) {
                    0 => SetupEnd::HostFailed,
                    1 => SetupEnd::Impossible,
                    _ => SetupEnd::Done,
                };
                self.coming.push(Event::SetupEnded { host, end });
            }
            Action::Start { host, test, attempt } => {
                assert!(!self.stopped, "nothing is started after a stop");
                assert!(self.present.contains(&host));
                assert!(self.running.insert(host, test).is_none(), "one test at a time");
                assert!(!self.running.iter().any(|(h, t)| *t == test && *h != host), "one host a test");
                assert!(attempt >= 1);
                self.starts += 1;
                let (end, host_is) = match dice.roll(12) {
                    0 => (Ended::ByHost, HostIs::Lost),
                    1 => (Ended::ByHost, HostIs::Spoilt),
                    2 => (Ended::ByUs, HostIs::Fine),
                    3 => (Ended::ByTest, HostIs::Spoilt),
                    _ => (Ended::ByTest, HostIs::Fine),
                };
                self.coming.push(Event::AttemptEnded { host, end, host_is });
            }
            Action::Cancel { host } => {
                self.coming.retain(|event| {
                    !matches!(event, Event::AttemptEnded { host: h, .. } | Event::SetupEnded { host: h, .. }
                        if *h == host)
                });
                self.coming.push(if self.running.contains_key(&host) {
                    Event::AttemptEnded { host, end: Ended::Cancelled, host_is: HostIs::Spoilt }
                } else {
                    Event::SetupEnded { host, end: SetupEnd::Cancelled }
                });
            }
            Action::Release { host, .. } => {
                assert!(self.present.remove(&host), "released once");
            }
            Action::Settle { test } | Action::Abandon { test, .. } => self.settled.push(test),
            Action::Retry { .. } => {}
        }
    }
}

fn simulate(seed: u64, tests: u32, hosts: u32, stop_at: Option<usize>) -> (World, Vec<String>) {
    let mut dice = Dice(seed);
    let mut scheduler = Scheduler::new(Options::default());
    let mut world = World::default();
    let mut trace = Vec::new();
    for n in 0..hosts {
        let (host, platform) = (HostId(n), PlatformId(u32::try_from(dice.roll(2)).unwrap()));
        world.present.insert(host);
        // Some tests are for some hosts only, also by what they would do to them.
        let kind = HostKind { platform, is_spared: dice.roll(3) == 0 };
        world.coming.push(Event::HostExpected { host, kind });
    }
    for n in 0..tests {
        let platform = [None, Some(PlatformId(0)), Some(PlatformId(1))][dice.roll(3) as usize];
        let setup = SetupId(u32::try_from(dice.roll(3)).unwrap());
        let is_destructive = dice.roll(8) == 0;
        world.coming.push(Event::TestArrived { test: TestId(n), platform, setup, is_destructive });
    }
    let mut taken_in = 0;
    let mut step = 0;
    while !scheduler.is_done() {
        step += 1;
        assert!(step < 100_000, "it must end");
        let event = if stop_at == Some(step) {
            world.stopped = true;
            Event::Stop
        } else if world.coming.is_empty() {
            Event::InputEnded
        } else {
            let at = usize::try_from(dice.roll(world.coming.len() as u64)).unwrap();
            world.coming.swap_remove(at)
        };
        match event {
            Event::TestArrived { .. } => taken_in += 1,
            Event::HostExpected { host, kind } => world.coming.push(match dice.roll(8) {
                0 => Event::HostGone { host },
                _ => Event::HostReady { host, kind },
            }),
            Event::AttemptEnded { host, .. } => {
                world.running.remove(&host);
            }
            _ => {}
        }
        let actions = scheduler.apply(event);
        trace.push(format!("{event:?} -> {actions:?}"));
        for action in actions {
            world.carry_out(action, &mut dice);
        }
    }
    assert!(world.running.is_empty());
    let once: BTreeSet<TestId> = world.settled.iter().copied().collect();
    assert_eq!(once.len(), world.settled.len(), "nothing is settled twice");
    if !world.stopped {
        assert_eq!(once.len(), taken_in, "everything is settled");
        assert_eq!(taken_in, tests as usize);
        assert!(world.present.is_empty(), "no host is kept");
    }
    (world, trace)
}

proptest! {
    #[test]
    fn everything_is_settled_once_and_no_host_is_kept(seed: u64, tests in 0u32..60, hosts in 0u32..8) {
        simulate(seed, tests, hosts, None);
    }

    #[test]
    fn a_stop_at_any_time_leaves_nothing_running(seed: u64, tests in 0u32..30, hosts in 1u32..6, at in 1usize..80) {
        simulate(seed, tests, hosts, Some(at));
    }

    #[test]
    fn the_same_events_give_the_same_actions(seed: u64) {
        prop_assert_eq!(simulate(seed, 30, 5, None).1, simulate(seed, 30, 5, None).1);
    }
}
