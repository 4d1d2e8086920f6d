//! Keys of a plan that say something that is not heeded.

use std::sync::Arc;

use atex_fmf::plan::IMPORT_KEYS;
use atex_fmf::{Mapping, Pos, Value};

use crate::args::PlanLayer;

/// A key that is not heeded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub pos: Pos,
    pub message: String,
    /// Whether it is known elsewhere; else somebody may have mistyped it.
    pub is_known: bool,
}

/// Keys of plans that no layer heeds, and where what they ask for is said instead.
const ELSEWHERE: [(&str, &str); 10] = [
    ("ansible", ""),
    ("cleanup", ""),
    ("execute", "atex-exec is told by its options how to run tests"),
    ("gate", ""),
    ("login", ""),
    ("plans", ""),
    ("provision", "hosts are given to atex-exec"),
    ("reboot", ""),
    ("report", "atex-report is told by its options what to report"),
    ("tests", ""),
];

/// Keys that only tmt's layer heeds.
const TMT_ONLY: [&str; 4] = ["context", "environment-file", "plan", "import"];

/// Keys of every section and step that are for people.
const FOR_PEOPLE: [&str; 3] = ["how", "name", "summary"];

/// What is heeded of a section `how: fmf`.
const ATEX_FMF: [&str; 6] = ["exclude", "filter", "path", "ref", "test", "url"];
const TMT_FMF: [&str; 15] = [
    "adjust-tests",
    "exclude",
    "filter",
    "include",
    "link",
    "order",
    "path",
    "ref",
    "repository",
    "require-test",
    "revision",
    "test",
    "url",
    "url-content-type",
    "when",
];

/// What is heeded of a section `how: shell`.
const TMT_SHELL: [&str; 6] = ["order", "ref", "require-test", "tests", "url", "when"];

/// Keys of sections that are known to somebody, whether heeded or not.
const KNOWN: [&str; 11] = [
    "fmf-id",
    "keep-git-metadata",
    "modified-only",
    "modified-ref",
    "modified-url",
    "order",
    "prune",
    "sync-repo",
    "when",
    "where",
    "url-content-type",
];

/// The keys of a plan that are not heeded, in the order in which they are met.
pub(crate) fn of_plan(data: &Mapping, layer: PlanLayer) -> Vec<Ignored> {
    let mut found = Vec::new();
    let imports = layer == PlanLayer::Tmt && atex_fmf::plan::data_imports(data);
    for (key, value, pos) in data.iter_with_positions() {
        let Some(key) = key.as_str() else { continue };
        let mut add = |why: &str| found.push(ignored(pos, key, why, true));
        match key {
            "discover" | "execute" | "prepare" | "finish" if imports => {
                add("it is the imported plan's that counts")
            }
            "discover" | "prepare" | "finish" => {}
            "execute" if layer == PlanLayer::Tmt => execute(value, &mut found),
            "plan" if layer == PlanLayer::Tmt => import(value, &mut found),
            "enabled" if layer == PlanLayer::Atex && !value.is_truthy() => {
                add("the plan is asked for by its name")
            }
            key if layer == PlanLayer::Atex && TMT_ONLY.contains(&key) => add("see --plan-layer tmt"),
            key => {
                if let Some((_, why)) = ELSEWHERE.iter().find(|(known, _)| *known == key) {
                    add(why);
                }
            }
        }
    }
    if imports {
        return found;
    }
    for section in mappings(data, "discover") {
        self::section(&section, layer, &mut found);
    }
    for (step, kinds) in [("prepare", &["install", "shell"][..]), ("finish", &["shell"])] {
        for item in mappings(data, step) {
            self::step(&item, step, kinds, layer, &mut found);
        }
    }
    found
}

fn ignored(pos: Pos, key: &str, why: &str, is_known: bool) -> Ignored {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    Ignored { pos, message: format!("`{key}` is ignored{why}"), is_known }
}

fn mappings(data: &Mapping, key: &str) -> Vec<Arc<Mapping>> {
    data.get(key).map(Value::to_list).unwrap_or_default().iter().filter_map(Value::as_map).collect()
}

/// Adds the keys of a mapping that are not among those that are heeded. What is false or empty asks for nothing.
fn rest(mapping: &Mapping, heeded: &[&[&str]], known: &[&str], found: &mut Vec<Ignored>) {
    for (key, value, pos) in mapping.iter_with_positions() {
        let Some(key) = key.as_str() else { continue };
        if value.is_truthy() && !heeded.iter().any(|keys| keys.contains(&key)) && !key.starts_with("extra-") {
            // tmt's way to give the tests of one plan to several guests.
            let why = if key == "where" { "each test runs on one host, whichever is free" } else { "" };
            found.push(ignored(pos, key, why, known.contains(&key)));
        }
    }
}

