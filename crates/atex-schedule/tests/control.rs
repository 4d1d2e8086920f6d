//! What people and the policy say while a run goes on.

mod table;

use atex_schedule::{
    Answer, Ended, Event, HostId, HostIs, Options, QuestionId, Scheduler, SetupEnd, TestId, Time,
};
use table::*;

#[test]
fn a_pause_starts_nothing_and_ends_nothing() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (Event::Paused, ""),
        (set_up(0), ""),
        (test(1), ""),
        (ready(1, A), ""),
        (Event::InputEnded, ""),
        (Event::Resumed, "start 0.1 on 0, set up 0 on 1 clean"),
    ]);
}

#[test]
fn draining_waits_for_what_runs_and_settles_nothing_else() {
    let scheduler = check(&[
        (test(0), ""),
        (test(1), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), "set up 0 on 1 clean"),
        (set_up(0), "start 0.1 on 0"),
        (ready(2, A), ""),
        (Event::Drained, "cancel 1, release 2 Cancelled"),
        (Event::SetupEnded { host: HostId(1), end: SetupEnd::Cancelled }, "release 1 Cancelled"),
        (test(2), ""),
        (passed(0), "settle 0, release 0 Cancelled"),
    ]);
    assert!(scheduler.is_done());
    assert_eq!(scheduler.unsettled(), 2);
}

#[test]
fn a_drain_can_become_a_stop_and_not_the_other_way_round() {
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (Event::Drained, ""),
        (Event::Stopped, "cancel 0"),
        (Event::Drained, ""),
        (ended(0, Ended::Cancelled, HostIs::Spoilt), "retry 0, release 0 Cancelled"),
    ]);
}

