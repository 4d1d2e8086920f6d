//! Characters to tokens: indentation, simple keys, and the start of every scalar.
//!
//! A mapping key is only known as such when its `:` is met, so tokens wait in a queue until that is decided: a place
//! where a key might begin is remembered as a [`SimpleKey`], and the key token is put in there afterwards. A key must
//! fit on its line and in 1024 characters.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::mem::discriminant;

use super::{MAX_DEPTH, YamlError};

/// A place in the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// Byte offset.
    pub at: usize,
    /// Byte offset of the line's start.
    pub line_start: usize,
    /// Line, from 0.
    pub line: u32,
}

impl Mark {
    fn column(self) -> isize {
        (self.at - self.line_start).cast_signed()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Token<'a> {
    Directive(Directive),
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    /// Handle (none for a verbatim or bare tag) and suffix.
    Tag(Option<&'a str>, Cow<'a, str>),
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
    },
}

impl Token<'_> {
    /// Whether both are of the same kind, whatever they hold.
    #[inline]
    pub fn is_like(&self, other: &Token<'_>) -> bool {
        discriminant(self) == discriminant::<Token<'_>>(other)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Directive {
    Yaml(u32, u32),
    Tag(String, String),
    Other,
}

struct SimpleKey {
    /// Its token's number, counted from the start of the text.
    token: usize,
    /// In block context at the current indentation nothing but a key can stand.
    required: bool,
    mark: Mark,
}

pub struct Scanner<'a> {
    pub(super) source: &'a str,
    pub(super) mark: Mark,
    tokens: VecDeque<(Token<'a>, Mark)>,
    taken: usize,
    done: bool,
    /// The number of the first token, once it is known that no key will be put before it.
    ready: Option<usize>,
    pub(super) indent: isize,
    indents: Vec<isize>,
    /// Whether each open flow collection is a mapping.
    flow: Vec<bool>,
    pub(super) allow_simple_key: bool,
    /// By flow level.
    simple_keys: Vec<Option<SimpleKey>>,
    version_1_1: bool,
}

pub(super) type Result<T> = std::result::Result<T, YamlError>;

impl<'a> Scanner<'a> {
    pub fn new(source: &'a str) -> Result<Self> {
        let start = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let scanner = Self {
            source,
            mark: Mark { at: start, line_start: start, line: 0 },
            tokens: VecDeque::new(),
            taken: 0,
            done: false,
            ready: None,
            indent: -1,
            indents: Vec::new(),
            flow: Vec::new(),
            allow_simple_key: true,
            simple_keys: vec![None],
            version_1_1: false,
        };
        scanner.check_printable()?;
        Ok(scanner)
    }

    /// Switches to the rules of YAML 1.1.
    pub fn use_version_1_1(&mut self) {
        self.version_1_1 = true;
    }

    /// The next token and where it starts, without taking it.
    #[inline]
    pub fn peek(&mut self) -> Result<&(Token<'a>, Mark)> {
        if self.ready != Some(self.taken) {
            self.make_ready()?;
        }
        self.tokens.front().ok_or_else(|| unexpected_end(self))
    }

    fn make_ready(&mut self) -> Result<()> {
        while self.needs_more()? {
            self.fetch()?;
        }
        self.ready = Some(self.taken);
        Ok(())
    }

    /// Takes the next token.
    pub fn next(&mut self) -> Result<(Token<'a>, Mark)> {
        self.peek()?;
        self.taken += 1;
        self.tokens.pop_front().ok_or_else(|| unexpected_end(self))
    }

    pub fn error_at(&self, mark: Mark, message: impl Into<String>) -> YamlError {
        let (line, column) = self.line_and_column(mark);
        YamlError { syntax: true, message: message.into(), line, column }
    }

