"""Many tests of /bin/true on this machine, for peers that do not spread tests over hosts: tmt and Avocado beside
atex-exec and GNU parallel.

A whole command with one test says what a run costs before anything is tested, one with many what each test adds. Each side runs one test at
a time: so does tmt, and the others are told to.
"""

import json
import shutil
import subprocess
import time
import venv
from pathlib import Path

from measure import Failed, medians, process_tree
from setup import chosen, install_packages, run_logged, say

SIDES = ["atex", "parallel", "Avocado", "tmt"]
PEERS = ["tmt==1.78.0", "avocado-framework==113.0"]
# To tmt a machine that has one of these is not a Debian.
FOREIGN = ("dnf", "yum", "rpm", "createrepo")


class Bench:
    """The sides: each gives a command and a test of what it wrote."""

    def __init__(self, binaries, peers, scratch):
        self.binaries, self.peers, self.scratch = binaries, peers, scratch
        self.path = scratch / "path"

    def atex(self, tests, work):
        pipeline = '"$1/atex-discover" "$2" | "$1/atex-exec" --local 1 --run-dir "$2/run"'
        return ["bash", "-c", pipeline, "bash", self.binaries, tree(tests, work)], None

    def parallel(self, tests, work):
        jobs = work / "jobs"
        jobs.write_text("/bin/true\n" * tests)
        return ["env", f"PARALLEL_HOME={work}", "parallel", "--will-cite", "-j1", "--joblog", work / "joblog"], jobs

    def avocado(self, tests, work):
        # The same executable is one test only, so each has a name of its own.
        for n in range(tests):
            (work / f"t{n}").symlink_to("/bin/true")
        return [self.peers / "avocado", "run", "--disable-sysinfo", "--max-parallel-tasks=1",
                "--job-results-dir", work / "results", *sorted(work.glob("t*"))], None

    def tmt(self, tests, work):
        root = tree(tests, work)
        (root / "plan.fmf").write_text("discover: {how: fmf}\nexecute: {how: tmt}\n")
        return ["env", f"PATH={self.debian_path()}", f"TMT_WORKDIR_ROOT={work}", self.peers / "tmt", "--feeling-safe", "--root", root,
                "run", "--all", "provision", "--how", "local"], None

    def debian_path(self):
        if not self.path.exists():
            self.path.mkdir()
            for program in [*Path("/usr/bin").iterdir(), *Path("/usr/sbin").iterdir()]:
                if not program.name.startswith(FOREIGN) and not (self.path / program.name).is_symlink():
                    (self.path / program.name).symlink_to(program)
        return self.path

    def passed(self, side, output, work):
        """How many tests the side says have passed."""
        text = output.read_text(errors="replace")
        if side == "atex":
            return sum(json.loads(line).get("outcome") == "pass" for line in text.splitlines() if '"test-end"' in line)
        if side == "parallel":
            return sum(line.split("\t")[6] == "0" for line in (work / "joblog").read_text().splitlines()[1:])
        if side == "Avocado":
            return json.loads(next((work / "results").glob("job-*/results.json")).read_text())["pass"]
        return int(output.with_suffix(".err").read_text(errors="replace").rpartition("total: ")[2].split()[0])

    def measure(self, side, tests, look_at_memory=False):
        work = self.scratch / "work"
        work.mkdir()
        try:
            command, stdin = getattr(self, side.lower())(tests, work)
            output = work / "output"
            sample = process_tree(command, output, stdin, look_at_memory=look_at_memory)
            if sample.pop("exit") != 0:
                raise Failed(f"it failed: {output.with_suffix('.err').read_text(errors='replace')[-500:]}")
            sample.pop("started")
            if (passed := self.passed(side, output, work)) != tests:
                raise Failed(f"{passed} of {tests} tests passed")
        finally:
            shutil.rmtree(work)
        return sample


