//! Plans as tmt reads them. What each case gives was first seen with tmt 1.78; where this tool means to differ, the
//! case says so.

use atex_cli::Exit;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{discover_at, discover_in, refusal, tests, tree};

const TESTS: &str = "\
test: ./t.sh
/a: {order: 60, tag: [x], tier: 1, link: [{verifies: 'https://e.org/1'}], environment: {A: t, B: t}}
/b: {order: 40, tag: [y], tier: '2', link: 'implements:foo'}
/c:
  order: 60
  summary: c
  link: /x/y
  adjust: [{when: distro == fedora, tag+: [fed]}, {when: trigger == commit, summary: committed}]
/off: {enabled: false}
/text-off: {enabled: 'no'}
/text-on: {enabled: yes}
/manual: {manual: true}
/text-manual: {manual: no}
/p: {path: /scripts}
/q: {path: scripts/}
";

/// A tree with the tests above and one plan.
fn with_plan(plan: &str) -> TempDir {
    tree(&[
        ("tests/main.fmf", TESTS),
        ("plan.fmf", plan),
        ("env.env", "# comment\nX=file Q=\"a b\"\nR='single # not' # comment\n"),
        ("env.yaml", "X: yaml\nY: true\nF: 1.50\nN: null\n"),
    ])
}

