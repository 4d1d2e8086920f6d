//! Where a list comes from: its text, its name in messages, and what paths in it are relative to.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use atex_cli::{Failure, input::reason};

/// The largest list that is read: more than the longest list of hosts needs, less than hurts.
const LARGEST: u64 = 64 << 20;

/// A list of hosts.
pub(crate) struct Source<'a> {
    /// Its name in messages.
    pub(crate) name: String,
    /// The file, unless it is standard input.
    file: Option<&'a Path>,
    directory: PathBuf,
    home: Option<&'a Path>,
}

impl<'a> Source<'a> {
    /// The list in `file`, or by standard input if it is `-`. `working` is the working directory.
    pub(crate) fn new(file: &'a Path, working: &Path, home: Option<&'a Path>) -> Source<'a> {
        if file == Path::new("-") {
            return Source { name: "stdin".into(), file: None, directory: working.to_owned(), home };
        }
        let directory = working.join(file.parent().unwrap_or(Path::new("")));
        Source { name: file.display().to_string(), file: Some(file), directory, home }
    }

    /// The text of the list.
    pub(crate) fn read(&self) -> Result<String, Failure> {
        let from: Box<dyn Read> = match self.file {
            None => Box::new(io::stdin()),
            Some(file) => Box::new(File::open(file).map_err(|e| self.unreadable(&e))?),
        };
        let mut bytes = Vec::new();
        from.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| self.unreadable(&e))?;
        if bytes.len() as u64 > LARGEST {
            return Err(Failure::usage(format!(
                "{}: expected a list of hosts, found over 64 MiB",
                self.name
            )));
        }
        String::from_utf8(bytes).map_err(|e| {
            let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            self.fault(line, "expected UTF-8, found other bytes")
        })
    }

    /// What is wrong in a line.
    pub(crate) fn fault(&self, line: usize, message: impl fmt::Display) -> Failure {
        Failure::usage(format!("{}:{line}: {message}", self.name))
    }

    /// A path of the list as an absolute one.
    pub(crate) fn absolute(&self, path: &str) -> Result<String, String> {
        let whole = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                let home = self.home.ok_or_else(|| format!("`{path}`: there is no home directory"))?;
                home.join(rest.trim_start_matches('/'))
            }
            _ => self.directory.join(path.strip_prefix("./").unwrap_or(path)),
        };
        whole.into_os_string().into_string().map_err(|_| format!("`{path}`: the whole path is not UTF-8"))
    }

    /// A list that cannot be opened is a wrong word on the command line.
    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::usage(format!("{}: {}", self.name, reason(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_list() {
        let home = Path::new("/home/me");
        for (list, path, whole) in [
            ("lab.txt", "key", "/base/key"),
            ("lab/hosts", "keys/a", "/base/lab/keys/a"),
            ("lab/hosts", "./a", "/base/lab/a"),
            ("/etc/lab", "a", "/etc/a"),
            ("/etc/lab", "/keys/a", "/keys/a"),
            ("-", "a", "/base/a"),
            ("-", "~/.ssh/a", "/home/me/.ssh/a"),
            ("-", "~other/a", "/base/~other/a"),
        ] {
            let source = Source::new(Path::new(list), Path::new("/base"), Some(home));
            assert_eq!(source.absolute(path).as_deref(), Ok(whole), "{list} {path}");
        }
    }

    #[test]
    fn without_a_home_the_tilde_is_refused() {
        let source = Source::new(Path::new("-"), Path::new("/base"), None);
        assert_eq!(source.absolute("~/a").unwrap_err(), "`~/a`: there is no home directory");
    }
}
