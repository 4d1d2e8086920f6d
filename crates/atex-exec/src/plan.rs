//! What a plan asks for on a host: its `prepare` and `finish` items, read once.

use atex_fmf::{Context, Rule, Verdict};
use atex_host::packages::fault_in_name;
use atex_model::{Host, Object, Plan};
use serde_json::Value;

use crate::environment::{Variable, text_of, variables};

/// The plan of a set-up, as far as it is carried out.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// What it is called in messages.
    pub plan: String,
    pub environment: Vec<Variable>,
    /// In the order in which they are carried out.
    pub prepare: Vec<Step>,
    pub finish: Vec<Step>,
    /// The whole of it, as text.
    pub text: String,
    /// What is asked for and not done, as text.
    pub ignored: Vec<String>,
}

/// One item.
#[derive(Debug)]
pub(crate) struct Step {
    /// What it is called in messages.
    pub name: String,
    pub what: What,
    order: i64,
    /// It is for hosts of which one of these rules holds; without any, for all.
    when: Vec<Rule>,
    /// It is for hosts of these names or roles; without any, for all.
    r#where: Vec<String>,
}

/// What an item does.
#[derive(Debug)]
pub(crate) enum What {
    /// Runs these scripts, one after another.
    Shell(Vec<String>),
    /// Installs packages.
    Install {
        packages: Vec<String>,
        /// These are not to come along.
        exclude: Vec<String>,
        /// A package that cannot be had is a failure.
        needed: bool,
    },
}

/// The place of an item that does not say where it stands, as under tmt.
const DEFAULT_ORDER: i64 = 50;

/// Whether an item is for a host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Applies {
    Yes,
    No,
    /// The facts of the host do not tell.
    Unknown,
}

impl Steps {
    /// Reads a plan.
    ///
    /// # Errors
    /// Text that names the key with the value that has no meaning.
    pub fn read(plan: Option<&Plan>) -> Result<Steps, String> {
        let Some(plan) = plan else { return Ok(Steps::default()) };
        let environment = variables(Some(&plan.environment)).map_err(|e| format!("plan.environment: {e}"))?;
        let text = serde_json::to_string(plan).map_err(|e| e.to_string())?;
        let name = plan.name.clone().unwrap_or_default();
        let mut steps = Steps { plan: name, environment, text, ..Steps::default() };
        steps.prepare = items("prepare", &plan.prepare, &mut steps.ignored)?;
        steps.finish = items("finish", &plan.finish, &mut steps.ignored)?;
        Ok(steps)
    }
}

fn items(key: &str, items: &[Value], ignored: &mut Vec<String>) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let at = |e: String| format!("plan.{key}[{i}]: {e}");
        let Value::Object(item) = item else { return Err(at(format!("expected an object, found {item}"))) };
        let how = item.get("how").map_or(Some("shell"), Value::as_str);
        let how = how.ok_or_else(|| at("how: expected text".into()))?;
        let what = match (how, key) {
            ("shell", _) => shell(item),
            ("install", "prepare") => install(item),
            _ => {
                ignored.push(format!("{key} with `how: {}`", how.escape_debug()));
                continue;
            }
        };
        let step = what.and_then(|what| step(item, what, &format!("{key}[{i}]"))).map_err(at)?;
        if matches!(step.what, What::Install { .. }) {
            for key in ["copr", "directory"].iter().filter(|key| item.contains_key(**key)) {
                ignored.push(format!("`{key}` of prepare with `how: install`"));
            }
        }
        steps.push(step);
    }
    // Items of one place stay in the order in which they were given.
    steps.sort_by_key(|step| step.order);
    Ok(steps)
}

