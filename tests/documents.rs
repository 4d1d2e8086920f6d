//! Commands in documents, as somebody would paste them.

use std::path::Path;

use atex_testkit::sandbox::{Command, Dir};

/// A block of commands, and what the comments before it say of it.
pub struct Example {
    pub line: usize,
    pub text: String,
    /// `<!-- key: value -->`.
    pub notes: Vec<(String, String)>,
}

impl Example {
    pub fn note(&self, key: &str) -> Option<&str> {
        self.notes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn exit(&self) -> i32 {
        self.note("exit").map_or(0, |code| code.parse().unwrap())
    }
}

/// The blocks of shell in a document of Markdown.
pub fn examples(markdown: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut lines = markdown.lines().enumerate();
    let mut notes = Vec::new();
    while let Some((at, line)) = lines.next() {
        if let Some(said) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            let (key, value) = said.split_once(": ").expect("`key: value`");
            notes.push((key.to_owned(), value.to_owned()));
        } else if line == "```sh" {
            let body: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            let notes = std::mem::take(&mut notes);
            examples.push(Example { line: at + 1, text: body.join("\n"), notes });
        }
    }
    assert!(notes.is_empty(), "{notes:?}: there is no block behind it");
    examples
}

/// A shell that runs this text with our programs first on its path, and stops at the first failure.
pub fn shell(dir: &Dir, text: &str) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_atex-exec")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = dir.command("bash");
    let script = format!("set -euo pipefail\n{text}");
    let standins = dir.join(".standins");
    command
        .args(["-c", &script])
        .env("PATH", format!("{}:{}:{path}", standins.display(), programs.display()));
    command
}

/// What a tool is replaced by: where virtual machines and containers are asked for, directories of this machine are given,
/// without the options that say what they are made of. The locks of listed hosts, which all are this machine, are in the
/// directory of the test.
const STANDIN: &str = r#"#!/bin/bash
case ${1-} in
libvirt | podman)
    shift
    words=(local)
    while (($#)); do
        case $1 in
        --origin | --image) shift ;;
        *) words+=("$1") ;;
        esac
        shift
    done
    ;;
static) words=("$@" --lock-dir "${0%/*}/lock") ;;
*) words=("$@") ;;
esac
exec REAL "${words[@]}"
"#;

/// Puts it in front of `atex-provision`.
pub fn stand_in(dir: &Dir) {
    let real = env!("CARGO_BIN_EXE_atex-provision");
    dir.script(".standins/atex-provision", STANDIN.replace("REAL", real));
}
