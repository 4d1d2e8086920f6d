//! The methods of text.

use super::chars::{is_alnum, is_alpha, is_cased, is_decimal, is_digit, is_line_end, is_numeric, is_title};
use super::chars::{push_folded, push_title};
use super::machine::{Args, Machine};
use super::object::{Obj, Text};
use super::{Res, format, type_error, value_error};
use crate::pytext;

/// What is supported.
pub const METHODS: [&str; 43] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];

/// What Python has besides.
pub const OTHERS: [&str; 4] = ["encode", "format_map", "maketrans", "translate"];

/// Those that text has and bytes have not.
const OF_TEXT: [&str; 6] = ["casefold", "format", "isdecimal", "isidentifier", "isnumeric", "isprintable"];

/// Whether bytes have a method of this name, too.
pub fn is_of_bytes(name: &str) -> bool {
    METHODS.contains(&name) && !OF_TEXT.contains(&name)
}

/// Calls a method.
pub fn call<'d>(machine: &Machine<'d>, text: &Text<'d>, name: &str, mut args: Args<'d>) -> Res<Obj<'d>> {
    match name {
        "format" => return format::format_method(machine, text, &args).map(Obj::text),
        "split" | "rsplit" => return split(machine, text, name, args),
        "splitlines" => return split_lines(machine, text, args),
        "expandtabs" => return expand_tabs(machine, text, args),
        _ => {}
    }
    if name == "replace"
        && let Some(count) = args.take("count")
    {
        args.positional.push(count);
    }
    let (least, most) = arity(name);
    let args = args.exactly(name, least, most)?;
    Ok(match name {
        "lower" => Obj::text(text.to_lowercase()),
        "upper" => Obj::text(text.to_uppercase()),
        "capitalize" => Obj::text(capitalized(text)),
        "title" => Obj::text(titled(text)),
        "swapcase" => Obj::text(swapped(text)),
        "casefold" => {
            let mut out = String::new();
            text.chars().for_each(|c| push_folded(&mut out, c));
            Obj::text(out)
        }
        "strip" | "lstrip" | "rstrip" => strip(text, name, args.first())?,
        "startswith" | "endswith" => Obj::Bool(has_end(text, name, &args)?),
        "find" | "rfind" | "index" | "rindex" => find(text, name, &args)?,
        "count" => count(text, &args)?,
        "replace" => replace(machine, text, &args)?,
        "join" => join(machine, text, &args[0])?,
        "partition" | "rpartition" => partition(text, name, &args[0])?,
        "removeprefix" => Obj::text(text.strip_prefix(&**argument(name, &args[0])?).unwrap_or(text)),
        "removesuffix" => Obj::text(text.strip_suffix(&**argument(name, &args[0])?).unwrap_or(text)),
        "ljust" | "rjust" | "center" => justify(machine, text, name, &args)?,
        "zfill" => zero_fill(machine, text, &args[0])?,
        _ => Obj::Bool(is(text, name)),
    })
}

fn arity(name: &str) -> (usize, usize) {
    match name {
        "strip" | "lstrip" | "rstrip" => (0, 1),
        "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count" => (1, 3),
        "replace" => (2, 3),
        "join" | "partition" | "rpartition" | "removeprefix" | "removesuffix" | "zfill" => (1, 1),
        "ljust" | "rjust" | "center" => (1, 2),
        _ => (0, 0),
    }
}

/// An argument that must be text.
fn argument<'a, 'd>(name: &str, object: &'a Obj<'d>) -> Res<&'a Text<'d>> {
    match object {
        Obj::Text(text) => Ok(text),
        other => Err(type_error(format!("{name}() argument must be str, not {}", other.type_name()))),
    }
}

/// The `is…` questions.
fn is(text: &str, name: &str) -> bool {
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    match name {
        "isalnum" => all(is_alnum),
        "isalpha" => all(is_alpha),
        "isascii" => text.is_ascii(),
        "isdecimal" => all(is_decimal),
        "isdigit" => all(is_digit),
        "isnumeric" => all(is_numeric),
        "isspace" => all(pytext::is_space),
        "islower" => has_case(text, |c| c.is_uppercase() || is_title(c)),
        "isupper" => has_case(text, |c| c.is_lowercase() || is_title(c)),
        "istitle" => is_titled(text),
        "isprintable" => is_printable(text),
        _ => is_identifier(text),
    }
}

