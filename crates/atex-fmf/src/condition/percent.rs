//! `template % values`

use super::machine::Machine;
use super::number::truncate;
use super::object::Obj;
use super::{ConditionErrorKind, Fault, Res, format, show, type_error, value_error};

/// `%[(key)][flags][width][.precision]kind`
#[derive(Default)]
struct Spec {
    key: Option<String>,
    left: bool,
    sign: bool,
    blank: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// The values, and how many of them were taken.
struct Values<'d> {
    values: Obj<'d>,
    taken: usize,
    by_key: bool,
}

impl<'d> Values<'d> {
    fn next(&mut self) -> Res<Obj<'d>> {
        self.taken += 1;
        let next = match &self.values {
            Obj::Tuple(items) => items.get(self.taken - 1),
            other => (self.taken == 1).then(|| other.clone()),
        };
        next.ok_or_else(|| type_error("not enough arguments for format string"))
    }

    fn named(&mut self, machine: &Machine<'d>, key: &str) -> Res<Obj<'d>> {
        self.by_key = true;
        let Obj::Dict(dict) = &self.values else {
            return Err(type_error("format requires a mapping"));
        };
        let found = dict.find(&machine.key(Obj::text(key))?);
        found.ok_or_else(|| Fault::new(ConditionErrorKind::Key, format!("'{key}'")))
    }

    fn are_used_up(&self) -> bool {
        match &self.values {
            Obj::Tuple(items) => self.by_key || self.taken >= items.len(),
            // Whatever can be asked for a key may be left over.
            Obj::Dict(_) | Obj::List(_) | Obj::Range(_) | Obj::Bytes(_) => true,
            _ => self.taken > 0,
        }
    }
}

/// Fills a template.
pub fn format<'d>(machine: &Machine<'d>, template: &str, values: &Obj<'d>) -> Res<Obj<'d>> {
    let mut values = Values { values: values.clone(), taken: 0, by_key: false };
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let spec = parse(machine, &mut rest, &mut values)?;
        // A key is looked up before the rest is looked at, which matters to who misses it.
        let named = spec.key.as_ref().map(|key| values.named(machine, key)).transpose()?;
        let kind = rest.chars().next().ok_or_else(|| value_error("incomplete format"))?;
        rest = &rest[kind.len_utf8()..];
        let value = named.map_or_else(|| values.next(), Ok)?;
        machine.spend_text(spec.width + spec.precision.unwrap_or(0))?;
        out.push_str(&convert(machine, &spec, kind, &value)?);
        machine.spend_text(out.len())?;
    }
    if !values.are_used_up() {
        return Err(type_error("not all arguments converted during string formatting"));
    }
    out.push_str(rest);
    machine.spend_text(out.len())?;
    Ok(Obj::text(out))
}

fn parse<'d>(machine: &Machine<'d>, rest: &mut &str, values: &mut Values<'d>) -> Res<Spec> {
    let mut spec = Spec::default();
    if let Some(after) = rest.strip_prefix('(') {
        if !matches!(values.values, Obj::Dict(_)) {
            return Err(type_error("format requires a mapping"));
        }
        let mut open = 1;
        let end = after.find(|c| {
            open += i32::from(c == '(') - i32::from(c == ')');
            open == 0
        });
        let end = end.ok_or_else(|| value_error("incomplete format key"))?;
        spec.key = Some(after[..end].to_owned());
        *rest = &after[end + 1..];
        machine.spend_text(end)?;
    }
    while let Some(flag) = rest.chars().next().filter(|c| "-+ #0".contains(*c)) {
        match flag {
            '-' => spec.left = true,
            '+' => spec.sign = true,
            ' ' => spec.blank = true,
            '#' => spec.alternate = true,
            _ => spec.zero = true,
        }
        *rest = &rest[1..];
    }
    if let Some(width) = number(rest, values)? {
        spec.left |= width < 0;
        spec.width = format::width(usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX))?;
    }
    if let Some(after) = rest.strip_prefix('.') {
        *rest = after;
        let precision = number(rest, values)?.unwrap_or(0).max(0);
        spec.precision = Some(format::width(usize::try_from(precision).unwrap_or(usize::MAX))?);
    }
    if rest.starts_with(['h', 'l', 'L']) {
        *rest = &rest[1..];
    }
    Ok(spec)
}

