//! The ssh_config that a master is started with.
//!
//! ssh takes the first value it finds for a keyword. So the options of the host's record
//! come first, then the user's and the system's own files, and our defaults last. The first
//! are for this host alone: a jump host on the way there is reached with the same file.

use std::path::Path;
use std::time::Duration;

/// How many questions a host may leave unanswered before it counts as dead.
const UNANSWERED: u64 = 3;

/// For whatever nobody has set: a dead host is noticed, and an unknown host key is accepted
/// and remembered, since nobody can be asked.
fn defaults(notice_within: Duration) -> String {
    let interval = (notice_within.as_secs() / UNANSWERED).max(1);
    format!(
        "ConnectTimeout 10\nServerAliveInterval {interval}\nServerAliveCountMax {UNANSWERED}\n\
         StrictHostKeyChecking accept-new\n"
    )
}

/// Keywords that would change which of the following lines count.
const STRUCTURAL: [&str; 3] = ["host", "match", "include"];

/// The text of the file. `user_config` stands in for the user's and the system's files.
/// Fails with a message that names what is wrong.
pub(super) fn text(
    host: &str,
    options: &[(String, String)],
    user_config: Option<&Path>,
    notice_within: Duration,
) -> Result<String, String> {
    let mut text = format!("Host {}\n", pattern(host)?);
    for (keyword, value) in options {
        check(keyword, value)?;
        text.push_str(&format!("{keyword} {value}\n"));
    }
    text.push_str("Host *\n");
    match user_config {
        Some(path) => text.push_str(&include(path)?),
        None => text.push_str("Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n"),
    }
    text.push_str(&defaults(notice_within));
    Ok(text)
}

/// What ssh compares with `Host` lines: the name without the user before it. Names that mean
/// more than one host there are no names.
fn pattern(host: &str) -> Result<&str, String> {
    let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
    let strange = |c: char| c.is_whitespace() || c.is_control() || "*?!,\"'\\#/".contains(c);
    if name.is_empty() || host.starts_with('-') || host.contains(strange) {
        return Err(format!("{host:?} is no host name; give a name, an address or an alias of ssh_config"));
    }
    Ok(name)
}

fn check(keyword: &str, value: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("ssh option {keyword:?}: {what}"));
    if keyword.is_empty() || !keyword.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return wrong("is no ssh_config keyword");
    }
    if STRUCTURAL.contains(&keyword.to_ascii_lowercase().as_str()) {
        return wrong("cannot be used for a single host; put it into ~/.ssh/config");
    }
    if value.chars().any(char::is_control) {
        return wrong("its value holds a control character");
    }
    if value.trim().is_empty() {
        return wrong("has no value");
    }
    Ok(())
}

fn include(path: &Path) -> Result<String, String> {
    // As with `ssh -F`. Included, the device would be refused for its mode.
    if path == Path::new("none") || path == Path::new("/dev/null") {
        return Ok(String::new());
    }
    let absolute = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match absolute.to_str() {
        Some(text) if !text.contains(['"', '\\', '*', '?', '[']) && !text.chars().any(char::is_control) => {
            Ok(format!("Include \"{text}\"\n"))
        }
        _ => Err(format!("{}: this path cannot be written into an ssh_config", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(15);

    fn option(keyword: &str, value: &str) -> Vec<(String, String)> {
        vec![(keyword.to_owned(), value.to_owned())]
    }

    #[test]
    fn own_options_come_first_and_defaults_last() {
        let text = text("u@lab", &option("ConnectTimeout", "3"), None, WITHIN).unwrap();
        assert!(text.starts_with("Host lab\nConnectTimeout 3\nHost *\nInclude ~/.ssh/config\n"), "{text}");
        assert!(text.find("/etc/ssh/ssh_config").unwrap() < text.find("ConnectTimeout 10").unwrap());
    }

    #[test]
    fn another_file_replaces_the_user_s() {
        let with = |path: &str| text("h", &[], Some(Path::new(path)), WITHIN);
        let ours = defaults(WITHIN);
        assert_eq!(
            with("/etc/lab ssh").unwrap(),
            format!("Host h\nHost *\nInclude \"/etc/lab ssh\"\n{ours}")
        );
        assert_eq!(with("none").unwrap(), format!("Host h\nHost *\n{ours}"));
        assert!(ours.contains("ServerAliveInterval 5\nServerAliveCountMax 3\n"), "{ours}");
        assert!(defaults(Duration::ZERO).contains("ServerAliveInterval 1\n"), "0 would turn it off");
        assert!(with("/a\"b").unwrap_err().starts_with("/a\"b: "));
    }

    #[test]
    fn options_that_would_not_stay_one_line_are_refused() {
        let cases = [
            ("Host", "x", "single host"),
            ("match", "all", "single host"),
            ("Include", "/f", "single host"),
            ("User", "a\nPort 1", "control character"),
            ("User", " ", "no value"),
            ("User root", "x", "keyword"),
            ("", "x", "keyword"),
        ];
        for (keyword, value, expected) in cases {
            let error = text("h", &option(keyword, value), None, WITHIN).unwrap_err();
            assert!(error.contains(expected), "{keyword} {value:?}: {error}");
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for host in ["", "u@", "-oProxyCommand=x", "a b", "a\nb", "*", "!h", "ssh://h", "a,b"] {
            assert!(text(host, &[], None, WITHIN).unwrap_err().contains("is no host name"), "{host:?}");
        }
        for host in ["h", "u@h", "10.0.0.1", "fe80::1%eth0", "v_m-3.lab"] {
            assert!(text(host, &[], None, WITHIN).is_ok(), "{host:?}");
        }
    }
}
