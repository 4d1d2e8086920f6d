//! A test as bytes, for the file in which tests wait that do not fit into memory. Nobody but this process reads it.

use atex_model::Time;
use atex_model::report::{Cause, Outcome};

use super::seen::Seen;
use super::test::{Attempt, Detail, Details, End, Rank, Test};

/// Appends a test.
pub(super) fn write(test: &Test, to: &mut Vec<u8>) {
    for (number, attempt) in test.numbered() {
        put_number(to, u64::from(number));
        put_attempt(to, attempt);
    }
}

/// Reads a test back. `None`: these bytes are none.
pub(super) fn read(mut from: &[u8]) -> Option<Test> {
    let mut test = Test::default();
    while !from.is_empty() {
        let number = u32::try_from(number(&mut from)?).ok()?;
        *test.attempt(number) = attempt(&mut from)?;
    }
    Some(test)
}

const STARTED: u8 = 1;
const ENDED: u8 = 2;
const PROVISIONAL: u8 = 4;
const UNWAIVED: u8 = 8;
const DETAILED: u8 = 16;

fn put_attempt(to: &mut Vec<u8>, attempt: &Attempt) {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    to.push(
        flag(attempt.start.is_some(), STARTED)
            | flag(attempt.end.is_some(), ENDED)
            | flag(attempt.provisional, PROVISIONAL)
            | flag(attempt.unwaived, UNWAIVED)
            | flag(attempt.details.is_some(), DETAILED),
    );
    if let Some((time, host)) = &attempt.start {
        put_time(to, *time);
        put_text(to, host);
    }
    if let Some(end) = &attempt.end {
        put_end(to, end);
    }
    to.push(outcome_code(attempt.worst));
    to.push(outcome_code(attempt.worst_subtest));
    put_number(to, attempt.seen.below);
    put_number(to, attempt.seen.beyond.len() as u64);
    for (word, bits) in &attempt.seen.beyond {
        put_number(to, *word);
        put_number(to, *bits);
    }
    attempt.results.iter().for_each(|count| put_number(to, *count));
    if let Some(details) = &attempt.details {
        put_details(to, details);
    }
}

fn attempt(from: &mut &[u8]) -> Option<Attempt> {
    let flags = byte(from)?;
    let is = |flag: u8| flags & flag != 0;
    let mut attempt = Attempt { provisional: is(PROVISIONAL), unwaived: is(UNWAIVED), ..Attempt::default() };
    if is(STARTED) {
        attempt.start = Some((time(from)?, text(from)?));
    }
    if is(ENDED) {
        attempt.end = Some(end(from)?);
    }
    attempt.worst = outcome(from)?;
    attempt.worst_subtest = outcome(from)?;
    let mut seen = Seen { below: number(from)?, ..Seen::default() };
    for _ in 0..number(from)? {
        let (word, bits) = (number(from)?, number(from)?);
        seen.beyond.insert(word, bits);
    }
    attempt.seen = seen;
    for count in &mut attempt.results {
        *count = number(from)?;
    }
    if is(DETAILED) {
        attempt.details = Some(Box::new(details(from)?));
    }
    Some(attempt)
}

const FINAL: u8 = 1;
const WAIVED: u8 = 2;

fn put_end(to: &mut Vec<u8>, end: &End) {
    put_time(to, end.time);
    put_maybe(to, end.host.as_deref());
    to.push(outcome_code(Some(end.outcome)));
    to.push(CAUSES.iter().position(|cause| *cause == end.cause).unwrap_or(0) as u8);
    to.push(if end.is_final { FINAL } else { 0 } | if end.waived { WAIVED } else { 0 });
    to.push(u8::from(end.exit.is_some()));
    if let Some(exit) = end.exit {
        to.extend_from_slice(&exit.to_le_bytes());
    }
    to.extend_from_slice(&end.seconds.to_le_bytes());
    put_maybe(to, end.note.as_deref());
    put_maybe(to, end.artifacts.as_deref());
}

fn end(from: &mut &[u8]) -> Option<End> {
    let (time, host, outcome) = (time(from)?, maybe(from)?, outcome(from)??);
    let cause = *CAUSES.get(usize::from(byte(from)?))?;
    let flags = byte(from)?;
    let exit = if byte(from)? == 0 { None } else { Some(i64::from_le_bytes(bytes(from)?)) };
    let seconds = f64::from_le_bytes(bytes(from)?);
    let (is_final, waived) = (flags & FINAL != 0, flags & WAIVED != 0);
    let (note, artifacts) = (maybe(from)?, maybe(from)?);
    Some(End { time, host, outcome, cause, exit, seconds, is_final, note, artifacts, waived })
}

fn put_details(to: &mut Vec<u8>, details: &Details) {
    put_number(to, details.bad_subtests);
    to.push(u8::from(details.result.is_some()));
    for detail in details.result.iter().chain(&details.subtests) {
        to.push(outcome_code(Some(detail.rank.0)));
        put_number(to, detail.rank.1);
        [&detail.name, &detail.note, &detail.file]
            .into_iter()
            .for_each(|text| put_maybe(to, text.as_deref()));
    }
    to.push(outcome_code(None));
}

