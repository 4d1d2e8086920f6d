//! Answers for people: names, metadata with its places, reasons, mistakes.

use atex_cli::Exit;

use crate::{discover_at, tree};

/// What a question gives: the exit status and the lines.
fn answer(dir: &tempfile::TempDir, words: &[&str]) -> (Exit, String) {
    let words = [words, &["--tree", "/DIR"]].concat();
    let (result, text) = discover_at(dir.path(), &words);
    (result.expect("the question has an answer"), text.trim_end().to_owned())
}

fn refusal(dir: &tempfile::TempDir, words: &[&str]) -> String {
    let (result, text) = discover_at(dir.path(), &[words, &["--tree", "/DIR"]].concat());
    assert_eq!(text, "");
    let failure = result.expect_err("it is refused");
    assert_eq!(failure.kind.exit(), Exit::Usage);
    failure.message + &failure.hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// Tests that are left out for all reasons.
const TESTS: &str = "\
test: x
tag: [a]
/one: {}
/two:
  tag+: [b]
  enabled: false
/hand:
  manual: true
/tale:
  story: as a user
\"/odd\\tna\\e[2Jme\": {}
";

const PLANS: &str = "\
/: {inherit: false}
/daily:
  discover:
  - how: fmf
    name: first
    test: /two
    filter: 'tag: b'
  - how: fmf
    name: second
    exclude: two
    filter:
    - 'tag: b'
    - 'size: 1'
";

#[test]
fn names_are_listed() {
    let dir = tree(&[("t.fmf", TESTS), ("plans.fmf", PLANS)]);
    for (words, expected) in [
        (&["ls"][..], "/t/odd\\tna\\u{1b}[2Jme\n/t/one"),
        (&["ls", "--name", "one", "--vary", "d=1,2"], "/t/one@d=1\n/t/one@d=2"),
        (
            &["ls", "--all", "--exclude", "odd"],
            "/t/one\n/t/hand\tmanual (/DIR/t.fmf:8)\n/t/tale\tstory (/DIR/t.fmf:10)\n\
             /t/two\tdisabled (/DIR/t.fmf:6)",
        ),
        (&["ls", "--all", "--filter", "tag: b"], "/t/two\tdisabled (/DIR/t.fmf:6)"),
        (&["ls", "--all", "--plan", "/plans/daily"], "/first/t/two\tdisabled (/DIR/t.fmf:6)"),
        (&["ls", "--all", "--condition", "'b' in tag"], "/t/two\tdisabled (/DIR/t.fmf:6)"),
        (&["ls", "--filter", "tag: b", "--allow-empty"], ""),
    ] {
        assert_eq!(answer(&dir, words), (Exit::Done, expected.to_owned()), "{words:?}");
    }
    let message = "/DIR: no test found; `atex-discover ls --all` names its tests, `why NAME` says why one is not taken; \
                   --allow-empty accepts that";
    assert_eq!(refusal(&dir, &["ls", "--filter", "tag: b"]), message);
}

#[test]
fn metadata_is_shown_with_its_places() {
    let dir = tree(&[
        ("main.fmf", "tag: [a, b]\nenvironment:\n  A: 1\n  \"B C\": \"\"\nempty: {}\n"),
        (
            "sub/t.fmf",
            "test: ./x\nenvironment+:\n  A: 2\n  D: true\nadjust:\n- when: arch == a\n  tag+: [c]\n- {n: 1}\n\
             mixed:\n- 1\n- a: [1]\n  b: {c: 2}\n",
        ),
    ]);
    let expected = r#"# /sub/t
# from /DIR/main.fmf
# from /DIR/sub/t.fmf
tag: ["a","b","c"]  # /DIR/main.fmf:1, /DIR/sub/t.fmf:7
environment:  # /DIR/main.fmf:2, /DIR/sub/t.fmf:2
  A: 2  # /DIR/sub/t.fmf:3
  "B C": ""  # /DIR/main.fmf:4
  D: true  # /DIR/sub/t.fmf:4
empty: {}  # /DIR/main.fmf:5
test: "./x"  # /DIR/sub/t.fmf:1
adjust:  # /DIR/sub/t.fmf:5
- when: "arch == a"  # /DIR/sub/t.fmf:6
  tag+: ["c"]  # /DIR/sub/t.fmf:7
- n: 1  # /DIR/sub/t.fmf:8
mixed:  # /DIR/sub/t.fmf:9
- 1
- a: [1]  # /DIR/sub/t.fmf:11
  b:  # /DIR/sub/t.fmf:12
    c: 2  # /DIR/sub/t.fmf:12
n: 1  # /DIR/sub/t.fmf:8"#;
    assert_eq!(answer(&dir, &["show", "/sub/t", "-c", "arch=a"]), (Exit::Done, expected.to_owned()));
    // Without the comments it is the metadata.
    let json = atex_fmf::json::to_string(&atex_fmf::yaml::load(expected).unwrap());
    let (_, record) = discover_at(dir.path(), &["/DIR", "--no-libraries", "-c", "arch=a"]);
    assert!(record.contains(&format!(r#""data":{json}}}"#)), "{record}{json}");
}

#[test]
fn names_that_are_not_there_are_refused_with_those_that_are_like_them() {
    let many: String = (1..=7).map(|n| format!("/disk{n}: {{}}\n")).collect();
    let dir = tree(&[("main.fmf", &format!("test: x\n{many}"))]);
    for (name, message) in [
        ("/cpu", "/cpu: no node has this name in /DIR; `atex-discover ls --all` prints the names of tests"),
        ("k7", "k7: no node has this name in /DIR; there is /disk7"),
        (
            "disk",
            "disk: no node has this name in /DIR; there is /disk1, /disk2, /disk3, /disk4, /disk5, and 2 more",
        ),
    ] {
        assert_eq!(refusal(&dir, &["show", name]), message);
        assert_eq!(refusal(&dir, &["why", name]), message);
    }
}

#[test]
fn reasons_are_given() {
    let dir = tree(&[("t.fmf", TESTS), ("plans.fmf", PLANS), ("only", "/t/t\n/t/h\n"), ("none", "")]);
    let test = r#"  yes  test: "x" (/DIR/t.fmf:1)"#;
    for (words, lines) in [
        (&["why", "/t/one"][..], &["/t/one: selected", test][..]),
        (
            &["why", "/t"],
            &["/t: not selected", "  no   has nodes below it, and no directive `select: true`", test],
        ),
        (&["why", "/plans/daily"], &["/plans/daily: not selected", "  no   no key `test`"]),
        (&["why", "/t/two"], &["/t/two: not selected", test, "  no   enabled: false (/DIR/t.fmf:6)"]),
        (&["why", "/t/hand"], &["/t/hand: not selected", test, "  no   manual: true (/DIR/t.fmf:8)"]),
        (&["why", "/t/tale"], &["/t/tale: not selected", "  no   story (/DIR/t.fmf:10)"]),
        (
            &["why", "/t/one", "--name", "x", "--name=one$", "--filter", "tag: a", "--filter=size: 1"],
            &[
                "/t/one: not selected",
                test,
                "  yes  name: `one$` (--name) matches",
                "  yes  filter: `tag: a` (--filter)",
                "  no   filter: `size: 1` (--filter) asks for the key 'size', which is not there",
            ],
        ),
        (
            &[
                "why",
                "/t/one",
                "--name",
                "x",
                "--only-file",
                "/DIR/only",
                "--exclude",
                "/o",
                "--filter=tag: b",
            ],
            &[
                "/t/one: not selected",
                test,
                "  no   name: matches none of `x` (--name)",
                "  no   name: matches none of `/t/t` (/DIR/only:1), `/t/h` (/DIR/only:2)",
                "  no   excluded by `/o` (--exclude)",
                "  no   filter: `tag: b` (--filter)",
            ],
        ),
        (
            &["why", "/t/one", "--condition", "'a' in tag", "--condition=size", "--condition=tag == 'a'"],
            &[
                "/t/one: not selected",
                test,
                "  yes  condition: `'a' in tag`",
                "  no   condition: `size` cannot be asked: 1: NameError: name 'size' is not defined",
                "  no   condition: `tag == 'a'`",
            ],
        ),
        (
            &["why", "/t/one", "--only-file", "/DIR/none"],
            &["/t/one: not selected", test, "  no   name: matches none of an empty list"],
        ),
        (
            &["why", "/t/one", "--plan", "/plans/daily", "--name", "one"],
            &[
                "/t/one: not selected",
                test,
                "section first:",
                "  yes  name: `one` (--name) matches",
                "  no   filter: `tag: b` (/DIR/plans.fmf:7)",
                "section second:",
                "  yes  name: `one` (--name) matches",
                "  no   filter: `tag: b` (/DIR/plans.fmf:11)",
                "  no   filter: `size: 1` (/DIR/plans.fmf:11) asks for the key 'size', which is not there",
            ],
        ),
    ] {
        assert_eq!(answer(&dir, words), (Exit::Done, lines.join("\n")), "{words:?}");
    }
    let message = "ValueError: plan /daily not found in /DIR; its plans are /plans/daily";
    assert_eq!(refusal(&dir, &["why", "/t/one", "--plan", "/daily"]), message);
}

#[test]
fn reasons_name_the_adjust_rules() {
    let rules = "test: x\nadjust:\n- when: distro == rhel-9\n  enabled: false\n  because: broken there\n\
        - when: distro == fedora\n  tag: f\n- when: arch == x86_64\n  tag: x\n- tag: last\n  continue: false\n- tag: never\n";
    let dir = tree(&[("t.fmf", rules)]);
    let expected = "\
/t: not selected
  yes  test: \"x\" (/DIR/t.fmf:1)
  no   enabled: false (/DIR/t.fmf:4)
adjust:
  /DIR/t.fmf:3: distro == rhel-9: applied; because broken there
  /DIR/t.fmf:6: distro == fedora: not applied: distro is rhel-9
  /DIR/t.fmf:8: arch == x86_64: not applied: the context says nothing of arch
  /DIR/t.fmf:10: always: applied
  /DIR/t.fmf:12: always: not applied: an earlier rule ended the list";
    assert_eq!(answer(&dir, &["why", "/t", "-c", "distro=rhel-9"]), (Exit::Done, expected.to_owned()));
}

#[test]
fn mistakes_are_found_where_they_were_written() {
    for (text, problems) in [
        ("test: x\nduration: 90\nenabled: false\nextra-own: 1\ntag: a\n", &[][..]),
        // Inherited by two tests, said once.
        (
            "test: x\nduratoin: 5m\n/a: {}\n/b: {}\n",
            &["2: unknown key `duratoin` of tests; did you mean `duration`?"],
        ),
        (
            "test: x\nfoo: 1\nfoo-bar: 2\n",
            &["2: unknown key `foo` of tests", "3: unknown key `foo-bar` of tests"],
        ),
        (
            "discover: {how: fmf}\ntag: a\nexcute: 1\n",
            &["3: unknown key `excute` of plans; did you mean `execute`?"],
        ),
        (
            "test: x\nadjust:\n- when: a == b\n  tag+<: [c]\n  duratoin: 5m\n  /sub: {x: y}\n",
            &[
                "5: unknown key `duratoin` of tests; did you mean `duration`?",
                "6: unknown key `/sub` of tests",
            ],
        ),
        // Nobody reads what a branch says that is neither.
        ("foo: 1\n", &[]),
        (
            "test: x\nduration: 1h30m\nenvironment: A=1\n",
            &[
                "2: ValueError: invalid fmf duration format: 1h30m",
                "3: TypeError: environment must be a mapping or a list of them, found 'A=1'",
            ],
        ),
        (
            "test: ''\nenabled: no\nmanual: \"false\"\n",
            &[
                "1: `test` holds no command",
                "2: `enabled: no` is text, which counts as true; write true or false",
                "3: `manual: false` is text, which counts as true; write true or false",
            ],
        ),
        (
            "test: x\nadjust:\n- {when: false, tag: a}\n- {when: distro == a, because: b}\n- {when: a == b, tag: c}\n\
             - {tag: d, continue: false}\n- {tag: e}\n",
            &[
                "3: dead adjust rule: it never applies",
                "4: dead adjust rule: it changes nothing",
                "7: dead adjust rule: one before it always applies and says `continue: false`",
            ],
        ),
        ("test: x\nadjust:\n- {when: a == b, continue: false}\n- {tag: c}\n", &[]),
        (
            "test: x\nadjust:\n- {when: a == b and false, tag: b}\n- {when: 'true or a = b', tag: d, continue: false}\n\
             - {tag: e}\n",
            &[
                "3: dead adjust rule: it never applies",
                "5: dead adjust rule: one before it always applies and says `continue: false`",
            ],
        ),
        (
            "/t: {test: x, tag: a}\n/t/v: {tag+: b}\n//t: {tag: c, tier: 1}\n",
            &["1: /t: `tag` is lost: /DIR/main.fmf:3 replaces it"],
        ),
        ("/a: {test: x}\n//:\n  test: y\n", &["3: /: another node has this name"]),
        (
            "/t: {test: x, tag: b, enabled: false}\n/p:\n  discover:\n    how: fmf\n    test: [/t, /u]\n    filter: 'tag: a'\n",
            &["5: /p: `test: /u` matches no test", "6: /p: `filter: tag: a` matches no test"],
        ),
        (
            "/p:\n  discover:\n    how: shell\n",
            &[
                "2: /p: ValueError: no fmf discover sections found in the plan",
                "3:5: note: /p: `how` is ignored: a section of kind `shell` has no tests here; see --plan-layer tmt",
            ],
        ),
        ("/p:\n  discover:\n    url: http://localhost/x\n", &[]),
        ("/t:\n  test: x\n  require: {url: http://localhost/x}\n", &[]),
        (
            "/t:\n  test: x\n  require: {nick: a, name: /b}\n",
            &["3: ValueError: couldn't find library node: {'nick': 'a', 'name': '/b'}"],
        ),
    ] {
        let dir = tree(&[("main.fmf", text)]);
        let exit = if problems.is_empty() { Exit::Done } else { Exit::Failed };
        let lines: Vec<String> = problems.iter().map(|problem| format!("/DIR/main.fmf:{problem}")).collect();
        assert_eq!(answer(&dir, &["lint"]), (exit, lines.join("\n")), "{text}");
    }
}

#[test]
fn a_tree_that_cannot_be_loaded_has_no_answer() {
    let dir = tree(&[("main.fmf", "test: [\n")]);
    for words in [&["ls"][..], &["show", "/"], &["why", "/"], &["lint"]] {
        let found = refusal(&dir, words);
        assert!(found.starts_with("/DIR/main.fmf:2:1: FileError: "), "{found}");
    }
}
