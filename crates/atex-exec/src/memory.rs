//! What is asked of the C library's allocator, where it is GNU's. Others are as they are.

/// Has all threads share one heap, if it is called before there are others. They wait for hosts, not for each other,
/// and a heap for each of them that is never full costs as much memory as twenty hosts do.
pub(crate) fn use_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number, under the allocator's own lock.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1)
    };
}
