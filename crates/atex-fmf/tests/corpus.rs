//! Runs the corpus: every case, every real tree that is at hand, and the unit-level tables.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use atex_fmf::condition::Expression;
use atex_fmf::{
    Condition, Context, Criteria, DataWriter, Error, ErrorClass, Request, Tree, Verdict, discover, json,
    meta, yaml,
};
use serde_json::Value as Json;
use support::{Exact, Report};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus")
}

/// The part of the corpus that is not in the repository.
fn outer_corpus() -> PathBuf {
    std::env::var_os("ATEX_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"), PathBuf::from)
}

fn sorted_entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The folders of a case that hold arguments and results.
fn runs(case: &Path) -> Vec<PathBuf> {
    let mut runs = Vec::new();
    if case.join("args.json").exists() {
        runs.push(case.to_owned());
    }
    if case.join("runs").is_dir() {
        runs.extend(sorted_entries(&case.join("runs")));
    }
    runs
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Args {
    subdir: Option<String>,
    plan: Option<String>,
    names: Vec<String>,
    filters: Vec<String>,
    conditions: Vec<String>,
    excludes: Vec<String>,
    context: BTreeMap<String, Json>,
    libraries: bool,
    mode: Option<String>,
}

impl Args {
    fn context(&self) -> Context {
        let mut context = Context::new();
        for (dimension, values) in &self.context {
            context.set_value(dimension, &json::from_serde(values));
        }
        context
    }
}

/// What a run gives: lines for its nodes or tests, and the plan.
struct Outcome {
    lines: Vec<String>,
    plan: Option<String>,
}

fn run(tree_dir: &Path, args: &Args) -> Result<Outcome, Error> {
    let start = args.subdir.as_ref().map_or(tree_dir.to_owned(), |subdir| tree_dir.join(subdir));
    let tree = Tree::load(start, &args.context())?;
    if args.mode.as_deref() == Some("nodes") {
        return Ok(Outcome { lines: node_lines(&tree, args)?, plan: None });
    }
    let parse = |text: &String| {
        Expression::parse(text).map_err(|error| Error::new(ErrorClass::General, error.to_string()))
    };
    let conditions = args.conditions.iter().map(parse).collect::<Result<Vec<Expression>, Error>>()?;
    let request = Request {
        plan: args.plan.clone(),
        names: args.names.clone(),
        filters: args.filters.clone(),
        conditions: conditions.iter().map(|condition| condition as &dyn Condition).collect(),
        excludes: args.excludes.clone(),
        libraries: args.libraries,
    };
    let found = discover(&tree, &request)?;
    let mut writer = DataWriter::default();
    let lines = found.tests.iter().map(|test| {
        let (mut data, mut alone) = (Vec::new(), Vec::new());
        writer.write(&mut data, test);
        test.write_data(&mut alone).unwrap();
        assert!(data == alone, "{}: {}", test.name, String::from_utf8_lossy(&data));
        let data = String::from_utf8(data).unwrap();
        let (name, dir) = (Json::from(&*test.name), Json::from(test.source_dir()));
        format!(r#"{{"name":{name},"source_dir":{dir},"data":{data}}}"#)
    });
    let plan = found.plan.as_ref().map(|plan| json::to_string(&atex_fmf::Value::Map(plan.clone())));
    Ok(Outcome { lines: lines.collect(), plan })
}

fn node_lines(tree: &Tree, args: &Args) -> Result<Vec<String>, Error> {
    let pattern = |names: &[String]| Criteria { names: names.to_vec(), ..Criteria::default() };
    let wanted = tree.prune_all(&pattern(&args.names))?;
    let line = |node: atex_fmf::NodeRef<'_>| {
        let sources: Vec<Json> = node
            .sources()
            .iter()
            .map(|source| source.strip_prefix(tree.root()).unwrap().to_str().unwrap().into())
            .collect();
        let mut data = Vec::new();
        json::write_mapping(&mut data, node.data()).unwrap();
        let data = String::from_utf8(data).unwrap();
        let name = Json::from(node.name());
        let selected = node.is_selected();
        format!(r#"{{"name":{name},"selected":{selected},"sources":{},"data":{data}}}"#, Json::from(sources))
    };
    Ok(wanted.into_iter().map(line).collect())
}

fn check_run(report: &mut Report, folder: &Path, tree_dir: &Path) {
    let label = folder.display().to_string();
    let args: Args = serde_json::from_slice(&fs::read(folder.join("args.json")).unwrap()).unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let outcome = run(tree_dir, &args);
    match (outcome, read("expected_error.json")) {
        (Ok(_), Some(expected)) => report.fail(&label, &format!("no error, expected {expected}")),
        (Err(error), None) => report.fail(&label, &format!("unexpected error: {error}")),
        (Err(error), Some(expected)) => check_error(report, &label, &error, &expected, tree_dir),
        (Ok(outcome), None) => {
            let expected = read("expected.jsonl").unwrap();
            let expected: Vec<&str> = expected.split_terminator('\n').collect();
            if outcome.lines.len() != expected.len() {
                report.fail(&label, &format!("{} lines, expected {}", outcome.lines.len(), expected.len()));
            }
            for (line, expected) in outcome.lines.iter().zip(expected) {
                report.compare(&label, line, expected);
            }
            if let Some(expected) = read("expected_plan.json") {
                report.compare(&label, &outcome.plan.unwrap_or_default(), &expected);
            }
        }
    }
}

fn check_error(report: &mut Report, label: &str, error: &Error, expected: &str, tree_dir: &Path) {
    let expected: Json = serde_json::from_str(expected).unwrap();
    report.count();
    if expected["kind"] == "python" {
        return;
    }
    let tree = std::path::absolute(tree_dir).unwrap();
    let message = error.message().replace(tree.to_str().unwrap(), "{TREE}");
    let class = error.class().as_str();
    if expected["class"] != class || expected["message"] != message.as_str() {
        report.fail(label, &format!("{class}: {message}\n  expected {expected}"));
    }
}

fn check_tree(report: &mut Report, case: &Path) {
    let tree = fs::canonicalize(case.join("tree")).unwrap();
    for folder in runs(case) {
        check_run(report, &folder, &tree);
    }
}

#[test]
fn cases() {
    let mut report = Report::new("cases");
    for case in sorted_entries(&corpus().join("cases")) {
        check_tree(&mut report, &case);
    }
    report.finish(160);
}

#[test]
fn real_trees() {
    let outer = outer_corpus();
    if !outer.is_dir() {
        let line = format!("SKIPPED: real trees: there is no {}; set ATEX_CORPUS\n", outer.display());
        // Not println!, which the test harness catches.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        return;
    }
    let mut report = Report::new("real trees");
    for case in sorted_entries(&outer).iter().filter(|case| case.join("runs").is_dir()) {
        let copy = tempfile::tempdir().unwrap();
        let tree = fs::canonicalize(copy.path()).unwrap().join("tree");
        support::copy_restoring_links(&case.join("tree"), &tree);
        for folder in runs(case) {
            check_run(&mut report, &folder, &tree);
        }
    }
    report.finish(1);
}

/// Runs a table's rows; a row's check gives what was found, which is compared with the row's result or error.
fn table(name: &str, least: usize, check: impl Fn(&Json) -> Result<String, String>) {
    let mut report = Report::new(name);
    let text = fs::read_to_string(corpus().join("vectors").join(format!("{name}.jsonl"))).unwrap();
    for (at, line) in text.split_terminator('\n').enumerate() {
        let row: Json = serde_json::from_str(line).unwrap();
        let label = format!("{name}.jsonl:{}: {}", at + 1, line.chars().take(200).collect::<String>());
        match (check(&row), row.get("error").and_then(Json::as_str)) {
            (Ok(found), None) => report.compare(&label, &found, &Exact::member(line, "result")),
            (Ok(found), Some(_)) => report.fail(&label, &format!("no error but {found}")),
            (Err(found), None) => report.fail(&label, &format!("unexpected error {found}")),
            (Err(found), Some(expected)) => {
                report.count();
                let with_message = format!("{expected}: {}", row["message"].as_str().unwrap_or(""));
                if found != expected && found != with_message && expected != "python" {
                    report.fail(&label, &format!("error {found}, expected {with_message}"));
                }
                if expected == "python" && found == "yaml" {
                    report.fail(&label, "a syntax error, expected another");
                }
            }
        }
    }
    report.finish(least);
}

fn class_and_message(error: &Error) -> String {
    format!("{}: {}", error.class(), error.message())
}

#[test]
fn yaml_vectors() {
    table("yaml", 600, |row| match yaml::load(row["text"].as_str().unwrap()) {
        Ok(value) => Ok(json::to_string(&value)),
        Err(error) => Err(if error.syntax { "yaml".into() } else { "python".into() }),
    });
}

#[test]
fn merge_vectors() {
    table("merge", 600, |row| {
        let mut data = json::from_serde(&row["parent"]).as_map().unwrap().as_ref().clone();
        data.set("root", 0.into());
        data.set("/child", json::from_serde(&row["child"]));
        let tree = Tree::from_data(data, &Context::new()).map_err(|error| class_and_message(&error))?;
        let child = tree.find("/child").unwrap();
        let mut merged = child.data().clone();
        merged.remove(&atex_fmf::Key::text("root"));
        Ok(json::to_string(&atex_fmf::Value::Map(merged.into())))
    });
}

#[test]
fn context_vectors() {
    table("context", 1700, |row| {
        let mut context = Context::new();
        for (dimension, values) in row["context"].as_object().unwrap() {
            context.set_value(dimension, &json::from_serde(values));
        }
        let verdict = match &row["when"] {
            Json::Bool(truth) => Ok((*truth).into()),
            when => {
                atex_fmf::Rule::parse(when.as_str().ok_or("python")?).and_then(|rule| rule.eval(&context))
            }
        };
        match verdict.map_err(|error| class_and_message(&error))? {
            Verdict::True => Ok("true".into()),
            Verdict::False => Ok("false".into()),
            Verdict::Undecided => Ok(r#""CannotDecide""#.into()),
        }
    });
}

#[test]
fn filter_vectors() {
    table("filter", 140, |row| {
        let data = json::from_serde(&row["data"]).as_map().unwrap();
        let filter = match &row["filter"] {
            Json::Null => "",
            filter => filter.as_str().ok_or("python")?,
        };
        let found = atex_fmf::Filter::parse(filter).matches(row["name"].as_str().unwrap_or(""), &data);
        found.map(|found| found.to_string()).map_err(|error| class_and_message(&error))
    });
}

#[test]
fn duration_vectors() {
    table("duration", 20, |row| {
        let seconds = meta::duration_seconds(&json::from_serde(&row["duration"]));
        seconds.map(|seconds| seconds.to_string()).map_err(|error| class_and_message(&error))
    });
}
