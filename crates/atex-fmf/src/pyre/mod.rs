//! Python's regular expressions.
//!
//! A pattern is checked and rewritten by [`translate`], then compiled by `regex`, whose time is linear, and only if
//! that lacks a feature (look-around, back references) by `fancy-regex`, whose steps are limited.
//!
//! `$` also matches before a final newline, which takes a look-ahead. Since hardly any text ends in one, there are two
//! translations, and the costly one is made for such texts only. Likewise for `\B`, which an empty text does not have.

mod flags;
mod named;
mod replace;
mod translate;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, ErrorClass};
use crate::value::Text;
use replace::Template;
use translate::Texts;

/// Replaced text longer than this is refused: repeated replacements can double it each time.
const MAX_REPLACED: usize = 4 << 20;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    /// For all texts but those that the pattern means something else for.
    engine: Engine,
    has_dollar: bool,
    has_not_boundary: bool,
    groups: translate::Groups,
    before_newline: OnceLock<Result<Engine, Error>>,
    for_empty: OnceLock<Result<Engine, Error>>,
    /// Finds matches that are not empty; nothing if there can be none.
    not_empty: OnceLock<Option<fancy_regex::Regex>>,
    anchored: bool,
}

#[derive(Debug)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(fancy_regex::Regex),
}

/// Start and end of the groups of a match; the first is the match itself.
type Spans = Vec<Option<(usize, usize)>>;

/// The first match from some place on that is not empty. It is kept, as to look for it again at each character would take
/// time that is quadratic in the text, which can be long.
enum Ahead {
    Unknown,
    Known(Option<Spans>),
}

impl Ahead {
    /// Whether it is the first from here on, too.
    fn is_known_from(&self, at: usize) -> bool {
        match self {
            Ahead::Unknown => false,
            Ahead::Known(spans) => spans.as_ref().is_none_or(|spans| start_of(spans) >= Some(at)),
        }
    }
}

impl Pattern {
    /// Compiles a pattern to be searched for anywhere in a text.
    pub fn new(source: &str) -> Result<Self, Error> {
        Self::compile(&named::resolved(source).map_err(|why| bad_pattern(source, &why))?, false)
    }

    /// The same, but for characters by their names (`\N{…}`): who needs no others does without the table of names.
    pub(crate) fn without_names(source: &str) -> Result<Self, Error> {
        Self::compile(source, false)
    }

    /// Compiles a pattern that has to match from the start of a text.
    pub fn at_start(source: &str) -> Result<Self, Error> {
        Self::compile(&named::resolved(source).map_err(|why| bad_pattern(source, &why))?, true)
    }

    fn compile(source: &str, anchored: bool) -> Result<Self, Error> {
        let translated =
            translate::translate(source, Texts::Most).map_err(|why| bad_pattern(source, &why))?;
        Ok(Self {
            source: source.to_owned(),
            engine: Engine::new(source, &anchor(&translated.pattern, anchored))?,
            has_dollar: translated.has_dollar,
            has_not_boundary: translated.has_not_boundary,
            groups: translated.groups,
            before_newline: OnceLock::new(),
            for_empty: OnceLock::new(),
            not_empty: OnceLock::new(),
            anchored,
        })
    }

