"""Python fmf's side of the discovery benchmark: what atex-discover does, with fmf's own interface."""

import json
import re
import sys

import fmf


def texts(data, key):
    value = data.get(key) or []
    return value if isinstance(value, list) else [value]


root, plan, context = sys.argv[1:]
tree = fmf.Tree(root)
tree.adjust(context=fmf.Context(**json.loads(context)))
discover = tree.find(plan).data["discover"] if plan else {}
excludes = texts(discover, "exclude")
for node in tree.prune(names=texts(discover, "test"), filters=texts(discover, "filter")):
    if any(re.search(pattern, node.name) for pattern in excludes):
        continue
    data = node.data
    if "test" in data and data.get("enabled", True) and not data.get("manual") and not data.get("story"):
        print(json.dumps({"type": "test", "name": node.name, "data": data}, default=str))
