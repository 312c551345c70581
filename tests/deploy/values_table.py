#!/usr/bin/env python3
"""values_table.py [--check]: the table of values in docs/install.md, made from the comments in the chart's values.yaml."""
import json
import pathlib
import re
import sys

import yaml

REPO = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- values: made by tests/deploy/values_table.py -->", "<!-- end of values -->"


def read(path):
    """[(dotted name, default, comment)] of every value that has a comment; sections without one are left out."""
    text = path.read_text()
    defaults = yaml.safe_load(text)
    rows, stack, comment = [], [], []
    for line in text.splitlines():
        if match := re.match(r"\s*# ?(.*)", line):
            comment.append(match[1])
            continue
        if not line.strip():
            comment = []  # of the file, not of a value
            continue
        match = re.match(r"( *)([A-Za-z]+):", line)
        depth = len(match[1]) // 2
        stack = stack[:depth] + [match[2]]
        if depth and comment == [] and rows and any(".".join(stack).startswith(name + ".") for name, _, _ in rows):
            continue  # inside of a default that is documented as a whole
        value = defaults
        for part in stack:
            value = value[part]
        if comment:
            rows.append((".".join(stack), value, " ".join(comment)))
        elif not isinstance(value, dict) or not value:
            sys.exit(f"{path}: {'.'.join(stack)} has no comment")
        comment = []
    return rows


def table(rows):
    lines = ["| value | default | meaning |", "| --- | --- | --- |"]
    for name, default, comment in rows:
        # A documented section whose members are documented too has no default of its own.
        inner = any(other.startswith(name + ".") for other, _, _ in rows)
        shown = "" if inner else f"`{json.dumps(default)}`"
        lines.append(f"| `{name}` | {shown} | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def main():
    document = REPO / "docs/install.md"
    made = table(read(REPO / "deploy/helm/gatehouse/values.yaml"))
    text = document.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    wanted = f"{head}{BEGIN}\n{made}\n{END}{tail}"
    if "--check" in sys.argv:
        if text != wanted:
            sys.exit("docs/install.md: the table of values is not that of values.yaml: run tests/deploy/values_table.py")
        print(f"values: {made.count(chr(10)) - 1} documented")
    else:
        document.write_text(wanted)


if __name__ == "__main__":
    main()
