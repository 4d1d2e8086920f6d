//! Streams in `tests/golden/` in every format: `tests/exports/STREAM.FORMAT`. `SNAPSHOTS=overwrite` writes them anew.

use std::fs;

use atex_report::with_args;

const STREAMS: [&str; 5] = ["mixed", "hostile", "only-results", "cut", "waived"];

/// The formats, and the options with which they are tried.
const FORMATS: [(&str, &[&str]); 9] = [
    ("jsonl", &[]),
    ("csv", &["--old"]),
    ("tsv", &[]),
    ("junit", &[]),
    ("tap", &[]),
    ("markdown", &[]),
    ("tmt", &[]),
    ("yaml", &[]),
    ("markdown", &["--failures=1", "--subtests=1"]),
];

/// stdout, what was said, and the exit status.
fn output(args: &[&str]) -> (Vec<u8>, Vec<String>, u8) {
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let exit = with_args(args, &mut out, &mut |message| said.push(message.to_owned())).unwrap();
    (out, said, exit.code())
}

fn export(format: &str, options: &[&str], stream: &str) -> (Vec<u8>, Vec<String>, u8) {
    let file = format!("tests/golden/{stream}.jsonl");
    output(&[&[format][..], options, &[&file]].concat())
}

#[test]
fn streams_give_the_expected_reports() {
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite");
    let mut expected = Vec::new();
    for stream in STREAMS {
        for (format, options) in FORMATS {
            let short = if options.len() > 1 { "-short" } else { "" };
            let path = format!("tests/exports/{stream}{short}.{format}");
            let (found, ..) = export(format, options, stream);
            if overwrite {
                fs::write(&path, &found).unwrap();
            }
            assert!(
                fs::read(&path).unwrap() == found,
                "{path} should be:\n{}",
                String::from_utf8_lossy(&found)
            );
            expected.push(path);
        }
    }
    for entry in fs::read_dir("tests/exports").unwrap() {
        let path = entry.unwrap().path().display().to_string();
        assert!(expected.contains(&path), "{path} belongs to no stream and format");
    }
}

#[test]
fn a_stream_that_is_cut_is_written_as_far_as_it_goes() {
    for (format, options) in FORMATS {
        let (found, said, exit) = export(format, options, "cut");
        assert!(!found.is_empty() && exit == 3, "{format}: {exit}");
        assert!(said.iter().any(|message| message.starts_with("incomplete: ")), "{format}: {said:?}");
        let (_, said, exit) = export(format, options, "bad-lines");
        assert!(
            exit == 2 && said.iter().any(|message| message.contains("bad-lines.jsonl:")),
            "{format}: {said:?}"
        );
    }
}

#[test]
fn an_empty_stream_gives_an_empty_report() {
    for (format, options) in FORMATS {
        let (found, _, exit) = export(format, options, "empty");
        assert_eq!(exit, 2, "{format}");
        let allowed =
            output(&[&[format][..], options, &["--allow-empty", "tests/golden/empty.jsonl"]].concat());
        assert_eq!((allowed.0, allowed.2), (found, 0), "{format}");
    }
}

#[test]
fn yaml_is_read_by_others() {
    for stream in STREAMS {
        let (text, ..) = export("tmt", &[], stream);
        let results: Vec<serde_yaml::Mapping> = serde_yaml::from_slice(&text).unwrap();
        assert!(
            results.iter().all(|result| result["name"].as_str().is_some_and(|name| name.starts_with('/')))
        );
        let (text, ..) = export("yaml", &[], stream);
        let text = String::from_utf8(text).unwrap();
        let documents = serde_yaml::Deserializer::from_str(&text)
            .map(|document| <serde_yaml::Value as serde::Deserialize>::deserialize(document).unwrap());
        assert_eq!(documents.count(), results.len(), "{stream}: both have all tests");
    }
}

/// The lines of one test with many results, none of them with a name that is twice there.
fn many(results: u64) -> String {
    let mut text = String::new();
    for n in 1..=results {
        let status = ["pass", "fail", "error", "skip"][n as usize % 4];
        text += &format!(
            r#"{{"type":"result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t","subtest":"s{}","status":"{status}","note":"a note & more","files":[],"attempt":1,"n":{n}}}"#,
            n / 2
        );
        text.push('\n');
    }
    text
}

