//! Attributes: which types have which, and the methods of everything but text.

use std::rc::Rc;

use ruff_python_ast::{CmpOp, Operator};

use super::compare::{Set, as_set, ordered, same_or_equal};
use super::machine::{Args, Machine};
use super::object::{Dict, Obj, Seq, View};
use super::{ConditionErrorKind, Fault, Res, number, show, strings, type_error, value_error};

/// The attributes of a type: those that are supported, and those that Python has besides.
fn known(object: &Obj<'_>) -> (&'static [&'static str], &'static [&'static str]) {
    match object {
        Obj::Text(_) => (&strings::METHODS, &strings::OTHERS),
        Obj::List(_) => (
            &["copy", "count", "index"],
            &["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"],
        ),
        Obj::Tuple(_) => (&["count", "index"], &[]),
        Obj::Range(_) => (&["start", "step", "stop"], &["count", "index"]),
        Obj::Dict(_) => (
            &["copy", "get", "items", "keys", "values"],
            &["clear", "fromkeys", "pop", "popitem", "setdefault", "update"],
        ),
        Obj::Set(_) => (
            &[
                "copy",
                "difference",
                "intersection",
                "isdisjoint",
                "issubset",
                "issuperset",
                "symmetric_difference",
                "union",
            ],
            &[
                "add",
                "clear",
                "difference_update",
                "discard",
                "intersection_update",
                "pop",
                "remove",
                "symmetric_difference_update",
                "update",
            ],
        ),
        Obj::View(View::Values, _) => (&[], &["mapping"]),
        Obj::View(..) => (&["isdisjoint"], &["mapping"]),
        Obj::Float(_) => {
            (&["imag", "is_integer", "real"], &["as_integer_ratio", "conjugate", "fromhex", "hex"])
        }
        Obj::Int(_) | Obj::Bool(_) | Obj::BigInt(_) => (
            &["bit_length", "denominator", "imag", "numerator", "real"],
            &["as_integer_ratio", "bit_count", "conjugate", "from_bytes", "is_integer", "to_bytes"],
        ),
        Obj::Date(_) => (
            &["day", "isoformat", "month", "year"],
            &[
                "ctime",
                "isocalendar",
                "isoweekday",
                "replace",
                "strftime",
                "timetuple",
                "toordinal",
                "weekday",
            ],
        ),
        Obj::DateTime(_) => (
            &["date", "day", "hour", "isoformat", "microsecond", "minute", "month", "second", "year"],
            &[
                "astimezone",
                "ctime",
                "dst",
                "fold",
                "isocalendar",
                "isoweekday",
                "replace",
                "strftime",
                "time",
                "timestamp",
                "timetuple",
                "timetz",
                "toordinal",
                "tzinfo",
                "tzname",
                "utcoffset",
                "utctimetuple",
                "weekday",
            ],
        ),
        Obj::Type(_) => (&["__name__"], &["mro"]),
        Obj::Bytes(_) => (&[], &["decode", "fromhex", "hex", "maketrans", "translate"]),
        _ => (&[], &[]),
    }
}

/// `object.name`; a method is an object of its own.
pub fn attribute<'d>(object: &Obj<'d>, name: &'d str) -> Res<Obj<'d>> {
    match value(object, name)? {
        Some(value) => Ok(value),
        None => Ok(Obj::Method(Rc::new((object.clone(), name)))),
    }
}

/// An attribute that is no method, as a format's field asks for.
pub fn field<'d>(object: &Obj<'d>, name: &str) -> Res<Obj<'d>> {
    value(object, name)?
        .ok_or_else(|| Fault::unsupported(format!("the text of {}.{name}", object.type_name())))
}

