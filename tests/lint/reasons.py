#!/usr/bin/env python3
"""Every reason of common/base/reasons.def is given by some code, named by some test beside the tables, and documented in docs/REASONS.md, which is
made from the table: `reasons.py ROOT --write` writes it. Exit 1 and one line a problem otherwise."""
import re
import sys
from pathlib import Path

ENTRY = re.compile(r'GATEHOUSE_REASON\((k\w+), "([a-z-]+)", k(\w+), "([^"]+)"\)')
INTRODUCTION = '''# Reasons

Every refusal and failure carries one of these tokens: in the admission message, in the label `reason` of `gatehouse_findings_total`, in the audit log.
Tokens are stable. Only `registry-unavailable` and `network-unavailable` can be relaxed, by `onUnavailable: allow` of a policy.

| token | class | what it means and what to do |
| --- | --- | --- |
'''


def entries(root: Path):
    return ENTRY.findall((root / 'common/base/reasons.def').read_text())


def document(root: Path) -> str:
    return INTRODUCTION + ''.join(f'| `{token}` | {cls.lower()} | {sentence} |\n' for _, token, cls, sentence in entries(root))


def text_of(root: Path, tops: list[str], skip: str) -> str:
    paths = [p for top in tops for p in (root / top).rglob('*') if p.suffix in ('.cc', '.h') and skip not in p.as_posix()]
    return '\n'.join(p.read_text() for p in paths)


def problems(root: Path) -> list[str]:
    code = text_of(root, ['common', 'webhook', 'agent', 'cli'], 'common/base/reason')
    tests = text_of(root, ['tests'], 'common/base/reason')
    found = []
    for name, token, _, _ in entries(root):
        if not re.search(rf'\b{name}\b', code):
            found.append(f'{token}: no code gives it')
        if not re.search(rf'\b{name}\b|"{token}"', tests):
            found.append(f'{token}: no test names it')
    page = root / 'docs/REASONS.md'
    if not page.exists() or page.read_text() != document(root):
        found.append('docs/REASONS.md is not what reasons.def says: python3 tests/lint/reasons.py . --write')
    return found


if __name__ == '__main__':
    tree = Path(sys.argv[1])
    if '--write' in sys.argv:
        (tree / 'docs').mkdir(exist_ok=True)
        (tree / 'docs/REASONS.md').write_text(document(tree))
    found = problems(tree)
    print('\n'.join(found) or 'every reason is given, tested and documented')
    sys.exit(1 if found else 0)
