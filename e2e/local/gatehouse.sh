# shellcheck shell=bash
# Gatehouse: its configuration, its policies, its place in front of the API server.

GATEHOUSE=$STATE/gatehouse
ADMISSION=https://$CP_IP:8443/validate
ATTESTATION=https://$CP_IP:8444
METRICS=http://$CP_IP:8445
WEBHOOK_NAME=validate.gatehouse.dev
EXEMPT=gatehouse.dev/admission # a label that takes a namespace out
TRUSTED_PCRS=(0 2 4 7 9)

indent() { sed "s/^/$(printf '%*s' "$1" '')/"; }

write_webhook_config() {
  cat >"$GATEHOUSE/webhook.yaml" <<Y
admission:
  listen: "$CP_IP:8443"
  tls:
    certificate: $PKI/gatehouse.crt
    key: $PKI/gatehouse.key
    clientCA: $PKI/admission-client-ca.crt
    requireClientCertificate: true
  unmatchedImages: deny
  unmatchedNodes: deny
attestation:
  listen: "$CP_IP:8444"
  tls: {certificate: $PKI/gatehouse.crt, key: $PKI/gatehouse.key, clientCA: $PKI/kubernetes-ca.crt}
  nonceKey: $PKI/nonce.key
  signingKey: $PKI/ear.key
  stateDir: $GATEHOUSE/state
metrics: {listen: "$CP_IP:8445"}
policies: {folder: $GATEHOUSE/policies}
registry: {insecure: ["$REGISTRY"]}
cache: {positiveTtl: 10m, negativeTtl: 3s}
log: {level: info}
shutdownDelay: 0s
Y
}

write_image_policy() {
  cat >"$GATEHOUSE/policies/images.yaml" <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata: {name: signed}
spec:
  images: [{glob: "$REGISTRY/**"}]
  authorities:
  - name: release
    key:
      data: |
$(indent 8 <"$PKI/release.pub")
  mode: enforce
  onUnavailable: deny
Y
}

# The reference values are what a good boot measured: those of node1, now.
write_node_policy() {
  cat >"$GATEHOUSE/policies/nodes.yaml" <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: NodePolicy
metadata: {name: measured-boot}
spec:
  nodes: [{glob: "node*"}]
  mode: enforce
  validity: 20s
  tpm:
    trustRoots: [swtpm]
    pcrs:
      bank: sha256
      values:
$(pcr_values 1 "${TRUSTED_PCRS[@]}" | sed -E 's/^([0-9]+) ([0-9a-f]+)$/        "\1": ["\2"]/')
Y
  cat >"$GATEHOUSE/policies/roots.yaml" <<Y
apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata: {name: swtpm}
spec:
  tpm:
    certificates: |
$(indent 6 <"$STATE/tpm-ca/roots.pem")
Y
}

start_webhook() {
  mkdir -p "$GATEHOUSE/policies" "$GATEHOUSE/state"
  write_webhook_config
  write_image_policy
  write_node_policy
  start gatehouse-webhook "$GATEHOUSE_BIN/gatehouse-webhook" --config "$GATEHOUSE/webhook.yaml"
  wait_for 10 "gatehouse-webhook" answers "$METRICS/readyz"
}

# The agent runs in the node: the node's network, the node's logs, the node's TPM.
start_agent() {
  local n=$1 dir=$GATEHOUSE/agent$1
  mkdir -p "$dir/state"
  cat >"$dir/agent.yaml" <<Y
node: node$n
server:
  url: "$ATTESTATION"
  ca: $PKI/gatehouse-ca.crt
  certificate: $PKI/agent$n.crt
  key: $PKI/agent$n.key
tpm:
  tcti: "swtpm:path=$(tpm_socket "$n")"
  ek: rsa2048
  ak: ecc-p256
  stateDir: $dir/state
eventLog: /sys/kernel/security/tpm0/binary_bios_measurements
imaLog: /sys/kernel/security/ima/binary_runtime_measurements
interval: 5s
Y
  start_in_node "$n" gatehouse-agent "$GATEHOUSE_BIN/gatehouse-agent" --config "$dir/agent.yaml"
}

node_is_attested() { pod probe "$(pinned signed)" "{\"nodeName\": \"node$1\"}" | K create --dry-run=server -f -; }

make_namespaces() {
  K create namespace gatehouse-system
  K create namespace demo
  # Without these two exceptions a Gatehouse that is down could not be brought up
  # again: its own pods, and those of the cluster itself, would wait for it.
  K label namespace kube-system gatehouse-system "$EXEMPT=exempt"
  wait_for 20 "the service accounts" K get serviceaccount default -n demo
  wait_for 20 "the service accounts" K get serviceaccount default -n gatehouse-system
}

# DELETE is never asked about: what may not run must be possible to remove, also
# while Gatehouse is down.
register_webhook() {
  K create -f - <<Y
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: gatehouse}
webhooks:
- name: $WEBHOOK_NAME
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 10
  matchPolicy: Equivalent
  namespaceSelector: {matchExpressions: [{key: $EXEMPT, operator: NotIn, values: [exempt]}]}
  clientConfig: {url: "$ADMISSION", caBundle: $(base64 -w0 "$PKI/gatehouse-ca.crt")}
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods, replicationcontrollers]}
  - {apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [pods/ephemeralcontainers]}
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods/binding, bindings]}
  - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE],
     resources: [deployments, replicasets, statefulsets, daemonsets]}
  - {apiGroups: [batch], apiVersions: [v1, v1beta1], operations: [CREATE, UPDATE], resources: [jobs, cronjobs]}
Y
}

api_server_asks() {
  ! pod probe "$APP:unsigned" | K create --dry-run=server -f -
}

guard_cluster() {
  make_namespaces >/dev/null
  register_webhook >/dev/null
  wait_for 15 "the webhook configuration to take effect" api_server_asks
}
