//! Providers that are driven by their command line programs: stand-ins for these keep state, misbehave when they are told
//! to, and forget nothing.

use atex_testkit::sandbox::{Command, Dir};
use serde_json::json;

use crate::provision_leases::{self, provision};
use crate::provision_serve::{Talk, killed_everywhere};
use crate::stream::of_type;

/// An OpenStack. A server is a file in `servers`; `cut` has the connection break after one was created, `fault` has the
/// next ones fail, and a server that was deleted is there for a while.
const OPENSTACK: &str = r#"#!/bin/sh
cd "$HOME/cloud" || exit 1
[ "$1" != --os-cloud ] || shift 2
echo "$*" >>calls
for last; do :; done
case "$1 $2" in
"server create")
    exec 9>mutex; flock 9
    read -r id <next
    # It may have been killed as it wrote there.
    [ "$id" ] || id=$(($(ls servers jobs 2>/dev/null | wc -l) + 100))
    echo $((id + 1)) >next
    echo "$last" >"servers/$id"
    if [ -e cut ]; then rm cut; echo "Connection reset by peer" >&2; exit 1; fi
    echo "{\"id\": \"$id\", \"status\": \"BUILD\"}" ;;
"server show")
    if [ ! -e "servers/$last" ]; then echo "No server with a name or ID of '$last' exists." >&2; exit 1; fi
    if [ -e fault ]; then
        echo '{"status": "ERROR", "fault": {"code": 500, "message": "No valid host was found."}}'
    elif [ -e slow ]; then rm slow; echo '{"status": "BUILD", "addresses": {}}'
    else echo '{"status": "ACTIVE", "addresses": {"other": ["10.9.9.9"], "lab": ["fd00::7", "10.0.0.7"]}}'; fi ;;
"server list")
    cd servers
    for id in *; do
        [ -e "$id" ] || continue
        read -r name <"$id"
        case $name in *-deleted) rm "$id" ;; esac
        name=${name%-deleted}
        mark=$name; [ "$id" != 900 ] || mark=
        case ^$name in "$last"*) echo "{\"ID\":\"$id\",\"Name\":\"$name\",\"Properties\":{\"atex_lease\":\"$mark\"}}" ;; esac
    done | jq -sc . ;;
"server delete")
    if [ ! -e "servers/$last" ]; then echo "No server with a name or ID of '$last' exists." >&2; exit 1; fi
    read -r name <"servers/$last"; echo "${name%-deleted}-deleted" >"servers/$last" ;;
esac
"#;

/// A Beaker. A job is a file in `jobs` with its XML; `state` is what recipes have come to.
const BKR: &str = r#"#!/bin/sh
cd "$HOME/beaker" || exit 1
echo "$*" >>calls
for last; do :; done
case $1 in
job-submit)
    exec 9>mutex; flock 9
    read -r id <next
    # It may have been killed as it wrote there.
    [ "$id" ] || id=$(($(ls servers jobs 2>/dev/null | wc -l) + 100))
    echo $((id + 1)) >next
    cat >"new.$id"; mv "new.$id" "jobs/$id"
    if [ -e cut ]; then rm cut; echo "ProtocolError: 502 Proxy Error" >&2; exit 1; fi
    echo "Submitted: ['J:$id']" ;;
job-results)
    read -r state <state
    sed "s|<recipe |<recipe id=\"7${last#J:}\" job_id=\"${last#J:}\" status=\"$state\" result=\"Pass\" system=\"m1.lab\" |" "jobs/${last#J:}" ;;
job-list)
    for word; do [ "$before" != --whiteboard ] || board=$word; before=$word; done
    cd jobs
    for id in *; do grep -q "<whiteboard>[^<]*$board" "$id" 2>/dev/null && echo "\"J:$id\""; done | jq -sc . ;;
job-cancel) rm -f "jobs/${last#J:}" ;;
watchdog-extend)
    case $last in [RT]:*) ;; *) echo "Taskspec type must be one of [R, T]" >&2; exit 1 ;; esac ;;
