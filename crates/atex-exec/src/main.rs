//! The binary is a shim; everything is in the library. What is here of its own is a setting of the allocator.

use std::process::ExitCode;

fn main() -> ExitCode {
    use_one_arena();
    atex_cli::main(atex_exec::TOOL, atex_exec::main)
}

/// Has all threads share one heap. They wait for hosts, not for each other, and a heap for each of them that is never
/// full costs as much memory as twenty hosts do.
fn use_one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no other thread is there yet.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1)
    };
}
