//! Tests and libraries of other repositories.

use std::fs;
use std::path::Path;
use std::process::Command;

use atex_cli::Exit;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{directory, discover, tree};

/// Runs git in a directory.
pub fn git(dir: &Path, words: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=tester", "-c", "user.email=tester"]).args(words).current_dir(dir);
    let output = git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository of git with these files in its only commit.
pub fn repository(files: &[(&str, &str)]) -> (TempDir, String) {
    let dir = tree(files);
    git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
    git(dir.path(), &["add", "--all"]);
    git(dir.path(), &["commit", "--quiet", "--message", "all"]);
    let url = format!("file://{}", dir.path().display());
    (dir, url)
}

/// The records of a tree's tests, with a cache of their own.
pub fn records(dir: &Path, cache: &Path, words: &[&str]) -> Vec<Json> {
    let common = [dir.to_str().unwrap(), "--cache", cache.to_str().unwrap()];
    let (result, text) = discover(&[&common[..], words].concat());
    assert_eq!(result.unwrap(), Exit::Done);
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    records.filter(|record: &Json| record["type"] == "test").collect()
}

/// Where the parts of a record's tree belong, and what the file `script` of each says.
pub fn parts(record: &Json) -> Vec<(String, String)> {
    let part = |part: &Json| {
        let script = Path::new(part["from"].as_str().unwrap()).join("script");
        (part["to"].as_str().unwrap().to_owned(), fs::read_to_string(script).unwrap_or_default())
    };
    record["tree"].as_array().unwrap().iter().map(part).collect()
}

fn owned(parts: &[(&str, &str)]) -> Vec<(String, String)> {
    parts.iter().map(|(to, script)| ((*to).to_owned(), (*script).to_owned())).collect()
}

#[test]
fn the_files_of_sections_and_libraries_go_into_the_records() {
    let (_library, library) = repository(&[("sub/main.fmf", "require: dep\n"), ("sub/script", "library")]);
    let require =
        format!("require:\n- {{url: '{library}', nick: lib, name: /sub}}\n- {{nick: own, name: /x}}\n");
    let (_other, other) = repository(&[
        ("a/main.fmf", &format!("test: ./script\n{require}")),
        ("x/main.fmf", ""),
        ("x/script", "own"),
        ("script", "other"),
    ]);
    let plan = format!("discover:\n- {{name: here}}\n- {{name: there, url: '{other}'}}\n");
    let dir = tree(&[("t.fmf", "test: t\n"), ("plan.fmf", &plan), ("script", "here")]);
    let cache = directory(&[]);
    let found = records(dir.path(), cache.path(), &["--plan", "/plan"]);
    let names: Vec<_> = found.iter().map(|test| (test["name"].as_str(), test["dir"].as_str())).collect();
    assert_eq!(names, [(Some("/here/t"), Some("here")), (Some("/there/a"), Some("there/a"))]);
    let expected = [
        ("here", "here"),
        ("there", "other"),
        ("there/libs/lib/sub", "library"),
        ("there/libs/own/x", "own"),
    ];
    for test in &found {
        assert_eq!(parts(test), owned(&expected));
    }
    assert_eq!(found[1]["data"]["require"][1], "dep");

    let found = records(dir.path(), cache.path(), &["--plan", "/plan", "--no-libraries"]);
    assert_eq!(parts(&found[0]), owned(&expected[..2]));
    let names = |words: &[&str]| {
        let found = records(dir.path(), cache.path(), &[&["--plan", "/plan"], words].concat());
        found.iter().map(|test| test["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--vary", "K=1", "--vary-only", "^/a"]), ["/here/t", "/there/a@K=1"]);
    let only = directory(&[("only", "^/a\n")]);
    assert_eq!(names(&["--only-file", only.path().join("only").to_str().unwrap()]), ["/there/a"]);
}

#[test]
fn a_lone_section_has_its_libraries_beside_its_files() {
    let (_library, library) = repository(&[("script", "library")]);
    let require = format!("test: t\nrequire: {{url: '{library}', nick: lib}}\n");
    let dir = tree(&[("t.fmf", &require), ("script", "here")]);
    let cache = directory(&[]);
    let found = records(dir.path(), cache.path(), &[]);
    assert_eq!(parts(&found[0]), owned(&[(".", "here"), ("libs/lib", "library")]));
}

#[test]
fn files_that_a_library_requires_come_with_it() {
    let (_library, library) = repository(&[
        (
            "lib/main.fmf",
            "require:\n- {type: file, pattern: [/common$, setup.cfg]}\n- {type: file, pattern: /nothing}\n",
        ),
        ("lib/script", "library"),
        ("common/script", "common"),
        ("more/setup.cfg", ""),
        ("more/script", "more"),
        ("other/script", ""),
    ]);
    let require = format!("test: t\nrequire: {{url: '{library}', nick: nick, name: /lib}}\n");
    let dir = tree(&[("t.fmf", &require), ("script", "here")]);
    let cache = directory(&[]);
    let mut found = parts(&records(dir.path(), cache.path(), &[])[0]);
    found.sort();
    let expected = [
        (".", "here"),
        ("libs/nick/common", "common"),
        ("libs/nick/lib", "library"),
        ("libs/nick/more", "more"),
    ];
    assert_eq!(found, owned(&expected));
}

#[test]
fn what_cannot_be_fetched_may_be_there_another_time() {
    let none = directory(&[]);
    let url = format!("file://{}/none", none.path().display());
    let says = format!("FetchError: Command 'git clone {url}' returned non-zero exit status 128.");
    let hint = Some("--no-libraries keeps requirements of libraries as they are".to_owned());
    let library = format!("test: t\nrequire: {{url: '{url}'}}\n");
    let section = format!("discover: {{url: '{url}'}}\n");
    for (file, text, plan, hint) in
        [("t.fmf", library, None, hint), ("plan.fmf", section, Some("--plan=/plan"), None)]
    {
        let dir = tree(&[(file, &text)]);
        let cache = none.path().join("cache");
        let words = [dir.path().to_str().unwrap(), "--cache", cache.to_str().unwrap()];
        let (result, text) = discover(&words.into_iter().chain(plan).collect::<Vec<_>>());
        let failure = result.unwrap_err();
        assert_eq!(failure.kind.exit(), Exit::Trouble);
        assert!(failure.message.contains(&says), "{}", failure.message);
        assert_eq!(failure.hint, hint);
        assert!(text.contains(r#""complete":false,"exit":3"#), "{text}");
    }
}

#[test]
fn a_time_limit_is_a_duration() {
    let dir = tree(&[("t.fmf", "test: t\n")]);
    for timeout in ["", "0", "soon", "-1", "1.5"] {
        let refused = crate::refusal(dir.path(), &[&format!("--fetch-timeout={timeout}")]);
        assert_eq!(refused, format!("--fetch-timeout {timeout}: expected a number of seconds, or 5m or 1h"));
    }
}