fn execute(value: &Value, found: &mut Vec<Ignored>) {
    for execute in value.to_list().iter().filter_map(Value::as_map) {
        let how = execute.get("how").map(Value::to_text);
        if let Some(other) = how.filter(|how| **how != *"tmt") {
            let why = format!("`{other}` is another way than that of atex-exec");
            found.push(ignored(execute.position("how"), "how", &why, true));
        }
        let known = [
            "exit-first",
            "ignore-duration",
            "interactive",
            "no-progress-bar",
            "restraint-compatible",
            "where",
            "when",
            "order",
        ];
        rest(&execute, &[&FOR_PEOPLE, &["script", "duration"]], &known, found);
    }
}

fn import(value: &Value, found: &mut Vec<Ignored>) {
    let Some(plan) = value.as_map() else { return };
    rest(&plan, &[&["import"]], &[], found);
    if let Some(import) = plan.get("import").and_then(Value::as_map) {
        rest(&import, &[&IMPORT_KEYS], &[], found);
    }
}

fn section(section: &Mapping, layer: PlanLayer, found: &mut Vec<Ignored>) {
    let how = section.get("how").map(Value::to_text);
    match (layer, how.as_deref()) {
        (PlanLayer::Atex, None | Some("fmf")) => {
            rest(section, &[&FOR_PEOPLE, &ATEX_FMF], &[&KNOWN[..], &TMT_FMF].concat(), found);
            for key in ["path", "ref"] {
                if section.get(key).is_some_and(Value::is_truthy) && !section.contains("url") {
                    found.push(ignored(section.position(key), key, "there is no `url`", true));
                }
            }
        }
        (PlanLayer::Atex, Some(other)) => {
            let why = format!("a section of kind `{other}` has no tests here; see --plan-layer tmt");
            found.push(ignored(section.position("how"), "how", &why, true));
        }
        (PlanLayer::Tmt, Some("fmf")) => rest(section, &[&FOR_PEOPLE, &TMT_FMF], &KNOWN, found),
        (PlanLayer::Tmt, _) => {
            rest(section, &[&FOR_PEOPLE, &TMT_SHELL, &["url-content-type"]], &KNOWN, found)
        }
    }
}

fn step(step: &Mapping, name: &str, kinds: &[&str], layer: PlanLayer, found: &mut Vec<Ignored>) {
    let how = step.get("how").map(Value::to_text);
    let how = how.as_deref().unwrap_or("shell");
    if !kinds.contains(&how) {
        let why = format!("`{name}` knows no kind `{how}`");
        found.push(ignored(step.position("how"), "how", &why, true));
        return;
    }
    let used = if how == "install" { "package" } else { "script" };
    let placed: &[&str] = if layer == PlanLayer::Tmt { &["order", "when"] } else { &[] };
    let known = ["copr", "directory", "exclude", "missing", "order", "when", "where", "url", "ref"];
    rest(step, &[&FOR_PEOPLE, &[used], placed], &known, found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_heeded_is_named() {
        for (plan, atex, tmt) in [
            (
                "{summary: s, discover: {how: fmf, test: a}, prepare: {how: shell, script: a}}",
                &[][..],
                &[][..],
            ),
            (
                "{execute: {how: tmt}, provision: {how: local}, report: {how: html}}",
                &["execute", "provision", "report"],
                &["provision", "report"],
            ),
            ("{execute: {how: upgrade, exit-first: true}}", &["execute"], &["how", "exit-first"]),
            (
                "{context: {a: b}, environment-file: x, enabled: false}",
                &["context", "environment-file", "enabled"],
                &[],
            ),
            (
                "{discover: [{how: fmf, when: a == b, prune: true, sync-repo: false}, {how: shell, where: x}]}",
                &["when", "prune", "how"],
                &["prune", "where"],
            ),
            ("{discover: {how: fmf, ref: main, path: /x}}", &["path", "ref"], &[]),
            (
                "{prepare: [{how: install, package: a, copr: b, order: 1}, {how: ansible}], finish: {how: install}}",
                &["copr", "order", "how", "how"],
                &["copr", "how", "how"],
            ),
            ("{plan: {import: {url: u, name: n, what: x}}}", &["plan"], &["what"]),
            (
                "{plan: {import: {url: u}}, execute: {how: tmt}, discover: {how: fmf, prune: true}}",
                &["plan", "execute", "prune"],
                &["execute", "discover"],
            ),
        ] {
            let data = atex_fmf::yaml::load(plan).unwrap().as_map().unwrap();
            for (layer, expected) in [(PlanLayer::Atex, atex), (PlanLayer::Tmt, tmt)] {
                let found = of_plan(&data, layer);
                let keys: Vec<_> = found.iter().filter_map(|each| each.message.split('`').nth(1)).collect();
                assert_eq!(keys, expected, "{layer:?} {plan}");
            }
        }
    }
}
