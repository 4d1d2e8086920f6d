//! Contexts and labels: of the command line, or one for each platform of the hosts that tests are for.

use atex_cli::Failure;
use atex_cli::input::Lines;
use atex_fmf::{Value, json};
use atex_model::{Host, HostTag};

/// The dimensions of a context, each once, with their values.
pub(crate) type Dimensions = Vec<(String, Vec<String>)>;

/// What tests are labelled with, and the context in which they are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Platform {
    pub label: Option<String>,
    pub context: Dimensions,
}

/// The dimensions that the words of `--context` set; of several for one, the last counts.
pub(crate) fn dimensions(words: &[String]) -> Result<Dimensions, Failure> {
    let mut context = Dimensions::new();
    for word in words {
        let (key, values) = word.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Failure::usage(format!("--context: expected KEY=VALUE such as distro=rhel-9.6, found `{word}`"))
        })?;
        *entry(&mut context, key) = values.split(',').map(str::to_owned).collect();
    }
    Ok(context)
}

fn entry<'d>(context: &'d mut Dimensions, key: &str) -> &'d mut Vec<String> {
    let at = context.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
        context.push((key.to_owned(), Vec::new()));
        context.len() - 1
    });
    &mut context[at].1
}

/// The platforms of the host records among `lines`, in order of appearance; other records are passed over. What
/// `context` says of a dimension replaces what the hosts say of it.
pub(crate) fn of_hosts(mut lines: Lines, context: &Dimensions) -> Result<Vec<Platform>, Failure> {
    let mut platforms: Vec<Platform> = Vec::new();
    while let Some(line) = lines.next_line()? {
        if atex_model::kind(line.text).map_err(|error| line.fault(&error))? != HostTag::TEXT {
            continue;
        }
        let host: Host = atex_model::parse(line.text).map_err(|error| line.fault(&error))?;
        // `default` is said, too: a test without a label would run on the hosts of all platforms.
        let label = Some(host.label());
        let at = platforms.iter().position(|known| known.label.as_deref() == label).unwrap_or_else(|| {
            platforms.push(Platform { label: label.map(str::to_owned), context: Dimensions::new() });
            platforms.len() - 1
        });
        add_facts(&mut platforms[at].context, &host);
    }
    if platforms.is_empty() {
        return Err(Failure::usage(format!("{}: no host found", lines.name()))
            .hint("expected host records, such as atex-provision writes them"));
    }
    for platform in &mut platforms {
        for (key, values) in context {
            entry(&mut platform.context, key).clone_from(values);
        }
    }
    Ok(platforms)
}

fn add_facts(context: &mut Dimensions, host: &Host) {
    // A fact that is null is unknown.
    for (key, fact) in host.facts.iter().filter(|(_, fact)| !fact.is_null()) {
        let known = entry(context, key);
        // Values as fmf has them: a list is several, and what is no text becomes it in fmf's way.
        for value in json::from_serde(fact).to_list().iter().map(Value::to_text) {
            if !known.iter().any(|known| **known == *value) {
                known.push(value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(context: &Dimensions) -> String {
        let shown = |(key, values): &(String, Vec<String>)| format!("{key}={}", values.join(","));
        context.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_context_has_each_dimension_once() {
        for (given, expected) in [
            ("", ""),
            ("a=1", "a=1"),
            ("a=1,2 b=x=y", "a=1,2 b=x=y"),
            ("a=1 b=2 a=3", "a=3 b=2"),
            ("a=", "a="),
        ] {
            assert_eq!(shown(&dimensions(&words(given)).unwrap()), expected);
        }
    }

    #[test]
    fn platforms_have_what_is_known_of_their_hosts() {
        let hosts = r#"
            {"type":"host","id":"1","platform":"b","connect":{"how":"local"},"facts":{"distro":"rhel-9","n":1,"x":null}}
            {"type":"test","name":"/t","data":{}}
            {"type":"host","id":"2","connect":{"how":"local"}}
            {"type":"host","id":"3","platform":"b","connect":{"how":"local"},"facts":{"distro":["rhel-9","rhel-10"],"ok":true}}"#;
        let lines = || Lines::new("hosts", Box::new(hosts.as_bytes()));
        let shown = |given: &str| {
            let platforms = of_hosts(lines(), &dimensions(&words(given)).unwrap()).unwrap();
            let shown = |p: &Platform| format!("{}: {}", p.label.as_deref().unwrap(), shown(&p.context));
            platforms.iter().map(shown).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(shown(""), "b: distro=rhel-9,rhel-10 n=1 ok=True; default: ");
        assert_eq!(shown("n=2 m=3"), "b: distro=rhel-9,rhel-10 n=2 ok=True m=3; default: n=2 m=3");
    }

    #[test]
    fn what_is_no_list_of_hosts_is_refused() {
        for (text, message) in [
            ("", "hosts: no host found"),
            (r#"{"type":"test"}"#, "hosts: no host found"),
            ("\n{}", "hosts:2:2: missing field `type`"),
            (r#"{"type":"host","id":3}"#, "hosts:1:21: "),
        ] {
            let failure = of_hosts(Lines::new("hosts", Box::new(text.as_bytes())), &Dimensions::new());
            let message_found = failure.unwrap_err().message;
            assert!(message_found.starts_with(message), "{message_found}");
        }
    }
}
