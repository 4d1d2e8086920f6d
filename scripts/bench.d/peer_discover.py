"""The Python ATEX's side of the discovery benchmark: discover(), and a record for each test."""

import json
import sys

from atex.executor.fmf import discover

root, plan, context = sys.argv[1:]
tests = discover(root, plan or None, context=json.loads(context), libraries=False)
for name, data in tests.data.items():
    print(json.dumps({"type": "test", "name": name, "data": data}, default=str))
