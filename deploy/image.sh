#!/usr/bin/env bash
# image.sh OUT.tar [--no-cache]: builds the image of the Dockerfile with buildah (no docker, no daemon; as root) and writes it to OUT.tar as an OCI
# archive. Prints its digest and its compressed size, and which packages are others than those of deploy/packages.lock. Where docker is:
# `docker build -t gatehouse .`
#
# GATEHOUSE_BASE is another base image (Debian 12) in buildah's store. With --no-cache neither layers nor compiled objects of earlier builds are used.
set -euo pipefail
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${GATEHOUSE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse-e2e}
OUT=$(realpath -m "${1:?image.sh OUT.tar [--no-cache]}")
STORE=$CACHE/images
BASE=${GATEHOUSE_BASE:-localhost/gatehouse-base:bookworm}
VERSION=$(sed -n 's/^project(gatehouse VERSION \([0-9.]*\).*/\1/p' "$REPO/CMakeLists.txt")

fresh=()
compiler_cache=()
ccache=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}
if [ "${2:-}" = --no-cache ]; then
  fresh=(--no-cache)
elif [ -d "$ccache" ]; then
  compiler_cache=(--volume "$ccache:/ccache")
fi

mkdir -p "$STORE/store" "$STORE/run" "$(dirname "$OUT")"
exec 9>"$STORE/lock"
flock 9
B=(--root "$STORE/store" --runroot "$STORE/run" --storage-driver overlay)
"$REPO/deps/base_image.sh" "$BASE" "${B[@]}"
build() { # OPTION...
  # Isolation chroot and the host's network: nothing of the machine's own network is touched.
  buildah "${B[@]}" bud --layers "${fresh[@]}" --isolation chroot --network host --pull=false --timestamp "${SOURCE_DATE_EPOCH:-0}" \
    --build-arg "BASE=$BASE" --build-arg "SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}" --format oci "$@" "$REPO" >>"$STORE/build.log" 2>&1 || {
    tail -40 "$STORE/build.log" >&2
    exit 1
  }
}
: >"$STORE/build.log"
# The compiler has a name of its own, so that the next build finds it after what has none is removed below.
[ "${#fresh[@]}" -gt 0 ] || build --target tools --tag localhost/gatehouse-tools:bookworm
build "${compiler_cache[@]}" --label "org.opencontainers.image.version=$VERSION" --tag "localhost/gatehouse:$VERSION"
rm -f "$OUT"
buildah "${B[@]}" push --quiet --format oci "localhost/gatehouse:$VERSION" "oci-archive:$OUT:gatehouse:$VERSION"
# Without this every build would leave its objects behind.
buildah "${B[@]}" rmi --prune >/dev/null 2>&1 || true
tar -xOf "$OUT" index.json | python3 -c 'import json, sys; print("digest", json.load(sys.stdin)["manifests"][0]["digest"])'
echo "bytes $(stat -c %s "$OUT")"
# Not an error: who builds gets the security updates of the day. It is another image than the recorded one, though.
"$REPO/deploy/packages.py" "$OUT"
