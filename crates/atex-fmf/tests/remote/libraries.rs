//! Libraries that tests require.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use atex_fmf::{Discovery, Error, ErrorClass, Fetch, Git};
use tempfile::TempDir;

use crate::repository::Repository;
use crate::{failure, lines, tree, with_discovery};

/// The network: directories in the place of repositories.
#[derive(Default)]
struct Network {
    repositories: HashMap<String, TempDir>,
    asked: RefCell<Vec<String>>,
}

impl Network {
    fn of(repositories: &[(&str, &[(&str, &str)])]) -> Self {
        let repositories = repositories.iter().map(|(url, files)| ((*url).to_owned(), tree(files)));
        Self { repositories: repositories.collect(), asked: RefCell::default() }
    }
}

impl Fetch for Network {
    fn fetch(&self, url: &str, _: Option<&str>) -> Result<PathBuf, Error> {
        self.asked.borrow_mut().push(url.to_owned());
        match self.repositories.get(url) {
            Some(dir) => Ok(dir.path().to_owned()),
            None => Err(Error::new(ErrorClass::Fetch, format!("nothing at {url}"))),
        }
    }

    fn exists(&self, url: &str) -> bool {
        self.asked.borrow_mut().push(format!("? {url}"));
        self.repositories.contains_key(url)
    }
}

/// Where the files of the first section's libraries belong, and what the file `lib.sh` holds there.
fn libraries(found: &Discovery<'_>) -> Vec<(String, String)> {
    let part = |part: &atex_fmf::Part| {
        (part.to.clone(), fs::read_to_string(part.from.join("lib.sh")).unwrap_or_else(|_| "none".to_owned()))
    };
    found.sections[0].libraries.iter().map(part).collect()
}

