//! Tokens to values: the grammar, anchors and aliases, merge keys, duplicate keys.
//!
//! Mappings that an alias names are kept as [`Value::Shared`], with everything in them, so that later changes show in
//! all places, as in the reference. What is not aliased is plain.

use std::collections::HashMap;
use std::sync::Arc;

use super::resolve::{self, BadScalar, Scalar};
use super::scan::{Directive, Mark, Result, Scanner, Token};
use super::{Document, Known, MAX_DEPTH, MAX_EXPANDED, YamlError};
use crate::error::Pos;
use crate::mapping::{Key, Mapping};
use crate::value::{Text, Value};

const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// Longer values seldom come twice, and are stored without a look at those seen lately.
const SHORT: usize = 16;

/// Something composed: a value, or one of the two scalars that mean something else as keys.
#[derive(Clone, Debug)]
struct Node {
    scalar: Scalar,
    mark: Mark,
    /// Levels of nesting.
    height: u32,
    /// Values in it, aliases counted in full.
    size: u64,
    /// Whether it holds mappings without an identity.
    unshared: bool,
}

/// What an anchor names.
struct Anchor {
    /// Which one of its name it is; a later one takes the name over, even inside an earlier one.
    number: usize,
    /// Nothing while the value is being read.
    node: Option<Node>,
}

