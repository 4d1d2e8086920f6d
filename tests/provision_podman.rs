//! Real containers, of an image made here, in a store of the test's own.

use std::process::Command as Process;
use std::time::Instant;

use atex_testkit::need;
use atex_testkit::sandbox::{Command, Dir};
use serde_json::json;

use crate::provision_leases::provision;
use crate::provision_serve::killed_everywhere;
use crate::stream::{of_type, tool};

const IMAGE: &str = "localhost/atex-test:1";

/// A podman of the test's own.
struct Store {
    dir: Dir,
    variables: Vec<(String, String)>,
}

/// Whether containers can be run here at all: `podman info` may work where they cannot.
fn available() -> Result<(), String> {
    let is_there = |program: &str| {
        Process::new("sh")
            .args(["-c", &format!("command -v {program} >/dev/null")])
            .status()
            .is_ok_and(|s| s.success())
    };
    for program in ["podman", "busybox", "tar"] {
        if !is_there(program) {
            return Err(format!("{program} is not installed"));
        }
    }
    Ok(())
}

impl Store {
    fn start() -> Store {
        let dir = Dir::new();
        let runtime = if Process::new("runc").arg("--version").output().is_ok() { "runc" } else { "crun" };
        // Not where failures show what there is.
        let top = dir.home();
        let conf = dir.write(
            "containers.conf",
            format!(
                "[containers]\ndefault_ulimits=[\"nofile=20000:20000\",\"nproc=30000:30000\"]\n\
                 [engine]\nruntime=\"{runtime}\"\ncgroup_manager=\"cgroupfs\"\n"
            ),
        );
        let storage = dir.write(
            "storage.conf",
            format!(
                "[storage]\ndriver=\"overlay\"\ngraphroot=\"{0}/store\"\nrunroot=\"{0}/runroot\"\n",
                top.display()
            ),
        );
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let variables = vec![
            ("CONTAINERS_CONF".to_owned(), text(&conf)),
            ("CONTAINERS_STORAGE_CONF".to_owned(), text(&storage)),
        ];
        let store = Store { dir, variables };
        // A root file system of two programs.
        let image = format!(
            "cd && mkdir -p root/bin root/tmp root/var/tmp root/root root/etc && cp \"$(command -v busybox)\" root/bin/ && \
             for c in $(root/bin/busybox --list); do [ \"$c\" = busybox ] || ln -s busybox \"root/bin/$c\"; done && \
             for f in /bin/bash $(ldd /bin/bash | grep -o '/[^ ]*'); do cp -L --parents \"$f\" root/ || exit 1; done && \
             tar -C root -c . | podman import -q - {IMAGE}"
        );
        store.run("sh", &["-c", &image]).run().success();
        store
    }

    fn with(&self, mut command: Command) -> Command {
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }

    fn run(&self, program: &str, words: &[&str]) -> Command {
        let mut command = self.dir.command(program);
        command.args(words);
        self.with(command)
    }

    fn provision(&self, words: &[&str]) -> Command {
        self.with(provision(&self.dir, words))
    }

    /// The containers that there are, but for one that is not ours.
    fn containers(&self) -> Vec<String> {
        let output = self.run("podman", &["ps", "--all", "--external", "--format", "{{.Names}}"]).run();
        output.success();
        output.stdout.lines().filter(|name| *name != "others").map(str::to_owned).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Mounts would keep the folder from going away.
        self.run("podman", &["rm", "--all", "--force", "--time", "0"]).run();
        self.run(
            "sh",
            &[
                "-c",
                "cd; umount store/overlay 2>/dev/null; umount store 2>/dev/null; rm -rf store runroot; true",
            ],
        )
        .run();
    }
}

const PODMAN: [&str; 5] = ["podman", "--image", IMAGE, "--network", "none"];

fn start() -> Option<Store> {
    need(available(), Store::start)
}

#[test]
fn containers_are_hosts() {
    let Some(store) = start() else { return };
    let begun = Instant::now();
    store
        .run("podman", &["run", "-d", "--name", "others", "--network", "none", IMAGE, "sleep", "1000"])
        .run()
        .success();
    let alone = begun.elapsed();
    let begun = Instant::now();
    let one = store.provision(&PODMAN).args(["--ttl", "2h", "--memory", "64m"]).run();
    one.success();
    let provisioned = begun.elapsed();
    // On a machine that does nothing else it is a tenth of this.
    assert!(provisioned < alone * 3 + std::time::Duration::from_secs(3), "{provisioned:?} against {alone:?}");
    let host = of_type(&one, "host").remove(0);
    let token = host["lease"]["token"].as_str().unwrap();
    let set = store.variables.iter().map(|(name, value)| format!("{name}={value}"));
    let mut argv: Vec<String> = std::iter::once("env".to_owned()).chain(set).collect();
    argv.extend(["podman", "exec", "-i", token].map(str::to_owned));
    assert_eq!(host["connect"], json!({"how": "command", "argv": argv}));
    let inspect = store
        .run("podman", &["inspect", "--format", "{{.Config.Timeout}} {{.HostConfig.Memory}}", token])
        .run();
    assert_eq!(inspect.stdout.trim(), "7200 67108864");

    // What they are for.
    let test = json!({"type": "test", "name": "/t", "data": {"test": "cat /proc/1/cmdline | tr '\\0' ' '; ls /bin/busybox"}});
    let mut exec = tool(&store.dir, "atex-exec");
    exec.args(["--run-dir", "run"]).stdin(format!("{host}\n{test}\n"));
    let run = store.with(exec).run();
    run.success();
    let released = store.provision(&["release"]).stdin(run.stdout).run();
    released.success();
    assert_eq!(of_type(&released, "released").len(), 1);
    assert!(store.containers().is_empty());
    let running = store.run("podman", &["ps", "--format", "{{.Names}}"]).run();
    assert_eq!(running.stdout.trim(), "others", "what is not ours is left alone");
}

#[test]
fn an_image_is_built_once() {
    let Some(store) = start() else { return };
    let words = [&PODMAN[..], &["--setup", "echo made >/made", "-n", "3"]].concat();
    // Isolation by a namespace is what this machine may refuse to builds.
    let mut first = store.provision(&words);
    let hosts = first.env("BUILDAH_ISOLATION", "chroot").run();
    hosts.success();
    let token = of_type(&hosts, "host")[0]["lease"]["token"].as_str().unwrap().to_owned();
    let made = store.run("podman", &["exec", &token, "cat", "/made"]).run();
    assert_eq!(made.stdout, "made\n", "{}", made.stderr);
    let images = store.run("podman", &["images", "--format", "{{.Repository}}"]).run();
    assert_eq!(images.stdout.lines().filter(|name| *name == "localhost/atex-built").count(), 1);
    store.provision(&["release"]).stdin(hosts.stdout).run().success();
    store.provision(&["podman", "--image", "localhost/no-such:1"]).run().code(3).stderr_has("podman: ");
}

#[test]
fn no_container_is_lost_wherever_we_are_killed() {
    let Some(store) = start() else { return };
    let variables: Vec<(&str, &str)> =
        store.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    killed_everywhere(&store.dir, &[&PODMAN[..], &["--serve"]].concat(), &variables, 4, |when| {
        assert_eq!(store.containers(), [""; 0], "{when}");
    });
}
