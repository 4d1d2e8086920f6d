//! What the scheduler decides, event by event: tests, hosts and set-ups.

mod table;

use atex_schedule::{
    Action, Ended, Event, HostId, HostIs, SetupEnd, SetupId, TestId, Time, Tried, Unrunnable,
};
use table::*;

#[test]
fn the_first_test_starts_as_soon_as_the_first_host_is_set_up() {
    let scheduler = check(&[
        (expected(0, A), ""),
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (test(1), ""),
        (set_up(0), "start 0.1 on 0"),
        (passed(0), "settle 0, start 1.1 on 0"),
        (Event::InputEnded, ""),
        (passed(0), "settle 1, release 0 Done"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn a_test_that_its_host_has_nothing_for_is_settled_at_once_and_the_host_goes_on() {
    let scheduler = check(&[
        (test(0), ""),
        (test(1), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (Event::InputEnded, ""),
        (set_up(0), "start 0.1 on 0"),
        (ended(0, Ended::Unfit, HostIs::Fine), "settle 0, start 1.1 on 0"),
        (passed(0), "settle 1, release 0 Done"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn a_set_up_is_cancelled_when_the_run_is_stopped() {
    let scheduler = check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), ""),
        (Event::Stopped, "cancel 0, release 1 Cancelled"),
        (Event::SetupEnded { host: HostId(0), end: SetupEnd::Cancelled }, "release 0 Cancelled"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn tests_go_out_in_order_of_arrival_to_whoever_is_free() {
    check(&[
        (test(0), ""),
        (test(1), ""),
        (test(2), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), "set up 0 on 1 clean"),
        (set_up(1), "start 0.1 on 1"),
        (set_up(0), "start 1.1 on 0"),
        (passed(0), "settle 1, start 2.1 on 0"),
    ]);
}

#[test]
fn labels_decide_where_a_test_may_run() {
    check(&[
        (test_for(0, B, 0), ""),
        (test_for(1, A, 0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 1.1 on 0"),
        (passed(0), "settle 1"),
        (ready(1, B), "set up 0 on 1 clean"),
        (set_up(1), "start 0.1 on 1"),
        (Event::InputEnded, "release 0 Done"),
        (passed(1), "settle 0, release 1 Done"),
    ]);
}

#[test]
fn a_host_keeps_what_it_was_given() {
    check(&[
        (test_for(0, A, 0), ""),
        (test_for(1, A, 1), ""),
        (test_for(2, A, 0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (passed(0), "settle 0, set up 1 on 0"),
        (set_up(0), "start 1.1 on 0"),
        (passed(0), "settle 1, start 2.1 on 0"),
    ]);
}

#[test]
fn no_more_hosts_are_set_up_than_tests_wait() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), ""),
        (test(1), "set up 0 on 1 clean"),
    ]);
}

#[test]
fn a_spoilt_host_is_cleaned_before_it_goes_on() {
    check(&[
        (test(0), ""),
        (test(1), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (ended(0, Ended::ByTest, HostIs::Spoilt), "settle 0, set up 0 on 0 clean"),
        (set_up(0), "start 1.1 on 0"),
    ]);
}

#[test]
fn what_the_host_did_is_tried_again_elsewhere_and_not_for_ever() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), ""),
        (set_up(0), "start 0.1 on 0"),
        (ended(0, Ended::ByHost, HostIs::Lost), "retry 0, release 0 Lost, set up 0 on 1 clean"),
        (set_up(1), "start 0.2 on 1"),
        (Event::InputEnded, ""),
        (ended(1, Ended::ByHost, HostIs::Spoilt), "settle 0 KillsHosts, release 1 Done"),
    ]);
}

#[test]
fn what_the_only_host_did_is_tried_again_twice() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (ended(0, Ended::ByHost, HostIs::Spoilt), "retry 0, set up 0 on 0 clean"),
        (set_up(0), "start 0.2 on 0"),
        (ended(0, Ended::ByHost, HostIs::Fine), "retry 0, start 0.3 on 0"),
        (ended(0, Ended::ByHost, HostIs::Fine), "settle 0"),
    ]);
}

#[test]
fn what_we_did_is_not_charged_and_not_repeated_for_ever() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (ended(0, Ended::ByUs, HostIs::Fine), "retry 0, start 0.2 on 0"),
        (ended(0, Ended::ByUs, HostIs::Fine), "retry 0, start 0.3 on 0"),
        (ended(0, Ended::ByUs, HostIs::Fine), "settle 0"),
    ]);
}

#[test]
fn a_test_without_a_host_ends_when_none_can_come() {
    let scheduler = check(&[
        (test_for(0, B, 0), ""),
        (test(1), ""),
        (expected(0, A), ""),
        (Event::InputEnded, "abandon 0 NoHost"),
        (gone(0), "release 0 Lost, abandon 1 NoHost"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn a_host_that_cannot_be_set_up_is_let_go_and_others_go_on() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), ""),
        (Event::InputEnded, ""),
        (setup_failed(0), "release 0 Unhealthy, set up 0 on 1 clean"),
        (setup_failed(1), "release 1 Unhealthy, abandon 0 NoHost"),
    ]);
}

