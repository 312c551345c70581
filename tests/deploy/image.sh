#!/usr/bin/env bash
# image.sh: builds the image twice, the second time with nothing of the first (no layers, no compiler cache), and compares the digests; looks at
# what is in it. As root; compiles once or twice, which takes minutes.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
LIMIT=$((40 * 1000 * 1000))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "not as expected: $*" >&2
  exit 1
}

"$REPO/deps/install.sh" "$REPO/deps/apt-image.txt"
"$REPO/deploy/image.sh" "$work/first.tar" | tee "$work/first"
"$REPO/deploy/image.sh" "$work/second.tar" --no-cache | tee "$work/second"
cmp "$work/first" "$work/second" || fail "two builds of the same sources differ"
[ "$(stat -c %s "$work/first.tar")" -lt $LIMIT ] || fail "the image has $(stat -c %s "$work/first.tar") bytes"

python3 - "$work/first.tar" "$work/root" <<'P'
import io, json, sys, tarfile
archive = tarfile.open(sys.argv[1])
def blob(digest): return archive.extractfile("blobs/" + digest.replace(":", "/")).read()
manifest = json.loads(blob(json.load(archive.extractfile("index.json"))["manifests"][0]["digest"]))
config = json.loads(blob(manifest["config"]["digest"]))
assert config["config"]["User"] == "65532:65532", config["config"]
assert config["created"].startswith("1970-01-01T00:00:00"), config["created"]
for layer in manifest["layers"]:
    with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as files:
        for member in files:
            assert member.mtime == 0 and member.uid == member.gid == 0, (member.name, member.mtime, member.uid)
            assert not member.mode & 0o6000, (member.name, "setuid")
        files.extractall(sys.argv[2])
P
root=$work/root
for program in gatehouse gatehouse-agent gatehouse-webhook; do
  [ "$(chroot --userspec=65532:65532 "$root" "/usr/local/bin/$program" --version)" = "$(sed -n 's/^project(gatehouse VERSION \([0-9.]*\).*/\1/p' "$REPO/CMakeLists.txt")" ] ||
    fail "$program does not run"
done
[ -z "$(find "$root" -name '*sh' -perm /111 -o -name 'apt*' -perm /111 -o -name busybox)" ] || fail "there is a shell or a package manager in it"
grep -q '^libssl3 ' "$root/usr/share/gatehouse/packages.txt" || fail "packages.txt"
echo "image: the same digest twice, $(stat -c %s "$work/first.tar") bytes compressed"
