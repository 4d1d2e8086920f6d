//! Any text is a condition that holds or does not, or an error.
#![no_main]

use std::sync::LazyLock;

use atex_fmf::condition::Expression;
use atex_fmf::{Mapping, Value, yaml};
use libfuzzer_sys::fuzz_target;

const DATA: &str = "
tag: [a, b]
tier: 1
component: bash
enabled: true
environment: {A: b, N: 2}
ratio: 1.5
nothing:
day: 2024-02-29
";

static MAPPING: LazyLock<Mapping> = LazyLock::new(|| match yaml::load(DATA) {
    Ok(Value::Map(data)) => (*data).clone(),
    other => panic!("the data is a mapping, not {other:?}"),
});

fuzz_target!(|text: &str| {
    if let Ok(expression) = Expression::parse(text) {
        // An error is as good an answer as any.
        let _ = expression.holds(&MAPPING);
    }
});
