//! What atex-report has gathered in a database tells atex-exec how long tests take.

use atex_testkit::sandbox::Dir;
use serde_json::{Value, json};

use crate::stream::{exec, lines, of_type, test, test_with, tool};

fn ended(name: &str, seconds: f64) -> Value {
    json!({"type": "test-end", "time": "2026-11-21T20:00:00.000Z", "run": "earlier", "platform": "default", "test": name,
           "attempt": 1, "host": "h", "outcome": "pass", "cause": "test", "exit": 0, "seconds": seconds, "counts": {},
           "final": true})
}

/// The tests in the order in which they began. The first one ends when all of them have been taken in.
fn order(dir: &Dir, history: &str) -> Vec<String> {
    let taken = dir.join("run/tests.jsonl");
    let wait = format!("until grep -q input-ended '{}'; do sleep 0.01; done", taken.display());
    let input = [
        test_with("/first", &wait, json!({"extra-priority": 1000})),
        test("/short", "true"),
        test_with("/said", "true", json!({"duration": "1m"})),
        test("/long", "true"),
        test("/hangs", "true"),
    ];
    let output = exec(dir, &["-v", "--local", "1", "--history", history], &input).run();
    output.success();
    assert!(output.stderr.contains("--history: durations of 3 tests are known"), "{}", output.report());
    let starts = of_type(&output, "test-start");
    starts.iter().map(|start| start["test"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_database_of_runs_is_a_history() {
    let dir = Dir::new();
    // What its host did not survive says at least how long a host is taken.
    let mut hangs = ended("/hangs", 70.0);
    hangs["cause"] = "host".into();
    hangs["outcome"] = "infra".into();
    hangs.as_object_mut().unwrap().remove("exit");
    dir.write("earlier.jsonl", lines(&[ended("/short", 1.0), ended("/long", 90.0), hangs]));
    tool(&dir, "atex-report").args(["sqlite", "results.db", "earlier.jsonl"]).run().success();
    assert_eq!(order(&dir, "results.db"), ["/first", "/long", "/hangs", "/said", "/short"]);

    // What that run took is added to it, and the next one knows more.
    tool(&dir, "atex-report").args(["sqlite", "results.db", "run"]).run().success();
    let history = tool(&dir, "atex-report").args(["history", "results.db", "/long", "--json"]).run();
    history.success();
    assert_eq!(history.stdout.lines().count(), 2, "{}", history.report());
}
