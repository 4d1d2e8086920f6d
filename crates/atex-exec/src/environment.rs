//! Variables of the environment: what metadata may say of them, and what the caller of a run gives to every test.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use atex_cli::{Failure, input::reason};
use atex_model::Object;
use serde_json::Value;

use crate::run_dir::DAMAGED;

/// What the caller sets for every test, from `--env-file` and `--env`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallerEnv {
    /// In the order in which they are set: later ones win.
    variables: Vec<Variable>,
    /// Those whose values were not typed, and are shown nowhere.
    secret: Vec<bool>,
}

/// Instead of a value that is not to be seen.
const HIDDEN: &str = "***";

impl CallerEnv {
    /// Reads the files, and takes what `--env` names, which goes before them.
    pub fn new(files: &[PathBuf], typed: &[String]) -> Result<CallerEnv, Failure> {
        let mut env = CallerEnv::default();
        for file in files {
            let text = std::fs::read_to_string(file)
                .map_err(|e| Failure::usage(format!("--env-file: {}: {}", file.display(), reason(&e))))?;
            env.add_file(&text)
                .map_err(|problem| Failure::usage(format!("--env-file: {}:{problem}", file.display())))?;
        }
        for word in typed {
            env.add_typed(word).map_err(|problem| Failure::usage(format!("--env: {problem}")))?;
        }
        Ok(env)
    }

    /// What was set when the run was called so: what was typed, and the values that `file` keeps.
    pub fn kept(file: &Path, typed: &[String]) -> Result<CallerEnv, Failure> {
        let damaged =
            |problem: String| Failure::usage(format!("{}: {problem}", file.display())).hint(DAMAGED);
        let secrets: BTreeMap<String, String> = match std::fs::read(file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?,
            // There was nothing to hide.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(e) => return Err(damaged(reason(&e).to_string())),
        };
        let mut env = CallerEnv::default();
        for (name, value) in &secrets {
            env.add(name, value, true).map_err(damaged)?;
        }
        for word in typed {
            match (word.split_once('='), secrets.get(word)) {
                (Some((name, value)), _) => env.add(name, value, false),
                (None, Some(value)) => env.add(word, value, true),
                (None, None) => Err(format!("the value of {word} is missing")),
            }
            .map_err(damaged)?;
        }
        Ok(env)
    }

    /// All of them, for tests.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// As it may be shown: what was typed as it is, other values hidden.
    pub fn shown(&self) -> Object {
        let shown = |((name, value), secret): (&Variable, &bool)| {
            (name.clone(), Value::from(if *secret { HIDDEN } else { value.as_str() }))
        };
        self.variables.iter().zip(&self.secret).map(shown).collect()
    }

