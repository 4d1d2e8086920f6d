//! Which test runs where, and when: what metadata, facts and marks of hosts, and earlier attempts have to say.

use atex_testkit::sandbox::{Dir, Output};
use atex_testkit::sshd::Farm;
use serde_json::{Value, json};

use crate::stream::{exec, farm_host, note, of_type, records, test, test_with, verdicts};

/// A test that goes first, and ends when the whole input has been taken in: from then on, everything waits.
fn gate(dir: &Dir) -> Value {
    let tests = dir.join("run/tests.jsonl");
    let command = format!("until grep -q input-ended '{}'; do sleep 0.01; done", tests.display());
    test_with("/gate", &command, json!({"extra-priority": 1_000_000}))
}

/// The names of tests in the order in which their attempts began, but for the gate.
fn starts(output: &Output) -> Vec<String> {
    let starts = of_type(output, "test-start").into_iter();
    let names = starts.map(|start| start["test"].as_str().unwrap().to_owned());
    names.filter(|name| name != "/gate").collect()
}

fn host(id: &str, more: Value) -> Value {
    let mut host = json!({"type": "host", "id": id, "connect": {"how": "local"}});
    host.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    host
}

#[test]
fn priority_comes_before_duration_and_duration_before_order() {
    let tests = |dir: &Dir| {
        [
            gate(dir),
            test_with("/plain", "true", json!({})),
            test_with("/early", "true", json!({"order": 10})),
            test_with("/short", "true", json!({"duration": "1m"})),
            test_with("/long", "true", json!({"duration": "2h"})),
            test_with("/urgent", "true", json!({"extra-priority": 1})),
        ]
    };
    let dir = Dir::new();
    let output = exec(&dir, &["--local", "1"], &tests(&dir)).run();
    output.success();
    assert_eq!(starts(&output), ["/urgent", "/long", "/short", "/early", "/plain"]);
    let dir = Dir::new();
    let output = exec(&dir, &["--local", "1", "--order", "given"], &tests(&dir)[1..]).run();
    output.success();
    // The first may begin before the others have come.
    let mut found = starts(&output);
    found.retain(|name| name != "/plain");
    assert_eq!(found, ["/early", "/short", "/long", "/urgent"]);
}

#[test]
fn what_earlier_runs_took_goes_before_what_metadata_say() {
    let dir = Dir::new();
    let end = |name: &str, seconds: f64| {
        json!({"type": "test-end", "time": "2026-11-21T20:00:00.000Z", "run": "r", "platform": "default",
            "test": name, "attempt": 1, "outcome": "pass", "cause": "test", "exit": 0, "seconds": seconds, "counts": {},
            "final": true})
    };
    let history: String = [end("/a", 5.0), end("/b", 7000.0)].map(|record| format!("{record}\n")).concat();
    dir.write("history.jsonl", &history);
    let tests = [
        gate(&dir),
        test_with("/a", "true", json!({"duration": "3h"})),
        test_with("/b", "true", json!({"duration": "3h"})),
        test_with("/c", "true", json!({"duration": "1h"})),
    ];
    let history = dir.join("history.jsonl");
    let output = exec(&dir, &["--local", "1", "--history", history.to_str().unwrap()], &tests).run();
    output.success();
    assert_eq!(starts(&output), ["/b", "/c", "/a"]);
}

#[test]
fn expressions_over_facts_decide_where_a_test_runs() {
    let dir = Dir::new();
    let on = |arch: &str| json!({"facts": {"distro": "rhel-9.6", "arch": arch}});
    let wants = |name: &str, expression: &str| test_with(name, "true", json!({"extra-host": expression}));
    let input = [
        host("intel", on("x86_64")),
        host("ibm", on("s390x")),
        wants("/a", "distro == rhel-9 and arch == s390x"),
        wants("/b", "arch == x86_64"),
        wants("/c", "arch == aarch64"),
        wants("/d", "color == red"),
    ];
    let output = exec(&dir, &[], &input).run();
    output.code(3);
    assert_eq!(verdicts(&output), ["/a pass test", "/b pass test", "/c infra host", "/d infra host"]);
    let ran_on = |name: &str| {
        let ends = of_type(&output, "test-end");
        ends.iter().find(|end| end["test"] == name).unwrap()["host"].clone()
    };
    assert_eq!((ran_on("/a"), ran_on("/b")), ("ibm".into(), "intel".into()));
    assert_eq!(note(&output, "/c"), "no host matches `arch == aarch64`");
    assert!(
        note(&output, "/d").contains("cannot be decided, as `color` of host "),
        "{}",
        note(&output, "/d")
    );
}

