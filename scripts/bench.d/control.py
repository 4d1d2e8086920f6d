"""What taking in a test's control stream costs, of small results and of large files, beside the Python ATEX's parser."""

import json
import re
import subprocess
from pathlib import Path

from setup import say

HERE = Path(__file__).resolve().parent
PEER_RESULTS = 50_000
LINE = re.compile(r"^(?P<what>[\w ]+): (?P<speed>\d+) in a second", re.MULTILINE)


def compare(args, repo, python, scratch, record):
    """Measures and prints. Returns figures to reach, and whether they are."""
    ours = measure(repo, args.quick)
    theirs = peer(python, scratch)
    print("\nTest control, in a second of one core")
    rows = [("atex-exec", what, speed) for what, speed in ours.items()]
    for side, what, speed in [*rows, *([("Python ATEX", "results", theirs)] if theirs else [])]:
        print(f"  {side:<13}{what:<42}{speed:>15,.0f}")
        record({"bench": "control", "case": what, "side": side, "per_second": speed})
    results, files = ours.get("results"), ours.get("bytes of a file")
    clock, disk = ours.get("bytes of a file on the clock"), ours.get("bytes only written on the clock")
    beside = f", {results / theirs:.0f} times the Python ATEX" if results and theirs else ""
    return [
        (f"at least 500 thousand small results a second of one core: {results or 0:,.0f}{beside}",
         results and results >= 500_000),
        (f"files at 1 GB a second of one core: {(files or 0) / 1e9:.2f}", files and files >= 1e9),
        (f"files at 1 GB a second, or at the disk's speed: {(clock or 0) / 1e9:.2f}, the disk {(disk or 0) / 1e9:.2f}",
         clock and (clock >= 1e9 or clock >= 0.8 * disk)),
    ]


def measure(repo, quick):
    """What our measurements say of themselves, by what they count."""
    say("building them for release")
    wanted = ["throughput::ten_million_results"] if quick else ["throughput::"]
    command = ["cargo", "test", "--release", "--quiet", "-p", "atex-exec", "--lib", "--", *wanted,
               "--ignored", "--nocapture", "--test-threads", "1"]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        say(f"{' '.join(command)}: exit {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return {found["what"]: int(found["speed"]) for found in LINE.finditer(done.stderr)}


def peer(python, scratch):
    """Results in a second of the Python ATEX; nothing if it cannot be had."""
    command = [*python, HERE / "peer_control.py", str(PEER_RESULTS), scratch / "control"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        say(f"the Python ATEX is left out: {done.stderr[-300:]}")
        return None
    row = json.loads(done.stdout)
    return row["results"] / row["cpu_seconds"]
