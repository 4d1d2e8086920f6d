//! The examples in scripts/examples, with the real programs.

use std::path::Path;

use atex_testkit::sandbox::{Command, Dir};
use serde_json::{Value, json};

use crate::stream::{lines, records, test, verdicts};

/// An example, with our programs first on its path.
fn example(dir: &Dir, name: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/examples").join(name);
    let programs = Path::new(env!("CARGO_BIN_EXE_atex-exec")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = dir.command(script);
    command.env("PATH", format!("{}:{path}", programs.display()));
    command
}

/// A small tree.
fn tree(dir: &Dir) {
    dir.write("tree/.fmf/version", "1\n");
    dir.write(
        "tree/main.fmf",
        "/sum:\n  test: echo profile=$PROFILE\n/net/bind:\n  test: 'true'\n/slow:\n  test: 'true'\n  tag: slow\n",
    );
}

#[test]
fn every_example_is_tried() {
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/examples")).unwrap();
    let text = include_str!("examples.rs");
    for name in all.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        assert!(text.contains(&format!("\"{name}\"")), "scripts/examples/{name} is not tried");
    }
}

#[test]
fn a_test_and_then_others() {
    let dir = Dir::new();
    let output = example(&dir, "then").args(["--local", "2"]).run();
    output.success();
    assert_eq!(verdicts(&output), ["/net/bind pass test", "/net/route pass test", "/smoke pass test"]);
}

#[test]
fn a_policy_that_keeps_guests_together() {
    let dir = Dir::new();
    let guest =
        |name: &str, tag: &str| json!({"type": "test", "name": name, "data": {"test": "true", "tag": [tag]}});
    let of = |test: &str| json!({"platform": "default", "test": test});
    let ask = |id: u32, host: &str, tests: &[&str]| {
        let candidates: Vec<Value> = tests.iter().map(|test| of(test)).collect();
        json!({"type": "question", "id": id, "ask": "next-test", "host": host, "candidates": candidates})
    };
    let start = |host: &str, test: &str| json!({"type": "test-start", "platform": "default", "test": test, "host": host});
    let told = [
        guest("/a", "guest-x"),
        guest("/b", "guest-y"),
        guest("/c", "guest-x"),
        test("/d", "true"),
        ask(1, "h1", &["/a", "/b", "/c", "/d"]),
        start("h1", "/a"),
        ask(2, "h1", &["/b", "/c", "/d"]),
        ask(3, "h2", &["/c", "/b", "/d"]),
        json!({"type": "question", "id": 4, "ask": "rerun", "host": "h1", "candidates": [false, true]}),
    ];
    let output = example(&dir, "guests").stdin(lines(&told)).run();
    output.success();
    let candidates: Vec<Value> =
        records(&output).into_iter().map(|answer| answer["candidate"].clone()).collect();
    assert_eq!(candidates, [0, 1, 1, 0]);
}

#[test]
fn a_provisioner_in_a_dozen_lines() {
    let dir = Dir::new();
    let lent = || std::fs::read_dir(dir.join("lent")).unwrap().count();
    let want = |hosts: u32| json!({"type": "want", "hosts": hosts});
    let told =
        [want(2), want(1), want(3), json!({"type": "release", "id": "gone"}), json!({"type": "extend"})];
    let output = example(&dir, "provisioner").arg("lent").stdin(lines(&told)).run();
    output.success();
    let said: Vec<String> =
        records(&output).into_iter().map(|record| record["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(said, ["host", "host", "host", "released"]);
    assert_eq!(lent(), 0, "the end of its input gives everything back");
}

#[test]
fn settings_of_some_tests() {
    let dir = Dir::new();
    tree(&dir);
    let output = example(&dir, "settings").args(["tree", "--local", "2", "--run-dir", "run"]).run();
    output.success();
    assert_eq!(crate::stream::printed(&dir, &output, "/sum"), "profile=cpu\n");
    let taken: Vec<Value> =
        dir.read("run/tests.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| taken.iter().find(|test| test["name"] == name).unwrap();
    assert_eq!(
        (&of("/slow")["data"]["duration"], &of("/net/bind")["data"]["extra-reruns"]),
        (&json!("2h"), &json!(2))
    );
}

#[test]
fn the_same_tests_on_several_platforms() {
    let dir = Dir::new();
    tree(&dir);
    let host = |id: &str, platform: &str| json!({"type": "host", "id": id, "platform": platform, "connect": {"how": "local"}});
    dir.write("hosts.jsonl", lines(&[host("a", "cs9"), host("b", "cs10"), host("c", "cs9")]));
    let output = example(&dir, "platforms").args(["hosts.jsonl", "tree"]).run();
    output.success();
    let ends = records(&output).into_iter().filter(|record| record["type"] == "test-end");
    let mut seen: Vec<String> = ends
        .map(|end| format!("{} {}", end["test"].as_str().unwrap(), end["platform"].as_str().unwrap()))
        .collect();
    seen.sort();
    assert_eq!(seen, ["/net/bind cs10", "/net/bind cs9", "/slow cs10", "/slow cs9", "/sum cs10", "/sum cs9"]);
}

#[test]
fn several_kinds_and_results_at_once() {
    let dir = Dir::new();
    tree(&dir);
    dir.script("bin/check", "#!/bin/sh\nexit 1\n");
    let output = example(&dir, "mixed").args(["tree", "bin", "--local", "1"]).run();
    output.code(1);
    let mut said: Vec<&str> = output.stdout.lines().collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            "/check says: itself fail",
            "/check: fail",
            "/net/bind says: itself pass",
            "/net/bind: pass",
            "/slow says: itself pass",
            "/slow: pass",
            "/sum says: itself pass",
            "/sum: pass",
        ],
        "{}",
        output.report()
    );
}

#[test]
fn phases_one_by_one() {
    let dir = Dir::new();
    tree(&dir);
    let output = example(&dir, "phases").args(["tree", "run", "--local", "1"]).run();
    output.success();
    assert!(output.stdout.contains('2'), "two tests were left: {}", output.report());
    let all = dir.read("all.jsonl");
    assert!(all.contains("\"/sum\"") && !all.contains("\"/slow\""));
    assert!(dir.read("report.txt").contains("PASSED"), "{}", output.report());
}