/// Tests that ask what no record tells.
fn asking() -> [Value; 3] {
    let arch = std::env::consts::ARCH;
    [
        ("/here", format!("arch == {arch}")),
        ("/elsewhere", "arch == no-such".into()),
        ("/odd", "color == red".into()),
    ]
    .map(|(name, expression)| test_with(name, "true", json!({"extra-host": expression})))
}

#[track_caller]
fn check_asked(output: &Output) {
    output.code(3);
    assert_eq!(verdicts(output), ["/elsewhere infra host", "/here pass test", "/odd infra host"]);
    assert_eq!(note(output, "/elsewhere"), "no host matches `arch == no-such`");
    let odd = note(output, "/odd");
    assert!(odd.contains("cannot be decided, as `color` of host "), "{odd}");
}

#[test]
fn hosts_are_asked_what_tests_want_to_know() {
    let dir = Dir::new();
    let hosts = [host("a", json!({})), host("b", json!({"facts": {"arch": "other"}}))];
    // Those that are there already, and those that come later.
    let early = exec(&dir, &[], &[&hosts[..], &asking()].concat()).run();
    check_asked(&early);
    let dir = Dir::new();
    let late = exec(&dir, &[], &[&asking()[..], &hosts].concat()).run();
    check_asked(&late);
    for host in of_type(&late, "host-start") {
        let arch = if host["host"] == "b" { "other" } else { std::env::consts::ARCH };
        assert_eq!(host["facts"]["arch"], arch, "what its record says goes before what it says itself");
        assert!(host["facts"]["kernel"].is_string(), "{host}");
    }
    // Nobody is asked without need.
    let dir = Dir::new();
    let unasked = exec(&dir, &[], &[host("a", json!({})), test("/a", "true")]).run();
    assert!(of_type(&unasked, "host-start")[0]["facts"].is_null());
}

#[test]
fn a_host_by_ssh_is_asked() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let dir = Dir::new();
    let mut input = asking().to_vec();
    input.push(farm_host(&farm, 0));
    check_asked(&exec(&dir, &[], &input).run());
}

#[test]
fn a_host_that_does_not_say_what_it_is_is_not_waited_for() {
    let dir = Dir::new();
    // It takes all commands but the one that asks.
    let silent = dir.script("silent", "#!/bin/sh\ncase $* in *' sh') exit 7 ;; *) exec \"$@\" ;; esac\n");
    let host =
        json!({"type": "host", "id": "h", "connect": {"how": "command", "argv": [silent.to_str().unwrap()]}});
    let work = dir.join("w");
    std::fs::create_dir(&work).unwrap();
    let input = [host, asking()[0].clone(), test("/any", "true")];
    let output = exec(&dir, &["--work-dir", work.to_str().unwrap()], &input).run();
    output.code(3).stderr_has("h: its facts are not known: exit status 7");
    assert_eq!(verdicts(&output), ["/any pass test", "/here infra host"]);
}

#[test]
fn metadata_that_cannot_be_read_are_refused_with_their_place() {
    for (data, message) in [
        (json!({"extra-host": "arch =="}), "stdin:1: test /a: data.extra-host: "),
        (
            json!({"extra-priority": "high"}),
            "stdin:1: test /a: data.extra-priority: expected an integer, found \"high\"",
        ),
        (json!({"extra-after": 5}), "stdin:1: test /a: data.extra-after: expected names of tests"),
    ] {
        let dir = Dir::new();
        let output = exec(&dir, &["--local", "1"], &[test_with("/a", "true", data)]).run();
        output.code(2);
        output.stderr_has(message);
    }
}

