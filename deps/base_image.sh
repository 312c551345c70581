#!/usr/bin/env bash
# base_image.sh NAME BUILDAH_OPTION...: a minimal Debian 12 as the image NAME in buildah's store, from the mirrors that this machine uses, for
# machines without a registry of public images. Does nothing when it is there and younger than a week.
set -euo pipefail
NAME=$1
shift
CACHE=${GATEHOUSE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse-e2e}
FOLDER=$CACHE/images

created=$(buildah "$@" inspect --type image --format '{{.OCIv1.Created.Unix}}' "$NAME" 2>/dev/null || echo 0)
[ $(($(date +%s) - created)) -gt 604800 ] || exit 0

mkdir -p "$FOLDER"
work=$(mktemp -d "$FOLDER/base-XXXXXX")
trap 'rm -rf "$work"' EXIT
# The suites of Debian 12 that this machine takes its packages from, updates included.
# shellcheck disable=SC2016 # words of apt
apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
  awk '$2 ~ /^bookworm/ && $3 == "main" { print "deb " $1 " " $2 " " $3 }' | sort -u >"$work/sources.list"
[ -s "$work/sources.list" ] || {
  echo "base_image.sh: no Debian 12 source with the component main is set up on this machine" >&2
  exit 1
}
mmdebstrap --quiet --variant=minbase --mode=root --include=ca-certificates bookworm "$work/root.tar" "$work/sources.list"
container=$(buildah "$@" from scratch)
buildah "$@" add --quiet "$container" "$work/root.tar" / >/dev/null
buildah "$@" commit --quiet --rm "$container" "$NAME" >/dev/null
