//! Several tests out of one, which differ in environment variables.

use std::collections::HashSet;
use std::sync::Arc;

use atex_cli::Failure;
use atex_fmf::{Mapping, Value};

use crate::names::{self, Pattern};

/// A test may become this many. Values multiply, so that a few options more could fill the memory.
const MAX_VARIANTS: usize = 10_000;

/// What each test becomes.
#[derive(Debug, Default)]
pub(crate) struct Variants {
    /// None: tests stay as they are.
    variants: Vec<Variant>,
    /// If there are any, only tests that match one are varied.
    pub only: Vec<Pattern>,
}

/// One of several tests.
#[derive(Debug, Default, Clone)]
pub(crate) struct Variant {
    environment: Vec<(String, String)>,
}

impl Variants {
    /// The combinations of the values that the words of `--vary` give.
    pub(crate) fn new(words: &[String], only: &[String]) -> Result<Variants, Failure> {
        let only = names::patterns("--vary-only", only);
        names::check(only.iter())?;
        let mut known = Vec::new();
        let mut variants: Vec<Variant> = Vec::new();
        for word in words {
            let (key, values) = parse(word)?;
            if known.contains(&key) {
                return Err(Failure::usage(format!("--vary: {key} is given twice"))
                    .hint(format!("all values of a key stand in one option: --vary {key}=A,B")));
            }
            known.push(key);
            variants = product(&variants, key, &values)?;
        }
        Ok(Variants { variants, only })
    }