#[test]
fn files_that_cannot_be_had_end_the_tests_that_need_them_and_no_others() {
    check(&[
        (test_for(0, A, 0), ""),
        (test_for(1, A, 1), ""),
        (test_for(2, A, 0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (
            Event::SetupEnded { host: HostId(0), end: SetupEnd::Impossible },
            "abandon 0 Setup, abandon 2 Setup, set up 1 on 0 clean",
        ),
        (set_up(0), "start 1.1 on 0"),
    ]);
}

#[test]
fn a_host_is_kept_while_what_runs_may_come_back() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), ""),
        (set_up(0), "start 0.1 on 0"),
        (Event::InputEnded, ""),
        (passed(0), "settle 0, release 0 Done, release 1 Done"),
    ]);
}

#[test]
fn stopping_cancels_what_runs_and_settles_nothing() {
    let scheduler = check(&[
        (test(0), ""),
        (test(1), ""),
        (expected(2, A), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), "set up 0 on 1 clean"),
        (set_up(0), "start 0.1 on 0"),
        (Event::Stopped, "cancel 0, cancel 1"),
        (Event::Stopped, ""),
        (set_up(1), "release 1 Cancelled"),
        (ended(0, Ended::Cancelled, HostIs::Spoilt), "retry 0, release 0 Cancelled"),
        (ready(2, A), "release 2 Cancelled"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn events_of_unknown_hosts_change_nothing() {
    check(&[
        (test(0), ""),
        (set_up(7), ""),
        (passed(7), ""),
        (gone(7), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (passed(0), ""),
    ]);
}

/// A test that comes back with attempts that were made before.
fn test_again(n: u32, attempts: u32, by_host: u32, by_us: u32) -> Event {
    test_with(n, |is| {
        (is.platform, is.tried) = (Some(A), Tried { attempts, by_host, by_us, ..Tried::default() });
    })
}

fn adopted(n: u32, test: u32) -> Event {
    Event::HostAdopted { host: HostId(n), is: host_with(A, |_| {}), test: TestId(test) }
}

#[test]
fn a_run_goes_on_in_the_middle() {
    let scheduler = check(&[
        (test_again(1, 0, 0, 0), ""),
        (test_again(4, 1, 1, 0), ""),
        (test_again(5, 2, 0, 2), ""),
        (adopted(0, 4), ""),
        (expected(1, A), ""),
        (Event::InputEnded, ""),
        (ready(1, A), "set up 0 on 1 clean"),
        (passed(0), "settle 4, start 1.1 on 0"),
        (set_up(1), "start 5.3 on 1"),
        (passed(0), "settle 1"),
        (ended(1, Ended::ByUs, HostIs::Spoilt), "settle 5, release 0 Done, release 1 Done"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn what_was_tried_before_counts() {
    check(&[
        (test_again(0, 2, 2, 0), ""),
        (test_again(1, 3, 0, 0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.3 on 0"),
        (ended(0, Ended::ByHost, HostIs::Spoilt), "settle 0, set up 0 on 0 clean"),
        (set_up(0), "start 1.4 on 0"),
    ]);
}

#[test]
fn an_attempt_that_goes_on_can_end_in_any_way() {
    check(&[
        (test_again(0, 0, 0, 2), ""),
        (test_again(1, 0, 0, 0), ""),
        (test_again(2, 0, 0, 0), ""),
        (adopted(0, 0), ""),
        (adopted(1, 1), ""),
        (adopted(2, 2), ""),
        (ended(0, Ended::ByUs, HostIs::Spoilt), "settle 0"),
        (ended(1, Ended::ByHost, HostIs::Lost), "retry 1, release 1 Lost, set up 0 on 0 clean"),
        (Event::Stopped, "cancel 0, cancel 2"),
        (ended(2, Ended::Cancelled, HostIs::Spoilt), "retry 2, release 2 Cancelled"),
    ]);
}

#[test]
fn a_host_that_is_adopted_with_an_unknown_test_is_a_clean_one() {
    check(&[(test(0), ""), (adopted(0, 7), "set up 0 on 0 clean")]);
}

#[test]
fn destructive_tests_keep_away_from_hosts_that_are_to_be_spared() {
    let spared = || ready_with(0, A, |is| is.is_spared = true);
    let destructive = || test_with(0, |is| is.is_destructive = true);
    check(&[
        (spared(), ""),
        (destructive(), ""),
        (test(1), "set up 0 on 0 clean"),
        (set_up(0), "start 1.1 on 0"),
        (ready(1, A), "set up 0 on 1 clean"),
        (set_up(1), "start 0.1 on 1"),
    ]);
    // Without another host it cannot be run.
    let mut scheduler = check(&[(spared(), ""), (destructive(), "")]);
    let abandon = Action::Abandon { test: TestId(0), why: Unrunnable::NoHost };
    assert_eq!(scheduler.apply(Time(0), Event::InputEnded)[0], abandon);
}

#[test]
fn what_can_be_given_to_no_host_is_not_tried_again() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (Event::SetupEnded { host: HostId(0), end: SetupEnd::Impossible }, "abandon 0 Setup"),
        (test(1), "abandon 1 Setup"),
        (test_with(2, |is| is.setup = SetupId(1)), "set up 1 on 0 clean"),
    ]);
}

#[test]
fn events_and_actions_can_be_written_down() {
    for (event, line) in [
        (Event::InputEnded, r#""input-ended""#),
        (gone(3), r#"{"host-gone":{"host":3}}"#),
        (
            passed(1),
            r#"{"attempt-ended":{"host":1,"end":{"by":"by-test","is-bad-exit":false,"outcome":"pass","host-is":"fine"}}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
        assert_eq!(serde_json::from_str::<Event>(line).unwrap(), event);
    }
    let whole = test_with(7, |is| (is.priority, is.tried) = (3, Tried { attempts: 1, ..Tried::default() }));
    let line = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), whole);
}
