//! What is wrong with a tree or a question, with its message.

use std::os::unix::ffi::OsStrExt as _;

use crate::{directory, refusal, tree};

#[test]
fn a_directory_that_is_no_tree_is_refused() {
    let dir = directory(&[("main.fmf", "test: a\n"), ("empty/", "")]);
    let hint = "the root of a tree holds a directory `.fmf` with a file `version`, which says 1";
    let message = format!("RootError: Unable to find tree root for '/DIR'.; {hint}");
    assert_eq!(refusal(dir.path(), &[]), message);
    let message = "FileError: Invalid directory path: /DIR";
    assert_eq!(refusal(&dir.path().join("nothing"), &[]), message);
}

#[test]
fn what_is_wrong_in_metadata_is_named_with_its_place() {
    for (text, message) in [
        ("test: a\n b: [\n", "/DIR/sub/main.fmf:2:3: FileError: Failed to parse '/DIR/sub/main.fmf'."),
        (
            "test: a\nadjust: {when: a ==, x: y}\n",
            "/DIR/sub/main.fmf:2:10: InvalidRule: Cannot parse expression 'a =='.",
        ),
        ("test: a\ntag+: {}\n", "/DIR/sub/main.fmf:2:1: MergeError: "),
    ] {
        let tree = tree(&[("main.fmf", "tag: x\n"), ("sub/main.fmf", text)]);
        let found = refusal(tree.path(), &[]);
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn a_plan_that_is_not_there_is_refused_with_those_that_are() {
    let plan = "discover: {how: fmf}\n";
    let files = [
        ("t.fmf", "test: a\n"),
        ("a/main.fmf", plan),
        ("b.fmf", "execute: {how: tmt}\n"),
        ("c.fmf", "x: 1\n"),
    ];
    for (files, hint) in [(&files[..1], "the tree has no plans"), (&files[..], "its plans are /a, /b")] {
        let message = format!("ValueError: plan /daily not found in /DIR; {hint}");
        assert_eq!(refusal(tree(files).path(), &["--plan", "/daily"]), message);
    }
    let many: String = (1..=25).map(|n| format!("/p{n:02}: {{discover: {{how: fmf}}}}\n")).collect();
    let found = refusal(tree(&[("main.fmf", &many)]).path(), &["--plan", "/daily"]);
    assert!(found.ends_with(", /p19, /p20, and 5 more"), "{found}");
}

#[test]
fn what_is_no_plan_is_refused() {
    let tree = tree(&[("t.fmf", "test: a\n"), ("plans.fmf", "/a: {}\n/b: {}\n"), ("none.fmf", "x: 1\n")]);
    for (plan, message) in [
        ("/t", "/DIR/t.fmf:1:1: ValueError: plan /t appears to be a test"),
        ("/plans", "ValueError: '/plans' matches multiple plans: a, b"),
        ("/none", "ValueError: no fmf discover sections found in the plan"),
    ] {
        assert_eq!(refusal(tree.path(), &["--plan", plan]), message);
    }
}

#[test]
fn a_question_that_is_wrong_is_refused() {
    let tree = tree(&[("t.fmf", "test: a\ntag: x\n")]);
    for (words, message) in [
        (&["--name", "("][..], "--name `(`: PatternError: "),
        (&["--name", "/t", "--name", "("], "--name `(`: PatternError: "),
        (&["--exclude", "a{2,1}"], "--exclude `a{2,1}`: PatternError: "),
        (&["--name", "/other", "--exclude", "("], "--exclude `(`: PatternError: "),
        (&["--filter", "tag: (", "--filter", "tag: x"], "--filter `tag: (`: PatternError: "),
        (&["--condition", "tag =="], "--condition `tag ==`: "),
        (&["--condition", "tag < 1"], "--condition `tag < 1`: 7: TypeError: "),
        (&["--condition", "1j"], "--condition `1j`: 1: `complex numbers`: not supported; a condition is "),
        (&["--condition", "open(tag)"], "--condition `open(tag)`: 1: `open`: not supported; a condition is "),
        (
            &["--only-file", "-", "--for-hosts", "-"],
            "`-` is given twice, and standard input can be read once only",
        ),
    ] {
        let found = refusal(tree.path(), words);
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn a_bad_pattern_of_a_plan_is_not_put_on_the_command_line() {
    let tree = tree(&[("t.fmf", "test: a\ntag: x\n"), ("p.fmf", "discover: {how: fmf, filter: 'tag: ('}\n")]);
    let found = refusal(tree.path(), &["--plan", "/p", "--filter", "tag: x"]);
    assert!(found.contains("PatternError: ") && !found.contains("--filter"), "{found}");
}

#[test]
fn that_there_is_no_test_is_an_error_unless_it_may_be() {
    let tree = tree(&[("main.fmf", "test: a\n")]);
    let message = "/DIR: no test found; `atex-discover ls --all` names its tests, `why NAME` says why one is not taken; \
                   --allow-empty accepts that";
    assert_eq!(refusal(tree.path(), &["--filter", "tag: x"]), message);
    assert_eq!(crate::tests(&tree, &["--filter", "tag: x", "--allow-empty"]), "");
}

#[test]
fn a_tree_whose_path_is_not_text_is_refused() {
    let dir = directory(&[]);
    let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"od\xffd"));
    std::fs::create_dir(&odd).unwrap();
    crate::write(&odd, ".fmf/version", "1\n");
    crate::write(&odd, "main.fmf", "test: a\n");
    let message = "/DIR/od\u{fffd}d: expected a path that is UTF-8, because it goes into records";
    let words = ["x".as_ref(), odd.as_os_str()];
    let args = clap::Parser::try_parse_from(words).unwrap();
    let failure = atex_discover::run(args, &mut atex_cli::output::Output::new(Vec::new())).unwrap_err();
    assert_eq!(failure.message.replace(dir.path().to_str().unwrap(), "/DIR"), message);
}
