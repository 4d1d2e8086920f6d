//! Format specifications, as f-strings, `format()` and `str.format` have them.

use super::machine::{Args, Machine};
use super::number::as_float;
use super::object::Obj;
use super::{ConditionErrorKind, Fault, Res, methods, show, subscript, type_error, value_error};
use crate::pytext;

/// More than this of width or precision is refused.
const MAX_WIDTH: usize = 10_000;

/// `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`
#[derive(Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    fn parse(text: &str, object: &Obj<'_>) -> Res<Self> {
        let chars: Vec<char> = text.chars().collect();
        let invalid = || {
            value_error(format!(
                "Invalid format specifier '{text}' for object of type '{}'",
                object.type_name()
            ))
        };
        let mut spec = Self::default();
        let mut at = 0;
        let is_align = |at: usize| chars.get(at).is_some_and(|c| "<>=^".contains(*c));
        if is_align(1) {
            spec.fill = Some(chars[0]);
            spec.align = Some(chars[1]);
            at = 2;
        } else if is_align(0) {
            spec.align = Some(chars[0]);
            at = 1;
        }
        let take = |wanted: &str, at: &mut usize| {
            let found = chars.get(*at).copied().filter(|c| wanted.contains(*c));
            *at += usize::from(found.is_some());
            found
        };
        spec.sign = take("+- ", &mut at);
        if take("z", &mut at).is_some() {
            return Err(Fault::unsupported("z in a format"));
        }
        spec.alternate = take("#", &mut at).is_some();
        spec.zero = take("0", &mut at).is_some();
        spec.width = digits(&chars, &mut at)?.unwrap_or(0);
        spec.grouping = take(",_", &mut at);
        if take(".", &mut at).is_some() {
            spec.precision = Some(
                digits(&chars, &mut at)?.ok_or_else(|| value_error("Format specifier missing precision"))?,
            );
        }
        spec.kind = chars.get(at).copied();
        if chars.len() > at + 1 { Err(invalid()) } else { Ok(spec) }
    }

    fn unknown(&self, object: &Obj<'_>) -> Fault {
        let kind = self.kind.unwrap_or(' ');
        value_error(format!("Unknown format code '{kind}' for object of type '{}'", object.type_name()))
    }

    /// Fills up to the width; numbers go to the right, all else to the left.
    fn pad(&self, sign: &str, body: &str, default: char) -> String {
        let length = sign.chars().count() + body.chars().count();
        let missing = self.width.saturating_sub(length);
        let fill = self.fill.unwrap_or(if self.zero { '0' } else { ' ' });
        let fills = |count: usize| fill.to_string().repeat(count);
        match self.align.unwrap_or(if self.zero && default == '>' { '=' } else { default }) {
            '>' => fills(missing) + sign + body,
            '^' => fills(missing / 2) + sign + body + &fills(missing - missing / 2),
            '=' => sign.to_owned() + &fills(missing) + body,
            _ => sign.to_owned() + body + &fills(missing),
        }
    }

    fn sign_of(&self, negative: bool) -> String {
        match (negative, self.sign) {
            (true, _) => "-".into(),
            (false, Some(sign @ ('+' | ' '))) => sign.into(),
            _ => String::new(),
        }
    }

    /// Groups the digits before the point, then fills.
    fn finish_number(&self, sign: &str, digits: &str, rest: &str) -> String {
        // Infinities and NaN have no digits.
        let Some(separator) = self.grouping.filter(|_| !digits.is_empty()) else {
            return self.pad(sign, &format!("{digits}{rest}"), '>');
        };
        let every = if separator == '_' && matches!(self.kind, Some('b' | 'o' | 'x' | 'X')) { 4 } else { 3 };
        let mut digits = digits.to_owned();
        let mut body = group(&digits, separator, every) + rest;
        // Zeros that fill up are grouped too.
        let zeros = self.zero && self.align.is_none() || self.align == Some('=') && self.fill == Some('0');
        while zeros && sign.chars().count() + body.chars().count() < self.width {
            digits.insert(0, '0');
            let grouped = group(&digits, separator, every) + rest;
            body = grouped;
        }
        self.pad(sign, &body, '>')
    }
}

