# shellcheck shell=bash disable=SC2034 # other files read what is set here
# What somebody may do who owns a namespace: narrow what runs there, not widen it,
# and not leave.

tenant() { K -n demo --as tenant "$@"; }

tenant_may_work() {
  K -n demo create rolebinding tenant --clusterrole=admin --user=tenant >/dev/null || return 1
  admitted tenant create --dry-run=server -f - <<<"$(pod any "$(pinned signed)")"
}

# A6, G10: the label of the namespace is out of a tenant's reach, those of objects mean nothing.
tenant_leaves() {
  rejected forbidden -- tenant label namespace demo "$EXEMPT=exempt" || return 1
  local first=$WORDS
  refused image-unsigned -- create demo "$(pod any "$APP:unsigned" | jq -c --arg key "$EXEMPT" '
    .metadata.labels[$key] = "exempt" | .metadata.annotations[$key] = "exempt"')" --dry-run=server || return 1
  WORDS="$first / $WORDS"
}

# Images must have the team's signature as well as the one that the cluster asks for.
narrows() {
  OUT=$(image_policy team team | namespaced demo | tenant apply -f - 2>&1) || return 1
  soon 15 refused 'team' -- create demo "$(pod any "$(pinned signed)")" --dry-run=server || return 1
  local first=$WORDS
  admitted create demo "$(pod any "$(pinned both)")" --dry-run=server || return 1
  WORDS="$first / signed by both: $WORDS"
}

# Whatever a tenant's policy lets through, the cluster's policy is asked as well.
widens() {
  local lax
  lax=$(image_policy lax stranger | namespaced demo)
  KD delete namespacedimagepolicy team >/dev/null 2>&1
  OUT=$(tenant apply -f - <<<"$lax" 2>&1) || return 1
  soon 15 refused lax -- create demo "$(pod any "$(pinned signed)")" --dry-run=server || return 1
  refused signature-invalid signed -- create demo "$(pod any "$(pinned stranger)")" --dry-run=server
}

elsewhere() {
  K create namespace other >/dev/null 2>&1
  admitted create other "$(pod any "$(pinned signed)")" --dry-run=server
}

# A8: a mutating webhook that comes after ours and puts another image in.
mutated_after_us() {
  start mutator "$SUITE/lib/mutator.py" "$REGISTRY_IP" 9443 "$PKI" "$(pinned unsigned)"
  eventually 10 answers -k "https://$REGISTRY_IP:9443/" || return 1
  K apply -f - >/dev/null <<Y
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: zz-after-gatehouse}
webhooks:
- name: mutator.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  namespaceSelector: {matchLabels: {mutated: "yes"}}
  clientConfig: {url: "https://$REGISTRY_IP:9443/", caBundle: $(base64 -w0 "$PKI/kubernetes-ca.crt")}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
Y
  K label namespace other mutated=yes >/dev/null
  soon 10 refused image-unsigned "$(digest_of unsigned | cut -c8-19)" -- \
    create other "$(pod any "$(pinned signed)")" --dry-run=server
}

expect 'a tenant, admin of the namespace demo: signed image' 'admitted' tenant_may_work
expect 'tenant labels the namespace, or a pod, as exempt' 'refused' tenant_leaves
expect "NamespacedImagePolicy asks for the team's signature too" 'refused without, else admitted' narrows
expect 'NamespacedImagePolicy that trusts a stranger' 'narrows all the same' widens
KD delete namespacedimagepolicy --all >/dev/null 2>&1 || true
expect 'another namespace' 'not concerned' elsewhere
if can own-webhook; then
  expect 'a mutating webhook after ours changes the image' 'refused' mutated_after_us
  K delete mutatingwebhookconfiguration zz-after-gatehouse >/dev/null
  stop mutator
fi
eventually 15 create demo "$(pod any "$(pinned signed)")" --dry-run=server