#[test]
fn a_test_waits_for_those_that_it_comes_after() {
    let dir = Dir::new();
    let input = [
        test_with("/last", "true", json!({"extra-after": ["/first", "/fails"], "extra-priority": 9})),
        test_with("/unmet", "true", json!({"extra-after": {"test": "/fails", "outcome": "pass"}})),
        test_with("/met", "true", json!({"extra-after": {"test": "/first", "outcome": "pass"}})),
        test_with("/never", "true", json!({"extra-after": "/nobody"})),
        test_with("/ring/a", "true", json!({"extra-after": "/ring/b"})),
        test_with("/ring/b", "true", json!({"extra-after": "/ring/a"})),
        test_with("/fails", "exit 1", json!({})),
        test_with("/first", "true", json!({})),
    ];
    let output = exec(&dir, &["--local", "1"], &input).run();
    output.code(1);
    let mut found = verdicts(&output);
    found.sort();
    assert_eq!(
        found,
        [
            "/fails fail test",
            "/first pass test",
            "/last pass test",
            "/met pass test",
            "/never skip skipped",
            "/ring/a skip skipped",
            "/ring/b skip skipped",
            "/unmet skip skipped",
        ]
    );
    assert_eq!(note(&output, "/unmet"), "comes after `/fails`, which did not end as it should");
    assert_eq!(note(&output, "/never"), "comes after `/nobody`, which never came");
    assert_eq!(note(&output, "/ring/a"), "comes after itself, by way of `/ring/b`");
    let at = |kind: &str, name: &str| {
        records(&output).iter().position(|record| record["type"] == kind && record["test"] == name).unwrap()
    };
    for before in ["/first", "/fails"] {
        assert!(at("test-end", before) < at("test-start", "/last"));
    }
}

#[test]
fn a_failed_test_is_tried_again_on_another_host() {
    let dir = Dir::new();
    let input = [host("h0", json!({})), host("h1", json!({})), test_with("/a", "exit 1", json!({}))];
    let output = exec(&dir, &["--reruns", "2", "--keep-host-on", "any"], &input).run();
    output.code(1);
    let ends = of_type(&output, "test-end");
    let finals: Vec<&Value> = ends.iter().map(|end| &end["final"]).collect();
    assert_eq!(finals, [&json!(false), &json!(false), &json!(true)]);
    assert_ne!(ends[0]["host"], ends[1]["host"]);
    // Each test counts once, whatever was rerun.
    assert_eq!((of_type(&output, "result").len(), of_type(&output, "old-result").len()), (1, 2));
}

#[test]
fn what_is_a_failure_can_be_chosen() {
    let reports = r#"printf 'result 17\n{"status":"fail"}' >&$ATEX_TEST_CONTROL"#;
    for (args, data, command, attempts) in [
        (&["--reruns", "1"][..], json!({}), "exit 1", 2),
        (&["--reruns", "1"], json!({}), reports, 1),
        (&["--reruns", "1", "--rerun-on", "outcome"], json!({}), reports, 2),
        (&["--reruns", "1", "--rerun-on", "never"], json!({}), "exit 1", 1),
        (&["--reruns", "1"], json!({"extra-reruns": 0}), "exit 1", 1),
        (&[], json!({"extra-reruns": 2}), "exit 1", 3),
        (&["--reruns", "3"], json!({}), "true", 1),
    ] {
        let dir = Dir::new();
        let output = exec(&dir, args, &[host("h", json!({})), test_with("/a", command, data.clone())]).run();
        assert_eq!(of_type(&output, "test-end").len(), attempts, "{args:?} {data} {command}");
    }
}

#[test]
fn tests_go_to_hosts_with_the_marks_that_they_prefer() {
    let dir = Dir::new();
    let mark = "echo mark +guests >&$ATEX_TEST_CONTROL";
    let input = [
        host("h", json!({"marks": ["disk"]})),
        gate(&dir),
        test_with("/plain", "true", json!({"extra-prefers": "nothing"})),
        test_with("/disk", mark, json!({"extra-prefers": "disk"})),
        test_with("/other", "true", json!({"extra-prefers": "disk"})),
        test_with("/guests", "true", json!({"extra-prefers": ["disk", "guests"]})),
    ];
    let output = exec(&dir, &[], &input).run();
    output.success();
    assert_eq!(starts(&output), ["/disk", "/guests", "/other", "/plain"]);
}

// ---- Runs that are only simulated, or were recorded ----

