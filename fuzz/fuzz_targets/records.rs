//! Any bytes as a stream of records: no command panics, a summary is safe on a terminal, and repeats of lines change
//! nothing in it.
#![no_main]

mod report;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (text, status) = report::run(&["summary", "--color=never"], bytes);
    let text = String::from_utf8(text).expect("a summary is text");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    let (_, checked) = report::run(&["check"], bytes);
    assert_eq!(status, checked, "both have one status");
    for format in ["junit", "tap", "tmt", "csv", "jsonl", "markdown", "yaml", "html", "sort"] {
        report::run(&[format, "--allow-empty"], bytes);
    }
});
