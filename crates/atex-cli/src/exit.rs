//! How a tool ends.

use std::fmt;

use crate::Tool;

/// The exit status of a tool. The order is that of precedence: of several, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// 0: done, and no test failed.
    Done,
    /// 1: done, and at least one test failed or was in error.
    Failed,
    /// 4: stopped before all was run.
    Stopped,
    /// 3: something outside failed; again may help.
    Trouble,
    /// 2: the invocation or the input is wrong; again will not help.
    Usage,
    /// 128 + the number of the signal: ended by it, in good order.
    Signal(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Trouble => 3,
            Exit::Stopped => 4,
            Exit::Signal(number) => 128 + (number & 0x7f),
        }
    }

    /// Whether all was done that could be: what the `complete` key of an `end` record says.
    pub fn is_complete(self) -> bool {
        matches!(self, Exit::Done | Exit::Failed)
    }
}

/// The table of exit statuses, for `--help`.
pub const EXIT_STATUS: &str = "\
Exit status:
  0    done, and no test failed
  1    done, and at least one test failed or was in error
  2    the invocation or the input is wrong, or there is no test; again will not help
  3    trouble: a test has no trustworthy result, or a host, file, network or reader failed
  4    stopped before all was run
  129, 130, 143    ended by SIGHUP, SIGINT, SIGTERM, in good order
Of several, the first in this order: 129/130/143, 2, 3, 4, 1, 0.
";

/// What kind of thing went wrong. It alone decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The invocation or the input.
    Usage,
    /// Something outside: a host, the network, a file system, a provider.
    Trouble,
}

impl Kind {
    /// The exit status of a failure of this kind.
    pub fn exit(self) -> Exit {
        match self {
            Kind::Usage => Exit::Usage,
            Kind::Trouble => Exit::Trouble,
        }
    }
}

/// A tool cannot go on: what happened, with the object named first, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    /// What kind of thing went wrong.
    pub kind: Kind,
    /// What happened: `tests/main.fmf:12: …`.
    pub message: String,
    /// What the user can do, if it can be known.
    pub hint: Option<String>,
}

impl Failure {
    /// The invocation or the input is wrong.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure { kind: Kind::Usage, message: message.to_string(), hint: None }
    }

    /// Something outside failed.
    pub fn trouble(message: impl fmt::Display) -> Failure {
        Failure { kind: Kind::Trouble, message: message.to_string(), hint: None }
    }

    /// The same failure with advice.
    pub fn hint(mut self, hint: impl fmt::Display) -> Failure {
        self.hint = Some(hint.to_string());
        self
    }

    /// Says it on stderr.
    pub fn report(&self, tool: Tool) {
        // All of it at once, so that tools of one pipeline do not mix within a message.
        let hint = self.hint.iter().map(|hint| format!("{}: hint: {hint}\n", tool.name)).collect::<String>();
        let text = format!("{}: {}\n{hint}", tool.name, self.message);
        crate::status::say(&text);
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let table = [
            (Exit::Done, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::Trouble, 3),
            (Exit::Stopped, 4),
            (Exit::Signal(1), 129),
            (Exit::Signal(2), 130),
            (Exit::Signal(15), 143),
        ];
        for (exit, code) in table {
            assert_eq!(exit.code(), code);
        }
    }

    #[test]
    fn of_several_the_first_in_the_specified_order_counts() {
        let order = [Exit::Signal(15), Exit::Usage, Exit::Trouble, Exit::Stopped, Exit::Failed, Exit::Done];
        for (i, a) in order.into_iter().enumerate() {
            for b in &order[i..] {
                assert_eq!(a.max(*b), a);
            }
        }
    }
}