fn digits(chars: &[char], at: &mut usize) -> Res<Option<usize>> {
    let start = *at;
    while chars.get(*at).is_some_and(char::is_ascii_digit) {
        *at += 1;
    }
    if start == *at {
        return Ok(None);
    }
    let number: String = chars[start..*at].iter().collect();
    width(number.parse().unwrap_or(usize::MAX)).map(Some)
}

/// A width or precision within bounds.
pub fn width(number: usize) -> Res<usize> {
    if number > MAX_WIDTH {
        return Err(Fault::new(ConditionErrorKind::Limit, format!("a format wider than {MAX_WIDTH}")));
    }
    Ok(number)
}

fn group(digits: &str, separator: char, every: usize) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(every) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

/// `format(object, spec)`
pub fn format<'d>(machine: &Machine<'d>, object: &Obj<'d>, text: &str) -> Res<String> {
    if text.is_empty() {
        return show::text(machine, object);
    }
    match object {
        Obj::Date(_) | Obj::DateTime(_) => return Err(Fault::unsupported("the format of a date")),
        Obj::BigInt(_) => return Err(Fault::unsupported("the format of an integer of more than 128 bits")),
        Obj::Text(_) | Obj::Bool(_) | Obj::Int(_) | Obj::Float(_) => {}
        other => {
            let name = other.type_name();
            return Err(type_error(format!("unsupported format string passed to {name}.__format__")));
        }
    }
    let spec = Spec::parse(text, object)?;
    machine.spend_text(spec.width + spec.precision.unwrap_or(0))?;
    match object {
        Obj::Text(text) => format_text(machine, &spec, object, text),
        Obj::Float(number) => format_float(&spec, object, *number),
        other => format_int(&spec, object, other.as_int().unwrap_or(0)),
    }
}

fn format_text<'d>(machine: &Machine<'d>, spec: &Spec, object: &Obj<'d>, text: &str) -> Res<String> {
    if !matches!(spec.kind, None | Some('s')) {
        return Err(spec.unknown(object));
    }
    if spec.sign.is_some() || spec.alternate || spec.align == Some('=') || spec.grouping.is_some() {
        return Err(value_error("Sign, '#', '=' and ',' not allowed in string format specifier"));
    }
    machine.spend_text(text.len())?;
    let cut: String = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
    Ok(spec.pad("", &cut, '<'))
}

fn format_int(spec: &Spec, object: &Obj<'_>, number: i128) -> Res<String> {
    let magnitude = number.unsigned_abs();
    let (prefix, digits) = match spec.kind {
        None | Some('d' | 'n') => ("", magnitude.to_string()),
        Some('b') => ("0b", format!("{magnitude:b}")),
        Some('o') => ("0o", format!("{magnitude:o}")),
        Some('x') => ("0x", format!("{magnitude:x}")),
        Some('X') => ("0X", format!("{magnitude:X}")),
        Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => return format_float(spec, object, number as f64),
        Some('c') => return Err(Fault::unsupported("c in a format")),
        Some(_) => return Err(spec.unknown(object)),
    };
    if spec.precision.is_some() {
        return Err(value_error("Precision not allowed in integer format specifier"));
    }
    if spec.grouping == Some(',') && !matches!(spec.kind, None | Some('d'))
        || spec.grouping.is_some() && spec.kind == Some('n')
    {
        return Err(value_error(format!("Cannot specify ',' with '{}'.", spec.kind.unwrap_or('d'))));
    }
    let sign = spec.sign_of(number < 0) + if spec.alternate { prefix } else { "" };
    Ok(spec.finish_number(&sign, &digits, ""))
}

