//! Whether the examples in the help of all commands are command lines of these tools. Most are run, too, by
//! `tests/manual.rs`; those that need a cloud or a lab are held to their options here.

use std::collections::BTreeMap;

use clap::Command;

use crate::{options, tools};

/// The command lines of our tools in an example, without what the shell takes out of them.
fn calls(example: &str) -> Vec<Vec<String>> {
    let mut calls = vec![Vec::new()];
    for word in shlex::split(example).unwrap_or_else(|| panic!("{example}: a quote is missing")) {
        let ends = matches!(word.as_str(), "|" | "||" | "{" | "}" | ";") || word.ends_with(';');
        let is_redirection = word.starts_with(['<', '>']);
        if !matches!(word.as_str(), "|" | "||" | "{" | "}" | ";") && !is_redirection {
            let call = calls.last_mut().expect("there is always one");
            call.push(word.trim_end_matches(';').to_owned());
        }
        if ends {
            calls.push(Vec::new());
        }
    }
    let inner = |call: &Vec<String>| {
        let at = call.iter().position(|word| word == "--provision")?;
        shlex::split(call.get(at + 1)?)
    };
    let inner: Vec<_> = calls.iter().filter_map(inner).collect();
    calls.extend(inner);
    calls.retain(|call| call.first().is_some_and(|word| word.starts_with("atex-")));
    calls
}

/// The examples in a help text.
fn examples(command: &Command) -> Vec<String> {
    let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let (_, behind) = about.split_once("\n\nExamples:\n").unwrap_or_else(|| {
        panic!("{}: its help has no examples", command.get_name());
    });
    let block = behind.split("\n\n").next().unwrap_or_default();
    let lines = block.lines().filter(|line| !line.starts_with("      "));
    lines.collect::<Vec<_>>().join("\n").replace(" \\\n    ", " ").lines().map(str::to_owned).collect()
}

#[test]
fn every_command_has_examples_that_are_understood() {
    let tools: BTreeMap<&str, Command> =
        tools::all().into_iter().map(|tool| (tool.name, tool.command)).collect();
    let mut count = 0;
    for (name, tool) in &tools {
        for command in std::iter::once(tool).chain(options::subcommands(tool)) {
            let mut is_about_it = false;
            for example in examples(command) {
                for call in calls(&example) {
                    let called = tools.get(call[0].as_str()).unwrap_or_else(|| panic!("{example}"));
                    let parsed = called.clone().try_get_matches_from(&call);
                    parsed.unwrap_or_else(|e| panic!("{name} {}: {example}\n{e}", command.get_name()));
                    is_about_it |= call[0] == *name
                        && (command.get_name() == *name
                            || call.iter().any(|word| word == command.get_name()));
                    count += 1;
                }
            }
            assert!(is_about_it, "{name}: no example calls {}", command.get_name());
        }
    }
    assert!(count > 120, "{count} command lines were found");
}

#[test]
fn command_lines_are_cut_where_the_shell_cuts_them() {
    let example = "{ atex-a b; atex-c 'd | e' <f; } | jq . | atex-exec --provision 'atex-p q' >g || echo h";
    let found: Vec<String> = calls(example).iter().map(|call| call.join(" ")).collect();
    assert_eq!(found, ["atex-a b", "atex-c d | e", "atex-exec --provision atex-p q", "atex-p q"]);
}
