//! What scripts of plans and package managers print on a host, kept for people.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use atex_cli::input::reason;

/// The log of one host's set-ups.
#[derive(Debug)]
pub(crate) struct SetupLog {
    /// None: it cannot be written, which has been said.
    file: Option<File>,
    left: usize,
}

/// So much is kept for a host; what comes after it is left out, and said to be.
const MOST_BYTES: usize = 16 << 20;

/// File systems take 255 bytes.
const LONGEST_NAME: usize = 200;

impl SetupLog {
    /// The log of a host, below `logs`.
    pub fn open(logs: &Path, host: &str) -> SetupLog {
        let path = logs.join(format!("{}.log", file_name(host)));
        let open = || {
            fs::create_dir_all(logs)?;
            File::options().create(true).append(true).open(&path)
        };
        let file = open().inspect_err(|e| log::warn!("{}: {}", path.display(), reason(e))).ok();
        SetupLog { file, left: MOST_BYTES }
    }

    /// Begins a part of it.
    pub fn title(&mut self, title: &str) {
        self.add(format!("== {} {title}\n", atex_cli::now()).as_bytes());
    }

    pub fn add(&mut self, bytes: &[u8]) {
        let Some(file) = self.file.as_mut().filter(|_| self.left > 0) else { return };
        let own = &bytes[..bytes.len().min(self.left)];
        self.left -= own.len();
        let cut = if self.left == 0 { "\n== the rest is left out\n" } else { "" };
        if let Err(e) = file.write_all(own).and_then(|()| file.write_all(cut.as_bytes())) {
            log::warn!("the log of a set-up cannot be written: {}", reason(&e));
            self.file = None;
        }
    }
}

/// A host's id as one part of a path; different ids have different ones.
fn file_name(host: &str) -> String {
    let mut name = String::new();
    for (i, c) in host.char_indices() {
        if c <= ' ' || c == '\x7f' || c == '/' || c == '%' || (i == 0 && c == '.') {
            let _ = write!(name, "%{:02X}", c as u32);
        } else {
            name.push(c);
        }
    }
    if name.len() > LONGEST_NAME {
        let cut = (0..=LONGEST_NAME).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(cut);
        let _ = write!(name, "%~{}", &blake3::hash(host.as_bytes()).to_hex()[..16]);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_an_end_that_can_be_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = SetupLog::open(dir.path(), "pod/1");
        log.title("one");
        log.add(&vec![b'x'; MOST_BYTES]);
        log.add(b"never seen");
        let text = fs::read_to_string(dir.path().join("pod%2F1.log")).unwrap();
        assert!(text.starts_with("== ") && text.lines().next().unwrap().ends_with(" one"));
        assert!(text.ends_with("x\n== the rest is left out\n"));
        assert!(text.len() < MOST_BYTES + 100);
    }

    #[test]
    fn ids_are_told_apart() {
        let long = "ä".repeat(300);
        assert_eq!(file_name("../a b%"), "%2E.%2Fa%20b%25");
        assert!(file_name(&long).len() <= 255);
        assert_ne!(file_name(&long), file_name(&format!("{long}x")));
    }
}
