# shellcheck shell=bash
# A software TPM 2.0 per node, manufactured with endorsement certificates by a CA
# of this run, and booted by replaying the measurements of a made-up boot.

tpm_dir() { echo "$STATE/tpm$1"; }
tpm_socket() { echo "$(tpm_dir "$1")/socket"; }

write_tpm_factory_config() {
  local ca=$STATE/tpm-ca
  mkdir -p "$ca"
  cat >"$ca/setup.conf" <<T
create_certs_tool = /usr/bin/swtpm_localca
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

# One after the other: the first call makes the CA.
manufacture_tpms() {
  local n dir
  write_tpm_factory_config
  for n in "${NODES[@]}"; do
    dir=$(tpm_dir "$n")
    mkdir -p "$dir/state"
    swtpm_setup --tpm2 --runas root --tpm-state "$dir/state" --config "$STATE/tpm-ca/setup.conf" --vmid "node$n" \
      --create-ek-cert --create-platform-cert --lock-nvram --pcr-banks sha256
  done
  cat "$STATE/tpm-ca/swtpm-localca-rootca-cert.pem" "$STATE/tpm-ca/issuercert.pem" >"$STATE/tpm-ca/roots.pem"
}

power_on_tpm() {
  local dir
  dir=$(tpm_dir "$1")
  start "tpm$1" swtpm socket --tpm2 --tpmstate "dir=$dir/state" --server "type=unixio,path=$dir/socket" \
    --ctrl "type=unixio,path=$dir/socket.ctrl" --flags not-need-init,startup-clear
  wait_for 5 "the TPM of node$1" test -S "$dir/socket"
}

# tpm N TOOL ARGS...: a TPM without a resource manager serves one connection at a
# time, so while the agent attests this waits for its turn, and may wait in vain.
tpm() {
  local n=$1
  shift
  TPM2TOOLS_TCTI=swtpm:path=$(tpm_socket "$n") timeout 5 "$@"
}

# The firmware's and the kernel's part: extend the PCRs, leave the logs where the
# node finds them.
measure_boot() {
  local extends
  mapfile -t extends < <("$HERE/measured_boot.py" "$(node_dir "$1")/securityfs")
  tpm "$1" tpm2_pcrextend "${extends[@]}"
}

boot_tpms() {
  local n
  for n in "${NODES[@]}"; do
    power_on_tpm "$n"
    measure_boot "$n"
  done
}

# extend_pcr N PCR: what a changed boot component would leave behind.
extend_pcr() {
  tpm "$1" tpm2_pcrextend "$2:sha256=$(printf tampered | sha256sum | cut -d' ' -f1)"
}

# pcr_values N PCR...: lines `PCR HEX`.
pcr_values() {
  local n=$1
  shift
  tpm "$n" tpm2_pcrread "sha256:$(IFS=,; echo "$*")" |
    sed -nE 's/^ *([0-9]+) *: *0x([0-9A-Fa-f]{64})$/\1 \2/p' | tr 'A-F' 'a-f'
}
