//! Conditions: Python expressions over a node's data, evaluated without Python.
//!
//! [`Expression::parse`] reads one (`parse`, by ruff's parser, into the tree of `syntax`); [`Expression::holds`]
//! evaluates it (`machine`) over the objects of `object`. What Python would answer is answered; what has side effects,
//! reaches outside, or is too rare to be worth its code is refused by name and place. Work and depth are bounded, so
//! that no expression hangs or fills the memory.
//!
//! Known differences, all out of the way: sets iterate in the order of insertion; `is` compares large numbers by value;
//! a lambda keeps the values that its variables had when it was made.

mod builtins;
mod chars;
mod compare;
mod format;
mod iterate;
mod machine;
mod methods;
mod number;
mod object;
mod parse;
mod percent;
mod show;
mod strings;
mod subscript;
mod syntax;

use std::fmt;

use crate::error::{Error, ErrorClass};
use crate::mapping::Mapping;
use crate::select::Condition;
use machine::Machine;

/// What kind of mistake an expression makes; most are exceptions of Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionErrorKind {
    /// Not an expression at all.
    Syntax,
    /// An unknown name. The node is dropped, as for [`ConditionErrorKind::Key`].
    Name,
    /// An unknown key of a mapping.
    Key,
    /// Operands of the wrong type.
    Type,
    /// An argument of the right type but the wrong value.
    Value,
    /// An index beyond the end.
    Index,
    /// An unknown attribute.
    Attribute,
    /// Division by zero.
    ZeroDivision,
    /// A result too large for its type.
    Overflow,
    /// Nothing is left to take from an iterator.
    StopIteration,
    /// Python could do it, conditions cannot.
    Unsupported,
    /// More work, text or nesting than a condition may have.
    Limit,
}

impl ConditionErrorKind {
    /// Python's name of the exception, if it is one.
    fn exception(self) -> Option<&'static str> {
        Some(match self {
            Self::Syntax => "SyntaxError",
            Self::Name => "NameError",
            Self::Key => "KeyError",
            Self::Type => "TypeError",
            Self::Value => "ValueError",
            Self::Index => "IndexError",
            Self::Attribute => "AttributeError",
            Self::ZeroDivision => "ZeroDivisionError",
            Self::Overflow => "OverflowError",
            Self::StopIteration => "StopIteration",
            Self::Unsupported | Self::Limit => return None,
        })
    }
}

/// Why a condition cannot be parsed or evaluated, and where in its text.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct ConditionError {
    /// The kind of mistake.
    pub kind: ConditionErrorKind,
    /// What is wrong.
    pub message: String,
    /// The line of the expression, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for ConditionError {
    /// `column: message` or, beyond the first line, `line:column: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 {
            write!(f, "{}:", self.line)?;
        }
        write!(f, "{}: ", self.column)?;
        match self.kind.exception() {
            Some(exception) if self.message.is_empty() => f.write_str(exception),
            Some(exception) => write!(f, "{exception}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A mistake at a byte of the text, before it is known as a line and a column.
#[derive(Clone, Debug)]
pub(crate) struct Fault(Box<(ConditionErrorKind, String, Option<u32>)>);

type Res<T> = Result<T, Fault>;

impl Fault {
    fn new(kind: ConditionErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new((kind, message.into(), None)))
    }

    fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(ConditionErrorKind::Unsupported, format!("`{what}`: not supported"))
    }

    /// Adds a place unless a more precise one is known already.
    fn or_at(mut self, at: u32) -> Self {
        self.0.2.get_or_insert(at);
        self
    }

    fn locate(self, text: &str) -> ConditionError {
        let (kind, message, at) = *self.0;
        let mut at = (at.unwrap_or(0) as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        ConditionError { kind, message, line, column }
    }
}

fn type_error(message: impl Into<String>) -> Fault {
    Fault::new(ConditionErrorKind::Type, message)
}

fn value_error(message: impl Into<String>) -> Fault {
    Fault::new(ConditionErrorKind::Value, message)
}

/// A parsed condition.
#[derive(Debug)]
pub struct Expression {
    text: String,
    tree: syntax::Expr,
}

impl Expression {
    /// Parses a condition.
    ///
    /// # Errors
    /// The text is no Python expression, is too long or too deep, or uses syntax that is not supported.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        match parse::parse(text) {
            Ok(tree) => Ok(Self { text: text.to_owned(), tree }),
            Err(fault) => Err(fault.locate(text)),
        }
    }

    /// The text that was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the condition is true of the data, whose keys are its names.
    ///
    /// # Errors
    /// Where Python would raise an exception, and where something is not supported. Of the kinds
    /// [`ConditionErrorKind::Name`] and [`ConditionErrorKind::Key`] only say that this data cannot be asked.
    pub fn holds(&self, data: &Mapping) -> Result<bool, ConditionError> {
        let machine = Machine::new(data);
        machine
            .eval(&self.tree, &None)
            .map(|object| object.is_truthy())
            .map_err(|fault| fault.locate(&self.text))
    }
}

impl Condition for Expression {
    fn holds(&self, data: &Mapping) -> Result<bool, Error> {
        Self::holds(self, data).map_err(|error| {
            let class = match error.kind {
                ConditionErrorKind::Name | ConditionErrorKind::Key => ErrorClass::Filter,
                _ => ErrorClass::Condition,
            };
            Error::new(class, format!("`{}`: {error}", self.text))
        })
    }
}
