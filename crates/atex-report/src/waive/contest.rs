//! The waivers of the contest project: sections of regular expressions, a line each, and below them, indented, an
//! expression of Python. A success in a section is reported, unless it is `Match(…, sometimes=True)`.
//!
//! `rhel`, and what is defined on the command line, are versions: a comparison with a number or a text compares as many
//! parts as that has, so `rhel == 9` holds for 9.4. Such comparisons, and `env('NAME')`, are replaced by what they come
//! to before the rest is evaluated.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use atex_fmf::condition::Expression;
use atex_model::report::Waived;

use super::{Subject, Waiver, When, holds, whole};

/// The waivers of a file.
pub(super) fn parse(name: &str, text: &str, definitions: &[(String, String)]) -> Result<Vec<Waiver>, String> {
    let mut sections = Vec::new();
    let mut section = Section::default();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.starts_with('#') {
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        if !indented && !section.code.is_empty() {
            sections.push(std::mem::take(&mut section));
        }
        if line.trim().is_empty() {
            if !section.names.is_empty() && section.code.is_empty() {
                return Err(format!(
                    "{name}:{number}: expected a regular expression or an expression, found an empty line"
                ));
            }
        } else if indented {
            if section.names.is_empty() {
                return Err(format!("{name}:{number}: expected a regular expression before the expression"));
            }
            section.code.push_str(line.trim());
            section.code.push('\n');
        } else {
            if section.names.is_empty() {
                section.line = number;
            }
            section.names.push(whole(line).map_err(|e| format!("{name}:{number}: {e}"))?);
        }
    }
    if !section.names.is_empty() {
        if section.code.is_empty() {
            return Err(format!(
                "{name}:{}: expected an expression below the regular expressions",
                section.line
            ));
        }
        sections.push(section);
    }
    sections
        .into_iter()
        .map(|section| {
            let by = format!("{name}:{}", section.line);
            section.waiver(&by, definitions).map_err(|e| format!("{by}: {e}"))
        })
        .collect()
}

#[derive(Default)]
struct Section {
    line: usize,
    names: Vec<atex_fmf::Pattern>,
    code: String,
}

impl Section {
    fn waiver(self, by: &str, definitions: &[(String, String)]) -> Result<Waiver, String> {
        // Lines go on behind a backslash, and within brackets they do anyway.
        let code = self.code.replace("\\\n", " ").replace('\n', " ");
        let code = code.trim();
        let call = match_call(code)?;
        let versions = Versions {
            tokens: tokens(&call.expression)?,
            definitions: definitions.to_vec(),
            cache: RefCell::default(),
        };
        // So that a mistake shows before anything is read; the version is as good as any.
        versions.expression("rhel-9.0")?;
        Ok(Waiver {
            names: self.names,
            test: None,
            subtest: None,
            platform: None,
            note: None,
            status: vec!["fail".into(), "error".into()],
            when: Some(When::Versions(versions)),
            until: None,
            strict: !call.sometimes,
            label: Waived { by: by.to_owned(), issue: None, owner: None, until: None, note: call.note },
            used: 0,
            expired: 0,
            passed: 0,
        })
    }
}

/// `Match(expression, sometimes=True, note='…')`, or an expression alone.
struct Call {
    expression: String,
    sometimes: bool,
    note: Option<String>,
}

fn match_call(code: &str) -> Result<Call, String> {
    let alone = || Call { expression: code.to_owned(), sometimes: false, note: None };
    let Some(inner) = code.strip_prefix("Match(").and_then(|rest| rest.strip_suffix(')')) else {
        return Ok(alone());
    };
    let Some(parts) = split_arguments(inner) else { return Ok(alone()) };
    let mut call = alone();
    for (index, part) in parts.iter().enumerate() {
        let part = part.trim();
        let named = part.split_once('=').filter(|(key, value)| {
            !value.starts_with('=') && key.trim().chars().all(|c| c.is_alphanumeric() || c == '_')
        });
        match named.map(|(key, value)| (key.trim(), value.trim())) {
            None if index == 0 => call.expression = part.to_owned(),
            Some(("sometimes", "True")) | Some(("strict", "False")) => call.sometimes = true,
            Some(("sometimes", "False")) | Some(("strict", "True")) => {}
            Some(("note", text)) => call.note = Some(text.trim_matches(['\'', '"']).to_owned()),
            _ => return Err(format!("Match: `{part}` is not supported")),
        }
    }
    Ok(call)
}

/// Arguments, split at commas that stand in no brackets and no text. `None`: the brackets do not match.
fn split_arguments(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut depth, mut quote) = (Vec::new(), 0, 0i32, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    parts.push(&text[from..]);
    (depth == 0 && quote.is_none()).then_some(parts)
}

