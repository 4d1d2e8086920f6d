//! Checks a pattern by Python's rules and writes it in those of `regex` and `fancy-regex`.
//!
//! Everything is written anew: literals as escapes where they could mean something, classes item by item, named groups
//! as numbered ones. What Python refuses is refused here, so that the engines' own extensions are never reached.

use std::fmt::Write;

use super::flags::Flags;

/// Which texts a translation is for. For two kinds it may have to be another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Texts {
    /// All others.
    Most,
    /// `$` is the end, or before the final newline.
    EndInNewline,
    /// `\B` is nowhere, not even here.
    Empty,
}

pub struct Translated {
    pub pattern: String,
    pub has_dollar: bool,
    /// Whether there is a `\B`.
    pub has_not_boundary: bool,
    pub groups: Groups,
}

/// The capturing groups of a pattern.
#[derive(Debug, Default)]
pub struct Groups {
    names: Vec<Option<String>>,
    /// How long a match of each group is; unknown while the group is open.
    widths: Vec<Option<Width>>,
}

impl Groups {
    /// A group by its number in digits; 0 is the whole match.
    pub fn number(&self, digits: &str) -> Result<usize> {
        let known = digits.parse().ok().filter(|number| *number <= self.names.len());
        known.ok_or_else(|| format!("there is no group {digits}"))
    }

    pub fn named(&self, name: &str) -> Result<usize> {
        let at = self.names.iter().position(|known| known.as_deref() == Some(name));
        at.map(|at| at + 1).ok_or_else(|| format!("there is no group named '{name}'"))
    }
}

/// Least and most characters of a match.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Width(usize, usize);

const ONE: Width = Width(1, 1);

impl Width {
    fn then(self, next: Self) -> Self {
        Self(self.0.saturating_add(next.0), self.1.saturating_add(next.1))
    }

    fn or(self, other: Self) -> Self {
        Self(self.0.min(other.0), self.1.max(other.1))
    }
}

/// Groups may be nested this deep.
const MAX_DEPTH: usize = 100;

pub(super) struct Translator<'p> {
    pub(super) rest: &'p str,
    out: String,
    pub(super) flags: Flags,
    groups: Groups,
    /// Groups that conditions ask for; they may come later.
    conditions: Vec<usize>,
    /// How many groups there were before the outermost look-behind, inside of which those that are new cannot be asked for.
    before_look_behind: Option<usize>,
    texts: Texts,
    has_dollar: bool,
    has_not_boundary: bool,
    depth: usize,
}

pub(super) type Result<T> = std::result::Result<T, String>;

pub fn translate(pattern: &str, texts: Texts) -> Result<Translated> {
    let mut translator = Translator {
        rest: pattern,
        out: String::new(),
        flags: Flags::default(),
        groups: Groups::default(),
        conditions: Vec::new(),
        before_look_behind: None,
        texts,
        has_dollar: false,
        has_not_boundary: false,
        depth: 0,
    };
    translator.global_flags()?;
    let ignore_case = translator.flags.ignore_case;
    translator.alternatives()?;
    if !translator.rest.is_empty() {
        return Err("a closing parenthesis without an opening one".into());
    }
    let count = translator.groups.names.len();
    if let Some(group) = translator.conditions.iter().find(|group| **group > count) {
        return Err(format!("there is no group {group}"));
    }
    let mut pattern = translator.out;
    if ignore_case {
        pattern = format!("(?i:{pattern})");
    }
    let Translator { has_dollar, has_not_boundary, groups, .. } = translator;
    Ok(Translated { pattern, has_dollar, has_not_boundary, groups })
}

/// What was parsed last, as far as a quantifier cares.
#[derive(PartialEq)]
enum Last {
    Nothing,
    Repeatable,
    Repeated,
}