struct Composer<'a, 'k> {
    scanner: Scanner<'a>,
    known: &'k mut Known,
    file: u32,
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
    entries: Vec<(Node, Node)>,
    items: Vec<Value>,
    shares: bool,
    /// The first value that could not be made. Syntax errors further on take precedence.
    failed: Option<YamlError>,
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
        failed: None,
    };
    let value = composer.document()?;
    match composer.failed {
        Some(error) => Err(error),
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

    // Failures to make a value.

    fn fail(&mut self, mark: Mark, bad: BadScalar) {
        let (syntax, message) = match bad {
            BadScalar::Malformed(message) => (true, message),
            BadScalar::Nonexistent(message) => (false, message),
        };
        let error = YamlError { syntax, ..self.scanner.error_at(mark, message) };
        self.failed.get_or_insert(error);
    }

    fn malformed(&mut self, mark: Mark, message: impl Into<String>) {
        self.fail(mark, BadScalar::Malformed(message.into()));
    }

    /// A node in a place where it must be a value.
    fn value_of(&mut self, node: Node) -> Value {
        match node.scalar {
            Scalar::Value(value) => value,
            Scalar::Word(key) => key.value().clone(),
            Scalar::Merge => {
                self.malformed(node.mark, "'<<' is a merge key and cannot be a value; quote it");
                Value::Null
            }
            Scalar::Equals => {
                self.malformed(node.mark, "'=' cannot be a value; quote it");
                Value::Null
            }
        }
    }

    fn scalar_node(&mut self, scalar: std::result::Result<Scalar, BadScalar>, mark: Mark) -> Node {
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
        self.node(block, block)
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
            Token::BlockEntry if indentless => self.block_items(wanted, start, true),
            Token::Scalar { .. } => {
                let (token, mark) = self.scanner.next()?;
                match token {
                    Token::Scalar { text, plain } => Ok(self.scalar(&text, plain || bare, wanted, start)),
                    other => Err(self.unexpected(&other, mark, "a value")),
                }
            }
            Token::FlowSequenceStart => self.flow_sequence(wanted, start),
            Token::FlowMappingStart => self.flow_mapping(wanted, start),
            Token::BlockSequenceStart if block => self.block_items(wanted, start, false),
            Token::BlockMappingStart if block => self.block_mapping(wanted, start),
            _ if anchored || tag.is_some() => Ok(self.scalar("", true, wanted, start)),
            _ => {
                let (token, mark) = self.scanner.next()?;
                Err(self.unexpected(&token, mark, "a value"))
            }
        }
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

    fn block_items(&mut self, tag: Option<&str>, start: Mark, indentless: bool) -> Result<Node> {
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
        Ok(self.sequence(items, tag, start))
    }

    fn flow_sequence(&mut self, tag: Option<&str>, start: Mark) -> Result<Node> {
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
        Ok(self.sequence(items, tag, start))
    }

    /// `[a: 1]`: a mapping of one entry.
    fn flow_pair(&mut self) -> Result<Node> {
        let start = self.scanner.next()?.1;
        let ends = [Token::Value, Token::FlowEntry, Token::FlowSequenceEnd];
        let key = if self.next_is_one_of(&ends)? { self.empty(start) } else { self.node(false, false)? };
        let value = if !self.take(&Token::Value)? || self.next_is_one_of(&ends[1..])? {
            self.empty(key.mark)
        } else {
            self.node(false, false)?
        };
        let from = self.entries.len();
        self.entries.push((key, value));
        self.mapping(from, None, start)
    }

    fn start_items(&self) -> Items {
        Items { from: self.items.len(), height: 0, size: 0, unshared: false }
    }

    fn add_item(&mut self, items: &mut Items, node: Node) {
        items.height = items.height.max(node.height);
        items.size = items.size.saturating_add(node.size);
        items.unshared |= node.unshared;
        let value = self.value_of(node);
        self.items.push(value);
    }

    fn sequence(&mut self, items: Items, tag: Option<&str>, mark: Mark) -> Node {
        let values: Arc<[Value]> = self.items.drain(items.from..).collect();
        let (height, size, unshared) = (items.height + 1, items.size.saturating_add(1), items.unshared);
        let made = match tag.map(|tag| tag.strip_prefix(YAML_TAGS).ok_or(tag)) {
            None | Some(Ok("seq")) => Ok(Value::List(values)),
            Some(Ok("pairs")) => pairs(&values).map(|pairs| {
                Value::list(pairs.into_iter().map(|(key, value)| Value::Tuple([key, value].into())).collect())
            }),
            Some(Ok("omap")) => pairs(&values).and_then(ordered_map),
            Some(Ok(kind)) => Err(BadScalar::Malformed(format!("the tag '!!{kind}' does not fit a list"))),
            Some(Err(tag)) => Err(unknown_tag(tag)),
        };
        let scalar = made.map(Scalar::Value);
        Node { height, size, unshared, ..self.scalar_node(scalar, mark) }
    }

    // Mappings.

    fn block_mapping(&mut self, tag: Option<&str>, start: Mark) -> Result<Node> {
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
        self.mapping(from, tag, start)
    }

    fn flow_mapping(&mut self, tag: Option<&str>, start: Mark) -> Result<Node> {
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
        self.mapping(from, tag, start)
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

    /// The mapping of the entries from this one on.
    fn mapping(&mut self, from: usize, tag: Option<&str>, mark: Mark) -> Result<Node> {
        let mut height = 0;
        let mut size = 1u64;
        for (key, value) in &self.entries[from..] {
            height = height.max(key.height).max(value.height);
            size = size.saturating_add(key.size).saturating_add(value.size);
        }
        let mut entries = std::mem::take(&mut self.entries);
        let mapping = match entries[from..].iter().any(|(key, _)| matches!(key.scalar, Scalar::Merge)) {
            true => self.merged(entries.drain(from..), &mut size),
            false => self.checked(entries.drain(from..)),
        };
        self.entries = entries;
        let made = match tag.map(|tag| tag.strip_prefix(YAML_TAGS).ok_or(tag)) {
            None | Some(Ok("map")) => Ok(Value::map(mapping)),
            Some(Ok("set")) => Ok(Value::Set(mapping.keys().map(|key| key.value().clone()).collect())),
            Some(Ok(kind)) => Err(BadScalar::Malformed(format!("the tag '!!{kind}' does not fit a mapping"))),
            Some(Err(tag)) => Err(unknown_tag(tag)),
        };
        let node = self.scalar_node(made.map(Scalar::Value), mark);
        Ok(Node { height: height + 1, size, unshared: true, ..node })
    }

    /// Entries with merge keys among them.
    fn merged(&mut self, entries: impl ExactSizeIterator<Item = (Node, Node)>, size: &mut u64) -> Mapping {
        let mut mapping = Mapping::new();
        let mut own = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match key.scalar {
                Scalar::Merge if mapping.is_empty() => {
                    *size = size.saturating_add(value.size);
                    self.merge(&mut mapping, value);
                }
                Scalar::Merge => self.malformed(key.mark, "a second '<<' in one mapping; give one a list"),
                _ => own.push((key, value)),
            }
        }
        if mapping.is_empty() {
            return self.checked(own.into_iter());
        }
        for (node, value) in own {
            let pos = self.pos(node.mark);
            if let Some(key) = self.key(node) {
                mapping.insert(key, self.value_of(value), pos);
            }
        }
        mapping
    }

    /// Entries whose keys must be distinct.
    fn checked(&mut self, entries: impl ExactSizeIterator<Item = (Node, Node)>) -> Mapping {
        let mut mapping = Mapping::with_capacity(entries.len());
        for (node, value) in entries {
            let mark = node.mark;
            let Some(key) = self.key(node) else { continue };
            let value = self.value_of(value);
            if mapping.get_key(&key).is_none() {
                mapping.push(key, value, self.pos(mark));
            } else {
                self.malformed(mark, format!("the key '{}' is there twice", key.to_text()));
            }
        }
        mapping
    }

    fn pos(&self, mark: Mark) -> Pos {
        let (line, column) = self.scanner.line_and_column(mark);
        Pos::new(self.file, line, column)
    }

    fn key(&mut self, node: Node) -> Option<Key> {
        let mark = node.mark;
        match node.scalar {
            Scalar::Equals => Some(self.known.key("=")),
            Scalar::Merge => None,
            Scalar::Word(key) => Some(key),
            Scalar::Value(Value::Text(text)) => Some(self.known.key(&text)),
            Scalar::Value(value) => match hashable(&value) {
                Some(value) => Some(Key::new(value)),
                None if matches!(value, Value::List(_)) => {
                    self.fail(
                        mark,
                        BadScalar::Nonexistent("a list with collections in it cannot be a key".into()),
                    );
                    None
                }
                None => {
                    self.malformed(mark, "a mapping cannot be a key");
                    None
                }
            },
        }
    }

    /// `<<`: the entries of a mapping, or of a list of mappings, from the last to the first.
    fn merge(&mut self, target: &mut Mapping, node: Node) {
        let mark = node.mark;
        let Scalar::Value(value) = node.scalar else {
            self.malformed(mark, "'<<' takes a mapping or a list of mappings");
            return;
        };
        let sources = match &value {
            Value::List(items) => items.to_vec(),
            other => vec![other.clone()],
        };
        for source in sources.iter().rev() {
            let Some(source) = source.as_map() else {
                self.malformed(mark, "'<<' takes a mapping or a list of mappings");
                return;
            };
            for (key, value, pos) in source.iter_with_positions() {
                target.insert(key.clone(), value.clone(), pos);
            }
        }
    }
}

