//! Objects as text.

use super::machine::Machine;
use super::object::{Obj, View};
use super::{Fault, Res};
use crate::pytext;
use crate::value::Value;

/// `str(object)`
pub fn text<'d>(machine: &Machine<'d>, object: &Obj<'d>) -> Res<String> {
    match object {
        Obj::Text(text) => {
            machine.spend_text(text.len())?;
            Ok(text.to_string())
        }
        Obj::Date(date) => Ok(date.to_string()),
        Obj::DateTime(moment) => Ok(moment.iso(' ')),
        other => repr(machine, other),
    }
}

/// `repr(object)`
pub fn repr<'d>(machine: &Machine<'d>, object: &Obj<'d>) -> Res<String> {
    let mut out = String::new();
    write(machine, &mut out, object)?;
    Ok(out)
}

/// `ascii(object)`
pub fn ascii<'d>(machine: &Machine<'d>, object: &Obj<'d>) -> Res<String> {
    let mut out = String::new();
    for c in repr(machine, object)?.chars() {
        match u32::from(c) {
            0..=0x7f => out.push(c),
            code @ 0x80..=0xff => out.push_str(&format!("\\x{code:02x}")),
            code @ 0x100..=0xffff => out.push_str(&format!("\\u{code:04x}")),
            code => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    Ok(out)
}

/// What `!s`, `!r` and `!a` in an f-string make of it.
pub fn convert<'d>(machine: &Machine<'d>, object: Obj<'d>, conversion: Option<char>) -> Res<Obj<'d>> {
    Ok(match conversion {
        None => object,
        Some('r') => Obj::text(repr(machine, &object)?),
        Some('a') => Obj::text(ascii(machine, &object)?),
        Some(_) => Obj::text(text(machine, &object)?),
    })
}

fn write<'d>(machine: &Machine<'d>, out: &mut String, object: &Obj<'d>) -> Res<()> {
    machine.spend(1)?;
    let before = out.len();
    match object {
        Obj::None => out.push_str("None"),
        Obj::Ellipsis => out.push_str("Ellipsis"),
        Obj::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
        Obj::Int(number) => out.push_str(&number.to_string()),
        Obj::BigInt(number) => out.push_str(&number.to_string()),
        Obj::Float(number) => out.push_str(&pytext::float(*number)),
        Obj::Text(text) => {
            machine.spend_text(text.len())?;
            out.push_str(&pytext::repr(&Value::text(&**text)));
        }
        Obj::Bytes(bytes) => out.push_str(&pytext::repr(&Value::Bytes((**bytes).into()))),
        Obj::Date(date) => out.push_str(&pytext::repr(&Value::Date(*date))),
        Obj::DateTime(moment) => out.push_str(&pytext::repr(&Value::DateTime((**moment).clone().into()))),
        Obj::List(items) => write_items(machine, out, ["[", "]"], items.iter())?,
        Obj::Tuple(items) if items.len() == 1 => write_items(machine, out, ["(", ",)"], items.iter())?,
        Obj::Tuple(items) => write_items(machine, out, ["(", ")"], items.iter())?,
        Obj::Set(set) if set.is_empty() => out.push_str("set()"),
        Obj::Set(set) => write_items(machine, out, ["{", "}"], set.iter().map(|key| key.object().clone()))?,
        Obj::Dict(dict) => {
            out.push('{');
            for (at, (key, value)) in dict.entries().iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(machine, out, key)?;
                out.push_str(": ");
                write(machine, out, value)?;
            }
            out.push('}');
        }
        Obj::View(view, dict) => {
            let ends = match view {
                View::Keys => ["dict_keys([", "])"],
                View::Values => ["dict_values([", "])"],
                View::Items => ["dict_items([", "])"],
            };
            write_items(machine, out, ends, dict.view(*view).into_iter())?;
        }
        Obj::Range(range) => {
            let step = if range.step == 1 { String::new() } else { format!(", {}", range.step) };
            out.push_str(&format!("range({}, {}{step})", range.start, range.stop));
        }
        Obj::Type(name @ ("date" | "datetime")) => out.push_str(&format!("<class 'datetime.{name}'>")),
        Obj::Type(name) => out.push_str(&format!("<class '{name}'>")),
        Obj::Function(name) => out.push_str(&format!("<built-in function {name}>")),
        Obj::Iter(_) | Obj::Method(_) | Obj::Lambda(_) => {
            return Err(Fault::unsupported(format!("the text of a {}", object.type_name())));
        }
    }
    machine.spend_text(out.len() - before)
}

fn write_items<'d>(
    machine: &Machine<'d>,
    out: &mut String,
    [open, close]: [&str; 2],
    items: impl Iterator<Item = Obj<'d>>,
) -> Res<()> {
    out.push_str(open);
    for (at, item) in items.enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        write(machine, out, &item)?;
    }
    out.push_str(close);
    Ok(())
}
