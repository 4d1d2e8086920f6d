"""What scheduling costs, and how long runs take beside other ways of sharing tests out. No host, no network."""

import json
import subprocess

SIZES = [(1_000, 1_000), (10_000, 1_000), (100_000, 1_000), (1_000_000, 1_000), (1_000_000, 10_000)]


def build(repo):
    """The simulator, as it is released. Returns the program."""
    command = ["cargo", "build", "--release", "-p", "atex-simulate", "--example", "scheduling",
               "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=repo, stdout=subprocess.PIPE, text=True, check=True)
    artifacts = (json.loads(line) for line in done.stdout.splitlines())
    return next(item["executable"] for item in artifacts
                if item.get("executable") and item["target"]["name"] == "scheduling")


def lines(program, *words):
    done = subprocess.run([program, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def scale(args, program, record):
    sizes = SIZES[:3] if args.quick else SIZES
    print("\nScheduling: tests on hosts, simulated")
    found = []
    for tests, hosts in sizes:
        rounds = [lines(program, "scale", tests, hosts)[0] for _ in range(args.rounds)]
        best = min(rounds, key=lambda one: one["cpu_seconds"])
        record({"part": "scheduling", **best})
        found.append(best)
        print(f"  {tests:>9} on {hosts:>6}: {best['seconds']:7.2f} s, {best['cpu_seconds']:6.2f} s of a processor, "
              f"{best['cpu_microseconds_per_test']:6.1f} us a test, {best['peak_bytes'] / 1e6:5.0f} MB")
    return found


def makespan(program, record):
    ways = ["lower_bound", "longest_first", "ours", "explicit_first", "first_in_first_out", "split_evenly"]
    print("\nMakespan, as a multiple of the lower bound")
    print(f"  {'workload':<14}{'hosts':>6}" + "".join(f"{way.replace('_', ' '):>20}" for way in ways[1:]))
    worst = 0.0
    for row in lines(program, "makespan", 1):
        record({"part": "scheduling", **row})
        worst = max(worst, row["ours"] / row["longest_first"])
        ratios = "".join(f"{row[way] / row['lower_bound']:>20.3f}" for way in ways[1:])
        print(f"  {row['workload']:<14}{row['hosts']:>6}{ratios}")
    return worst


def compare(args, repo, record):
    """Measures and prints. Returns figures to reach, and whether they are."""
    program = build(repo)
    found = scale(args, program, record)
    worst = makespan(program, record)
    largest = found[-1] if len(found) == len(SIZES) else None
    # A hundredth of a second is what can be measured: a thousand tests take less.
    costs = [one["cpu_microseconds_per_test"] for one in found[1:4]]
    return [
        ("a million tests on 10,000 hosts in at most 20 s of one core and 1 GB",
         largest and largest["cpu_seconds"] <= 20 and largest["peak_bytes"] <= 1e9),
        ("a test among a million costs at most twice what one among ten thousand does",
         largest and costs[-1] <= 2 * costs[0]),
        ("a makespan within 1 % of longest first", worst <= 1.01),
    ]
