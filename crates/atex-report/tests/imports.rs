//! Reports of others become records, and what we wrote comes back with its names and statuses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use atex_report::with_args;
use serde_json::Value;

/// The records, what was said, and the exit status.
fn import(args: &[&str]) -> (Vec<Value>, Vec<String>, u8) {
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let args = [&["import"], args].concat();
    let exit = with_args(&args, &mut out, &mut |message| said.push(message.to_owned())).unwrap();
    let records = std::str::from_utf8(&out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap());
    (records.collect(), said, exit.code())
}

/// The records of a report, what was said with `FILE` for the file's name, and the exit status.
fn of_text(text: impl AsRef<[u8]>, args: &[&str]) -> (Vec<Value>, Vec<String>, u8) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let (records, said, exit) = import(&[args, &[path]].concat());
    (records, said.iter().map(|message| message.replace(path, "FILE")).collect(), exit)
}

/// Each result as `platform test subtest status`.
fn results(records: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| "-".to_owned(), str::to_owned);
    let of =
        |record: &Value| ["platform", "test", "subtest", "status"].map(|key| text(&record[key])).join(" ");
    records.iter().filter(|record| record["type"] == "result").map(of).collect()
}

#[test]
fn what_was_exported_comes_back() {
    for stream in ["mixed", "only-results", "waived"] {
        let (records, _, exit) = import(&[&format!("tests/golden/{stream}.jsonl")]);
        assert_eq!(exit, 0, "records are handed on");
        let all: BTreeSet<String> = results(&records).into_iter().collect();
        for format in ["jsonl", "junit", "tap", "tmt"] {
            let file = format!("tests/exports/{stream}.{format}");
            let (records, said, exit) = import(&[&file]);
            assert_eq!((said, exit), (vec![], 0), "{file}");
            let end = records.last().unwrap();
            assert_eq!((&end["type"], &end["complete"]), (&"end".into(), &true.into()), "{file}");
            let back: BTreeSet<String> = results(&records).into_iter().collect();
            let missing: Vec<_> = all.difference(&back).filter(|name| !lost(format, name)).collect();
            assert!(missing.is_empty(), "{file}: {missing:?}\n{back:#?}");
            // The others say of each test what it came to, also where no result did.
            if !matches!(format, "jsonl" | "junit") {
                continue;
            }
            let more: Vec<_> = back.difference(&all).filter(|name| !lost(format, name)).collect();
            assert!(more.is_empty(), "{file}: {more:?}");
        }
    }
}

/// What a format cannot hold: tmt and TAP have a result for each test, which is the worst.
fn lost(format: &str, name: &str) -> bool {
    let own_word = name.ends_with(" peculiar") || name.ends_with(" odd") || name.ends_with(" -");
    let without_slash = !name.split(' ').nth(1).unwrap_or_default().starts_with('/');
    let worse_at_its_end = ["/storage/raid", "/kernel/panic", "/s390x/only", "/after/net"]
        .iter()
        .any(|test| name.contains(test));
    // Without a status it comes back as what it ranks as.
    let unsaid = name.contains("no-status");
    unsaid && format != "jsonl"
        || own_word && matches!(format, "tmt" | "junit")
        || without_slash
        || worse_at_its_end && format != "jsonl"
        || (name.split(' ').nth(2) == Some("-") && matches!(format, "tap" | "tmt") && name.contains("two"))
}

#[test]
fn the_same_report_is_the_same_run_and_another_name_can_be_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nightly.json.gz");
    fs::write(&path, "[\"p\",\"pass\",\"/t\",null,[],null]\n").unwrap();
    let runs = |args: &[&str]| {
        let (records, ..) = import(&[args, &[path.to_str().unwrap()]].concat());
        records[0]["run"].as_str().unwrap().to_owned()
    };
    let run = runs(&[]);
    let (time, hash) = run.strip_prefix("nightly-").unwrap().split_once("Z-").unwrap();
    assert!(time.len() == "20261121T200000".len() && hash.len() == 8, "{run}");
    assert_eq!(runs(&[]), runs(&[]));
    assert_eq!(runs(&["--run", "r"]), "r");
}

