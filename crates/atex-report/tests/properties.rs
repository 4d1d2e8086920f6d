//! What holds for every stream: no line panics, and neither the order of the lines nor repeats of them change
//! what is said.

use atex_cli::Exit;
use atex_report::Input;
use atex_report::input::{Faults, read_from};
use atex_report::reduce::State;
use atex_report::summary::{Collected, Limits, Summary};
use atex_report::text::{Page, summary};
use atex_report::verdict::{Facts, Outcomes, verdict};
use proptest::prelude::*;
use serde_json::json;

/// Everything that is said of a stream: the facts that decide the status, and the summary.
fn said(stream: &str) -> (Facts, String) {
    let mut quiet = |_: &str| ();
    let mut faults = Faults::new(0, &mut quiet);
    let mut state = State::new(Limits::default().subtests);
    let from = Box::new(std::io::Cursor::new(stream.to_owned()));
    read_from("in", from, &mut faults, &mut state).unwrap();
    let (mut outcomes, mut collected) = (Outcomes::default(), Collected::new(&Limits::default()));
    let taken = state.drain_tests(|tested| {
        outcomes.add(tested);
        collected.add(tested);
    });
    taken.unwrap();
    let input = Input { sources: Vec::new(), required: Vec::new(), allow_empty: false, messages: 0 };
    let facts = Facts::of(&state, &outcomes, &faults, &input);
    let all = Summary::of(&collected, &state, facts.unsettled, Limits::default().hosts);
    let text = summary(&all, &verdict(&facts), &Page { width: Some(72), ..Page::default() });
    (facts, text)
}

const STATUSES: [&str; 8] = ["infra", "error", "fail", "warn", "pass", "info", "skip", "odd"];

/// One attempt: the host, the statuses of its subtests and its own.
type Made = (u8, Vec<usize>, usize);

fn time(minute: usize) -> String {
    format!("2026-11-21T{:02}:{:02}:00.000Z", minute / 60 % 24, minute % 60)
}

/// The lines of a complete run: each test has attempts, of which the last is final.
fn run(id: &str, tests: &[Vec<Made>]) -> Vec<String> {
    let mut lines = vec![json!({"type":"job-start","time":time(0),"run":id,"dir":"/r","version":"0"})];
    for (number, attempts) in tests.iter().enumerate() {
        let (platform, name) = (format!("p{}", number % 2), format!("/t{}", number / 2));
        for (i, made) in attempts.iter().enumerate() {
            let last = i + 1 == attempts.len();
            lines.extend(attempt(id, &platform, &name, i + 1, last, made));
        }
    }
    for host in 0..4 {
        let reason = if host == 3 { "lost" } else { "done" };
        let (time, host) = (time(90), format!("h{host}"));
        lines
            .push(json!({"type":"host-end","time":time,"run":id,"host":host,"platform":"p","reason":reason}));
    }
    lines.push(json!({"type":"job-end","time":time(100),"run":id,"dir":"/r","counts":{},"unsettled":0,
                      "seconds":6000.0}));
    lines.push(json!({"type":"end","tool":"atex-exec","complete":true,"exit":0}));
    lines.iter().map(ToString::to_string).collect()
}

fn attempt(
    run: &str,
    platform: &str,
    test: &str,
    attempt: usize,
    last: bool,
    (host, subtests, own): &Made,
) -> Vec<serde_json::Value> {
    let host = format!("h{}", host % 4);
    let kind = if last { "result" } else { "old-result" };
    let result = |n: usize, subtest: Option<String>, status: usize| {
        let mut line = json!({"type":kind,"time":time(attempt),"run":run,"platform":platform,"test":test,
            "status":STATUSES[status],"note":format!("note {n}"),"files":[],"attempt":attempt,"n":n,"host":host});
        if let Some(subtest) = subtest {
            line["subtest"] = subtest.into();
        }
        line
    };
    let mut lines = vec![json!({"type":"test-start","time":time(attempt),"run":run,"platform":platform,
        "test":test,"attempt":attempt,"host":host})];
    lines
        .extend(subtests.iter().enumerate().map(|(i, status)| result(i + 1, Some(format!("s{i}")), *status)));
    lines.push(result(subtests.len() + 1, None, *own));
    let outcome = STATUSES[(*own).min(6)];
    let cause = if outcome == "infra" { "host" } else { "test" };
    lines.push(json!({"type":"test-end","time":time(attempt + 1),"run":run,"platform":platform,"test":test,
        "attempt":attempt,"host":host,"outcome":outcome,"cause":cause,"seconds":attempt as f64 + 0.5,
        "counts":{},"final":last,"artifacts":"/r/a"}));
    lines
}

