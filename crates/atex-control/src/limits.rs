//! What one test may make the parser hold.

/// Bounds on what a test can send.
///
/// Beyond those of the protocol is a protocol error, since what follows could not be told apart any more, or
/// would have to be held in memory. Beyond those of the store ([`results`](Self::results) and what stands below
/// it) things are left out, the test goes on, and [`Parser::finish`](crate::Parser::finish) says in the test's
/// results how much is missing: `error` for results, which may have been failures, `warn` for the rest.
///
/// The defaults are the contract's where it names one; the rest is far above what tests do and far below what
/// hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a control line, newline included. Default 4096, as the protocol says.
    pub line: usize,
    /// Bytes in the JSON object of one result. Default 16 MiB: it is held in memory while it
    /// arrives.
    pub json: usize,
    /// Nesting of arrays and objects in a result. Default 100: JSON readers stop at 128, and a
    /// record that carries the result adds levels of its own.
    pub depth: usize,
    /// Keys in one object that is taken apart: a result, and objects that partial results merge.
    /// Default 65,536: a key costs some hundred bytes while it is held, however short it is.
    pub keys: usize,
    /// Entries in the `files` list of one result. Default 100,000.
    pub entries: usize,
    /// Bytes in a file's path below `files/`. Default 1024: `PATH_MAX` is 4096, and the run
    /// directory and the test's name stand before it.
    pub path: usize,
    /// Bytes in one component of that path. Default 255, which is `NAME_MAX`.
    pub component: usize,
    /// Memory for the partial results that a test keeps open, overhead included. Default 64 MiB.
    pub open: usize,
    /// Results of one test. Those beyond are left out. Default 100 million.
    pub results: u64,
    /// Bytes of stored results. One that does not fit is left out. Default 16 GiB.
    pub result_bytes: u64,
    /// Distinct files of one test, linked outputs included. Those beyond are left out. Default 100,000: their
    /// paths are remembered to the test's end and are in each checkpoint.
    pub files: usize,
    /// Bytes in the files of one test. The file that exceeds it is cut off, those behind it are left out
    /// unless they are empty. Default 100 GiB.
    pub file_bytes: u64,
    /// Progress lines and marks. Those beyond are left out. Default 10,000.
    pub notes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            line: 4096,
            json: 16 << 20,
            depth: 100,
            keys: 65_536,
            entries: 100_000,
            path: 1024,
            component: 255,
            open: 64 << 20,
            results: 100_000_000,
            result_bytes: 16 << 30,
            files: 100_000,
            file_bytes: 100 << 30,
            notes: 10_000,
        }
    }
}
