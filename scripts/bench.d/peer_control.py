"""The Python ATEX's side of the test control benchmark: its parser and reporter take in what a test sends over a pipe.
Prints what it took.

    peer_control.py RESULTS DIRECTORY

A child writes, so that reading is all that this process does; its CPU time is what counts.
"""

import json
import os
import select
import sys
import time
from pathlib import Path

from atex.executor.fmf.duration import Duration
from atex.executor.fmf.reporter import Reporter
from atex.executor.fmf.testcontrol import TestControl


def send(results, pipe):
    with open(pipe, "wb") as control:
        for number in range(results):
            text = b'{"name":"case-%d","status":"pass"}\n' % number
            control.write(b"result %d\n%s" % (len(text), text))


def main():
    results, directory = int(sys.argv[1]), Path(sys.argv[2])
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        send(results, writer)
        os._exit(0)
    os.close(writer)
    os.set_blocking(reader, False)
    directory.mkdir()
    before = time.process_time()
    with Reporter(directory, "results", "files") as reporter:
        control = TestControl(reporter=reporter, duration=Duration("1h"), control_fd=reader)
        while not control.eof:
            # Its executor waits so before each step.
            select.select([reader], [], [])
            control.process()
    cpu = time.process_time() - before
    taken = len((directory / "results").read_text().splitlines())
    print(json.dumps({"cpu_seconds": cpu, "results": taken}))


if __name__ == "__main__":
    main()