#[test]
fn no_result_of_one_report_is_taken_for_one_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let report = |name: &str, text: &str| {
        let path = dir.path().join(name).join("results.jsonl");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        // Jobs that ran at one time.
        fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        path.display().to_string()
    };
    let one = report("one", "[\"p\",\"pass\",\"/t\",\"s1\",[],null]\n");
    let two = report("two", "[\"p\",\"fail\",\"/t\",\"s2\",[],null]\n");
    let identities = |args: &[&str]| {
        let (records, ..) = import(&[args, &[&one, &two]].concat());
        let of = |record: &Value| (record["run"].clone(), record["n"].clone());
        records.iter().filter(|record| record["type"] == "result").map(of).collect::<Vec<_>>()
    };
    let apart = identities(&[]);
    assert!(apart[0].0 != apart[1].0 && apart[0].1 == 1 && apart[1].1 == 1, "{apart:?}");
    assert_eq!(identities(&["--run=r"]), [("r".into(), 1.into()), ("r".into(), 2.into())]);
}

#[test]
fn tests_of_one_name_are_several_tests() {
    let ends = |records: &[Value]| {
        let ends = records.iter().filter(|record| record["type"] == "test-end");
        ends.map(|end| (end["test"].to_string(), end["outcome"].to_string())).collect::<Vec<_>>()
    };
    let named = |all: &[(&str, &str)]| {
        all.iter().map(|(name, outcome)| (format!("{name:?}"), format!("{outcome:?}"))).collect::<Vec<_>>()
    };
    let tmt = "- name: /t\n  result: fail\n  guest: {name: g1}\n  end-time: 2026-11-21T10:00:00Z\n  subresult:\n    - \
               name: /s\n      result: fail\n- name: /t\n  result: pass\n  guest: {name: g2}\n  end-time: \
               2026-11-21T10:05:00Z\n- name: /t (2)\n  result: pass\n";
    let (records, said, _) = of_text(tmt, &[]);
    assert_eq!(said, [""; 0]);
    assert_eq!(ends(&records), named(&[("/t", "fail"), ("/t (2)", "pass"), ("/t (2) (2)", "pass")]));
    let tap = "1..3\n# Subtest: a\n    not ok 1 - s\n    1..1\nnot ok 1 - a\n# Subtest: a\n    ok 1 - s\n    1..1\nok 2 - \
               a\nok 3 - a\n";
    let (records, said, _) = of_text(tap, &["--from=tap"]);
    assert_eq!(said, [""; 0]);
    assert_eq!(ends(&records), named(&[("/a", "fail"), ("/a (2)", "pass"), ("/a (3)", "pass")]));
    assert_eq!(results(&records)[2], "default /a (2) s pass", "its subtests are its own");
}

#[test]
fn no_word_in_a_block_of_tap_turns_what_the_point_says() {
    for (point, word, status) in [
        ("not ok", "failed", "fail"),
        ("not ok", "pass", "fail"),
        ("not ok", "error", "error"),
        ("not ok", "infra", "infra"),
        ("ok", "warn", "warn"),
        ("ok", "fail", "pass"),
        ("ok", "odd", "odd"),
    ] {
        let (records, ..) = of_text(format!("1..1\n{point} 1 - a\n  ---\n  status: {word}\n  ...\n"), &[]);
        assert_eq!(results(&records), [format!("default /a - {status}")], "{point} {word}");
    }
}

