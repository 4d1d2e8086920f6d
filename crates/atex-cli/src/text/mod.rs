//! Text for people: numbers and lengths of time in words, and words of strangers made harmless.

pub mod units;
pub mod visible;
