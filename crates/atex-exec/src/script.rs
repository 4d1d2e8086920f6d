//! The script that bash runs on a host for one attempt at a test: the environment, then the test's own text.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use atex_model::{Test, Tree, TreePart};
use serde_json::Value;

use crate::environment::{Variable, variables};

/// What a test is told of where it runs.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The run's directory on the host.
    pub work_dir: &'a str,
    /// The name of the set-up's directory in it.
    pub setup: &'a str,
    pub run: &'a str,
    pub attempt: u32,
    /// How often this attempt has been started again, after reboots.
    pub restarts: u32,
    pub host: &'a str,
    /// The host is the machine that we run on.
    pub is_local: bool,
    /// What the caller sets for every test.
    pub env: &'a [Variable],
}

/// The whole script. Its first line is ours, everything after it is the test's text.
///
/// Values stand in the script, which goes through stdin, and in no command line. What is the same for every test is
/// in `prelude.bash`.
pub(crate) fn script(test: &Test, at: &Surroundings<'_>) -> Result<Vec<u8>, String> {
    let command = test.data.get("test").and_then(Value::as_str).unwrap_or_default();
    let mut line = String::new();
    if needs_terminal(test) {
        line.push_str("[ \"$ATEX_TTY\" ]||. ../prelude tty;");
    }
    // Control gets a number that scripts do not use on their own, as under the Python ATEX.
    line.push_str("exec {ATEX_TEST_CONTROL}>&9 9>&-;export ATEX_TEST_CONTROL;");
    export(&mut line, &variables(test.plan.as_ref().map(|plan| &plan.environment))?);
    let age = if at.restarts == 0 { "fresh" } else { "again" };
    let _ = write!(line, ". ../prelude {age} {};", at.setup);
    let yaml = serde_yaml::to_string(&test.data).map_err(|e| format!("data: {e}"))?;
    let _ = write!(line, "printf %s {} >../work/metadata.yaml;", quote(&yaml));
    export(&mut line, &named(&[("TMT_TEST_NAME", &test.name), ("RSTRNT_TASKNAME", &test.name)]));
    export(&mut line, &variables(test.data.get("environment"))?);
    export(&mut line, at.env);
    let tree = format!("{}/{}/tree", at.work_dir, at.setup);
    let restarts = at.restarts.to_string();
    export(
        &mut line,
        &named(&[
            ("TMT_TREE", &tree),
            ("TESTID", &id_of(test, at)),
            ("ATEX_RUN_ID", at.run),
            ("ATEX_ATTEMPT", &at.attempt.to_string()),
            ("ATEX_HOST", at.host),
            ("ATEX_PLATFORM", test.label()),
            ("ATEX_REBOOT", if at.is_local { "no" } else { "yes" }),
            // The same under the names that tests for tmt and for restraint use.
            ("TMT_REBOOT_COUNT", &restarts),
            ("TMT_TEST_RESTART_COUNT", &restarts),
            ("REBOOTCOUNT", &restarts),
            ("RSTRNT_REBOOTCOUNT", &restarts),
        ]),
    );
    line.push_str("set -a;. \"$TMT_PLAN_ENVIRONMENT_FILE\";set +a;");
    let _ = write!(line, "export PATH={}:$PATH;", quote(&format!("{}/bin", at.work_dir)));
    let _ = write!(line, "cd -- {} || exit;set -e -o pipefail", quote(&format!("{tree}/{}", place_of(test))));
    line.push('\n');
    line.push_str(command);
    if !command.ends_with('\n') {
        line.push('\n');
    }
    Ok(line.into_bytes())
}

/// Whether the test asks for a terminal.
pub(crate) fn needs_terminal(test: &Test) -> bool {
    // What is true and false is Python's rule, as for every key of fmf.
    match test.data.get("tty") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(object)) => !object.is_empty(),
    }
}

/// The directory in the tree that the test runs in: tmt's `path`, from the root of the fmf tree that the test is of,
/// else where its metadata are.
fn place_of(test: &Test) -> String {
    let dir = test.dir.as_deref().unwrap_or(".");
    let Some(path) = test.data.get("path").and_then(Value::as_str) else { return dir.to_owned() };
    let root = match &test.tree {
        Some(Tree::Parts(parts)) => {
            let holds = |part: &&TreePart| Path::new(dir).starts_with(without_dots(&part.to));
            parts.iter().filter(holds).map(|part| part.to.as_str()).max_by_key(|to| to.len()).unwrap_or(".")
        }
        _ => ".",
    };
    format!("{root}/{}", path.trim_start_matches('/'))
}

/// A path of which `.` is no part, so that the root is empty.
fn without_dots(path: &str) -> PathBuf {
    Path::new(path).components().filter(|part| *part != Component::CurDir).collect()
}

/// A UUID for the attempt. It is made from what identifies the attempt, so that it stays the same when the test is
/// started again.
fn id_of(test: &Test, at: &Surroundings<'_>) -> String {
    let identity = [at.run, test.label(), &test.name, &at.attempt.to_string()].join("\0");
    let hex = blake3::hash(identity.as_bytes()).to_hex();
    // Version 8: made in a way of one's own (RFC 9562).
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30])
}

