//! Input that nobody means well: nothing panics, overflows the stack, or takes all memory.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use atex_fmf::{Context, ErrorClass, Filter, Key, Mapping, Request, Rule, Tree, Value, discover, json, yaml};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use proptest::prelude::*;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".fmf")).unwrap();
    fs::write(directory.path().join(".fmf/version"), "1\n").unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn load(text: &str) -> Result<Tree, atex_fmf::Error> {
    Tree::load(tree(&[("main.fmf", text)]).path(), &Context::new())
}

#[test]
fn deep_nesting_is_an_error() {
    let levels = 10_000;
    let block: String = (0..levels).map(|level| format!("{}- \n", " ".repeat(level))).collect();
    for text in [
        "[".repeat(levels),
        "{a: ".repeat(levels),
        "? ".repeat(levels),
        "- ".repeat(levels),
        "[{".repeat(levels),
        block,
    ] {
        let error = yaml::load(&text).unwrap_err();
        assert!(error.message.contains("levels of nesting"), "{error}");
    }
    assert!(yaml::load(&format!("{}{}", "[".repeat(199), "]".repeat(199))).is_ok());
}

#[test]
fn aliases_cannot_nest_or_grow_without_bounds() {
    let mut nested = String::from("a0: &a0 [x]\n");
    let mut doubled = String::from("a0: &a0 [x, x]\n");
    let mut mappings = String::from("a0: &a0 {x: 1, y: 1}\n");
    for level in 1..2000 {
        let below = level - 1;
        nested += &format!("a{level}: &a{level} [*a{below}]\n");
        doubled += &format!("a{level}: &a{level} [*a{below}, *a{below}]\n");
        mappings += &format!("a{level}: &a{level} {{x: *a{below}, y: *a{below}}}\n");
    }
    for (text, message) in [
        (nested, "aliases make this too deep"),
        (doubled, "aliases stand for more than"),
        (mappings, "aliases stand for more than"),
    ] {
        let error = yaml::load(&text).unwrap_err();
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn a_bomb_of_aliases_names_its_file() {
    let mut bomb = String::from("a0: &a0 [x, x]\n");
    for level in 1..60 {
        let below = level - 1;
        bomb += &format!("a{level}: &a{level} [*a{below}, *a{below}]\n");
    }
    let directory = tree(&[("a.fmf", "test: t\n"), ("bomb.fmf", &bomb)]);
    let error = Tree::load(directory.path(), &Context::new()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::File);
    assert_eq!(
        error.position().map(|position| position.path.clone()),
        Some(directory.path().join("bomb.fmf"))
    );
}

fn names(tree: &Tree) -> Vec<&str> {
    tree.nodes().map(|node| node.name()).collect()
}

#[test]
fn loops_of_links_end() {
    let directory = tree(&[("main.fmf", "test: t\n")]);
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/b/x.fmf"), "").unwrap();
    symlink(".", at("a/loop")).unwrap();
    symlink("../../a", at("a/b/up")).unwrap();
    symlink("loop", at("a/other")).unwrap();
    symlink("self.fmf", at("a/self.fmf.d")).unwrap();
    symlink("knot", at("a/knot")).unwrap();
    let tree = Tree::load(directory.path(), &Context::new()).unwrap();
    // The target of each link is entered once, under the first link to it.
    assert_eq!(names(&tree), ["/", "/a", "/a/b", "/a/b/up", "/a/b/up/b", "/a/b/up/b/x", "/a/b/x"]);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_path() {
    let directory = tree(&[("a.fmf", "test: t\n")]);
    let path = directory.path().join("dangling.fmf");
    symlink("nowhere", &path).unwrap();
    let error = Tree::load(directory.path(), &Context::new()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Os);
    assert!(error.message().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn what_is_no_regular_file_is_refused_with_its_path() {
    for name in ["x.fmf", "sub/main.fmf", "sub/deep/x.fmf", ".fmf/config", ".fmf/version"] {
        for (kind, found) in
            [("fifo", "a FIFO"), ("zero", "a device"), ("link", "a FIFO"), ("socket", "No such device")]
        {
            let directory = tree(&[(
                "main.fmf", "test: t
",
            )]);
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            let fifo = directory.path().join("fifo");
            mkfifo(&fifo, Mode::S_IRWXU).unwrap();
            match kind {
                "fifo" => mkfifo(&path, Mode::S_IRWXU).unwrap(),
                "zero" => symlink("/dev/zero", &path).unwrap(),
                "link" => symlink(&fifo, &path).unwrap(),
                _ => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
            }
            let error = Tree::load(directory.path(), &Context::new()).unwrap_err();
            assert!(error.message().contains(found), "{error}");
            assert!(error.message().ends_with(&format!(": '{}'", path.display())), "{error}");
        }
    }
}

#[test]
fn a_directory_that_cannot_be_read_is_passed_by() {
    let directory = tree(&[("a.fmf", "test: t\n")]);
    let hidden = directory.path().join("hidden");
    fs::create_dir(&hidden).unwrap();
    fs::write(hidden.join("x.fmf"), "").unwrap();
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads it all the same.
    let expected = match fs::read_dir(&hidden) {
        Ok(_) => vec!["/", "/a", "/hidden", "/hidden/x"],
        Err(_) => vec!["/", "/a"],
    };
    let tree = Tree::load(directory.path(), &Context::new());
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(names(&tree.unwrap()), expected);
}

#[test]
fn names_that_are_not_utf8_are_errors_with_the_path_only_where_they_matter() {
    let odd = |end: &[u8]| OsString::from_vec([b"odd\xff", end].concat());
    for (file, is_error) in [
        (odd(b".fmf"), true),
        (OsString::from("main.fmf"), true),
        (OsString::from("README"), false),
        (odd(b".txt"), false),
    ] {
        let directory = tree(&[("a.fmf", "test: t\n")]);
        let below = directory.path().join(odd(b""));
        fs::create_dir(&below).unwrap();
        fs::write(below.join(&file), "").unwrap();
        match Tree::load(directory.path(), &Context::new()) {
            Ok(tree) => assert!(!is_error && names(&tree) == ["/", "/a"], "{file:?}"),
            Err(error) => {
                assert!(is_error, "{error}");
                assert_eq!(error.class(), ErrorClass::Unicode);
                assert!(error.message().contains("odd\u{fffd}"), "{error}");
            }
        }
    }
}

#[test]
fn of_several_errors_the_first_in_the_order_of_files_counts() {
    // Many files, so that they are parsed by several threads.
    let directory = tree(&[]);
    for number in 0..200 {
        let text = if number >= 100 { "a: [\n" } else { "test: t\n" };
        fs::write(directory.path().join(format!("t{number:03}.fmf")), text).unwrap();
    }
    for _ in 0..20 {
        let error = Tree::load(directory.path(), &Context::new()).unwrap_err();
        let path = error.position().unwrap().path.clone();
        assert_eq!(path, directory.path().join("t100.fmf"));
    }
}

#[test]
fn of_several_bad_rules_the_first_in_the_order_of_nodes_counts() {
    // Enough nodes to be adjusted by several threads.
    let nodes: String = (0..4000)
        .map(|number| match number {
            0..50 => format!("/t{number}: {{test: t}}\n"),
            _ => format!("/t{number}: {{adjust: {{when: 'bad {number}'}}}}\n"),
        })
        .collect();
    for _ in 0..5 {
        let error = load(&nodes).unwrap_err();
        assert_eq!(error.class(), ErrorClass::InvalidRule);
        assert_eq!(error.position().map(|position| position.line), Some(51), "{error}");
    }
}

#[test]
fn a_file_of_100_megabytes_that_is_no_metadata_is_an_error_with_its_path() {
    let directory = tree(&[("a.fmf", "test: t\n")]);
    let path = directory.path().join("image.fmf");
    fs::File::create(&path).unwrap().set_len(100_000_000).unwrap();
    let error = Tree::load(directory.path(), &Context::new()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::File);
    assert_eq!(error.position().map(|position| (&position.path, position.line)), Some((&path, 1)));
}

#[test]
fn an_alias_within_its_own_value_is_an_error() {
    for text in ["&a [*a]", "a: &a {b: *a}", "&a {<<: *a}"] {
        let error = yaml::load(text).unwrap_err();
        assert!(error.syntax && error.message.contains("contains itself"), "{text}: {error}");
    }
}

#[test]
fn a_mapping_that_comes_to_contain_itself_is_an_error() {
    let error = load("a: &a {x: 1}\nb: &b {y: *a}\na+: {z: *b}\n").unwrap_err();
    assert_eq!(error.class(), ErrorClass::Recursion);
}

#[test]
fn nodes_cannot_be_nested_without_bounds() {
    let error = load(&format!("? {}\n: {{x: 1}}\n", "/a".repeat(10_000))).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Recursion);
    assert_eq!(error.position().map(|position| (position.line, position.column)), Some((1, 3)));
}

#[test]
fn text_cannot_double_for_ever() {
    let rules = "- s~: /./../\n".repeat(80).replace("../", "$$/");
    let error = load(&format!("s: x\nadjust:\n{rules}")).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Recursion);
}

#[test]
fn libraries_that_require_each_other_twice_are_an_error() {
    let mut text = String::from("/t: {test: t, require: [{nick: n, name: /l0}]}\n");
    for level in 0..60 {
        let next = format!("{{nick: n, name: /l{}}}", level + 1);
        text += &format!("/l{level}: {{require: [{next}, {next}]}}\n");
    }
    text += "/l60: {require: [x]}\n";
    let tree = load(&text).unwrap();
    let request = Request { libraries: true, ..Request::default() };
    assert_eq!(discover(&tree, &request).unwrap_err().class(), ErrorClass::Recursion);
}

#[test]
fn errors_name_the_key_at_fault() {
    for (text, line, column, message) in [
        ("a: 1\nb: [\n", 3, 1, "Failed to parse"),
        ("tag: [a]\n/x:\n  y: 1\n  tag+: b\n", 4, 3, "Key 'tag' in /x"),
        ("/x:\n  adjust:\n  - when: 'a ='\n", 3, 5, "Cannot parse expression"),
        ("/x:\n  /: {inherit: 1}\n", 2, 7, "Invalid fmf directive 'inherit'"),
        ("a:\n  b: 1\n  b: 2\n", 3, 3, "Failed to parse"),
        ("adjust: {continue: 1}\n", 1, 10, "The 'continue' value"),
    ] {
        let error = load(text).unwrap_err();
        let position = error.position().unwrap_or_else(|| panic!("no place in {error}"));
        assert_eq!((position.line, position.column), (line, column), "{error}");
        assert!(error.message().contains(message), "{error}");
        assert!(
            error.to_string().contains(&format!("main.fmf:{line}:{column}: {}", error.class())),
            "{error}"
        );
    }
}

#[test]
fn errors_of_merging_name_both_keys() {
    for (text, places) in [
        ("tag: [a]\n/x:\n  y: 1\n  tag+: b\n", ["4:3", "1:1"]),
        ("env: {A: 1}\n/x:\n  env:\n    A: 2\n  /y: {env+: {A+: [1]}}\n", ["5:15", "4:5"]),
        ("l: [1]\n/x:\n  /y: {l+: {a: 1}}\n", ["3:8", "1:1"]),
        ("n: 1\n/x: {n-: a}\n", ["2:6", "1:1"]),
        ("n: 1\n/x:\n  m: 2\n  adjust: {n~: /a/b/}\n", ["4:12", "1:1"]),
    ] {
        let error = load(text).unwrap_err();
        let position = error.position().unwrap();
        assert_eq!(format!("{}:{}", position.line, position.column), places[0], "{error}");
        assert!(
            error.to_string().ends_with(&format!(
                "The value so far is that of {}:{}.",
                position.path.display(),
                places[1]
            )),
            "{error}"
        );
    }
}

#[test]
fn a_section_from_elsewhere_is_refused_by_name() {
    let tree = load("/p: {discover: {how: fmf, name: ext, url: https://example.org/x}}\n").unwrap();
    let error = discover(&tree, &Request { plan: Some("/p".into()), ..Request::default() }).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fetch);
    assert!(
        error.message().contains("'ext'") && error.message().contains("https://example.org/x"),
        "{error}"
    );
}

#[test]
fn conditions_drop_nodes_or_end_the_selection() {
    let tree = load("/a: {test: a, n: 1}\n/b: {test: b}\n").unwrap();
    let has_n = |data: &Mapping| match data.get("n") {
        Some(value) => Ok(value.is_truthy()),
        None => Err(atex_fmf::Error::new(ErrorClass::Filter, "no n")),
    };
    let found = discover(&tree, &Request { conditions: vec![&has_n], ..Request::default() }).unwrap();
    assert_eq!(found.tests.iter().map(|test| &*test.name).collect::<Vec<_>>(), ["/a"]);
    let fails = |_: &Mapping| Err(atex_fmf::Error::new(ErrorClass::Type, "no"));
    let failed = discover(&tree, &Request { conditions: vec![&fails], ..Request::default() });
    assert_eq!(failed.unwrap_err().class(), ErrorClass::Type);
}

/// Pieces of which YAML is made, so that random texts get past the first character.
fn yaml_like() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "? ",
        ": ",
        "\"",
        "'",
        "# ",
        "|\n",
        ">-\n",
        "&x ",
        "*x",
        "!!int ",
        "!!omap ",
        "<<: ",
        "1",
        ".5",
        "~",
        "2020-01-01",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "\t",
        "\\",
        "é",
        "\u{85}",
        "\u{feff}",
        "=",
        "-~: ",
        "+: ",
        "/",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

fn small_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        "[a-z]{0,3}".prop_map(Value::from)
    ]
}

