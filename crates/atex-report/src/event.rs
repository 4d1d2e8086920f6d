//! What a stream consists of, one line after another: what every reducer and every writer takes.

use crate::identity::Identity;
use crate::record::Record;
use crate::row::{Row, TestEnd, TestStart};

/// One line of a stream that is a record.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The line as it was read.
    pub line: Line<'a>,
    /// What it says.
    pub what: What<'a>,
    /// The test of which it says something.
    pub(crate) test: Identity,
}

/// A line and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its text, without its end.
    pub text: &'a str,
    /// Its number in the source, from 1.
    pub number: u64,
    /// The name of the source.
    pub source: &'a str,
}

/// What a line says.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// `result`, `old-result` or `live-result`: nearly all lines are.
    Row(Row<'a>),
    /// `test-start`
    TestStart(TestStart<'a>),
    /// `test-end`
    TestEnd(TestEnd<'a>),
    /// Another record that reports are made of.
    Record(&'a Record),
    /// A record of another type.
    Other,
}

impl<'a> Event<'a> {
    /// The row, if it is one.
    pub fn row(&self) -> Option<&Row<'a>> {
        match &self.what {
            What::Row(row) => Some(row),
            _ => None,
        }
    }

    /// The record, if it is one that is no row.
    pub fn record(&self) -> Option<&'a Record> {
        match self.what {
            What::Record(record) => Some(record),
            _ => None,
        }
    }
}
