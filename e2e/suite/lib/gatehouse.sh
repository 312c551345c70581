# shellcheck shell=bash disable=SC2034 # other files read what is set here
# Gatehouse as its users install it: by helm, from an image in the cluster's
# registry; its program as plugin of kubectl, from the same image.

RELEASE=gatehouse
GATEHOUSE_NAMESPACE=gatehouse-system
CHART=$REPO/deploy/helm/gatehouse
ATTESTATION_IP=10.96.0.44 # the cluster has no DNS: agents find the name in their hosts file
ATTESTATION_NAME=$RELEASE-attestation.$GATEHOUSE_NAMESPACE.svc
ADMISSION_NAME=$RELEASE-webhook.$GATEHOUSE_NAMESPACE.svc
EXEMPT=gatehouse.dev/admission # a label that takes a namespace out
TRUSTED=attestation.node-restriction.kubernetes.io/trusted
UNTRUSTED=attestation.node-restriction.kubernetes.io/untrusted

make_namespaces() {
  K create namespace $GATEHOUSE_NAMESPACE
  K create namespace demo
  # By name from 1.21 on; this cluster is older. Without these two exceptions a
  # Gatehouse that is down could not be brought up again: its own pods, and those
  # of the cluster itself, would wait for it.
  K label namespace kube-system $GATEHOUSE_NAMESPACE "$EXEMPT=exempt"
  K label node "$(node 1)" "$(node 3)" gatehouse-e2e/agent=yes
  wait_for 20 "the service accounts" K get serviceaccount default -n demo
  wait_for 20 "the service accounts" KG get serviceaccount default
} >/dev/null

# swarm_tokens: name of the Secret with the tokens of agents that have no pod, if there are any.
swarm_tokens() {
  [ -n "${GATEHOUSE_SWARM:-}" ] || return 0
  mkdir -p "$STATE/swarm"
  "$GATEHOUSE_SWARM" prepare --folder "$STATE/swarm" --nodes 40 --validity 20s >>"$LOGS/cases.log" 2>&1 &&
    KG create secret generic swarm-tokens --from-file=tokens.yaml="$STATE/swarm/tokens.yaml" >/dev/null && echo swarm-tokens
}

# The values that an admin of this cluster writes. The short times are the run's.
write_values() {
  cat >"$STATE/values.yaml" <<Y
image: {repository: $REGISTRY/gatehouse, tag: e2e}
registry: {insecure: ["$REGISTRY"]}
cache: {positiveTtl: 10m, negativeTtl: 3s}
hostAliases: [{ip: $REGISTRY_IP, hostnames: [${REGISTRY%:*}]}]
attestation: {service: {clusterIP: $ATTESTATION_IP}, interval: 5s, tokensSecret: "$(swarm_tokens)"}
certificates: {validity: 60s, caValidity: 300s, overlap: 20s}
agent:
  interval: 5s
  tpm: {access: socket}
  nodeSelector: {gatehouse-e2e/agent: "yes"}
  hostAliases: [{ip: $ATTESTATION_IP, hostnames: [$ATTESTATION_NAME]}]
Y
  provider_values >"$STATE/provider-values.yaml"
  ! can client-certificates || {
    echo "admission:"
    echo "  clientCA: |"
    indent 4 <"$PKI/admission-client-ca.crt"
  } >>"$STATE/values.yaml"
}

# helm_does VERB OPTION...: install, upgrade
helm_does() {
  local verb=$1
  shift
  HELM "$verb" $RELEASE "$CHART" -n $GATEHOUSE_NAMESPACE -f "$STATE/values.yaml" -f "$STATE/provider-values.yaml" --wait --timeout 90s "$@"
}

