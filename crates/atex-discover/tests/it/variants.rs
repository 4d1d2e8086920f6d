//! Several tests out of one, and what else records say.

use crate::{directory, names, names_of, refusal, refusal_of, tests, tests_of, tree};

#[test]
fn tests_are_multiplied() {
    let tree = tree(&[("main.fmf", "test: x\n/boot:\n  environment: {A: 1}\n/cpu: {}\n")]);
    let expected = r#"{"type":"test","name":"/boot@disk=ide","tree":"/DIR","dir":".","data":{"test":"x","environment":{"A":1,"disk":"ide"},"require":[],"recommend":[]}}
{"type":"test","name":"/boot@disk=virtio","tree":"/DIR","dir":".","data":{"test":"x","environment":{"A":1,"disk":"virtio"},"require":[],"recommend":[]}}
{"type":"test","name":"/cpu","tree":"/DIR","dir":".","data":{"test":"x","require":[],"recommend":[]}}"#;
    assert_eq!(tests(&tree, &["--vary", "disk=ide,virtio", "--vary-only", "^/boot"]), expected);
    for (words, expected) in [
        (&["--vary", "d=1"][..], "/boot@d=1 /cpu@d=1"),
        (&["--vary", "d=1,2", "--vary", "e=3", "--name", "cpu"], "/cpu@d=1,e=3 /cpu@d=2,e=3"),
        (&["--vary", "d=1", "--vary-only", "no", "--vary-only", "u$"], "/boot /cpu@d=1"),
        (&["--vary", "d=1", "--vary-only", "nothing"], "/boot /cpu"),
    ] {
        assert_eq!(names(&tree, words), expected, "{words:?}");
    }
}

#[test]
fn other_sources_are_multiplied_alike() {
    let dir = directory(&[("list", "/a\techo $d\n/b\techo\n")]);
    let words = ["list", "/DIR/list", "--vary", "d=1,2", "--vary-only", "a"];
    assert_eq!(names_of(&dir, &words), "/a@d=1 /a@d=2 /b");
}

#[test]
fn a_variant_does_not_take_the_name_of_a_test() {
    let message = "--vary: /x@disk=ide would be the name of two tests: a variant of /x, and the test /x@disk=ide; \
                   --vary-only says which tests are varied";
    let tree = tree(&[("main.fmf", "test: x\n/x: {}\n/x@disk=ide: {}\n")]);
    let words = ["--vary", "disk=ide", "--vary-only", "/x$"];
    assert_eq!(refusal(tree.path(), &words), message);
    assert_eq!(names(&tree, &words[..2]), "/x@disk=ide /x@disk=ide@disk=ide");
    let dir = directory(&[("list", "/x@disk=ide\techo\n/x\techo\n")]);
    let list = ["list", "/DIR/list"].into_iter().chain(words).collect::<Vec<_>>();
    assert_eq!(refusal_of(dir.path(), &list), message);
}

#[test]
fn what_cannot_be_varied_is_refused() {
    let tree = tree(&[("main.fmf", "test: x\n")]);
    for (words, message) in [
        (
            &["--vary", "disk"][..],
            "--vary: expected VARIABLE=VALUE,VALUE such as disk=ide,virtio, found `disk`",
        ),
        (&["--vary", "d=1", "--vary-only", "("], "--vary-only `(`: PatternError: "),
    ] {
        let found = refusal(tree.path(), words);
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn tests_are_marked_whose_output_holds_results() {
    let tree = tree(&[("main.fmf", "test: x\nextra-result: other\n")]);
    let expected = r#"{"type":"test","name":"/","tree":"/DIR","dir":".","data":{"test":"x","extra-result":"tap","require":[],"recommend":[]}}"#;
    assert_eq!(tests(&tree, &["--result", "tap"]), expected);
    let varied = expected.replace(r#""/""#, r#""/@d=1""#).replace(r#"}}"#, r#","environment":{"d":"1"}}}"#);
    assert_eq!(tests(&tree, &["--result", "tap", "--vary", "d=1"]), varied);
    let dir = directory(&[("list", "/a\techo\n")]);
    let expected = r#"{"type":"test","name":"/a","data":{"test":"echo","extra-result":"tap"}}"#;
    assert_eq!(tests_of(&dir, &["list", "/DIR/list", "--result=tap"]), expected);
}
