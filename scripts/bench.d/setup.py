"""What a bare machine lacks: Debian packages, a Python for the peers, our own binaries."""

import json
import os
import subprocess
import sys
from pathlib import Path

PACKAGES = ["openssh-client", "openssh-server", "parallel", "rsync", "time", "python3-pip", "ca-certificates"]
FMF, ATEX = "fmf==1.7.0", "atex==1.2"


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run_logged(command, log, **more):
    with log.open("ab") as file:
        return subprocess.run(command, stdout=file, stderr=file, check=False, **more).returncode == 0


def is_installed(package):
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


def install_packages(cache, packages=PACKAGES):
    """Whether they are there in the end. What fails for want of one says so when it is used."""
    missing = [package for package in packages if not is_installed(package)]
    if not missing:
        return True
    say(f"installing {' '.join(missing)}")
    log = cache / "apt.log"
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for attempt in range(2):
        if attempt == 1:
            run_logged(["apt-get", "update"], log, env=env)
        if run_logged(install, log, env=env):
            return True
    say(f"{' '.join(missing)}: cannot be installed, see {log}")
    return False


def build(repo):
    """Release binaries; returns their directory."""
    say("building the release binaries")
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=repo, check=True)
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "atex-fmf", "--example", "floor"], cwd=repo, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR") or repo / "target").absolute() / "release"


def find_python(cache):
    """A command line that runs the newest Python that can be had, with the peers where they can be installed."""
    interpreter = newest_python() or unpack_python(cache)
    if not interpreter:
        interpreter = "/usr/bin/python3"
        say(f"no Python 3.12 or later here, which the Python ATEX needs: only fmf is compared, under {interpreter}")
    version = subprocess.check_output([interpreter, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], text=True)
    site = cache / f"site-{version.strip()}"
    if not (site / "complete").exists():
        install_peers(interpreter, site, cache / "pip.log")
    return ["env", f"PYTHONPATH={site}", interpreter]


def newest_python():
    """One that is at least 3.12, from pyenv or the system; nothing if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = []
    for path in [*pyenv.glob("versions/*/bin/python3"), *Path("/usr/local/bin").glob("python3.1?"),
                 *Path("/usr/bin").glob("python3.1?")]:
        ask = [path, "-c", "import pip, sys; print(*sys.version_info[:3])"]
        done = subprocess.run(ask, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.append((tuple(map(int, done.stdout.split())), str(path)))
    best = max(found, default=((0,), None))
    return best[1] if best[0] >= (3, 12) else None


def unpack_python(cache):
    """Debian 13's, started by its own loader: its ssh and rsync are then this machine's, as for every other side."""
    launcher, tree = cache / "python3.13", cache / "trixie"
    if launcher.exists():
        return str(launcher)
    if not install_packages(cache, ["mmdebstrap"]):
        return None
    say("unpacking the Python 3.13 of Debian 13, which takes about half a minute")
    make = ["mmdebstrap", "--mode=root", "--variant=minbase", "--include=python3,python3-pip,ca-certificates", "trixie", tree]
    if not run_logged(make, cache / "mmdebstrap.log"):
        say(f"Debian 13 cannot be unpacked, see {cache / 'mmdebstrap.log'}")
        return None
    loader = next(tree.glob("usr/lib/*/ld-linux*.so.*"))
    launcher.write_text(
        f"#!/bin/sh\nPYTHONHOME={tree}/usr exec {loader} --library-path {loader.parent} "
        f"--argv0 {launcher} {tree}/usr/bin/python3.13 \"$@\"\n")
    launcher.chmod(0o755)
    return str(launcher)


def install_peers(interpreter, site, log):
    pip = [interpreter, "-m", "pip", "install", "--disable-pip-version-check", "--root-user-action=ignore",
           "--upgrade", "--target", site]
    for requirements in ([FMF, ATEX], [FMF]):
        say(f"installing {' '.join(requirements)}")
        if run_logged([*pip, *requirements], log):
            (site / "complete").touch()
            return
        say(f"{' '.join(requirements)}: cannot be installed, see {log}")


def chosen(sides, words):
    """The sides with one of the words in their names; all where none are given."""
    return [side for side in sides if not words or any(word in side for word in words.split(","))]


def python_versions(python):
    """Of the interpreter and of the peers that it has."""
    script = ("import importlib.metadata as m, json, platform, sys; has = {d.name: d.version for d in m.distributions()};"
              "print(json.dumps({'python': platform.python_version(), 'fmf': has.get('fmf'), 'python-atex': has.get('atex')}))")
    done = subprocess.run([*python, "-c", script], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}