fn format_float(spec: &Spec, object: &Obj<'_>, number: f64) -> Res<String> {
    let kind = match spec.kind {
        None => None,
        Some('n') => Some('g'),
        Some(kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) => Some(kind),
        Some(_) => return Err(spec.unknown(object)),
    };
    let negative = number.is_sign_negative() && !number.is_nan();
    let body = match kind {
        None => match spec.precision {
            None => pytext::float(number.abs()),
            Some(precision) => general(number.abs(), precision.max(1), spec.alternate, true),
        },
        Some(kind) => float(number.abs(), kind, spec.precision.unwrap_or(6), spec.alternate),
    };
    let split = body.find(|c: char| !c.is_ascii_digit()).unwrap_or(body.len());
    Ok(spec.finish_number(&spec.sign_of(negative), &body[..split], &body[split..]))
}

/// A float that is not negative, by one of `e f g %` and their capitals.
pub fn float(number: f64, kind: char, precision: usize, alternate: bool) -> String {
    let text = match kind.to_ascii_lowercase() {
        _ if !number.is_finite() => {
            let name = if number.is_nan() { "nan" } else { "inf" };
            name.to_owned() + if kind == '%' { "%" } else { "" }
        }
        'e' => exponential(number, precision, alternate),
        'g' => general(number, precision.max(1), alternate, false),
        '%' => with_point(format!("{:.precision$}", number * 100.0), precision, alternate) + "%",
        _ => with_point(format!("{number:.precision$}"), precision, alternate),
    };
    if kind.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

fn with_point(text: String, precision: usize, alternate: bool) -> String {
    if alternate && precision == 0 { text + "." } else { text }
}

fn exponential(number: f64, precision: usize, alternate: bool) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", with_point(mantissa.to_owned(), precision, alternate), exponent.abs())
}

/// `g`, and what stands for no type at all, which keeps a digit after the point.
fn general(number: f64, precision: usize, alternate: bool, keep_point: bool) -> String {
    if !number.is_finite() {
        return pytext::float(number);
    }
    let scientific = format!("{number:.*e}", precision - 1);
    let exponent: i32 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let limit = precision as i32 - i32::from(keep_point);
    let text = if exponent < -4 || exponent >= limit {
        exponential(number, precision - 1, false)
    } else {
        let decimals = usize::try_from(precision as i32 - 1 - exponent).unwrap_or(0);
        format!("{number:.decimals$}")
    };
    let (mantissa, rest) = text.split_at(text.find('e').unwrap_or(text.len()));
    let mut mantissa = mantissa.to_owned();
    if alternate {
        if !mantissa.contains('.') {
            mantissa.push('.');
        }
    } else if mantissa.contains('.') {
        mantissa.truncate(mantissa.trim_end_matches('0').trim_end_matches('.').len());
    }
    if keep_point && rest.is_empty() && !mantissa.contains('.') {
        mantissa.push_str(".0");
    }
    mantissa + rest
}

/// `text.format(…)`
pub fn format_method<'d>(machine: &Machine<'d>, template: &str, args: &Args<'d>) -> Res<String> {
    let mut next = Some(0);
    fill(machine, template, args, &mut next, 2)
}

/// `next` is the number of the next `{}`, none once fields are numbered.
fn fill<'d>(
    machine: &Machine<'d>,
    template: &str,
    args: &Args<'d>,
    next: &mut Option<usize>,
    depth: usize,
) -> Res<String> {
    if depth == 0 {
        return Err(value_error("Max string recursion exceeded"));
    }
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if rest.starts_with(brace) {
            out.push_str(brace);
            rest = &rest[1..];
        } else if brace == "}" {
            return Err(value_error("Single '}' encountered in format string"));
        } else {
            let end = field_end(rest)?;
            out.push_str(&field(machine, &rest[..end], args, next, depth)?);
            rest = &rest[end + 1..];
        }
        machine.spend_text(out.len())?;
    }
    out.push_str(rest);
    machine.spend_text(out.len())?;
    Ok(out)
}

fn field_end(rest: &str) -> Res<usize> {
    let mut open = 1;
    for (at, c) in rest.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Ok(at);
        }
    }
    Err(value_error(if rest.is_empty() {
        "Single '{' encountered in format string"
    } else {
        "expected '}' before end of string"
    }))
}

