//! Tests for each platform of some hosts.

use crate::{refusal, tests, tests_of, tree};

const HOSTS: &str = r#"{"type":"host","id":"1","platform":"nine","connect":{"how":"local"},"facts":{"distro":"rhel-9.6","arch":"x86_64"}}
{"type":"host","id":"2","connect":{"how":"local"},"facts":{"arch":["x86_64","i686"]}}
{"type":"end","tool":"atex-provision","complete":true,"exit":0}
{"type":"host","id":"3","platform":"nine","connect":{"how":"local"},"facts":{"distro":"rhel-9.4"}}
"#;

const TESTS: &str = "test: a
adjust:
- {when: distro == rhel-9.6, tag+: [six]}
- {when: distro == rhel-9.4, tag+: [four]}
- {when: arch == i686, tag+: [old]}
- {when: distro is not defined, tag+: [unknown]}
/t: {tag: []}
/skip: {adjust+: [{when: distro is defined, enabled: false}]}
";

/// The labels, names and tags.
fn found(tree: &tempfile::TempDir, words: &[&str]) -> String {
    let line = |line: &str| {
        let test: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {} {}", test["platform"], test["name"], test["data"]["tag"]).replace('"', "")
    };
    tests(tree, words).lines().map(line).collect::<Vec<_>>().join("; ")
}

#[test]
fn each_platform_has_its_tests() {
    let tree = tree(&[("main.fmf", TESTS), ("hosts", HOSTS)]);
    let words = ["--for-hosts", "/DIR/hosts"];
    let expected = "nine /t [six,four]; default /skip [old,unknown]; default /t [old,unknown]";
    assert_eq!(found(&tree, &words), expected);
    let more = [&words[..], &["-c", "distro=rhel-9.4", "--name", "/t"]].concat();
    assert_eq!(found(&tree, &more), "nine /t [four]; default /t [four,old]");
    // One platform without tests is no error, all of them are.
    assert_eq!(found(&tree, &[&words[..], &["--name", "skip"]].concat()), "default /skip [old,unknown]");
    let message = "/DIR: no test found; `atex-discover ls --all` names its tests, `why NAME` says why one is not taken; \
                   --allow-empty accepts that";
    assert_eq!(refusal(tree.path(), &[&words[..], &["--name", "nothing"]].concat()), message);
}

#[test]
fn other_sources_are_labelled() {
    let dir = crate::directory(&[("list", "/a\techo\n"), ("hosts", HOSTS)]);
    let expected = r#"{"type":"test","name":"/a","platform":"nine","data":{"test":"echo"}}
{"type":"test","name":"/a","platform":"default","data":{"test":"echo"}}"#;
    assert_eq!(tests_of(&dir, &["list", "/DIR/list", "--for-hosts=/DIR/hosts"]), expected);
}

#[test]
fn what_is_no_list_of_hosts_is_refused() {
    let files = [("main.fmf", "test: a\n"), ("none", "\n"), ("bad", "{\"type\":\"host\",\"id\":\"a\"}\n")];
    let tree = tree(&files);
    for (file, message) in [
        ("/DIR/none", "/DIR/none: no host found; expected host records, such as atex-provision writes them"),
        ("/DIR/bad", "/DIR/bad:1:24: missing field `connect`"),
        ("/DIR/not", "/DIR/not: No such file or directory"),
    ] {
        assert_eq!(refusal(tree.path(), &["--for-hosts", file]), message);
    }
}
