//! Hosts reached by ssh: one master process a host, and sessions over its control socket.

mod config;
mod diagnosis;
mod leash;
mod master;
mod session;

pub(crate) use master::{Master, Setup};