/// Whether there is a cased character, and none of the other case.
fn has_case(text: &str, other: fn(char) -> bool) -> bool {
    text.chars().any(is_cased) && !text.chars().any(other)
}

fn is_titled(text: &str) -> bool {
    let (mut any, mut inside) = (false, false);
    for c in text.chars() {
        let upper = c.is_uppercase() || is_title(c);
        if upper && inside || c.is_lowercase() && !inside {
            return false;
        }
        inside = is_cased(c);
        any |= inside;
    }
    any
}

/// Whether a repr shows every character as it is.
fn is_printable(text: &str) -> bool {
    text.chars().all(|c| {
        matches!(c, '\'' | '\\')
            || pytext::repr(&crate::value::Value::text(c.to_string())).chars().count() == 3
    })
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || is_alpha(c))
        && chars.all(|c| c == '_' || is_alpha(c) || is_decimal(c))
}

fn capitalized(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    if let Some(first) = chars.next() {
        push_title(&mut out, first);
        // As a whole, because a final sigma depends on what comes before it.
        let lower = text.to_lowercase();
        let skipped = first.to_lowercase().count();
        out.extend(lower.chars().skip(skipped));
    }
    out
}

fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let lower = text.to_lowercase();
    let same_length = lower.chars().count() == text.chars().count();
    let mut lower = lower.chars();
    let mut inside = false;
    for c in text.chars() {
        let small = lower.next();
        match (inside, same_length) {
            (false, _) => push_title(&mut out, c),
            (true, true) => out.extend(small),
            (true, false) => out.extend(c.to_lowercase()),
        }
        inside = is_cased(c);
    }
    out
}

fn swapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else if c.is_lowercase() {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

fn strip<'d>(text: &Text<'d>, name: &str, set: Option<&Obj<'d>>) -> Res<Obj<'d>> {
    let set: Option<Vec<char>> = match set {
        None | Some(Obj::None) => None,
        Some(set) => Some(argument(name, set)?.chars().collect()),
    };
    let drop = |c: char| set.as_ref().map_or_else(|| pytext::is_space(c), |set| set.contains(&c));
    Ok(Obj::text(match name {
        "strip" => text.trim_matches(drop),
        "lstrip" => text.trim_start_matches(drop),
        _ => text.trim_end_matches(drop),
    }))
}

/// The part between two optional bounds, and how many characters are before it; nothing if the bounds cross or lie
/// beyond the end.
fn window<'a>(text: &'a str, bounds: &[Obj<'_>]) -> Res<Option<(&'a str, usize)>> {
    if bounds.is_empty() {
        return Ok(Some((text, 0)));
    }
    let len = text.chars().count() as i128;
    let bound = |at: usize, default: i128| match bounds.get(at) {
        None | Some(Obj::None) => Ok(default),
        Some(other) => other
            .as_int()
            .ok_or_else(|| type_error("slice indices must be integers or None or have an __index__ method")),
    };
    let from_end = |number: i128| if number < 0 { number.saturating_add(len).max(0) } else { number };
    let (start, stop) = (from_end(bound(0, 0)?), from_end(bound(1, len)?).min(len));
    if start > stop {
        return Ok(None);
    }
    let byte = |at: i128| text.char_indices().nth(at as usize).map_or(text.len(), |(byte, _)| byte);
    Ok(Some((&text[byte(start)..byte(stop)], start as usize)))
}

fn has_end<'d>(text: &str, name: &str, args: &[Obj<'d>]) -> Res<bool> {
    let window = window(text, &args[1..])?;
    let test = |object: &Obj<'d>| {
        let Obj::Text(end) = object else {
            let kind = object.type_name();
            return Err(type_error(format!("{name} first arg must be str or a tuple of str, not {kind}")));
        };
        Ok(window.is_some_and(|(text, _)| {
            if name == "startswith" { text.starts_with(&**end) } else { text.ends_with(&**end) }
        }))
    };
    match &args[0] {
        Obj::Tuple(ends) => {
            for end in ends.iter() {
                if test(&end)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        end => test(end),
    }
}

fn find<'d>(text: &str, name: &str, args: &[Obj<'d>]) -> Res<Obj<'d>> {
    let part = argument(name, &args[0])?;
    let found = window(text, &args[1..])?.and_then(|(text, before)| {
        let byte = if name.starts_with('r') { text.rfind(&**part) } else { text.find(&**part) };
        byte.map(|byte| before + text[..byte].chars().count())
    });
    match found {
        Some(at) => Ok(Obj::index(at)),
        None if name.ends_with("find") => Ok(Obj::Int(-1)),
        None => Err(value_error("substring not found")),
    }
}

