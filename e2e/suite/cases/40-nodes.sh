# shellcheck shell=bash disable=SC2034 # other files read what is set here
# Where it runs: node1 has proven its boot, node2 has no agent and never did.

scheduled_to_attested_node() {
  says "$(pod_field demo signed 'PodScheduled={.status.conditions[?(@.type=="PodScheduled")].status} on {.spec.nodeName}')" \
    "PodScheduled=True on $(node 1)"
}

scheduled_to_unproven_node() {
  admitted create demo "$(pod unproven "$APP:signed" "$(on_node 2)")" || return 1
  stays_pending unproven 'denied the request' node-unknown "$(node 2)"
}

# G7: tolerations are for taints; the binding is asked about all the same.
tolerates_everything() {
  admitted create demo "$(pod tolerant "$APP:signed" "$(on_node 2 | jq -c '. + {tolerations: [{operator: "Exists"}]}')")" || return 1
  stays_pending tolerant 'denied the request' node-unknown "$(node 2)"
}

# A pod that no scheduler looks at, for bindings by hand.
unscheduled_pod() {
  pod_is demo by-hand Pending/ || OUT=$(create demo "$(pod by-hand "$APP:signed" '{"schedulerName": "none"}')" 2>&1)
}

# binding_to N [METADATA]
binding_to() {
  jq -nc --arg node "$(node "$1")" --argjson more "${2:-{\}}" '
    {apiVersion: "v1", kind: "Binding", metadata: ({name: "by-hand", namespace: "demo"} + $more),
     target: {apiVersion: "v1", kind: "Node", name: $node}}'
}

# binding_refused PATH [METADATA]
binding_refused() {
  unscheduled_pod 2>/dev/null || return 1
  refused node-unknown "$(node 2)" -- post "$1" "$(binding_to 2 "${2:-{\}}")"
}

# G3: a Binding may carry any annotation; nothing of ours is read from there.
FORGED='{"annotations": {"gatehouse.dev/verdict": "Trusted", "'$TRUSTED'": "true"}}'

# G13: the pod that was meant is gone, and another has its name. Where it may run
# does not depend on which pod it is; what it may run was asked when it was created.
ANOTHER='{"uid": "00000000-0000-0000-0000-000000000000"}'

legacy_binding_admitted() {
  admitted post /api/v1/namespaces/demo/bindings "$(binding_to 1)" || return 1
  WORDS='binding created'
  runs_on 1 demo by-hand
}

node_name_refused() {
  refused node-unknown "$(node 2)" -- create demo "$(pod refused "$APP:signed" "$(bound_to 2)")"
}

# G5: what its own kubelet may write on a Node proves nothing, and ours it may not write.
kubelet_labels_itself() {
  rejected 'not allowed to modify labels|forbidden' -- \
    as_kubelet 2 label node "$(node 2)" --overwrite "$TRUSTED=true" || return 1
  local first=$WORDS
  as_kubelet 2 label node "$(node 2)" --overwrite trusted=true >/dev/null 2>&1
  node_name_refused && WORDS="$first / $WORDS"
}

# G8: a DaemonSet's pods tolerate many taints without being asked; ours is not among them.
daemonset_does_not_tolerate() {
  local set
  untrusted_taint '{"taint": "NoSchedule"}' >/dev/null 2>&1 && eventually 20 tainted 2 NoSchedule || {
    WORDS="$(node 2) has no taint"
    return 1
  }
  set=$(deployment everywhere "$(pinned signed)" | jq -c '.kind = "DaemonSet" | del(.spec.replicas)')
  admitted create demo "$set" || return 1
  WORDS="taint of $(node 2): $(node_taints 2)"
  eventually 30 daemonset_ready_on 2
  WORDS+="; ready $(KD get daemonset everywhere -o 'jsonpath={.status.numberReady} of {.status.desiredNumberScheduled} desired')"
  daemonset_ready_on 2 && ! KD get pods -l app=everywhere -o 'jsonpath={.items[*].spec.nodeName}' | grep -q "$(node 2)"
}
daemonset_ready_on() { [ "$(KD get daemonset everywhere -o 'jsonpath={.status.numberReady}')" = "$1" ]; }

why_pod() { shows node-unknown "$(node 2)" -- kubectl_gatehouse why pod/unproven -n demo --insecure-registry "$REGISTRY"; }

expect 'pod scheduled to the attested node' 'bound' scheduled_to_attested_node
expect 'pod scheduled to a node that never attested' 'Pending, with the reason' scheduled_to_unproven_node
expect 'kubectl gatehouse why pod/unproven' 'says the reason' why_pod
expect 'pod that tolerates every taint, for that node' 'Pending, with the reason' tolerates_everything
expect 'pods/binding to that node by a user' 'refused' binding_refused /api/v1/namespaces/demo/pods/by-hand/binding
expect 'Binding with annotations that claim a verdict' 'refused' \
  binding_refused /api/v1/namespaces/demo/pods/by-hand/binding "$FORGED"
expect 'pods/binding, server-side dry run' 'refused' binding_refused '/api/v1/namespaces/demo/pods/by-hand/binding?dryRun=All'
expect 'the legacy bindings door to that node' 'refused' binding_refused /api/v1/namespaces/demo/bindings
expect 'Binding with the uid of another pod of that name' 'refused' \
  binding_refused /api/v1/namespaces/demo/pods/by-hand/binding "$ANOTHER"
expect 'the legacy bindings door to the attested node' 'admitted, runs on node1' legacy_binding_admitted
expect 'spec.nodeName set to that node' 'refused' node_name_refused
! can kubelet-credentials || expect "node2's kubelet labels its own Node" 'refused; other labels are void' kubelet_labels_itself
expect 'DaemonSet, and a node with our taint' 'runs on the other two' daemonset_does_not_tolerate
untrusted_taint null >/dev/null 2>&1 || true
KD delete daemonset everywhere --wait=false >/dev/null 2>&1 || true
