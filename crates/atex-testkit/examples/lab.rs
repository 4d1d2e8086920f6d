//! Boots a lab, runs a program in its LAN, and says how long all took:
//! `cargo run -p atex-testkit --example lab -- 8 bash`.
//!
//! The program finds `KEY`, `KNOWN_HOSTS` and `HOSTS` (addresses) in its environment.

use std::time::Instant;

use atex_testkit::lab::{self, Lab};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(8);
    if let Err(missing) = lab::available() {
        eprintln!("lab: {missing}");
        std::process::exit(3);
    }
    let begin = Instant::now();
    let lab = Lab::start(count);
    eprintln!("{count} hosts up after {:?}", begin.elapsed());
    if let Some(program) = arguments.next() {
        let addresses: Vec<&str> = lab.hosts().iter().map(|host| host.address.as_str()).collect();
        let status = lab
            .command(&program)
            .args(arguments)
            .env("KEY", lab.identity())
            .env("KNOWN_HOSTS", lab.known_hosts())
            .env("HOSTS", addresses.join(" "))
            .status();
        eprintln!("{program}: {status:?}");
    }
    let begin = Instant::now();
    drop(lab);
    eprintln!("gone after {:?}", begin.elapsed());
}
