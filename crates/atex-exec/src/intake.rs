//! Tests and hosts as they come in.

use atex_cli::{
    Failure,
    input::{Line, Lines},
};
use atex_control::{DurationForm, parse_duration_value};
use atex_model::{Host, HostTag, LineError, Test, TestTag, Tree, report::End, report::EndTag};
use crossbeam_channel::Sender;

use crate::environment::variables;

/// What a line of the input is.
#[derive(Debug)]
pub(crate) enum Item {
    /// A test, with its line and where it stood.
    Test { test: Box<Test>, line: String, place: String },
    /// A host, with its line.
    Host { host: Box<Host>, line: String, place: String },
    /// A record of another tool or of another kind, to be handed on. `incomplete` names the tool if it says
    /// that what it wrote is not all there is.
    Other { line: String, incomplete: Option<String> },
    /// The input cannot be used any further.
    Failed(Failure),
    /// One source has ended.
    Ended,
    /// The run is to be stopped.
    Stop,
}

/// Reads a source to its end, or until nobody listens.
pub(crate) fn read(mut lines: Lines, to: &Sender<Item>) {
    loop {
        let item = match lines.next_line() {
            Ok(None) => Item::Ended,
            Ok(Some(line)) => sort(line).unwrap_or_else(Item::Failed),
            Err(failure) => Item::Failed(failure),
        };
        let last = matches!(item, Item::Ended | Item::Failed(_));
        if to.send(item).is_err() || last {
            break;
        }
    }
}

pub(crate) fn sort(line: Line<'_>) -> Result<Item, Failure> {
    let kind = atex_model::kind(line.text).map_err(|e| line.fault(&e))?;
    let text = || line.text.to_owned();
    let place = || format!("{}:{}", line.source, line.number);
    let parsed = match kind.as_ref() {
        TestTag::TEXT => atex_model::parse(line.text).map(|test| {
            let test = Box::new(test);
            Item::Test { test, line: text(), place: place() }
        }),
        HostTag::TEXT => Host::parse(line.text).map(|host| {
            let host = Box::new(host);
            Item::Host { host, line: text(), place: place() }
        }),
        EndTag::TEXT => atex_model::parse::<End>(line.text)
            .map(|end| Item::Other { line: text(), incomplete: (!end.complete).then_some(end.tool) }),
        _ => Ok(Item::Other { line: text(), incomplete: None }),
    };
    let item = parsed.map_err(|e| line.fault(&e))?;
    if let Item::Test { test, .. } = &item {
        check(test).map_err(|message| line.fault(&LineError { column: 1, message }))?;
    }
    Ok(item)
}

/// Finds what is wrong with a test before any host is troubled with it.
pub(crate) fn check(test: &Test) -> Result<(), String> {
    let of = |message: String| format!("test {}: {message}", test.name.escape_debug());
    if test.name.is_empty() || test.name.contains('\0') {
        return Err(of("expected a name that is neither empty nor holds a NUL character".into()));
    }
    match test.data.get("test") {
        Some(serde_json::Value::String(text)) if !text.contains('\0') => {}
        Some(_) => return Err(of("data.test: expected a command (text without NUL)".into())),
        None => return Err(of("data.test is missing: expected the command to run".into())),
    }
    if let Some(duration) = test.data.get("duration") {
        parse_duration_value(duration, DurationForm::Extended)
            .map_err(|e| of(format!("data.duration: {e}")))?;
    }
    let plan = test.plan.as_ref().map(|plan| &plan.environment);
    let environments = [("plan.environment", plan), ("data.environment", test.data.get("environment"))];
    for (key, value) in environments {
        variables(value).map_err(|e| of(format!("{key}: {e}")))?;
    }
    if test.dir.as_deref().is_some_and(leads_out) {
        return Err(of("dir: expected a path inside the tree".into()));
    }
    match &test.tree {
        Some(Tree::Directory(path)) if !path.starts_with('/') => {
            Err(of(format!("tree: expected an absolute path, found `{path}`")))
        }
        Some(Tree::Parts(parts)) => parts.iter().try_for_each(|part| {
            let fits = part.from.starts_with('/') && !leads_out(&part.to);
            let message = "tree: expected {\"from\": absolute path, \"to\": relative path inside the tree}";
            if fits { Ok(()) } else { Err(of(message.into())) }
        }),
        _ => Ok(()),
    }
}

/// Whether a path does not stay below the directory that it is relative to.
fn leads_out(path: &str) -> bool {
    path.starts_with('/') || path.contains('\0') || path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &'static str) -> Vec<Item> {
        let (to, from) = crossbeam_channel::unbounded();
        read(Lines::new("in", Box::new(text.as_bytes())), &to);
        from.try_iter().collect()
    }

    #[test]
    fn every_kind_of_line_is_told_apart() {
        let all = items(
            "{\"type\":\"test\",\"name\":\"/a\",\"data\":{\"test\":\"true\",\"duration\":\"1h 30m\"}}\n\
             {\"type\":\"host\",\"id\":\"h\",\"connect\":{\"how\":\"local\"}}\n\
             {\"type\":\"end\",\"tool\":\"atex-discover\",\"complete\":false,\"exit\":2}\n\
             {\"type\":\"strange\"}\n",
        );
        assert!(matches!(&all[0], Item::Test { test, place, .. } if test.name == "/a" && place == "in:1"));
        assert!(matches!(&all[1], Item::Host { host, .. } if host.id == "h"));
        assert!(matches!(&all[2], Item::Other { incomplete: Some(tool), .. } if tool == "atex-discover"));
        assert!(
            matches!(&all[3], Item::Other { incomplete: None, line } if line == "{\"type\":\"strange\"}")
        );
        assert!(matches!(all[4], Item::Ended));
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_place() {
        for (line, message) in [
            (r#"{"type":"test","name":"/a","data":{}}"#, "in:1:1: test /a: data.test is missing"),
            (
                r#"{"type":"test","name":"/a","data":{"test":1}}"#,
                "in:1:1: test /a: data.test: expected a command",
            ),
            (r#"{"type":"test","name":"","data":{"test":""}}"#, "in:1:1: test : expected a name"),
            (
                r#"{"type":"test","name":"/a","data":{"test":"","duration":"5x"}}"#,
                "in:1:1: test /a: data.duration: ",
            ),
            (
                r#"{"type":"test","name":"/a","data":{"test":"","environment":{"A-B":1}}}"#,
                "in:1:1: test /a: data.environment: ",
            ),
            (r#"{"type":"test","name":"/a","data":{"test":""},"dir":"a/../.."}"#, "in:1:1: test /a: dir: "),
            (r#"{"type":"test","name":"/a","data":{"test":""},"tree":"x"}"#, "in:1:1: test /a: tree: "),
            (r#"{"type":"host","id":"","connect":{"how":"local"}}"#, "in:1:1: expected an `id`"),
            ("nope", "in:1:2: not JSON: expected ident"),
        ] {
            let Some(Item::Failed(failure)) = items(line).into_iter().next_back() else { panic!("{line}") };
            assert!(failure.message.starts_with(message), "{line}: {}", failure.message);
        }
    }
}
