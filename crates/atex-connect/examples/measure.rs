//! Measures what a connection costs: `cargo run --release -p atex-connect --example measure`.
//!
//! Needs what the tests need: root and sshd.

use std::fs;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use atex_connect::{Connection, Connector, Event, Options, Ssh, Stdin, Target};
use atex_testkit::sshd::Farm;

const HOSTS: usize = 20;

fn main() {
    let farm = Farm::start(HOSTS);
    let options = Options { ssh_config: Some("none".into()), ..Options::default() };
    let connector = Connector::new(options).expect("a connector can be made");
    println!("own memory, nothing open:      {} KiB", pss("self"));

    let local = open_all(&connector, vec![Target::Local]);
    report_latency("local `true`", &local[0]);
    report_speed("local", &local[0], "head -c 4000000000 /dev/zero");

    let begin = Instant::now();
    let hosts = open_all(&connector, farm.hosts().iter().map(target).collect());
    println!("{HOSTS} ssh hosts opened in          {:?}", begin.elapsed());
    println!("own memory, all open:          {} KiB", pss("self"));
    report_masters("no session");
    report_latency("ssh `true`", &hosts[0]);
    let sessions: Vec<_> = hosts.iter().map(idle_session).collect();
    println!("own memory, a session on each: {} KiB", pss("self"));
    report_masters("one session");
    drop(sessions);
    report_speed("ssh", &hosts[0], "head -c 400000000 /dev/zero");
    report_masters("after streaming over one");
    println!("own memory, after all:         {} KiB", pss("self"));
}

fn target(host: &atex_testkit::sshd::Host) -> Target {
    Target::Ssh(Ssh {
        user: Some(host.user.clone()),
        port: Some(host.port),
        identity: Some(host.identity.clone()),
        options: host.options(),
        ..Ssh::new(&host.address)
    })
}

fn open_all(connector: &Connector, targets: Vec<Target>) -> Vec<Connection> {
    let (sender, receiver) = channel();
    let count = targets.len();
    for target in targets {
        let sender = sender.clone();
        connector.open(target, move |opened| sender.send(opened).expect("somebody waits"));
    }
    let opened = receiver.iter().take(count);
    opened.map(|opened| opened.unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// Runs a command to its end and counts its output.
fn run(host: &Connection, command: &str) -> usize {
    let (sender, receiver) = channel();
    let mut count = 0;
    host.run(command, Stdin::empty(), move |event| match event {
        Event::Stdout(chunk) => count += chunk.len(),
        Event::Stderr(_) => {}
        Event::Ended(ended) => {
            ended.unwrap_or_else(|error| panic!("{error}"));
            sender.send(count).expect("somebody waits");
        }
    });
    receiver.recv().expect("a command ends")
}

fn idle_session(host: &Connection) -> atex_connect::Session {
    let (sender, receiver) = channel();
    let session = host.run("echo up; cat", Stdin::empty().keep_open(), move |event| {
        // Only the first one has a listener.
        let _ = sender.send(matches!(event, Event::Stdout(_)));
    });
    assert!(receiver.recv().expect("an event comes"));
    session
}

fn report_latency(what: &str, host: &Connection) {
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let begin = Instant::now();
            run(host, "true");
            begin.elapsed()
        })
        .collect();
    times.sort();
    println!("{what}: median {:?}, 95 % within {:?}", times[100], times[190]);
}

fn report_speed(what: &str, host: &Connection, command: &str) {
    let begin = Instant::now();
    let bytes = run(host, command);
    let speed = bytes as f64 / begin.elapsed().as_secs_f64() / 1e9;
    println!("{what} stream: {speed:.2} GB/s");
}

fn report_masters(when: &str) {
    let masters: Vec<u64> = processes().filter(|pid| is_master(pid)).map(|pid| pss(&pid)).collect();
    let sum: u64 = masters.iter().sum();
    let each = sum / masters.len().max(1) as u64;
    println!("{} ssh masters, {when}: {each} KiB each", masters.len());
}

fn processes() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok())
}

fn is_master(pid: &str) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.starts_with(b"ssh\0-M\0") && fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).is_ok()
}

fn pss(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
