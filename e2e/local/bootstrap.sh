#!/usr/bin/env bash
# Fills the cache with the programs of the test cluster. Idempotent: a second
# call only looks, and takes a fraction of a second.
#
# Everything comes from Debian packages. Debian 12 has no binaries of kubernetes
# beside kubectl, but its source package builds all of them; cosign is taken out
# of Debian 13's package, a static program that runs on 12 just as well.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
# shellcheck source=lib/paths.sh
. "$HERE/lib/paths.sh"

say() { printf 'bootstrap: %s\n' "$*" >&2; }

# apt-get that waits for another apt-get instead of failing.
apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }

update_lists_once() {
  [ -z "${LISTS_UPDATED:-}" ] || return 0
  apt update
  LISTS_UPDATED=yes
}

missing_packages() {
  local package
  sed 's/#.*//' "$REPO"/deps/apt-{e2e,image}.txt | tr -s ' \t' '\n' | while read -r package; do
    [ -n "$package" ] || continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
  # Debian's package, or any other.
  [ -x "$BIN/helm" ] || command -v npm >/dev/null || echo npm
}

install_packages() {
  local missing policy=/usr/sbin/policy-rc.d
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  update_lists_once
  # etcd, containerd and the registry come with services. Ours run in namespaces
  # of their own; the machine itself must not start any. An earlier run that was
  # killed here may have left our file, so it says whose it is.
  if ! [ -e $policy ] || grep -q gatehouse-e2e $policy; then
    printf '#!/bin/sh\n# of gatehouse-e2e, may be deleted\nexit 101\n' >$policy
    chmod 755 $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  dpkg --configure -a >/dev/null # in case an earlier run was killed in the middle
  apt install -y --no-install-recommends "${missing[@]}" >/dev/null
  if grep -q gatehouse-e2e $policy; then rm -f $policy; fi
}

# apt_elsewhere DIR ARGS...: apt-get with the sources of DIR only, so that the
# machine's own list of sources stays as it is.
apt_elsewhere() {
  local dir=$1
  shift
  apt -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::Lists="$dir/lists" -o APT::Sandbox::User=root "$@"
}

# add_sources DIR TYPE SUITE...: sources of TYPE (deb, deb-src) on the mirrors
# that this machine uses; a suite is written FROM=TO, and TO is the one we want.
add_sources() {
  local dir=$1 type=$2 pair
  shift 2
  mkdir -p "$dir/lists/partial"
  for pair in "$@"; do
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
      awk -v from="${pair%%=*}" -v to="${pair##*=}" -v type="$type" '$2 == from && $3 == "main" {
        print type " [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] " $1 " " to " main" }'
  done | sort -u >"$dir/sources.list"
  [ -s "$dir/sources.list" ] || {
    say "no Debian 12 source with the component main is set up on this machine"
    return 1
  }
  apt_elsewhere "$dir" update
}

get_cosign() {
  [ ! -x "$BIN/cosign" ] || return 0
  say "fetching cosign"
  update_lists_once
  local dir=$CACHE/build/cosign
  rm -rf "$dir"
  mkdir -p "$dir/out"
  add_sources "$dir" deb bookworm=trixie
  (cd "$dir" && apt_elsewhere "$dir" download cosign && dpkg -x cosign_*.deb out)
  into_cache "$dir/out/usr/bin/cosign"
  rm -rf "$dir"
}

# cosign 3 and notation are in Debian unstable only, which moves: what cannot be had
# there today is left out, and so are the cases that need it.
get_signers_of_unstable() {
  [ ! -x "$BIN/cosign3" ] || [ ! -x "$BIN/notation" ] || return 0
  say "fetching cosign 3 and notation"
  update_lists_once
  local dir=$CACHE/build/unstable
  rm -rf "$dir"
  mkdir -p "$dir/out"
  if add_sources "$dir" deb bookworm=sid && (cd "$dir" && apt_elsewhere "$dir" download cosign/sid notation/sid) &&
    dpkg -x "$dir"/cosign_3*.deb "$dir/out" && dpkg -x "$dir"/notation_*.deb "$dir/out" &&
    "$dir/out/usr/bin/cosign" version >/dev/null 2>&1 && "$dir/out/usr/bin/notation" version >/dev/null; then
    mv "$dir/out/usr/bin/cosign" "$dir/out/usr/bin/cosign3"
    into_cache "$dir"/out/usr/bin/{cosign3,notation}
  else
    say "cosign 3 and notation could not be had; the cases with them are left out"
  fi
  rm -rf "$dir"
}

