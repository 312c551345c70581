# shellcheck shell=bash
# What two machines measured at their first boot becomes what is trusted from then on; the files are those that were put into their root file system.

SECURITY=/sys/kernel/security

# learn NAME: reference values and a policy for that machine.
learn() {
  local log=$STATE/$1.log
  fetch "$1" $SECURITY/tpm0/binary_bios_measurements >"$log" || return 1
  proposed "$1" "$log" "$(on "$1" 'cat /proc/cmdline')" swtpm files >"$LOGS/$1.yaml" || return 1
  { trust_root && echo --- && file_values files <"$STATE/root.sha256"; } | write_policies common || return 1
  write_policies "$1" <"$LOGS/$1.yaml"
}

# trusted NAME: its agent says so, and so does the verifier when a pod is to run there.
trusted() {
  attests "$1"
  WORDS="$(bind_pod "$1")" || return 1
  WORDS+=": $(on "$1" "cat $SECURITY/tpm0/binary_bios_measurements | wc -c") bytes of boot log, $(
    on "$1" "cat $SECURITY/ima/runtime_measurements_count") files measured"
}

# untrusted NAME PATTERN...: a pod is refused there, for that reason. The words are those of the audit log: what the API server is told is cut.
untrusted() {
  local name=$1
  shift
  ! attests "$name" || return 1
  ! bind_pod "$name" >/dev/null || return 1
  says "$(grep '"level":"audit"' "$LOGS/verifier.log" | tail -n 1 | jq -r '.findings[] | "\(.reason): \(.detail)"')" "^node-untrusted: " "$@"
}

good_boot() { booted "$1" && learn "$1" && trusted "$1"; }

power_on direct
power_on_secure secure
expect 'a machine boots as it should' 'trusted' good_boot direct
expect 'Secure Boot with a signed kernel image' 'trusted' good_boot secure
