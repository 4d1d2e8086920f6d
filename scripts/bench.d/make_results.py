"""A stream of results as atex-exec writes it, of any length: make_results.py RESULTS PER_TEST [SHIFT] > stream.jsonl

With another SHIFT other results fail.
"""

import sys

STATUSES = ["pass"] * 97 + ["fail", "skip", "info"]
HOSTS = 20


def time(test):
    """When a test ended: a second holds some of them, so that ten million are a week."""
    second = test // 16
    return f"2026-11-{1 + second // 86_400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"


def lines(results, per_test, shift=0):
    """All of them. The tests of all hosts have begun before the first of them ends, as in a run."""
    run = '"run":"20261101-0000-7f3a"'
    tests = results // per_test
    yield f'{{"type":"job-start","time":"{time(0)}",{run},"dir":"/srv/runs/nightly","version":"0.1.0"}}\n'
    for host in range(HOSTS):
        yield f'{{"type":"host-start","time":"{time(0)}",{run},"host":"vm-{host}","platform":"cs9"}}\n'
    yield from (start(number, run) for number in range(min(HOSTS, tests)))
    for number in range(tests):
        yield from attempt(number, per_test, run, shift)
        if number + HOSTS < tests:
            yield start(number + HOSTS, run)
    yield (f'{{"type":"job-end","time":"{time(tests)}",{run},"dir":"/srv/runs/nightly","outcome":"fail","counts":{{}},'
           f'"unsettled":0,"seconds":{tests // 16}.0}}\n')
    yield '{"type":"end","tool":"atex-exec","complete":true,"exit":1}\n'


def names(number, run):
    """What the records of a test have in common, and its host."""
    name, platform = f"/area-{number % 97:02}/test-{number:07}", ["cs9", "f43"][number % 2]
    return f'{run},"platform":"{platform}","test":"{name}"', f'"host":"vm-{number % HOSTS}"', f"{platform}{name}"


def start(number, run):
    of, host, _ = names(number, run)
    return f'{{"type":"test-start","time":"{time(number)}",{of},"attempt":1,{host}}}\n'


def attempt(number, per_test, run, shift=0):
    """The results of a test and its end."""
    of, host, place = names(number, run)
    head, tail = f'{{"type":"result","time":"{time(number + 1)}",{of}', f'{host}}}\n'
    bad = per_test == 1 and STATUSES[(number * 31 + shift) % 100] == "fail"
    for n in range(1, per_test):
        status = STATUSES[(number * 31 + n * 7 + shift) % 100]
        note = f',"note":"expected {n}, got {number}"' if status == "fail" else ""
        bad |= status == "fail"
        yield f'{head},"subtest":"rules/rule_{n:04}","status":"{status}"{note},"files":[],"attempt":1,"n":{n},{tail}'
    status = "fail" if bad else "pass"
    yield f'{head},"status":"{status}","files":["output.txt"],"attempt":1,"n":{per_test},{tail}'
    yield (f'{{"type":"test-end","time":"{time(number + 1)}",{of},"attempt":1,{host},"outcome":"{status}",'
           f'"cause":"test","exit":{int(bad)},"seconds":1.5,"counts":{{"{status}":1}},"final":true,'
           f'"artifacts":"/srv/runs/nightly/results/{place}/attempt-1"}}\n')


def cached(path, results, per_test, shift=0):
    """The stream as a file, made once."""
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w", buffering=1 << 20) as file:
            file.writelines(lines(results, per_test, shift))
        part.rename(path)
    return path


if __name__ == "__main__":
    sys.stdout.writelines(lines(*map(int, sys.argv[1:])))
