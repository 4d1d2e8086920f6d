//! Tokens to values: the grammar, anchors and aliases.
//!
//! Mappings that an alias names are kept as [`Value::Shared`], with everything in them, so that later changes show in
//! all places, as in the reference. What is not aliased is plain.

use std::collections::HashMap;

use super::construct::{OF_LISTS, OF_MAPPINGS, Place, Turn, unknown_tag};
use super::resolve::{self, BadScalar, Scalar};
use super::scan::{Directive, Mark, Result, Scanner, Token};
use super::{Document, Known, MAX_DEPTH, MAX_EXPANDED, YamlError};
use crate::value::{Text, Value};

pub(super) const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// Longer values seldom come twice, and are stored without a look at those seen lately.
const SHORT: usize = 16;

/// Something composed: a value, or one of the two scalars that mean something else as keys.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub scalar: Scalar,
    pub mark: Mark,
    /// Levels of nesting.
    pub height: u32,
    /// Values in it, aliases counted in full.
    pub size: u64,
    /// Whether it holds mappings without an identity.
    pub unshared: bool,
}

/// What an anchor names.
struct Anchor {
    /// Which one of its name it is; a later one takes the name over, even inside an earlier one.
    number: usize,
    /// Nothing while the value is being read.
    node: Option<Node>,
}

pub(super) struct Composer<'a, 'k> {
    pub scanner: Scanner<'a>,
    pub known: &'k mut Known,
    pub file: u32,
    v11: bool,
    /// Those that directives define.
    tag_handles: HashMap<String, String>,
    anchors: HashMap<&'a str, Anchor>,
    /// Numbers them.
    anchored: usize,
    /// Values that aliases stood for so far.
    expanded: u64,
    /// Whether the text can hold aliases at all; without them, what an anchor names needs no identity.
    has_aliases: bool,
    depth: usize,
    /// Entries of all mappings and items of all lists that are being read: a vector for each would grow several times.
    pub entries: Vec<(Node, Node)>,
    pub items: Vec<Value>,
    shares: bool,
    /// The collection that is being read.
    pub place: Place,
    /// Whether what is being read is, or is in, a key.
    in_key: bool,
    /// The value that could not be made, of several the one whose turn comes first. Syntax errors further on take
    /// precedence.
    pub failed: Option<(Turn, YamlError)>,
}

pub fn document(text: &str, file: u32, known: &mut Known) -> Result<Document> {
    let mut composer = Composer {
        scanner: Scanner::new(text)?,
        known,
        file,
        v11: false,
        tag_handles: HashMap::new(),
        anchors: HashMap::new(),
        anchored: 0,
        expanded: 0,
        has_aliases: text.contains('*'),
        depth: 0,
        entries: Vec::new(),
        items: Vec::new(),
        shares: false,
        place: Place::default(),
        in_key: false,
        failed: None,
    };
    let value = composer.document()?;
    match composer.failed {
        Some((_, error)) => Err(error),
        None => Ok(Document { value, shares: composer.shares }),
    }
}

