//! Plans of other repositories, and sections and libraries from there, as tmt has them.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::repositories::{git, parts, records, repository};
use crate::{directory, discover, tree};

const PLANS: &str = "\
discover: {how: fmf, filter: 'tag: fed'}
execute: {how: tmt}
/one:
  context: {distro: fedora-40}
  environment: {A: remote, R: r}
  adjust: {when: trigger == commit, environment+: {ADJ: y}}
/two:
  context: {distro: rhel-9}
  environment: {A: two}
  prepare: {how: shell, script: echo $A $@distro}
";

const TESTS: &str = "\
test: r
/r1: {tag: [], adjust: {when: distro == fedora, tag+: [fed]}}
/r2: {tag: [fed]}
";

/// The names of tests, each with the name of its plan and that plan's variables.
fn shown(records: &[Json]) -> Vec<String> {
    let shown = |record: &Json| {
        let plan = &record["plan"];
        format!(
            "{} {} {}",
            record["name"].as_str().unwrap(),
            plan["name"].as_str().unwrap(),
            plan["environment"]
        )
    };
    records.iter().map(shown).collect()
}

#[test]
fn plans_are_imported() {
    let (remote, url) = repository(&[
        ("plans/main.fmf", PLANS),
        ("tests/main.fmf", TESTS),
        ("ref.fmf", "ref: main\nadjust: {when: distro == fedora, ref: other}\n"),
    ]);
    git(remote.path(), &["checkout", "--quiet", "-b", "other"]);
    fs::write(remote.path().join("tests/main.fmf"), format!("{TESTS}/r3: {{tag: [fed]}}\n")).unwrap();
    git(remote.path(), &["commit", "--quiet", "--all", "--message", "more"]);
    git(remote.path(), &["checkout", "--quiet", "main"]);
    let cache = directory(&[]);
    let one = r#"{"A":"remote","R":"r"}"#;
    let both = |plan: &str, environment: &str| {
        ["/tests/r1", "/tests/r2"].map(|test| format!("{test} {plan} {environment}")).to_vec()
    };
    let two = |name: &str, plan: &str| format!("{name} {plan} {}", r#"{"A":"two"}"#);
    for (import, more, asked, expected) in [
        (
            "name: /plans/one",
            "environment: {A: local, L: l}",
            "/p",
            both("/p", r#"{"A":"local","R":"r","L":"l"}"#),
        ),
        (
            "name: /plans/one, inherit-environment: false, inherit-context: false",
            "environment: {A: local}\ncontext: {distro: rhel}",
            "/p",
            both("/p", one),
        ),
        (
            "name: /plans/one",
            "context: {distro: rhel, trigger: commit}",
            "/p",
            vec![format!("/tests/r2 /p {}", r#"{"A":"remote","R":"r","ADJ":"y"}"#)],
        ),
        ("name: /plans/", "", "/p", both("/p", one)),
        ("name: /plans/two, importing: become-parent", "", "/p", vec![two("/tests/r2", "/p/plans/two")]),
        // tmt runs these plans one after the other; here their tests are told apart by their names.
        (
            "name: /plans/, importing: become-parent, scope: all-plans",
            "",
            "/p",
            vec![
                format!("/p/plans/one/tests/r1 /p/plans/one {one}"),
                format!("/p/plans/one/tests/r2 /p/plans/one {one}"),
                two("/p/plans/two/tests/r2", "/p/plans/two"),
            ],
        ),
        (
            "name: /plans/, importing: become-parent, scope: all-plans",
            "",
            "/p/plans/two",
            vec![two("/tests/r2", "/p/plans/two")],
        ),
        (
            "name: /plans/two, adjust-plans: [{environment+: {NEW: n}, discover: {how: fmf, test: /r1}}]",
            "",
            "/p",
            vec![format!("/tests/r1 /p {}", r#"{"A":"two","NEW":"n"}"#)],
        ),
        (
            "name: /plans/one, ref: '@ref.fmf'",
            "context: {distro: fedora}",
            "/p",
            [both("/p", one), vec![format!("/tests/r3 /p {one}")]].concat(),
        ),
        (
            "name: /plans/one, ref: $REF",
            "environment: {REF: main}",
            "/p",
            both("/p", r#"{"A":"remote","R":"r","REF":"main"}"#),
        ),
        ("name: /plans/one", "execute: {how: tmt}\ndiscover: {how: shell}", "/p", both("/p", one)),
        ("name: /plans/one", "enabled: false", "/p", vec![]),
    ] {
        let plan = format!("plan: {{import: {{url: '{url}', {import}}}}}\n{more}\n");
        let dir = tree(&[("p.fmf", &plan)]);
        let words = ["--plan-layer", "tmt", "--plan", asked, "--no-libraries", "--allow-empty"];
        let found = records(dir.path(), cache.path(), &words);
        assert_eq!(shown(&found), expected, "{import} {more}");
        for test in &found {
            let root = Path::new(test["tree"].as_str().expect("the files are those of the other tree"));
            assert!(root.join("plans/main.fmf").is_file());
        }
    }
    let two = "/DIR/p.fmf:1:COLUMN: ValueError: /p imports /plans/one and /plans/two, but ";
    for (import, expected) in [
        ("name: /plans/, scope: single-plan-only", format!("{two}`scope` lets in a single one")),
        (
            "name: /plans/, scope: all-plans",
            format!("{two}only with `importing: become-parent` it can stand for several"),
        ),
        (
            "name: plans/one",
            "/DIR/p.fmf:1:COLUMN: ValueError: /p: no plan to import begins with `plans/one`".to_owned(),
        ),
        (
            "name: /x, scope: some",
            "/DIR/p.fmf:1:COLUMN: ValueError: `scope: some` is none of first-plan-only, single-plan-only, all-plans"
                .to_owned(),
        ),
        (
            "name: /x, ref: '@../x'",
            format!("/DIR/p.fmf:1:COLUMN: ReferenceError: ref @../x of {url}: No such file or directory (os error 2)"),
        ),
    ] {
        let dir = tree(&[("p.fmf", &format!("plan: {{import: {{url: '{url}', {import}}}}}\n"))]);
        let words = [dir.path().to_str().unwrap(), "--plan-layer=tmt", "--plan=/p", "--cache"];
        let (result, _) = discover(&[&words[..], &[cache.path().to_str().unwrap()]].concat());
        let message = result.unwrap_err().message.replace(dir.path().to_str().unwrap(), "/DIR");
        let (place, rest) = message.split_once(": ").unwrap();
        let place = place.rsplit_once(':').unwrap().0;
        assert_eq!(format!("{place}:COLUMN: {rest}"), expected, "{import}");
    }
}

#[test]
fn sections_of_other_trees_stand_beside_the_plans_own() {
    let (_library, library) = repository(&[
        ("lib/main.fmf", "require: [dep, {type: file, pattern: /common/data}]\n"),
        ("lib/script", "library"),
        ("common/data", ""),
        ("common/script", "common"),
        ("unwanted/script", ""),
    ]);
    let require = format!("[{{url: '{library}', nick: lib, name: /lib}}]");
    let (_other, other) = repository(&[
        ("deep/.fmf/version", "1"),
        (
            "deep/t/main.fmf",
            &format!("test: ./t\nrequire: [a]\nrecommend: {require}\n/x: {{path: /elsewhere}}\n/y: {{}}\n"),
        ),
        ("script", "other"),
    ]);
    let plan = format!(
        "execute: {{how: tmt}}\ndiscover:\n- {{how: fmf, name: there, url: '{other}', path: /deep}}\n\
         - {{how: shell, name: sh, url: '{other}', tests: [{{name: s, test: ./s, path: /deep}}]}}\n\
         - {{how: fmf, name: here}}\n"
    );
    let dir = tree(&[("t/main.fmf", "test: t\n"), ("plan.fmf", &plan), ("script", "here")]);
    let cache = directory(&[]);
    let found = records(dir.path(), cache.path(), &["--plan-layer", "tmt", "--plan", "/plan"]);
    let places: Vec<_> = found
        .iter()
        .map(|test| format!("{} {}", test["name"].as_str().unwrap(), test["dir"].as_str().unwrap()))
        .collect();
    assert_eq!(
        places,
        [
            "/there/t/x .discover/there/deep/elsewhere",
            "/there/t/y .discover/there/deep/t",
            "/sh/s .discover/sh/deep",
            "/here/t t",
        ]
    );
    let expected = [
        (".", "here"),
        (".discover/there", "other"),
        (".discover/there/libs/lib/common", "common"),
        (".discover/there/libs/lib/lib", "library"),
        (".discover/sh", "other"),
    ];
    let expected = expected.map(|(to, script)| (to.to_owned(), script.to_owned()));
    for test in &found {
        let mut found = parts(test);
        found[1..4].sort();
        assert_eq!(found, expected);
    }
    assert_eq!(found[0]["data"]["recommend"][0]["nick"], "lib");
    assert_eq!(found[0]["data"]["recommend"][1], "dep");
}

#[test]
fn answers_look_into_other_trees() {
    let (_other, other) = repository(&[(
        "main.fmf",
        "/on: {test: x, tag: a}\n/off: {test: x, enabled: false}\n/rule: {test: x, adjust: {enabled: false, when: arch == s390x}}\n",
    )]);
    let plan = format!(
        "discover: [{{how: fmf, name: there, url: '{other}', filter: 'tag: b'}}, {{how: fmf, name: all, url: '{other}'}}]\n"
    );
    let dir = tree(&[("plan.fmf", &plan)]);
    let cache = directory(&[]);
    let common = ["--tree", dir.path().to_str().unwrap(), "--cache", cache.path().to_str().unwrap()];
    let answer = |words: &[&str]| {
        let (result, text) = discover(&[words, &common].concat());
        result.unwrap();
        let text = text.replace(dir.path().to_str().unwrap(), "/DIR");
        // Files of a commit have its number in their path.
        let mut shown = String::new();
        for word in text.split_inclusive([' ', '\n', '(', '\t']) {
            shown.push_str(
                word.rsplit_once("/main.fmf").map_or(word, |_| &word[word.rfind("main.fmf").unwrap()..]),
            );
        }
        shown.trim_end().to_owned()
    };
    for layer in ["atex", "tmt"] {
        let layer = format!("--plan-layer={layer}");
        assert_eq!(
            answer(&["ls", "--all", "--plan=/plan", "-c=arch=s390x", &layer]),
            "/all/on\n/all/off\tdisabled (main.fmf:2)\n/all/rule\tdisabled (main.fmf:3)"
        );
        let expected = "\
/all/rule: not selected
  yes  test: \"x\" (main.fmf:3)
  no   enabled: false (main.fmf:3)
section all:
adjust:
  main.fmf:3: arch == s390x: applied";
        let why = answer(&["why", "/all/rule", "--plan=/plan", "-c=arch=s390x", &layer]);
        assert_eq!(why, expected);
        let lint = answer(&["lint", &layer]);
        assert_eq!(lint, "/DIR/plan.fmf:1: /plan: `filter: tag: b` matches no test");
    }
}
