# shellcheck shell=bash
# node1 boots something else: one PCR more is extended, and the next attestation
# of the node fails. The PCR of the boot loader and kernel.

TAMPERED_PCR=4

refused_on_node1() {
  refused 'node-untrusted|pcr-mismatch' "pcr[^0-9]{0,12}$TAMPERED_PCR([^0-9]|$)" -- \
    create demo "$(pod refused "$(pinned signed)" '{"nodeName": "node1"}')" --dry-run=server
}

tampered_node() {
  local since
  node_is_attested 1 >/dev/null 2>&1 || {
    WORDS='node1 is not attested to begin with'
    return 1
  }
  # The TPM serves one connection; the agent has it during an attestation.
  eventually 20 extend_pcr 1 $TAMPERED_PCR || {
    WORDS='the TPM did not take the extend'
    return 1
  }
  since=$EPOCHREALTIME
  until_refused 40 || return 1
  WORDS+=" [after $(seconds_since "$since") s]"
}

# Not `eventually`: the words of the last try are to be kept.
until_refused() {
  local until=$((SECONDS + $1))
  until refused_on_node1; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.5
  done
}

scheduled_to_tampered_node() {
  admitted create demo "$(pod late "$(pinned signed)" "$(on_node 1)")" || return 1
  stays_pending late 'node-untrusted|pcr-mismatch' node1
}

running_pod_is_left_alone() {
  says "$(pod_place demo signed)" '^Running/node1$'
}

expect "node1's PCR $TAMPERED_PCR extended: pod with spec.nodeName node1" 'refused, names the PCR' tampered_node
expect 'pod scheduled to the tampered node' 'Pending, with the reason' scheduled_to_tampered_node
expect 'pod that ran there before' 'left alone' running_pod_is_left_alone
