# shellcheck shell=bash disable=SC2034 # other files read what is set here
# Where it runs: node1 has proven its boot, node2 has no agent and never did.

scheduled_to_attested_node() {
  says "$(pod_field demo signed 'PodScheduled={.status.conditions[?(@.type=="PodScheduled")].status} on {.spec.nodeName}')" \
    'PodScheduled=True on node1'
}

scheduled_to_unproven_node() {
  admitted create demo "$(pod unproven "$APP:signed" "$(on_node 2)")" || return 1
  stays_pending unproven node-unknown node2
}

# A pod that no scheduler looks at, for bindings by hand.
unscheduled_pod() {
  pod_is demo by-hand Pending/ || OUT=$(create demo "$(pod by-hand "$APP:signed" '{"schedulerName": "none"}')" 2>&1)
}

binding_to() {
  jq -nc --arg node "$1" '{apiVersion: "v1", kind: "Binding", metadata: {name: "by-hand", namespace: "demo"},
    target: {apiVersion: "v1", kind: "Node", name: $node}}'
}

binding_refused() {
  unscheduled_pod 2>/dev/null || return 1
  refused node-unknown node2 -- post "$1" "$(binding_to node2)"
}

legacy_binding_admitted() {
  admitted post /api/v1/namespaces/demo/bindings "$(binding_to node1)" || return 1
  WORDS='binding created'
  runs_on 1 demo by-hand
}

node_name_refused() {
  refused node-unknown node2 -- create demo "$(pod refused "$APP:signed" '{"nodeName": "node2"}')"
}

# With the certificate of node2's kubelet, which whoever has taken over node2 holds.
# The words are Gatehouse's: the API server has no part in it.
speaks_for_another_node() {
  OUT=$(curl -sS --max-time 5 --cacert "$PKI/gatehouse-ca.crt" --cert "$PKI/node2.crt" --key "$PKI/node2.key" \
    -H 'Content-Type: application/json' -d "{\"node\": \"node1\", \"akName\": \"000b$(printf '%064d' 0)\", \"banks\": [\"sha256\"]}" \
    "$ATTESTATION/v1/challenge" 2>&1) || return 1
  says "$OUT" identity-mismatch
}

expect 'pod scheduled to the attested node' 'bound' scheduled_to_attested_node
expect 'pod scheduled to a node that never attested' 'Pending, with the reason' scheduled_to_unproven_node
expect 'pods/binding to that node by a user' 'refused' binding_refused /api/v1/namespaces/demo/pods/by-hand/binding
expect 'the legacy bindings door to that node' 'refused' binding_refused /api/v1/namespaces/demo/bindings
expect 'the legacy bindings door to the attested node' 'admitted, runs on node1' legacy_binding_admitted
expect 'spec.nodeName set to that node' 'refused' node_name_refused
expect "node2 attests in the name of node1" 'refused' speaks_for_another_node
