//! Python's own functions and types.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use ruff_python_ast::{CmpOp, Operator};

use super::compare::ordered;
use super::iterate::{Iter, Strict, stop_iteration};
use super::machine::{Args, Machine};
use super::methods::wrong_argument;
use super::object::{Obj, Range};
use super::{
    ConditionErrorKind, Fault, Res, chars, format, number, show, subscript, type_error, value_error,
};
use crate::number::Int;
use crate::pytext;

/// Names of types.
const TYPES: [&str; 95] = [
    "bool",
    "bytearray",
    "bytes",
    "classmethod",
    "complex",
    "dict",
    "enumerate",
    "filter",
    "float",
    "frozenset",
    "int",
    "list",
    "map",
    "memoryview",
    "object",
    "property",
    "range",
    "reversed",
    "set",
    "slice",
    "staticmethod",
    "str",
    "super",
    "tuple",
    "type",
    "zip",
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "BaseExceptionGroup",
    "BlockingIOError",
    "BrokenPipeError",
    "BufferError",
    "BytesWarning",
    "ChildProcessError",
    "ConnectionAbortedError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "DeprecationWarning",
    "EOFError",
    "EncodingWarning",
    "EnvironmentError",
    "Exception",
    "ExceptionGroup",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "FutureWarning",
    "GeneratorExit",
    "IOError",
    "ImportError",
    "ImportWarning",
    "IndentationError",
    "IndexError",
    "InterruptedError",
    "IsADirectoryError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "ModuleNotFoundError",
    "NameError",
    "NotADirectoryError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PendingDeprecationWarning",
    "PermissionError",
    "ProcessLookupError",
    "RecursionError",
    "ReferenceError",
    "ResourceWarning",
    "RuntimeError",
    "RuntimeWarning",
    "StopAsyncIteration",
    "StopIteration",
    "SyntaxError",
    "SyntaxWarning",
    "SystemError",
    "SystemExit",
    "TabError",
    "TimeoutError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "UnicodeTranslateError",
    "UnicodeWarning",
    "UserWarning",
    "ValueError",
    "Warning",
    "ZeroDivisionError",
];

/// Names of functions and of the few other objects.
const FUNCTIONS: [&str; 55] = [
    "abs",
    "aiter",
    "all",
    "anext",
    "any",
    "ascii",
    "bin",
    "breakpoint",
    "callable",
    "chr",
    "compile",
    "copyright",
    "credits",
    "delattr",
    "dir",
    "divmod",
    "eval",
    "exec",
    "exit",
    "format",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "license",
    "locals",
    "max",
    "min",
    "next",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "quit",
    "repr",
    "round",
    "setattr",
    "sorted",
    "sum",
    "vars",
    "__build_class__",
    "__import__",
    "__name__",
    "__loader__",
    "__spec__",
    "NotImplemented",
];

/// The object of a builtin's name.
pub fn named<'d>(name: &str) -> Option<Obj<'d>> {
    let find = |names: &'static [&'static str]| names.iter().find(|known| **known == name).copied();
    match name {
        "Ellipsis" => Some(Obj::Ellipsis),
        "__debug__" => Some(Obj::Bool(true)),
        _ => find(&TYPES).map(Obj::Type).or_else(|| find(&FUNCTIONS).map(Obj::Function)),
    }
}

/// Calls a builtin.
pub fn call<'d>(machine: &Machine<'d>, name: &'static str, args: Args<'d>) -> Res<Obj<'d>> {
    match name {
        "sorted" => sorted(machine, args),
        "min" | "max" => extreme(machine, name, args),
        "dict" => dict(machine, args),
        "zip" => zip(machine, args),
        "sum" => sum(machine, args),
        "enumerate" => enumerate(machine, args),
        "int" => integer(machine, args),
        "round" => round(args),
        "pow" => power(machine, args),
        "str" => text(machine, args),
        "map" => {
            let mut args = args.exactly(name, 2, usize::MAX)?.into_iter();
            let function = args.next().unwrap_or(Obj::None);
            let iters = args.map(|object| machine.iter(&object)).collect::<Res<_>>()?;
            Ok(iterator(Iter::Map(function, iters)))
        }
        _ => plain(machine, name, args),
    }
}

