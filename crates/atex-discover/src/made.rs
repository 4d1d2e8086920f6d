//! Tests that are no metadata: executables, and lines of files.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atex_cli::Failure;
use atex_cli::input::{Line, Lines, reason};
use atex_fmf::{Context, Mapping, Tree, Value};

/// A test that was made of something else than metadata.
#[derive(Debug, PartialEq)]
pub(crate) struct Made {
    pub name: String,
    /// The directory that it needs, absolute.
    pub tree: Option<String>,
    /// Where it runs, relative to that.
    pub dir: Option<String>,
    pub data: Mapping,
}

/// A tree that has nothing but the names of `tests`, so that patterns mean the same as for other tests.
pub(crate) fn tree_of_names(tests: &[Made]) -> Result<Tree, Failure> {
    let node = || Value::Map(Arc::default());
    let names = tests.iter().map(|test| (test.name.as_str(), node())).collect();
    Tree::from_data(names, &Context::new()).map_err(Failure::usage)
}

// Executables.

/// A test for each executable below the directories, ordered by name.
pub(crate) fn executables(dirs: &[PathBuf], args: &[String]) -> Result<Vec<Made>, Failure> {
    let args: String = args.iter().map(|arg| format!(" {}", quoted(arg))).collect();
    let mut known = HashSet::new();
    let mut tests = Vec::new();
    for dir in dirs {
        let root = directory(dir)?;
        let prefix = match dirs {
            [_] => String::new(),
            _ => format!(
                "/{}",
                Path::new(&root).file_name().and_then(|name| name.to_str()).unwrap_or_default()
            ),
        };
        if !known.insert(prefix.clone()) {
            let message = format!(
                "{}: a second directory with this name; its tests would have the names of others",
                dir.display()
            );
            return Err(Failure::usage(message).hint("use one atex-discover for each directory"));
        }
        let mut found = Vec::new();
        find_executables(Path::new(&root), "", &mut found)?;
        tests.extend(found.iter().map(|path| executable(&root, &prefix, path, &args)));
    }
    Ok(tests)
}

/// An absolute path, which is UTF-8.
fn directory(dir: &Path) -> Result<String, Failure> {
    let wrong = |message: &str| Failure::usage(format!("{}: {message}", dir.display()));
    match fs::metadata(dir) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return Err(wrong("expected a directory")),
        Err(error) => return Err(wrong(&reason(&error))),
    }
    // Resolved, so that `..` has a name, too.
    let path = fs::canonicalize(dir).map_err(|error| wrong(&reason(&error)))?;
    path.into_os_string()
        .into_string()
        .map_err(|_| wrong("expected a path that is UTF-8, because it goes into records"))
}

/// Adds the paths of executables below `dir`, each relative to where the search began.
fn find_executables(dir: &Path, below: &str, found: &mut Vec<String>) -> Result<(), Failure> {
    let fault = |error: &io::Error| Failure::usage(format!("{}: {}", dir.display(), reason(error)));
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|error| fault(&error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // What went away meanwhile, or is a link to nowhere, is no test.
        let (Ok(kind), Ok(about)) = (entry.file_type(), fs::metadata(&path)) else { continue };
        let is_executable = about.is_file() && about.permissions().mode() & 0o111 != 0;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || !(kind.is_dir() || is_executable) {
            continue;
        }
        let Some(name) = name.to_str() else {
            let message =
                format!("{}: expected a name that is UTF-8, because it goes into records", path.display());
            return Err(Failure::usage(message));
        };
        let relative = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        if kind.is_dir() {
            find_executables(&path, &relative, found)?;
        } else {
            found.push(relative);
        }
    }
    Ok(())
}

fn executable(root: &str, prefix: &str, path: &str, args: &str) -> Made {
    let (dir, file) = path.rsplit_once('/').unwrap_or((".", path));
    let command = format!("{}{args}", quoted(&format!("./{file}")));
    Made {
        name: format!("{prefix}/{path}"),
        tree: Some(root.to_owned()),
        dir: Some(dir.to_owned()),
        data: Mapping::from_iter([("test", command)]),
    }
}

fn quoted(word: &str) -> String {
    let quoted = shlex::try_quote(word);
    quoted.expect("neither arguments nor names of files have a NUL").into_owned()
}

// Files with a test a line.

/// A test for each line of a runtest file: a tag, and a command.
pub(crate) fn runtest(file: &Path, ltproot: &str) -> Result<Vec<Made>, Failure> {
    let suite = file.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Failure::usage(format!(
            "{}: expected a file name that is UTF-8, because tests are named after it",
            file.display()
        ))
    })?;
    each_line(Lines::open(file)?, |line| runtest_line(line, suite, ltproot))
}