fn records(dir: &TempDir, words: &[&str]) -> Vec<Json> {
    let words =
        [&["--plan-layer", "tmt", "--plan", "/plan", "--no-libraries", "--allow-empty"], words].concat();
    tests(dir, &words).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A test's name and directory, and what of its metadata differs from what most say.
fn shown(record: &Json) -> String {
    let mut shown = format!("{} in {}", record["name"].as_str().unwrap(), record["dir"].as_str().unwrap());
    let usual =
        [("test", "\"./t.sh\""), ("order", ""), ("tier", ""), ("link", ""), ("adjust", ""), ("enabled", "")];
    for (key, value) in record["data"].as_object().unwrap() {
        let said = value.to_string();
        if !usual.iter().any(|(known, usual)| key == known && (usual.is_empty() || *usual == said)) {
            shown.push_str(&format!(" {key}={said}"));
        }
    }
    shown
}

fn check(cases: &[(&str, &[&str], &[&str])]) {
    for (plan, words, expected) in cases {
        let dir = with_plan(&format!("execute: {{how: tmt}}\n{plan}"));
        let found: Vec<_> = records(&dir, words).iter().map(shown).collect();
        assert_eq!(found, *expected, "{plan} {words:?}");
    }
}

const A: &str = r#"/tests/a in tests tag=["x"] environment={"A":"t","B":"t"}"#;
const B: &str = r#"/tests/b in tests tag=["y"]"#;
const C: &str = r#"/tests/c in tests summary="c""#;
const C_FED: &str = r#"/tests/c in tests summary="c" tag=["fed"]"#;

#[test]
fn sections_of_kind_fmf() {
    check(&[
        ("discover: {how: fmf}", &[], &[B, "/tests/p in scripts", "/tests/q in scripts", A, C]),
        // A lone section's name is no part of names.
        ("discover: {how: fmf, name: one, test: /b}", &[], &[B]),
        (
            "discover: [{how: fmf, test: /a$}, {how: fmf, name: other, test: /b}]",
            &[],
            &[
                r#"/default-0/tests/a in tests tag=["x"] environment={"A":"t","B":"t"}"#,
                r#"/other/tests/b in tests tag=["y"]"#,
            ],
        ),
        (
            "discover: [{how: fmf, test: /c, name: late, order: 60}, {how: fmf, name: default-0, test: /b}, {how: fmf, test: /p}]",
            &[],
            &[
                r#"/default-0/tests/b in tests tag=["y"]"#,
                "/default-1/tests/p in scripts",
                r#"/late/tests/c in tests summary="c""#,
            ],
        ),
        // tmt gives one name twice; a record's name is its identity.
        ("discover: {how: fmf, test: [/b, /a$, /b]}", &[], &[B, A, r#"/tests/b (2) in tests tag=["y"]"#]),
        ("discover: {how: fmf, include: [/b, /a$], exclude: /b}", &[], &[A]),
        ("discover: {how: fmf, filter: ['tag: x | tag: y', 'tier: 1']}", &[], &[A]),
        // Keys that a test does not have have values, too.
        ("discover: {how: fmf, filter: 'tag: -x', test: [/a, /c]}", &[], &[C]),
        ("discover: {how: fmf, filter: 'enabled: true & tier: 2'}", &[], &[B]),
        ("discover: {how: fmf, filter: 'name: /tests/a'}", &[], &[A]),
        ("discover: {how: fmf, link: 'verifies:.*/1$'}", &[], &[A]),
        ("discover: {how: fmf, link: [foo, 'relates:/x']}", &[], &[B, C]),
        ("discover: {how: fmf, test: /nothing}", &[], &[]),
        ("discover: {how: fmf, test: /a, unknown: 1}", &[], &[A]),
    ]);
}

#[test]
fn the_context_of_a_plan_and_of_its_sections() {
    let fed = "discover: {how: fmf, filter: 'tag: fed'}";
    let when = "discover: [{how: fmf, name: w, when: distro == fedora, test: /b}, \
                {how: fmf, name: v, when: [distro == rhel, arch == s390x], test: /p}]";
    check(&[
        (&format!("context: {{distro: fedora-40}}\n{fed}"), &[], &[C_FED]),
        (&format!("context: {{distro: FEDORA-40}}\n{fed}"), &[], &[C_FED]),
        (&format!("context: [distro=fedora-40, 'a=b c=d']\n{fed}"), &[], &[C_FED]),
        (
            &format!("context: [\"distro=fedora-40 trigger=push,commit\"]\n{fed}"),
            &[],
            &[r#"/tests/c in tests summary="committed" tag=["fed"]"#],
        ),
        // The command line wins.
        (&format!("context: {{distro: fedora-40}}\n{fed}"), &["-c", "distro=rhel"], &[]),
        (&format!("context: {{distro: rhel}}\n{fed}"), &["-c", "distro=Fedora"], &[C_FED]),
        (when, &[], &[]),
        (when, &["-c", "distro=fedora"], &[r#"/w/tests/b in tests tag=["y"]"#]),
        // Here case counts.
        (when, &["-c", "distro=Fedora"], &[]),
        (when, &["-c", "distro=rhel", "-c", "arch=s390x"], &["/v/tests/p in scripts"]),
    ]);
}

#[test]
fn a_plan_adjusts_tests() {
    check(&[
        (
            "discover: {how: fmf, test: /c, adjust-tests: [{tag+: [new], continue: false}, {summary: never}]}",
            &[],
            &[r#"/tests/c in tests summary="c" tag=["new"]"#],
        ),
        // tmt hands on `*2`, and works it out when the test runs.
        (
            "discover: {how: fmf, test: /b, adjust-tests: [{tag+: [new], duration+: '*2'}, {when: a == b, summary: a}]}",
            &[],
            &[r#"/tests/b in tests tag=["y","new"] duration="600s""#],
        ),
        (
            "discover: {how: fmf, test: [{name: /b, tag+: [one]}, /c, {name: /b, summary: two}]}",
            &[],
            &[r#"/tests/b in tests tag=["y","one"]"#, C, r#"/tests/b (2) in tests tag=["y"] summary="two""#],
        ),
        (
            "discover: {how: fmf, adjust-tests: {tag: [z]}, filter: 'tag: z', test: [{name: /b, enabled: true}]}",
            &[],
            &[r#"/tests/b in tests tag=["z"]"#],
        ),
        ("discover: {how: fmf, test: /off, adjust-tests: {enabled: true}}", &[], &["/tests/off in tests"]),
    ]);
}

#[test]
fn sections_of_kind_shell() {
    let tests = "[{name: /help/main, test: ./t.sh}, \
        {name: first test, test: ./t.sh, path: /scripts, duration: 5m, order: 10, environment: {A: 1}}, \
        {name: off, test: a, enabled: false}, {name: manual, test: a, manual: true}, \
        {name: adj, test: ./t.sh, adjust: {summary: adjusted}}, \
        {name: twice, test: 1st, summary: s}, {name: twice, test: ./t.sh, tag: x}]";
    check(&[
        (
            &format!("discover: {{how: shell, tests: {tests}}}"),
            &[],
            &[
                r#"/first test in scripts duration="5m" environment={"A":1}"#,
                r#"/help/main in . duration="1h""#,
                r#"/adj in . duration="1h""#,
                r#"/twice in . summary="s" duration="1h" tag="x""#,
            ],
        ),
        (
            "discover: [{how: shell, name: s, tests: [{name: t, test: x}]}, {how: fmf, test: /p}]",
            &[],
            &[r#"/s/t in . test="x" duration="1h""#, "/default-0/tests/p in scripts"],
        ),
        // Only options select among them.
        (
            &format!("discover: {{how: shell, tests: {tests}}}"),
            &["--name", "first", "--name", "adj", "--exclude", "adj"],
            &[r#"/first test in scripts duration="5m" environment={"A":1}"#],
        ),
        ("discover: {name: x}", &[], &[]),
        ("", &[], &[]),
    ]);
    let dir = with_plan("execute: {how: tmt, script: [./t.sh, x], duration: 7m}");
    let found: Vec<_> = records(&dir, &[]).iter().map(shown).collect();
    assert_eq!(found, [r#"/script-00 in . duration="7m""#, r#"/script-01 in . test="x" duration="7m""#]);
}

#[test]
fn what_execution_needs_of_a_plan() {
    for (plan, words, expected) in [
        (
            "environment-file: [env.env, env.yaml]\nenvironment: {X: over, T: true, S: '  spaced '}",
            &[][..],
            r#"{"name":"/plan","environment":{"X":"over","Q":"a b","R":"single # not","Y":"True","F":"1.5","N":"None","T":"True","S":"spaced"}}"#,
        ),
        ("environment: [A=1, 'B = x y ']", &[], r#"{"name":"/plan","environment":{"A":"1","B":"x y"}}"#),
        (
            "context: {distro: rhel-9}\n\
             prepare: [{how: shell, script: b, order: 60}, {how: shell, script: a, when: distro == fedora}, {how: install, package: x, where: s}]\n\
             finish: {how: shell, script: 'echo $@distro $A ${A}b $@no $NO', when: distro == rhel}\nenvironment: {A: v, B: $A-$@distro}",
            &[],
            r#"{"name":"/plan","environment":{"A":"v","B":"v-rhel-9"},"prepare":[{"how":"install","package":"x","where":"s"},{"how":"shell","script":"b","order":60}],"finish":[{"how":"shell","script":"echo rhel-9 v vb $@no $NO"}]}"#,
        ),
    ] {
        let dir = with_plan(&format!("execute: {{how: tmt}}\ndiscover: {{how: fmf, test: /b}}\n{plan}\n"));
        assert_eq!(records(&dir, words)[0]["plan"].to_string(), expected, "{plan}");
    }
}

#[test]
fn over_a_variable_that_both_set_the_plan_wins() {
    let dir =
        with_plan("execute: {how: tmt}\ndiscover: {how: fmf, test: /a$}\nenvironment: {A: plan, C: plan}\n");
    assert_eq!(records(&dir, &[])[0]["data"]["environment"].to_string(), r#"{"A":"plan","B":"t"}"#);
}

#[test]
fn texts_of_tests_in_a_plan_have_values_in_them() {
    let plan = "discover: {how: shell, tests: [{name: s, test: 'echo $A $@distro $@no $NO ${A}'}]}\n\
                environment: {A: pa}\ncontext: {distro: fedora-40}\n";
    let dir = with_plan(&format!("execute: {{how: tmt}}\n{plan}"));
    assert_eq!(records(&dir, &[])[0]["data"]["test"], "echo pa fedora-40 $@no $NO pa");
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    let section = |more: &str| format!("discover: {{how: fmf, {more}}}");
    let refused = |key: &str, why: &str| {
        format!(
            "/DIR/plan.fmf:1:22: ValueError: discover section 'default-0': `{key}` cannot be followed: {why}"
        )
    };
    let (packages, git) =
        ("sources of distribution packages are not fetched", "only with `url` is there another revision");
    for (plan, expected) in [
        (section("dist-git-source: true"), refused("dist-git-source", packages)),
        (section("dist-git-init: false"), refused("dist-git-init", packages)),
        (section("modified-only: true"), refused("modified-only", "tests are not compared with another branch")),
        (section("fmf-id: true"), refused("fmf-id", "identifiers are not printed")),
        (
            section("url-content-type: archive"),
            refused("url-content-type", "nothing but repositories of git is fetched"),
        ),
        (section("ref: main"), refused("ref", &format!("the tree of the plan is taken as it is; {git}"))),
        (
            "discover: {how: shell, keep-git-metadata: true}".to_owned(),
            refused("keep-git-metadata", "hosts get no `.git`").replace(":1:22", ":1:24"),
        ),
        (
            "discover: {how: magic}".to_owned(),
            "/DIR/plan.fmf:1:12: ValueError: discover section 'default-0': `how: magic` is neither fmf nor shell"
                .to_owned(),
        ),
        (
            "discover: [{how: fmf, name: x}, {how: fmf, name: x}]".to_owned(),
            "/DIR/plan.fmf:1:44: ValueError: Duplicate phase name 'x' in step 'discover'.".to_owned(),
        ),
        (
            section("name: a/b"),
            "/DIR/plan.fmf:1:22: ValueError: invalid discover section 'name': a/b".to_owned(),
        ),
        (
            section("require-test: [/no]"),
            "/DIR/plan.fmf:1:22: ValueError: Required test '/no' not discovered in phase 'default-0'.".to_owned(),
        ),
        (
            section("path: sub"),
            "/DIR/plan.fmf:1:22: ReferenceError: path sub: without `url` it must be the absolute path of a tree"
                .to_owned(),
        ),
        (
            section("adjust-tests: {tier+: [x]}"),
            "/DIR/plan.fmf:1:22: MergeError: Key 'tier' in /tests/a (unsupported operand type(s) for +: 'int' and 'list')."
                .to_owned(),
        ),
        (
            section("adjust-tests: {path: ../x}"),
            "ValueError: /tests/b: `path: ../x` leads out of the tree".to_owned(),
        ),
        (
            "discover: {how: shell, tests: [{name: x}]}".to_owned(),
            "/DIR/plan.fmf:1:24: ValueError: discover section 'default-0': a test has no `test`".to_owned(),
        ),
        (
            "environment-file: /etc/passwd".to_owned(),
            "/DIR/plan.fmf:1:1: ValueError: `environment-file`: /etc/passwd leads out of the tree".to_owned(),
        ),
        (
            "environment-file: https://e.org/x.env".to_owned(),
            "/DIR/plan.fmf:1:1: ValueError: `environment-file`: https://e.org/x.env is not fetched; put it into the tree"
                .to_owned(),
        ),
        ("context: x".to_owned(), "/DIR/plan.fmf:1:1: TypeError: `context` must be a mapping or a list of texts, found 'x'".to_owned()),
        (
            "plan: {import: {name: /x}}".to_owned(),
            "/DIR/plan.fmf:1:1: ValueError: /plan: `plan: import` needs `url`".to_owned(),
        ),
    ] {
        let dir = with_plan(&format!("{plan}\nexecute: {{how: tmt}}\n"));
        let found = refusal(dir.path(), &["--plan-layer", "tmt", "--plan", "/plan"]);
        assert_eq!(found, expected, "{plan}");
    }
}

#[test]
fn a_disabled_plan_has_no_tests() {
    let dir = with_plan(
        "execute: {how: tmt}\ndiscover: {how: fmf}\nadjust: {enabled: false, when: arch == s390x}\n",
    );
    assert_eq!(records(&dir, &["-c", "arch=s390x"]).len(), 0);
    assert_eq!(records(&dir, &["-c", "arch=x86_64"]).len(), 5);
}

#[test]
fn files_that_a_test_requires_must_be_there() {
    let plan = "execute: {how: tmt}\ndiscover: {how: fmf, test: /b, adjust-tests: {require: {type: file, pattern: [WANTED]}}}\n";
    for (wanted, expected) in [
        ("/tests", None),
        ("env\\.(yaml|none)$", None),
        ("/", None),
        ("/no.such", Some("ValueError: /tests/b: required files: nothing in /DIR matches /no.such")),
    ] {
        let dir = with_plan(&plan.replace("WANTED", &format!("'{wanted}'")));
        let words = ["--plan-layer", "tmt", "--plan", "/plan"];
        match expected {
            None => assert!(tests(&dir, &words).contains(r#""require":[{"type":"file""#)),
            Some(message) => assert_eq!(refusal(dir.path(), &words), message),
        }
    }
}

#[test]
fn without_a_plan_all_tests_are_taken_in_their_order() {
    let dir = with_plan("execute: {how: tmt}\n");
    let words = ["--plan-layer", "tmt", "--no-libraries"];
    let found = tests(&dir, &words);
    let found: Vec<_> = found.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()).collect();
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>()[0], B);
    assert_eq!(found[0].get("plan"), None);
    let (result, _) = discover_in(dir.path(), &["--plan-layer", "tmt", "--name", "/nothing"]);
    assert_eq!(result.unwrap_err().kind.exit(), Exit::Usage);
}

/// What a question gives.
fn answer(dir: &TempDir, words: &[&str]) -> String {
    let (result, text) =
        discover_at(dir.path(), &[words, &["--plan-layer", "tmt", "--tree", "/DIR"]].concat());
    result.expect("the question has an answer");
    text.trim_end().to_owned()
}

#[test]
fn answers_know_sections_and_contexts() {
    let plan = "\
context: {distro: fedora-40}
discover:
- {how: fmf, name: one, test: [/c, /off], include: /., link: 'relates:/x', adjust-tests: {tag+: [new]}, filter: 'tag: new'}
- {how: shell, name: two, tests: [{name: s, test: x}, {name: t, test: x, enabled: false}]}
- how: fmf
  name: three
  test: /b
  when: distro == rhel
";
    let dir = with_plan(&format!("execute: {{how: tmt}}\n{plan}"));
    let plan = ["--plan", "/plan"];
    let ask = |words: &[&str]| answer(&dir, &[words, &plan].concat());
    assert_eq!(
        ask(&["ls", "--all"]),
        "/one/tests/c\n/two/s\n/two/t\tdisabled\n/three/tests/b\tleft out by `distro == rhel` (/DIR/plan.fmf:9)"
    );
    let expected = "\
/one/tests/c: selected
  yes  test: \"./t.sh\" (/DIR/tests/main.fmf:1)
section one:
  yes  name: `/c` (/DIR/plan.fmf:4) matches
  yes  name: `/.` (/DIR/plan.fmf:4) matches
  yes  link: `relates:/x` (/DIR/plan.fmf:4) matches
  yes  filter: `tag: new` (/DIR/plan.fmf:4)
adjust:
  /DIR/tests/main.fmf:8: distro == fedora: applied
  /DIR/tests/main.fmf:8: trigger == commit: not applied: the context says nothing of trigger";
    assert_eq!(ask(&["why", "/one/tests/c"]), expected);
    let expected = "\
/two/t: not selected
  yes  test: \"x\"
  no   enabled: false
section two:";
    assert_eq!(ask(&["why", "/two/t"]), expected);
    let expected = "\
/three/tests/b: not selected
  yes  test: \"./t.sh\" (/DIR/tests/main.fmf:1)
section three:
  no   the section is left out by `distro == rhel` (/DIR/plan.fmf:9)
  yes  name: `/b` (/DIR/plan.fmf:8) matches";
    assert_eq!(ask(&["why", "/three/tests/b"]), expected);
}

#[test]
fn mistakes_and_ignored_keys_of_plans_are_named() {
    let plan = "\
execute: {how: tmt, exit-first: true}
provision: {how: virtual}
discover:
- {how: fmf, include: /nothing, prune: true, filtr: x}
prepare:
- {how: ansible, playbook: x}
- {how: shell, script: x, where: server}
";
    let dir = with_plan(plan);
    let (result, text) = discover_at(dir.path(), &["lint", "--plan-layer", "tmt", "--tree", "/DIR"]);
    assert_eq!(result.unwrap(), Exit::Failed);
    let found: Vec<_> = text.lines().filter(|line| line.contains("plan.fmf")).collect();
    let expected = [
        "/DIR/plan.fmf:1:21: note: /plan: `exit-first` is ignored",
        "/DIR/plan.fmf:2:1: note: /plan: `provision` is ignored: hosts are given to atex-exec",
        "/DIR/plan.fmf:4: /plan: `include: /nothing` matches no test",
        "/DIR/plan.fmf:4:33: note: /plan: `prune` is ignored",
        "/DIR/plan.fmf:4:46: /plan: `filtr` is ignored; nobody knows it",
        "/DIR/plan.fmf:6:4: note: /plan: `how` is ignored: `prepare` knows no kind `ansible`",
        "/DIR/plan.fmf:7:27: note: /plan: `where` is ignored: each test runs on one host, whichever is free",
    ];
    assert_eq!(found, expected);
    // Without a mistake, what is ignored is no failure.
    let dir = tree(&[
        ("t.fmf", "test: x\n"),
        ("plan.fmf", "discover: {how: fmf}\nexecute: {how: tmt}\nreport: {how: html}\n"),
    ]);
    let (result, text) = discover_at(dir.path(), &["lint", "--tree", "/DIR"]);
    assert_eq!(result.unwrap(), Exit::Done);
    assert_eq!(
        text,
        "/DIR/plan.fmf:2:1: note: /plan: `execute` is ignored: atex-exec is told by its options how to run tests\n\
         /DIR/plan.fmf:3:1: note: /plan: `report` is ignored: atex-report is told by its options what to report\n"
    );
}
