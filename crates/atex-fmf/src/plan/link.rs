//! Links of tests, and which are asked for: `RELATION:TARGET`.

use crate::error::Error;
use crate::filter::LazyPattern;
use crate::mapping::Mapping;
use crate::value::Value;

/// A link without a relation has this one.
const DEFAULT: &str = "relates";

/// Known relations. In a text, what stands before a colon is a relation only if it is one of these: URLs have colons.
const RELATIONS: [&str; 14] = [
    "verifies",
    "verified-by",
    "implements",
    "implemented-by",
    "documents",
    "documented-by",
    "blocks",
    "blocked-by",
    "duplicates",
    "duplicated-by",
    "parent",
    "child",
    "relates",
    "test-script",
];

/// Keys of a link that are no relation.
const OTHER_KEYS: [&str; 5] = ["url", "ref", "path", "name", "note"];

/// What is asked of a link.
pub(super) struct Needle {
    relation: LazyPattern,
    target: LazyPattern,
}

impl Needle {
    pub fn new(text: &str) -> Self {
        let (relation, target) = text.split_once(':').unwrap_or((".*", text));
        Self { relation: LazyPattern::search(relation), target: LazyPattern::search(target) }
    }

    /// Whether one of a test's links is meant. A link that is none is passed over.
    pub fn is_in(&self, data: &Mapping) -> Result<bool, Error> {
        for link in data.get("link").map(Value::to_list).unwrap_or_default() {
            if let Some((relation, target)) = relation_and_target(&link)
                && self.relation.is_found_in(&relation)?
                && self.target.is_found_in(&target)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn relation_and_target(link: &Value) -> Option<(String, String)> {
    if let Some(text) = link.as_str() {
        let related = text.split_once(':').filter(|(relation, _)| RELATIONS.contains(relation));
        let (relation, target) = related.unwrap_or((DEFAULT, text));
        return Some((relation.to_owned(), target.to_owned()));
    }
    let link = link.as_map()?;
    let mut relations =
        link.iter().filter(|(key, _)| key.as_str().is_none_or(|key| !OTHER_KEYS.contains(&key)));
    match (relations.next(), relations.next()) {
        (None, _) => Some((DEFAULT.to_owned(), name_of(&link)?)),
        (Some((relation, target)), None) => {
            let target = target.as_str().map(str::to_owned).or_else(|| name_of(&*target.as_map()?));
            Some((relation.to_text().to_string(), target?))
        }
        _ => None,
    }
}

/// Of an identifier only the name is looked at.
fn name_of(identifier: &Mapping) -> Option<String> {
    identifier.get("name").and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn links_by_relation_and_target() {
        let links = "[{verifies: 'https://e.org/1', note: x}, 'implements:foo', /x/y, 'https://e.org/2', {name: /n}, {blocks: {url: u, name: /b}}, {a: b, c: d}, 7]";
        let data: Mapping = [("link", yaml::load(links).unwrap())].into_iter().collect();
        for (needle, expected) in [
            ("verifies:.*/1$", true),
            ("verifies:.*/2$", false),
            ("relates:.*/2$", true),
            ("e.org/2", true),
            ("foo", true),
            ("^imp:^foo$", true),
            ("relates:^/x", true),
            ("relates:^/n$", true),
            ("blocks:/b", true),
            ("blocks:u", false),
            ("^a$:b", false),
        ] {
            assert_eq!(Needle::new(needle).is_in(&data).unwrap(), expected, "{needle}");
        }
    }
}
