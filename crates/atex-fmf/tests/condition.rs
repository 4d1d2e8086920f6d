//! Conditions: the corpus, Python's semantics, what is refused and where, limits, and text that means nothing.

use std::fs;
use std::path::Path;

use atex_fmf::condition::{ConditionError, ConditionErrorKind as Kind, Expression};
use atex_fmf::{Context, Mapping, Request, Tree, Value, discover, json, yaml};
use proptest::prelude::*;
use serde_json::Value as Json;

const DATA: &str = r#"
tag: [Tier1, quick]
tier: 1
component: bash
environment: {A: "1", B: x, 3: y, 2.5: z, true: w}
l: [3, 1, 2]
inf: .inf
nan: .nan
big: 123456789012345678901234567890
huge: 1234567890123456789012345678901234567890123456789
text: "Hello, Wörld"
date: 2020-01-02
moment: 2020-01-02 03:04:05Z
later: 2020-01-02 05:04:05+01:00
require: [a, {type: file, pattern: [b, c]}]
extra-summary: es
id: test-id
bytes: !!binary aGVsbG8=
"#;

fn data() -> Mapping {
    match yaml::load(DATA) {
        Ok(Value::Map(mapping)) => (*mapping).clone(),
        other => panic!("the test's data: {other:?}"),
    }
}

fn ask(text: &str, data: &Mapping) -> Result<bool, ConditionError> {
    Expression::parse(text)?.holds(data)
}

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus")
}

/// Rows that give something else, with the reason. There are none.
const UNEQUAL: [(&str, &str); 0] = [];

#[test]
fn corpus_vectors() {
    let table = fs::read_to_string(corpus().join("vectors/condition.jsonl")).unwrap();
    let mut rows = 0;
    for line in table.lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let condition = row["condition"].as_str().unwrap();
        let found = match ask(condition, &json::from_serde(&row["data"]).as_map().unwrap()) {
            Ok(found) => found.to_string(),
            Err(error) if matches!(error.kind, Kind::Name | Kind::Key) => "false via FilterError".into(),
            Err(error) => error.to_string().split(": ").nth(1).unwrap().to_owned(),
        };
        let expected = match (&row["result"], row["via"].as_str()) {
            (Json::Bool(result), None) => result.to_string(),
            (Json::Bool(result), Some(via)) => format!("{result} via {via}"),
            _ => row["message"].as_str().unwrap().split(':').next().unwrap().to_owned(),
        };
        let is_known = UNEQUAL.iter().any(|(known, _)| *known == condition);
        assert_eq!(found == expected, !is_known, "{condition}: {found}, expected {expected}");
        rows += 1;
    }
    assert!(rows >= 148, "only {rows} rows");
}

#[test]
fn corpus_runs_with_conditions() {
    let mut runs = 0;
    for case in ["143-conditions", "146-plans"] {
        let case = corpus().join("cases").join(case);
        let tree = Tree::load(case.join("tree"), &Context::new()).unwrap();
        for folder in fs::read_dir(case.join("runs")).unwrap().map(|entry| entry.unwrap().path()) {
            let args: Json = serde_json::from_slice(&fs::read(folder.join("args.json")).unwrap()).unwrap();
            let texts = |key: &str| -> Vec<String> {
                let list = args[key].as_array().cloned().unwrap_or_default();
                list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
            };
            if texts("conditions").is_empty() {
                continue;
            }
            runs += 1;
            check_run(&tree, &folder, args["plan"].as_str(), &texts("conditions"), texts("filters"));
        }
    }
    assert!(runs >= 18, "only {runs} runs");
}

fn check_run(tree: &Tree, folder: &Path, plan: Option<&str>, conditions: &[String], filters: Vec<String>) {
    let expected: Option<Vec<String>> = fs::read_to_string(folder.join("expected.jsonl")).ok().map(|lines| {
        let name =
            |line: &str| serde_json::from_str::<Json>(line).unwrap()["name"].as_str().unwrap().to_owned();
        lines.lines().map(name).collect()
    });
    let parsed: Result<Vec<_>, _> = conditions.iter().map(|text| Expression::parse(text)).collect();
    let found = parsed.ok().and_then(|parsed| {
        let request = Request {
            plan: plan.map(Into::into),
            filters,
            conditions: parsed.iter().map(|condition| condition as &dyn atex_fmf::Condition).collect(),
            ..Request::default()
        };
        let found = discover(tree, &request).ok()?;
        Some(found.tests.iter().map(|test| test.name.to_string()).collect::<Vec<_>>())
    });
    assert_eq!(found, expected, "{}: {conditions:?}", folder.display());
}

