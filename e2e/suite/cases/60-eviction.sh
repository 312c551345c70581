# shellcheck shell=bash
# By policy a node that stays untrusted loses its pods; but not all nodes at once,
# however bad the policy is.

pod_gone() { ! KD get pod "$1"; }

evicted() {
  local since
  # In one step: the node that has no agent would use up what may be evicted.
  K patch nodepolicy measured-boot --type=merge -p "$(jq -nc --arg a "$(node 1)" --arg b "$(node 3)" '{spec: {
    nodes: [{glob: $a}, {glob: $b}],
    untrusted: {taint: "NoExecute", grace: "3s", maxEvicted: {nodes: 1, within: "1h"}}}}')" >/dev/null || return 1
  eventually 30 untouched || {
    WORDS="taints before: '$(node_taints 1)' '$(node_taints 2)' '$(node_taints 3)'"
    return 1
  }
  admitted create demo "$(pod evicted "$(pinned signed)" "$(on_node 3)")" || return 1
  runs_on 3 demo evicted || return 1
  since=$EPOCHREALTIME
  extend_pcr 3 4 || return 1
  eventually 20 tainted 3 NoSchedule || return 1
  WORDS="tainted $(node_taints 3) after $(seconds_since "$since") s"
  eventually 30 pod_gone evicted || return 1
  WORDS+="; pod/evicted gone after $(seconds_since "$since") s: $(node_taints 3)"
  tainted 3 NoExecute
}
untouched() { [ -z "$(node_taints 1)$(node_taints 2)$(node_taints 3)" ] && node_can_take 1 && node_can_take 3; }

cap_holds() {
  extend_pcr 1 4 || return 1
  eventually 30 tainted 1 NoSchedule && eventually 20 cap_event
  WORDS="$(node 1): $(node_taints 1); pod/signed is $(pod_place demo signed); $(cap_event)"
  sleep 4 # past the grace
  pod_is demo signed "Running/$(node 1)" && ! tainted 1 NoExecute && cap_event >/dev/null
}
cap_event() {
  K -n default get events --field-selector reason=EvictionCapReached \
    -o 'jsonpath={range .items[*]}{.reason}: {.message}; {end}' | grep EvictionCapReached
}

agents_stay() {
  says "$(KG get pods -l "$AGENT_PODS" -o 'jsonpath={range .items[*]}{.spec.nodeName}={.status.phase} {end}')" \
    "$(node 1)=Running" "$(node 3)=Running"
}

untainted() {
  reboot_tpm 1
  reboot_tpm 3
  eventually 60 untouched
  WORDS="taints: '$(node_taints 1)' '$(node_taints 3)'"
  untouched >/dev/null 2>&1
}

expect 'untrusted.taint NoExecute: node3 tampered' 'its pods are evicted' evicted
expect 'node1 tampered as well: one node in an hour is the cap' 'NoSchedule only, with an event' cap_holds
expect 'agents on evicted nodes' 'stay' agents_stay
expect 'both boot well again' 'no taints' untainted
untrusted_taint null >/dev/null 2>&1 || true
K patch nodepolicy measured-boot --type=merge -p '{"spec": {"nodes": [{"glob": "*"}]}}' >/dev/null
eventually 20 node_can_take 1