fn field<'d>(
    machine: &Machine<'d>,
    field: &str,
    args: &Args<'d>,
    next: &mut Option<usize>,
    depth: usize,
) -> Res<String> {
    // Brackets hide the colon and the exclamation mark.
    let mut bracket = false;
    let split = field.find(|c| {
        bracket = c == '[' || bracket && c != ']';
        !bracket && matches!(c, ':' | '!')
    });
    let (name, rest) = field.split_at(split.unwrap_or(field.len()));
    let (conversion, spec) = match rest.strip_prefix('!') {
        Some(rest) => {
            let mut chars = rest.chars();
            let conversion = chars
                .next()
                .ok_or_else(|| value_error("end of string while looking for conversion specifier"))?;
            if !matches!(conversion, 's' | 'r' | 'a') {
                return Err(value_error(format!("Unknown conversion specifier {conversion}")));
            }
            let spec = chars.as_str();
            match (spec.is_empty(), spec.strip_prefix(':')) {
                (true, _) => (Some(conversion), ""),
                (_, Some(spec)) => (Some(conversion), spec),
                _ => return Err(value_error("expected ':' after conversion specifier")),
            }
        }
        None => (None, rest.strip_prefix(':').unwrap_or(rest)),
    };
    let object = named_field(machine, name, args, next)?;
    let object = show::convert(machine, object, conversion)?;
    let spec =
        if spec.contains(['{', '}']) { fill(machine, spec, args, next, depth - 1)? } else { spec.to_owned() };
    format(machine, &object, &spec)
}

/// `0`, `name`, or nothing for the next one, then `.attribute` and `[key]`.
fn named_field<'d>(
    machine: &Machine<'d>,
    name: &str,
    args: &Args<'d>,
    next: &mut Option<usize>,
) -> Res<Obj<'d>> {
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut rest) = name.split_at(end);
    if first.contains(['{', '}']) {
        return Err(value_error("unexpected '{' in field name"));
    }
    let mut object = if first.is_empty() {
        let Some(at) = *next else {
            return Err(value_error(
                "cannot switch from manual field specification to automatic field numbering",
            ));
        };
        *next = Some(at + 1);
        positional(args, at)?
    } else if first.bytes().all(|byte| byte.is_ascii_digit()) {
        if next.is_some_and(|at| at > 0) {
            return Err(value_error(
                "cannot switch from automatic field numbering to manual field specification",
            ));
        }
        *next = None;
        positional(args, first.parse().unwrap_or(usize::MAX))?
    } else {
        let found = args.named.iter().find(|(known, _)| **known == *first);
        let found = found.ok_or_else(|| Fault::new(ConditionErrorKind::Key, format!("'{first}'")))?;
        found.1.clone()
    };
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let end = after.find(']').ok_or_else(|| value_error("Missing ']' in format string"))?;
            let key = &after[..end];
            if key.is_empty() {
                return Err(value_error("Empty attribute in format string"));
            }
            let index = match key.parse::<i128>() {
                Ok(number) if key.bytes().all(|byte| byte.is_ascii_digit()) => Obj::Int(number),
                _ => Obj::text(key),
            };
            object = subscript::index(machine, &object, &index)?;
            rest = &after[end + 1..];
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            object = methods::field(&object, &after[..end])?;
            rest = &after[end..];
        } else {
            return Err(value_error("Only '.' or '[' may follow ']' in format field specifier"));
        }
    }
    Ok(object)
}

fn positional<'d>(args: &Args<'d>, at: usize) -> Res<Obj<'d>> {
    args.positional.get(at).cloned().ok_or_else(|| {
        let message = format!("Replacement index {at} out of range for positional args tuple");
        Fault::new(ConditionErrorKind::Index, message)
    })
}

/// The number that a float format takes.
pub fn float_argument(object: &Obj<'_>) -> Res<f64> {
    as_float(object).ok_or_else(|| type_error(format!("must be real number, not {}", object.type_name())))
}
