//! Bytes of which nobody says what they are: packed, an archive, or a report.
#![no_main]

mod report;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    report::run(&["import", "--run=r"], bytes);
});