#[test]
fn a_recorded_run_is_decided_the_same_again() {
    let dir = Dir::new();
    let input = [
        host("h0", json!({})),
        host("h1", json!({})),
        test_with("/fails", "exit 1", json!({})),
        test_with("/after", "true", json!({"extra-after": "/fails"})),
        test_with("/never", "true", json!({"extra-after": "/nobody"})),
    ];
    exec(&dir, &["--reruns", "1", "--keep-host-on", "any"], &input).run().code(1);
    let replay = || crate::stream::tool(&dir, "atex-exec").args(["--replay", "run/journal.jsonl"]).run();
    let output = replay();
    output.success();
    let said = &of_type(&output, "replay")[0];
    assert_eq!((&said["lives"], &said["differ"]), (&json!(1), &json!(0)));
    assert!(said["events"].as_u64().unwrap() > 10);
    // What was decided otherwise is found, with its place.
    let journal = dir.read("run/journal.jsonl");
    let changed = journal.replacen(r#""attempt":2}}"#, r#""attempt":3}}"#, 1);
    assert_ne!(journal, changed);
    dir.spoil();
    dir.write("run/journal.jsonl", changed);
    let output = replay();
    output.code(1);
    assert_eq!(of_type(&output, "replay")[0]["differ"], 1);
    output.stderr_has("run/journal.jsonl:");
    crate::stream::tool(&dir, "atex-exec").args(["--replay", "run/tests.jsonl"]).run().code(2);
}

fn many(count: u32) -> Vec<Value> {
    (0..count).map(|n| test_with(&format!("/t{n}"), "exit 9", json!({}))).collect()
}

#[test]
fn a_simulation_tells_the_records_of_a_run_and_touches_nothing() {
    let dir = Dir::new();
    let mut input = many(40);
    input.push(test_with("/slow", "exit 9", json!({"duration": "1h"})));
    let arguments = ["--local", "4", "--simulate", "--seed", "7", "--test-failures", "0.2", "--reruns", "1"];
    let simulate =
        || crate::stream::tool(&dir, "atex-exec").args(arguments).stdin(crate::stream::lines(&input)).run();
    let output = simulate();
    output.success();
    assert_eq!(output.stdout, simulate().stdout, "the same seed gives the same run");
    assert!(!dir.join("atex-runs").exists());
    let ends = of_type(&output, "test-end");
    let settled: Vec<&Value> = ends.iter().filter(|end| end["final"] == true).collect();
    assert_eq!(settled.len(), 41);
    assert!(ends.len() > 41, "some are tried again");
    let slow = settled.iter().find(|end| end["test"] == "/slow").unwrap();
    assert_eq!(slow["seconds"], 3600.0);
    assert_eq!(starts(&output)[0], "/slow", "the longest first");
    let result = &of_type(&output, "simulation")[0];
    let number = |key: &str| result[key].as_f64().unwrap();
    assert!(number("lower_bound") >= 3600.0 && number("makespan") >= number("lower_bound"));
    assert_eq!((number("hosts"), number("tests"), number("attempts")), (4.0, 41.0, ends.len() as f64));
    assert!(number("busy") > 0.0 && number("host_hours") > 1.0);
}

#[test]
fn the_smallest_pool_for_a_deadline_is_found() {
    let dir = Dir::new();
    let run = |arguments: &[&str]| {
        crate::stream::tool(&dir, "atex-exec").args(arguments).stdin(crate::stream::lines(&many(60))).run()
    };
    let model = ["--duration-model", "equal:60", "--setup-time", "0s"];
    for (deadline, hosts) in [("1h", 1), ("59m", 2), ("10m", 6), ("1m", 60)] {
        let output = run(&[&["--hosts-for", deadline][..], &model].concat());
        output.success();
        assert_eq!(of_type(&output, "hosts-for")[0]["hosts"], hosts, "{deadline}");
    }
    let output = run(&[&["--hosts-for", "59s"][..], &model].concat());
    output.code(1);
    assert!(of_type(&output, "hosts-for")[0]["hosts"].is_null());
    for wrong in
        [&["--hosts-for", "soon"][..], &["--simulate"], &["--simulate", "--duration-model", "flat:1"]]
    {
        run(wrong).code(2);
    }
}
