//! Writes that fail: ENOSPC, EIO, and writes that are cut short, at any position in the life of a program.
//!
//! A small library in C, `faults.c`, is compiled by cc when a test needs it and loaded in front of libc.

use std::path::{Path, PathBuf};
use std::process::Command as Program;

use crate::sandbox::Command;

/// What happens at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full, from there on.
    Full,
    /// The disk is full for this one call.
    FullOnce,
    /// The disk fails for this one call.
    Broken,
    /// The disk fails from there on.
    BrokenForGood,
    /// Half of what should be is written, and said so: no error.
    Short,
    /// Half is written, and from there on the disk is full.
    Torn,
}

impl Fault {
    /// All there are.
    pub const ALL: [Fault; 6] =
        [Fault::Full, Fault::FullOnce, Fault::Broken, Fault::BrokenForGood, Fault::Short, Fault::Torn];

    fn words(self) -> (&'static str, bool) {
        match self {
            Fault::Full => ("ENOSPC", true),
            Fault::FullOnce => ("ENOSPC", false),
            Fault::Broken => ("EIO", false),
            Fault::BrokenForGood => ("EIO", true),
            Fault::Short => ("SHORT", false),
            Fault::Torn => ("TORN", true),
        }
    }
}

/// The library, compiled.
pub struct Faults {
    library: PathBuf,
}

impl Faults {
    /// Compiles it into a directory, or says what is missing for that, see [`need`](crate::need).
    pub fn build_or_skip(dir: &Path) -> Option<Faults> {
        crate::need(crate::check_programs(&["cc"]), || {
            let (source, library) = (dir.join("faults.c"), dir.join("faults.so"));
            std::fs::write(&source, include_str!("faults.c")).expect("the folder is writable");
            let output = Program::new("cc")
                .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
                .args([&library, &source])
                .output()
                .expect("cc is there");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Faults { library }
        })
    }

    /// Has the calls of `program` counted that change files below `dir`; their number is in the file `count` when
    /// it has ended. With a fault, the one at this position fails, the first one being 1.
    pub fn load(
        &self,
        command: &mut Command,
        program: &str,
        dir: &Path,
        count: &Path,
        fault: Option<(Fault, u64)>,
    ) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("ATEX_FAULT_PROGRAM", program)
            .env("ATEX_FAULT_DIR", dir)
            .env("ATEX_FAULT_COUNT", count);
        if let Some((fault, at)) = fault {
            let (how, is_lasting) = fault.words();
            command.env("ATEX_FAULT_HOW", how).env("ATEX_FAULT_AT", at.to_string());
            if is_lasting {
                command.env("ATEX_FAULT_LAST", "1000000000");
            }
        }
    }
}