/// Each is true in Python 3.12.
const TRUE: &[&str] = &[
    // numbers
    "[7 // 2, -7 // 2, 7 // -2, 7 % -3, -7 % 3] == [3, -4, -4, -2, 2]",
    "[7.5 // 2, -7.5 % 2, 7.5 % -2] == [3.0, 0.5, -0.5]",
    "str(0.0 // -1) == '-0.0' and str(-0.0 % 1) == '0.0'",
    "2 ** 3 ** 2 == 512 and -2 ** 2 == -4 and 2 ** -1 == 0.5 and (-8) ** 3 == -512",
    "1 == 1.0 == True and 0 == False and '1' != 1",
    "9007199254740993 > 9007199254740992.0 and 2 ** 53 + 1 != 2.0 ** 53",
    "big + 1 == 123456789012345678901234567891 and huge > big and huge == huge and huge < inf",
    "nan != nan and nan in [nan] and not nan == nan",
    "[round(0.5), round(1.5), round(2.675, 2), round(1250, -2), round(-5, -1)] == [0, 2, 2.67, 1200, 0]",
    "[1 << 10, -1 >> 3, 5 & 3, 5 | 3, 5 ^ 3, ~5] == [1024, -1, 1, 7, 6, -6] and (True ^ True) is False",
    "divmod(-7, 3) == (-3, 2) and 10 / 5 == 2.0 and isinstance(10 / 5, float)",
    "[int(' -1_0 '), int(1.9), int('ff', 16), int('0b11', 0), int('z', base=36)] == [-10, 1, 255, 3, 35]",
    "[float('1_0.5'), float(' -Infinity '), float('.5')] == [10.5, -inf, 0.5]",
    // text
    "['abc'[-1], 'abc'[::-1], 'abcdef'[5:1:-2], 'abc'[5:], text[7:9]] == ['c', 'cba', 'fd', '', 'Wö']",
    "[' a  b '.split(), 'a,b,c'.rsplit(',', 1), 'a b c'.split(None, 1)] == [['a', 'b'], ['a,b', 'c'], ['a', 'b c']]",
    "'a\\nb\\r\\nc'.splitlines(True) == ['a\\n', 'b\\r\\n', 'c'] and 'x'.split(',') == ['x']",
    "['abc'.find('c', -1), 'aaa'.count('aa'), 'abc'.count(''), 'wörld'.index('r')] == [2, 1, 4, 2]",
    "'abc'.startswith(('x', 'a')) and not 'abc'.startswith('', 4) and 'abc'.endswith('b', 0, 2)",
    "['abc'.replace('', '-'), 'aaa'.replace('a', 'b', 2)] == ['-a-b-c-', 'bba']",
    "[\"they're\".title(), 'ß'.capitalize(), 'ΑΣ'.lower(), 'Straße'.casefold()] == [\"They'Re\", 'Ss', 'ας', 'strasse']",
    "['ab'.center(5, '*'), '-5'.zfill(4), 'xxaxx'.strip('x')] == ['**ab*', '-005', 'a']",
    "'²'.isdigit() and not '²'.isdecimal() and 'ª'.islower() and not ''.isalpha() and 'Ab Cd'.istitle()",
    "any(map(str.isupper, ['a', 'B'])) and str.lower('A') == 'a'",
    "'a' 'b' == \"ab\" and r'\\n' == '\\\\n' and '\\N{BULLET}\\x41\\101' == '\u{2022}AA'",
    // text of values
    "str([1, 'a', None, 1e16, {'k': 1.0}, (1,)]) == \"[1, 'a', None, 1e+16, {'k': 1.0}, (1,)]\"",
    "str(date) == '2020-01-02' and repr(moment).endswith('tzinfo=datetime.timezone.utc)')",
    "str(type(1)) == \"<class 'int'>\" and type(date).__name__ == 'date' and str(range(0, -1)) == 'range(0, -1)'",
    "f'{tier:>3}|{component!r}|{tier=}|{1.005:.2f}|{l}|{{}}' == \"  1|'bash'|tier=1|1.00|[3, 1, 2]|{}\"",
    "f'{component:*^{6 + 2}}' == '**bash**' and f'{'nested'}' == 'nested'",
    "'{:,} {:+} {:010,} {:#x} {:.1%}'.format(1234567, 1, 1234, 255, 0.256) == '1,234,567 +1 00,001,234 0xff 25.6%'",
    "'{0[a]} {x!r:>4} {{}}'.format({'a': 1}, x='y') == \"1  'y' {}\"",
    "['{:.3}'.format(1e10), '{:g}'.format(1e-5), '{:.1}'.format(15.0)] == ['1e+10', '1e-05', '2e+01']",
    "'%s %5.1f %-3d| %x %r %%' % ('a', 3.14159, 5, 255, 'b') == \"a   3.1 5  | ff 'b' %\" and '%(a)s' % {'a': 1} == '1'",
    // collections
    "environment[1] == 'w' and environment[3.0] == 'y' and environment.get('Z', 5) == 5",
    "{1: 'a', 1.0: 'b', True: 'c'} == {1: 'c'} and {**{'a': 1}, 'b': 2} == dict(a=1, b=2) == {'b': 2, 'a': 1}",
    "[(x, y) for x in l if x > 1 for y in 'ab'] == [(3, 'a'), (3, 'b'), (2, 'a'), (2, 'b')]",
    "{k: v for k, v in environment.items() if k == 'A'} == {'A': '1'} and {x % 2 for x in l} == {0, 1}",
    "[*l, *'ab'] == [3, 1, 2, 'a', 'b'] and max(*l) == 3",
    "sorted([(1, 'b'), (1, 'a'), (0, 'z')], key=lambda p: p[0]) == [(0, 'z'), (1, 'b'), (1, 'a')]",
    "str(sorted([3, 1, 2, 1.0, True], reverse=True)) == '[3, 2, 1, 1.0, True]'",
    "[min(l), max(tag, key=len), min([], default=3), sum([[1], [2]], [])] == [1, 'Tier1', 3, [1, 2]]",
    "list(zip('ab', [1, 2, 3])) == list(enumerate('ab', 1))[::-1][::-1][:0] + [('a', 1), ('b', 2)]",
    "any(x == 3 or 1 / 0 for x in l) and next(x for x in l if x < 3) == 1 and next(iter([]), None) is None",
    "{1} < {1, 2} and {1, 2}.issuperset([1]) and environment.keys() & {'A', 'Q'} == {'A'} and set(tag) - {'quick'}",
    "[1, 2] < [1, 3] and (1,) < (1, 2) and 'B' < 'a' and [1] != (1,)",
    "3 in range(5) and 3.0 in range(5) and 4 in range(10, 0, -2) and range(5)[-1] == 4 and not 5 in range(0, 10, 2)",
    // names and objects
    "'extra-summary' in locals() and locals()['extra-summary'] == 'es' and 'nosuch' not in globals()",
    "id == 'test-id' and hash and len is len and type(tier) is int and callable(len)",
    "isinstance(True, int) and not isinstance(1, bool) and isinstance('a', (int, (str,)))",
    "tier is 1 and None is None and tag is tag and [] is not [] and () is ()",
    "(tier and 'x') == 'x' and (0 or '') == '' and (1 if [] else 2) == 2 and not not 1",
    "(lambda a, b: a * b)(2, 3) == 6 and (lambda: 5)() == 5",
    "'{tier}|{component}'.format(**locals()) == '1|bash' and dict(**{'a': 1}, b=2) == {'a': 1, 'b': 2}",
    "[tier.real, tier.imag, True.numerator, big.denominator, 2.5.real, 2.5.imag] == [1, 0, 1, 1, 2.5, 0.0]",
    "vars()['tier'] == 1 and type(True.real) is int",
    "moment < later and date.year == 2020 and moment.date() == date and date != moment",
    "\t (tier\n == 1) # comment",
];

