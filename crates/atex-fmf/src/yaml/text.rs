//! The insides of scalars, anchors, tags and directives.

use std::borrow::Cow;

use super::YamlError;
use super::scan::{Directive, Mark, Result, Scanner};

impl<'a> Scanner<'a> {
    // Plain.

    pub(super) fn scan_plain(&mut self) -> Cow<'a, str> {
        let indent = self.indent + 1;
        let from = self.mark.at;
        let mut text = Cow::Borrowed("");
        let mut spaces = Cow::Borrowed("");
        while self.byte(0) != b'#' {
            let len = self.plain_len();
            if len == 0 {
                break;
            }
            self.allow_simple_key = false;
            let word = self.mark.at;
            self.skip(len);
            match (&mut text, &spaces) {
                // As long as no line break was folded, it is a piece of the source.
                (Cow::Borrowed(text), Cow::Borrowed(blanks)) if from + text.len() + blanks.len() == word => {
                    *text = &self.source[from..self.mark.at];
                }
                (text, spaces) => {
                    text.to_mut().push_str(spaces);
                    text.to_mut().push_str(&self.source[word..self.mark.at]);
                }
            }
            spaces = self.scan_plain_spaces();
            if spaces.is_empty() || !self.in_flow() && self.column() < indent {
                break;
            }
        }
        text
    }

    /// How far a plain scalar goes without a blank.
    fn plain_len(&self) -> usize {
        let bytes = &self.source.as_bytes()[self.mark.at..];
        let mut len = 0;
        loop {
            len += bytes[len..].iter().take_while(|byte| is_ordinary(**byte)).count();
            let ends = match self.byte(len) {
                b':' => self.is_blank(len + 1),
                b',' | b'[' | b']' | b'{' | b'}' => self.in_flow(),
                _ => self.is_blank(len),
            };
            if ends {
                return len;
            }
            len += 1;
        }
    }

    /// The blanks after a word, folded; empty if nothing can follow.
    fn scan_plain_spaces(&mut self) -> Cow<'a, str> {
        let start = self.mark.at;
        self.skip_while(|byte| byte == b' ');
        if self.break_len(0) == 0 {
            return Cow::Borrowed(&self.source[start..self.mark.at]);
        }
        self.skip_break();
        self.allow_simple_key = true;
        if self.at_document_marker() {
            return Cow::Borrowed("");
        }
        let mut breaks = 0;
        loop {
            self.skip_while(|byte| byte == b' ');
            if !self.skip_break() {
                return folded(breaks);
            }
            breaks += 1;
            if self.at_document_marker() {
                return Cow::Borrowed("");
            }
        }
    }

    // Quoted.

    pub(super) fn scan_quoted(&mut self, double: bool) -> Result<Cow<'a, str>> {
        let start = self.mark;
        let quote = if double { b'"' } else { b'\'' };
        self.skip(1);
        if let Some(text) = self.simple_quoted(quote) {
            return Ok(Cow::Borrowed(text));
        }
        let mut text = String::new();
        loop {
            self.scan_quoted_words(double, start, &mut text)?;
            if self.byte(0) == quote {
                self.skip(1);
                return Ok(Cow::Owned(text));
            }
            self.scan_quoted_spaces(start, &mut text)?;
        }
    }

    /// A quoted scalar on one line without any escape, which nearly all are.
    fn simple_quoted(&mut self, quote: u8) -> Option<&'a str> {
        let rest = self.rest();
        let special = |byte: u8| byte == quote || matches!(byte, b'\\' | b'\n' | b'\r' | 0xc2);
        let end = rest.bytes().position(special)?;
        let doubled = quote == b'\'' && rest.as_bytes().get(end + 1) == Some(&quote);
        if rest.as_bytes()[end] != quote || doubled {
            return None;
        }
        self.skip(end + 1);
        Some(&rest[..end])
    }

    /// Everything up to a blank, a line break or the closing quote.
    fn scan_quoted_words(&mut self, double: bool, start: Mark, text: &mut String) -> Result<()> {
        loop {
            let from = self.mark.at;
            while !matches!(self.byte(0), b'\'' | b'"' | b'\\') && !self.is_blank(0) {
                self.skip(1);
            }
            text.push_str(&self.source[from..self.mark.at]);
            match (self.byte(0), double) {
                (b'\'', false) if self.byte(1) == b'\'' => {
                    text.push('\'');
                    self.skip(2);
                }
                (b'\'', true) => {
                    text.push('\'');
                    self.skip(1);
                }
                (c @ (b'"' | b'\\'), false) => {
                    text.push(char::from(c));
                    self.skip(1);
                }
                (b'\\', true) => {
                    self.skip(1);
                    self.scan_escape(start, text)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn scan_escape(&mut self, start: Mark, text: &mut String) -> Result<()> {
        if self.skip_break() {
            let breaks = self.scan_quoted_breaks(start)?;
            text.extend(std::iter::repeat_n('\n', breaks));
            return Ok(());
        }
        let escape = self.byte(0);
        let plain = match escape {
            b'0' => '\0',
            b'a' => '\u{7}',
            b'b' => '\u{8}',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\u{b}',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'e' => '\u{1b}',
            b' ' => ' ',
            b'"' => '"',
            b'/' => '/',
            b'\\' => '\\',
            b'N' => '\u{85}',
            b'_' => '\u{a0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            b'x' => return self.scan_hex_escape(2, text),
            b'u' => return self.scan_hex_escape(4, text),
            b'U' => return self.scan_hex_escape(8, text),
            _ => return self.error("unknown escape in a double-quoted text; write \\\\ for a backslash"),
        };
        text.push(plain);
        self.skip(1);
        Ok(())
    }

    fn scan_hex_escape(&mut self, digits: usize, text: &mut String) -> Result<()> {
        self.skip(1);
        let Some(code) = self.hex(0, digits) else {
            return self.error(format!("this escape needs {digits} hexadecimal digits"));
        };
        let other = self.low_half(digits).filter(|_| (0xd800..0xdc00).contains(&code));
        let code = other.map_or(code, |(low, _)| 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
        let Some(c) = char::from_u32(code) else {
            let half = format!("\\u{code:04x} is one half of a surrogate pair, and the other is not there");
            let is_half = (0xd800..0xe000).contains(&code);
            let message = if is_half { &half } else { "there is no character with this number" };
            return Err(YamlError { syntax: false, ..self.error_at(self.mark, message) });
        };
        text.push(c);
        self.skip(digits + other.map_or(0, |(_, len)| len));
        Ok(())
    }

    /// The number that so many hexadecimal digits make, some way ahead.
    fn hex(&self, ahead: usize, digits: usize) -> Option<u32> {
        let code = self.rest().get(ahead..ahead + digits)?;
        let code = Some(code).filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        u32::from_str_radix(code, 16).ok()
    }

    /// An escape some way ahead that is the second half of a pair, as JSON has characters beyond U+FFFF, and its length.
    fn low_half(&self, ahead: usize) -> Option<(u32, usize)> {
        let digits = match (self.byte(ahead), self.byte(ahead + 1)) {
            (b'\\', b'u') => 4,
            (b'\\', b'U') => 8,
            _ => return None,
        };
        let low = self.hex(ahead + 2, digits).filter(|code| (0xdc00..0xe000).contains(code))?;
        Some((low, digits + 2))
    }

    fn scan_quoted_spaces(&mut self, start: Mark, text: &mut String) -> Result<()> {
        let from = self.mark.at;
        self.skip_while(|byte| matches!(byte, b' ' | b'\t'));
        if self.at_end() {
            return Err(self.error_at(start, "the closing quote is missing"));
        }
        if !self.skip_break() {
            text.push_str(&self.source[from..self.mark.at]);
            return Ok(());
        }
        let breaks = self.scan_quoted_breaks(start)?;
        text.push_str(&folded(breaks));
        Ok(())
    }

    /// Counts further line breaks; the blanks around them are dropped.
    fn scan_quoted_breaks(&mut self, start: Mark) -> Result<usize> {
        let mut breaks = 0;
        loop {
            if self.at_document_marker() {
                return Err(
                    self.error_at(start, "the closing quote is missing before the end of the document")
                );
            }
            self.skip_while(|byte| matches!(byte, b' ' | b'\t'));
            if !self.skip_break() {
                return Ok(breaks);
            }
            breaks += 1;
        }
    }

    // Block.

    pub(super) fn scan_block_scalar(&mut self, folded: bool) -> Result<String> {
        self.skip(1);
        let (chomping, increment) = self.scan_block_header()?;
        let parent = self.indent + 1;
        let (mut breaks, indent) = match increment {
            Some(increment) => {
                let indent = parent.max(1) + increment - 1;
                (self.scan_block_breaks(indent), indent)
            }
            None => {
                let (breaks, deepest) = self.scan_block_indentation()?;
                (breaks, deepest.max(parent))
            }
        };
        let mut text = String::new();
        let mut ended_line = false;
        while self.column() == indent && !self.at_end() {
            push_breaks(&mut text, breaks);
            let starts_with_blank = matches!(self.byte(0), b' ' | b'\t');
            let from = self.mark.at;
            self.skip_comment();
            text.push_str(&self.source[from..self.mark.at]);
            ended_line = self.skip_break();
            breaks = self.scan_block_breaks(indent);
            let at_marker = parent == 0 && self.column() == 0 && self.at_document_marker();
            if at_marker || self.column() != indent || self.at_end() {
                break;
            }
            let fold = folded && ended_line && !starts_with_blank && !matches!(self.byte(0), b' ' | b'\t');
            match (fold, breaks) {
                (true, 0) => text.push(' '),
                (true, _) => {}
                (false, _) => push_breaks(&mut text, usize::from(ended_line)),
            }
        }
        if chomping != Some(false) {
            push_breaks(&mut text, usize::from(ended_line));
        }
        if chomping == Some(true) {
            push_breaks(&mut text, breaks);
        }
        Ok(text)
    }

    /// Whether to keep (true) or strip (false) the last line breaks, and the indentation, if they are given.
    fn scan_block_header(&mut self) -> Result<(Option<bool>, Option<isize>)> {
        let mut chomping = None;
        let mut increment = None;
        loop {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomping.is_none() => chomping = Some(sign == b'+'),
                b'0' => return self.error("the indentation indicator must be 1 to 9"),
                digit @ b'1'..=b'9' if increment.is_none() => {
                    increment = Some(isize::from(digit) - isize::from(b'0'))
                }
                _ => break,
            }
            self.skip(1);
        }
        if self.byte(0) != b' ' && !self.is_break_or_end(0) {
            return self.error(
                "nothing but '+', '-', an indentation of 1 to 9, or a comment can stand after '|' or '>'",
            );
        }
        self.skip_while(|byte| byte == b' ');
        if self.byte(0) == b'#' {
            self.skip_comment();
        }
        if !self.is_break_or_end(0) {
            return self.error("only a comment can stand here; the text starts on the next line");
        }
        self.skip_break();
        Ok((chomping, increment))
    }

    /// Line breaks before the first text line, and how deep the deepest of these lines is indented.
    fn scan_block_indentation(&mut self) -> Result<(usize, isize)> {
        let mut breaks = 0;
        let mut first = None;
        let mut deepest = 0;
        loop {
            self.skip_while(|byte| byte == b' ');
            deepest = deepest.max(self.column());
            let column = self.column();
            if !self.skip_break() {
                break;
            }
            first.get_or_insert(column);
            breaks += 1;
        }
        if first.is_some_and(|first| first > 0 && deepest > first) {
            return self.error("this line is indented deeper than the blank first line of the text");
        }
        Ok((breaks, deepest))
    }

    fn scan_block_breaks(&mut self, indent: isize) -> usize {
        let mut breaks = 0;
        loop {
            while self.column() < indent && self.byte(0) == b' ' {
                self.skip(1);
            }
            if !self.skip_break() {
                return breaks;
            }
            breaks += 1;
        }
    }

    // Anchors, tags, directives.

    pub(super) fn scan_anchor(&mut self) -> Result<&'a str> {
        self.skip(1);
        let from = self.mark.at;
        while !self.is_blank(0) && !matches!(self.byte(0), b',' | b'[' | b']' | b'{' | b'}') {
            self.skip(1);
        }
        if from == self.mark.at {
            return self.error("the name of an anchor or alias is missing");
        }
        Ok(&self.source[from..self.mark.at])
    }

    pub(super) fn scan_tag(&mut self) -> Result<(Option<&'a str>, Cow<'a, str>)> {
        let from = self.mark.at;
        if self.byte(1) == b'!' {
            self.skip(1);
        }
        let short = &self.source[from..=self.mark.at];
        let (handle, suffix) = if self.byte(1) == b'<' {
            self.skip(2);
            let suffix = self.scan_uri()?;
            if self.byte(0) != b'>' {
                return self.error("the '>' of this tag is missing");
            }
            self.skip(1);
            (None, suffix)
        } else if self.is_blank(1) {
            self.skip(1);
            (None, Cow::Borrowed(short))
        } else if self.has_named_handle() {
            (Some(self.scan_tag_handle()?), self.scan_uri()?)
        } else {
            self.skip(1);
            (Some(short), self.scan_uri()?)
        };
        if self.byte(0) != b' ' && !self.is_break_or_end(0) {
            return self.error("a tag must be followed by a space");
        }
        Ok((handle, suffix))
    }

    /// Whether a second `!` follows in this word.
    fn has_named_handle(&self) -> bool {
        let word = self.rest()[1..].split([' ', '\r', '\n']).next().unwrap_or("");
        word.contains('!')
    }

    fn scan_tag_handle(&mut self) -> Result<&'a str> {
        let from = self.mark.at;
        self.skip(1);
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if self.byte(0) == b'!' {
            self.skip(1);
        } else if self.mark.at != from + 1 || self.byte(0) != b' ' {
            return self.error("the second '!' of this tag handle is missing");
        }
        Ok(&self.source[from..self.mark.at])
    }

    fn scan_uri(&mut self) -> Result<Cow<'a, str>> {
        let from = self.mark.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || b"-;/?:@&=+$,_.!~*'()[]%#".contains(&byte));
        let raw = &self.source[from..self.mark.at];
        if raw.is_empty() {
            return self.error("the name of this tag is missing");
        }
        if !raw.contains('%') {
            return Ok(Cow::Borrowed(raw));
        }
        match percent_decoded(raw) {
            Some(text) => Ok(Cow::Owned(text)),
            None => self.error("a '%' in a tag needs two hexadecimal digits, UTF-8 in all"),
        }
    }

    pub(super) fn scan_directive(&mut self) -> Result<Directive> {
        self.skip(1);
        let from = self.mark.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte));
        let name = &self.source[from..self.mark.at];
        if name.is_empty() || self.byte(0) != b' ' && !self.is_break_or_end(0) {
            return self
                .error("'%' at the start of a line begins a directive; quote it if it is meant as text");
        }
        let directive = match name {
            "YAML" => self.scan_yaml_directive()?,
            "TAG" => self.scan_tag_directive()?,
            _ => {
                self.skip_comment();
                Directive::Other
            }
        };
        self.skip_while(|byte| byte == b' ');
        if self.byte(0) == b'#' {
            self.skip_comment();
        }
        if !self.is_break_or_end(0) {
            return self.error("nothing but a comment can stand after a directive");
        }
        self.skip_break();
        Ok(directive)
    }

    fn scan_yaml_directive(&mut self) -> Result<Directive> {
        self.skip_while(|byte| byte == b' ');
        let major = self.scan_version_number()?;
        if self.byte(0) != b'.' {
            return self.error("a YAML version is two numbers with a dot between");
        }
        self.skip(1);
        let minor = self.scan_version_number()?;
        if self.byte(0) != b' ' && !self.is_break_or_end(0) {
            return self.error("a YAML version is two numbers with a dot between");
        }
        Ok(Directive::Yaml(major, minor))
    }

    fn scan_version_number(&mut self) -> Result<u32> {
        let from = self.mark.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        match self.source[from..self.mark.at].parse() {
            Ok(number) => Ok(number),
            Err(_) => self.error("a YAML version is two numbers with a dot between"),
        }
    }

    fn scan_tag_directive(&mut self) -> Result<Directive> {
        self.skip_while(|byte| byte == b' ');
        if self.byte(0) != b'!' {
            return self.error("a tag handle starts with '!'");
        }
        let handle = self.scan_tag_handle()?.to_owned();
        if self.byte(0) != b' ' {
            return self.error("a prefix must follow the tag handle");
        }
        self.skip_while(|byte| byte == b' ');
        let prefix = self.scan_uri()?.into_owned();
        if self.byte(0) != b' ' && !self.is_break_or_end(0) {
            return self.error("this character cannot stand in a tag prefix");
        }
        Ok(Directive::Tag(handle, prefix))
    }
}

/// Whether a byte is nothing but a part of a word, wherever it stands.
fn is_ordinary(byte: u8) -> bool {
    byte > b' ' && !matches!(byte, b':' | b',' | b'[' | b']' | b'{' | b'}' | 0xc2)
}

/// A folded line break: a space, or the further breaks alone.
fn folded(breaks: usize) -> Cow<'static, str> {
    if breaks == 0 { Cow::Borrowed(" ") } else { Cow::Owned("\n".repeat(breaks)) }
}

fn push_breaks(text: &mut String, breaks: usize) {
    text.extend(std::iter::repeat_n('\n', breaks));
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let code = std::str::from_utf8(tail.get(..2)?).ok()?;
            if !code.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}
