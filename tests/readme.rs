//! The examples of the README, as somebody would paste them.

use std::collections::HashMap;

use atex_testkit::sandbox::Dir;
use atex_testkit::sshd::{Farm, Host};
use serde_json::Value;

use crate::documents::{examples, shell, stand_in};

/// A directory with what the examples speak of.
fn surroundings() -> Dir {
    let dir = Dir::new();
    let top = env!("CARGO_MANIFEST_DIR");
    dir.command("cp").args(["-r", &format!("{top}/scripts"), "scripts"]).run().success();
    dir.write("tree/.fmf/version", "1\n");
    dir.write(
        "tree/main.fmf",
        "/smoke/disk:\n    test: 'true'\n    tag: [tier1]\n\
         /smoke/net:\n    test: test \"$NET\" != down\n    tag: [tier1, slow]\n\
         /plans/daily:\n    discover: {how: fmf}\n",
    );
    dir.write("waivers.yaml", "- test: /smoke/net\n  issue: https://example.org/7\n");
    stand_in(&dir);
    let runs =
        "git init -q tree; git -C tree add .; git -C tree -c user.name=a -c user.email=a@b commit -qm a
        atex-discover tree | atex-exec --local 2 --run-dir yesterday >/dev/null
        atex-discover tree | atex-exec --local 2 --run-dir nightly --env NET=down >/dev/null || test $? = 1";
    shell(&dir, runs).run().success();
    dir
}

#[test]
fn every_example_of_the_readme_works() {
    let examples = examples(include_str!("../README.md"));
    assert!(examples.len() >= 12, "{} examples were found", examples.len());
    let farm = Farm::start_or_skip(1);
    for example in examples {
        let dir = surroundings();
        if example.note("needs") == Some("hosts") {
            let Some(farm) = &farm else { continue };
            dir.write("lab.txt", list(farm));
        }
        let output = shell(&dir, &example.text).run();
        assert_eq!(
            output.status.code(),
            Some(example.exit()),
            "README.md:{}\n{}",
            example.line,
            output.report()
        );
    }
}

/// The hosts of a farm as a list for `atex-provision static`.
fn list(farm: &Farm) -> String {
    let line = |host: &Host| {
        let mut line =
            format!("{}@{}:{} identity={}", host.user, host.address, host.port, host.identity.display());
        for (keyword, value) in host.options() {
            line.push_str(&format!(" option.{keyword}={value}"));
        }
        line + "\n"
    };
    farm.hosts().iter().map(line).collect()
}

/// A figure: of which benchmark, case and side, its key there, how many of the unit in one of the key's, decimals.
type Figure = (&'static str, &'static str, &'static str, &'static str, f64, usize);

/// What the README says of what was measured, with `{}` for figures.
const MEASURED: [(&str, &[Figure]); 12] = [
    ("| atex-exec | {} | {} | {} | {} MB |", &over_ssh("atex-exec")),
    ("| Python ATEX 1.2 | {} | {} | {} | {} MB |", &over_ssh("Python ATEX")),
    ("| GNU parallel 20221122 | {} | {} | {} | {} MB |", &over_ssh("parallel")),
    ("| GNU parallel `-M` | {} | {} | {} | {} MB |", &over_ssh("parallel -M")),
    ("| bare commands over kept connections | {} | {} | {} | {} MB |", &over_ssh("native mux")),
    (
        "`atex-discover` {} ms, the Python ATEX {} ms. 10,000 tests of a made-up tree: {} ms, fmf for Python {} s; \
         100,000 tests: {} s and {} MB.",
        &[
            ("discovery", "contest", "atex-discover", "seconds", 1000.0, 0),
            ("discovery", "contest", "Python ATEX", "seconds", 1000.0, 0),
            ("discovery", "10,000 tests", "atex-discover", "seconds", 1000.0, 0),
            ("discovery", "10,000 tests", "Python fmf", "seconds", 1.0, 1),
            ("discovery", "100,000 tests", "atex-discover", "seconds", 1.0, 2),
            ("discovery", "100,000 tests", "atex-discover", "peak_mb", 1.0, 0),
        ],
    ),
    (
        "`atex-report summary` {}, `jsonl` {}, `junit` {}, `csv` {} million a second, in {} MB at most; \
         a million in the Python ATEX's aggregator: {} million a second.",
        &[
            ten_million("summary", "results_a_cpu_second", 1e-6, 1),
            ten_million("jsonl", "results_a_cpu_second", 1e-6, 1),
            ten_million("junit", "results_a_cpu_second", 1e-6, 1),
            ten_million("csv", "results_a_cpu_second", 1e-6, 1),
            ten_million("summary", "peak_mb", 1.0, 0),
            ("report", "1000000 results, 100 a test", "Python ATEX", "results_a_cpu_second", 1e-6, 2),
        ],
    ),
    ("| atex-discover and atex-exec | {} | {} | {} MB |", &here("atex")),
    ("| GNU parallel 20221122 | {} | {} | {} MB |", &here("parallel")),
    ("| Avocado 113 | {} | {} | {} MB |", &here("Avocado")),
    ("| tmt 1.78 | {} | {} | {} MB |", &here("tmt")),
    // What was measured is what the tables say that it is.
    ("{} tests of `/bin/true` over ssh", &[("execution", "20 hosts", "atex-exec", "tests", 1.0, 0)]),
];

const fn over_ssh(side: &'static str) -> [Figure; 4] {
    [
        ("execution", "1 hosts", side, "test_ms", 1.0, 1),
        ("execution", "20 hosts", side, "test_ms", 1.0, 1),
        ("execution", "20 hosts", side, "test_cpu_ms", 1.0, 1),
        ("execution", "20 hosts", side, "own_pss_mb", 1.0, 1),
    ]
}

const fn ten_million(side: &'static str, key: &'static str, factor: f64, decimals: usize) -> Figure {
    ("report", "10000000 results, 100 a test", side, key, factor, decimals)
}

const fn here(side: &'static str) -> [Figure; 3] {
    [
        ("local", "1 at a time", side, "one_cpu_seconds", 1.0, 2),
        ("local", "1 at a time", side, "test_cpu_ms", 1.0, 0),
        ("local", "1 at a time", side, "own_pss_mb", 1.0, 0),
    ]
}

#[test]
fn figures_are_the_newest_that_were_measured() {
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let rows =
        include_str!("bench/results.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    // Of several, the last one stays.
    let newest: HashMap<_, _> =
        rows.map(|row| ((word(&row, "bench"), word(&row, "case"), word(&row, "side")), row)).collect();
    let words: Vec<&str> = include_str!("../README.md").split_whitespace().collect();
    let readme = words.join(" ");
    for (text, figures) in MEASURED {
        let mut said = text.to_owned();
        for (bench, case, side, key, factor, decimals) in figures {
            let row = &newest[&((*bench).to_owned(), (*case).to_owned(), (*side).to_owned())];
            let figure =
                row[key].as_f64().unwrap_or_else(|| panic!("{bench}, {case}, {side}: {key}?")) * factor;
            said = said.replacen("{}", &format!("{figure:.decimals$}"), 1);
        }
        assert!(readme.contains(&said), "tests/bench/results.jsonl says what README.md does not:\n{said}");
    }
}