*) exit 2 ;;
esac
"#;

/// A libvirt. A domain is a file in `domains` with its XML.
const VIRSH: &str = r#"#!/bin/sh
cd "$HOME/vms" || exit 1
[ "$1" != --quiet ] || shift
[ "$1" != --connect ] || shift 2
name=$2
missing() { echo "error: failed to get domain '$name'" >&2; exit 1; }
case $1 in
domstate) [ -e "domains/$name" ] || missing; case $name in origin*) echo "shut off" ;; *) echo running ;; esac ;;
dumpxml) for name; do :; done; cat "domains/$name" ;;
create)
    cat "$2" >new.$$
    name=$(sed -n 's|.*<name>\([^<]*\)</name>.*|\1|p' new.$$)
    mv new.$$ "domains/$name" ;;
domifaddr)
    [ -e "domains/$name" ] || missing
    echo " vnet0      52:54:00:a7:00:2c    ipv4         192.168.122.7/24" ;;
list) ls domains ;;
destroy) [ -e "domains/$name" ] || missing; rm "domains/$name" ;;
esac
"#;

/// Several podmans: what each has is in a folder of its own. `hold` has builds wait.
const PODMAN: &str = r#"#!/bin/sh
mkdir -p "$HOME/pods/${CONTAINER_HOST:-here}" && cd "$HOME/pods/${CONTAINER_HOST:-here}" || exit 1
echo "$*" >>../../podman-calls
for last; do :; done
case $1 in
image) [ -e ../../built ] ;;
build)
    : >../../building
    while [ -e ../../hold ]; do sleep 0.05; done
    : >../../built ;;
run)
    for word; do [ "$before" != --name ] || name=$word; before=$word; done
    : >"$name"
    echo 0123456789abcdef ;;
ps)
    for name in *; do
        if [ -e "$name" ]; then echo "{\"Id\":\"x\",\"Names\":[\"$name\"],\"Labels\":{\"atex.lease\":\"$name\"}}"; fi
    done | jq -sc . ;;
rm) rm -f "$last" ;;
esac
"#;

const ORIGIN: &str = "<domain type='qemu'>\n  <name>origin</name>\n  <uuid>x</uuid>\n  <devices>\n    \
    <disk type='file' device='disk'><source file='/i.qcow2'/></disk>\n  </devices>\n  \
    <x value='user,hostfwd=tcp:127.0.0.1:2299-:22'/>\n</domain>\n";

pub(crate) fn cloud() -> Dir {
    let dir = Dir::new();
    dir.script("bin/virsh", VIRSH);
    dir.script("bin/openstack", OPENSTACK);
    dir.script("bin/bkr", BKR);
    dir.script("bin/podman", PODMAN);
    let write = |path: &str, text: &str| {
        let path = dir.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("cloud/next", "1\n");
    write("cloud/servers/800", "others-web\n");
    write("cloud/servers/801", "atex-00000000-of-somebody\n");
    write("vms/domains/origin", ORIGIN);
    write("vms/domains/800", "<domain/>");
    write("vms/domains/801", "<domain/>");
    write("beaker/next", "1\n");
    write("beaker/state", "Reserved\n");
    write("beaker/jobs/800", "<job><whiteboard>others</whiteboard><recipe /></job>");
    write("beaker/jobs/801", "<job><whiteboard>atex atex-00000000-x</whiteboard><recipe /></job>");
    dir
}

/// What there is of ours; 800 and 801 are others'. A fake provider that dies with us may leave an empty file: it was about
/// to make something.
fn ours(dir: &Dir, place: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir.home().join(place)).unwrap().map(Result::unwrap);
    let made = entries.filter(|entry| entry.metadata().is_ok_and(|about| about.is_dir() || about.len() > 0));
    let names: Vec<String> = made.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let (others, ours): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| ["800", "801"].contains(&name.as_str()));
    assert_eq!(others.len(), 2, "what is not ours is left alone");
    ours
}