    fn engine_for(&self, text: &str) -> Result<&Engine, Error> {
        let (engine, texts) = if self.has_dollar && text.ends_with('\n') {
            (&self.before_newline, Texts::EndInNewline)
        } else if self.has_not_boundary && text.is_empty() {
            (&self.for_empty, Texts::Empty)
        } else {
            return Ok(&self.engine);
        };
        engine
            .get_or_init(|| {
                let translated = translate::translate(&self.source, texts)
                    .map_err(|why| bad_pattern(&self.source, &why))?;
                Engine::new(&self.source, &anchor(&translated.pattern, self.anchored))
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Whether the pattern is found in a text.
    pub fn is_found_in(&self, text: &str) -> Result<bool, Error> {
        match self.engine_for(text)? {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|error| self.gave_up(&error)),
        }
    }

    /// Replaces all matches.
    pub fn replace(&self, text: &str, replacement: &Replacement) -> Result<String, Error> {
        let engine = self.engine_for(text)?;
        let mut ahead = Ahead::Unknown;
        let mut out = String::new();
        let mut copied = 0;
        let mut next = engine.find(text, 0).map_err(|error| self.gave_up(&error))?;
        while let Some(spans) = next {
            let (start, end) = spans[0].unwrap_or((text.len(), text.len()));
            out.push_str(&text[copied..start]);
            replacement.0.expand(text, &spans, &mut out);
            copied = end;
            if out.len() > MAX_REPLACED {
                return Err(Error::new(
                    ErrorClass::Recursion,
                    format!("replacing '{}' makes the text too long", self.source),
                ));
            }
            next = if start < end {
                engine.find(text, end).map_err(|error| self.gave_up(&error))?
            } else {
                self.find_after_empty(engine, text, end, &mut ahead)?
            };
        }
        out.push_str(&text[copied..]);
        Ok(out)
    }

    /// After an empty match: a match here that is not empty, or any further on.
    fn find_after_empty(
        &self,
        engine: &Engine,
        text: &str,
        at: usize,
        ahead: &mut Ahead,
    ) -> Result<Option<Spans>, Error> {
        let Some(c) = text[at..].chars().next() else { return Ok(None) };
        if !ahead.is_known_from(at) {
            *ahead = Ahead::Known(self.find_not_empty(text, at)?);
        }
        match ahead {
            Ahead::Known(Some(spans)) if start_of(spans) == Some(at) => Ok(Some(spans.clone())),
            _ => engine.find(text, at + c.len_utf8()).map_err(|error| self.gave_up(&error)),
        }
    }

    fn find_not_empty(&self, text: &str, at: usize) -> Result<Option<Spans>, Error> {
        let not_empty = self.not_empty.get_or_init(|| self.compile_not_empty());
        let Some(not_empty) = not_empty else { return Ok(None) };
        let captures = not_empty.captures_from_pos(text, at).map_err(|error| self.gave_up(&error))?;
        Ok(captures.map(|captures| fancy_spans(&captures)))
    }

    /// Compiling fails only if every match is empty, since the pattern itself has been compiled before.
    fn compile_not_empty(&self) -> Option<fancy_regex::Regex> {
        let translated = translate::translate(&self.source, Texts::EndInNewline).ok()?;
        let pattern = anchor(&translated.pattern, self.anchored);
        fancy_regex::RegexBuilder::new(&pattern).find_not_empty(true).build().ok()
    }

    fn gave_up(&self, error: &fancy_regex::Error) -> Error {
        bad_pattern(&self.source, &error.to_string())
    }
}

fn anchor(pattern: &str, anchored: bool) -> String {
    if anchored { format!("\\A(?:{pattern})") } else { pattern.to_owned() }
}

fn bad_pattern(source: &str, why: &str) -> Error {
    Error::new(ErrorClass::Pattern, format!("invalid regular expression '{source}': {why}"))
}

fn too_big(source: &str, limit: usize) -> Error {
    let why = format!("compiled, its repetitions take more than {} MB; repeat less", limit >> 20);
    bad_pattern(source, &why)
}

impl Engine {
    fn new(source: &str, pattern: &str) -> Result<Self, Error> {
        match regex::Regex::new(pattern) {
            Ok(regex) => return Ok(Self::Linear(regex)),
            Err(regex::Error::CompiledTooBig(limit)) => return Err(too_big(source, limit)),
            Err(_) => {}
        }
        fancy_regex::Regex::new(pattern).map(Self::Backtracking).map_err(|error| {
            if let fancy_regex::Error::CompileError(error) = &error
                && let fancy_regex::CompileError::InnerError(error) = &**error
                && let Some(limit) = error.size_limit()
            {
                return too_big(source, limit);
            }
            bad_pattern(source, &error.to_string())
        })
    }

    fn find(&self, text: &str, at: usize) -> Result<Option<Spans>, fancy_regex::Error> {
        match self {
            Self::Linear(regex) => Ok(regex.captures_at(text, at).map(|captures| {
                captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
            })),
            Self::Backtracking(regex) => {
                Ok(regex.captures_from_pos(text, at)?.map(|captures| fancy_spans(&captures)))
            }
        }
    }
}

fn start_of(spans: &Spans) -> Option<usize> {
    spans[0].map(|(start, _)| start)
}

fn fancy_spans(captures: &fancy_regex::Captures<'_, str>) -> Spans {
    captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
}

/// A parsed replacement text for one pattern.
#[derive(Debug)]
pub struct Replacement(Template);

impl Replacement {
    /// Parses a replacement; the pattern says which groups there are.
    pub fn new(text: &str, pattern: &Pattern) -> Result<Self, Error> {
        let bad = |why: String| {
            Error::new(
                ErrorClass::Pattern,
                format!("invalid replacement '{text}' for '{}': {why}", pattern.source),
            )
        };
        Template::parse(text, &pattern.groups).map(Self).map_err(bad)
    }
}

/// Patterns compiled so far; trees use few different ones many times.
#[derive(Default)]
pub struct Patterns(HashMap<Text, Arc<Pattern>>);

impl Patterns {
    /// The compiled pattern.
    pub fn get(&mut self, source: &Text) -> Result<Arc<Pattern>, Error> {
        if let Some(pattern) = self.0.get(source) {
            return Ok(pattern.clone());
        }
        let pattern = Arc::new(Pattern::new(source)?);
        self.0.insert(source.clone(), pattern.clone());
        Ok(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_characters_can_be_left_out() {
        let error = Pattern::without_names("a\\N{SOLIDUS}").unwrap_err().to_string();
        assert!(error.contains("give its number"), "{error}");
        assert!(
            Pattern::new("\\\\N{2}").unwrap().is_found_in("\\NN").unwrap(),
            "a backslash that is escaped"
        );
    }

    #[test]
    fn found_or_not_as_python_has_it() {
        for (pattern, text, found) in [
            ("b$", "ab\n", true),
            ("b\\Z", "ab\n", false),
            ("^b", "a\nb", false),
            ("(?m)^b$", "a\nb\nc", true),
            ("(?i)ABC", "xabc", true),
            ("a(?i:B)c", "abc", true),
            ("[[]", "[", true),
            ("[a&&b]", "&", true),
            ("[]a]", "]", true),
            ("[^]a]", "]", false),
            ("x{,2}y", "xxy", true),
            ("x{a}", "x{a}", true),
            ("\\<a\\>", "<a>", true),
            ("(a)(?(1)b|c)", "ab", true),
            ("(?P<n>a)(?P=n)", "aa", true),
            ("(a)\\1", "ab", false),
            ("a++b", "aaab", true),
            ("a++a", "aaa", false),
            ("(?>a|ab)c", "abc", false),
            ("(?<=a)b", "ab", true),
            ("(?<!a)b", "ab", false),
            ("(?#note)a", "a", true),
            ("^a(?#note)*$", "aaa", true),
            ("(?#note)(?i)A", "a", true),
            ("(?x) # note\n (?i)A", "a", true),
            ("(?t)(?ti)A", "a", true),
            ("(?a)(?u:\\d)", "٣", true),
            ("\\N{SOLIDUS}", "/", true),
            ("[\\N{digit one}-\\N{DIGIT THREE}]", "2", true),
            ("\\N{NBSP}", "\u{a0}", true),
            // What takes no text can be repeated, too.
            ("(?=t)*", "", true),
            ("^(?!z)?t", "t", true),
            ("(?:(?=t))*", "", true),
            ("(?<!a)?", "a", true),
            ("(?<=a){2}b", "ab", true),
            ("(?<=a){2}b", "bb", false),
            ("(?!a)*?", "a", true),
            ("(?=a)+", "b", false),
            ("(?=a){2,3}?b", "b", false),
            ("(?=(a))?\\1", "a", true),
            ("(?=(a))??\\1", "b", false),
            ("(?=(a))?+\\1", "b", false),
            ("(?=(a)){0}b", "b", true),
            ("(^)*a", "a", true),
            ("()*$", "", true),
            ("(a)(?<=(b)\\1)t", "abat", true),
            ("(a)?(?<=(?(1)b|c))t", "ct", true),
            ("\\d", "٣", true),
            ("(?a)\\d", "٣", false),
            ("\\s", "\u{1c}", true),
            ("[\\S]", "\u{1c}", false),
            (".", "\n", false),
            ("(?s).", "\n", true),
            ("(?x) a b # c", "ab", true),
            ("\\101", "A", true),
            ("[\\b]", "\u{8}", true),
            ("\\B", "", false),
            ("^\\B$", "", false),
            ("(?i)a|(?a:\\B)", "", false),
            ("\\B", "\n", true),
            ("\\B|", "", true),
            ("(?<!\\B)", "", true),
            ("\\B", "ab", true),
            ("\\x41\\u0042", "AB", true),
            ("a|b|", "", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().is_found_in(text), Ok(found), "{pattern} in {text:?}");
        }
    }

    #[test]
    fn refused_as_python_refuses() {
        for pattern in [
            "a(?i)b",
            "\\T",
            "\\z",
            "\\p{L}",
            "\\h",
            "\\K",
            "(?<n>a)",
            "(?<=a+)b",
            "(",
            ")",
            "a)",
            "[a",
            "a**",
            "a{2}{3}",
            "*a",
            "^*",
            "(?P<1>a)",
            "(?P<n>a)(?P<n>b)",
            "\\2(a)",
            "(\\1)",
            "[b-a]",
            "[\\d-z]",
            "(?z)",
            "\\x4",
            "x{3,2}",
            "(?(2)a)",
            "(?P=n)",
            "a\\",
            "(?L)a",
            "(?L:a)",
            "(?-:a)",
            "(?i-:T)",
            "(?m-m:t)",
            "(?i--s:t)",
            "(?i-s-m:t)",
            "(?-a:t)",
            "(?-i)t",
            "(?t:t)",
            "(?x-t:t)",
            "(?au)t",
            "(?a)(?u)t",
            "(?au:t)",
            "(?)t",
            "(?ߋ",
            "(?iߋ:a)",
            "(?i",
            "(?#note)*",
            "^(?#note)*",
            "a*(?#note)*",
            "(?#note",
            "\\N",
            "\\N{}",
            "\\N{SOLIDUS",
            "\\N{NO SUCH NAME}",
            "\\N{greek-small-letter-alpha}",
            "(?<=(a)\\1)t",
            "(?<!(a)\\1)t",
            "(?<=(?=(a))\\1)t",
            "(?<=(?P<n>a)(?P=n))t",
            "(?<=(a)(?(1)b|c))t",
            "(?<=(?(1)b|c))(a)t",
            "\\b*",
        ] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_is_too_large_says_so() {
        for pattern in ["(?:t{1000}){1000}", "(?=a)(?:t{1000}){1000}"] {
            let message = Pattern::new(pattern).unwrap_err().to_string();
            assert!(
                message.ends_with("compiled, its repetitions take more than 10 MB; repeat less"),
                "{message}"
            );
        }
    }

    #[test]
    fn replaced_as_python_replaces() {
        for (pattern, replacement, text, result) in [
            ("x*", "-", "abxd", "-a-b--d-"),
            ("x*?", "-", "xx", "-----"),
            ("|a", "-", "a", "---"),
            ("(a)(b)?", "<\\1\\2\\g<0>>", "ab a", "<abab> <aa>"),
            ("(?P<n>a)", "\\g<n>\\g<1>", "a", "aa"),
            ("a", "$1&\\n\\\\", "a", "$1&\n\\"),
            ("a", "\\.", "a", "\\."),
            ("a", "\\0\\012\\101", "a", "\0\nA"),
            ("b$", "-", "ab\n", "a-\n"),
            ("(?<=b)a*|", "-", "cbaacbac", "-c-b--c-b--c-"),
            ("|b+|a", "-", "abbcb", "-----c---"),
        ] {
            let compiled = Pattern::new(pattern).unwrap();
            let replacement = Replacement::new(replacement, &compiled).unwrap();
            assert_eq!(compiled.replace(text, &replacement).unwrap(), result, "{pattern} in {text}");
        }
    }

    #[test]
    fn empty_matches_take_time_that_is_linear_in_the_text() {
        // The back reference keeps out the engine that is linear by itself.
        let compiled = Pattern::new("(b)\\1|").unwrap();
        let replacement = Replacement::new("-", &compiled).unwrap();
        let text = "a".repeat(100_000);
        assert_eq!(compiled.replace(&text, &replacement).unwrap(), "-a".repeat(100_000) + "-");
    }

    #[test]
    fn bad_replacements_are_refused() {
        let pattern = Pattern::new("(a)").unwrap();
        for replacement in ["\\2", "\\q", "\\g<n>", "\\g<1", "\\g", "\\", "\\400"] {
            assert!(Replacement::new(replacement, &pattern).is_err(), "{replacement}");
        }
    }
}
