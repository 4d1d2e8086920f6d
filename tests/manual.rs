//! The manual: what it shows works, and what it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use atex_testkit::sandbox::Dir;

use crate::documents::shell;
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

/// Who asks for help is in a hurry.
#[test]
fn help_begins_with_three_examples() {
    let dir = Dir::new();
    for program in ["atex-discover", "atex-provision", "atex-exec", "atex-report"] {
        let help = tool(&dir, program).arg("--help").run();
        let lines: Vec<&str> = help.success().stdout.lines().collect();
        assert_eq!(lines[2], "Examples:", "{}", help.report());
        let examples = lines[3..].iter().take_while(|line| !line.is_empty());
        // A command line has two blanks in front, what it does six.
        let commands = examples.filter(|line| !line.starts_with("   ")).count();
        assert_eq!(commands, 3, "{}", help.report());
    }
}
