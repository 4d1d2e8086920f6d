//! Lines at the bottom of the terminal that say how far the work is, while messages go on above them.
//!
//! Everything that this process writes to its terminal goes through here, under one lock: messages by
//! [`say`], records by [`Above`]. What other programs of a pipeline write to the same terminal cannot be
//! known, so the cursor rests where the lines begin: what they write comes in their place, nothing of it is taken back,
//! and the next time the lines are drawn below it. So too nothing has to be put in order if we are killed.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::terminal;

/// What stands at the bottom of the terminal now.
static SHOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Erases from the cursor to the end of the screen.
const ERASE: &str = "\r\x1b[J";

/// Whether there can be such lines: standard error is a terminal, and one that can move its cursor.
pub fn is_possible() -> bool {
    is_capable(io::stderr().is_terminal(), std::env::var("TERM").ok().as_deref())
}

fn is_capable(is_terminal: bool, term: Option<&str>) -> bool {
    is_terminal && term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether colours are wanted there: NO_COLOR is not set.
pub fn has_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How many columns and rows there are for such lines.
pub fn size() -> (usize, usize) {
    terminal::size(io::stderr()).unwrap_or((80, 24))
}

/// Shows these lines in place of those that are shown. None must be wider than the terminal. What is shown already is
/// not written again.
pub fn show(lines: Vec<String>) {
    let mut shown = lock();
    if *shown == lines {
        return;
    }
    write(&format!("{ERASE}{}", drawn(&lines)));
    *shown = lines;
}

/// Takes the lines away.
pub fn clear() {
    show(Vec::new());
}

/// Says something on standard error, above the lines. The text ends with the end of a line.
pub fn say(text: &str) {
    let shown = lock();
    match shown.is_empty() {
        true => write(text),
        false => write(&format!("{ERASE}{text}{}", drawn(&shown))),
    }
}

/// Draws lines and puts the cursor back to where they begin.
fn drawn(lines: &[String]) -> String {
    let up = match lines.len() {
        0 => return String::new(),
        1 => String::new(),
        count => format!("\x1b[{}A", count - 1),
    };
    format!("{}\r{up}", lines.join("\n"))
}

fn lock() -> MutexGuard<'static, Vec<String>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One write, so that tools of one pipeline do not mix within a message.
fn write(text: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Standard error for those who need something to write to: each write is whole lines.
pub(crate) struct Messages;

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        say(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Another stream, of whole lines. If it leads to a terminal, it is taken to be the same one, and they come to stand
/// above the status.
pub struct Above<W: Write> {
    to: W,
    is_terminal: bool,
}

impl<W: Write + IsTerminal> Above<W> {
    /// The stream `to`.
    pub fn new(to: W) -> Above<W> {
        Above { is_terminal: to.is_terminal(), to }
    }
}

impl<W: Write> Write for Above<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.is_terminal {
            return self.to.write_all(bytes);
        }
        let shown = lock();
        if shown.is_empty() {
            return self.to.write_all(bytes);
        }
        write(ERASE);
        let result = self.to.write_all(bytes).and_then(|()| self.to.flush());
        write(&drawn(&shown));
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_rests_where_the_lines_begin() {
        let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(drawn(&lines(&[])), "");
        assert_eq!(drawn(&lines(&["a"])), "a\r");
        assert_eq!(drawn(&lines(&["a", "b", "c"])), "a\nb\nc\r\x1b[2A");
    }

    #[test]
    fn a_terminal_without_a_name_or_a_dumb_one_cannot() {
        assert!(is_capable(true, Some("xterm")));
        for (is_terminal, term) in
            [(false, Some("xterm")), (true, None), (true, Some("")), (true, Some("dumb"))]
        {
            assert!(!is_capable(is_terminal, term), "{is_terminal} {term:?}");
        }
    }
}