fn iterator(iter: Iter<'_>) -> Obj<'_> {
    Obj::Iter(Rc::new(RefCell::new(iter)))
}

/// How many positional arguments a function takes; nothing if the function is not supported.
fn arity(name: &str) -> Option<(usize, usize)> {
    Some(match name {
        "locals" | "globals" | "vars" => (0, 0),
        "bool" | "float" | "list" | "tuple" | "set" => (0, 1),
        "abs" | "all" | "any" | "ascii" | "bin" | "callable" | "chr" | "hex" | "iter" | "len" | "oct"
        | "ord" | "repr" | "reversed" | "type" => (1, 1),
        "format" => (1, 2),
        "next" => (1, 2),
        "divmod" | "filter" | "hasattr" | "isinstance" | "issubclass" => (2, 2),
        "getattr" => (2, 3),
        "range" => (1, 3),
        _ => return None,
    })
}

/// The functions that take positional arguments only.
fn plain<'d>(machine: &Machine<'d>, name: &'static str, args: Args<'d>) -> Res<Obj<'d>> {
    let (least, most) = arity(name).ok_or_else(|| Fault::unsupported(name))?;
    let args = args.exactly(name, least, most)?;
    let Some(first) = args.first() else {
        return Ok(match name {
            "locals" | "globals" | "vars" => machine.namespace(),
            "bool" => Obj::Bool(false),
            "float" => Obj::Float(0.0),
            "list" => Obj::list(Vec::new()),
            "tuple" => Obj::tuple(Vec::new()),
            _ => machine.set_of(Vec::new())?,
        });
    };
    let second = args.get(1);
    match (name, second) {
        ("abs", _) => number::absolute(first),
        ("all", _) => truths(machine, first, false),
        ("any", _) => truths(machine, first, true),
        ("ascii", _) => show::ascii(machine, first).map(Obj::text),
        ("repr", _) => show::repr(machine, first).map(Obj::text),
        ("bin" | "oct" | "hex", _) => in_base(name, first),
        ("bool", _) => Ok(Obj::Bool(first.is_truthy())),
        ("callable", _) => {
            Ok(Obj::Bool(matches!(first, Obj::Type(_) | Obj::Function(_) | Obj::Method(_) | Obj::Lambda(_))))
        }
        ("chr", _) => {
            let code = i32::try_from(first.to_index()?).map_err(|_| {
                Fault::new(ConditionErrorKind::Overflow, "Python int too large to convert to C int")
            })?;
            let code = u32::try_from(code).ok().filter(|code| *code < 0x0011_0000);
            let code = code.ok_or_else(|| value_error("chr() arg not in range(0x110000)"))?;
            let c = char::from_u32(code).ok_or_else(|| Fault::unsupported("half of a surrogate pair"))?;
            Ok(Obj::text(c.to_string()))
        }
        ("ord", _) => ordinal(first),
        ("float", _) => float(machine, first).map(Obj::Float),
        ("iter", _) if matches!(first, Obj::Iter(_)) => Ok(first.clone()),
        ("iter", _) => machine.iter(first).map(iterator),
        ("len", _) => length(machine, first),
        ("list", _) => machine.collect(first).map(Obj::list),
        ("tuple", _) => match first {
            Obj::Tuple(_) => Ok(first.clone()),
            other => machine.collect(other).map(Obj::tuple),
        },
        ("set", _) => machine.set(first).map(Obj::Set),
        ("reversed", _) => reversed(machine, first),
        ("type", _) => Ok(Obj::Type(first.type_name())),
        ("format", None) => show::text(machine, first).map(Obj::text),
        ("format", Some(Obj::Text(spec))) => format::format(machine, first, spec).map(Obj::text),
        ("next", default) => next(machine, first, default),
        ("divmod", Some(second)) => number::divide_with_rest(machine, first, second),
        ("filter", Some(second)) => {
            Ok(iterator(Iter::Filter(first.clone(), Box::new(machine.iter(second)?))))
        }
        ("isinstance", Some(class)) => is_instance(first, class).map(Obj::Bool),
        ("range", _) => range(&args),
        ("issubclass" | "hasattr" | "getattr", _) => Err(Fault::unsupported(name)),
        (_, second) => Err(wrong_argument(name, second.unwrap_or(first))),
    }
}