fn count<'d>(text: &str, args: &[Obj<'d>]) -> Res<Obj<'d>> {
    let part = argument("count", &args[0])?;
    let count = window(text, &args[1..])?.map_or(0, |(text, _)| {
        if part.is_empty() { text.chars().count() + 1 } else { text.matches(&**part).count() }
    });
    Ok(Obj::index(count))
}

fn replace<'d>(machine: &Machine<'d>, text: &str, args: &[Obj<'d>]) -> Res<Obj<'d>> {
    let (from, to) = (argument("replace", &args[0])?, argument("replace", &args[1])?);
    let most = args.get(2).map_or(Ok(-1), Obj::to_index)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let places = if from.is_empty() { text.chars().count() + 1 } else { text.matches(&**from).count() };
    machine.spend_text(text.len().saturating_add(places.min(most).saturating_mul(to.len())))?;
    Ok(Obj::text(text.replacen(&**from, to, most)))
}

fn join<'d>(machine: &Machine<'d>, separator: &str, items: &Obj<'d>) -> Res<Obj<'d>> {
    let mut out = String::new();
    let items = machine.collect(items).map_err(|fault| match items {
        Obj::None | Obj::Int(_) | Obj::Float(_) | Obj::Bool(_) => type_error("can only join an iterable"),
        _ => fault,
    })?;
    for (at, item) in items.iter().enumerate() {
        let Obj::Text(part) = item else {
            let kind = item.type_name();
            return Err(type_error(format!("sequence item {at}: expected str instance, {kind} found")));
        };
        machine.spend_text(part.len() + separator.len())?;
        out.push_str(if at > 0 { separator } else { "" });
        out.push_str(part);
    }
    Ok(Obj::text(out))
}

fn partition<'d>(text: &str, name: &str, separator: &Obj<'d>) -> Res<Obj<'d>> {
    let separator = argument(name, separator)?;
    if separator.is_empty() {
        return Err(value_error("empty separator"));
    }
    let parts = match name {
        "partition" => {
            text.split_once(&**separator).map_or([text, "", ""], |(left, right)| [left, separator, right])
        }
        _ => text.rsplit_once(&**separator).map_or(["", "", text], |(left, right)| [left, separator, right]),
    };
    Ok(Obj::tuple(parts.into_iter().map(Obj::text).collect()))
}

fn justify<'d>(machine: &Machine<'d>, text: &str, name: &str, args: &[Obj<'d>]) -> Res<Obj<'d>> {
    let fill = match args.get(1) {
        None => ' ',
        Some(fill) => {
            let fill = argument(name, fill)?;
            let mut chars = fill.chars();
            match (chars.next(), chars.next()) {
                (Some(fill), None) => fill,
                _ => return Err(type_error("The fill character must be exactly one character long")),
            }
        }
    };
    let length = text.chars().count();
    let width = usize::try_from(args[0].to_index()?.max(0)).unwrap_or(usize::MAX);
    let missing = width.saturating_sub(length);
    machine.spend_text(missing.saturating_mul(fill.len_utf8()))?;
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        // The odd one goes to the left only where the width is odd too.
        _ => missing / 2 + (missing & width & 1),
    };
    let fills = |count: usize| fill.to_string().repeat(count);
    Ok(Obj::text(fills(left) + text + &fills(missing - left)))
}