/// An expression with versions in it.
#[derive(Debug)]
pub(super) struct Versions {
    tokens: Vec<Token>,
    definitions: Vec<(String, String)>,
    /// The expression for each platform.
    cache: RefCell<HashMap<String, Rc<Expression>>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// Any part of an expression, as it is.
    Text(String),
    Name(String),
    /// A text in quotes, with them.
    Quoted(String),
    Number(String),
}

impl Versions {
    pub fn holds(&self, subject: &Subject<'_>) -> Result<bool, String> {
        let known = self.cache.borrow().get(subject.platform).cloned();
        let expression = match known {
            Some(expression) => expression,
            None => {
                let expression = Rc::new(self.expression(subject.platform)?);
                self.cache.borrow_mut().insert(subject.platform.to_owned(), Rc::clone(&expression));
                expression
            }
        };
        holds(&expression, &subject.data())
    }

    fn version(&self, name: &str, platform: &str) -> Option<Option<String>> {
        if let Some((_, version)) = self.definitions.iter().find(|(defined, _)| defined == name) {
            return Some(Some(version.clone()));
        }
        (name == "rhel").then(|| rhel(platform))
    }

    /// The expression, with the versions of a platform put in.
    fn expression(&self, platform: &str) -> Result<Expression, String> {
        let mut text = String::new();
        let tokens: Vec<&Token> = self.tokens.iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            let Token::Name(name) = token else {
                text.push_str(token.as_str());
                continue;
            };
            if name == "env" {
                let (value, length) = env(&tokens[at..])?;
                text.push_str(&value);
                at += length;
            } else if let Some(version) = self.version(name, platform) {
                let (value, length) = compared(version.as_deref(), &tokens[at..]);
                text.push_str(value);
                at += length;
            } else if matches!(name.as_str(), "oscap" | "ssg") {
                return Err(format!("the version of {name} is not known (--define {name}=VERSION)"));
            } else {
                text.push_str(name);
            }
        }
        Expression::parse(&text).map_err(|e| e.to_string())
    }
}

impl Token {
    fn as_str(&self) -> &str {
        match self {
            Token::Text(text) | Token::Name(text) | Token::Quoted(text) | Token::Number(text) => text,
        }
    }
}

/// What a version comes to together with the comparison behind it, and how many tokens that takes.
fn compared(version: Option<&str>, behind: &[&Token]) -> (&'static str, usize) {
    let truth = |holds: bool| if holds { "True" } else { "False" };
    let operator = match behind.first() {
        Some(Token::Text(text)) => text.trim(),
        _ => "",
    };
    let other = match behind.get(1) {
        Some(Token::Number(text)) => text.as_str(),
        Some(Token::Quoted(text)) => text.trim_matches(['\'', '"']),
        _ => return (truth(version.is_some()), 0),
    };
    let order = version.map(|version| order(version, other));
    let holds = match (operator, order) {
        ("==", Some(order)) => order.is_eq(),
        ("!=", Some(order)) => order.is_ne(),
        ("<", Some(order)) => order.is_lt(),
        ("<=", Some(order)) => order.is_le(),
        (">", Some(order)) => order.is_gt(),
        (">=", Some(order)) => order.is_ge(),
        // What is not there compares as nothing.
        ("==" | "!=" | "<" | "<=" | ">" | ">=", None) => false,
        _ => return (truth(version.is_some()), 0),
    };
    (truth(holds), 2)
}

/// Compares as many parts as the other version has.
fn order(version: &str, other: &str) -> std::cmp::Ordering {
    let parts = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    let (mut own, other) = (parts(version), parts(other));
    own.truncate(other.len());
    own.cmp(&other)
}

/// The version in the name of a platform: `rhel-9.4`, `centos-stream-9`, `cs10`, `el8`.
fn rhel(platform: &str) -> Option<String> {
    let lower = platform.to_ascii_lowercase();
    ["rhel", "centos-stream", "centos", "cs", "el", "c"].into_iter().find_map(|name| {
        let (before, rest) = lower.split_once(name)?;
        let begins = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let rest = rest.trim_start_matches(['-', '_', ':']);
        let version: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        (begins && version.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| version.trim_end_matches('.').to_owned())
    })
}

/// `('NAME')` behind `env`: what it is, as Python writes it.
fn env(behind: &[&Token]) -> Result<(String, usize), String> {
    match behind {
        [Token::Text(open), Token::Quoted(name), Token::Text(close), ..]
            if open.trim() == "(" && close.trim_start().starts_with(')') =>
        {
            let value = std::env::var(name.trim_matches(['\'', '"'])).ok();
            let value = value.map_or_else(|| "None".to_owned(), |value| crate::yaml::quoted(&value));
            let rest = close.trim_start().strip_prefix(')').unwrap_or_default();
            Ok((format!("{value}{rest}"), 3))
        }
        _ => Err("env: expected the name of a variable in quotes".into()),
    }
}

