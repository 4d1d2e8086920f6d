//! Made-up runs.

use atex_schedule::{
    After, Event, ExpressionId, HostId, HostTraits, MARGIN, MarkId, NameId, Options, Order, Outcome,
    PlatformId, ProvisionerId, ProvisionerTraits, RerunOn, SetupId, TestId, TestTraits, Time, Verdict,
};
use atex_simulate::{Chance, Host, Model, Provisioner, Rates, Scenario, Test};

const EXPRESSIONS: u32 = 3;

fn number(chance: &mut Chance, below: u64) -> u32 {
    u32::try_from(chance.roll(below)).unwrap()
}

fn plain(seed: u64, chance: &mut Chance) -> Scenario {
    let tests = 1 + number(chance, 40);
    let hosts = number(chance, 7);
    let model = Model::Lognormal(60.0, 1.0);
    let test = |chance: &mut Chance| Test {
        is: TestTraits { limit: 600_000, setup: SetupId(number(chance, 2)), ..TestTraits::default() },
        takes: model.draw(chance),
        arrives: Time(chance.roll(100_000)),
        ..Test::default()
    };
    let host = |chance: &mut Chance| Host {
        comes: Time(chance.roll(50_000)),
        ..Host::new(HostTraits::new(PlatformId(0)))
    };
    let mut tests: Vec<Test> = (0..tests).map(|_| test(chance)).collect();
    tests.sort_by_key(|test| test.arrives);
    Scenario {
        options: Options { reruns: number(chance, 3), ..Options::default() },
        tests,
        hosts: (0..hosts).map(|_| host(chance)).collect(),
        setup: 5_000,
        connect: 1_000,
        input_ends: Time(chance.roll(400_000)),
        seed,
        ..Scenario::default()
    }
}

fn go_wrong(scenario: &mut Scenario, chance: &mut Chance) {
    let mut rate = || if chance.roll(3) == 0 { 0.0 } else { chance.share() * 0.3 };
    scenario.rates = Rates {
        host_lost: rate() * 0.3,
        host_fault: rate(),
        own_fault: rate(),
        test_fails: rate(),
        spoilt: rate() * 3.0,
        unreachable: rate() * 0.3,
        setup_fails: rate() * 0.5,
        silent: rate(),
    };
    for test in &mut scenario.tests {
        test.kills_hosts = chance.roll(40) == 0;
    }
    for host in &mut scenario.hosts {
        host.is_broken = chance.roll(10) == 0;
        host.dies = (chance.roll(8) == 0).then(|| Time(chance.roll(600_000)));
    }
}

fn differ(scenario: &mut Scenario, chance: &mut Chance) {
    let count = u64::try_from(scenario.tests.len()).unwrap();
    scenario.options.order = *chance.one(&[Order::Best, Order::Best, Order::Given]);
    scenario.options.rerun_on = *chance.one(&[RerunOn::Exit, RerunOn::Outcome, RerunOn::Never]);
    for (n, test) in (0..).zip(&mut scenario.tests) {
        let expected = test.takes;
        test.name = (chance.roll(2) == 0).then_some(NameId(n));
        test.is.platform = [None, Some(PlatformId(0)), Some(PlatformId(1))][chance.roll(3) as usize];
        test.is.expression = (chance.roll(4) == 0).then(|| ExpressionId(number(chance, EXPRESSIONS.into())));
        test.is.is_destructive = chance.roll(8) == 0;
        test.is.prefers = (0..chance.roll(3)).map(|_| MarkId(number(chance, 4))).collect();
        test.is.priority = i32::try_from(chance.roll(3)).unwrap();
        test.is.order = i32::try_from(chance.roll(3)).unwrap();
        test.is.expected = (chance.roll(2) == 0).then_some(expected);
        test.is.reruns = (chance.roll(5) == 0).then(|| number(chance, 3));
        let after = |chance: &mut Chance| After {
            name: NameId(number(chance, count)),
            outcome: (chance.roll(2) == 0).then_some(Outcome::Pass),
        };
        test.is.after = if chance.roll(4) == 0 { vec![after(chance)] } else { Vec::new() };
        if chance.roll(20) == 0 {
            test.is.after.push(after(chance));
        }
    }
    for host in &mut scenario.hosts {
        host.is = traits(chance);
        host.is.is_spared = chance.roll(6) == 0;
        if chance.roll(8) == 0 {
            host.is.until = Some(Time(host.comes.0 + chance.roll(3 * MARGIN)));
            host.dies = host.is.until;
        }
    }
}

fn traits(chance: &mut Chance) -> HostTraits {
    let verdict =
        |chance: &mut Chance| *chance.one(&[Verdict::Yes, Verdict::Yes, Verdict::No, Verdict::Undecided]);
    HostTraits {
        marks: (0..chance.roll(3)).map(|_| MarkId(number(chance, 4))).collect(),
        verdicts: (0..EXPRESSIONS).map(|_| verdict(chance)).collect(),
        ..HostTraits::new(PlatformId(number(chance, 2)))
    }
}