fn some_tests() -> impl Strategy<Value = Vec<Vec<Made>>> {
    let made = (0u8..4, prop::collection::vec(0..STATUSES.len(), 0..12), 0..STATUSES.len());
    prop::collection::vec(prop::collection::vec(made, 1..4), 1..6)
}

/// A stream of two runs and the same lines in another order, some of them twice.
fn shuffled() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    (some_tests(), some_tests()).prop_flat_map(|(a, b)| {
        let lines: Vec<String> = run("a", &a).into_iter().chain(run("b", &b)).collect();
        let repeats = prop::sample::subsequence(lines.clone(), 0..=lines.len());
        let all = lines.clone();
        let mixed = repeats.prop_flat_map(move |repeats| {
            // Repeats of `end` say that one more tool has ended.
            let repeats = repeats.into_iter().filter(|line| !line.contains(r#""type":"end""#));
            Just(all.iter().cloned().chain(repeats).collect::<Vec<_>>()).prop_shuffle()
        });
        (Just(lines), mixed)
    })
}

/// A line of the right shape, with values that nobody expects.
fn strange_line() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec![
        "job-start",
        "job-resume",
        "job-end",
        "host-start",
        "host-end",
        "test-start",
        "test-end",
        "test-note",
        "result",
        "old-result",
        "live-result",
        "end",
    ]);
    let number = prop_oneof![Just(0u64), 0u64..4, Just(u64::from(u32::MAX)), any::<u64>()];
    let time =
        prop_oneof![Just("0001-01-01T00:00:00Z"), Just("9999-12-31T23:59:59Z"), Just("2026-11-21T20:00:00Z")];
    let text = prop_oneof![Just(String::new()), any::<String>()];
    let seconds = prop_oneof![any::<f64>().prop_filter("JSON has no others", |s| s.is_finite()), Just(-1.0)];
    let outcome = prop::sample::select(STATUSES[..7].to_vec());
    (kind, number, time, text, seconds, outcome, any::<bool>(), 0u64..300).prop_map(
        |(kind, number, time, text, seconds, outcome, flag, attempt)| {
            json!({"type":kind,"time":time,"run":"r","dir":text,"version":text,"host":text,"platform":text,
                "test":text,"subtest":text,"status":text,"note":text,"files":[text],"attempt":attempt,"n":number,
                "reason":"lost","outcome":outcome,"cause":"test","exit":number % 256,"seconds":seconds,
                "counts":{},"final":flag,"artifacts":text,"unsettled":number,"busy":seconds,"tool":text,
                "complete":flag})
            .to_string()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn neither_order_nor_repeats_matter((lines, mixed) in shuffled()) {
        let (facts, text) = said(&lines.join("\n"));
        let (facts_mixed, text_mixed) = said(&mixed.join("\n"));
        prop_assert_eq!(facts.open_runs.len(), 0);
        prop_assert_eq!(facts, facts_mixed);
        prop_assert_eq!(text, text_mixed);
    }

    #[test]
    fn a_run_that_was_cut_is_no_success(tests in some_tests(), cut in any::<prop::sample::Index>()) {
        let lines = run("a", &tests);
        // Without the last two, `job-end` and `end`, or more.
        let (facts, _) = said(&lines[..cut.index(lines.len() - 1)].join("\n"));
        prop_assert_ne!(verdict(&facts).exit, Exit::Done);
        prop_assert_ne!(verdict(&facts).exit, Exit::Failed);
    }

    #[test]
    fn a_run_comes_to_its_worst_outcome(tests in some_tests()) {
        let (facts, _) = said(&run("a", &tests).join("\n"));
        let worst = tests.iter().filter_map(|attempts| attempts.last()).map(|made| made.2).min();
        let expected = match worst {
            Some(0) => Exit::Trouble,
            Some(1 | 2) => Exit::Failed,
            _ => Exit::Done,
        };
        prop_assert_eq!(verdict(&facts).exit, expected);
    }

    #[test]
    fn strange_lines_are_harmless(lines in prop::collection::vec(strange_line(), 0..40)) {
        let (_, text) = said(&lines.join("\n"));
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{}", text);
    }

    #[test]
    fn any_text_is_harmless(text in "(\\PC|[\\n{}\":,\\[\\]]){0,200}") {
        let (_, said) = said(&text);
        prop_assert!(said.ends_with('\n'));
    }
}
