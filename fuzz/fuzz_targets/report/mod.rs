//! What the targets of atex-report share: the tool with bytes for a file.

use std::io::Write as _;
use std::os::fd::AsRawFd as _;

/// Runs the tool on bytes, whose file is the last argument; what it wrote, and its exit status.
///
/// # Panics
/// The status is none that input can cause.
pub fn run(args: &[&str], bytes: &[u8]) -> (Vec<u8>, u8) {
    let mut file = tempfile::tempfile_in("/dev/shm").expect("there is room in memory");
    file.write_all(bytes).expect("there is room in memory");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut out = Vec::new();
    let args: Vec<&str> = args.iter().copied().chain([path.as_str()]).collect();
    let status = match atex_report::with_args(&args, &mut out, &mut |_| ()) {
        Ok(exit) => exit.code(),
        Err(failure) => failure.kind.exit().code(),
    };
    // A stream may say that its run was ended by a signal.
    assert!(status <= 4 || (129..=192).contains(&status), "{args:?}: {status}");
    (out, status)
}