pub(crate) fn call(dir: &Dir, words: &[&str]) -> Command {
    let mut command = provision(dir, words);
    command.env("PATH", format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap()));
    command
}

fn set(dir: &Dir, file: &str, text: &str) {
    std::fs::write(dir.home().join(file), text).unwrap();
}

pub(crate) const OPENSTACK_WORDS: [&str; 10] =
    ["openstack", "--image", "cs9", "--flavor", "small", "--network", "lab", "--cloud", "nine", "--no-login"];

#[test]
fn servers_of_an_openstack_are_hosts() {
    let dir = cloud();
    set(&dir, "cloud/slow", "");
    let words = [&OPENSTACK_WORDS[..], &["--key-name", "ci", "--user", "cloud-user", "--ttl", "2h"]].concat();
    let output = call(&dir, &words).run();
    output.success();
    let host = of_type(&output, "host").remove(0);
    let token = host["lease"]["token"].as_str().unwrap();
    assert_eq!(
        host["connect"],
        json!({"how": "ssh", "host": "10.0.0.7", "user": "cloud-user",
               "options": {"StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null"}})
    );
    assert_eq!(host["lease"]["resource"], "1");
    let calls = std::fs::read_to_string(dir.home().join("cloud/calls")).unwrap();
    let create = format!(
        "server create -f json --property atex_lease={token} --image cs9 --flavor small --network lab --key-name ci {token}"
    );
    assert_eq!(calls.lines().next(), Some(create.as_str()));
    call(&dir, &["release"]).stdin(output.stdout).run().success();
    assert_eq!(ours(&dir, "cloud/servers"), [""; 0]);
}

#[test]
fn an_openstack_that_fails_keeps_nothing() {
    let dir = cloud();
    set(&dir, "cloud/cut", "");
    call(&dir, &OPENSTACK_WORDS)
        .run()
        .code(3)
        .stderr_has("openstack: Connection reset by peer (exit status 1)");
    assert_eq!(ours(&dir, "cloud/servers"), [""; 0]);
    set(&dir, "cloud/fault", "");
    call(&dir, &OPENSTACK_WORDS).run().code(3).stderr_has("No valid host was found.");
    assert_eq!(ours(&dir, "cloud/servers"), [""; 0]);
}

#[test]
fn a_name_that_others_took_is_not_ours() {
    let dir = cloud();
    call(&dir, &OPENSTACK_WORDS).run().success();
    let ledger = std::fs::read_to_string(dir.home().join(".local/state/atex/ledger")).unwrap();
    // It has such a name, but not the property.
    set(&dir, "cloud/servers/900", &format!("atex-{}-by-hand\n", ledger.trim()));
    call(&dir, &["reap", "--now"]).run().success();
    assert_eq!(ours(&dir, "cloud/servers").len(), 2);
}

#[test]
fn no_server_is_lost_wherever_we_are_killed() {
    let dir = cloud();
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let words = [&OPENSTACK_WORDS[..], &["--serve"]].concat();
    killed_everywhere(&dir, &words, &[("PATH", &path)], 2, |when| {
        assert_eq!(ours(&dir, "cloud/servers"), [""; 0], "{when}");
    });
}

pub(crate) const BEAKER_WORDS: [&str; 6] =
    ["beaker", "--distro", "RHEL-9.6.0", "--variant", "BaseOS", "--no-login"];

