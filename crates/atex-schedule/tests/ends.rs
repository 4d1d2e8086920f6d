//! What follows from how attempts end, and tests that come after others.

mod table;

use atex_schedule::{After, Ended, Event, HostIs, NameId, Options, Outcome, TestId, Time};
use table::*;

#[test]
fn a_host_under_which_two_tests_fail_in_a_row_is_quarantined() {
    let by_host = |host| ended(host, Ended::ByHost, HostIs::Fine);
    // How attempts of tests 0, 1, 2 end on host 0 one after another, and whether it is quarantined after the last.
    for (ends, is_quarantined) in [
        (&[by_host(0), by_host(0)][..], true),
        (&[by_host(0), passed(0), by_host(0)], false),
        (&[by_host(0), ended(0, Ended::ByUs, HostIs::Fine), by_host(0)], true),
        (&[by_host(0), failed(0), by_host(0)], false),
    ] {
        let options = Options { infra_retries: 0, ..Options::default() };
        let mut scheduler = check_with(
            options,
            &[
                (ready(0, A), ""),
                (test(0), "set up 0 on 0 clean"),
                (test(1), ""),
                (test(2), ""),
                (test(3), ""),
                (set_up(0), "start 0.1 on 0"),
            ],
        );
        let last = ends.iter().map(|end| text(&scheduler.apply(Time(0), end.clone()))).last();
        assert_eq!(last.unwrap().contains("release 0 Quarantined"), is_quarantined, "{ends:?}");
    }
}

#[test]
fn the_same_test_twice_does_not_quarantine_a_host() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (ended(0, Ended::ByHost, HostIs::Fine), "retry 0, start 0.2 on 0"),
        (ended(0, Ended::ByHost, HostIs::Fine), "retry 0, start 0.3 on 0"),
        (test(1), ""),
        (ended(0, Ended::ByHost, HostIs::Fine), "settle 0, start 1.1 on 0"),
        (ended(0, Ended::ByHost, HostIs::Fine), "retry 1, release 0 Quarantined"),
    ]);
}

#[test]
fn a_test_may_have_reruns_of_its_own() {
    check(&[
        (test_with(0, |is| is.reruns = Some(1)), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (failed(0), "retry 0, start 0.2 on 0"),
        (failed(0), "settle 0"),
    ]);
}

fn after(n: u32, names: &'static [(u32, Option<Outcome>)]) -> Event {
    test_with(n, |is| {
        is.after =
            names.iter().map(|(name, outcome)| After { name: NameId(*name), outcome: *outcome }).collect();
    })
}

fn named(name: u32, test: u32) -> Event {
    Event::Named { name: NameId(name), test: TestId(test) }
}

const PASS: Option<Outcome> = Some(Outcome::Pass);

#[test]
fn a_test_waits_for_those_that_it_comes_after() {
    let scheduler = check(&[
        (after(0, &[(1, None), (2, PASS)]), ""),
        (ready(0, A), ""),
        (test(1), "set up 0 on 0 clean"),
        (named(1, 1), ""),
        (test(2), ""),
        (named(2, 2), ""),
        (set_up(0), "start 1.1 on 0"),
        (Event::InputEnded, ""),
        (failed(0), "settle 1, start 2.1 on 0"),
        (passed(0), "settle 2, start 0.1 on 0"),
        (passed(0), "settle 0, release 0 Done"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn a_test_is_skipped_if_what_it_comes_after_did_not_end_as_it_should() {
    check(&[
        (test(0), ""),
        (named(0, 0), ""),
        (after(1, &[(0, PASS)]), ""),
        (named(1, 1), ""),
        // That one was skipped, which is an end too.
        (after(2, &[(1, None)]), ""),
        (after(3, &[(1, PASS)]), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (failed(0), "settle 0, abandon 1 NotMet(TestId(0)), abandon 3 NotMet(TestId(1)), start 2.1 on 0"),
        (after(4, &[(0, PASS)]), "abandon 4 NotMet(TestId(0))"),
        (after(5, &[(0, Some(Outcome::Fail))]), ""),
    ]);
}

#[test]
fn circles_and_names_that_never_come_end_with_the_input() {
    let scheduler = check(&[
        (after(0, &[(9, None)]), ""),
        (after(1, &[(2, None)]), ""),
        (named(1, 1), ""),
        (after(2, &[(1, None)]), ""),
        (named(2, 2), ""),
        (after(3, &[(2, PASS)]), ""),
        (after(4, &[(2, None)]), ""),
        (ready(0, A), ""),
        (
            Event::InputEnded,
            "abandon 0 NeverCame(NameId(9)), abandon 1 Cycle(TestId(2)), abandon 2 Cycle(TestId(1)), \
             abandon 3 NotMet(TestId(2)), set up 0 on 0 clean",
        ),
        (after(5, &[(8, None)]), "abandon 5 NeverCame(NameId(8))"),
        (set_up(0), "start 4.1 on 0"),
        (passed(0), "settle 4, release 0 Done"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn what_was_settled_before_counts() {
    check(&[
        (Event::SettledBefore { test: TestId(0), outcome: Outcome::Pass }, ""),
        (named(0, 0), ""),
        (ready(0, A), ""),
        (after(1, &[(0, PASS)]), "set up 0 on 0 clean"),
        (after(2, &[(0, Some(Outcome::Fail))]), "abandon 2 NotMet(TestId(0))"),
    ]);
}

#[test]
fn a_host_is_kept_for_what_is_blocked() {
    check(&[
        (test_for(0, A, 0), ""),
        (named(0, 0), ""),
        (
            test_with(1, |is| {
                (is.platform, is.after) = (Some(B), vec![After { name: NameId(0), outcome: None }]);
            }),
            "",
        ),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, B), ""),
        (set_up(0), "start 0.1 on 0"),
        (Event::InputEnded, ""),
        (passed(0), "settle 0, set up 0 on 1 clean, release 0 Done"),
        (Event::TestCancelled { test: TestId(1) }, "abandon 1 Cancelled"),
        (set_up(1), "release 1 Done"),
    ]);
}
