//! The metadata of a node, and where each key of it was written. It reads as YAML.

use std::io::Write;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure};
use atex_fmf::{Mapping, NodeRef, Tree, Value, json};

use crate::config::Show;
use crate::find;
use crate::place::{Places, visible};
use crate::run::Stop;

/// How many names a message shows.
const NAMES_SHOWN: usize = 5;

/// Writes the node's name, its files, and its keys.
pub(crate) fn write<W: Write>(show: &Show, out: &mut Output<W>) -> Result<Exit, Stop> {
    let tree = find::load(&show.dir, &show.context)?;
    let node = node(&tree, &show.name)?;
    let places = Places::here();
    out.line(&visible(&format!("# {}", node.name())))?;
    for file in node.sources() {
        out.line(&visible(&format!("# from {}", places.path(file))))?;
    }
    let mut lines = Vec::new();
    mapping(&tree, &places, node.data(), 0, &mut lines);
    for line in &lines {
        out.line(&visible(line))?;
    }
    Ok(Exit::Done)
}

/// The node of this name.
pub(crate) fn node<'t>(tree: &'t Tree, name: &str) -> Result<NodeRef<'t>, Failure> {
    tree.find(name).ok_or_else(|| {
        let failure = Failure::usage(format!("{name}: no node has this name in {}", tree.root().display()));
        let alike: Vec<&str> = tree.nodes().map(NodeRef::name).filter(|known| known.contains(name)).collect();
        match alike.len() {
            0 => failure.hint("`atex-discover ls --all` prints the names of tests"),
            count => {
                let shown = alike[..count.min(NAMES_SHOWN)].join(", ");
                let more = count.saturating_sub(NAMES_SHOWN);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                failure.hint(format!("there is {shown}{more}"))
            }
        }
    })
}

/// A line for each key. What is written below one may come from other places, so that mappings, and lists of them, take
/// a line for each of theirs.
fn mapping(tree: &Tree, places: &Places, data: &Mapping, depth: usize, lines: &mut Vec<String>) {
    for (key, value, pos) in data.iter_with_positions() {
        let key = json::key_text(key);
        let key = if is_plain(&key) { key.into_owned() } else { json::to_string(&Value::text(&*key)) };
        let place = places.of(tree, pos).map(|place| format!("  # {place}")).unwrap_or_default();
        let line = |value: &str| format!("{}{key}:{value}{place}", "  ".repeat(depth));
        match value {
            Value::Map(inner) if !inner.is_empty() => {
                lines.push(line(""));
                mapping(tree, places, inner, depth + 1, lines);
            }
            Value::List(items) if items.iter().any(Value::is_map) => {
                lines.push(line(""));
                list(tree, places, items, depth, lines);
            }
            value => lines.push(line(&format!(" {}", json::to_string(value)))),
        }
    }
}

fn list(tree: &Tree, places: &Places, items: &[Value], depth: usize, lines: &mut Vec<String>) {
    for item in items {
        let first = lines.len();
        match item {
            Value::Map(inner) if !inner.is_empty() => mapping(tree, places, inner, depth + 1, lines),
            item => lines.push(format!("{}{}", "  ".repeat(depth + 1), json::to_string(item))),
        }
        // The dash takes the place of the first line's last two blanks.
        let indent = 2 * depth;
        lines[first].replace_range(indent..indent + 2, "- ");
    }
}

/// Whether a key needs no quotes.
fn is_plain(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/');
    key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(plain)
}
