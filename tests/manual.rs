//! The manual: what it shows works, and what it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use atex_testkit::sandbox::{Dir, Output};

use crate::documents::{shell, stand_in};
use crate::stream::tool;

fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "man"].iter().collect()
}

/// All pages, as `atex-exec.1` and their text.
fn pages() -> Vec<(String, String)> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(directory()).unwrap().map(name).collect();
    names.retain(|name| name.ends_with(|end: char| end.is_ascii_digit()));
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| (name.clone(), fs::read_to_string(directory().join(&name)).unwrap()))
        .collect()
}

/// roff of an example as it is shown.
fn shown(roff: &str) -> String {
    let escapes = [
        ("\\-", "-"),
        ("\\(aq", "'"),
        ("\\(dq", "\""),
        ("\\(ga", "`"),
        ("\\(ha", "^"),
        ("\\(ti", "~"),
        ("\\&", ""),
        ("\\e", "\\"),
    ];
    escapes.into_iter().fold(roff.to_owned(), |text, (escape, shown)| text.replace(escape, shown))
}

#[test]
fn the_tutorial_works_from_its_beginning_to_its_end() {
    let page = fs::read_to_string(directory().join("atex.7")).unwrap();
    let (_, tutorial) = page.split_once(".SH TUTORIAL\n").unwrap();
    let (tutorial, _) = tutorial.split_once("\n.SH ").unwrap();
    let dir = Dir::new();
    let mut blocks = tutorial.split(".EX\n");
    let mut before = blocks.next().unwrap();
    let mut count = 0;
    for block in blocks {
        let (commands, after) = block.split_once(".EE\n").unwrap();
        let exit = before.trim_end().rsplit('\n').next().unwrap().strip_prefix(".\\\" exit: ");
        let output = shell(&dir, &shown(commands)).run();
        output.code(exit.map_or(0, |code| code.parse().unwrap()));
        (before, count) = (after, count + 1);
    }
    assert!(count > 8, "{count} blocks were found");
    assert_eq!(dir.read("first/results/default/wrong/attempt-1/files/output.txt"), "this is wrong\n");
}

/// `.BR atex-exec (1)`, whichever way it is written.
#[test]
fn pages_that_are_named_are_there() {
    let pages = pages();
    let names: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for (page, text) in &pages {
        for line in text.replace("\\-", "-").lines().filter(|line| line.contains("atex")) {
            let Some((name, rest)) = line.trim_start_matches(".BR ").split_once(" (") else { continue };
            let name = name.trim_matches('"');
            if let Some((section, _)) = rest.split_once(')')
                && name.starts_with("atex")
                && section.len() == 1
            {
                assert!(names.contains(format!("{name}.{section}").as_str()), "{page}: {name}({section})");
            }
        }
    }
}

/// `atex-report help diff`, `atex-report diff --help` and atex-report-diff(1) are about the same command.
#[test]
fn every_command_has_a_page_and_its_help_is_one() {
    let dir = Dir::new();
    let pages = pages();
    for (program, least) in
        [("atex-discover", 7), ("atex-provision", 11), ("atex-exec", 5), ("atex-report", 20)]
    {
        let of_tool = format!("{program}-");
        // atex-provision-podman.1; not atex-provisioner.7.
        let commands: Vec<&str> =
            pages.iter().filter_map(|(name, _)| name.strip_prefix(&of_tool)?.strip_suffix(".1")).collect();
        assert!(commands.len() >= least, "{program}: {commands:?}");
        for command in commands {
            let long = tool(&dir, program).args([command, "--help"]).run();
            let help = tool(&dir, program).args(["help", command]).run();
            help.success().stdout_is(&long.stdout);
        }
    }
}

const PROGRAMS: [&str; 4] = ["atex-discover", "atex-provision", "atex-exec", "atex-report"];

/// The command lines below `Examples:`, which come right behind what the command is: who asks for help is in a hurry.
fn examples_of_help(help: &Output) -> Vec<String> {
    let mut lines = help.success().stdout.lines().skip(1).peekable();
    assert_eq!((lines.next(), lines.next()), (Some(""), Some("Examples:")), "{}", help.report());
    let mut examples: Vec<String> = Vec::new();
    let mut is_new = true;
    for line in lines.take_while(|line| !line.is_empty()) {
        assert!(line.starts_with("  ") && line.len() <= 100, "{line}\n{}", help.report());
        // A command line has two blanks in front, and four where it goes on; what it does has six.
        let is_command = !line.starts_with("      ");
        match examples.last_mut().filter(|_| is_command && line.starts_with("    ")) {
            Some(begun) => *begun += &format!("\n{line}"),
            // A line that is too long is broken with two: what it was to do would be cut in two.
            None if is_command => {
                assert!(!is_new || examples.is_empty(), "{line}\n{}", help.report());
                examples.push(line.trim().to_owned());
            }
            None => assert!(!is_new || !examples.is_empty(), "{}", help.report()),
        }
        is_new = is_command;
    }
    assert!(!is_new, "the last example does not say what it does\n{}", help.report());
    examples
}

