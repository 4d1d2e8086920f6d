//! Which URLs and refs are given to git at all, and how they are shown.
//!
//! They come from metadata, which may come from anywhere: none of them may become an option of git, or a command.

use crate::error::{Error, ErrorClass};

/// Protocols that fetch and do nothing else.
pub const PROTOCOLS: [&str; 5] = ["file", "git", "http", "https", "ssh"];

/// Other spellings of `ssh`.
const SSH_TOO: [&str; 2] = ["git+ssh", "ssh+git"];

/// Refuses a URL that is none, or one that would do more than fetch.
pub fn check(url: &str) -> Result<(), Error> {
    let refused =
        |why: &str| Err(Error::new(ErrorClass::Reference, format!("URL '{}' refused: {why}", shown(url))));
    if url.starts_with('-') {
        return refused("it would be an option of git");
    }
    if url.contains(|c: char| c.is_control()) {
        return refused("it holds control characters");
    }
    // They would be directories of the cache, or above it.
    if matches!(url, "" | "." | "..") {
        return refused("it names no repository");
    }
    let scheme_end =
        url.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(url.len());
    let (scheme, rest) = url.split_at(scheme_end);
    if rest.starts_with("::") {
        return refused(&format!("'{scheme}::' would run a helper program"));
    }
    if rest.starts_with("://") && !PROTOCOLS.iter().chain(&SSH_TOO).any(|known| *known == scheme) {
        return refused(&format!("protocol '{scheme}' is none of {}", PROTOCOLS.join(", ")));
    }
    Ok(())
}

/// Refuses a ref that would be an option of git.
pub fn check_reference(reference: &str) -> Result<(), Error> {
    let bad =
        reference.is_empty() || reference.starts_with('-') || reference.contains(|c: char| c.is_control());
    if bad {
        let message = format!("ref {reference:?} refused: it cannot be a branch, tag or commit");
        return Err(Error::new(ErrorClass::Reference, message));
    }
    Ok(())
}

/// A URL without its password or token.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else { return url.to_owned() };
    // A user of ssh is no secret; over HTTP a token may stand in its place.
    let user = match rest[..at].split_once(':') {
        None if scheme.contains("ssh") => return url.to_owned(),
        Some((user, _)) if scheme.contains("ssh") => user,
        _ => "***",
    };
    format!("{scheme}://{user}@{}", &rest[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_only_fetch_are_taken() {
        for url in [
            "https://example.com/a/b.git",
            "http://example.com:8080/a",
            "git://example.com/a",
            "ssh://git@example.com:22/a",
            "git+ssh://example.com/a",
            "git@example.com:a/b.git",
            "example.com:a::b",
            "file:///srv/a b.git",
            "/srv/a::b",
        ] {
            check(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        }
    }

    #[test]
    fn other_urls_are_refused_by_name() {
        for (url, expected) in [
            ("", "URL '' refused: it names no repository"),
            ("..", "URL '..' refused: it names no repository"),
            ("--upload-pack=touch x", "URL '--upload-pack=touch x' refused: it would be an option of git"),
            ("-a/b", "URL '-a/b' refused: it would be an option of git"),
            ("ext::sh -c id", "URL 'ext::sh -c id' refused: 'ext::' would run a helper program"),
            ("fd::3", "URL 'fd::3' refused: 'fd::' would run a helper program"),
            ("::3", "URL '::3' refused: '::' would run a helper program"),
            (
                "ftp://example.com/a",
                "URL 'ftp://example.com/a' refused: protocol 'ftp' is none of file, git, http, https, ssh",
            ),
            ("https://a/\nb", "URL 'https://a/\nb' refused: it holds control characters"),
        ] {
            assert_eq!(check(url).unwrap_err().message(), expected);
        }
    }

    #[test]
    fn refs_are_no_options() {
        for reference in ["main", "v1.0", "feature/x-y", "a1b2c3", "HEAD~1"] {
            assert_eq!(check_reference(reference), Ok(()));
        }
        for reference in ["", "--force", "-", "a\nb"] {
            assert_eq!(
                check_reference(reference).unwrap_err().class(),
                ErrorClass::Reference,
                "{reference:?}"
            );
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for (url, expected) in [
            ("https://user:secret@example.com/a", "https://***@example.com/a"),
            ("https://token@example.com/a@b", "https://***@example.com/a@b"),
            ("https://example.com/a@b", "https://example.com/a@b"),
            ("ssh://git@example.com/a", "ssh://git@example.com/a"),
            ("ssh://git:secret@example.com", "ssh://git@example.com"),
            ("git@example.com:a", "git@example.com:a"),
            ("/srv/a", "/srv/a"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
