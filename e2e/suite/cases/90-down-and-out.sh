# shellcheck shell=bash
# Without Gatehouse: the cluster starts with it in the way, it is scaled to nothing,
# it is uninstalled.

# A power cut; then all pods of Gatehouse and of the namespace demo are gone too.
# failurePolicy is Fail: nothing must wait for a webhook that waits for it.
cold_start() {
  local since=$EPOCHREALTIME
  cluster_cold_starts >>"$LOGS/cases.log" || return 1
  KG delete pods --all --grace-period=0 --force >/dev/null 2>&1
  KD delete pods --all --grace-period=0 --force >/dev/null 2>&1
  eventually 120 two_webhooks_ready || {
    WORDS="$(KG get pods -o wide --no-headers)"
    return 1
  }
  WORDS="Gatehouse ready after $(seconds_since "$since") s"
  eventually 90 node_can_take 1 || return 1
  WORDS+="; node1 trusted after $(seconds_since "$since") s"
  # Not the Deployment: a controller whose pods were refused meanwhile comes again in its own time.
  OUT=$(create demo "$(pod again "$(pinned signed)" "$(on_node 1)")" 2>&1) && runs_on 1 demo again || return 1
}

# G20: what was trusted before must prove itself again; what it was is in a signed token.
right_after_cold_start() { decides_right 30; }

webhook_down() {
  KG scale deployment $RELEASE-webhook --replicas=0 >/dev/null
  # Those who end still serve for a while.
  soon 40 rejected 'failed calling webhook' 'gatehouse\.dev' -- \
    create demo "$(pod refused "$(pinned signed)")" --dry-run=server
}


# What is written on Nodes goes with the policies.
uninstalled() {
  local since=$EPOCHREALTIME said
  OUT=$(K delete nodepolicies --all 2>&1) && eventually 90 nothing_on_nodes || {
    WORDS="$OUT; left: $(left_on_nodes | paste -sd' ')"
    return 1
  }
  said="labels gone $(seconds_since "$since") s after the NodePolicies"
  OUT=$(HELM uninstall $RELEASE -n $GATEHOUSE_NAMESPACE --wait --timeout 90s 2>&1) || return 1
  # The garbage collector takes the Leases of replicas, after the kubelet let go of their pods.
  eventually 90 nothing_left || {
    WORDS="left: $(left_overs | paste -sd' ')"
    return 1
  }
  local kept
  kept=$(K get crd -o name | grep gatehouse.dev | sed 's/.*\///' | paste -sd' ')
  WORDS="$said; release uninstalled; kept, as the value crds.keep says: $kept, and the key of the bindings in them"
  [ -n "$kept" ]
}
nothing_left() { [ -z "$(left_overs)" ]; }
left_overs() {
  K get validatingwebhookconfigurations,mutatingwebhookconfigurations,clusterroles,clusterrolebindings,priorityclasses -o name |
    grep gatehouse
  # A kubelet of 1.20 takes its time to let go of a pod that has ended.
  KG get pods -o json | jq -r '.items[] | select(.metadata.deletionTimestamp == null and .metadata.name != "exempt") | "pod/" + .metadata.name'
  KG get daemonsets,deployments,replicasets,services,configmaps,secrets,serviceaccounts,roles,rolebindings,leases,poddisruptionbudgets -o name |
    grep -vE "/(default|default-token-.*|kube-root-ca.crt|exempt|swarm-tokens|$RELEASE-attestation)$"
  left_on_nodes
}
nothing_on_nodes() { [ -z "$(left_on_nodes)" ]; }
left_on_nodes() {
  local n
  for n in 1 2 3; do
    [ "$(node_label $n)" = none ] || echo "label of $(node $n)"
    [ -z "$(node_taints $n)" ] || echo "taint of $(node $n)"
  done
}

nobody_asks() { admitted create demo "$(pod any "$APP:unsigned")" --dry-run=server; }

if can cold-start; then
  expect 'power cut: all nodes and the control plane, all pods deleted' 'comes up by itself' cold_start
  expect 'decisions after the cold start' 'right' right_after_cold_start
fi
expect 'Gatehouse scaled to nothing: signed image' 'refused (fails closed)' webhook_down
expect 'Gatehouse scaled to nothing: a pod is deleted' 'admitted' admitted delete_pod demo again
KG scale deployment $RELEASE-webhook --replicas=2 >/dev/null
eventually 40 two_webhooks_ready
expect 'helm uninstall' 'nothing is left but the CRDs' uninstalled
expect 'an unsigned image, after the uninstall' 'admitted' nobody_asks