/// The value of an attribute, nothing if it is a method.
fn value<'d>(object: &Obj<'d>, name: &str) -> Res<Option<Obj<'d>>> {
    if let Obj::Type(class) = object
        && instance(class).is_some_and(|instance| known(&instance).0.contains(&name))
    {
        return Ok(None);
    }
    let (supported, others) = known(object);
    if !supported.contains(&name) {
        let kind = object.type_name();
        // A type has the methods of its instances.
        if others.contains(&name)
            || matches!(object, Obj::Bytes(_)) && strings::is_of_bytes(name)
            || name.starts_with("__") && name.ends_with("__")
            || matches!(object, Obj::Type(_))
        {
            return Err(Fault::unsupported(format!("{kind}.{name}")));
        }
        let message = match object {
            Obj::Lambda(_) | Obj::Function(_) | Obj::Method(_) | Obj::Iter(_) => {
                return Err(Fault::unsupported(format!("{kind}.{name}")));
            }
            _ => format!("'{}' object has no attribute '{name}'", qualified(kind)),
        };
        return Err(Fault::new(ConditionErrorKind::Attribute, message));
    }
    let number = |number: u32| Some(Obj::Int(i128::from(number)));
    Ok(match (object, name) {
        (Obj::Type(name), _) => Some(Obj::text(*name)),
        (Obj::Float(_) | Obj::Int(_) | Obj::BigInt(_), "real" | "numerator") => Some(object.clone()),
        (Obj::Bool(truth), "real" | "numerator") => Some(Obj::Int(i128::from(*truth))),
        (Obj::Float(_), "imag") => Some(Obj::Float(0.0)),
        (_, "imag") => Some(Obj::Int(0)),
        (_, "denominator") => Some(Obj::Int(1)),
        (Obj::Range(range), "start") => Some(Obj::Int(range.start)),
        (Obj::Range(range), "step") => Some(Obj::Int(range.step)),
        (Obj::Range(range), "stop") => Some(Obj::Int(range.stop)),
        (Obj::Date(date), "year") => number(date.year.into()),
        (Obj::Date(date), "month") => number(date.month.into()),
        (Obj::Date(date), "day") => number(date.day.into()),
        (Obj::DateTime(moment), "year") => number(moment.date.year.into()),
        (Obj::DateTime(moment), "month") => number(moment.date.month.into()),
        (Obj::DateTime(moment), "day") => number(moment.date.day.into()),
        (Obj::DateTime(moment), "hour") => number(moment.hour.into()),
        (Obj::DateTime(moment), "minute") => number(moment.minute.into()),
        (Obj::DateTime(moment), "second") => number(moment.second.into()),
        (Obj::DateTime(moment), "microsecond") => number(moment.microsecond),
        _ => None,
    })
}

/// An object of a class whose methods can be asked for without one: `str.lower`.
fn instance<'d>(class: &str) -> Option<Obj<'d>> {
    match class {
        "str" => Some(Obj::text("")),
        "list" => Some(Obj::list(Vec::new())),
        "tuple" => Some(Obj::tuple(Vec::new())),
        _ => None,
    }
}

/// A method of a class takes its object as the first argument.
fn call_unbound<'d>(machine: &Machine<'d>, class: &str, name: &str, mut args: Args<'d>) -> Res<Obj<'d>> {
    if args.positional.is_empty() {
        return Err(type_error(format!("unbound method {class}.{name}() needs an argument")));
    }
    let object = args.positional.remove(0);
    let kind = object.type_name();
    if kind != class {
        return Err(type_error(format!(
            "descriptor '{name}' for '{class}' objects doesn't apply to a '{kind}' object"
        )));
    }
    call(machine, &object, name, args)
}

/// The name of a type in messages about its attributes.
fn qualified(kind: &str) -> String {
    if matches!(kind, "date" | "datetime") { format!("datetime.{kind}") } else { kind.to_owned() }
}

/// Calls a method, which [`attribute`] has found.
pub fn call<'d>(machine: &Machine<'d>, object: &Obj<'d>, name: &str, args: Args<'d>) -> Res<Obj<'d>> {
    match object {
        Obj::Text(text) => strings::call(machine, text, name, args),
        Obj::Type(class) if name != "__name__" => call_unbound(machine, class, name, args),
        Obj::List(items) if name == "copy" => {
            args.exactly(name, 0, 0)?;
            machine.spend(items.len())?;
            Ok(Obj::list(items.iter().collect()))
        }
        Obj::List(items) | Obj::Tuple(items) if name == "count" => count(machine, items, args),
        Obj::List(items) | Obj::Tuple(items) if name == "index" => index(machine, object, items, args),
        Obj::Dict(dict) => dict_method(machine, dict, name, args),
        Obj::Set(set) => set_method(machine, set, name, args),
        Obj::View(..) if name == "isdisjoint" => {
            set_method(machine, &as_set(Some(machine), object)?, name, args)
        }
        Obj::Float(number) if name == "is_integer" => {
            args.exactly(name, 0, 0)?;
            Ok(Obj::Bool(number.fract() == 0.0))
        }
        Obj::Int(_) | Obj::Bool(_) if name == "bit_length" => {
            args.exactly(name, 0, 0)?;
            let magnitude = object.as_int().unwrap_or(0).unsigned_abs();
            Ok(Obj::Int(i128::from(128 - magnitude.leading_zeros())))
        }
        Obj::Date(date) if name == "isoformat" => {
            args.exactly(name, 0, 0)?;
            Ok(Obj::text(date.to_string()))
        }
        Obj::DateTime(moment) if name == "isoformat" => {
            args.exactly(name, 0, 0)?;
            Ok(Obj::text(moment.iso('T')))
        }
        Obj::DateTime(moment) if name == "date" => {
            args.exactly(name, 0, 0)?;
            Ok(Obj::Date(moment.date))
        }
        other => match value(other, name)? {
            Some(value) => machine.call(&value, args),
            None => Err(Fault::unsupported(format!("{}.{name}", other.type_name()))),
        },
    }
}

