//! Tests that are no metadata.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::{directory, names_of, refusal_of, tests_of};

fn executable(dir: &Path, name: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn executables_are_tests() {
    let dir = directory(&[("readme", ""), ("net/data", ""), ("empty/", "")]);
    for name in ["b.sh", "net/it's", "net/a/x", ".git/hook", "net/.hidden", "B"] {
        executable(dir.path(), name);
    }
    symlink("b.sh", dir.path().join("link")).unwrap();
    symlink("nowhere", dir.path().join("broken")).unwrap();
    symlink("..", dir.path().join("net/up")).unwrap();
    let expected = r#"{"type":"test","name":"/B","tree":"/DIR","dir":".","data":{"test":"./B"}}
{"type":"test","name":"/b.sh","tree":"/DIR","dir":".","data":{"test":"./b.sh"}}
{"type":"test","name":"/link","tree":"/DIR","dir":".","data":{"test":"./link"}}
{"type":"test","name":"/net/a/x","tree":"/DIR","dir":"net/a","data":{"test":"./x"}}
{"type":"test","name":"/net/it's","tree":"/DIR","dir":"net","data":{"test":"\"./it's\""}}"#;
    assert_eq!(tests_of(&dir, &["exec", "/DIR"]), expected);
    assert_eq!(tests_of(&dir, &["exec", "/DIR/net/.."]), expected);
    let line = r#"{"type":"test","name":"/B","platform":"cs9","tree":"/DIR","dir":".","data":{"test":"./B -v 'a b'"}}"#;
    let words = ["exec", "/DIR", "--arg", "-v", "--arg=a b", "--name=^/B$", "--platform", "cs9"];
    assert_eq!(tests_of(&dir, &words), line);
}

#[test]
fn several_directories_stand_beside_each_other() {
    let dir = directory(&[("a/", ""), ("x/a/", "")]);
    for name in ["a/t", "b/c/t", "x/a/t"] {
        executable(dir.path(), name);
    }
    let expected = r#"{"type":"test","name":"/b/c/t","tree":"/DIR/b","dir":"c","data":{"test":"./t"}}
{"type":"test","name":"/a/t","tree":"/DIR/a","dir":".","data":{"test":"./t"}}"#;
    assert_eq!(tests_of(&dir, &["exec", "/DIR/b", "/DIR/a"]), expected);
    let message = "/DIR/x/a: a second directory with this name; its tests would have the names of others; \
        use one atex-discover for each directory";
    assert_eq!(refusal_of(dir.path(), &["exec", "/DIR/a", "/DIR/x/a"]), message);
}

#[test]
fn what_gives_no_executables_is_refused() {
    let dir = directory(&[("file", "")]);
    for (words, message) in [
        (["exec", "/DIR"], "/DIR: no test found; --allow-empty accepts that"),
        (["exec", "/DIR/file"], "/DIR/file: expected a directory"),
        (["exec", "/DIR/no"], "/DIR/no: No such file or directory"),
    ] {
        assert_eq!(refusal_of(dir.path(), &words), message);
    }
    assert_eq!(tests_of(&dir, &["exec", "/DIR", "--allow-empty"]), "");
    let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"od\xffd"));
    fs::write(&odd, "").unwrap();
    assert_eq!(tests_of(&dir, &["exec", "/DIR", "--allow-empty"]), "");
    fs::set_permissions(odd, fs::Permissions::from_mode(0o755)).unwrap();
    let message = "/DIR/od\u{fffd}d: expected a name that is UTF-8, because it goes into records";
    assert_eq!(refusal_of(dir.path(), &["exec", "/DIR"]), message);
}

#[test]
fn a_runtest_file_is_a_suite() {
    let dir = directory(&[("runtest/mm", "# memory\nmmap01 mmap01 -m 1\nmmap02 mmap02\n")]);
    let expected = r#"{"type":"test","name":"/mm/mmap01","data":{"test":"PATH=\"$PATH:$LTPROOT/testcases/bin\"; mmap01 -m 1","environment":{"LTPROOT":"/opt/ltp"}}}
{"type":"test","name":"/mm/mmap02","data":{"test":"PATH=\"$PATH:$LTPROOT/testcases/bin\"; mmap02","environment":{"LTPROOT":"/opt/ltp"}}}"#;
    assert_eq!(tests_of(&dir, &["ltp", "/DIR/runtest/mm"]), expected);
    let other = tests_of(&dir, &["ltp", "/DIR/runtest/mm", "--ltproot=/o", "--exclude", "1$"]);
    assert_eq!(other, expected.lines().nth(1).unwrap().replace("/opt/ltp", "/o"));
    assert_eq!(refusal_of(dir.path(), &["ltp", "/DIR/mm"]), "/DIR/mm: No such file or directory");
}

