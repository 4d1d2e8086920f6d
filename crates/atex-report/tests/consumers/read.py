"""What Python programs make of a report: read.py FORMAT FILE. Prints a line for each result; fails if it is refused."""

import csv
import json
import sqlite3
import sys
from pathlib import Path


def read_jsonl(path):
    """As the Python ATEX's tools do: six fields."""
    with path.open() as file:
        for line in file:
            platform, status, test, subtest, files, note = json.loads(line)
            assert isinstance(files, list) and all(isinstance(name, str) for name in files)
            assert all(text is None or isinstance(text, str) for text in (status, subtest, note))
            yield platform, test, subtest or ""


def read_csv(path):
    with path.open(newline="") as file:
        for row in csv.DictReader(file, strict=True):
            assert None not in row and None not in row.values(), row
            if row["type"] == "result":
                yield row["platform"], row["test"], row["subtest"]


def read_sqlite(path):
    query = ("SELECT platform, name, coalesce(subtest, '') FROM result JOIN attempt ON result.attempt = attempt.id"
             " JOIN test ON attempt.test = test.id WHERE final")
    yield from sqlite3.connect(path).execute(query)


def read_tmt(path):
    """Against tmt's own schema, which is in its package."""
    import jsonschema
    import tmt.utils
    from ruamel.yaml import YAML

    schemas = Path(tmt.utils.__file__).parents[1] / "schemas"
    load = YAML(typ="safe").load
    store = {schema["$id"]: schema for schema in map(load, schemas.rglob("*.yaml")) if "$id" in schema}
    results = load(path)
    resolver = jsonschema.RefResolver("", {}, store=store)
    jsonschema.Draft7Validator(store["/schemas/results"], resolver=resolver).validate(results)
    yield from (("", result["name"], "") for result in results)


reader = {"jsonl": read_jsonl, "csv": read_csv, "sqlite": read_sqlite, "tmt": read_tmt}[sys.argv[1]]
for found in reader(Path(sys.argv[2])):
    print(json.dumps(found))
