"""Throw-away sshd on loopback addresses of their own, with keys of their own."""

import os
import socket
import subprocess
import time
from pathlib import Path

from measure import descendants, kill

# Root's .bashrc is not read at a SHLVL above 0: what it does would be timed with each command. The limits are those
# that 20 connections with several sessions each run into. The default key exchange costs 60 ms of CPU a
# login, whoever logs in.
SSHD_CONFIG = """\
ListenAddress {address}:{port}
HostKey {home}/hostkey
PidFile {home}/pid
AuthorizedKeysFile {key}.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
KexAlgorithms curve25519-sha256
UseDNS no
MaxStartups 200:30:400
MaxSessions 100
SetEnv SHLVL=1
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
"""
SSH_CONFIG = """\
Host {name}
    HostName {address}
    Port {port}
    User root
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
    StrictHostKeyChecking yes
    BatchMode yes
    LogLevel ERROR
    ControlPath {home}/mux
"""


class Lab:
    """Hosts h1, h2, ...; to be used in a `with` statement, which ends them."""

    def __init__(self, directory, count):
        self.directory = Path(directory)
        self.key = self.directory / "id"
        self.known_hosts = self.directory / "known_hosts"
        self.ssh_config = self.directory / "ssh_config"
        self.addresses = {f"h{n}": f"127.0.1.{n + 1}" for n in range(1, count + 1)}
        self.port = free_port(self.addresses.values())
        self.processes = []

    def __enter__(self):
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        make_key(self.key)
        try:
            for name in self.addresses:
                self.start(name)
            for address in self.addresses.values():
                await_port(address, self.port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            kill(descendants(process.pid))
            process.terminate()
        for process in self.processes:
            process.wait()

    def start(self, name):
        home = self.directory / name
        home.mkdir()
        make_key(home / "hostkey")
        facts = {"name": name, "home": home, "key": self.key, "known_hosts": self.known_hosts,
                 "address": self.addresses[name], "port": self.port}
        (home / "sshd_config").write_text(SSHD_CONFIG.format(**facts))
        with self.ssh_config.open("a") as file:
            file.write(SSH_CONFIG.format(**facts))
        with self.known_hosts.open("a") as file:
            file.write(f"[{self.addresses[name]}]:{self.port} " + (home / "hostkey.pub").read_text())
        with (home / "log").open("wb") as log:
            self.processes.append(subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", home / "sshd_config"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True))

    def names(self, count):
        return list(self.addresses)[:count]


def make_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path], check=True)


def free_port(addresses):
    """A port that is free on all addresses."""
    addresses = list(addresses)
    while True:
        with socket.create_server((addresses[0], 0)) as first:
            port = first.getsockname()[1]
        try:
            for address in addresses:
                socket.create_server((address, port)).close()
            return port
        except OSError:
            continue


def await_port(address, port):
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection((address, port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
