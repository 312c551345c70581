#!/usr/bin/env bash
# run.sh: the virtual machines of `make e2e` alone, without the cluster. GATEHOUSE_BIN=build/release/bin takes the programs from there, not from the image.
set -euo pipefail
if [ -n "${GATEHOUSE_BIN:-}" ]; then
  GATEHOUSE_BIN=$(cd "$GATEHOUSE_BIN" && pwd)
  GATEHOUSE_IMAGE=none # so that none is built
  export GATEHOUSE_BIN GATEHOUSE_IMAGE
fi
GATEHOUSE_E2E_PARTS=vm exec "$(dirname "${BASH_SOURCE[0]}")/../local/run.sh"
