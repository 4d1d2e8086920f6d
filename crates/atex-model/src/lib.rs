//! The records that the tools exchange.
//!
//! Every type here is one kind of line in the stream, or a part of one: plain data with serde and
//! JSON Schema derived from the same definition. Start reading at [`Test`] and [`Host`], which go into
//! atex-exec, and at [`report`], which holds what comes out of it; [`line`](mod@line) says how one
//! line of text becomes a record, and what an error in it looks like.
//!
//! This crate deliberately knows no file, no clock, no host and no fmf: it converts text to data and
//! back. What a tool works with internally is converted from these types by the tool.

pub mod artifacts;
mod host;
pub mod line;
pub mod protocol;
pub mod report;
mod schema;
mod tag;
mod test;
mod time;

pub use host::{Command, Connect, Facts, Host, HostTag, Lease, Ssh};
pub use line::{LineError, kind, parse, to_line};
pub use schema::{Schema, schemas};
pub use test::{Plan, Test, TestTag, Tree, TreePart};
pub use time::{Time, TimeError};

/// The label of hosts and results where nobody gave one.
pub const DEFAULT_PLATFORM: &str = "default";

/// A JSON object whose keys keep the order in which they were written.
pub type Object = serde_json::Map<String, serde_json::Value>;
