#!/usr/bin/env bash
# run.sh: the end-to-end run. Brings up a Kubernetes cluster with three nodes, a
# registry and TPMs, installs Gatehouse with helm, runs every case of ../suite/cases
# and prints one row for each, with the API server's own words; then boots virtual
# machines that measure what they do, and runs the cases of ../vm/cases.
#
#   GATEHOUSE_E2E_PARTS  what of that: "cluster vm" (default), "cluster" or "vm"
#   GATEHOUSE_IMAGE      an OCI archive of Gatehouse's image; default: built from this checkout
#   GATEHOUSE_SWARM      the program of tests/load, which `make test` builds; without it one case is left out
#   GATEHOUSE_FORGE      the program of tests/forge, likewise; without it keyless signatures are left out
#   GATEHOUSE_E2E_CACHE  where programs and images are kept between runs
#   GATEHOUSE_E2E_CASES  pattern of the files of cases that are run (default: all)
#   GATEHOUSE_BIN        a folder with the programs that the virtual machines get; default: those of the image
#   GATEHOUSE_E2E_SHELL  if set: a shell in the cluster after the cases, until it exits
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

[ "$(id -u)" = 0 ] || {
  echo "run.sh: needs root, for namespaces and mounts of its own" >&2
  exit 2
}

start_janitor() {
  exec {ALIVE}> >(exec setsid "$HERE/janitor.sh" "$RUN_ID" >/dev/null 2>&1)
  JANITOR=$!
}

# contained OPTION... -- CMD...: in a pid namespace and with mounts of its own, as
# the job JOB. It ends with `unshare` (--kill-child), and `unshare` with this
# process (setpriv --pdeathsig). In the background, so that a signal is not kept
# waiting until the command ends; a background job would get /dev/null to read.
contained() {
  local options=()
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  setpriv --pdeathsig KILL unshare --pid --mount --fork --kill-child --mount-proc "${options[@]}" "$@" <&"$STDIN" &
  JOB=$!
  wait $JOB
}

finish() {
  [ -z "${JOB:-}" ] || kill -9 "$JOB" 2>/dev/null || true
  [ -z "${ALIVE:-}" ] || exec {ALIVE}>&-
  [ -z "${JANITOR:-}" ] || wait "$JANITOR" || true
}

# run_part FILE: each goes on counting where the one before it ended.
run_part() {
  contained --net --uts --ipc -- bash "$1" || STATUS=1
}

exec {STDIN}<&0
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
contained -- "$HERE/bootstrap.sh"
GATEHOUSE_IMAGE=${GATEHOUSE_IMAGE:-$(readlink -f "$CACHE/archives/current")}
remove_dead_cgroups
RUN_ID=$(run_id_of $$)
start_janitor
GATEHOUSE_SWARM=${GATEHOUSE_SWARM:-$REPO/build/dev/bin/gatehouse-swarm}
[ -x "$GATEHOUSE_SWARM" ] || GATEHOUSE_SWARM=
GATEHOUSE_FORGE=${GATEHOUSE_FORGE:-$REPO/build/dev/bin/gatehouse-forge}
[ -x "$GATEHOUSE_FORGE" ] || GATEHOUSE_FORGE=
# Where the parts count: a file that has no name, so that it goes with whoever has it open.
TALLY=$(mktemp)
exec {COUNTS}<>"$TALLY"
rm "$TALLY"
TALLY=/proc/self/fd/$COUNTS
export REPO CACHE BIN GATEHOUSE_IMAGE GATEHOUSE_SWARM GATEHOUSE_FORGE RUN_ID TALLY
STATUS=0
echo 0 0 >"$TALLY"
for part in ${GATEHOUSE_E2E_PARTS:-cluster vm}; do
  case $part in
    cluster) run_part "$HERE/inside.sh" ;;
    vm) run_part "$REPO/e2e/vm/inside.sh" ;;
    *)
      echo "run.sh: there is no part $part" >&2
      exit 2
      ;;
  esac
done
read -r AS_EXPECTED CASES <"$TALLY"
printf '%d of %d cases as expected\n' "$AS_EXPECTED" "$CASES"
exit $STATUS