    /// Refuses that two tests would have one name. `tests` are the names of all, each with whether it is varied.
    pub(crate) fn check_names<'n>(
        &self,
        tests: impl Iterator<Item = (&'n str, bool)> + Clone,
    ) -> Result<(), Failure> {
        // Only a test that is called like another one and an `@` can meet its variants.
        let odd = || tests.clone().filter(|(name, _)| !self.is_empty() && name.contains('@'));
        if odd().next().is_none() {
            return Ok(());
        }
        let varied: HashSet<&str> =
            tests.clone().filter(|(_, varied)| *varied).map(|(name, _)| name).collect();
        for (other, other_varied) in odd() {
            let before = other.match_indices('@').map(|(at, _)| &other[..at]);
            for name in before.filter(|name| varied.contains(name)) {
                let taken: HashSet<String> = match other_varied {
                    true => self.iter().map(|variant| variant.name(other)).collect(),
                    false => HashSet::from([other.to_owned()]),
                };
                if let Some(twice) =
                    self.iter().map(|variant| variant.name(name)).find(|name| taken.contains(name))
                {
                    let what = if other_varied { "a variant of" } else { "the test" };
                    return Err(Failure::usage(format!(
                        "--vary: {twice} would be the name of two tests: a variant of {name}, and {what} {other}"
                    ))
                    .hint("--vary-only says which tests are varied"));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Variant> {
        self.variants.iter()
    }
}

fn parse(word: &str) -> Result<(&str, Vec<&str>), Failure> {
    let (key, values) = word.split_once('=').filter(|(key, _)| is_variable(key)).ok_or_else(|| {
        let message = "expected VARIABLE=VALUE,VALUE such as disk=ide,virtio";
        Failure::usage(format!("--vary: {message}, found `{word}`"))
            .hint("a variable's name has letters, digits and _, and begins with no digit")
    })?;
    let values: Vec<&str> = values.split(',').collect();
    for (at, value) in values.iter().enumerate() {
        if values[..at].contains(value) {
            return Err(Failure::usage(format!("--vary: {key} has the value `{value}` twice")));
        }
    }
    Ok((key, values))
}

fn is_variable(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(word)
}

fn product(before: &[Variant], key: &str, values: &[&str]) -> Result<Vec<Variant>, Failure> {
    let nothing = [Variant::default()];
    let before = if before.is_empty() { &nothing[..] } else { before };
    if before.len().saturating_mul(values.len()) > MAX_VARIANTS {
        return Err(Failure::usage(format!("--vary: expected at most {MAX_VARIANTS} combinations")));
    }
    let mut variants = Vec::with_capacity(before.len() * values.len());
    for variant in before {
        for value in values {
            let mut variant = variant.clone();
            variant.environment.push((key.to_owned(), (*value).to_owned()));
            variants.push(variant);
        }
    }
    Ok(variants)
}

impl Variant {
    /// What a test of this name is called.
    pub(crate) fn name(&self, name: &str) -> String {
        let words: Vec<_> = self.environment.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{name}@{}", words.join(","))
    }

    /// Adds the variables to a test's own, over which they win.
    pub(crate) fn add_to(&self, data: &mut Mapping) {
        let add = |mut variables: Mapping| {
            for (key, value) in &self.environment {
                variables.set(key, Value::text(value.as_str()));
            }
            Value::Map(Arc::new(variables))
        };
        let environment = match data.get("environment") {
            None | Some(Value::Null) => add(Mapping::new()),
            Some(Value::Map(variables)) => add((**variables).clone()),
            Some(other) => {
                // A list of mappings, of which later ones win.
                let mut items = other.to_list();
                items.push(add(Mapping::new()));
                Value::list(items)
            }
        };
        data.set("environment", environment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_fmf::json;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn values_are_combined() {
        for (vary, expected) in [
            (&[][..], &[][..]),
            (&["disk=ide"], &["/t@disk=ide"]),
            (&["disk=ide,virtio"], &["/t@disk=ide", "/t@disk=virtio"]),
            (&["a=1,2", "b=,x=y"], &["/t@a=1,b=", "/t@a=1,b=x=y", "/t@a=2,b=", "/t@a=2,b=x=y"]),
        ] {
            let variants = Variants::new(&words(vary), &[]).unwrap();
            assert_eq!(variants.iter().map(|variant| variant.name("/t")).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn variables_are_added_to_those_of_the_test() {
        let variants = Variants::new(&words(&["A=1", "B=2"]), &[]).unwrap();
        for (before, after) in [
            (r#"{"test":"x"}"#, r#"{"test":"x","environment":{"A":"1","B":"2"}}"#),
            (r#"{"environment":null}"#, r#"{"environment":{"A":"1","B":"2"}}"#),
            (r#"{"environment":{"B":0,"C":3},"x":1}"#, r#"{"environment":{"B":"2","C":3,"A":"1"},"x":1}"#),
            (r#"{"environment":[{"B":0}]}"#, r#"{"environment":[{"B":0},{"A":"1","B":"2"}]}"#),
        ] {
            let data = json::from_serde(&serde_json::from_str(before).unwrap());
            let mut data = (*data.as_map().unwrap()).clone();
            variants.iter().next().unwrap().add_to(&mut data);
            assert_eq!(json::to_string(&Value::Map(Arc::new(data))), after);
        }
    }

    #[test]
    fn two_tests_of_one_name_are_refused() {
        for (vary, tests, twice) in [
            ("d=i", &[("/x", true), ("/x@d=i", false)][..], Some("/x@d=i")),
            ("d=i", &[("/x@d=i", false), ("/x", true)], Some("/x@d=i")),
            ("d=i@d=i,i", &[("/x", true), ("/x@d=i", true)], Some("/x@d=i@d=i")),
            ("d=i", &[("/x", true), ("/x@d=i", true)], None),
            ("d=i", &[("/x", false), ("/x@d=i", false)], None),
            ("d=i", &[("/x", true), ("/x@d=j", false), ("/y@d=i", false)], None),
        ] {
            let variants = Variants::new(&words(&[vary]), &[]).unwrap();
            let refused = variants.check_names(tests.iter().copied()).err().map(|failure| failure.message);
            let begins = twice.map(|twice| format!("--vary: {twice} would be the name of two tests: "));
            assert_eq!(refused.is_some(), twice.is_some(), "{tests:?}");
            assert!(refused.unwrap_or_default().starts_with(&begins.unwrap_or_default()), "{tests:?}");
        }
    }

    #[test]
    fn what_cannot_be_varied_is_refused() {
        let many: Vec<String> = (0..20).map(|n| format!("k{n}=0,1,2,3,4,5,6,7,8,9")).collect();
        for (vary, message) in [
            (words(&["disk"]), "--vary: expected VARIABLE=VALUE,VALUE such as disk=ide,virtio, found `disk`"),
            (words(&["=x"]), "--vary: expected VARIABLE=VALUE,VALUE such as disk=ide,virtio, found `=x`"),
            (
                words(&["a b=x"]),
                "--vary: expected VARIABLE=VALUE,VALUE such as disk=ide,virtio, found `a b=x`",
            ),
            (words(&["1=x"]), "--vary: expected VARIABLE=VALUE,VALUE such as disk=ide,virtio, found `1=x`"),
            (words(&["a=1", "a=2"]), "--vary: a is given twice"),
            (words(&["a=1,1"]), "--vary: a has the value `1` twice"),
            (many, "--vary: expected at most 10000 combinations"),
        ] {
            assert_eq!(Variants::new(&vary, &[]).unwrap_err().message, message);
        }
    }
}
