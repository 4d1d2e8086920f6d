//! Text for people: numbers and lengths of time in words, words of strangers made harmless, and the last
//! of what was printed.

pub mod tail;
pub mod units;
pub mod visible;
