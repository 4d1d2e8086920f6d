//! Indices and slices.

use super::machine::Machine;
use super::object::{Obj, Range, Seq};
use super::{ConditionErrorKind, Fault, Res, show, type_error, value_error};

/// `object[index]`
pub fn index<'d>(machine: &Machine<'d>, object: &Obj<'d>, index: &Obj<'d>) -> Res<Obj<'d>> {
    match object {
        Obj::Dict(dict) => match dict.find(&machine.key(index.clone())?) {
            Some(value) => Ok(value),
            None => Err(Fault::new(ConditionErrorKind::Key, show::repr(machine, index)?)),
        },
        Obj::List(items) => item("list", items, index),
        Obj::Tuple(items) => item("tuple", items, index),
        Obj::Text(text) => {
            machine.spend_text(text.len())?;
            let at = place("string", text.chars().count(), index)?;
            let found = text.chars().nth(at).map(|c| Obj::text(c.encode_utf8(&mut [0; 4]) as &str));
            found.ok_or_else(|| out_of_range("string"))
        }
        Obj::Bytes(bytes) => {
            let at = place("index", bytes.len(), index)?;
            bytes.get(at).map(|byte| Obj::Int(i128::from(*byte))).ok_or_else(|| out_of_range("index"))
        }
        Obj::Range(range) => Ok(Obj::Int(range.get(place("range object", range.len, index)?))),
        Obj::Type(_) => Err(Fault::unsupported("a subscript of a type")),
        other => Err(type_error(format!("'{}' object is not subscriptable", other.type_name()))),
    }
}

fn item<'d>(kind: &str, items: &Seq<'d>, index: &Obj<'d>) -> Res<Obj<'d>> {
    items.get(place(kind, items.len(), index)?).ok_or_else(|| out_of_range(kind))
}

fn out_of_range(kind: &str) -> Fault {
    Fault::new(ConditionErrorKind::Index, format!("{kind} index out of range"))
}

/// Where an index points, counted from the front.
fn place(kind: &str, len: usize, index: &Obj<'_>) -> Res<usize> {
    let Some(number) = index.as_int() else {
        let name = index.type_name();
        return Err(type_error(format!("{kind} indices must be integers or slices, not {name}")));
    };
    let len = len as i128;
    let number = if number < 0 { number.saturating_add(len) } else { number };
    if (0..len).contains(&number) { Ok(number as usize) } else { Err(out_of_range(kind)) }
}

/// `object[start:stop:step]`
pub fn slice<'d>(
    machine: &Machine<'d>,
    object: &Obj<'d>,
    start: &Obj<'d>,
    stop: &Obj<'d>,
    step: &Obj<'d>,
) -> Res<Obj<'d>> {
    let bounds = |len: usize| places(len, start, stop, step);
    let pick = |items: &Seq<'d>| {
        let range = bounds(items.len())?;
        machine.spend(range.len)?;
        Ok::<Vec<_>, Fault>((0..range.len).filter_map(|at| items.get(range.get(at) as usize)).collect())
    };
    match object {
        Obj::List(items) => pick(items).map(Obj::list),
        Obj::Tuple(items) => pick(items).map(Obj::tuple),
        Obj::Text(text) => {
            machine.spend_text(text.len())?;
            let chars: Vec<char> = text.chars().collect();
            let range = bounds(chars.len())?;
            machine.spend_text(range.len)?;
            Ok(Obj::text((0..range.len).map(|at| chars[range.get(at) as usize]).collect::<String>()))
        }
        Obj::Bytes(bytes) => {
            let range = bounds(bytes.len())?;
            machine.spend_text(range.len)?;
            Ok(Obj::Bytes((0..range.len).map(|at| bytes[range.get(at) as usize]).collect()))
        }
        Obj::Range(whole) => {
            let part = bounds(whole.len)?;
            let place =
                |at: i128| whole.step.checked_mul(at).and_then(|offset| whole.start.checked_add(offset));
            match (place(part.start), place(part.stop), whole.step.checked_mul(part.step)) {
                (Some(start), Some(stop), Some(step)) => {
                    Ok(Obj::Range(Range { start, stop, step, len: part.len }))
                }
                _ => Err(Fault::new(ConditionErrorKind::Limit, "a range of more than 128 bits")),
            }
        }
        Obj::Dict(_) => Err(type_error("unhashable type: 'slice'")),
        Obj::Type(_) => Err(Fault::unsupported("a subscript of a type")),
        other => Err(type_error(format!("'{}' object is not subscriptable", other.type_name()))),
    }
}

/// The places that a slice takes of so many.
fn places<'d>(len: usize, start: &Obj<'d>, stop: &Obj<'d>, step: &Obj<'d>) -> Res<Range> {
    let number = |object: &Obj<'d>| match object {
        Obj::None => Ok(None),
        other => other
            .as_int()
            .map(Some)
            .ok_or_else(|| type_error("slice indices must be integers or None or have an __index__ method")),
    };
    let step = number(step)?.unwrap_or(1);
    if step == 0 {
        return Err(value_error("slice step cannot be zero"));
    }
    let (start, stop) = (number(start)?, number(stop)?);
    let len = len as i128;
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: i128| (if bound < 0 { bound.saturating_add(len) } else { bound }).clamp(low, high);
    let start = start.map_or(if step > 0 { low } else { high }, clamp);
    let stop = stop.map_or(if step > 0 { high } else { low }, clamp);
    Ok(Range { start, stop, step, len: steps(start, stop, step) })
}

/// How many steps lead from start to before stop.
pub fn steps(start: i128, stop: i128, step: i128) -> usize {
    let distance = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
    if distance <= 0 {
        return 0;
    }
    let size = step.unsigned_abs();
    let count = (distance.unsigned_abs() - 1) / size + 1;
    usize::try_from(count).unwrap_or(usize::MAX)
}
