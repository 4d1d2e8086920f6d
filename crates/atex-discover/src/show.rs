//! The metadata of a node, and where each key of it was written. It reads as YAML.

use std::io::Write;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure};
use atex_fmf::{Context, Definition, Mapping, NodeRef, Pos, Tree, Value, json};

use crate::adjusts::{self, Adjust, Fate};
use crate::args::PlanLayer;
use crate::config::Show;
use crate::find;
use crate::place::{Places, visible};
use crate::run::Stop;

/// The places of a key, given its name if it is one of the node, and the last of them.
type Shown<'s> = dyn Fn(Option<&str>, Pos) -> String + 's;

/// How many names a message shows.
const NAMES_SHOWN: usize = 5;

/// Writes the node's name, its files, and its keys.
pub(crate) fn write<W: Write>(show: &Show, out: &mut Output<W>) -> Result<Exit, Stop> {
    let tree = find::load(&show.dir, &find::context(&show.context, PlanLayer::Atex))?;
    let node = node(&tree, &show.name)?;
    let places = Places::here();
    out.line(&visible(&format!("# {}", node.name())))?;
    for file in node.sources() {
        out.line(&visible(&format!("# from {}", places.path(file))))?;
    }
    let mut lines = Vec::new();
    let origins = Origins::of(node, &find::context(&show.context, PlanLayer::Atex))?;
    mapping(&|key, pos| origins.shown(&tree, &places, key, pos), node.data(), 0, &mut lines);
    for line in &lines {
        out.line(&visible(line))?;
    }
    Ok(Exit::Done)
}

/// The places that the keys of a node come from.
struct Origins<'t> {
    set: Vec<Definition<'t>>,
    /// By adjust rules that apply.
    adjusted: Vec<(String, Pos)>,
}

impl<'t> Origins<'t> {
    fn of(node: NodeRef<'t>, context: &Context) -> Result<Self, Failure> {
        let set = node.definitions().map_err(Failure::usage)?;
        let applied = adjusts::of(node, context).into_iter().filter(|adjust| adjust.fate == Fate::Applied);
        let keys = |adjust: Adjust| -> Vec<_> {
            let keys = adjust.rule.iter_with_positions();
            keys.map(|(key, _, pos)| (atex_fmf::without_suffix(&json::key_text(key)).to_owned(), pos))
                .collect()
        };
        Ok(Origins { set, adjusted: applied.flat_map(keys).collect() })
    }

    /// All places of a key of the node that come together in its value, or that of a key within, which stands at `pos`.
    fn shown(&self, tree: &Tree, places: &Places, key: Option<&str>, pos: Pos) -> String {
        let set = self.set.iter().filter(|set| Some(set.base()) == key).map(|set| places.line(&set.position));
        let adjusted = self.adjusted.iter().filter(|(adjusted, _)| Some(&**adjusted) == key);
        let mut shown: Vec<String> = Vec::new();
        let last = adjusted.map(|(_, pos)| *pos).chain([pos]).filter_map(|pos| places.of(tree, pos));
        for place in set.chain(last) {
            if !shown.contains(&place) {
                shown.push(place);
            }
        }
        shown.join(", ")
    }
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
/// a line for each of theirs. `places` gives those of a key; for keys of the node itself it is told the name.
fn mapping(places: &Shown<'_>, data: &Mapping, depth: usize, lines: &mut Vec<String>) {
    for (key, value, pos) in data.iter_with_positions() {
        let key = json::key_text(key);
        let place = places(Some(&*key).filter(|_| depth == 0), pos);
        let place = if place.is_empty() { place } else { format!("  # {place}") };
        let key = if is_plain(&key) { key.into_owned() } else { json::to_string(&Value::text(&*key)) };
        let line = |value: &str| format!("{}{key}:{value}{place}", "  ".repeat(depth));
        match value {
            Value::Map(inner) if !inner.is_empty() => {
                lines.push(line(""));
                mapping(places, inner, depth + 1, lines);
            }
            Value::List(items) if items.iter().any(Value::is_map) => {
                lines.push(line(""));
                list(places, items, depth, lines);
            }
            value => lines.push(line(&format!(" {}", json::to_string(value)))),
        }
    }
}

fn list(places: &Shown<'_>, items: &[Value], depth: usize, lines: &mut Vec<String>) {
    for item in items {
        let first = lines.len();
        match item {
            Value::Map(inner) if !inner.is_empty() => mapping(places, inner, depth + 1, lines),
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