#[test]
fn junit_is_split_into_files_that_are_small_enough_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("in"), dir.path().join("out.xml"));
    fs::write(&from, many(2000)).unwrap();
    let (_, said, exit) =
        output(&["junit", "--max-bytes=20000", "-o", to.to_str().unwrap(), from.to_str().unwrap()]);
    assert_eq!((said.len(), exit), (0, 0), "{said:?}");
    fs::remove_file(from).unwrap();
    let (mut names, mut counts, mut files) = (Vec::new(), [0u64; 4], 0);
    for entry in fs::read_dir(dir.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        files += 1;
        assert!(text.len() <= 20_000, "{}", text.len());
        assert!(text.starts_with("<?xml") && text.ends_with("</testsuites>\n"));
        let attribute = |line: &str, key: &str| {
            let (_, rest) = line.split_once(&format!(" {key}=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        for line in text.lines() {
            if line.starts_with("<testsuite ") {
                for (sum, key) in counts.iter_mut().zip(["tests", "failures", "errors", "skipped"]) {
                    *sum += attribute(line, key).parse::<u64>().unwrap();
                }
            } else if line.starts_with("<testcase ") {
                names.push(attribute(line, "name"));
            }
        }
    }
    assert!(files > 10, "{files}");
    assert_eq!(counts, [2000, 500, 500, 500]);
    assert_eq!(names.len(), 2000);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 2000, "each name once");
}

#[test]
fn repeats_are_left_out_and_open_tests_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("in");
    // More tests than may be open, none of them with an end, all of it twice.
    let line = |n: u32| {
        format!(
            r#"{{"type":"result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t{n}","status":"pass","files":[],"attempt":1,"n":1}}"#
        ) + "\n"
    };
    let text: String = (0..25_000).map(line).collect();
    fs::write(&from, text.repeat(2)).unwrap();
    for (format, points) in [("jsonl", 25_000), ("tap", 25_002), ("csv", 25_001)] {
        let (found, said, exit) = output(&[format, from.to_str().unwrap()]);
        let lines = found.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((lines, said.len(), exit), (points, 0, 0), "{format}: {said:?}");
    }
}

#[test]
fn a_full_disk_is_trouble_and_a_reader_that_goes_away_is_not() {
    for (format, _) in FORMATS {
        let args = [format, "tests/golden/mixed.jsonl", "-o", "/dev/full"];
        let failure = with_args(&args, std::io::sink(), &mut |_| ()).unwrap_err();
        assert_eq!(failure.message, "/dev/full: No space left on device", "{format}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let exit = with_args(&args[..2], writer, &mut |_| ()).unwrap();
        assert_eq!(exit.code(), 0, "{format}");
    }
}

#[test]
fn a_stream_that_comes_twice_or_in_disorder_accuses_no_test() {
    let text = fs::read_to_string("tests/golden/mixed.jsonl").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, lines: &mut dyn Iterator<Item = &str>| {
        let path = dir.path().join(name).display().to_string();
        fs::write(&path, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        path
    };
    let once = write("once", &mut text.lines());
    let twice = write("twice", &mut text.lines().chain(text.lines()));
    let reversed = write("reversed", &mut text.lines().rev());
    for (format, options) in FORMATS {
        let of = |path: &str| output(&[&[format][..], options, &[path]].concat());
        assert_eq!(of(&twice), of(&once), "{format}");
        let (report, said, exit) = of(&reversed);
        assert_eq!((said, exit), (of(&once).1, of(&once).2), "{format}");
        let cut = "its end is not in the stream";
        let count = |report: &[u8]| String::from_utf8_lossy(report).matches(cut).count();
        assert_eq!(count(&report), count(&of(&once).0), "{format}");
    }
}

#[test]
fn what_a_report_of_yaml_quotes_every_reader_takes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream").display().to_string();
    let line = "{\"type\":\"result\",\"time\":\"2026-11-21T20:00:00.000Z\",\"run\":\"r\",\"platform\":\"p\",\"test\":\"/t\",\
                \"status\":\"pass\",\"files\":[],\"attempt\":1,\"n\":1,\"extra\":{\"a\":\"\u{7f}\u{85}\u{fffe}\"}}\n";
    fs::write(&path, line).unwrap();
    let (report, _, exit) = output(&["yaml", &path]);
    let report = String::from_utf8(report).unwrap();
    assert!(exit == 0 && report.contains("{\"a\":\"\\u007f\\u0085\\ufffe\"}"), "{report}");
}
