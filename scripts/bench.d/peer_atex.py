"""The Python ATEX's side of the execution benchmark: its ad-hoc orchestrator over its ssh connections."""

import json
import sys
import time
from pathlib import Path

from atex.aggregator.jsonl import JSONLinesAggregator
from atex.connection.ssh import ManagedSSHConnection
from atex.executor.fmf import FMFExecutor, discover
from atex.orchestrator.adhoc import AdHocOrchestrator
from atex.provisioner.anyconn import AnyConnectionProvisioner


class Orchestrator(AdHocOrchestrator):
    """Notes when the first test starts."""

    begun = None

    def next_test(self, to_run, previous, /):
        self.begun = self.begun or time.time()
        return super().next_test(to_run, previous)


tree, work, hosts = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
tests = discover(tree)
provisioners = [AnyConnectionProvisioner(ManagedSSHConnection, (options,), max_remotes=1) for options in hosts]
for provisioner in provisioners:
    provisioner.start()
try:
    with JSONLinesAggregator(work / "results.jsonl", work / "files") as aggregator:
        with Orchestrator(
            "bench", tests.data, provisioners,
            lambda connection: FMFExecutor(connection, tests, work_dir_base=work), aggregator,
        ) as orchestrator:
            orchestrator.serve_forever()
finally:
    for provisioner in provisioners:
        provisioner.stop()
print(orchestrator.begun)
