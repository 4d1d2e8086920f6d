//! Connections to this machine, through a prefix, and to real SSH servers.

mod failures;
mod lab;
mod local;
mod ssh;
mod support;