fn ask(scenario: &mut Scenario, chance: &mut Chance) {
    scenario.options.spares = number(chance, 3);
    scenario.options.max_failed_setups = number(chance, 6);
    for _ in 0..1 + chance.roll(3) {
        let gives: Vec<HostTraits> = (0..1 + chance.roll(3))
            .map(|_| {
                let lease = (chance.roll(3) == 0).then(|| Time(MARGIN + chance.roll(3 * MARGIN)));
                HostTraits { until: lease, ..traits(chance) }
            })
            .collect();
        // What it says of itself is true of all that it gives.
        let first = &gives[0];
        let platform = Some(first.platform).filter(|p| gives.iter().all(|is| is.platform == *p));
        let verdicts = (0..first.verdicts.len())
            .map(|at| {
                let is = first.verdicts[at];
                if gives.iter().all(|g| g.verdicts[at] == is) { is } else { Verdict::Undecided }
            })
            .collect();
        let limit = number(chance, 6);
        scenario.provisioners.push(Provisioner {
            is: ProvisionerTraits { limit, platform, verdicts, extends: chance.roll(2) == 0 },
            comes: Time(chance.roll(2) * 10_000),
            gives,
            delay: (1_000, 1_000 + chance.roll(100_000)),
            fails: *chance.one(&[0.0, 0.1, 0.9]),
            dies: (chance.roll(6) == 0).then(|| Time(20_000 + chance.roll(600_000))),
        });
    }
}

fn interfere(scenario: &mut Scenario, chance: &mut Chance) {
    let tests = u64::try_from(scenario.tests.len()).unwrap();
    let provisioners = u64::try_from(scenario.provisioners.len()).unwrap();
    scenario.options.max_hosts = (chance.roll(3) == 0).then(|| 1 + number(chance, 4));
    let at = |chance: &mut Chance| Time(chance.roll(500_000));
    for _ in 0..chance.roll(8) {
        let (test, host) = (TestId(number(chance, tests)), HostId(number(chance, 9)));
        let when = at(chance);
        let later = Time(when.0 + 1 + chance.roll(200_000));
        let events = match chance.roll(12) {
            0 | 1 => vec![Event::Paused, Event::Resumed],
            2 => vec![Event::TestCancelled { test }],
            3 => vec![Event::TestSkipped { test }],
            4 => vec![Event::HostDropped { host, at_once: true }],
            5 => vec![Event::HostDropped { host, at_once: false }],
            6 => vec![Event::HostHeld { host }, Event::HostFreed { host }],
            7 => vec![Event::MaxHosts { hosts: Some(number(chance, 4)) }, Event::MaxHosts { hosts: None }],
            8 if provisioners > 0 => {
                let provisioner = ProvisionerId(number(chance, provisioners));
                vec![Event::MaxOf { provisioner, hosts: number(chance, 5) }]
            }
            9 => {
                let expression = ExpressionId(number(chance, EXPRESSIONS.into()));
                let hosts = vec![(host, *chance.one(&[Verdict::Yes, Verdict::No]))];
                vec![Event::Judged { expression, hosts, provisioners: Vec::new() }]
            }
            10 if chance.roll(3) == 0 => vec![Event::Drained],
            11 if chance.roll(3) == 0 => vec![Event::Stopped],
            _ => vec![Event::HostMarked { host, mark: MarkId(number(chance, 4)), is_set: true }],
        };
        scenario.orders.extend([when, later].into_iter().zip(events));
    }
}

pub fn hosts_that_fail(seed: u64) -> Scenario {
    let chance = &mut Chance::new(seed);
    let mut scenario = plain(seed, chance);
    go_wrong(&mut scenario, chance);
    scenario
}

pub fn tests_that_differ(seed: u64) -> Scenario {
    let chance = &mut Chance::new(seed);
    let mut scenario = plain(seed, chance);
    differ(&mut scenario, chance);
    scenario.rates.test_fails = 0.2;
    scenario
}

pub fn hosts_that_are_asked_for(seed: u64) -> Scenario {
    let chance = &mut Chance::new(seed);
    let mut scenario = plain(seed, chance);
    scenario.hosts.truncate(usize::try_from(chance.roll(3)).unwrap());
    go_wrong(&mut scenario, chance);
    differ(&mut scenario, chance);
    ask(&mut scenario, chance);
    scenario
}

pub fn people_who_interfere(seed: u64) -> Scenario {
    let chance = &mut Chance::new(seed);
    let mut scenario = plain(seed, chance);
    differ(&mut scenario, chance);
    interfere(&mut scenario, chance);
    scenario
}

pub fn a_policy_that_is_asked(seed: u64) -> Scenario {
    let chance = &mut Chance::new(seed);
    let mut scenario = plain(seed, chance);
    go_wrong(&mut scenario, chance);
    differ(&mut scenario, chance);
    scenario.options.policy = true;
    if chance.roll(3) == 0 {
        scenario.orders.push((Time(chance.roll(300_000)), Event::PolicyGone));
    }
    scenario
}

pub fn all_at_once(seed: u64) -> Scenario {
    let chance = &mut Chance::new(seed);
    let mut scenario = plain(seed, chance);
    go_wrong(&mut scenario, chance);
    differ(&mut scenario, chance);
    ask(&mut scenario, chance);
    interfere(&mut scenario, chance);
    scenario.options.policy = chance.roll(5) == 0;
    scenario
}
