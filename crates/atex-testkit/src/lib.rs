//! For tests only: what they need of the world, made new and gone afterwards.
//!
//! - [`sandbox`]: a temporary folder and programs that run in it with an emptied environment;
//! - [`sshd`]: many real SSH servers on loopback, which share this machine's files;
//! - [`faults`]: writes that fail;
//! - [`lab`]: real hosts of their own kind, with files, processes, network and power switch.
//!
//! What is not there (root, a program) makes a test that needs it say `SKIPPED: …` and pass,
//! or fail when `ATEX_TEST_REQUIRE=1` is set: see [`need`].
//!
//! It deliberately does not know any other crate of this project.

pub mod faults;
pub mod lab;
pub mod sandbox;
pub mod sshd;

mod keeper;
mod keys;

/// What `start` gives, or `None` after a visible line on stderr when this machine lacks what
/// it needs. With `ATEX_TEST_REQUIRE=1` in the environment nothing is skipped: it panics.
pub fn need<T>(available: Result<(), String>, start: impl FnOnce() -> T) -> Option<T> {
    let Err(missing) = available else { return Some(start()) };
    if std::env::var_os("ATEX_TEST_REQUIRE").is_some_and(|value| value == "1") {
        panic!("ATEX_TEST_REQUIRE=1, but {missing}");
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not eprintln!, which the test harness catches.
    let line = format!("SKIPPED: {test}: {missing}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    None
}

/// An error that names the first of `programs` that is not in `PATH` or a system folder.
fn check_programs(programs: &[&str]) -> Result<(), String> {
    for program in programs {
        if find_program(program).is_none() {
            return Err(format!("{program} is not installed"));
        }
    }
    Ok(())
}

fn find_program(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn check_root() -> Result<(), String> {
    match nix::unistd::geteuid().is_root() {
        true => Ok(()),
        false => Err("it needs root".to_owned()),
    }
}
