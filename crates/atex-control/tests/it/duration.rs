//! Durations, and the limit they set (spec: test control, 1).

use atex_control::DurationForm::{Extended, Strict};
use atex_control::{
    DurationError, LimitChange, TimeLimit, format_duration, parse_duration, parse_duration_value,
};
use serde_json::{Value, json};
use std::time::Duration;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_strict_form_is_the_python_atexs() {
    let good = [
        (json!("5m"), 300),
        (json!("2h"), 7200),
        (json!("1d"), 86_400),
        (json!("30s"), 30),
        (json!("30"), 30),
        (json!("0"), 0),
        (json!("007m"), 420),
        (json!(90), 90),
        (json!("99999999d"), 8_639_999_913_600),
    ];
    for (value, expected) in good {
        for form in [Strict, Extended] {
            assert_eq!(parse_duration_value(&value, form), Ok(seconds(expected)), "{value} {form:?}");
        }
    }
    let bad: [Value; 17] = [
        json!("5 m"),
        json!(""),
        json!("m"),
        json!("5w"),
        json!("1h30m"),
        json!("-5m"),
        json!("+5m"),
        json!("5M"),
        json!("5.5m"),
        json!(" 5m"),
        json!("5m "),
        json!("5m\n"),
        json!(5.0),
        json!(true),
        json!(null),
        json!("٣m"),
        json!("1_0m"),
    ];
    for value in bad {
        for form in [Strict, Extended] {
            let error = parse_duration_value(&value, form).expect_err(&value.to_string());
            assert!(matches!(error, DurationError::Syntax(_)), "{value} {form:?}: {error}");
        }
    }
    for value in [json!(-5), json!([]), json!("5é"), json!("é")] {
        parse_duration_value(&value, Extended).expect_err(&value.to_string());
    }
    for text in ["18446744073709551616", "18446744073709551615m"] {
        assert_eq!(parse_duration(text, Strict), Err(DurationError::TooLong(text.into())));
    }
}

#[test]
fn the_extended_form_sums_items_and_multiplies() {
    let good = [
        ("1h 30m", 5400),
        ("1h 3h 2m 3", 4 * 3600 + 123),
        ("5m *2", 600),
        ("*3 2s *4", 24),
        ("5m *0.9", 270),
        ("5m *1.1", 330),
        ("1 *0.1", 1),
        ("10 *0.25", 3),
        ("5m *0", 0),
        ("*2", 600),
        ("1h 30m *1.50", 8100),
    ];
    for (text, expected) in good {
        assert_eq!(parse_duration(text, Extended), Ok(seconds(expected)), "{text}");
    }
    let strangers = ["1h 30m", "5m *2", "*2"];
    for text in strangers {
        parse_duration(text, Strict).expect_err(text);
    }
    for text in [
        "5m  *2",
        "5m * 2",
        "5m *",
        "5m *.5",
        "5m *2.",
        "5m *-1",
        "5m *1e3",
        "5m x2",
        "5m*2",
        "5m,1h",
        "5m *1.2.3",
    ] {
        let error = parse_duration(text, Extended).expect_err(text);
        assert!(matches!(error, DurationError::Syntax(_)), "{text}: {error}");
    }
    let vast = format!("1 *1.{}", "1".repeat(50));
    for text in ["18446744073709551615 1", "9999999999999999999 *9999999999999999999", vast.as_str()] {
        let error = parse_duration(text, Extended).expect_err(text);
        assert!(matches!(error, DurationError::TooLong(_)), "{text}: {error}");
    }
}

#[test]
fn a_duration_is_written_as_it_is_read() {
    for (length, text) in
        [(300, "5m"), (7200, "2h"), (172_800, "2d"), (90, "90s"), (5400, "90m"), (0, "0s"), (1, "1s")]
    {
        assert_eq!(format_duration(seconds(length)), text);
        assert_eq!(parse_duration(text, Strict), Ok(seconds(length)));
    }
    assert_eq!(format_duration(Duration::from_millis(61_999)), "61s");
}

#[test]
fn a_limit_moves_as_the_test_asks() {
    use LimitChange::{Extend, Restore, Save, Set, Shorten};
    /// (when, what)
    type Step = (u64, LimitChange);
    // After these steps the limit is reached at this time, and reads as this.
    let cases: [(&str, &[Step], u64, u64); 15] = [
        ("default", &[], 300, 300),
        ("set starts the running time again", &[(100, Set(seconds(900)))], 1000, 900),
        ("set may be shorter", &[(100, Set(seconds(10)))], 110, 10),
        ("extend", &[(100, Extend(seconds(60)))], 360, 360),
        ("shorten", &[(100, Shorten(seconds(60)))], 240, 240),
        ("extend twice", &[(100, Extend(seconds(60))), (200, Extend(seconds(60)))], 420, 420),
        ("saved time does not count", &[(100, Save), (1000, Restore)], 1200, 300),
        ("save, guard, restore", &[(100, Save), (100, Set(seconds(600))), (500, Restore)], 700, 300),
        ("moved while saved", &[(100, Save), (150, Extend(seconds(60))), (200, Restore)], 400, 300),
        ("restore alone", &[(100, Restore)], 300, 300),
        ("restore twice", &[(100, Save), (200, Restore), (250, Restore)], 400, 300),
        (
            "only the outermost pair counts",
            &[(100, Save), (110, Set(seconds(50))), (120, Save), (150, Restore), (200, Restore)],
            400,
            300,
        ),
        ("an inner pair alone does nothing", &[(100, Save), (120, Save), (150, Restore)], 300, 300),
        ("again", &[(100, Save), (200, Restore), (300, Save), (400, Restore)], 500, 300),
        ("set, then save", &[(10, Set(seconds(20))), (20, Save), (100, Restore)], 110, 20),
    ];
    for (what, steps, end, shown) in cases {
        let mut limit = TimeLimit::default();
        for (elapsed, change) in steps {
            limit.apply(*change, seconds(*elapsed));
            let saved = serde_json::to_string(&limit).unwrap();
            limit = serde_json::from_str(&saved).unwrap();
        }
        let before = seconds(end) - Duration::from_millis(1);
        assert!(!limit.is_reached(before), "{what}");
        assert!(limit.is_reached(seconds(end)), "{what}");
        assert_eq!(limit.left(seconds(end)), Duration::ZERO, "{what}");
        assert_eq!(limit.left(seconds(end - 5)), seconds(5), "{what}");
        assert_eq!(limit.limit(), seconds(shown), "{what}");
    }
}

#[test]
fn a_limit_survives_any_number() {
    let mut limit = TimeLimit::new(Duration::MAX);
    limit.apply(LimitChange::Extend(Duration::MAX), seconds(1));
    assert!(!limit.is_reached(seconds(1 << 40)));
    for _ in 0..3 {
        limit.apply(LimitChange::Shorten(Duration::MAX), seconds(2));
    }
    assert!(limit.is_reached(seconds(2)));
    assert_eq!((limit.left(seconds(2)), limit.limit()), (Duration::ZERO, Duration::ZERO));
    limit.apply(LimitChange::Save, seconds(3));
    limit.apply(LimitChange::Set(Duration::MAX), Duration::MAX);
    limit.apply(LimitChange::Restore, Duration::MAX);
    limit.apply(LimitChange::Set(seconds(5)), seconds(10));
    assert!(!limit.is_reached(seconds(14)) && limit.is_reached(seconds(15)));
}