/// `any` and `all` stop at the first item with the deciding truth.
fn truths<'d>(machine: &Machine<'d>, items: &Obj<'d>, deciding: bool) -> Res<Obj<'d>> {
    let mut iter = machine.iter(items)?;
    while let Some(item) = machine.next(&mut iter)? {
        if item.is_truthy() == deciding {
            return Ok(Obj::Bool(deciding));
        }
    }
    Ok(Obj::Bool(!deciding))
}

fn next<'d>(machine: &Machine<'d>, iter: &Obj<'d>, default: Option<&Obj<'d>>) -> Res<Obj<'d>> {
    if !matches!(iter, Obj::Iter(_)) {
        return Err(type_error(format!("'{}' object is not an iterator", iter.type_name())));
    }
    let next = machine.next(&mut machine.iter(iter)?)?;
    next.or_else(|| default.cloned()).ok_or_else(stop_iteration)
}

fn length<'d>(machine: &Machine<'d>, object: &Obj<'d>) -> Res<Obj<'d>> {
    Ok(Obj::index(match object {
        Obj::Text(text) => {
            machine.spend_text(text.len())?;
            text.chars().count()
        }
        Obj::Bytes(bytes) => bytes.len(),
        Obj::List(items) | Obj::Tuple(items) => items.len(),
        Obj::Set(set) => set.len(),
        Obj::Dict(dict) | Obj::View(_, dict) => dict.len(),
        Obj::Range(range) => range.len,
        other => return Err(type_error(format!("object of type '{}' has no len()", other.type_name()))),
    }))
}

fn ordinal<'d>(object: &Obj<'d>) -> Res<Obj<'d>> {
    let Obj::Text(text) = object else {
        let kind = object.type_name();
        return Err(type_error(format!("ord() expected string of length 1, but {kind} found")));
    };
    let mut all = text.chars();
    match (all.next(), all.next()) {
        (Some(c), None) => Ok(Obj::Int(u32::from(c).into())),
        _ => Err(type_error("ord() expected a character")),
    }
}

fn in_base<'d>(name: &str, object: &Obj<'d>) -> Res<Obj<'d>> {
    let number = object.to_index()?;
    let (sign, magnitude) = (if number < 0 { "-" } else { "" }, number.unsigned_abs());
    Ok(Obj::text(match name {
        "bin" => format!("{sign}0b{magnitude:b}"),
        "oct" => format!("{sign}0o{magnitude:o}"),
        _ => format!("{sign}0x{magnitude:x}"),
    }))
}

