#!/usr/bin/env bash
# run.sh: the end-to-end run. Brings up a Kubernetes cluster with two nodes, a
# registry and a TPM per node, puts Gatehouse in front of it, runs every case of
# cases/ and prints one row for each, with the API server's own words.
#
#   GATEHOUSE_BIN        where gatehouse-webhook and gatehouse-agent are
#   GATEHOUSE_E2E_CACHE  where the cluster's programs are kept between runs
#   GATEHOUSE_E2E_SHELL  set: a shell in the cluster after the cases
#
# Exit code 0 if every case came out as expected.
#
# Nothing of a run outlives it, not even after SIGKILL. All processes are in one
# pid namespace, which ends with this process; all mounts, files and network
# interfaces are in namespaces that end with those processes; and the control
# groups are removed by a janitor that waits for that end.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
# shellcheck source=lib/paths.sh
. "$HERE/lib/paths.sh"
# shellcheck source=lib/cgroups.sh
. "$HERE/lib/cgroups.sh"

GATEHOUSE_BIN=${GATEHOUSE_BIN:-$REPO/build/release/bin}

check_prerequisites() {
  local program
  [ "$(id -u)" = 0 ] || {
    echo "run.sh: needs root, for namespaces and mounts of its own" >&2
    exit 2
  }
  for program in gatehouse-webhook gatehouse-agent; do
    [ -x "$GATEHOUSE_BIN/$program" ] || {
      echo "run.sh: no $program in $GATEHOUSE_BIN; build it first, or set GATEHOUSE_BIN" >&2
      exit 2
    }
  done
  GATEHOUSE_BIN=$(cd "$GATEHOUSE_BIN" && pwd)
}

start_janitor() {
  exec {ALIVE}> >(exec setsid "$HERE/janitor.sh" "$RUN_ID" >/dev/null 2>&1)
  JANITOR=$!
}

# The namespaces end with `unshare` (--kill-child), and `unshare` with this
# process (setpriv --pdeathsig).
start_inside() {
  env REPO="$REPO" CACHE="$CACHE" BIN="$BIN" GATEHOUSE_BIN="$GATEHOUSE_BIN" RUN_ID="$RUN_ID" \
    setpriv --pdeathsig KILL \
    unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc \
    bash "$HERE/inside.sh" <&"$STDIN" &
  INSIDE=$!
}

finish() {
  kill -9 "$INSIDE" 2>/dev/null || true
  exec {ALIVE}>&-
  wait "$JANITOR" || true
}

check_prerequisites
"$HERE/bootstrap.sh"
remove_dead_cgroups
RUN_ID=$(run_id_of $$)
start_janitor
exec {STDIN}<&0 # a background job would get /dev/null
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
start_inside
STATUS=0
wait "$INSIDE" || STATUS=$?
exit $STATUS