    /// Keeps the values that are not to be seen in a file that only its owner can read. Without any there is none.
    pub fn save(&self, file: &Path) -> std::io::Result<()> {
        let secrets: Object = self
            .variables
            .iter()
            .zip(&self.secret)
            .filter(|(_, secret)| **secret)
            .map(|((name, value), _)| (name.clone(), Value::from(value.as_str())))
            .collect();
        if secrets.is_empty() {
            return Ok(());
        }
        let mut text = serde_json::to_vec_pretty(&secrets).expect("text keys, text values");
        text.push(b'\n');
        // It may be left of a run that never began.
        match std::fs::remove_file(file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        file.write_all(&text)?;
        file.sync_all()
    }

    /// `NAME=VALUE` as a shell reads words: several on a line, values in quotes, comments.
    fn add_file(&mut self, text: &str) -> Result<(), String> {
        let (mut pending, mut first) = (String::new(), 1);
        for (line, number) in text.lines().zip(1..) {
            if pending.is_empty() {
                first = number;
            }
            pending.push_str(line);
            pending.push('\n');
            // A quote may be closed on a later line.
            let Some(words) = shlex::split(&pending) else { continue };
            for word in words.iter().filter(|word| *word != "export") {
                // Not shown: it may be a value whose name was forgotten.
                let (name, value) =
                    word.split_once('=').ok_or_else(|| format!("{first}: expected NAME=VALUE"))?;
                self.add(name, value, true).map_err(|problem| format!("{first}: {problem}"))?;
            }
            pending.clear();
        }
        if pending.is_empty() { Ok(()) } else { Err(format!("{first}: a quote is not closed")) }
    }

    fn add_typed(&mut self, word: &str) -> Result<(), String> {
        if let Some((name, value)) = word.split_once('=') {
            return self.add(name, value, false);
        }
        check_name(word)?;
        match std::env::var(word) {
            Ok(value) => self.add(word, &value, true),
            Err(std::env::VarError::NotPresent) => {
                Err(format!("{word}: not set in the environment of atex-exec; {word}=VALUE sets it here"))
            }
            Err(std::env::VarError::NotUnicode(_)) => Err(format!("{word}: its value is not UTF-8")),
        }
    }

    fn add(&mut self, name: &str, value: &str, secret: bool) -> Result<(), String> {
        check_name(name)?;
        if value.contains('\0') {
            return Err(format!("{name}: expected a value without NUL"));
        }
        self.variables.push((name.to_owned(), value.to_owned()));
        self.secret.push(secret);
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(())
    } else {
        Err(format!("`{}`: expected the name of a variable", name.escape_debug()))
    }
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
        check_name(name)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

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

    fn file(text: &str) -> Result<Vec<Variable>, String> {
        let mut env = CallerEnv::default();
        env.add_file(text).map(|()| env.variables)
    }

    #[test]
    fn files_of_variables() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (text, expected) in [
            ("", vec![]),
            ("A=1\n\n# no\nB=\n", vec![pair("A", "1"), pair("B", "")]),
            ("export A='x y' B=\"$z\" # c\n", vec![pair("A", "x y"), pair("B", "$z")]),
            ("A='one\ntwo'\n_b=a=b", vec![pair("A", "one\ntwo"), pair("_b", "a=b")]),
        ] {
            assert_eq!(file(text).unwrap(), expected, "{text:?}");
        }
        for (text, expected) in [
            ("A=1\n\nhunter2\n", "expected NAME=VALUE"),
            ("1=x", "`1`: expected the name of a variable"),
            ("A='x", "a quote is not closed"),
        ] {
            let error = file(text).unwrap_err();
            assert!(error.ends_with(expected) && !error.contains("hunter2"), "{text:?}: {error}");
        }
        assert!(file("A=1\n\nhunter2\n").unwrap_err().starts_with("3:"));
    }

    #[test]
    fn only_what_was_typed_is_shown() {
        let mut env = CallerEnv::default();
        env.add_file("TOKEN=hunter2 A=file").unwrap();
        env.add_typed("A=typed=1").unwrap();
        assert_eq!(env.variables()[1..], [("A".into(), "file".into()), ("A".into(), "typed=1".into())]);
        assert_eq!(Value::Object(env.shown()), json!({"TOKEN": "***", "A": "typed=1"}));
        let error = env.add_typed("ATEX_NO_SUCH_VARIABLE").unwrap_err();
        assert!(error.starts_with("ATEX_NO_SUCH_VARIABLE: not set"), "{error}");
        assert!(env.add_typed("=x").is_err());
    }

    #[test]
    fn secrets_are_kept_for_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env.json");
        let mut env = CallerEnv::default();
        env.add_typed("A=1").unwrap();
        env.save(&file).unwrap();
        assert!(!file.exists(), "there is nothing to hide");
        env.add_file("TOKEN='hunter 2'").unwrap();
        env.save(&file).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(kept, json!({"TOKEN": "hunter 2"}));
        env.save(&file).unwrap();
    }

    #[test]
    fn a_run_that_goes_on_has_the_variables_that_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env.json");
        let mut env = CallerEnv::default();
        env.add_file("TOKEN=hunter2 A=file B=file HOME=file").unwrap();
        let typed = ["A=typed", "HOME", "C=1"].map(String::from);
        for word in &typed {
            env.add_typed(word).unwrap();
        }
        env.save(&file).unwrap();
        let last = |env: &CallerEnv| env.variables().iter().cloned().collect::<BTreeMap<_, _>>();
        let kept = CallerEnv::kept(&file, &typed).unwrap();
        assert_eq!(last(&kept), last(&env));
        assert_eq!(kept.shown(), env.shown());
        std::fs::remove_file(&file).unwrap();
        let missing = CallerEnv::kept(&file, &typed).unwrap_err().to_string();
        assert!(missing.contains("/env.json: the value of HOME is missing"), "{missing}");
        assert_eq!(CallerEnv::kept(&file, &typed[2..]).unwrap().variables(), [("C".into(), "1".into())]);
    }
}
