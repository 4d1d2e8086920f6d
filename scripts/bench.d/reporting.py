"""atex-report over made-up runs of a million and of ten million results, beside the Python ATEX's aggregator.

What counts is the CPU time on one core, the reading thread included: it says the same on a busy machine. How long a million
takes with all cores is told beside it. Time is per result, with the records of tests and hosts that stand between them.
"""

import json
import shutil
from pathlib import Path

import make_results
from measure import Failed, medians, peak_memory
from setup import chosen, say

HERE = Path(__file__).resolve().parent
MILLION = 1_000_000
PEER = "Python ATEX"
# The command, how many thousand results a second it is to take in, and from how many results on it is not measured.
COMMANDS = {
    "summary": (1000, None),
    "jsonl": (1000, None),
    "junit": (700, None),
    "csv": (700, None),
    "html": (300, 2 * MILLION),
    "sqlite": (200, 2 * MILLION),
}
# Results of a test: those of a scanner, and as few as there can be.
MANY, ONE = 100, 1
# Records of a test with one result: its start, the result, its end.
RECORDS = 3
MOST_MB = 64


class Bench:
    """Streams, commands, and what was measured of each."""

    def __init__(self, args, cache, binaries, python, scratch, record):
        self.rounds, self.cache, self.binaries, self.python = args.rounds, cache, binaries, python
        self.scratch, self.record, self.found = scratch, record, {}

    def command(self, side, stream, results, per_test):
        work = self.scratch / "work"
        work.mkdir()
        if side == PEER:
            return [*self.python, HERE / "peer_report.py", str(results), str(per_test), work]
        output = [work / "results.db", stream] if side == "sqlite" else ["-o", work / "report", stream]
        return [self.binaries / "atex-report", side, *([stream] if side == "summary" else output)]

    def sample(self, side, stream, results, per_test):
        sample = self.run(side, stream, results, per_test, alone=True)
        if side != PEER and results <= MILLION:
            sample["seconds_all_cores"] = self.run(side, stream, results, per_test)["seconds"]
        return sample

    def run(self, side, stream, results, per_test, alone=False):
        output = self.scratch / "output"
        command = self.command(side, stream, results, per_test)
        try:
            # A summary of failures ends with 1.
            sample = peak_memory(command, output, {0, 1} if side == "summary" else {0}, alone)
            report = self.scratch / "work/report"
            if report.exists():
                sample["size_mb"] = report.stat().st_size / 1e6
        finally:
            shutil.rmtree(self.scratch / "work")
        if side == PEER:
            told = json.loads(output.read_text())
            if told.pop("results") != results:
                raise Failed("it has not taken in all results")
            sample = told
        return sample

    def measure(self, results, per_test, sides):
        stream = make_results.cached(self.cache / f"results-{results}-{per_test}.jsonl", results, per_test)
        samples = {side: [] for side in sides}
        # One round more than counts: the first fills the page cache.
        for turn in range(self.rounds + 1):
            for side in list(samples):
                try:
                    sample = self.sample(side, stream, results, per_test)
                except (Failed, OSError, ValueError) as error:
                    say(f"{side} of {results:,} results is left out: {error}")
                    del samples[side]
                    continue
                if turn > 0 or self.rounds == 1:
                    samples[side] = [*samples[side], sample][-self.rounds:]
        for side, measured in samples.items():
            self.say(results, per_test, side, medians(measured), measured)
        if results > MILLION:
            stream.unlink()

    def differences(self, results):
        """Of two runs of so many results each, both sorted first."""
        atex, streams = self.binaries / "atex-report", []
        for shift in (0, 7):
            stream, to = self.scratch / "unsorted", self.scratch / f"sorted-{shift}"
            make_results.cached(stream, results, MANY, shift)
            self.told("sort", results, peak_memory([atex, "sort", stream], to, alone=True))
            stream.unlink()
            streams.append(to)
        # New failures end it with 1.
        self.told("diff", 2 * results, peak_memory([atex, "diff", *streams], self.scratch / "output", {1}, alone=True))
        for stream in streams:
            stream.unlink()

    def told(self, side, results, sample):
        self.say(results, MANY, side, sample, [sample])

    def say(self, results, per_test, side, row, samples):
        self.found[side, results, per_test] = row
        rate = results / row["cpu_seconds"] / 1000
        all_cores = f"{row['seconds_all_cores']:>9.2f}" if "seconds_all_cores" in row else 9 * " "
        size = f"{row['size_mb']:>9.1f}" if "size_mb" in row else ""
        print(f"{results:>11,}{per_test:>7}  {side:<13}{all_cores}{row['cpu_seconds']:>9.2f}{rate:>13,.0f}"
              f"{row['peak_mb']:>9.1f}{size}", flush=True)
        self.record({"bench": "report", "case": f"{results} results, {per_test} a test", "side": side, **row,
                     "results_a_cpu_second": 1000 * rate, "all_cpu_seconds": [one["cpu_seconds"] for one in samples]})