/// The items of a list that is being read.
struct Items {
    /// Where they begin among all.
    from: usize,
    height: u32,
    size: u64,
    unshared: bool,
}

fn unknown_tag(tag: &str) -> BadScalar {
    BadScalar::Malformed(format!("the tag '{tag}' is not known"))
}

/// Key and value of each mapping in a list, which must hold one entry each.
fn pairs(items: &[Value]) -> std::result::Result<Vec<(Value, Value)>, BadScalar> {
    let pair = |item: &Value| {
        let mapping = item.as_map().filter(|mapping| mapping.len() == 1)?;
        let (key, value) = mapping.iter().next()?;
        Some((key.value().clone(), value.clone()))
    };
    let all: Option<Vec<_>> = items.iter().map(pair).collect();
    all.ok_or_else(|| BadScalar::Malformed("each item must be a mapping of one entry".into()))
}

fn ordered_map(pairs: Vec<(Value, Value)>) -> std::result::Result<Value, BadScalar> {
    let mut mapping = Mapping::new();
    for (key, value) in pairs {
        let key = Key::new(key);
        if mapping.get_key(&key).is_some() {
            return Err(BadScalar::Nonexistent(format!("the key '{}' is there twice", key.to_text())));
        }
        mapping.insert(key, value, Pos::NONE);
    }
    Ok(Value::map(mapping))
}

/// A value as a key: lists become tuples, mappings and sets will not do.
fn hashable(value: &Value) -> Option<Value> {
    match value {
        Value::Map(_) | Value::Shared(_) | Value::Set(_) => None,
        Value::List(items) => {
            let simple = items.iter().all(|item| !matches!(item, Value::List(_)) && hashable(item).is_some());
            simple.then(|| Value::Tuple(items.clone()))
        }
        other => Some(other.clone()),
    }
}