fn runtest_line(line: &str, suite: &str, ltproot: &str) -> Result<Made, String> {
    let (tag, command) = line.trim().split_once(char::is_whitespace).ok_or("expected a tag and a command")?;
    let name = valid_name(format!("/{suite}/{tag}"))?;
    // The environment of a test cannot extend the PATH that a host has.
    let command = format!("PATH=\"$PATH:$LTPROOT/testcases/bin\"; {}", command.trim_start());
    let environment = Mapping::from_iter([("LTPROOT", ltproot)]);
    let mut data = Mapping::from_iter([("test", command)]);
    data.set("environment", Value::Map(Arc::new(environment)));
    Ok(Made { name, tree: None, dir: None, data })
}

/// A test for each line of a file: a name, a tab, and a command.
pub(crate) fn list(file: &Path, tree: Option<&Path>) -> Result<Vec<Made>, Failure> {
    let tree = tree.map(directory).transpose()?;
    each_line(Lines::open(file)?, |line| list_line(line, tree.as_deref()))
}

fn list_line(line: &str, tree: Option<&str>) -> Result<Made, String> {
    let (name, command) = line.split_once('\t').ok_or("expected a name, a tab and a command")?;
    let (name, command) = (name.trim(), command.trim());
    if command.is_empty() {
        return Err("expected a command behind the tab".to_owned());
    }
    let slash = if name.starts_with('/') { "" } else { "/" };
    let name = valid_name(format!("{slash}{name}"))?;
    let data = Mapping::from_iter([("test", command)]);
    Ok(Made { name, tree: tree.map(str::to_owned), dir: None, data })
}

/// The tests of the lines that are neither blank nor comments.
fn each_line(mut lines: Lines, make: impl Fn(&str) -> Result<Made, String>) -> Result<Vec<Made>, Failure> {
    let mut tests = Vec::new();
    while let Some(line) = lines.next_line()? {
        if !line.text.trim_start().starts_with('#') {
            tests.push(make(line.text).map_err(|message| at(&line, &message))?);
        }
    }
    Ok(tests)
}

fn at(line: &Line<'_>, message: &str) -> Failure {
    Failure::usage(format!("{}:{}: {message}", line.source, line.number))
}

/// Refuses names of which a level is empty.
fn valid_name(name: String) -> Result<String, String> {
    match name.split('/').skip(1).any(str::is_empty) {
        true => Err(format!("expected a name such as /net/bind, found `{name}`")),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_fmf::json;

    fn lines(text: &'static str, make: impl Fn(&str) -> Result<Made, String>) -> Result<Vec<String>, String> {
        let tests = each_line(Lines::new("file", Box::new(text.as_bytes())), make);
        let shown = |test: &Made| {
            format!("{} {}", test.name, json::to_string(&Value::Map(Arc::new(test.data.clone()))))
        };
        Ok(tests.map_err(|failure| failure.message)?.iter().map(shown).collect())
    }

    #[test]
    fn a_runtest_file_has_a_tag_and_a_command_a_line() {
        let text = "# DESCRIPTION: all\nabort01 abort01\n\n  a_b\t  x.sh -a \"b c\" | cat  \n";
        let expected = [
            r#"/syscalls/abort01 {"test":"PATH=\"$PATH:$LTPROOT/testcases/bin\"; abort01","environment":{"LTPROOT":"/o"}}"#,
            r#"/syscalls/a_b {"test":"PATH=\"$PATH:$LTPROOT/testcases/bin\"; x.sh -a \"b c\" | cat","environment":{"LTPROOT":"/o"}}"#,
        ];
        assert_eq!(lines(text, |line| runtest_line(line, "syscalls", "/o")).unwrap(), expected);
        for (text, message) in [
            ("\nabort01\n", "file:2: expected a tag and a command"),
            ("a//b c", "file:1: expected a name such as /net/bind, found `/s/a//b`"),
        ] {
            assert_eq!(lines(text, |line| runtest_line(line, "s", "/o")).unwrap_err(), message);
        }
    }

    #[test]
    fn a_list_has_a_name_and_a_command_a_line() {
        let text = "/a b/c\techo 1\techo\n # x\n\ne \t ./run 'x # y' \r\n";
        let expected = [r#"/a b/c {"test":"echo 1\techo"}"#, r#"/e {"test":"./run 'x # y'"}"#];
        assert_eq!(lines(text, |line| list_line(line, None)).unwrap(), expected);
        for (text, message) in [
            ("a b", "file:1: expected a name, a tab and a command"),
            ("#\na\t ", "file:2: expected a command behind the tab"),
            ("\tx", "file:1: expected a name such as /net/bind, found `/`"),
            ("/\tx", "file:1: expected a name such as /net/bind, found `/`"),
            ("/a/\tx", "file:1: expected a name such as /net/bind, found `/a/`"),
        ] {
            assert_eq!(lines(text, |line| list_line(line, None)).unwrap_err(), message);
        }
    }
}