fn step(item: &Object, what: What, place: &str) -> Result<Step, String> {
    let order = match item.get("order") {
        None | Some(Value::Null) => DEFAULT_ORDER,
        Some(value) => {
            value.as_i64().ok_or_else(|| format!("order: expected a whole number, found {value}"))?
        }
    };
    let when = rules(item.get("when")).map_err(|e| format!("when: {e}"))?;
    let r#where = texts(item, "where")?;
    let name = match item.get("name").and_then(Value::as_str) {
        Some(name) => format!("{place} `{name}`"),
        None => place.to_owned(),
    };
    Ok(Step { name, what, order, when, r#where })
}

fn shell(item: &Object) -> Result<What, String> {
    let scripts = texts(item, "script")?;
    if scripts.is_empty() {
        return Err("script is missing: expected text or a list of texts".into());
    }
    if scripts.iter().any(|script| script.contains('\0')) {
        return Err("script: expected text without NUL".into());
    }
    Ok(What::Shell(scripts))
}

fn install(item: &Object) -> Result<What, String> {
    let (packages, exclude) = (texts(item, "package")?, texts(item, "exclude")?);
    for (key, names) in [("package", &packages), ("exclude", &exclude)] {
        if let Some(name) = names.iter().find(|name| fault_in_name(name).is_some()) {
            return Err(format!("{key}: `{}` is not the name of a package", name.escape_debug()));
        }
    }
    let needed = match item.get("missing").map_or(Some("fail"), Value::as_str) {
        Some("fail") => true,
        Some("skip") => false,
        _ => return Err("missing: expected `skip` or `fail`".into()),
    };
    Ok(What::Install { packages, exclude, needed })
}

/// A value that is text or a list of texts.
fn texts(item: &Object, key: &str) -> Result<Vec<String>, String> {
    let expected = |found: &Value| format!("{key}: expected text or a list of texts, found {found}");
    match item.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(|| expected(item))).collect()
        }
        Some(other) => Err(expected(other)),
    }
}

fn rules(value: Option<&Value>) -> Result<Vec<Rule>, String> {
    let one = |value: &Value| match value {
        Value::Bool(truth) => Ok(Rule::constant(*truth)),
        Value::String(text) => Rule::parse(text).map_err(|e| e.to_string()),
        other => Err(format!("expected a rule, found {other}")),
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
    }
}

impl Step {
    /// What it is called in messages.
    pub fn shown(&self, plan: &str) -> String {
        format!("plan {}: {}", plan.escape_debug(), self.name.escape_debug())
    }

    /// Whether it is for this host: one of `where` is the host's id, or its fact `name` or `role`; and one rule
    /// of `when` holds over its facts.
    pub fn applies_to(&self, host: &Host) -> Applies {
        let is_meant = |name: &String| {
            let fact = |key: &str| match host.facts.get(key) {
                Some(Value::String(text)) => text == name,
                Some(Value::Array(texts)) => texts.iter().any(|text| text.as_str() == Some(name)),
                _ => false,
            };
            *name == host.id || fact("name") || fact("role")
        };
        if !self.r#where.is_empty() && !self.r#where.iter().any(is_meant) {
            return Applies::No;
        }
        if self.when.is_empty() {
            return Applies::Yes;
        }
        let facts = context(&host.facts);
        let verdicts = self.when.iter().map(|rule| rule.eval(&facts).unwrap_or(Verdict::Undecided));
        verdicts.fold(Applies::No, |so_far, verdict| match (so_far, verdict) {
            (Applies::Yes, _) | (_, Verdict::True) => Applies::Yes,
            (Applies::Unknown, _) | (_, Verdict::Undecided) => Applies::Unknown,
            (Applies::No, Verdict::False) => Applies::No,
        })
    }
}