fn owned(parts: &[(&str, &str)]) -> Vec<(String, String)> {
    parts.iter().map(|(to, content)| ((*to).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn a_library_of_another_repository_brings_its_files_and_requires() {
    let second = Repository::new(&[
        ("root/.fmf/version", "1\n"),
        ("root/two/main.fmf", "require: two-dep\nrecommend: two-rec"),
        ("root/two/lib.sh", "two"),
    ]);
    let first = Repository::new(&[]);
    let two = format!("{{type: library, url: '{}', path: /root, name: /two, nick: second}}", second.url());
    let one = format!("{{url: '{}', name: /sub/one, nick: first}}", first.url());
    let cycle = format!("require:\n  - one-dep\n  - {two}\n  - {one}\n");
    first.commit(&[("sub/one/main.fmf", &cycle), ("sub/one/lib.sh", "one")]);
    let test = format!("test: t\nrequire:\n  - a\n  - {one}\n  - {{type: file, pattern: x}}\nrecommend: r\n");
    let dir = tree(&[("t.fmf", &test), ("u.fmf", &test), ("plan.fmf", "discover: {name: p}\n")]);
    let cache = tempfile::tempdir().unwrap();
    with_discovery(dir.path(), &Git::with_cache(cache.path()), |found| {
        let one = format!(r#"{{"url":"{}","name":"/sub/one","nick":"first"}}"#, first.url());
        let two = format!(
            r#"{{"type":"library","url":"{}","path":"/root","name":"/two","nick":"second"}}"#,
            second.url()
        );
        let require =
            format!(r#"["a",{one},"one-dep",{two},"two-dep",{one},{{"type":"file","pattern":"x"}}]"#);
        assert_eq!(lines(found), [format!("/p/t p {require}"), format!("/p/u p {require}")]);
        for test in &found.tests {
            assert_eq!(atex_fmf::json::to_string(test.get("recommend").unwrap()), r#"["r","two-rec"]"#);
        }
        let expected = [("p/libs/first/sub/one", "one"), ("p/libs/second/root/two", "two")];
        assert_eq!(libraries(found), owned(&expected));
    })
    .unwrap();
}

#[test]
fn nicks_come_from_urls_and_paths() {
    let elsewhere = tree(&[("main.fmf", "require: at-root"), ("lib.sh", "elsewhere")]);
    let path = elsewhere.path().display().to_string();
    let network = Network::of(&[("https://example.com/a/named.git", &[("lib.sh", "named")])]);
    let test =
        format!("test: t\nrequire:\n  - {{url: 'https://example.com/a/named.git'}}\n  - {{path: {path}}}\n");
    let dir = tree(&[("t.fmf", &test)]);
    with_discovery(dir.path(), &network, |found| {
        let nick = elsewhere.path().file_name().unwrap().to_str().unwrap();
        let expected = [("libs/named", "named"), (&*format!("libs/{nick}{path}"), "elsewhere")];
        assert_eq!(libraries(found), owned(&expected));
        assert!(lines(found)[0].ends_with(",\"at-root\"]"), "{:?}", lines(found));
    })
    .unwrap();
}

#[test]
fn a_library_in_the_tree_stands_where_tests_look_for_it() {
    let require = "require:\n  - {nick: n, name: /lib/one}\n  - {nick: n, name: /there}\n  - {nick: n, name: /virtual}\n";
    let files = [
        ("t.fmf", &*format!("test: t\n{require}")),
        ("lib/one/main.fmf", "require: {nick: n, name: /lib/one}"),
        ("lib/one/lib.sh", "one"),
        ("there/main.fmf", ""),
        ("there/lib.sh", "there"),
        ("libs/n/there/lib.sh", "is there already"),
        ("virtual.fmf", ""),
    ];
    let dir = tree(&files);
    with_discovery(dir.path(), &Network::default(), |found| {
        assert_eq!(libraries(found), owned(&[("libs/n/lib/one", "one")]));
    })
    .unwrap();
}

#[test]
fn a_text_is_a_library_where_there_is_one() {
    let hub = "https://github.com/beakerlib";
    let (here, other) = (format!("{hub}/here"), format!("{hub}/other"));
    let network = Network::of(&[
        (&here, &[("a/b/main.fmf", "require: [b-dep, 'library(other/x)']"), ("a/b/lib.sh", "b")]),
        (&other, &[("x/main.fmf", "require: 'library(here/a/b)'"), ("x/lib.sh", "x")]),
    ]);
    let test =
        "test: t\nrequire: ['library(here/a/b)', 'library(gone/x)', 'library(here/none)', 'library(x)']\n";
    let dir = tree(&[
        ("t.fmf", test),
        ("u.fmf", "test: u\nrequire: 'library(gone/x)'"),
        ("v.fmf", "test: v\nrequire: 'library(other/x)'"),
    ]);
    with_discovery(dir.path(), &network, |found| {
        let b = format!(r#"{{"type":"library","url":"{here}","name":"/a/b"}}"#);
        let x = format!(r#"{{"type":"library","url":"{other}","name":"/x"}}"#);
        let expected = [
            format!(r#"/t . [{b},"b-dep",{x},{b},"library(gone/x)","library(here/none)","library(x)"]"#),
            r#"/u . ["library(gone/x)"]"#.to_owned(),
            format!(r#"/v . [{x},{b}]"#),
        ];
        assert_eq!(lines(found), expected);
        assert_eq!(libraries(found), owned(&[("libs/here/a/b", "b"), ("libs/other/x", "x")]));
    })
    .unwrap();
    let asked = network.asked.borrow();
    assert_eq!(asked.iter().filter(|asked| asked.contains("gone")).count(), 1, "{asked:?}");
    assert_eq!(asked.iter().filter(|asked| **asked == here).count(), 1, "{asked:?}");
}

#[test]
fn what_is_wrong_with_a_library_is_said_at_its_place() {
    let url = "https://example.com/lib";
    let network = Network::of(&[(url, &[("a/main.fmf", ""), ("virtual.fmf", "")])]);
    for (require, class, message) in [
        (
            "{url: 'https://example.com/lib', name: /x}",
            ErrorClass::Value,
            "library node not found in repository: {'url': 'https://example.com/lib', 'name': '/x'}",
        ),
        ("{url: 'https://example.com/no'}", ErrorClass::Fetch, "nothing at https://example.com/no"),
        ("{path: relative}", ErrorClass::Reference, "Relative path \"relative\" specified."),
        ("{path: /dev}", ErrorClass::Value, "repository has no fmf metadata: {'path': '/dev'}"),
        (
            "{url: 'https://example.com/lib', name: [a]}",
            ErrorClass::Type,
            "['a'] must be text: {'url': 'https://example.com/lib', 'name': ['a']}",
        ),
        (
            "{url: 'https://example.com/lib', nick: ../.., name: /a}",
            ErrorClass::Value,
            "'..' leads out of the libraries: ../.., , /a",
        ),
    ] {
        let dir = tree(&[("t.fmf", &format!("test: t\nrequire:\n- {require}\n"))]);
        let error = failure(dir.path(), &network);
        assert_eq!((error.class(), error.message()), (class, message));
        let line = error.position().unwrap_or_else(|| panic!("{error}")).line;
        assert!((2..=3).contains(&line), "{error}");
    }
    let dir = tree(&[("t.fmf", "test: t\nrequire: {url: 'https://example.com/lib', name: /virtual}\n")]);
    let error = failure(dir.path(), &network);
    assert_eq!(error.class(), ErrorClass::Os);
    assert!(error.message().ends_with("/virtual: the library has no directory of its name"), "{error}");
}