fn details(from: &mut &[u8]) -> Option<Details> {
    let mut details = Details { bad_subtests: number(from)?, ..Details::default() };
    let mut has_result = byte(from)? != 0;
    while let Some(outcome) = outcome(from)? {
        let rank = Rank(outcome, number(from)?);
        let detail = Detail { rank, name: maybe(from)?, note: maybe(from)?, file: maybe(from)? };
        match std::mem::take(&mut has_result) {
            true => details.result = Some(detail),
            false => details.subtests.push(detail),
        }
    }
    Some(details)
}

const CAUSES: [Cause; 5] = [Cause::Test, Cause::Host, Cause::Own, Cause::Cancelled, Cause::Skipped];

/// 0 is none.
fn outcome_code(outcome: Option<Outcome>) -> u8 {
    outcome.map_or(0, |outcome| outcome as u8 + 1)
}

fn outcome(from: &mut &[u8]) -> Option<Option<Outcome>> {
    match byte(from)?.checked_sub(1) {
        None => Some(None),
        Some(index) => Outcome::ALL.get(usize::from(index)).copied().map(Some),
    }
}

/// Seven bits a byte, the lowest first: most numbers are small.
fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(from)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn put_time(to: &mut Vec<u8>, time: Time) {
    to.extend_from_slice(&time.0.to_le_bytes());
}

fn time(from: &mut &[u8]) -> Option<Time> {
    bytes(from).map(i64::from_le_bytes).map(Time)
}

pub(super) fn put_text(to: &mut Vec<u8>, text: &str) {
    put_number(to, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

pub(super) fn text(from: &mut &[u8]) -> Option<String> {
    let len = usize::try_from(number(from)?).ok()?;
    let (text, rest) = from.split_at_checked(len)?;
    *from = rest;
    String::from_utf8(text.to_vec()).ok()
}

fn put_maybe(to: &mut Vec<u8>, text: Option<&str>) {
    to.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(to, text);
    }
}

fn maybe(from: &mut &[u8]) -> Option<Option<String>> {
    if byte(from)? == 0 { Some(None) } else { text(from).map(Some) }
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = from.split_first()?;
    *from = rest;
    Some(*byte)
}

fn bytes<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outcomes() -> impl Strategy<Value = Outcome> {
        prop::sample::select(Outcome::ALL.to_vec())
    }

    fn ends() -> impl Strategy<Value = End> {
        let texts = any::<[Option<String>; 3]>();
        let cause = prop::sample::select(CAUSES.to_vec());
        (any::<i64>(), texts, outcomes(), cause, any::<Option<i64>>(), 0.0..1e300, any::<(bool, bool)>())
            .prop_map(|(time, [host, note, artifacts], outcome, cause, exit, seconds, (is_final, waived))| {
                let time = Time(time);
                End { time, host, outcome, cause, exit, seconds, is_final, note, artifacts, waived }
            })
    }

    fn some_details() -> impl Strategy<Value = Details> {
        let detail = || {
            (outcomes(), any::<u64>(), any::<[Option<String>; 3]>()).prop_map(
                |(outcome, n, [name, note, file])| Detail { rank: Rank(outcome, n), name, note, file },
            )
        };
        (prop::option::of(detail()), prop::collection::vec(detail(), 0..4), any::<u64>())
            .prop_map(|(result, subtests, bad_subtests)| Details { result, subtests, bad_subtests })
    }

    fn attempts() -> impl Strategy<Value = Attempt> {
        let start = prop::option::of((any::<i64>().prop_map(Time), any::<String>()));
        let worst = (prop::option::of(outcomes()), prop::option::of(outcomes()));
        let seen = prop::collection::vec(any::<u64>(), 0..5);
        let details = prop::option::of(some_details().prop_map(Box::new));
        let flags = any::<(bool, bool)>();
        (start, prop::option::of(ends()), worst, seen, any::<[u64; super::super::STATUSES]>(), details, flags)
            .prop_map(|(start, end, (worst, worst_subtest), positions, results, details, flags)| {
                let mut seen = Seen::default();
                for n in positions {
                    seen.insert(n);
                }
                let (provisional, unwaived) = flags;
                Attempt { start, end, provisional, worst, worst_subtest, unwaived, seen, results, details }
            })
    }

    proptest! {
        #[test]
        fn a_test_comes_back(attempts in prop::collection::btree_map(any::<u32>(), attempts(), 0..4),
                             cut in any::<prop::sample::Index>()) {
            let mut test = Test::default();
            attempts.into_iter().for_each(|(number, attempt)| *test.attempt(number) = attempt);
            let mut bytes = Vec::new();
            write(&test, &mut bytes);
            prop_assert_eq!(read(&bytes), Some(test));
            // What is cut off is read as something else or not at all, and does no harm.
            let _ = read(&bytes[..cut.index(bytes.len() + 1)]);
        }
    }
}
