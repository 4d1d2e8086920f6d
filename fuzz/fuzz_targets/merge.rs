//! Any mapping is a tree or an error: children, directives, suffixes, adjust rules.
#![no_main]

use atex_fmf::{Context, Mapping, Tree, Value, json, yaml};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|text: &str| {
    let Ok(Value::Map(data)) = yaml::load(text) else { return };
    if names_directory(&data) {
        return;
    }
    let mut context = Context::new();
    context.set("distro", ["rhel-9.6"]);
    context.set("arch", ["x86_64", "aarch64"]);
    let Ok(tree) = Tree::from_data((*data).clone(), &context) else { return };
    for node in tree.nodes() {
        let mut written = Vec::new();
        json::write_mapping(&mut written, node.data()).expect("memory takes every byte");
        assert!(serde_json::from_slice::<&RawValue>(&written).is_ok(), "{}", node.name());
    }
});

/// Whether a child is text: it stands for a directory, and the file system is not to be walked here.
fn names_directory(data: &Mapping) -> bool {
    data.iter().any(|(key, value)| match value {
        Value::Text(_) => key.as_str().is_some_and(|key| key.starts_with('/')),
        Value::Map(inner) => names_directory(inner),
        _ => false,
    })
}