# webhook_pods: names of those that are ready and do not end, one a line.
webhook_pods() {
  KG get pods -l "$WEBHOOK_PODS" -o json | jq -r '.items[] | select(.metadata.deletionTimestamp == null and
    any(.status.conditions // [] | .[]; .type == "Ready" and .status == "True")) | .metadata.name'
}
WEBHOOK_PODS=app.kubernetes.io/name=gatehouse,app.kubernetes.io/component=webhook
AGENT_PODS=app.kubernetes.io/name=gatehouse,app.kubernetes.io/component=agent

two_webhooks_ready() { [ "$(webhook_pods | wc -l)" = 2 ]; }
agent_on() { KG get pods -l "$AGENT_PODS" --field-selector="spec.nodeName=$(node "$1")" -o 'jsonpath={.items[0].metadata.name}'; }
leader() { KG get lease $RELEASE-leader -o 'jsonpath={.spec.holderIdentity}'; }

# metrics POD PATH: through the API server, so that it works in any cluster.
metrics() { K get --raw "/api/v1/namespaces/$GATEHOUSE_NAMESPACE/pods/$1:8080/proxy/${2:-metrics}"; }

tls_serial() { KG get secret $RELEASE-tls -o 'jsonpath={.data.tls\.crt}' | base64 -d | openssl x509 -noout -serial | cut -c8-19; }
authority() { KG get secret $RELEASE-ca -o 'jsonpath={.data.ca\.crt}' | base64 -d | openssl x509 -noout -serial | cut -c8-19; }

# counted FAMILY LABEL: summed over all other labels, and over the webhooks.
counted() {
  awk -v family="$1{" -v label="$2" 'index($0, family) == 1 && index($0, label) { sum += $NF } END { print sum + 0 }' <<<"$OUT"
}

attestation_field() { K get nodeattestation "$(node "$1")" -o "jsonpath=$2"; }
verdict_is() { [ "$(attestation_field "$1" '{.status.verdict}')" = "$2" ]; }
node_label() { K get node "$(node "$1")" -o json | jq -r --arg key "$TRUSTED" '.metadata.labels[$key] // "none"'; }
node_taints() {
  K get node "$(node "$1")" -o json | jq -r --arg key "$UNTRUSTED" \
    '[.spec.taints // [] | .[] | select(.key == $key) | "\(.value):\(.effect)"] | sort | join(" ")'
}

tainted() { node_taints "$1" | grep -q "$2"; }

# kubectl_gatehouse ...: `kubectl gatehouse`, the program out of the image with the
# image's own libraries, whatever this machine is.
unpack_image() {
  local root=$STATE/image-root
  mkdir -p "$root" "$STATE/plugins"
  "$SUITE/images/unpack.py" "$GATEHOUSE_IMAGE" "$root"
  cat >"$STATE/plugins/kubectl-gatehouse" <<S
#!/bin/sh
exec $(find "$root" -name 'ld-linux*' | head -1) --library-path "$(find "$root" -name 'libc.so.6' -printf '%h:' | sed 's/:$//'):$(find "$root" -name 'libstdc++.so.6' -printf '%h' -quit)" \\
  $root/usr/local/bin/gatehouse "\$@"
S
  chmod +x "$STATE/plugins/kubectl-gatehouse"
}
kubectl_gatehouse() { PATH=$STATE/plugins:$PATH KUBECONFIG=$KUBECONFIG_FILE kubectl gatehouse "$@"; }
gatehouse_cli() { "$STATE/plugins/kubectl-gatehouse" "$@"; }

collect_gatehouse_logs() {
  local pod
  for pod in $(KG get pods -o 'jsonpath={.items[*].metadata.name}'); do
    KG logs "$pod" >"$LOGS/pod-$pod.log" 2>&1
    KG logs "$pod" --previous >"$LOGS/pod-$pod.previous.log" 2>&1 || rm -f "$LOGS/pod-$pod.previous.log"
  done
  K get nodeattestations -o yaml >"$LOGS/nodeattestations.yaml" 2>&1
  KG get all,leases,events -o wide >"$LOGS/gatehouse-system.txt" 2>&1
}
