//! TAP: any bytes become records, or are named as wrong.
#![no_main]

mod importing;
mod report;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| importing::import("tap", bytes));
