"""How long a command takes, and what it and everything that it starts uses."""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import statistics
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.2
LIMIT_SECONDS = 900


class Failed(Exception):
    """A command did not do what it was measured for."""


def peak_memory(command, output, exits=frozenset({0}), alone=False):
    """Seconds, CPU seconds and peak memory in MB of one process, which has to end with one of these statuses. All of its
    threads are on one core if it is to be `alone` there.

    GNU time is between us and the command because a fork of this interpreter would count as the command's peak.
    """
    report = output.with_suffix(".time")
    before, start = cpu_of_children(), time.monotonic()
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
        done = subprocess.run(["time", "-q", "-o", report, "-f", "%M", *command], stdout=out, stderr=err, check=False,
                              preexec_fn=stay_on_one_core if alone else None)
    seconds, cpu = time.monotonic() - start, cpu_of_children() - before
    if done.returncode not in exits:
        raise Failed(f"{command[0]}: exit {done.returncode}: {output.with_suffix('.err').read_text()[-300:]}")
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": int(report.read_text()) / 1024}


def stay_on_one_core():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def process_tree(command, output, stdin=None, env=None, look_at_memory=False):
    """Seconds until the command ended and CPU seconds of it and of all that it started, or their memory.

    A process between us and the command adopts what detaches itself (a shared ssh connection does), so that
    nothing escapes the count. Memory is Pss, looked at five times a second: that costs so much of the CPU that
    the command needs that the two are never measured together.
    """
    reader, writer = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        with contextlib.suppress(BaseException):
            os.write(writer, json.dumps(supervise(command, output, stdin, env)).encode())
        os._exit(0)
    os.close(writer)
    peaks = {"own": 0, "ssh": 0}
    end = time.monotonic() + LIMIT_SECONDS
    while not select.select([reader], [], [], SAMPLE_SECONDS if look_at_memory else LIMIT_SECONDS)[0]:
        if time.monotonic() > end:
            kill(descendants(supervisor))
        if look_at_memory:
            for kind, size in memory(supervisor).items():
                peaks[kind] = max(peaks[kind], size)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(supervisor, 0)
    if not text:
        raise Failed(f"{command[0]}: could not be started")
    result = json.loads(text)
    if look_at_memory:
        result |= {f"{kind}_pss_mb": size / 1024 for kind, size in peaks.items()}
    return result


def supervise(command, output, stdin, env):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
        started, start = time.time(), time.monotonic()
        source = stdin.open("rb") if stdin else subprocess.DEVNULL
        status = subprocess.Popen(command, stdin=source, stdout=out, stderr=err, env=env).wait()
        seconds = time.monotonic() - start
    kill(descendants(os.getpid()))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return {"exit": status, "started": started, "seconds": seconds, "cpu_seconds": cpu_of_children()}


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def descendants(root):
    """All processes below one. Kernels need not have /proc/PID/task/*/children."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def memory(supervisor):
    """Pss in kB of the ssh processes below a supervisor, and of the others."""
    sizes = {"own": 0, "ssh": 0}
    for pid in descendants(supervisor):
        # A process may end between any two of these lines.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as rollup:
                pss = next((int(line.split()[1]) for line in rollup if line.startswith("Pss:")), 0)
            sizes["ssh" if comm.read().strip() == "ssh" else "own"] += pss
    return sizes


def medians(samples):
    """One measurement of several of the same thing."""
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
