"""atex-discover against the Python ATEX, Python fmf, and the floor: whole processes that print a record for each test.

The floor reads the same files and runs the YAML parser over them, and nothing else. Against it CPU time counts, which
says the same on a busy machine.
"""

import json
from pathlib import Path

import make_tree
from measure import Failed, medians, peak_memory
from setup import say

HERE = Path(__file__).resolve().parent
CONTEXT = {"distro": "rhel-9.6", "arch": "x86_64"}
OURS, ATEX, FMF, FLOOR, HEAD = "atex-discover", "Python ATEX", "Python fmf", "floor", "... | head -1"


def compare(args, cache, binaries, python, scratch, record):
    """Measures; returns the figures to reach, each with whether it is."""
    bench = Bench(args, cache, binaries, python, scratch, record)
    print(f"\nDiscovery: {args.rounds} rounds, medians\n")
    print(f"{'tree':<15}{'side':<15}{'seconds':>9}{'CPU s':>9}{'peak MB':>9}{'tests':>9}")
    figures = []
    contest = args.corpus / "contest/tree"
    if contest.is_dir():
        figures.append(bench.against_peer("contest", contest, "/plans/daily", ATEX, 60))
    else:
        say(f"{contest}: not here, so real metadata is left out (--corpus)")
    tests = args.tree_tests
    figures.append(bench.against_peer(f"{tests:,} tests", bench.made(tests), "", FMF, 100))
    figures += bench.sizes([1_000, 10_000] if args.quick else [1_000, 10_000, 100_000])
    return figures


class Bench:
    """Sides, and what was measured of each."""

    def __init__(self, args, cache, binaries, python, scratch, record):
        self.rounds, self.cache, self.binaries, self.python = args.rounds, cache, binaries, python
        self.scratch, self.record = scratch, record

    def made(self, tests):
        return make_tree.cached(self.cache / f"tree-{tests}", tests)

    def command(self, side, tree, plan):
        # Without libraries, as some are looked for in the network.
        context = [word for key, value in CONTEXT.items() for word in ("-c", f"{key}={value}")]
        ours = [self.binaries / "atex-discover", tree, "--no-libraries", *context, *(["--plan", plan] if plan else [])]
        peer = [tree, plan, json.dumps(CONTEXT)]
        return {
            OURS: ours,
            HEAD: ["sh", "-c", '"$@" | head -1', "sh", *ours],
            FLOOR: [self.binaries / "examples/floor", tree],
            ATEX: [*self.python, HERE / "peer_discover.py", *peer],
            FMF: [*self.python, HERE / "peer_fmf.py", *peer],
        }[side]

    def measure(self, case, tree, plan, *sides):
        """The medians of each side by its name, and the names of the tests that each found."""
        samples, tests = {side: [] for side in sides}, {}
        # One round more than counts: the first fills the page cache and Python's cache of compiled modules.
        for attempt in range(self.rounds + 1):
            for side in list(samples):
                output = self.scratch / "output"
                try:
                    sample = turn(self.command(side, tree, plan), output)
                except (Failed, OSError) as error:
                    say(f"{side} on {case} is left out: {error}")
                    del samples[side]
                    continue
                if attempt > 0:
                    samples[side].append(sample)
                elif side in {OURS, ATEX, FMF}:
                    tests[side] = names(output)
        rows = {side: medians(measured) for side, measured in samples.items()}
        for side, row in rows.items():
            count = len(tests[side]) if side in tests else ""
            print(f"{case:<15}{side:<15}{row['seconds']:>9.3f}{row['cpu_seconds']:>9.2f}{row['peak_mb']:>9.1f}{count:>9}",
                  flush=True)
            self.record({"bench": "discovery", "case": case, "side": side, "tests": count or None, **row,
                         "all_seconds": [sample["seconds"] for sample in samples[side]]})
        return rows, tests

    def against_peer(self, case, tree, plan, peer, wanted):
        """How many times faster we are; nothing if one side could not be measured."""
        rows, tests = self.measure(case, tree, plan, OURS, peer)
        ratio = None
        if len(rows) == 2 and tests[OURS] != tests[peer]:
            say(f"{case}: the sides found different tests, {[len(found) for found in tests.values()]}")
        elif len(rows) == 2:
            ratio = rows[peer]["seconds"] / rows[OURS]["seconds"]
        return f"discovery of {case} at least {wanted} times faster than {peer}: {ratio or 0:.1f}", ratio and ratio >= wanted

    def sizes(self, sizes):
        """Whether time grows as the tree does, and how far it is from the floor."""
        rows = {size: self.measure(f"{size:,} tests", self.made(size), "", OURS, FLOOR, HEAD)[0] for size in sizes}
        for size in sizes[1:]:
            for side, what in (OURS, f"{size:,} tests"), (HEAD, f"`| head -1` of {size:,} tests"):
                ratio = quotient(rows[size].get(side), rows[size].get(FLOOR))
                yield f"{what} within twice the floor, in CPU time: {ratio or 0:.2f}", ratio and ratio <= 2
        first, last = (rows[size].get(OURS) for size in (sizes[0], sizes[-1]))
        if not (first and last):
            return
        if sizes[-1] == 100_000:
            yield f"100,000 tests in less than a second: {last['seconds']:.2f}, CPU {last['cpu_seconds']:.2f}", last["seconds"] < 1
            yield f"100,000 tests in less than 150 MB: {last['peak_mb']:.0f}", last["peak_mb"] < 150
        each = [1e6 * row["cpu_seconds"] / size for row, size in ((first, sizes[0]), (last, sizes[-1]))]
        yield (f"linear from {sizes[0]:,} to {sizes[-1]:,} tests, microseconds of CPU a test: {each[0]:.1f}, {each[1]:.1f}",
               each[1] <= 1.5 * each[0])


def turn(command, output):
    """The median of a side's turn, in which a command that takes less than a second runs five times.

    After the other side's many seconds its files may have left the page cache, which is the system's doing; and one
    sample of a tenth of a second says more of the machine than of the command.
    """
    samples = [peak_memory(command, output)]
    if samples[0]["seconds"] < 1:
        samples += [peak_memory(command, output) for _ in range(4)]
    return medians(samples)


def quotient(row, floor):
    """How many times the floor's CPU time a side takes; nothing if one could not be measured."""
    return row["cpu_seconds"] / floor["cpu_seconds"] if row and floor else None


def names(output):
    records = map(json.loads, output.read_text().splitlines())
    return sorted(record["name"] for record in records if record["type"] == "test")
