//! `tests.jsonl`: the tests of a run, in the order in which they came. Memory holds where each one stands,
//! not what it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use atex_model::Test;
use atex_schedule::TestId;

/// The file and an index of it.
#[derive(Debug)]
pub(crate) struct TestsFile {
    file: File,
    /// Where each test begins; one more entry than tests.
    starts: Vec<u64>,
}

impl TestsFile {
    /// Starts the file; there must be none.
    pub fn create(path: &Path) -> io::Result<TestsFile> {
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(path)?;
        Ok(TestsFile { file, starts: vec![0] })
    }

    /// Adds a test, given as the line of its record.
    pub fn push(&mut self, line: &str) -> io::Result<TestId> {
        let number = u32::try_from(self.len()).map_err(io::Error::other)?;
        let start = self.starts[self.len()];
        let text = format!("{line}\n");
        if let Err(e) = self.file.write_all(text.as_bytes()) {
            let _ = self.file.set_len(start);
            return Err(e);
        }
        self.starts.push(start + text.len() as u64);
        Ok(TestId(number))
    }

    /// Marks that no more tests will come.
    pub fn finish(&mut self) -> io::Result<()> {
        self.file.write_all(b"{\"type\":\"input-ended\"}\n")
    }

    /// How many tests there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Reads a test back.
    pub fn get(&self, test: TestId) -> io::Result<Test> {
        let at = test.0 as usize;
        let (start, end) = (self.starts[at], self.starts[at + 1]);
        let mut line = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut line, start)?;
        serde_json::from_slice(&line).map_err(io::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_back_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = TestsFile::create(&dir.path().join("t")).unwrap();
        for name in ["/a", "/ü\\n", "/c"] {
            file.push(&format!(r#"{{"type":"test","name":"{name}","data":{{"test":"true"}},"mine":1}}"#))
                .unwrap();
        }
        file.finish().unwrap();
        assert_eq!(file.len(), 3);
        let names: Vec<String> = [2, 0, 1].map(|n| file.get(TestId(n)).unwrap().name).into();
        assert_eq!(names, ["/c", "/a", "/ü\n"]);
    }
}