/// The facts of a host as what rules ask about.
fn context(facts: &Object) -> Context {
    let mut context = Context::new();
    for (name, value) in facts {
        match value {
            Value::Array(values) => context.set(name, values.iter().filter_map(text_of)),
            value => context.set(name, text_of(value)),
        }
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::Connect;
    use serde_json::json;

    fn read(plan: Value) -> Result<Steps, String> {
        Steps::read(Some(&serde_json::from_value(plan).unwrap()))
    }

    fn names(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| step.name.as_str()).collect()
    }

    #[test]
    fn items_are_put_in_order() {
        let steps = read(json!({"name": "/p", "prepare": [
            {"how": "shell", "script": "a"},
            {"name": "late", "script": ["b", "c"], "order": 60},
            {"name": "early", "how": "install", "package": "x", "order": 1},
            {"how": "install", "package": ["y", "z"], "exclude": "w", "missing": "skip"},
            {"how": "ansible", "playbook": "p.yml"},
        ], "finish": [{"how": "shell", "script": "d"}, {"how": "install", "package": "x"}]}))
        .unwrap();
        assert_eq!(
            names(&steps.prepare),
            ["prepare[2] `early`", "prepare[0]", "prepare[3]", "prepare[1] `late`"]
        );
        assert_eq!(names(&steps.finish), ["finish[0]"]);
        assert_eq!(steps.ignored, ["prepare with `how: ansible`", "finish with `how: install`"]);
        assert!(matches!(&steps.prepare[3].what, What::Shell(scripts) if *scripts == ["b", "c"]));
        let What::Install { packages, exclude, needed } = &steps.prepare[2].what else { panic!() };
        assert_eq!((packages.len(), exclude.len(), *needed), (2, 1, false));
    }

    #[test]
    fn what_has_no_meaning_is_named() {
        for (item, message) in [
            (json!("x"), "plan.prepare[0]: expected an object"),
            (json!({"how": 1}), "plan.prepare[0]: how: expected text"),
            (json!({"how": "shell"}), "plan.prepare[0]: script is missing"),
            (json!({"script": [1]}), "plan.prepare[0]: script: expected text or a list of texts, found 1"),
            (json!({"script": "a\0"}), "plan.prepare[0]: script: expected text without NUL"),
            (json!({"script": "a", "order": "x"}), "plan.prepare[0]: order: expected a whole number"),
            (json!({"script": "a", "when": "=="}), "plan.prepare[0]: when: "),
            (json!({"script": "a", "where": {}}), "plan.prepare[0]: where: expected text"),
            (json!({"how": "install", "package": "-x"}), "plan.prepare[0]: package: `-x` is not the name"),
            (
                json!({"how": "install", "missing": "no"}),
                "plan.prepare[0]: missing: expected `skip` or `fail`",
            ),
        ] {
            let error = read(json!({"prepare": [item]})).unwrap_err();
            assert!(error.starts_with(message), "{item}: {error}");
        }
    }

    #[test]
    fn hosts_are_told_apart_by_facts_and_names() {
        let mut host = Host::new("h1", Connect::Local);
        let facts = json!({"distro": "rhel-9.6", "role": "server", "tags": ["a", "b"], "cpus": 4});
        host.facts = facts.as_object().unwrap().clone();
        for (item, applies) in [
            (json!({}), Applies::Yes),
            (json!({"when": "distro == rhel-9"}), Applies::Yes),
            (json!({"when": "distro == rhel-10"}), Applies::No),
            (json!({"when": "arch == x86_64"}), Applies::Unknown),
            (json!({"when": ["arch == x86_64", "cpus == 4"]}), Applies::Yes),
            (json!({"when": ["arch == x86_64", "cpus == 8"]}), Applies::Unknown),
            (json!({"when": false}), Applies::No),
            (json!({"when": "tags == b"}), Applies::Yes),
            (json!({"where": "server"}), Applies::Yes),
            (json!({"where": ["client", "h1"]}), Applies::Yes),
            (json!({"where": "client"}), Applies::No),
            (json!({"where": "server", "when": "distro == fedora"}), Applies::No),
        ] {
            let mut item = item;
            item["script"] = "x".into();
            let steps = read(json!({"prepare": [item]})).unwrap();
            assert_eq!(steps.prepare[0].applies_to(&host), applies, "{:?}", steps.prepare[0]);
        }
    }
}
