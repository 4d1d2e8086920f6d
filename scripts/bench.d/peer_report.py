"""The Python ATEX's side of the report benchmark: its aggregator takes in what tests have left. Prints what it took.

    peer_report.py RESULTS PER_TEST DIRECTORY

The results are those of make_results.py, of each test in a file, as its executor leaves them. Files are made before the
clock runs, some tests at a time, so that few of them are there at once.
"""

import json
import resource
import shutil
import sys
import time
from pathlib import Path

import make_results
from atex.aggregator.jsonl import JSONLinesAggregator

AT_ONCE = 500


def artifacts(directory, number, per_test):
    """What one test leaves: its platform, its name, and where it is."""
    place = directory / str(number)
    (place / "files").mkdir(parents=True)
    with (place / "results").open("w") as file:
        for line in make_results.attempt(number, per_test, '"run":"r"'):
            record = json.loads(line)
            if record["type"] != "result":
                continue
            platform, test = record["platform"], record["test"]
            kept = {"status": record["status"], "files": record["files"]}
            kept |= {name: record[key] for name, key in (("name", "subtest"), ("note", "note")) if key in record}
            file.write(json.dumps(kept) + "\n")
    return platform, test, place


def main():
    results, per_test, directory = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    seconds = cpu = 0.0
    with JSONLinesAggregator(directory / "aggregated.jsonl", directory / "uploaded") as aggregator:
        for first in range(0, results // per_test, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, results // per_test))
            made = [artifacts(directory / "artifacts", number, per_test) for number in numbers]
            begun, begun_cpu = time.monotonic(), time.process_time()
            for one in made:
                aggregator.ingest(*one)
            seconds += time.monotonic() - begun
            cpu += time.process_time() - begun_cpu
            shutil.rmtree(directory / "artifacts")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with (directory / "aggregated.jsonl").open("rb") as file:
        taken = sum(1 for _ in file)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak, "results": taken}))


main()
