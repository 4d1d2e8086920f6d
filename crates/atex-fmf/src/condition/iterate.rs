//! Iterators, of which items are taken only when they are asked for.

use std::cell::RefCell;
use std::rc::Rc;

use super::machine::{Args, Machine, Scope};
use super::object::{Obj, Range, Seq, Text};
use super::syntax::{Comprehension, Made};
use super::{Fault, Res, type_error, value_error};

/// A place in something that is iterated over.
pub enum Iter<'d> {
    /// The items from a place on, and the name of the iterator's type.
    Items(Seq<'d>, usize, &'static str),
    /// The text from a byte on.
    Chars(Text<'d>, usize),
    Range(Range, usize),
    Generator(Box<Generator<'d>>),
    /// Another object's iterator.
    Shared(Rc<RefCell<Iter<'d>>>),
    Enumerate(Box<Iter<'d>>, i128),
    Zip(Vec<Iter<'d>>, Strict),
    Map(Obj<'d>, Vec<Iter<'d>>),
    Filter(Obj<'d>, Box<Iter<'d>>),
}

/// Whether `zip` insists on equal lengths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Strict {
    No,
    Yes,
}

impl Iter<'_> {
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Items(_, _, name) => name,
            Self::Chars(..) => "str_iterator",
            Self::Range(..) => "range_iterator",
            Self::Generator(_) => "generator",
            Self::Shared(inner) => inner.try_borrow().map_or("generator", |inner| inner.type_name()),
            Self::Enumerate(..) => "enumerate",
            Self::Zip(..) => "zip",
            Self::Map(..) => "map",
            Self::Filter(..) => "filter",
        }
    }
}

impl<'d> Machine<'d> {
    /// An iterator over an object.
    pub fn iter(&self, object: &Obj<'d>) -> Res<Iter<'d>> {
        let items = |items: Vec<Obj<'d>>, name| {
            self.spend(items.len())?;
            Ok(Iter::Items(items.into(), 0, name))
        };
        match object {
            Obj::List(seq) => Ok(Iter::Items(seq.clone(), 0, "list_iterator")),
            Obj::Tuple(seq) => Ok(Iter::Items(seq.clone(), 0, "tuple_iterator")),
            Obj::Text(text) => Ok(Iter::Chars(text.clone(), 0)),
            Obj::Bytes(bytes) => {
                items(bytes.iter().map(|byte| Obj::Int(i128::from(*byte))).collect(), "bytes_iterator")
            }
            Obj::Set(set) => items(set.iter().map(|key| key.object().clone()).collect(), "set_iterator"),
            Obj::Dict(dict) => items(dict.keys(), "dict_keyiterator"),
            Obj::View(view, dict) => items(dict.view(*view), "dict_iterator"),
            Obj::Range(range) => Ok(Iter::Range(*range, 0)),
            Obj::Iter(iter) => Ok(Iter::Shared(iter.clone())),
            other => Err(type_error(format!("'{}' object is not iterable", other.type_name()))),
        }
    }

