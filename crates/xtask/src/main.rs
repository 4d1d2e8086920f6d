//! What is generated from the code and committed: the manual pages and the JSON Schemas below `man/`, and what
//! shells complete, below `scripts/completions/`.
//!
//!     cargo run -p xtask -- generate     write them
//!     cargo run -p xtask -- check        say which of them are not what the code makes now
//!
//! Options, usage and the table of exit statuses come from the tools' code, the keys of records from their types;
//! everything else of a page is written by hand, in `text/`, as roff with a line such as `@OPTIONS@` where a generated part
//! belongs. The page of a tool's command (atex-report-diff.1) is made of its help alone.

mod commands;
mod completions;
#[cfg(test)]
mod examples;
mod fields;
mod man;
mod options;
mod prose;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A file that is generated.
struct Generated {
    /// Relative to the top of the repository.
    path: String,
    text: String,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["generate"] => generate(),
        ["check"] => check(),
        _ => Err("usage: cargo run -p xtask -- generate|check".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn generate() -> Result<(), String> {
    for file in all()? {
        let path = top().join(&file.path);
        let of = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(of)?;
        }
        fs::write(&path, &file.text).map_err(of)?;
    }
    Ok(())
}

fn check() -> Result<(), String> {
    let files = all()?;
    // One that is not there is as wrong as one that differs.
    let there = |file: &Generated| fs::read_to_string(top().join(&file.path)).unwrap_or_default();
    let mut stale: Vec<String> =
        files.iter().filter(|file| there(file) != file.text).map(|file| file.path.clone()).collect();
    stale.extend(strangers(&files)?);
    match stale[..] {
        [] => Ok(()),
        _ => Err(format!(
            "not what the code makes now: {}\nrun `cargo run -p xtask -- generate` and commit the result",
            stale.join(", ")
        )),
    }
}

/// Files where only generated ones lie that are none of these: of a command that there was.
fn strangers(files: &[Generated]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for dir in [
        "man",
        "man/schema",
        "scripts/completions/bash",
        "scripts/completions/fish",
        "scripts/completions/zsh",
    ] {
        let of = |e: std::io::Error| format!("{dir}: {e}");
        for entry in fs::read_dir(top().join(dir)).map_err(of)? {
            let entry = entry.map_err(of)?;
            let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(of)?.is_file() && files.iter().all(|file| file.path != path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// All files, as the code makes them now.
fn all() -> Result<Vec<Generated>, String> {
    let mut files = Vec::new();
    for tool in tools::all() {
        let page = man::page(&tool).map_err(|e| format!("text/{}.1: {e}", tool.name))?;
        files.push(Generated { path: format!("man/{}.1", tool.name), text: page });
        // The same bytes as `--schema` prints.
        let schema = format!("{:#}\n", atex_model::schemas(tool.name, &tool.schemas));
        files.push(Generated { path: format!("man/schema/{}.json", tool.name), text: schema });
    }
    for tool in tools::all() {
        files.extend(commands::pages(&tool)?);
        files.extend(completions::of(&tool)?);
    }
    for page in man::PAGES {
        let text = page.text().map_err(|e| format!("text/{}: {e}", page.file()))?;
        files.push(Generated { path: format!("man/{}", page.file()), text });
    }
    Ok(files)
}

/// The top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
