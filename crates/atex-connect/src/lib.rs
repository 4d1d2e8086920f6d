//! A command on a host, bytes in and out.
//!
//! A [`Connector`] opens [`Connection`]s to [`Target`]s: this machine, a host reached by
//! ssh, or whatever a command prefix such as `podman exec -i NAME` leads to. A connection
//! runs POSIX sh command lines; each is a [`Session`] with an input, two outputs and an
//! [`Exit`], reported as [`Event`]s to a closure.
//!
//! ```no_run
//! use atex_connect::{Connector, Event, Options, Ssh, Stdin, Target};
//!
//! let connector = Connector::new(Options::default())?;
//! connector.open(Target::Ssh(Ssh::new("vm-3")), |opened| match opened {
//!     Err(error) => eprintln!("{error}"),
//!     Ok(connection) => {
//!         connection.run("uname -a", Stdin::empty(), |event| match event {
//!             Event::Stdout(chunk) => print!("{}", String::from_utf8_lossy(&chunk)),
//!             Event::Stderr(chunk) => eprint!("{}", String::from_utf8_lossy(&chunk)),
//!             Event::Ended(outcome) => eprintln!("{outcome:?}"),
//!         });
//!     }
//! });
//! # std::io::Result::Ok(())
//! ```
//!
//! Everything happens on one thread of the connector's own: nothing here waits, and the
//! closures, which run on that thread, must not wait either. This is the only crate that
//! knows openssh and tokio; neither appears in its interface.
//!
//! It deliberately does not know what a test, a host record or a lease is, does not keep
//! what a command leaves behind on the host, does not try again (but for a server that is
//! too busy to greet), and never kills what it started: a host's own agent does that.
//!
//! Start reading at `connection.rs`; `drive.rs` moves the bytes, `ssh/master.rs` holds
//! what there is to know about ssh.

mod connection;
mod connector;
mod directory;
mod drive;
mod error;
mod local;
mod session;
mod ssh;
mod stream;
mod target;

pub use connection::Connection;
pub use connector::{Connector, Options};
pub use error::ConnectError;
pub use session::{Content, Event, Exit, Session, Stdin, WriteError};
pub use stream::Chunk;
pub use target::{Ssh, Target};
