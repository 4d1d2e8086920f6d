//! The binary is a shim; everything is in the library. What is here of its own is the allocator.

use std::process::ExitCode;

/// All cores make and drop the values of trees at once, where the C library's allocator has them wait for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long freed memory is kept, in milliseconds: `mi_option_purge_delay`, by its number in mimalloc.h.
///
/// The default of a second is longer than this program runs, and would cost a fifth more memory.
const PURGE_DELAY: (i32, i64) = (15, 1);

fn main() -> ExitCode {
    // SAFETY: sets a number in a table of mimalloc's, which checks the index; no other thread is there yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY.0, PURGE_DELAY.1) };
    atex_cli::main(atex_discover::TOOL, atex_discover::main)
}
