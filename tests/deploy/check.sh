#!/usr/bin/env bash
# check.sh: the Helm chart for old and new API servers and over several values, what is refused, the documentation of values, the manifests that are
# made from the chart. With GATEHOUSE_BIN (a folder of the programs), every configuration that is rendered is read by the program it is for.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
helm=$(command -v helm || "$REPO/deps/helm.sh")
"$REPO/deps/helm.sh" >/dev/null # kubectl too
kubectl=${GATEHOUSE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse-e2e}/bin/kubectl-modern
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 "$HERE/values_table.py" --check
python3 "$HERE/check_chart.py" "$REPO" "$helm"

# What is committed is what the chart makes, and kustomize makes of base and overlay what the chart makes of the overlay's values.
"$REPO/deploy/manifests/render.sh" "$work"
for folder in base overlays; do
  diff -r -x values.yaml "$work/$folder" "$REPO/deploy/manifests/$folder" >"$work/diff" || {
    head -20 "$work/diff"
    echo "deploy/manifests is not what the chart makes: run make manifests" >&2
    exit 1
  }
done
python3 "$HERE/check_manifests.py" "$REPO" "$helm" "$kubectl"
