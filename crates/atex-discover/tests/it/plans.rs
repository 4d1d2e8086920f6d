//! Tests of plans.

use crate::{discover_at, names, refusal, tests, tree};

const TESTS: (&str, &str) = ("tests/main.fmf", "/a:\n  test: a\n  tag: x\n/b:\n  test: b\n");

#[test]
fn what_execution_needs_of_a_plan_goes_with_each_test() {
    let plan = "summary: daily\nenvironment: {A: 1, 'B C': \"\\n\"}\ndiscover: {how: fmf, filter: 'tag: x'}\n\
        prepare: {how: shell, script: id}\nfinish:\n- how: shell\n  script: [a, b]\nexecute: {how: tmt}\n";
    let tree = tree(&[TESTS, ("plans/daily.fmf", plan)]);
    let expected = r#"{"type":"test","name":"/tests/a","tree":"/DIR","dir":"tests","data":{"test":"a","tag":"x","require":[],"recommend":[]},"plan":{"name":"/plans/daily","environment":{"A":1,"B C":"\n"},"prepare":[{"how":"shell","script":"id"}],"finish":[{"how":"shell","script":["a","b"]}]}}"#;
    assert_eq!(tests(&tree, &["--plan", "/plans/daily"]), expected);
}

#[test]
fn a_plan_without_anything_for_execution_is_its_name() {
    let tree = tree(&[("t.fmf", "test: a\n"), ("p.fmf", "discover: {how: fmf}\nprepare:\nfinish: []\n")]);
    let expected = r#"{"type":"test","name":"/t","tree":"/DIR","dir":".","data":{"test":"a","require":[],"recommend":[]},"plan":{"name":"/p"}}"#;
    assert_eq!(tests(&tree, &["--plan", "/p"]), expected);
}

#[test]
fn named_sections_stand_beside_each_other() {
    let section = |name: &str, test: &str| format!("- {{how: fmf, name: {name}, test: {test}}}\n");
    let tree = tree(&[
        TESTS,
        ("one.fmf", "discover: {how: fmf, name: only}\n"),
        ("two.fmf", &format!("discover:\n{}{}", section("first", "/a"), section("second", "/b"))),
    ]);
    let expected = r#"{"type":"test","name":"/only/tests/a","tree":[{"from":"/DIR","to":"only"}],"dir":"only/tests","data":{"test":"a","tag":"x","require":[],"recommend":[]},"plan":{"name":"/one"}}
{"type":"test","name":"/only/tests/b","tree":[{"from":"/DIR","to":"only"}],"dir":"only/tests","data":{"test":"b","require":[],"recommend":[]},"plan":{"name":"/one"}}"#;
    assert_eq!(tests(&tree, &["--plan", "/one"]), expected);
    let expected = r#"{"type":"test","name":"/first/tests/a","tree":[{"from":"/DIR","to":"first"},{"from":"/DIR","to":"second"}],"dir":"first/tests","data":{"test":"a","tag":"x","require":[],"recommend":[]},"plan":{"name":"/two"}}
{"type":"test","name":"/second/tests/b","tree":[{"from":"/DIR","to":"first"},{"from":"/DIR","to":"second"}],"dir":"second/tests","data":{"test":"b","require":[],"recommend":[]},"plan":{"name":"/two"}}"#;
    assert_eq!(tests(&tree, &["--plan", "/two"]), expected);
}

#[test]
fn a_section_without_tests_is_part_of_the_tree() {
    let sections = "discover:\n- {how: fmf, name: first, test: /a}\n- {how: fmf, name: none, test: /no}\n";
    let tree = tree(&[TESTS, ("p.fmf", sections)]);
    let parts = r#""tree":[{"from":"/DIR","to":"first"},{"from":"/DIR","to":"none"}]"#;
    assert!(tests(&tree, &["--plan", "/p"]).contains(parts));
}

#[test]
fn tests_of_several_plans_have_the_name_of_their_plan_in_front() {
    let plans = "execute: {how: tmt}\n/one: {discover: {how: fmf}}\n\
        /two: {discover: {how: fmf, name: s, test: /b}, environment: {A: 1}}\n";
    let tree = tree(&[TESTS, ("p.fmf", plans)]);
    let asked = ["--plan", "/p/two", "--plan", "/p/one", "--plan", "/p/two"];
    for (more, expected) in [
        (&[][..], "/p/two/s/tests/b /p/one/tests/a /p/one/tests/b"),
        (&["--plan-layer", "tmt"], "/p/two/tests/b /p/one/tests/a /p/one/tests/b"),
        // What options say of names is said of those that tests have in each plan.
        (&["--exclude", "^/tests/b", "--exclude", "^/s/tests/b"], "/p/one/tests/a"),
        (&["--vary", "d=1", "--vary-only", "/a"], "/p/two/s/tests/b /p/one/tests/a@d=1 /p/one/tests/b"),
    ] {
        let words = [&asked[..], more].concat();
        assert_eq!(names(&tree, &words), expected, "{more:?}");
        let listed = discover_at(tree.path(), &[&["ls", "--tree", "/DIR"], &*words].concat()).1;
        assert_eq!(listed.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{more:?}");
    }
    let found = tests(&tree, &asked);
    let plans: Vec<&str> =
        found.lines().filter_map(|line| line.split_once(r#","plan":"#)).map(|(_, plan)| plan).collect();
    let one = r#"{"name":"/p/one"}}"#;
    assert_eq!(plans, [r#"{"name":"/p/two","environment":{"A":1}}}"#, one, one]);
    for (name, section) in
        [("/p/one/tests/b", "section of /p/one:"), ("/p/two/s/tests/b", "section s of /p/two:")]
    {
        let (result, text) =
            discover_at(tree.path(), &[&["why", name, "--tree", "/DIR"], &asked[..]].concat());
        result.unwrap();
        assert!(text.starts_with(&format!("{name}: selected\n")) && text.contains(section), "{text}");
    }
    let message = "ValueError: plan /no not found in /DIR; its plans are /p/one, /p/two";
    assert_eq!(refusal(tree.path(), &["--plan", "/p/one", "--plan", "/no"]), message);
}

#[test]
fn options_narrow_a_plan_except_names_which_widen_it() {
    let tree = tree(&[TESTS, ("p.fmf", "discover: {how: fmf, test: /a, exclude: nothing}\n")]);
    for (words, expected) in [
        (&["--plan", "/p"][..], "/tests/a"),
        (&["--plan", "/p", "--name", "/b"], "/tests/a /tests/b"),
        (&["--plan", "/p", "--name", "/b", "--exclude", "/a"], "/tests/b"),
        (&["--plan", "/p", "--name", "/b", "--filter", "tag: x"], "/tests/a"),
    ] {
        assert_eq!(names(&tree, words), expected, "{words:?}");
    }
}
