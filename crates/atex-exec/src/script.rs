//! The script that bash runs on a host for one attempt at a test: the environment, then the test's own text.

use std::fmt::Write as _;

use atex_model::{Object, Test};
use serde_json::Value;

/// What a test is told of where it runs.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The run's directory on the host.
    pub work_dir: &'a str,
    /// The name of the set-up's directory in it.
    pub setup: &'a str,
    pub run: &'a str,
    pub attempt: u32,
    pub host: &'a str,
}

/// A variable and its value.
pub(crate) type Variable = (String, String);

/// The variables of an `environment`: an object, or a list of objects of which later ones win.
pub(crate) fn variables(environment: Option<&Value>) -> Result<Vec<Variable>, String> {
    let mut all = Vec::new();
    match environment {
        None | Some(Value::Null) => {}
        Some(Value::Object(object)) => of_object(object, &mut all)?,
        Some(Value::Array(objects)) => {
            for object in objects {
                match object {
                    Value::Object(object) => of_object(object, &mut all)?,
                    other => return Err(format!("expected an object of variables, found {other}")),
                }
            }
        }
        Some(other) => return Err(format!("expected an object or a list of objects, found {other}")),
    }
    Ok(all)
}

fn of_object(object: &Object, all: &mut Vec<Variable>) -> Result<(), String> {
    for (name, value) in object {
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("`{}`: expected the name of a variable", name.escape_debug()));
        }
        let value = text_of(value).ok_or_else(|| format!("{name}: expected text, a number or a boolean"))?;
        if value.contains('\0') {
            return Err(format!("{name}: expected a value without NUL"));
        }
        all.push((name.clone(), value));
    }
    Ok(())
}

/// A value as Python writes it, which is what tests written for fmf expect.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => "None".into(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// The whole script. Its first line is ours, everything after it is the test's text.
///
/// Values stand in the script, which goes through stdin, and in no command line.
pub(crate) fn script(test: &Test, at: &Surroundings<'_>) -> Result<Vec<u8>, String> {
    let command = test.data.get("test").and_then(Value::as_str).unwrap_or_default();
    let home = at.work_dir;
    let mut line = String::from("read -r REPLY </proc/self/stat && echo \"$REPLY\" >leader;");
    // Control gets a number that scripts do not use on their own, as under the Python ATEX.
    line.push_str("exec {ATEX_TEST_CONTROL}>&9 9>&-;export ATEX_TEST_CONTROL;");
    let metadata = format!("{home}/test/metadata.yaml");
    let yaml = serde_yaml::to_string(&test.data).map_err(|e| format!("data: {e}"))?;
    let _ = write!(line, "printf %s {} >metadata.yaml;", quote(&yaml));
    let plan_file = format!("{home}/{}/environment", at.setup);
    let mut all = variables(test.plan.as_ref().map(|plan| &plan.environment))?;
    let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
    add("TMT_PLAN_ENVIRONMENT_FILE", &plan_file);
    add("TMT_TEST_NAME", &test.name);
    add("TMT_TEST_METADATA", &metadata);
    all.extend(variables(test.data.get("environment"))?);
    let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
    let tree = format!("{home}/{}/tree", at.setup);
    add("TMT_TREE", &tree);
    add("ATEX_RUN_ID", at.run);
    add("ATEX_ATTEMPT", &at.attempt.to_string());
    add("ATEX_HOST", at.host);
    add("ATEX_PLATFORM", test.label());
    add("TMT_REBOOT_COUNT", "0");
    add("TMT_TEST_RESTART_COUNT", "0");
    for (name, value) in &all {
        let _ = write!(line, "export {name}={};", quote(value));
    }
    let _ = write!(line, "set -a;. {};set +a;", quote(&plan_file));
    let dir = format!("{tree}/{}", test.dir.as_deref().unwrap_or("."));
    let _ = write!(line, "cd -- {} || exit;set -e -o pipefail", quote(&dir));
    line.push('\n');
    line.push_str(command);
    if !command.ends_with('\n') {
        line.push('\n');
    }
    Ok(line.into_bytes())
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

    #[test]
    fn variables_of_all_forms() {
        let ok = |value: Value| variables(Some(&value)).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            ok(json!({"A": 1, "B": 1.0, "C": true})),
            [pair("A", "1"), pair("B", "1.0"), pair("C", "True")]
        );
        assert_eq!(ok(json!([{"A": "x"}, {"A": null}])), [pair("A", "x"), pair("A", "None")]);
        assert_eq!(variables(None).unwrap(), []);
        for bad in [
            json!("A=1"),
            json!([1]),
            json!({"A B": 1}),
            json!({"": 1}),
            json!({"A": []}),
            json!({"A": "\0"}),
        ] {
            assert!(variables(Some(&bad)).is_err(), "{bad}");
        }
    }

    fn by_bash(script: &str) -> Vec<u8> {
        let output = std::process::Command::new("bash").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[test]
    fn the_tests_text_begins_on_the_second_line() {
        let mut data = Object::new();
        data.insert("test".into(), "echo $LINENO\n".into());
        data.insert("environment".into(), json!({"A": "two\nlines'\\"}));
        let test = Test::new("/a\nb", data);
        let at = Surroundings { work_dir: "/w", setup: "s0", run: "r", attempt: 1, host: "h" };
        let text = String::from_utf8(script(&test, &at).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1..], ["echo $LINENO"]);
        assert!(lines[0].contains(r"export A=$'two\nlines\'\\';"), "{}", lines[0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn bash_reads_what_was_quoted(text in "[^\u{0}]{0,40}") {
            prop_assert_eq!(by_bash(&format!("printf %s {}", quote(&text))), text.as_bytes());
        }
    }
}
