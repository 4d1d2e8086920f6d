//! What hosts are asked and told by more than one tool: scripts of POSIX sh that run there, and what their answers mean.
//!
//! [`facts`] asks what a host is like, [`packages`] sees to packages. Each makes the text of a script, which goes to the
//! host by whatever way there is, and reads what came back.
//!
//! This crate does no I/O: it knows no connection, no clock and no tool.

pub mod facts;
pub mod packages;

/// A word as sh takes it.
fn quote(word: &str) -> String {
    // It refuses NUL only, which no script can hold.
    shlex::try_quote(word).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}
