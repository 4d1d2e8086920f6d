//! Tests of trees without plans.

use crate::{names, tests, tree};

#[test]
fn every_test_is_a_record() {
    let tree = tree(&[
        ("main.fmf", "duration: 10m\ntag: [a]\n"),
        (
            "smoke/main.fmf",
            "require: parted\n/disk:\n  test: ./disk.sh\n  tag+: [b]\n/cpu:\n  test: ./cpu.sh\n  enabled: false\n",
        ),
        ("one.fmf", "test: echo\nenvironment: {A: 1, B: 1.0, C: yes, D: 2020-01-02, E: '\"'}\n"),
        ("story.fmf", "story: as a user\n"),
    ]);
    let expected = r#"{"type":"test","name":"/one","tree":"/DIR","dir":".","data":{"duration":"10m","tag":["a"],"test":"echo","environment":{"A":1,"B":1.0,"C":"yes","D":"2020-01-02","E":"\""},"require":[],"recommend":[]}}
{"type":"test","name":"/smoke/disk","tree":"/DIR","dir":"smoke","data":{"duration":"10m","tag":["a","b"],"require":["parted"],"test":"./disk.sh","recommend":[]}}"#;
    assert_eq!(tests(&tree, &[]), expected);
    let labelled = expected.replace(r#","tree""#, r#","platform":"cs\"9","tree""#);
    assert_eq!(tests(&tree, &["--platform", "cs\"9"]), labelled);
}

#[test]
fn names_of_all_kinds() {
    let tree = tree(&[
        ("ü/with space.fmf", "test: a\n"),
        (
            "main.fmf",
            "\"/qu\\\"o'te\":\n  test: b\n\"/new\\nline\\ttab\":\n  test: c\n/ключ/日本: {test: d}\n",
        ),
    ]);
    let expected = r#"{"type":"test","name":"/new\nline\ttab","tree":"/DIR","dir":".","data":{"test":"c","require":[],"recommend":[]}}
{"type":"test","name":"/qu\"o'te","tree":"/DIR","dir":".","data":{"test":"b","require":[],"recommend":[]}}
{"type":"test","name":"/ü/with space","tree":"/DIR","dir":"ü","data":{"test":"a","require":[],"recommend":[]}}
{"type":"test","name":"/ключ/日本","tree":"/DIR","dir":".","data":{"test":"d","require":[],"recommend":[]}}"#;
    assert_eq!(tests(&tree, &[]), expected);
}

#[test]
fn a_directory_below_the_root_gives_the_whole_tree() {
    let tree = tree(&[("main.fmf", "test: a\n"), ("sub/main.fmf", "/x:\n  test: b\n")]);
    let root = tests(&tree, &[]);
    let (result, below) = crate::discover_in(&tree.path().join("sub"), &[]);
    result.unwrap();
    assert_eq!(below.replace(tree.path().to_str().unwrap(), "/DIR").lines().next(), root.lines().next());
}

#[test]
fn adjust_rules_see_the_context() {
    let rules = "adjust:\n- {when: distro == rhel-9, tag: nine}\n- {when: arch == x86_64, enabled: false}\n";
    let tree = tree(&[("main.fmf", &format!("test: a\n/t: {{}}\n{rules}"))]);
    for (words, expected) in [
        (&[][..], ""),
        (&["-c", "distro=rhel-9"], "/t"),
        (&["-c", "distro=fedora,rhel-9"], "/t"),
        (&["--context", "distro=fedora", "--context=distro=rhel-9"], "/t"),
        (&["-c", "distro=rhel-9", "-c", "distro=fedora"], ""),
        (&["-c", "distro=rhel-9", "-c", "arch=x86_64"], ""),
    ] {
        let words = [words, &["--filter", "tag: nine", "--allow-empty"]].concat();
        assert_eq!(names(&tree, &words), expected, "{words:?}");
    }
}

#[test]
fn names_excludes_and_filters_select() {
    let tree =
        tree(&[("main.fmf", "test: x\n/a:\n  tag: [one, two]\n/b:\n  tag: [two]\n/c/d:\n  tag: [three]\n")]);
    for (words, expected) in [
        (&[][..], "/a /b /c/d"),
        (&["--name", "^/a$"], "/a"),
        (&["--name", "/a", "--name", "d"], "/a /c/d"),
        (&["--exclude", "/[ab]$"], "/c/d"),
        (&["--exclude", "/a", "--exclude", "/b"], "/c/d"),
        (&["--filter", "tag: two"], "/a /b"),
        (&["--filter", "tag: two", "--filter", "tag: -one"], "/b"),
        (&["--filter", "tag: one | tag: three", "--exclude", "/a"], "/c/d"),
        (&["--name", "nothing", "--allow-empty"], ""),
        (&["--condition", "'two' in tag"], "/a /b"),
        (&["--condition", "'two' in tag", "--condition", "len(tag) == 1"], "/b"),
        (&["--condition", "not nosuch", "--allow-empty"], ""),
        (&["--condition", "len(tag) < 2", "--filter", "tag: two"], "/b"),
    ] {
        assert_eq!(names(&tree, words), expected, "{words:?}");
    }
}