/// Splits an expression into names, texts, numbers, and what is between them.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let take = |chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>, more: fn(char) -> bool| {
            let mut end = at + c.len_utf8();
            while let Some((next, c)) = chars.next_if(|(_, c)| more(*c)) {
                end = next + c.len_utf8();
            }
            text[at..end].to_owned()
        };
        if c.is_alphabetic() || c == '_' {
            let name = take(&mut chars, |c| c.is_alphanumeric() || c == '_');
            // A letter before a quote is part of the text, and an attribute is no name.
            let is_prefix = chars.peek().is_some_and(|(_, c)| matches!(c, '\'' | '"'));
            let is_attribute = matches!(tokens.last(), Some(Token::Text(text)) if text.ends_with('.'));
            tokens.push(if is_prefix || is_attribute { Token::Text(name) } else { Token::Name(name) });
        } else if c.is_ascii_digit() {
            tokens.push(Token::Number(take(&mut chars, |c| c.is_ascii_digit() || c == '.')));
        } else if matches!(c, '\'' | '"') {
            let mut escaped = false;
            let end = loop {
                let Some((next, other)) = chars.next() else { return Err("a text without its end".into()) };
                if other == c && !escaped {
                    break next + 1;
                }
                escaped = other == '\\' && !escaped;
            };
            tokens.push(Token::Quoted(text[at..end].to_owned()));
        } else {
            match tokens.last_mut() {
                Some(Token::Text(text)) if !text.ends_with(|c: char| c.is_alphanumeric()) => text.push(c),
                _ => tokens.push(Token::Text(c.to_string())),
            }
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_as_many_parts_as_are_asked_for() {
        for (expression, platform, expected) in [
            ("rhel == 9", "rhel-9.4", true),
            ("rhel == 9.0", "rhel-9.4", false),
            ("rhel >= 9.4 and rhel < 10", "rhel-9.4@x86_64", true),
            ("rhel <= 8.6 or 'x' in note", "cs9", false),
            ("rhel != 9", "centos-stream-10", true),
            ("rhel", "fedora-42", false),
            ("not rhel and arch == 's390x'", "fedora-42:s390x", true),
            ("(rhel == 8 or rhel == 9) and status == 'fail'", "c9s", true),
            ("rhel == 8", "fedora-42", false),
            ("'rhel == 8' in note", "rhel-8.1", false),
            ("oscap < '1.3.6'", "rhel-9.4", true),
            ("oscap < '1.3'", "rhel-9.4", false),
            ("env('SURELY_NOT_SET_HERE') == 'x'", "rhel-9.4", false),
            ("env('SURELY_NOT_SET_HERE') is None", "rhel-9.4", true),
        ] {
            let versions = Versions {
                tokens: tokens(expression).unwrap(),
                definitions: vec![("oscap".into(), "1.3.5".into())],
                cache: RefCell::default(),
            };
            let time = atex_model::Time(0);
            let subject =
                Subject { platform, test: "/t", subtest: Some("s"), status: "fail", note: "rhel", time };
            assert_eq!(versions.holds(&subject), Ok(expected), "{expression} on {platform}");
        }
    }

    #[test]
    fn sections_are_read_as_the_project_writes_them() {
        let text = "# comment\n\n/a/.*\n# another\n/b\n    rhel == 9 and \\\n        status == 'error'\n/c\n    \
                    Match(True, sometimes=True)\n\n# vim: syntax=python\n";
        let waivers = parse("w", text, &[]).unwrap();
        let brief: Vec<_> = waivers.iter().map(|w| (w.label.by.as_str(), w.names.len(), w.strict)).collect();
        assert_eq!(brief, [("w:3", 2, true), ("w:8", 1, false)]);
    }

    #[test]
    fn mistakes_are_named_by_their_line() {
        for (text, message) in [
            ("/a\n\n    True\n", "w:2: expected a regular expression or an expression, found an empty line"),
            ("/a\n", "w:1: expected an expression below"),
            ("    True\n", "w:1: expected a regular expression before"),
            ("/a(\n    True\n", "w:1: "),
            ("/a\n    True +\n", "w:1: "),
            ("/a\n    oscap < '1'\n", "w:1: the version of oscap is not known (--define oscap=VERSION)"),
            ("/a\n    Match(True, other=1)\n", "w:1: Match: `other=1` is not supported"),
            ("/a\n    'x\n", "w:1: a text without its end"),
        ] {
            let error = parse("w", text, &[]).unwrap_err();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
