#!/usr/bin/env bash
# janitor.sh RUN_ID: outlives the run, however that ends, and removes what is
# left of it. Standard input is a pipe that every process of the run holds open:
# its end is the end of the last of them.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/cgroups.sh
. "$HERE/lib/cgroups.sh"

trap '' INT TERM HUP
cat >/dev/null
for ((i = 0; i < 100; i++)); do
  if remove_cgroup "$1"; then exit 0; fi
  sleep 0.1
done
exit 1
