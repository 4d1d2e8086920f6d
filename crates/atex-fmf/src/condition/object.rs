//! Objects as an expression sees them. Data is borrowed: asking for a name copies nothing.

use std::cell::RefCell;
use std::ops::Deref;
use std::ptr;
use std::rc::Rc;

use indexmap::{IndexMap, IndexSet};

use super::compare::HashKey;
use super::iterate::Iter;
use super::machine::Scope;
use super::syntax::Lambda;
use super::{Res, type_error};
use crate::mapping::{Key, Mapping};
use crate::number::BigInt;
use crate::value::{Date, DateTime, Value};

/// A Python object.
#[derive(Clone)]
pub enum Obj<'d> {
    None,
    Ellipsis,
    Bool(bool),
    Int(i128),
    /// Beyond 128 bits: can be compared and shown, not calculated with.
    BigInt(Rc<BigInt>),
    Float(f64),
    Text(Text<'d>),
    Bytes(Rc<[u8]>),
    Date(Date),
    DateTime(Rc<DateTime>),
    List(Seq<'d>),
    Tuple(Seq<'d>),
    Set(Rc<IndexSet<HashKey<'d>>>),
    Dict(Dict<'d>),
    View(View, Dict<'d>),
    Range(Range),
    Iter(Rc<RefCell<Iter<'d>>>),
    /// A class, by its name.
    Type(&'static str),
    /// A function of Python's own, by its name.
    Function(&'static str),
    Method(Rc<(Obj<'d>, &'d str)>),
    Lambda(Rc<Closure<'d>>),
}

/// What `keys()`, `values()` and `items()` give.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum View {
    Keys,
    Values,
    Items,
}

/// `range(start, stop, step)`
#[derive(Clone, Copy)]
pub struct Range {
    pub start: i128,
    /// Only for showing it; `len` says where it ends.
    pub stop: i128,
    pub step: i128,
    pub len: usize,
}

impl Range {
    pub fn get(&self, at: usize) -> i128 {
        self.start + self.step * at as i128
    }
}

/// A lambda and the variables around it.
pub struct Closure<'d> {
    pub lambda: &'d Lambda,
    pub scope: Scope<'d>,
}

/// Text of the data or of the expression, or made on the way.
#[derive(Clone)]
pub enum Text<'d> {
    Data(&'d str),
    Own(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Data(text) => text,
            Self::Own(text) => text,
        }
    }
}

/// The items of a list or tuple.
#[derive(Clone)]
pub enum Seq<'d> {
    Data(&'d [Value]),
    Own(Rc<[Obj<'d>]>),
}

impl<'d> Seq<'d> {
    pub fn len(&self) -> usize {
        match self {
            Self::Data(items) => items.len(),
            Self::Own(items) => items.len(),
        }
    }

    pub fn get(&self, at: usize) -> Option<Obj<'d>> {
        match self {
            Self::Data(items) => items.get(at).map(Obj::of),
            Self::Own(items) => items.get(at).cloned(),
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Obj<'d>> + use<'_, 'd> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Data(left), Self::Data(right)) => ptr::eq(*left, *right),
            (Self::Own(left), Self::Own(right)) => Rc::ptr_eq(left, right),
            _ => false,
        }
    }
}

impl<'d> From<Vec<Obj<'d>>> for Seq<'d> {
    fn from(items: Vec<Obj<'d>>) -> Self {
        Self::Own(items.into())
    }
}

/// A mapping.
#[derive(Clone)]
pub enum Dict<'d> {
    Data(&'d Mapping),
    Own(Rc<IndexMap<HashKey<'d>, Obj<'d>>>),
}

impl<'d> Dict<'d> {
    pub fn len(&self) -> usize {
        match self {
            Self::Data(mapping) => mapping.len(),
            Self::Own(map) => map.len(),
        }
    }

    /// The value of a key.
    pub fn find(&self, key: &HashKey<'d>) -> Option<Obj<'d>> {
        match (self, key.object()) {
            (Self::Data(mapping), Obj::Text(text)) => mapping.get(text).map(Obj::of),
            (Self::Data(mapping), _) => {
                let mut entries = mapping.iter().filter(|(other, _)| other.as_str().is_none());
                entries.find(|(other, _)| HashKey::of_key(other) == *key).map(|(_, value)| Obj::of(value))
            }
            (Self::Own(map), _) => map.get(key).cloned(),
        }
    }

    pub fn keys(&self) -> Vec<Obj<'d>> {
        match self {
            Self::Data(mapping) => mapping.keys().map(Obj::of_key).collect(),
            Self::Own(map) => map.keys().map(|key| key.object().clone()).collect(),
        }
    }

    pub fn entries(&self) -> Vec<(Obj<'d>, Obj<'d>)> {
        match self {
            Self::Data(mapping) => {
                mapping.iter().map(|(key, value)| (Obj::of_key(key), Obj::of(value))).collect()
            }
            Self::Own(map) => map.iter().map(|(key, value)| (key.object().clone(), value.clone())).collect(),
        }
    }

    /// What iterating over a view of it gives.
    pub fn view(&self, view: View) -> Vec<Obj<'d>> {
        match view {
            View::Keys => self.keys(),
            View::Values => self.entries().into_iter().map(|(_, value)| value).collect(),
            View::Items => {
                self.entries().into_iter().map(|(key, value)| Obj::tuple(vec![key, value])).collect()
            }
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Data(left), Self::Data(right)) => ptr::eq(*left, *right),
            (Self::Own(left), Self::Own(right)) => Rc::ptr_eq(left, right),
            _ => false,
        }
    }
}

impl<'d> Obj<'d> {
    /// A value of the data.
    pub fn of(value: &'d Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(Text::Data(text)),
            Value::List(items) => Self::List(Seq::Data(items)),
            Value::Tuple(items) => Self::Tuple(Seq::Data(items)),
            Value::Map(mapping) => Self::Dict(Dict::Data(mapping)),
            other => Self::copied(other),
        }
    }

    /// A value that is not borrowed.
    fn copied(value: &Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Int(i128::from(*number)),
            Value::BigInt(number) => match number.to_string().parse() {
                Ok(number) => Self::Int(number),
                Err(_) => Self::BigInt(Rc::new((**number).clone())),
            },
            Value::Float(number) => Self::Float(*number),
            Value::Text(text) => Self::text(&**text),
            Value::Date(date) => Self::Date(*date),
            Value::DateTime(moment) => Self::DateTime(Rc::new((**moment).clone())),
            Value::Bytes(bytes) => Self::Bytes((**bytes).into()),
            Value::List(items) => Self::list(items.iter().map(Self::copied).collect()),
            Value::Tuple(items) => Self::tuple(items.iter().map(Self::copied).collect()),
            // The reader of the data has made sure that these can be hashed.
            Value::Set(items) => {
                Self::Set(Rc::new(items.iter().map(|item| HashKey::trusted(Self::copied(item))).collect()))
            }
            Value::Map(mapping) => Self::copied_map(mapping),
            Value::Shared(shared) => Self::copied_map(&shared.get()),
        }
    }

    fn copied_map(mapping: &Mapping) -> Self {
        let entry =
            |(key, value): (&Key, &Value)| (HashKey::trusted(Self::copied(key.value())), Self::copied(value));
        Self::Dict(Dict::Own(Rc::new(mapping.iter().map(entry).collect())))
    }

    pub fn of_key(key: &'d Key) -> Self {
        Self::of(key.value())
    }

    pub fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Own(text.into()))
    }

    pub fn list(items: Vec<Self>) -> Self {
        Self::List(items.into())
    }

    pub fn tuple(items: Vec<Self>) -> Self {
        Self::Tuple(items.into())
    }

    pub fn index(number: usize) -> Self {
        Self::Int(number as i128)
    }

    /// A number that is whole, of whatever kind; booleans count.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Bool(flag) => Some(i128::from(*flag)),
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The number that something takes as a count or an index. Too many bits are as far out of bounds as the most.
    pub fn to_index(&self) -> Res<i128> {
        if let Self::BigInt(number) = self {
            return Ok(if number.to_f64() > 0.0 { i128::MAX } else { i128::MIN });
        }
        self.as_int().ok_or_else(|| {
            type_error(format!("'{}' object cannot be interpreted as an integer", self.type_name()))
        })
    }

    pub fn is_truthy(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(flag) => *flag,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) | Self::Tuple(items) => items.len() > 0,
            Self::Set(items) => !items.is_empty(),
            Self::Dict(dict) | Self::View(_, dict) => dict.len() > 0,
            Self::Range(range) => range.len > 0,
            _ => true,
        }
    }

    /// The name of the type, as `type(x).__name__` has it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Ellipsis => "ellipsis",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "date",
            Self::DateTime(_) => "datetime",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Set(_) => "set",
            Self::Dict(_) => "dict",
            Self::View(View::Keys, _) => "dict_keys",
            Self::View(View::Values, _) => "dict_values",
            Self::View(View::Items, _) => "dict_items",
            Self::Range(_) => "range",
            Self::Iter(iter) => iter.try_borrow().map_or("generator", |iter| iter.type_name()),
            Self::Type(_) => "type",
            Self::Function(_) | Self::Method(_) => "builtin_function_or_method",
            Self::Lambda(_) => "function",
        }
    }

    /// `is`: what can be told apart only by its address is the same if it is at the same place.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) | (Self::Ellipsis, Self::Ellipsis) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::BigInt(left), Self::BigInt(right)) => left == right,
            (Self::Float(left), Self::Float(right)) => left.to_bits() == right.to_bits(),
            // Python keeps one copy of each short text.
            (Self::Text(left), Self::Text(right)) => {
                ptr::eq(&raw const **left, &raw const **right)
                    || left.chars().count() < 2 && **left == **right
            }
            (Self::Bytes(left), Self::Bytes(right)) => Rc::ptr_eq(left, right),
            (Self::Date(left), Self::Date(right)) => left == right,
            (Self::DateTime(left), Self::DateTime(right)) => Rc::ptr_eq(left, right),
            (Self::List(left), Self::List(right)) => left.same(right),
            (Self::Tuple(left), Self::Tuple(right)) => {
                left.same(right) || left.len() == 0 && right.len() == 0
            }
            (Self::Set(left), Self::Set(right)) => Rc::ptr_eq(left, right),
            (Self::Dict(left), Self::Dict(right)) => left.same(right),
            (Self::Iter(left), Self::Iter(right)) => Rc::ptr_eq(left, right),
            (Self::Type(left), Self::Type(right)) | (Self::Function(left), Self::Function(right)) => {
                left == right
            }
            (Self::Method(left), Self::Method(right)) => Rc::ptr_eq(left, right),
            (Self::Lambda(left), Self::Lambda(right)) => Rc::ptr_eq(left, right),
            _ => false,
        }
    }
}
