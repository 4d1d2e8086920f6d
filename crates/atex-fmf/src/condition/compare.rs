//! Equality, order, membership, and hashing by equality.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use ruff_python_ast::CmpOp;

use super::machine::Machine;
use super::number::compare_int_float;
use super::object::{Dict, Obj, Seq, View};
use super::{Res, type_error};
use crate::mapping::Key;
use crate::value::{Date, DateTime};

/// Who pays for looking at many items; nobody for keys, which were paid for when they were made.
type Meter<'m, 'd> = Option<&'m Machine<'d>>;

fn charge(meter: Meter<'_, '_>, items: usize) -> Res<()> {
    meter.map_or(Ok(()), |machine| machine.spend(items))
}

/// `==`
pub fn equal<'d>(meter: Meter<'_, 'd>, left: &Obj<'d>, right: &Obj<'d>) -> Res<bool> {
    if let Some(ordering) = order_numbers(left, right) {
        return Ok(ordering == Some(Ordering::Equal));
    }
    Ok(match (left, right) {
        (Obj::Text(left), Obj::Text(right)) => {
            charge(meter, left.len().min(right.len()) / 16)?;
            **left == **right
        }
        (Obj::Bytes(left), Obj::Bytes(right)) => left == right,
        (Obj::Date(left), Obj::Date(right)) => left == right,
        (Obj::DateTime(left), Obj::DateTime(right)) => left.same_instant(right),
        (Obj::List(left), Obj::List(right)) | (Obj::Tuple(left), Obj::Tuple(right)) => {
            return equal_items(meter, left, right);
        }
        (Obj::Dict(left), Obj::Dict(right)) => return equal_dicts(meter, left, right),
        (Obj::Range(left), Obj::Range(right)) => {
            left.len == right.len
                && (left.len == 0 || left.start == right.start && (left.len == 1 || left.step == right.step))
        }
        (Obj::Method(left), Obj::Method(right)) => left.0.is(&right.0) && left.1 == right.1,
        (Obj::View(View::Values, _), _) | (_, Obj::View(View::Values, _)) => left.is(right),
        (Obj::Set(_) | Obj::View(..), Obj::Set(_) | Obj::View(..)) => {
            match (as_set(meter, left), as_set(meter, right)) {
                (Ok(left), Ok(right)) => {
                    left.len() == right.len() && left.iter().all(|item| right.contains(item))
                }
                _ => false,
            }
        }
        _ => left.is(right),
    })
}

/// Equality of items: what is the same is equal, even NaN.
pub fn same_or_equal<'d>(meter: Meter<'_, 'd>, left: &Obj<'d>, right: &Obj<'d>) -> Res<bool> {
    Ok(left.is(right) || equal(meter, left, right)?)
}

