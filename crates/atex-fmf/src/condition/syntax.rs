//! The tree of an expression: what is supported, and nothing else. It owns its text, and its depth is bounded.

use ruff_python_ast::{CmpOp, Operator, UnaryOp};

use crate::number::BigInt;

/// An expression and the byte of the text where it starts.
#[derive(Debug)]
pub struct Expr {
    pub at: u32,
    pub node: Node,
}

#[derive(Debug)]
pub enum Node {
    None,
    Ellipsis,
    Bool(bool),
    Int(i128),
    BigInt(BigInt),
    Float(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    Name(Box<str>),
    List(Vec<Item>),
    Tuple(Vec<Item>),
    Set(Vec<Item>),
    /// Keys and values; without a key, a mapping to be included.
    Dict(Vec<(Option<Expr>, Expr)>),
    Attribute(Box<Expr>, Box<str>),
    Index(Box<(Expr, Expr)>),
    Slice(Box<Slice>),
    Call(Box<Call>),
    Compare(Box<Expr>, Vec<(CmpOp, Expr)>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Unary(UnaryOp, Box<Expr>),
    Binary(Operator, Box<(Expr, Expr)>),
    If(Box<Choice>),
    Comprehension(Box<Comprehension>),
    Lambda(Box<Lambda>),
    Format(Vec<Piece>),
}

/// An item of a list and the like, or of a call.
#[derive(Debug)]
pub enum Item {
    One(Expr),
    /// `*items`
    All(Expr),
}

/// `value[start:stop:step]`
#[derive(Debug)]
pub struct Slice {
    pub value: Expr,
    pub bounds: [Option<Expr>; 3],
}

#[derive(Debug)]
pub struct Call {
    pub function: Expr,
    pub positional: Vec<Item>,
    /// Without a name all entries of a mapping are meant: `**mapping`.
    pub named: Vec<(Option<Box<str>>, Expr)>,
}

/// `then if test else otherwise`
#[derive(Debug)]
pub struct Choice {
    pub test: Expr,
    pub then: Expr,
    pub otherwise: Expr,
}

/// What a comprehension makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    List,
    Set,
    Dict,
    Generator,
}

#[derive(Debug)]
pub struct Comprehension {
    pub made: Made,
    /// Of a mapping.
    pub key: Option<Expr>,
    pub element: Expr,
    /// At least one.
    pub clauses: Vec<Clause>,
}

/// `for target in items if condition…`
#[derive(Debug)]
pub struct Clause {
    pub target: Target,
    pub items: Expr,
    pub conditions: Vec<Expr>,
}

#[derive(Debug)]
pub enum Target {
    Name(Box<str>),
    Many(Vec<Target>),
}

#[derive(Debug)]
pub struct Lambda {
    pub parameters: Vec<Box<str>>,
    pub body: Expr,
}

/// A part of an f-string.
#[derive(Debug)]
pub enum Piece {
    Text(Box<str>),
    Value {
        value: Expr,
        /// `s`, `r` or `a`
        conversion: Option<char>,
        spec: Vec<Piece>,
    },
}
