//! Whole runs with made-up hosts: whatever fails, every test is settled exactly once and no host is kept.

use std::collections::{BTreeMap, BTreeSet};

use atex_schedule::{
    Action, Ended, Event, HostId, HostIs, HostKind, Options, PlatformId, Scheduler, SetupEnd, SetupId,
    TestId, Tried,
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
    input_ended: bool,
    /// What a journal would hold: the tests that are not settled with what was tried, and the hosts that have
    /// come and not left.
    unsettled: BTreeMap<TestId, (Option<PlatformId>, SetupId, bool, Tried)>,
    hosts: BTreeMap<HostId, HostKind>,
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
                assert_eq!(
                    attempt,
                    self.unsettled[&test].3.attempts + 1,
                    "attempts are numbered without a gap"
                );
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
                self.hosts.remove(&host);
            }
            Action::Settle { test } | Action::Abandon { test, .. } => {
                let (.., tried) = self.unsettled.remove(&test).expect("settled once");
                // Not charged beyond what is allowed, over all lives of the run.
                assert!(tried.by_host <= 3 && tried.by_us <= 3, "{tried:?}");
                self.settled.push(test);
            }
            Action::Retry { .. } => {}
        }
    }

    /// Takes note of what the journal of a run would hold.
    fn remember(&mut self, event: Event) {
        match event {
            Event::TestArrived { test, platform, setup, is_destructive, tried } => {
                self.unsettled.insert(test, (platform, setup, is_destructive, tried));
            }
            Event::HostExpected { host, kind } => {
                self.hosts.insert(host, kind);
            }
            Event::AttemptEnded { host, end, .. } => {
                let test = self.running.remove(&host).expect("something ran there");
                self.unsettled.get_mut(&test).expect("what runs is not settled").3.count(end);
            }
            Event::InputEnded => self.input_ended = true,
            _ => {}
        }
    }

    /// What a new scheduler is told when the old one has died.
    fn tell_again(&mut self, dice: &mut Dice) -> Vec<Event> {
        // Answers to the old one are lost, but for the attempts, which may go on or be cut short.
        let coming = std::mem::take(&mut self.coming);
        self.coming = coming
            .into_iter()
            .filter_map(|event| match event {
                Event::SetupEnded { .. } | Event::HostReady { .. } | Event::HostGone { .. } => None,
                Event::AttemptEnded { host, .. } if dice.roll(3) == 0 => {
                    Some(Event::AttemptEnded { host, end: Ended::ByUs, host_is: HostIs::Spoilt })
                }
                other => Some(other),
            })
            .collect();
        let tests = self.unsettled.iter().map(|(test, (platform, setup, is_destructive, tried))| {
            Event::TestArrived {
                test: *test,
                platform: *platform,
                setup: *setup,
                is_destructive: *is_destructive,
                tried: *tried,
            }
        });
        let mut events: Vec<Event> = tests.collect();
        for (&host, &kind) in &self.hosts {
            events.push(match self.running.get(&host) {
                Some(&test) => Event::HostAdopted { host, kind, test },
                None => {
                    self.coming.push(Event::HostReady { host, kind });
                    Event::HostExpected { host, kind }
                }
            });
        }
        if self.input_ended {
            events.push(Event::InputEnded);
        }
        events
    }
}

/// `dies_at`: the steps before which the scheduler is lost, and another one begins with what is on record.
fn simulate(
    seed: u64,
    tests: u32,
    hosts: u32,
    stop_at: Option<usize>,
    dies_at: &BTreeSet<usize>,
) -> (World, Vec<String>) {
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
        let (is_destructive, tried) = (dice.roll(8) == 0, Tried::default());
        world.coming.push(Event::TestArrived { test: TestId(n), platform, setup, is_destructive, tried });
    }
    let mut taken_in = 0;
    let mut step = 0;
    while !scheduler.is_done() {
        step += 1;
        assert!(step < 100_000, "it must end");
        if dies_at.contains(&step) {
            scheduler = Scheduler::new(Options::default());
            for event in world.tell_again(&mut dice) {
                for action in scheduler.apply(event) {
                    world.carry_out(action, &mut dice);
                }
            }
            continue;
        }
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
            _ => {}
        }
        world.remember(event);
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
        simulate(seed, tests, hosts, None, &BTreeSet::new());
    }

    #[test]
    fn a_stop_at_any_time_leaves_nothing_running(seed: u64, tests in 0u32..30, hosts in 1u32..6, at in 1usize..80) {
        simulate(seed, tests, hosts, Some(at), &BTreeSet::new());
    }

    #[test]
    fn the_same_events_give_the_same_actions(seed: u64) {
        let none = BTreeSet::new();
        prop_assert_eq!(simulate(seed, 30, 5, None, &none).1, simulate(seed, 30, 5, None, &none).1);
    }

    #[test]
    fn a_scheduler_that_dies_at_any_time_is_followed_by_another(
        seed: u64,
        tests in 0u32..40,
        hosts in 0u32..6,
        dies_at in prop::collection::btree_set(1usize..200, 1..6),
    ) {
        simulate(seed, tests, hosts, None, &dies_at);
    }
}
