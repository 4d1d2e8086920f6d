//! How long runs take, beside what other ways would take. Everything is there when the first host comes.

use atex_schedule::{HostTraits, Millis, Options, Order, PlatformId, TestTraits, Time};
use atex_simulate::{
    Chance, Host, Model, Scenario, Summary, Test, in_order, longest_first, lower_bound, simulate,
    split_evenly,
};

/// Durations as they are met with, and made-up ones that are hard.
fn workloads(seed: u64) -> Vec<(&'static str, Vec<Millis>)> {
    let mut chance = Chance::new(seed);
    let mut draw = |n: usize, model: Model| (0..n).map(|_| model.draw(&mut chance)).collect::<Vec<Millis>>();
    let mut giant = draw(299, Model::Uniform(5.0, 30.0));
    giant.push(1_200_000);
    let mut contest = draw(270, Model::Lognormal(20.0, 0.8));
    contest.extend(draw(30, Model::Lognormal(900.0, 0.5)));
    vec![
        ("equal", draw(300, Model::Equal(60.0))),
        ("lognormal", draw(300, Model::Lognormal(60.0, 1.2))),
        ("pareto", draw(300, Model::Pareto(10.0, 1.3))),
        ("one giant", giant),
        ("contest-like", contest),
    ]
}

fn play(durations: &[Millis], hosts: u32, order: Order) -> Summary {
    let test = |takes: &Millis| {
        let is = TestTraits { expected: Some(*takes), ..TestTraits::default() };
        Test { is, takes: *takes, ..Test::default() }
    };
    let host = Host { comes: Time(1), ..Host::new(HostTraits::new(PlatformId(0))) };
    let scenario = Scenario {
        options: Options { order, ..Options::default() },
        tests: durations.iter().map(test).collect(),
        hosts: vec![host; hosts as usize],
        ..Scenario::default()
    };
    simulate(&scenario, &mut ()).expect("it ends")
}

#[test]
fn known_durations_are_as_good_as_longest_first() {
    for seed in 0..20 {
        for (name, durations) in workloads(seed) {
            for hosts in [1, 4, 13, 50, 400] {
                // The hosts came a millisecond late.
                let ours = play(&durations, hosts, Order::Best).makespan - 1;
                let lpt = longest_first(&durations, hosts);
                assert!(ours * 100 <= lpt * 101, "{name} on {hosts}, seed {seed}: {ours} against {lpt}");
                assert!(ours >= lower_bound(&durations, hosts));
                // Whoever is longest first is never longer than 4/3 of the best.
                assert!(ours * 3 <= lower_bound(&durations, hosts) * 4 + 3 * durations.iter().max().unwrap());
                let fifo = play(&durations, hosts, Order::Given).makespan - 1;
                assert_eq!(fifo, in_order(&durations, hosts), "{name} on {hosts}, seed {seed}");
                assert!(ours <= fifo + durations.iter().max().unwrap());
            }
        }
    }
}

#[test]
fn nothing_split_up_front_beats_it() {
    for seed in 0..20 {
        for (name, durations) in workloads(seed) {
            let ours = play(&durations, 13, Order::Best);
            assert!(ours.makespan - 1 <= split_evenly(&durations, 13), "{name}, seed {seed}");
        }
    }
    // Where durations differ as they do in life, by far.
    let (_, contest) = workloads(1).pop().unwrap();
    let ours = play(&contest, 13, Order::Best);
    assert!(split_evenly(&contest, 13) > 3 * ours.makespan);
    assert!(ours.busy_share() > 0.95, "{}", ours.busy_share());
}
