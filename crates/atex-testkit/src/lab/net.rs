//! Network namespaces, held by an open file: they need no name, and vanish with us.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use super::Host;

pub(super) struct Namespace {
    file: File,
}

impl Namespace {
    /// A new one, without any link but a loopback that is down.
    pub(super) fn new() -> io::Result<Namespace> {
        // A thread that ends at once, since it cannot go back.
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        let file = made.join().expect("making a namespace does not panic")?;
        Ok(Namespace { file })
    }

    /// Where other processes find it.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Unlike `ip netns exec`, `nsenter` leaves the mounts alone.
    pub(super) fn prefix(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net={}", self.path()), "--".to_owned()]
    }

    pub(super) fn command(&self, program: &str) -> Command {
        let prefix = self.prefix();
        let mut command = Command::new(&prefix[0]);
        command.args(&prefix[1..]).arg(program);
        command
    }

    pub(super) fn enter(&self) {
        setns(&self.file, CloneFlags::CLONE_NEWNET).expect("root may enter its own namespace");
    }

    /// Carries out lines of ip(8) commands in it.
    #[track_caller]
    pub(super) fn ip(&self, lines: &str) {
        let mut command = self.command("ip");
        command.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut ip = command.spawn().expect("nsenter starts");
        let mut input = ip.stdin.take().expect("the input is a pipe");
        input.write_all(lines.as_bytes()).expect("ip reads its input");
        drop(input);
        let output = ip.wait_with_output().expect("ip ends");
        assert!(output.status.success(), "ip {lines}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Puts all hosts on one bridge. Routes say `quickack`, without which every login waits for
/// delayed acknowledgements.
pub(super) fn connect(lan: &Namespace, hosts: &[Host]) {
    let mut lines = "link set lo up\n\
        link add br0 type bridge\n\
        addr add 10.99.0.1/24 dev br0\n\
        link set br0 up\n\
        route change 10.99.0.0/24 dev br0 src 10.99.0.1 quickack 1\n"
        .to_owned();
    for (index, host) in hosts.iter().enumerate() {
        lines += &format!("link add v{index} type veth peer name eth0 netns {}\n", host.network.path());
        lines += &format!("link set v{index} master br0 up\n");
    }
    lan.ip(&lines);
    for host in hosts {
        let address = &host.address;
        host.network.ip(&format!(
            "link set lo up\n\
            addr add {address}/24 dev eth0\n\
            link set eth0 up\n\
            route change 10.99.0.0/24 dev eth0 src {address} quickack 1\n\
            route add default via 10.99.0.1\n"
        ));
    }
}