fn named(variables: &[(&str, &str)]) -> Vec<Variable> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn export(line: &mut String, variables: &[Variable]) {
    for (position, (name, value)) in variables.iter().enumerate() {
        line.push_str(if position == 0 { "export " } else { " " });
        let _ = write!(line, "{name}={}", quote(value));
    }
    if !variables.is_empty() {
        line.push(';');
    }
}

/// Quotes text for bash, on one line, so that the test's own lines begin on the second one.
pub(crate) fn quote(text: &str) -> String {
    if !text.contains(|c: char| c.is_ascii_control()) {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let mut quoted = String::from("$'");
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\'' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_ascii_control() => {
                let _ = write!(quoted, "\\{:03o}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn by_bash(script: &str) -> Vec<u8> {
        let output = std::process::Command::new("bash").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn at(env: &[Variable]) -> Surroundings<'_> {
        Surroundings {
            work_dir: "/w",
            setup: "s0",
            run: "r",
            attempt: 1,
            restarts: 2,
            host: "h",
            is_local: false,
            env,
        }
    }

    fn with(data: Value) -> Test {
        let Value::Object(data) = data else { panic!("{data}: expected an object") };
        Test::new("/a\nb", data)
    }

    #[test]
    fn the_tests_text_begins_on_the_second_line() {
        let test = with(json!({"test": "echo $LINENO\n", "environment": {"A": "two\nlines'\\"}}));
        let text = String::from_utf8(script(&test, &at(&[])).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1..], ["echo $LINENO"]);
        assert!(lines[0].contains(r"export A=$'two\nlines\'\\';"), "{}", lines[0]);
        assert!(lines[0].contains(". ../prelude again s0;"), "{}", lines[0]);
    }

    #[test]
    fn later_variables_win() {
        let env = [("OWN".to_owned(), "caller".to_owned()), ("TMT_TREE".to_owned(), "caller".to_owned())];
        let mut test =
            with(json!({"test": "", "environment": {"OWN": "test", "PLAN": "test", "ATEX_HOST": "test"}}));
        test.plan = Some(atex_model::Plan {
            environment: json!({"PLAN": "plan", "TMT_TEST_NAME": "plan"}),
            ..atex_model::Plan::default()
        });
        let text = String::from_utf8(script(&test, &at(&env)).unwrap()).unwrap();
        // The last assignment of each counts.
        for (name, value) in [
            ("OWN", "'caller'"),
            ("PLAN", "'test'"),
            ("TMT_TREE", "'/w/s0/tree'"),
            ("ATEX_HOST", "'h'"),
            ("TMT_TEST_NAME", r"$'/a\nb'"),
            ("TMT_REBOOT_COUNT", "'2'"),
            ("REBOOTCOUNT", "'2'"),
        ] {
            let last = text.rmatch_indices(&format!(" {name}=")).next().unwrap().0 + name.len() + 2;
            assert!(text[last..].starts_with(value), "{name}: {text}");
        }
    }

    #[test]
    fn the_id_is_that_of_the_attempt() {
        let test = with(json!({}));
        let id = id_of(&test, &at(&[]));
        let form: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(
            (form, id_of(&test, &Surroundings { restarts: 0, ..at(&[]) })),
            (vec![8, 4, 4, 4, 12], id.clone())
        );
        assert_ne!(id_of(&test, &Surroundings { attempt: 2, ..at(&[]) }), id);
    }

    #[test]
    fn a_path_is_from_the_root_of_the_tests_own_tree() {
        let part = |to: &str| TreePart { from: "/x".into(), to: to.into() };
        for (parts, dir, path, expected) in [
            (None, Some("a/b"), None, "a/b"),
            (None, None, None, "."),
            (None, Some("a/b"), Some("/c/d"), "./c/d"),
            (Some(vec![part("."), part("libs/x")]), Some("a/b"), Some("/c"), "./c"),
            (Some(vec![part("./one"), part("one/two"), part("on")]), Some("one/a"), Some("c"), "./one/c"),
        ] {
            let mut test = with(json!({"path": path}));
            (test.tree, test.dir) = (parts.map(Tree::Parts), dir.map(str::to_owned));
            assert_eq!(place_of(&test), expected);
        }
    }

    #[test]
    fn a_terminal_is_asked_for() {
        for (value, asked) in [
            (json!(null), false),
            (json!(false), false),
            (json!(""), false),
            (json!(0), false),
            (json!(true), true),
            (json!("no"), true),
            (json!(1), true),
        ] {
            assert_eq!(needs_terminal(&with(json!({"tty": value}))), asked);
        }
        assert!(!needs_terminal(&with(json!({}))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn bash_reads_what_was_quoted(text in "[^\u{0}]{0,40}") {
            prop_assert_eq!(by_bash(&format!("printf %s {}", quote(&text))), text.as_bytes());
        }
    }
}
