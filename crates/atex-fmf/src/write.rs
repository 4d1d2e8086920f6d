//! The data of many tests as JSON: what neighbours inherit from the same node is made text once.

use std::sync::Arc;

use crate::discover::Test;
use crate::json;
use crate::mapping::{Key, Mapping};
use crate::value::Value;

/// Writes the data of tests, one after the other, exactly as [`Test::write_data`] does.
///
/// Tests that stand together mostly inherit from one node, and have much of their data from there, which is copied as text.
#[derive(Default)]
pub struct DataWriter {
    /// What the last test inherits, and the lists that took the place of some of it.
    base: Option<Arc<Mapping>>,
    needs: Option<Arc<[Value; 2]>>,
    /// The text of that. It is made when a second test comes that inherits it: many nodes have one child only.
    inherited: Option<Inherited>,
}

impl DataWriter {
    /// Appends the data of a test as a JSON object.
    pub fn write(&mut self, to: &mut Vec<u8>, test: &Test<'_>) {
        let data = test.own_data();
        match data.base().and_then(|base| self.inherited(base, test)) {
            Some(inherited) if data.own().all(|(key, _)| key.as_str().is_some()) => inherited.write(to, test),
            _ => test.write_data(to).expect("a Vec takes every byte"),
        }
    }

    /// The text of what a test inherits, if it is not the first of those that inherit it.
    fn inherited(&mut self, base: &Arc<Mapping>, test: &Test<'_>) -> Option<&Inherited> {
        let same_base = self.base.as_ref().is_some_and(|known| Arc::ptr_eq(known, base));
        let same_needs = self.needs.as_ref().map(Arc::as_ptr) == test.needs.as_ref().map(Arc::as_ptr);
        if !(same_base && same_needs) {
            (self.base, self.needs, self.inherited) = (Some(base.clone()), test.needs.clone(), None);
            return None;
        }
        if self.inherited.is_none() {
            self.inherited = Inherited::of(base, test);
        }
        self.inherited.as_ref()
    }
}

/// The entries of a mapping that others extend, as text.
struct Inherited {
    /// Each begins with a comma.
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Inherited {
    /// As a test has them. Nothing if a key is no text: two of such keys may read alike, and are then written once.
    fn of(base: &Mapping, test: &Test<'_>) -> Option<Self> {
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(base.len()));
        for (key, value) in base.iter() {
            key.as_str()?;
            write_entry(&mut text, test, key, value);
            ends.push(text.len());
        }
        Some(Self { text, ends })
    }

    fn write(&self, to: &mut Vec<u8>, test: &Test<'_>) {
        let start = to.len();
        let data = test.own_data();
        let (base, replaced) = (data.base().into_iter().flat_map(|base| base.keys()), data.replaced());
        let (mut base, mut copied) = (base.enumerate(), 0);
        for (key, value) in data.own().take(replaced) {
            // They stand in the same order there.
            let Some((at, _)) = base.find(|(_, inherited)| *inherited == key) else { break };
            to.extend_from_slice(&self.text[copied..at.checked_sub(1).map_or(0, |before| self.ends[before])]);
            write_entry(to, test, key, value);
            copied = self.ends[at];
        }
        to.extend_from_slice(&self.text[copied..]);
        for (key, value) in data.own().skip(replaced) {
            write_entry(to, test, key, value);
        }
        for (key, value) in test.missing_needs() {
            write_entry(to, test, &key, value);
        }
        match to.get_mut(start) {
            Some(first) => *first = b'{',
            None => to.push(b'{'),
        }
        to.push(b'}');
    }
}

/// Appends a comma and an entry, with the value that a test has there.
fn write_entry(to: &mut Vec<u8>, test: &Test<'_>, key: &Key, value: &Value) {
    let value = key.as_str().and_then(|key| test.replaced(key)).unwrap_or(value);
    to.push(b',');
    json::write_entry(to, key, value).expect("a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Context, Request, Tree, discover};

    #[test]
    fn what_is_copied_reads_as_what_is_written_for_one_test_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".fmf")).unwrap();
        fs::write(dir.path().join(".fmf/version"), "1\n").unwrap();
        let data = r#"
summary: "a \"b\""
env: {A: 1}
tag: [x]
test: t
/1: {env+: {B: 2}}
/2: {summary: two, new: 2}
/3: {test: z, tag+: [y], summary: three}
/4: {}
/5: {recommend: [p], require: [q], env: {}}
/6:
  test: u
  tier: 6
  /1: {tier: 1}
  /2: {new: 2}
  /3: {summary: three, tier: 3}
/7: {new: 7}
/8: {new: 8}
"#;
        fs::write(dir.path().join("main.fmf"), data).unwrap();
        let tree = Tree::load(dir.path(), &Context::new()).unwrap();
        for libraries in [false, true] {
            let found = discover(&tree, &Request { libraries, ..Request::default() }).unwrap();
            assert_eq!(found.tests.len(), 10);
            let mut writer = DataWriter::default();
            for test in &found.tests {
                let (mut written, mut alone) = (b"before".to_vec(), b"before".to_vec());
                writer.write(&mut written, test);
                test.write_data(&mut alone).unwrap();
                let text = |bytes| String::from_utf8(bytes).unwrap();
                assert_eq!(text(written), text(alone), "{}", test.name);
            }
            assert!(writer.inherited.is_some());
        }
    }
}
