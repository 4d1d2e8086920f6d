"""Many tests of /bin/true over ssh: atex-exec, the Python ATEX, GNU parallel, and ssh by itself as the floor.

Each side is timed as a whole command, its connections included. CPU and memory are those of the orchestrating
side: of the command and of all that it starts, ssh among it, but not of the sshd.
"""

import datetime
import json
import shutil
from pathlib import Path

from lab import Lab
from measure import Failed, medians, process_tree
from setup import chosen, say

HERE = Path(__file__).resolve().parent
# GNU parallel's own way to share connections is -M; without it each job logs in.
SIDES = ["atex-exec", "Python ATEX", "parallel", "parallel -M", "ssh mux", "native mux"]


class Bench:
    """The sides: each gives a command, and counts afterwards what it did."""

    def __init__(self, args, binaries, python, scratch, lab):
        self.tests, self.binaries, self.python, self.scratch, self.lab = args.tests, binaries, python, scratch, lab

    def atex_exec(self, names, work):
        records = [{"type": "test", "name": f"/t/{n}", "data": {"test": "/bin/true"}} for n in range(self.tests)]
        options = {"UserKnownHostsFile": str(self.lab.known_hosts), "StrictHostKeyChecking": "yes"}
        for name in names:
            connect = {"how": "ssh", "host": self.lab.addresses[name], "port": self.lab.port, "user": "root",
                       "identity": str(self.lab.key), "options": options}
            records.append({"type": "host", "id": name, "connect": connect})
        stdin = work / "records"
        stdin.write_text("".join(json.dumps(record) + "\n" for record in records))
        return [self.binaries / "atex-exec", "--run-dir", work / "run", "--work-dir", work], stdin

    def atex_exec_done(self, output, _):
        records = list(map(json.loads, output.read_text().splitlines()))
        passed = sum(record["type"] == "result" and record["status"] == "pass" for record in records)
        begun = min(record["time"] for record in records if record["type"] == "test-start")
        return passed, datetime.datetime.fromisoformat(begun.replace("Z", "+00:00")).timestamp()

    def python_atex(self, names, work):
        tree = work / "tree"
        (tree / ".fmf").mkdir(parents=True)
        (tree / ".fmf/version").write_text("1\n")
        (tree / "main.fmf").write_text("test: /bin/true\n" + "".join(f"/t{n}:\n" for n in range(self.tests)))
        hosts = [{"Hostname": self.lab.addresses[name], "Port": str(self.lab.port), "User": "root",
                  "IdentityFile": str(self.lab.key), "UserKnownHostsFile": str(self.lab.known_hosts)} for name in names]
        return [*self.python, HERE / "peer_atex.py", tree, work, json.dumps(hosts)], None

    def python_atex_done(self, output, work):
        results = list(map(json.loads, (work / "results.jsonl").read_text().splitlines()))
        return sum(result[1] == "pass" for result in results), float(output.read_text())

    def parallel(self, names, work, *options):
        logins = work / "logins"
        logins.write_text("".join(f"ssh -F {self.lab.ssh_config} {name}\n" for name in names))
        jobs = work / "jobs"
        jobs.write_text("/bin/true\n" * self.tests)
        return ["env", f"PARALLEL_HOME={work}", "parallel", "--will-cite", "-j1", "--sshloginfile", logins,
                "--joblog", work / "joblog", *options], jobs

    def parallel_m(self, names, work):
        return self.parallel(names, work, "-M")

    def parallel_done(self, _, work):
        rows = [line.split("\t") for line in (work / "joblog").read_text().splitlines()[1:]]
        # With -M the log has a line for each master, too.
        return len({row[0] for row in rows if row[6] == "0" and row[8] == "/bin/true"}), None

    def ssh_mux(self, names, _, *options):
        return ["sh", HERE / "floor.sh", *options, self.lab.directory, str(self.tests // len(names)), *names], None

    def native_mux(self, names, work):
        return self.ssh_mux(names, work, "--native", HERE / "native_mux.py")

    def floor_done(self, output, _):
        return len(output.read_text().splitlines()), None

    def measure(self, side, count, look_at_memory=False):
        """One run of one side."""
        work = self.scratch / "work"
        work.mkdir()
        method = side.lower().replace(" -", "_").replace(" ", "_").replace("-", "_")
        done = getattr(self, f"{'parallel' if 'parallel' in side else 'floor' if 'mux' in side else method}_done")
        try:
            command, stdin = getattr(self, method)(self.lab.names(count), work)
            output = work / "output"
            sample = process_tree(command, output, stdin, look_at_memory=look_at_memory)
            if sample.pop("exit") != 0:
                raise Failed(f"it failed: {output.with_suffix('.err').read_text(errors='replace')[-500:]}")
            passed, begun = done(output, work)
            if passed != self.tests // count * count:
                raise Failed(f"{passed} of {self.tests} tests passed")
        finally:
            shutil.rmtree(work)
        started = sample.pop("started")
        sample["test_ms"] = 1000 * sample["seconds"] / passed
        sample["test_cpu_ms"] = 1000 * sample["cpu_seconds"] / passed
        if begun:
            sample["setup_seconds"] = begun - started
        return sample


def compare(args, binaries, python, scratch, record):
    """Measures; returns the figures to reach, each with whether it is."""
    print(f"\nExecution: {args.tests} tests of /bin/true, {args.rounds} rounds, medians\n")
    print(f"{'hosts':>5}  {'side':<13}{'ms/test':>9}{'CPU ms/test':>13}{'own Pss MB':>12}{'ssh Pss MB':>12}{'set-up s':>10}")
    sides = chosen(SIDES, args.sides)
    found = {}
    with Lab(scratch, max(args.hosts)) as lab:
        bench = Bench(args, binaries, python, scratch, lab)
        for count in args.hosts:
            for side, (samples, memory) in take_turns(bench, sides, count, args.rounds).items():
                row = found[side, count] = medians(samples) | memory
                setup = f"{row['setup_seconds']:.2f}" if "setup_seconds" in row else "-"
                print(f"{count:>5}  {side:<13}{row['test_ms']:>9.1f}{row['test_cpu_ms']:>13.1f}"
                      f"{row['own_pss_mb']:>12.1f}{row['ssh_pss_mb']:>12.1f}{setup:>10}", flush=True)
                record({"bench": "execution", "case": f"{count} hosts", "side": side, "tests": args.tests, **row,
                        "all_seconds": [sample["seconds"] for sample in samples]})
    return figures(found, args.hosts)


def take_turns(bench, sides, count, rounds):
    """The samples of each side that works, and its memory, which is looked at in a round of its own."""
    samples = {side: ([], {}) for side in sides}
    for turn in range(rounds + 1):
        for side in list(samples):
            try:
                sample = bench.measure(side, count, look_at_memory=turn == rounds)
            except (Failed, OSError, ValueError, KeyError) as error:
                say(f"{side} on {count} hosts is left out: {error!r}")
                del samples[side]
                continue
            if turn < rounds:
                samples[side][0].append(sample)
            else:
                samples[side][1].update({key: sample[key] for key in ("own_pss_mb", "ssh_pss_mb")})
    return samples


def figures(found, counts):
    def cost(side, count):
        return found.get((side, count), {}).get("test_ms")

    def times_faster(count):
        ours, theirs = cost("atex-exec", count), cost("Python ATEX", count)
        return theirs / ours if ours and theirs else 0

    one, mux = cost("atex-exec", 1), cost("native mux", 1)
    above = one - mux if one and mux else None
    yield f"at most 25 ms a test on one ssh host: {one or 0:.1f}", one and one <= 25
    yield f"at most 12 ms a test above a bare mux command on one host: {above or 0:.1f}", above is not None and above <= 12
    yield f"one host at least 8 times faster than the Python ATEX: {times_faster(1):.1f}", times_faster(1) >= 8
    yield f"20 hosts at least 5 times faster than the Python ATEX: {times_faster(20):.1f}", times_faster(20) >= 5
    for count in counts:
        row = found.get(("atex-exec", count))
        own, ssh = (row["own_pss_mb"], row["ssh_pss_mb"]) if row else (0, 0)
        yield (f"at most 6 MB for atex-exec and 2.5 MB for each of {count} hosts: {own:.1f} and {ssh / count:.1f}",
               row and own <= 6 and ssh <= 2.5 * count)