/// A class, or classes in tuples.
fn is_instance(object: &Obj<'_>, class: &Obj<'_>) -> Res<bool> {
    match class {
        Obj::Type(class) => Ok(is_a(object, class)),
        Obj::Tuple(classes) => {
            for class in classes.iter() {
                if is_instance(object, &class)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Err(type_error("isinstance() arg 2 must be a type, a tuple of types, or a union")),
    }
}

fn is_a(object: &Obj<'_>, class: &str) -> bool {
    let kind = object.type_name();
    kind == class
        || class == "object"
        || matches!((kind, class), ("bool", "int") | ("datetime", "date"))
        // Of types, every exception's included, it is not worth knowing more.
        || matches!((object, class), (Obj::Type(_), "type"))
}

fn sorted<'d>(machine: &Machine<'d>, mut args: Args<'d>) -> Res<Obj<'d>> {
    let key = args.take("key");
    let reverse = args.take("reverse").is_some_and(|reverse| reverse.is_truthy());
    let args = args.exactly("sorted", 1, 1)?;
    let mut items = Vec::new();
    for item in machine.collect(&args[0])? {
        items.push((key_of(machine, key.as_ref(), &item)?, item));
    }
    // Reversed before and after, so that equals keep their order.
    if reverse {
        items.reverse();
    }
    let mut failed = None;
    items.sort_by(|left, right| {
        if failed.is_some() {
            return Ordering::Equal;
        }
        let mut less = |left: &Obj<'d>, right: &Obj<'d>| match machine
            .spend(1)
            .and_then(|()| ordered(machine, CmpOp::Lt, left, right))
        {
            Ok(less) => less,
            Err(fault) => {
                failed.get_or_insert(fault);
                false
            }
        };
        if less(&left.0, &right.0) {
            Ordering::Less
        } else if less(&right.0, &left.0) {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    });
    if let Some(fault) = failed {
        return Err(fault);
    }
    if reverse {
        items.reverse();
    }
    Ok(Obj::list(items.into_iter().map(|(_, item)| item).collect()))
}

fn key_of<'d>(machine: &Machine<'d>, key: Option<&Obj<'d>>, item: &Obj<'d>) -> Res<Obj<'d>> {
    match key {
        None | Some(Obj::None) => Ok(item.clone()),
        Some(key) => machine.call(key, Args::of(vec![item.clone()])),
    }
}

fn extreme<'d>(machine: &Machine<'d>, name: &str, mut args: Args<'d>) -> Res<Obj<'d>> {
    let (key, default) = (args.take("key"), args.take("default"));
    let args = args.exactly(name, 1, usize::MAX)?;
    if default.is_some() && args.len() > 1 {
        return Err(type_error(format!(
            "Cannot specify a default for {name}() with multiple positional arguments"
        )));
    }
    let items = if args.len() == 1 { machine.collect(&args[0])? } else { args };
    let op = if name == "min" { CmpOp::Lt } else { CmpOp::Gt };
    let mut best: Option<(Obj<'d>, Obj<'d>)> = None;
    for item in items {
        machine.spend(1)?;
        let rank = key_of(machine, key.as_ref(), &item)?;
        let better = match &best {
            Some((best, _)) => ordered(machine, op, &rank, best)?,
            None => true,
        };
        if better {
            best = Some((rank, item));
        }
    }
    let best = best.map(|(_, item)| item).or(default);
    best.ok_or_else(|| value_error(format!("{name}() iterable argument is empty")))
}

fn sum<'d>(machine: &Machine<'d>, mut args: Args<'d>) -> Res<Obj<'d>> {
    let start = args.take("start");
    let args = args.exactly("sum", 1, 2)?;
    let mut total = start.or_else(|| args.get(1).cloned()).unwrap_or(Obj::Int(0));
    if matches!(total, Obj::Text(_)) {
        return Err(type_error("sum() can't sum strings [use ''.join(seq) instead]"));
    }
    let mut iter = machine.iter(&args[0])?;
    while let Some(item) = machine.next(&mut iter)? {
        total = number::binary(machine, Operator::Add, &total, &item)?;
    }
    Ok(total)
}

fn dict<'d>(machine: &Machine<'d>, args: Args<'d>) -> Res<Obj<'d>> {
    let Args { positional, named } = args;
    let mut entries = match &positional[..] {
        [] => Vec::new(),
        [Obj::Dict(dict)] => dict.entries(),
        [pairs] => {
            let pairs = machine.collect(pairs)?;
            match machine.dict_of_pairs(pairs)? {
                Obj::Dict(dict) => dict.entries(),
                _ => Vec::new(),
            }
        }
        _ => return Err(type_error(format!("dict expected at most 1 argument, got {}", positional.len()))),
    };
    machine.spend(entries.len())?;
    entries.extend(named.into_iter().map(|(name, value)| (Obj::Text(name), value)));
    machine.dict(entries)
}

fn zip<'d>(machine: &Machine<'d>, mut args: Args<'d>) -> Res<Obj<'d>> {
    let strict = args.take("strict").is_some_and(|strict| strict.is_truthy());
    let args = args.exactly("zip", 0, usize::MAX)?;
    let iters = args.iter().map(|object| machine.iter(object)).collect::<Res<_>>()?;
    Ok(iterator(Iter::Zip(iters, if strict { Strict::Yes } else { Strict::No })))
}

fn enumerate<'d>(machine: &Machine<'d>, mut args: Args<'d>) -> Res<Obj<'d>> {
    let start = args.take("start");
    let args = args.exactly("enumerate", 1, 2)?;
    let start = start.or_else(|| args.get(1).cloned()).map_or(Ok(0), |start| start.to_index())?;
    Ok(iterator(Iter::Enumerate(Box::new(machine.iter(&args[0])?), start)))
}

fn reversed<'d>(machine: &Machine<'d>, object: &Obj<'d>) -> Res<Obj<'d>> {
    match object {
        Obj::List(_) | Obj::Tuple(_) | Obj::Text(_) | Obj::Range(_) | Obj::Dict(_) | Obj::View(..) => {
            let mut items = machine.collect(object)?;
            items.reverse();
            Ok(iterator(Iter::Items(items.into(), 0, "reversed")))
        }
        other => Err(type_error(format!("'{}' object is not reversible", other.type_name()))),
    }
}

fn range<'d>(args: &[Obj<'d>]) -> Res<Obj<'d>> {
    let numbers = args.iter().map(Obj::to_index).collect::<Res<Vec<_>>>()?;
    let (start, stop, step) = match numbers[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step, ..] => (start, stop, step),
        [] => (0, 0, 1),
    };
    if step == 0 {
        return Err(value_error("range() arg 3 must not be zero"));
    }
    let small = |number: i128| i64::try_from(number).is_ok();
    if ![start, stop, step].into_iter().all(small) {
        return Err(Fault::new(
            ConditionErrorKind::Unsupported,
            "a range of more than 64 bits: not supported",
        ));
    }
    Ok(Obj::Range(Range { start, stop, step, len: subscript::steps(start, stop, step) }))
}

