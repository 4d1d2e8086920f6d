"""atex-discover against Python fmf: whole processes that print a record for each test."""

import json
from pathlib import Path

import make_tree
from measure import Failed, medians, peak_memory
from setup import say

HERE = Path(__file__).resolve().parent
CONTEXT = {"distro": "rhel-9.6", "arch": "x86_64"}


def compare(args, cache, binaries, python, scratch, record):
    """Measures; returns the figures to reach, each with whether it is."""
    trees = {}
    contest = args.corpus / "contest/tree"
    if contest.is_dir():
        trees["contest"] = (contest, "/plans/daily")
    else:
        say(f"{contest}: not here, so real metadata is left out (--corpus)")
    name = f"{args.tree_tests:,} tests"
    trees[name] = (make_tree.cached(cache / f"tree-{args.tree_tests}", args.tree_tests), None)

    print(f"\nDiscovery: {args.rounds} rounds, medians\n")
    print(f"{'tree':<14}{'side':<16}{'seconds':>9}{'CPU s':>9}{'peak MB':>9}{'tests':>8}")
    figures = []
    for name, (tree, plan) in trees.items():
        ratio = compare_tree(name, tree, plan, args, binaries, python, scratch, record)
        seen = f": {ratio:.1f}" if ratio else ""
        figures.append((f"discovery of {name} at least 30 times faster than Python fmf{seen}", ratio and ratio >= 30))
    return figures


def sides(tree, plan, binaries, python):
    context = [word for key, value in CONTEXT.items() for word in ("-c", f"{key}={value}")]
    ours = [binaries / "atex-discover", tree, *context, *(["--plan", plan] if plan else [])]
    theirs = [*python, HERE / "peer_fmf.py", tree, plan or "", json.dumps(CONTEXT)]
    return {"atex-discover": ours, "Python fmf": theirs}


def compare_tree(name, tree, plan, args, binaries, python, scratch, record):
    """How many times faster we are; nothing if one side could not be measured."""
    samples, tests = {}, {}
    # One round more than counts: the first fills the page cache and Python's cache of compiled modules.
    for attempt in range(args.rounds + 1):
        for side, command in sides(tree, plan, binaries, python).items():
            output = scratch / side
            try:
                sample = peak_memory(command, output)
            except (Failed, OSError) as error:
                say(f"{side} on {name}: {error}")
                return None
            if attempt > 0:
                samples.setdefault(side, []).append(sample)
            tests[side] = names(output)
    if tests["atex-discover"] != tests["Python fmf"]:
        say(f"{name}: the two sides found different tests, {[len(found) for found in tests.values()]}")
    for side, measured in samples.items():
        row = medians(measured)
        print(f"{name:<14}{side:<16}{row['seconds']:>9.3f}{row['cpu_seconds']:>9.2f}{row['peak_mb']:>9.1f}"
              f"{len(tests[side]):>8}")
        record({"bench": "discovery", "case": name, "side": side, "tests": len(tests[side]), **row,
                "all_seconds": [sample["seconds"] for sample in measured]})
    ours, theirs = (medians(samples[side])["seconds"] for side in ("atex-discover", "Python fmf"))
    return theirs / ours


def names(output):
    records = map(json.loads, output.read_text().splitlines())
    return sorted(record["name"] for record in records if record["type"] == "test")
