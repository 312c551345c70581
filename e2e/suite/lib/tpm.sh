# shellcheck shell=bash
# A software TPM 2.0 per node, manufactured with endorsement certificates by a CA
# of this run, and booted by replaying the measurements of a boot that was recorded in a
# virtual machine.
#
# The node finds the socket in /run/gatehouse-tpm, its own folder of the provider; the TPM's own state is not there.

TPM_NODES=(1 3) # node2 has none

tpm_state() { echo "$STATE/tpm$1"; }

write_tpm_factory_config() {
  local ca=$STATE/tpm-ca
  mkdir -p "$ca"
  cat >"$ca/setup.conf" <<T
create_certs_tool = $(command -v swtpm_localca)
create_certs_tool_config = $ca/localca.conf
create_certs_tool_options = $ca/localca.options
active_pcr_banks = sha256
T
  cat >"$ca/localca.conf" <<T
statedir = $ca
signingkey = $ca/signkey.pem
issuercert = $ca/issuercert.pem
certserial = $ca/certserial
T
  printf -- '--platform-manufacturer %s\n--platform-version %s\n--platform-model %s\n' \
    Gatehouse 1 end-to-end >"$ca/localca.options"
}

# manufacture_tpm N: a new one, with keys that no TPM had before.
manufacture_tpm() {
  local dir
  dir=$(tpm_state "$1")
  rm -rf "$dir"
  mkdir -p "$dir"
  swtpm_setup --tpm2 --runas root --tpm-state "$dir" --config "$STATE/tpm-ca/setup.conf" --vmid "node$1" \
    --create-ek-cert --create-platform-cert --lock-nvram --pcr-banks sha256
}

# One after the other: the first call makes the CA.
manufacture_tpms() {
  local n
  write_tpm_factory_config
  for n in "${TPM_NODES[@]}"; do manufacture_tpm "$n"; done
  join_tpm_authorities
}

join_tpm_authorities() {
  cat "$STATE/tpm-ca/swtpm-localca-rootca-cert.pem" "$STATE/tpm-ca/issuercert.pem" >"$STATE/tpm-ca/roots.pem"
}

power_on_tpm() {
  local socket
  socket=$(tpm_socket "$1")
  mkdir -p "${socket%/*}"
  rm -f "$socket" "$socket.ctrl"
  start "tpm$1" swtpm socket --tpm2 --tpmstate "dir=$(tpm_state "$1")" --server "type=unixio,path=$socket" \
    --ctrl "type=unixio,path=$socket.ctrl" --flags not-need-init,startup-clear
  wait_for 5 "the TPM of node$1" test -S "$socket.ctrl" -a -S "$socket"
}

# tpm N TOOL ARGS...: a TPM without a resource manager serves one connection at a
# time, so while the agent attests this waits for its turn, and may wait in vain.
tpm() {
  local n=$1
  shift
  TPM2TOOLS_TCTI=swtpm:path=$(tpm_socket "$n") timeout 5 "$@"
}

# measured N VERB ARGS...: the firmware's and the kernel's part (tpm/measurements.py): leave the logs where the node finds them, extend the PCRs.
measured() {
  local extends n=$1 verb=$2
  shift 2
  mapfile -t extends < <("$SUITE/tpm/measurements.py" "$verb" "$(measurements "$n")" "$@")
  [ ${#extends[@]} = 0 ] || eventually 20 tpm "$n" tpm2_pcrextend "${extends[@]}"
}

boot_tpm() { power_on_tpm "$1" && measured "$1" boot; }

# reboot_tpm N: what an orderly restart of the machine does to its TPM. Without the
# shutdown its clock would not be safe for some seconds, and no quote believed.
reboot_tpm() {
  eventually 20 tpm "$1" tpm2_shutdown --clear
  stop "tpm$1"
  boot_tpm "$1"
}

# extend_pcr N PCR: what a changed boot component would leave behind.
extend_pcr() {
  eventually 20 tpm "$1" tpm2_pcrextend "$2:sha256=$(printf tampered | sha256sum | cut -d' ' -f1)"
}

# pcr_values N PCR...: lines `PCR HEX`.
pcr_values() {
  local n=$1
  shift
  tpm "$n" tpm2_pcrread "sha256:$(IFS=,; echo "$*")" |
    sed -nE 's/^ *([0-9]+) *: *0x([0-9A-Fa-f]{64})$/\1 \2/p' | tr 'A-F' 'a-f'
}

# lying_tpm N LIE: from now on somebody (tpm/liar.py) is between the node and its TPM.
lying_tpm() {
  local socket
  socket=$(tpm_socket "$1")
  mv "$socket" "$socket.real"
  start "liar$1" "$SUITE/tpm/liar.py" "$socket" "$socket.real" "$2"
  wait_for 5 "the one in the middle" test -S "$socket"
}

honest_tpm() {
  local socket
  socket=$(tpm_socket "$1")
  stop "liar$1"
  rm -f "$socket"
  mv "$socket.real" "$socket"
}