fn round<'d>(mut args: Args<'d>) -> Res<Obj<'d>> {
    let digits = args.take("ndigits");
    let args = args.exactly("round", 1, 2)?;
    let digits = match digits.as_ref().or(args.get(1)) {
        None | Some(Obj::None) => None,
        Some(digits) => Some(digits.to_index()?),
    };
    number::round(&args[0], digits)
}

fn power<'d>(machine: &Machine<'d>, args: Args<'d>) -> Res<Obj<'d>> {
    let args = args.exactly("pow", 2, 3)?;
    if args.len() == 3 {
        return Err(Fault::unsupported("pow with a modulus"));
    }
    number::binary(machine, Operator::Pow, &args[0], &args[1])
}

fn text<'d>(machine: &Machine<'d>, mut args: Args<'d>) -> Res<Obj<'d>> {
    let object = args.take("object");
    let args = args.exactly("str", 0, 3)?;
    match (object.as_ref().or(args.first()), args.len()) {
        (None, _) => Ok(Obj::text("")),
        (Some(text @ Obj::Text(_)), 0 | 1) => Ok(text.clone()),
        (Some(object), 0 | 1) => show::text(machine, object).map(Obj::text),
        _ => Err(Fault::unsupported("str with an encoding")),
    }
}

fn integer<'d>(machine: &Machine<'d>, mut args: Args<'d>) -> Res<Obj<'d>> {
    let base = args.take("base");
    let args = args.exactly("int", 0, 2)?;
    let base = base.as_ref().or(args.get(1));
    match (args.first(), base) {
        (None, None) => Ok(Obj::Int(0)),
        (None, Some(_)) => Err(type_error("int() missing string argument")),
        (Some(Obj::Text(text)), None) => {
            machine.spend_text(text.len())?;
            let number = pytext::parse_int(text).map(wide);
            number.map_or_else(|| invalid_integer(machine, &args[0], 10), Ok)
        }
        (Some(Obj::Text(text)), Some(base)) => {
            machine.spend_text(text.len())?;
            integer_in_base(machine, text, &args[0], base.to_index()?)
        }
        (Some(Obj::Float(number)), None) => number::truncate(*number),
        (Some(number @ Obj::BigInt(_)), None) => Ok(number.clone()),
        (Some(Obj::Bytes(_)), _) => Err(Fault::unsupported("int of bytes")),
        (Some(_), Some(_)) => Err(type_error("int() can't convert non-string with explicit base")),
        (Some(other), None) => other.as_int().map(Obj::Int).ok_or_else(|| {
            let kind = other.type_name();
            type_error(format!(
                "int() argument must be a string, a bytes-like object or a real number, not '{kind}'"
            ))
        }),
    }
}

