//! Thousands of runs in which anything may go wrong: what must be true after every event is.

mod checker;
mod scenarios;

use atex_schedule::{Action, Event, Scheduler, Time};
use atex_simulate::{Watcher, simulate};
use checker::Checker;

/// `ATEX_SEEDS=N` plays N scenarios of each kind, `ATEX_SEED=N` only that of this seed.
fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("ATEX_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ATEX_SEEDS").unwrap_or(700),
    }
}

/// Says which seed it was if anything is wrong.
struct Says(u64, &'static str);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was {} with ATEX_SEED={}", self.1, self.0);
        }
    }
}

fn play(kind: &'static str, make: fn(u64) -> atex_simulate::Scenario) {
    for seed in seeds() {
        let says = Says(seed, kind);
        let scenario = make(seed);
        let mut checker = Checker::new(&scenario);
        let summary = simulate(&scenario, &mut checker);
        checker.ended(summary);
        drop(says);
    }
}

#[test]
fn hosts_that_fail() {
    play("hosts_that_fail", scenarios::hosts_that_fail);
}

#[test]
fn tests_that_differ() {
    play("tests_that_differ", scenarios::tests_that_differ);
}

#[test]
fn hosts_that_are_asked_for() {
    play("hosts_that_are_asked_for", scenarios::hosts_that_are_asked_for);
}

#[test]
fn people_who_interfere() {
    play("people_who_interfere", scenarios::people_who_interfere);
}

#[test]
fn a_policy_that_is_asked() {
    play("a_policy_that_is_asked", scenarios::a_policy_that_is_asked);
}

#[test]
fn all_at_once() {
    play("all_at_once", scenarios::all_at_once);
}

/// Everything that was decided, as text.
#[derive(Default)]
struct Log(String);

impl Watcher for Log {
    fn saw(&mut self, now: Time, event: &Event, actions: &[Action], _: &Scheduler) {
        assert!(self.0.len() < 10_000_000, "it must end");
        self.0 += &format!("{now:?} {event:?} {actions:?}\n");
    }
}

#[test]
fn the_same_events_give_the_same_actions() {
    for seed in 0..50 {
        let scenario = scenarios::all_at_once(seed);
        let mut logs = [Log::default(), Log::default()];
        for log in &mut logs {
            let _ = simulate(&scenario, log);
        }
        assert!(logs[0].0 == logs[1].0, "seed {seed}");
    }
}
