#!/usr/bin/env python3
"""Holds the include edges between rooms against layers.allow. Programs' main.cc wire everything and are exempt; so are the tests.

Also: some libraries may be included in one room only. Usage: layers.py ROOT (exit 1 and one line a violation)."""
import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)

# Header prefix -> rooms that may include it (DESIGN.md section 3).
LIBRARIES = {
    'rapidjson/': ['common/codec'],
    'yaml-cpp/': ['common/codec'],
    'openssl/': ['common/crypto', 'common/net', 'webhook/server'],
    'httplib.h': ['common/net', 'webhook/server'],
    'prometheus/': ['common/telemetry'],
    'tss2/': ['agent/tpm'],
    're2/': ['common/policy', 'common/image'],
    'CLI/': ['main'],
}


def room_of(path: Path) -> str:
    parts = path.parts
    if parts[0] == 'cli' or len(parts) == 2:  # a program's own folder holds main.cc and what it is wired from
        return 'main'
    return '/'.join(parts[:2])


def read_allowed(path: Path) -> dict[str, list[str]]:
    allowed = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith('#'):
            room, _, targets = line.partition(':')
            allowed[room] = targets.split()
    return allowed


def sources(root: Path):
    for top in ('common', 'webhook', 'agent', 'cli'):
        for path in sorted((root / top).rglob('*')):
            if path.suffix in ('.h', '.cc', '.def'):
                yield path.relative_to(root)


def violations(root: Path) -> list[str]:
    allowed = read_allowed(root / 'tests/lint/layers.allow')
    found, used = [], set()
    for path in sources(root):
        room = room_of(path)
        for kind, header in INCLUDE.findall((root / path).read_text()):
            if kind == '<':
                found += [f'{path}: <{header}> may be included in {", ".join(rooms)} only'
                          for prefix, rooms in LIBRARIES.items() if header.startswith(prefix) and room not in rooms]
                continue
            target = '/'.join(Path(header).parts[:2])
            if not (root / header).exists():
                found.append(f'{path}: "{header}" is not written from the repository root')
            elif path.parts[0] == 'common' and header.split('/')[0] != 'common':
                found.append(f'{path}: common/ sees no program, but includes "{header}"')
            elif {path.parts[0], header.split('/')[0]} <= {'webhook', 'agent', 'cli'} and path.parts[0] != header.split('/')[0]:
                found.append(f'{path}: a program includes another one: "{header}"')
            elif room != 'main' and target != room:
                used.add((room, target))
                if target not in allowed.get(room, []):
                    found.append(f'{path}: {room} may not include {target} ("{header}"); see tests/lint/layers.allow')
    for room, targets in allowed.items():
        found += [f'layers.allow: {room} -> {target} is not needed any more' for target in targets if (room, target) not in used]
    return found


if __name__ == '__main__':
    problems = violations(Path(sys.argv[1]))
    print('\n'.join(problems) or 'every include edge is allowed')
    sys.exit(1 if problems else 0)
