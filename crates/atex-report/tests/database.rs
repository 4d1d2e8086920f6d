//! The database of many runs: what goes in, what it answers, and who may write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use atex_cli::Exit;
use serde_json::{Value, json};

/// A directory for databases and streams.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn database(&self) -> String {
        self.path("results.db").to_str().unwrap().to_owned()
    }

    /// Adds records to the database.
    fn import(&self, records: &str, more: &[&str]) {
        let file = self.path("records.jsonl");
        std::fs::write(&file, records).unwrap();
        let database = self.database();
        let args: Vec<&str> =
            ["sqlite", &database, file.to_str().unwrap()].into_iter().chain(more.iter().copied()).collect();
        assert_eq!(call(&args).0, Ok(Exit::Done), "{args:?}");
    }

    /// The rows of an answer.
    fn ask(&self, command: &str, more: &[&str]) -> Vec<Value> {
        let database = self.database();
        let args: Vec<&str> =
            [command, &database].into_iter().chain(more.iter().copied()).chain(["--json"]).collect();
        let (exit, out) = call(&args);
        assert_eq!(exit, Ok(Exit::Done), "{args:?}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How many rows each table has.
    fn sizes(&self) -> BTreeMap<&'static str, i64> {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        let size = |table| {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        ["run", "test", "host", "attempt", "result", "stay", "failures", "retried"]
            .map(|table| (table, size(table)))
            .into()
    }
}

fn call(args: &[&str]) -> (Result<Exit, String>, String) {
    let mut out = Vec::new();
    let exit = atex_report::with_args(args, &mut out, &mut |_| {});
    (exit.map_err(|failure| failure.message), String::from_utf8(out).unwrap())
}

/// An attempt: when it ended, at which test, its number, where, how, how long it took, and whether it settled the test.
type Attempt<'a> = (&'a str, &'a str, u32, &'a str, &'a str, f64, bool);

