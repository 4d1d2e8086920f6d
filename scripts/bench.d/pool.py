"""A pool in which something goes wrong: 500 short tests on 20 hosts over ssh, of which one cannot be reached and two
are killed by a test. How busy the good ones are kept, the first time and when durations have been learned, and that
nothing else suffers."""

import datetime
import json
import random
import shutil

from lab import Lab
from measure import Failed, process_tree

TESTS, HOSTS = 500, 20
# Ends what serves its host: the daemon, and all that it has let in.
KILLER = 'pid=$(cat {lab}/"$ATEX_HOST"/pid); kill -KILL "$pid" $(pgrep -P "$pid")'


def records(lab):
    """Tests and hosts."""
    chance = random.Random(1)
    commands = [(f"/t/{n:03}", f"sleep {chance.uniform(0.05, 3):.2f}") for n in range(1, TESTS)]
    # In the middle: as the last one it would make the others wait for what may have to be tried again, as the first one
    # for nothing.
    commands.insert(TESTS // 2, ("/killer", KILLER.format(lab=lab.directory)))
    for name, command in commands:
        yield {"type": "test", "name": name, "data": {"test": command}}
    options = {"UserKnownHostsFile": str(lab.known_hosts), "StrictHostKeyChecking": "yes"}
    for name, address in lab.addresses.items():
        connect = {"how": "ssh", "host": address, "port": 9 if name == "h1" else lab.port, "user": "root",
                   "identity": str(lab.key), "options": options}
        yield {"type": "host", "id": name, "connect": connect}


def moment(record):
    return datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp()


def measure(binaries, scratch, night):
    """One run of them."""
    (scratch / f"lab-{night}").mkdir(parents=True)
    with Lab(scratch / f"lab-{night}", HOSTS) as lab:
        tests = list(records(lab))
        stdin, output, work = scratch / "records", scratch / "output", scratch / f"work-{night}"
        stdin.write_text("".join(json.dumps(record) + "\n" for record in tests))
        work.mkdir()
        history = ["--history", scratch / "run-1"] if night > 1 else []
        command = [binaries / "atex-exec", "--run-dir", scratch / f"run-{night}", "--work-dir", work,
                   "--host-timeout", "5s", *history]
        sample = process_tree(command, output, stdin)
        shutil.rmtree(work)
    said = [json.loads(line) for line in output.read_text().splitlines()]
    ends = {end["test"]: end for end in said if end["type"] == "test-end" and end["final"]}
    if sample["exit"] != 3 or len(ends) != TESTS:
        raise Failed(f"exit {sample['exit']}, {len(ends)} tests settled: {output.with_suffix('.err').read_text()[-500:]}")
    others = [name for name, end in ends.items() if name != "/killer" and end["outcome"] != "pass"]
    if others or not ends["/killer"]["note"].startswith("kills hosts"):
        raise Failed(f"not passed: {others}, and /killer: {ends['/killer']['note']}")
    lives = [(record["host"], moment(record)) for record in said if record["type"] == "host-start"]
    gone = {record["host"]: (moment(record), record["reason"]) for record in said if record["type"] == "host-end"}
    lives = {host: gone[host][0] - since for host, since in lives if gone[host][1] in ("done", "surplus")}
    # What tests are, and not what they took.
    asked = {test["name"]: test["data"]["test"] for test in tests if test["type"] == "test"}
    busy = sum(float(asked[name].split()[1]) for name, end in ends.items() if end["host"] in lives)
    return {"seconds": sample["seconds"], "hosts": len(lives), "busy": busy / sum(lives.values())}


def compare(binaries, scratch, record):
    """Measures and prints. Returns figures to reach, and whether they are."""
    print(f"\nA pool of {HOSTS} hosts, one of them broken, and {TESTS} tests of 0.05 to 3 s, one of which kills hosts")
    for night in (1, 2):
        row = measure(binaries, scratch, night)
        record({"bench": "pool", "case": f"night {night}", "side": "atex-exec", "tests": TESTS, **row})
        print(f"  night {night}: {row['seconds']:.1f} s, {row['hosts']} good hosts, busy {row['busy']:.1%} of their time")
        yield f"good hosts busy more than 95 % of their time, night {night}: {row['busy']:.1%}", row["busy"] > 0.95