fn count<'d>(machine: &Machine<'d>, items: &Seq<'d>, args: Args<'d>) -> Res<Obj<'d>> {
    let args = args.exactly("count", 1, 1)?;
    let mut count = 0;
    for item in items.iter() {
        machine.spend(1)?;
        count += usize::from(same_or_equal(Some(machine), &item, &args[0])?);
    }
    Ok(Obj::index(count))
}

fn index<'d>(machine: &Machine<'d>, object: &Obj<'d>, items: &Seq<'d>, args: Args<'d>) -> Res<Obj<'d>> {
    let args = args.exactly("index", 1, 3)?;
    let len = items.len() as i128;
    let bound = |at: usize, default: i128| -> Res<i128> {
        let number = args.get(at).map_or(Ok(default), Obj::to_index)?;
        Ok(if number < 0 { number.saturating_add(len).max(0) } else { number.min(len) })
    };
    for at in bound(1, 0)?..bound(2, len)? {
        machine.spend(1)?;
        if let Some(item) = items.get(at as usize)
            && same_or_equal(Some(machine), &item, &args[0])?
        {
            return Ok(Obj::Int(at));
        }
    }
    Err(value_error(match object {
        Obj::Tuple(_) => "tuple.index(x): x not in tuple".to_owned(),
        _ => format!("{} is not in list", show::repr(machine, &args[0])?),
    }))
}

fn dict_method<'d>(machine: &Machine<'d>, dict: &Dict<'d>, name: &str, args: Args<'d>) -> Res<Obj<'d>> {
    let (least, most) = if name == "get" { (1, 2) } else { (0, 0) };
    let args = args.exactly(name, least, most)?;
    Ok(match name {
        "get" => match dict.find(&machine.key(args[0].clone())?) {
            Some(value) => value,
            None => args.get(1).cloned().unwrap_or(Obj::None),
        },
        "keys" => Obj::View(View::Keys, dict.clone()),
        "values" => Obj::View(View::Values, dict.clone()),
        "items" => Obj::View(View::Items, dict.clone()),
        _ => {
            machine.spend(dict.len())?;
            return machine.dict(dict.entries());
        }
    })
}

fn set_method<'d>(machine: &Machine<'d>, set: &Rc<Set<'d>>, name: &str, args: Args<'d>) -> Res<Obj<'d>> {
    let most = if matches!(name, "union" | "intersection" | "difference") { usize::MAX } else { 1 };
    let least = usize::from(most == 1);
    let args = if name == "copy" { args.exactly(name, 0, 0)? } else { args.exactly(name, least, most)? };
    let this = Obj::Set(set.clone());
    let compare = |op: CmpOp, other: &Obj<'d>| {
        ordered(machine, op, &this, &Obj::Set(machine.set(other)?)).map(Obj::Bool)
    };
    let op = match name {
        "issubset" => return compare(CmpOp::LtE, &args[0]),
        "issuperset" => return compare(CmpOp::GtE, &args[0]),
        "isdisjoint" => {
            let other = machine.set(&args[0])?;
            machine.spend(set.len())?;
            return Ok(Obj::Bool(!set.iter().any(|item| other.contains(item))));
        }
        "union" => Operator::BitOr,
        "intersection" => Operator::BitAnd,
        "difference" => Operator::Sub,
        _ => Operator::BitXor,
    };
    let mut result = this;
    for other in &args {
        result = number::binary(machine, op, &result, &Obj::Set(machine.set(other)?))?;
    }
    Ok(result)
}

/// What a function says of an argument of the wrong type.
pub fn wrong_argument(function: &str, object: &Obj<'_>) -> Fault {
    type_error(format!("{function}() does not take an argument of type '{}'", object.type_name()))
}