def tree(tests, work):
    root = work / "tree"
    (root / ".fmf").mkdir(parents=True)
    (root / ".fmf/version").write_text("1\n")
    (root / "main.fmf").write_text("".join(f"/t{n}:\n    test: /bin/true\n" for n in range(tests)))
    return root


def find_peers(cache):
    """The directory of the programs of tmt and Avocado, in an environment of their own."""
    home = cache / "peers"
    if not (home / "complete").exists():
        say(f"installing {' '.join(PEERS)}")
        install_packages(cache, ["python3-venv", "apt-file"])
        run_logged(["apt-file", "update"], cache / "apt.log")
        venv.create(home, with_pip=True, clear=True)
        if not run_logged([home / "bin/pip", "install", *PEERS], cache / "pip.log"):
            say(f"they cannot be installed, see {cache / 'pip.log'}")
            return home / "bin"
        (home / "complete").touch()
    return home / "bin"


def compare(args, cache, binaries, scratch, record):
    """Measures; returns the figures to reach, each with whether it is."""
    figures = list(sizes_and_help(binaries, record))
    tests = min(args.tests, 50)
    print(f"\nOn this machine: {tests} tests of /bin/true, one at a time, {args.rounds} rounds, medians\n")
    print(f"{'side':<10}{'one test s':>12}{'CPU s':>8}{'each more ms':>14}{'CPU ms':>8}{'Pss MB':>9}")
    bench = Bench(binaries, find_peers(cache), scratch)
    samples = {side: {1: [], tests: [], "memory": []} for side in chosen(SIDES, args.sides)}
    for turn in range(args.rounds + 1):
        for side in list(samples):
            try:
                if turn == args.rounds:
                    samples[side]["memory"].append(bench.measure(side, tests, look_at_memory=True))
                    continue
                for count in (1, tests):
                    samples[side][count].append(bench.measure(side, count))
            except (Failed, OSError, ValueError, KeyError, StopIteration) as error:
                say(f"{side} is left out: {error!r}")
                del samples[side]
    for side, found in samples.items():
        one, many = (medians(found[count]) for count in (1, tests))
        row = {"one_seconds": one["seconds"], "one_cpu_seconds": one["cpu_seconds"], **many,
               "test_ms": 1000 * (many["seconds"] - one["seconds"]) / (tests - 1),
               "test_cpu_ms": 1000 * (many["cpu_seconds"] - one["cpu_seconds"]) / (tests - 1),
               "own_pss_mb": found["memory"][0]["own_pss_mb"]}
        print(f"{side:<10}{row['one_seconds']:>12.2f}{row['one_cpu_seconds']:>8.2f}{row['test_ms']:>14.1f}"
              f"{row['test_cpu_ms']:>8.1f}{row['own_pss_mb']:>9.1f}", flush=True)
        record({"bench": "local", "case": "1 at a time", "side": side, "tests": tests, "peers": PEERS, **row})
    return figures


def sizes_and_help(binaries, record):
    """How much the programs take on disk, and how long who asks for help has to wait."""
    programs = [binaries / f"atex-{name}" for name in ("discover", "provision", "exec", "report")]
    megabytes = sum(program.stat().st_size for program in programs) / 1e6
    slowest = 0
    for program in programs:
        times = []
        for _ in range(30):
            start = time.monotonic()
            subprocess.run([program, "--help"], stdout=subprocess.DEVNULL, check=True)
            times.append(1000 * (time.monotonic() - start))
        # The fastest: what the machine was busy with meanwhile is none of ours.
        slowest = max(slowest, min(times))
    print(f"\nThe programs together: {megabytes:.1f} MB; --help of the slowest: {slowest:.1f} ms")
    record({"bench": "local", "case": "programs", "side": "atex", "megabytes": megabytes, "help_ms": slowest})
    yield f"the programs together under 30 MB: {megabytes:.1f}", megabytes < 30
    yield f"--help in under 5 ms: {slowest:.1f}", slowest < 5
