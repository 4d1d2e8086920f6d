//! Arithmetic with Python's rules: floor division, exact comparison of integers and floats, no silent overflow.

use std::cmp::Ordering;

use ruff_python_ast::{Operator, UnaryOp};

use super::compare::{Set, as_set};
use super::machine::Machine;
use super::object::{Obj, Seq, View};
use super::{ConditionErrorKind, Fault, Res, percent, type_error, value_error};

/// Beyond this, floats have no fractions and exceed 128-bit integers.
const TWO_TO_127: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;

/// The order of an integer and a float; nothing for NaN.
pub fn compare_int_float(int: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float >= TWO_TO_127 {
        return Some(Ordering::Less);
    }
    if float < -TWO_TO_127 {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    let rest = float - whole;
    Some(int.cmp(&(whole as i128)).then_with(|| 0.0_f64.partial_cmp(&rest).unwrap_or(Ordering::Equal)))
}

fn too_large() -> Fault {
    Fault::new(ConditionErrorKind::Unsupported, "integers of more than 128 bits: not supported")
}

fn overflow(message: &str) -> Fault {
    Fault::new(ConditionErrorKind::Overflow, message)
}

fn zero_division(message: &str) -> Fault {
    Fault::new(ConditionErrorKind::ZeroDivision, message)
}

/// Two numbers of the same kind.
enum Pair {
    Ints(i128, i128),
    Floats(f64, f64),
}

/// The number as a float, if it is one.
pub fn as_float(object: &Obj<'_>) -> Option<f64> {
    match object {
        Obj::Float(number) => Some(*number),
        other => other.as_int().map(|number| number as f64),
    }
}

fn pair(left: &Obj<'_>, right: &Obj<'_>) -> Option<Pair> {
    match (left.as_int(), right.as_int()) {
        (Some(left), Some(right)) => Some(Pair::Ints(left, right)),
        _ => Some(Pair::Floats(as_float(left)?, as_float(right)?)),
    }
}

/// `left op right`
pub fn binary<'d>(machine: &Machine<'d>, op: Operator, left: &Obj<'d>, right: &Obj<'d>) -> Res<Obj<'d>> {
    if let Some(pair) = pair(left, right) {
        return match pair {
            Pair::Ints(a, b) => match (left, right) {
                (Obj::Bool(a), Obj::Bool(b)) if is_bitwise(op) => {
                    Ok(Some(Obj::Bool(bits_of_flags(op, *a, *b))))
                }
                _ => ints(op, a, b),
            },
            Pair::Floats(a, b) => floats(op, a, b),
        }
        .and_then(|result| result.ok_or_else(|| unsupported_operands(op, left, right)));
    }
    if matches!((left, right), (Obj::BigInt(_), Obj::BigInt(_) | Obj::Int(_) | Obj::Float(_) | Obj::Bool(_)))
        || matches!((left, right), (Obj::Int(_) | Obj::Float(_) | Obj::Bool(_), Obj::BigInt(_)))
    {
        return Err(too_large());
    }
    match op {
        Operator::Add => add(machine, left, right),
        Operator::Mult => repeat(machine, left, right),
        Operator::Mod => match left {
            Obj::Text(template) => percent::format(machine, template, right),
            Obj::Bytes(_) => Err(Fault::unsupported("% of bytes")),
            _ => Err(unsupported_operands(op, left, right)),
        },
        Operator::Sub | Operator::BitAnd | Operator::BitOr | Operator::BitXor => {
            sets(machine, op, left, right)
        }
        _ => Err(unsupported_operands(op, left, right)),
    }
}

fn unsupported_operands(op: Operator, left: &Obj<'_>, right: &Obj<'_>) -> Fault {
    let name = if op == Operator::Pow { "** or pow()" } else { op.as_str() };
    let (left, right) = (left.type_name(), right.type_name());
    type_error(format!("unsupported operand type(s) for {name}: '{left}' and '{right}'"))
}

fn is_bitwise(op: Operator) -> bool {
    matches!(op, Operator::BitAnd | Operator::BitOr | Operator::BitXor)
}

fn bits_of_flags(op: Operator, left: bool, right: bool) -> bool {
    match op {
        Operator::BitAnd => left & right,
        Operator::BitOr => left | right,
        _ => left ^ right,
    }
}

