"""Makes an fmf tree of any size that resembles those of large projects; the same one each time.

Ten components hold areas, and an area holds a hundred tests: forty in a directory each, sixty as virtual tests in
three files. Each level adds to what it inherits, some of it only in some contexts.
"""

import random
import shutil
import sys
from pathlib import Path

ROOT = """\
contact: Quality Team <quality@example.org>
framework: shell
component: [product]
require: [bash, coreutils]
recommend: [python3, python3-requests, python3-pyyaml]
environment:
    TMPDIR: /var/tmp
    PYTHON: python3
duration: 10m
tag: []
adjust:
  - when: distro == rhel-8 or distro == rhel-9
    environment+: {PYTHON: python3.11}
    recommend+: [python3.11, python3.11-requests]
  - when: distro < rhel-8
    enabled: false
    because: nothing is tested there any more
  - when: arch == s390x
    duration+: 20m
"""
COMPONENT = """\
component+: [component-{component}]
require+: [package-{component}, package-{component}-devel]
environment+:
    COMPONENT: component-{component}
"""
AREA = """\
summary: Area {area} of component {component}
description: |
    What is tested here, how to run it by hand, and whom to ask
    when it fails. Tests of this area need about {minutes} minutes.
tag+: [area-{area}]
duration: {minutes}m
adjust+:
  - when: distro >= rhel-10
    require+: [extra-{area}]
  - when: arch == aarch64 and distro ~< rhel-9.4
    enabled: false
    because: not built for it
"""
TEST = """\
summary: Case {number} of {area}
test: ./runtest.sh --case {number}
tier: {tier}
tag+: [{tags}]
environment+:
    CASE: "{number}"
link:
  - verifies: https://example.org/issue/{issue}
"""
RULE = """\
adjust+:
  - when: distro == rhel-{major} or distro == centos-stream-{major}
    tag+: [known-issue]
    because: issue {issue}
    continue: {go_on}
"""
TAGS = ["destructive", "needs-network", "slow", "security", "regression", "sanity", "multihost"]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


def test(dice, area, number):
    issue = dice.randrange(100_000)
    text = TEST.format(number=number, area=area, tier=dice.randrange(4), issue=issue,
                       tags=", ".join(dice.sample(TAGS, dice.randrange(1, 4))))
    if dice.random() < 0.2:
        text += RULE.format(major=dice.choice([8, 9, 10]), issue=issue, go_on=dice.choice(["true", "false"]))
    return text


def make(root, tests):
    """Writes the tree; `tests` is rounded up to whole areas."""
    dice = random.Random(1)
    write(root / ".fmf/version", "1\n")
    write(root / "main.fmf", ROOT)
    for index in range((tests + 99) // 100):
        component, area = f"{index % 10:02}", f"{index:04}"
        base = root / f"component-{component}"
        if index < 10:
            write(base / "main.fmf", COMPONENT.format(component=component))
        base = base / f"area-{area}"
        write(base / "main.fmf", AREA.format(area=area, component=component, minutes=dice.randrange(2, 60)))
        for number in range(40):
            write(base / f"case-{number:02}/main.fmf", test(dice, area, number))
        for group in range(3):
            virtual = [f"/variant-{number}:\n" + indented(test(dice, area, number)) for number in range(20)]
            write(base / f"group-{group}.fmf", f"summary: Group {group}\n" + "\n".join(virtual))


def cached(root, tests):
    """The tree at this path, made when it is not there in whole."""
    mark = root.with_name(root.name + ".complete")
    if not mark.exists():
        shutil.rmtree(root, ignore_errors=True)
        make(root, tests)
        mark.touch()
    return root


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
