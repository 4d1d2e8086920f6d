//! Where the files of an attempt are, seen from the page.

use std::path::{Component, Path, PathBuf};

/// The path of `target` relative to the directory `from`; both are absolute. What is not absolute stays as it is.
pub(super) fn relative(target: &str, from: &Path) -> String {
    let path = Path::new(target);
    if !path.is_absolute() || !from.is_absolute() {
        return target.to_owned();
    }
    let (mut down, mut up) = (path.components().peekable(), from.components().peekable());
    while down.peek().is_some() && down.peek() == up.peek() {
        (down.next(), up.next());
    }
    let mut found: PathBuf = up.map(|_| Component::ParentDir).collect();
    found.extend(down);
    match found.to_str() {
        Some("") => ".".to_owned(),
        Some(text) => text.to_owned(),
        // It was text, and is made of its parts.
        None => target.to_owned(),
    }
}

/// A file of a result as the address of a link, or `None` if the name would lead out of the directory.
///
/// The names are those of a stranger: each part is escaped, and the address begins with `./`, `../` or `/`, so that none of
/// them can be taken for a scheme.
pub(super) fn address(artifacts: &str, subtest: Option<&str>, file: &str) -> Option<String> {
    let inside = [subtest, Some(file)];
    let parts = inside.into_iter().flatten().flat_map(|path| path.split('/')).filter(|part| !part.is_empty());
    let mut address = directory_address(artifacts);
    address.push_str("/files");
    for part in parts {
        if part == ".." || part == "." {
            return None;
        }
        address.push('/');
        put_escaped(&mut address, part);
    }
    Some(address)
}

/// A directory as the address of a link.
pub(super) fn directory_address(path: &str) -> String {
    let mut address = String::new();
    if !path.starts_with('/') {
        address.push('.');
    }
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        address.push('/');
        put_escaped(&mut address, part);
    }
    address
}

fn put_escaped(address: &mut String, part: &str) {
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                address.push(char::from(byte))
            }
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_page() {
        for (target, from, expected) in [
            ("/runs/a/results/p/t/attempt-1", "/runs/a", "results/p/t/attempt-1"),
            ("/runs/a/results", "/runs", "a/results"),
            ("/runs/a", "/home/me/reports", "../../../runs/a"),
            ("/runs/a", "/runs/a", "."),
            ("/runs/ab", "/runs/a", "../ab"),
            ("results/x", "/runs", "results/x"),
        ] {
            assert_eq!(relative(target, Path::new(from)), expected, "{target} from {from}");
        }
    }

    #[test]
    fn links_lead_into_the_artifacts_and_nowhere_else() {
        for (artifacts, subtest, file, expected) in [
            ("results/p/t/attempt-1", None, "log.txt", Some("./results/p/t/attempt-1/files/log.txt")),
            ("../r/t", Some("a/b"), "c d#?.txt", Some("./../r/t/files/a/b/c%20d%23%3F.txt")),
            ("/abs", None, "javascript:alert(1)", Some("/abs/files/javascript%3Aalert%281%29")),
            ("javascript:x", None, "a", Some("./javascript%3Ax/files/a")),
            ("r", None, "../../etc/passwd", None),
            ("r", Some(".."), "x", None),
            ("r", None, "ü\"'<", Some("./r/files/%C3%BC%22%27%3C")),
        ] {
            assert_eq!(address(artifacts, subtest, file).as_deref(), expected, "{file}");
        }
    }
}
