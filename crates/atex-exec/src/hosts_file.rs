//! `hosts.jsonl`: the hosts that a run has taken in, in the order in which they came, each before it is used.
//! A host's number, and with it the name of its directory, is where its id stands here first.

use std::io;
use std::path::Path;

use atex_model::Host;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::lines_file::LinesFile;

/// Where a host came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum From {
    /// The input: it is borrowed, and handed on when we are done with it.
    Input,
    /// `--local`.
    Local,
}

/// A line of the file. The host is kept as it was written.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<'a> {
    from: From,
    #[serde(borrow)]
    host: &'a RawValue,
}

/// The file.
#[derive(Debug)]
pub(crate) struct HostsFile(LinesFile);

impl HostsFile {
    /// Starts the file; there must be none.
    pub fn create(path: &Path) -> io::Result<HostsFile> {
        LinesFile::create(path).map(HostsFile)
    }

    /// Goes on with a file.
    pub fn open(path: &Path) -> io::Result<HostsFile> {
        LinesFile::open(path).map(HostsFile)
    }

    /// Adds a host, given as the line of its record.
    pub fn push(&mut self, from: From, line: &str) -> io::Result<()> {
        let mut text = Vec::new();
        atex_model::to_line(&mut text, &Entry { from, host: serde_json::from_str(line)? });
        self.0.append(&text)
    }

    /// The file itself.
    pub fn lines(&self) -> &LinesFile {
        &self.0
    }
}

/// Reads a line of the file: where the host came from, the line of its record, and the record.
pub(crate) fn parse(line: &str) -> Result<(From, String, Host), atex_model::LineError> {
    let fault =
        |e: serde_json::Error| atex_model::LineError { column: e.column().max(1), message: e.to_string() };
    let entry: Entry<'_> = serde_json::from_str(line).map_err(fault)?;
    let host = atex_model::parse(entry.host.get())?;
    Ok((entry.from, entry.host.get().to_owned(), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_stays_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h");
        let line = r#"{"type":"host", "id":"h","connect":{"how":"local"},  "later":1e400}"#;
        HostsFile::create(&path).unwrap().push(From::Input, line).unwrap();
        HostsFile::open(&path).unwrap().push(From::Local, line).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Vec<_> = text.lines().map(|line| parse(line).unwrap()).collect();
        assert_eq!(read.iter().map(|(from, ..)| *from).collect::<Vec<_>>(), [From::Input, From::Local]);
        assert!(read.iter().all(|(_, text, host)| text == line && host.id == "h"));
        assert!(parse("{}").is_err() && parse(r#"{"from":"input","host":{}}"#).is_err());
    }
}
