#!/usr/bin/env bash
# render.sh [FOLDER]: makes the plain manifests from the chart, in this folder or another one. `make manifests` calls it.
# With KUBE_VERSION=1.30 they have what API servers before that do not know.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FOLDER=${1:-$HERE}
helm=$(command -v helm || "$HERE/../../deps/helm.sh")
rm -rf "$FOLDER/base"
rm -f "$FOLDER"/overlays/*/{kustomization,added}.yaml
python3 "$HERE/render.py" "$FOLDER" "$HERE/../helm/gatehouse" "$helm"
