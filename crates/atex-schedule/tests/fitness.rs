//! Which test is next.

mod table;

use atex_schedule::{
    Event, ExpressionId, HostId, MarkId, Options, Order, PlatformId, Scheduler, SetupId, TestTraits, Time,
    Unrunnable, Verdict,
};
use table::*;

type Change = fn(&mut TestTraits);

/// What it is about, hosts, tests, and in which order the first host runs them.
type Row<'a> = (&'a str, Vec<Event>, Vec<Change>, Vec<u32>);

/// In which order one host runs these tests, which are all there when it comes.
fn order(options: Options, hosts: &[Event], tests: &[Change]) -> Vec<u32> {
    let mut scheduler = Scheduler::new(options);
    let mut apply = |event| text(&scheduler.apply(Time(0), event));
    for (n, change) in (0..).zip(tests) {
        assert_eq!(apply(test_with(n, change)), "");
    }
    let mut order = Vec::new();
    let mut said: Vec<String> = hosts.iter().rev().map(|host| apply(host.clone())).collect();
    let mut last = said.pop().unwrap();
    while order.len() < tests.len() {
        if last.contains("set up") {
            last = apply(set_up(0));
        } else if let Some((_, start)) = last.rsplit_once("start ") {
            order.push(start.split('.').next().unwrap().parse().unwrap());
            last = apply(passed(0));
        } else {
            break;
        }
    }
    order
}

#[test]
fn the_order_of_fitness() {
    let one = || vec![ready_with(0, A, |is| is.marks = vec![MarkId(1), MarkId(2)])];
    // A second host, busy for ever with its set-up, that cannot run tests of platform 0.
    let other = || vec![one().remove(0), ready(1, B)];
    let rows: [Row<'_>; 11] = [
        ("arrival", one(), vec![|_| {}, |_| {}, |_| {}], vec![0, 1, 2]),
        ("order", one(), vec![|is| is.order = 5, |_| {}, |is| is.order = -5], vec![2, 1, 0]),
        (
            "longest first, unknown last",
            one(),
            vec![|_| {}, |is| is.expected = Some(10), |is| is.expected = Some(20), |is| {
                is.expected = Some(10)
            }],
            vec![2, 1, 3, 0],
        ),
        (
            "duration before order",
            one(),
            vec![|is| is.order = -9, |is| (is.expected, is.order) = (Some(1), 9)],
            vec![1, 0],
        ),
        (
            "affinity before duration",
            one(),
            vec![
                |is| is.expected = Some(99),
                |is| is.prefers = vec![MarkId(1)],
                |is| is.prefers = vec![MarkId(2), MarkId(1), MarkId(1)],
                |is| is.prefers = vec![MarkId(7), MarkId(1)],
            ],
            vec![2, 1, 3, 0],
        ),
        (
            "scarcity before affinity",
            other(),
            vec![|is| is.prefers = vec![MarkId(1)], |is| is.platform = Some(A), |_| {}],
            vec![1, 0, 2],
        ),
        (
            "a destructive test first on a fresh host, before scarcity",
            other(),
            vec![|is| is.platform = Some(A), |is| is.is_destructive = true],
            vec![1, 0],
        ),
        (
            "a destructive test has no precedence on a host that was used",
            one(),
            vec![|is| is.priority = 1, |is| is.expected = Some(9), |is| is.is_destructive = true],
            vec![0, 1, 2],
        ),
        (
            "priority before all",
            other(),
            vec![|is| is.is_destructive = true, |is| is.priority = 1, |is| is.priority = -1],
            vec![1, 0, 2],
        ),
        (
            "huge durations",
            one(),
            vec![|is| is.expected = Some(u64::MAX), |is| is.expected = Some(0), |_| {}],
            vec![0, 1, 2],
        ),
        (
            "set-ups do not decide",
            one(),
            vec![|_| {}, |is| is.setup = SetupId(1), |is| is.expected = Some(1)],
            vec![2, 0, 1],
        ),
    ];
    for (name, hosts, tests, expected) in rows {
        assert_eq!(order(Options::default(), &hosts, &tests), expected, "{name}");
        let given = Options { order: Order::Given, ..Options::default() };
        let mut by_order: Vec<(i32, u32)> = (0..)
            .zip(&tests)
            .map(|(n, change)| {
                let mut is = TestTraits::default();
                change(&mut is);
                (is.order, n)
            })
            .collect();
        by_order.sort_unstable();
        let expected: Vec<u32> = by_order.into_iter().map(|(_, n)| n).collect();
        assert_eq!(order(given, &hosts, &tests), expected, "{name}, as given");
    }
}