/// Digits, or `*` for the next value.
fn number<'d>(rest: &mut &str, values: &mut Values<'d>) -> Res<Option<i128>> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        let value = values.next()?;
        return value.as_int().map(Some).ok_or_else(|| type_error("* wants int"));
    }
    let end = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, after) = rest.split_at(end);
    *rest = after;
    Ok((end > 0).then(|| digits.parse().unwrap_or(i128::MAX)))
}

fn convert<'d>(machine: &Machine<'d>, spec: &Spec, kind: char, value: &Obj<'d>) -> Res<String> {
    let (sign, body) = match kind {
        's' | 'r' | 'a' => {
            let text = match kind {
                's' => show::text(machine, value)?,
                'r' => show::repr(machine, value)?,
                _ => show::ascii(machine, value)?,
            };
            let cut = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
            return Ok(pad(spec, String::new(), cut, false));
        }
        'c' => return character(spec, value),
        'd' | 'i' | 'u' | 'o' | 'x' | 'X' => integer(spec, kind, value)?,
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number = format::float_argument(value)?;
            let body = format::float(number.abs(), kind, spec.precision.unwrap_or(6), spec.alternate);
            (sign(spec, number.is_sign_negative() && !number.is_nan()), body)
        }
        other => return Err(value_error(format!("unsupported format character '{other}'"))),
    };
    Ok(pad(spec, sign, body, true))
}

fn sign(spec: &Spec, negative: bool) -> String {
    let sign = if negative {
        "-"
    } else if spec.sign {
        "+"
    } else if spec.blank {
        " "
    } else {
        ""
    };
    sign.into()
}

fn integer(spec: &Spec, kind: char, value: &Obj<'_>) -> Res<(String, String)> {
    let number = match (value, kind) {
        (Obj::BigInt(_), _) => {
            return Err(Fault::unsupported("the format of an integer of more than 128 bits"));
        }
        (Obj::Float(number), 'd' | 'i' | 'u') => truncate(*number)?.as_int().unwrap_or(0),
        (other, 'd' | 'i' | 'u') => other.as_int().ok_or_else(|| {
            type_error(format!("%{kind} format: a real number is required, not {}", other.type_name()))
        })?,
        (other, _) => other.as_int().ok_or_else(|| {
            type_error(format!("%{kind} format: an integer is required, not {}", other.type_name()))
        })?,
    };
    let magnitude = number.unsigned_abs();
    let (prefix, digits) = match kind {
        'o' => ("0o", format!("{magnitude:o}")),
        'x' => ("0x", format!("{magnitude:x}")),
        'X' => ("0X", format!("{magnitude:X}")),
        _ => ("", magnitude.to_string()),
    };
    let zeros = "0".repeat(spec.precision.unwrap_or(0).saturating_sub(digits.len()));
    let prefix = if spec.alternate { prefix } else { "" };
    Ok((sign(spec, number < 0) + prefix, zeros + &digits))
}

fn character(spec: &Spec, value: &Obj<'_>) -> Res<String> {
    let text = match value {
        Obj::Text(text) if text.chars().count() == 1 => text.to_string(),
        other => {
            let code = other.as_int().ok_or_else(|| type_error("%c requires int or char"))?;
            let c = u32::try_from(code).ok().and_then(char::from_u32);
            let message = "%c arg not in range(0x110000)";
            c.ok_or_else(|| Fault::new(ConditionErrorKind::Overflow, message))?.to_string()
        }
    };
    Ok(pad(spec, String::new(), text, false))
}

fn pad(spec: &Spec, sign: String, body: String, number: bool) -> String {
    let missing = spec.width.saturating_sub(sign.chars().count() + body.chars().count());
    if spec.left {
        sign + &body + &" ".repeat(missing)
    } else if spec.zero && number {
        sign + &"0".repeat(missing) + &body
    } else {
        " ".repeat(missing) + &sign + &body
    }
}
