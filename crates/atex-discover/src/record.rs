//! Test records, written straight into a buffer: a tree has thousands of tests, whose records differ in little
//! but the metadata, which is text already when it comes here.

use atex_fmf::{DataWriter, Mapping, Test, json};
use atex_model::Tree;
use serde::Serialize;

/// The metadata of a test.
pub(crate) enum Data<'a> {
    /// As it was found, and what wrote that of the test before.
    Found(&'a Test<'a>, &'a mut DataWriter),
    /// Made here.
    Made(&'a Mapping),
}

impl Data<'_> {
    /// Appends it as a JSON object.
    pub(crate) fn write(&mut self, to: &mut Vec<u8>) {
        match self {
            Data::Found(test, writer) => writer.write(to, test),
            Data::Made(data) => json::write_mapping(to, data).expect("a Vec takes every byte"),
        }
    }

    /// A copy that can be changed.
    pub(crate) fn to_mapping(&self) -> Mapping {
        match self {
            Data::Found(test, _) => test.data(),
            Data::Made(data) => (*data).clone(),
        }
    }
}

/// What the records of all tests have in common, as JSON.
pub(crate) struct Common {
    /// The keys behind the name.
    platform_and_tree: Vec<u8>,
    /// The keys behind the metadata.
    plan: Vec<u8>,
}

impl Common {
    /// `plan` is a JSON object.
    pub(crate) fn new(platform: Option<&str>, tree: Option<&Tree>, plan: Option<&[u8]>) -> Common {
        let mut platform_and_tree = Vec::new();
        if let Some(platform) = platform {
            platform_and_tree.extend_from_slice(b",\"platform\":");
            append(&mut platform_and_tree, platform);
        }
        if let Some(tree) = tree {
            platform_and_tree.extend_from_slice(b",\"tree\":");
            append(&mut platform_and_tree, tree);
        }
        let plan = plan.map(|plan| [b",\"plan\":", plan].concat()).unwrap_or_default();
        Common { platform_and_tree, plan }
    }

    /// Appends the record of a test; `data` appends its metadata as a JSON object.
    pub(crate) fn append(
        &self,
        to: &mut Vec<u8>,
        name: &str,
        dir: Option<&str>,
        data: impl FnOnce(&mut Vec<u8>),
    ) {
        to.extend_from_slice(br#"{"type":"test","name":"#);
        append_text(to, name);
        to.extend_from_slice(&self.platform_and_tree);
        if let Some(dir) = dir {
            to.extend_from_slice(b",\"dir\":");
            append_text(to, dir);
        }
        to.extend_from_slice(b",\"data\":");
        data(to);
        to.extend_from_slice(&self.plan);
        to.extend_from_slice(b"}\n");
    }
}

/// Appends text as JSON: what [`append`] gives, sooner.
fn append_text(to: &mut Vec<u8>, text: &str) {
    json::write_text(to, text).expect("a Vec takes every byte");
}

/// Appends a value as JSON.
pub(crate) fn append<T: Serialize + ?Sized>(to: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(to, value).expect("what is written here has text keys, and a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::{Object, Plan, Test, TreePart};

    #[test]
    fn records_are_what_the_model_writes() {
        let parts = [("/a b", "first"), ("/ü\"", ".")]
            .map(|(from, to)| TreePart { from: from.to_owned(), to: to.to_owned() });
        let data: Object = serde_json::from_str(r#"{"test":"x","tag":["\n"]}"#).unwrap();
        for (platform, tree, dir, plan) in [
            (None, None, None, None),
            (None, Some(Tree::Directory("/srv/tests".into())), Some("."), None),
            (Some("a\"b"), Some(Tree::Parts(parts.into())), Some("a/b\n"), Some("/plans/one")),
        ] {
            let plan = plan.map(|name| Plan { name: Some(name.to_owned()), ..Plan::default() });
            let test = Test {
                platform: platform.map(str::to_owned),
                tree: tree.clone(),
                dir: dir.map(str::to_owned),
                plan: plan.clone(),
                ..Test::new("/a \"quoted\"\n", data.clone())
            };
            let plan = plan.map(|plan| serde_json::to_vec(&plan).unwrap());
            let mut line = Vec::new();
            let common = Common::new(platform, tree.as_ref(), plan.as_deref());
            common.append(&mut line, &test.name, dir, |to| append(to, &test.data));
            assert_eq!(String::from_utf8(line).unwrap(), serde_json::to_string(&test).unwrap() + "\n");
        }
    }
}
