#!/usr/bin/env bash
# inside.sh: virtual machines that measure what they do, an agent in each, and a verifier that judges them, in namespaces that local/run.sh made.
set -Eeuo pipefail

# shellcheck disable=SC2034 # read by suite/lib
STARTED=$EPOCHREALTIME
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SUITE=$(cd "$HERE/../suite" && pwd)
PATH=$BIN:$PATH:/usr/sbin:/sbin
# shellcheck source=/dev/null
for part in "$HERE"/../local/lib/{common,private,pki}.sh "$SUITE"/lib/{common,expect,processes,tpm,policies,measured}.sh "$HERE"/lib/*.sh; do
  . "$part"
done

on_exit() {
  rm -rf "$CACHE/last-run-vm"
  cp -r $LOGS "$CACHE/last-run-vm" 2>/dev/null || true
  [ "$1" = 0 ] || echo "The logs of this run are in $CACHE/last-run-vm" >&2
}

prepare() {
  make_private_files
  ip link set lo up
  write_tpm_factory_config
  make_programs
  make_root
  make_uki
  make_machine direct
  make_machine secure OVMF_VARS_4M.snakeoil.fd
  join_tpm_authorities
  start_verifier direct secure
  step 'a root file system, a signed kernel image, TPMs; the verifier serves'
}

trap 'on_exit $?' EXIT
trap 'echo "${BASH_SOURCE[0]}:$LINENO: failed: $BASH_COMMAND" >&2' ERR
echo
echo "Measured boot: QEMU, OVMF, Debian's kernel with IMA, gatehouse-agent in the machine"
echo
prepare
CASE_FOLDER=$HERE/cases run_cases "${GATEHOUSE_E2E_CASES:-*}"
