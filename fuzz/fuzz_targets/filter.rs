//! Any text is a filter that holds or does not, or an error. The first line is the filter, the rest the data as YAML.
#![no_main]

use atex_fmf::{Filter, Value, yaml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (filter, data) = text.split_once('\n').unwrap_or((text, "tag: [a, b]\ntier: 1\ncomponent: bash\n"));
    let Ok(Value::Map(data)) = yaml::load(data) else { return };
    // An error is as good an answer as any.
    let _ = Filter::parse(filter).matches("/core/smoke", &data);
});
