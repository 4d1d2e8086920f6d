//! The packages that tests need on their host.

use std::collections::BTreeSet;

use atex_model::Test;
use serde_json::Value;

/// Names of packages, or whatever else a host's package manager can look up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// A test cannot run without these.
    pub require: BTreeSet<String>,
    /// They are good to have.
    pub recommend: BTreeSet<String>,
}

impl Needs {
    /// What a test needs: the texts among its `require` and `recommend`. Other entries are files and libraries,
    /// which come with the tree.
    pub fn of(test: &Test) -> Needs {
        let names = |key: &str| match test.data.get(key) {
            Some(Value::String(name)) => BTreeSet::from([name.clone()]),
            Some(Value::Array(entries)) => {
                entries.iter().filter_map(|entry| Some(entry.as_str()?.to_owned())).collect()
            }
            _ => BTreeSet::new(),
        };
        let (require, recommend) = (names("require"), names("recommend"));
        Needs { require, recommend }
    }

    pub fn contains(&self, other: &Needs) -> bool {
        other.require.is_subset(&self.require) && other.recommend.is_subset(&self.recommend)
    }

    pub fn add(&mut self, other: Needs) {
        self.require.extend(other.require);
        self.recommend.extend(other.recommend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_packages() {
        let data =
            json!({"require": ["a", {"type": "library", "name": "/x"}, "/usr/bin/b"], "recommend": "c"});
        let mut all = Needs::of(&Test::new("/t", data.as_object().unwrap().clone()));
        assert_eq!(all.require.iter().collect::<Vec<_>>(), ["/usr/bin/b", "a"]);
        assert_eq!(all.recommend.iter().collect::<Vec<_>>(), ["c"]);
        let more = Needs { require: ["d".to_owned()].into(), ..Needs::default() };
        assert!(!all.contains(&more));
        all.add(more.clone());
        assert!(all.contains(&more));
    }
}
