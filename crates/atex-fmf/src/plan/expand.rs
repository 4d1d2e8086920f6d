//! Variables and dimensions in the texts of a plan: `$NAME` and `${NAME}`, `$@NAME` and `$@{NAME}`.

use std::sync::Arc;

use super::Environment;
use crate::context::Context;
use crate::mapping::Mapping;
use crate::value::Value;

/// Puts values into all texts of a mapping. What is not known stays as it is written.
pub(super) fn mapping(data: &mut Mapping, environment: &Environment, context: &Context) {
    for value in data.values_mut() {
        expand(value, environment, context);
    }
}

fn expand(value: &mut Value, environment: &Environment, context: &Context) {
    match value {
        Value::Text(written) if written.contains('$') => {
            *value = Value::from(text(written, environment, context))
        }
        Value::Map(inner) => mapping(Arc::make_mut(inner), environment, context),
        Value::List(items) => {
            Arc::make_mut(items).iter_mut().for_each(|item| expand(item, environment, context));
        }
        _ => {}
    }
}

/// A text with the values of what it names.
pub(super) fn text(written: &str, environment: &Environment, context: &Context) -> String {
    let mut expanded = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        let is_dimension = rest[1..].starts_with('@');
        let skipped = if is_dimension { 2 } else { 1 };
        let known = name(&rest[skipped..]).and_then(|(name, length)| {
            let value = match is_dimension {
                true => context.values(name).map(|values| values.join(",")),
                false => environment.get(name).cloned(),
            };
            Some((value?, skipped + length))
        });
        match known {
            Some((value, length)) => {
                expanded.push_str(&value);
                rest = &rest[length..];
            }
            None => {
                expanded.push_str(&rest[..skipped]);
                rest = &rest[skipped..];
            }
        }
    }
    expanded.push_str(rest);
    expanded
}

/// The name that a text begins with, maybe in braces, and how long that is.
fn name(text: &str) -> Option<(&str, usize)> {
    if let Some(braced) = text.strip_prefix('{') {
        let end = braced.find('}')?;
        return Some((&braced[..end], end + 2));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| (&text[..end], end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_gets_its_value() {
        let environment: Environment =
            [("A", "pa"), ("B", "$A")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut context = Context::new();
        context.set("distro", ["fedora-40", "rhel-9"]);
        for (written, expected) in [
            ("echo $A ${A}x $A.b", "echo pa pax pa.b"),
            ("$NO ${NO} $ $$ a$", "$NO ${NO} $ $$ a$"),
            ("$B", "$A"),
            ("$@distro-$@{distro}", "fedora-40,rhel-9-fedora-40,rhel-9"),
            ("$@no $@ ${A", "$@no $@ ${A"),
            ("$@A $distro", "$@A $distro"),
        ] {
            assert_eq!(text(written, &environment, &context), expected, "{written}");
        }
    }
}