#[test]
fn no_report_takes_more_than_it_is_worth() {
    // A subtest twenty million columns further in would be five million levels deep.
    let deep = format!("1..1\n{}# Subtest: x\nok 1 - a\n", " ".repeat(20 << 20));
    let (records, said, exit) = of_text(deep, &["--from=tap"]);
    assert_eq!((results(&records).len(), exit), (1, 2));
    assert!(said[0].ends_with(": expected subtests at most 100 deep"), "{said:?}");
    // An item of so many lines is counted once, not once for each of its lines: that would take minutes.
    let long = format!("- name: /a\n  result: pass\n  note:\n{}", "    - x\n".repeat(200_000));
    let begun = std::time::Instant::now();
    assert_eq!(results(&of_text(long, &[]).0).len(), 1);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn packed_reports_are_unpacked() {
    let text = fs::read("tests/exports/mixed.junit").unwrap();
    let packed = zstd::encode_all(&text[..], 1).unwrap();
    assert_eq!(results(&of_text(packed, &[]).0), results(&of_text(text, &[]).0));
}

#[test]
fn junit_of_others() {
    let text = r#"<?xml version="1.0"?>
<testsuite name="suite" hostname="h" timestamp="2026-11-21T20:00:00">
  <properties><property name="a" value="b"/></properties>
  <testcase classname="a.b.C" name="passes" time="1.5"/>
  <testcase classname="a.b.C" name="fails &lt;&#233;&gt;"><failure message="short">long &amp; <![CDATA[<raw>]]></failure></testcase>
  <testcase classname="a.b.C" name="errs"><error message="only short"/></testcase>
  <testcase name="no class"><skipped/></testcase>
  <testcase classname="a.b.C" name="flaky"><flakyFailure message="m" type="t">x</flakyFailure></testcase>
</testsuite>"#;
    let (records, said, exit) = of_text(text, &["--platform", "cs9"]);
    assert_eq!((said, exit), (vec![], 0));
    assert_eq!(
        results(&records),
        [
            "cs9 /a.b.C passes pass",
            "cs9 /a.b.C fails <é> fail",
            "cs9 /a.b.C errs error",
            "cs9 /suite no class skip",
            "cs9 /a.b.C flaky pass",
        ]
    );
    assert_eq!(records[0]["extra"]["seconds"], 1.5);
    assert_eq!(records[0]["time"], "2026-11-21T20:00:00.000Z");
    assert_eq!(records[1]["note"], "long & <raw>");
    assert_eq!(records[2]["note"], "only short");
    assert_eq!(records[4]["extra"]["failed-before"], 1);
}

#[test]
fn tap_of_others() {
    let text = "TAP version 13\n1..5\nok 1 - first thing\nnot ok 2 second # not a directive\n  ---\n  message: 'no \
                good'\n  severity: fail\n  ...\nok 3 # skip no network\n# a comment\nnot ok 4 - later # TODO not \
                done\nok\nwhatever the program prints\n";
    let (records, said, exit) = of_text(text, &[]);
    assert_eq!((said, exit), (vec![], 0));
    assert_eq!(
        results(&records),
        [
            "default /first thing - pass",
            "default /second # not a directive - fail",
            "default /3 - skip",
            "default /later - fail",
            "default /5 - pass",
        ]
    );
    assert_eq!(records[2]["note"], "no good");
    assert_eq!(records[6]["waived"]["note"], "not done");
    let (records, ..) = of_text(text, &["--test", "/prog"]);
    assert_eq!(results(&records)[0], "default /prog first thing pass");
    let nested =
        "ok 1 - a\n    ok 1 - x\n        ok 1 - deep\n        1..1\n    ok 2 - y\n    1..2\nok 2 - b\n1..2\n";
    let (records, ..) = of_text(nested, &["--from=tap"]);
    assert_eq!(
        results(&records),
        [
            "default /a - pass",
            "default /b x pass",
            "default /b deep pass",
            "default /b y pass",
            "default /b - pass"
        ]
    );
}

#[test]
fn tmt_of_others() {
    let text = "- name: /a\n  serial-number: 1\n  result: fail\n  note:\n    - first\n    - second\n  log: [a.log]\n  \
                duration: 00:01:05\n  guest: {name: h}\n  check: []\n  subresult:\n    - name: /s\n      result: \
                warn\n\n- name: /b\n  result: pending\n- name: /c\n  result: pass\n  note: old\n";
    let (records, said, exit) = of_text(text, &[]);
    assert_eq!((said, exit), (vec![], 0));
    assert_eq!(results(&records), ["default /a /s warn", "default /a - fail", "default /c - pass"]);
    let ends: Vec<_> = records.iter().filter(|record| record["type"] == "test-end").collect();
    assert_eq!(ends[0]["seconds"], 65.0);
    assert_eq!((&ends[1]["test"], &ends[1]["outcome"]), (&"/b".into(), &"infra".into()));
    assert_eq!(records[1]["note"], "first; second");
}

#[test]
fn bad_input_is_named_by_its_place_and_the_rest_is_read() {
    let bomb =
        "<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>\n<testsuites/>";
    for (text, results_expected, message, exit_expected) in [
        (
            "[\"p\",\"pass\",\"/t\",null,[],null]\n{}\n[\"p\",1]\n[\"p\",\"pass\",\"/u\",null,[],null]\n",
            2,
            "FILE:2:",
            2,
        ),
        ("[\"p\",\"pass\",\"/t\",null,[],null]\n[\"p\",\"pa", 1, "FILE:2: cut off", 3),
        (
            "[\"p\",\"pa\n[\"p\",\"pass\",\"/t\",null,[],null]\n",
            1,
            "FILE:1:8: expected [platform, status, test, subtest, files, note]: it ends within",
            2,
        ),
        (bomb, 0, "FILE:2:", 2),
        ("<testsuite><testcase name=\"a\"/><testcase name=\"&x;\"/></testsuite>", 1, "FILE:1:", 2),
        ("<testsuite><testcase name=\"a\"/>\n<testcase name=\"b\"", 1, "FILE:2: the XML is cut off", 3),
        ("<testsuite><testcase name=\"a\"/>\n", 1, "FILE:2: the XML is cut off", 3),
        ("<html></html>", 0, "FILE:1:7: expected JUnit XML: expected <testsuites>", 2),
        ("<testsuite><testcase name=\"a\"/></testsuites>", 1, "FILE:1:", 2),
        ("1..3\nok 1\nok 2\n", 2, "FILE:3: 3 test points were planned, and 2 are there", 3),
        ("ok 1\nBail out! no disk\n", 1, "FILE:2: bailed out: no disk", 3),
        ("ok 1\n", 1, "FILE:1: the plan is missing", 3),
        (
            "- name: /a\n  result: pass\n\n- name: /b\n  result: [\n- name: /c\n  result: pass\n",
            2,
            "FILE:",
            2,
        ),
        ("- name: /a\n  result: pass\n- name: /b\n", 1, "FILE:3:", 2),
        ("nothing that is known\n", 0, "FILE:1:1: expected JSON lines", 2),
    ] {
        let (records, said, exit) = of_text(text, &[]);
        assert_eq!((results(&records).len(), exit), (results_expected, exit_expected), "{text}\n{said:?}");
        assert!(said[0].starts_with(message), "{text}\n{said:?}");
        let end = records.last().unwrap();
        assert_eq!((&end["complete"], &end["exit"]), (&false.into(), &exit_expected.into()), "{text}");
    }
}

#[test]
fn what_is_not_utf8_is_refused_by_line() {
    let (records, said, exit) =
        of_text(b"[\"p\",\"pass\",\"/t\xff\",null,[],null]\n[\"p\",\"pass\",\"/u\",null,[],null]\n", &[]);
    assert_eq!((results(&records).len(), exit, said.len()), (1, 2, 1));
    assert_eq!(said[0], "FILE:1:16: not UTF-8");
    let (_, said, exit) = of_text(b"<testsuite><testcase name=\"\xff\"/></testsuite>", &[]);
    assert_eq!((exit, said.len()), (2, 1), "{said:?}");
}

#[test]
fn a_row_of_50_megabytes_is_read() {
    let note = "x".repeat(50 << 20);
    let (records, said, exit) = of_text(format!("[\"p\",\"fail\",\"/t\",null,[],\"{note}\"]\n"), &[]);
    assert_eq!((results(&records).len(), said.len(), exit), (1, 0, 0));
    let (records, said, exit) = of_text(
        format!(
            "<testsuite><testcase name=\"a\"><failure>{}</failure></testcase></testsuite>",
            &note[..5 << 20]
        ),
        &[],
    );
    assert_eq!((results(&records).len(), said.len(), exit), (1, 0, 0));
}

#[test]
fn several_forms_at_once() {
    let files = ["tests/exports/waived.jsonl", "tests/exports/waived.junit", "tests/golden/waived.jsonl"];
    assert!(files.iter().all(|file| Path::new(file).exists()));
    let (records, said, exit) = import(&files);
    assert_eq!((results(&records).len(), said.len(), exit), (9, 0, 0));
}
