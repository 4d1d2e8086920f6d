//! Text as it was written for `--help`, as a manual has it.
//!
//! Paragraphs are separated by blank lines. One whose lines all begin with two blanks stands as it is. Behind a line
//! `Examples:` come command lines, with two blanks in front, each with what it does below it, behind six.

use clap_mangen::roff::{Roff, roman};

use crate::man::verbatim;
use crate::options::{sentences, tidy};

/// A text, in roff.
#[derive(Debug, Default)]
pub(crate) struct Prose {
    /// Its paragraphs.
    pub text: String,
    /// Its examples.
    pub examples: String,
}

impl Prose {
    pub fn of(text: &str) -> Prose {
        let mut prose = Prose::default();
        prose.add(text);
        prose
    }

    /// Puts more text behind it.
    pub fn add(&mut self, text: &str) {
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            if let Some(examples) = paragraph.strip_prefix("Examples:\n") {
                self.examples.push_str(&examples_of(examples));
                continue;
            }
            if !self.text.is_empty() {
                self.text.push_str(".PP\n");
            }
            let is_literal = paragraph.lines().all(|line| line.starts_with("  "));
            self.text.push_str(&if is_literal { literal(paragraph) } else { flowing(paragraph) });
        }
    }
}

fn examples_of(text: &str) -> String {
    let mut roff = String::new();
    let mut lines = text.lines().peekable();
    while let Some(first) = lines.next() {
        let is_command = |line: &&str| line.starts_with("  ") && !line.starts_with("      ");
        let mut command = vec![first];
        while let Some(line) = lines.next_if(is_command) {
            // The next command, if the one before has no explanation.
            command.push(line);
        }
        let mut said = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("      ")) {
            said.push_str(if said.is_empty() { "" } else { " " });
            said.push_str(line.trim());
        }
        if !roff.is_empty() {
            roff.push_str(".PP\n");
        }
        if !said.is_empty() {
            roff.push_str(&format!("{}.PP\n", flowing(&format!("{}:", capital(&said)))));
        }
        roff.push_str(&literal(&command.join("\n")));
    }
    roff
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}", first.to_uppercase())
}

fn flowing(paragraph: &str) -> String {
    let mut roff = Roff::new();
    roff.text([roman(sentences(paragraph))]);
    tidy(&roff.to_roff())
}

/// Lines as they stand, without the two blanks in front of each.
fn literal(paragraph: &str) -> String {
    let lines: Vec<&str> = paragraph.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    format!(".EX\n{}.EE\n", verbatim(&lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_literal_lines_and_examples_are_told_apart() {
        let prose = Prose::of(
            "Do it\n\nSee `that`:\n\n  a -b\n    c\n\nExamples:\n  one | two\n      both\n      of them\n  three",
        );
        assert_eq!(prose.text, "Do it.\n.PP\nSee \\fBthat\\fR:\n.PP\n.EX\na \\-b\n  c\n.EE\n");
        assert_eq!(prose.examples, "Both of them:\n.PP\n.EX\none | two\n.EE\n.PP\n.EX\nthree\n.EE\n");
    }
}