/// An integer of the data's kind.
fn wide<'d>(number: Int) -> Obj<'d> {
    match number {
        Int::Small(number) => Obj::Int(number.into()),
        Int::Big(number) => match number.to_string().parse() {
            Ok(number) => Obj::Int(number),
            Err(_) => Obj::BigInt(Rc::new(number)),
        },
    }
}

fn invalid_integer<'d>(machine: &Machine<'d>, text: &Obj<'d>, base: i128) -> Res<Obj<'d>> {
    let text = show::repr(machine, text)?;
    Err(value_error(format!("invalid literal for int() with base {base}: {text}")))
}

fn integer_in_base<'d>(machine: &Machine<'d>, text: &str, object: &Obj<'d>, base: i128) -> Res<Obj<'d>> {
    if base != 0 && !(2..=36).contains(&base) {
        return Err(value_error("int() base must be >= 2 and <= 36, or 0"));
    }
    if base == 10 {
        return pytext::parse_int(text).map(wide).map_or_else(|| invalid_integer(machine, object, base), Ok);
    }
    let trimmed = text.trim_matches(pytext::is_space).to_lowercase();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(&trimmed)),
    };
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefixed =
        prefixes.iter().find(|(prefix, of)| digits.starts_with(prefix) && (base == *of || base == 0));
    let (digits, radix) = match prefixed {
        // One `_` may stand between the prefix and the digits.
        Some((_, of)) => (digits[2..].strip_prefix('_').unwrap_or(&digits[2..]), *of),
        None if base == 0 => (digits, 10),
        None => (digits, base),
    };
    let plain = digits.replace('_', "");
    let tidy = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    // Base 0 reads what Python's grammar reads, which has no leading zeros.
    let zeros =
        base == 0 && radix == 10 && plain.starts_with('0') && plain.bytes().any(|digit| digit != b'0');
    let radix = u32::try_from(radix).unwrap_or(10);
    let number = if tidy && !zeros && plain.chars().all(|c| c.is_digit(radix)) {
        Int::from_digits(&plain, radix, negative)
    } else {
        None
    };
    number.map(wide).map_or_else(|| invalid_integer(machine, object, base), Ok)
}

fn float<'d>(machine: &Machine<'d>, object: &Obj<'d>) -> Res<f64> {
    match object {
        Obj::Text(text) => {
            machine.spend_text(text.len())?;
            let found = parse_float(text);
            let shown = show::repr(machine, object)?;
            found.ok_or_else(|| value_error(format!("could not convert string to float: {shown}")))
        }
        Obj::BigInt(number) => {
            let number = number.to_f64();
            if number.is_infinite() {
                let message = "int too large to convert to float";
                return Err(Fault::new(ConditionErrorKind::Overflow, message));
            }
            Ok(number)
        }
        other => number::as_float(other).ok_or_else(|| {
            type_error(format!(
                "float() argument must be a string or a real number, not '{}'",
                other.type_name()
            ))
        }),
    }
}

/// Digits with single `_` between them, a point, an exponent; `inf`, `infinity` and `nan` in any case.
fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_matches(pytext::is_space);
    let mut plain = String::with_capacity(text.len());
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let c = if c.is_ascii() || !chars::is_decimal(c) {
            c
        } else {
            // Digits of other scripts, which `int` reads.
            let Some(Int::Small(digit)) = pytext::parse_int(c.encode_utf8(&mut [0; 4])) else { return None };
            char::from(b'0' + u8::try_from(digit).ok()?)
        };
        if c == '_' {
            let follows = text[at + 1..].chars().next().is_some_and(chars::is_decimal);
            if !previous.is_ascii_digit() || !follows {
                return None;
            }
        } else {
            plain.push(c);
        }
        previous = c;
    }
    plain.parse().ok()
}
