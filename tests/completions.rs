//! What shells complete: the installed files are loaded by the real bash, zsh and fish.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use atex_testkit::need;
use atex_testkit::sandbox::Dir;

use crate::documents::shell;
use crate::stream::tool;

const PROGRAMS: [&str; 4] = ["atex-discover", "atex-provision", "atex-exec", "atex-report"];

/// A line that somebody begins to type, and words that must be offered for what is behind its last blank.
struct Typed {
    line: String,
    offered: Vec<String>,
}

/// All commands of all tools and all of their options, as `-h` lists them.
fn all_commands_and_options(dir: &Dir) -> Vec<Typed> {
    let mut all = Vec::new();
    for program in PROGRAMS {
        let help = |words: &[&str]| tool(dir, program).args(words).arg("-h").run().success().stdout.clone();
        let of_tool = help(&[]);
        let commands = commands(&of_tool);
        all.push(Typed { line: format!("{program} --"), offered: options(&of_tool) });
        for command in commands.iter().filter(|name| *name != "help") {
            all.push(Typed { line: format!("{program} {command} --"), offered: options(&help(&[command])) });
        }
        all.push(Typed { line: format!("{program} "), offered: commands });
    }
    all
}

/// The names below `Commands:`, which have two blanks in front.
fn commands(help: &str) -> Vec<String> {
    let (_, below) = help.split_once("\nCommands:\n").unwrap();
    let lines = below.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    lines
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| Some(line.split_whitespace().next()?.into()))
        .collect()
}

/// The long options: `  -c, --context <KEY=VALUE>`.
fn options(help: &str) -> Vec<String> {
    let first = |line: &str| {
        let words = line.trim_start().split([' ', ',']);
        words
            .take_while(|word| word.is_empty() || word.starts_with('-'))
            .find(|word| word.starts_with("--"))
            .map(|word| word.trim_end_matches('.').split(['=', '[']).next().unwrap_or_default().to_owned())
    };
    let (_, below) = help.split_once("\nOptions:\n").unwrap();
    let found: Vec<String> = below.lines().filter_map(first).collect();
    assert!(found.contains(&"--help".to_owned()), "{help}");
    found
}

/// Holds a shell to what must be offered. `text` is how its script in tests/complete is called; `$C` are the files that
/// are installed for it.
fn check(dir: &Dir, name: &str, text: &str, typed: &[Typed]) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = top.join("scripts/completions").join(name);
    let text = format!("cd {}; C={}; {text}", dir.path().display(), files.display())
        .replace("$T", top.join("tests/complete").to_str().unwrap());
    let lines: String = typed.iter().map(|typed| format!("{}\n", typed.line)).collect();
    let output = shell(dir, &text).stdin(lines).timeout(Duration::from_secs(300)).run();
    let words: Vec<&str> = output.success().stdout.lines().collect();
    let offered: Vec<BTreeSet<&str>> = words
        .split_inclusive(|word| *word == ".")
        .map(|block| block.iter().map(|word| word.trim_end_matches([' ', '=', '/'])).collect())
        .collect();
    assert_eq!(offered.len(), typed.len(), "{}", output.report());
    for (typed, offered) in typed.iter().zip(offered) {
        for word in &typed.offered {
            assert!(offered.contains(word.as_str()), "{name}: `{}`: no {word} in {offered:?}", typed.line);
        }
    }
}

fn typed(line: &str, offered: &[&str]) -> Typed {
    Typed { line: line.into(), offered: offered.iter().map(|&word| word.into()).collect() }
}

/// What is more than a list of names.
fn special(of_files: bool) -> Vec<Typed> {
    let mut all = vec![
        typed("atex-report dif", &["diff"]),
        typed("atex-report diff --slo", &["--slower"]),
        typed("atex-report --color al", &["always"]),
        typed("atex-discover --plan-layer t", &["tmt"]),
        typed("atex-exec ctl nightly pau", &["pause"]),
    ];
    // Where bash is offered nothing, it offers files by itself.
    if of_files {
        all.extend([
            typed("atex-report nigh", &["nightly"]),
            typed("atex-report yesterday nigh", &["nightly"]),
            typed("atex-report diff yesterday nigh", &["nightly"]),
            typed("atex-discover nigh", &["nightly"]),
        ]);
    }
    all
}

fn completes(name: &str, text: &str) {
    let dir = Dir::new();
    std::fs::create_dir(dir.join("nightly")).unwrap();
    let mut typed = all_commands_and_options(&dir);
    assert!(typed.len() > 60, "{} lines", typed.len());
    typed.extend(special(name != "bash"));
    check(&dir, name, text, &typed);
}

fn installed(program: &str) -> Result<(), String> {
    let found = std::process::Command::new(program).arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        Ok(())
    } else {
        Err(format!("{program} is not installed"))
    }
}

#[test]
fn bash_completes_commands_and_options() {
    completes("bash", "bash $T/bash.sh $C");
}

#[test]
fn fish_completes_commands_and_options() {
    need(installed("fish"), || completes("fish", "fish --no-config $T/fish.fish $C"));
}

#[test]
fn zsh_completes_commands_and_options() {
    need(installed("zsh"), || completes("zsh", "sh $T/zsh.sh $C"));
}
