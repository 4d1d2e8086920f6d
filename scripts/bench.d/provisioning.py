"""From `atex-provision podman` to a host, beside `podman run` itself; and ten hosts at once beside one."""

import json
import os
import shutil
import statistics
import subprocess
import time

import setup

IMAGE = "localhost/atex-bench:1"
CONTAINERS = """[containers]
default_ulimits=["nofile=20000:20000","nproc=30000:30000"]
[engine]
runtime="{runtime}"
cgroup_manager="cgroupfs"
"""
STORAGE = """[storage]
driver="overlay"
graphroot="{0}/store"
runroot="{0}/runroot"
"""
# A root file system of one program.
MAKE = """set -e
mkdir -p root/bin root/tmp root/etc
cp "$(command -v busybox)" root/bin/
for name in sh sleep env; do ln -sf busybox "root/bin/$name"; done
tar -C root -c . | podman import -q - {image}
"""


class Store:
    """A podman of our own."""

    def __init__(self, folder):
        self.folder = folder / "podman"
        self.folder.mkdir()
        runtime = "runc" if shutil.which("runc") else "crun"
        (self.folder / "containers.conf").write_text(CONTAINERS.format(runtime=runtime))
        (self.folder / "storage.conf").write_text(STORAGE.format(self.folder))
        self.env = {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf"),
                    "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
                    "XDG_STATE_HOME": str(self.folder / "state")}
        self.run("sh", "-c", MAKE.format(image=IMAGE))

    def run(self, *words, **more):
        done = subprocess.run(words, cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, **more)
        if done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
        return done.stdout

    def close(self):
        subprocess.run(["podman", "rm", "--all", "--force", "--time", "0"], env=self.env, capture_output=True, check=False)
        subprocess.run(["umount", self.folder / "store/overlay"], capture_output=True, check=False)


def podman_run(store, count=1):
    """Seconds until the last of so many, begun at once, was there: what can be had at best."""
    words = ["podman", "run", "-d", "--network", "none", IMAGE, "sleep", "1000"]
    start = time.monotonic()
    running = [subprocess.Popen(words, env=store.env, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    names = [process.communicate()[0].strip() for process in running]
    seconds = time.monotonic() - start
    store.run("podman", "rm", "--force", "--time", "0", *names)
    return seconds


def provision(store, program, count):
    """Seconds until the last of the hosts was there."""
    words = [program, "podman", "--image", IMAGE, "--network", "none", "-n", str(count)]
    start = time.monotonic()
    process = subprocess.Popen(words, cwd=store.folder, env=store.env, stdout=subprocess.PIPE, text=True)
    lines, seconds = [], None
    for line in process.stdout:
        lines.append(line)
        if sum(json.loads(line)["type"] == "host" for line in lines) == count and seconds is None:
            seconds = time.monotonic() - start
    process.wait()
    store.run(program, "release", input="".join(lines))
    if seconds is None:
        raise RuntimeError(f"{' '.join(map(str, words))}: ended with {process.returncode} and too few hosts")
    return seconds


def compare(args, binaries, scratch, record):
    """Measures and prints. Returns figures to reach, and whether they are."""
    texts = ["a host of podman at most 0.3 s after `podman run` would have it", "ten at once in at most twice the time of one"]
    if not setup.install_packages(scratch, ["podman", "runc", "netavark", "busybox-static"]):
        return [(text, None) for text in texts]
    program = binaries / "atex-provision"
    sides = {"podman run": podman_run, "ten of those": lambda store: podman_run(store, 10), "one": lambda store: provision(store, program, 1),
             "ten": lambda store: provision(store, program, 10)}
    seconds = {name: [] for name in sides}
    store = Store(scratch)
    try:
        # What is read for the first time is read by all.
        podman_run(store)
        for _ in range(max(args.rounds, 3)):
            for name, side in sides.items():
                seconds[name].append(side(store))
    finally:
        store.close()
    median = {name: statistics.median(all_of) for name, all_of in seconds.items()}
    over, ratio = median["one"] - median["podman run"], median["ten"] / median["one"]
    print("\nProvisioning: containers of podman")
    for name, value in median.items():
        print(f"  {name:<12}{value:7.2f} s")
    print(f"  one beside `podman run`: {median['one'] / median['podman run']:.2f}; ten beside one: {ratio:.2f}, "
          f"beside ten `podman run` at once: {median['ten'] / median['ten of those']:.2f}")
    record({"part": "provisioning", "seconds": median, "over_seconds": over, "ten_beside_one": ratio})
    return [(texts[0], over <= 0.3), (texts[1], ratio <= 2)]