impl<'p> Translator<'p> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Everything up to a terminator, which is taken too.
    fn until(&mut self, end: char) -> Result<&'p str> {
        let (found, rest) = self.rest.split_once(end).ok_or_else(|| format!("'{end}' is missing"))?;
        self.rest = rest;
        Ok(found)
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii_alphanumeric() || !c.is_ascii() {
            self.out.push(c);
        } else {
            let _ = write!(self.out, "\\x{{{:x}}}", u32::from(c));
        }
    }

    fn alternatives(&mut self) -> Result<Width> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} levels of parentheses"));
        }
        let mut width = self.sequence()?;
        while self.take("|") {
            self.out.push('|');
            width = width.or(self.sequence()?);
        }
        self.depth -= 1;
        Ok(width)
    }

    fn sequence(&mut self) -> Result<Width> {
        let mut width = Width::default();
        let mut last = Last::Nothing;
        let mut item_start = self.out.len();
        let mut item = Width::default();
        while let Some(c) = self.peek() {
            if matches!(c, '|' | ')') {
                break;
            }
            if self.skip_ignored()? {
                continue;
            }
            if let Some((least, most)) = self.quantifier()? {
                match last {
                    Last::Nothing => return Err("nothing to repeat".into()),
                    Last::Repeated => return Err("multiple repeat".into()),
                    Last::Repeatable => {}
                }
                self.repeat(item_start, item, least, most);
                item = Width(item.0.saturating_mul(least), item.1.saturating_mul(most.unwrap_or(usize::MAX)));
                last = Last::Repeated;
                continue;
            }
            width = width.then(item);
            item = Width::default();
            item_start = self.out.len();
            last = self.atom(&mut item)?;
        }
        Ok(width.then(item))
    }

    /// Passes over what is as if it were not there, also between an item and its quantifier: `(?#…)`, and blanks and
    /// comments in verbose patterns.
    pub(super) fn skip_ignored(&mut self) -> Result<bool> {
        if self.take("(?#") {
            self.until(')')?;
            return Ok(true);
        }
        if !self.flags.verbose {
            return Ok(false);
        }
        let comment = self.rest.starts_with('#');
        if comment {
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let blank = |c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}');
        let rest = self.rest.trim_start_matches(blank);
        let blanks = rest.len() < self.rest.len();
        self.rest = rest;
        Ok(comment || blanks)
    }

    /// A quantifier's limits, if one stands here; its `?` or `+` is left.
    fn quantifier(&mut self) -> Result<Option<(usize, Option<usize>)>> {
        let limits = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.braces(),
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(limits))
    }

    /// `{2}`, `{2,}`, `{,3}`, `{2,3}`; anything else is a literal brace.
    fn braces(&mut self) -> Result<Option<(usize, Option<usize>)>> {
        let Some((inside, rest)) = self.rest[1..].split_once('}') else { return Ok(None) };
        let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if inside.is_empty() || !digits(least) || !digits(most) {
            return Ok(None);
        }
        let limit = |text: &str| text.parse::<u32>().map_err(|_| format!("{{{inside}}} repeats too often"));
        let least = if least.is_empty() { 0 } else { limit(least)? as usize };
        let most = if most.is_empty() { None } else { Some(limit(most)? as usize) };
        if most.is_some_and(|most| most < least) {
            return Err(format!("{{{inside}}} has its limits the wrong way round"));
        }
        self.rest = rest;
        Ok(Some((least, most)))
    }

    fn repeat(&mut self, item_start: usize, width: Width, least: usize, most: Option<usize>) {
        let item = self.out.split_off(item_start);
        let lazy = self.take("?");
        let possessive = !lazy && self.take("+");
        let repeated = if width.1 == 0 {
            at_most_once(&item, lazy, least, most)
        } else {
            let quantifier = match (least, most) {
                (0, None) => "*".to_owned(),
                (1, None) => "+".to_owned(),
                (0, Some(1)) => "?".to_owned(),
                (least, None) => format!("{{{least},}}"),
                (least, Some(most)) => format!("{{{least},{most}}}"),
            };
            format!("{item}{quantifier}{}", if lazy { "?" } else { "" })
        };
        let _ = match possessive {
            true => write!(self.out, "(?>{repeated})"),
            false => write!(self.out, "{repeated}"),
        };
    }

    fn atom(&mut self, width: &mut Width) -> Result<Last> {
        let c = self.next().unwrap_or('\0');
        *width = ONE;
        match c {
            '^' => {
                self.out.push_str(if self.flags.multi_line { "(?m:^)" } else { "\\A" });
                *width = Width::default();
                return Ok(Last::Nothing);
            }
            '$' => {
                self.dollar();
                *width = Width::default();
                return Ok(Last::Nothing);
            }
            '.' => self.out.push_str(if self.flags.dot_all { "(?s:.)" } else { "." }),
            '[' => self.class()?,
            '(' => return self.group(width),
            '\\' => return self.escape(width),
            c => self.literal(c),
        }
        Ok(Last::Repeatable)
    }

    fn dollar(&mut self) {
        if self.flags.multi_line {
            self.out.push_str("(?m:$)");
            return;
        }
        self.has_dollar = true;
        self.out.push_str(match self.texts {
            Texts::Most | Texts::Empty => "\\z",
            Texts::EndInNewline => "(?=\\n?\\z)",
        });
    }

    // Escapes.

    fn escape(&mut self, width: &mut Width) -> Result<Last> {
        let c = self.peek().ok_or("a backslash at the end")?;
        if let Some(assertion) = assertion(c, self.flags.ascii) {
            self.next();
            self.has_not_boundary |= c == 'B';
            let never = c == 'B' && self.texts == Texts::Empty;
            self.out.push_str(if never { "[a&&b]" } else { assertion });
            *width = Width::default();
            return Ok(Last::Nothing);
        }
        if matches!(c, '1'..='9') && !self.is_octal() {
            *width = self.back_reference()?;
            return Ok(Last::Repeatable);
        }
        if let Some(class) = shorthand(c, self.flags.ascii) {
            self.next();
            let _ = write!(self.out, "[{class}]");
            return Ok(Last::Repeatable);
        }
        let literal = self.escaped_character(false)?;
        self.literal(literal);
        Ok(Last::Repeatable)
    }

    /// Three octal digits are a character, not a group.
    fn is_octal(&self) -> bool {
        self.rest.len() >= 3 && self.rest.bytes().take(3).all(|byte| matches!(byte, b'0'..=b'7'))
    }

    fn back_reference(&mut self) -> Result<Width> {
        let digits = self.rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let group = self.groups.number(number)?;
        self.write_reference(group)
    }

    fn write_reference(&mut self, group: usize) -> Result<Width> {
        let width = self.groups.widths[group - 1].ok_or_else(|| format!("group {group} is still open"))?;
        self.check_look_behind(group)?;
        let _ = write!(self.out, "(?:\\{group})");
        Ok(width)
    }

    /// A look-behind is matched backwards, so that what its own groups hold is not known yet.
    fn check_look_behind(&self, group: usize) -> Result<()> {
        match self.before_look_behind {
            Some(before) if group > before => {
                Err(format!("group {group} is inside the same look-behind, which cannot refer to it"))
            }
            _ => Ok(()),
        }
    }

    /// A character written as an escape; `in_class` also allows `\b`.
    fn escaped_character(&mut self, in_class: bool) -> Result<char> {
        let c = self.next().ok_or("a backslash at the end")?;
        Ok(match c {
            'a' => '\u{7}',
            'b' if in_class => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            'N' => {
                return Err(
                    "the name of a character (\\N) cannot be used here: give its number, \\uXXXX".into()
                );
            }
            '0'..='7' => {
                // Up to three digits in all.
                let more = self.rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let (digits, rest) = self.rest.split_at(more);
                self.rest = rest;
                let code = u32::from_str_radix(&format!("{c}{digits}"), 8).unwrap_or(u32::MAX);
                char::from_u32(code).filter(|_| code <= 0o377).ok_or("this octal escape is too large")?
            }
            c if c.is_ascii_alphanumeric() => return Err(format!("bad escape \\{c}")),
            c => c,
        })
    }

    fn hex(&mut self, digits: usize) -> Result<char> {
        let code = self.rest.get(..digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = code.ok_or_else(|| format!("this escape needs {digits} hexadecimal digits"))?;
        self.rest = &self.rest[digits..];
        let number = u32::from_str_radix(code, 16).unwrap_or(u32::MAX);
        char::from_u32(number).ok_or_else(|| format!("there is no character {code}"))
    }

    // Classes.

    fn class(&mut self) -> Result<()> {
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            if self.peek().ok_or("']' is missing")? == ']' && !first {
                self.next();
                self.out.push(']');
                return Ok(());
            }
            first = false;
            self.class_item()?;
        }
    }

    fn class_item(&mut self) -> Result<()> {
        let low = self.class_member()?;
        let range = self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1;
        if !range {
            match low {
                Ok(c) => self.class_character(c),
                Err(class) => self.out.push_str(class),
            }
            return Ok(());
        }
        self.next();
        let high = self.class_member()?;
        match (low, high) {
            (Ok(low), Ok(high)) if low <= high => {
                self.class_character(low);
                self.out.push('-');
                self.class_character(high);
                Ok(())
            }
            _ => Err("bad character range".into()),
        }
    }

    fn class_character(&mut self, c: char) {
        let _ = write!(self.out, "\\x{{{:x}}}", u32::from(c));
    }

    /// A single character, or a shorthand class.
    fn class_member(&mut self) -> Result<std::result::Result<char, &'static str>> {
        let c = self.next().ok_or("']' is missing")?;
        if c != '\\' {
            return Ok(Ok(c));
        }
        let escaped = self.peek().ok_or("']' is missing")?;
        if let Some(class) = shorthand(escaped, self.flags.ascii) {
            self.next();
            return Ok(Err(class));
        }
        self.escaped_character(true).map(Ok)
    }

    // Groups.

    fn group(&mut self, width: &mut Width) -> Result<Last> {
        if !self.take("?") {
            *width = self.capture(None)?;
            return Ok(Last::Repeatable);
        }
        let extension = self.rest;
        match self.next().ok_or("this group is cut short")? {
            ':' => *width = self.enclosed("(?:")?,
            '>' => *width = self.enclosed("(?>")?,
            '=' => *width = self.look("(?=", false)?,
            '!' => *width = self.look("(?!", false)?,
            '<' if self.take("=") => *width = self.look("(?<=", true)?,
            '<' if self.take("!") => *width = self.look("(?<!", true)?,
            'P' => *width = self.python_group()?,
            '(' => *width = self.conditional()?,
            _ => {
                self.rest = extension;
                *width = self.scoped_flags()?;
            }
        }
        Ok(Last::Repeatable)
    }

    fn close(&mut self) -> Result<()> {
        if !self.take(")") {
            return Err("a closing parenthesis is missing".into());
        }
        self.out.push(')');
        Ok(())
    }

    fn enclosed(&mut self, open: &str) -> Result<Width> {
        self.out.push_str(open);
        let flags = self.flags;
        let width = self.alternatives()?;
        self.flags = flags;
        self.close()?;
        Ok(width)
    }

    fn look(&mut self, open: &str, behind: bool) -> Result<Width> {
        let outer = self.before_look_behind;
        if behind {
            self.before_look_behind = outer.or(Some(self.groups.names.len()));
        }
        let Width(least, most) = self.enclosed(open)?;
        self.before_look_behind = outer;
        if behind && least != most {
            return Err("look-behind requires a pattern of fixed width".into());
        }
        Ok(Width::default())
    }

    fn capture(&mut self, name: Option<&str>) -> Result<Width> {
        self.groups.names.push(name.map(str::to_owned));
        self.groups.widths.push(None);
        let group = self.groups.names.len() - 1;
        let width = self.enclosed("(")?;
        self.groups.widths[group] = Some(width);
        Ok(width)
    }

    fn python_group(&mut self) -> Result<Width> {
        match self.next() {
            Some('<') => {
                let name = self.until('>')?;
                check_name(name)?;
                if self.groups.named(name).is_ok() {
                    return Err(format!("the group name '{name}' is used twice"));
                }
                self.capture(Some(name))
            }
            Some('=') => {
                let name = self.until(')')?;
                let group = self.groups.named(name)?;
                self.write_reference(group)
            }
            _ => Err("unknown extension after (?P".into()),
        }
    }

    fn conditional(&mut self) -> Result<Width> {
        let name = self.until(')')?;
        let group = match name.parse::<usize>() {
            Ok(number) if number > 0 && number <= 500 => number,
            Ok(_) => return Err(format!("bad group number {name}")),
            Err(_) => self.groups.named(name)?,
        };
        if self.before_look_behind.is_some() {
            if self.groups.widths.get(group - 1).copied().flatten().is_none() {
                return Err(format!("a look-behind asks for group {group}, which is still open"));
            }
            self.check_look_behind(group)?;
        }
        self.conditions.push(group);
        let _ = write!(self.out, "(?({group})");
        let yes = self.sequence()?;
        let mut no = Width::default();
        if self.take("|") {
            self.out.push('|');
            no = self.sequence()?;
            if self.rest.starts_with('|') {
                return Err("a conditional group with more than two branches".into());
            }
        }
        self.close()?;
        Ok(yes.or(no))
    }

    /// `(?i:..)`, `(?s-i:..)`, from the first flag on.
    fn scoped_flags(&mut self) -> Result<Width> {
        let outer = self.flags;
        self.flags = self.scope()?;
        let open = match (outer.ignore_case, self.flags.ignore_case) {
            (false, true) => "(?i:",
            (true, false) => "(?-i:",
            _ => "(?:",
        };
        self.out.push_str(open);
        let width = self.alternatives()?;
        self.flags = outer;
        self.close()?;
        Ok(width)
    }
}

