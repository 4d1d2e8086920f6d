"""Compares ATEX with its peers, each side in the same run.

For a Debian 12 machine, as root, with a Rust toolchain. Debian packages are installed, and Python packages
below the build directory. A peer that cannot be had is named and left out.

Times on a shared machine mean something only beside each other, so the sides take turns, and what counts is the
ratio of their medians. A full run takes about half an hour and is recorded; a quick one only prints, unless
--results is given.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import control
import discovery
import execution
import local
import pool
import provisioning
import reporting
import scheduling
import setup

REPO = Path(__file__).resolve().parents[2]


def parse_args():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=["control", "discovery", "execution", "local", "pool", "provisioning", "scheduling", "report", "all"])
    parser.add_argument("--quick", action="store_true", help="1 round, 1,000 tests to discover and 40 to execute")
    parser.add_argument("--rounds", type=int, help="how often each side is measured (3)")
    parser.add_argument("--tests", type=int, help="how many tests are executed (200)")
    parser.add_argument("--hosts", default="1,4,20", help="on how many hosts, one after the other (%(default)s)")
    parser.add_argument("--sides", metavar="WORD[,WORD...]", help="execute or report only with the sides that have one of these words in their names")
    parser.add_argument("--corpus", type=Path, default=REPO.parent / "shared/corpus",
                        help="where the real metadata trees are (%(default)s)")
    parser.add_argument("--binaries", type=Path, help="measure these binaries instead of building a release")
    parser.add_argument("--results", type=Path, help="append to this file (tests/bench/results.jsonl)")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.tests = args.tests or (40 if args.quick else 200)
    args.tree_tests = 1_000 if args.quick else 10_000
    args.hosts = [int(count) for count in args.hosts.split(",")]
    if not args.results and not args.quick:
        args.results = REPO / "tests/bench/results.jsonl"
    return args


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.strip().split("\n")[0] if done.returncode == 0 else None
    except FileNotFoundError:
        return None


def circumstances(python):
    """What the figures depend on, for every line of the results."""
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": first_line("git", "-C", REPO, "describe", "--always", "--dirty"),
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "versions": {
            "rustc": first_line("rustc", "--version"),
            "ssh": first_line("ssh", "-V"),
            "parallel": first_line("parallel", "--version"),
            **setup.python_versions(python),
        },
    }


def main():
    args = parse_args()
    cache = Path(os.environ.get("CARGO_TARGET_DIR") or REPO / "target").absolute() / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    needs_peers = args.what not in {"scheduling", "provisioning"}
    if needs_peers:
        setup.install_packages(cache)
    python = setup.find_python(cache) if needs_peers and args.what != "local" else [sys.executable]
    binaries = (args.binaries or setup.build(REPO)) if args.what not in {"control", "scheduling"} else None
    common = circumstances(python)

    def record(measurement):
        line = json.dumps({**common, **measurement, "rounds": args.rounds})
        if args.results:
            args.results.parent.mkdir(parents=True, exist_ok=True)
            with args.results.open("a") as file:
                file.write(line + "\n")

    figures = []
    with tempfile.TemporaryDirectory(prefix="atex-bench-") as scratch:
        if args.what in {"discovery", "all"}:
            figures += discovery.compare(args, cache, binaries, python, Path(scratch), record)
        if args.what in {"execution", "all"}:
            figures += execution.compare(args, binaries, python, Path(scratch), record)
        if args.what in {"control", "all"}:
            figures += control.compare(args, REPO, python, Path(scratch), record)
        if args.what in {"pool", "all"}:
            figures += pool.compare(binaries, Path(scratch) / "pool", record)
        if args.what in {"report", "all"}:
            figures += reporting.compare(args, cache, binaries, python, Path(scratch), record)
        if args.what in {"local", "all"}:
            figures += local.compare(args, cache, binaries, Path(scratch), record)
        if args.what in {"provisioning", "all"}:
            figures += provisioning.compare(args, binaries, Path(scratch), record)
    if args.what in {"scheduling", "all"}:
        figures += scheduling.compare(args, REPO, record)

    print("\nFigures to reach")
    for text, reached in figures:
        print(f"  {'not measured' if reached is None else 'reached' if reached else 'NOT REACHED':<14}{text}")
    if args.results:
        print(f"\nappended to {args.results}")


if __name__ == "__main__":
    sys.exit(main())