#[test]
fn help_begins_with_three_examples() {
    let dir = Dir::new();
    for program in PROGRAMS {
        let help = tool(&dir, program).arg("--help").run();
        assert_eq!(examples_of_help(&help).len(), 3, "{}", help.report());
    }
}

/// What the examples speak of: the directory is a tree, and has runs, hosts, and reports of others.
const SURROUNDINGS: &str = r#"
    git init -q .; git add .; git -c user.name=a -c user.email=a@b commit -qm a
    mkdir -p bin atex-runs nights keys prepared
    printf '#!/bin/sh\ncat\n' >bin/less; printf '#!/bin/sh\necho Enforcing\n' >bin/getenforce; chmod +x bin/*
    atex-discover . >tests.jsonl
    atex-exec --local 2 --run-dir lastweek <tests.jsonl >/dev/null
    atex-exec --local 2 --run-dir yesterday <tests.jsonl >shard-1.jsonl
    atex-exec --local 2 --run-dir nightly <tests.jsonl | tee all.jsonl >shard-2.jsonl
    atex-report sqlite results.db yesterday nightly
    atex-report jsonl -o results.json nightly; mkdir junit; atex-report junit -o junit/1.xml nightly
    atex-report archive nightly -o nightly.tar.zst
    atex-provision local -n 2 --ttl 1h >hosts.jsonl
    cp hosts.jsonl lab.jsonl; cp hosts.jsonl lab.txt; cp hosts.jsonl inventory.yml
    { cat hosts.jsonl; atex-discover .; } | atex-exec prepare --work-dir "$PWD/prepared" >ready.jsonl
"#;

fn surroundings() -> Dir {
    let dir = Dir::new();
    dir.write(".fmf/version", "1\n");
    dir.write(
        "main.fmf",
        "/smoke/disk:\n  test: echo denied\n  tag: tier1\n/smoke/net:\n  test: echo denied\n  tag: tier1\n\
         /plans/daily:\n  discover: {how: fmf}\n",
    );
    dir.write("tests/README", "a directory of the tree");
    dir.write("vms.txt", "root@vm-[1-8].lab\n");
    dir.write("smoke.tsv", "disk\tdf /\n");
    dir.write("runtest/syscalls", "fork01 true\n");
    dir.write("waivers.yaml", "- test: /smoke/net\n  issue: https://example.org/7\n");
    dir.script("checks/one", "#!/bin/sh\n");
    stand_in(&dir);
    shell(&dir, SURROUNDINGS).run().success();
    dir
}

/// Examples that only are parsed, by the words in them: they want other machines and programs, change this one, or ask a
/// run that goes on. Their commands have tests of their own.
const NOT_RUN: [&str; 17] = [
    "provision beaker",
    "provision exec",
    "provision libvirt",
    "provision openstack",
    "provision podman --image fedora -",
    "provision testing-farm",
    "--group big",
    "--provision 'atex-provision podman",
    "provision prepare",
    "provision release vm-7",
    "provision ssh",
    "exec ctl",
    "inventory.yml -n 2",
    "--run-dir nightly",
    "--resume nightly",
    "ltproot",
    "/srv/results",
];

/// Runs the examples of all help there is; a test that fails or a host that is missing is no mistake in an example, but
/// wrong usage or input is.
#[test]
fn every_example_of_the_help_works() {
    let mut count = 0;
    let help_of = Dir::new();
    for program in PROGRAMS {
        let prefix = format!("{program}-");
        let pages = pages();
        let names = pages.iter().filter_map(|(name, _)| name.strip_prefix(&prefix)?.strip_suffix(".1"));
        for command in std::iter::once(None).chain(names.map(Some)) {
            let help = tool(&help_of, program).args(command).arg("--help").run();
            let examples = examples_of_help(&help);
            let wanted = examples.iter().filter(|text| !NOT_RUN.iter().any(|words| text.contains(words)));
            let mut dir = None;
            for example in wanted {
                let dir = dir.get_or_insert_with(surroundings);
                let text = format!("export PATH=$PWD/bin:$PATH GITHUB_STEP_SUMMARY=page.md\n{example}");
                let output = shell(dir, &text).timeout(Duration::from_secs(60)).run();
                assert!(matches!(output.status.code(), Some(0 | 1)), "{example}\n{}", output.report());
                count += 1;
            }
        }
    }
    assert!(count > 70, "{count} examples were run");
}
