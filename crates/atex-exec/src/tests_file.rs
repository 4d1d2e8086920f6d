//! `tests.jsonl`: the tests of a run, in the order in which they came, and the mark that the input has ended.
//! Memory holds where each one stands, not what it is.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

use atex_model::{LineError, Test};
use atex_schedule::TestId;

use crate::lines_file::LinesFile;

/// Stands in the file once the input has ended.
const MARK: &str = "{\"type\":\"input-ended\"}\n";

/// The file and an index of it.
#[derive(Debug)]
pub(crate) struct TestsFile {
    lines: LinesFile,
    /// Where each test begins.
    starts: Vec<u64>,
    ended: bool,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Read(#[from] io::Error),
    /// Its line number, and what is wrong with it.
    #[error("{0}:{1}")]
    Line(u64, LineError),
}

impl TestsFile {
    /// Starts the file; there must be none.
    pub fn create(path: &Path) -> io::Result<TestsFile> {
        Ok(TestsFile { lines: LinesFile::create(path)?, starts: Vec::new(), ended: false })
    }

    /// Goes on with a file, and shows each test that it holds.
    pub fn open(path: &Path, mut each: impl FnMut(TestId, Test)) -> Result<TestsFile, Unusable> {
        let mut file = TestsFile { lines: LinesFile::open(path)?, starts: Vec::new(), ended: false };
        let mut reader = BufReader::with_capacity(64 << 10, File::open(path)?);
        let (mut line, mut at, mut number) = (String::new(), 0, 0);
        while reader.read_line(&mut line)? > 0 {
            number += 1;
            if line == MARK {
                file.ended = true;
            } else {
                let test = atex_model::parse(&line).map_err(|e| Unusable::Line(number, e))?;
                each(file.next()?, test);
                file.starts.push(at);
            }
            at += line.len() as u64;
            line.clear();
        }
        Ok(file)
    }

    /// Adds a test, given as the line of its record.
    pub fn push(&mut self, line: &str) -> io::Result<TestId> {
        let (id, start) = (self.next()?, self.lines.length());
        self.lines.append(format!("{line}\n").as_bytes())?;
        self.starts.push(start);
        Ok(id)
    }

    fn next(&self) -> io::Result<TestId> {
        u32::try_from(self.len()).map(TestId).map_err(io::Error::other)
    }

    /// Marks that the input has ended.
    pub fn finish(&mut self) -> io::Result<()> {
        if !self.ended {
            self.lines.append(MARK.as_bytes())?;
            self.ended = true;
        }
        Ok(())
    }

    /// Whether the input has ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// How many tests there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// The file itself.
    pub fn lines(&self) -> &LinesFile {
        &self.lines
    }

    /// Reads a test back.
    pub fn get(&self, test: TestId) -> io::Result<Test> {
        let at = test.0 as usize;
        let end = self.starts.get(at + 1).copied().unwrap_or(self.lines.length());
        let mut text = vec![0; usize::try_from(end - self.starts[at]).map_err(io::Error::other)?];
        self.lines.file().read_exact_at(&mut text, self.starts[at])?;
        // The mark may follow.
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        serde_json::from_slice(line).map_err(io::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> String {
        format!(r#"{{"type":"test","name":"{name}","data":{{"test":"true"}},"mine":1}}"#)
    }

    #[test]
    fn tests_are_read_back_in_any_order_in_a_later_life_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        let mut file = TestsFile::create(&path).unwrap();
        for name in ["/a", "/ü\\n"] {
            file.push(&record(name)).unwrap();
        }
        file.finish().unwrap();
        file.finish().unwrap();
        // A test may still be entered by hand.
        file.push(&record("/c")).unwrap();
        let names = |file: &TestsFile| [2, 0, 1].map(|n| file.get(TestId(n)).unwrap().name);
        assert_eq!((file.len(), names(&file)), (3, ["/c", "/a", "/ü\n"].map(String::from)));
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| io::Write::write_all(&mut file, b"{\"type\":\"te"))
            .unwrap();
        let mut seen = Vec::new();
        let mut file = TestsFile::open(&path, |id, test| seen.push((id.0, test.name))).unwrap();
        assert_eq!(seen, [(0, "/a".into()), (1, "/ü\n".into()), (2, "/c".into())]);
        assert!(file.has_ended());
        assert_eq!(file.push(&record("/d")).unwrap(), TestId(3));
        assert_eq!(names(&file), ["/c", "/a", "/ü\n"]);
        assert_eq!(file.get(TestId(3)).unwrap().name, "/d");
    }

    #[test]
    fn a_line_that_is_no_test_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        std::fs::write(&path, format!("{}\n{{}}\n", record("/a"))).unwrap();
        let error = TestsFile::open(&path, |_, _| {}).unwrap_err().to_string();
        assert!(error.starts_with("2:"), "{error}");
    }
}