#[test]
fn machines_of_a_beaker_lab_are_hosts() {
    let dir = cloud();
    dir.write("ci.pub", "ssh-ed25519 AAAA it's me\n");
    dir.write("more.ks", "%packages\ntar & ]]> <more>\n%end\n");
    let more = [
        "--host-require",
        "memory>=4096",
        "--ks-append",
        "more.ks",
        "--public-key",
        "ci.pub",
        "--ttl",
        "8h",
        "--repository",
        "updates=http://repo.example/a?b&c",
        "--kernel-options",
        "console=ttyS0 \"x\"",
        "--group",
        "g",
    ];
    let output = call(&dir, &[&BEAKER_WORDS[..], &more].concat()).run();
    output.success();
    let host = of_type(&output, "host").remove(0);
    assert_eq!((&host["connect"]["host"], &host["lease"]["resource"]), (&json!("m1.lab"), &json!("J:1")));
    let xml = std::fs::read_to_string(dir.home().join("beaker/jobs/1")).unwrap();
    let token = host["lease"]["token"].as_str().unwrap();
    let expected = format!(
        "<job retention_tag=\"scratch\" group=\"g\"><whiteboard>atex {token}</whiteboard><recipeSet priority=\"Normal\">\
         <recipe whiteboard=\"\" ks_meta=\"harness=restraint-rhts\" kernel_options=\"console=ttyS0 &quot;x&quot;\" \
         kernel_options_post=\"\"><autopick random=\"true\"/><watchdog panic=\"ignore\"/><ks_appends>\
         <ks_append><![CDATA[%packages\ntar & ]]]]><![CDATA[> <more>\n%end\n]]></ks_append>\
         <ks_append><![CDATA[%post\nmkdir -p /root/.ssh\necho 'ssh-ed25519 AAAA it'\\''s me' >>/root/.ssh/authorized_keys\n\
         chmod -R go= /root/.ssh\n%end\n]]></ks_append></ks_appends>\
         <repos><repo name=\"updates\" url=\"http://repo.example/a?b&amp;c\"/></repos><distroRequires><and>\
         <distro_name op=\"=\" value=\"RHEL-9.6.0\"/><distro_arch op=\"=\" value=\"x86_64\"/>\
         <distro_variant op=\"=\" value=\"BaseOS\"/></and></distroRequires><hostRequires>\
         <system_type value=\"Machine\"/><memory op=\"&gt;=\" value=\"4096\"/></hostRequires><partitions/>\
         <task name=\"/distribution/check-install\" role=\"STANDALONE\"><params/></task>\
         <reservesys duration=\"28800\" when=\"always\"/></recipe></recipeSet></job>\n"
    );
    assert_eq!(xml, expected);
    call(&dir, &["release"]).stdin(output.stdout).run().success();
    assert_eq!(ours(&dir, "beaker/jobs"), [""; 0]);
}

#[test]
fn a_job_that_is_aborted_or_lost_on_the_way_leaves_nothing() {
    let dir = cloud();
    set(&dir, "beaker/state", "Aborted\n");
    call(&dir, &BEAKER_WORDS).run().code(3).stderr_has("J:1: Aborted (Pass)");
    assert_eq!(ours(&dir, "beaker/jobs"), [""; 0]);
    set(&dir, "beaker/cut", "");
    call(&dir, &BEAKER_WORDS).run().code(3).stderr_has("bkr: ProtocolError: 502 Proxy Error");
    assert_eq!(ours(&dir, "beaker/jobs"), [""; 0]);
}

#[test]
fn a_watchdog_is_moved() {
    let dir = cloud();
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let words = [&BEAKER_WORDS[..], &["--serve", "--ttl", "1h"]].concat();
    let mut talk = Talk::start(&dir, &words, &[("PATH", &path)]);
    assert_eq!(talk.expect("hello")["extend"], true);
    talk.say(&json!({"type": "want", "hosts": 1}));
    let host = talk.expect("host");
    // From now on, not from when it was to end: to add both times would be twice as long.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let end = "2036-01-01T00:00:00.000Z";
    talk.say(&json!({"type": "extend", "id": host["id"], "until": end}));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let moved = || provision_leases::leases(&dir)[0]["until"] == end;
    while !moved() {
        assert!(std::time::Instant::now() < deadline, "it is not extended");
    }
    let calls = std::fs::read_to_string(dir.home().join("beaker/calls")).unwrap();
    let call = calls.lines().find(|line| line.starts_with("watchdog-extend")).unwrap();
    let words: Vec<&str> = call.split(' ').collect();
    let [_, "--by", by, "R:71"] = words[..] else { panic!("{call}") };
    let expected = 2_082_758_400 - now;
    assert!((expected - 60..=expected).contains(&by.parse().unwrap()), "{by} for {expected}");
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
}

