# shellcheck shell=bash
# Where the programs are. The only state of these scripts that outlives a run.
CACHE=${GATEHOUSE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse-e2e}
BIN=$CACHE/bin
PATH=$BIN:$PATH:/usr/sbin:/sbin