fn zero_fill<'d>(machine: &Machine<'d>, text: &str, width: &Obj<'d>) -> Res<Obj<'d>> {
    let width = usize::try_from(width.to_index()?.max(0)).unwrap_or(usize::MAX);
    let missing = width.saturating_sub(text.chars().count());
    machine.spend_text(missing)?;
    let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
    Ok(Obj::text(sign.to_owned() + &"0".repeat(missing) + digits))
}

fn split<'d>(machine: &Machine<'d>, text: &str, name: &str, mut args: Args<'d>) -> Res<Obj<'d>> {
    let (separator, most) = (args.take("sep"), args.take("maxsplit"));
    let positional = args.exactly(name, 0, 2)?;
    let separator = separator.or_else(|| positional.first().cloned()).unwrap_or(Obj::None);
    let most = most.or_else(|| positional.get(1).cloned()).map_or(Ok(-1), |most| most.to_index())?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let from_end = name == "rsplit";
    let mut parts: Vec<&str> = match &separator {
        Obj::None if from_end => split_blanks_from_end(text, most),
        Obj::None => split_blanks(text, most),
        separator => {
            let separator = argument(name, separator)?;
            if separator.is_empty() {
                return Err(value_error("empty separator"));
            }
            let pieces = most.saturating_add(1);
            if from_end {
                text.rsplitn(pieces, &**separator).collect()
            } else {
                text.splitn(pieces, &**separator).collect()
            }
        }
    };
    if from_end {
        parts.reverse();
    }
    machine.spend(parts.len())?;
    Ok(Obj::list(parts.into_iter().map(Obj::text).collect()))
}

/// Words, and whatever is left after so many splits, its end untouched.
fn split_blanks(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start_matches(pytext::is_space);
    while !rest.is_empty() {
        if parts.len() == most {
            parts.push(rest);
            break;
        }
        let (word, after) = rest.split_at(rest.find(pytext::is_space).unwrap_or(rest.len()));
        parts.push(word);
        rest = after.trim_start_matches(pytext::is_space);
    }
    parts
}

/// The same from the end, the last word first.
fn split_blanks_from_end(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end_matches(pytext::is_space);
    while !rest.is_empty() {
        if parts.len() == most {
            parts.push(rest);
            break;
        }
        let start = rest
            .char_indices()
            .rev()
            .find(|(_, c)| pytext::is_space(*c))
            .map_or(0, |(at, c)| at + c.len_utf8());
        parts.push(&rest[start..]);
        rest = rest[..start].trim_end_matches(pytext::is_space);
    }
    parts
}

fn split_lines<'d>(machine: &Machine<'d>, text: &str, mut args: Args<'d>) -> Res<Obj<'d>> {
    let keep = args.take("keepends");
    let positional = args.exactly("splitlines", 0, 1)?;
    let keep = keep.or_else(|| positional.first().cloned()).is_some_and(|keep| keep.is_truthy());
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        machine.spend(1)?;
        let end = rest.find(is_line_end).unwrap_or(rest.len());
        let ending = if rest[end..].starts_with("\r\n") {
            2
        } else {
            rest[end..].chars().next().map_or(0, char::len_utf8)
        };
        lines.push(Obj::text(&rest[..end + if keep { ending } else { 0 }]));
        rest = &rest[end + ending..];
    }
    Ok(Obj::list(lines))
}

fn expand_tabs<'d>(machine: &Machine<'d>, text: &str, mut args: Args<'d>) -> Res<Obj<'d>> {
    let size = args.take("tabsize");
    let positional = args.exactly("expandtabs", 0, 1)?;
    let size = size.or_else(|| positional.first().cloned()).map_or(Ok(8), |size| size.to_index())?;
    let size = usize::try_from(size.max(0)).unwrap_or(usize::MAX);
    let mut out = String::new();
    let mut column = 0;
    for c in text.chars() {
        if c == '\t' && size > 0 {
            let blanks = size - column % size;
            machine.spend_text(blanks)?;
            out.push_str(&" ".repeat(blanks));
            column = 0;
        } else if c != '\t' {
            out.push(c);
            column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
        }
    }
    Ok(Obj::text(out))
}
