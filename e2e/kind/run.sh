#!/usr/bin/env bash
# run.sh: the cases of ../suite on a cluster of kind, where docker exists. As root,
# on a machine with docker, kind, kubectl, helm, cosign, swtpm, tpm2-tools and jq.
#
#   GATEHOUSE_IMAGE      an OCI archive of Gatehouse's image; default: built from this checkout
#   GATEHOUSE_E2E_CASES  pattern of the files of cases that are run (default: all)
#
# What kind cannot do is left out: PROVIDER_CAN in provider.sh has what it can. The
# cluster and the registry are removed at the end, unless GATEHOUSE_E2E_KEEP is set.
set -Eeuo pipefail

STARTED=$EPOCHREALTIME
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
SUITE=$REPO/e2e/suite
export STARTED SUITE

check_prerequisites() {
  local program
  [ "$(id -u)" = 0 ] || {
    echo "run.sh: needs root, for a hosts file of its own and the TPMs" >&2
    exit 2
  }
  for program in docker kind kubectl helm cosign swtpm swtpm_setup tpm2_pcrextend jq; do
    command -v $program >/dev/null || {
      echo "run.sh: no $program on this machine" >&2
      exit 2
    }
  done
}

# A hosts file of its own, in which the registry has the name that images have.
[ -n "${GATEHOUSE_E2E_INSIDE:-}" ] || {
  check_prerequisites
  GATEHOUSE_E2E_INSIDE=yes exec unshare --mount "$0" "$@"
}

STATE=$(mktemp -d /tmp/gatehouse-e2e-kind.XXXXXX)
LOGS=$STATE/logs
PKI=$STATE/pki
mkdir -p "$LOGS" "$PKI"
# shellcheck source=/dev/null
for part in "$HERE/provider.sh" "$SUITE"/lib/*.sh; do . "$part"; done

finish() {
  collect_gatehouse_logs 2>/dev/null || true
  [ "$1" = 0 ] || echo "The logs of this run are in $LOGS" >&2
  if [ -z "${GATEHOUSE_E2E_KEEP:-}" ]; then
    kind delete cluster --name gatehouse-e2e >/dev/null 2>&1 || true
    docker rm -f gatehouse-e2e-registry >/dev/null 2>&1 || true
  fi
  for name in "${!PIDS[@]}"; do stop "$name"; done
}
trap 'finish $?' EXIT
trap 'echo "${BASH_SOURCE[0]}:$LINENO: failed: $BASH_COMMAND" >&2' ERR

GATEHOUSE_IMAGE=${GATEHOUSE_IMAGE:-$STATE/gatehouse.tar}
[ -e "$GATEHOUSE_IMAGE" ] || "$REPO/deploy/image.sh" "$GATEHOUSE_IMAGE" >"$LOGS/image.log" 2>&1
bring_up_cluster
run_cases "${GATEHOUSE_E2E_CASES:-*}"