fn ints<'d>(op: Operator, left: i128, right: i128) -> Res<Option<Obj<'d>>> {
    let result = match op {
        Operator::Add => left.checked_add(right),
        Operator::Sub => left.checked_sub(right),
        Operator::Mult => left.checked_mul(right),
        Operator::Div => return divide_ints(left, right).map(|number| Some(Obj::Float(number))),
        Operator::FloorDiv if right == 0 => return Err(zero_division("integer division or modulo by zero")),
        Operator::Mod if right == 0 => return Err(zero_division("integer modulo by zero")),
        Operator::FloorDiv => left.checked_div(right).map(|quotient| {
            if left % right != 0 && (left < 0) != (right < 0) { quotient - 1 } else { quotient }
        }),
        Operator::Mod => left
            .checked_rem(right)
            .map(|rest| if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest }),
        Operator::Pow => return power_ints(left, right).map(Some),
        Operator::BitAnd => Some(left & right),
        Operator::BitOr => Some(left | right),
        Operator::BitXor => Some(left ^ right),
        Operator::LShift => shift_left(left, right)?,
        Operator::RShift if right < 0 => return Err(value_error("negative shift count")),
        Operator::RShift => Some(left >> right.min(127)),
        Operator::MatMult => return Ok(None),
    };
    result.map(|number| Some(Obj::Int(number))).ok_or_else(too_large)
}

/// Correctly rounded where both are exact as floats, which is the case below 2^53.
fn divide_ints(left: i128, right: i128) -> Res<f64> {
    if right == 0 {
        return Err(zero_division("division by zero"));
    }
    let exact = 1 << 53;
    if left.unsigned_abs() > exact || right.unsigned_abs() > exact {
        if left % right == 0 {
            return Ok((left / right) as f64);
        }
        return Err(Fault::new(
            ConditionErrorKind::Unsupported,
            "division of integers of more than 53 bits: not supported",
        ));
    }
    Ok(left as f64 / right as f64)
}

fn shift_left(left: i128, right: i128) -> Res<Option<i128>> {
    if right < 0 {
        return Err(value_error("negative shift count"));
    }
    if left == 0 {
        return Ok(Some(0));
    }
    let factor = u32::try_from(right).ok().filter(|bits| *bits < 127).map(|bits| 1_i128 << bits);
    Ok(factor.and_then(|factor| left.checked_mul(factor)))
}

fn power_ints<'d>(base: i128, exponent: i128) -> Res<Obj<'d>> {
    if exponent < 0 {
        return power_floats(base as f64, exponent as f64).map(Obj::Float);
    }
    let result = match base {
        0 | 1 => Some(if exponent == 0 { 1 } else { base }),
        -1 => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        _ => u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent)),
    };
    result.map(Obj::Int).ok_or_else(too_large)
}

fn power_floats(base: f64, exponent: f64) -> Res<f64> {
    if base == 0.0 && exponent < 0.0 {
        return Err(zero_division("0.0 cannot be raised to a negative power"));
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(Fault::unsupported("complex numbers"));
    }
    let result = base.powf(exponent);
    if result.is_infinite() && base.is_finite() && exponent.is_finite() {
        return Err(overflow("(34, 'Numerical result out of range')"));
    }
    Ok(result)
}

fn floats<'d>(op: Operator, left: f64, right: f64) -> Res<Option<Obj<'d>>> {
    let result = match op {
        Operator::Add => left + right,
        Operator::Sub => left - right,
        Operator::Mult => left * right,
        Operator::Div | Operator::FloorDiv | Operator::Mod if right == 0.0 => {
            return Err(zero_division(match op {
                Operator::Div => "float division by zero",
                Operator::Mod => "float modulo",
                _ => "float floor division by zero",
            }));
        }
        Operator::Div => left / right,
        Operator::FloorDiv => divide_floor(left, right).0,
        Operator::Mod => divide_floor(left, right).1,
        Operator::Pow => power_floats(left, right)?,
        _ => return Ok(None),
    };
    Ok(Some(Obj::Float(result)))
}

/// Quotient and rest; the rest has the divisor's sign.
fn divide_floor(left: f64, right: f64) -> (f64, f64) {
    let mut rest = left % right;
    let mut quotient = (left - rest) / right;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(right);
    } else if (right < 0.0) != (rest < 0.0) {
        rest += right;
        quotient -= 1.0;
    }
    let floor = quotient.floor();
    let floor = if quotient == 0.0 {
        0.0_f64.copysign(left / right)
    } else if quotient - floor > 0.5 {
        floor + 1.0
    } else {
        floor
    };
    (floor, rest)
}

