# shellcheck shell=bash
# node1 boots something else: one PCR more is extended, and the next attestation
# of the node fails. The PCR of the boot loader and kernel. Then it boots well again.

TAMPERED_PCR=4

refused_on_node1() {
  refused 'node-untrusted|pcr-mismatch' "pcr[^0-9]{0,12}$TAMPERED_PCR([^0-9]|$)" -- \
    create demo "$(pod refused "$(pinned signed)" "$(bound_to 1)")" --dry-run=server
}

tampered_node() {
  node_can_take 1 >/dev/null 2>&1 || {
    WORDS='node1 is not attested to begin with'
    return 1
  }
  extend_pcr 1 $TAMPERED_PCR || {
    WORDS='the TPM did not take the extend'
    return 1
  }
  soon 40 refused_on_node1
}

scheduled_to_tampered_node() {
  admitted create demo "$(pod late "$(pinned signed)" "$(on_node 1)")" || return 1
  stays_pending late 'denied the request' 'node-untrusted|pcr-mismatch' "$(node 1)"
}

running_pod_is_left_alone() { says "$(pod_place demo signed)" "^Running/$(node 1)$"; }

label_follows() {
  local since=$EPOCHREALTIME
  eventually 15 label_is 1 false
  WORDS="$TRUSTED=$(node_label 1) after $(seconds_since "$since") s; GatehouseTrusted=$(K get node "$(node 1)" \
    -o 'jsonpath={range .status.conditions[?(@.type=="GatehouseTrusted")]}{.status} ({.reason}: {.message}){end}')"
  says "$WORDS" '=false' 'GatehouseTrusted=False' "pcr.*$TAMPERED_PCR"
}
label_is() { [ "$(node_label "$1")" = "$2" ]; }

taint_follows() {
  untrusted_taint '{"taint": "NoSchedule"}' >/dev/null || return 1
  eventually 20 tainted 1 NoSchedule
  says "$(node 1): $(node_taints 1)" untrusted:NoSchedule || return 1
  ! tainted 3 NoSchedule
}

events_tell() {
  says "$(K -n default get events --field-selector "involvedObject.kind=Node,involvedObject.name=$(node 1)" \
    -o 'jsonpath={range .items[*]}{.reason}: {.message}; {end}' | tr -d '\n')" AttestationUntrusted
}

# The pod that has been waiting needs no retry of the scheduler's own clock: the
# label, the taint and the condition of the node wake it.
boots_well_again() {
  local since
  pod_is demo late Pending/ || return 1
  reboot_tpm 1
  eventually 60 verdict_is 1 Trusted || {
    WORDS="verdict $(attestation_field 1 '{.status.verdict}: {.status.message}')"
    return 1
  }
  since=$EPOCHREALTIME
  eventually 20 pod_bound late
  WORDS="node1 Trusted; the waiting pod is bound to '$(pod_field demo late '{.spec.nodeName}')' after $(seconds_since "$since") s"
  pod_bound late && runs_on 1 demo late || return 1
  eventually 10 label_is 1 true && [ -z "$(node_taints 1)" ]
}
pod_bound() { [ -n "$(pod_field demo "$1" '{.spec.nodeName}')" ]; }

expect "node1's PCR $TAMPERED_PCR extended: pod with spec.nodeName node1" 'refused, names the PCR' tampered_node
expect 'pod scheduled to the tampered node' 'Pending, with the reason' scheduled_to_tampered_node
expect 'pod that ran there before' 'left alone' running_pod_is_left_alone
expect 'label and condition of the node' 'follow the verdict' label_follows
expect 'events of the node' 'tell' events_tell
expect 'NodePolicy with untrusted.taint NoSchedule' 'node1 is tainted' taint_follows
expect 'kubectl get nodeattestations' 'says why' shows "$(node 1).*Untrusted" -- K get nodeattestations
expect 'kubectl gatehouse why node/node1' 'names the PCR' \
  shows "pcr.*$TAMPERED_PCR" -- kubectl_gatehouse why "node/$(node 1)"
expect 'node1 boots well again' 'the waiting pod runs at once' boots_well_again
