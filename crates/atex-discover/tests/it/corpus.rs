//! Real trees, with the command line that stands for each of their runs.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use atex_cli::Exit;
use serde_json::Value as Json;

use crate::discover;

/// The trees, which are other people's data and stand beside the repository, if at all: a copy, in which files that hold
/// nothing but the name of another are links again, as they were before somebody stored them without.
fn corpus() -> Option<tempfile::TempDir> {
    let from = stored()?;
    let dir = tempfile::tempdir().unwrap();
    copy(&from, dir.path());
    Some(dir)
}

fn copy(from: &Path, to: &Path) {
    for path in entries(from) {
        let target = to.join(path.file_name().unwrap());
        let linked = fs::read_link(&path).ok().or_else(|| stored_link(&path));
        match linked {
            Some(linked) => std::os::unix::fs::symlink(linked, target).unwrap(),
            None if path.is_dir() => {
                fs::create_dir(&target).unwrap();
                copy(&path, &target);
            }
            None => fs::write(target, fs::read(&path).unwrap()).unwrap(),
        }
    }
}

fn stored_link(path: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(path).ok().filter(|text| !text.is_empty() && !text.contains('\n'))?;
    path.parent()?.join(&text).exists().then(|| text.into())
}

fn stored() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = std::env::var_os("ATEX_CORPUS").map_or_else(beside, PathBuf::from);
    if corpus.is_dir() {
        return Some(corpus);
    }
    // Past the capture of output, so that it is seen.
    let _ = writeln!(std::io::stderr(), "skipped: no trees at {} (ATEX_CORPUS)", corpus.display());
    None
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

struct Run {
    /// Its folder.
    path: PathBuf,
    dir: String,
    args: Json,
}

/// The runs that the command line can express.
fn runs(corpus: &Path) -> Vec<Run> {
    let trees = entries(corpus).into_iter().filter(|path| path.join("tree").is_dir());
    let runs =
        trees.flat_map(|path| entries(&path.join("runs")).into_iter().map(move |run| (path.clone(), run)));
    let read = |(path, run): (PathBuf, PathBuf)| {
        let text = fs::read_to_string(run.join("args.json")).unwrap();
        let args: Json = serde_json::from_str(&text).unwrap();
        let dir = path.join("tree").join(args["subdir"].as_str().unwrap_or("."));
        Run { path: run, dir: dir.to_str().unwrap().to_owned(), args }
    };
    let expressible = |run: &Run| run.args["mode"].is_null();
    runs.map(read).filter(expressible).collect()
}

impl Run {
    /// The options that stand for the arguments.
    fn options(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |option: &str, value: &Json| {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for value in values.iter().filter(|value| !value.is_null()) {
                words.push(format!("{option}={}", value.as_str().unwrap()));
            }
        };
        for (option, key) in [
            ("--plan", "plan"),
            ("--name", "names"),
            ("--filter", "filters"),
            ("--exclude", "excludes"),
            ("--condition", "conditions"),
        ] {
            add(option, &self.args[key]);
        }
        for (key, values) in self.args["context"].as_object().into_iter().flatten() {
            let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let values = values
                .as_array()
                .map_or_else(|| text(values), |all| all.iter().map(text).collect::<Vec<_>>().join(","));
            words.push(format!("--context={key}={values}"));
        }
        words
    }

    fn call(&self, more: &[&str]) -> (Result<Exit, String>, Vec<Json>) {
        let options = self.options();
        let words = options.iter().map(String::as_str).chain(more.iter().copied());
        let words: Vec<&str> = [&*self.dir].into_iter().chain(words).collect();
        let (result, text) = discover(&words);
        let result =
            result.map_err(|failure| format!("{}; {}", failure.message, failure.hint.unwrap_or_default()));
        (result, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn lines(&self, file: &str) -> Option<Vec<Json>> {
        let text = fs::read_to_string(self.path.join(file)).ok()?;
        Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

#[test]
fn real_trees() {
    let Some(corpus) = corpus() else { return };
    let runs = runs(corpus.path());
    assert!(runs.len() > 50, "{} runs", runs.len());
    give_what_the_reference_gives(&runs);
    load_without_libraries(&runs);
    have_reasons_that_agree_with_the_selection(&runs);
}

fn give_what_the_reference_gives(runs: &[Run]) {
    for run in runs {
        let path = run.path.display();
        let libraries = if run.args["libraries"] == true { "--libraries" } else { "--no-libraries" };
        let (result, records) = run.call(&[libraries, "--allow-empty"]);
        let Some(expected) = run.lines("expected.jsonl") else {
            let message = result.expect_err(&path.to_string());
            let error: Json =
                serde_json::from_str(&fs::read_to_string(run.path.join("expected_error.json")).unwrap())
                    .unwrap();
            let expected = format!("{}: ", error["class"].as_str().unwrap());
            assert!(message.contains(&expected) || error["kind"] == "python", "{path}: {message}");
            continue;
        };
        assert_eq!(result, Ok(Exit::Done), "{path}");
        let (end, tests) = records.split_last().unwrap();
        assert_eq!(end["counts"]["tests"], expected.len(), "{path}");
        let found: Vec<_> = tests.iter().map(|test| (&test["name"], &test["dir"], &test["data"])).collect();
        let expected: Vec<_> =
            expected.iter().map(|test| (&test["name"], &test["source_dir"], &test["data"])).collect();
        assert_eq!(found, expected, "{path}");
    }
}

fn load_without_libraries(runs: &[Run]) {
    for run in runs.iter().filter(|run| run.lines("expected.jsonl").is_some()) {
        let path = run.path.display();
        assert_eq!(run.call(&["--allow-empty", "--no-libraries"]).0, Ok(Exit::Done), "{path}");
    }
}

fn have_reasons_that_agree_with_the_selection(runs: &[Run]) {
    let mut asked = [0, 0];
    for run in runs.iter().filter(|run| run.args["libraries"] != true) {
        let Some(expected) = run.lines("expected.jsonl") else { continue };
        let (_, all) = discover(&["ls", "--all", "--allow-empty", "--no-libraries", "--tree", &run.dir]);
        // With the section in front, where it has a name.
        let is_expected = |name: &str| {
            let fronts = expected.iter().filter_map(|test| test["name"].as_str()?.strip_suffix(name));
            fronts.into_iter().any(|front| front.rfind('/').is_none_or(|at| at == 0))
        };
        let names: Vec<&str> = all.lines().filter_map(|line| line.split('\t').next()).collect();
        for (index, verdict) in ["selected", "not selected"].into_iter().enumerate() {
            let Some(name) = names.iter().find(|name| is_expected(name) == (index == 0)) else { continue };
            let options = run.options();
            let options = options.iter().map(String::as_str);
            let words: Vec<&str> = ["why", name, "--tree", &run.dir].into_iter().chain(options).collect();
            let (result, text) = discover(&words);
            assert_eq!(result.unwrap(), Exit::Done);
            assert_eq!(
                text.lines().next().unwrap(),
                format!("{name}: {verdict}"),
                "{}: {text}",
                run.path.display()
            );
            asked[index] += 1;
        }
    }
    assert!(asked.iter().all(|count| *count > 20), "{asked:?}");
}
