//! Any text is a context rule or an error. The first line is the rule, the others are dimensions and their values.
#![no_main]

use atex_fmf::{Context, Rule};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let rule = lines.next().unwrap_or_default();
    let mut context = Context::new();
    context.set("distro", ["rhel-9.6"]);
    for line in lines {
        if let Some((dimension, values)) = line.split_once('=') {
            context.set(dimension, values.split(','));
        }
    }
    if let Ok(rule) = Rule::parse(rule) {
        // An error is as good an answer as any.
        let _ = rule.eval(&context);
    }
});