/// A run that began on a day of November, with these attempts. Each has two results.
fn run(name: &str, day: u32, attempts: &[Attempt<'_>]) -> String {
    let time = |clock: &str| format!("2026-11-{day:02}T{clock}:00.000Z");
    let mut text = String::new();
    let mut put = |record: Value| writeln!(text, "{record}").unwrap();
    put(
        json!({"type": "job-start", "time": time("00:00"), "run": name, "dir": format!("/runs/{name}"), "version": "1"}),
    );
    put(json!({"type": "host-start", "time": time("00:01"), "run": name, "host": "A", "platform": "p"}));
    for (clock, test, number, host, outcome, seconds, is_final) in attempts {
        let kind = if *is_final { "result" } else { "old-result" };
        for (n, subtest) in [(1, Some("part")), (2, None)] {
            let mut result = json!({"type": kind, "time": time(clock), "run": name, "platform": "p", "test": test,
                "status": outcome, "note": "because", "files": ["log"], "attempt": number, "n": n, "host": host});
            if let Some(subtest) = subtest {
                result["subtest"] = json!(subtest);
            }
            put(result);
        }
        put(
            json!({"type": "test-end", "time": time(clock), "run": name, "platform": "p", "test": test, "attempt": number,
            "host": host, "outcome": outcome, "cause": "test", "exit": 0, "seconds": seconds, "counts": {}, "final": is_final}),
        );
    }
    put(
        json!({"type": "host-end", "time": time("23:00"), "run": name, "host": "A", "platform": "p", "reason": "lost"}),
    );
    put(
        json!({"type": "job-end", "time": time("23:01"), "run": name, "dir": format!("/runs/{name}"), "outcome": "fail",
        "counts": {}, "unsettled": 0, "seconds": 82860.0}),
    );
    text
}

const ONE: &[Attempt<'_>] = &[
    ("01:00", "/a", 1, "A", "pass", 1.0, true),
    ("02:00", "/b", 1, "A", "fail", 2.0, false),
    ("03:00", "/b", 2, "B", "pass", 2.5, true),
    ("04:00", "/c", 1, "B", "fail", 3.0, true),
];

#[test]
fn the_same_run_counts_once_however_often_it_is_read() {
    let dir = Dir::new();
    let records = run("one", 1, ONE);
    // While it went on, in another order, and twice.
    let begun: String = records.lines().take(6).map(|line| format!("{line}\n")).collect();
    let file = dir.path("begun.jsonl");
    std::fs::write(&file, begun).unwrap();
    assert_eq!(
        call(&["sqlite", &dir.database(), file.to_str().unwrap()]).0,
        Ok(Exit::Trouble),
        "its end is missing"
    );
    let reversed: String = records.lines().rev().map(|line| format!("{line}\n")).collect();
    // Backwards it looks as if it were not all there.
    std::fs::write(&file, reversed).unwrap();
    assert!(call(&["sqlite", &dir.database(), file.to_str().unwrap()]).0.is_ok());
    for records in [&records, &format!("{records}{records}")] {
        dir.import(records, &[]);
        let expected = [
            ("run", 1),
            ("test", 3),
            ("host", 2),
            ("attempt", 4),
            ("result", 8),
            ("stay", 2),
            ("failures", 1),
            ("retried", 1),
        ];
        assert_eq!(dir.sizes(), expected.into());
    }
    dir.import(&run("two", 2, ONE), &[]);
    assert_eq!((dir.sizes()["run"], dir.sizes()["test"], dir.sizes()["result"]), (2, 3, 16));
}

#[test]
fn history_is_told_from_the_last_attempt_on() {
    let dir = Dir::new();
    dir.import(&run("one", 1, ONE), &["--build", "1.0"]);
    dir.import(&run("two", 2, ONE), &[]);
    let rows = dir.ask("history", &["/b"]);
    let told: Vec<_> =
        rows.iter().map(|row| format!("{} {} {}", row["run"], row["attempt"], row["outcome"])).collect();
    assert_eq!(told, [r#""two" 2 "pass""#, r#""two" 1 "fail""#, r#""one" 2 "pass""#, r#""one" 1 "fail""#]);
    assert_eq!(
        (&rows[3]["build"], &rows[3]["host"], &rows[3]["seconds"]),
        (&json!("1.0"), &json!("A"), &json!(2.0))
    );
    assert_eq!(dir.ask("history", &["/b", "--limit=1"]).len(), 1);
    let (exit, _) = call(&["history", &dir.database(), "b"]);
    assert!(exit.unwrap_err().ends_with(r#"results.db: has no test "b""#));
}

#[test]
fn flips_at_one_build_are_flaky_and_those_of_a_host_are_apart() {
    let dir = Dir::new();
    let attempts = |outcome, host| {
        [
            ("01:00", "/same-build", 1, "A", outcome, 1.0, true),
            ("02:00", "/bad-host", 1, host, outcome, 1.0, true),
            ("03:00", "/fine", 1, host, "pass", 1.0, true),
        ]
    };
    for (day, outcome, host) in [(1, "pass", "B"), (2, "fail", "A"), (3, "pass", "C"), (4, "fail", "A")] {
        dir.import(&run(&format!("run-{day}"), day, &attempts(outcome, host)), &["--build", "7"]);
    }
    // At another build it is broken, not flaky.
    dir.import(&run("later", 5, &[("01:00", "/fine", 1, "A", "fail", 1.0, true)]), &["--build", "8"]);
    let rows = dir.ask("flaky", &[]);
    let told: Vec<_> =
        rows.iter().map(|row| format!("{} {} {}", row["type"], row["test"], row["flips"])).collect();
    assert_eq!(told, [r#""flaky" "/same-build" 3"#, r#""flaky-host" "/bad-host" 3"#]);
    // Within a run no build has to be named.
    let other = Dir::new();
    other.import(&run("one", 1, ONE), &[]);
    other.import(&run("two", 2, &[("01:00", "/c", 1, "A", "pass", 1.0, true)]), &[]);
    let told: Vec<_> = other.ask("flaky", &[]).iter().map(|row| row["test"].clone()).collect();
    assert_eq!(told, ["/b"]);
}

#[test]
fn slower_is_what_the_test_of_ranks_says() {
    let dir = Dir::new();
    let mut records = String::new();
    for day in 1..=12_u32 {
        let noise = f64::from(day * 7 % 5) / 10.0;
        let late = day > 9;
        let seconds = |slower: f64| 10.0 + noise + if late { slower } else { 0.0 };
        let outlier = if day == 11 { 500.0 } else { 10.0 + noise };
        records += &run(
            &format!("run-{day:02}"),
            day,
            &[
                ("01:00", "/slower", 1, "A", "pass", seconds(30.0), true),
                ("02:00", "/a-little", 1, "A", "pass", seconds(0.1), true),
                ("03:00", "/outlier", 1, "A", "pass", outlier, true),
                ("04:00", "/failed-soon", 1, "A", if late { "fail" } else { "pass" }, seconds(90.0), true),
            ],
        );
    }
    dir.import(&records, &[]);
    let rows = dir.ask("slow", &[]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["test"], &rows[0]["since"]), (&json!("/slower"), &json!("run-10")));
    let (was, is) = (rows[0]["was"].as_f64().unwrap(), rows[0]["is"].as_f64().unwrap());
    assert!(was < 11.0 && is > 39.0, "{was} {is}");
    let text = call(&["slow", &dir.database()]).1;
    assert!(text.contains("4 tests have enough attempts"), "{text}");
}

#[test]
fn runs_and_hosts_are_summed_up() {
    let dir = Dir::new();
    for day in 1..=3 {
        dir.import(&run(&format!("run-{day}"), day, ONE), &[]);
    }
    let rows = dir.ask("trend", &["--runs=2"]);
    let told: Vec<_> = rows
        .iter()
        .map(|row| json!([row["run"], row["tests"], row["passed"], row["fail"], row["retried"]]))
        .collect();
    assert_eq!(told, [json!(["run-2", 3, 2, 1, 1]), json!(["run-3", 3, 2, 1, 1])]);
    let rows = dir.ask("hosts", &[]);
    let told: Vec<_> = rows
        .iter()
        .map(|row| json!([row["host"], row["attempts"], row["failed"], row["expected"], row["troubles"]]))
        .collect();
    // /b fails half of the time, on A; /c always, on B.
    assert_eq!(told, [json!(["A", 6, 3, 1.5, 3]), json!(["B", 6, 3, 4.5, 0])]);
}

#[test]
fn a_stream_of_nothing_but_results_has_outcomes_too() {
    let dir = Dir::new();
    let records: String = run("one", 1, ONE)
        .lines()
        .filter(|line| line.contains(r#""type":"result""#))
        .map(|line| format!("{line}\n"))
        .collect();
    dir.import(&records, &[]);
    let told: Vec<_> =
        ["/a", "/b", "/c"].map(|test| dir.ask("history", &[test])[0]["outcome"].clone()).into();
    assert_eq!(told, ["pass", "pass", "fail"]);
}

#[test]
fn several_write_at_once() {
    let dir = Dir::new();
    let database = dir.database();
    let paths: Vec<PathBuf> = (0..4)
        .map(|n| {
            let path = dir.path(&format!("{n}.jsonl"));
            // The first is in all of them.
            let records: String = (0..50)
                .map(|k| run(&format!("run-{}", if k == 0 { 0 } else { n * 100 + k }), 1, ONE))
                .collect();
            std::fs::write(&path, records).unwrap();
            path
        })
        .collect();
    std::thread::scope(|scope| {
        let write = |path: &Path| call(&["sqlite", &database, path.to_str().unwrap()]).0;
        let writers: Vec<_> = paths.iter().map(|path| scope.spawn(move || write(path))).collect();
        for writer in writers {
            assert_eq!(writer.join().unwrap(), Ok(Exit::Done));
        }
    });
    let sizes = dir.sizes();
    assert_eq!((sizes["run"], sizes["attempt"], sizes["result"]), (1 + 4 * 49, 4 * 197, 8 * 197));
}

#[test]
fn durations_are_records_that_can_be_read_again() {
    let dir = Dir::new();
    for day in 1..=8 {
        dir.import(&run(&format!("run-{day}"), day, ONE), &[]);
    }
    let (exit, out) = call(&["durations", &dir.database()]);
    assert_eq!(exit, Ok(Exit::Done));
    let ends: Vec<atex_model::report::TestEnd> =
        out.lines().map(|line| atex_model::parse(line).unwrap()).collect();
    // Five of each that passed, and five of each that did not.
    assert_eq!(ends.len(), 20);
    assert!(ends.iter().all(|end| end.time.to_string().as_str() > "2026-11-04"));
    let again = Dir::new();
    again.import(&out, &[]);
    assert_eq!(again.sizes()["attempt"], 20);
}

#[test]
fn what_is_no_database_is_refused() {
    let dir = Dir::new();
    let path = dir.path("results.db");
    let database = dir.database();
    assert!(call(&["trend", &database]).0.unwrap_err().ends_with("results.db: No such file or directory"));
    std::fs::write(&path, "{\"type\":\"end\"}\n".repeat(100)).unwrap();
    assert!(call(&["trend", &database]).0.unwrap_err().ends_with("results.db: is no SQLite database"));
    assert!(
        call(&["sqlite", &database, "/dev/null"])
            .0
            .unwrap_err()
            .ends_with("results.db: is no SQLite database")
    );
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    for args in [&["trend", &database][..], &["sqlite", &database, "/dev/null"]] {
        assert!(
            call(args).0.unwrap_err().ends_with("results.db: is a database, but not of test results"),
            "{args:?}"
        );
    }
}
