//! Integers of any size, and arithmetic between the number types as the reference has it.

use std::cmp::Ordering;
use std::fmt;

/// More digits than this are refused, as the reference refuses to convert them between text and number.
const MAX_DIGITS: usize = 4300;

/// A whole number too large for 64 bits: sign and decimal digits, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInt {
    negative: bool,
    digits: String,
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        f.write_str(&self.digits)
    }
}

impl BigInt {
    /// The nearest float, infinite if there is none.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    fn from_i64(number: i64) -> Self {
        Self { negative: number < 0, digits: number.unsigned_abs().to_string() }
    }
}

impl PartialOrd for BigInt {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BigInt {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => compare_digits(&self.digits, &other.digits),
            (true, true) => compare_digits(&other.digits, &self.digits),
        }
    }
}

/// A whole number: small ones in a machine word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Int {
    /// Fits 64 bits.
    Small(i64),
    /// Does not.
    Big(BigInt),
}

impl Int {
    /// Reads digits of a base; the digits were checked by the caller, except for being present at all.
    pub(crate) fn from_digits(digits: &str, base: u32, negative: bool) -> Option<Self> {
        if digits.is_empty() || digits.len() > MAX_DIGITS {
            return None;
        }
        if let Ok(magnitude) = u64::from_str_radix(digits, base) {
            let value = i128::from(magnitude);
            return Some(Self::from_i128(if negative { -value } else { value }));
        }
        let digits = if base == 10 { digits.to_owned() } else { to_decimal(digits, base)? };
        Some(Self::normal(negative, &digits))
    }

    fn from_i128(number: i128) -> Self {
        match i64::try_from(number) {
            Ok(small) => Self::Small(small),
            Err(_) => Self::Big(BigInt { negative: number < 0, digits: number.unsigned_abs().to_string() }),
        }
    }

    fn normal(negative: bool, digits: &str) -> Self {
        let digits = digits.trim_start_matches('0');
        let text = if negative { format!("-{digits}") } else { digits.to_owned() };
        match text.parse::<i64>() {
            Ok(small) => Self::Small(small),
            Err(_) if digits.is_empty() => Self::Small(0),
            Err(_) => Self::Big(BigInt { negative, digits: digits.to_owned() }),
        }
    }

    /// The nearest float.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match self {
            Self::Small(number) => *number as f64,
            Self::Big(number) => number.to_f64(),
        }
    }

    fn to_big(&self) -> BigInt {
        match self {
            Self::Small(number) => BigInt::from_i64(*number),
            Self::Big(number) => number.clone(),
        }
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        if let (Self::Small(left), Self::Small(right)) = (self, other) {
            return Self::from_i128(i128::from(*left) + i128::from(*right));
        }
        let (left, right) = (self.to_big(), other.to_big());
        if left.negative == right.negative {
            return Self::normal(left.negative, &add_digits(&left.digits, &right.digits));
        }
        match compare_digits(&left.digits, &right.digits) {
            Ordering::Equal => Self::Small(0),
            Ordering::Greater => Self::normal(left.negative, &subtract_digits(&left.digits, &right.digits)),
            Ordering::Less => Self::normal(right.negative, &subtract_digits(&right.digits, &left.digits)),
        }
    }

    pub(crate) fn negate(&self) -> Self {
        match self {
            Self::Small(number) => Self::from_i128(-i128::from(*number)),
            Self::Big(number) => Self::normal(!number.negative, &number.digits),
        }
    }
}

impl PartialOrd for Int {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Int {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(left), Self::Small(right)) => left.cmp(right),
            _ => self.to_big().cmp(&other.to_big()),
        }
    }
}

fn compare_digits(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn add_digits(left: &str, right: &str) -> String {
    let (mut left, mut right) = (left.bytes().rev(), right.bytes().rev());
    let mut out = Vec::new();
    let mut carry = 0;
    loop {
        let (a, b) = (left.next(), right.next());
        if a.is_none() && b.is_none() {
            break;
        }
        let sum = a.map_or(0, |d| d - b'0') + b.map_or(0, |d| d - b'0') + carry;
        out.push(b'0' + sum % 10);
        carry = sum / 10;
    }
    if carry > 0 {
        out.push(b'0' + carry);
    }
    reversed(&out)
}

/// `left - right`, where left is the larger.
fn subtract_digits(left: &str, right: &str) -> String {
    let mut right = right.bytes().rev();
    let mut out = Vec::new();
    let mut borrow = 0;
    for digit in left.bytes().rev() {
        let take = right.next().map_or(0, |d| d - b'0') + borrow;
        let have = digit - b'0';
        borrow = u8::from(have < take);
        out.push(b'0' + have + 10 * borrow - take);
    }
    reversed(&out)
}

fn reversed(digits: &[u8]) -> String {
    digits.iter().rev().map(|&digit| char::from(digit)).collect()
}

/// Decimal digits from those of another base, in blocks of nine decimal digits.
fn to_decimal(digits: &str, base: u32) -> Option<String> {
    const BLOCK: u64 = 1_000_000_000;
    let mut blocks = vec![0u64];
    for digit in digits.chars() {
        let mut carry = u64::from(digit.to_digit(base)?);
        for block in &mut blocks {
            let value = *block * u64::from(base) + carry;
            *block = value % BLOCK;
            carry = value / BLOCK;
        }
        if carry > 0 {
            blocks.push(carry);
        }
    }
    Some(blocks.iter().rev().map(|block| format!("{block:09}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(text: &str) -> Int {
        let negative = text.starts_with('-');
        Int::from_digits(text.trim_start_matches('-'), 10, negative).unwrap()
    }

    fn show(value: &Int) -> String {
        match value {
            Int::Small(number) => number.to_string(),
            Int::Big(number) => number.to_string(),
        }
    }

    #[test]
    fn sums_cross_the_border_of_64_bits_both_ways() {
        for (left, right, sum) in [
            ("9223372036854775807", "1", "9223372036854775808"),
            ("9223372036854775808", "-1", "9223372036854775807"),
            ("-9223372036854775808", "-1", "-9223372036854775809"),
            ("100000000000000000000", "-100000000000000000000", "0"),
            ("1", "-100000000000000000000", "-99999999999999999999"),
            ("99999999999999999999", "1", "100000000000000000000"),
        ] {
            assert_eq!(show(&int(left).add(&int(right))), sum, "{left} + {right}");
        }
    }

    #[test]
    fn other_bases_are_exact() {
        let value = Int::from_digits("ffffffffffffffffffffffff", 16, false).unwrap();
        assert_eq!(show(&value), "79228162514264337593543950335");
        assert_eq!(Int::from_digits("", 16, false), None);
    }

    #[test]
    fn negating_the_smallest_machine_word_grows() {
        assert_eq!(show(&int("-9223372036854775808").negate()), "9223372036854775808");
        assert_eq!(int("9223372036854775808").negate(), Int::Small(i64::MIN));
    }
}