    /// The next item.
    pub fn next(&self, iter: &mut Iter<'d>) -> Res<Option<Obj<'d>>> {
        self.spend(1)?;
        Ok(match iter {
            Iter::Items(items, at, _) => {
                *at += 1;
                items.get(*at - 1)
            }
            Iter::Chars(text, at) => {
                let next = text[*at..].chars().next();
                *at += next.map_or(0, char::len_utf8);
                next.map(|c| Obj::text(c.encode_utf8(&mut [0; 4]) as &str))
            }
            Iter::Range(range, at) => {
                *at += 1;
                (*at <= range.len).then(|| Obj::Int(range.get(*at - 1)))
            }
            Iter::Generator(generator) => return generator.next(self),
            Iter::Shared(inner) => {
                let mut inner =
                    inner.try_borrow_mut().map_err(|_| value_error("generator already executing"))?;
                return self.next(&mut inner);
            }
            Iter::Enumerate(inner, number) => match self.next(inner)? {
                Some(item) => {
                    *number += 1;
                    Some(Obj::tuple(vec![Obj::Int(*number - 1), item]))
                }
                None => None,
            },
            Iter::Zip(inner, strict) => self.next_row(inner, *strict)?.map(Obj::tuple),
            Iter::Map(function, inner) => match self.next_row(inner, Strict::No)? {
                Some(row) => Some(self.call(function, Args::of(row))?),
                None => None,
            },
            Iter::Filter(function, inner) => self.next_that(function, inner)?,
        })
    }

    /// One item of each, if each has one.
    fn next_row(&self, inner: &mut [Iter<'d>], strict: Strict) -> Res<Option<Vec<Obj<'d>>>> {
        let mut row = Vec::with_capacity(inner.len());
        for at in 0..inner.len() {
            match self.next(&mut inner[at])? {
                Some(item) => row.push(item),
                None if strict == Strict::No => return Ok(None),
                None if at > 0 => return Err(value_error(format!("zip() argument {} is shorter", at + 1))),
                None => return self.expect_ends(&mut inner[1..]).map(|()| None),
            }
        }
        Ok(if row.is_empty() { None } else { Some(row) })
    }

    fn expect_ends(&self, inner: &mut [Iter<'d>]) -> Res<()> {
        for (at, iter) in inner.iter_mut().enumerate() {
            if self.next(iter)?.is_some() {
                return Err(value_error(format!("zip() argument {} is longer", at + 2)));
            }
        }
        Ok(())
    }

    fn next_that(&self, function: &Obj<'d>, inner: &mut Iter<'d>) -> Res<Option<Obj<'d>>> {
        while let Some(item) = self.next(inner)? {
            let keep = match function {
                Obj::None => item.is_truthy(),
                function => self.call(function, Args::of(vec![item.clone()]))?.is_truthy(),
            };
            if keep {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// All items.
    pub fn collect(&self, object: &Obj<'d>) -> Res<Vec<Obj<'d>>> {
        let mut iter = self.iter(object)?;
        let mut items = Vec::new();
        while let Some(item) = self.next(&mut iter)? {
            items.push(item);
        }
        Ok(items)
    }
}

/// A comprehension at work: one open iterator for each of its clauses that has been entered.
pub struct Generator<'d> {
    source: &'d Comprehension,
    outer: Scope<'d>,
    open: Vec<(Iter<'d>, Scope<'d>)>,
    running: bool,
}

impl<'d> Generator<'d> {
    /// The first clause's items are evaluated at once, and outside; all else when items are asked for.
    pub fn new(machine: &Machine<'d>, source: &'d Comprehension, scope: &Scope<'d>) -> Res<Self> {
        let first = &source.clauses[0].items;
        let items = machine.eval(first, scope)?;
        let iter = machine.iter(&items).map_err(|fault| fault.or_at(first.at))?;
        Ok(Self { source, outer: scope.clone(), open: vec![(iter, scope.clone())], running: true })
    }

    /// The next element; of a mapping, a pair.
    pub fn next(&mut self, machine: &Machine<'d>) -> Res<Option<Obj<'d>>> {
        if !self.running {
            return Ok(None);
        }
        let next = self.advance(machine);
        // An error or the end is the last that comes of a generator.
        self.running = matches!(next, Ok(Some(_)));
        next
    }

    fn advance(&mut self, machine: &Machine<'d>) -> Res<Option<Obj<'d>>> {
        while let Some(level) = self.open.len().checked_sub(1) {
            let clause = &self.source.clauses[level];
            let Some(item) = machine.next(&mut self.open[level].0)? else {
                self.open.pop();
                continue;
            };
            let around = if level == 0 { self.outer.clone() } else { self.open[level - 1].1.clone() };
            let scope = machine.bind(&clause.target, item, around)?;
            if !self.passes(machine, level, &scope)? {
                continue;
            }
            self.open[level].1 = scope.clone();
            match self.source.clauses.get(level + 1) {
                Some(inner) => {
                    let items = machine.eval(&inner.items, &scope)?;
                    let iter = machine.iter(&items).map_err(|fault| fault.or_at(inner.items.at))?;
                    self.open.push((iter, scope));
                }
                None => return self.element(machine, &scope).map(Some),
            }
        }
        Ok(None)
    }

    fn passes(&self, machine: &Machine<'d>, level: usize, scope: &Scope<'d>) -> Res<bool> {
        for condition in &self.source.clauses[level].conditions {
            if !machine.eval(condition, scope)?.is_truthy() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn element(&self, machine: &Machine<'d>, scope: &Scope<'d>) -> Res<Obj<'d>> {
        let Some(key) = &self.source.key else {
            return machine.eval(&self.source.element, scope);
        };
        let key = machine.eval(key, scope)?;
        debug_assert!(self.source.made == Made::Dict, "only mappings have keys");
        Ok(Obj::tuple(vec![key, machine.eval(&self.source.element, scope)?]))
    }
}

/// What `next()` without a default raises at the end.
pub fn stop_iteration() -> Fault {
    Fault::new(super::ConditionErrorKind::StopIteration, "")
}
