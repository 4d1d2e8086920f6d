//! What one test may make the parser hold.

/// Bounds on what a test can send. Beyond any of them is a protocol error.
///
/// The defaults are the contract's where it names one; the rest is far above what tests do and
/// far below what hurts, so no option changes them.
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
    /// Distinct files of one test, linked outputs included, and entries in one `files` list.
    /// Default 100,000: their paths are remembered to the test's end and are in each checkpoint.
    pub files: usize,
    /// Bytes in a file's path below `files/`. Default 1024: `PATH_MAX` is 4096, and the run
    /// directory and the test's name stand before it.
    pub path: usize,
    /// Bytes in one component of that path. Default 255, which is `NAME_MAX`.
    pub component: usize,
    /// Memory for the partial results that a test keeps open, overhead included. Default 64 MiB.
    pub open: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            line: 4096,
            json: 16 << 20,
            depth: 100,
            keys: 65_536,
            files: 100_000,
            path: 1024,
            component: 255,
            open: 64 << 20,
        }
    }
}
