//! Where the files of an attempt are, seen from the page.

use std::path::{Component, Path};

use atex_control::safe_path;

/// The directory in which the page will be.
#[derive(Debug)]
pub(super) struct Directory {
    /// Its path by parts; `None`: it is not absolute, or no text.
    parts: Option<Vec<String>>,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Directory {
        let part = |component: Component<'_>| match component {
            Component::RootDir => None,
            component => Some(component.as_os_str().to_str().map(str::to_owned)),
        };
        let parts = path.components().filter_map(part).collect::<Option<Vec<_>>>();
        Directory { parts: parts.filter(|_| path.is_absolute()) }
    }

    /// An absolute path relative to it. What is not absolute stays as it is.
    pub(super) fn relative(&self, target: &str) -> String {
        let (Some(parts), true) = (&self.parts, target.starts_with('/')) else { return target.to_owned() };
        let mut down = target.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
        let mut up = parts.iter().peekable();
        while let (Some(part), Some(of_page)) = (down.peek(), up.peek())
            && *part == *of_page
        {
            down.next();
            up.next();
        }
        let mut relative = String::with_capacity(target.len());
        for part in up.map(|_| "..").chain(down) {
            if !relative.is_empty() {
                relative.push('/');
            }
            relative.push_str(part);
        }
        if relative.is_empty() { ".".to_owned() } else { relative }
    }
}

/// A file of a result as the address of a link: where atex-exec stored it, which is never outside of the directory.
///
/// The names are those of a stranger: each part is escaped, and the address begins with `./`, `../` or `/`, so that none of
/// them can be taken for a scheme.
pub(super) fn address(artifacts: &str, subtest: Option<&str>, file: &str) -> String {
    let mut address = directory_address(artifacts);
    address.push_str("/files");
    let inside = [subtest.map(safe_path).unwrap_or_default(), safe_path(file)];
    for part in inside.iter().flat_map(|path| path.split('/')).filter(|part| !part.is_empty()) {
        address.push('/');
        put_escaped(&mut address, part);
    }
    address
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
            ("//runs/./a//b/", "/runs/", "a/b"),
            ("/a/b", "relative", "/a/b"),
        ] {
            assert_eq!(Directory::new(Path::new(from)).relative(target), expected, "{target} from {from}");
        }
    }

    #[test]
    fn links_lead_into_the_artifacts_and_nowhere_else() {
        for (artifacts, subtest, file, expected) in [
            ("results/p/t/attempt-1", None, "log.txt", "./results/p/t/attempt-1/files/log.txt"),
            ("../r/t", Some("a/b"), "c d#?.txt", "./../r/t/files/a/b/c%20d%23%3F.txt"),
            ("/abs", None, "javascript:alert(1)", "/abs/files/javascript%3Aalert%281%29"),
            ("javascript:x", None, "a", "./javascript%3Ax/files/a"),
            ("r", None, "../../etc/passwd", "./r/files/etc/passwd"),
            ("r", Some(".."), "x\u{1b}", "./r/files/x_"),
            ("r", None, "ü\"'<", "./r/files/%C3%BC%22%27%3C"),
        ] {
            assert_eq!(address(artifacts, subtest, file), expected, "{file}");
        }
    }
}
