//! atex-discover, as far as only a binary can show it.

use atex_testkit::sandbox::Dir;
use serde_json::{Value, json};

use crate::stream::{of_type, records, tool};

fn tree() -> Dir {
    let dir = Dir::new();
    dir.write("tree/.fmf/version", "1\n");
    dir.write(
        "tree/main.fmf",
        "duration: 2m\ntag: [all]\n/one:\n  test: ./one.sh\n  tag+: [tier1]\n/two words:\n  test: 'true'\n  \
         adjust: {enabled: false, when: distro == rhel-9}\n/plans/daily:\n  inherit: no\n",
    );
    dir.write("tree/sub/main.fmf", "/it's \"ü\":\n  test: echo 'x'\n");
    dir.write("tree/plans.fmf", "/nightly:\n  test:\n  discover: {how: fmf, filter: 'tag: tier1'}\n");
    dir
}

#[test]
fn a_record_for_each_test() {
    let dir = Dir::new();
    dir.write("tree/.fmf/version", "1\n");
    dir.write("tree/sub/main.fmf", "duration: 2m\n/it's \"ü\" 1:\n  test: ./x\n  environment: {A: 1}\n");
    let output = tool(&dir, "atex-discover").args(["tree", "--platform", "p", "--no-libraries"]).run();
    output.success();
    let expected = [
        json!({"type": "test", "name": "/sub/it's \"ü\" 1", "platform": "p", "tree": dir.join("tree"), "dir": "sub",
               "data": {"duration": "2m", "test": "./x", "environment": {"A": 1}}}),
        json!({"type": "end", "tool": "atex-discover", "complete": true, "exit": 0, "counts": {"tests": 1}}),
    ];
    assert_eq!(records(&output), expected);
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let dir = tree();
    dir.write("broken/.fmf/version", "1\n");
    dir.write("broken/sub/main.fmf", "test: a\ntag: [x\n");
    dir.write("merge/.fmf/version", "1\n");
    dir.write("merge/main.fmf", "tag: [x]\n/a:\n  test: t\n  tag+: {b: 1}\n");
    std::fs::create_dir(dir.join("empty")).unwrap();
    for (arguments, code, messages) in [
        (vec!["nowhere"], 2, vec!["nowhere", "FileError: Invalid directory path"]),
        (vec!["empty"], 2, vec!["RootError: Unable to find tree root"]),
        (vec!["broken"], 2, vec!["broken/sub/main.fmf:", "FileError: Failed to parse"]),
        (vec!["merge"], 2, vec!["merge/main.fmf:4:3: MergeError: Item 'x' in /a"]),
        (vec!["tree", "--plan", "/plans/weekly"], 2, vec!["/plans/weekly"]),
        (vec!["tree", "--name", "nothing"], 2, vec!["no test", "--allow-empty"]),
        (vec!["tree", "--name", "nothing", "--allow-empty"], 0, vec![]),
        (vec!["tree", "--name", "("], 2, vec!["--name"]),
        (vec!["tree", "--context", "distro"], 2, vec!["--context"]),
    ] {
        let output = tool(&dir, "atex-discover").args(&arguments).run();
        output.code(code);
        for message in messages {
            output.stderr_has(message);
        }
        let complete: Vec<Value> =
            of_type(&output, "end").iter().map(|end| end["complete"].clone()).collect();
        assert!(complete.iter().all(|complete| *complete == json!(code == 0)), "{}", output.report());
    }
}

#[test]
fn a_discovery_that_failed_makes_the_whole_pipeline_fail_without_pipefail() {
    let dir = tree();
    let script = format!(
        "{} nowhere | {} --local 1 | {} check",
        env!("CARGO_BIN_EXE_atex-discover"),
        env!("CARGO_BIN_EXE_atex-exec"),
        env!("CARGO_BIN_EXE_atex-report")
    );
    dir.command("sh").args(["-c", &script]).run().code(2);
}

#[test]
fn a_reader_that_goes_away_is_no_trouble() {
    let dir = Dir::new();
    dir.write("tree/.fmf/version", "1\n");
    let many: String = (0..5_000).map(|n| format!("/t{n}:\n  test: t{n}\n")).collect();
    dir.write("tree/main.fmf", many);
    let script = format!("set -o pipefail; {} tree | head -n 1", env!("CARGO_BIN_EXE_atex-discover"));
    let output = dir.command("bash").args(["-c", &script]).run();
    output.success().stderr_is("");
    assert_eq!(of_type(&output, "test").len(), 1);
}

#[test]
fn a_plan_is_read_as_tmt_reads_it_and_its_ignored_keys_are_named() {
    let dir = Dir::new();
    dir.write("tree/.fmf/version", "1\n");
    dir.write("tree/t/main.fmf", "/a: {test: a, order: 60}\n/b: {test: b}\n");
    dir.write(
        "tree/plan.fmf",
        "provision: {how: container}\nexecute: {how: tmt}\ncontext: {distro: rhel-9}\n\
         discover:\n- {how: fmf, prune: true}\n- {how: shell, tests: [{name: s, test: 'true'}]}\n\
         prepare: [{how: shell, script: x, when: distro == fedora}, {how: shell, script: y, when: distro == rhel}]\n",
    );
    let common = ["tree", "--plan", "/plan", "--plan-layer", "tmt"];
    let output = tool(&dir, "atex-discover").args(common).run();
    output.success();
    assert_eq!(output.stderr, "", "{}", output.report());
    let tests = of_type(&output, "test");
    let names: Vec<_> = tests.iter().map(|test| test["name"].clone()).collect();
    assert_eq!(names, ["/default-0/t/b", "/default-0/t/a", "/default-1/s"]);
    assert!(tests.iter().all(|test| test["tree"] == json!(dir.join("tree"))));
    assert_eq!(tests[0]["plan"], json!({"name": "/plan", "prepare": [{"how": "shell", "script": "y"}]}));

    let output = tool(&dir, "atex-discover").args(common).arg("-v").run();
    output.success();
    output
        .stderr_has("atex-discover: tree/plan.fmf:1:1: `provision` is ignored: hosts are given to atex-exec");
    output.stderr_has("atex-discover: tree/plan.fmf:5:14: `prune` is ignored");
    let output = tool(&dir, "atex-discover").args(["tree", "--plan", "/plan", "-v"]).run();
    output.success();
    output.stderr_has("atex-discover: tree/plan.fmf:3:1: `context` is ignored: see --plan-layer tmt");
}
