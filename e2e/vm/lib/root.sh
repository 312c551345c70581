# shellcheck shell=bash
# What the machines boot: Debian's cloud kernel as it is, and a root file system that is Gatehouse's image plus busybox.

KERNEL=$CACHE/vm

# make_programs: the programs of the image, or of GATEHOUSE_BIN, with the libraries that they were linked with, in $STATE/image.
make_programs() {
  local image=$STATE/image
  mkdir -p "$image"
  if [ -n "${GATEHOUSE_BIN:-}" ]; then
    (cd "$REPO" && deploy/image/rootfs.sh "$GATEHOUSE_BIN" "$image") >/dev/null
  else
    "$SUITE/images/unpack.py" "$GATEHOUSE_IMAGE" "$image"
  fi
}

# program NAME ARGS...: one of them, on this machine.
program() {
  local image=$STATE/image name=$1
  shift
  "$image"/usr/lib64/ld-linux-x86-64.so.2 --library-path "$image/usr/lib/x86_64-linux-gnu" "$image/usr/local/bin/$name" "$@"
}

# make_root: $STATE/root.ext4, and what sha256sum says of its files.
make_root() {
  local root=$STATE/root name
  cp -a "$STATE/image" "$root"
  rm "$root"/usr/local/bin/{gatehouse,gatehouse-webhook}
  mkdir -p "$root"/{proc,sys,dev,run} "$root"/usr/{bin,sbin,lib/modules}
  ln -sfn usr/bin "$root/bin"
  ln -sfn usr/sbin "$root/sbin"
  cp /bin/busybox /usr/bin/true "$root/usr/bin"
  for name in sh mount ip insmod sleep stty mkdir base64 tar gzip cat cp poweroff; do ln -s busybox "$root/usr/bin/$name"; done
  cp "$KERNEL"/modules/*.ko "$root/usr/lib/modules"
  install -m 755 "$HERE/init" "$root/usr/sbin/init"
  cat >"$root/etc/gatehouse-agent.yaml" <<Y
server: {url: "https://10.0.2.2:8444", ca: /run/agent/ca.crt, tokenFile: /run/agent/token}
tpm: {stateDir: /run/agent/state}
Y
  (cd "$root" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sed 's/  \./  /') >"$STATE/root.sha256"
  truncate -s 96M "$STATE/root.ext4"
  mke2fs -q -t ext4 -d "$root" "$STATE/root.ext4"
}

# section_address STUB: above all that the stub has, where objcopy would not look.
section_address() { objdump -h "$1" | awk '/^ +[0-9]+ / { end = ("0x" $4) " " ("0x" $3) } END { print end }' | { read -r at size && echo $((at + size)); }; }

# make_uki: $STATE/uki.efi, kernel and command line in one EFI program, signed with the key that OVMF's snakeoil variables trust.
make_uki() {
  local stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub at page=$((0x1000)) dir=$STATE/uki
  mkdir -p "$dir"
  printf '%s' "$COMMAND_LINE" >"$dir/cmdline"
  printf 'ID=gatehouse-e2e\nVERSION_ID=1\n' >"$dir/osrel"
  at=$((($(section_address $stub) + page - 1) / page * page))
  objcopy --add-section ".osrel=$dir/osrel" --change-section-vma ".osrel=$at" \
    --add-section ".cmdline=$dir/cmdline" --change-section-vma ".cmdline=$((at + page))" \
    --add-section ".linux=$KERNEL/vmlinuz" --change-section-vma ".linux=$((at + 16 * page))" $stub "$dir/unsigned.efi"
  openssl rsa -in /usr/share/ovmf/PkKek-1-snakeoil.key -passin pass:snakeoil -out "$dir/snakeoil.key" 2>/dev/null
  sbsign --key "$dir/snakeoil.key" --cert /usr/share/ovmf/PkKek-1-snakeoil.pem --output "$STATE/uki.efi" "$dir/unsigned.efi" 2>>"$LOGS/uki.log"
  make_esp
}

# make_esp: a disk with nothing but an EFI partition, and that with nothing but the UKI.
make_esp() {
  local disk=$STATE/esp.img
  truncate -s 40M "$disk"
  sgdisk --new=1:2048:0 --typecode=1:ef00 "$disk" >>"$LOGS/uki.log"
  mformat -i "$disk@@1M" -F -T $((38 * 2048)) ::
  mmd -i "$disk@@1M" ::/EFI ::/EFI/BOOT
  mcopy -i "$disk@@1M" "$STATE/uki.efi" ::/EFI/BOOT/BOOTX64.EFI
}
