//! Replacement texts: literal pieces and groups.

use super::Spans;
use super::translate::Groups;

#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

/// A replacement text taken apart.
#[derive(Debug)]
pub struct Template(Vec<Piece>);

impl Template {
    pub fn parse(text: &str, groups: &Groups) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            pieces.push(Piece::Text(rest[..at].to_owned()));
            let (piece, after) = escape(&rest[at + 1..], groups)?;
            pieces.push(piece);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// Adds the replacement for one match; a group that took no part is empty.
    pub fn expand(&self, text: &str, spans: &Spans, out: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => out.push_str(literal),
                Piece::Group(group) => {
                    if let Some(Some((start, end))) = spans.get(*group) {
                        out.push_str(&text[*start..*end]);
                    }
                }
            }
        }
    }
}

/// What follows a backslash, and the rest.
fn escape<'t>(text: &'t str, groups: &Groups) -> Result<(Piece, &'t str), String> {
    let first = text.chars().next().ok_or("a backslash at the end")?;
    let rest = &text[first.len_utf8()..];
    let literal = |c: char| Ok((Piece::Text(c.to_string()), rest));
    match first {
        'g' => named_group(rest, groups),
        '0' => {
            let digits = octal_digits(rest, 2);
            let (code, rest) = rest.split_at(digits);
            Ok((Piece::Text(octal(code)?.to_string()), rest))
        }
        '1'..='9' => numbered_group(text, groups),
        'a' => literal('\u{7}'),
        'b' => literal('\u{8}'),
        'f' => literal('\u{c}'),
        'n' => literal('\n'),
        'r' => literal('\r'),
        't' => literal('\t'),
        'v' => literal('\u{b}'),
        '\\' => literal('\\'),
        c if c.is_ascii_alphabetic() => Err(format!("bad escape \\{c}")),
        c => Ok((Piece::Text(format!("\\{c}")), rest)),
    }
}

fn octal_digits(text: &str, most: usize) -> usize {
    text.bytes().take(most).take_while(|byte| matches!(byte, b'0'..=b'7')).count()
}

fn octal(digits: &str) -> Result<char, String> {
    let code = if digits.is_empty() {
        0
    } else {
        u32::from_str_radix(digits, 8).map_err(|error| error.to_string())?
    };
    char::from_u32(code)
        .filter(|_| code <= 0o377)
        .ok_or_else(|| format!("octal escape \\{digits} is too large"))
}

fn numbered_group<'t>(text: &'t str, groups: &Groups) -> Result<(Piece, &'t str), String> {
    if octal_digits(text, 3) == 3 {
        let (code, rest) = text.split_at(3);
        return Ok((Piece::Text(octal(code)?.to_string()), rest));
    }
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    Ok((Piece::Group(groups.number(number)?), rest))
}

fn named_group<'t>(rest: &'t str, groups: &Groups) -> Result<(Piece, &'t str), String> {
    let rest = rest.strip_prefix('<').ok_or("\\g needs a group in <>")?;
    let (name, rest) = rest.split_once('>').ok_or("\\g< needs a closing >")?;
    let group = if name.bytes().all(|byte| byte.is_ascii_digit()) {
        groups.number(name)?
    } else {
        groups.named(name)?
    };
    Ok((Piece::Group(group), rest))
}