#[test]
fn a_list_is_a_test_a_line() {
    let dir = directory(&[("list", "# all\n/b\techo b\na\techo a\n/a/x\techo x\n"), ("bad", "\n/a echo\n")]);
    let expected = r#"{"type":"test","name":"/b","data":{"test":"echo b"}}
{"type":"test","name":"/a","data":{"test":"echo a"}}
{"type":"test","name":"/a/x","data":{"test":"echo x"}}"#;
    assert_eq!(tests_of(&dir, &["list", "/DIR/list"]), expected);
    let line = r#"{"type":"test","name":"/a","tree":"/DIR","data":{"test":"echo a"}}"#;
    assert_eq!(tests_of(&dir, &["list", "/DIR/list", "--tree", "/DIR", "--name", "/a$"]), line);
    let message = "/DIR/bad:2: expected a name, a tab and a command";
    assert_eq!(refusal_of(dir.path(), &["list", "/DIR/bad"]), message);
}

#[test]
fn names_of_all_kinds_are_matched() {
    let names = ["/a+", "/b~", "/c-", "/d e", "/é\\", "/f:g", "/h/i", "/h", "/{j}", "/:k", "/<<", "/@l=m"];
    let text: String = names.iter().map(|name| format!("{name}\techo\n")).collect();
    let dir = directory(&[("list", &text)]);
    for name in names {
        let escaped: String = name
            .chars()
            .map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("\\{c}") })
            .collect();
        assert_eq!(names_of(&dir, &["list", "/DIR/list", "--name", &format!("^{escaped}$")]), name);
    }
}

#[test]
fn names_are_taken_as_lists_and_options_say() {
    let dir = directory(&[
        ("list", "/a/one\tx\n/a/two\tx\n/b/one\tx\n/b/two\tx\n"),
        ("ones", "# first\n/one$ # those\n"),
        ("as", "^/a/\n"),
        ("none", "# nothing\n"),
        ("bad", "x\n(\n"),
    ]);
    let tree = crate::tree(&[("main.fmf", "test: x\n/a: {/one: {}, /two: {}}\n/b: {/one: {}, /two: {}}\n")]);
    for (words, expected) in [
        (&["--only-file", "/DIR/ones"][..], "/a/one /b/one"),
        (&["--only-file", "/DIR/ones", "--only-file", "/DIR/as"], "/a/one /a/two /b/one"),
        (&["--only-file", "/DIR/ones", "--name", "/a/"], "/a/one"),
        (&["--only-file", "/DIR/ones", "--exclude", "/a/"], "/b/one"),
        (&["--only-file", "/DIR/ones", "--no-file", "/DIR/as"], "/b/one"),
        (&["--no-file", "/DIR/ones"], "/a/two /b/two"),
        (&["--no-file", "/DIR/ones", "--no-file", "/DIR/as"], "/b/two"),
        (&["--only-file", "/DIR/none"], ""),
        (&["--no-file", "/DIR/none", "--name", "^/a/one"], "/a/one"),
    ] {
        let words = [words, &["--allow-empty"]].concat();
        assert_eq!(names_of(&dir, &[&["list", "/DIR/list"], &*words].concat()), expected, "{words:?}");
        let at = dir.path().to_str().unwrap();
        let words: Vec<String> = words.iter().map(|word| word.replace("/DIR", at)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(crate::names(&tree, &words), expected, "a tree: {words:?}");
    }
    let found = refusal_of(dir.path(), &["list", "/DIR/list", "--only-file", "/DIR/bad"]);
    assert!(found.starts_with("/DIR/bad:2 `(`: PatternError: "), "{found}");
    let message = "/DIR/list: no test found; --allow-empty accepts that";
    assert_eq!(refusal_of(dir.path(), &["list", "/DIR/list", "--only-file", "/DIR/none"]), message);
}

#[test]
fn a_list_narrows_a_plan_whose_names_an_option_widens() {
    let tree = crate::tree(&[
        ("main.fmf", "/a:\n  test: x\n/b:\n  test: x\n"),
        ("p.fmf", "discover: {how: fmf, test: /a}\n"),
        ("only", "/a\n"),
    ]);
    for (words, expected) in [
        (&["--plan", "/p", "--name", "/b"][..], "/a /b"),
        (&["--plan", "/p", "--name", "/b", "--only-file", "/DIR/only"], "/a"),
    ] {
        assert_eq!(crate::names(&tree, words), expected);
    }
}
