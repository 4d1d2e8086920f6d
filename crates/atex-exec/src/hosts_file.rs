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
    /// `--provision`: it was asked for, and is given back.
    Provisioner,
}

/// A line of the file. The host is kept as it was written.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<'a> {
    from: From,
    /// In which life of the run, from 1: one that was handed on may be given again in a later one.
    life: u32,
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

    /// Adds a host that is taken in in this life of the run, given as the line of its record.
    pub fn push(&mut self, from: From, life: u32, line: &str) -> io::Result<()> {
        let mut text = Vec::new();
        atex_model::to_line(&mut text, &Entry { from, life, host: serde_json::from_str(line)? });
        self.0.append(&text)
    }

    /// The file itself.
    pub fn lines(&self) -> &LinesFile {
        &self.0
    }
}

/// What a line of the file says.
#[derive(Debug)]
pub(crate) struct TakenIn {
    pub from: From,
    pub life: u32,
    /// The line of its record.
    pub line: String,
    pub host: Host,
}

/// Reads a line of the file.
pub(crate) fn parse(line: &str) -> Result<TakenIn, atex_model::LineError> {
    let fault =
        |e: serde_json::Error| atex_model::LineError { column: e.column().max(1), message: e.to_string() };
    let Entry { from, life, host } = serde_json::from_str(line).map_err(fault)?;
    Ok(TakenIn { from, life, line: host.get().to_owned(), host: atex_model::parse(host.get())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_stays_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h");
        let line = r#"{"type":"host", "id":"h","connect":{"how":"local"},  "later":1e400}"#;
        HostsFile::create(&path).unwrap().push(From::Input, 1, line).unwrap();
        HostsFile::open(&path).unwrap().push(From::Local, 2, line).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Vec<_> = text.lines().map(|line| parse(line).unwrap()).collect();
        let whence: Vec<_> = read.iter().map(|taken| (taken.from, taken.life)).collect();
        assert_eq!(whence, [(From::Input, 1), (From::Local, 2)]);
        assert!(read.iter().all(|taken| taken.line == line && taken.host.id == "h"));
        assert!(parse("{}").is_err() && parse(r#"{"from":"input","life":1,"host":{}}"#).is_err());
    }
}