/// A repeated item that takes no text, such as a look-around: there once or not at all, however often it is asked for. The
/// engines refuse to repeat it.
fn at_most_once(item: &str, lazy: bool, least: usize, most: Option<usize>) -> String {
    match (least, most) {
        // Never tried, but its groups are counted.
        (0, Some(0)) => format!("(?:(?!){item}|)"),
        (0, _) if lazy => format!("(?:|{item})"),
        (0, _) => format!("(?:{item}|)"),
        _ => item.to_owned(),
    }
}

fn check_name(name: &str) -> Result<()> {
    let starts_well = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if starts_well && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(format!("'{name}' is not a name for a group"))
}

fn assertion(c: char, ascii: bool) -> Option<&'static str> {
    match c {
        'A' => Some("\\A"),
        'Z' => Some("\\z"),
        'b' if ascii => Some("(?-u:\\b)"),
        'B' if ascii => Some("(?-u:\\B)"),
        'b' => Some("\\b"),
        'B' => Some("\\B"),
        _ => None,
    }
}

/// A shorthand class as it stands inside `[]`. Python's word characters are letters, numbers and `_`, without marks;
/// its blanks include four ASCII separators.
fn shorthand(c: char, ascii: bool) -> Option<&'static str> {
    Some(match (c, ascii) {
        ('d', false) => "\\d",
        ('D', false) => "\\D",
        ('w', false) => "\\p{L}\\p{N}_",
        ('W', false) => "[^\\p{L}\\p{N}_]",
        ('s', false) => "\\s\\x1c-\\x1f",
        ('S', false) => "[^\\s\\x1c-\\x1f]",
        ('d', true) => "0-9",
        ('D', true) => "[^0-9]",
        ('w', true) => "a-zA-Z0-9_",
        ('W', true) => "[^a-zA-Z0-9_]",
        ('s', true) => "\\t-\\r\\x20",
        ('S', true) => "[^\\t-\\r\\x20]",
        _ => return None,
    })
}
