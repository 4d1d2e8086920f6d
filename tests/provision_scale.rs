//! Many hosts from a provider that has a limit of calls: memory, idle time, and that the limit is kept.

use std::time::Duration;

use atex_testkit::sandbox::Dir;
use serde_json::json;

use crate::provision_leases::{held, lab};
use crate::provision_serve::Talk;
use crate::stream::long;

/// A provider as quick as one can be, which takes so many calls a second and no more.
const PROVIDER: &str = r#"#!/bin/sh
read -r request
cd "${0%/*}" || exit 1
second=$(date +%s)
echo >>"calls/$second"
if [ "$(wc -l <"calls/$second")" -gt LIMIT ]; then
    echo >>refused
    echo '{"success":false,"note":"too many calls","retry":true,"after_seconds":1}'
    exit
fi
cd held || exit 1
lease=${request#*'"lease":"'}
lease=${lease%%'"'*}
case $request in
*'"create"'*) : >"$lease"; echo '{"success":true,"host":{"addr":"h"}}' ;;
*'"list"'*) l=; [ ! -e "$lease" ] || l='{"lease":"'$lease'"}'; echo '{"success":true,"leases":['$l']}' ;;
*) rm -f "$lease"; echo '{"success":true}' ;;
esac
"#;

/// A number of a process in `/proc/PID/status`, in KiB.
fn kib(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().split(' ').next().unwrap().parse().unwrap()
}

/// Ticks of a processor that a process and its children have used.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11..15].iter().map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_thousand_hosts_come_and_go_within_the_limit_of_their_provider() {
    let dir: Dir = lab();
    let count: u32 = if long() { 1000 } else { 60 };
    // So few that every machine meets it.
    let limit = if long() { 40 } else { 15 };
    dir.script("limited", PROVIDER.replace("LIMIT", &limit.to_string()));
    dir.write("calls/.keep", "");
    dir.write("refused", "");
    let mut talk = Talk::start(&dir, &["exec", "--serve", "./limited"], &[]);
    talk.say(&json!({"type": "want", "hosts": count}));
    let pid = talk.child.id();
    for _ in 0..count / 2 {
        talk.expect("host");
    }
    let half = kib(pid, "VmRSS");
    for _ in count / 2..count {
        talk.expect("host");
    }
    // What a host costs is a record; what they cost while they come are their threads.
    let (all, most) = (kib(pid, "VmRSS"), kib(pid, "VmHWM"));
    assert!(most < 64 << 10, "{most} KiB for {count} hosts");
    assert!(all < half + 4096 + 4 * u64::from(count), "{half} KiB for half of them, {all} for all");
    let before = ticks(pid);
    // Nothing is to be waited for: that nothing happens is what is measured.
    std::thread::sleep(Duration::from_secs(2));
    let idle = ticks(pid) - before;
    assert!(idle <= 4, "{idle} ticks within two seconds in which there is nothing to do");

    talk.say(&json!({"type": "shutdown"}));
    (0..count).for_each(|_| drop(talk.expect("released")));
    assert_eq!(talk.end(), Some(0));
    assert_eq!(held(&dir), [""; 0]);
    // Whoever was under way when the first was refused was refused too, and nobody else.
    let seconds = std::fs::read_dir(dir.join("calls")).unwrap().count() - 1;
    let refused = dir.read("refused").lines().count();
    assert!(refused <= 12 * seconds, "{refused} calls were refused in {seconds} s");
    assert!(refused > 0, "the limit was met");
}