fn equal_items<'d>(meter: Meter<'_, 'd>, left: &Seq<'d>, right: &Seq<'d>) -> Res<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right.iter()) {
        charge(meter, 1)?;
        if !same_or_equal(meter, &left, &right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_dicts<'d>(meter: Meter<'_, 'd>, left: &Dict<'d>, right: &Dict<'d>) -> Res<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    charge(meter, left.len())?;
    for (key, value) in left.entries() {
        match right.find(&HashKey::trusted(key)) {
            Some(other) if same_or_equal(meter, &value, &other)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Nothing if one is not a number; an inner nothing if one is NaN.
fn order_numbers(left: &Obj<'_>, right: &Obj<'_>) -> Option<Option<Ordering>> {
    if let (Some(left), Some(right)) = (left.as_int(), right.as_int()) {
        return Some(Some(left.cmp(&right)));
    }
    Some(match (left, right) {
        (Obj::Float(left), Obj::Float(right)) => left.partial_cmp(right),
        (Obj::BigInt(left), Obj::BigInt(right)) => left.partial_cmp(right),
        (Obj::BigInt(big), Obj::Float(float)) => order_big(big.to_f64(), *float),
        (Obj::Float(float), Obj::BigInt(big)) => order_big(big.to_f64(), *float).map(Ordering::reverse),
        (Obj::BigInt(big), other) => other.as_int().map(|_| sign(big.to_f64()))?.into(),
        (other, Obj::BigInt(big)) => other.as_int().map(|_| sign(big.to_f64()).reverse())?.into(),
        (Obj::Float(float), other) => compare_int_float(other.as_int()?, *float).map(Ordering::reverse),
        (other, Obj::Float(float)) => compare_int_float(other.as_int()?, *float),
        _ => return None,
    })
}

/// A number beyond 128 bits is above or below all others.
fn sign(big: f64) -> Ordering {
    if big > 0.0 { Ordering::Greater } else { Ordering::Less }
}

/// Equal only by chance: the float nearest to a number of so many digits is hardly ever the number.
fn order_big(big: f64, float: f64) -> Option<Ordering> {
    if float.is_finite() && big.is_infinite() { Some(sign(big)) } else { big.partial_cmp(&float) }
}

/// Date-times with a zone compare by instant, those without by face value; one with the other not at all.
fn order_moments(left: &DateTime, right: &DateTime) -> Option<Ordering> {
    let minutes = |moment: &DateTime| {
        let Date { year, month, day } = moment.date;
        // Days are only compared, so that all months may have 31 of them; zones move a day at most.
        let days = (i64::from(year) * 12 + i64::from(month)) * 31 + i64::from(day);
        (days * 24 + i64::from(moment.hour)) * 60 + i64::from(moment.minute)
    };
    if left.offset.is_some() != right.offset.is_some() {
        return None;
    }
    if left.same_instant(right) {
        return Some(Ordering::Equal);
    }
    let shifted = |moment: &DateTime| minutes(moment) - i64::from(moment.offset.unwrap_or(0));
    let rest = |moment: &DateTime| (moment.second, moment.microsecond);
    Some(shifted(left).cmp(&shifted(right)).then_with(|| rest(left).cmp(&rest(right))))
}

/// `<`, `<=`, `>`, `>=`
pub fn ordered<'d>(machine: &Machine<'d>, op: CmpOp, left: &Obj<'d>, right: &Obj<'d>) -> Res<bool> {
    let by = |ordering: Option<Ordering>| ordering.is_some_and(|ordering| fits(op, ordering));
    if let Some(ordering) = order_numbers(left, right) {
        return Ok(by(ordering));
    }
    match (left, right) {
        (Obj::Text(left), Obj::Text(right)) => {
            machine.spend(left.len().min(right.len()) / 16)?;
            Ok(by(Some((**left).cmp(right))))
        }
        (Obj::Bytes(left), Obj::Bytes(right)) => Ok(by(Some(left.cmp(right)))),
        (Obj::Date(left), Obj::Date(right)) => Ok(by(Some(left.cmp(right)))),
        (Obj::DateTime(left), Obj::DateTime(right)) => match order_moments(left, right) {
            Some(ordering) => Ok(by(Some(ordering))),
            None => Err(type_error("can't compare offset-naive and offset-aware datetimes")),
        },
        (Obj::List(left), Obj::List(right)) | (Obj::Tuple(left), Obj::Tuple(right)) => {
            ordered_items(machine, op, left, right)
        }
        (Obj::View(View::Values, _), _) | (_, Obj::View(View::Values, _)) => {
            Err(not_ordered(op, left, right))
        }
        (Obj::Set(_) | Obj::View(..), Obj::Set(_) | Obj::View(..)) => {
            let (left, right) = (as_set(Some(machine), left)?, as_set(Some(machine), right)?);
            machine.spend(left.len() + right.len())?;
            let within = |small: &Set<'d>, large: &Set<'d>| small.iter().all(|item| large.contains(item));
            Ok(match op {
                CmpOp::Lt => left.len() < right.len() && within(&left, &right),
                CmpOp::LtE => within(&left, &right),
                CmpOp::Gt => left.len() > right.len() && within(&right, &left),
                _ => within(&right, &left),
            })
        }
        _ => Err(not_ordered(op, left, right)),
    }
}

fn not_ordered(op: CmpOp, left: &Obj<'_>, right: &Obj<'_>) -> super::Fault {
    type_error(format!(
        "'{}' not supported between instances of '{}' and '{}'",
        op.as_str(),
        left.type_name(),
        right.type_name()
    ))
}

fn fits(op: CmpOp, ordering: Ordering) -> bool {
    match op {
        CmpOp::Lt => ordering.is_lt(),
        CmpOp::LtE => ordering.is_le(),
        CmpOp::Gt => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}

/// The first items that differ decide.
fn ordered_items<'d>(machine: &Machine<'d>, op: CmpOp, left: &Seq<'d>, right: &Seq<'d>) -> Res<bool> {
    for (left, right) in left.iter().zip(right.iter()) {
        machine.spend(1)?;
        if !same_or_equal(Some(machine), &left, &right)? {
            return ordered(machine, op, &left, &right);
        }
    }
    Ok(fits(op, left.len().cmp(&right.len())))
}

/// `item in container`
pub fn contains<'d>(machine: &Machine<'d>, container: &Obj<'d>, item: &Obj<'d>) -> Res<bool> {
    match container {
        Obj::Text(text) => match item {
            Obj::Text(part) => {
                machine.spend(text.len() / 16)?;
                Ok(text.contains(&**part))
            }
            other => Err(type_error(format!(
                "'in <string>' requires string as left operand, not {}",
                other.type_name()
            ))),
        },
        Obj::Set(set) => Ok(set.contains(&machine.key(item.clone())?)),
        Obj::Dict(dict) | Obj::View(View::Keys, dict) => Ok(dict.find(&machine.key(item.clone())?).is_some()),
        Obj::Range(range) if item.as_int().is_some() => {
            let distance = item.as_int().unwrap_or_default() - range.start;
            Ok(range.step != 0
                && distance % range.step == 0
                && (0..range.len as i128).contains(&(distance / range.step)))
        }
        Obj::Bytes(bytes) => match item {
            Obj::Bytes(part) => {
                Ok(part.is_empty() || bytes.windows(part.len()).any(|window| *window == **part))
            }
            other => Ok(u8::try_from(other.to_index()?).is_ok_and(|byte| bytes.contains(&byte))),
        },
        Obj::List(items) | Obj::Tuple(items) => {
            for other in items.iter() {
                machine.spend(1)?;
                if same_or_equal(Some(machine), &other, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Obj::View(..) | Obj::Iter(_) | Obj::Range(_) => {
            let mut iter = machine.iter(container)?;
            while let Some(other) = machine.next(&mut iter)? {
                if same_or_equal(Some(machine), &other, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => Err(type_error(format!("argument of type '{}' is not iterable", other.type_name()))),
    }
}

/// Distinct objects.
pub type Set<'d> = indexmap::IndexSet<HashKey<'d>>;

/// A set, or the keys or items of a mapping, as a set.
pub fn as_set<'d>(meter: Meter<'_, 'd>, object: &Obj<'d>) -> Res<Rc<Set<'d>>> {
    match object {
        Obj::Set(set) => Ok(set.clone()),
        Obj::View(view, dict) => {
            charge(meter, dict.len())?;
            dict.view(*view)
                .into_iter()
                .map(|item| HashKey::new(meter, item))
                .collect::<Res<Set<'d>>>()
                .map(Rc::new)
        }
        other => Err(type_error(format!("'{}' object is not a set", other.type_name()))),
    }
}

/// An object that can be a key.
#[derive(Clone)]
pub struct HashKey<'d>(Obj<'d>);

impl<'d> HashKey<'d> {
    /// Refuses what can change, as Python does.
    pub fn new(meter: Meter<'_, 'd>, object: Obj<'d>) -> Res<Self> {
        match &object {
            Obj::Text(text) => charge(meter, text.len() / 16)?,
            Obj::List(_) | Obj::Set(_) | Obj::Dict(_) | Obj::View(View::Keys | View::Items, _) => {
                return Err(type_error(format!("unhashable type: '{}'", object.type_name())));
            }
            Obj::Tuple(items) => {
                for item in items.iter() {
                    charge(meter, 1)?;
                    Self::new(meter, item)?;
                }
            }
            _ => {}
        }
        Ok(Self(object))
    }

    /// Of an object that is a key already.
    pub fn trusted(object: Obj<'d>) -> Self {
        Self(object)
    }

    pub fn of_key(key: &'d Key) -> Self {
        Self(Obj::of_key(key))
    }

    pub fn object(&self) -> &Obj<'d> {
        &self.0
    }
}

impl PartialEq for HashKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        same_or_equal(None, &self.0, &other.0).unwrap_or(false)
    }
}

impl Eq for HashKey<'_> {}

impl Hash for HashKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.0, state);
    }
}

/// What is equal hashes alike; what is rarely a key all hashes alike.
fn hash<H: Hasher>(object: &Obj<'_>, state: &mut H) {
    if let Some(number) = object.as_int() {
        return number.hash(state);
    }
    match object {
        Obj::Float(number) if number.fract() == 0.0 && number.abs() < 1e38 => (*number as i128).hash(state),
        Obj::Float(number) => number.to_bits().hash(state),
        Obj::BigInt(number) => number.to_f64().to_bits().hash(state),
        Obj::Text(text) => (**text).hash(state),
        Obj::Bytes(bytes) => bytes.hash(state),
        Obj::Tuple(items) => items.iter().for_each(|item| hash(&item, state)),
        Obj::Type(name) | Obj::Function(name) => name.hash(state),
        Obj::Date(date) => date.hash(state),
        Obj::Iter(iter) => Rc::as_ptr(iter).hash(state),
        Obj::Lambda(lambda) => Rc::as_ptr(lambda).hash(state),
        _ => {}
    }
}
