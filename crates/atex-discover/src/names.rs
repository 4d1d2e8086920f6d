//! Patterns of names: where they come from, and which names they match.

use std::collections::HashSet;

use atex_cli::Failure;
use atex_cli::input::Lines;
use atex_fmf::{Context, Criteria, Error, Mapping, Tree};

use crate::config::Names;

/// A regular expression that is looked for in names, as fmf understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub text: String,
    /// Where it was given: an option, or a file with the line.
    pub origin: String,
}

/// The patterns of an option.
pub(crate) fn patterns(option: &str, texts: &[String]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern { text: text.clone(), origin: option.to_owned() }).collect()
}

/// The texts of patterns.
pub(crate) fn texts(patterns: &[Pattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.text.clone()).collect()
}

/// A pattern a line; `#` at the beginning or behind a blank begins a comment.
pub(crate) fn read(mut lines: Lines) -> Result<Vec<Pattern>, Failure> {
    let mut patterns = Vec::new();
    while let Some(line) = lines.next_line()? {
        let text = without_comment(line.text).trim();
        if !text.is_empty() {
            let origin = format!("{}:{}", line.source, line.number);
            patterns.push(Pattern { text: text.to_owned(), origin });
        }
    }
    Ok(patterns)
}

fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').map(|(at, _)| at).find(begins).map_or(line, |at| &line[..at])
}

/// Refuses what is no regular expression, before a tree is read, and also where an earlier pattern would decide.
pub(crate) fn check<'p>(patterns: impl Iterator<Item = &'p Pattern>) -> Result<(), Failure> {
    let nothing = Tree::from_data(Mapping::new(), &Context::new()).map_err(Failure::usage)?;
    for pattern in patterns {
        found(&nothing, pattern)?;
    }
    Ok(())
}

/// The names of the nodes in which one of the patterns is found.
pub(crate) fn matching<'t>(tree: &'t Tree, patterns: &[Pattern]) -> Result<HashSet<&'t str>, Failure> {
    let mut names = HashSet::new();
    for pattern in patterns {
        names.extend(found(tree, pattern)?);
    }
    Ok(names)
}

/// The names of the nodes in which a pattern is found.
pub(crate) fn found<'t>(tree: &'t Tree, pattern: &Pattern) -> Result<Vec<&'t str>, Failure> {
    let criteria = Criteria { names: vec![pattern.text.clone()], ..Criteria::default() };
    let nodes = tree.prune_all(&criteria);
    let nodes = nodes
        .map_err(|error: Error| Failure::usage(format!("{} `{}`: {error}", pattern.origin, pattern.text)))?;
    Ok(nodes.into_iter().map(|node| node.name()).collect())
}

impl Names {
    /// The names of the nodes that are taken.
    pub(crate) fn taken<'t>(&self, tree: &'t Tree) -> Result<HashSet<&'t str>, Failure> {
        let mut taken: HashSet<&str> = tree.nodes().map(|node| node.name()).collect();
        let lists = [(!self.names.is_empty()).then_some(&self.names), self.only.as_ref()];
        for list in lists.into_iter().flatten() {
            let matching = matching(tree, list)?;
            taken.retain(|name| matching.contains(name));
        }
        let excluded = matching(tree, &self.excludes)?;
        taken.retain(|name| !excluded.contains(name));
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str) -> Lines {
        Lines::new("list", Box::new(text.as_bytes()))
    }

    #[test]
    fn a_list_has_a_pattern_a_line() {
        let text = "# all of it\n\n^/a$\n  /b#1  # a number\n\t#\n/c d\r\n/e";
        let expected = [("^/a$", 3), ("/b#1", 4), ("/c d", 6), ("/e", 7)]
            .map(|(text, line)| Pattern { text: text.to_owned(), origin: format!("list:{line}") });
        assert_eq!(read(lines(text)).unwrap(), expected);
    }

    #[test]
    fn a_bad_pattern_is_named_with_its_place() {
        for (patterns, message) in [
            (patterns("--name", &["a".to_owned(), "(".to_owned()]), "--name `(`: PatternError: "),
            (read(lines("a\na{2,1}\n")).unwrap(), "list:2 `a{2,1}`: PatternError: "),
        ] {
            let failure = check(patterns.iter()).unwrap_err();
            assert!(failure.message.starts_with(message), "{}", failure.message);
        }
    }
}
