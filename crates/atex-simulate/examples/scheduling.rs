//! What scheduling costs, and how good it is: one JSON record a line, for `scripts/bench scheduling`.
//!
//! `scheduling scale TESTS HOSTS` plays so many tests on so many hosts; `scheduling makespan SEED` plays five workloads.

use std::process::ExitCode;
use std::time::Instant;

use atex_schedule::{HostTraits, Millis, Options, Order, PlatformId, SetupId, TestTraits, Time};
use atex_simulate::{
    Chance, Host, Model, Rates, Scenario, Test, in_order, longest_first, lower_bound, simulate, split_evenly,
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u32>().ok();
    match words[..] {
        ["scale", tests, hosts] => match (number(tests), number(hosts)) {
            (Some(tests), Some(hosts)) => scale(tests, hosts),
            _ => return usage(),
        },
        ["makespan", seed] => match number(seed) {
            Some(seed) => makespan(seed.into()),
            None => return usage(),
        },
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: scheduling scale TESTS HOSTS | scheduling makespan SEED");
    ExitCode::from(2)
}

fn hosts(count: u32, platforms: u32) -> Vec<Host> {
    // They come when the tests are there, or those that arrive first would be begun first.
    let host = |n| Host { comes: Time(1), ..Host::new(HostTraits::new(PlatformId(n % platforms))) };
    (0..count).map(host).collect()
}

/// A large run as it is in life: several platforms and plans, some known durations, some hosts that fail.
fn scale(tests: u32, hosts_count: u32) {
    let mut chance = Chance::new(1);
    let model = Model::Lognormal(60.0, 1.0);
    let test = |n: u32| {
        let takes = model.draw(&mut chance);
        let platform = (!n.is_multiple_of(5)).then_some(PlatformId(n % 4));
        let expected = (!n.is_multiple_of(10)).then_some(takes);
        let setup = SetupId(n % 3);
        let is = TestTraits { platform, setup, expected, limit: 300_000, ..TestTraits::default() };
        Test { is, takes, ..Test::default() }
    };
    let scenario = Scenario {
        options: Options { reruns: 1, ..Options::default() },
        tests: (0..tests).map(test).collect(),
        hosts: hosts(hosts_count, 4),
        setup: 5_000,
        connect: 1_000,
        rates: Rates { test_fails: 0.05, host_fault: 0.001, own_fault: 0.001, ..Rates::default() },
        seed: 1,
        ..Scenario::default()
    };
    let begun = Instant::now();
    let summary = simulate(&scenario, &mut ()).expect("it ends");
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = cpu_seconds();
    println!(
        "{{\"type\":\"scale\",\"tests\":{tests},\"hosts\":{hosts_count},\"seconds\":{seconds:.3},\
         \"cpu_seconds\":{cpu:.2},\"cpu_microseconds_per_test\":{:.2},\"events\":{},\"busy\":{:.3},\"peak_bytes\":{}}}",
        cpu * 1e6 / f64::from(tests.max(1)),
        summary.events,
        summary.busy_share(),
        peak_bytes(),
    );
}

/// What this process has had of a processor, to a hundredth of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the program's name, in which there may be anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that this process has had.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn workloads(chance: &mut Chance) -> Vec<(&'static str, Vec<Millis>)> {
    let mut draw = |n: usize, model: Model| (0..n).map(|_| model.draw(chance)).collect::<Vec<Millis>>();
    let mut giant = draw(999, Model::Uniform(5.0, 30.0));
    giant.push(1_200_000);
    // As the contest tests of a security guide: most take seconds, some remediate for many minutes.
    let mut contest = draw(900, Model::Lognormal(20.0, 0.8));
    contest.extend(draw(100, Model::Lognormal(900.0, 0.5)));
    vec![
        ("equal", draw(1000, Model::Equal(60.0))),
        ("lognormal", draw(1000, Model::Lognormal(60.0, 1.2))),
        ("pareto", draw(1000, Model::Pareto(10.0, 1.3))),
        ("one giant", giant),
        ("contest-like", contest),
    ]
}

/// What the scheduler makes of these durations, which it knows, or which only some tests say of themselves.
fn ours(
    durations: &[Millis],
    count: u32,
    options: Options,
    knows: impl Fn(Millis) -> Option<Millis>,
) -> Millis {
    let test = |takes: &Millis| {
        let is = TestTraits { expected: knows(*takes), limit: 86_400_000, ..TestTraits::default() };
        Test { is, takes: *takes, ..Test::default() }
    };
    let tests = durations.iter().map(test).collect();
    let scenario = Scenario { options, tests, hosts: hosts(count, 1), ..Scenario::default() };
    simulate(&scenario, &mut ()).expect("it ends").makespan - 1
}

fn makespan(seed: u64) {
    let mut chance = Chance::new(seed);
    for (name, durations) in workloads(&mut chance) {
        for count in [5, 20, 100] {
            let given = Options { order: Order::Given, ..Options::default() };
            let found = [
                ("lower_bound", lower_bound(&durations, count)),
                ("longest_first", longest_first(&durations, count)),
                ("ours", ours(&durations, count, Options::default(), Some)),
                // Python ATEX: long ones say so, and come first; all others in order.
                ("explicit_first", {
                    let says = |takes| (takes > 300_000).then_some(takes);
                    ours(&durations, count, Options::default(), says)
                }),
                ("first_in_first_out", ours(&durations, count, given, Some)),
                ("in_order", in_order(&durations, count)),
                ("split_evenly", split_evenly(&durations, count)),
            ];
            let values: Vec<String> =
                found.iter().map(|(way, takes)| format!("\"{way}\":{:.3}", *takes as f64 / 1000.0)).collect();
            println!(
                "{{\"type\":\"makespan\",\"workload\":\"{name}\",\"hosts\":{count},\"seed\":{seed},{}}}",
                values.join(",")
            );
        }
    }
}