#[test]
fn no_job_is_lost_wherever_we_are_killed() {
    let dir = cloud();
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let words = [&BEAKER_WORDS[..], &["--serve"]].concat();
    killed_everywhere(&dir, &words, &[("PATH", &path)], 2, |when| {
        assert_eq!(ours(&dir, "beaker/jobs"), [""; 0], "{when}");
    });
}

const LIBVIRT_WORDS: [&str; 6] = ["libvirt", "-c", "fake:///", "--origin", "origin", "--no-login"];

/// The clones that there are.
fn clones(dir: &Dir) -> Vec<String> {
    let origin = std::fs::read_to_string(dir.home().join("vms/domains/origin")).unwrap();
    assert_eq!(origin, ORIGIN, "the origin stays as it is");
    ours(dir, "vms/domains").into_iter().filter(|name| name != "origin").collect()
}

#[test]
fn clones_of_a_domain_are_hosts() {
    let dir = cloud();
    let output = call(&dir, &[&LIBVIRT_WORDS[..], &["-n", "2"]].concat()).run();
    output.success();
    let hosts = of_type(&output, "host");
    assert_eq!(hosts[0]["connect"]["host"], "192.168.122.7");
    let token = hosts[0]["lease"]["token"].as_str().unwrap();
    let xml = std::fs::read_to_string(dir.home().join("vms/domains").join(token)).unwrap();
    assert!(xml.contains("<transient shareBacking='yes'/></disk>") && !xml.contains("uuid"), "{xml}");
    call(&dir, &["release"]).stdin(output.stdout).run().success();
    assert_eq!(clones(&dir), [""; 0]);
    let forwarded = call(&dir, &[&LIBVIRT_WORDS[..], &["--address", "forward"]].concat()).run();
    forwarded.success();
    let connect = &of_type(&forwarded, "host")[0]["connect"];
    assert_eq!(connect["host"], "127.0.0.1");
    assert!(connect["port"].as_u64().unwrap() != 2299);
    // What runs is no origin.
    let clone = clones(&dir).remove(0);
    let words = ["libvirt", "--origin", &clone, "--no-login"];
    call(&dir, &words)
        .run()
        .code(3)
        .stderr_has("expected a domain that is shut off, found one that is running");
}

#[test]
fn no_clone_is_lost_wherever_we_are_killed() {
    let dir = cloud();
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let words = [&LIBVIRT_WORDS[..], &["--serve"]].concat();
    killed_everywhere(&dir, &words, &[("PATH", &path)], 2, |when| {
        assert_eq!(clones(&dir), [""; 0], "{when}")
    });
}

/// The containers that a podman has.
fn containers(dir: &Dir, podman: &str) -> usize {
    std::fs::read_dir(dir.home().join("pods").join(podman)).map_or(0, Iterator::count)
}

#[test]
fn the_podman_that_has_a_container_is_asked_to_give_it_back() {
    let dir = cloud();
    let reserve = |host: &str| {
        let mut command = call(&dir, &["podman", "--image", "x", "--ttl", "1s"]);
        if !host.is_empty() {
            command.env("CONTAINER_HOST", host);
        }
        let output = command.run();
        output.success();
        of_type(&output, "host").remove(0)
    };
    let there = reserve("there");
    let token = there["lease"]["token"].as_str().unwrap();
    assert_eq!(
        there["connect"]["argv"],
        json!(["env", "CONTAINER_HOST=there", "podman", "exec", "-i", token])
    );
    assert_eq!(containers(&dir, "there"), 1);
    // From where no podman is named, and where another one is.
    call(&dir, &["release"]).arg(token).run().success();
    assert_eq!(containers(&dir, "there"), 0);
    reserve("there");
    reserve("");
    assert_eq!((containers(&dir, "there"), containers(&dir, "here")), (1, 1));
    // Until a second has passed there is nothing to do.
    while !provision_leases::leases(&dir).is_empty() {
        call(&dir, &["reap"]).env("CONTAINER_HOST", "elsewhere").run().success();
    }
    assert_eq!((containers(&dir, "there"), containers(&dir, "here")), (0, 0));
}

