# shellcheck shell=bash
# What the suite and its providers use everywhere.

step() { printf '   %5.1f s  %s\n' "$(seconds_since "$STARTED")" "$*"; }

# seconds_since EPOCH
seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

die() {
  printf '\nend to end: %s\n' "$*" >&2
  exit 1
}

# eventually SECONDS CMD...: true as soon as CMD is, false after SECONDS.
eventually() {
  local until=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "${EPOCHREALTIME/./}" -lt "$until" ] || return 1
    sleep 0.1
  done
}

# wait_for SECONDS WHAT CMD...: the same for the set-up, where failing is final.
wait_for() {
  local seconds=$1 what=$2
  shift 2
  eventually "$seconds" "$@" && return 0
  explain_failure
  die "$what: not within $seconds s"
}

answers() { curl -sf --max-time 2 -o /dev/null "$@"; }

indent() { sed "s/^/$(printf '%*s' "$1" '')/"; }

# node N: the name of the node in the cluster. node1 and node3 have agents, node2 has none.
node() { echo "${NODE_NAMES[$1]}"; }
