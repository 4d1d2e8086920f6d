//! Any text is YAML or an error, and what was read can be written as JSON.
#![no_main]

use atex_fmf::{json, yaml};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|text: &str| {
    if let Ok(value) = yaml::load(text) {
        let written = json::to_string(&value);
        // Raw, since integers may be longer than serde_json takes them.
        assert!(serde_json::from_str::<&RawValue>(&written).is_ok(), "{written}");
    }
});