#[test]
fn a_test_is_cancelled_wherever_it_is() {
    let cancel = |n| Event::TestCancelled { test: TestId(n) };
    check(&[
        (test(0), ""),
        (test(1), ""),
        (test(2), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (cancel(1), "abandon 1 Cancelled"),
        (cancel(0), "cancel 0"),
        (cancel(0), ""),
        (cancel(7), ""),
        (ended(0, Ended::Cancelled, HostIs::Spoilt), "settle 0 Cancelled, set up 0 on 0 clean"),
        (set_up(0), "start 2.1 on 0"),
        (Event::TestSkipped { test: TestId(2) }, ""),
        (cancel(2), "cancel 0"),
        // It ended before it heard of that; it is not run again all the same.
        (ended(0, Ended::ByHost, HostIs::Fine), "settle 2"),
        (test(3), "start 3.1 on 0"),
        (test(4), ""),
        (Event::TestSkipped { test: TestId(4) }, "abandon 4 Skipped"),
    ]);
}

#[test]
fn a_host_is_dropped_now_or_after_its_test() {
    let dropped = |host, at_once| Event::HostDropped { host: HostId(host), at_once };
    check(&[
        (test(0), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (dropped(0, false), ""),
        (passed(0), "settle 0, release 0 Dropped"),
        (test(1), ""),
        (ready(1, A), "set up 0 on 1 clean"),
        (dropped(1, false), "cancel 1"),
        (Event::SetupEnded { host: HostId(1), end: SetupEnd::Cancelled }, "release 1 Dropped"),
        (ready(2, A), "set up 0 on 2 clean"),
        (set_up(2), "start 1.1 on 2"),
        (dropped(2, true), "cancel 2"),
        (ended(2, Ended::Cancelled, HostIs::Spoilt), "retry 1, release 2 Dropped"),
        (expected(3, A), ""),
        (dropped(3, true), ""),
        (ready(3, A), "release 3 Dropped"),
    ]);
}

#[test]
fn a_host_that_is_held_gets_nothing_more_until_it_is_freed() {
    let scheduler = check(&[
        (test(0), ""),
        (test(1), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (Event::HostHeld { host: HostId(0) }, ""),
        (failed(0), "settle 0"),
        // It may be freed: what only it can run is not given up.
        (Event::InputEnded, ""),
        (Event::HostFreed { host: HostId(0) }, "start 1.1 on 0"),
        (passed(0), "settle 1, release 0 Done"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn a_drain_leaves_held_hosts_as_they_are() {
    let scheduler = check(&[
        (test(0), ""),
        (test(1), ""),
        (ready(0, A), "set up 0 on 0 clean"),
        (ready(1, A), "set up 0 on 1 clean"),
        (set_up(0), "start 0.1 on 0"),
        (set_up(1), "start 1.1 on 1"),
        (Event::HostHeld { host: HostId(0) }, ""),
        (Event::HostHeld { host: HostId(1) }, ""),
        (failed(0), "settle 0"),
        (Event::Drained, ""),
        (failed(1), "settle 1"),
        (Event::HostFreed { host: HostId(0) }, "release 0 Cancelled"),
        // Who stops it cannot wait.
        (Event::Stopped, "release 1 Cancelled"),
    ]);
    assert!(scheduler.is_done());
}

#[test]
fn after_so_many_failures_nothing_is_started() {
    check_with(
        Options { max_failed: Some(2), ..Options::default() },
        &[
            (test(0), ""),
            (test(1), ""),
            (test(2), ""),
            (test(3), ""),
            (ready(0, A), "set up 0 on 0 clean"),
            (set_up(0), "start 0.1 on 0"),
            (ready(1, A), "set up 0 on 1 clean"),
            (failed(0), "settle 0, start 1.1 on 0"),
            (set_up(1), "start 2.1 on 1"),
            (failed(0), "settle 1, cancel 1, release 0 Cancelled"),
            (ended(1, Ended::Cancelled, HostIs::Fine), "retry 2, release 1 Cancelled"),
        ],
    );
}

#[test]
fn so_many_hosts_work_at_a_time_and_no_more() {
    let most = |hosts| Event::MaxHosts { hosts };
    check_with(
        Options { max_hosts: Some(1), ..Options::default() },
        &[
            (test(0), ""),
            (test(1), ""),
            (test(2), ""),
            (ready(0, A), "set up 0 on 0 clean"),
            (ready(1, A), ""),
            (set_up(0), "start 0.1 on 0"),
            (most(Some(2)), "set up 0 on 1 clean"),
            (set_up(1), "start 1.1 on 1"),
            (most(Some(1)), ""),
            (passed(0), "settle 0"),
            (gone(0), "release 0 Lost"),
            (passed(1), "settle 1, start 2.1 on 1"),
        ],
    );
}

// ---- The policy ----

fn policy() -> Options {
    Options { policy: true, reruns: 1, ..Options::default() }
}

fn says(question: u32, answer: Answer) -> Event {
    Event::Answered { question: QuestionId(question), answer: Some(answer) }
}

fn silent(question: u32) -> Event {
    Event::Answered { question: QuestionId(question), answer: None }
}

#[test]
fn the_policy_is_asked_where_there_is_a_choice() {
    let scheduler = check_with(
        policy(),
        &[
            (test(0), ""),
            (test(1), ""),
            (test(2), ""),
            (ready(0, A), "ask 0 next on 0: [0, 1, 2]"),
            (says(0, Answer::Next(TestId(1))), "set up 0 on 0 clean"),
            (set_up(0), "start 1.1 on 0"),
            (failed(0), "ask 1 rerun 1: true"),
            (says(1, Answer::No), "settle 1, ask 2 destructive 0: false"),
            (says(2, Answer::Yes), "ask 3 next on 0: [0, 2]"),
            // An answer that was not to choose from is none.
            (says(3, Answer::Next(TestId(1))), "set up 0 on 0 clean"),
            (set_up(0), "ask 4 next on 0: [0, 2]"),
            (silent(4), "start 0.1 on 0"),
            (Event::InputEnded, ""),
            (passed(0), "ask 5 rerun 0: false"),
            (says(5, Answer::Yes), "retry 0, ask 6 destructive 0: false"),
            (silent(6), "ask 7 next on 0: [0, 2]"),
            (Event::PolicyGone, "start 0.2 on 0"),
            (passed(0), "settle 0, start 2.1 on 0"),
            (passed(0), "settle 2, release 0 Done"),
        ],
    );
    assert!(scheduler.is_done());
}

#[test]
fn what_is_being_asked_about_may_end_in_the_meantime() {
    check_with(
        policy(),
        &[
            (test(0), ""),
            (test(1), ""),
            (ready(0, A), "ask 0 next on 0: [0, 1]"),
            (gone(0), "release 0 Lost"),
            (says(0, Answer::Next(TestId(1))), ""),
            (ready(1, A), "ask 1 next on 1: [0, 1]"),
            (Event::TestSkipped { test: TestId(1) }, "abandon 1 Skipped"),
            (says(1, Answer::Next(TestId(1))), "set up 0 on 1 clean"),
            (set_up(1), "start 0.1 on 1"),
            (failed(1), "ask 2 rerun 0: true"),
            (gone(1), ""),
            (silent(2), "retry 0, release 1 Lost"),
            (ready(2, A), "set up 0 on 2 clean"),
            (set_up(2), "start 0.2 on 2"),
            (failed(2), "ask 3 rerun 0: false"),
            (Event::Stopped, "settle 0, release 2 Cancelled"),
            (says(3, Answer::Yes), ""),
        ],
    );
}

/// A test that is expected to take so many minutes.
fn taking(n: u32, minutes: u64) -> Event {
    test_with(n, |is| (is.expected, is.limit) = (Some(minutes * MINUTE), 60 * MINUTE))
}

#[test]
fn what_cannot_end_before_the_deadline_is_not_begun() {
    let options = Options { deadline: Some(Time(10 * MINUTE)), ..Options::default() };
    let mut scheduler = Scheduler::new(options);
    let mut at = |minute: u64, event, expected: &str| {
        assert_eq!(text(&scheduler.apply(Time(minute * MINUTE), event)), expected, "minute {minute}");
        (scheduler.late(), scheduler.is_done(), scheduler.unsettled())
    };
    at(0, ready(0, A), "");
    at(0, taking(0, 11), "");
    // It is asked to wake when the test becomes late that takes longest.
    at(0, taking(1, 4), "set up 0 on 0 clean, wake at 360001");
    at(0, taking(2, 8), "wake at 120001");
    // Of this one nobody knows.
    at(0, test_with(3, |is| is.limit = 60 * MINUTE), "");
    assert_eq!(at(1, set_up(0), "start 2.1 on 0"), (1, false, 4));
    assert_eq!(at(3, Event::Woken, "wake at 360001"), (1, false, 4));
    assert_eq!(at(7, passed(0), "settle 2, start 3.1 on 0"), (2, false, 3));
    at(8, Event::InputEnded, "");
    assert_eq!(at(9, passed(0), "settle 3, release 0 Cancelled"), (2, true, 2));
}

#[test]
fn who_waits_for_what_is_late_holds_nothing_up() {
    let options = Options { deadline: Some(Time(MINUTE)), ..Options::default() };
    let mut scheduler = Scheduler::new(options);
    let mut at = |event, expected: &str| {
        assert_eq!(text(&scheduler.apply(Time(0), event)), expected);
        (scheduler.late(), scheduler.is_done())
    };
    at(ready(0, A), "");
    at(taking(0, 5), "");
    let name = atex_schedule::NameId(0);
    let after = vec![atex_schedule::After { name, outcome: None }];
    at(test_with(1, |is| is.after = after), "");
    at(Event::Named { name, test: TestId(0) }, "");
    assert_eq!(at(Event::InputEnded, "release 0 Cancelled"), (1, true));
}

#[test]
fn a_late_test_can_be_cancelled_and_one_that_is_retried_may_be_late() {
    let options = Options { deadline: Some(Time(10 * MINUTE)), ..Options::default() };
    let mut scheduler = Scheduler::new(options);
    let mut at = |minute: u64, event, expected: &str| {
        assert_eq!(text(&scheduler.apply(Time(minute * MINUTE), event)), expected, "minute {minute}");
        (scheduler.late(), scheduler.unsettled())
    };
    at(0, ready(0, A), "");
    at(0, taking(0, 6), "set up 0 on 0 clean, wake at 240001");
    at(0, taking(1, 20), "");
    at(0, set_up(0), "start 0.1 on 0");
    let by_host = || ended(0, Ended::ByHost, HostIs::Fine);
    assert_eq!(at(5, by_host(), "retry 0"), (2, 2));
    assert_eq!(at(5, Event::TestCancelled { test: TestId(1) }, "abandon 1 Cancelled"), (1, 1));
}

#[test]
fn a_held_host_that_is_to_be_replaced_is_given_back_when_it_is_freed() {
    let held = Event::HostHeld { host: HostId(0) };
    let freed = Event::HostFreed { host: HostId(0) };
    check(&[
        (provisioner(0, 1), ""),
        (test(0), "want 1 of 0"),
        (test(1), ""),
        (given(0, 0), "set up 0 on 0 clean"),
        (set_up(0), "start 0.1 on 0"),
        (held.clone(), ""),
        (ended(0, Ended::ByTest, HostIs::Spoilt), "settle 0"),
        (freed.clone(), "release 0 Destroyed"),
    ]);
    // One that was not held is not given back by that.
    check(&[(test(0), ""), (ready(0, A), "set up 0 on 0 clean"), (freed, ""), (set_up(0), "start 0.1 on 0")]);
}
