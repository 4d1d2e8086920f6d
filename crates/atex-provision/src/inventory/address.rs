//! `[user@]host[:port]`.

use std::net::Ipv6Addr;

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) user: Option<String>,
    /// A name, an alias of ssh_config, or an address without brackets.
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl Address {
    /// Reads an address. The error says what was expected and found.
    pub(super) fn parse(text: &str) -> Result<Address, String> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(checked(user, "a user")?), rest),
            None => (None, text),
        };
        let (host, port) = split_port(rest)?;
        Ok(Address { user, host: checked(host, "a host")?, port })
    }

    /// The host, and the port if there is one: different hosts behind one address differ by it.
    pub(super) fn name(&self) -> String {
        match self.port {
            None => self.host.clone(),
            Some(port) if self.host.contains(':') => format!("[{}]:{port}", self.host),
            Some(port) => format!("{}:{port}", self.host),
        }
    }
}

/// Whether this is an IPv6 address, with or without a zone.
pub(super) fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "-"));
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty()
}

/// A port in digits.
pub(super) fn parse_port(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| format!("expected a port from 1 to 65535, found `{text}`"))
}

/// A name that ssh takes as such: not as an option, and not as several words.
pub(super) fn checked(text: &str, what: &str) -> Result<String, String> {
    let bad = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() || text.starts_with('-') || text.contains(bad) {
        return Err(format!("expected {what}, found `{}`", text.escape_debug()));
    }
    Ok(text.to_owned())
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((host, "")) if is_ipv6(host) => Ok((host, None)),
            Some((host, port)) if is_ipv6(host) && port.starts_with(':') => {
                Ok((host, Some(parse_port(&port[1..])?)))
            }
            _ => Err(format!("expected an IPv6 address in brackets, found `{text}`")),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, port)) if port.contains(':') => {
            Err(format!("expected host or host:port, found `{text}` (an IPv6 address stands in brackets)"))
        }
        Some((host, port)) => Ok((host, Some(parse_port(port)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, user, host, port, name) in [
            ("node1", None, "node1", None, "node1"),
            ("root@node1", Some("root"), "node1", None, "node1"),
            ("a.example:2222", None, "a.example", Some(2222), "a.example:2222"),
            ("me@corp@10.0.0.1:22", Some("me@corp"), "10.0.0.1", Some(22), "10.0.0.1:22"),
            ("[2001:db8::7]", None, "2001:db8::7", None, "2001:db8::7"),
            ("u@[fe80::1%eth0]:22", Some("u"), "fe80::1%eth0", Some(22), "[fe80::1%eth0]:22"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.user.as_deref(), &*address.host, address.port), (user, host, port), "{text}");
            assert_eq!(address.name(), name);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, message) in [
            ("", "expected a host, found ``"),
            ("@a", "expected a user, found ``"),
            ("a@", "expected a host, found ``"),
            ("-oProxyCommand=x", "expected a host, found `-oProxyCommand=x`"),
            ("-u@a", "expected a user, found `-u`"),
            ("a b", "expected a host, found `a b`"),
            ("a\nb", "expected a host, found `a\\nb`"),
            ("a:0", "expected a port from 1 to 65535, found `0`"),
            ("a:65536", "expected a port from 1 to 65535, found `65536`"),
            ("a:+22", "expected a port from 1 to 65535, found `+22`"),
            ("a:", "expected a port from 1 to 65535, found ``"),
            ("[a]:22", "expected an IPv6 address in brackets, found `[a]:22`"),
            ("[::1]22", "expected an IPv6 address in brackets, found `[::1]22`"),
            ("::1", "expected host or host:port, found `::1` (an IPv6 address stands in brackets)"),
        ] {
            assert_eq!(Address::parse(text).unwrap_err(), message);
        }
    }
}
