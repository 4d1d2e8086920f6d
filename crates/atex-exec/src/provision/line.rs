//! What a provisioner prints.

use atex_cli::input::Line;
use atex_model::protocol::{
    Hello, HelloTag, HostGone, HostGoneTag, Pending, PendingTag, ProvisionFailed, ProvisionFailedTag,
    Released, ReleasedTag,
};
use atex_model::{Host, HostTag, LineError};

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    Hello(Hello),
    Host(Box<Host>),
    Pending(u64),
    Released(String),
    HostGone(HostGone),
    Failed(ProvisionFailed),
    /// A record of another type: it may be of a later version.
    Foreign(String),
    /// What is wrong with it, and where it stands.
    Wrong(String),
}

impl Heard {
    /// Whether it is a record of the protocol.
    pub fn is_word(&self) -> bool {
        !matches!(self, Heard::Foreign(_) | Heard::Wrong(_))
    }
}

/// Reads a line.
pub(super) fn read(line: Line<'_>) -> Heard {
    parse(line.text).unwrap_or_else(|e| Heard::Wrong(line.fault(&e).message))
}

fn parse(text: &str) -> Result<Heard, LineError> {
    Ok(match atex_model::kind(text)?.as_ref() {
        HelloTag::TEXT => Heard::Hello(atex_model::parse(text)?),
        HostTag::TEXT => Heard::Host(Box::new(Host::parse(text)?)),
        PendingTag::TEXT => Heard::Pending(atex_model::parse::<Pending>(text)?.hosts),
        ReleasedTag::TEXT => Heard::Released(atex_model::parse::<Released>(text)?.id),
        HostGoneTag::TEXT => Heard::HostGone(atex_model::parse(text)?),
        ProvisionFailedTag::TEXT => Heard::Failed(atex_model::parse(text)?),
        other => Heard::Foreign(other.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str) -> Heard {
        read(Line { text, number: 3, source: "p" })
    }

    #[test]
    fn every_word_of_the_protocol_is_understood() {
        let Heard::Hello(hello) = heard(r#"{"type":"hello"}"#) else { panic!() };
        assert_eq!((hello.max, hello.adopt, hello.extend), (None, false, false));
        assert_eq!(heard(r#"{"type":"pending","hosts":2,"later":1}"#), Heard::Pending(2));
        assert_eq!(heard(r#"{"type":"released","id":"a"}"#), Heard::Released("a".into()));
        for (text, is_it) in [
            (r#"{"type":"host","id":"a","connect":{"how":"local"}}"#, true),
            (r#"{"type":"host-gone","id":"a"}"#, true),
            (r#"{"type":"provision-failed","count":1,"note":"no","retry":true}"#, true),
            (r#"{"type":"weather"}"#, false),
            ("", false),
        ] {
            assert_eq!(heard(text).is_word(), is_it, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_place() {
        for (text, message) in [
            ("Creating domain...", "p:3:"),
            (r#"{"type":"pending"}"#, "p:3:18: missing field `hosts`"),
            (r#"{"type":"pending","hosts":-1}"#, "p:3:"),
            (r#"{"type":"host","id":"","connect":{"how":"local"}}"#, "p:3:1: expected an `id`"),
            (r#"{"type":"host","id":"a"}"#, "p:3:24: missing field `connect`"),
            ("[]", "p:3:1: expected a record"),
        ] {
            let Heard::Wrong(wrong) = heard(text) else { panic!("{text}") };
            assert!(wrong.starts_with(message), "{wrong}");
        }
    }
}