    pub(super) fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(self.error_at(self.mark, message))
    }

    /// Line and column from 1; columns in characters, except far to the right, where counting would cost too much.
    pub fn line_and_column(&self, mark: Mark) -> (u32, u32) {
        let before = self.source.get(mark.line_start..mark.at).unwrap_or("");
        let column = if before.len() > 1024 { before.len() } else { before.chars().count() };
        (mark.line + 1, u32::try_from(column + 1).unwrap_or(u32::MAX))
    }

    fn check_printable(&self) -> Result<()> {
        let bytes = self.source.as_bytes();
        let suspicious = |byte: u8| {
            let control = byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
            control | matches!(byte, 0x7f | 0xc2 | 0xef)
        };
        // Whole blocks at a time, without a branch for each byte.
        let blocks = bytes.chunks(64).enumerate();
        let blocks =
            blocks.filter(|(_, block)| block.iter().fold(false, |found, byte| found | suspicious(*byte)));
        let places = blocks.flat_map(|(number, block)| (0..block.len()).map(move |at| number * 64 + at));
        for at in places.filter(|at| suspicious(bytes[*at])) {
            let bad = match (bytes[at], bytes.get(at + 1)) {
                (b'\t' | b'\n' | b'\r', _) => false,
                (0..=0x1f | 0x7f, _) => true,
                (0xc2, Some(next)) => *next < 0xa0 && *next != 0x85,
                (_, Some(next)) => *next == 0xbf && bytes.get(at + 2).is_some_and(|last| *last >= 0xbe),
                _ => false,
            };
            if bad {
                let lines = self.source[..at].matches('\n').count();
                let line_start = self.source[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let mark = Mark { at, line_start, line: u32::try_from(lines).unwrap_or(u32::MAX) };
                return Err(self.error_at(mark, "control characters are not allowed"));
            }
        }
        Ok(())
    }

    // Characters.

    pub(super) fn rest(&self) -> &'a str {
        &self.source[self.mark.at..]
    }

    /// The byte some way ahead; 0 at the end, which no text contains.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.source.as_bytes().get(self.mark.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn at_end(&self) -> bool {
        self.mark.at >= self.source.len()
    }

    pub(super) fn column(&self) -> isize {
        self.mark.column()
    }

    /// Steps over bytes that hold no line break.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.mark.at += bytes;
    }

    pub(super) fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while wanted(self.byte(0)) && !self.at_end() {
            self.mark.at += 1;
        }
    }

    /// Length of the line break some way ahead, 0 if there is none. U+0085 is one, though it starts no new line as
    /// far as columns are concerned.
    pub(super) fn break_len(&self, ahead: usize) -> usize {
        match self.byte(ahead) {
            b'\n' => 1,
            b'\r' if self.byte(ahead + 1) == b'\n' => 2,
            b'\r' => 1,
            0xc2 if self.byte(ahead + 1) == 0x85 => 2,
            _ => 0,
        }
    }

    /// Steps over a line break, if there is one.
    pub(super) fn skip_break(&mut self) -> bool {
        let len = self.break_len(0);
        let newline = len > 0 && self.byte(0) != 0xc2;
        self.mark.at += len;
        if newline {
            self.mark.line += 1;
            self.mark.line_start = self.mark.at;
        }
        len > 0
    }

    /// Whether a blank, a line break or the end is some way ahead.
    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        let byte = self.byte(ahead);
        matches!(byte, b' ' | b'\t') || self.is_break_or_end(ahead)
    }

    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        self.byte(ahead) == 0 || self.break_len(ahead) > 0
    }

    /// Whether `---` or `...` stands here alone; the caller knows that a line starts here.
    pub(super) fn at_document_marker(&self) -> bool {
        let rest = self.rest();
        (rest.starts_with("---") || rest.starts_with("...")) && self.is_blank(3)
    }

    pub(super) fn in_flow(&self) -> bool {
        !self.flow.is_empty()
    }

    // Simple keys.

    fn needs_more(&mut self) -> Result<bool> {
        if self.done {
            return Ok(false);
        }
        if self.tokens.is_empty() {
            return Ok(true);
        }
        self.drop_stale_keys()?;
        Ok(self.simple_keys.iter().flatten().next().is_some_and(|key| key.token == self.taken))
    }

    /// Forgets possible keys whose line has ended or that have become too long.
    fn drop_stale_keys(&mut self) -> Result<()> {
        // Levels are few, and in block context there is but one.
        for level in 0..self.simple_keys.len() {
            let Some(key) = &self.simple_keys[level] else { continue };
            let too_long = self.mark.at - key.mark.at > 1024
                && self.source[key.mark.at..self.mark.at].chars().count() > 1024;
            if key.mark.line == self.mark.line && !too_long {
                continue;
            }
            if key.required {
                return Err(self.error_at(key.mark, "a ':' is missing after this key, on the same line"));
            }
            self.simple_keys[level] = None;
        }
        Ok(())
    }

    fn save_simple_key(&mut self) -> Result<()> {
        if !self.allow_simple_key {
            return Ok(());
        }
        let required = !self.in_flow() && self.indent == self.column();
        self.remove_simple_key()?;
        let key = SimpleKey { token: self.taken + self.tokens.len(), required, mark: self.mark };
        self.simple_keys[self.flow.len()] = Some(key);
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<()> {
        match self.simple_keys[self.flow.len()].take() {
            Some(key) if key.required => {
                Err(self.error_at(key.mark, "a ':' is missing after this key, on the same line"))
            }
            _ => Ok(()),
        }
    }

    // Indentation.

    fn unwind_indent(&mut self, column: isize) {
        if self.in_flow() {
            return;
        }
        while self.indent > column {
            self.indent = self.indents.pop().unwrap_or(-1);
            self.tokens.push_back((Token::BlockEnd, self.mark));
        }
    }

    fn add_indent(&mut self, column: isize) -> Result<bool> {
        if self.indent >= column {
            return Ok(false);
        }
        if self.indents.len() >= MAX_DEPTH {
            return self.error(too_deep());
        }
        self.indents.push(self.indent);
        self.indent = column;
        Ok(true)
    }

    // Tokens.

    fn push(&mut self, token: Token<'a>, bytes: usize) {
        self.tokens.push_back((token, self.mark));
        self.skip(bytes);
    }

    fn skip_to_next_token(&mut self) {
        loop {
            let tabs = self.in_flow();
            self.skip_while(|byte| byte == b' ' || tabs && byte == b'\t');
            if self.byte(0) == b'#' {
                self.skip_comment();
            }
            if !self.skip_break() {
                return;
            }
            if !self.in_flow() {
                self.allow_simple_key = true;
            }
        }
    }

    pub(super) fn skip_comment(&mut self) {
        while !self.is_break_or_end(0) {
            self.skip(1);
        }
    }

    fn fetch(&mut self) -> Result<()> {
        self.skip_to_next_token();
        self.drop_stale_keys()?;
        self.unwind_indent(self.column());
        let first = self.byte(0);
        if self.at_end() {
            return self.fetch_stream_end();
        }
        if self.column() == 0 {
            if first == b'%' {
                return self.fetch_directive();
            }
            if self.at_document_marker() {
                return self.fetch_document_marker(first == b'-');
            }
        }
        match first {
            b'[' | b'{' => self.fetch_flow_start(first == b'{'),
            b']' | b'}' => self.fetch_flow_end(first == b'}'),
            b',' => self.fetch_flow_entry(),
            b'-' if self.is_blank(1) => self.fetch_block_entry(),
            b'?' if self.in_flow() || self.is_blank(1) => self.fetch_key(),
            b':' if self.is_value_indicator() => self.fetch_value(),
            b'*' | b'&' => self.fetch_anchor(first == b'*'),
            b'!' => self.fetch_tag(),
            b'|' | b'>' if !self.in_flow() => self.fetch_block_scalar(first == b'>'),
            b'\'' | b'"' => self.fetch_quoted(first == b'"'),
            _ if self.starts_plain(first) => self.fetch_plain(),
            b'\t' => self.error("a tab cannot stand here; indent and separate with spaces"),
            _ => self.error(format!(
                "'{}' cannot start a value; quote it",
                self.rest().chars().next().unwrap_or(' ')
            )),
        }
    }

    fn fetch_stream_end(&mut self) -> Result<()> {
        self.unwind_indent(-1);
        self.remove_simple_key()?;
        self.simple_keys.iter_mut().for_each(|key| *key = None);
        self.push(Token::StreamEnd, 0);
        self.done = true;
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<()> {
        self.unwind_indent(-1);
        self.remove_simple_key()?;
        self.allow_simple_key = false;
        let start = self.mark;
        let directive = self.scan_directive()?;
        self.tokens.push_back((Token::Directive(directive), start));
        Ok(())
    }

    fn fetch_document_marker(&mut self, start: bool) -> Result<()> {
        self.unwind_indent(-1);
        self.remove_simple_key()?;
        self.allow_simple_key = false;
        self.push(if start { Token::DocumentStart } else { Token::DocumentEnd }, 3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, mapping: bool) -> Result<()> {
        self.save_simple_key()?;
        if self.flow.len() >= MAX_DEPTH {
            return self.error(too_deep());
        }
        self.flow.push(mapping);
        self.simple_keys.push(None);
        self.allow_simple_key = true;
        self.push(if mapping { Token::FlowMappingStart } else { Token::FlowSequenceStart }, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, mapping: bool) -> Result<()> {
        self.remove_simple_key()?;
        if self.flow.pop().is_some() {
            self.simple_keys.pop();
        }
        self.allow_simple_key = false;
        self.push(if mapping { Token::FlowMappingEnd } else { Token::FlowSequenceEnd }, 1);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<()> {
        self.allow_simple_key = true;
        self.remove_simple_key()?;
        self.push(Token::FlowEntry, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<()> {
        if !self.in_flow() {
            if !self.allow_simple_key {
                return self.error("a list item ('- ') must start on its own line");
            }
            if self.add_indent(self.column())? {
                self.push(Token::BlockSequenceStart, 0);
            }
        }
        self.allow_simple_key = true;
        self.remove_simple_key()?;
        self.push(Token::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<()> {
        if !self.in_flow() {
            if !self.allow_simple_key {
                return self.error("a mapping key ('? ') must start on its own line");
            }
            if self.add_indent(self.column())? {
                self.push(Token::BlockMappingStart, 0);
            }
        }
        self.allow_simple_key = !self.in_flow();
        self.remove_simple_key()?;
        self.push(Token::Key, 1);
        Ok(())
    }

    fn is_value_indicator(&self) -> bool {
        if !self.in_flow() {
            return self.is_blank(1);
        }
        if self.version_1_1 {
            return true;
        }
        let in_sequence = self.flow.last() == Some(&false);
        let after_value = matches!(self.tokens.back(), Some((Token::Value, _)));
        !(in_sequence || after_value) || self.is_blank(1)
    }

    fn fetch_value(&mut self) -> Result<()> {
        if let Some(key) = self.simple_keys[self.flow.len()].take() {
            let at = key.token - self.taken;
            self.tokens.insert(at, (Token::Key, key.mark));
            if !self.in_flow() && self.add_indent(key.mark.column())? {
                self.tokens.insert(at, (Token::BlockMappingStart, key.mark));
            }
            self.allow_simple_key = false;
        } else {
            if !self.in_flow() {
                if !self.allow_simple_key {
                    return self.error("a second ': ' on this line; quote the value");
                }
                if self.add_indent(self.column())? {
                    self.push(Token::BlockMappingStart, 0);
                }
            }
            self.allow_simple_key = !self.in_flow();
            self.remove_simple_key()?;
        }
        self.push(Token::Value, 1);
        Ok(())
    }

    fn fetch_anchor(&mut self, alias: bool) -> Result<()> {
        self.save_simple_key()?;
        self.allow_simple_key = false;
        let start = self.mark;
        let name = self.scan_anchor()?;
        self.tokens.push_back((if alias { Token::Alias(name) } else { Token::Anchor(name) }, start));
        Ok(())
    }

    fn fetch_tag(&mut self) -> Result<()> {
        self.save_simple_key()?;
        self.allow_simple_key = false;
        let start = self.mark;
        let (handle, suffix) = self.scan_tag()?;
        self.tokens.push_back((Token::Tag(handle, suffix), start));
        Ok(())
    }

    fn fetch_block_scalar(&mut self, folded: bool) -> Result<()> {
        self.allow_simple_key = true;
        self.remove_simple_key()?;
        let start = self.mark;
        let text = Cow::Owned(self.scan_block_scalar(folded)?);
        self.tokens.push_back((Token::Scalar { text, plain: false }, start));
        Ok(())
    }

    fn fetch_quoted(&mut self, double: bool) -> Result<()> {
        self.save_simple_key()?;
        self.allow_simple_key = false;
        let start = self.mark;
        let text = self.scan_quoted(double)?;
        self.tokens.push_back((Token::Scalar { text, plain: false }, start));
        Ok(())
    }

    fn fetch_plain(&mut self) -> Result<()> {
        self.save_simple_key()?;
        self.allow_simple_key = false;
        let start = self.mark;
        let text = self.scan_plain();
        self.tokens.push_back((Token::Scalar { text, plain: true }, start));
        Ok(())
    }

    fn starts_plain(&self, first: u8) -> bool {
        match first {
            b'-' => !self.is_blank(1),
            b':' if self.in_flow() => !matches!(self.byte(1), b' ' | b'\t'),
            b'?' | b':' => !self.in_flow() && !self.is_blank(1),
            b' ' | b'\t' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>'
            | b'\'' | b'"' | b'%' | b'@' | b'`' => false,
            _ => self.break_len(0) == 0,
        }
    }
}

fn unexpected_end(scanner: &Scanner<'_>) -> YamlError {
    scanner.error_at(scanner.mark, "the text ends unexpectedly")
}

fn too_deep() -> String {
    format!("more than {MAX_DEPTH} levels of nesting")
}