#[test]
fn an_expression_decides_where_a_test_may_run() {
    let wants = |n| test_with(n, |is| is.expression = Some(ExpressionId(0)));
    let host = |n, verdicts: &[Verdict]| ready_with(n, A, |is| is.verdicts = verdicts.to_vec());
    check(&[
        (wants(0), ""),
        (host(0, &[Verdict::No]), ""),
        (host(1, &[]), ""),
        (host(2, &[Verdict::Yes]), "set up 0 on 2 clean"),
        (set_up(2), "start 0.1 on 2"),
    ]);
    for (verdicts, why) in [
        (&[Verdict::No][..], Unrunnable::NoHost),
        (&[], Unrunnable::Undecided),
        (&[Verdict::Undecided], Unrunnable::Undecided),
    ] {
        let last = format!("abandon 0 {why:?}, release 0 Done");
        check(&[(host(0, verdicts), ""), (wants(0), ""), (Event::InputEnded, &last)]);
    }
}

#[test]
fn an_expression_may_become_known_later() {
    let judged = |host, verdict| Event::Judged {
        expression: ExpressionId(1),
        hosts: vec![(HostId(host), verdict)],
        provisioners: Vec::new(),
    };
    check(&[
        (ready(0, A), ""),
        (ready(1, A), ""),
        (test_with(0, |is| is.expression = Some(ExpressionId(1))), ""),
        (judged(0, Verdict::No), ""),
        (judged(1, Verdict::Yes), "set up 0 on 1 clean"),
        (set_up(1), "start 0.1 on 1"),
    ]);
}

#[test]
fn an_idle_host_is_chosen_that_suits_the_test() {
    // All are set up and idle. Of several, the one with more marks that are preferred, else one that was used before.
    let scheduler = || {
        let mut table = vec![
            (ready(0, A), ""),
            (ready_with(1, A, |is| is.marks = vec![MarkId(1)]), ""),
            (ready(2, A), ""),
        ];
        table.push((test(0), "set up 0 on 0 clean"));
        table.extend([(set_up(0), "start 0.1 on 0"), (passed(0), "settle 0")]);
        table
    };
    let rows: [(Change, &str); 3] = [
        (|_| {}, "start 1.1 on 0"),
        (|is| (is.setup, is.prefers) = (SetupId(1), vec![MarkId(1)]), "set up 1 on 1 clean"),
        (|is| (is.setup, is.is_destructive) = (SetupId(1), true), "set up 1 on 2 clean"),
    ];
    for (change, text) in rows {
        let mut table = scheduler();
        if text.ends_with("on 2 clean") {
            table[1].0 = ready(1, PlatformId(9));
        }
        table.push((test_with(1, change), text));
        check(&table);
    }
}

#[test]
fn marks_come_and_go_with_tests() {
    let marked = |is_set| Event::HostMarked { host: HostId(0), mark: MarkId(3), is_set };
    let likes = |n| test_with(n, |is| is.prefers = vec![MarkId(3)]);
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (test(1), ""),
        (likes(2), ""),
        (likes(3), ""),
        (test(4), ""),
        (marked(true), ""),
        (passed(0), "settle 0, start 2.1 on 0"),
        (marked(false), ""),
        (passed(0), "settle 2, start 1.1 on 0"),
        (passed(0), "settle 1, start 3.1 on 0"),
    ]);
}

#[test]
fn a_rerun_goes_to_another_host_if_one_is_there() {
    let options = Options { reruns: 3, ..Options::default() };
    let scheduler = check_with(
        options.clone(),
        &[
            (test(0), ""),
            (ready(0, A), "set up 0 on 0 clean"),
            (set_up(0), "start 0.1 on 0"),
            (test(1), ""),
            (ready(1, A), "set up 0 on 1 clean"),
            (set_up(1), "start 1.1 on 1"),
            // The other host is there, and busy.
            (failed(0), "retry 0"),
            (test(2), "start 2.1 on 0"),
            (Event::InputEnded, ""),
            (passed(0), "settle 2"),
            (passed(1), "settle 1, start 0.2 on 1"),
            // It has failed on both.
            (failed(1), "retry 0, start 0.3 on 1"),
            (gone(1), "retry 0, release 1 Lost, start 0.3 on 0"),
            (failed(0), "retry 0, start 0.4 on 0"),
            (failed(0), "settle 0, release 0 Done"),
        ],
    );
    assert!(scheduler.is_done());
    // The only other one leaves, cannot run it, or is held.
    for (event, text) in [
        (gone(1), "retry 1, release 1 Lost, start 0.2 on 0"),
        (Event::HostHeld { host: HostId(1) }, "start 0.2 on 0"),
        (Event::HostDropped { host: HostId(1), at_once: false }, "start 0.2 on 0"),
    ] {
        check_with(
            options.clone(),
            &[
                (test(0), ""),
                (ready(0, A), "set up 0 on 0 clean"),
                (set_up(0), "start 0.1 on 0"),
                (test(1), ""),
                (ready(1, A), "set up 0 on 1 clean"),
                (set_up(1), "start 1.1 on 1"),
                (failed(0), "retry 0"),
                (event, text),
            ],
        );
    }
}