def compare(args, cache, binaries, python, scratch, record):
    """Measures; returns the figures to reach, each with whether it is."""
    print(f"\nReports: {args.rounds} rounds, medians\n")
    print(f"{'results':>11}{'a test':>7}  {'side':<13}{'all cores':>9}{'CPU s':>9}{'1000/CPU s':>13}{'peak MB':>9}"
          f"{'size MB':>9}")
    bench = Bench(args, cache, binaries, python, scratch, record)
    sizes = [MILLION // 10, MILLION] if args.quick else [MILLION, 10 * MILLION]
    for per_test in (MANY, ONE):
        for results in sizes:
            sides = [side for side, (_, most) in COMMANDS.items() if most is None or results < most]
            # Ten million take it the better part of an hour, with the files that it reads.
            peer = [PEER] if per_test == MANY and results <= MILLION else []
            sides = chosen([*sides, *peer], args.sides)
            bench.measure(results, per_test, sides)
    if chosen(["diff"], args.sides):
        halves = [results // 2 for results in sizes]
        for results in halves:
            bench.differences(results)
        for side, of in (("sort", 1), ("diff", 2)):
            peaks = [bench.found[side, of * results, MANY]["peak_mb"] for results in halves]
            yield (f"{side} of {of} x {halves[-1]:,} results under {MOST_MB} MB: {peaks[-1]:.0f}, and of {of} x {halves[0]:,} "
                   f"{peaks[0]:.0f}", peaks[-1] < MOST_MB)
    yield from figures(bench.found, sizes)


def figures(found, sizes):
    for per_test in (MANY, ONE):
        for side, (wanted, most) in COMMANDS.items():
            rows = [(results, found.get((side, results, per_test))) for results in sizes if most is None or results < most]
            rows = [(results, row) for results, row in rows if row]
            if rows:
                yield from rates(side, wanted, per_test, rows)
    for per_test in (MANY, ONE):
        peaks = {side: row["peak_mb"] for (side, _, of), row in found.items() if of == per_test and side in COMMANDS}
        if peaks:
            worst = max(peaks, key=peaks.get)
            yield f"under {MOST_MB} MB with {per_test} results a test: {worst} takes {peaks[worst]:.0f}", peaks[worst] < MOST_MB
    page = found.get(("html", MILLION, ONE))
    if page:
        yield f"a page of a million tests in 15 MB: {page['size_mb']:.1f}", page["size_mb"] <= 15
    ours, theirs = (found.get((side, MILLION, MANY)) for side in ("jsonl", PEER))
    if ours and theirs:
        ratio = theirs["cpu_seconds"] / ours["cpu_seconds"]
        yield f"aggregating at least 5 times faster than the Python ATEX: {ratio:.1f}", ratio >= 5


def rates(side, wanted, per_test, rows):
    """How fast a command is. Where a test has one result, two of three records are its start and its end, which cost as
    much as a result: there records are counted, and results are told."""
    rate = min(results / row["cpu_seconds"] / 1000 for results, row in rows)
    if per_test == ONE:
        yield (f"{side}, one result a test: at least {wanted},000 records a second of one core: "
               f"{RECORDS * rate:,.0f} thousand, of which {rate:,.0f} thousand are results", RECORDS * rate >= wanted)
    else:
        yield f"{side}: at least {wanted},000 results a second of one core: {rate:,.0f} thousand", rate >= wanted
    if len(rows) == 2:
        each = [1e6 * row["cpu_seconds"] / results for results, row in rows]
        yield (f"{side}, {per_test} a test: linear from {rows[0][0]:,} to {rows[1][0]:,} results, microseconds of CPU each: "
               f"{each[0]:.2f}, {each[1]:.2f}", each[1] <= 1.25 * each[0])
