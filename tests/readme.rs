//! The examples of the README, as somebody would paste them.

use atex_testkit::sandbox::Dir;
use atex_testkit::sshd::Farm;

use crate::stream::{farm_host, lines};

/// An example, and what the comment before it says of it.
struct Example {
    line: usize,
    text: String,
    exit: i32,
    needs_hosts: bool,
    /// A command that its output is put through, which has to take it.
    output: Option<String>,
}

fn examples() -> Vec<Example> {
    let text = include_str!("../README.md");
    let mut examples = Vec::new();
    let mut lines = text.lines().enumerate();
    let (mut exit, mut needs_hosts, mut output) = (0, false, None);
    while let Some((at, line)) = lines.next() {
        if let Some(said) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            match said.split_once(": ").expect("`key: value`") {
                ("exit", code) => exit = code.parse().unwrap(),
                ("needs", "hosts") => needs_hosts = true,
                ("output", command) => output = Some(command.to_owned()),
                (key, _) => panic!("README.md:{}: {key}: what is that?", at + 1),
            }
        } else if line == "```sh" {
            let body: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            examples.push(Example { line: at + 1, text: body.join("\n"), exit, needs_hosts, output });
            (exit, needs_hosts, output) = (0, false, None);
        }
    }
    examples
}

/// A directory with what the examples speak of.
fn surroundings() -> Dir {
    let dir = Dir::new();
    let top = env!("CARGO_MANIFEST_DIR");
    dir.command("cp").args(["-r", &format!("{top}/tests/demo"), "demo"]).run().success();
    dir.command("sh").args(["-c", "mkdir tests scripts && mv demo tests/"]).run().success();
    dir.command("cp").args(["-r", &format!("{top}/scripts/examples"), "scripts/"]).run().success();
    dir.write("tree/.fmf/version", "1\n");
    dir.write(
        "tree/main.fmf",
        "/smoke/disk:\n    test: 'true'\n    tag: [tier1]\n/smoke/net:\n    test: 'true'\n    tag: [tier1, slow]\n\
         /plans/daily:\n    discover: {how: fmf}\n",
    );
    dir
}

#[test]
fn every_example_of_the_readme_works() {
    let examples = examples();
    assert!(examples.len() >= 7, "{} examples were found", examples.len());
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_atex-exec")).parent().unwrap().to_owned();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let farm = Farm::start_or_skip(1);
    for example in examples {
        let dir = surroundings();
        if example.needs_hosts {
            let Some(farm) = &farm else { continue };
            dir.write("hosts.jsonl", lines(&[farm_host(farm, 0)]));
        }
        let filter = example.output.map(|command| format!(" | {command}")).unwrap_or_default();
        let script = format!("set -euo pipefail\n{{ {}\n}}{filter}", example.text);
        let output = dir.command("bash").args(["-c", &script]).env("PATH", &path).run();
        assert_eq!(
            output.status.code(),
            Some(example.exit),
            "README.md:{}\n{}",
            example.line,
            output.report()
        );
    }
}