#[test]
fn semantics_of_python() {
    let data = data();
    for text in TRUE {
        assert_eq!(ask(text, &data), Ok(true), "{text}");
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    let data = data();
    for (text, kind, message) in [
        ("not nosuch", Kind::Name, "5: NameError: name 'nosuch' is not defined"),
        ("1 if environment['Z'] else 2", Kind::Key, "6: KeyError: 'Z'"),
        ("'{a}'.format()", Kind::Key, "1: KeyError: 'a'"),
        ("tag[5]", Kind::Index, "1: IndexError: list index out of range"),
        (
            "tier == 1 and component.nosuch",
            Kind::Attribute,
            "15: AttributeError: 'str' object has no attribute 'nosuch'",
        ),
        (
            "(tier\n < 'a')",
            Kind::Type,
            "2:4: TypeError: '<' not supported between instances of 'int' and 'str'",
        ),
        (
            "1 in component",
            Kind::Type,
            "6: TypeError: 'in <string>' requires string as left operand, not int",
        ),
        ("'ö' == 'ö' and 1 / 0", Kind::ZeroDivision, "16: ZeroDivisionError: division by zero"),
        ("{[]}", Kind::Type, "1: TypeError: unhashable type: 'list'"),
        ("int('x')", Kind::Value, "1: ValueError: invalid literal for int() with base 10: 'x'"),
        ("2.0 ** 5000", Kind::Overflow, "1: OverflowError: (34, 'Numerical result out of range')"),
        ("next(iter([]))", Kind::StopIteration, "1: StopIteration"),
        ("", Kind::Syntax, "1: SyntaxError: an expression is missing"),
        ("__import__('os')", Kind::Unsupported, "1: `__import__`: not supported"),
        ("tag and open('/etc/passwd')", Kind::Unsupported, "9: `open`: not supported"),
        ("''.__class__", Kind::Unsupported, "1: `str.__class__`: not supported"),
        ("bytes.title()", Kind::Unsupported, "1: `bytes.title`: not supported"),
        ("bytes.hex()", Kind::Unsupported, "1: `bytes.hex`: not supported"),
        (
            "bytes.isnumeric()",
            Kind::Attribute,
            "1: AttributeError: 'bytes' object has no attribute 'isnumeric'",
        ),
        ("tag.append(1)", Kind::Unsupported, "1: `list.append`: not supported"),
        ("dict(**l)", Kind::Type, "8: TypeError: argument after ** must be a mapping, not list"),
        ("dict(**{1: 2})", Kind::Type, "8: TypeError: keywords must be strings"),
        ("dict(a=1, **{'a': 2})", Kind::Type, "13: TypeError: got multiple values for keyword argument 'a'"),
        ("2.5.numerator", Kind::Attribute, "1: AttributeError: 'float' object has no attribute 'numerator'"),
        ("  (x := 1)", Kind::Unsupported, "4: `:=`: not supported"),
        ("2 ** 200", Kind::Unsupported, "1: integers of more than 128 bits: not supported"),
        (
            "[locals() for x in l]",
            Kind::Unsupported,
            "2: `locals inside a comprehension or lambda`: not supported",
        ),
    ] {
        let error = ask(text, &data).expect_err(text);
        assert_eq!((error.kind, error.to_string().as_str()), (kind, message), "{text}");
    }
}

#[test]
fn what_python_cannot_parse_is_a_syntax_error() {
    let bad = [
        "tier ==",
        "tier = 1",
        "!tier",
        "import os",
        "a b",
        "(1",
        "1)",
        "tier\n== 1",
        "'a",
        "01",
        "f'{'",
        "*l",
        "\0",
        "# c",
    ];
    for text in bad {
        assert_eq!(Expression::parse(text).expect_err(text).kind, Kind::Syntax, "{text}");
    }
}

#[test]
fn hostile_conditions_end_soon() {
    let data = data();
    let deep = [
        "[".repeat(150) + &"]".repeat(150),
        "not ".repeat(300) + "1",
        "-".repeat(60_000) + "1",
        ["1"; 30_000].join("+"),
        ["1"; 3_000].join("**"),
        "1 if 1 else ".repeat(3_000) + "1",
        "lambda:".repeat(3_900) + "1",
        "l".to_owned() + &"[0]".repeat(15_000),
        "tag".repeat(30_000),
    ];
    let costly = [
        "'a' * 10 ** 9",
        "[0] * 10 ** 30",
        "list(range(10 ** 9))",
        "[x for x in range(10 ** 9) for y in range(10 ** 9)]",
        "repr([[[0] * 1000] * 1000] * 1000)",
        "[[[0] * 1000] * 1000] * 1000 == [[[0] * 1000] * 1000] * 1000",
        "{((0,) * 1000,) * 1001: 1}",
        "'{:1000000000}'.format(1)",
        "'%*d' % (10 ** 9, 1)",
        "'x'.ljust(10 ** 12)",
        "any('b' in s for s in ['a' * 1000000] * 900000)",
        "'a'.replace('', 'x' * 10000) * 10000",
        "(lambda f: f(f))(lambda f: f(f))",
        "(lambda f: f(f) + f(f))(lambda f: f(f) + f(f))",
        "sum([[1] * 1000] * 1000, [])",
    ];
    for text in deep.iter().map(String::as_str).chain(costly) {
        assert_eq!(ask(text, &data).map_err(|error| error.kind), Err(Kind::Limit), "{text:.60}");
    }
    let brackets = "(".repeat(201) + "1" + &")".repeat(201);
    assert_eq!(ask(&brackets, &data).map_err(|error| error.kind), Err(Kind::Syntax));
}

#[test]
fn long_and_flat_conditions_are_fine() {
    let data = data();
    assert_eq!(ask(&["not 'quick' in tag"; 2_900].join(" or "), &data), Ok(false));
    assert_eq!(ask(&format!("tier in [{}1]", "0, ".repeat(20_000)), &data), Ok(true));
    assert_eq!(ask(&("(".repeat(190) + "1" + &")".repeat(190)), &data), Ok(true));
    assert_eq!(ask(&["1"; 90].join("+"), &data), Ok(true));
}

/// Pieces of which sensible and senseless expressions are made.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        ".",
        "+",
        "-",
        "*",
        "**",
        "%",
        "//",
        "<<",
        "not ",
        " and ",
        " or ",
        " if ",
        " else ",
        " for x in ",
        " in ",
        " is ",
        "==",
        "<",
        "lambda x: ",
        "'",
        "\"",
        "f'",
        "{x}",
        "'a'",
        "'%s'",
        "'{:>5}'",
        "1",
        "2.5",
        "x",
        "l",
        "tag",
        "text",
        "environment",
        "nan",
        "date",
        "big",
        "None",
        "True",
        "len",
        "sorted",
        "str",
        "int",
        "set",
        "range",
        ".get",
        ".split",
        ".format",
        ".join",
        ".items",
        "()",
        "(l)",
        "[0]",
        "[::-1]",
        "\n",
        "\\",
        "#",
        "é",
        "\u{0}",
        "_",
        "0x",
        "1e",
        "!r",
        "=",
        "any",
        "max",
        "zip",
        "map",
        "...",
        "locals",
    ])
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = ask(&text, &data());
    }

    #[test]
    fn arbitrary_pieces_never_panic(pieces in prop::collection::vec(piece(), 0..30)) {
        let _ = ask(&pieces.concat(), &data());
    }

    #[test]
    fn integers_calculate_as_python_does(a in -1000_i128..1000, b in -50_i128..50) {
        prop_assume!(b != 0);
        let (quotient, rest) = ((a as f64 / b as f64).floor() as i128, a - b * (a as f64 / b as f64).floor() as i128);
        let text = format!("({a}) // ({b}) == {quotient} and ({a}) % ({b}) == {rest} and divmod({a}, {b}) == ({quotient}, {rest})");
        prop_assert_eq!(ask(&text, &data()), Ok(true));
    }
}
