//! Streams in `tests/golden/` and what is said of them. `SNAPSHOTS=overwrite` writes the expected texts anew.

use std::fs;
use std::path::{Path, PathBuf};

use atex_model::report::{TestEnd, TestResult, TestStart};
use atex_report::input::{MESSAGES, Source};
use atex_report::summary::Limits;
use atex_report::text::Page;
use atex_report::{Config, Input, run, with_args};

/// What differs from case to case.
struct Case {
    /// The stream: `tests/golden/<stream>.jsonl`.
    stream: &'static str,
    /// What is expected: `tests/golden/<expected>.txt`.
    expected: &'static str,
    page: Page,
    limits: Limits,
    required: &'static [&'static str],
    allow_empty: bool,
}

fn case(name: &'static str) -> Case {
    Case {
        stream: name,
        expected: name,
        page: Page { color: false, width: None, cwd: Some("/srv/lab".into()) },
        limits: Limits::default(),
        required: &[],
        allow_empty: false,
    }
}

fn cases() -> Vec<Case> {
    let few = Limits { failures: 1, subtests: 0, slowest: 1, hosts: 1 };
    let terminal = Page { color: true, width: Some(60), cwd: None };
    let narrow = Page { color: false, width: Some(60), cwd: None };
    vec![
        case("mixed"),
        Case { expected: "mixed-terminal", page: terminal, ..case("mixed") },
        Case { expected: "mixed-few", limits: few, ..case("mixed") },
        case("passed"),
        case("waived"),
        case("cut"),
        case("stopped"),
        case("resumed"),
        case("two-runs"),
        case("only-results"),
        case("incomplete"),
        Case { expected: "required", required: &["atex-exec=2", "atex-discover"], ..case("passed") },
        case("bad-lines"),
        Case { page: narrow, ..case("hostile") },
        case("empty"),
        Case { expected: "empty-allowed", allow_empty: true, ..case("empty") },
    ]
}

/// stdout, stderr and status of `summary`, then stderr and status of `check`.
fn transcript(case: &Case) -> String {
    let file = PathBuf::from(format!("tests/golden/{}.jsonl", case.stream));
    let input = || Input {
        sources: vec![Source::File(file.clone())],
        required: case.required.iter().map(|text| text.parse().unwrap()).collect(),
        allow_empty: case.allow_empty,
        messages: MESSAGES,
    };
    let summary = Config { input: input(), limits: case.limits, page: case.page.clone() };
    let (stdout, summary_said, summary_exit) = output_of(&summary);
    let (nothing, check_said, check_exit) = check(case, &file);
    assert_eq!(nothing, "", "{}: check writes nothing to stdout", case.stream);
    assert_eq!(summary_exit, check_exit, "{}: both have one status", case.stream);
    format!("{stdout}--- stderr\n{summary_said}--- stderr of check\n{check_said}--- exit {check_exit}\n")
}

fn check(case: &Case, file: &Path) -> (String, String, u8) {
    let mut args = vec!["check".to_owned(), file.display().to_string()];
    args.extend(case.required.iter().map(|text| format!("--require-end={text}")));
    args.extend(case.allow_empty.then(|| "--allow-empty".to_owned()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (mut stdout, mut stderr) = (Vec::new(), String::new());
    let exit = with_args(&args, &mut stdout, &mut |message| {
        stderr.push_str(message);
        stderr.push('\n');
    });
    (String::from_utf8(stdout).unwrap(), stderr, exit.unwrap().code())
}

fn output_of(config: &Config) -> (String, String, u8) {
    let (mut stdout, mut stderr) = (Vec::new(), String::new());
    let exit = run(config, &mut stdout, &mut |message| {
        stderr.push_str(message);
        stderr.push('\n');
    });
    (String::from_utf8(stdout).unwrap(), stderr, exit.unwrap().code())
}

#[test]
fn streams_give_the_expected_texts() {
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite");
    let mut different = Vec::new();
    for case in cases() {
        let path = format!("tests/golden/{}.txt", case.expected);
        let found = transcript(&case);
        if overwrite {
            fs::write(&path, &found).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != found {
            different.push(format!("=== {path} should be:\n{found}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_golden_file_is_used() {
    let used: Vec<String> = cases()
        .iter()
        .flat_map(|case| [format!("{}.jsonl", case.stream), format!("{}.txt", case.expected)])
        .collect();
    for entry in fs::read_dir("tests/golden").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(used.contains(&name), "tests/golden/{name} belongs to no case");
    }
}

#[test]
fn streams_are_records_that_the_tools_write() {
    for name in ["mixed", "passed", "cut", "stopped", "resumed", "two-runs", "hostile"] {
        let text = fs::read_to_string(Path::new("tests/golden").join(format!("{name}.jsonl"))).unwrap();
        for line in text.lines() {
            let before: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(again(line), before, "{name}: {line}");
        }
    }
}

/// The line read as what it is and written again.
fn again(line: &str) -> serde_json::Value {
    use atex_report::event::What;
    use atex_report::record::Record;
    let value = atex_report::with_line(line, |event| match event.what {
        What::Row(_) => serde_json::to_value(atex_model::parse::<TestResult>(line).unwrap()),
        What::TestStart(_) => serde_json::to_value(atex_model::parse::<TestStart>(line).unwrap()),
        What::TestEnd(_) => serde_json::to_value(atex_model::parse::<TestEnd>(line).unwrap()),
        What::Other => panic!("{line}"),
        What::Record(Record::JobStart(r)) => serde_json::to_value(r),
        What::Record(Record::JobResume(r)) => serde_json::to_value(r),
        What::Record(Record::JobEnd(r)) => serde_json::to_value(r),
        What::Record(Record::HostStart(r)) => serde_json::to_value(r),
        What::Record(Record::HostEnd(r)) => serde_json::to_value(r),
        What::Record(Record::TestNote(r)) => serde_json::to_value(r),
        What::Record(Record::End(r)) => serde_json::to_value(r),
    });
    value.unwrap().unwrap()
}

#[test]
fn a_reader_that_goes_away_ends_a_summary_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let input = Input {
        sources: vec![Source::File("tests/golden/mixed.jsonl".into())],
        required: Vec::new(),
        allow_empty: false,
        messages: MESSAGES,
    };
    let config = Config { input, limits: Limits::default(), page: Page::default() };
    let mut said = Vec::new();
    let exit = run(&config, writer, &mut |message| said.push(message.to_owned()));
    assert_eq!((exit.unwrap().code(), said), (0, Vec::<String>::new()));
}

#[test]
fn a_full_disk_is_trouble() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let input = Input {
        sources: vec![Source::File("tests/golden/passed.jsonl".into())],
        required: Vec::new(),
        allow_empty: false,
        messages: MESSAGES,
    };
    let config = Config { input, limits: Limits::default(), page: Page::default() };
    let failure = run(&config, full, &mut |_| ()).unwrap_err();
    assert_eq!(failure.to_string(), "stdout: No space left on device");
}
