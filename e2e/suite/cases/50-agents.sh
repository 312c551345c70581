# shellcheck shell=bash
# An agent speaks for the node that its pod runs on, and for no other.

# token_of N [AUDIENCE]: what the API server gives for the agent's pod on that node.
token_of() {
  local pod uid
  pod=$(agent_on "$1")
  uid=$(KG get pod "$pod" -o 'jsonpath={.metadata.uid}')
  post "/api/v1/namespaces/$GATEHOUSE_NAMESPACE/serviceaccounts/$RELEASE-agent/token" "$(jq -nc \
    --arg pod "$pod" --arg uid "$uid" --arg audience "${2:-gatehouse}" '
    {apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest",
     spec: {audiences: [$audience], boundObjectRef: {apiVersion: "v1", kind: "Pod", name: $pod, uid: $uid}}}')" |
    jq -r .status.token
}

# challenge N OPTION...: asks for the challenge of that node, from within the cluster.
challenge() {
  local n=$1
  shift
  K -n $GATEHOUSE_NAMESPACE get configmap $RELEASE-public -o 'jsonpath={.data.ca\.crt}' >"$STATE/gatehouse-ca.crt"
  in_node 2 curl -sS --max-time 10 --cacert /dev/stdin --resolve "$ATTESTATION_NAME:8444:$ATTESTATION_IP" \
    -H 'Content-Type: application/json' "$@" \
    -d "{\"node\": \"$(node "$n")\", \"akName\": \"000b$(printf '%064d' 0)\", \"banks\": [\"sha256\"]}" \
    "https://$ATTESTATION_NAME:8444/v1/challenge" <"$STATE/gatehouse-ca.crt" 2>&1
}

# speaks N TOKEN PATTERN
speaks() {
  OUT=$(challenge "$1" -H "Authorization: Bearer $2")
  says "$OUT" "$3"
}

# The same call with a fitting token comes further: that AK is nobody's.
own_node_is_heard() { speaks 3 "$(token_of 3)" 'ak-unbound|node-unknown|not.*enrol'; }
other_node() { own_node_is_heard && speaks 1 "$(token_of 3)" identity-mismatch; }
other_audience() { speaks 3 "$(token_of 3 elsewhere)" 'identity-unauthenticated|identity-mismatch'; }
no_token() { OUT=$(challenge 3) && says "$OUT" identity-unauthenticated; }

other_account() {
  local token
  token=$(post "/api/v1/namespaces/demo/serviceaccounts/default/token" \
    '{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["gatehouse"]}}' | jq -r .status.token)
  speaks 3 "$token" 'identity-(mismatch|unauthenticated)'
}

agent_pod_deleted() {
  local old
  old=$(agent_on 1)
  KG delete pod "$old" --grace-period=0 --force >/dev/null 2>&1
  eventually 30 new_agent_ready "$old" || return 1
  WORDS="pod/$old deleted, pod/$(agent_on 1) came; "
  # It finds its key in the node's folder, and the TPM is the one that is known.
  local since
  since=$(attestation_field 1 '{.status.attested}')
  eventually 30 attested_after 1 "$since" || return 1
  WORDS+="attested again, verdict $(attestation_field 1 '{.status.verdict}') since $(attestation_field 1 '{.status.since}')"
  node_can_take 1 >/dev/null 2>&1 && verdict_is 1 Trusted
}
new_agent_ready() {
  local new
  new=$(agent_on 1) && [ -n "$new" ] && [ "$new" != "$1" ] && KG wait --for=condition=Ready "pod/$new" --timeout=0
}
attested_after() { [[ "$(attestation_field "$1" '{.status.attested}')" > "$2" ]]; }

# G19: node2 has an agent of its own now, a token of its own, and the logs and the
# TPM of node3, whose boot is a good one.
borrowed_tpm() {
  local part
  mkdir -p "$(node_dir 2)/tpm"
  for part in '' .ctrl; do ln "$(tpm_socket 3)$part" "$(tpm_socket 2)$part" || return 1; done
  cp -r "$(measurements 3)"/. "$(measurements 2)"
  K label node "$(node 2)" gatehouse-e2e/agent=yes >/dev/null
  eventually 40 agent_says 2 tpm-in-use
  WORDS="its agent: $(KG logs "$(agent_on 2)" | grep tpm-in-use | tail -1)"
  agent_says 2 tpm-in-use && ! verdict_is 2 Trusted || return 1
  local first=$WORDS
  refused node-unknown "$(node 2)" -- create demo "$(pod refused "$(pinned signed)" "$(bound_to 2)")" --dry-run=server || return 1
  WORDS="$first / $WORDS"
}
agent_says() { KG logs "$(agent_on "$1")" | grep -q "$2"; }

expect "the token of node3's agent, for node1" 'refused' other_node
expect 'that token for another audience' 'refused' other_audience
expect 'the token of another ServiceAccount' 'refused' other_account
expect 'no token' 'refused' no_token
expect "node1's agent pod deleted" 'comes back, still trusted' agent_pod_deleted
expect 'node2 with an agent that uses the TPM of node3' 'not trusted' borrowed_tpm
K label node "$(node 2)" gatehouse-e2e/agent- >/dev/null
rm -f "$(tpm_socket 2)"*
