# shellcheck shell=bash
# Virtual machines: QEMU without acceleration, OVMF, a software TPM, and nothing else that would be worth a mention. A machine is a name: its TPM
# (suite/lib/tpm.sh) and its firmware's variables are the machine's own and stay over its boots, as does what its agent keeps.

OVMF=/usr/share/OVMF
COMMAND_LINE='console=ttyS0 quiet root=/dev/nvme0n1 rootwait rw panic=-1 init=/sbin/init ima_policy=tcb ima_template=ima-ng ima_hash=sha256'
BOOT_TIME=180 # seconds at the most; ten or so on two cores that do nothing else

declare -A VM_IN=() VM_OUT=()

machine() { echo "$STATE/machines/$1"; }

# make_machine NAME [VARIABLES]: with a new TPM; VARIABLES of OVMF are those of its firmware.
make_machine() {
  local dir
  dir=$(machine "$1")
  mkdir -p "$dir"
  manufacture_tpm "$1" >>"$LOGS/tpms.log" 2>&1
  set_variables "$1" "${2:-OVMF_VARS_4M.fd}"
}
set_variables() { cp "$OVMF/$2" "$(machine "$1")/variables.fd"; }

# power_on NAME [COMMAND LINE]: with the kernel, which QEMU gives to the firmware.
power_on() {
  start_machine "$1" q35 OVMF_CODE_4M.fd -kernel "$KERNEL/vmlinuz" -append "${2:-$COMMAND_LINE}"
}

# power_on_secure NAME: from the EFI partition of a disk, by the firmware that can do Secure Boot. Whether it does is for its variables to say.
power_on_secure() {
  start_machine "$1" q35,smm=on OVMF_CODE_4M.snakeoil.fd -global driver=cfi.pflash01,property=secure,value=on \
    -drive "if=none,id=esp,file=$STATE/esp.img,format=raw,snapshot=on" -device nvme,drive=esp,serial=esp0
}

# start_machine NAME MACHINE FIRMWARE OPTION...: it boots by itself, beside others.
start_machine() {
  local name=$1 type=$2 firmware=$3 dir in out
  shift 3
  dir=$(machine "$name")
  rm -f "$dir"/{commands.in,commands.out,tpm}
  mkfifo "$dir"/commands.{in,out}
  start "swtpm-$name" swtpm socket --tpm2 --tpmstate "dir=$(tpm_state "$name")" --ctrl "type=unixio,path=$dir/tpm" --terminate
  wait_for 5 "the TPM of $name" test -S "$dir/tpm"
  start "qemu-$name" qemu-system-x86_64 -machine "$type" -accel tcg -cpu max -m 256 -smp 1 -nodefaults -no-user-config -display none -no-reboot \
    -drive "if=pflash,format=raw,unit=0,readonly=on,file=$OVMF/$firmware" -drive "if=pflash,format=raw,unit=1,file=$dir/variables.fd" \
    -chardev "socket,id=tpm,path=$dir/tpm" -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0 \
    -drive "if=none,id=root,file=$STATE/root.ext4,format=raw,snapshot=on" -device nvme,drive=root,serial=root0 \
    -netdev user,id=net,ipv6=off -device virtio-net-pci,netdev=net,romfile= \
    -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
    -serial "file:$LOGS/console-$name.log" -chardev "pipe,id=commands,path=$dir/commands" -serial chardev:commands "$@"
  exec {in}<>"$dir/commands.in" {out}<>"$dir/commands.out"
  VM_IN[$name]=$in VM_OUT[$name]=$out
}

# booted NAME: its init listens.
booted() { answer "$1" $BOOT_TIME >/dev/null && give_agent "$1" >/dev/null; }

# answer NAME SECONDS: what it prints, until it says that this was all. Without empty lines: there is one before the end, in case that what is
# printed ends without one.
answer() {
  local line
  while IFS= read -r -t "$2" -u "${VM_OUT[$1]}" line; do
    [[ $line != '=== '* ]] || return "${line#=== }"
    [ -z "$line" ] || printf '%s\n' "$line"
  done
  echo "no answer of $1 for $2 s" >&2
  return 124
}

# The TPM of a machine that is off: its state kept, and put back.
keep_tpm() { rm -rf "$(machine "$1")/tpm-kept" && cp -a "$(tpm_state "$1")" "$(machine "$1")/tpm-kept"; }
put_tpm_back() { rm -rf "$(tpm_state "$1")" && cp -a "$(machine "$1")/tpm-kept" "$(tpm_state "$1")"; }

# on NAME COMMAND: by the shell in that machine; what it prints, and its status.
on() {
  printf '%s\n' "$2" >&"${VM_IN[$1]}"
  answer "$1" 60
}

# The disk of a machine is as new at each boot; what its agent keeps is carried over by hand, past all files that are measured.
give_agent() {
  local kept
  kept=$(machine "$1")/agent.tgz
  on "$1" "mkdir -m 700 /run/agent; echo $(base64 -w0 "$PKI/verifier-ca.crt") | base64 -d >/run/agent/ca.crt; echo $(token_of "$1") >/run/agent/token"
  [ ! -e "$kept" ] || on "$1" "echo $(base64 -w0 "$kept") | base64 -d | tar xzf - -C /run/agent"
}

# power_off NAME: in good order.
power_off() {
  local in=${VM_IN[$1]} out=${VM_OUT[$1]}
  on "$1" 'cd /run/agent && [ ! -d state ] || tar czf - state | base64 -w0' 2>/dev/null | base64 -d >"$(machine "$1")/agent.part"
  [ ! -s "$(machine "$1")/agent.part" ] || mv "$(machine "$1")/agent.part" "$(machine "$1")/agent.tgz"
  printf 'poweroff -f\n' >&"${VM_IN[$1]}"
  wait_for 30 "the end of $1" ended "qemu-$1"
  wait_for 10 "the end of the TPM of $1" ended "swtpm-$1"
  exec {in}>&- {out}>&-
  unset "PIDS[qemu-$1]" "PIDS[swtpm-$1]" "VM_IN[$1]" "VM_OUT[$1]"
}
ended() { ! kill -0 "${PIDS[$1]}"; }

# fetch NAME FILE: a file of the machine.
fetch() { on "$1" "base64 -w0 <$2" | base64 -d; }

# attests NAME: its agent, once; true if the verdict is good.
attests() { on "$1" "gatehouse-agent --config /etc/gatehouse-agent.yaml --node $1 --once 2>&1" >>"$LOGS/agent-$1.log"; }
