//! What the reference makes of trees, where the corpus says nothing of it.

use std::fs;

use atex_fmf::{Context, Error, ErrorClass, Request, Tree, discover, json};

/// The tree of a file.
fn load(text: &str) -> Result<Tree, Error> {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".fmf")).unwrap();
    fs::write(directory.path().join(".fmf/version"), "1\n").unwrap();
    fs::write(directory.path().join("main.fmf"), text).unwrap();
    Tree::load(directory.path(), &Context::new())
}

/// A key of a node's data, as JSON.
fn value(text: &str, node: &str, key: &str) -> String {
    let tree = load(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    json::to_string(tree.find(node).unwrap().data().get(key).unwrap())
}

/// Class and details of the error in a file.
fn error(text: &str) -> (ErrorClass, String) {
    let error = load(text).expect_err(text);
    (error.class(), error.details().unwrap_or(error.message()).to_owned())
}

#[test]
fn any_key_can_be_taken_from_an_empty_mapping() {
    for (text, expected) in [
        ("k: {}\n/a:\n  k-: [{a: 1}]\n", "{}"),
        ("k: {a: 1}\n/a:\n  k-: [a, {a: 1}]\n", "{}"),
        ("k: {}\n/a:\n  k-: [[1]]\n", "{}"),
    ] {
        assert_eq!(value(text, "/a", "k"), expected, "{text}");
    }
    assert_eq!(error("k: {a: 1}\n/a:\n  k-: [{a: 1}]\n").0, ErrorClass::Type);
}

#[test]
fn halves_of_a_surrogate_pair_are_one_character() {
    for escaped in
        ["\\ud83d\\ude00", "\\uD83D\\uDE00", "\\U0000d83d\\U0000de00", "\\ud83d\\U0000de00", "\\U0001f600"]
    {
        assert_eq!(value(&format!("k: \"a{escaped}b\"\n"), "/", "k"), "\"a😀b\"", "{escaped}");
    }
    for (escaped, half) in [
        ("\\ud83d", "\\ud83d"),
        ("\\ude00", "\\ude00"),
        ("\\ud83d\\u0041", "\\ud83d"),
        ("\\ud83d\\n", "\\ud83d"),
        ("\\ude00\\ud83d", "\\ude00"),
        ("\\ud83d\\ud83d\\ude00", "\\ud83d"),
    ] {
        let message = format!("{half} is one half of a surrogate pair, and the other is not there");
        assert_eq!(error(&format!("k: \"{escaped}\"\n")), (ErrorClass::Value, message), "{escaped}");
    }
}

#[test]
fn version_1_1_may_end_several_times() {
    for text in [
        "%YAML 1.1\n---\nk: abc\n...\n...\n",
        "%YAML 1.1\n---\nk: abc\n...\n# c\n...\n...\n",
        "%YAML 1.1\n---\nk: abc\n",
        "k: abc\n...\n",
    ] {
        assert_eq!(value(text, "/", "k"), "\"abc\"", "{text}");
    }
    let twice = "the document has ended already: drop this '...'";
    for (text, message) in [
        ("k: abc\n...\n...\n", twice),
        ("%YAML 1.2\n---\nk: abc\n...\n...\n", twice),
        ("%YAML 1.1\n---\nk: abc\n...\n...\n---\n", "a file can hold one document only"),
    ] {
        assert_eq!(error(text), (ErrorClass::File, message.to_owned()), "{text}");
    }
}

#[test]
fn of_several_values_that_cannot_be_made_the_first_counts() {
    let (key, number, tag) =
        ("a mapping cannot be a key", "month must be in 1..12", "the tag '!foo' is not known");
    for (text, expected) in [
        // A key is made, and looked at, before its value.
        ("{a: 1}: 2020-13-45\n", key),
        ("{a: 1}: !foo x\n", key),
        ("{2020-13-45: 1}: 1\n", number),
        ("{a: 2020-13-45}: !foo x\n", number),
        ("!foo a: 2020-13-45\n", tag),
        ("a: {x: 1}\na: 2020-13-45\n", number),
        ("<<: {x: 1}\n{a: 1}: 2020-13-45\n", key),
        ("k: 2020-13-45\n{a: 1}: 1\n", number),
        ("b: !foo x\na: 2020-13-45\n", tag),
        // Collections come after everything that stands beside them.
        ("a: {b: 2020-13-45}\n{a: 1}: 1\n", key),
        ("x: {{b: 2}: 3}\nk: 2020-13-45\n", number),
        ("a: [[2020-13-45], !foo x]\n", tag),
        ("a: [[[2020-13-45]]]\nb: [[!foo x]]\n", tag),
        ("a: [[2020-13-45]]\nb: !foo [x]\n", tag),
        // Merge keys before everything in a mapping.
        ("b: 2020-13-45\n<<: 5\n", "'<<' takes a mapping or a list of mappings"),
        ("b: 2020-13-45\n<<: {a: 1}\n{c: 1}: 1\n", number),
    ] {
        assert_eq!(error(text).1, expected, "{text}");
    }
}

#[test]
fn what_is_no_pattern_in_a_section_matters_only_when_it_is_tried() {
    for (section, name, exclude, expected) in [
        ("exclude: 5", "", "", None),
        ("exclude: 5", "zzz", "", Some("")),
        ("exclude: 5", "", "/", Some("")),
        ("exclude: [/, 5]", "", "", Some("")),
        ("exclude: [null]", "", "", None),
        ("exclude: 5, test: zzz", "", "", Some("")),
        ("exclude: {a: 1}", "zzz", "", Some("")),
        ("exclude: '('", "zzz", "", Some("")),
        ("test: 5", "", "", None),
        ("test: [/, 5]", "", "", Some("/t")),
        ("test: [zzz, 5]", "", "", None),
        ("test: zzz, filter: [5]", "", "", Some("")),
        ("test: /t, filter: [5]", "", "", None),
        ("filter: [null]", "", "", Some("/t")),
        ("filter: [false]", "", "", None),
    ] {
        let tree = load(&format!("/p: {{discover: {{how: fmf, {section}}}}}\n/t: {{test: t}}\n")).unwrap();
        let given = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
        let request = Request {
            plan: Some("/p".to_owned()),
            names: given(name),
            excludes: given(exclude),
            ..Request::default()
        };
        let found = discover(&tree, &request)
            .map(|found| found.tests.iter().map(|test| test.name.to_string()).collect::<Vec<_>>().join(" "));
        match expected {
            Some(names) => assert_eq!(found.as_deref(), Ok(names), "{section}"),
            None => {
                let error = found.expect_err(section);
                assert_eq!(error.class(), ErrorClass::Type, "{section}: {error}");
                assert_eq!(error.position().map(|position| position.line), Some(1), "{section}: {error}");
            }
        }
    }
}
