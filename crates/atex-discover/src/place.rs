//! Places in files, and other texts that a person reads.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use atex_fmf::{NodeRef, Pos, Position, Tree};

/// Shows places the way the reader would type them: relative to the working directory where they are below it.
pub(crate) struct Places {
    cwd: Option<PathBuf>,
}

impl Places {
    /// As seen from the working directory. Without one, all paths stay absolute.
    pub(crate) fn here() -> Places {
        Places { cwd: std::env::current_dir().ok() }
    }

    pub(crate) fn path(&self, path: &Path) -> String {
        let relative = self.cwd.as_deref().and_then(|cwd| path.strip_prefix(cwd).ok());
        relative.unwrap_or(path).display().to_string()
    }

    /// `file:line`.
    pub(crate) fn line(&self, position: &Position) -> String {
        match position.line {
            0 => self.path(&position.path),
            line => format!("{}:{line}", self.path(&position.path)),
        }
    }

    /// `file:line:column`, or nothing where no place is known.
    pub(crate) fn exact(&self, tree: &Tree, pos: Pos) -> Option<String> {
        let position = tree.locate(pos)?;
        Some(format!("{}:{}", self.line(&position), position.column))
    }

    /// `file:line`, or nothing where no place is known.
    pub(crate) fn of(&self, tree: &Tree, pos: Pos) -> Option<String> {
        tree.locate(pos).map(|position| self.line(&position))
    }

    /// `file:line` of a node's key in brackets with a blank in front, or nothing.
    pub(crate) fn behind(&self, node: NodeRef<'_>, key: &str) -> String {
        node.position(key).map(|position| format!(" ({})", self.line(&position))).unwrap_or_default()
    }
}

/// A text without characters that a terminal would act on, or that would look like the end of a line.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match acts(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_shown() {
        for (text, expected) in
            [("/ü b\\c", "/ü b\\c"), ("/a\n\x1b[2Jb\t\u{9b}\u{202e}", r"/a\n\u{1b}[2Jb\t\u{9b}\u{202e}")]
        {
            assert_eq!(visible(text), expected);
        }
    }

    #[test]
    fn places_are_relative_to_the_working_directory() {
        let places = Places { cwd: Some("/srv/tests".into()) };
        let at = |path: &str, line| Position { path: path.into(), line, column: 3 };
        assert_eq!(places.line(&at("/srv/tests/a/main.fmf", 7)), "a/main.fmf:7");
        assert_eq!(places.line(&at("/srv/other.fmf", 7)), "/srv/other.fmf:7");
        assert_eq!(places.line(&at("/srv/tests/x.fmf", 0)), "x.fmf");
    }
}
