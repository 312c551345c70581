# shellcheck shell=bash disable=SC2034 # other files read what is set here
# One chart, installed by helm. The first install is a safe one: without a policy
# nothing is refused, and warnings say what is not covered.

installs() {
  local since=$EPOCHREALTIME
  write_values
  OUT=$(helm_does install 2>&1) || return 1
  WORDS="$(grep -E '^STATUS' <<<"$OUT") after $(seconds_since "$since") s"
  two_webhooks_ready || return 1
  WORDS+="; $(KG get deployment,daemonset --no-headers | awk '{ print $1, $2 }' | paste -sd';')"
}

pulled_by_kubelet() {
  says "$(KG get pods -l app.kubernetes.io/name=gatehouse \
    -o 'jsonpath={range .items[*]}{.spec.nodeName} {.status.containerStatuses[0].imageID}{"\n"}{end}' | sort -u)" \
    "^$(node 1) .*gatehouse@$(digest_of gatehouse-e2e)" "^$(node 3) .*gatehouse@$(digest_of gatehouse-e2e)"
}

webhook_is_asked() { warned no-policy-matches -- create demo "$(pod any "$APP:unsigned")" --dry-run=server; }

invalid() { rejected 'denied the request|is invalid|error validating|BadRequest|unknown field' "$1" -- K apply -f - <<<"$2"; }

invalid_policies() {
  invalid 'spec\.authorities\[0\]\.key\.data' "$(image_policy bad release | sed 's/^ *MF/&AA/')" || return 1
  local first=$WORDS
  invalid 'spec\.mode' "$(image_policy bad release strict)" || return 1
  first+=" / $WORDS"
  invalid 'spec\.tpm\.pcrs\.values.*4' "$(node_policy | sed -E 's/("4": \[")../\1/')" || return 1
  WORDS="$first / $WORDS"
}

policies_by_kubectl() {
  OUT=$({ image_policy signed release audit && echo --- && trust_root && echo --- && node_policy; } | K apply -f - 2>&1) &&
    WORDS=$OUT
}

in_force_twice() {
  eventually 40 in_force imagepolicy signed 2 && eventually 40 in_force nodepolicy measured-boot 2
  says "$(K get imagepolicy signed -o 'jsonpath={.status}')" '"inForce":2' '"observedGeneration"'
}

audited() { create demo "$(pod any "$APP:unsigned")" --dry-run=server; }
audit_mode() { soon 15 admitted audited && ! grep -q Warning <<<"$OUT"; }

warn_mode() {
  OUT=$(K patch imagepolicy signed --type=merge -p '{"spec": {"mode": "warn"}}' 2>&1) || return 1
  soon 15 warned image-unsigned -- create demo "$(pod any "$APP:unsigned")" --dry-run=server
}

enforce_mode() {
  OUT=$(K patch imagepolicy signed --type=merge -p '{"spec": {"mode": "enforce"}}' 2>&1) || return 1
  soon 15 refused image-unsigned -- create demo "$(pod any "$APP:unsigned")" --dry-run=server
}

both_attested() {
  local since=$EPOCHREALTIME
  eventually 60 verdict_is 1 Trusted && eventually 30 verdict_is 3 Trusted
  eventually 10 node_can_take 1 && eventually 10 node_can_take 3
  WORDS="after $(seconds_since "$since") s"
  [ "$(node_label 1)/$(node_label 2)/$(node_label 3)" = true/false/true ] || {
    WORDS+="; labels $(node_label 1)/$(node_label 2)/$(node_label 3)"
    return 1
  }
}

expect 'helm install' 'deployed, all pods ready' installs
[ "$AS_EXPECTED" = 1 ] || die "Gatehouse could not be installed"
FIRST_AUTHORITY=$(authority) || true
unpack_image
expect 'its image, as the kubelets pulled it' 'the one that was built' pulled_by_kubelet
expect 'no policy yet: an unsigned image' 'admitted, with a warning' soon 15 webhook_is_asked
expect 'invalid policies' 'refused, with the field path' invalid_policies
expect 'policies by kubectl apply' 'created' policies_by_kubectl
expect 'status of the policies' 'in force on 2 replicas' in_force_twice
expect 'mode audit: an unsigned image' 'admitted' audit_mode
expect 'mode warn: an unsigned image' 'admitted, with a warning' warn_mode
expect 'mode enforce: an unsigned image' 'refused' enforce_mode
expect 'node1 and node3 attest; node2 has no agent' 'labels true, false, true' both_attested
expect 'kubectl get imagepolicies,nodepolicies,nodeattestations'  'one screen' \
  shows signed measured-boot "$(node 1).*Trusted" "$(node 3).*Trusted" -- K get imagepolicies,nodepolicies,nodeattestations
expect 'kubectl gatehouse status' 'one screen' shows "$(node 1)" -- kubectl_gatehouse status
