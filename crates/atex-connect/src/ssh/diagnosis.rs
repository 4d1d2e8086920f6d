//! What ssh writes to its log, and what it means.

use crate::error::ConnectError;

/// The error that a failed login left in the log of ssh.
pub(super) fn connect_error(host: &str, log: &str) -> ConnectError {
    let host = host.to_owned();
    if log.contains("HOST IDENTIFICATION HAS CHANGED") {
        let known_hosts = offending_key(log);
        return ConnectError::HostKeyChanged { host, known_hosts };
    }
    if let Some(complaint) = config_complaint(log) {
        let detail = format!("ssh configuration: {complaint}");
        return ConnectError::Invalid { host, detail };
    }
    let (kind, line) = first_known(log);
    let detail = line.to_owned();
    match kind {
        Kind::Refused => ConnectError::Refused { host, detail },
        Kind::Unreachable => ConnectError::Unreachable { host, detail },
        Kind::NotResolved => ConnectError::NotResolved { host, detail },
        Kind::Busy => ConnectError::Busy { host, detail },
        Kind::AuthRefused => ConnectError::AuthRefused { host, detail: with_key_trouble(log, detail) },
        Kind::HostKeyUnknown => ConnectError::HostKeyUnknown { host, detail },
        Kind::Other => ConnectError::Other { host, detail },
    }
}

/// The last thing that a master has logged: why it ended, if it said so.
pub(super) fn last_line(log: &str) -> &str {
    lines(log).last().unwrap_or("the ssh master process is gone")
}

/// Whether a master that said this ended because its host had not answered for some time.
pub(super) fn was_silent(line: &str) -> bool {
    line.contains("Timeout, server")
}

#[derive(Clone, Copy)]
enum Kind {
    Refused,
    Unreachable,
    NotResolved,
    Busy,
    AuthRefused,
    HostKeyUnknown,
    Other,
}

/// Phrases of OpenSSH's client, the more telling first: one failure writes several lines.
const PHRASES: &[(&str, Kind)] = &[
    ("Could not resolve hostname", Kind::NotResolved),
    ("Permission denied (", Kind::AuthRefused),
    ("Too many authentication failures", Kind::AuthRefused),
    ("Connection refused", Kind::Refused),
    ("No route to host", Kind::Unreachable),
    ("Network is unreachable", Kind::Unreachable),
    ("Host is down", Kind::Unreachable),
    ("Connection timed out", Kind::Unreachable),
    ("Operation timed out", Kind::Unreachable),
    ("timed out", Kind::Unreachable),
    ("Timeout, server", Kind::Unreachable),
    ("host key is known for", Kind::HostKeyUnknown),
    ("Host key verification failed", Kind::HostKeyUnknown),
    ("kex_exchange_identification", Kind::Busy),
    ("Exceeded MaxStartups", Kind::Busy),
    ("Connection reset by", Kind::Busy),
    ("Connection closed by", Kind::Busy),
];

/// A key that could not be used at all explains the refusal.
fn with_key_trouble(log: &str, refusal: String) -> String {
    match lines(log).find(|line| line.starts_with("Load key ")) {
        Some(trouble) => format!("{trouble}; {refusal}"),
        None => refusal,
    }
}

/// What is wrong with a configuration file: the lines before ssh gives up on it.
fn config_complaint(log: &str) -> Option<&str> {
    let gives_up =
        |line: &&str| line.contains("bad configuration option") || line.contains("Bad owner or permissions");
    lines(log).find(gives_up)?;
    lines(log).next()
}

fn first_known(log: &str) -> (Kind, &str) {
    for (phrase, kind) in PHRASES {
        if let Some(line) = lines(log).find(|line| line.contains(*phrase)) {
            return (*kind, line);
        }
    }
    let said = lines(log).last().unwrap_or("ssh failed and did not say why");
    (Kind::Other, said)
}

/// The lines that say something, without the program's name.
fn lines(log: &str) -> impl DoubleEndedIterator<Item = &str> {
    log.lines()
        .map(|line| line.trim().trim_start_matches("ssh: "))
        .filter(|line| !line.is_empty() && !line.starts_with("Warning: Permanently added"))
}

/// From `Offending ED25519 key in FILE:LINE`.
fn offending_key(log: &str) -> String {
    lines(log)
        .filter(|line| line.starts_with("Offending"))
        .find_map(|line| line.split_once(" key in "))
        .map_or("a place that ssh does not name", |(_, place)| place)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_kind() {
        use ConnectError::*;
        type Is = fn(&ConnectError) -> bool;
        let cases: &[(&str, Is)] = &[
            ("ssh: connect to host h port 22: Connection refused\r\n", |e| matches!(e, Refused { .. })),
            ("ssh: connect to host h port 22: No route to host", |e| matches!(e, Unreachable { .. })),
            ("Connection timed out during banner exchange\nConnection to h port 22 timed out", |e| {
                matches!(e, Unreachable { .. })
            }),
            ("ssh: Could not resolve hostname h: Name or service not known", |e| {
                matches!(e, NotResolved { .. })
            }),
            (
                "Warning: Permanently added 'h' (ED25519) to the list of known hosts.\r\nroot@h: Permission denied (publickey).",
                |e| matches!(e, AuthRefused { .. }),
            ),
            (
                "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.1 port 22",
                |e| matches!(e, Busy { .. }),
            ),
            (
                "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
                |e| matches!(e, HostKeyUnknown { .. }),
            ),
            (
                "/f: line 1: Bad configuration option: nope\n/f: terminating, 1 bad configuration options",
                |e| matches!(e, Invalid { .. }),
            ),
            (
                "/f line 1: invalid time value.\n/f: terminating, 1 bad configuration options",
                |e| matches!(e, Invalid { detail, .. } if detail.contains("invalid time value")),
            ),
            ("Bad owner or permissions on /home/u/.ssh/config", |e| matches!(e, Invalid { .. })),
            ("something new", |e| matches!(e, Other { .. })),
            ("", |e| matches!(e, Other { .. })),
        ];
        for (log, is) in cases {
            let error = connect_error("h", log);
            assert!(is(&error), "{log:?} became {error:?}");
            assert!(error.to_string().starts_with("h: "), "{error}");
        }
    }

    #[test]
    fn a_changed_key_names_the_line_to_remove() {
        let log = "@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n\
            Offending ED25519 key in /home/u/.ssh/known_hosts:7\nHost key verification failed.";
        let error = connect_error("h", log);
        assert!(
            matches!(&error, ConnectError::HostKeyChanged { known_hosts, .. } if known_hosts == "/home/u/.ssh/known_hosts:7"),
            "{error:?}"
        );
    }

    #[test]
    fn details_are_one_line_without_the_program() {
        let error = connect_error("h", "ssh: connect to host h port 22: Connection refused\r\n");
        assert_eq!(
            error.to_string(),
            "h: connection refused (connect to host h port 22: Connection refused); check that sshd runs there and the port is right"
        );
    }
}