/// `divmod(left, right)`
pub fn divide_with_rest<'d>(machine: &Machine<'d>, left: &Obj<'d>, right: &Obj<'d>) -> Res<Obj<'d>> {
    if pair(left, right).is_none() {
        let (left, right) = (left.type_name(), right.type_name());
        return Err(type_error(format!("unsupported operand type(s) for divmod(): '{left}' and '{right}'")));
    }
    let quotient = binary(machine, Operator::FloorDiv, left, right)?;
    Ok(Obj::tuple(vec![quotient, binary(machine, Operator::Mod, left, right)?]))
}

fn add<'d>(machine: &Machine<'d>, left: &Obj<'d>, right: &Obj<'d>) -> Res<Obj<'d>> {
    let mismatch = |kind: &str| {
        type_error(format!("can only concatenate {kind} (not \"{}\") to {kind}", right.type_name()))
    };
    let join = |left: &Seq<'d>, right: &Seq<'d>| {
        machine.spend(left.len() + right.len())?;
        Ok::<Vec<_>, Fault>(left.iter().chain(right.iter()).collect())
    };
    match (left, right) {
        (Obj::Text(left), Obj::Text(right)) => {
            machine.spend_text(left.len() + right.len())?;
            Ok(Obj::text([&**left, &**right].concat()))
        }
        (Obj::List(left), Obj::List(right)) => join(left, right).map(Obj::list),
        (Obj::Tuple(left), Obj::Tuple(right)) => join(left, right).map(Obj::tuple),
        (Obj::Bytes(left), Obj::Bytes(right)) => {
            machine.spend_text(left.len() + right.len())?;
            Ok(Obj::Bytes([&**left, &**right].concat().into()))
        }
        (Obj::Text(_), _) => Err(mismatch("str")),
        (Obj::List(_), _) => Err(mismatch("list")),
        (Obj::Tuple(_), _) => Err(mismatch("tuple")),
        _ => Err(unsupported_operands(Operator::Add, left, right)),
    }
}

fn repeat<'d>(machine: &Machine<'d>, left: &Obj<'d>, right: &Obj<'d>) -> Res<Obj<'d>> {
    let is_sequence =
        |object: &Obj<'_>| matches!(object, Obj::Text(_) | Obj::List(_) | Obj::Tuple(_) | Obj::Bytes(_));
    let (sequence, count) = if is_sequence(left) { (left, right) } else { (right, left) };
    if !is_sequence(sequence) {
        return Err(unsupported_operands(Operator::Mult, left, right));
    }
    let Some(count) = count.as_int() else {
        let kind = count.type_name();
        return Err(type_error(format!("can't multiply sequence by non-int of type '{kind}'")));
    };
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    let items = |items: &Seq<'d>| {
        machine.spend(items.len().saturating_mul(count))?;
        let once: Vec<_> = items.iter().collect();
        let count = if once.is_empty() { 0 } else { count };
        Ok::<Vec<_>, Fault>(std::iter::repeat_n(once, count).flatten().collect())
    };
    match sequence {
        Obj::Text(text) => {
            machine.spend_text(text.len().saturating_mul(count))?;
            Ok(Obj::text(if text.is_empty() { String::new() } else { text.repeat(count) }))
        }
        Obj::List(list) => items(list).map(Obj::list),
        Obj::Tuple(tuple) => items(tuple).map(Obj::tuple),
        Obj::Bytes(bytes) => {
            machine.spend_text(bytes.len().saturating_mul(count))?;
            Ok(Obj::Bytes(if bytes.is_empty() { bytes.clone() } else { bytes.repeat(count).into() }))
        }
        _ => Err(unsupported_operands(Operator::Mult, left, right)),
    }
}

fn sets<'d>(machine: &Machine<'d>, op: Operator, left: &Obj<'d>, right: &Obj<'d>) -> Res<Obj<'d>> {
    if let (Operator::BitOr, Obj::Dict(left), Obj::Dict(right)) = (op, left, right) {
        return machine.dict(left.entries().into_iter().chain(right.entries()));
    }
    if op == Operator::BitOr
        && matches!((left, right), (Obj::Type(_), Obj::Type(_) | Obj::None) | (Obj::None, Obj::Type(_)))
    {
        return Err(Fault::unsupported("a union of types"));
    }
    let is_set = |object: &Obj<'_>| matches!(object, Obj::Set(_) | Obj::View(View::Keys | View::Items, _));
    let is_view = |object: &Obj<'_>| is_set(object) && !matches!(object, Obj::Set(_));
    // A view takes anything that can be iterated over on the other side, a set only a set.
    let (left_set, right_set) = match (is_set(left), is_set(right)) {
        (true, true) => (as_set(Some(machine), left)?, as_set(Some(machine), right)?),
        (true, false) if is_view(left) => (as_set(Some(machine), left)?, machine.set(right)?),
        (false, true) if is_view(right) => (machine.set(left)?, as_set(Some(machine), right)?),
        _ => return Err(unsupported_operands(op, left, right)),
    };
    machine.spend(left_set.len() + right_set.len())?;
    Ok(combine(op, &left_set, &right_set))
}

