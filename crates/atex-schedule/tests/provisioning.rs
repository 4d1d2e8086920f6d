//! Hosts that are asked for, and hosts that are only lent.

mod table;

use atex_schedule::{
    BREAKER, Ended, Event, ExpressionId, FRUITLESS, HostId, HostIs, MARGIN, Options, ProvisionerId,
    ProvisionerTraits, Scheduler, Time, Verdict,
};
use table::*;

fn provision_failed(n: u32, count: u32, retry: bool) -> Event {
    Event::ProvisionFailed { provisioner: ProvisionerId(n), count, retry }
}

#[test]
fn as_many_hosts_are_wanted_as_tests_within_the_limits_and_in_order() {
    let scheduler = check(&[
        (provisioner(0, 1), ""),
        (provisioner(1, 5), ""),
        (test(0), "want 1 of 0"),
        (test(1), "want 1 of 1"),
        (test(2), "want 2 of 1"),
        // A fixed host takes one of them.
        (ready(0, A), "set up 0 on 0 clean, want 1 of 1"),
        (set_up(0), "start 0.1 on 0"),
        (given(1, 0), "set up 0 on 1 clean"),
        (Event::InputEnded, ""),
        (set_up(1), "start 1.1 on 1"),
        (given(2, 1), "set up 0 on 2 clean"),
        (passed(0), "settle 0, start 2.1 on 0"),
        (set_up(2), "want 0 of 1, release 2 Surplus"),
        (passed(1), "settle 1, want 0 of 0, release 1 Surplus"),
        (passed(0), "settle 2, release 0 Done"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn a_host_that_was_destroyed_is_replaced_while_tests_wait() {
    let spoilt = |host| ended(host, Ended::ByTest, HostIs::Spoilt);
    let scheduler = check(&[
        (provisioner(0, 1), ""),
        (test(0), "want 1 of 0"),
        (test(1), ""),
        (Event::InputEnded, ""),
        (given(0, 0), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (spoilt(0), "settle 0, release 0 Destroyed"),
        (given(1, 0), "set up 0 on 1 clean"),
        (set_up(1), "start 1.1 on 1"),
        (spoilt(1), "settle 1, want 0 of 0, release 1 Destroyed"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn spares_are_asked_for_and_kept_while_a_test_may_come_back() {
    let options = Options { spares: 1, ..Options::default() };
    check_with(
        options,
        &[
            (provisioner(0, 4), "want 1 of 0"),
            (test(0), "want 2 of 0"),
            (given(0, 0), "set up 0 on 0 clean"),
            (given(1, 0), ""),
            (set_up(0), "start 0.1 on 0"),
            (Event::InputEnded, ""),
            (given(2, 0), "release 2 Surplus"),
            (ended(0, Ended::ByHost, HostIs::Lost), "retry 0, release 0 Lost, set up 0 on 1 clean"),
            // Once nothing waits, no spare one is asked for.
            (set_up(1), "start 0.2 on 1, want 1 of 0"),
            (passed(1), "settle 0, want 0 of 0, release 1 Done"),
        ],
    );
}

#[test]
fn fixed_hosts_are_handed_on_that_what_runs_cannot_want_any_more() {
    let options = Options { infra_retries: 1, ..Options::default() };
    let four = [ready(0, A), ready(1, A), ready(2, A), ready(3, A)];
    let mut events: Vec<_> = four.into_iter().map(|event| (event, "")).collect();
    events.extend([
        (test_with(0, |is| is.reruns = Some(2)), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        // Each of two reruns may be on another host. There could be more tests until the input ends.
        (Event::InputEnded, "release 3 Surplus"),
        (ended(0, Ended::ByHost, HostIs::Fine), "retry 0, set up 0 on 1 clean"),
        (set_up(1), "start 0.2 on 1"),
        (passed(1), "settle 0, release 0 Done, release 1 Done, release 2 Done"),
    ]);
    check_with(options, &events);
}

#[test]
fn a_provisioner_whose_hosts_cannot_be_set_up_is_used_no_more() {
    let options = Options { max_failed_setups: 1, ..Options::default() };
    let hour = 3_600_000;
    let table = |second: u64, last: &'static str| {
        vec![
            (0, provisioner(0, 1), ""),
            (0, test(0), "want 1 of 0"),
            (0, Event::InputEnded, ""),
            (0, given(0, 0), "set up 0 on 0 clean"),
            (0, setup_failed(0), "release 0 Unhealthy"),
            (0, given(1, 0), "set up 0 on 1 clean"),
            (second, setup_failed(1), last),
        ]
    };
    check_timed(options.clone(), &table(hour - 1, "want 0 of 0, release 1 Unhealthy, abandon 0 NoHost"));
    check_timed(options, &table(hour, "release 1 Unhealthy"));
}

#[test]
fn a_provisioner_over_its_limit_of_failures_does_not_stop_the_others() {
    let options = Options { max_failed_setups: 0, ..Options::default() };
    check_with(
        options,
        &[
            (provisioner(0, 1), ""),
            (provisioner(1, 1), ""),
            (test(0), "want 1 of 0"),
            (Event::InputEnded, ""),
            (given(0, 0), "set up 0 on 0 clean"),
            (setup_failed(0), "want 0 of 0, want 1 of 1, release 0 Unhealthy"),
            (given(1, 1), "set up 0 on 1 clean"),
        ],
    );
}

#[test]
fn a_provisioner_that_fails_is_asked_again_later_and_not_for_ever() {
    let mut scheduler = check_timed(
        Options::default(),
        &[
            (0, provisioner(0, 2), ""),
            (0, test(0), "want 1 of 0"),
            (0, test(1), "want 2 of 0"),
            (0, Event::InputEnded, ""),
            (1000, provision_failed(0, 1, true), "want 1 of 0, wake at 11000"),
            (11_000, Event::Woken, "want 2 of 0"),
            // Twice as long at the second time in a row.
            (12_000, provision_failed(0, 1, true), "want 1 of 0, wake at 32000"),
            (31_999, Event::Woken, "wake at 32000"),
            (32_000, Event::Woken, "want 2 of 0"),
        ],
    );
    let mut said = String::new();
    for n in 2..u64::from(BREAKER) {
        let at = 1_000_000 * n;
        said = text(&scheduler.apply(Time(at), provision_failed(0, 2, true)));
        if n + 1 < u64::from(BREAKER) {
            scheduler.apply(Time(at + 600_000), Event::Woken);
        }
    }
    assert_eq!(said, "abandon 0 NoHost, abandon 1 NoHost, want 0 of 0");
    assert!(scheduler.is_done());
}

#[test]
fn failures_that_come_together_are_one() {
    let most = 2 * BREAKER;
    let mut scheduler = Scheduler::new(Options::default());
    let mut at = |second: u64, event| text(&scheduler.apply(Time(1000 * second), event));
    at(0, provisioner(0, most));
    for n in 0..most {
        assert_eq!(at(0, test(n)), format!("want {} of 0", n + 1));
    }
    // Each host fails on its own.
    assert_eq!(at(1, provision_failed(0, 1, true)), format!("want {} of 0, wake at 11000", most - 1));
    for n in 2..=most {
        assert_eq!(at(2, provision_failed(0, 1, true)), format!("want {} of 0", most - n));
    }
    assert_eq!(at(11, Event::Woken), format!("want {most} of 0"));
    // The second time, whatever that was made of.
    assert_eq!(at(12, provision_failed(0, most, true)), "want 0 of 0, wake at 32000");
    assert_eq!(at(32, Event::Woken), format!("want {most} of 0"));
    assert_eq!(at(33, given(0, 0)), "set up 0 on 0 clean");
    // One has come: it has not failed in a row.
    assert_eq!(at(34, provision_failed(0, 1, true)), format!("want {} of 0, wake at 44000", most - 1));
    assert!(scheduler.is_used(ProvisionerId(0)));
}

#[test]
fn what_becomes_known_of_a_provisioner_changes_what_it_is_asked_for() {
    let is_platform = |platform| move |is: &mut ProvisionerTraits| is.platform = platform;
    let scheduler = check(&[
        (provisioner_with(0, 5, is_platform(None)), ""),
        (provisioner_with(1, 5, is_platform(None)), ""),
        (test_for(0, A, 0), "want 1 of 0"),
        (test_for(1, A, 0), "want 2 of 0"),
        (provisioner_with(1, 5, is_platform(Some(A))), ""),
        (provisioner_with(0, 1, is_platform(Some(A))), "want 1 of 0, want 1 of 1"),
        (provision_failed(0, 1, true), "want 0 of 0, want 2 of 1, wake at 10000"),
        // What it has failed at is not forgotten.
        (provisioner_with(0, 5, is_platform(Some(A))), ""),
        (provisioner_with(1, 5, is_platform(Some(B))), "want 0 of 1"),
        (Event::InputEnded, ""),
    ]);
    assert!(scheduler.is_used(ProvisionerId(0)) && !scheduler.is_used(ProvisionerId(2)));
}

#[test]
fn how_often_a_provisioner_may_fail_can_be_chosen() {
    let options = Options { breaker: 2, ..Options::default() };
    let scheduler = check_timed(
        options,
        &[
            (0, provisioner(0, 1), ""),
            (0, test(0), "want 1 of 0"),
            (0, Event::InputEnded, ""),
            (0, provision_failed(0, 1, true), "want 0 of 0, wake at 10000"),
            (10_000, Event::Woken, "want 1 of 0"),
            (10_000, provision_failed(0, 1, true), "abandon 0 NoHost, want 0 of 0"),
        ],
    );
    assert!(!scheduler.is_used(ProvisionerId(0)));
}

#[test]
fn a_provisioner_that_says_that_there_is_no_more_is_believed() {
    check(&[
        (provisioner(0, 5), ""),
        (provisioner(1, 5), ""),
        (test(0), "want 1 of 0"),
        (test(1), "want 2 of 0"),
        (provision_failed(0, 1, false), "want 1 of 0, want 1 of 1"),
        (Event::ProvisionerGone { provisioner: ProvisionerId(0) }, "want 2 of 1"),
        (Event::MaxOf { provisioner: ProvisionerId(1), hosts: 1 }, "want 1 of 1"),
        (Event::MaxOf { provisioner: ProvisionerId(1), hosts: 0 }, "want 0 of 1"),
        (Event::InputEnded, "abandon 0 NoHost, abandon 1 NoHost"),
    ]);
}

#[test]
fn whoever_may_give_what_fits_is_asked() {
    let wants = |n, expression| test_with(n, |is| is.expression = Some(ExpressionId(expression)));
    let gives = |n, verdicts: &[Verdict]| {
        provisioner_with(n, 1, |is| (is.platform, is.verdicts) = (Some(A), verdicts.to_vec()))
    };
    check(&[
        (gives(0, &[Verdict::No, Verdict::Yes]), ""),
        (gives(1, &[]), ""),
        // The first does not have it; of the second it is not known.
        (wants(0, 0), "want 1 of 1"),
        (wants(1, 1), "want 1 of 0"),
        (test_for(2, B, 0), ""),
        (Event::InputEnded, "abandon 2 NoHost"),
    ]);
}

#[test]
fn whoever_gives_what_is_of_no_use_is_not_asked_for_ever() {
    let mut table = vec![
        (provisioner(0, 1), "".to_owned()),
        (test_with(0, |is| is.expression = Some(ExpressionId(0))), "want 1 of 0".to_owned()),
        (Event::InputEnded, String::new()),
    ];
    for n in 0..FRUITLESS - 1 {
        table.push((given(n, 0), format!("release {n} Done")));
    }
    let last = FRUITLESS - 1;
    table.push((given(last, 0), format!("abandon 0 Undecided, want 0 of 0, release {last} Done")));
    let table: Vec<(Event, &str)> =
        table.iter().map(|(event, text)| (event.clone(), text.as_str())).collect();
    assert!(check(&table).is_done());
}

// ---- Leases ----

fn lent(n: u32, provisioner: u32, minutes: u64) -> Event {
    ready_with(n, A, |is| {
        (is.provisioner, is.until) = (Some(ProvisionerId(provisioner)), Some(Time(minutes * MINUTE)));
    })
}

#[test]
fn a_test_is_not_begun_on_a_host_that_is_lent_for_too_short_a_time() {
    // The margin is five minutes.
    assert_eq!(MARGIN, 5 * MINUTE);
    let fixed = |minutes: u64| ready_with(0, A, move |is| is.until = Some(Time(minutes * MINUTE)));
    for (minutes, expected, text) in [
        (15, Some(10), "set up 0 on 0 clean, wake at 600000"),
        (15, Some(11), "wake at 600000"),
        (15, None, "set up 0 on 0 clean, wake at 600000"),
        (14, None, "wake at 540000"),
    ] {
        check(&[
            (
                test_with(0, |is| {
                    (is.expected, is.limit) = (expected.map(|minutes| minutes * MINUTE), 10 * MINUTE);
                }),
                "",
            ),
            (fixed(minutes), text),
        ]);
    }
    // Shorter ones are begun all the same, and one that cannot be of use any more is given back.
    let expected = |n, minutes: u64| test_with(n, move |is| is.expected = Some(minutes * MINUTE));
    check_timed(
        Options::default(),
        &[
            (0, expected(0, 60), ""),
            (0, expected(1, 9), ""),
            (0, expected(2, 8), ""),
            (0, fixed(15), "set up 0 on 0 clean, wake at 600000"),
            (0, set_up(0), "start 1.1 on 0"),
            (9 * MINUTE, passed(0), "settle 1"),
            (10 * MINUTE, Event::Woken, "release 0 Expired"),
        ],
    );
    check(&[(expected(0, 60), ""), (Event::InputEnded, "abandon 0 NoHost")]);
    check(&[
        (expected(0, 60), ""),
        (fixed(15), "wake at 600000"),
        (Event::InputEnded, "release 0 Expired, abandon 0 NoHost"),
    ]);
}

#[test]
fn a_lease_is_extended_before_a_test_and_while_it_runs() {
    let extending = provisioner_with(0, 1, |is| (is.platform, is.extends) = (Some(A), true));
    let long = test_with(0, |is| is.expected = Some(55 * MINUTE));
    check_timed(
        Options::default(),
        &[
            (0, extending, ""),
            (0, long, "want 1 of 0"),
            (0, lent(0, 0, 30), "extend 0 until 120, set up 0 on 0 clean, wake at 3600000"),
            (0, set_up(0), "start 0.1 on 0"),
            (60 * MINUTE, Event::Woken, "extend 0 until 180, wake at 7200000"),
            (61 * MINUTE, passed(0), "settle 0"),
            (120 * MINUTE, Event::Woken, ""),
            (180 * MINUTE, Event::HostGone { host: HostId(0) }, "want 0 of 0, release 0 Lost"),
        ],
    );
}

#[test]
fn the_lease_of_a_host_that_is_held_is_extended() {
    let extending = || provisioner_with(0, 1, |is| (is.platform, is.extends) = (Some(A), true));
    let held = || Event::HostHeld { host: HostId(0) };
    let freed = || Event::HostFreed { host: HostId(0) };
    let long = || test_with(0, |is| is.expected = Some(20 * MINUTE));
    check_timed(
        Options::default(),
        &[
            (0, extending(), ""),
            (0, long(), "want 1 of 0"),
            (0, lent(0, 0, 60), "set up 0 on 0 clean, wake at 1800000"),
            (0, set_up(0), "start 0.1 on 0"),
            (20 * MINUTE, held(), ""),
            (20 * MINUTE, passed(0), "settle 0"),
            (30 * MINUTE, Event::Woken, "extend 0 until 90, wake at 3600000"),
            (60 * MINUTE, Event::Woken, "extend 0 until 120, wake at 5400000"),
            // Its lease is looked at also when it runs something again.
            (70 * MINUTE, freed(), ""),
            (70 * MINUTE, test_with(1, |is| is.expected = Some(5 * MINUTE)), "start 1.1 on 0"),
            (90 * MINUTE, Event::Woken, "extend 0 until 150, wake at 7200000"),
        ],
    );
    // An idle one whose half-life has passed.
    check_timed(
        Options::default(),
        &[
            (0, extending(), ""),
            (0, lent(0, 0, 60), "want 1 of 0, wake at 1800000"),
            (30 * MINUTE, Event::Woken, ""),
            (40 * MINUTE, held(), "wake at 3000000"),
            (50 * MINUTE, Event::Woken, "extend 0 until 70, wake at 3600000"),
        ],
    );
    // Nobody can extend this one: when it is freed too late for anything, it goes.
    check_timed(
        Options::default(),
        &[
            (0, provisioner(0, 1), ""),
            (0, lent(0, 0, 60), "want 1 of 0, wake at 3300000"),
            (30 * MINUTE, held(), ""),
            (55 * MINUTE, Event::Woken, ""),
            (56 * MINUTE, freed(), "want 0 of 0, release 0 Expired"),
        ],
    );
}

#[test]
fn whoever_lends_for_too_short_a_time_is_not_asked_for_ever() {
    let mut scheduler = check(&[
        (provisioner(0, 1), ""),
        (test_with(0, |is| is.expected = Some(60 * MINUTE)), "want 1 of 0"),
        (Event::InputEnded, ""),
    ]);
    for n in 0..FRUITLESS {
        assert!(!scheduler.is_done());
        scheduler.apply(Time(0), lent(n, 0, 30));
    }
    assert!(scheduler.is_done());
}