impl<'a> Composer<'a, '_> {
    fn document(&mut self) -> Result<Value> {
        if self.next_is(&Token::StreamEnd)? {
            return Ok(Value::Null);
        }
        let explicit = matches!(self.scanner.peek()?.0, Token::Directive(_) | Token::DocumentStart);
        if explicit {
            self.directives()?;
            self.expect(&Token::DocumentStart, "a document start ('---') after directives")?;
        }
        let empty = explicit
            && matches!(
                self.scanner.peek()?.0,
                Token::Directive(_) | Token::DocumentStart | Token::DocumentEnd | Token::StreamEnd
            );
        let value = if empty {
            Value::Null
        } else {
            let node = self.node(true, false)?;
            self.value_of(node)
        };
        // In YAML 1.1 there can be several.
        while self.take(&Token::DocumentEnd)? && self.v11 {}
        let (token, mark) = self.scanner.peek()?.clone();
        match token {
            Token::StreamEnd => Ok(value),
            Token::DocumentStart => Err(self.scanner.error_at(mark, "a file can hold one document only")),
            Token::DocumentEnd => {
                Err(self.scanner.error_at(mark, "the document has ended already: drop this '...'"))
            }
            other => Err(self.unexpected(&other, mark, "the end of the document")),
        }
    }

    fn directives(&mut self) -> Result<()> {
        let (mut version, mut handles) = (None, Vec::new());
        while let (Token::Directive(directive), mark) = self.scanner.peek()?.clone() {
            self.scanner.next()?;
            match directive {
                Directive::Other => {}
                Directive::Yaml(..) if version.is_some() => {
                    return Err(self.scanner.error_at(mark, "the YAML version is given twice"));
                }
                Directive::Yaml(major, _) if major != 1 => {
                    return Err(self.scanner.error_at(mark, "this YAML version is not supported; use 1.2"));
                }
                Directive::Yaml(_, minor) => {
                    version = Some(minor);
                    if !(1..=2).contains(&minor) {
                        self.fail(
                            mark,
                            BadScalar::Nonexistent(format!("there is no YAML 1.{minor}; use 1.2")),
                        );
                    }
                    if minor == 1 {
                        self.v11 = true;
                        self.scanner.use_version_1_1();
                    }
                }
                Directive::Tag(handle, _) if handles.contains(&handle) => {
                    return Err(self
                        .scanner
                        .error_at(mark, format!("the tag handle '{handle}' is given twice")));
                }
                Directive::Tag(handle, prefix) => {
                    self.tag_handles.insert(handle.clone(), prefix);
                    handles.push(handle);
                }
            }
        }
        Ok(())
    }

    // Tokens.

    /// Whether the next token is of this kind; kinds are enough, since those asked for have no content.
    fn next_is(&mut self, token: &Token<'_>) -> Result<bool> {
        Ok(self.scanner.peek()?.0.is_like(token))
    }

    fn next_is_one_of(&mut self, tokens: &[Token<'_>]) -> Result<bool> {
        let next = &self.scanner.peek()?.0;
        Ok(tokens.iter().any(|token| next.is_like(token)))
    }

    /// Takes the token if it is the next one.
    fn take(&mut self, token: &Token<'_>) -> Result<bool> {
        let found = self.next_is(token)?;
        if found {
            self.scanner.next()?;
        }
        Ok(found)
    }

    fn expect(&mut self, token: &Token<'_>, what: &str) -> Result<()> {
        let (found, mark) = self.scanner.next()?;
        if found.is_like(token) { Ok(()) } else { Err(self.unexpected(&found, mark, what)) }
    }

    fn unexpected(&self, found: &Token<'_>, mark: Mark, wanted: &str) -> YamlError {
        let found = match found {
            Token::StreamEnd => "the end of the file",
            Token::BlockEnd => "less indentation",
            Token::BlockEntry => "a list item",
            Token::Key | Token::BlockMappingStart => "a mapping key",
            Token::Value => "':'",
            Token::FlowEntry => "','",
            Token::FlowSequenceEnd => "']'",
            Token::FlowMappingEnd => "'}'",
            Token::Scalar { .. } => "a scalar",
            Token::DocumentStart | Token::DocumentEnd => "the end of the document",
            _ => "something else",
        };
        self.scanner.error_at(mark, format!("expected {wanted}, found {found}"))
    }

    pub(super) fn scalar_node(&mut self, scalar: std::result::Result<Scalar, BadScalar>, mark: Mark) -> Node {
        let scalar = scalar.unwrap_or_else(|bad| {
            self.fail(mark, bad);
            Scalar::Value(Value::Null)
        });
        Node { scalar, mark, height: 0, size: 1, unshared: false }
    }

    /// A node where a key is expected. Most are plain words, whose text is kept once however often they occur.
    fn key_node(&mut self, block: bool) -> Result<Node> {
        if let (Token::Scalar { text, plain: true }, mark) = self.scanner.peek()?
            && resolve::is_word(text)
        {
            let (key, mark) = (self.known.key(text), *mark);
            self.scanner.next()?;
            return Ok(self.scalar_node(Ok(Scalar::Word(key)), mark));
        }
        let outer = std::mem::replace(&mut self.in_key, true);
        let node = self.node(block, block)?;
        self.in_key = outer;
        Ok(node)
    }

    fn empty(&self, mark: Mark) -> Node {
        Node { scalar: Scalar::Value(Value::Null), mark, height: 0, size: 1, unshared: false }
    }

    // Nodes.

    fn node(&mut self, block: bool, indentless: bool) -> Result<Node> {
        if let (Token::Alias(name), mark) = *self.scanner.peek()? {
            self.scanner.next()?;
            return self.alias(name, mark);
        }
        let start = self.scanner.peek()?.1;
        let (anchor, tag) = self.properties()?;
        self.anchored += 1;
        let number = self.anchored;
        if let Some(name) = anchor {
            self.anchors.insert(name, Anchor { number, node: None });
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.scanner.error_at(start, format!("more than {MAX_DEPTH} levels of nesting")));
        }
        let mut node = self.content(block, indentless, anchor.is_some(), tag.as_deref(), start)?;
        self.depth -= 1;
        if node.height as usize > MAX_DEPTH {
            return Err(self.scanner.error_at(start, "aliases make this too deep"));
        }
        if let Some(name) = anchor {
            if self.has_aliases && std::mem::take(&mut node.unshared) {
                self.share(&mut node);
            }
            if let Some(anchor) = self.anchors.get_mut(name).filter(|anchor| anchor.number == number) {
                anchor.node = Some(node.clone());
            }
        }
        Ok(node)
    }

    fn alias(&mut self, name: &str, mark: Mark) -> Result<Node> {
        match self.anchors.get(name).map(|anchor| &anchor.node) {
            Some(Some(node)) => {
                self.expanded = self.expanded.saturating_add(node.size);
                if self.expanded > MAX_EXPANDED {
                    let message = format!("aliases stand for more than {MAX_EXPANDED} values");
                    return Err(self.scanner.error_at(mark, message));
                }
                Ok(Node { mark, ..node.clone() })
            }
            Some(None) => Err(self.scanner.error_at(mark, format!("'*{name}' contains itself"))),
            None => {
                Err(self.scanner.error_at(mark, format!("there is no anchor '&{name}' before this alias")))
            }
        }
    }

    /// Gives every mapping in an anchored value an identity.
    fn share(&mut self, node: &mut Node) {
        if let Scalar::Value(value) = &mut node.scalar {
            self.shares |= crate::share::share(value);
        }
    }

    /// Anchor and tag, in any order.
    fn properties(&mut self) -> Result<(Option<&'a str>, Option<String>)> {
        let (mut anchor, mut tag) = (None, None);
        loop {
            let (token, mark) = self.scanner.peek()?;
            match token {
                Token::Anchor(name) if anchor.is_none() => anchor = Some(*name),
                Token::Tag(handle, suffix) if tag.is_none() => {
                    let (handle, suffix, mark) = (*handle, suffix.clone(), *mark);
                    tag = Some(self.full_tag(handle, &suffix, mark)?);
                }
                _ => return Ok((anchor, tag)),
            }
            self.scanner.next()?;
        }
    }

    fn full_tag(&self, handle: Option<&str>, suffix: &str, mark: Mark) -> Result<String> {
        let Some(handle) = handle else { return Ok(suffix.to_owned()) };
        match (self.tag_handles.get(handle).map(String::as_str), handle) {
            (Some(prefix), _) | (None, prefix @ "!") => Ok(format!("{prefix}{suffix}")),
            (None, "!!") => Ok(format!("{YAML_TAGS}{suffix}")),
            (None, _) => {
                Err(self.scanner.error_at(mark, format!("the tag handle '{handle}' is not defined")))
            }
        }
    }

    fn content(
        &mut self,
        block: bool,
        indentless: bool,
        anchored: bool,
        tag: Option<&str>,
        start: Mark,
    ) -> Result<Node> {
        // A bare `!` asks for nothing.
        let bare = tag == Some("!");
        let wanted = tag.filter(|_| !bare);
        match self.scanner.peek()?.0 {
            Token::Scalar { .. } => {
                let (token, mark) = self.scanner.next()?;
                match token {
                    Token::Scalar { text, plain } => Ok(self.scalar(&text, plain || bare, wanted, start)),
                    other => Err(self.unexpected(&other, mark, "a value")),
                }
            }
            Token::BlockEntry if indentless => {
                let kind = self.kind(wanted, &OF_LISTS, start);
                self.collection(start, |composer| composer.block_items(kind, start, true))
            }
            Token::FlowSequenceStart => {
                let kind = self.kind(wanted, &OF_LISTS, start);
                self.collection(start, |composer| composer.flow_sequence(kind, start))
            }
            Token::FlowMappingStart => {
                let kind = self.kind(wanted, &OF_MAPPINGS, start);
                self.collection(start, |composer| composer.flow_mapping(kind, start))
            }
            Token::BlockSequenceStart if block => {
                let kind = self.kind(wanted, &OF_LISTS, start);
                self.collection(start, |composer| composer.block_items(kind, start, false))
            }
            Token::BlockMappingStart if block => {
                let kind = self.kind(wanted, &OF_MAPPINGS, start);
                self.collection(start, |composer| composer.block_mapping(kind, start))
            }
            _ if anchored || tag.is_some() => Ok(self.scalar("", true, wanted, start)),
            _ => {
                let (token, mark) = self.scanner.next()?;
                Err(self.unexpected(&token, mark, "a value"))
            }
        }
    }

    /// Reads a collection, whose entries have a place of their own unless they are a part of a key.
    fn collection(&mut self, start: Mark, read: impl FnOnce(&mut Self) -> Result<Node>) -> Result<Node> {
        let outer = self.place;
        if !self.in_key {
            self.place = outer.below(start);
        }
        let node = read(self)?;
        self.place = outer;
        Ok(node)
    }

    fn scalar(&mut self, text: &str, plain: bool, tag: Option<&str>, mark: Mark) -> Node {
        let scalar = match tag {
            None if plain => {
                resolve::plain(text, self.v11).map(|special| special.unwrap_or_else(|| self.text(text)))
            }
            None => Ok(self.text(text)),
            Some(tag) => match tag.strip_prefix(YAML_TAGS) {
                Some(kind) => resolve::tagged(kind, text, self.v11),
                None => Err(unknown_tag(tag)),
            },
        };
        self.scalar_node(scalar, mark)
    }

    fn text(&mut self, text: &str) -> Scalar {
        let stored: Text = if text.len() <= SHORT { self.known.word(text) } else { text.into() };
        Scalar::Value(Value::Text(stored))
    }

    // Sequences.

    fn block_items(&mut self, kind: Option<&str>, start: Mark, indentless: bool) -> Result<Node> {
        let mut items = self.start_items();
        if !indentless {
            self.scanner.next()?;
        }
        let ends: &[Token<'_>] = if indentless {
            &[Token::BlockEntry, Token::Key, Token::Value, Token::BlockEnd]
        } else {
            &[Token::BlockEntry, Token::BlockEnd]
        };
        while let (Token::BlockEntry, mark) = *self.scanner.peek()? {
            self.scanner.next()?;
            let node = if self.next_is_one_of(ends)? { self.empty(mark) } else { self.node(true, false)? };
            self.add_item(&mut items, node);
        }
        if !indentless {
            self.expect(&Token::BlockEnd, "a list item ('- ') or less indentation")?;
        }
        Ok(self.sequence(items, kind, start))
    }

    fn flow_sequence(&mut self, kind: Option<&str>, start: Mark) -> Result<Node> {
        self.scanner.next()?;
        let mut items = self.start_items();
        let mut first = true;
        while !self.next_is(&Token::FlowSequenceEnd)? {
            if !first {
                self.expect(&Token::FlowEntry, "',' or ']'")?;
                if self.next_is(&Token::FlowSequenceEnd)? {
                    break;
                }
            }
            first = false;
            let node = if self.next_is(&Token::Key)? { self.flow_pair()? } else { self.node(false, false)? };
            self.add_item(&mut items, node);
        }
        self.scanner.next()?;
        Ok(self.sequence(items, kind, start))
    }

    /// `[a: 1]`: a mapping of one entry.
    fn flow_pair(&mut self) -> Result<Node> {
        let start = self.scanner.next()?.1;
        let ends = [Token::Value, Token::FlowEntry, Token::FlowSequenceEnd];
        self.collection(start, |composer| {
            let key = if composer.next_is_one_of(&ends)? {
                composer.empty(start)
            } else {
                composer.key_node(false)?
            };
            let value = if !composer.take(&Token::Value)? || composer.next_is_one_of(&ends[1..])? {
                composer.empty(key.mark)
            } else {
                composer.node(false, false)?
            };
            let from = composer.entries.len();
            composer.entries.push((key, value));
            composer.mapping(from, None, start)
        })
    }

    // Mappings.

    fn block_mapping(&mut self, kind: Option<&str>, start: Mark) -> Result<Node> {
        self.scanner.next()?;
        let ends = [Token::Key, Token::Value, Token::BlockEnd];
        let from = self.entries.len();
        loop {
            let (token, mark) = self.scanner.peek()?;
            let mark = *mark;
            let key = match token {
                Token::Key => {
                    self.scanner.next()?;
                    if self.next_is_one_of(&ends)? { self.empty(mark) } else { self.key_node(true)? }
                }
                Token::Value if !self.v11 => self.empty(mark),
                Token::BlockEnd => break,
                other => {
                    let other = other.clone();
                    return Err(self.unexpected(&other, mark, "a mapping key at this indentation"));
                }
            };
            let value = if !self.take(&Token::Value)? || self.next_is_one_of(&ends)? {
                self.empty(key.mark)
            } else {
                self.node(true, true)?
            };
            self.entries.push((key, value));
        }
        self.scanner.next()?;
        self.mapping(from, kind, start)
    }

    fn flow_mapping(&mut self, kind: Option<&str>, start: Mark) -> Result<Node> {
        self.scanner.next()?;
        let from = self.entries.len();
        while !self.next_is(&Token::FlowMappingEnd)? {
            if self.entries.len() > from {
                self.expect(&Token::FlowEntry, "',' or '}'")?;
                if self.next_is(&Token::FlowMappingEnd)? {
                    break;
                }
            }
            let entry = self.flow_entry()?;
            self.entries.push(entry);
        }
        self.scanner.next()?;
        self.mapping(from, kind, start)
    }

    fn flow_entry(&mut self) -> Result<(Node, Node)> {
        let ends = [Token::Value, Token::FlowEntry, Token::FlowMappingEnd];
        let mark = self.scanner.peek()?.1;
        let key = if self.take(&Token::Key)? {
            if self.next_is_one_of(&ends)? { self.empty(mark) } else { self.key_node(false)? }
        } else if !self.v11 && self.next_is(&Token::Value)? {
            self.empty(mark)
        } else {
            // Without a key token no ':' can follow either.
            let key = self.node(false, false)?;
            let value = self.empty(key.mark);
            return Ok((key, value));
        };
        let value = if !self.take(&Token::Value)? || self.next_is_one_of(&ends[1..])? {
            self.empty(key.mark)
        } else {
            self.node(false, false)?
        };
        Ok((key, value))
    }
}