fn combine<'d>(op: Operator, left: &Set<'d>, right: &Set<'d>) -> Obj<'d> {
    let result: Set<'d> = match op {
        Operator::Sub => left.difference(right).cloned().collect(),
        Operator::BitAnd => left.intersection(right).cloned().collect(),
        Operator::BitOr => left.union(right).cloned().collect(),
        _ => left.symmetric_difference(right).cloned().collect(),
    };
    Obj::Set(result.into())
}

/// `-x`, `+x`, `~x`; `not` is the machine's.
pub fn unary<'d>(op: UnaryOp, operand: &Obj<'d>) -> Res<Obj<'d>> {
    if let (UnaryOp::USub | UnaryOp::UAdd, Obj::Float(number)) = (op, operand) {
        return Ok(Obj::Float(if op == UnaryOp::USub { -number } else { *number }));
    }
    let Some(number) = operand.as_int() else {
        if matches!(operand, Obj::BigInt(_)) {
            return Err(too_large());
        }
        let kind = operand.type_name();
        return Err(type_error(format!("bad operand type for unary {}: '{kind}'", op.as_str())));
    };
    match op {
        UnaryOp::USub => number.checked_neg().map(Obj::Int).ok_or_else(too_large),
        UnaryOp::Invert => Ok(Obj::Int(!number)),
        _ => Ok(Obj::Int(number)),
    }
}

/// `abs(x)`
pub fn absolute<'d>(operand: &Obj<'d>) -> Res<Obj<'d>> {
    match operand {
        Obj::Float(number) => Ok(Obj::Float(number.abs())),
        Obj::BigInt(_) => Err(too_large()),
        other => match other.as_int() {
            Some(number) => number.checked_abs().map(Obj::Int).ok_or_else(too_large),
            None => Err(type_error(format!("bad operand type for abs(): '{}'", other.type_name()))),
        },
    }
}

/// A float as an integer, towards zero.
pub fn truncate<'d>(number: f64) -> Res<Obj<'d>> {
    if number.is_nan() {
        return Err(value_error("cannot convert float NaN to integer"));
    }
    if number.is_infinite() {
        return Err(overflow("cannot convert float infinity to integer"));
    }
    if number.abs() >= TWO_TO_127 { Err(too_large()) } else { Ok(Obj::Int(number as i128)) }
}

/// `round(x)` and `round(x, digits)`; halves go to the even neighbour.
pub fn round<'d>(operand: &Obj<'d>, digits: Option<i128>) -> Res<Obj<'d>> {
    match (operand, digits) {
        (Obj::Float(number), None) => truncate(number.round_ties_even()),
        (Obj::Float(number), Some(digits)) => Ok(Obj::Float(round_float(*number, digits))),
        (Obj::BigInt(_), None) => Ok(operand.clone()),
        (Obj::BigInt(_), Some(_)) => Err(too_large()),
        (other, digits) => match other.as_int() {
            Some(number) => Ok(Obj::Int(round_int(number, digits.unwrap_or(0)))),
            None => Err(type_error(format!("type {} doesn't define __round__ method", other.type_name()))),
        },
    }
}

fn round_float(number: f64, digits: i128) -> f64 {
    if !number.is_finite() || digits > 323 {
        return number;
    }
    if digits >= 0 {
        let digits = usize::try_from(digits).unwrap_or(0);
        return format!("{number:.digits$}").parse().unwrap_or(number);
    }
    if digits < -308 {
        return 0.0_f64.copysign(number);
    }
    let scale = 10_f64.powi(i32::try_from(-digits).unwrap_or(0));
    (number / scale).round_ties_even() * scale
}

fn round_int(number: i128, digits: i128) -> i128 {
    if digits >= 0 {
        return number;
    }
    let Some(scale) = u32::try_from(-digits).ok().and_then(|digits| 10_i128.checked_pow(digits)) else {
        return 0;
    };
    let (floor, rest) = (number.div_euclid(scale), number.rem_euclid(scale));
    let up = match rest.cmp(&(scale - rest)) {
        Ordering::Less => 0,
        Ordering::Equal => floor.rem_euclid(2),
        Ordering::Greater => 1,
    };
    (floor + up).saturating_mul(scale)
}
