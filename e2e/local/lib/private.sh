# shellcheck shell=bash
# Inside of the namespaces of a run: files that go with it.

# Nothing that is written under these paths reaches the machine: they are covered
# by a tmpfs, or by an overlay that keeps the changes in one. The checkout and the
# cache stay what they are, wherever they happen to be.
make_private_files() {
  local keep=("$REPO" "$CACHE") i path
  mount -t tmpfs -o mode=700 tmpfs /mnt
  for i in "${!keep[@]}"; do
    mkdir /mnt/$i
    mount --rbind "${keep[i]}" /mnt/$i
  done
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p $STATE/home $STATE/tmp $LOGS $PKI $CONF $STATE/overlay
  for path in /etc /var; do
    mkdir -p $STATE/overlay$path/upper $STATE/overlay$path/work
    mount -t overlay -o "lowerdir=$path,upperdir=$STATE/overlay$path/upper,workdir=$STATE/overlay$path/work" \
      overlay $path
  done
  for i in "${!keep[@]}"; do
    mkdir -p "${keep[i]}"
    mount --rbind /mnt/$i "${keep[i]}"
  done
  umount -l /mnt
  export HOME=$STATE/home TMPDIR=$STATE/tmp
}