fn small_mapping() -> impl Strategy<Value = Mapping> {
    prop::collection::vec(("[a-e]{1,2}", small_value()), 0..6).prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    #[test]
    fn any_text_is_yaml_or_an_error(text in "\\PC{0,60}|(\\PC|\\s){0,60}") {
        let _ = yaml::load(&text);
    }

    #[test]
    fn anything_like_yaml_loads_or_fails_and_can_be_written(text in yaml_like()) {
        if let Ok(value) = yaml::load(&text) {
            let written = json::to_string(&value);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok(), "{written}");
        }
    }

    #[test]
    fn json_is_yaml_that_means_the_same(mapping in small_mapping()) {
        let value = Value::Map(mapping.into());
        prop_assert_eq!(yaml::load(&json::to_string(&value)).unwrap(), value);
    }

    #[test]
    fn any_text_is_a_filter(text in "(\\PC|[|&:,\\\\-]){0,30}", name in "/[a-z/]{0,10}") {
        let _ = Filter::parse(&text).matches(&name, &Mapping::from_iter([("tag", "a")]));
    }

    #[test]
    fn any_text_is_a_rule_or_an_error(text in "(\\PC|[<>=~!,]| and | or |distro){0,12}") {
        let mut context = Context::new();
        context.set("distro", ["rhel-9.6", ""]);
        if let Ok(rule) = Rule::parse(&text) {
            let _ = rule.eval(&context);
        }
    }

    #[test]
    fn a_child_keeps_its_parents_keys_and_their_order(parent in small_mapping(), child in small_mapping()) {
        let mut data = parent.clone();
        data.set("/child", Value::Map(child.clone().into()));
        let tree = Tree::from_data(data, &Context::new()).unwrap();
        let merged = tree.find("/child").unwrap().data();
        let keys: Vec<&Key> = merged.keys().collect();
        prop_assert!(keys.starts_with(&parent.keys().collect::<Vec<_>>()));
        for (key, value) in child.iter() {
            prop_assert_eq!(merged.get_key(key), Some(value));
        }
    }
}