# into_cache FILE...: whoever kills this in the middle of a copy must not leave half
# a program under its name.
into_cache() {
  local file
  for file in "$@"; do
    install -m 755 "$file" "$BIN/.incoming"
    mv "$BIN/.incoming" "$BIN/${file##*/}"
  done
}

KUBERNETES=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)

get_kubernetes() {
  local program dir=$CACHE/build/kubernetes
  for program in "${KUBERNETES[@]}"; do
    [ -x "$BIN/$program" ] || break
    [ "$program" != "${KUBERNETES[-1]}" ] || return 0
  done
  say "building kubernetes from Debian's source package (about three minutes on two cores)"
  update_lists_once
  rm -rf "$dir"
  mkdir -p "$dir"
  add_sources "$dir" deb-src bookworm=bookworm bookworm-security=bookworm-security
  (
    cd "$dir"
    apt_elsewhere "$dir" source kubernetes >/dev/null 2>&1
    apt -o APT::Sandbox::User=root download golang-github-modern-go-reflect2-dev
    dpkg -x golang-github-modern-go-reflect2-dev_*.deb reflect2
    mv kubernetes-*/ source
  )
  "$HERE/build_kubernetes.sh" "$dir" "${KUBERNETES[@]}" >"$CACHE/build/kubernetes.log" 2>&1 || {
    tail -20 "$CACHE/build/kubernetes.log" >&2
    return 1
  }
  into_cache "${KUBERNETES[@]/#/$dir/out/}"
  # Two gigabytes of source and compiler cache that nothing needs any more.
  chmod -R u+w "$dir"
  rm -rf "$dir"
}

# The kernel of the virtual machines: Debian's for clouds, which has IMA, the TPM, NVMe and ext4 built in and needs no initrd; and the modules of
# its network card.
get_vm_kernel() {
  [ ! -e "$CACHE/vm/vmlinuz" ] || return 0
  say "fetching a kernel for virtual machines"
  update_lists_once
  local dir=$CACHE/build/kernel package module
  rm -rf "$dir"
  mkdir -p "$dir/vm/modules"
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
  (cd "$dir" && apt -o APT::Sandbox::User=root download "$package" && dpkg-deb -x "$package"_*.deb .)
  for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
    find "$dir/lib/modules" -name "$module.ko" -exec cp {} "$dir/vm/modules" \;
  done
  [ "$(find "$dir/vm/modules" -name '*.ko' | wc -l)" = 8 ] || {
    say "$package lacks a module for virtio network cards"
    return 1
  }
  cp "$dir"/boot/vmlinuz-* "$dir/vm/vmlinuz"
  rm -rf "$CACHE/vm"
  mv "$dir/vm" "$CACHE/vm"
  rm -rf "$dir"
}

# sources_hash: of all that the image is made from, as it is now, committed or not.
sources_hash() {
  (
    cd "$REPO"
    git ls-files -coz --exclude-standard -- Dockerfile .dockerignore CMakeLists.txt CMakePresets.json \
      cmake common webhook agent cli deps deploy/image deploy/image.sh | sort -z | xargs -0 sha256sum 2>/dev/null | sha256sum | cut -c1-16
  )
}

# The image of Gatehouse is built once for each state of the sources; the last three are kept.
get_image() {
  local archive dir=$CACHE/archives
  archive=$dir/$(sources_hash).tar
  mkdir -p "$dir"
  [ -e "$archive" ] || {
    say "building Gatehouse's image (log: $CACHE/build/image.log)"
    "$REPO/deploy/image.sh" "$archive.part" >"$CACHE/build/image.log" 2>&1 || {
      tail -20 "$CACHE/build/image.log" >&2
      return 1
    }
    mv "$archive.part" "$archive"
  }
  touch "$archive"
  ln -sfn "$archive" "$dir/current"
  find "$dir" -name '*.tar' -printf '%T@ %p\n' | sort -rn | tail -n +4 | cut -d' ' -f2- | xargs -r rm -f
}

main() {
  mkdir -p "$BIN" "$CACHE/build"
  # Two runs that start together on a new machine: one builds, the other waits.
  exec 9>"$CACHE/bootstrap.lock"
  flock 9
  install_packages
  get_cosign
  get_signers_of_unstable
  get_kubernetes
  "$REPO/deps/helm.sh" "$BIN" >/dev/null
  get_vm_kernel
  [ -n "${GATEHOUSE_IMAGE:-}" ] || get_image
}

main "$@"