#[test]
fn the_project_that_has_a_server_is_asked_to_give_it_back() {
    let dir = cloud();
    // A server is seen only from where its project is named, or the directory that says which clouds there are.
    dir.script(
        "bin/openstack",
        OPENSTACK.replacen(
            "cd ",
            "[ \"$OS_PROJECT_NAME $OS_AUTH_URL\" = 'ci http://one' ] && [ -e clouds.yaml ] || { echo '[]'; exit 1; }\ncd ",
            1,
        ),
    );
    dir.write("clouds.yaml", "clouds: {}\n");
    let mut reserve = call(&dir, &OPENSTACK_WORDS);
    reserve.env("OS_PROJECT_NAME", "ci").env("OS_AUTH_URL", "http://one").env("OS_PASSWORD", "hunter2");
    let output = reserve.run();
    output.success();
    let token = of_type(&output, "host")[0]["lease"]["token"].as_str().unwrap().to_owned();
    let lease = std::fs::read_to_string(dir.home().join(".local/state/atex/leases").join(&token)).unwrap();
    assert!(!lease.contains("hunter2"), "{lease}");
    let elsewhere = dir.write("else/where", "").parent().unwrap().to_owned();
    let mut release = call(&dir, &["release"]);
    release.arg(&token).env("OS_PROJECT_NAME", "other").env("OS_REGION_NAME", "x").current_dir(&elsewhere);
    release.run().success();
    assert_eq!(ours(&dir, "cloud/servers"), [""; 0]);
}

#[test]
fn the_libvirt_that_has_a_clone_is_asked_to_give_it_back() {
    let dir = cloud();
    // One that is named has nothing; the clones are those of the user's own configuration.
    dir.script(
        "bin/virsh",
        VIRSH.replacen("cd ", "if [ -n \"$LIBVIRT_DEFAULT_URI\" ]; then [ \"$2\" = destroy ] || exit 0; echo 'Domain not found' >&2; exit 1; fi\ncd ", 1),
    );
    let output = call(&dir, &["libvirt", "--origin", "origin", "--no-login"]).run();
    output.success();
    assert_eq!(clones(&dir).len(), 1);
    call(&dir, &["release"]).stdin(output.stdout).env("LIBVIRT_DEFAULT_URI", "other:///").run().success();
    assert_eq!(clones(&dir), [""; 0]);
}

#[test]
fn an_image_that_somebody_else_builds_is_not_waited_for_beyond_our_end() {
    let dir = cloud();
    set(&dir, "hold", "");
    let words = ["podman", "--image", "x", "--setup", "true"];
    let builder = call(&dir, &words).start();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let wait = |is_so: &dyn Fn() -> bool| {
        while !is_so() {
            assert!(std::time::Instant::now() < deadline, "it does not come");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    wait(&|| dir.home().join("building").exists());
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let mut talk = Talk::start(&dir, &[&words[..], &["--serve"]].concat(), &[("PATH", &path)]);
    talk.say(&json!({"type": "want", "hosts": 1}));
    // It has looked whether there is an image, as the first one has, twice.
    let looks =
        || std::fs::read_to_string(dir.home().join("podman-calls")).unwrap().matches("image exists").count();
    wait(&|| looks() == 3);
    talk.say(&json!({"type": "shutdown"}));
    assert!(talk.next("host").is_none(), "it ends");
    assert_eq!(talk.end(), Some(0));
    std::fs::remove_file(dir.home().join("hold")).unwrap();
    builder.finish().success();
}
