//! Metadata values: what a YAML file holds, with shared, immutable storage.
//!
//! Copying a value copies a pointer; changing a mapping copies it first if anybody else holds it. That gives every
//! node its own data, as inheritance wants, at the price of what really changes. The reference, however, *shares*
//! mappings that YAML aliases name twice, and then changes show in both places. Those, and only those, are
//! [`Value::Shared`] while a tree is being built; a finished tree has none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::datetime::{Date, DateTime};
use crate::mapping::Mapping;
pub use crate::number::{BigInt, Int};
use crate::pytext;

/// Immutable text, cheap to copy.
pub type Text = Arc<str>;

/// A metadata value.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Null, nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number of at most 64 bits.
    Int(i64),
    /// A larger whole number.
    BigInt(Arc<BigInt>),
    /// A float, with infinities and NaN.
    Float(f64),
    /// Text.
    Text(Text),
    /// A date.
    Date(Date),
    /// A date with a time.
    DateTime(Arc<DateTime>),
    /// Bytes, written `!!binary`.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Arc<[Value]>),
    /// A fixed list: a list used as a key, or an item of `!!pairs`.
    Tuple(Arc<[Value]>),
    /// Distinct values, written `!!set`.
    Set(Arc<[Value]>),
    /// A mapping.
    Map(Arc<Mapping>),
    /// A mapping that is reachable by several ways, while a tree is being built.
    Shared(Arc<Shared>),
}

/// A mapping with an identity: whoever holds it sees every change.
#[derive(Debug, Default)]
pub struct Shared(Mutex<Arc<Mapping>>);

impl Shared {
    pub(crate) fn new(mapping: Arc<Mapping>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(mapping)))
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Mapping>> {
        // A panic elsewhere cannot leave a pointer half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present content.
    pub(crate) fn get(&self) -> Arc<Mapping> {
        self.lock().clone()
    }

    pub(crate) fn set(&self, mapping: Arc<Mapping>) {
        *self.lock() = mapping;
    }
}

impl Value {
    /// Text from anything that can be read as such.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A list of values.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(items.into())
    }

    pub(crate) fn map(mapping: Mapping) -> Self {
        Self::Map(Arc::new(mapping))
    }

    pub(crate) fn int(number: Int) -> Self {
        match number {
            Int::Small(small) => Self::Int(small),
            Int::Big(big) => Self::BigInt(Arc::new(big)),
        }
    }

    /// The text, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<Arc<Mapping>> {
        match self {
            Self::Map(mapping) => Some(mapping.clone()),
            Self::Shared(shared) => Some(shared.get()),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is a mapping.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Shared(_))
    }

    /// "As a list": null is empty, a list is itself, anything else a list of one.
    #[must_use]
    pub fn to_list(&self) -> Vec<Self> {
        match self {
            Self::Null => Vec::new(),
            Self::List(items) => items.to_vec(),
            other => vec![other.clone()],
        }
    }

    /// The name that Python gives the type, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::Date(_) => "date",
            Self::DateTime(_) => "datetime",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Set(_) => "set",
            Self::Map(_) | Self::Shared(_) => "dict",
        }
    }

    /// Whether the value counts as true: null, false, zero and everything empty do not.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(flag) => *flag,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::BigInt(_) | Self::Date(_) | Self::DateTime(_) => true,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => !items.is_empty(),
            Self::Map(mapping) => !mapping.is_empty(),
            Self::Shared(shared) => !shared.get().is_empty(),
        }
    }

    /// The value as text, as Python's `str` has it: `True`, `None`, `1.0`, `[1, 'a']`.
    #[must_use]
    pub fn to_text(&self) -> Text {
        match self {
            Self::Text(text) => text.clone(),
            other => pytext::text(other).into(),
        }
    }

    fn as_number(&self) -> Option<Number> {
        match self {
            Self::Bool(flag) => Some(Number::Int(Int::Small(i64::from(*flag)))),
            Self::Int(number) => Some(Number::Int(Int::Small(*number))),
            Self::BigInt(number) => Some(Number::Int(Int::Big((**number).clone()))),
            Self::Float(number) => Some(Number::Float(*number)),
            _ => None,
        }
    }

    /// The sum of two numbers, booleans counting as 0 and 1; nothing if one is not a number.
    pub(crate) fn plus(&self, other: &Self) -> Option<Self> {
        Some(match (self.as_number()?, other.as_number()?) {
            (Number::Int(left), Number::Int(right)) => Self::int(left.add(&right)),
            (left, right) => Self::Float(left.to_f64() + right.to_f64()),
        })
    }

    /// The difference of two numbers, as [`Value::plus`].
    pub(crate) fn minus(&self, other: &Self) -> Option<Self> {
        Some(match (self.as_number()?, other.as_number()?) {
            (Number::Int(left), Number::Int(right)) => Self::int(left.add(&right.negate())),
            (left, right) => Self::Float(left.to_f64() - right.to_f64()),
        })
    }
}

enum Number {
    Int(Int),
    Float(f64),
}

impl Number {
    fn to_f64(&self) -> f64 {
        match self {
            Self::Int(number) => number.to_f64(),
            Self::Float(number) => *number,
        }
    }
}

/// Python's equality: numbers and booleans by value, mappings whatever their order.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        if let (Some(left), Some(right)) = (self.as_number(), other.as_number()) {
            return numbers_equal(&left, &right);
        }
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::Date(left), Self::Date(right)) => left == right,
            (Self::DateTime(left), Self::DateTime(right)) => left.same_instant(right),
            (Self::Bytes(left), Self::Bytes(right)) => left == right,
            (Self::List(left), Self::List(right)) | (Self::Tuple(left), Self::Tuple(right)) => left == right,
            (Self::Set(left), Self::Set(right)) => {
                left.len() == right.len() && left.iter().all(|item| right.contains(item))
            }
            _ => match (self.as_map(), other.as_map()) {
                (Some(left), Some(right)) => Arc::ptr_eq(&left, &right) || *left == *right,
                _ => false,
            },
        }
    }
}

fn numbers_equal(left: &Number, right: &Number) -> bool {
    match (left, right) {
        (Number::Int(left), Number::Int(right)) => left == right,
        (Number::Float(left), Number::Float(right)) => left == right,
        (Number::Int(int), Number::Float(float)) | (Number::Float(float), Number::Int(int)) => {
            float.fract() == 0.0 && whole(*float).as_ref() == Some(int)
        }
    }
}

/// A whole float as an exact integer.
fn whole(float: f64) -> Option<Int> {
    if !float.is_finite() {
        return None;
    }
    Int::from_digits(&format!("{:.0}", float.abs()), 10, float < 0.0)
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}
