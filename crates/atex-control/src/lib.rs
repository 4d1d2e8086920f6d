//! The test control stream: what a running test says to the executor, turned into results to
//! store and files to write.
//!
//! A test writes control words, JSON objects and file contents to one descriptor. [`Parser`] takes
//! these bytes in pieces of any size and answers with [`Event`]s; at the end of the test
//! [`Parser::finish`] settles what is still open and adds the fallback result. Start reading in
//! `parser.rs`; `incoming.rs` is one result as the test sent it, `partial.rs` those kept open,
//! `store.rs` their stored form, `finish.rs` the end, `limits.rs` and `excess.rs` what a test may send and what
//! becomes of more.
//!
//! ```
//! use atex_control::{End, Event, Limits, Parser};
//! use std::convert::Infallible;
//!
//! let mut stored = Vec::new();
//! let mut sink = |event: Event<'_>| -> Result<(), Infallible> {
//!     if let Event::Result(result) = event {
//!         stored.push(result.line.to_owned());
//!     }
//!     Ok(())
//! };
//! let mut parser = Parser::new(Limits::default());
//! parser.feed(b"result 31\n{\"name\":\"disk\",\"status\":\"fail\"}", &mut sink)?;
//! parser.finish(End::Exited { passed: true }, &mut sink)?;
//! assert_eq!(stored, [
//!     r#"{"name":"disk","status":"fail"}"#,
//!     r#"{"status":"pass","files":["output.txt"]}"#,
//! ]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The stored form
//!
//! A stored result is one line of JSON, as `results.jsonl` has it: the test's keys in the test's
//! order and, except below, in the test's own spelling (a number is never reformatted).
//!
//! - `files` is the list of distinct file names, made safe (see [`safe_path`]) and sorted, a
//!   `testout` name first. What is listed is what is on disk: the file is
//!   `files/<safe_path(name)>/<entry>`.
//! - `partial` and `testout` are gone. A known key that is `null` is an absent key; a `null` in a
//!   key of the test's own is kept.
//! - Of equal keys in the result the last one counts. Objects in keys of the test's own are kept
//!   as they are.
//! - A status `infra`, which only the executor may give, is stored as `error`, and the test's word
//!   goes to `status` in the object `extra`. Where the test has an `extra` of its own, the word is
//!   added to it; an `extra` that is no object becomes `{"extra":…,"status":"infra"}`.
//!
//! The record `result` keeps the test's own keys in its `extra`; [`extra`] computes it from a
//! stored result.
//!
//! # What it takes beside the letter of the contract
//!
//! Tests written for the Python ATEX run unchanged, so what that one takes is taken: blanks
//! around a number, a file length sent as a string of digits (jq's `--arg` makes these), an
//! argument after `noop` and `disconnect`, UTF-8 in a note, and an unfinished last line, which
//! is reported in [`Ending::unfinished`] and otherwise ignored.
//!
//! # What this crate does not know
//!
//! Files, descriptors, connections, time, threads, and where any of the bytes go: no I/O, no
//! clock. It neither kills a test nor knows why one was killed; the caller says so in [`End`]. It
//! knows no record types either: a stored result is a line of JSON.

mod duration;
mod error;
mod excess;
mod finish;
mod incoming;
mod json;
mod limits;
mod parser;
mod partial;
mod path;
mod store;
mod tally;
mod time_limit;
mod word;

pub use duration::{DurationError, DurationForm, format_duration, parse_duration, parse_duration_value};
pub use error::{FeedError, ProtocolError};
pub use finish::{End, Ending, Verdict, VerdictStatus};
pub use limits::Limits;
pub use parser::{Event, Parser, State};
pub use path::safe_path;
pub use store::{StoredResult, extra};
pub use tally::{Status, Tally};
pub use time_limit::{LimitChange, TimeLimit};
