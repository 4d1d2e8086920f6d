//! `check`: which hosts are alive?

use std::io::Write;

use atex_cli::{Failure, output::Output};

use super::{Filter, Since, Then, read};
use crate::filter_args::Check;
use crate::run::Done;
use crate::trouble::Trouble;

/// Hands on the hosts on which a command can be run. However many there are, that is known of all within the time.
pub(crate) fn check<W: Write>(asked: &Check, out: &mut Output<W>, done: &mut Done) -> Result<(), Failure> {
    let mut filter = Filter::new(&asked.on, (asked.timeout, Since::Came), out, done)?;
    let alive = |said: &str| said.lines().any(|line| line == "alive");
    filter.run(
        read(),
        |_, link| match alive(&link.script("echo alive", &[])?) {
            true => Ok(()),
            false => Err(Trouble::passing("the login does nothing")),
        },
        Then::Write,
    );
    filter.finish()
}
