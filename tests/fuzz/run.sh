#!/usr/bin/env bash
# Runs every fuzz target of a libFuzzer build, one after the other, on a copy of its corpus: tests/fuzz/corpus is not
# written to. One line a target. Ends with 1 if one crashed, hung or ate memory (its input is kept in
# BIN_FOLDER/../fuzz-findings), and with 2 if nothing could be run, because a run that tests nothing must not pass.
set -euo pipefail

usage() {
  echo "usage: $0 BIN_FOLDER SECONDS" >&2
  exit 2
}
[[ $# -eq 2 && -d $1 && $2 =~ ^[1-9][0-9]*$ ]] || usage
bin=$(cd "$1" && pwd)
seconds=$2
corpus=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/corpus
findings=$(dirname "$bin")/fuzz-findings
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The number after WORD in the first (or last) line of the log that has it.
number() { # first|last WORD LOG
  local pick="head"
  [[ $1 == last ]] && pick="tail"
  grep -o "$2[: ]*[0-9]\+" "$3" | "$pick" -n 1 | grep -o '[0-9]\+$' || echo 0
}

run_target() { # NAME
  local name=$1 log=$work/$1.log before after
  if [[ -z $(find "$corpus/$name" -maxdepth 1 -type f 2>/dev/null) ]]; then
    echo "$name: no seeds in tests/fuzz/corpus/$name" >&2
    return 1
  fi
  mkdir -p "$work/$name"
  cp "$corpus/$name"/* "$work/$name/"
  if "$bin/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$findings/$name-" "$work/$name" >"$log" 2>&1; then
    if ! grep -q '^stat::number_of_executed_units' "$log"; then
      echo "$name: not a libFuzzer build; use the preset fuzz" >&2
      return 1
    fi
    before=$(number first 'INITED *cov' "$log")
    after=$(number last 'cov' "$log")
    printf '%-20s %9d execs %8d/s  coverage %6d (+%d)  %5d new inputs\n' "$name" \
      "$(number last 'stat::number_of_executed_units' "$log")" "$(number last 'stat::average_exec_per_sec' "$log")" \
      "$after" "$((after - before))" "$(number last 'stat::new_units_added' "$log")"
    return 0
  fi
  echo "$name: FAILED" >&2
  tail -n 40 "$log" >&2
  return 1
}

mkdir -p "$findings"
targets=0
failed=()
for program in "$bin"/fuzz_*; do
  [[ -x $program ]] || continue
  name=$(basename "$program")
  name=${name#fuzz_}
  [[ $name == planted_bug ]] && continue # it is there to fail
  targets=$((targets + 1))
  run_target "$name" || failed+=("$name")
done
if [[ $targets -eq 0 ]]; then
  echo "$bin holds no fuzz target" >&2
  exit 2
fi
if [[ ${#failed[@]} -gt 0 ]]; then
  echo "$targets targets, failed: ${failed[*]}; inputs in $findings" >&2
  exit 1
fi
rmdir --ignore-fail-on-non-empty "$findings"
echo "$targets targets, no crash"
