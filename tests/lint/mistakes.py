#!/usr/bin/env python3
"""Simple mistakes, each numbered, found by pattern. A rule that fires on nothing in its own example is a failure of this script.

Usage: mistakes.py ROOT (exit 1 and one line a finding). `// lint-ok: M07 why` at the end of a line excuses it."""
import re
import sys
from pathlib import Path
from typing import NamedTuple


class Rule(NamedTuple):
    number: str
    where: str      # regular expression on the path
    pattern: str    # regular expression on a line
    example: str    # a line on which it must fire
    why: str


COMMON = r'^common/'
CODE = r'^(common|webhook|agent|cli)/'
EVERYWHERE = r'^(common|webhook|agent|cli|tests)/'
RULES = [
    Rule('M01', COMMON, r'(system_clock|steady_clock)::now\(', 'auto t = std::chrono::steady_clock::now();',
         'common/ never asks the clock: take a Clock or a time'),
    Rule('M02', COMMON, r'\bgetenv\(', 'getenv("HTTPS_PROXY")', 'common/ never reads the environment: the program does'),
    Rule('M03', CODE, r'std::regex\b', 'std::regex re(text);', 'std::regex overflows the stack: use RE2'),
    Rule('M04', CODE, r'\b(strcpy|strcat|sprintf|gets|alloca|strtok|atoi|atol|atof)\(', 'n = atoi(text);', 'has no bounds or no errors'),
    Rule('M05', CODE, r'\bEVP_DecodeBlock\b|\bEVP_DecodeUpdate\b', 'EVP_DecodeBlock(out, in, n);',
         'accepts white space and non-canonical padding: DecodeBase64 of common/base'),
    Rule('M06', CODE, r'set_follow_location\(\s*true', 'client.set_follow_location(true);', 'forwards Authorization to another host'),
    Rule('M07', r'^(?!common/codec/yaml\.cc|webhook/server/(http_library|reactor)\.cc)(common|webhook|agent|cli)/', r'\bcatch\s*\(', '} catch (const std::exception& e) {',
         'exceptions are caught at the walls only: YAML reader, HTTP handler, thread entry'),
    Rule('M08', CODE, r'\b(rand|srand|random)\(\)|std::mt19937', 'std::mt19937 generator;', 'randomness is a parameter: Random'),
    Rule('M09', CODE, r'\bmemcmp\(', 'memcmp(a, b, n)', 'ConstantTimeEqual for secrets, == for the rest'),
    Rule('M10', COMMON, r'\b(std::cout|std::cerr|printf\(|fprintf\()', 'std::cerr << x;', 'common/ prints nothing: return it, or log it'),
    Rule('M11', EVERYWHERE, r'\b(TODO|FIXME|XXX)\b', '// TODO: later', 'unfinished work belongs in an issue'),
    Rule('M12', CODE, r'^\s*(static|inline)\s+(?!const|constexpr|_assert)[\w:<>,\s\*&]+\s+\w+\s*(=|;|\{)', 'static int counter = 0;',
         'no process-wide state'),
    Rule('M13', CODE, r'SSL_VERIFY_NONE|enable_server_certificate_verification\(\s*false', 'SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);',
         'certificates are verified'),
    Rule('M14', r'^tests/', r'\bsleep_for\(\s*std::chrono::seconds', 'std::this_thread::sleep_for(std::chrono::seconds(1));',
         'tests wait for events, not for seconds'),
    Rule('M15', CODE, r'reinterpret_cast<\s*(const\s+)?\w*(?:[Hh]eader|[Ss]truct|[Rr]eport|[Qq]uote)\b', 'auto h = reinterpret_cast<const Header*>(p);',
         'no overlay of a struct on bytes: ByteReader'),
]


def findings(root: Path) -> list[str]:
    found = [f'{rule.number}: the rule does not fire on its own example' for rule in RULES if not re.search(rule.pattern, rule.example)]
    for path in sorted(p for top in ('common', 'webhook', 'agent', 'cli', 'tests') for p in (root / top).rglob('*')):
        relative = path.relative_to(root).as_posix()
        if path.suffix not in ('.h', '.cc'):
            continue
        lines = path.read_text().splitlines()
        limit = 200 if path.suffix == '.h' and not relative.startswith('tests/') else 600
        if len(lines) > limit + (20 if path.suffix == '.h' else 0):
            found.append(f'{relative}: {len(lines)} lines; a header has about 200 at most, a source 600')
        for number, line in enumerate(lines, 1):
            for rule in RULES:
                code = line if rule.number == 'M11' else line.split('//')[0]
                if re.match(rule.where, relative) and re.search(rule.pattern, code) and f'lint-ok: {rule.number}' not in line:
                    found.append(f'{relative}:{number}: {rule.number} {rule.why}')
    return found


if __name__ == '__main__':
    problems = findings(Path(sys.argv[1]))
    print('\n'.join(problems) or f'none of the {len(RULES)} simple mistakes')
    sys.exit(1 if problems else 0)
