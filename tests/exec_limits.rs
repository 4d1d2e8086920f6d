//! What a test may fill, and results while it runs.

use atex_testkit::sandbox::Dir;
use serde_json::{Value, json};

use crate::stream::{exec, of_type, printed, records, report, test, test_with, verdicts};

fn notes(results: &[Value]) -> Vec<&str> {
    results.iter().filter_map(|result| result["note"].as_str()).collect()
}

#[test]
fn a_test_that_sends_too_much_is_told_so_and_goes_on() {
    let dir = Dir::new();
    let many = [
        report(r#"{"name":"a","status":"pass"}"#, &[("f", "12345")]),
        report(r#"{"name":"b","status":"pass"}"#, &[("g", "678")]),
        report(r#"{"name":"c","status":"fail"}"#, &[]),
        "echo note one >&$ATEX_TEST_CONTROL; echo note two >&$ATEX_TEST_CONTROL".into(),
    ];
    let limits = ["--max-results", "2", "--max-file-bytes", "6", "--max-notes", "1", "--max-output", "1K"];
    let output = exec(
        &dir,
        &[&["--local", "1"][..], &limits].concat(),
        &[
            test("/many", &many.concat()),
            test("/loud", "for i in {1..2000}; do echo line $i; done"),
            test("/next", "true"),
        ],
    )
    .run();
    output.code(1);
    assert_eq!(verdicts(&output), ["/loud warn test", "/many error test", "/next pass test"]);
    let results = of_type(&output, "result");
    assert_eq!(
        notes(&results),
        [
            "1 result left out: at most 2, of 16G together, are kept",
            "2 bytes of a file left out: at most 100000, of 6 bytes together, are kept",
            "1 progress line or mark left out: at most 1 are kept",
            "17920 bytes of output left out, between its beginning and its end",
        ]
    );
    assert_eq!(of_type(&output, "test-note").len(), 1);
    assert_eq!(dir.read("run/results/default/many/attempt-1/files/b/g"), "6");
    let said = printed(&dir, &output, "/loud");
    assert!(said.starts_with("line 1\n") && said.ends_with("line 2000\n"), "{said}");
    assert!(said.contains("\n[17920 bytes of output left out]\n"), "{said}");
    assert!(said.len() < 1100);
}

#[test]
fn live_results_come_while_the_test_runs_and_again_at_its_end() {
    let dir = Dir::new();
    let script = report(r#"{"name":"first","status":"pass"}"#, &[])
        + "read -r line <\"$TMPDIR/go\"\n"
        + &report(r#"{"name":"second","status":"fail"}"#, &[]);
    nix::unistd::mkfifo(&dir.join("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let data = json!({"environment": {"TMPDIR": dir.path()}});
    let running = exec(&dir, &["--local", "1", "--live"], &[test_with("/t", &script, data)]).start();
    running.wait_for_stdout("\"live-result\"");
    std::fs::write(dir.join("go"), "go\n").unwrap();
    let output = running.finish();
    let kinds: Vec<(String, String, Value)> = records(&output)
        .into_iter()
        .filter(|record| record["type"].as_str().unwrap().ends_with("result"))
        .map(|r| {
            (r["type"].as_str().unwrap().into(), r["subtest"].as_str().unwrap_or("-").into(), r["n"].clone())
        })
        .collect();
    let of = |kind: &str, name: &str, n: u64| (kind.to_owned(), name.to_owned(), Value::from(n));
    assert_eq!(
        kinds,
        [
            of("live-result", "first", 1),
            of("live-result", "second", 2),
            of("result", "first", 1),
            of("result", "second", 2),
            of("result", "-", 3),
        ]
    );
}

#[test]
fn tap_that_is_printed_becomes_subtests() {
    let dir = Dir::new();
    let data = json!({"extra-result": "tap"});
    let good = "echo 1..2; echo ok 1 - one; echo 'ok 2 - two # SKIP no net'";
    let bad = "echo 1..2; echo not ok 1 - one; exit 1";
    let output = exec(
        &dir,
        &["--local", "1"],
        &[test_with("/good", good, data.clone()), test_with("/bad", bad, data)],
    )
    .run();
    output.code(1);
    let results: Vec<String> = of_type(&output, "result")
        .iter()
        .map(|r| ["test", "subtest", "status", "note"].map(|key| r[key].as_str().unwrap_or("-")).join(" "))
        .collect();
    assert_eq!(
        results,
        [
            "/good one pass -",
            "/good two skip no net",
            "/good - pass -",
            "/bad one fail -",
            "/bad - fail not ok: 1 of 1; 2 planned, 1 run; exit status 1",
        ]
    );
}

#[test]
fn every_limit_can_be_set() {
    let small = |name: &str| report(&format!(r#"{{"name":"{name}","status":"pass"}}"#), &[]);
    let large = report(&format!(r#"{{"status":"pass","note":"{}"}}"#, "x".repeat(3000)), &[]);
    let partial = report(&format!(r#"{{"name":"a","partial":true,"note":"{}"}}"#, "x".repeat(3000)), &[]);
    let files = report(r#"{"name":"a","status":"pass"}"#, &[("f", "1"), ("g", "2")]);
    for (option, size, command, verdict, says) in [
        ("--max-files", "1", files, "/t warn test", "1 file left out: at most 1"),
        ("--max-result-bytes", "1K", large.clone(), "/t error test", "1 result left out"),
        ("--max-results", "1", small("a") + &small("b"), "/t error test", "1 result left out: at most 1"),
        ("--max-json", "1K", large, "/t error test", "protocol error"),
        ("--max-partial", "1K", partial, "/t error test", "protocol error"),
    ] {
        let dir = Dir::new();
        let output = exec(&dir, &["--local", "1", option, size], &[test("/t", &command)]).run();
        assert_eq!(verdicts(&output), [verdict], "{option}: {}", output.report());
        let results = of_type(&output, "result");
        assert!(notes(&results).iter().any(|note| note.contains(says)), "{option}: {results:?}");
    }
}
